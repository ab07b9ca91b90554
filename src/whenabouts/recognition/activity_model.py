"""A trained net for activities: how it was made, the folder in which it is kept, and what it says of clips."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
import torch

from whenabouts import __version__
from whenabouts.config import Count, CountOrZero, Positive, Share, as_table, load, read_toml, settings
from whenabouts.core.errors import InvalidData, ProjectError, SettingsError
from whenabouts.core.files import check_content, read_json, reading_folder
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.saved_folder import write_model_folder
from whenabouts.nets.activity_net import ActivityNet, Learns, PeopleAs
from whenabouts.recognition.activity_clips import ClipSettings, ExtraShape
from whenabouts.recognition.activity_settings import HeadSettings, HeadTraining
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.backbone_settings import BackboneSettings
from whenabouts.recognition.label_kinds import Joining

Views = Literal["centre", "4", "2+4", "2+4+8"]
FORMAT = "whenabouts activities 1"


@settings
class TuningSettings:
    """Speed-invariant tuning (section 3.5): `steps` more for the head alone, each clip at one of `rates` at random."""

    steps: CountOrZero = 0
    rates: tuple[int, ...] = (2, 4, 8)
    learning_rate: Positive | None = None

    def __post_init__(self) -> None:
        if not self.rates or min(self.rates) < 1:
            raise ValueError(f"rates are whole numbers of at least 1, but got {self.rates}. The paper's are 2, 4, 8.")


@settings
class ViewSettings:
    """How videos are looked at: which `views` (Table 3d), and how what is said of them is joined.

    Without `views` they are "2+4+8" for a net that has learned at several speeds, and "4" for any other. A view is a
    square of `side` pixels; None: the backbone's `crop`, or all of the picture where it has none. With `keep_frames`
    decoded frames stay in the cache. With `moments` what is said of so many moments of each video is told too, the
    first at its start, evenly; Charades asks for 25.
    """

    views: Views | None = None
    joining: Joining = "sum"
    side: Count | None = None
    batch: Count = 8
    keep_frames: bool = False
    moments: CountOrZero = 0


@settings
class ActivitySettings:
    """The table [activities]: a head, its training on clips, and its testing.

    `learns` "all" trains the backbone too, at `backbone_share` of the rate; "head" leaves it as it is, with its
    batch-norm statistics; "correlation" re-learns the correlation map of a model that is there. `extras` names a
    modality of features, of objects or persons, of which each clip gets `extra_vectors` beside its pictures. `people`
    "each" judges every person by the project's boxes, "positions" puts persons beside the scene: see `ActivityNet`.
    """

    head: HeadSettings = HeadSettings()
    training: HeadTraining = HeadTraining()
    clips: ClipSettings = ClipSettings()
    tuning: TuningSettings = TuningSettings()
    testing: ViewSettings = ViewSettings()
    learns: Learns = "all"
    backbone_share: Share = 0.3
    extras: str = ""
    extra_vectors: Count = 8
    people: PeopleAs = "none"
    box_side: Count = 7


@dataclasses.dataclass(frozen=True)
class ActivityModel:
    """A net for activities with all that it needs to look at videos."""

    shape: BackboneSettings
    settings: ActivitySettings
    net: ActivityNet
    vocabulary: Vocabulary
    extra: ExtraShape | None = None
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def backbone(self) -> Backbone:
        """The part of the net that makes features; InvalidData where it has none."""
        if self.net.backbone is None:
            raise InvalidData("This net was made for features that are there: it holds no backbone.")
        return Backbone(self.shape, self.net.backbone)

    def views(self, how: ViewSettings) -> Views:
        """The views of a test: those asked for, else at as many speeds as the net knows."""
        told = self.settings
        speeds = {*told.clips.rates, *(told.tuning.rates if told.tuning.steps else ())}
        return how.views or ("2+4+8" if len(speeds) > 1 else "4")

    def save(self, folder: Path) -> None:
        """Write model.safetensors, settings.toml, vocabulary.json and card.json, whole or not at all."""
        tables = {"backbone": as_table(self.shape), "activities": as_table(self.settings)}
        about: dict[str, Any] = {
            "kind": "activities",
            "format": FORMAT,
            "version": __version__,
            "training": dict(self.training),
        }
        about |= {"extra": None if self.extra is None else dataclasses.asdict(self.extra)}
        write_model_folder(folder, self.net.state_dict(), tables, self.vocabulary, about)

    @classmethod
    def load(cls, folder: Path) -> "ActivityModel":
        """Read what `save` wrote; a missing folder raises ProjectError, a broken one InvalidData."""
        with reading_folder(folder) as there:
            if not (there / "model.safetensors").is_file():
                raise ProjectError(f"There is no model in {folder}. Run `whenabouts finetune --head activities` first.")
            try:
                card, tables = read_json(there / "card.json"), read_toml(there / "settings.toml")
                check_content(there / "model.safetensors", card.get("sha256"))
                tensors = safetensors.torch.load_file(there / "model.safetensors")
                vocabulary = Vocabulary.load(there / "vocabulary.json")
            except (InvalidData, SettingsError, OSError, safetensors.SafetensorError) as error:
                raise InvalidData(f"The model in {folder} is broken: {error} Train it again.") from None
        shape = load(BackboneSettings, tables.get("backbone", {}), f"{folder / 'settings.toml'} [backbone]")
        told = load(ActivitySettings, tables.get("activities", {}), f"{folder / 'settings.toml'} [activities]")
        if card.get("kind") != "activities" or card.get("format") != FORMAT:
            said = f"kind {card.get('kind')!r} and format {card.get('format')!r}"
            raise InvalidData(f"The model in {folder} is no {FORMAT!r}: its card says {said}. Train it again.")
        try:
            extra = (
                None if card.get("extra") is None else load(ExtraShape, card["extra"], f"{folder / 'card.json'} extra")
            )
            with torch.device(
                "meta"
            ):  # Settings that ask for more than the file holds are told before they take memory.
                net = _empty_net(shape, told, len(vocabulary), extra)
            net.load_state_dict(_sound(tensors, net), assign=True)
        except (RuntimeError, InvalidData, SettingsError) as error:
            told_of = " ".join(str(error).split())[:300].removesuffix(".")  # PyTorch lists every tensor.
            raise InvalidData(f"{folder}: model and settings do not belong together: {told_of}. Train again.") from None
        return cls(shape, told, net.eval(), vocabulary, extra, card.get("training", {}))


def _sound(tensors: Mapping[str, torch.Tensor], net: ActivityNet) -> dict[str, torch.Tensor]:
    """Tensors as a net takes them; InvalidData where one is of another kind, or holds what is no finite number."""
    wanted, made = net.state_dict(), {}
    for name, tensor in tensors.items():
        kind = wanted[name].dtype if name in wanted else tensor.dtype
        if tensor.is_floating_point() != kind.is_floating_point or not tensor.isfinite().all():
            raise InvalidData(f"{name} holds no finite {kind} numbers")
        made[name] = tensor.to(kind).contiguous()
    return made


def new_net(
    shape: BackboneSettings,
    told: ActivitySettings,
    activities: int,
    mask: torch.Tensor | None,
    extra: ExtraShape | None,
    *,
    seed: int = 0,
) -> ActivityNet:
    """A fresh net: a backbone of this shape, with random weights, and a head; `mask` None: a co-occurrence of zeros."""
    torch.manual_seed(seed)
    return _empty_net(shape, told, activities, extra, mask, torch.Generator().manual_seed(seed))


def _empty_net(
    shape: BackboneSettings,
    told: ActivitySettings,
    activities: int,
    extra: ExtraShape | None,
    mask: torch.Tensor | None = None,
    generator: torch.Generator | None = None,
) -> ActivityNet:
    """The parts of a net, put together; without a generator its weights are whatever torch makes of them."""
    backbone = shape.build()
    mask = torch.zeros(activities, activities) if mask is None else mask
    head = told.head.build(backbone.width, activities, mask, generator)
    width = None if extra is None else extra.width
    extras = told.head.extras(width, backbone.width)
    return ActivityNet(head, backbone=backbone, extras=extras, people=told.people, side=told.box_side)
