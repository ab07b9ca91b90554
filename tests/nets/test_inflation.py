from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from whenabouts.nets.conv2d import ResNet2D
from whenabouts.nets.conv3d import R2Plus1D, mc3, r3d
from whenabouts.nets.i3d import i3d_of
from whenabouts.nets.inflation import inflate
from whenabouts.nets.pathways import NonLocals
from whenabouts.nets.residual import VideoResNet

SHAPE = {"widths": (4, 8, 8), "blocks": (1, 2, 1)}


def pictures_net(block: str = "basic", *, pool: bool = False) -> ResNet2D:
    torch.manual_seed(7)
    net = ResNet2D(3, **SHAPE, stem=4, block=block, pool=pool).eval()  # type: ignore[arg-type]
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):  # As after a training: not the identity.
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return net


def moving(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


CLIP_NETS: list[tuple[str, bool, int, Callable[[], VideoResNet]]] = [
    ("basic", False, 4, lambda: r3d(**SHAPE)),  # type: ignore[arg-type]
    ("bottleneck", True, 4, lambda: r3d(**SHAPE, bottleneck=True, pool=True)),  # type: ignore[arg-type]
    ("basic", False, 1, lambda: mc3(**SHAPE)),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("block", "pool", "step", "build"), CLIP_NETS)
def test_centre_gives_the_pictures_maps_on_any_clip(
    block: str, pool: bool, step: int, build: Callable[[], VideoResNet]
) -> None:
    frames, clips = pictures_net(block, pool=pool), build().eval()
    assert inflate(clips, frames.state_dict(), spread="centre") == []
    given = moving(2, 3, 9, 24, 20)
    with torch.inference_mode():
        torch.testing.assert_close(clips.maps(given), frames.maps(given)[:, :, ::step])


@pytest.mark.parametrize(("block", "pool", "step", "build"), CLIP_NETS)
def test_mean_gives_the_pictures_maps_in_the_midst_of_a_still_clip(
    block: str, pool: bool, step: int, build: Callable[[], VideoResNet]
) -> None:
    frames, clips = pictures_net(block, pool=pool), build().eval()
    inflate(clips, frames.state_dict(), spread="mean")
    picture = moving(1, 3, 1, 24, 20)
    with torch.inference_mode():
        still = clips.maps(picture.expand(1, 3, 65, 24, 20))
        expected = frames.maps(picture)[:, :, 0]
        torch.testing.assert_close(still[:, :, still.shape[2] // 2], expected)
        assert (still[:, :, 0] - expected).abs().max() > 1e-3  # Zeros before the first frame are seen there.


def test_i3d_keeps_its_non_local_blocks_and_equals_the_picture_net_at_the_centre() -> None:
    frames = pictures_net("bottleneck", pool=True)
    clips = i3d_of(SHAPE["blocks"], widths=SHAPE["widths"], nonlocals=NonLocals({2: (1,)})).eval()
    own = inflate(clips, frames.state_dict(), spread="centre")
    assert own
    assert all("layer2.nonlocal1." in name for name in own)
    picture = moving(1, 3, 1, 32, 32)
    with torch.inference_mode():  # The time pooling sees one picture twice, the non-local block starts as nothing.
        maps = clips.maps(picture.expand(1, 3, 4, 32, 32))
        torch.testing.assert_close(maps, frames.maps(picture).expand_as(maps))


def test_batch_norms_and_counts_are_copied_and_a_classifier_is_left_out() -> None:
    frames, clips = pictures_net(), r3d(**SHAPE)  # type: ignore[arg-type]
    inflate(clips, frames.state_dict() | {"fc.weight": torch.ones(2, 8), "fc.bias": torch.ones(2)})
    kept = clips.state_dict()
    assert torch.equal(kept["layer2.1.conv2.1.running_var"], frames.state_dict()["layer2.1.bn2.running_var"])
    torch.testing.assert_close(kept["stem.0.weight"].sum(2), frames.state_dict()["conv1.weight"])


def test_nets_that_do_not_fit_are_refused() -> None:
    frames = pictures_net().state_dict()
    with pytest.raises(ValueError, match="missing"):
        inflate(R2Plus1D(**SHAPE, stem=4), frames)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="left over"):
        inflate(r3d(widths=(4, 8, 8), blocks=(1, 1, 1)), frames)
    with pytest.raises(ValueError, match="asks for"):
        inflate(r3d(widths=(4, 8, 16), blocks=(1, 2, 1)), frames)
