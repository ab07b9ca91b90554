"""Submissions to the YouTube-8M segment challenge: ranked 5-second segments per class, as a file and as `Moments`.

The file is as Kaggle's sample: a header `Class,Segments`, then one line a class in order of class numbers,
`class,video:start video:start ...` with starts in seconds, best first, at most 100,000.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.files import replacing
from whenabouts.core.moments import Kind, Moments
from whenabouts.core.progress import Progress
from whenabouts.core.timing import BoolArray, IntArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.exporters.protocol import Exported, ExportSettings, moments_of
from whenabouts.data.project import Project
from whenabouts.data.youtube8m.vocabulary import read_class_table
from whenabouts.evaluation.ranked_lists import HEADER, Convention, RankedList
from whenabouts.evaluation.segment_ranking import TOP_SEGMENTS

SEGMENT_SECONDS = 5
_NUMBERED = re.compile(r"class (0|[1-9][0-9]{0,8})")  # what shards without a class table call a class
_BY_PLACE = (
    "Classes are numbered by their places in the vocabulary. For YouTube-8M's own numbers name its table: "
    "--set export.submission.class_table=vocabulary.csv."
)
SEGMENT = re.compile(r'[^\s,"]+:[0-9]+')


def export_submission(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write moments of 5 seconds as a submission; a concept that the class table lacks raises InvalidData.

    What is shorter because its video ends there is left out and counted: the challenge has no such segments.
    """
    moments, how = moments_of(project, settings, judged=False), settings.submission
    class_ids = _ids_of(moments.vocabulary, how.class_table)
    ends = _cut_by_the_end(moments, project)
    lists = lists_of_moments(moments[~ends], class_ids, top=how.top)
    figures = {"segments": write_submission(target, lists, class_ids=class_ids, top=how.top)}
    notes = [] if how.class_table or _numbers_in(moments.vocabulary) else [_BY_PLACE]
    if not ends.any():
        return Exported(figures, tuple(notes))
    notes.append(f"Left out: {ends.sum()} moments that the ends of their videos cut shorter than {SEGMENT_SECONDS} s.")
    return Exported(figures | {"cut_by_the_end": int(ends.sum())}, tuple(notes))


def _cut_by_the_end(moments: Moments, project: Project) -> BoolArray:
    """(N,) True for a moment shorter than a segment where a whole one would reach past the end of its video."""
    known = {entry.id: entry.video.duration_seconds for entry in project.manifest()}
    durations = np.asarray([known.get(video_id, 0.0) or np.inf for video_id in moments.video_ids.tolist()], np.float64)
    short = moments.durations < SEGMENT_SECONDS - 1e-6
    cut: BoolArray = short & (moments.spans[:, 0] + SEGMENT_SECONDS > durations + 1e-6)
    return cut


def _ids_of(vocabulary: Vocabulary, class_table: str) -> list[int]:
    """Class numbers (L,): by the table's names, else those that importing shards made names of, else the places."""
    if not class_table:
        return _numbers_in(vocabulary) or list(range(len(vocabulary)))
    numbers = {name: index for index, name in read_class_table(Path(class_table)).names.items()}
    strangers = [name for name in vocabulary.names if name not in numbers]
    if strangers:
        raise InvalidData(f"{class_table} has no class {strangers[0]!r} ({len(strangers)} concepts are not its own).")
    return [numbers[name] for name in vocabulary.names]


def _numbers_in(vocabulary: Vocabulary) -> list[int]:
    """Class numbers (L,) out of names like `class 1001`; empty where some name is not like this."""
    named = [match for match in map(_NUMBERED.fullmatch, vocabulary.names) if match]
    return [int(match[1]) for match in named] if len(named) == len(vocabulary) else []


def write_submission(
    path: Path,
    lists: Iterable[RankedList],
    *,
    class_ids: Sequence[int] = (),
    top: int = TOP_SEGMENTS,
    convention: Convention = "kaggle",
) -> int:
    """Write lists that come in ascending order of class, whole or not at all; return how many segments stand there.

    Only one list is held at a time. Each list is cut to its best `top`. Classes of `class_ids` that `lists` lacks get
    an empty line. "official-script" writes what Google's script can read: no header, and a blank before each line end,
    for else it loses the last segment. Raises InvalidData for an order that falls, a class outside `class_ids`, a
    segment that is no `video:start`, and one that comes twice.
    """
    wanted = sorted(set(class_ids))
    end = " \n" if convention == "official-script" else "\n"
    written = 0
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        file.write("" if convention == "official-script" else HEADER + "\n")
        for ranked in _with_absent(lists, wanted):
            segments = ranked.segments[:top]
            _check(ranked.class_id, segments)
            file.write(f"{ranked.class_id},{' '.join(segments)}{end}")
            written += len(segments)
    return written


