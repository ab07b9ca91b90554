"""Features that other programs made, as people have them: files for each video, with or without annotations."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from whenabouts.core.errors import InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.progress import Progress
from whenabouts.core.timing import TimeGrid
from whenabouts.data.annotations.reading import read_annotations
from whenabouts.data.annotations.wtalc import CONVERT_FEATURES
from whenabouts.data.feature_files.arrays import holds_objects
from whenabouts.data.feature_files.layouts import LAYOUTS, Layout
from whenabouts.data.feature_files.planning import Fault, Plan, planned
from whenabouts.data.feature_files.reading import FeatureFiles
from whenabouts.data.importers.annotated import imported_of
from whenabouts.data.importers.media_files import checked_root, files_below
from whenabouts.data.importers.protocol import (
    NOTHING_KNOWN,
    SILENT,
    FeatureSettings,
    FeatureSupply,
    Imported,
    ImportSettings,
    Problem,
    SupplyReport,
)
from whenabouts.data.manifest import Manifest

SOURCE = "features"


def import_features(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Match the files below `root` to annotated videos, or to those that the project knows; read them on demand.

    Raises InvalidData where there are no files of the layout, no videos, or one file for all videos.
    """
    root, how = checked_root(root), settings.features
    layout = _layout(how)
    problems: list[Problem] = []
    said = Path(how.annotations).resolve() if how.annotations else None
    files = [
        path
        for path in files_below(root, problems)
        if path.suffix.lower() == layout.ending and not (said and path.is_relative_to(said))
    ]
    _check_files(root, files, layout, how)
    base, covered = _videos(root, settings, known, progress)
    pairs = ((path, PurePosixPath(path.relative_to(root).as_posix())) for path in files)
    plan = planned(pairs, base.entries, layout, offset_frames=how.offset_frames, covered=covered)
    supply = _supply(plan, how, layout)
    entries = tuple(
        replace(entry, clocks=plan.videos[entry.id].clocks if entry.id in plan.videos else ()) for entry in base.entries
    )
    return replace(
        base,
        entries=entries,
        problems=(*base.problems, *problems, *map(_problem, plan.faults)),
        counts={**base.counts, **plan.counts},
        supply=supply,
        facts={**base.facts, "features": str(root), "layout": how.layout, "steps": _rule(layout, how)},
    )


def _layout(how: FeatureSettings) -> Layout:
    """The layout with what the settings say otherwise."""
    layout = LAYOUTS[how.layout]
    if how.modality:
        layout = replace(layout, pairs=False, split=False, whole=how.modality)
    return replace(
        layout,
        fps=how.fps or layout.fps,
        hop_frames=how.hop_frames or layout.hop_frames,
        window_frames=how.window_frames or how.hop_frames or layout.window_frames,
        split=layout.split if how.joint == "auto" or how.modality else how.joint == "split",
    )


def _check_files(root: Path, files: list[Path], layout: Layout, how: FeatureSettings) -> None:
    if not files:
        raise InvalidData(
            f"There is no {layout.ending} file below {root}, as layout {how.layout!r} has them. Check the folder, or "
            f"choose another --layout: {', '.join(LAYOUTS)}."
        )
    objects = [path for path in files if layout.ending == ".npy" and len(files) <= 3 and holds_objects(path)]
    if objects:
        raise InvalidData(
            f"{objects[0]} holds Python objects, as W-TALC's one file of all videos does: only pickle reads it, and "
            f"pickle can run code. If you trust the file, write one plain file a video, once:\n{CONVERT_FEATURES}"
        )


def _videos(
    root: Path, settings: ImportSettings, known: Manifest, progress: Progress
) -> tuple[Imported, Mapping[str, float]]:
    """The annotated videos, or else the project's own, and how many seconds of each published features cover."""
    how = settings.features
    if how.annotations:
        kind, found = read_annotations(
            Path(how.annotations),
            ground_truth=settings.thumos14.ground_truth,
            measured=settings.activitynet.measured,
        )
        media = settings.thumos14.media if kind == "thumos14" else settings.activitynet.media
        base = imported_of(found, Path(how.annotations), kind, settings, media=media, known=known, progress=progress)
        covered = {video.id: video.covered_seconds for video in found.videos} if how.covered_frames else {}
        return base, covered
    own = tuple(replace(entry, labels=(), segments=()) for entry in known if not entry.removed)
    if not own:
        raise InvalidData(
            "The project knows no video yet, so nothing says whose features these are. Give --annotations FILE, or "
            "import the videos and their labels first (whenabouts import csv, folders, ...)."
        )
    return Imported(own, (), root, SOURCE), {}


def _supply(plan: Plan, how: FeatureSettings, layout: Layout) -> FeatureSupply:
    modalities = sorted({clock.modality for video in plan.videos.values() for clock in video.clocks})
    maker = how.maker or f"{how.layout} files"
    sources = {name: f"{maker}, {name}, {_rule(layout, how)}" for name in modalities}
    newest = {
        video_id: dict.fromkeys(
            (clock.modality for clock in video.clocks), max(path.stat().st_mtime_ns for path in video.files.values())
        )
        for video_id, video in plan.videos.items()
    }
    report = SupplyReport()

    def read(video_ids: Collection[str]) -> Iterator[FeatureSequence]:
        reader = FeatureFiles(sources, how.storage)
        try:
            yield from reader.read(plan.videos[name] for name in sorted(video_ids) if name in plan.videos)
        finally:
            report.problems += map(_problem, reader.faults)
            report.counts.update(reader.counts)

    def fits(video_id: str, modality: str, grid: TimeGrid) -> bool:
        video = plan.videos.get(video_id)
        clocks = {clock.modality: clock for clock in video.clocks} if video else {}
        expected = clocks[modality].grid(grid.steps, video.duration_seconds) if video and modality in clocks else None
        return expected == grid

    return FeatureSupply(sources, read, newest, fits, report)


def _rule(layout: Layout, how: FeatureSettings) -> str:
    """How steps lie in time, in words that tell one mapping from another."""
    if not layout.hop_frames:
        return "steps are equal parts of the " + ("frames that features cover" if how.covered_frames else "duration")
    rate = f"{layout.fps:g} fps" if layout.fps else "the video's fps"
    offset = f" from frame {how.offset_frames} on" if how.offset_frames else ""
    return f"{layout.window_frames} frames each {layout.hop_frames} at {rate}{offset}"


def _problem(fault: Fault) -> Problem:
    return Problem(*fault)
