"""The activities localizer: windows, what speaks for a video, and what its settings mean."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from whenabouts.core import VideoLabels
from whenabouts.core.progress import Silent
from whenabouts.data.worlds.features import PlantedWorld
from whenabouts.localizers.activities import Activities
from whenabouts.localizers.activities_settings import ActivitiesSettings
from whenabouts.localizers.activities_training import joined_streams, top_share_mean, windows_at
from whenabouts.localizers.protocol import Stream
from whenabouts.localizers.segments import cut
from whenabouts.nets.activity_heads import co_occurrence, groups_within

QUICK = ActivitiesSettings(epochs=2, windows=4, observations=6, hidden=16)


def fitted(world: PlantedWorld, settings: ActivitiesSettings = QUICK) -> Activities:
    return Activities.fit(world.examples, settings, Silent(), vocabulary=world.vocabulary, seed=1)


def test_windows_are_cut_where_they_begin() -> None:
    frames = np.arange(10, dtype=np.float32).reshape(5, 2)
    found = windows_at(frames, [0, 2], 3)
    assert found.shape == (2, 2, 3)
    assert found[1].tolist() == [[4, 6, 8], [5, 7, 9]]
    assert windows_at(frames[:2], [0], 3).shape == (1, 2, 2)


def test_the_best_share_speaks_for_a_video() -> None:
    values = torch.tensor([[[1.0, 5.0], [3.0, 1.0], [2.0, 9.0], [0.0, 0.0]]])
    assert top_share_mean(values, 0.5).tolist() == [[2.5, 7.0]]
    assert top_share_mean(values, 0.01).tolist() == [[3.0, 9.0]]


def test_groups_divide_both_widths() -> None:
    assert groups_within(32, 40, 128) == 8
    assert groups_within(4, 40, 128) == 4
    assert groups_within(32, 7, 128) == 1


def test_a_missing_stream_is_the_training_mean(world: PlantedWorld) -> None:
    streams = (Stream("flow", 2, ""), Stream("rgb", 3, ""))
    joined = joined_streams([None, np.ones((4, 3), np.float32)], streams)
    assert joined.shape == (4, 5)
    assert np.isnan(joined[:, :2]).all()
    made = fitted(world)
    window = torch.randn(1, made.net.mean.shape[0], 3)
    lacking, mean = window.clone(), window.clone()
    lacking[:, :16], mean[:, :16] = float("nan"), made.net.mean[:16, None]
    torch.testing.assert_close(made.net(lacking).logits, made.net(mean).logits)


def test_a_step_is_judged_by_the_window_around_it(world: PlantedWorld) -> None:
    made, features = fitted(world), world.examples[0].features
    scores = made.score(features).scores
    frames = joined_streams(cut(features, made.streams, made.settings).matrices, made.streams)
    with torch.no_grad():
        middle = made.net(windows_at(frames, [6], 3)).probabilities[0].numpy()
        first = made.net(windows_at(frames, [0], 3)).probabilities[0].numpy()
    np.testing.assert_allclose(scores[7], middle, atol=1e-6)
    np.testing.assert_allclose(scores[0], first, atol=1e-6)
    np.testing.assert_array_equal(scores[0], scores[1])
    assert ((scores >= 0) & (scores <= 1)).all()


def test_maps_say_where_each_class_looks(world: PlantedWorld) -> None:
    found = fitted(world).score(world.examples[0].features)
    assert found.attention is not None
    assert found.attention.shape == found.scores.T.shape
    np.testing.assert_allclose(found.attention.sum(axis=1), 1.0, rtol=1e-5)


def test_what_goes_together_comes_from_the_labels(world: PlantedWorld) -> None:
    made = fitted(world)
    labels = np.stack([example.labels.dense(4) > 0 for example in world.examples])
    torch.testing.assert_close(made.net.head.co_occurrence, co_occurrence(torch.from_numpy(labels)))
    assert fitted(world, replace(QUICK, correlation=False)).net.head.co_occurrence is None


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_open_labels_count_as_told(world: PlantedWorld, weight: float) -> None:
    """With weight 0, class 3 of open labels teaches nothing: its bias stays where it was born."""
    labels = VideoLabels(np.array([0]), np.ones(1, np.float32), absent="unknown")
    examples = [replace(example, labels=labels) for example in world.examples]
    settings = replace(QUICK, unknown_weight=weight, correlation=False, weight_decay=0.0)
    made = Activities.fit(examples, settings, Silent(), vocabulary=world.vocabulary, seed=1)
    assert bool(made.net.head.own_bias[3] == 0) == (weight == 0)
