"""Backbones from elsewhere as a project's own: by published name, from a publisher's file, or from a saved folder.

Encoders in Hugging Face's layout are taken likewise, from a folder or by their name on the hub, OWNER/MODEL.
"""

import difflib
from collections.abc import Callable
from pathlib import Path

from whenabouts.config import read_toml
from whenabouts.core.errors import InvalidData, ProjectError, SettingsError
from whenabouts.core.files import read_json, reading_folder
from whenabouts.data.project import Project
from whenabouts.recognition.activity_model import ActivityModel
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.encoder_files import is_encoder
from whenabouts.recognition.encoders import Encoder, load_encoder, saved_encoder
from whenabouts.recognition.published import published_backbone, published_names
from whenabouts.recognition.published_list import PUBLISHED
from whenabouts.recognition.published_sound import PUBLISHED_SOUND
from whenabouts.recognition.streams import AUDIO

Say = Callable[[str], None]


def backbone_from(given: str, *, architecture: str | None = None, say: Say = print) -> Backbone | Encoder:
    """A backbone that is `given` as a published name, as a folder that was saved, or as a file of weights.

    A folder with a config.json, or OWNER/MODEL, is an encoder in Hugging Face's layout. A publisher's file needs the
    published name of its net as `architecture`; a model.safetensors in a saved folder does not. What is none of these
    raises SettingsError with the nearest name.
    """
    path = Path(given)
    if architecture is not None:
        _check_name(architecture)
        if not path.is_file():
            raise ProjectError(f"There is no file {path}. Give the path of the publisher's file.")
        return published_backbone(architecture, path=path, say=say)
    if given in published_names() and not path.exists():
        return published_backbone(given, say=say)
    if is_encoder(given):
        return load_encoder(given, say=say)
    if path.is_dir():
        return saved_backbone(path)
    if path.name == "model.safetensors" and (path.parent / "settings.toml").is_file():
        return Backbone.load(path.parent)
    if path.is_file():
        raise SettingsError(f"{path} does not say which net it is of. Add --architecture with a published name.")
    _check_name(given)
    raise SettingsError(
        f"{given!r} is a published name, but there is {path.absolute()}, too, which is neither a file nor a folder. "
        "Start from another folder."
    )


def trainable_backbone(given: str, *, architecture: str | None = None, say: Say = print) -> Backbone:
    """As `backbone_from`, for a training to begin with; an encoder, which is used as it is, raises SettingsError."""
    backbone = backbone_from(given, architecture=architecture, say=say)
    if not isinstance(backbone, Backbone):
        raise SettingsError(f"{given} is an encoder that is used as it is: `whenabouts extract --backbone {given}`.")
    return backbone


def saved_backbone(folder: Path) -> Backbone | Encoder:
    """What was saved in a folder: a backbone, the one in a net for activities, or a note of an encoder elsewhere."""
    with reading_folder(folder) as there:
        tables = read_toml(there / "settings.toml") if (there / "settings.toml").is_file() else {}
    if "activities" in tables:
        return ActivityModel.load(folder).backbone
    return saved_encoder(folder) if "encoder" in tables else Backbone.load(folder)


def take_backbone(
    project: Project, given: str, *, architecture: str | None = None, stream: str | None = None, say: Say = print
) -> str:
    """Make what is `given` (see `backbone_from`) the project's backbone of a stream, and return the stream's name.

    The name is `stream`, or the one that the backbone makes. A stream that has another backbone keeps it, and raises
    ProjectError: its features, and what learned from them, would be lost. Several processes may do this at once.
    """
    if stream == AUDIO:
        raise SettingsError(
            f"The stream {AUDIO!r} holds statistics of the videos' sound (extract.audio). Give the backbone another "
            "name with --modality, such as sound."
        )
    wanted = given if architecture is None else f"{architecture} from {given}"
    project.models_folder.mkdir(parents=True, exist_ok=True)
    if stream is not None and _taken(project.backbone_of(stream)) == wanted:
        return stream
    backbone = backbone_from(given, architecture=architecture, say=say)
    name = stream or backbone.modality
    folder = project.backbone_of(name)
    there = noted_source(folder)
    if there == backbone.source:
        return name
    if there is not None:
        raise ProjectError(
            f"{folder} is {there}, not {backbone.source}. Give the new one a stream of its own (--modality NAME), "
            f"or remove {folder} first."
        )
    backbone.save(folder, card={"modality": name, "taken": wanted})
    return name


def told_list() -> list[str]:
    """One line for each published name: its clips, its labels, the licence of the publisher's repository."""
    width = max(map(len, published_names()))
    lines = [
        f"{name:<{width}}  {entry.clips.clip_seconds:5.2f} s of {entry.clips.frames:2d} pictures, "
        f"{entry.clips.crop:3d} pixels, {entry.labels}, {entry.licence}"
        for name, entry in sorted(PUBLISHED.items())
    ]
    for name, (shape, _, licence) in sorted(PUBLISHED_SOUND.items()):
        lines.append(f"{name:<{width}}  {shape.window_seconds:5.2f} s of sound, {licence}")
    return lines


def _check_name(name: str) -> None:
    if name in published_names():
        return
    near = difflib.get_close_matches(name, published_names(), n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "`whenabouts extract --backbone list` names those that are."
    raise SettingsError(f"{name!r} is neither a file or folder nor a published backbone. {hint}")


def _card(folder: Path) -> dict[str, object]:
    with reading_folder(folder) as there:
        try:
            return read_json(there / "card.json")
        except (OSError, InvalidData):
            return {}


def noted_source(folder: Path) -> str | None:
    """What the backbone in a folder calls itself; None where there is none."""
    return str(_card(folder).get("source", "broken")) if folder.is_dir() else None


def _taken(folder: Path) -> object:
    return _card(folder).get("taken")
