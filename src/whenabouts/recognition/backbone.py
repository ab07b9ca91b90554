"""A backbone: a net, the clips that it takes, and the folder in which both are kept."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from whenabouts import __version__
from whenabouts.config import as_table, load, read_toml
from whenabouts.core.errors import InvalidData, ProjectError, SettingsError
from whenabouts.core.files import check_content, read_json, reading_folder
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.saved_folder import write_model_folder
from whenabouts.nets.clip_net import FeatureNet
from whenabouts.recognition.backbone_settings import BackboneSettings
from whenabouts.recognition.sound_settings import SoundSettings
from whenabouts.recognition.window_encoder import SoundForm, Vectors, WindowForm, windows_taken
from whenabouts.training.devices import Compute

__all__ = ["Backbone", "BackboneSettings", "ClipClassifier", "backbone_at", "with_weights"]


class ClipClassifier(nn.Module):
    """A net and a linear layer over its features: windows (B, ...) -> scores (B, L) before the softmax."""

    def __init__(self, net: FeatureNet, classes: int) -> None:
        super().__init__()
        self.net = net
        self.fc = nn.Linear(net.width, classes)

    def forward(self, clips: Tensor) -> Tensor:
        """Windows, such as clips (B, C, T, H, W) -> scores (B, L)."""
        scores: Tensor = self.fc(self.net(clips))
        return scores


Shape = BackboneSettings | SoundSettings


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A trained net with its windows' shape, and, where it was trained here, the classifier and its vocabulary."""

    settings: Shape
    net: FeatureNet
    fc: nn.Linear | None = None
    vocabulary: Vocabulary = dataclasses.field(default_factory=lambda: Vocabulary(()))

    @property
    def width(self) -> int:
        """Numbers per feature (D)."""
        return self.net.width

    @cached_property
    def checksum(self) -> str:
        """Hash of all that decides the features: the net's weights, and how clips are made."""
        digest = hashlib.sha256(json.dumps(self.settings.identity(), sort_keys=True).encode())
        for name, tensor in sorted(self.net.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    @property
    def form(self) -> WindowForm | SoundForm:
        """The windows that it takes."""
        return self.settings.form

    @property
    def modality(self) -> str:
        """The stream of features that it makes."""
        return self.settings.modality

    @property
    def source(self) -> str:
        """Name and checksum, as features carry it: `name@checksum`."""
        return f"{self.settings.name}@{self.checksum}"

    def vectors_on(self, compute: Compute) -> Vectors:
        """A function from windows, such as clips (B, F, H, W, C) uint8, to features (B, D) float32 on a device."""
        net = compute.quick(compute.place_net(self.net).eval())

        def forward(windows: NDArray[Any]) -> NDArray[np.float32]:
            with torch.inference_mode(), compute.autocast():
                given = compute.place(self.settings.prepared(windows, compute.device))
                with windows_taken(self.source):
                    features: NDArray[np.float32] = net(given).float().cpu().numpy()
            return features

        return forward

    @property
    def _table(self) -> str:
        return "sound" if isinstance(self.settings, SoundSettings) else "backbone"

    def tensors(self) -> dict[str, Tensor]:
        """All weights under torchvision's names, the classifier's as `fc.weight` and `fc.bias`."""
        named = dict(self.net.state_dict())
        if self.fc is not None:
            named |= {f"fc.{name}": tensor for name, tensor in self.fc.state_dict().items()}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}

    def save(self, folder: Path, *, card: Mapping[str, Any] | None = None) -> None:
        """Write model.safetensors, settings.toml, vocabulary.json and card.json, whole or not at all."""
        about = {
            "kind": "backbone",
            "version": __version__,
            "source": self.source,
            "checksum": self.checksum,
            "modality": self.settings.modality,
            "width": self.width,
            "window_seconds": self.settings.window_seconds,
            "preprocessing": as_table(self.settings) | {"channels": self.settings.channels},
            **(card or {}),
        }
        write_model_folder(folder, self.tensors(), {self._table: as_table(self.settings)}, self.vocabulary, about)

    @classmethod
    def load(cls, folder: Path) -> "Backbone":
        """Read what `save` wrote; a missing folder raises ProjectError, a broken one InvalidData."""
        with reading_folder(folder) as there:
            weights = there / "model.safetensors"
            if not weights.is_file():
                raise ProjectError(f"There is no backbone in {folder}. Run `whenabouts pretrain` first.")
            shape = _shape(read_toml(there / "settings.toml"), folder / "settings.toml")
            try:
                check_content(weights, read_json(there / "card.json").get("sha256"))
                vocabulary = Vocabulary.load(there / "vocabulary.json")
            except (InvalidData, FileNotFoundError) as error:
                raise InvalidData(f"The backbone is broken: {error} Run `whenabouts pretrain` again.") from None
            try:
                return with_weights(shape, weights, vocabulary)
            except SettingsError as error:
                raise SettingsError(f"{folder / 'settings.toml'}: {error}") from None


