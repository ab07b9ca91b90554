"""The nouns: what every other room speaks of. numpy and the standard library only."""

from whenabouts.core.errors import (
    FeatureMismatch,
    InvalidData,
    MediaError,
    ProjectError,
    SettingsError,
    WhenaboutsError,
)
from whenabouts.core.features import FeatureSequence
from whenabouts.core.labels import SegmentLabels, VideoLabels
from whenabouts.core.moments import Moment, Moments
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import TimeGrid, temporal_iou
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary

__all__ = [
    "FeatureMismatch",
    "FeatureSequence",
    "InvalidData",
    "MediaError",
    "Moment",
    "Moments",
    "ProjectError",
    "ScoreSequence",
    "SegmentLabels",
    "SettingsError",
    "TimeGrid",
    "Video",
    "VideoLabels",
    "Vocabulary",
    "WhenaboutsError",
    "temporal_iou",
]
