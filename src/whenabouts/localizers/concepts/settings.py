"""Settings of the two-stage localizer."""

from typing import Annotated, Literal

from pydantic import Field

from whenabouts.config import settings
from whenabouts.localizers.concepts.distillation import DistillationSettings
from whenabouts.localizers.concepts.frames import FrameSettings
from whenabouts.localizers.concepts.model import ModelSettings
from whenabouts.localizers.concepts.networks import CountOrZero, NetKind
from whenabouts.localizers.concepts.segment_models import SegmentModelSettings
from whenabouts.localizers.concepts.video_models import VideoModelSettings
from whenabouts.training.devices import PrecisionName

NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


@settings
class TwoStageSettings:
    """A video model that chooses candidates, and a segment model that ranks what is in them.

    `precision` "auto" trains in bfloat16 where the device computes in it natively. Measured on a CPU it made the LSTM
    video model slower and most others little faster (benchmarks/results/segment_models_bfloat16.md).
    `distilled` trains the video model on four others' word beside the labels. A concept's candidates are the
    `candidates` times as many videos as have its label with the best video scores (0: all videos); a new video is one
    if its score reaches theirs and `class_threshold`, and for its `top_classes` best concepts always.

    The segment model looks at `segment_seconds` every `hop_seconds`. `moments`: "segments" makes each look a moment,
    as in the challenge, "runs" those in a row that reach `run_threshold` of the way from a concept's lowest to its
    highest score in the video, scored by their mean times their number to the power `length_credit`.

    `halfway` is the number of ratings at which a concept's segment model counts as much as its video model, n of them
    giving it a share of n / (n + halfway): a few ratings alone teach less than many labels. With 0 it counts alone.
    """

    frames: FrameSettings = FrameSettings()
    video: VideoModelSettings = VideoModelSettings()
    segment: SegmentModelSettings = SegmentModelSettings()
    precision: PrecisionName = "float32"
    distilled: bool = False
    distillation: DistillationSettings = DistillationSettings()

    candidates: NotNegative = 3.0
    class_threshold: Share = 0.1
    top_classes: CountOrZero = 1
    segment_seconds: Positive = 0.5
    hop_seconds: Positive = 0.5
    moments: Literal["runs", "segments"] = "runs"
    run_threshold: Share = 0.5
    length_credit: NotNegative = 0.5
    halfway: NotNegative = 0.0

    def __post_init__(self) -> None:
        if self.segment.start == "video" and self.segment.net != self.video.net:
            raise ValueError(
                'a segment model that starts from the "video" model has its net: give video.net and segment.net the '
                'same values, or choose segment.start = "labels"'
            )

    @classmethod
    def paper(cls, kind: NetKind = "lstm") -> "TwoStageSettings":
        """The paper's sizes: segments of 5 s, one frame a second, candidates from an LSTM video model.

        Its 100,000 segments a concept out of 2.2 million hold about 20 times what a concept needs; how many videos
        that is, it does not tell.
        """
        return cls(
            frames=FrameSettings.paper(),
            video=VideoModelSettings.paper("lstm"),
            segment=SegmentModelSettings.paper(kind),
            class_threshold=0.0,
            top_classes=0,
            candidates=20.0,
            segment_seconds=5.0,
            hop_seconds=5.0,
            moments="segments",
        )

    def video_shape(self) -> ModelSettings:
        """What the video model has to know of itself."""
        return ModelSettings(net=self.video.net, frames=self.frames, longest=self.video.longest)

    def segment_shape(self) -> ModelSettings:
        """What the segment model has to know of itself."""
        segment = self.segment
        return ModelSettings(net=segment.net, frames=self.frames, longest=segment.longest, context=segment.context)
