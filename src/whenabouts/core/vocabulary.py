"""Names of concepts and their indices."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.files import read_json
from whenabouts.core.timing import IntArray


@dataclass(frozen=True)
class Vocabulary:
    """Names (L) in a fixed order, with optional descriptions, parents and aliases.

    `descriptions` and `parents` are keyed by name; `aliases` maps another spelling to a name. Order is identity: a
    class index means the same everywhere one vocabulary is used.
    """

    names: tuple[str, ...]
    descriptions: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        if len(set(self.names)) != len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise InvalidData(f"A vocabulary names each concept once, but {twice[:5]} stand there more often.")
        if "" in self.names:
            raise InvalidData("A vocabulary can't hold an empty name.")
        for kind in ("descriptions", "parents"):
            strangers = sorted(set(getattr(self, kind)) - set(self.names))
            if strangers:
                raise InvalidData(f"{kind} speak of {strangers[:5]}, which the vocabulary does not name.")
        lost = sorted(set(self.aliases.values()) - set(self.names))
        if lost:
            raise InvalidData(f"Aliases lead to {lost[:5]}, which the vocabulary does not name.")

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._index or name in self.aliases

    def __repr__(self) -> str:
        shown = ", ".join(self.names[:4]) + (", ..." if len(self) > 4 else "")
        return f"Vocabulary({len(self)} names: {shown})"

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.names)}

    def index(self, name: str) -> int:
        """Index of a name or alias; an unknown one raises InvalidData and names the nearest."""
        found = self._index.get(self.aliases.get(name, name))
        if found is None:
            near = difflib.get_close_matches(name, [*self.names, *self.aliases], n=3)
            known = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Known: {', '.join(self.names[:10])}."
            raise InvalidData(f"{name!r} is not in the vocabulary of {len(self)} concepts. {known}")
        return found

    def encode(self, names: Iterable[str]) -> IntArray:
        """Indices (P,) of names or aliases, in the order given."""
        return np.asarray([self.index(name) for name in names], np.int64)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` reads them back."""
        return {
            "names": list(self.names),
            "descriptions": dict(self.descriptions),
            "parents": dict(self.parents),
            "aliases": dict(self.aliases),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Vocabulary":
        """Read what `to_json` wrote; anything else raises InvalidData."""
        names = values.get("names")
        if not isinstance(names, list):
            raise InvalidData(f"A vocabulary needs a list 'names', but has the keys {sorted(values)}.")
        if not all(isinstance(name, str) for name in names):
            odd = next(name for name in names if not isinstance(name, str))
            raise InvalidData(f"A vocabulary's names are texts, but one is {odd!r}.")
        rest = {kind: values.get(kind, {}) for kind in ("descriptions", "parents", "aliases")}
        for kind, told in rest.items():
            if not isinstance(told, dict) or not all(isinstance(text, str) for text in told.values()):
                raise InvalidData(f"A vocabulary's {kind} map texts to texts, but got {str(told)[:80]}.")
        return cls(tuple(names), **rest)

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Read a JSON file; FileNotFoundError where there is none, else InvalidData that names the file."""
        values = read_json(path)
        try:
            return cls.from_json(values)
        except InvalidData as error:
            raise InvalidData(f"{path} holds no vocabulary: {error}") from None
