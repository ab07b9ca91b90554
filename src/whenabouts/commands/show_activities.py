"""The pictures of a net for activities that `whenabouts show` draws: they need no localizer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from whenabouts.commands.show_concepts import Asked

if TYPE_CHECKING:
    from whenabouts.page.activity_looks import LookedAt
    from whenabouts.recognition.activity_model import ActivityModel


@dataclass(frozen=True)
class ActivityLook:
    """A net for activities, and what it has looked at."""

    model: "ActivityModel"
    clips: "list[LookedAt]"


def draw_activities(look: ActivityLook, asked: Asked, path: Path) -> str:
    """Fig. 4a and b of Zhang, Li & Marsic: what each activity looks at in clips of several videos."""
    from whenabouts.page.activity_looks import activity_picture
    from whenabouts.page.activity_pictures import draw_activity_maps

    pictures = [activity_picture(each, look.model.vocabulary, asked.concepts) for each in look.clips]
    draw_activity_maps(pictures, path)
    return "; ".join(f"{each.title}: {', '.join(each.boxed)}" for each in pictures)


def draw_observation(look: ActivityLook, asked: Asked, path: Path) -> str:
    """Fig. 4c: what the observation that activities lean on most looks at in several videos."""
    from whenabouts.page.activity_looks import busiest_observation, observation_picture
    from whenabouts.page.activity_pictures import draw_activity_maps

    number = busiest_observation(look.clips)
    draw_activity_maps([observation_picture(each, number) for each in look.clips], path)
    return f"observation {number} in {len(look.clips)} videos"


def draw_correlation(look: ActivityLook, asked: Asked, path: Path) -> str:
    """What goes with what: the mean correlation map of these clips, which is co-occurrence and learned attention."""
    from whenabouts.page import activity_pictures
    from whenabouts.page.activity_looks import correlation_of

    mask, mean = correlation_of(look.model, look.clips)
    title = "Correlation map (Attn_C + Mask), percent: what is looked at (column) for each activity (row)"
    activity_pictures.draw_correlation(mean, look.model.vocabulary.names, path, title=title,
                                       highest=float(mean.max()))  # fmt: skip
    return f"{float((mean - mask).max()):.2f} is the most that attention adds to a pair in {len(look.clips)} clips"


ACTIVITY_PICTURES: dict[str, Callable[[ActivityLook, Asked, Path], str]] = {
    "activities": draw_activities,
    "observation": draw_observation,
    "correlation": draw_correlation,
}
"""Pictures of models/activities; each returns in one line what it shows."""
