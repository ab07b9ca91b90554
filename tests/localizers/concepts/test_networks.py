"""Sizes: the paper's nets counted by hand."""

from typing import get_args

import pytest
import torch

from whenabouts.config import load
from whenabouts.core.errors import SettingsError
from whenabouts.localizers.concepts.networks import NetKind, NetSettings, build_net
from whenabouts.localizers.protocol import Stream

YOUTUBE8M = (Stream("audio", 128, "vggish"), Stream("rgb", 1024, "inception"))
CLASSIFIER = 1024 * 1000 + 1000
BY_HAND = {
    "logistic": 1152 * 1000 + 1000,
    # two directions of four gates of 512 from 1152 and 512, then four gates of 1024 from 1024 and 1024; two biases each
    "lstm": 2 * 4 * 512 * (1152 + 512 + 2) + 4 * 1024 * (1024 + 1024 + 2) + CLASSIFIER,
    "convnet": (2 * 1152 + 1) * 1024 + (2 * 1024 + 1) * 1024 + CLASSIFIER,
    # two norms, query, key and value, output, four times as wide and back; three such blocks and a last norm
    "transformer": (2 * 1152 + 1) * 512
    + 3 * (2 * 2 * 512 + 513 * 3 * 512 + 513 * 512 + 513 * 2048 + 2049 * 512)
    + 2 * 512
    + 513 * 1000,
    # assignment with bias and centres of both modalities, to 1024 with bias, gate with bias
    "netvlad": (2 * 1024 + 1) * 256
    + (2 * 128 + 1) * 128
    + (256 * 1024 + 128 * 128 + 1) * 1024
    + 1025 * 1024
    + CLASSIFIER,
    # assignment with bias, centres and deviations, twice as many outputs
    "netfv": (3 * 1024 + 1) * 96
    + (3 * 128 + 1) * 48
    + (2 * (96 * 1024 + 48 * 128) + 1) * 1540
    + 1541 * 1540
    + 1541 * 1000,
    # 64 observations by three maps in 32 groups, two maps between activities, queries and two outputs a class
    "activities": 3 * 64 * (1024 + 128) * 1024 // 32 + 2 * 1024 * 1024 // 32 + 3 * 1000 * 1024 + 2 * 1000,
}
WRITTEN_OUT = {"lstm": 16_245_736, "netvlad": 287_845_736, "netfv": 325_929_008, "transformer": 11_151_336}


@pytest.mark.parametrize("kind", get_args(NetKind))
def test_parameters_at_the_papers_size(kind: NetKind) -> None:
    with torch.device("meta"):
        net = build_net(NetSettings.paper(kind), YOUTUBE8M, 1000)
    count = sum(parameter.numel() for parameter in net.parameters())
    assert count == BY_HAND[kind]
    assert count == WRITTEN_OUT.get(kind, count)


def test_clusters_go_by_the_modality_whatever_their_order() -> None:
    with torch.device("meta"):
        net = build_net(NetSettings.paper("netvlad"), YOUTUBE8M, 1000)
    assert [pool.centres.shape for pool in net.pools] == [(128, 128), (256, 1024)]


def test_batch_norm_and_experts_are_switches_that_are_off() -> None:
    """Batch norm has a weight and a bias per number in place of one bias; experts: 3 gates and 2 experts per class."""
    streams = (Stream("rgb", 6, "x"),)
    plain = NetSettings(kind="netvlad", hidden=8, other_clusters=4)
    assert not plain.batch_norm
    assert not plain.experts

    def count(shape: NetSettings) -> int:
        return sum(parameter.numel() for parameter in build_net(shape, streams, 5).parameters())

    from dataclasses import replace

    assert count(replace(plain, batch_norm=True)) - count(plain) == 2 * 6 + 4 + 8 + 8
    assert count(replace(plain, experts=2)) - count(plain) == 8 * 15 + 9 * 10 - 9 * 5
    assert count(plain) - count(replace(plain, gating=False)) == 8 * 8 + 8


def test_weights_come_from_the_seed_alone() -> None:
    streams = (Stream("rgb", 6, "x"),)
    for kind in get_args(NetKind):
        shape = NetSettings(kind=kind, hidden=8, other_clusters=2)
        torch.manual_seed(1)
        one = build_net(shape, streams, 3, seed=5).state_dict()
        torch.rand(9)
        before = torch.get_rng_state()
        other = build_net(shape, streams, 3, seed=5).state_dict()
        assert torch.equal(torch.get_rng_state(), before)
        assert all(torch.equal(one[name], other[name]) for name in one)
        third = build_net(shape, streams, 3, seed=6).state_dict()
        assert any(not torch.equal(one[name], third[name]) for name in one)


@pytest.mark.parametrize(
    ("values", "told"),
    [({"kind": "transformer", "hidden": 30}, "heads share"), ({"kind": "lstm", "hidden": 5}, "even")],
)
def test_sizes_that_cannot_be_are_refused(values: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        load(NetSettings, values, "[train]")
