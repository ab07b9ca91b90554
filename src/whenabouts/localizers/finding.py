"""Localize the videos of a project, one after the other; a broken one is told and counted, and stops nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from whenabouts.core.errors import FeatureMismatch, InvalidData
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Progress
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
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


def find_moments(localizer: Localizer, entries: Sequence[Entry], store: FeatureStore, progress: Progress) -> Found:
    """Moments in all videos that have features of any of the model's streams; broken feature files are told."""
    check_sources(localizer, entries, store)
    for reason in store.broken.values():
        progress.say(f"Left out: {reason}")
    # A broken header does not say any more which videos its file held.
    lacking = "without features that can be read" if store.broken else "without features"
    parts, shares, left_out, cut = [], list[float](), Counter[str](), Counter[str]()
    for entry in progress.track(entries, total=len(entries), title="Finding moments"):
        modalities = [
            stream.modality
            for stream in localizer.streams
            if store.has(entry.id, stream.modality, newer_than_ns=entry.changed_ns)
        ]
        if not modalities:
            left_out[lacking] += 1
            continue
        try:
            found = localizer.localize({modality: store.read(entry.id, modality) for modality in modalities})
        except InvalidData as error:
            left_out["broken features"] += 1
            progress.say(f"Left out: {error}")
            continue
        parts.append(found)
        if found.cut:
            cut[entry.id] = found.cut
        duration = max(store.grid(entry.id, modality).duration_seconds for modality in modalities)
        shares += [
            float(found[found.classes == index].merged().durations.sum()) / duration
            for index in np.unique(found.classes)
        ]
    moments = Moments.concatenate(parts, localizer.vocabulary)
    return Found(moments, len(parts), left_out, float(np.mean(shares)) if shares else 0.0, cut)
