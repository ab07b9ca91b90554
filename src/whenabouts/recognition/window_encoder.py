"""What extraction takes: something that turns windows of pictures, or of sound, into vectors."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import SettingsError
from whenabouts.core.timing import TimeGrid
from whenabouts.media.flow import FlowForm
from whenabouts.training.devices import Compute

Vectors = Callable[[NDArray[Any]], NDArray[np.float32]]
Resize = Literal["area", "bilinear"]

# Rows of log-mel a second, and bands in each: the front end of `media/mel.py`.
SOUND_RATE, SOUND_BANDS = 100.0, 64


class SizeRule(Protocol):
    """What pictures of a video are resized to, where neither a box nor a shorter side says it."""

    def of(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) for pictures of this height and width."""
        ...


@dataclass(frozen=True, kw_only=True)
class WindowForm:
    """Windows of pictures as the decoder makes them, before an encoder's own arithmetic: uint8, red first.

    A window is `pictures` pictures at `rate` a second. Each is resized to `size`: (height, width) whatever its own
    shape, or the length of its shorter side, or a rule from its own height and width, so that windows of different
    videos differ in shape. A rule's repr must tell it: sources are made from it. Then the middle `crop` x `crop` pixels
    are kept (None: all). `resize` "area" averages what a pixel covers; "bilinear" is what most published nets were
    trained with. With `flow` the pictures are fields of it, (H, W, 2). `one_size` says that the encoder takes pictures
    of this size alone, `one_length` that it takes this number of pictures alone: other windows are then refused.
    """

    pictures: int
    rate: float
    size: tuple[int, int] | int | SizeRule
    crop: int | None = None
    resize: Resize = "area"
    flow: FlowForm | None = None
    one_size: bool = field(default=False, repr=False)
    one_length: bool = field(default=False, repr=False)

    @property
    def window_seconds(self) -> float:
        """Time that a window looks at."""
        return self.pictures / self.rate

    @property
    def lag(self) -> float:
        """By how many pictures what one shows stands later than its own instant: motion lies between two."""
        return 0.0 if self.flow is None else 0.5

    def grid(self, hop_seconds: float, duration_seconds: float = 0.0) -> TimeGrid:
        """The windows of a video that lasts so long."""
        return TimeGrid.centred(
            duration_seconds,
            hop_seconds=hop_seconds,
            window_seconds=self.window_seconds,
            rate=self.rate,
            lag=self.lag,
        )


@dataclass(frozen=True, kw_only=True)
class SoundForm:
    """Windows of sound: `rows` of log-mel, 100 a second, as `media/mel.py` makes them: float32 (rows, 64)."""

    rows: int = 96

    @property
    def window_seconds(self) -> float:
        """Time that a window looks at."""
        return self.rows / SOUND_RATE

    def grid(self, hop_seconds: float, duration_seconds: float = 0.0) -> TimeGrid:
        """The windows of a video that lasts so long; they begin where a row does."""
        grid = TimeGrid.centred(duration_seconds, hop_seconds=hop_seconds, window_seconds=self.window_seconds)
        return dataclasses.replace(grid, start_seconds=round(grid.start_seconds * SOUND_RATE) / SOUND_RATE)


class WindowEncoder(Protocol):
    """Turns windows into vectors; see `Backbone` for one.

    Where nothing else is said, features become the stream `modality`. `source` names the encoder and a checksum of all
    that decides its vectors: weights and preparation. `form` says which windows it takes.
    """

    @property
    def form(self) -> WindowForm | SoundForm:
        """The windows that it takes."""
        ...

    @property
    def modality(self) -> str:
        """The stream of features that it makes."""
        ...

    @property
    def source(self) -> str:
        """`name@checksum`, as features carry it."""
        ...

    def vectors_on(self, compute: Compute) -> Vectors:
        """A function that several threads may call: windows (B, F, H, W, C) uint8, or (B, rows, 64) -> (B, D)."""
        ...


@contextlib.contextmanager
def windows_taken(source: str) -> Iterator[None]:
    """Turn what a net raises for windows that it can't take, or has no memory for, into SettingsError.

    All else that it raises is left as it is.
    """
    try:
        yield
    except (ValueError, IndexError, RuntimeError, MemoryError) as error:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        if isinstance(error, MemoryError) or "memory" in said.lower():
            raise SettingsError(
                f"{source} has too little memory for these windows ({said}). Make extract.batch smaller, or "
                "extract.short_side, and leave out extract.whole."
            ) from None
        if isinstance(error, RuntimeError) and "CUDA error" in said:
            raise
        raise SettingsError(
            f"{source} can't take these windows: {said.rstrip('.')}. Leave out extract.window_seconds, extract.rate, "
            "extract.short_side and extract.whole."
        ) from None


def source_of(encoder: WindowEncoder, form: WindowForm | SoundForm) -> str:
    """The encoder's source where it has its own windows; with others, their checksum is added to it."""
    if form == encoder.form:
        return encoder.source
    return f"{encoder.source}~{hashlib.sha256(repr(form).encode()).hexdigest()[:8]}"
