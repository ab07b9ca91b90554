"""One contract for all families of video nets, each built small enough to run in a moment."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from whenabouts.nets.conv3d import R2Plus1D, mc3, r3d, time_first_r2plus1d
from whenabouts.nets.csn import csn_of
from whenabouts.nets.i3d import i3d_of
from whenabouts.nets.nonlocal_block import NonLocalBlock
from whenabouts.nets.pathways import NonLocals
from whenabouts.nets.residual import ClipConvolution, Reach, VideoResNet, blocks_of
from whenabouts.nets.slowfast import SlowFast, slowfast, slowfast_of, spread_frames

Build = Callable[..., VideoResNet | SlowFast]
WIDTHS, BLOCKS = (8, 16, 24), (1, 2, 2)
NONLOCALS = NonLocals({2: (1,), 3: (0,)})

FAMILIES: dict[str, Build] = {
    "r2plus1d": lambda **more: R2Plus1D(widths=WIDTHS, blocks=BLOCKS, stem=5, **more),
    "r2plus1d_bottleneck": lambda **more: R2Plus1D(widths=WIDTHS, blocks=BLOCKS, bottleneck=True, pool=True, **more),
    "time_first": lambda **more: time_first_r2plus1d(widths=WIDTHS, blocks=BLOCKS, **more),
    "r3d": lambda **more: r3d(widths=WIDTHS, blocks=BLOCKS, **more),
    "r3d_bottleneck": lambda **more: r3d(widths=WIDTHS, blocks=BLOCKS, bottleneck=True, pool=True, **more),
    "mc3": lambda **more: mc3(widths=WIDTHS, blocks=BLOCKS, **more),
    "ir_csn": lambda **more: csn_of(BLOCKS, widths=WIDTHS, **more),
    "ip_csn": lambda **more: csn_of(BLOCKS, widths=WIDTHS, interaction="preserved", **more),
    "i3d": lambda **more: i3d_of(BLOCKS, widths=WIDTHS, **more),
    "i3d_nonlocal": lambda **more: i3d_of(BLOCKS, widths=WIDTHS, nonlocals=NONLOCALS, **more),
    "slowfast": lambda **more: slowfast_of(BLOCKS, widths=WIDTHS, time_blocks=(1, 1), **more),
    "slowfast_every": lambda **more: slowfast_of(
        BLOCKS, widths=WIDTHS, alpha=8, slow_frames="every", lateral_norm=False, **more
    ),
    "slowfast_nonlocal": lambda **more: slowfast_of(
        BLOCKS, widths=WIDTHS, nonlocals=NonLocals({3: (1,)}, "dot_product"), **more
    ),
}


def made(name: str, **more: object) -> VideoResNet | SlowFast:
    torch.manual_seed(4)
    net = FAMILIES[name](**more).eval()
    for module in net.modules():
        if isinstance(module, NonLocalBlock):  # It starts as the identity, which would hide it.
            nn.init.constant_(module.bn.weight, 0.5)
    return net


def clips(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("shape", [(8, 32, 40), (1, 8, 8), (5, 17, 30), (9, 1, 3), (2, 20, 16), (3, 33, 9)])
def test_any_clip_passes_and_features_are_the_mean_of_maps(name: str, shape: tuple[int, ...]) -> None:
    net = made(name)
    given = clips(2, 3, *shape)
    with torch.inference_mode():
        features, maps = net(given), net.maps(given)
        assert features.shape == (2, net.width)
        assert features.dtype == torch.float32
        assert features.isfinite().all()
        assert maps.shape[:2] == (2, net.width)
        if isinstance(net, VideoResNet):
            torch.testing.assert_close(features, maps.mean((2, 3, 4)))
        torch.testing.assert_close(net(given[1:]), features[1:])
        assert torch.equal(net(given), features)


@pytest.mark.parametrize("name", FAMILIES)
def test_features_are_float32_means_at_half_precision(name: str) -> None:
    net = made(name).to(memory_format=torch.channels_last_3d)
    given = clips(1, 3, 8, 32, 32).to(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        exact = net(given)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = net(given)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact, rtol=0.1, atol=0.05 * float(exact.abs().max()))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_dilated_net_keeps_names_and_time_and_doubles_the_maps(name: str) -> None:
    net, dilated = made(name), made(name, last_stride=1)
    dilated.load_state_dict(net.state_dict())
    given = clips(1, 3, 8, 48, 64)
    with torch.inference_mode():
        *_, frames, height, width = net.maps(given).shape
        assert dilated.maps(given).shape[2:] == (frames, 2 * height, 2 * width)
    for path in (dilated.slow, dilated.fast) if isinstance(dilated, SlowFast) else (dilated,):
        last = path.get_submodule(f"layer{len(BLOCKS)}")
        wide = [m for m in last.modules() if isinstance(m, nn.Conv3d) and m.kernel_size[1] == 3]
        assert wide
        assert all(m.dilation == (1, 2, 2) for m in wide)
    with pytest.raises(ValueError, match="last_stride is 1"):
        made(name, last_stride=3)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("frames", [1, 2, 3])
def test_gradients_are_the_same_at_every_call(name: str, frames: int) -> None:
    """oneDNN's bfloat16 gradients read unset memory at some shapes, which the nets avoid; NaN makes it seen."""
    net = made(name).train().to(memory_format=torch.channels_last_3d)
    given = clips(4, 3, frames, 16, 16).to(memory_format=torch.channels_last_3d)
    found = []
    for _ in range(3):
        spoiled = [torch.full((1 << size,), torch.nan) for size in range(8, 20)]
        del spoiled
        net.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = net(given)
        assert features.isfinite().all()
        features.mul(torch.linspace(-1, 1, features.numel()).reshape(features.shape)).sum().backward()
        found.append({key: parameter.grad for key, parameter in net.named_parameters()})
    assert all(gradient is not None and gradient.isfinite().all() for gradient in found[0].values())
    for others in found[1:]:
        assert not [key for key, gradient in found[0].items() if not torch.equal(gradient, others[key])]


