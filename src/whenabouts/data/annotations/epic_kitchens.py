"""EPIC-KITCHENS-55 and -100 from their official tables: verbs, nouns, or actions, which are pairs of both."""

import math
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import seconds_of
from whenabouts.data.annotations.clip_lists import (
    ClipList,
    Line,
    ListedClip,
    Reading,
    Refused,
    lists_at,
    table_lines,
)

Task = Literal["verb", "noun", "action"]
_SPLITS = {
    "epic_train_action_labels": "train", "epic_100_train": "train", "epic_100_validation": "validation",
    "epic_test_s1_timestamps": "test-seen", "epic_test_s2_timestamps": "test-unseen",
    "epic_100_test_timestamps": "test",
}  # fmt: skip


def read_epic_kitchens(root: Path, task: Task, aside: Collection[str] = ()) -> ClipList:
    """The clips of a folder with the tables, or of one table whose class tables lie beside it.

    Names of classes are the keys of EPIC_verb_classes.csv and EPIC_noun_classes.csv (or EPIC_100_...). Of -55, test S1
    is `test-seen` and S2 `test-unseen`; of -100, `validation` and `test` are divided so by the lists of unseen
    participants, where they lie there. Participants `aside` are taken out of training, for `validation`: those of -55's
    26 to 31 are the unseen kitchens that Baradel et al. (2018) validate on.
    """
    reading = Reading()
    folder = root if root.is_dir() else root.parent
    names = tuple(_classes(folder, kind, reading) for kind in ("verb", "noun"))
    unseen = {split: _unseen(folder, split) for split in ("validation", "test")}
    pairs: set[tuple[int, int]] = set()
    for path in lists_at(root, (".csv",)):
        split = _SPLITS.get(path.stem.casefold(), "train" if root.is_file() else "")
        if not split:
            continue
        for line in table_lines(path, reading):
            try:
                own = _split(line, split, unseen.get(split, frozenset()), aside)
                _take(line, own, task, names, pairs, reading)
            except Refused as refusal:
                reading.refuse(line.where, refusal)
    if not reading.clips:
        raise InvalidData(
            f"{root} holds no table of EPIC-KITCHENS. Give the folder with EPIC_train_action_labels.csv or "
            "EPIC_100_train.csv and the classes' tables."
        )
    labels = _labels(task, names, pairs)
    return ClipList(f"EPIC-KITCHENS, {task}s: {len(labels)} labels", labels, tuple(reading.clips),
                    tuple(reading.faults), dict(reading.counts))  # fmt: skip


def is_epic_100(root: Path) -> bool:
    """Whether tables are of EPIC-KITCHENS-100, by the names of their classes."""
    return ((root if root.is_dir() else root.parent) / "EPIC_100_verb_classes.csv").is_file()


def epic_kitchens_classes(root: Path, kind: str) -> dict[int, str]:
    """Keys of the verbs or nouns by their number; rows that can't be used are left out (`read_epic_kitchens` tells)."""
    return _classes(root if root.is_dir() else root.parent, kind, Reading())


def _classes(folder: Path, kind: str, reading: Reading) -> dict[int, str]:
    """Names of the verbs or nouns by their number."""
    for name in (f"EPIC_100_{kind}_classes.csv", f"EPIC_{kind}_classes.csv"):
        path = folder / name
        if not path.is_file():
            continue
        found: dict[int, str] = {}
        table = Reading()
        for line in table_lines(path, table):
            number, key = line.first("id", f"{kind}_id"), line.first("key", "class_key")
            if not number.isdecimal() or not key or int(number) in found or key in found.values():
                table.refuse(line.where, Refused("it is no number and name of a class of its own", number))
            else:
                found[int(number)] = key
        reading.faults += table.faults
        return found
    raise InvalidData(
        f"{folder} has no EPIC_{kind}_classes.csv or EPIC_100_{kind}_classes.csv, which name the {kind}s. Put it there."
    )


def _unseen(folder: Path, split: str) -> frozenset[str] | None:
    """Participants whose kitchens are not in training; None where no list says them."""
    path = folder / f"EPIC_100_unseen_participant_ids_{split}.csv"
    if not path.is_file():
        return None
    return frozenset(line.first("participant_id") for line in table_lines(path, Reading()))


def _split(line: Line, split: str, unseen: frozenset[str] | None, aside: Collection[str]) -> str:
    participant = line.first("participant_id")
    if split == "train" and participant in aside:
        return "validation"
    if split in ("validation", "test") and unseen is not None and unseen:
        return f"{split}-{'unseen' if participant in unseen else 'seen'}"
    return split


def _take(
    line: Line,
    split: str,
    task: Task,
    names: tuple[dict[int, str], ...],
    pairs: set[tuple[int, int]],
    reading: Reading,
) -> None:
    clip_id, video_id = line.first("narration_id", "uid"), line.first("video_id")
    if not clip_id or not video_id:
        raise Refused("it has no narration_id (or uid) or no video_id", str(line.cells))
    try:
        start, end = seconds_of(line.first("start_timestamp")), seconds_of(line.first("stop_timestamp"))
    except InvalidData as error:
        raise Refused("a time can't be read", str(error)) from None
    if not start < end or not math.isfinite(end):
        raise Refused("the clip does not end after its start", f"{start:g}..{end:g} s")
    numbers = tuple(_class(line, kind, known) for kind, known in zip(("verb", "noun"), names, strict=True))
    labels = _label(task, names, numbers)
    if not labels and not split.startswith("test"):
        raise Refused(f"a clip without a {task}", clip_id)
    clip = ListedClip((clip_id, f"{video_id}_{clip_id}"), split, labels, line.where, (video_id,), (start, end))
    reading.add(clip, f"{'test ' if split.startswith('test') else ''}{clip_id}")
    if numbers[0] is not None and numbers[1] is not None:
        pairs.add((numbers[0], numbers[1]))


def _class(line: Line, kind: str, known: dict[int, str]) -> int | None:
    text = line.first(f"{kind}_class")
    if not text:
        return None
    if not text.isdecimal() or int(text) not in known:
        raise Refused(f"the {kind}'s class is not one of {len(known)}", text)
    return int(text)


def _label(task: Task, names: tuple[dict[int, str], ...], numbers: tuple[int | None, ...]) -> tuple[str, ...]:
    wanted = [place for place, kind in enumerate(("verb", "noun")) if task in (kind, "action")]
    said = [names[place][number] for place in wanted if (number := numbers[place]) is not None]
    return (" ".join(said),) if len(said) == len(wanted) else ()


def _labels(task: Task, names: tuple[dict[int, str], ...], pairs: set[tuple[int, int]]) -> tuple[str, ...]:
    """Classes in the order of their numbers; of actions those that occur."""
    if task == "action":
        return tuple(dict.fromkeys(f"{names[0][verb]} {names[1][noun]}" for verb, noun in sorted(pairs)))
    own = names[0 if task == "verb" else 1]
    return tuple(own[number] for number in sorted(own))
