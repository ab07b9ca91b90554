"""Ways from segments to their video, worked by hand."""

import math

import pytest
import torch

from whenabouts.nets.instance_pooling import (
    InstanceNet,
    Instances,
    co_activity,
    soft_selection,
    top_mean,
    weighted_mean,
)

MASK = torch.tensor([[True] * 4, [True, True, False, False]])


def test_top_mean_counts_a_share_of_what_is_real() -> None:
    values = torch.tensor([[[1.0], [4.0], [2.0], [0.0]], [[-3.0], [-1.0], [9.0], [9.0]]])
    assert top_mean(values, MASK, share=0.5).flatten().tolist() == [3.0, -1.0]
    assert top_mean(values, MASK, share=0.01).flatten().tolist() == [4.0, -1.0]
    assert top_mean(values, MASK, share=0.5, count=3).flatten().tolist() == [pytest.approx(7 / 3), -2.0]


def test_soft_selection_mixes_probabilities_by_attention() -> None:
    logits = torch.log(torch.tensor([[[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.2, 0.8]]]))
    energies = torch.log(torch.tensor([[1.0, 3.0, 50.0, 50.0]]))
    found = soft_selection(Instances(logits, energies, logits), torch.tensor([[True, True, False, False]]))
    assert found.exp()[0].tolist() == pytest.approx([0.25 * 0.9 + 0.75 * 0.5, 0.25 * 0.1 + 0.75 * 0.5])


def test_weighted_mean_does_not_grow_with_length() -> None:
    logits = torch.tensor([[[2.0, 0.0], [6.0, 1.0]]])
    assert weighted_mean(logits, torch.tensor([[0.75, 0.25]])).tolist() == [[3.0, 0.25]]
    assert weighted_mean(logits.repeat(1, 3, 1), torch.tensor([[0.75, 0.25] * 3])).tolist() == [[3.0, 0.25]]


def test_co_activity_is_low_where_videos_of_a_class_look_alike() -> None:
    """Two videos of one class, sure of one segment each: alike there and unlike elsewhere costs nothing."""
    sure = 60.0
    logits = torch.tensor([[[sure], [0.0]], [[0.0], [sure]]])
    east, north = [1.0, 0.0], [0.0, 1.0]
    alike = Instances(logits, logits[..., 0], torch.tensor([[east, north], [north, east]]))
    swapped = Instances(logits, logits[..., 0], torch.tensor([[east, north], [east, north]]))
    mask, both = torch.ones(2, 2, dtype=torch.bool), torch.ones(2, 1)
    assert float(co_activity(alike, mask, both)) == 0.0
    # Distances: 1 between what is shown, 0 between it and the other's rest: 1 - 0 + margin .5 on either side.
    assert float(co_activity(swapped, mask, both)) == pytest.approx(1.5)
    assert float(co_activity(swapped, mask, torch.tensor([[1.0], [0.0]]))) == 0.0


def net(*, joined: bool, hidden: int) -> InstanceNet:
    made = InstanceNet([5, 3], 4, joined=joined, hidden=hidden, width=3, generator=torch.Generator().manual_seed(1))
    made.mean.copy_(torch.arange(8) / 8)
    return made.double()


@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize("hidden", [0, 6])
def test_padding_and_parts_change_nothing(joined: bool, hidden: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made, draw = net(joined=joined, hidden=hidden), torch.Generator().manual_seed(2)
    features = [torch.randn(1, 11, width, generator=draw, dtype=torch.float64) for width in (5, 3)]
    present = torch.ones(1, 2, dtype=torch.bool)
    alone = made(features, torch.ones(1, 11, dtype=torch.bool), present=present)
    behind = [torch.cat([values, torch.full((1, 4, values.shape[2]), 7.0)], dim=1) for values in features]
    mask = torch.arange(15)[None] < 11
    longer = made(behind, mask, present=present)
    torch.testing.assert_close(longer.logits[:, :11], alone.logits)
    torch.testing.assert_close(longer.energies[:, :11], alone.energies)
    monkeypatch.setattr("whenabouts.nets.instance_pooling._PART", 4)
    logits, energies = made.whole([values[0] for values in features], present=present)
    torch.testing.assert_close(logits, alone.logits[0])
    torch.testing.assert_close(energies, alone.energies[0])


@pytest.mark.parametrize("joined", [True, False])
def test_a_missing_stream_has_no_say(joined: bool) -> None:
    made = net(joined=joined, hidden=0)
    rgb = torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    mask, present = torch.ones(1, 6, dtype=torch.bool), torch.tensor([[True, False]])
    one = made([rgb, torch.zeros(1, 6, 3)], mask, present=present)
    other = made([rgb, torch.full((1, 6, 3), 9.0)], mask, present=present)
    torch.testing.assert_close(one.logits, other.logits)
    if not joined:
        alone = made.tower(0)(rgb - made.mean[:5], None)
        torch.testing.assert_close(one.logits, alone.logits)


def test_width_three_sees_neighbours_and_width_one_does_not() -> None:
    for width, moved in ((3, [1, 2, 3]), (1, [2])):
        made = InstanceNet([4], 2, width=width, generator=torch.Generator().manual_seed(0))
        features, mask, present = torch.zeros(1, 6, 4), torch.ones(1, 6, dtype=torch.bool), torch.ones(1, 1).bool()
        before = made([features], mask, present=present).logits
        features[0, 2] = 1.0
        after = made([features], mask, present=present).logits
        assert (before != after).any(dim=2)[0].nonzero().flatten().tolist() == moved


def test_weights_are_drawn_within_their_bound() -> None:
    made = InstanceNet([4], 2, width=3, generator=torch.Generator().manual_seed(0))
    assert made.tower(0).classify.weight.abs().max() <= 1 / math.sqrt(12)


def test_the_kernel_is_a_convolution() -> None:
    made, draw = InstanceNet([4], 2, width=3, generator=torch.Generator().manual_seed(0)), torch.Generator()
    kernel, values = made.tower(0).classify, torch.randn(3, 7, 4, generator=draw)
    wanted = torch.nn.functional.conv1d(values.transpose(1, 2), kernel.weight, kernel.bias, padding=1).transpose(1, 2)
    torch.testing.assert_close(kernel(values), wanted)
