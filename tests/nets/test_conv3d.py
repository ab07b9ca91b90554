import pytest
import torch
from torch import nn

from whenabouts.nets.conv3d import R2Plus1D, TimeConvolution, mid_channels


@pytest.mark.parametrize(("inputs", "outputs", "mid"), [(64, 64, 144), (64, 128, 230), (256, 512, 921)])
def test_mid_channels_are_the_papers(inputs: int, outputs: int, mid: int) -> None:
    assert mid_channels(inputs, outputs) == mid


@pytest.mark.parametrize(("frames", "height", "width"), [(8, 43, 58), (1, 8, 8), (5, 17, 30)])
def test_a_small_net_takes_any_clip(frames: int, height: int, width: int) -> None:
    net = R2Plus1D(6, widths=(4, 8), blocks=(1, 1), stem=4).eval()
    with torch.inference_mode():
        clips = torch.randn(2, 6, frames, height, width, generator=torch.Generator().manual_seed(1))
        features = net(clips)
        assert features.shape == (2, 8)
        torch.testing.assert_close(features, net.maps(clips).mean((2, 3, 4)))
        torch.testing.assert_close(net(clips[1:]), features[1:])


def test_the_small_net_of_the_recipe_has_a_quarter_million_parameters() -> None:
    net = R2Plus1D(6, widths=(16, 32, 64), blocks=(1, 1, 1), stem=16, mid="per_convolution")
    assert 220_000 < sum(parameter.numel() for parameter in net.parameters()) < 250_000


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("frames", [1, 2, 3, 4])
def test_gradients_are_the_same_at_every_call(dtype: torch.dtype, frames: int) -> None:
    """On two frames oneDNN's bfloat16 gradient read unset memory, which the net avoids; NaN makes such memory seen."""
    net = R2Plus1D(4, widths=(16,), blocks=(1,), stem=16).to(memory_format=torch.channels_last_3d)
    clips = torch.randn(8, 4, frames, 14, 14, generator=torch.Generator().manual_seed(1))
    found = []
    for _ in range(4):
        spoiled = [torch.full((1 << size,), torch.nan) for size in range(8, 20)]
        del spoiled
        net.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            features = net(clips.to(memory_format=torch.channels_last_3d))
        features.mul(torch.linspace(-1, 1, features.numel()).reshape(features.shape)).sum().backward()
        found.append([parameter.grad for parameter in net.parameters() if parameter.grad is not None])
    assert len(found[0]) == len(list(net.parameters()))
    for others in found[1:]:
        assert all(torch.equal(one, other) for one, other in zip(found[0], others, strict=True))


def test_two_frames_are_convolved_as_any_number() -> None:
    time = TimeConvolution(3, 5)
    x = torch.randn(2, 3, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(time(x), nn.functional.conv3d(x, time.weight, padding=(1, 0, 0)))


def test_widths_and_blocks_must_agree() -> None:
    with pytest.raises(ValueError, match="as many widths"):
        R2Plus1D(widths=(4, 8), blocks=(1,))
