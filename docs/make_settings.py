"""Writes docs/settings.md from the code: `python docs/make_settings.py`. A test holds the page to it."""

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from whenabouts.config import default_of, to_toml
from whenabouts.data.exporters import ExportSettings
from whenabouts.data.importers import ImportSettings
from whenabouts.data.vocabulary import VocabularySettings
from whenabouts.localizers import LOCALIZERS
from whenabouts.recognition.activity_model import ActivitySettings
from whenabouts.recognition.backbone_settings import BackboneSettings
from whenabouts.recognition.finetune_settings import FinetuneSettings
from whenabouts.recognition.pretrain_settings import PretrainSettings
from whenabouts.recognition.sound_settings import SoundSettings
from whenabouts.recognition.streams import ExtractSettings

SECTIONS: dict[str, tuple[str, type]] = {
    "import": ("import", ImportSettings),
    "vocabulary": ("import", VocabularySettings),
    "backbone": ("pretrain, finetune", BackboneSettings),
    "sound": ("pretrain --modality sound", SoundSettings),
    "pretrain": ("pretrain", PretrainSettings),
    "finetune": ("finetune", FinetuneSettings),
    "activities": ("finetune --head activities", ActivitySettings),
    "extract": ("extract", ExtractSettings),
    "export": ("export", ExportSettings),
}
HEAD = """# Settings

Written from the code by `python docs/make_settings.py`. In a recipe (`--recipe FILE.toml`) a section is a table,
`[train]`; on the command line `--set train.epochs=20` sets one value, read as TOML. Unknown names are refused, and the
nearest known one is named. What a verb used is kept beside what it wrote.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, (verbs, kind) in SECTIONS.items():
        parts += [f"## [{name}]\n\nRead by `{verbs}`.\n", *_tables(name, kind)]
    for name, localizer in LOCALIZERS.items():
        parts += [f'## [train] with localizer = "{name}"\n\nRead by `train`, and what matters in use by `find`.\n',
                  *_tables("train", localizer.Settings)]  # fmt: skip
    return "\n".join(parts)


def _tables(where: str, kind: type, base: Any = None) -> list[str]:
    """What a class of settings says of itself, its values (those of `base`, where given), then the tables inside it."""
    hints = typing.get_type_hints(kind)
    rows, inner = [], []
    for field in dataclasses.fields(kind):
        name, hint = f"{where}.{field.name}", hints[field.name]
        value = default_of(field) if base is None else getattr(base, field.name)
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            inner += [f"### [{name}]\n", *_tables(name, hint, None if value is dataclasses.MISSING else value)]
        else:
            rows.append(f"| `{name}` | {_kind(hint)} | {_told(value)} |")
    told = [inspect.cleandoc(kind.__doc__ or "").replace("|", "\\|") + "\n"]
    if rows:
        told.append("\n".join(["| setting | kind | default |", "|---|---|---|", *rows]) + "\n")
    return told + inner


def _kind(hint: Any) -> str:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _kind(inner[0])
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_kind(each) for each in inner if each is not type(None))
    if origin is tuple:
        listed = [each for each in inner if each is not Ellipsis]
        return f"list of {_kind(listed[0])}" if len(set(listed)) == 1 else "list"
    if origin in (dict, Mapping):
        return f"table of {_kind(inner[1])}"
    return {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}.get(
        getattr(hint, "__name__", ""), str(getattr(hint, "__name__", hint))
    )


def _told(value: Any) -> str:
    if value is dataclasses.MISSING:
        return "(to be told)"
    if value is None:
        return "none"
    text = to_toml({"v": list(value) if isinstance(value, tuple) else value}).partition("= ")[2].strip() or "{}"
    text = re.sub(r"\s+", " ", text)
    return f"`{text}`" if len(text) <= 80 else f"`{text[:76]} ...`"


if __name__ == "__main__":
    (Path(__file__).parent / "settings.md").write_text(page(), encoding="utf-8")
