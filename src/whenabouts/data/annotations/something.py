"""Something-Something v1 and v2 from their official lists: templates such as "Holding [something]"."""

import re
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData
from whenabouts.data.annotations.clip_lists import (
    ClipList,
    Line,
    ListedClip,
    Reading,
    Refused,
    array_objects,
    lists_at,
    read_object,
    table_lines,
)

_SPLITS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
_WORDS = re.compile(r"[a-z]+")


def read_something(root: Path) -> ClipList:
    """The clips of a list, or of all lists in a folder.

    Version 2 has labels.json, train.json, validation.json and test.json (or something-something-v2-train.json and so
    on); version 1 something-something-v1-labels.csv, -train.csv (id;label, no header), -validation.csv, -test.csv. The
    label of a clip is its template without brackets; with the list of labels a template that is not in it is refused.
    Files bear the clip's number.
    """
    reading = Reading()
    paths = lists_at(root, (".json", ".csv"))
    known = _known_labels(paths, reading)
    for path in paths:
        split = _split_of(path)
        if split and path.suffix.lower() == ".json":
            _read_json(path, split, known, reading)
        elif split:
            _read_table(path, split, known, reading)
    if not reading.clips:
        raise InvalidData(
            f"{root} holds no clip of Something-Something. Give train.json, or a folder with labels.json, train.json, "
            "validation.json."
        )
    said = {label for clip in reading.clips for label in clip.labels}
    labels = known or tuple(sorted(said))
    return ClipList(f"Something-Something, {len(labels)} labels", labels, tuple(reading.clips), tuple(reading.faults),
                    dict(reading.counts))  # fmt: skip


def template_label(template: str) -> str:
    """`Holding [something] next to [something]` -> `Holding something next to something`."""
    return " ".join(template.replace("[", "").replace("]", "").split())


def _known_labels(paths: list[Path], reading: Reading) -> tuple[str, ...]:
    """The list of labels in the data set's order; () where there is none."""
    for path in paths:
        if "labels" not in _WORDS.findall(path.stem.casefold()):
            continue
        if path.suffix.lower() == ".csv":
            lines = table_lines(path, Reading(), delimiter="\x1f", header=("label",))
            return tuple(dict.fromkeys(template_label(line.first("label")) for line in lines))
        numbered = read_object(path)
        try:
            return tuple(template_label(name) for name in sorted(numbered, key=lambda name: int(numbered[name])))
        except (TypeError, ValueError, OverflowError):
            raise InvalidData(f"{path} does not map each label to its number. Give it as it was published.") from None
    return ()


def _split_of(path: Path) -> str:
    words = _WORDS.findall(path.stem.casefold())
    return next((_SPLITS[word] for word in reversed(words) if word in _SPLITS), "")


def _read_json(path: Path, split: str, known: tuple[str, ...], reading: Reading) -> None:
    for where, row in array_objects(path, reading):
        try:
            label = _template_of(row, reading)
            _add(str(row.get("id", "")), label, split, known, where, reading)
        except Refused as refusal:
            reading.refuse(where, refusal)


def _template_of(row: dict[str, Any], reading: Reading) -> str:
    template, filled = row.get("template"), row.get("placeholders")
    if template is None:
        return template_label(str(row.get("label") or ""))
    if not isinstance(template, str):
        raise Refused("the template is not text", str(template))
    if isinstance(filled, list) and len(filled) != template.count("["):
        # The label is the template all the same: what filled its places is for people.
        reading.counts["placeholders_that_do_not_fit"] += 1
    return template_label(template)


def _read_table(path: Path, split: str, known: tuple[str, ...], reading: Reading) -> None:
    columns = ("id",) if split == "test" else ("id", "label")
    for line in table_lines(path, reading, delimiter=";", header=columns):
        try:
            _take(line, split, known, reading)
        except Refused as refusal:
            reading.refuse(line.where, refusal)


def _take(line: Line, split: str, known: tuple[str, ...], reading: Reading) -> None:
    _add(line.first("id"), template_label(line.first("label")), split, known, line.where, reading)


def _add(number: str, label: str, split: str, known: tuple[str, ...], where: str, reading: Reading) -> None:
    if not number.isdecimal():
        raise Refused("the id is not a number", number)
    if not label and split != "test":
        raise Refused("a clip without a label", number)
    if label and known and label not in known:
        raise Refused("the template is not in the list of labels", label)
    reading.add(ListedClip((number,), split, (label,) if label else (), where), number)
