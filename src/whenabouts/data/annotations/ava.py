"""AVA's annotations: who does what, in which box, once a second; and boxes that a detector proposes."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from whenabouts.core.errors import InvalidData
from whenabouts.core.texts import csv_rows
from whenabouts.data.annotations.nouns import AnnotatedVideo, AnnotationSet, Fault, Instance, checked
from whenabouts.data.box_files import BoxRow
from whenabouts.evaluation.ava_files import read_actions, read_keyframes

_PROPOSED = ("predicted_boxes", "proposals", "detections")


@dataclass(frozen=True)
class AvaSet:
    """Annotations as spans of seconds, boxes by split, and proposed boxes by split."""

    annotations: AnnotationSet
    boxes: dict[str, list[BoxRow]]
    found: dict[str, list[BoxRow]]


def read_ava(root: Path, *, least_score: float = 0.8, start_seconds: float = 0.0) -> AvaSet:
    """Read ava_train_*.csv and ava_val_*.csv of a folder, its list of actions (.pbtxt, else label_map*.txt), excluded
    keyframes (*excluded*.csv) and proposals (*predicted_boxes*.csv, *proposals*.csv, *detections*.csv).

    Proposals below `least_score` are left out. `start_seconds` is taken off all times: 900 where videos are the cut 15
    minutes. Boxes are clipped to the picture; what has no area there, and rows that can't be read, become faults. A
    video that stands in tables of both splits counts for training alone.
    """
    names = _names(root)
    faults: list[Fault] = []
    files = {split: _tables(root, prefix) for prefix, split in (("train", "train"), ("val", "test"))}
    if not any(files.values()):
        raise InvalidData(f"{root} holds no ava_train*.csv and no ava_val*.csv. Give the folder of AVA's annotations.")
    excluded = _excluded(root, faults)
    boxes: dict[str, list[BoxRow]] = {}
    found: dict[str, list[BoxRow]] = {}
    for split, paths in files.items():
        rows = [row for path in paths for row in _rows(path, names, start_seconds, faults)]
        boxes[split] = [row for row in rows if (row.video, round(row.seconds + start_seconds)) not in excluded]
    boxes["test"] = _without_training_videos(boxes, faults)
    for path in _proposals(root):
        split = "train" if "train" in path.name else "test"
        kept = [row for row in _rows(path, names, start_seconds, faults, scores=True) if row.score >= least_score]
        alone = {
            (row.video, row.seconds, row.box): BoxRow(row.video, row.seconds, row.box, "", row.score) for row in kept
        }
        found.setdefault(split, []).extend(alone.values())
    videos = [video for split, rows in boxes.items() for video in _videos(rows, split)]
    told = f"AVA, test: {sum(video.split == 'test' for video in videos):,} videos"
    labels = tuple(names.values())
    whole = AnnotationSet("AVA", told, "test", checked(videos, str(root)), tuple(faults), labels, by_line=True)
    return AvaSet(whole, boxes, found)


def is_ava(root: Path) -> bool:
    """True for a folder that holds AVA's tables."""
    return root.is_dir() and bool(_tables(root, "train") or _tables(root, "val"))


def _tables(root: Path, prefix: str) -> list[Path]:
    return [path for path in sorted(root.glob(f"ava_{prefix}*.csv")) if not _beside(path.name)]


def _beside(name: str) -> bool:
    return any(word in name for word in ("excluded", *_PROPOSED))


def _proposals(root: Path) -> list[Path]:
    return sorted(
        {path for word in ("predicted_boxes", "proposals", "detections") for path in root.glob(f"*{word}*.csv")}
    )


def _names(root: Path) -> dict[int, str]:
    """Ids and names: of several lists the longest, so that all 80 are learned and 60 of them measured."""
    lists = [read_actions(path) for path in sorted([*root.glob("*.pbtxt"), *root.glob("label_map*.txt")])]
    if not lists:
        raise InvalidData(f"{root} holds no list of actions. Put AVA's ava_action_list_*.pbtxt beside the tables.")
    return dict(sorted(max(lists, key=len).items()))