@pytest.mark.parametrize(
    "build",
    [
        lambda: R2Plus1D(widths=(4, 8), blocks=(1,)),
        lambda: r3d(widths=(), blocks=()),
        lambda: csn_of((1,), widths=(4, 8)),
        lambda: i3d_of((1,), widths=(4, 8)),
    ],
)
def test_widths_and_blocks_must_agree(build: Callable[[], nn.Module]) -> None:
    with pytest.raises(ValueError, match="as many widths"):
        build()


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no residual net of depth 42"):
        blocks_of(42)
    with pytest.raises(ValueError, match="depth 101 alone"):
        slowfast(50, nonlocal_blocks=True)


@pytest.mark.parametrize(
    ("frames", "count", "chosen"),
    [
        (32, 8, [0, 4, 8, 13, 17, 22, 26, 31]),
        (16, 4, [0, 5, 10, 15]),
        (64, 16, [0, 4, 8, 12, 16, 21, 25, 29, 33, 37, 42, 46, 50, 54, 58, 63]),
        (1, 1, [0]),
        (4, 1, [0]),
    ],
)
def test_the_slow_pathway_sees_frames_spread_over_the_clip(frames: int, count: int, chosen: list[int]) -> None:
    assert spread_frames(frames, count) == chosen


@pytest.mark.parametrize("frames", [32, 64, 16, 9, 1])
def test_slow_frames_number_what_the_laterals_bring(frames: int) -> None:
    net = slowfast_of((1, 1), widths=(8, 8))
    every = slowfast_of((1, 1), widths=(8, 8), slow_frames="every")
    assert len(net.slow_indices(frames)) == len(every.slow_indices(frames)) == -(-frames // 4)
    assert every.slow_indices(8) == [0, 4]


@pytest.mark.parametrize("affinity", ["softmax", "dot_product"])
@pytest.mark.parametrize("pool", [(1, 2, 2), (2, 2, 2)])
def test_a_non_local_block_is_the_papers_equation(affinity: str, pool: tuple[int, int, int]) -> None:
    block = NonLocalBlock(6, affinity=affinity, pool=pool).eval()  # type: ignore[arg-type]
    for parameter in block.parameters():
        nn.init.normal_(parameter, generator=torch.Generator().manual_seed(parameter.numel()))
    x = clips(2, 6, 4, 6, 5)
    with torch.inference_mode():
        pooled = nn.functional.max_pool3d(x, pool)
        theta, phi, g = block.theta(x).flatten(2), block.phi(pooled).flatten(2), block.g(pooled).flatten(2)
        pairs = torch.einsum("bci,bcj->bij", theta, phi)
        weights = (pairs / 3**0.5).softmax(-1) if affinity == "softmax" else pairs / phi.shape[-1]
        seen = torch.einsum("bij,bcj->bci", weights, g).reshape(2, 3, 4, 6, 5)
        torch.testing.assert_close(block(x), x + block.bn(block.out(seen)))
    assert torch.equal(NonLocalBlock(6).eval()(x), x)


@pytest.mark.parametrize(
    "build",
    [
        lambda **more: mc3(widths=(8, 16, 16), blocks=(1, 1, 2), **more),
        lambda **more: i3d_of((1, 1, 2), widths=(8, 16, 16), **more),
        lambda **more: slowfast_of((1, 1, 2), widths=(8, 16, 16), time_blocks=(1, 1), **more),
        lambda **more: R2Plus1D(widths=(8, 16, 16), blocks=(1, 1, 2), **more),
    ],
)
def test_the_dilated_net_keeps_the_shortcut_of_a_stage_that_does_not_widen(build: Build) -> None:
    net, dilated = build().eval(), build(last_stride=1).eval()
    assert net.state_dict().keys() == dilated.state_dict().keys()
    assert sum("downsample" in name for name in net.state_dict()) > 0
    dilated.load_state_dict(net.state_dict())
    given = clips(1, 3, 4, 32, 32)
    height, width = net.maps(given).shape[3:]
    assert dilated.maps(given).shape[3:] == (2 * height, 2 * width)


def test_a_net_of_one_stage_has_no_last_stride_to_take_away() -> None:
    net, same = mc3(widths=(8,), blocks=(1,)).eval(), mc3(widths=(8,), blocks=(1,), last_stride=1).eval()
    same.load_state_dict(net.state_dict())
    given = clips(1, 3, 4, 16, 16)
    torch.testing.assert_close(same(given), net(given), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("kernel", "reach", "groups", "shape"),
    [
        ((1, 3, 3), Reach(picture=2), 1, (2, 6, 5, 9, 7)),
        ((1, 3, 3), Reach(dilation=2), 1, (1, 6, 3, 8, 9)),
        ((1, 7, 7), Reach(picture=2), 1, (1, 6, 1, 12, 10)),
        ((1, 3, 3), Reach(), 6, (1, 6, 4, 5, 6)),
        ((3, 1, 1), Reach(), 1, (1, 6, 7, 5, 4)),
        ((3, 1, 1), Reach(time=2), 1, (2, 6, 2, 3, 5)),
        ((5, 1, 1), Reach(time=4), 1, (1, 6, 9, 1, 3)),
        ((1, 1, 1), Reach(time=2, picture=2), 1, (1, 6, 5, 5, 4)),
    ],
)
def test_channels_last_changes_neither_what_convolutions_give_nor_their_gradients(
    kernel: tuple[int, int, int], reach: Reach, groups: int, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(2)
    net = ClipConvolution(6, 6, kernel, reach, groups=groups)
    found = []
    for memory in (torch.contiguous_format, torch.channels_last_3d):
        net.zero_grad()
        given = clips(*shape).contiguous(memory_format=memory).requires_grad_()
        made = net(given)
        made.square().sum().backward()
        found.append((made, given.grad, net.weight.grad))
    for plain, last in zip(*found, strict=True):
        torch.testing.assert_close(last, plain, rtol=1e-5, atol=1e-5)
