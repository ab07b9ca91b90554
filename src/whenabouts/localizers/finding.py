"""Localize the videos of a project, one after the other; a broken one is told and counted, and stops nothing."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from whenabouts.core.errors import FeatureMismatch, InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Progress
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.data.shards import Record
from whenabouts.localizers.protocol import Localizer


@dataclass(frozen=True)
class Found:
    """Moments of `videos` videos; `left_out` counts the others by reason.

    `covered` is the mean share of a video that the moments of one of its concepts take, 0 without moments. `cut` counts
    by video how many moments went because there were more than the settings allow.
    """

    moments: Moments
    videos: int
    left_out: Counter[str]
    covered: float
    cut: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Searched:
    """One video on its way: in which store its features of which streams stand, and how long they last."""

    video_id: str
    store: FeatureStore
    modalities: tuple[str, ...]
    duration_seconds: float

    def features(self) -> Mapping[str, FeatureSequence] | str:
        """Read them, by stream; else why they can't be read."""
        try:
            return {name: self.store.read(self.video_id, name) for name in self.modalities}
        except InvalidData as error:
            return str(error)

    def records(self) -> Mapping[str, Record]:
        """Where they stand, by stream, for another process to read; InvalidData where they are gone by now."""
        return {name: self.store.record(self.video_id, name) for name in self.modalities}


Localized = Callable[[Iterator[Searched]], Iterator[tuple[Searched, Moments | str]]]
"""Videos to their moments, in the same order, or to the reason why there are none."""


def localized_here(localizer: Localizer, videos: Iterator[Searched]) -> Iterator[tuple[Searched, Moments | str]]:
    """One video after the other, in this process."""
    for video in videos:
        features = video.features()
        if isinstance(features, str):
            yield video, features
            continue
        try:
            yield video, localizer.localize(features)
        except InvalidData as error:
            yield video, str(error)


def check_sources(localizer: Localizer, entries: Sequence[Entry], store: FeatureStore) -> None:
    """Raise FeatureMismatch where features were not made by what the model has learned from."""
    for stream in localizer.streams:
        there = [entry.id for entry in entries if store.has(entry.id, stream.modality)]
        others = [video_id for video_id in there if not store.has(video_id, stream.modality, source=stream.source)]
        if others:
            seen = store.read(others[0], stream.modality).source
            raise FeatureMismatch(
                f"The model was trained on {stream.modality} features from {stream.source}, but those of {len(others)} "
                f"of {len(there)} videos come from {seen}. Run `whenabouts extract`, then `whenabouts train` again."
            )


def find_moments(
    localizer: Localizer,
    entries: Sequence[Entry],
    store: FeatureStore,
    progress: Progress,
    localized: Localized | None = None,
) -> Found:
    """Moments in all videos that have features of any of the model's streams; broken feature files are told.

    `localized` says where videos are localized: by default in this process.
    """
    check_sources(localizer, entries, store)
    for reason in store.broken.values():
        progress.say(f"Left out: {reason}")
    # A broken header does not say any more which videos its file held.
    lacking = "without features that can be read" if store.broken else "without features"
    parts, shares, left_out, cut = [], list[float](), Counter[str](), Counter[str]()

    def searched() -> Iterator[Searched]:
        for entry in progress.track(entries, total=len(entries), title="Finding moments"):
            video = _searched(localizer, entry, store)
            if video is None:
                left_out[lacking] += 1
            else:
                yield video

    for video, found in (localized or partial(localized_here, localizer))(searched()):
        if isinstance(found, str):
            left_out["broken features"] += 1
            progress.say(f"Left out: {found}")
            continue
        parts.append(found)
        if found.cut:
            cut[video.video_id] = found.cut
        shares += [
            float(found[found.classes == index].merged().durations.sum()) / video.duration_seconds
            for index in np.unique(found.classes)
        ]
    moments = Moments.concatenate(parts, localizer.vocabulary)
    return Found(moments, len(parts), left_out, float(np.mean(shares)) if shares else 0.0, cut)


def _searched(localizer: Localizer, entry: Entry, store: FeatureStore) -> Searched | None:
    """A video with those features that the model takes and that are not older than its file; None without any."""
    modalities = tuple(
        stream.modality
        for stream in localizer.streams
        if store.has(entry.id, stream.modality, newer_than_ns=entry.changed_ns)
    )
    if not modalities:
        return None
    seconds = max(store.grid(entry.id, name).duration_seconds for name in modalities)
    return Searched(entry.id, store, modalities, seconds)
