"""From annotations to entries: labels for training videos, times for the truth file alone."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from whenabouts.core.progress import Progress
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.annotations.nouns import AnnotatedVideo, AnnotationSet, Fault
from whenabouts.data.importers.media_files import catalogue, checked_root, files_below, media_among
from whenabouts.data.importers.protocol import Imported, ImportSettings, Problem
from whenabouts.data.manifest import Entry, Manifest, RatedSegment, WeakLabel

PREFIXES = ("", "v_")  # ActivityNet's videos are v_ID.mp4


def imported_of(
    annotations: AnnotationSet,
    root: Path,
    source: str,
    settings: ImportSettings,
    *,
    media: str,
    known: Manifest,
    progress: Progress,
    segments: bool = False,
) -> Imported:
    """Entries for all annotated videos, with labels in split train alone, and the truth of the measured split.

    Nothing in an entry says when, unless with `segments`, and then in split train alone: times stand in the truth file,
    which no training reads. `media` names a folder with the videos, "" where there are features only. Videos that the
    project knows keep their files.
    """
    root = root.resolve()
    problems = [_problem(fault) for fault in (*annotations.faults, *annotations.instance_faults())]
    named = {video.id for video in annotations.videos}
    files = _files(media, named, settings, known, progress, problems) if media else {}
    entries = tuple(
        _entry(video, files.get(video.id) or _known(video, known) or _without_file(video, root), source, segments)
        for video in annotations.videos
    )
    unused = {entry.video.path for entry in files.values()} - {entry.video.path for entry in entries}
    counts = {**annotations.counts(), "files_without_annotation": len(unused)}
    counts["videos_without_file"] = sum(entry.stamp is None for entry in entries)
    return Imported(
        entries,
        tuple(problems),
        root,
        source,
        counts,
        Vocabulary(annotations.labels),
        truth=annotations.truth(),
        facts={"dataset": annotations.dataset, "ground_truth": annotations.ground_truth},
    )


def _files(
    media: str,
    named: Collection[str],
    settings: ImportSettings,
    known: Manifest,
    progress: Progress,
    problems: list[Problem],
) -> dict[str, Entry]:
    """Entries of the media files by the name that annotations give them: a file's own, or with its folders."""
    root = checked_root(Path(media))
    files = media_among(files_below(root, problems), root, settings)
    found: dict[str, Entry] = {}
    for file, entry in zip(files, catalogue(files, settings, known, progress).values(), strict=True):
        if file.video_id in named:
            found[file.video_id] = entry
            continue
        name = file.path.stem
        for prefix in PREFIXES:
            found.setdefault(name.removeprefix(prefix), entry)
        if found[name].video.path != file.path:
            problems.append(Problem(file.relative, "another file bears this video's name", name, "Remove one of them."))
    return found


def _known(video: AnnotatedVideo, known: Manifest) -> Entry | None:
    """What the project holds of a video that it knows: a file knows its duration best, else annotations do."""
    if video.id not in known:
        return None
    entry = known.by_id(video.id)
    held = entry.video
    if entry.stamp is None or not held.duration_seconds:
        duration = video.duration_seconds or held.duration_seconds
        held = replace(held, duration_seconds=duration, fps=video.fps or held.fps)
    return Entry(held, stamp=entry.stamp)


def _without_file(video: AnnotatedVideo, root: Path) -> Entry:
    """A video of which there are annotations, and perhaps features; its path names no file."""
    return Entry(Video(video.id, root / video.id, duration_seconds=video.duration_seconds, fps=video.fps))


def _entry(video: AnnotatedVideo, held: Entry, source: str, segments: bool) -> Entry:
    labels = video.labels if video.split == "train" else ()
    return replace(
        held,
        video=replace(held.video, id=video.id),
        labels=tuple(WeakLabel(name, 1.0, source, "annotated in it") for name in labels),
        segments=tuple(_segments(video, source)) if segments and video.split == "train" else (),
        split=video.split,
    )


def _segments(video: AnnotatedVideo, source: str) -> Iterator[RatedSegment]:
    """Instances within the video; what is empty or inverted says that it happens, but not when."""
    for row in video.instances:
        start = max(0.0, row.start_seconds)
        end = min(row.end_seconds, video.duration_seconds) if video.duration_seconds else row.end_seconds
        if start < end:
            yield RatedSegment(row.label, start, end, True, source)


def _problem(fault: Fault) -> Problem:
    return Problem(fault.where, fault.what, fault.seen)
