"""A simulated reviewer, the ways to choose what to ask, and the localizer that learns from the answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from loop_worlds import LoopWorld
from whenabouts.core.labels import SegmentLabels
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Silent
from whenabouts.core.timing import temporal_iou
from whenabouts.data.decisions import Decided, Decision, Review
from whenabouts.data.examples import Example
from whenabouts.data.reviewed import judged_moments
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.tables import Predictions, Truth
from whenabouts.localizers.concepts.looks import moments_of
from whenabouts.localizers.concepts.settings import TwoStageSettings
from whenabouts.localizers.decoding import likely_classes
from whenabouts.localizers.multiple_instance import MultipleInstance
from whenabouts.localizers.multiple_instance_training import MultipleInstanceTraining
from whenabouts.localizers.own_labels import learn_own_labels
from whenabouts.localizers.training_videos import TrainingVideos
from whenabouts.page.review.queue import Judged, queue, usefulness
from whenabouts.page.review.trust import Candidates, chances
from whenabouts.training import choose_compute

CONFIRM, CORRECT = 0.5, 0.1
"""A moment is confirmed from this tIoU with a true one on, its edges are moved from that on, else it is rejected."""
SECONDS = {"confirmed": 2.0, "rejected": 2.0, "corrected": 8.0}
"""What a decision takes beside watching the moment, in seconds: set beforehand, not measured on people."""
WAYS = ("queue", "uncertainty", "random", "oracle")
TIOU = 0.5


@dataclass(frozen=True)
class Answer:
    """What the reviewer said of one found moment, with rated spans: (start, end, present), what is there first."""

    video_id: str
    concept: int
    found: tuple[float, float]
    rated: tuple[tuple[float, float, bool], ...]
    decision: Decision
    seconds: float

    @property
    def right(self) -> bool:
        """Whether something of the concept is there."""
        return self.decision != "rejected"


class Reviewer:
    """Judges by the truth; says the opposite with probability `error`."""

    def __init__(self, truth: Moments, error: float, rng: np.random.Generator) -> None:
        self._spans: dict[tuple[str, int], list] = {}
        for video_id, index, span in zip(truth.video_ids.tolist(), truth.classes.tolist(), truth.spans, strict=True):
            self._spans.setdefault((video_id, index), []).append(span)
        self._error, self._rng = error, rng

    def judge(self, video_id: str, concept: int, span) -> Answer:
        """Confirm, correct or reject one moment."""
        start, end = map(float, span)
        true = np.asarray(self._spans.get((video_id, concept), np.zeros((0, 2)))).reshape(-1, 2)
        overlaps = temporal_iou([[start, end]], true)[0] if len(true) else np.zeros(1)
        kind: Decision = (
            "confirmed" if overlaps.max() >= CONFIRM else "corrected" if overlaps.max() >= CORRECT else "rejected"
        )
        if self._rng.random() < self._error:
            kind = "rejected" if kind != "rejected" else "confirmed"
        rated = [(start, end, kind == "confirmed")]
        if kind == "corrected":
            first, last = true[int(overlaps.argmax())].tolist()
            cut = [(start, min(end, first)), (max(start, last), end)]
            rated = [(first, last, True), *((*part, False) for part in cut if part[1] - part[0] >= 0.25)]
        return Answer(video_id, concept, (start, end), tuple(rated), kind, SECONDS[kind] + end - start)


class Learner:
    """A multiple-instance localizer: its net is learned once, its own labels again after each batch of answers."""

    def __init__(self, world: LoopWorld, seed: int, checkpoints: Path | None = None) -> None:
        self.world, self.settings = world, world.settings
        self.videos = TrainingVideos(world.train, len(world.vocabulary), world.settings, Silent())
        compute = choose_compute("cpu", "float32")
        self.device = compute.device
        training = MultipleInstanceTraining(self.videos, world.settings, compute, Silent(), seed=seed,
                                            checkpoints=checkpoints)  # fmt: skip
        self.net = training.run()
        self.plain = list(self.videos.videos)
        self.truth, self.own_truth = (
            Truth.of(_of(world.truth, side), video_ids=[each.video_id for each in side])
            for side in (world.test, world.train)
        )

    def learned(self, answers: Sequence[Answer]) -> MultipleInstance:
        """The localizer after these answers; the one before is of no use any more."""
        by_video: dict[str, list] = {}
        for each in answers:
            by_video.setdefault(each.video_id, []).extend((*span, each.concept, yes) for *span, yes in each.rated)
        self.videos.videos = [replace(each, rated=_labels(each.video_id, by_video.get(each.video_id, [])))
                              for each in self.plain]  # fmt: skip
        learn_own_labels(self.net, self.videos, self.settings, self.device, Silent())
        return MultipleInstance(self.net, self.settings, streams=self.videos.streams, vocabulary=self.world.vocabulary,
                                training={}, device=self.device)  # fmt: skip

    def found(self, localizer: MultipleInstance, examples: Sequence[Example]) -> Moments:
        """Moments in videos."""
        parts = [self._single(localizer, each) if self.world.single else localizer.localize(each.features)
                 for each in examples]  # fmt: skip
        return Moments.concatenate(parts, self.world.vocabulary)

    def _single(self, localizer: MultipleInstance, example: Example) -> Moments:
        scores = localizer.score(example.features)
        likely = likely_classes(scores.video_scores, threshold=self.settings.class_threshold, top=1)
        return moments_of(scores, likely, TwoStageSettings(moments="segments"))

    def measured(self, localizer: MultipleInstance) -> float:
        """mAP at tIoU 0.5 on the test videos, about which nobody is asked."""
        return _map(self.found(localizer, self.world.test), self.truth)

    def measured_own(self, found: Moments, answers: Sequence[Answer]) -> float:
        """mAP at tIoU 0.5 on the training videos, of what was found there and what people said of it.

        As `export` writes it: what is there takes the place of what was judged, what was rejected is gone. What people
        confirmed comes first.
        """
        names = self.world.vocabulary.names
        reviews = [Review(number, 0.0, _decided(each, names[each.concept])) for number, each in enumerate(answers)]
        left = judged_moments(found, reviews)
        first = np.where(left.kinds == "confirmed", 1.0 + np.ptp(left.scores), 0.0) if len(left) else 0.0
        return _map(replace(left, scores=left.scores + first), self.own_truth)

    def ceiling(self) -> float:
        """mAP where every true moment of the training videos is rated present, and every gap between them absent."""
        answers = []
        truth = _of(self.world.truth, self.world.train)
        ends = {each.video_id: next(iter(each.features.values())).grid.duration_seconds for each in self.world.train}
        for video_id, concept in sorted(set(zip(truth.video_ids.tolist(), truth.classes.tolist(), strict=True))):
            rows = (truth.video_ids == video_id) & (truth.classes == concept)
            spans, at, rated = truth.spans[rows], 0.0, []
            for start, end in sorted(spans.tolist()):
                rated += [(at, start, False)] if start - at >= 1.0 else []
                rated.append((start, end, True))
                at = max(at, end)
            rated += [(at, ends[video_id], False)] if ends[video_id] - at >= 1.0 else []
            answers.append(Answer(video_id, concept, (0.0, 1.0), tuple(rated), "added", 0.0))
        return self.measured(self.learned(answers))


def chosen(
    way: str, found: Moments, answers: Sequence[Answer], world: LoopWorld, count: int, *, rng: np.random.Generator
) -> list[int]:
    """Rows of the moments to ask about next; none that resembles one that was asked about already.

    "random": any; "uncertainty": those whose chance of being right, by rank, label and answers, is nearest to 1/2;
    "queue": as the page asks; "oracle", which knows the truth: those that hit (at a tIoU of 0.5) true moments that were
    not met yet, at random. All choose among the same moments.
    """
    judged = _judged(found, answers, [each.video_id for each in world.train])
    open_rows = np.setdiff1d(np.arange(len(found)), judged.rows)
    if way == "random":
        return rng.permutation(open_rows)[:count].tolist()
    if way == "oracle":
        return _true_ones(found, open_rows, answers, _of(world.truth, world.train), count, rng=rng)
    candidates = _candidates(found, world.train)
    if way == "uncertainty":
        p = chances(candidates, judged.rows, judged.right)
        ranked = open_rows[np.argsort(np.abs(p[open_rows] - 0.5), kind="stable")]
        return ranked[:count].tolist()
    return queue(usefulness(candidates, judged), candidates, count, seed=int(rng.integers(2**31)))


def _true_ones(
    found: Moments, rows: np.ndarray, answers: Sequence[Answer], truth: Moments, count: int, *, rng: np.random.Generator
) -> list[int]:
    """Of open rows the best on each of `count` true moments, which no answer has met."""
    met: dict[tuple[str, int], list] = {}
    for each in answers:
        met.setdefault((each.video_id, each.concept), []).append(each.found)
    place: dict[tuple[str, int], list[int]] = {}
    for row in rows.tolist():
        place.setdefault((str(found.video_ids[row]), int(found.classes[row])), []).append(row)
    picked: list[int] = []
    for number in rng.permutation(len(truth)).tolist():
        key, span = (str(truth.video_ids[number]), int(truth.classes[number])), [truth.spans[number]]
        own = place.get(key, [])
        known = key in met and temporal_iou(met[key], span).max() >= CONFIRM
        if own and not known and len(picked) < count:
            overlaps = temporal_iou(found.spans[own], span)[:, 0]
            if overlaps.max() >= CONFIRM:
                picked.append(own.pop(int(overlaps.argmax())))
    return picked


def _candidates(found: Moments, examples: Sequence[Example]) -> Candidates:
    labels = {each.video_id: set(each.labels.classes.tolist()) for each in examples}
    numbers = {name: number for number, name in enumerate(labels)}
    expected = np.zeros(len(found.vocabulary))
    for classes in labels.values():
        expected[list(classes)] += 1
    columns = list(zip(found.video_ids.tolist(), found.classes.tolist(), strict=True))
    return Candidates(
        found.scores,
        found.spans,
        np.asarray([numbers[name] for name, _ in columns]),
        found.classes,
        np.asarray([index in labels[name] for name, index in columns], bool),
        expected,
    )


def _judged(found: Moments, answers: Sequence[Answer], videos: Sequence[str]) -> Judged:
    """Rows that an answer speaks of (tIoU of 0.5 or more with what was judged), what it said, and all that was asked.

    What was asked has videos by number among `videos`, as the candidates have.
    """
    numbers = {name: number for number, name in enumerate(videos)}
    asked = []
    for each in answers:
        spans = np.asarray([each.found, *(part[:2] for part in each.rated)])
        asked.append((numbers[each.video_id], each.concept, float(spans.min()), float(spans.max())))
    rows_of: dict[tuple[str, int], list[int]] = {}
    for row, key in enumerate(zip(found.video_ids.tolist(), found.classes.tolist(), strict=True)):
        rows_of.setdefault(key, []).append(row)
    said: dict[int, bool] = {}
    for each in answers:
        rows = rows_of.get((each.video_id, each.concept), [])
        if rows:
            overlaps = temporal_iou(found.spans[rows], [each.found])[:, 0]
            said |= {rows[place]: each.right for place in np.flatnonzero(overlaps >= 0.5).tolist()}
    return Judged.of(sorted(said.items()), asked)


def _map(found: Moments, truth: Truth) -> float:
    names = np.asarray(found.vocabulary.names)
    kept = found[np.isin(names, truth.labels)[found.classes]]
    return float(evaluate_moments(truth, Predictions.of(kept, truth), tiou=[TIOU]).map[0])


def _decided(answer: Answer, concept: str) -> Decided:
    start, end, _ = answer.rated[0]
    return Decided(answer.decision, answer.video_id, concept, start, end, answer.found, origin="queue")


def _labels(video_id: str, rows: list) -> SegmentLabels:
    if not rows:
        return SegmentLabels.empty()
    return SegmentLabels((video_id,) * len(rows), np.asarray([row[:2] for row in rows]),
                         np.asarray([row[2] for row in rows]), np.asarray([row[3] for row in rows]))  # fmt: skip


def _of(truth: Moments, examples: Sequence[Example]) -> Moments:
    return truth[np.isin(truth.video_ids, [each.video_id for each in examples])]
