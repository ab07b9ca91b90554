"""`shards.json` beside exported shards: what the bytes of each modality stand for, so that an import can undo it.

Shards of the dataset itself have none: there, a byte stands for what `dequantised` gives.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.files import write_json
from whenabouts.data.youtube8m.frames import dequantised
from whenabouts.data.youtube8m.reader import OFFICIAL, ByteArray, Float32Array, Layout

CARD = "shards.json"
FORMAT = "whenabouts youtube8m shards 1"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the bytes of one modality stand for: features of a maker (`source`), x = mean + scale dequantised(q).

    `mean` and `scale` have one number per column; where they are empty, x = dequantised(q).
    """

    modality: str
    source: str
    width: int
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        sizes = (len(self.mean), len(self.scale))
        if sizes not in ((0, 0), (self.width, self.width)) or self.width < 1:
            raise InvalidData(f"{self.modality}: {self.width} columns have {sizes} means and scales.")
        numbers = np.asarray(self.mean + self.scale, np.float64)
        if not np.isfinite(numbers).all() or not (np.asarray(self.scale, np.float64) > 0).all():
            raise InvalidData(f"{self.modality}: means must be finite and scales above 0.")

    def features(self, values: ByteArray) -> Float32Array:
        """Bytes (T, width) -> features (T, width)."""
        numbers = dequantised(values)
        if self.mean:
            numbers *= np.asarray(self.scale, np.float32)
            numbers += np.asarray(self.mean, np.float32)
        return numbers

    def scaled(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Features (T, width) -> numbers that bytes can stand for, where they lie from -2 to 2."""
        numbers = np.asarray(features, np.float64)
        return (numbers - np.asarray(self.mean)) / np.asarray(self.scale) if self.mean else numbers


@dataclass(frozen=True, slots=True)
class ShardCard:
    """What a folder of shards holds: the meaning of rgb and of audio (None: records are without it), and classes."""

    rgb: Meaning | None
    audio: Meaning | None
    classes: int

    @property
    def layout(self) -> Layout:
        """What records look like."""
        return Layout(self.rgb.width if self.rgb else 0, self.audio.width if self.audio else 0, self.classes)

    def save(self, folder: Path) -> None:
        """Write `shards.json`."""
        meanings = {name: asdict(item) if item else None for name, item in (("rgb", self.rgb), ("audio", self.audio))}
        write_json(folder / CARD, {"format": FORMAT, "classes": self.classes, **meanings}, indent=None)

    @classmethod
    def load(cls, folder: Path) -> "ShardCard | None":
        """Read `shards.json`; None where there is none, InvalidData where it is broken."""
        path = folder / CARD
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["format"] != FORMAT:
                raise ValueError(f"format {values['format']!r}, not {FORMAT!r}")
            return cls(_meaning(values["rgb"]), _meaning(values["audio"]), int(values["classes"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InvalidData(
                f"{path} can't be read ({type(error).__name__}: {error}). Export the shards again."
            ) from None


def dataset_card(layout: Layout = OFFICIAL) -> ShardCard:
    """The card of shards as the dataset has them."""

    def meaning(name: str, width: int) -> Meaning | None:
        return Meaning(name, f"youtube-8m {name} {width}", width) if width else None

    return ShardCard(meaning("rgb", layout.rgb), meaning("audio", layout.audio), layout.classes)


def _meaning(values: Mapping[str, Any] | None) -> Meaning | None:
    if values is None:
        return None
    numbers = (tuple(float(value) for value in values[name]) for name in ("mean", "scale"))
    return Meaning(str(values["modality"]), str(values["source"]), int(values["width"]), *numbers)
