"""Convolutions of clips: gradients at low precision."""

import pytest
import torch

from whenabouts.nets.residual import Reach, picture_convolution


@pytest.mark.parametrize(("inputs", "outputs", "side"), [(128, 288, 28), (96, 230, 28), (128, 256, 28), (16, 24, 9)])
@pytest.mark.parametrize("layout", [torch.channels_last_3d, torch.contiguous_format])
def test_gradients_of_picture_kernels_at_bfloat16_are_those_of_float32(
    inputs: int, outputs: int, side: int, layout: torch.memory_format
) -> None:
    """With AMX, oneDNN's (1, 3, 3) kernels gave NaN for three of these sizes."""
    torch.manual_seed(0)
    convolution = picture_convolution(inputs, outputs, Reach()).to(memory_format=layout)
    clips = torch.randn(1, inputs, 3, side, side).to(memory_format=layout)
    found = []
    for low in (True, False):
        convolution.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            made = convolution(clips)
        made.float().square().mean().backward()
        assert convolution.weight.grad is not None
        found.append(convolution.weight.grad.clone())
    assert (found[0] - found[1]).norm() < 0.02 * found[1].norm()
