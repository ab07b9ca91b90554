"""NetVLAD, NetFV and context gating against plain loops and cases done by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from whenabouts.nets.pooling import ContextGate, NetFv, NetVlad, PoolingNet


def length(values: list[float]) -> float:
    return math.sqrt(sum(value * value for value in values))


def unit(values: list[float]) -> list[float]:
    return [value / length(values) for value in values]


def plain_shares(frame: list[float], weight: list[list[float]], bias: list[float]) -> list[float]:
    energies = [sum(x * row[k] for x, row in zip(frame, weight, strict=True)) + bias[k] for k in range(len(bias))]
    powers = [math.exp(energy) for energy in energies]
    return [power / sum(powers) for power in powers]


def plain_vlad(net: NetVlad, frames: list[list[float]]) -> list[float]:
    weight, bias, centres = net.assign.weight.tolist(), net.assign.bias.tolist(), net.centres.tolist()
    residuals = [[0.0] * len(centres[0]) for _ in centres]
    for frame in frames:
        shares = plain_shares(frame, weight, bias)
        for k, centre in enumerate(centres):
            for d, (x, c) in enumerate(zip(frame, centre, strict=True)):
                residuals[k][d] += shares[k] * (x - c)
    return unit([value for residual in residuals for value in unit(residual)])


def plain_fv(net: NetFv, frames: list[list[float]]) -> list[float]:
    weight, bias, centres = net.assign.weight.tolist(), net.assign.bias.tolist(), net.centres.tolist()
    spreads = [[value**2 + 1e-6 for value in row] for row in net.deviations.tolist()]
    first = [[0.0] * len(centres[0]) for _ in centres]
    second = [[0.0] * len(centres[0]) for _ in centres]
    for frame in frames:
        shares = plain_shares(frame, weight, bias)
        for k, centre in enumerate(centres):
            for d, x in enumerate(frame):
                z = (x - centre[d]) / spreads[k][d]
                first[k][d] += shares[k] * z
                second[k][d] += shares[k] * (z * z - 1)
    return unit([v for row in first for v in unit(row)]) + unit([v for row in second for v in row])


@pytest.mark.parametrize(("kind", "plain"), [(NetVlad, plain_vlad), (NetFv, plain_fv)])
@torch.no_grad()
def test_against_a_plain_double_loop(kind: type[NetVlad | NetFv], plain) -> None:
    torch.manual_seed(0)
    net = kind(4, 3)
    frames, lengths = torch.randn(3, 6, 4), (6, 2, 1)
    mask = torch.arange(6)[None] < torch.tensor(lengths)[:, None]
    pooled = net(frames, mask)
    assert pooled.shape == (3, net.outputs)
    for row, count in enumerate(lengths):
        expected = torch.tensor(plain(net, frames[row, :count].tolist()))
        torch.testing.assert_close(pooled[row], expected, rtol=1e-4, atol=1e-5)


def set_to(net: NetVlad | NetFv, centres: list[list[float]]) -> None:
    """Frames near 0 belong to each of two clusters by half."""
    nn.init.zeros_(net.assign.weight)
    nn.init.zeros_(net.assign.bias)
    net.centres.copy_(torch.tensor(centres))


@torch.no_grad()
def test_vlad_by_hand() -> None:
    """Frames (3, 4) and (1, 0), shares 1/2: residuals to (0, 0) are (2, 2), to (2, -1) (0, 3)."""
    net = NetVlad(2, 2)
    set_to(net, [[0.0, 0.0], [2.0, -1.0]])
    pooled = net(torch.tensor([[[3.0, 4.0], [1.0, 0.0], [9.0, 9.0]]]), torch.tensor([[True, True, False]]))
    assert pooled[0].tolist() == pytest.approx([0.5, 0.5, 0.0, math.sqrt(0.5)])


@torch.no_grad()
def test_fisher_vectors_by_hand() -> None:
    """Frames 3 and 1, centres 0 and 1, deviations 1 and sqrt(2), shares 1/2.

    First order: (3 + 1) / 2 = 2, and (2 + 0) / 4 = 1/2; each cluster's length is 1, together sqrt(1/2).
    Second order: (9 - 1 + 1 - 1) / 2 = 4, and (1 - 1 + 0 - 1) / 2 = -1/2.
    """
    net = NetFv(1, 2)
    set_to(net, [[0.0], [1.0]])
    net.deviations.copy_(torch.tensor([[1.0], [math.sqrt(2.0)]]))
    pooled = net(torch.tensor([[[3.0], [1.0]]]), torch.ones(1, 2, dtype=torch.bool))
    half = math.sqrt(0.5)
    assert pooled[0].tolist() == pytest.approx([half, half, *unit([4.0, -0.5])], rel=1e-4)


@torch.no_grad()
def test_no_frame_gives_nothing() -> None:
    for net in (NetVlad(3, 2), NetFv(3, 2)):
        assert not net(torch.full((1, 4, 3), 7.0), torch.zeros(1, 4, dtype=torch.bool)).any()


@torch.no_grad()
def test_gating_by_hand() -> None:
    gate = ContextGate(2)
    gate.weight.copy_(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    gate.bias.copy_(torch.tensor([0.0, math.log(3.0) - 2.0]))
    assert gate(torch.tensor([[2.0, 8.0]]))[0].tolist() == pytest.approx([1.0, 6.0])


@torch.no_grad()
def test_modalities_have_clusters_of_their_own() -> None:
    """What one modality hears moves only its own part of what is pooled."""
    torch.manual_seed(3)
    net = PoolingNet((4, 2), (3, 5), 6, nn.Identity(), gating=False)
    frames, mask = torch.randn(2, 7, 6), torch.ones(2, 7, dtype=torch.bool)
    assert [pool.outputs for pool in net.pools] == [12, 10]
    louder = torch.cat([frames[..., :4], frames[..., 4:] * 2], dim=2)
    moved = net.encode(louder, mask) - net.encode(frames, mask)
    heard = net.pools[1](louder[..., 4:], mask) - net.pools[1](frames[..., 4:], mask)
    torch.testing.assert_close(moved, heard @ net.reduce[12:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["netvlad", "netfv"])
def test_batch_norm_sees_real_frames_alone(kind: str) -> None:
    """The reference normalises padding with the frames; here its number and looks move no statistic."""

    def trained(padding: int, value: float) -> tuple[Tensor, dict[str, Tensor]]:
        torch.manual_seed(5)
        net = PoolingNet((4, 2), (3, 2), 5, nn.Linear(5, 2), kind=kind, batch_norm=True)
        assert net.bias is None
        frames = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(1))
        frames = torch.cat([frames, torch.full((3, padding, 6), value)], dim=1)
        logits = net(frames, torch.arange(4 + padding)[None].expand(3, -1) < 4)
        return logits, dict(net.named_buffers())

    logits, buffers = trained(0, 0.0)
    again, others = trained(3, 50.0)
    torch.testing.assert_close(logits, again, rtol=1e-4, atol=1e-5)
    assert any("running_mean" in name for name in buffers)
    for name, values in buffers.items():
        torch.testing.assert_close(values, others[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["netvlad", "netfv"])
def test_batch_norm_learns_from_one_example_of_one_frame(kind: str) -> None:
    """It has no spread, so it is seen as in use, moves no running statistics, and gives gradients."""
    torch.manual_seed(0)
    net = PoolingNet((4,), (3,), 5, nn.Linear(5, 2), kind=kind, batch_norm=True)
    before = {name: values.clone() for name, values in net.named_buffers()}
    values, mask = torch.randn(1, 1, 4), torch.ones(1, 1, dtype=torch.bool)
    logits = net(values, mask)
    assert logits.isfinite().all()
    assert all(torch.equal(values, before[name]) for name, values in net.named_buffers())
    logits.sum().backward()
    assert net.reduce.grad is not None
    assert net.reduce.grad.isfinite().all()
    torch.testing.assert_close(net.eval()(values, mask), logits.detach())
