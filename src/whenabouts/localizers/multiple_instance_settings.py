"""Settings of the multiple-instance localizer: our own recipe as defaults, its ancestors as presets."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from whenabouts.config import Count, CountOrZero, NotAll, NotNegative, Positive, Probability, Share, settings
from whenabouts.core.timing import FloatArray
from whenabouts.localizers.decoding import Decoder, Proposals
from whenabouts.localizers.net_settings import ContrastSettings, LearningSettings

# What the presets' papers have in common.
_FIELD: dict[str, Any] = {
    "suppression": "hard",
    "video_weight": 0.0,
    "class_threshold": 0.2,
    "class_share": 0.0,
    "margin": 0.25,
    "doubt": 0.0,
    "own_rounds": 0,
}


@settings
class MultipleInstanceSettings(ContrastSettings, LearningSettings):
    """How videos are cut, what the net is, how segments speak for a video, and how moments are read from them.

    Segments: as in winners-out; `segment_seconds` long, or `segment_count` to every video.

    Net: one classifier over the joined features of all `streams`, or "separate" ones that are averaged; a convolution
    over time, `width` segments wide, into `hidden` features (0: at once into logits).

    Training: `pooling` "top" takes the mean of the `top_share` (or `top_count`) largest logits of a class, of raw
    logits, of those times attention ("attended"), or both (`judged`); "soft" is UntrimmedNets' soft selection,
    "weighted" STPN's. `attention`: "sigmoid" (each segment alone), "softmax" (segments against each other) or "none".
    `sparsity` weighs the mean of a sigmoid attention. `background` adds an output that every video shows, but not
    where attention looks (BaS-Net: Lee et al., AAAI 2020). `co_activity` weighs the loss of that name. `hide` is the
    share of blocks of `hide_segments` segments that are hidden in training (Hide-and-Seek: Singh and Lee, ICCV 2017).
    `dropout` drops features of a whole video. Of videos of more than `longest` segments random stretches are taken.

    Own labels: after the training, `own_rounds` of self-training (`own_labels.py`), with memberships as soft as
    `own_softness` and a covariance shrunk by `own_shrinkage`; 0 leaves it out. Logits of segments are then the
    classifier's and the discriminant's, the latter with the weight `own_share`. What somebody has rated (a decision on
    the page, a chapter) is a member or is not, and counts as `rated_weight` other segments do; 0 leaves ratings out.

    Use: `scores` of segments are "logits", "attended" (times attention), "sigmoid" (sigmoid of logits times attention:
    STPN's weighted T-CAM) or "softmax" (class probabilities times attention). A video has the classes whose probability
    is above `class_threshold` and `class_share` of its best class's, and the `top_classes` best. Moments come from
    `levels` thresholds between the lowest and highest score of a class (`decoding.Decoder`), "union" from one alone, at
    the share `union_level` of that way. A score is lowered where few segments speak for it (`doubt`) and where better
    moments of the concept overlap it (`sigma`); a video's `most_moments` best stay, and others are counted.
    """

    streams: Literal["joined", "separate"] = "joined"
    hidden: CountOrZero = 0
    width: Literal[1, 3] = 1

    pooling: Literal["top", "soft", "weighted"] = "top"
    judged: Literal["raw", "attended", "both"] = "raw"
    top_share: Share = 0.125
    top_count: CountOrZero = 0
    attention: Literal["none", "sigmoid", "softmax"] = "none"
    sparsity: NotNegative = 0.0
    background: bool = False
    co_activity: NotNegative = 0.0
    hide: NotAll = 0.0
    hide_segments: Count = 8

    dropout: NotAll = 0.5
    longest: Count = 2000

    own_rounds: CountOrZero = 8
    own_softness: Positive = 0.6
    own_shrinkage: Positive = 0.3
    own_share: Probability = 1.0
    rated_weight: NotNegative = 1.0

    class_share: Probability = 0.3
    scores: Literal["logits", "attended", "sigmoid", "softmax"] = "logits"
    proposals: Proposals = "contrast"
    union_level: Probability = 0.5
    length_credit: NotNegative = 0.0

    def __post_init__(self) -> None:
        if self.attention == "none" and (self.judged != "raw" or self.pooling != "top"):
            raise ValueError('without attention there is pooling "top" of judged "raw" logits alone')
        if self.pooling == "soft" and self.attention != "softmax":
            raise ValueError('pooling "soft" needs attention "softmax"')
        if self.background and (self.pooling != "top" or self.judged != "both"):
            raise ValueError('background is learned from the difference between raw and attended logits: judged "both"')

    @classmethod
    def attended(cls, **changes: Any) -> "MultipleInstanceSettings":
        """Our recipe before own labels: three segments at once, and attention multiplied into their logits."""
        base = {**_FIELD, "width": 3, "attention": "sigmoid", "judged": "both", "sparsity": 0.1}
        return cls(**{**base, "suppression": "soft", "video_weight": 1.0, **changes})

    @classmethod
    def top_k(cls, **changes: Any) -> "MultipleInstanceSettings":
        """Top-k multiple-instance learning alone, as in W-TALC (Paul et al., ECCV 2018) without its second loss."""
        base = {**_FIELD, "width": 1, "attention": "none", "judged": "raw", "sparsity": 0.0, "scores": "logits"}
        return cls(**{**base, **changes})

    @classmethod
    def untrimmed_soft(cls, **changes: Any) -> "MultipleInstanceSettings":
        """UntrimmedNets' soft selection (Wang et al., CVPR 2017)."""
        base = {**_FIELD, "width": 1, "attention": "softmax", "pooling": "soft", "sparsity": 0.0, "scores": "softmax"}
        return cls(**{**base, **changes})

    @classmethod
    def untrimmed_hard(cls, **changes: Any) -> "MultipleInstanceSettings":
        """UntrimmedNets' hard selection: the three best segments of a class speak for the video.

        Three is what their released net takes, there of seven shots (`TOPK k: 3` of `num_shots: 7`), here of all.
        """
        return cls.top_k(**{"top_count": 3, "scores": "softmax", **changes})

    @classmethod
    def stpn(cls, **changes: Any) -> "MultipleInstanceSettings":
        """Sparse temporal pooling (Nguyen et al., CVPR 2018), with a softmax over classes in place of its sigmoids."""
        base = {**_FIELD, "attention": "sigmoid", "pooling": "weighted", "sparsity": 0.1, "scores": "sigmoid"}
        return cls(**{**base, **changes})

    @classmethod
    def hide_and_seek(cls, **changes: Any) -> "MultipleInstanceSettings":
        """Hide-and-Seek (Singh and Lee, ICCV 2017) on top-k learning: half of the blocks are hidden at each sight."""
        return cls.top_k(**{"hide": 0.5, **changes})

    def decoder(self) -> Decoder:
        """How scored segments become moments."""
        return replace(super().decoder(), proposals=self.proposals, length_credit=self.length_credit)

    def shares(self) -> FloatArray:
        """Where thresholds stand between a class's lowest and highest score."""
        return np.array([self.union_level]) if self.proposals == "union" else super().shares()
