"""A saved localizer: model.safetensors, settings.toml, vocabulary.json, card.json. Loading runs no code from it.

What is no tensor, such as trees, stands in a file beside these.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from whenabouts import __version__
from whenabouts.config import as_table, load, read_toml
from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.files import check_content, read_json, reading_folder
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.saved_folder import write_model_folder
from whenabouts.localizers.protocol import Stream

FORMAT = "whenabouts localizer 1"
Settings = TypeVar("Settings")
Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Card:
    """Who a model is: its kind, the streams it reads, what is known about its training, its files by hash.

    `sha256` is the hash of the tensors' file, `beside` has those of other files by name.
    """

    localizer: str
    streams: tuple[Stream, ...]
    training: Mapping[str, Any] = field(default_factory=dict)
    sha256: str | None = None
    beside: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SavedModel:
    """What stands in a model folder; `settings` as the plain table [train] of a recipe, `beside` other files."""

    card: Card
    vocabulary: Vocabulary
    tensors: dict[str, Tensor]
    settings: dict[str, Any]
    beside: Mapping[str, bytes] = field(default_factory=dict)


def write_model(
    folder: Path,
    card: Card,
    vocabulary: Vocabulary,
    tensors: Mapping[str, Tensor],
    settings: Any,
    *,
    beside: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Write a model folder, whole or not at all; `settings` is the settings object, `beside` other files by name."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in beside.items()}
    about = {"kind": "localizer", "format": FORMAT, "version": __version__, **asdict(card), "beside": hashes}
    write_model_folder(folder, tensors, {"train": as_table(settings)}, vocabulary, about, beside=beside)


def read_card(folder: Path) -> Card:
    """The card of a model folder; a missing folder raises ProjectError, a broken one InvalidData."""
    with reading_folder(folder) as there:
        if not (there / "card.json").is_file():
            raise ProjectError(f"There is no model in {folder}. Run `whenabouts train` first.")
        values = _json(there / "card.json")
    try:
        if values["format"] != FORMAT:
            raise InvalidData(f"{folder} is of format {values['format']!r}, but this program reads {FORMAT!r}.")
        streams = tuple(Stream(**stream) for stream in values["streams"])
        beside = dict(values.get("beside", {}))
        if any(name != Path(name).name for name in beside):
            raise InvalidData(f"{folder / 'card.json'} names files outside its folder: {sorted(beside)}.")
        for name, kind in (("localizer", str), ("training", dict)):
            if not isinstance(values[name], kind):
                raise TypeError(f"{name} is {str(values[name])[:40]!r}")
        return Card(values["localizer"], streams, values["training"], values.get("sha256"), beside)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidData(f"{folder / 'card.json'} is broken: {error}. Run `whenabouts train` again.") from None


def read_model(folder: Path) -> SavedModel:
    """Everything in a model folder; a missing folder raises ProjectError, a broken one InvalidData."""
    with reading_folder(folder) as there:
        card = read_card(there)
        try:
            check_content(there / "model.safetensors", card.sha256)
            tensors = load_file(there / "model.safetensors")
            beside = {name: _content(there / name, noted) for name, noted in card.beside.items()}
            vocabulary = Vocabulary.load(there / "vocabulary.json")
        except InvalidData as error:
            raise InvalidData(f"{error} Run `whenabouts train` again.") from None
        except (OSError, SafetensorError) as error:
            raise InvalidData(f"{folder} can't be read: {error}. Run `whenabouts train` again.") from None
        settings = read_toml(there / "settings.toml").get("train", {})
        if not isinstance(settings, dict):
            raise InvalidData(f"{folder / 'settings.toml'} holds no table [train]. Run `whenabouts train` again.")
        return SavedModel(card, vocabulary, tensors, settings, beside)


def _content(path: Path, noted: object) -> bytes:
    check_content(path, noted)
    return path.read_bytes()


def read_net(
    folder: Path,
    kind: type[Settings],
    new_net: Callable[[Sequence[Stream], int, Settings], Net],
    changes: Mapping[str, Any],
    *,
    before: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[SavedModel, Settings, Net]:
    """A model folder of one net, its settings with `changes` laid over them, and the net that `new_net` makes of both.

    What the folder does not say is as `before` says: how it was before there was such a setting.

    With a single concept the net has a second output, "something else". Raises as `read_model` does, and InvalidData
    where the tensors are not those of the settings.
    """
    saved = read_model(folder)
    settings = load(kind, {**before, **saved.settings, **changes}, f"{folder / 'settings.toml'} [train]")
    net = new_net(saved.card.streams, len(saved.vocabulary) + (len(saved.vocabulary) == 1), settings)
    try:
        net.load_state_dict(saved.tensors)
    except RuntimeError as error:
        raise InvalidData(f"{folder}: model and settings do not belong together: {error}. Train again.") from None
    for name, values in net.state_dict().items():  # Else each video's features would be blamed for what comes out.
        if saved.tensors[name].dtype != values.dtype or not values.isfinite().all():
            raise InvalidData(f"{folder}: the model's {name} are not finite {values.dtype} numbers. Train again.")
    return saved, settings, net


def _json(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (OSError, InvalidData) as error:
        raise InvalidData(f"{path} can't be read: {error} Run `whenabouts train` again.") from None
