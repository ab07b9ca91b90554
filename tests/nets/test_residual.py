"""Convolutions of clips: gradients at low precision are those of full precision."""

import pytest
import torch

from whenabouts.nets.residual import ClipConvolution, Reach


@pytest.mark.parametrize(
    ("kernel", "sizes", "reach"),
    [((1, 3, 3), (128, 288, 3, 28), Reach()), ((1, 3, 3), (96, 230, 3, 28), Reach()),
     ((1, 3, 3), (128, 256, 3, 28), Reach(picture=2)), ((3, 1, 1), (256, 128, 4, 32), Reach()),
     ((3, 1, 1), (128, 64, 4, 16), Reach(time=2)), ((1, 1, 1), (512, 1024, 4, 32), Reach(2, 2)),
     ((1, 3, 3), (16, 24, 3, 9), Reach(time=2, dilation=2))],
)  # fmt: skip
@pytest.mark.parametrize("layout", [torch.channels_last_3d, torch.contiguous_format])
def test_gradients_at_bfloat16_are_those_of_float32(
    kernel: tuple[int, int, int], sizes: tuple[int, int, int, int], reach: Reach, layout: torch.memory_format
) -> None:
    """With AMX, oneDNN gave NaN for some of these sizes; a plain conv3d at float32 says what is right."""
    torch.manual_seed(0)
    inputs, outputs, frames, side = sizes
    convolution = ClipConvolution(inputs, outputs, kernel, reach).to(memory_format=layout)
    clips = torch.randn(2, inputs, frames, side, side).to(memory_format=layout)
    found = []
    for low in (True, False):
        convolution.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            made = convolution(clips) if low else torch.nn.Conv3d.forward(convolution, clips)
        made.float().square().mean().backward()
        assert convolution.weight.grad is not None
        found.append((made.detach().float(), convolution.weight.grad.clone()))
    for rounded, exact in zip(*found, strict=True):
        assert (rounded - exact).norm() < 0.02 * exact.norm()
