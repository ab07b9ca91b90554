"""RoIAlign against its definition, sample by sample, and against torchvision where that is installed."""

import math

import pytest
import torch
from torch import Tensor

from whenabouts.nets.roi_align import roi_align


def by_definition(plane: list[list[float]], box: list[float], side: int, samples: int) -> list[list[float]]:
    """One channel at one time: each cell the mean of its samples, each between its four neighbours."""
    height, width = len(plane), len(plane[0])

    def read(y: float, x: float) -> float:
        if y < -1 or y > height or x < -1 or x > width:
            return 0.0
        y, x = min(max(y, 0.0), height - 1), min(max(x, 0.0), width - 1)
        top, left = math.floor(y), math.floor(x)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        down, across = y - top, x - left
        return (
            plane[top][left] * (1 - down) * (1 - across) + plane[top][right] * (1 - down) * across
            + plane[bottom][left] * down * (1 - across) + plane[bottom][right] * down * across
        )  # fmt: skip

    x1, y1, x2, y2 = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    cell_x, cell_y = max(x2 - x1, 0) / side, max(y2 - y1, 0) / side
    made = []
    for row in range(side):
        made.append([])
        for column in range(side):
            total = 0.0
            for i in range(samples):
                for j in range(samples):
                    y = y1 + cell_y * (row + (i + 0.5) / samples) - 0.5
                    x = x1 + cell_x * (column + (j + 0.5) / samples) - 0.5
                    total += read(y, x)
            made[-1].append(total / samples**2)
    return made


BOXES = [
    [0.1, 0.2, 0.8, 0.9], [0.0, 0.0, 1.0, 1.0], [0.4, 0.4, 0.4, 0.4], [-0.3, -0.2, 0.5, 0.6], [0.7, 0.5, 1.6, 1.4],
    [1.5, 1.5, 2.0, 2.0], [0.6, 0.6, 0.5, 0.5], [0.33, 0.1, 0.37, 0.95],
]  # fmt: skip


def maps() -> Tensor:
    return torch.randn(2, 3, 2, 6, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("side", "samples"), [(7, 2), (1, 1), (3, 4)])
def test_meets_the_definition(side: int, samples: int) -> None:
    features, boxes = maps(), torch.tensor(BOXES, dtype=torch.float64)
    clips = torch.arange(len(BOXES)) % 2
    found = roi_align(features, boxes, clips, side=side, samples=samples)
    assert found.shape == (len(BOXES), 3, 2, side, side)
    for number, box in enumerate(BOXES):
        for channel in range(3):
            plane = features[number % 2, channel, 1].tolist()
            expected = torch.tensor(by_definition(plane, box, side, samples), dtype=torch.float64)
            torch.testing.assert_close(found[number, channel, 1], expected, rtol=1e-10, atol=1e-12)


def test_meets_torchvision() -> None:
    try:
        from torchvision import ops
    except (ImportError, RuntimeError) as error:  # A build for other hardware than torch's fails as it loads.
        pytest.skip(f"torchvision can't be used here: {error}")
    features, boxes = maps()[:, :, 0], torch.tensor(BOXES, dtype=torch.float64)
    scaled = boxes * torch.tensor([8.0, 6.0, 8.0, 6.0], dtype=torch.float64)
    rows = torch.cat([(torch.arange(len(BOXES)) % 2)[:, None].double(), scaled], dim=1)
    for samples in (1, 2):
        expected = ops.roi_align(features, rows, (7, 7), 1.0, samples, aligned=True)
        found = roi_align(features[:, :, None], boxes, torch.arange(len(BOXES)) % 2, samples=samples)[:, :, 0]
        kept = [number for number, box in enumerate(BOXES) if box[2] >= box[0]]  # It reads inverted boxes backwards.
        torch.testing.assert_close(found[kept], expected[kept], rtol=1e-10, atol=1e-12)


def test_by_hand_and_no_boxes() -> None:
    """A box over two columns of cells reads the mean of them; gradients reach what was read alone."""
    features = torch.tensor([[0.0, 2.0, 4.0, 6.0]]).expand(4, 4).reshape(1, 1, 1, 4, 4).requires_grad_()
    found = roi_align(features, torch.tensor([[0.0, 0.0, 0.5, 1.0]]), torch.tensor([0]), side=1, samples=2)
    assert found.item() == 1.0  # Points at columns 0 and 1.
    features = torch.zeros(1, 1, 1, 4, 4, requires_grad=True)
    roi_align(features, torch.tensor([[0.0, 0.0, 0.5, 1.0]]), torch.tensor([0])).sum().backward()
    assert features.grad is not None
    assert features.grad[..., 3].abs().sum() == 0
    assert features.grad[..., 0].abs().sum() > 0
    assert roi_align(features, torch.zeros(0, 4), torch.zeros(0, dtype=torch.long)).shape == (0, 1, 1, 7, 7)
