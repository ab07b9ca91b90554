"""Which videos and concepts are worth a picture, and what of them is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import FeatureMismatch, InvalidData, MediaError
from whenabouts.core.features import FeatureSequence
from whenabouts.core.progress import Progress
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import FloatArray
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry, file_of
from whenabouts.localizers.protocol import Localizer
from whenabouts.localizers.winners import winners_by_step
from whenabouts.localizers.winners_out import WinnersOut
from whenabouts.media.frames import read_frames
from whenabouts.page.pictures import Shown, WinnerRow

KnownSpans = Mapping[tuple[str, str], Sequence[Sequence[float]]]
"""True spans in seconds by video and concept."""
Frame = NDArray[np.uint8]
HEIGHT = 120  # pixels of a frame


@dataclass(frozen=True)
class Candidate:
    """A video with one of its concepts; `instances` of it are true or, where truth is unknown, found."""

    entry: Entry
    shown: Shown
    instances: int
    probability: float


def candidates(
    localizer: Localizer, entries: Sequence[Entry], store: FeatureStore, known: KnownSpans | None, progress: Progress
) -> list[Candidate]:
    """Each video with its true concepts, or with its most probable one where truth is not `known`."""
    found = []
    for entry in progress.track(entries, total=len(entries), title="Looking at videos"):
        features = features_of(localizer, entry, store)
        if not features:
            continue
        try:
            scores, moments = localizer.score(features), localizer.localize(features)
        except (InvalidData, FeatureMismatch) as error:
            progress.say(f"Left out: {error}")
            continue
        for name in _concepts(entry, scores, known) if scores.grid.steps else []:
            index = scores.vocabulary.index(name)
            spans = moments.spans[moments.classes == index]
            truth = None if known is None else np.asarray(known[entry.id, name], np.float64)
            shown = Shown(entry.title or entry.id, name, scores, truth, spans)
            count = len(spans) if truth is None else len(truth)
            found.append(Candidate(entry, shown, count, float(scores.video_scores[index])))
    return found


def features_of(localizer: Localizer, entry: Entry, store: FeatureStore) -> dict[str, FeatureSequence]:
    """What there is of the features that a localizer reads."""
    names = [stream.modality for stream in localizer.streams]
    return {name: store.read(entry.id, name) for name in names
            if store.has(entry.id, name, newer_than_ns=entry.changed_ns)}  # fmt: skip


def _concepts(entry: Entry, scores: ScoreSequence, known: KnownSpans | None) -> list[str]:
    names = scores.vocabulary.names
    if known is None:
        return [names[int(np.argmax(scores.video_scores))]]
    return [name for name in names if (entry.id, name) in known]


def many_and_one(found: Sequence[Candidate], count: int) -> list[Candidate]:
    """`count` candidates of different videos: those with most instances, the last, if there is one, with a single.

    Of several that serve as well the localizer is surest of the chosen.
    """
    ranked = sorted(found, key=lambda each: (-each.instances, -each.probability, each.entry.id))
    distinct = list({each.entry.id: each for each in reversed(ranked)}.values())[::-1]
    singles = sorted((each for each in distinct if each.instances == 1), key=lambda each: -each.probability)
    if count == 1 or not singles:
        return distinct[:count]
    return [each for each in distinct if each is not singles[0]][: count - 1] + singles[:1]


def winner_row(localizer: WinnersOut, candidate: Candidate, store: FeatureStore, progress: Progress) -> WinnerRow:
    """Winners of one candidate by step, with the frame in the middle of the best segment of each step."""
    index = localizer.vocabulary.index(candidate.shown.concept)
    grid, selection = winners_by_step(localizer, features_of(localizer, candidate.entry, store), [index])
    steps, edges = selection.steps[0], grid.edges()
    best = [int(np.where(steps == step, selection.scores[0], -1.0).argmax()) for step in range(steps.max() + 1)]
    seconds = tuple(float(edges[at] + edges[at + 1]) / 2 for at in best)
    frames = frames_of(candidate.entry, np.asarray(seconds), progress)
    return WinnerRow(candidate.shown.title, candidate.shown.concept, grid, steps, frames, seconds,
                     candidate.shown.truth)  # fmt: skip


def frames_of(entry: Entry, seconds: FloatArray, progress: Progress) -> tuple[Frame | None, ...]:
    """One frame (H, W, 3) each, in the video's proportions; None for all where no file can be read."""
    video = entry.video
    if not file_of(video.path).is_file():
        progress.say(f"{entry.id} is drawn without pictures: the project has its features, but no file "
                     f"{video.path}.")  # fmt: skip
        return (None,) * len(seconds)
    width = round(HEIGHT * video.width / video.height) if video.width and video.height else HEIGHT * 4 // 3
    try:
        _, pixels = read_frames(file_of(video.path), seconds, size=(HEIGHT, width))
    except (MediaError, OSError) as error:
        progress.say(f"No picture of {entry.id}: {error}")
        return (None,) * len(seconds)
    return tuple(pixels)