def _shape(told: Mapping[str, Any], path: Path) -> Shape:
    """Settings of a net of pictures, or of sound, from a saved backbone's file."""
    if "sound" in told:
        return load(SoundSettings, told["sound"], f"{path} [sound]")
    return load(BackboneSettings, BackboneSettings.upgraded(told.get("backbone", {})), f"{path} [backbone]")


def with_weights(shape: Shape, path: Path, vocabulary: Vocabulary | None = None) -> Backbone:
    """A backbone of this shape with the weights of a safetensors file, under torchvision's names.

    `fc.weight` and `fc.bias` become the classifier where their rows are the vocabulary's. Weights that are missing,
    left over or of another shape raise InvalidData, which names the first of them.
    """
    try:
        tensors = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise InvalidData(f"{path} can't be read as safetensors ({error}). Give a model.safetensors.") from None
    head = {name: tensors.pop(f"fc.{name}") for name in ("weight", "bias") if f"fc.{name}" in tensors}
    try:
        with torch.device("meta"):  # Settings that ask for more than the file holds are told before they take memory.
            net = shape.build()
    except SettingsError as error:
        raise SettingsError(f"{path} and the settings for it: {error}") from None
    wanted = net.state_dict()
    _check_names(wanted, tensors, path)
    net.load_state_dict({name: tensors[name].to(wanted[name].dtype).contiguous() for name in wanted}, assign=True)
    net.eval()
    names = vocabulary or Vocabulary(())
    if len(head) < 2 or not len(names) or tuple(head["weight"].shape) != (len(names), net.width):
        return Backbone(shape, net)
    fc = nn.Linear(net.width, len(names))
    _check_names(fc.state_dict(), head, path)
    fc.load_state_dict(head)
    return Backbone(shape, net, fc, names)


def backbone_at(path: Path, shape: Shape) -> Backbone:
    """A backbone from its saved folder, from the model.safetensors in one, or from a bare file of `shape`."""
    if path.is_dir():
        return Backbone.load(path)
    if (path.parent / "settings.toml").is_file() and path.name == "model.safetensors":
        return Backbone.load(path.parent)
    if not path.is_file():
        raise ProjectError(f"There are no weights at {path}. Give a backbone's folder or a model.safetensors.")
    return with_weights(shape, path)


def _check_names(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    missing = [name for name in wanted if name not in found]
    strange = [name for name in found if name not in wanted]
    if missing or strange:
        raise InvalidData(
            f"{path} is not a net of these settings: {len(missing)} weights are missing (first: {missing[:1]}), "
            f"{len(strange)} are left over (first: {strange[:1]}). Check backbone.widths, .blocks and the names."
        )
    for name, tensor in wanted.items():
        if found[name].shape != tensor.shape:
            raise InvalidData(
                f"{path}: {name} has shape {tuple(found[name].shape)}, but these settings ask for "
                f"{tuple(tensor.shape)}. Check backbone.widths, .stem, .mid and .input."
            )
        if found[name].is_floating_point() != tensor.is_floating_point():
            raise InvalidData(f"{path}: {name} holds {found[name].dtype}, not {tensor.dtype} or another format of it.")
        if not found[name].isfinite().all():
            raise InvalidData(f"{path}: {name} holds values that are not finite. The file is damaged.")
