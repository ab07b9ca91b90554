"""The weights that a net is trained from: at random, another's, or a net on pictures spread over time."""

from typing import Any

from torch import Tensor

from whenabouts.config import as_table
from whenabouts.core.errors import SettingsError
from whenabouts.nets.clip_net import FeatureNet
from whenabouts.nets.inflation import Spread, inflate
from whenabouts.nets.motion import start_from_pictures
from whenabouts.nets.residual import VideoResNet
from whenabouts.recognition.backbone import Backbone, Shape
from whenabouts.recognition.families import FAMILIES, OF_FAMILIES


def settings_from(start: Backbone, modality: str, *, name: str | None = None) -> dict[str, Any]:
    """What a training that begins with `start` takes over from its settings, for a net of family `name`, or its own.

    A net for motion has clips of its own making; a net on clips that begins with one on pictures has its own time.
    Clips for training are of one shape: where each video kept its own, the archive's takes its place.
    """
    table = as_table(start.settings)
    if modality == "sound":
        return table
    left = {"own_shape"}
    if modality == "flow":
        left |= {"input", "flow", "height", "width", "colours", "resize"}
    family = str(name or table["name"])
    if family != table["name"]:
        left |= {"name", "frames", "rate"}
        left |= {setting for setting in OF_FAMILIES if family in FAMILIES and setting not in FAMILIES[family].has}
    return {setting: value for setting, value in table.items() if setting not in left}


def first_net(shape: Shape, start: Backbone | None, spread: Spread = "mean") -> FeatureNet:
    """A net to train: fresh, or with what `start` has learned.

    A net of the same family takes all its weights; one for motion those of one for pictures, its first kernels' mean
    over the colours; an R3D, MC3 or I3D those of a ResNet on pictures, `spread` over its frames. What does not fit
    raises SettingsError.
    """
    net = shape.build()
    if start is None:
        return net
    try:
        _fill(net, shape, start, spread)
    except ValueError as error:
        raise SettingsError(
            f"The backbone can't begin from {start.source}: {str(error).rstrip('.')}. Leave out what [backbone] says "
            "of its shape, or begin at random (--start random)."
        ) from None
    return net


def _fill(net: FeatureNet, shape: Shape, start: Backbone, spread: Spread) -> None:
    flow = shape.modality == "flow"
    if flow and start.modality != "rgb":
        raise SettingsError("A net for motion can begin from one for pictures, but no other from any.")
    if (shape.modality == "sound") != (start.modality == "sound") or (start.modality == "flow" and not flow):
        raise SettingsError(f"A net for {shape.modality} can't begin from one for {start.modality}.")
    if flow:
        start_from_pictures(net, start.net)
    elif start.settings.name == "resnet" and shape.name != "resnet":
        if not isinstance(net, VideoResNet):
            raise ValueError(f"{shape.name} is not inflated from a ResNet on pictures; choose r3d, mc3 or i3d")
        inflate(net, start.net.state_dict(), spread=spread)
    else:
        _copy(net, start.net.state_dict())


def _copy(net: FeatureNet, known: dict[str, Tensor]) -> None:
    wanted = net.state_dict()
    strange = sorted(wanted.keys() ^ known.keys())
    if strange:
        raise ValueError(f"the nets differ in {strange[0]}")
    for name, tensor in wanted.items():
        if tensor.shape != known[name].shape:
            raise ValueError(
                f"{name} has shape {tuple(known[name].shape)} in one net and {tuple(tensor.shape)} in the other"
            )
    net.load_state_dict(known)
