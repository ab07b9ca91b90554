"""Settings: strict, frozen, from TOML and `--set`, with errors that name the mend."""

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeVar, dataclass_transform

import pydantic
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from whenabouts.core.errors import SettingsError

Kind = TypeVar("Kind")

# Numbers as settings have them.
Count = Annotated[int, pydantic.Field(ge=1)]
CountOrZero = Annotated[int, pydantic.Field(ge=0)]
Positive = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, pydantic.Field(gt=0, le=1)]
Probability = Annotated[float, pydantic.Field(ge=0, le=1)]
NotAll = Annotated[float, pydantic.Field(ge=0, lt=1)]

SECTIONS = {
    "import": "import",
    "vocabulary": "import",
    "backbone": "pretrain and finetune",
    "sound": "pretrain --modality sound",
    "pretrain": "pretrain",
    "finetune": "finetune",
    "activities": "finetune --head activities",
    "extract": "extract",
    "train": "train and find",
    "export": "export",
}
"""Sections of a recipe, and the verbs that read them."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(kind: type[Kind]) -> type[Kind]:
    """Class decorator: a frozen keyword-only pydantic dataclass that refuses unknown keys and silent conversions."""
    strict = pydantic.ConfigDict(extra="forbid", strict=True)
    return pydantic_dataclass(frozen=True, kw_only=True, config=strict)(kind)  # type: ignore[return-value]


def tables(
    recipe: Path | None,
    overrides: Iterable[str] | None,
    *,
    sections: Sequence[str],
    below: Mapping[str, Any] = MappingProxyType({}),
    above: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, dict[str, Any]]:
    """One verb's `sections`: `below`, then the recipe file, then `above`, then `--set`; the last word counts.

    A recipe may hold sections that other verbs read. Keys outside a section, unknown sections, and `--set` into a
    section that this verb does not read raise SettingsError: else they would change nothing, in silence.
    """
    told = read_toml(recipe) if recipe else {}
    for name, value in told.items():
        if not isinstance(value, dict):
            raise SettingsError(f"{recipe}: {name!r} stands outside a section. Put it below one: {_listed(SECTIONS)}.")
        if name not in SECTIONS:
            raise SettingsError(f"{recipe}: there is no section [{name}]. {_nearest(name)}")
    overrides = tuple(overrides or ())
    for override in overrides:
        _check_section(override, sections)
    result = with_overrides(merged(merged(below, told), above), overrides)
    return {name: result.get(name, {}) for name in sections}


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables in which `above` counts where both speak."""
    result = dict(below)
    for key, value in above.items():
        known = result.get(key)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        result[key] = merged(known, value) if both else value  # type: ignore[arg-type]
    return result


def read_toml(path: Path) -> dict[str, Any]:
    """A recipe file as nested tables; a missing or broken file raises SettingsError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"There is no recipe {path}. Give the path of a TOML file.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None


def with_overrides(tables: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Lay `section.key=value` over nested tables; values are read as TOML, a bare word as text."""
    result = _copied(tables)
    for override in overrides:
        dotted, equals, text = override.partition("=")
        if not equals or not dotted.strip():
            raise SettingsError(f"--set {override!r} is not section.key=value, for example --set train.epochs=20.")
        *sections, key = dotted.strip().split(".")
        table = result
        for section in sections:
            table = table.setdefault(section, {})
            if not isinstance(table, dict):
                raise SettingsError(f"--set {override!r}: {section} is a value, not a section.")
        table[key] = _value(text.strip())
    return result


