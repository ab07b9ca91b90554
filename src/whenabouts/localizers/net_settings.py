"""Settings that localizers of one net share: how videos are cut, how the net learns, how moments are read."""

from typing import Literal

import numpy as np

from whenabouts.config import Count, CountOrZero, NotNegative, Positive, Probability, settings
from whenabouts.core.moments import Moments
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import FloatArray
from whenabouts.localizers.decoding import Decoder, Suppression, Track, even_shares, levels_between, likely_classes
from whenabouts.training import Plan


@settings
class LearningSettings:
    """How videos are cut into segments, and how a net learns from them.

    Segments: `segment_seconds` long each, or, with `segment_count` above 0, so many to every video. A segment's feature
    is the mean of its steps, or of `snippets` steps drawn at random in training and evenly in use.
    `standardised` takes mean and spread of the training segments out of every feature.
    """

    segment_seconds: Positive = 0.5
    segment_count: CountOrZero = 0
    snippets: CountOrZero = 0
    standardised: bool = True

    epochs: Count = 40
    batch_size: Count = 16
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Positive = 3e-3
    momentum: Probability = 0.9
    weight_decay: NotNegative = 0.01

    def steps_per_epoch(self, videos: int) -> int:
        """How many batches show every one of so many videos."""
        return -(-videos // self.batch_size)

    def plan(self, videos: int, seed: int) -> Plan:
        """How training on so many videos goes."""
        per_epoch = self.steps_per_epoch(videos)
        return Plan(
            steps=self.epochs * per_epoch,
            learning_rate=self.learning_rate,
            optimizer=self.optimizer,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            seed=seed,
            report_every=5 * per_epoch,
            checkpoint_every=per_epoch,
        )


@settings
class ContrastSettings:
    """How moments are read from scores of segments.

    A video has the classes whose probability is above `class_threshold` and `class_share` of its best class's, and the
    `top_classes` best. Moments come from `levels` thresholds between the lowest and highest score of a class
    (`decoding.Decoder`). A score is lowered where few segments speak for it (`doubt`) and where better moments of the
    concept overlap it (`sigma`); a video's `most_moments` best stay, and others are counted.
    """

    class_threshold: Probability = 0.0
    class_share: Probability = 0.5
    top_classes: CountOrZero = 1
    levels: Count = 19
    margin: Positive = 0.5
    doubt: NotNegative = 1.0
    video_weight: NotNegative = 1.0
    suppression: Suppression = "soft"
    tiou: Probability = 0.45
    sigma: Positive = 0.6
    most_moments: Count = 10_000

    def decoder(self) -> Decoder:
        """How scored segments become moments."""
        return Decoder(
            proposals="contrast",
            margin=self.margin,
            doubt=self.doubt,
            video_weight=self.video_weight,
            suppression=self.suppression,
            tiou=self.tiou,
            sigma=self.sigma,
            most=self.most_moments,
        )

    def shares(self) -> FloatArray:
        """Where thresholds stand between a class's lowest and highest score."""
        return even_shares(self.levels)

    def moments(self, scores: ScoreSequence) -> Moments:
        """Moments of the classes that the video probably has, within the video."""
        likely = max(self.class_threshold, self.class_share * float(scores.video_scores.max(initial=0.0)))
        chosen = likely_classes(scores.video_scores, threshold=likely, top=self.top_classes)
        if not scores.grid.steps or not len(chosen):
            return Moments.empty(scores.vocabulary)
        values = np.asarray(scores.scores[:, chosen].T, np.float64)
        known = np.asarray(scores.video_scores[chosen], np.float64)
        track = Track(scores.video_id, chosen, values, known, scores.grid, scores.vocabulary)
        return self.decoder().decode(track, levels_between(values, self.shares()))
