import numpy as np
import pytest
import torch
from torch.nn import functional

from whenabouts.media.resizing import bilinear, middle, target_size


@pytest.mark.parametrize("size", [(7, 5), (12, 31), (40, 60), (1, 1), (33, 20)])
def test_bilinear_is_torchs_rounded(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (20, 33, 3), dtype=np.uint8)
    flat = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    wanted = functional.interpolate(flat, size=size, mode="bilinear", align_corners=False)[0].permute(1, 2, 0).numpy()
    assert np.abs(bilinear(pixels, size).astype(np.float32) - wanted).max() <= 0.5 + 1e-3


def test_two_pixels_become_four_by_hand() -> None:
    """Places of the four are -0.25, 0.25, 0.75 and 1.25: the outer ones hold the border."""
    assert bilinear(np.array([[[0], [100]]], np.uint8), (1, 4))[0, :, 0].tolist() == [0, 25, 75, 100]


@pytest.mark.parametrize(
    ("size", "shape", "crop", "wanted"),
    [
        (256, (240, 320), None, (256, 341)),  # 341.33 is rounded down
        (256, (1920, 1080), 224, (455, 256)),
        (2, (3, 300), 8, (8, 200)),  # no side is below the crop
        ((128, 171), (240, 320), 112, (128, 171)),
        (64, (0, 0), None, (64, 64)),
        (None, (240, 320), None, None),
    ],
)
def test_the_shorter_side_gets_its_length(
    size: int | tuple[int, int] | None, shape: tuple[int, int], crop: int | None, wanted: tuple[int, int] | None
) -> None:
    assert target_size(size, *shape, crop=crop) == wanted


def test_the_middle_leaves_as_much_on_either_side() -> None:
    frames = np.arange(2 * 5 * 8, dtype=np.uint8).reshape(2, 5, 8, 1)
    assert np.array_equal(middle(frames, 3), frames[:, 1:4, 2:5])
    assert middle(frames, None) is frames
