"""Features of your own (here planted ones), labels for whole videos: learn, find, and measure on other videos."""

import numpy as np

from whenabouts.core import temporal_iou
from whenabouts.core.progress import Silent
from whenabouts.data.worlds.features import planted_world
from whenabouts.localizers import LOCALIZERS

world = planted_world(60, np.random.default_rng(0))  # examples with labels of videos, and when things truly happen
learn, held_out = world.examples[:45], world.examples[45:]

kind = LOCALIZERS["multiple-instance"]
localizer = kind.fit(learn, kind.Settings(), Silent(), vocabulary=world.vocabulary, seed=0)

hits = found = 0
for example in held_out:
    moments = localizer.localize(example.features).ranked(3)
    truth = world.truth[world.truth.video_ids == example.video_id]
    for moment in moments:
        same = truth[truth.classes == world.vocabulary.index(moment.concept)]
        found += 1
        hits += bool((temporal_iou([[moment.start_seconds, moment.end_seconds]], same.spans) > 0.3).any())
print(f"{hits} of the {found} best moments overlap a true one by more than 0.3.")