def _excluded(root: Path, faults: list[Fault]) -> set[tuple[str, int]]:
    kept = set()
    for path in sorted(root.glob("*excluded*.csv")):
        keyframes, problems = read_keyframes(path)
        kept |= {(video, round(seconds)) for video, seconds in keyframes}
        faults += [Fault(problem.partition(": ")[0], problem.partition(": ")[2]) for problem in problems]
    return kept


def _without_training_videos(boxes: dict[str, list[BoxRow]], faults: list[Fault]) -> list[BoxRow]:
    """Boxes of the test split, but for those of videos that are learned from."""
    learned = {row.video for row in boxes["train"]}
    both = Counter(row.video for row in boxes["test"] if row.video in learned)
    faults += [
        Fault(video, "the video stands in tables of both splits; it counts for training", f"{count} boxes to test on")
        for video, count in both.items()
    ]
    return [row for row in boxes["test"] if row.video not in learned]


def _rows(
    path: Path, names: dict[int, str], start_seconds: float, faults: list[Fault], *, scores: bool = False
) -> Iterator[BoxRow]:
    """Rows `video,seconds,x1,y1,x2,y2,action,person`, or with `scores` `video,seconds,x1,y1,x2,y2,action,score`."""
    seen: dict[tuple[str, ...], int] = {}
    for line, row in csv_rows(path):
        where, text = f"{path.name} line {line}", ",".join(row)[:80]
        if len(row) == 2:
            continue  # Annotated, and nobody there.
        try:
            seconds, *corners = (float(row[place]) for place in range(1, 6))
            number = int(row[6]) if len(row) > 6 and row[6] else 0
            score = float(row[-1]) if scores and len(row) > 7 else 1.0
        except (ValueError, IndexError):
            faults.append(Fault(where, "a box can't be read", text))
            continue
        if not row[0].strip() or seconds < start_seconds:
            what = "a keyframe before its video begins" if row[0].strip() else "a box of no video"
            faults.append(Fault(where, what, text))
            continue
        if number > 0 and number not in names and not scores:
            faults.append(Fault(where, "an action that is not in the list", text))
            continue
        name = names.get(number, "") if number > 0 else ""
        person = "" if scores or len(row) < 8 else row[7]
        if not scores and person and not person.lstrip("-").isdigit():
            faults.append(Fault(where, "a person's id is damaged; the row is used", text))
            person = person.rstrip("_")
        box = _held(corners)
        if not math.isfinite(seconds) or not math.isfinite(score) or box is None:
            faults.append(Fault(where, "a box without area in the picture, or a number that is none", text))
            continue
        key = tuple(row)
        if key in seen and not scores:
            faults.append(Fault(where, f"the row of line {seen[key]} again", text))
            continue
        seen[key] = line
        yield BoxRow(row[0], seconds - start_seconds, box, name, score, person)


def _held(corners: Sequence[float]) -> tuple[float, float, float, float] | None:
    """The box within the picture, None where nothing of it is."""
    if len(corners) != 4 or not all(math.isfinite(value) for value in corners):
        return None
    x1, y1, x2, y2 = (min(max(value, 0.0), 1.0) for value in corners)
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def _videos(rows: Sequence[BoxRow], split: str) -> Iterator[AnnotatedVideo]:
    """Each label of a video as spans of the seconds around its keyframes, neighbours joined."""
    at: dict[str, dict[str, set[float]]] = {}
    for row in rows:
        at.setdefault(row.video, {}).setdefault(row.label, set()).add(row.seconds)
    for video, labels in at.items():
        instances = [
            Instance(label, start, end)
            for label, seconds in labels.items()
            if label
            for start, end in _joined(sorted(seconds))
        ]
        yield AnnotatedVideo(video, split, tuple(instances))


def _joined(seconds: Sequence[float]) -> list[tuple[float, float]]:
    spans: list[tuple[float, float]] = []
    for second in seconds:
        start, end = max(0.0, second - 0.5), second + 0.5
        if spans and start <= spans[-1][1] + 1e-6:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans
