"""The nouns by hand: a curve of scores becomes moments, and these become rows."""

import numpy as np

from whenabouts import Moments, TimeGrid, Vocabulary
from whenabouts.core import temporal_iou
from whenabouts.core.timing import runs_of

grid = TimeGrid.covering(30.0, hop_seconds=0.5, window_seconds=1.0)  # 60 steps over 30 seconds
curve = np.exp(-(((grid.centre(np.arange(grid.steps)) - 12.0) / 2.0) ** 2))  # something happens around 12 s

spans = grid.spans(runs_of(curve > 0.5))
moments = Moments.build(["beach"], spans, [0], Vocabulary(("dive",)), scores=float(curve.max()))
for moment in moments:
    print(f"{moment.video_id}: {moment.concept} from {moment.start_seconds:.1f} to {moment.end_seconds:.1f} s")

truth = [[10.5, 13.5]]
print(f"It shares {temporal_iou(moments.spans, truth)[0, 0]:.0%} of its time with the truth.")
