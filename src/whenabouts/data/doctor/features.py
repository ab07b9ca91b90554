"""Do features, models and moments fit the videos, and each other?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData
from whenabouts.core.features import maker_of
from whenabouts.core.files import check_content, read_json
from whenabouts.core.progress import Progress
from whenabouts.data.doctor.findings import CheckReport, some
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.freshness import Lessons, MomentsCard
from whenabouts.data.manifest import Entry
from whenabouts.data.project import Project

# Streams of sound: videos without any lack them rightly. The first comes with the pictures, and with their report.
_SOUND = ("audio", "sound")
_BESIDE = {"audio": "rgb"}
_FIND = "Run `whenabouts find` again."


def check_features(
    entries: Sequence[Entry], store: FeatureStore, extraction: Mapping[str, dict[str, Any]], report: CheckReport
) -> None:
    """Add findings about missing, stale, mixed and broken features; `extraction` holds each stream's report."""
    unreadable = {stream: _check_report(stream, values, report) for stream, values in extraction.items()}
    for path in store.broken:
        do = "Delete it and run `whenabouts extract`: only the videos in it are done again."
        report.add("warning", "features", f"the file {path.name} is broken. {do}", [path.name])
    report.figures["features"] = {}
    for modality in store.modalities():
        lost = unreadable.get(_BESIDE.get(modality, modality), set())
        wanted = [entry for entry in entries if entry.usable and entry.id not in lost]
        wanted = [entry for entry in wanted if modality not in _SOUND or entry.video.has_audio]
        _check_modality(wanted, entries, modality, store, report)


def _check_report(stream: str, values: Mapping[str, Any], report: CheckReport) -> set[str]:
    """Tell of a stream's partial and unreadable videos; return the ids of the latter."""
    rows = [row for row in values.get("videos", []) if isinstance(row, dict)]
    which = "features" if stream == "rgb" else f"{stream} features"
    listed: list[dict[str, Any]] = []
    for kind in ("partial", "unreadable"):
        listed = [row for row in rows if row.get("status") == kind]
        if listed:
            seen = "; ".join(f"{row.get('id')}: {row.get('reason')}" for row in listed[:2])
            text = f"{kind} when {which} were extracted: {len(listed)} ({seen})."
            report.add("warning", "features", text, [str(row.get("id")) for row in listed])
    return {str(row.get("id")) for row in listed}


def _check_modality(
    wanted: list[Entry], entries: Sequence[Entry], modality: str, store: FeatureStore, report: CheckReport
) -> None:
    missing = [entry.id for entry in wanted if not store.has(entry.id, modality)]
    stale = [
        entry.id
        for entry in wanted
        if store.has(entry.id, modality) and not store.has(entry.id, modality, newer_than_ns=entry.changed_ns)
    ]
    present = len(wanted) - len(missing)
    mixed = len(store.sources(modality)) > 1 or len(store.widths(modality)) > 1
    counts = {"wanted": len(wanted), "present": present, "stale": len(stale), "mixed": mixed}
    report.figures["features"][modality] = counts
    run = "Run `whenabouts extract`."
    if missing:
        text = f"{modality} features are missing: {len(missing)} of {len(wanted)} videos ({some(missing)})."
        report.add("warning", "features", f"{text} {run}", missing)
    if stale:
        text = f"{modality} features older than their files: {len(stale)} ({some(stale)})."
        report.add("warning", "features", f"{text} {run}", stale)
    strangers = sorted(set(store.video_ids(modality)) - {entry.id for entry in entries})
    if strangers:
        text = f"{modality} features of videos that the manifest lacks: {len(strangers)} ({some(strangers)})."
        report.add("note", "features", f"{text} They are not used.", strangers)
    for what, found in (("backbones", store.sources(modality)), ("widths", store.widths(modality))):
        if len(found) > 1:
            seen = ", ".join(f"{value} ({count} videos)" for value, count in sorted(found.items(), key=str))
            report.add("warning", "features", f"{modality} features come in several {what}: {seen}. {run}")


