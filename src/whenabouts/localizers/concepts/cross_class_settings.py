"""Settings of the cross-class localizer."""

from dataclasses import replace
from typing import Literal

from whenabouts.config import settings
from whenabouts.localizers.concepts.boosting import TreeSettings
from whenabouts.localizers.concepts.frames import FrameSettings
from whenabouts.localizers.concepts.looks import LookSettings
from whenabouts.localizers.concepts.makers import MakerSettings
from whenabouts.localizers.concepts.networks import NetSettings
from whenabouts.localizers.concepts.relevance import RelevanceSettings
from whenabouts.localizers.concepts.segment_models import SegmentModelSettings
from whenabouts.localizers.concepts.video_models import VideoModelSettings
from whenabouts.training.devices import PrecisionName


@settings
class CrossClassSettings(LookSettings):
    """Video models that choose candidates and speak of segments, and a relevance model that ranks pairs.

    `makers` are the models, `relevance` learns from what they say. Where it looks, and what becomes a moment, is as in
    `LookSettings`, by the video models' mean scores of whole videos. `ensemble` joins relevance with what each model
    says of the segment: by a "mean", a "geometric" mean, weights that are learned ("stacked"), or what is "best" of
    these on ratings of training videos that a first relevance model has not seen. The paper's is the mean.
    """

    frames: FrameSettings = FrameSettings()
    makers: MakerSettings = MakerSettings()
    relevance: RelevanceSettings = RelevanceSettings()
    ensemble: Literal["none", "mean", "geometric", "stacked", "best"] = "none"
    precision: PrecisionName = "float32"

    @classmethod
    def paper(cls) -> "CrossClassSettings":
        """The paper's: logistic and LSTM candidate models, LSTM states and mean frames compared, segments of 5 s."""
        makers = MakerSettings(
            video=VideoModelSettings.paper("lstm"),
            video_kinds=("logistic", "lstm"),
            segment=SegmentModelSettings.paper("lstm"),
            segment_kinds=(),
            encoders=("lstm",),
            whole=False,
        )
        return cls(
            frames=FrameSettings.paper(),
            makers=makers,
            relevance=RelevanceSettings.paper(),
            class_threshold=0.0,
            top_classes=0,
            candidates=20.0,
            segment_seconds=5.0,
            hop_seconds=5.0,
            moments="segments",
            most_moments=1_000_000,
        )

    @classmethod
    def youtube8m(cls) -> "CrossClassSettings":
        """For the challenge itself: the paper's models and a NetVLAD, trees, and features that were best for us.

        Rated videos are one in eighty there, so models learn from the others alone, and no fold is needed.
        """
        paper = cls.paper()
        video = replace(paper.makers.video, net=replace(NetSettings.paper("netvlad"), kind="lstm", hidden=1024))
        makers = replace(
            paper.makers, segment=MakerSettings().segment, video=video,
            video_kinds=("logistic", "lstm", "netvlad"), encoders=("lstm", "netvlad"),
            whole=True, rates={"logistic": 0.01}, folds=1,
        )  # fmt: skip
        trees = TreeSettings(learning_rate=0.05, rounds=5000)
        return replace(paper, makers=makers, relevance=RelevanceSettings(model="trees", trees=trees))
