"""`whenabouts find`: the moments of every video, ranked."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Device, Json, On, Overrides, ProjectFolder, Recipe

if TYPE_CHECKING:
    from whenabouts.core.moments import Moments
    from whenabouts.data.feature_store import FeatureStore
    from whenabouts.data.freshness import MomentsCard
    from whenabouts.data.manifest import Entry, Manifest
    from whenabouts.data.project import Project
    from whenabouts.localizers import Localizer
    from whenabouts.localizers.finding import Found

MUCH_COVERED = 0.5

Concept = Annotated[str | None, typer.Argument(help="Show only this concept.", show_default="all")]
Top = Annotated[int, typer.Option("--top", help="Show so many of the best moments.", min=0)]
Split = Annotated[str, typer.Option("--split", help="In which videos: all, or a split such as train or test.")]
MinScore = Annotated[
    float | None, typer.Option("--min-score", help="Drop moments with a lower score.", show_default=False)
]
Precision = Annotated[
    float | None,
    typer.Option(
        "--precision",
        help="Keep the best moments of each concept, of which such a share is expected to be right: 0.8.",
        show_default=False,
    ),
]
Html = Annotated[
    Path | None,
    typer.Option("--html", help="Also write one page that shows the moments, to this file.", show_default=False),
]


def find(
    concept: Concept = None,
    project: ProjectFolder = Path(),
    top: Top = 20,
    split: Split = "all",
    min_score: MinScore = None,
    precision: Precision = None,
    html: Html = None,
    recipe: Recipe = None,
    overrides: Overrides = None,
    on: On = "local",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Find moments, show the best, and write them all.

    A score is no probability. With multiple-instance, as set by default, it is how far the moment stands out from what
    is beside it, plus the concept's probability in the video. With winners-out, as set by default, it is the mean, over
    the moment's half seconds, of their share of the concept's evidence in the video (1 where all half seconds have the
    same), times the square root of their number: moments that stand out more, and for longer, come first. With
    two-stage and cross-class-relevance, as set by default, it is the mean, over the moment's half seconds, of the
    probability that the segment model or the relevance model gives, times the square root of their number.

    Two settings lower scores of multiple-instance and activities. train.doubt (1): of how far a moment of n segments
    stands out, n / (n + doubt) counts, for few segments may do so by chance. train.sigma (0.6): where a better moment
    of the concept overlaps, the score is multiplied by exp(-tIoU^2 / sigma); smaller lowers more. Of a video the
    train.most_moments (10,000) best moments stay, and it is told how many went.

    Reads the manifest, the features and models/localizer; writes moments/moments.json, and subtitles with one cue per
    moment, moments/vtt/VIDEO.vtt. The files hold every concept, whichever is shown. What has changed since moments were
    last found is told, and listed in reports/changes.json. Those settings of the model that matter in use can be
    changed in [train]. Features that a file or the backbone has outgrown are told.

    --precision needs a localizer that `train` chose on checked segments: these tell what its scores mean. What is
    expected holds for videos like those that were checked; `whenabouts show reliability` draws whether it comes true.

    --html FILE also writes one page that needs no network and no server: a timeline for each of the 100 videos with the
    best moments of the concept, or of all. It holds small pictures of the videos: mind to whom you give it.
    """
    from whenabouts.config import tables
    from whenabouts.core.locks import locked
    from whenabouts.data.freshness import MomentsCard
    from whenabouts.data.manifest import file_of
    from whenabouts.data.project import Project
    from whenabouts.localizers import load_localizer
    from whenabouts.localizers.calibration import likely, load_calibration

    terminal = Terminal(as_json=as_json)
    _check_bounds(min_score, precision)
    home = Project.open(project)
    calibration = None if precision is None else load_calibration(home)
    manifest = home.manifest()
    entries = [entry for entry in manifest.within(split) if entry.usable]
    told = tables(recipe, overrides, sections=("train",))["train"]
    localizer = load_localizer(home.localizer_folder, device=device, changes=told)
    if calibration is not None and told:
        terminal.say(
            "--precision goes by what scores mean with the model's own settings. With those given here they may mean "
            "something else, and another share be right."
        )
    if localizer.vocabulary.names != home.vocabulary().names:
        terminal.say("The vocabulary has changed since the model was trained: run `whenabouts train` to learn it.")
    wanted = None if concept is None else localizer.vocabulary.index(concept)
    store = home.features()
    card = MomentsCard.of(home, entries, store, [stream.modality for stream in localizer.streams], split=split,
                          asked={"min_score": min_score, "precision": precision, "train": told})  # fmt: skip
    _tell_stale(terminal, home, store, manifest)
    found = _searched(home, localizer, entries, _Place(on, told, device), terminal)
    moments = found.moments if min_score is None else found.moments[found.moments.scores >= min_score]
    if calibration is not None and precision is not None:
        moments = moments[likely(moments, calibration, precision)]
    with locked(home.folder):
        changes = _changes(home, moments)
        _write(moments, home.moments_folder, card)
    best = moments if wanted is None else moments[moments.classes == wanted]
    if html is not None:
        _write_page(html, home, entries, best, localizer, terminal=terminal)
    _tell_limits(terminal, found, localizer)
    files = {entry.id: str(file_of(entry.video.path)) for entry in entries}
    rows, shown = _listed(best.ranked(top), files)
    last = f"Wrote {home.moments_folder / 'moments.json'}: {len(moments)} moments in {found.videos} videos."
    last += _told_changes(changes) + ("" if html is None else f" The page is {html}.")
    values = {"folder": str(home.moments_folder), "moments": len(moments), "videos": found.videos,
              "left_out": dict(found.left_out), "cut": dict(found.cut), "covered": found.covered, "best": shown,
              "changes": changes, "html": None if html is None else str(html)}  # fmt: skip
    terminal.result("\n".join([*rows, last]), values)


