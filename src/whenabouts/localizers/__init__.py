"""When it happens: from features and weak labels to moments. A new localizer is named here and nowhere else."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.localizers.activities import Activities
from whenabouts.localizers.concepts.cross_class import CrossClass
from whenabouts.localizers.concepts.two_stage import TwoStage
from whenabouts.localizers.model_folder import read_card
from whenabouts.localizers.multiple_instance import MultipleInstance
from whenabouts.localizers.protocol import Localizer
from whenabouts.localizers.winners_out import WinnersOut

LOCALIZERS: dict[str, type[Localizer]] = {
    "winners-out": WinnersOut,
    "multiple-instance": MultipleInstance,
    "activities": Activities,
    "two-stage": TwoStage,
    "cross-class-relevance": CrossClass,
}

DEFAULT = "multiple-instance"

__all__ = [
    "DEFAULT",
    "LOCALIZERS",
    "Activities",
    "CrossClass",
    "Localizer",
    "MultipleInstance",
    "TwoStage",
    "WinnersOut",
    "chosen_localizer",
    "load_localizer",
    "localizer_named",
]


def localizer_named(name: str) -> type[Localizer]:
    """The class of a localizer; an unknown name raises SettingsError."""
    if name not in LOCALIZERS:
        raise SettingsError(f"There is no localizer {name!r}. Choose one of: {', '.join(LOCALIZERS)}.")
    return LOCALIZERS[name]


def chosen_localizer(asked: str | None, table: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name of a localizer, as asked for, else the table's `localizer`, else the default; and the table without it.

    Raises SettingsError for an unknown name.
    """
    rest = dict(table)
    told = rest.pop("localizer", DEFAULT)
    name = asked if asked is not None else str(told)
    localizer_named(name)
    return name, rest


def load_localizer(
    folder: Path, *, device: str = "cpu", changes: Mapping[str, Any] = MappingProxyType({})
) -> Localizer:
    """Load whatever localizer a folder holds, with `changes` laid over its settings.

    Raises ProjectError where there is none, InvalidData where it is broken, SettingsError where `changes` are meant for
    another localizer.
    """
    name = read_card(folder).localizer
    if name not in LOCALIZERS:
        raise InvalidData(f"{folder} holds a {name!r}, but this program knows {', '.join(LOCALIZERS)}. Train again.")
    meant, changes = chosen_localizer(None, {"localizer": name, **changes})
    if meant != name:
        raise SettingsError(f"The settings are for {meant!r}, but {folder} holds {name!r}: run `whenabouts train`.")
    return LOCALIZERS[name].load(folder, device=device, changes=changes)
