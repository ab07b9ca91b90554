"""What class features are made of, what each can do, and how it is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.labels import VideoLabels
from whenabouts.core.timing import BoolArray, IntArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.localizers.concepts.described import Described
from whenabouts.localizers.segments import Matrix

ColumnKind = Literal["q", "c"]


@dataclass(frozen=True)
class ClassFacts:
    """All that class features may know: names and descriptions, labels of training videos, which classes are rated."""

    vocabulary: Vocabulary
    labels: Sequence[VideoLabels]
    rated: BoolArray

    @property
    def labelled(self) -> BoolArray:
        """(C,) True for classes that a training video is labelled with."""
        there = np.zeros(len(self.vocabulary), bool)
        for labels in self.labels:
            there[labels.classes] = True
        return there


class ClassFeature(Protocol):
    """One class feature: the names of its columns (k,), their kinds, and their values for pairs."""

    def names(self) -> tuple[str, ...]:
        """Names of its columns; a single one may be ""."""
        ...

    @property
    def kind(self) -> ColumnKind:
        """Numbers ("q") or numbers of categories ("c")."""
        ...

    @classmethod
    def fit(cls, facts: ClassFacts) -> Self:
        """Learn from training videos."""
        ...

    def columns(self, segments: Described, rows: IntArray, classes: IntArray) -> Matrix:
        """Values (P, k) for pairs of a row (P,) of `segments` and a class (P,); NaN where there is nothing to say."""
        ...

    def state(self) -> dict[str, NDArray[Any]]:
        """All that it has learned, as arrays."""
        ...

    @classmethod
    def of_state(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """What `state` gave, back; InvalidData where it doesn't fit."""
        ...


class Stored:
    """Fields of a dataclass are its state: classes (C,) or (C, K) by number, and numbers (C, K), NaN where missing."""

    kind: ClassVar[ColumnKind] = "q"
    SHAPES: ClassVar[Mapping[str, tuple[str, int]]] = {
        "parents": ("i", 1), "groups": ("i", 1), "others": ("i", 2), "weights": ("f", 2), "values": ("f", 2),
    }  # fmt: skip

    def state(self) -> dict[str, NDArray[Any]]:
        """All that it has learned, as arrays."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def of_state(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """What `state` gave, back; InvalidData where it doesn't fit."""
        for name, values in state.items():
            if (values.dtype.kind, values.ndim) != cls.SHAPES.get(name) or np.isinf(values).any():
                raise InvalidData(
                    f"A class feature's {name} can't be {values.dtype} of {values.ndim} dimensions, nor infinite, so "
                    "it can't be read. Train again."
                )
        try:
            return cls(**state)
        except TypeError as error:
            raise InvalidData(f"A class feature can't be read: {error}. Train again.") from None