def lists_of_moments(moments: Moments, class_ids: Sequence[int], *, top: int = TOP_SEGMENTS) -> Iterator[RankedList]:
    """Ranked lists in ascending order of class from moments of 5 seconds that start at whole seconds.

    class_ids (L,) are the numbers of the vocabulary's names. Ties as in `Moments.ranked`: by video, then start; of
    repeats the best counts. Raises InvalidData for another length or start.
    """
    numbers = _class_numbers(class_ids, moments.vocabulary)
    starts = moments.spans[:, 0]
    odd = np.flatnonzero((starts % 1 != 0) | (starts < 0) | (np.abs(moments.durations - SEGMENT_SECONDS) > 1e-6))
    if odd.size:
        raise InvalidData(
            f"A submission holds segments of {SEGMENT_SECONDS} s from whole seconds on, but "
            f"{moments.video_ids[odd[0]]} has {moments.spans[odd[0]].tolist()}. Cut moments into such segments first: "
            "with a two-stage model by `whenabouts find --set 'train.moments=\"segments\"' --set train.hop_seconds=5`."
        )
    ordered = moments.ranked()
    rows = np.argsort(numbers[ordered.classes], kind="stable")
    of_class = numbers[ordered.classes][rows]
    found, first = np.unique(of_class, return_index=True)
    for class_id, mine in zip(found.tolist(), np.split(rows, first[1:]), strict=False):
        columns = zip(ordered.video_ids[mine].tolist(), ordered.spans[mine, 0].tolist(), strict=True)
        segments = dict.fromkeys(f"{video_id}:{int(start)}" for video_id, start in columns)
        yield RankedList(class_id, tuple(itertools.islice(segments, top)))


def moments_of_lists(
    lists: Iterable[RankedList], vocabulary: Vocabulary, class_ids: Sequence[int], *, kind: Kind = "found"
) -> Moments:
    """The same result as `Moments` of 5 seconds.

    class_ids (L,) are the numbers of the vocabulary's names. A submission bears no scores: the r-th of R segments of a
    class gets 1 - (r - 1) / R, so that ranks within a class are kept; scores of different classes can't be compared.
    Raises InvalidData for a class outside `class_ids` and a segment that is no `video:start`.
    """
    index = {class_id: place for place, class_id in enumerate(_class_numbers(class_ids, vocabulary).tolist())}
    parts = []
    for ranked in lists:
        if ranked.class_id not in index:
            raise InvalidData(f"Class {ranked.class_id} has no name: it is not among the {len(index)} class numbers.")
        _check(ranked.class_id, ranked.segments)
        pairs = [segment.rpartition(":") for segment in ranked.segments]
        starts = np.asarray([int(start) for _, _, start in pairs], np.float64)
        count = len(pairs)
        parts.append(
            Moments.build(
                [video_id for video_id, _, _ in pairs],
                np.stack([starts, starts + SEGMENT_SECONDS], axis=1),
                np.full(count, index[ranked.class_id]),
                vocabulary,
                scores=1 - np.arange(count) / max(count, 1),
                kind=kind,
            )
        )
    return Moments.concatenate(parts, vocabulary)


def _with_absent(lists: Iterable[RankedList], wanted: Sequence[int]) -> Iterator[RankedList]:
    """`lists` with empty ones for the wanted classes that they lack, in ascending order, which is checked."""
    waiting = list(reversed(wanted))
    last = -1
    for ranked in lists:
        if ranked.class_id <= last:
            raise InvalidData(
                f"Lists must come in ascending order of class, each class once, but {ranked.class_id} follows {last}."
            )
        last = ranked.class_id
        while waiting and waiting[-1] < last:
            yield RankedList(waiting.pop(), ())
        if wanted and (not waiting or waiting.pop() != last):
            raise InvalidData(f"Class {last} is not among the {len(wanted)} classes of this submission.")
        yield ranked
    for class_id in reversed(waiting):
        yield RankedList(class_id, ())


def _check(class_id: int, segments: Sequence[str]) -> None:
    broken = next(itertools.filterfalse(SEGMENT.fullmatch, segments), None)
    if broken is not None:
        raise InvalidData(
            f"Class {class_id} holds {broken!r}, which can't stand in a submission. A segment is video:start with "
            "whole seconds; its video id has no blank, comma or quote."
        )
    if len(set(segments)) != len(segments):
        twice, _ = Counter(segments).most_common(1)[0]
        raise InvalidData(f"Class {class_id} holds {twice} more than once. Keep its best place only.")


def _class_numbers(class_ids: Sequence[int], vocabulary: Vocabulary) -> IntArray:
    numbers = np.asarray(class_ids, np.int64)
    if numbers.shape != (len(vocabulary),) or len(np.unique(numbers)) != len(numbers):
        raise InvalidData(f"{len(vocabulary)} concepts need as many different class numbers, but got {numbers}.")
    return numbers
