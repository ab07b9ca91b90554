"""Feature files to feature sequences, one video at a time; each one that can't be used is told and counted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from statistics import median

import numpy as np
from numpy.typing import DTypeLike

from whenabouts.core.clock import FeatureClock
from whenabouts.core.errors import InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.data.feature_files.arrays import Matrix, read_matrix
from whenabouts.data.feature_files.layouts import FLOW, JOINT, RGB
from whenabouts.data.feature_files.planning import Fault, Planned


class FeatureFiles:
    """Reads planned videos; `faults` and `counts` say what was wrong in those read so far.

    Refused are files that can't be read, NaN and infinite values, no step at all, and another width than the first
    video's. Lengths that do not fit the duration, or the other stream, are told, and the features kept.
    """

    def __init__(self, sources: Mapping[str, str], storage: DTypeLike) -> None:
        self.sources, self.storage = dict(sources), np.dtype(storage)
        self.faults: list[Fault] = []
        self.counts: Counter[str] = Counter()
        self._widths: dict[str, int] = {}
        self._rates: list[tuple[float, float]] = []
        self._checked = self._wrong = 0

    def read(self, videos: Iterable[Planned]) -> Iterator[FeatureSequence]:
        """The features of some videos, modality by modality."""
        for video in videos:
            try:
                found = self._of_video(video)
            except InvalidData as error:
                self.counts["videos_refused"] += 1
                self.faults.append((video.video_id, "its features are refused", str(error), "Extract them again."))
                continue
            self._compare(video, found)
            yield from found
        self._tell_rate()

    def _of_video(self, video: Planned) -> list[FeatureSequence]:
        matrices: dict[str, Matrix] = {name: read_matrix(path) for name, path in sorted(video.files.items())}
        if JOINT in matrices:
            joint = matrices.pop(JOINT)
            if len(video.clocks) == 1:
                matrices[video.clocks[0].modality] = joint
            elif joint.shape[1] % 2:
                raise InvalidData(f"{joint.shape[1]} columns are no two streams of one width.")
            else:
                matrices[RGB], matrices[FLOW] = np.hsplit(joint, 2)
        return [self._sequence(video, clock, matrices[clock.modality]) for clock in video.clocks]

    def _sequence(self, video: Planned, clock: FeatureClock, matrix: Matrix) -> FeatureSequence:
        name = clock.modality
        if not matrix.size:
            self.counts["refused_empty"] += 1
            raise InvalidData(f"No step of {name} features, shape {matrix.shape}.")
        grid = clock.grid(len(matrix), video.duration_seconds)
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(matrix.astype(self.storage, copy=False))
        sequence = FeatureSequence(video.video_id, values, grid, name, self.sources[name])
        try:
            sequence.check_finite()
        except InvalidData:
            self.counts["refused_not_finite"] += 1
            raise
        if self._widths.setdefault(name, sequence.width) != sequence.width:
            self.counts["refused_width"] += 1
            raise InvalidData(f"{sequence.width} columns of {name}, but {self._widths[name]} in videos before.")
        return sequence

    def _compare(self, video: Planned, found: list[FeatureSequence]) -> None:
        """Tell lengths that fit neither the duration nor each other."""
        lengths = {sequence.modality: len(sequence) for sequence in found}
        for clock in video.clocks:
            if clock.parts_seconds or not video.duration_seconds:
                continue
            steps = lengths[clock.modality]
            least, most = clock.expected(video.duration_seconds)
            self._checked += 1
            if not least <= steps <= most:
                self._wrong += 1
                self._rates.append((clock.fps, clock.fitting_fps(steps, video.duration_seconds)))
                self.counts["length_mismatches"] += 1
                seen = f"{steps} steps of {clock.modality} for {video.duration_seconds:g} s, not {least} to {most}"
                self.faults.append((video.video_id, "steps do not fit the duration", seen, "Check fps and hop."))
        if len(set(lengths.values())) > 1:
            gap = max(lengths.values()) - min(lengths.values())
            self.counts["streams_differ_by_1" if gap == 1 else "streams_differ_by_more"] += 1
            if gap > 1:
                seen = ", ".join(f"{name} {steps}" for name, steps in sorted(lengths.items()))
                self.faults.append((video.video_id, "streams differ in length", seen, "Check both files."))

    def _tell_rate(self) -> None:
        """Where most videos do not fit, say at which rate they would: often it is 30 for 25, or 25 for 30."""
        if self._wrong > self._checked / 2:
            said, fitting = (median(pair[side] for pair in self._rates) for side in (0, 1))
            seen = f"{self._wrong} of {self._checked}; at {fitting:.4g} fps they would fit, not at {said:.4g}"
            do = "If so, import again with --set import.features.fps=RATE."
            self.faults.append((".", "most lengths do not fit", seen, do))
