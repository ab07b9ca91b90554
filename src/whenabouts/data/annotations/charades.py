"""Charades' annotations: which actions a video holds and when, with all that is wrong in them, line by line."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from whenabouts.core.errors import InvalidData
from whenabouts.data.annotations.nouns import (
    AnnotatedVideo,
    AnnotationSet,
    Fault,
    Instance,
    checked,
    fault_of,
    seconds_or_zero,
)
from whenabouts.evaluation.charades_files import CharadesVideo, read_truth

_WORDS = {"zero_length": "an action without length", "inverted": "an action ends before it starts",
          "past_the_end": "an action ends after its video"}  # fmt: skip


def read_charades(root: Path) -> AnnotationSet:
    """Read Charades_v1_train.csv and Charades_v1_test.csv of a folder, or one of them, with the list of classes there.

    Classes are named by the list ("c000 Holding some clothes"), else by their ids. A video that stands in both files
    counts for training. Raises InvalidData where neither file is there.
    """
    files = _files(root)
    folder = root if root.is_dir() else root.parent
    listed = sorted(path for path in folder.glob("*classes.txt") if path.is_file())
    videos: dict[str, AnnotatedVideo] = {}
    faults: list[Fault] = []
    labels: tuple[str, ...] = ()
    for split, path in files:
        truth = read_truth(path, listed[0] if listed else None)
        labels = _labels(truth.classes)
        faults += [_told(problem) for problem in truth.problems]
        for row in truth.videos:
            video = _video(row, split, labels)
            faults += _faults(row, video, path.name)
            if row.video_id in videos:
                seen = f"{row.video_id} in split {videos[row.video_id].split}"
                faults.append(Fault(f"{path.name} line {row.line}", "the video stands in two files", seen))
            else:
                videos[row.video_id] = video
    name = f"Charades, test: {sum(video.split == 'test' for video in videos.values()):,} videos"
    found = checked(list(videos.values()), str(root))
    return AnnotationSet("Charades", name, "test", found, tuple(faults), labels, by_line=True)


def is_charades(root: Path) -> bool:
    """True where a folder holds Charades' tables, or a file begins as they do."""
    if root.is_dir():
        return any(root.glob("Charades*_train.csv")) or any(root.glob("Charades*_test.csv"))
    try:
        with root.open("rb") as file:
            head = file.readline(4096).decode("utf-8", "replace").lstrip("\ufeff").strip().split(",")
    except OSError:
        return False
    return {"id", "actions", "length"} <= {word.strip() for word in head}


def _files(root: Path) -> list[tuple[str, Path]]:
    if root.is_dir():
        found = [(split, path) for split in ("train", "test") for path in sorted(root.glob(f"*_{split}.csv"))]
        if found:
            return found
        raise InvalidData(f"{root} holds no *_train.csv and no *_test.csv. Give the folder of Charades' annotations.")
    if not root.is_file():
        raise InvalidData(f"There is no {root}. Give the folder of Charades' annotations, or one of its tables.")
    return [("test" if "test" in root.stem.casefold() else "train", root)]


def _labels(classes: Sequence[str]) -> tuple[str, ...]:
    """The words of classes, "c000 Holding some clothes"; with their numbers where others have the same words."""
    words = [name.partition(" ")[2].strip() or name for name in classes]
    counts = Counter(words)
    return tuple(word if counts[word] == 1 else name for word, name in zip(words, classes, strict=True))


def _video(row: CharadesVideo, split: str, labels: tuple[str, ...]) -> AnnotatedVideo:
    actions = tuple(Instance(labels[index], start, end) for index, start, end in row.actions)
    length = 0.0 if math.isnan(row.length_seconds) else seconds_or_zero(row.length_seconds)
    return AnnotatedVideo(row.video_id, split, actions, duration_seconds=length, covered_seconds=length)


def _faults(row: CharadesVideo, video: AnnotatedVideo, file: str) -> list[Fault]:
    """What is wrong with the actions of one line, and with its length."""
    where = f"{file} line {row.line}"
    told = []
    for instance in video.instances:
        span = f"{instance.label} {instance.start_seconds:g}..{instance.end_seconds:g} s"
        fault = fault_of(instance, video)
        if fault:
            told.append(Fault(where, _WORDS[fault], f"{span} of {video.duration_seconds:g} s"))
        if instance.start_seconds < 0:
            told.append(Fault(where, "an action begins before its video", span))
    told += [
        Fault(where, "an action is written twice", f"{name} {start:g}..{end:g} s")
        for (name, start, end), count in Counter(_key(instance) for instance in video.instances).items()
        if count > 1
    ]
    if not video.duration_seconds:
        told.append(Fault(where, "no length", video.id))
    return told


def _key(instance: Instance) -> tuple[str, float, float]:
    return instance.label, instance.start_seconds, instance.end_seconds


def _told(problem: str) -> Fault:
    """A problem "file line N: what" as a fault."""
    where, _, what = problem.partition(": ")
    return Fault(where, what)
