import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from whenabouts.nets.conv3d import R2Plus1D, TimeConvolution, mid_channels


def shapes(model: nn.Module) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in model.state_dict().items()}


def with_classifier(net: R2Plus1D, classes: int) -> nn.Module:
    net.add_module("fc", nn.Linear(net.width, classes))
    return net


def golden_fill(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """The rule of the golden files' README: weights from a hash of name and index."""
    i = np.arange(tensor.numel(), dtype=np.uint32)
    x = i * np.uint32(2654435761) + np.uint32(zlib.crc32(name.encode()))
    x ^= x >> np.uint32(16)
    x *= np.uint32(2246822519)
    x ^= x >> np.uint32(13)
    x *= np.uint32(3266489917)
    x ^= x >> np.uint32(16)
    u = x / 2.0**32
    if name.endswith("num_batches_tracked"):
        values = 0 * u
    elif name.endswith("running_var"):
        values = 0.5 + u
    elif name.endswith(("running_mean", "bias")):
        values = 0.2 * (u - 0.5)
    elif tensor.ndim == 1:
        values = 0.75 + 0.5 * u
    else:
        values = (2 * u - 1) * np.sqrt(3 / (tensor.numel() / tensor.shape[0]))
    return torch.from_numpy(values).to(tensor.dtype).reshape(tensor.shape)


def golden_input(shape: tuple[int, ...]) -> torch.Tensor:
    i = np.arange(np.prod(shape), dtype=np.float64)
    return torch.from_numpy((np.sin(0.01 * i) + 0.5 * np.cos(0.37 * i)).astype(np.float32).reshape(shape))


@pytest.mark.parametrize(("inputs", "outputs", "mid"), [(64, 64, 144), (64, 128, 230), (256, 512, 921)])
def test_mid_channels_are_the_papers(inputs: int, outputs: int, mid: int) -> None:
    assert mid_channels(inputs, outputs) == mid


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "blocks", "mid"),
    [
        ("torchvision_r2plus1d_18", (2, 2, 2, 2), "per_block"),
        ("vmz_r2plus1d_18_caffe2mid", (2, 2, 2, 2), "per_convolution"),
        ("ig65m_r2plus1d_34_8f", (3, 4, 6, 3), "per_convolution"),
    ],
)
def test_names_and_shapes_are_the_references(shared: Path, name: str, blocks: tuple[int, ...], mid: str) -> None:
    golden = json.loads((shared / "golden" / "backbones" / f"{name}.keys.json").read_text())
    expected = {key: shape for key, shape, _ in golden["keys"]}
    with torch.device("meta"):
        net = with_classifier(R2Plus1D(blocks=blocks, mid=mid), expected["fc.bias"][0])
    assert shapes(net) == expected
    assert sum(parameter.numel() for parameter in net.parameters()) == golden["num_parameters"]


@pytest.mark.golden
def test_outputs_are_the_references(shared: Path) -> None:
    ran = 0
    net = with_classifier(R2Plus1D(), 400).eval()
    net.load_state_dict({name: golden_fill(name, tensor) for name, tensor in net.state_dict().items()})
    for shape in ((1, 3, 8, 64, 64), (2, 3, 16, 40, 56)):
        path = shared / "golden" / "backbones" / f"torchvision_r2plus1d_18__{'x'.join(map(str, shape))}.npz"
        with np.load(path, allow_pickle=False) as golden, torch.inference_mode():
            features = net(golden_input(shape))
            for found, name in ((features, "feat"), (net.get_submodule("fc")(features), "logits")):
                scale = float(np.abs(golden[name]).max())
                np.testing.assert_allclose(found.numpy(), golden[name], rtol=1e-4, atol=1e-4 * scale)
                ran += 1
    assert ran == 4


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
