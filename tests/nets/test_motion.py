"""A net for motion that begins with a net for pictures gives the same for channels that are all alike."""

import pytest
import torch
from torch import nn

from whenabouts.nets.conv2d import ResNet2D
from whenabouts.nets.conv3d import R2Plus1D
from whenabouts.nets.motion import start_from_pictures


def resnet(channels: int) -> nn.Module:
    return ResNet2D(channels, widths=(4, 8), blocks=(1, 1), stem=4)


def r2plus1d(channels: int) -> nn.Module:
    return R2Plus1D(channels, widths=(4, 8), blocks=(1, 1), stem=4)


@pytest.mark.parametrize("make", [resnet, r2plus1d])
@pytest.mark.parametrize("channels", [3, 6])
def test_alike_channels_give_equal_features(make: object, channels: int) -> None:
    torch.manual_seed(5)
    pictures, motion = make(channels).eval(), make(10).eval()  # type: ignore[operator]
    for name, tensor in pictures.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    start_from_pictures(motion, pictures)
    alike = torch.randn(2, 1, 4, 21, 30)
    with torch.inference_mode():
        wanted = pictures(alike.expand(-1, channels, -1, -1, -1))
        found = motion(alike.expand(-1, 10, -1, -1, -1))
        other = motion(torch.cat([alike] * 9 + [-alike], 1))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(other, wanted, atol=1e-3)


def test_kernels_over_the_input_are_their_mean_and_all_else_is_copied() -> None:
    pictures, motion = resnet(3), resnet(10)
    start_from_pictures(motion, pictures)
    known, made = pictures.state_dict(), motion.state_dict()
    mean = known["conv1.weight"].mean(1)
    for channel in range(10):
        torch.testing.assert_close(made["conv1.weight"][:, channel], 0.3 * mean)
    assert all(torch.equal(made[name], known[name]) for name in known if name != "conv1.weight")
    with torch.no_grad():
        next(pictures.parameters()).zero_()
    assert made["conv1.weight"].abs().sum() > 0


def test_nets_of_other_shapes_are_told_apart() -> None:
    with pytest.raises(ValueError, match=r"layer2\.0\.conv1\.weight has shape \(8, 4, 3, 3\) in one net"):
        start_from_pictures(ResNet2D(10, widths=(4, 6), blocks=(1, 1), stem=4), resnet(3))
    with pytest.raises(ValueError, match=r"differ in layer1\.1\."):
        start_from_pictures(ResNet2D(10, widths=(4, 8), blocks=(2, 1), stem=4), resnet(3))
