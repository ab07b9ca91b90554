"""Where a head looks: maps by their definition, regions and boxes by hand, and measures of planted maps."""

import numpy as np
import pytest
import torch

from whenabouts.core.errors import InvalidData
from whenabouts.nets.activity_heads import ActivityHead
from whenabouts.recognition.activity_maps import (
    activated_boxes,
    clip_maps,
    heights,
    normalised,
    share_inside,
)


def test_maps_are_attention_applied_to_features() -> None:
    torch.manual_seed(0)
    head, features = ActivityHead(6, 3, observations=4, hidden=6, groups=2).eval(), torch.randn(2, 6, 2, 3, 4)
    outcome = head(features)
    made = clip_maps(outcome, features, row=1)
    strength = features[1].abs().mean(dim=0)
    for activity in range(3):
        expected = sum(outcome.mixing[1, activity, k] * outcome.attention[1, k].view(2, 3, 4) for k in range(4))
        np.testing.assert_allclose(made.activities[activity], (expected * strength).detach().numpy(), rtol=1e-5)
    np.testing.assert_allclose(made.backbone, strength.numpy(), rtol=1e-6)
    assert made.observations.shape == (4, 2, 3, 4)
    with pytest.raises(InvalidData, match="24 positions"):
        clip_maps(outcome, features[:, :, :1])


def test_each_map_is_brought_to_one_over_its_clip() -> None:
    maps = np.stack([np.arange(8.0).reshape(2, 2, 2) + 3, np.full((2, 2, 2), 5.0)])
    found = normalised(maps)
    assert found[0, 0, 0, 0] == 0
    assert found[0, 1, 1, 1] == 1
    assert found[0, 0, 1, 1] == pytest.approx(3 / 7)
    assert not found[1].any()


def test_boxes_hold_each_connected_region() -> None:
    picture = np.array([
        [0.9, 0.1, 0.0, 0.5],
        [0.2, 0.6, 0.0, 0.7],
        [0.0, 0.6, 0.0, 0.8],
        [0.0, 0.6, 0.6, 0.0],
    ])  # fmt: skip
    assert activated_boxes(picture).tolist() == [
        [0.25, 0.25, 0.75, 1.0],
        [0.75, 0.0, 1.0, 0.75],
        [0.0, 0.0, 0.25, 0.25],
    ]
    assert activated_boxes(picture, 0.75).tolist() == [[0.0, 0.0, 0.25, 0.25], [0.75, 0.5, 1.0, 0.75]]
    assert activated_boxes(picture, 2.0).shape == (0, 4)


def test_shares_and_heights() -> None:
    activity, region = np.zeros((3, 2, 2)), np.zeros((3, 2, 2), bool)
    activity[0], activity[1, 0, 0], activity[2, 1, 1] = 1.0, 4.0, 2.0
    region[0, 0, 0] = region[1, 0, 0] = True
    assert share_inside(activity, region) == pytest.approx(5 / 10)
    assert heights(activity, region) == (pytest.approx((0.25 + 1) / 2), pytest.approx(0.5))
    assert np.isnan(share_inside(np.zeros((3, 2, 2)), region))
    assert np.isnan(heights(activity, np.ones((3, 2, 2), bool))[1])
    assert np.isnan(heights(activity, np.zeros((3, 2, 2), bool))[0])
