"""Which segments were rated for which class: the truth of a segment ranking."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from whenabouts.core.errors import InvalidData
from whenabouts.core.labels import SegmentLabels
from whenabouts.evaluation.ranked_lists import is_whole


@dataclass(frozen=True)
class RatedPairs:
    """ratings[class_id][`video:start`] is True where the segment was rated relevant, False where rated irrelevant.

    All other pairs are unknown: neither hit nor miss.
    """

    ratings: Mapping[int, Mapping[str, bool]]

    def __len__(self) -> int:
        return sum(map(len, self.ratings.values()))

    def __repr__(self) -> str:
        return f"RatedPairs({len(self)} of {len(self.ratings)} classes, {sum(self.positives.values())} relevant)"

    @cached_property
    def positives(self) -> dict[int, int]:
        """Number of relevant segments of each rated class."""
        return {class_id: sum(rated.values()) for class_id, rated in self.ratings.items()}

    @classmethod
    def of(cls, labels: SegmentLabels, *, class_ids: Sequence[int] | None = None) -> "RatedPairs":
        """From core `SegmentLabels`; class_ids (L,) gives each class's number in files (default: its index).

        Raises InvalidData for a start that is no whole second, and where two ratings of a pair disagree.
        """
        ratings: dict[int, dict[str, bool]] = {}
        columns = zip(labels.video_ids, labels.spans[:, 0].tolist(), labels.classes.tolist(), strict=True)
        for (video_id, start, index), present in zip(columns, labels.present.tolist(), strict=True):
            if not start.is_integer():
                raise InvalidData(f"{video_id}: a segment starts at {start} s, but segment ids need whole seconds.")
            class_id = index if class_ids is None else class_ids[index]
            _rate(ratings.setdefault(class_id, {}), f"{video_id}:{int(start)}", present, f"class {class_id}")
        return cls(ratings)

    @classmethod
    def read(cls, path: Path) -> "RatedPairs":
        """Read lines `video:start,class,score`, with or without a header; a score above 0 means relevant.

        Raises InvalidData with the line number for anything else, and where two ratings of a pair disagree.
        """
        ratings: dict[int, dict[str, bool]] = {}
        try:
            with path.open(encoding="utf-8-sig") as lines:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        _read_line(ratings, line, f"{path} line {number}", first=number == 1)
        except FileNotFoundError:
            raise InvalidData(f"There is no file {path}.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidData(f"{path} can't be read as text: {error}.") from None
        if not ratings:
            raise InvalidData(f"{path} holds no rated segment. It needs lines like 002G:35,3,1.0.")
        return cls(ratings)


def _read_line(ratings: dict[int, dict[str, bool]], line: str, where: str, *, first: bool) -> None:
    try:
        segment, class_id, text = (field.strip() for field in line.split(","))
        score = float(text)
        video_id, _, start = segment.rpartition(":")  # an id without a start would never be found in a list
        if not (video_id and is_whole(start) and is_whole(class_id) and math.isfinite(score)):
            raise ValueError
    except ValueError:
        if first and not any(character.isdigit() for character in line):
            return  # a header
        raise InvalidData(
            f"{where} is {line.strip()[:80]!r}, but should be video:start,class,score, as in 002G:35,3,1.0."
        ) from None
    _rate(ratings.setdefault(int(class_id), {}), segment, score > 0, where)


def _rate(rated: dict[str, bool], segment: str, present: bool, where: str) -> None:
    if rated.setdefault(segment, present) != present:
        raise InvalidData(f"{where}: {segment} is rated both relevant and irrelevant. Keep one of the two.")
