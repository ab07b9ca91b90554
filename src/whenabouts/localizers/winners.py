"""The winners of one video, step by step: what winners-out selects for given concepts, likely or not."""

from collections.abc import Mapping

import torch
from numpy.typing import ArrayLike

from whenabouts.core.features import FeatureSequence
from whenabouts.core.timing import TimeGrid
from whenabouts.localizers.segments import cut
from whenabouts.localizers.winners_out import WinnersOut
from whenabouts.localizers.winners_out_selection import Selection
from whenabouts.training.devices import one_thread


@one_thread()
@torch.no_grad()
def winners_by_step(
    localizer: WinnersOut, features: Mapping[str, FeatureSequence], classes: ArrayLike
) -> tuple[TimeGrid, Selection]:
    """Segments of one video, and which of them win at which test step for each of `classes` (P,) (Algorithm 2)."""
    video = cut(features, localizer.streams, localizer.settings)
    judge = localizer.judge
    wanted = torch.as_tensor(classes, dtype=torch.int64, device=localizer.device)
    return video.grid, judge.select(judge.placed(video.matrices), wanted, video.grid.steps)