def _check_bounds(min_score: float | None, precision: float | None) -> None:
    from whenabouts.core.errors import SettingsError

    if min_score is not None and not math.isfinite(min_score):  # Every moment would be dropped, and JSON has no such.
        raise SettingsError(f"--min-score {min_score} is no finite number. Give one, for example --min-score 0.5.")
    if precision is not None and not 0 < precision <= 1:
        raise SettingsError(f"--precision {precision} is no share above 0, up to 1. Give one: --precision 0.8.")


@dataclass(frozen=True)
class _Place:
    """Where videos are searched: on this machine or a cluster, by the saved localizer with some settings changed."""

    on: str
    changes: dict[str, Any]
    device: str


def _searched(
    home: "Project", localizer: "Localizer", entries: "list[Entry]", place: _Place, terminal: Terminal
) -> "Found":
    """The moments of all videos; where none can be searched a ProjectError, before anything is written."""
    from whenabouts.core.errors import ProjectError
    from whenabouts.localizers.finding import find_moments
    from whenabouts.scale.cluster import check_place, connected

    store = home.features()
    if check_place(place.on):
        from whenabouts.scale.finding import localizing_on

        with connected(place.on) as ray:
            localized = localizing_on(ray, home.localizer_folder, place.changes, terminal, device=place.device)
            found = find_moments(localizer, entries, store, terminal, localized)
    else:
        found = find_moments(localizer, entries, store, terminal)
    if not found.videos:  # What was found earlier stays.
        told_why = ", ".join(f"{count} {reason}" for reason, count in found.left_out.most_common()) or "none is usable"
        raise ProjectError(f"No video can be searched: {told_why}. Run `whenabouts extract` first.")
    return found


def _tell_stale(terminal: Terminal, home: "Project", store: "FeatureStore", manifest: "Manifest") -> None:
    """Say what has changed since moments were last found, and what the model and the features have not seen yet."""
    from whenabouts.core.features import maker_of
    from whenabouts.data.freshness import Lessons, MomentsCard, source_of

    card, lessons = MomentsCard.load(home.moments_folder), Lessons.load(home)
    since = [] if card is None else card.changes(home, manifest.entries, store)
    if since:
        terminal.say(f"Since moments were last found: {'; '.join(since)}.")
    since = [] if lessons is None else lessons.changes(home, manifest, store)
    if since:
        terminal.say(
            f"For training since the model was made: {'; '.join(since)}. Run `whenabouts train` to learn them."
        )
    for modality, folder in home.backbones().items():
        backbone = source_of(folder)
        others = [source for source in store.sources(modality) if maker_of(source) != backbone]
        if backbone and others:
            terminal.say(
                f"Features are of {others[0]}, but the backbone is {backbone}: run `whenabouts extract`, then train."
            )


