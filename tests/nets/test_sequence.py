"""Logistic, LSTM, ConvNet, Transformer: what they compute, and that padding changes nothing."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from whenabouts.nets.pooling import PoolingNet, masked_max, masked_mean
from whenabouts.nets.sequence import ConvNet, LogisticNet, LstmNet, MixtureOfExperts, TransformerNet, sinusoids

WIDTH, CLASSES = 6, 3


def linear(width: int) -> nn.Linear:
    return nn.Linear(width, CLASSES)


NETS = {
    "logistic": lambda: LogisticNet(WIDTH, linear(WIDTH)),
    "lstm hidden": lambda: LstmNet(WIDTH, 8, linear(8)),
    "lstm cell, two layers": lambda: LstmNet(WIDTH, 8, linear(8), state="cell", stack=2),
    "convnet mean": lambda: ConvNet(WIDTH, 8, linear(8)),
    "convnet max": lambda: ConvNet(WIDTH, 8, linear(8), pooling="max"),
    "transformer": lambda: TransformerNet(WIDTH, 8, linear(8), compression=2, blocks=3, heads=2),
    "transformer by five": lambda: TransformerNet(WIDTH, 8, linear(8), compression=5, blocks=1, heads=4),
    "netvlad": lambda: PoolingNet((4, 2), (5, 3), 8, linear(8)),
    "netfv": lambda: PoolingNet((4, 2), (5, 3), 8, MixtureOfExperts(8, CLASSES), kind="netfv"),
}


@pytest.fixture(params=NETS)
def net(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(4)
    return NETS[request.param]().eval()


def frames(*lengths: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    return torch.randn(len(lengths), max(lengths), WIDTH, generator=generator), mask


@torch.no_grad()
def test_padding_changes_nothing_whatever_stands_there(net: nn.Module) -> None:
    values, mask = frames(7, 3, 1)
    together = net(values, mask)
    assert together.shape == (3, CLASSES)
    wild = net(torch.where(mask[..., None], values, 1e6), mask)
    torch.testing.assert_close(wild, together, rtol=1e-5, atol=1e-6)
    for row, length in enumerate((7, 3, 1)):
        alone = net(values[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(alone[0], together[row], rtol=1e-5, atol=1e-6)
    longer = net(functional.pad(values, (0, 0, 0, 9), value=3.0), functional.pad(mask, (0, 9)))
    torch.testing.assert_close(longer, together, rtol=1e-5, atol=1e-6)


def test_padding_gets_and_gives_no_gradient(net: nn.Module) -> None:
    values, mask = frames(4, 2)
    values.requires_grad_()
    net(values, mask).square().sum().backward()
    assert not values.grad[1, 2:].any()
    assert values.grad[0].abs().sum(dim=1).gt(0).all()
    gradients = [parameter.grad.clone() for parameter in net.parameters()]
    net.zero_grad()
    wide, real = functional.pad(values.detach(), (0, 0, 0, 5), value=7.0), functional.pad(mask, (0, 5))
    net(wide, real).square().sum().backward()
    for parameter, before in zip(net.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, before, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_a_video_without_a_frame_stays_finite_and_is_encoded_alike(net: nn.Module) -> None:
    values, mask = frames(3, 3)
    mask = mask & torch.tensor([[True], [False]])
    encoded = net.encode(values, mask)
    assert torch.isfinite(net(values, mask)).all()
    torch.testing.assert_close(net.encode(values * 9, mask)[1], encoded[1])


def test_one_step_lowers_the_loss(net: nn.Module) -> None:
    values, mask = frames(6, 4, 5, 2)
    targets = torch.eye(4)[:, :CLASSES]
    net.train()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    for _ in range(4):
        loss = functional.binary_cross_entropy_with_logits(net(values, mask), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("state", ["hidden", "cell"])
@torch.no_grad()
def test_shut_gates_equal_packed_sequences(state: str) -> None:
    """Packing leaves padding out by its very form, so it says what the faster way has to give."""
    torch.manual_seed(1)
    net = LstmNet(WIDTH, 8, linear(8), state=state, stack=2)
    values, mask = frames(9, 1, 6, 9, 2)
    torch.testing.assert_close(net.shut(values, mask), net.packed(values, mask), rtol=1e-5, atol=1e-6)
    holes = mask & (torch.arange(9) % 3 != 1)
    torch.testing.assert_close(net.shut(values, holes), net.packed(values, holes), rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_an_lstm_of_one_cell_by_hand() -> None:
    """Both directions see one frame x = 2 with all weights 1/2 and the forget gates' bias, then the last layer."""
    net = LstmNet(1, 2, nn.Identity(), state="hidden")
    for parameter in net.parameters():
        if parameter.ndim == 2:
            nn.init.constant_(parameter, 0.5)
    sigmoid = lambda x: 1 / (1 + math.exp(-x))  # noqa: E731
    below = sigmoid(1.0) * math.tanh(sigmoid(1.0) * math.tanh(1.0))
    cell = sigmoid(below) * math.tanh(below)
    mask = torch.tensor([[True, False]])
    hidden = net(torch.tensor([[[2.0], [-50.0]]]), mask)
    assert hidden[0].tolist() == pytest.approx([sigmoid(below) * math.tanh(cell)] * 2, rel=1e-5)
    net.state = "cell"
    assert net(torch.tensor([[[2.0], [-50.0]]]), mask)[0].tolist() == pytest.approx([cell] * 2, rel=1e-5)