def load(kind: type[Kind], values: Mapping[str, Any], where: str, *, base: Kind | None = None) -> Kind:
    """Build settings of `kind` from a table; `where` names the table in errors, for example `recipe.toml [train]`.

    What it does not name is as in `base`, else by default; within a nested table, by the default that the settings
    around it have for it, which may differ from that of its own class.
    """
    if not isinstance(values, Mapping):  # A file may hold `train = 3`.
        raise SettingsError(f"{where} is {values!r}, not a table of settings. Write lines like: name = value.")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    arguments = {} if base is None else {name: getattr(base, name) for name in fields}
    for key, value in values.items():
        expected = fields[key].type if key in fields else None
        if dataclasses.is_dataclass(expected) and isinstance(value, Mapping):
            inner = default_of(fields[key]) if base is None else arguments[key]
            inner = inner if isinstance(inner, expected) else None  # type: ignore[arg-type]
            arguments[key] = load(expected, value, f"{where}, {key}", base=inner)  # type: ignore[arg-type]
        else:
            arguments[key] = _fitting(expected, value)
    try:
        return kind(**arguments)
    except pydantic.ValidationError as error:
        raise SettingsError(_told(list(fields), error, where)) from None


def default_of(field: dataclasses.Field[Any]) -> Any:
    """The value that settings have where nobody names this one, `MISSING` where it has to be told."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    if not isinstance(field.default, FieldInfo):
        return field.default
    value = field.default.get_default(call_default_factory=True)
    return dataclasses.MISSING if value is PydanticUndefined else value


def to_toml(values: Mapping[str, Any]) -> str:
    """Nested tables of plain values as TOML: values first, then tables; None is left out."""
    return "\n".join(_lines(values, ())) + "\n"


def as_table(value: Any) -> dict[str, Any]:
    """Settings as nested tables of plain values, ready for `to_toml`."""
    plain: dict[str, Any] = pydantic.TypeAdapter(type(value)).dump_python(value, mode="json")
    return plain


def _check_section(override: str, sections: Sequence[str]) -> None:
    """Refuse `--set` where its first name is no section that the verb reads."""
    dotted = override.partition("=")[0].strip()
    section, dot, _ = dotted.partition(".")
    if "=" not in override or (dot and section in sections):
        return  # Without a sign of equality `with_overrides` says what is wrong.
    reads = f"Read here: {_listed(sections)}."
    if not dot:
        raise SettingsError(f"--set {override!r} names no section: section.key=value. {reads}")
    if section in SECTIONS:
        raise SettingsError(
            f"--set {override!r}: [{section}] is for {SECTIONS[section]} and changes nothing here. {reads}"
        )
    raise SettingsError(f"--set {override!r}: there is no section [{section}]. {_nearest(section)}")


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, SECTIONS, n=1)
    return f"Did you mean [{near[0]}]?" if near else f"Known: {_listed(SECTIONS)}."


def _listed(sections: Iterable[str]) -> str:
    return ", ".join(f"[{name}]" for name in sections)


def _copied(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in tables.items()}


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _fitting(expected: Any, value: Any) -> Any:
    """TOML has lists and no tuples, and people write `1` for `1.0`: make both fit a strict reader."""
    if isinstance(value, list):
        return tuple(_fitting(None, item) for item in value)
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _told(known: list[str], error: pydantic.ValidationError, where: str) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
        return f"{where}: {name!r} is not a setting. {hint}"
    if first["type"] in ("missing", "missing_argument"):
        return f"{where} needs {name!r}. Add a line like: {name} = ..."
    if not name:  # Settings that do not go together.
        return f"{where}: {first['msg'].removeprefix('Value error, ').removesuffix('.')}."
    return f"{where}: {name} is {first['input']!r}. {first['msg']}."


def _lines(values: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping) and value is not None}
    lines = [f"[{'.'.join(map(_key, path))}]"] if path and plain else []
    lines += [f"{_key(key)} = {_literal(value)}" for key, value in plain.items()]
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += ["", *_lines(value, (*path, key))] if lines else _lines(value, (*path, key))
    return lines


def _key(name: str) -> str:
    """A key as it is where TOML takes it bare, else in quotes: names of streams or labels may hold anything."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _literal(name)


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_literal(item) for item in value) + "]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'
