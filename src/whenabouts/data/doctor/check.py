"""The data doctor: what can't work with this data, said before a training is paid for."""

import contextlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from whenabouts.core.errors import InvalidData, ProjectError, WhenaboutsError
from whenabouts.core.progress import Progress
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.doctor.deduplicate import Duplicate, same_files, same_frames, small_frames
from whenabouts.data.doctor.features import check_features, check_freshness, check_models, check_values, json_or_none
from whenabouts.data.doctor.findings import CheckReport, Severity, some
from whenabouts.data.doctor.labels import check_labels
from whenabouts.data.doctor.looking import HERE, Looks
from whenabouts.data.importing import reported_imports
from whenabouts.data.manifest import Entry, Manifest, file_of
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings

MUCH_CACHE = 100_000_000
_IMPORT = "Start with `whenabouts import KIND ROOT --project DIR`."


def check_project(
    folder: Path, *, frames: bool, files: bool = False, progress: Progress, looks: Looks = HERE
) -> CheckReport:
    """Look at everything that a project holds and never raise for what it lacks.

    With `frames`, and more than one split, five frames of each video are compared to find copies across splits. With
    `files`, every file is read in full: damage since the import is found even under the same size and time, and
    features that can't be used. `looks` looks into the files: the report is the same, whoever does.
    """
    report, project = CheckReport(), Project(folder)
    try:
        manifest = Project.open(folder).manifest()
    except (ProjectError, InvalidData) as error:
        report.add("stop", "project", str(error))
        report.next_step = _IMPORT
        return report
    entries = manifest.entries
    if not entries:
        report.add("stop", "project", f"The manifest is empty. {_IMPORT}")
        report.next_step = _IMPORT
        return report
    _check_files(entries, report)
    if files:
        _check_contents(entries, looks, report, progress)
    _check_import(project, report)
    vocabulary, settings = _vocabulary(project, report)
    if vocabulary is not None:
        check_labels(entries, vocabulary, settings, report, truth=project.truth_path.is_file())
    alike = _alike(manifest, project.cache_folder / "small_frames.safetensors", looks, progress) if frames else []
    _check_splits(manifest, alike, report)
    store = project.features()
    told = {stream: json_or_none(path) or {} for stream, path in project.extraction_reports().items()}
    check_features(entries, store, told, report)
    if files:
        check_values(entries, store, report, progress)
    check_models(project.models_folder, store, vocabulary.names if vocabulary else (), report)
    check_freshness(project, entries, store, report)
    _check_cache(project, report)
    report.next_step = _next(project, report)
    return report


def _check_files(entries: Sequence[Entry], report: CheckReport) -> None:
    listed = {
        "removed": [entry for entry in entries if entry.removed],
        "unreadable": [entry for entry in entries if not entry.removed and entry.video.status == "unreadable"],
        "partial": [entry for entry in entries if not entry.removed and entry.video.status == "partial"],
    }
    seconds = sum(entry.video.duration_seconds for entry in entries if entry.usable)
    report.figures |= {"videos": len(entries), "hours": round(seconds / 3600, 3), "splits": _splits(entries)}
    report.figures |= {kind: len(found) for kind, found in listed.items()}
    for kind, found in listed.items():
        if found:
            why = "; ".join(f"{entry.id}: {entry.video.reason or 'the file is gone'}" for entry in found[:2])
            text = f"{kind}: {len(found)} of {len(entries)} videos ({why})."
            report.add("warning", "files", text, [entry.id for entry in found])
    if not any(entry.usable and entry.split == "train" for entry in entries):
        text = f"None of the {len(entries)} videos can be used for training (splits: {_splits(entries)})."
        report.add("stop", "files", f"{text} Import videos that can be read with --split train.")
    _check_stale(entries, report)


def _check_stale(entries: Sequence[Entry], report: CheckReport) -> None:
    gone, changed = [], []
    for entry in entries:
        if entry.removed or entry.stamp is None:
            continue
        try:
            status = file_of(entry.video.path).stat()
        except OSError:
            gone.append(entry.id)
            continue
        if (status.st_size, status.st_mtime_ns) != (entry.stamp.bytes, entry.stamp.modified_ns):
            changed.append(entry.id)
    for names, what in ((gone, "not found any more"), (changed, "changed since the import")):
        if names:
            text = f"{what}: {len(names)} of {len(entries)} files ({some(names)}). Import their folder again."
            report.add("warning", "files", text, names)


def _check_contents(entries: Sequence[Entry], looks: Looks, report: CheckReport, progress: Progress) -> None:
    kept = [entry for entry in entries if not entry.removed and file_of(entry.video.path) == entry.video.path]
    looked = progress.track(looks.contents(kept), total=len(kept), title="Reading files")
    same = {entry.id: found for entry, found in looked}
    other = [entry.id for entry in kept if same[entry.id] is False]
    unread = [entry.id for entry in kept if same[entry.id] is None]
    report.figures["contents_changed"] = len(other)
    if other:
        text = f"other content than at the import: {len(other)} of {len(kept)} files ({some(other)})."
        do = "Put the right files back, or import again with --set import.verify=true."
        report.add("warning", "files", f"{text} {do}", other)
    if unread:
        text = f"files that could not be looked into: {len(unread)} of {len(kept)} ({some(unread)})."
        report.add("warning", "files", f"{text} Workers have ended at them. Run `whenabouts check` again.", unread)


