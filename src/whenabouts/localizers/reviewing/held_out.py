"""What learning again has brought, on videos that were drawn at random before review began."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from whenabouts.core.errors import FeatureMismatch
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Progress
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.decisions import Review
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.data.vocabulary import spelling
from whenabouts.evaluation.every_subset import TrueRow, true_rows
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.tables import Predictions, Truth
from whenabouts.localizers.finding import find_moments
from whenabouts.localizers.protocol import Localizer

TIOU = (0.3, 0.5, 0.7)
HEADLINE = 1

Pair = tuple[str, str]


@dataclass(frozen=True)
class Yardstick:
    """True moments of held-out videos, by what they are known, and the (video, concept) pairs that may be judged.

    `pairs` None: all concepts of the truth in all held-out videos.
    """

    entries: tuple[Entry, ...]
    measured_on: str
    truth: Moments | None
    pairs: frozenset[Pair] | None = None

    @classmethod
    def of(
        cls, entries: Sequence[Entry], vocabulary: Vocabulary, reviews: Sequence[Review], truth: Path | None
    ) -> "Yardstick":
        """The best that is known of held-out entries: a file of truth, else their rated segments, else decisions.

        Rated segments and decisions judge only the pairs of video and concept about which they say something.
        """
        held = {entry.id for entry in entries}
        told = [] if truth is None else [row for row in true_rows(truth) if row[0] in held]
        rows = _known(told, vocabulary)
        if rows:
            return cls(tuple(entries), "truth", _moments(rows, vocabulary))
        rated = [(entry.id, part.name, part.start_seconds, part.end_seconds)
                 for entry in entries for part in entry.segments if part.present]  # fmt: skip
        rated = _known(rated, vocabulary)
        if rated:
            return cls(tuple(entries), "rated segments", _moments(rated, vocabulary), _pairs(rated, vocabulary))
        # A queue chooses what is hard: its moments say nothing about the rest.
        said = [each.decided for each in reviews if each.decided.video_id in held and each.decided.origin != "queue"]
        judged = [(each.video_id, each.concept, each.start_seconds, each.end_seconds) for each in said]
        yes = _known([row for row, each in zip(judged, said, strict=True) if each.present], vocabulary)
        if yes:
            return cls(tuple(entries), "reviews", _moments(yes, vocabulary), _pairs(judged, vocabulary))
        return cls(tuple(entries), "nothing", None)

    def found(self, localizer: Localizer, store: FeatureStore, progress: Progress) -> Moments | None:
        """What a localizer finds in the held-out videos; None where there are none, or it can't read their features."""
        try:
            return find_moments(localizer, self.entries, store, progress).moments if self.entries else None
        except FeatureMismatch:
            return None

    def measure(self, found: Moments | None) -> dict[str, Any] | None:
        """mAP of what was found in the held-out videos; None where nothing was, or nothing is known of them."""
        if self.truth is None or found is None:
            return None
        return self.score(found, Truth.of(self.truth, video_ids=[entry.id for entry in self.entries]))

    def score(self, found: Moments, truth: Truth) -> dict[str, Any]:
        """mAP of found moments at the usual overlaps (`TIOU`), and how many true moments and concepts there are."""
        names = np.asarray(found.vocabulary.names)
        keep = np.isin(names, truth.labels)[found.classes] if len(found) else np.zeros(0, bool)
        if self.pairs is not None:
            judged = [(moment.video_id, moment.concept) in self.pairs for moment in found]
            keep &= np.asarray(judged, bool)
        scores = evaluate_moments(truth, Predictions.of(found[keep], truth), tiou=TIOU)
        by_tiou = dict(zip(map(str, TIOU), scores.map.tolist(), strict=True))
        return {"map": by_tiou[str(TIOU[HEADLINE])], "tiou": TIOU[HEADLINE], "maps": by_tiou,
                "concepts": len(truth.labels), "instances": len(truth)}  # fmt: skip


def _known(rows: Sequence[TrueRow], vocabulary: Vocabulary) -> list[TrueRow]:
    """Rows of concepts that can be found at all."""
    return [row for row in rows if _meant(row[1], vocabulary) in vocabulary]


def _moments(rows: Sequence[TrueRow], vocabulary: Vocabulary) -> Moments:
    names = [_meant(row[1], vocabulary) for row in rows]
    own = Vocabulary(tuple(sorted(set(names))))
    spans = [row[2:] for row in rows]
    return Moments.build([row[0] for row in rows], spans, own.encode(names), own, kind="truth")


def _pairs(rows: Sequence[TrueRow], vocabulary: Vocabulary) -> frozenset[Pair]:
    return frozenset((row[0], _meant(row[1], vocabulary)) for row in rows)


def _meant(name: str, vocabulary: Vocabulary) -> str:
    for form in (name, spelling(name)):
        if form in vocabulary:
            return vocabulary.names[vocabulary.index(form)]
    return name
