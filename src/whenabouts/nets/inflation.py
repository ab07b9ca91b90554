"""From a net on pictures to one on clips: the weights of a ResNet spread over the frames of an R3D, MC3 or I3D."""

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from whenabouts.nets.residual import VideoResNet

Spread = Literal["mean", "centre"]

_NAMES = [
    (re.compile(r"^conv1\."), "stem.0."),
    (re.compile(r"^bn1\."), "stem.1."),
    (re.compile(r"^(layer\d+\.\d+)\.conv(\d)\."), r"\1.conv\2.0."),
    (re.compile(r"^(layer\d+\.\d+)\.bn(\d)\."), r"\1.conv\2.1."),
]
_OWN = re.compile(r"\.nonlocal\d+\.")


def inflate(net: VideoResNet, pictures: Mapping[str, Tensor], *, spread: Spread = "mean") -> list[str]:
    """Give `net` the weights of a ResNet on pictures, named as torchvision's (and `ResNet2D`'s) are.

    "mean" puts W / K on each of a kernel's K frames (Carreira and Zisserman, "Quo Vadis", section 2.1): a clip of one
    still picture gives that picture's maps, except near its ends, where convolutions are padded with zeros. "centre"
    puts W on the middle frame and 0 beside it: then each frame of the maps is exactly that of the picture that it is
    centred on, to the ends of any clip. Non-local blocks keep what they have; the names of their weights are returned.
    The two nets must agree in all else, or ValueError names what does not; R(2+1)D has no picture net within it
    (the pre-training paper leaves its inflation open, footnote 8), and is refused so.
    """
    given = {_named(name): tensor for name, tensor in pictures.items() if not name.startswith("fc.")}
    wanted = net.state_dict()
    own = [name for name in wanted if _OWN.search(name)]
    missing = [name for name in wanted if name not in given and name not in own]
    strange = [name for name in given if name not in wanted]
    if missing or strange:
        raise ValueError(
            f"A net on clips can't take these weights of a net on pictures: {len(missing)} are missing (first: "
            f"{missing[:1]}), {len(strange)} are left over (first: {strange[:1]}). Give a ResNet of the same blocks."
        )
    made = {name: _spread(name, tensor, wanted[name], spread) for name, tensor in given.items()}
    net.load_state_dict(wanted | made)
    return own


def _named(name: str) -> str:
    for pattern, replacement in _NAMES:
        name, count = pattern.subn(replacement, name)
        if count:
            break
    return name


def _spread(name: str, picture: Tensor, clip: Tensor, spread: Spread) -> Tensor:
    if clip.ndim != 5:
        if picture.shape != clip.shape:
            raise ValueError(f"{name} has shape {tuple(picture.shape)}, but the net on clips {tuple(clip.shape)}.")
        return picture
    expected = (*clip.shape[:2], *clip.shape[3:])
    if tuple(picture.shape) != expected:
        raise ValueError(f"{name} has shape {tuple(picture.shape)}, but the net on clips asks for {expected}.")
    frames = clip.shape[2]
    if spread == "mean":
        return picture.unsqueeze(2).expand(clip.shape) / frames
    made = torch.zeros(clip.shape, dtype=picture.dtype, device=picture.device)
    made[:, :, frames // 2] = picture
    return made
