"""One stream of an extraction: its encoder, its windows, and what it keeps of each video."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from whenabouts.config import settings
from whenabouts.core.errors import SettingsError
from whenabouts.core.features import FeatureSequence, unusable
from whenabouts.core.timing import TimeGrid
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.media.probe import unreadable
from whenabouts.recognition.sound_source import SoundSource
from whenabouts.recognition.window_encoder import SOUND_RATE, SoundForm, WindowEncoder, WindowForm, source_of
from whenabouts.recognition.window_source import SOUND_SOURCE, SOUND_WIDTH, Finished, WindowSource

RGB, FLOW, AUDIO = "rgb", "flow", "audio"

# Longer windows than any net was made for, which would fill the memory: pictures, and an hour of rows of sound.
MOST_PICTURES, MOST_ROWS = 4096, 360_000

# What two grids over videos of any length share.
RASTER = ("start_seconds", "hop_seconds", "window_seconds")

Features = NDArray[np.float32]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Hop = Annotated[float, Field(ge=0.001, le=1e6, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]


@settings
class ExtractSettings:
    """How features are taken: a window of the encoder's clip length each `hop_seconds`.

    `window_seconds` makes windows longer or shorter: of as many pictures as the encoder's, spread over that time, or
    with `rate` of that many pictures a second. `short_side` resizes pictures to that length of their shorter side, each
    in its own shape; with `whole` nothing is cropped from them, so that a net sees all of a large picture and features
    are the mean over it. Features of other windows than the encoder's own have another source; an encoder that takes
    windows of one size, or of one number of pictures, refuses others.

    `storage` float16 halves the size of the store and rounds values by at most 1 in 2000; videos with values beyond its
    65504 are kept as float32. `audio` adds statistics of log-mel bands in the same windows for videos that have sound,
    beside the "rgb" stream. `compile` puts backbones through torch.compile: "auto" on a GPU that it can compile for,
    never on a CPU; encoders from the hub run as they are.
    """

    hop_seconds: Hop = 0.5
    window_seconds: Seconds | None = None
    rate: Rate | None = None
    short_side: Annotated[int, Field(ge=2, le=4096)] | None = None
    whole: bool = False
    batch: Annotated[int, Field(ge=1, le=65_536)] = 32
    audio: bool = True
    storage: Literal["float16", "float32"] = "float16"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: Literal["auto", "always", "never"] = "auto"

    def form_of(self, own: WindowForm | SoundForm) -> WindowForm | SoundForm:
        """An encoder's own windows, with what is asked for here; SettingsError for such as it can't take."""
        seconds = self.window_seconds or own.window_seconds
        if isinstance(own, SoundForm):
            _check_length(round(seconds * SOUND_RATE), MOST_ROWS, "rows of sound")
            return dataclasses.replace(own, rows=max(1, round(seconds * SOUND_RATE)))
        form = own
        if own.one_size and (self.short_side is not None or self.whole):
            raise SettingsError(
                f"This encoder takes pictures of one size ({own.crop or own.size} pixels). Leave out "
                f"extract.{'whole' if self.whole else 'short_side'}, or run its stream by itself (--modality)."
            )
        if self.rate is not None:
            _check_length(round(seconds * self.rate), MOST_PICTURES, "pictures")
            form = dataclasses.replace(form, rate=self.rate, pictures=max(1, round(seconds * self.rate)))
        elif self.window_seconds is not None:
            form = dataclasses.replace(form, rate=form.pictures / seconds)
        if own.one_length and form.pictures != own.pictures:
            raise SettingsError(
                f"This encoder takes windows of {own.pictures} pictures, but extract.rate {self.rate:g} makes them "
                f"{form.pictures}. Leave out extract.rate, or give extract.window_seconds {own.pictures / form.rate:g}."
            )
        if self.short_side is not None:
            form = dataclasses.replace(form, size=self.short_side)
        return dataclasses.replace(form, crop=None) if self.whole else form


def _check_length(count: int, most: int, what: str) -> None:
    if count > most:
        raise SettingsError(
            f"extract.window_seconds and extract.rate make windows of {count} {what}; {most} are the most. Make one of "
            "them smaller."
        )


@dataclass(frozen=True)
class Stream:
    """An encoder whose features become the stream `name`; with `statistics` those of the sound come beside them."""

    encoder: WindowEncoder
    how: ExtractSettings
    name: str
    statistics: bool

    @cached_property
    def form(self) -> WindowForm | SoundForm:
        """The windows that are cut."""
        return self.how.form_of(self.encoder.form)

    @cached_property
    def source(self) -> str:
        """What the features say of their maker."""
        return source_of(self.encoder, self.form)

    def windows(self, cache: Path | None) -> WindowSource | SoundSource:
        """What cuts videos into windows."""
        if isinstance(self.form, SoundForm):
            return SoundSource(self.form, self.how.hop_seconds, self.how.batch)
        return WindowSource(self.form, self.how.hop_seconds, self.how.batch, self.statistics, cache)

    def is_done(self, entry: Entry, store: FeatureStore) -> bool:
        """True where the store holds what this stream makes of the file as it is, or the file has nothing for it."""
        if isinstance(self.form, SoundForm) and entry.video.status != "unreadable" and not entry.video.has_audio:
            return True
        if not store.has(entry.id, self.name, source=self.source, newer_than_ns=entry.changed_ns):
            return False
        grid, wanted = store.grid(entry.id, self.name), self.form.grid(self.how.hop_seconds)
        if any(getattr(grid, name) != getattr(wanted, name) for name in RASTER):
            return False
        heard = not (self.statistics and entry.video.has_audio)
        return heard or store.has(entry.id, AUDIO, source=SOUND_SOURCE, newer_than_ns=entry.changed_ns)

    def judged(self, end: Finished, values: Features) -> Finished:
        """The end of a video; an unreadable one where its features are no numbers: such are not kept."""
        odd = unusable(values)
        if end.grid is None or not odd.any():
            return end
        step, column = np.argwhere(odd)[0]
        reason = f"{self.source} makes {values[step, column]:g} of it at step {step}, which is no feature"
        return Finished(unreadable(end.video.id, end.video.path, reason, passing=True), None, None)

    def sequences(self, end: Finished, values: Features) -> list[FeatureSequence]:
        """What is kept of a video; nothing of half a one, where another reading may find it whole."""
        if end.grid is None or end.video.passing:
            return []
        kept = np.dtype(self.how.storage)
        made = [FeatureSequence(end.video.id, _kept(values, kept), end.grid, self.name, self.source)]
        if end.sound is not None:
            made.append(FeatureSequence(end.video.id, _kept(end.sound, kept), end.grid, AUDIO, SOUND_SOURCE))
        elif self.statistics and end.video.has_audio:
            # No steps say that its sound can't be decoded: else the whole video would be done again each time.
            made.append(_nothing(end.video.id, end.grid, kept))
        return made


def _kept(values: Features, kept: "np.dtype[np.floating]") -> "NDArray[np.floating]":
    """Values in a smaller format; as they are where that can't hold one of them."""
    if np.abs(values, where=np.isfinite(values), out=np.zeros_like(values)).max(initial=0) > np.finfo(kept).max:
        return values
    return values.astype(kept)


def _nothing(video_id: str, grid: TimeGrid, kept: "np.dtype[np.floating]") -> FeatureSequence:
    none, nothing = dataclasses.replace(grid, steps=0), np.zeros((0, SOUND_WIDTH), kept)
    return FeatureSequence(video_id, nothing, none, AUDIO, SOUND_SOURCE)