def _advice(localizer: "Localizer") -> str:
    """How moments become shorter, by settings that this localizer has."""
    if hasattr(localizer.Settings, "winners_share"):
        return ", or let fewer segments win (train.test_steps, train.winners_share)"
    if hasattr(localizer.Settings, "run_threshold"):
        return ', or raise train.run_threshold, which counts where train.moments is "runs"'
    return ""


def _changes(home: "Project", moments: "Moments") -> dict[str, int] | None:
    """How many of the moments that stand there are kept, moved, new and gone; all of it in reports/changes.json.

    None where nothing was found before, or it can't be read any more.
    """
    from whenabouts.core.errors import WhenaboutsError
    from whenabouts.core.files import read_json, write_json
    from whenabouts.core.moments import Moments
    from whenabouts.evaluation.changes import changes_between

    try:
        before = Moments.from_json(read_json(home.moments_folder / "moments.json"))
    except (OSError, WhenaboutsError):
        return None
    told = changes_between(before, moments, shown=None)
    write_json(home.reports_folder / "changes.json", told)
    counts: dict[str, int] = told["moments"]
    return counts


def _write(moments: "Moments", folder: Path, card: "MomentsCard") -> None:
    from whenabouts.core.files import replacing_folder, write_json
    from whenabouts.data.exporters.webvtt import write_webvtt

    write_json(folder / "moments.json", moments.to_json())
    with replacing_folder(folder / "vtt") as part:
        write_webvtt(moments, part)
    card.save(folder)


def _write_page(
    path: Path,
    home: "Project",
    entries: "list[Entry]",
    best: "Moments",
    localizer: "Localizer",
    *,
    terminal: Terminal,
) -> None:
    from whenabouts.page.found_page import write_found_page

    left = write_found_page(path, entries, best, home.features(), localizer, progress=terminal)
    if left:
        terminal.say(f"The page shows the {len(set(best.video_ids.tolist())) - left} videos with the best moments; "
                     f"{left} more have some.")  # fmt: skip


def _tell_limits(terminal: Terminal, found: "Found", localizer: "Localizer") -> None:
    """Say which videos were left out or cut short, and where moments cover too much to trust their borders."""
    if found.left_out:
        told = ", ".join(f"{count} {reason}" for reason, count in found.left_out.most_common())
        terminal.say(f"Left out: {told}.")
    if found.cut:
        terminal.say(
            f"{len(found.cut)} videos have more moments than train.most_moments allows: their best are kept, "
            f"{found.cut.total():,} with lower scores went."
        )
    if found.covered > MUCH_COVERED:
        terminal.say(
            f"The moments of a concept cover {found.covered:.0%} of its videos on average: trust their ranking rather "
            f"than their borders{_advice(localizer)}."
        )


def _listed(best: "Moments", files: dict[str, str]) -> tuple[list[str], list[dict[str, Any]]]:
    """The best moments with their files: a line each, and the same as plain values."""
    from whenabouts.core.timing import clock

    lines, values = [], []
    for row in best:
        time, file = f"{clock(row.start_seconds):>11} - {clock(row.end_seconds):<11}", files[row.video_id]
        lines.append(f"{row.score:8.3f}  {time}  {row.concept}  {file}")
        values.append({"video": row.video_id, "file": file, "concept": row.concept, "start": row.start_seconds,
                       "end": row.end_seconds, "score": row.score})  # fmt: skip
    return lines, values


def _told_changes(changes: dict[str, int] | None) -> str:
    """What became of the moments that were found the last time; nothing where all are as they were."""
    if changes is None or changes["kept"] == changes["before"] == changes["after"]:
        return ""
    return (
        f" Since the last time {changes['kept']} are kept, {changes['moved']} moved, {changes['new']} new, "
        f"{changes['gone']} gone (reports/changes.json)."
    )
