"""The ResNets on pictures: torchvision's names, sizes and sums, and clips as means of their frames."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from whenabouts.nets.conv2d import ResNet2D

DEPTHS = {
    18: ((2, 2, 2, 2), "basic", 11_689_512, 122),
    34: ((3, 4, 6, 3), "basic", 21_797_672, 218),
    50: ((3, 4, 6, 3), "bottleneck", 25_557_032, 320),
}


@pytest.mark.parametrize("depth", DEPTHS)
def test_parameters_and_names_are_torchvisions(depth: int) -> None:
    """Counts with 1000 classes, as torchvision's documentation gives them."""
    blocks, block, parameters, keys = DEPTHS[depth]
    with torch.device("meta"):
        net = ResNet2D(blocks=blocks, block=block)
        net.add_module("fc", nn.Linear(net.width, 1000))
    assert sum(parameter.numel() for parameter in net.parameters()) == parameters
    state = net.state_dict()
    assert len(state) == keys
    assert {"conv1.weight", "bn1.running_var", "layer2.0.downsample.0.weight", "layer4.1.bn2.bias"} <= set(state)
    assert state["conv1.weight"].shape == (64, 3, 7, 7)
    assert ("layer1.0.downsample.1.weight" in state) == (block == "bottleneck")


def by_hand(state: dict[str, Tensor], x: Tensor, *, bottleneck: bool, pool: bool) -> Tensor:
    """The same net of two stages with one block each, written out from its weights alone."""

    def normed(x: Tensor, name: str) -> Tensor:
        mean, var, scale, shift = (
            state[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    x = normed(functional.conv2d(x, state["conv1.weight"], stride=2, padding=3), "bn1").clamp_min(0)
    if pool:
        x = functional.max_pool2d(x, 3, 2, 1)
    for layer, stride in (("layer1.0", 1), ("layer2.0", 2)):
        strides, pads = ((1, stride, 1), (0, 1, 0)) if bottleneck else ((stride, 1), (1, 1))
        inner = x
        for number, (step, pad) in enumerate(zip(strides, pads, strict=True), start=1):
            inner = functional.conv2d(inner, state[f"{layer}.conv{number}.weight"], stride=step, padding=pad)
            inner = normed(inner, f"{layer}.bn{number}")
            inner = inner.clamp_min(0) if number < len(strides) else inner
        if f"{layer}.downsample.0.weight" in state:
            x = normed(
                functional.conv2d(x, state[f"{layer}.downsample.0.weight"], stride=stride), f"{layer}.downsample.1"
            )
        x = (inner + x).clamp_min(0)
    return x


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("pool", [True, False])
def test_the_sums_are_those_written_out_by_hand(block: str, pool: bool) -> None:
    torch.manual_seed(3)
    net = ResNet2D(4, widths=(6, 8), blocks=(1, 1), stem=6, block=block, pool=pool).eval()
    for name, tensor in net.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            tensor.uniform_(-0.3, 0.3)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    pictures = torch.randn(3, 4, 33, 46)
    with torch.inference_mode():
        wanted = by_hand(net.state_dict(), pictures, bottleneck=block == "bottleneck", pool=pool)
        found = net.maps(pictures[:, :, None])
    torch.testing.assert_close(found[:, :, 0], wanted, rtol=1e-4, atol=1e-5)
    assert net.width == wanted.shape[1]


@pytest.mark.parametrize(("frames", "height", "width"), [(3, 43, 58), (1, 8, 8), (5, 17, 30)])
def test_a_clip_is_the_mean_of_its_frames_in_any_order(frames: int, height: int, width: int) -> None:
    net = ResNet2D(6, widths=(4, 8), blocks=(1, 1), stem=4, pool=False).eval()
    clips = torch.randn(2, 6, frames, height, width, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        features = net(clips)
        alone = torch.stack([net(clips[:, :, k : k + 1]) for k in range(frames)])
        lying = net(clips.to(memory_format=torch.channels_last_3d))
    assert features.shape == (2, 8)
    torch.testing.assert_close(features, alone.mean(0))
    torch.testing.assert_close(net(clips.flip(2)), features)
    torch.testing.assert_close(lying, features)


def test_widths_and_blocks_must_agree() -> None:
    with pytest.raises(ValueError, match="as many widths"):
        ResNet2D(widths=(4, 8), blocks=(1,))