def test_forget_gates_begin_open_and_cells_are_even() -> None:
    net = LstmNet(WIDTH, 8, linear(8))
    for layer in net.layers:
        size = layer.hidden_size
        assert (layer.bias_ih_l0[size : 2 * size] + layer.bias_hh_l0[size : 2 * size]).tolist() == [1.0] * size
    with pytest.raises(ValueError, match="even"):
        LstmNet(WIDTH, 7, linear(7))


@torch.no_grad()
def test_convolutions_by_hand() -> None:
    """Channel = relu(x_t - x_{t-1}), then relu(sum of two neighbours); nothing lies before the first frame."""
    net = ConvNet(1, 1, nn.Identity())
    net.first.weight.copy_(torch.tensor([[[-1.0, 1.0]]]))
    net.second.weight.copy_(torch.tensor([[[1.0, 1.0]]]))
    net.first.bias.zero_()
    net.second.bias.zero_()
    values = torch.tensor([[[3.0], [5.0], [4.0], [9.0]]])  # rises 3, 2, 0, 5; sums 3, 5, 2, 5
    mask = torch.ones(1, 4, dtype=torch.bool)
    assert net(values, mask).item() == pytest.approx(15 / 4)
    net.pooling = "max"
    assert net(values, mask).item() == 5
    mask[0, 3] = False
    net.pooling = "mean"
    assert net(values, mask).item() == pytest.approx(10 / 3)


@torch.no_grad()
def test_attention_against_plain_loops() -> None:
    torch.manual_seed(2)
    net = TransformerNet(WIDTH, 4, linear(4), compression=2, blocks=1, heads=2)
    values, mask = frames(5)
    kernel, bias = net.compress.weight, net.compress.bias
    padded = torch.cat([values[0], torch.zeros(1, WIDTH)])
    positions = torch.stack([torch.einsum("cdk,kd->c", kernel, padded[2 * t : 2 * t + 2]) + bias for t in range(3)])
    positions += torch.tensor(
        [[math.sin(t), math.cos(t), math.sin(t / 100), math.cos(t / 100)] for t in range(3)], dtype=torch.float32
    )
    block = net.blocks[0]
    normed = block.norms[0](positions)
    query, key, value = (
        normed @ block.inward.weight[rows].T + block.inward.bias[rows] for rows in torch.arange(12).chunk(3)
    )
    mixed = torch.zeros(3, 4)
    for head in (slice(0, 2), slice(2, 4)):
        for t in range(3):
            shares = torch.stack([query[t, head] @ key[u, head] / math.sqrt(2) for u in range(3)]).softmax(dim=0)
            mixed[t, head] = sum(shares[u] * value[u, head] for u in range(3))
    positions = positions + block.outward(mixed)
    positions = positions + block.narrow(block.wide(block.norms[1](positions)).relu())
    torch.testing.assert_close(net.encode(values, mask)[0], net.norm(positions).mean(dim=0), rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_order_matters_to_all_but_the_pooling_nets(net: nn.Module) -> None:
    values, mask = frames(6)
    same = torch.allclose(net(values, mask), net(values.flip(1), mask), atol=1e-5)
    assert same == isinstance(net, LogisticNet | PoolingNet)


def test_sinusoids_of_an_odd_width() -> None:
    assert sinusoids(2, 3).shape == (2, 3)
    assert sinusoids(2, 3)[0].tolist() == [0.0, 1.0, 0.0]


@torch.no_grad()
def test_masked_mean_and_maximum_by_hand() -> None:
    values = torch.tensor([[[1.0], [-4.0], [7.0]], [[-5.0], [-6.0], [0.0]], [[1.0], [1.0], [1.0]]])
    mask = torch.tensor([[True, False, True], [True, True, False], [False, False, False]])
    assert masked_mean(values, mask)[:, 0].tolist() == [4.0, -5.5, 0.0]
    assert masked_max(values, mask)[:, 0].tolist() == [7.0, -5.0, 0.0]


@torch.no_grad()
def test_a_mixture_of_experts_by_hand() -> None:
    """Gates are even thirds, experts say 1/2 and 3/4, and the third always 0: 5/12."""
    experts = MixtureOfExperts(1, 1, experts=2)
    nn.init.zeros_(experts.gates.weight)
    experts.experts.weight.copy_(torch.tensor([[0.0], [math.log(3.0)]]))
    nn.init.zeros_(experts.experts.bias)
    assert experts(torch.ones(1, 1)).sigmoid().item() == pytest.approx(5 / 12)
    assert torch.isfinite(experts(torch.full((1, 1), -1e9))).all()
