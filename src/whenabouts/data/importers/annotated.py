"""From annotations to entries: labels for training videos, times for the truth file alone."""

from dataclasses import replace
from pathlib import Path

from whenabouts.core.progress import Progress
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.annotations.nouns import AnnotatedVideo, AnnotationSet, Fault
from whenabouts.data.importers.media_files import catalogue, checked_root, files_below, media_among
from whenabouts.data.importers.protocol import Imported, ImportSettings, Problem
from whenabouts.data.manifest import Entry, Manifest, WeakLabel

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
) -> Imported:
    """Entries for all annotated videos, with labels in split train alone, and the truth of the measured split.

    Nothing in an entry says when: times stand in the truth file, which no training reads. `media` names a folder with
    the videos, "" where there are features only. Videos that the project knows keep their files.
    """
    root = root.resolve()
    problems = [_problem(fault) for fault in (*annotations.faults, *annotations.instance_faults())]
    files = _files(media, settings, known, progress, problems) if media else {}
    entries = tuple(
        _entry(video, files.get(video.id) or _known(video, known) or _without_file(video, root), source)
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
    media: str, settings: ImportSettings, known: Manifest, progress: Progress, problems: list[Problem]
) -> dict[str, Entry]:
    """Entries of the media files by the name that annotations give them."""
    root = checked_root(Path(media))
    files = media_among(files_below(root, problems), root, settings)
    found: dict[str, Entry] = {}
    for file, entry in zip(files, catalogue(files, settings, known, progress).values(), strict=True):
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


def _entry(video: AnnotatedVideo, held: Entry, source: str) -> Entry:
    labels = video.labels if video.split == "train" else ()
    return replace(
        held,
        video=replace(held.video, id=video.id),
        labels=tuple(WeakLabel(name, 1.0, source, "annotated in it") for name in labels),
        split=video.split,
    )


def _problem(fault: Fault) -> Problem:
    return Problem(fault.where, fault.what, fault.seen)