def _check_import(project: Project, report: CheckReport) -> None:
    counts: Counter[str] = Counter()
    for told in reported_imports(project.reports_folder / "import.json"):
        found = told.get("counts")
        if isinstance(found, dict):
            counts.update({str(name): count for name, count in found.items() if isinstance(count, int)})
    for name, text in (
        ("rows_unmatched", "rows that name a video which is not there"),
        ("rows_ambiguous", "rows that name a video which several files could be"),
        ("sidecars_without_video", "sidecars without a video beside them"),
        ("sidecars_rejected", "sidecars that can't be read"),
        ("files_without_video", "files of features of videos that are not in the project"),
        ("videos_refused", "videos whose imported features are refused"),
        ("length_mismatches", "imported features whose length does not fit the video's"),
        ("chapters_refused", "chapters refused, because their times do not hold for the file"),
    ):
        if counts[name] > 0:
            report.add("warning", "import", f"{text}: {counts[name]} (details: reports/import.json).")


def _check_cache(project: Project, report: CheckReport) -> None:
    size = 0
    for path in project.cache_folder.rglob("*"):
        with contextlib.suppress(OSError):  # A run that goes on meanwhile may take its files away.
            size += path.lstat().st_size if path.is_file() else 0
    report.figures["cache_bytes"] = size
    if size >= MUCH_CACHE:
        text = f"{project.cache_folder} takes {size / 1e9:.1f} GB. It can be removed: what a verb needs it makes again."
        report.add("note", "cache", text)


def _vocabulary(project: Project, report: CheckReport) -> tuple[Vocabulary | None, VocabularySettings]:
    try:
        if not project.vocabulary_fits():
            text = (
                "the manifest was written after vocabulary.json: was an import interrupted? Run the last import again."
            )
            report.add("warning", "labels", text)
        return project.vocabulary(), project.vocabulary_settings()
    except WhenaboutsError as error:
        report.add("stop", "labels", str(error))
        return None, VocabularySettings()


def _alike(manifest: Manifest, cache: Path, looks: Looks, progress: Progress) -> list[Duplicate]:
    """Videos that look the same, where there is more than one split."""
    usable = [entry for entry in manifest if entry.usable]
    if len({entry.split for entry in usable}) < 2:
        return []
    return same_frames(usable, small_frames(usable, cache, progress, looks))


def _check_splits(manifest: Manifest, alike: Sequence[Duplicate], report: CheckReport) -> None:
    usable = [entry for entry in manifest if entry.usable]
    splits = {entry.split for entry in usable}
    pairs = same_files(usable)
    known = {(pair.first, pair.second) for pair in pairs}
    pairs += [pair for pair in alike if (pair.first, pair.second) not in known]
    report.figures["duplicates"] = len(pairs)
    report.figures["duplicates_across_splits"] = sum(pair.across_splits for pair in pairs)
    _tell([pair for pair in pairs if pair.across_splits], report, "in two splits, so that scores come out too good")
    _tell([pair for pair in pairs if not pair.across_splits], report, "twice in one split")
    if splits == {"train"}:
        text = "nothing is held out, so nothing can be measured. Import other videos with --split test."
        report.add("note", "splits", text)
    by_split = {split: {entry.uploader for entry in usable if entry.split == split} - {""} for split in splits}
    shared = sorted(by_split.get("train", set()).intersection(*[by_split[split] for split in splits - {"train"}]))
    if shared and len(splits) > 1:
        text = f"uploaders with videos in all splits: {len(shared)} ({some(shared)})."
        report.add(
            "note", "splits", f"{text} Uploaders repeat tags and scenes: scores for others may be lower.", shared
        )


def _tell(pairs: list[Duplicate], report: CheckReport, what: str) -> None:
    if not pairs:
        return
    shown = [f"{pair.first} = {pair.second}" for pair in pairs]
    how = Counter(pair.how for pair in pairs)
    by = " and ".join(f"{count} by {kind}" for kind, count in sorted(how.items()))
    severity: Severity = "warning" if pairs[0].across_splits else "note"
    text = f"copies of a video {what}: {len(pairs)} ({by}): {some(shown)}. Keep one of each."
    report.add(severity, "splits", text, shown)


def _splits(entries: Sequence[Entry]) -> dict[str, int]:
    return dict(sorted(Counter(entry.split for entry in entries).items()))


def _next(project: Project, report: CheckReport) -> str:
    if not report.trainable:
        return "Mend what is marked STOP, then run `whenabouts check` again."
    features = report.figures["features"]
    if not project.backbones() and not features:
        return "Run `whenabouts pretrain` for a backbone, then `whenabouts extract`."
    if not features or any(row["present"] < row["wanted"] or row["stale"] or row["mixed"] for row in features.values()):
        return "Run `whenabouts extract`."
    trained = project.localizer_folder.is_dir()
    if not trained or any("localizer" in found.names and found.severity == "warning" for found in report.findings):
        return "Run `whenabouts train`."
    if report.figures.get("moments_stale", True):
        return "Run `whenabouts find`."
    return "The moments are up to date: see moments/, or ask `whenabouts find CONCEPT`."
