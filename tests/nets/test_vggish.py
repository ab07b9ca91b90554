import pytest
import torch

from whenabouts.nets.vggish import VGGish


def test_the_published_net_has_the_published_number_of_parameters() -> None:
    """72,141,184: by hand 4,499,712 in the convolutions and 67,641,472 in the linear layers."""
    with torch.device("meta"):
        net = VGGish()
    counts = [sum(weight.numel() for weight in part.parameters()) for part in (net.features, net.embeddings)]
    assert counts == [4_499_712, 67_641_472]
    assert sum(counts) == 72_141_184
    assert list(net.state_dict())[::2] == [
        *(f"features.{number}.weight" for number in (0, 3, 6, 8, 11, 13)),
        *(f"embeddings.{number}.weight" for number in (0, 2, 4)),
    ]


def test_maps_are_laid_out_with_channels_last() -> None:
    """One 1x1 map would hide it: a first linear layer that reads entry 1 reads channel 1 of the first place."""
    net = VGGish(widths=(2,), blocks=(1,), hidden=(), embedding=1, size=(4, 4))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.features[0].bias.copy_(torch.tensor([3.0, 5.0]))  # type: ignore[union-attr, operator]
        net.embeddings[0].weight[0, 1] = 1.0  # type: ignore[index]
    assert net(torch.zeros(2, 1, 4, 4)).tolist() == [[5.0], [5.0]]


def test_a_relu_stands_behind_the_embedding_where_asked_for() -> None:
    patches = torch.randn(8, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    made = {}
    for rectified in (False, True):
        torch.manual_seed(2)
        net = VGGish(widths=(4, 4), blocks=(1, 2), hidden=(6,), embedding=5, size=(16, 16), rectified=rectified)
        made[rectified] = net(patches)
    assert (made[False] < 0).any()
    torch.testing.assert_close(made[True], made[False].clamp(min=0))


def test_batch_norms_stand_behind_convolutions_where_asked_for() -> None:
    net = VGGish(widths=(4, 8), blocks=(1, 2), hidden=(6,), embedding=5, size=(16, 16), norm=True)
    assert sum(isinstance(part, torch.nn.BatchNorm2d) for part in net.features) == 3


def test_what_can_not_be_is_told() -> None:
    with pytest.raises(ValueError, match="halved to nothing"):
        VGGish(size=(8, 64))
    with pytest.raises(ValueError, match="as many widths"):
        VGGish(widths=(4,), blocks=(1, 1))
    with pytest.raises(ValueError, match=r"takes \(B, 1, rows, bands\)"):
        VGGish(widths=(2,), blocks=(1,), hidden=(), embedding=1, size=(4, 4))(torch.zeros(1, 1, 4, 5))
