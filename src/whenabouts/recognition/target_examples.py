"""What a classifier learns from and is tested on: whole videos or their rated segments, cut from small frames."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.labels import VideoLabels
from whenabouts.core.timing import BoolArray, IntArray
from whenabouts.core.video import Video, recording_of
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry
from whenabouts.data.subsets import place
from whenabouts.data.vocabulary import labels_of, segments_of
from whenabouts.media.fingerprints import size_and_time
from whenabouts.recognition.frame_cache import Cached, held

Kind = Literal["videos", "segments"]


@dataclass(frozen=True, slots=True)
class Example:
    """A video, or the `span` [start, end) in seconds of one, and its labels over the vocabulary, perhaps none."""

    video: Video
    labels: VideoLabels
    span: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """An example in the cache of small frames: frames `first` to `stop` of its video."""

    example: Example
    cached: Cached
    first: int
    stop: int

    @property
    def frames(self) -> int:
        """How many there are."""
        return self.stop - self.first

    def clip(self, start: int, pictures: int) -> NDArray[np.uint8]:
        """A clip (pictures, H, W, C) from the example's frame `start` on; the last is held behind its end."""
        begin = self.first + start
        return held(self.cached.read(begin, min(begin + pictures, self.stop)), pictures)


def examples_of(entries: Sequence[Entry], vocabulary: Vocabulary, kind: Kind) -> list[Example]:
    """The examples of entries whose files can be used, in order.

    "segments" are the spans that are rated as showing something, those of equal times joined to one example, without a
    label where that is none of the vocabulary; a video without any stands for itself.
    """
    found = []
    for entry in entries:
        if not entry.usable:
            continue
        spans = _spans(entry, vocabulary) if kind == "segments" else {}
        if spans:
            found += [Example(entry.video, VideoLabels.of(sorted(own)), span) for span, own in sorted(spans.items())]
        else:
            found.append(Example(entry.video, labels_of(entry, vocabulary, "negative")))
    return found


def _spans(entry: Entry, vocabulary: Vocabulary) -> dict[tuple[float, float], set[int]]:
    rated = segments_of(entry, vocabulary)
    spans: dict[tuple[float, float], set[int]] = {}
    for (start, end), index, present in zip(
        rated.spans.tolist(), rated.classes.tolist(), rated.present.tolist(), strict=True
    ):
        if present:
            spans.setdefault((start, end), set()).add(index)
    for part in entry.segments:
        if part.present:
            spans.setdefault((part.start_seconds, part.end_seconds), set())
    return spans


def cuts_of(examples: Sequence[Example], cached: Sequence[Cached], rate: float) -> tuple[list[Cut], list[Example]]:
    """The examples that frames at `rate` a second are there for, and those without any.

    A span takes the frames that are on screen within it, at least one.
    """
    cuts, lacking = [], []
    for example, found in zip(examples, cached, strict=True):
        first, stop = 0, found.frames
        if example.span is not None:
            start, end = example.span
            first = math.floor(start * rate + 1e-9)
            stop = min(found.frames, max(first + 1, math.ceil(end * rate - 1e-9)))
        if first < stop:
            cuts.append(Cut(example, found, first, stop))
        else:
            lacking.append(example)
    return cuts, lacking


def split_off(cuts: Sequence[Cut], share: float, seed: int) -> tuple[IntArray, IntArray]:
    """Numbers of the cuts to learn from, and of those held out: `share` of the recordings, at least one of two.

    All cuts of a video, and of clips of one recording, stand on one side. Which are held out depends on the seed and
    their names alone.
    """
    names = [recording_of(cut.example.video.id) for cut in cuts]
    recordings = sorted(set(names), key=lambda name: (place(seed, f"held out\0{name}"), name))
    count = min(max(1, round(share * len(recordings))), len(recordings) - 1)
    out = set(recordings[:count]) if share > 0 else set()
    aside = np.asarray([name in out for name in names], bool)
    return np.flatnonzero(~aside), np.flatnonzero(aside)


def present_in(cuts: Sequence[Cut], classes: int) -> BoolArray:
    """(N, L) True where an example has a label."""
    present = np.zeros((len(cuts), classes), bool)
    for row, cut in zip(present, cuts, strict=True):
        row[cut.example.labels.classes] = True
    return present


def told_cut(cut: Cut) -> str:
    """All that decides what a cut is, for checksums."""
    labels = cut.example.labels
    file = (cut.cached.path.name, size_and_time(cut.example.video.path), cut.first, cut.stop)
    return repr((*file, labels.classes.tolist(), labels.weights.tolist()))
