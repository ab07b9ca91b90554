"""The classifier as a convolution: against the definition, place by place."""

import pytest
import torch

from whenabouts.nets.conv3d import R2Plus1D
from whenabouts.nets.fully_convolutional import fully_convolutional, pool_window


def inputs(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(3, 4, 2, 8, 9, generator=generator),
        torch.randn(5, 4, generator=generator),
        torch.randn(5, generator=generator),
    )


@pytest.mark.parametrize(("link", "joint"), [("softmax", False), ("softmax", True), ("sigmoid", False)])
def test_it_is_the_mean_over_every_place_of_the_window(link: str, joint: bool) -> None:
    maps, weight, bias = inputs()
    found = fully_convolutional(maps, weight, bias, (1, 7, 7), link=link, joint=joint)
    scores = []
    for time in range(2):
        for top in range(2):
            for left in range(3):
                feature = maps[:, :, time, top : top + 7, left : left + 7].mean((2, 3))
                scores.append(feature @ weight.T + bias)
    stacked = torch.stack(scores, 1)  # (B, places, L)
    if joint:
        expected = stacked.flatten(1).softmax(1).view_as(stacked).sum(1)
    elif link == "softmax":
        expected = stacked.softmax(2).mean(1)
    else:
        expected = stacked.sigmoid().mean(1)
    torch.testing.assert_close(found, expected)
    if link == "softmax":
        torch.testing.assert_close(found.sum(1), torch.ones(3))


def test_on_clips_as_in_training_it_is_the_classifier_itself() -> None:
    """Crops of 28 pixels give maps of 7 x 7 here; 32 pixels 8 x 8, with (1, 2, 2) places, as 112 and 128 do."""
    torch.manual_seed(0)
    net = R2Plus1D(3, widths=(4, 6), blocks=(1, 1), stem=4).eval()
    fc = torch.nn.Linear(6, 3)
    with torch.inference_mode():
        small, large = net.maps(torch.randn(2, 3, 4, 28, 28)), net.maps(torch.randn(2, 3, 4, 32, 32))
        window = pool_window(small)
        assert window == (2, 7, 7)
        assert large.shape[2:] == (2, 8, 8)
        plain = fc(small.mean((2, 3, 4))).softmax(1)
        torch.testing.assert_close(fully_convolutional(small, fc.weight, fc.bias, window), plain)
        # It is not the mean over all of the larger map.
        pooled = fc(large.mean((2, 3, 4))).softmax(1)
        assert (fully_convolutional(large, fc.weight, fc.bias, window) - pooled).abs().max() > 1e-6


def test_a_window_larger_than_the_maps_is_told() -> None:
    maps, weight, bias = inputs()
    with pytest.raises(ValueError, match="smaller than the pool"):
        fully_convolutional(maps, weight, bias, (3, 7, 7))
