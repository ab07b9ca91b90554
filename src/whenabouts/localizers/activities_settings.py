"""Settings of the localizer that judges short windows by a head for several activities at once."""

from whenabouts.config import Count, NotAll, Positive, Probability, Share, settings
from whenabouts.localizers.net_settings import ContrastSettings, LearningSettings
from whenabouts.nets.activity_heads import Classifier, Query


@settings
class ActivitiesSettings(ContrastSettings, LearningSettings):
    """How videos are cut, what the head is, how it learns, and how moments are read from its probabilities.

    Segments: as in winners-out; `segment_seconds` long, or `segment_count` to every video.

    Head: the one of Zhang, Li & Marsic (CVPR 2021) over the segments of a window; `observations` of `hidden` numbers,
    in at most `groups` groups, as many as divide both widths; `correlation` adds the map of what goes together.

    Training: of each video `windows` windows of `window` segments are drawn at a sight, and the video is what the mean
    of the best `top_share` of them says, activity by activity: labels tell what is in a video, not in which window.
    Concepts that a video's labels leave open count as absent with `unknown_weight`.

    Use: a step's probability is that of the window around it, a video's the mean of its best `top_share` of windows. A
    video has the classes whose probability is above `class_threshold` and `class_share` of its best class's, and the
    `top_classes` best. Moments come from `levels` thresholds between a class's lowest and highest probability, their
    scores lowered by `doubt` and `sigma` as in multiple-instance; a video's `most_moments` best stay.
    """

    window: Count = 3
    observations: Count = 64
    hidden: Count = 128
    groups: Count = 32
    classifier: Classifier = "rows"
    query: Query = "learned"
    correlation: bool = True
    scaled: bool = False
    dropout: NotAll = 0.5

    windows: Count = 8
    top_share: Share = 0.25
    unknown_weight: Probability = 0.5
    learning_rate: Positive = 1e-2