def check_values(entries: Sequence[Entry], store: FeatureStore, report: CheckReport, progress: Progress) -> None:
    """Read all features of these entries, and add a finding about those that are damaged or hold NaN or infinity."""
    kept = [
        (entry.id, modality) for modality in store.modalities() for entry in entries if store.has(entry.id, modality)
    ]
    bad: dict[str, str] = {}
    for video_id, modality in progress.track(kept, total=len(kept), title="Reading features"):
        try:
            store.read(video_id, modality).check_finite()
        except InvalidData as error:
            bad.setdefault(video_id, str(error))
    report.figures["features_broken"] = len(bad)
    if bad:
        text = f"features that can't be used: {len(bad)} videos ({some(list(bad))}). {next(iter(bad.values()))}"
        report.add("warning", "features", text, bad)


def check_models(models: Path, store: FeatureStore, concepts: Sequence[str], report: CheckReport) -> None:
    """Add findings about models that do not fit the features or the vocabulary."""
    for path in sorted(models.glob("[!.]*/card.json")) if models.is_dir() else []:
        name = path.parent.name
        card = json_or_none(path)
        if card is None:
            do = "Train it again, or remove its folder."
            report.add("warning", "models", f"the card of the model {name} can't be read. {do}", [name])
            continue
        try:
            check_content(path.parent / "model.safetensors", card.get("sha256"))
        except (InvalidData, OSError) as error:
            report.add("warning", "models", f"the model {name} is broken: {error} Train it again.", [name])
        made = card.get("source") if card.get("kind") == "backbone" else None
        stream = str(card.get("modality", "rgb"))
        others = sorted(source for source in store.sources(stream) if maker_of(source) != made) if made else []
        if others:
            text = f"{stream} features are of {some(others)}, but models/{name} is {made}. Run `whenabouts extract`."
            report.add("warning", "models", text, [name])
        for stream in card.get("streams") or []:
            told = _unfit(stream, store) if isinstance(stream, dict) else ""
            if told:
                report.add("warning", "models", f"the model {name} {told}. Run `whenabouts train` again.", [name])
        vocabulary = json_or_none(path.parent / "vocabulary.json") or {}
        if card.get("streams") and vocabulary.get("names") not in (None, list(concepts)):
            text = f"the model {name} was trained on another vocabulary than the project's; it finds its own concepts."
            report.add("note", "models", text, [name])


def check_freshness(project: Project, entries: Sequence[Entry], store: FeatureStore, report: CheckReport) -> None:
    """Add findings where the localizer or the moments are stale: what they were made from has changed since."""
    lessons = Lessons.load(project)
    since = [] if lessons is None else lessons.changes(project, entries, store)
    if since:
        text = f"the localizer is stale; for training since: {'; '.join(since)}. Run `whenabouts train` again."
        report.add("warning", "models", text, ["localizer"])
    if not (project.moments_folder / "moments.json").is_file():
        return
    card = MomentsCard.load(project.moments_folder)
    since = ["nothing says what they were found with"] if card is None else card.changes(project, entries, store)
    report.figures["moments_stale"] = since
    if card is not None and card.asked:
        told = ", ".join(f"{name} = {value}" for name, value in card.asked.items())
        text = f"moments.json is what was asked for, not all there is: {told}. `whenabouts find` without it writes all."
        report.add("note", "moments", text)
    if since:
        report.add("warning", "moments", f"moments are stale; since they were found: {'; '.join(since)}. {_FIND}")


def _unfit(stream: dict[str, Any], store: FeatureStore) -> str:
    modality, width, source = stream.get("modality"), stream.get("width"), stream.get("source")
    widths, sources = store.widths(str(modality)), store.sources(str(modality))
    if not widths:
        return f"reads {modality} features, but there are none"
    if set(widths) != {width}:
        return f"reads {modality} features {width} wide, but they are {some([str(value) for value in sorted(widths)])}"
    if source is not None and set(sources) != {source}:
        return f"was trained on {modality} features of {source}, but they are of {some(sorted(sources))}"
    return ""


def json_or_none(path: Path) -> dict[str, Any] | None:
    """A JSON object, None where there is none or the file is broken."""
    try:
        return read_json(path)
    except (OSError, InvalidData):
        return None
