"""Settings of the winners-out localizer: what trains on small archives as defaults, the paper's values as a preset."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from whenabouts.config import Count, CountOrZero, NotAll, NotNegative, Positive, Probability, Share, settings
from whenabouts.localizers.decoding import Decoder, Proposals, Suppression
from whenabouts.localizers.net_settings import LearningSettings


@settings
class WinnersOutSettings(LearningSettings):
    """How videos are cut, what the net is, how it is trained, and how moments are read from it.

    Segments: `segment_seconds` long each, or, with `segment_count` above 0, so many to every video. A segment's feature
    is the mean of its steps, or of `snippets` steps drawn at random in training and evenly in use.
    `standardised` takes mean and spread of the training segments out of every feature.

    Net: `attentions` M per stream; `attention_bias` "position" is the paper's bias B and needs `segment_count`;
    `shift_bias` is its beta. `scores`: "class-specific" (Eq. 8), "cam" (mean pooling in place of attention) or
    "attention" (mean attention, for all classes alike). `centred`, `positive_only`: see `GroupAttentionNet.evidence`
    and `top_segments`. `stream_weights`: gamma of Eq. 10 by modality, 1 where not named.

    Training: `rounds` trainings with a removal of winners between them, `winners_share` of a video's segments for each
    of its classes (or `winners_count`, if above 0); each round goes on with the net of the one before, or begins anew
    (`restart`). `erasing` "removal" takes winners out of the video; "mean" puts the mean of all training segments in
    their place, as adversarial erasing does with pixels (Wei et al., CVPR 2017). `stop_below` above 0 makes `rounds`
    the most there may be: once the share of training videos that what remains still classifies rightly falls below
    that part of the first round's, the round is undone and training ends.
    `epochs` per round; `decay_every` epochs the learning rate falls to a tenth (0: a cosine to 0).
    `penalty` is beta of Eq. 6. Videos of more than `longest` segments are thinned at random in training.

    Use: a video has the classes whose probability is above `class_threshold`, and always the `top_classes` best
    (a threshold of 1.0 is never passed: those alone);
    `test_steps` selections for each. A moment's score is the mean of its segments' scores at the "selection" or at the
    "first_step" (Eq. 11), times the number of its segments to the power `length_credit`: the mean of many segments is
    surer than that of one. By `score_scale` it is relative to an even share of the video ("length": scores of short and
    long videos compare) or as it is ("none"), by `fusion` times the class's "probability" or not ("none").
    `proposals` "nested" makes proposals after every step, "contrast" at `levels` thresholds of the first step's scores,
    scored by how they stand out from `margin` times their length beside them, plus `video_weight` times the class's
    probability; of these, those go that overlap a better one by more than `nested_tiou` (`suppression` "hard"), or are
    lowered by `sigma` ("soft"): see `decoding.Decoder`. A video's `most_moments` best stay, and others are counted.
    """

    attentions: Count = 8
    attention_bias: Literal["none", "position"] = "none"
    shift_bias: bool = False
    scores: Literal["class-specific", "cam", "attention"] = "class-specific"
    centred: bool = True
    positive_only: bool = True
    stream_weights: Mapping[str, NotNegative] = field(default_factory=dict)

    rounds: Count = 2
    restart: bool = False
    erasing: Literal["removal", "mean"] = "removal"
    stop_below: Probability = 0.0
    winners_share: Share = 0.075
    winners_count: CountOrZero = 0
    epochs: Count = 20
    decay_every: CountOrZero = 0
    dropout: NotAll = 0.5
    penalty: NotNegative = 0.0
    longest: Count = 2000

    test_steps: Count = 6
    class_threshold: Probability = 0.05
    top_classes: CountOrZero = 1
    score: Literal["selection", "first_step"] = "selection"
    length_credit: NotNegative = 0.5
    score_scale: Literal["length", "none"] = "length"
    fusion: Literal["probability", "none"] = "none"
    proposals: Proposals = "union"
    nested_tiou: Probability = 0.5
    suppression: Suppression = "hard"
    sigma: Positive = 0.3
    levels: Count = 19
    margin: Positive = 0.25
    video_weight: NotNegative = 0.0
    most_moments: Count = 10_000

    def __post_init__(self) -> None:
        if self.attention_bias == "position" and not self.segment_count:
            raise ValueError('attention_bias "position" needs the same number of segments in all videos: segment_count')

    @classmethod
    def paper(cls, *, segments: int = 400) -> "WinnersOutSettings":
        """The paper's values (section V-B) with K segments: 400; its best have 800 (THUMOS14), 200 (ActivityNet 1.3).

        p = 30 is read as 7.5 % of K; two rounds are its "WO-Step2"; momentum, batch, weight decay and epochs are not
        stated there; SGD is always Nesterov's. The flow stream must be called "flow" for gamma = 10.
        """
        return cls(
            segment_count=segments,
            snippets=3,
            standardised=False,
            attentions=18,
            attention_bias="position",
            stream_weights={"flow": 10.0},
            epochs=60,
            optimizer="sgd",
            learning_rate=1e-3,
            weight_decay=5e-4,
            decay_every=20,
            dropout=0.8,
            penalty=0.1,
            test_steps=10,
            class_threshold=1.0,
            top_classes=2,
            length_credit=0.0,
            score_scale="none",
        )

    def winners(self, segments: int) -> int:
        """How many segments (p) win at one step in a video of so many segments: at least one."""
        return self.winners_count or max(1, round(self.winners_share * segments))

    def budget(self, segments: int) -> int:
        """How many segments of a video all test steps together may select for one class."""
        if self.winners_count:
            return min(segments, self.winners_count * self.test_steps)
        return max(1, min(segments, round(self.winners_share * self.test_steps * segments)))

    def decoder(self) -> Decoder:
        """How selected or scored segments become moments."""
        return Decoder(
            proposals=self.proposals,
            length_credit=self.length_credit,
            margin=self.margin,
            video_weight=self.video_weight,
            suppression=self.suppression,
            tiou=self.nested_tiou,
            sigma=self.sigma,
            most=self.most_moments,
        )

    def weight_of(self, modality: str) -> float:
        """The weight gamma of one stream's scores."""
        return float(self.stream_weights.get(modality, 1.0))
