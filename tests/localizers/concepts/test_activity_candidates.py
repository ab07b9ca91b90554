"""The head for several activities as a candidate model: what it says is what two-stage and relevance work with."""

from dataclasses import replace

import numpy as np
import torch

from whenabouts.core.progress import Silent
from whenabouts.data.worlds.features import PlantedWorld
from whenabouts.localizers.concepts.cross_class import CrossClass
from whenabouts.localizers.concepts.cross_class_settings import CrossClassSettings
from whenabouts.localizers.concepts.makers import MakerSettings
from whenabouts.localizers.concepts.segment_models import SegmentModelSettings
from whenabouts.localizers.concepts.settings import TwoStageSettings
from whenabouts.localizers.concepts.two_stage import TwoStage
from whenabouts.localizers.concepts.video_models import VideoModelSettings
from whenabouts.nets.activity_frames import ActivityFrames
from whenabouts.nets.activity_heads import co_occurrence

from .conftest import LEARNED, QUICK, mean_precision, small
from .test_two_stage import average_map

NET = replace(small("activities"), observations=16)
FIT = replace(QUICK, learning_rate=1e-2)


def labels_of(world: PlantedWorld, first: int, last: int) -> np.ndarray:
    """(V, C) what videos are labelled with."""
    return np.stack([example.labels.dense(3) > 0 for example in world.examples[first:last]])


def test_two_stage_looks_where_the_head_says(world: PlantedWorld) -> None:
    settings = TwoStageSettings(
        video=VideoModelSettings(net=NET, fit=FIT), segment=SegmentModelSettings(net=NET, fit=FIT)
    )
    model = TwoStage.fit(world.examples[:LEARNED], settings, Silent(), vocabulary=world.vocabulary)
    assert isinstance(model.video.net, ActivityFrames)
    mask = model.video.net.head.co_occurrence
    assert mask is not None
    torch.testing.assert_close(mask, co_occurrence(torch.from_numpy(labels_of(world, 0, LEARNED))).float())
    held = world.examples[LEARNED:]
    told = np.stack([model.score(example.features).video_scores for example in held])
    np.testing.assert_allclose(told, np.stack([scores for _, scores in model.video.scores_of(held)]), rtol=1e-5)
    assert mean_precision(told, labels_of(world, LEARNED, len(world.examples))) > 0.9
    for example, scores in zip(held, told, strict=True):
        found = model.localize(example.features)
        assert set(found.classes.tolist()) <= set(model.candidate_classes(scores).tolist())
    assert average_map(model, world) > 0.6


def test_relevance_learns_from_what_the_head_says(world: PlantedWorld) -> None:
    makers = MakerSettings(
        video=VideoModelSettings(net=NET, fit=FIT), video_kinds=("logistic", "activities"), segment_kinds=(),
        segment=SegmentModelSettings(net=NET, fit=FIT), encoders=("activities",), folds=2,
    )  # fmt: skip
    model = CrossClass.fit(world.examples[:LEARNED], CrossClassSettings(makers=makers), Silent(),
                           vocabulary=world.vocabulary)  # fmt: skip
    example = world.examples[-1]
    said = model.describe(example.features, np.array([[0.0, 2.0], [4.0, 6.0]]))
    assert set(said.scores) == {"video.logistic", "video.logistic.whole", "video.activities", "video.activities.whole"}
    assert said.encodings["activities"].shape == (2, NET.hidden)
    whole = {name: np.stack([scores for _, scores in each.scores_of([example])])[0]
             for name, each in model.makers.models.items()}  # fmt: skip
    np.testing.assert_allclose(said.scores["video.activities.whole"][0], whole["video.activities"], rtol=1e-5)
    both = (whole["video.logistic"] + whole["video.activities"]) / 2
    np.testing.assert_allclose(model.score(example.features).video_scores, both, rtol=1e-5)
    assert average_map(model, world) > 0.8  # type: ignore[arg-type]
