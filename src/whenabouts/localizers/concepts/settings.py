"""Settings of the two-stage localizer."""

from whenabouts.config import NotNegative, settings
from whenabouts.localizers.concepts.distillation import DistillationSettings
from whenabouts.localizers.concepts.frames import FrameSettings
from whenabouts.localizers.concepts.looks import LookSettings
from whenabouts.localizers.concepts.model import ModelSettings
from whenabouts.localizers.concepts.networks import NetKind
from whenabouts.localizers.concepts.segment_models import SegmentModelSettings
from whenabouts.localizers.concepts.video_models import VideoModelSettings
from whenabouts.training.devices import PrecisionName


@settings
class TwoStageSettings(LookSettings):
    """A video model that chooses candidates, and a segment model that ranks what is in them.

    `precision` "auto" trains in bfloat16 where the device computes in it natively. Measured on a CPU it made the LSTM
    video model slower and most others little faster (benchmarks/results/segment_models_bfloat16.md).
    `distilled` trains the video model on four others' word beside the labels. Where it looks, and what becomes a
    moment, is as in `LookSettings`, by the video model's scores of whole videos.

    `halfway` is the number of ratings at which a concept's segment model counts as much as its video model, n of them
    giving it a share of n / (n + halfway): a few ratings alone teach less than many labels. With 0 it counts alone.
    """

    frames: FrameSettings = FrameSettings()
    video: VideoModelSettings = VideoModelSettings()
    segment: SegmentModelSettings = SegmentModelSettings()
    precision: PrecisionName = "float32"
    distilled: bool = False
    distillation: DistillationSettings = DistillationSettings()
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
            most_moments=1_000_000,
        )

    def video_shape(self) -> ModelSettings:
        """What the video model has to know of itself."""
        return ModelSettings(net=self.video.net, frames=self.frames, longest=self.video.longest)

    def segment_shape(self) -> ModelSettings:
        """What the segment model has to know of itself."""
        segment = self.segment
        return ModelSettings(net=segment.net, frames=self.frames, longest=segment.longest, context=segment.context)
