"""Cross-class relevance: one model of pairs, f(segment, omega(class)), for all classes (Ma et al., 2019, section 3.3).

The model is equation 2; it learns from rated pairs (equation 3), and, unless set as in the paper, from weak negatives.
Rows of pairs are out of fold by video: see `described.py`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from whenabouts.config import Count, CountOrZero, Probability, Share, settings
from whenabouts.config import load as load_settings
from whenabouts.core.errors import InvalidData
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.localizers.concepts.boosting import Trees, TreeSettings, train_trees
from whenabouts.localizers.concepts.class_features import CLASS_FEATURES
from whenabouts.localizers.concepts.described import Account, Described, OutOfFold, Ratings
from whenabouts.localizers.concepts.lessons import (
    HeldOut,
    Lessons,
    Pairs,
    pair_precision,
    pairs_of,
    shared_out,
)
from whenabouts.localizers.concepts.linear import LinearPairs, LinearSettings, train_linear
from whenabouts.localizers.concepts.pair_features import PairFeatures, below
from whenabouts.localizers.concepts.trees import TREES, load_trees
from whenabouts.localizers.model_folder import Card, read_model, write_model

Scorer = Trees | LinearPairs


@settings
class RelevanceSettings:
    """The relevance model and its training.

    `model`: "trees", as in the paper, or a "linear" one over the same columns, which was better where we measured
    (benchmarks/results/relevance.md), but sees no class by its number, so that it groups none.
    `class_features` are names of `CLASS_FEATURES`; `without` names columns that are left out, by their name, group or
    a pattern ("similarity.lstm", "similarity.*.sum"): by default sums and counts, for without the own video both tell
    how that was rated, and trees learn to read it; means do not. Each rated segment also counts as a negative, with
    weight `weak_weight`, of `weak_negatives` classes that its video lacks: rated segments come from videos with the
    label, so nothing else shows what is plainly something else. `unseen` is the share of pairs that are learned from
    again as if their class had no ratings, and again as if it had no label either, so that the model knows what to make
    of such classes. A share `held_out` of the videos (five at least, half at most) ends the training of a first model;
    the final one learns from all, with `more_rounds` times as many trees. `compared` says which rated segments a row to
    learn from is compared with: those in all other videos, as in the paper, or in videos of other folds, by which sums
    and counts say less of the own video. At most `block_pairs` pairs are looked at at a time, which bounds memory.
    """

    model: Literal["trees", "linear"] = "linear"
    trees: TreeSettings = TreeSettings()
    linear: LinearSettings = LinearSettings()
    class_features: tuple[str, ...] = ("index", "parent", "prior", "cooccurrence", "neighbours")
    without: tuple[str, ...] = ("similarity.*.sum", "similarity.*.count")
    compared: Literal["other videos", "other folds"] = "other videos"
    weak_negatives: CountOrZero = 2
    weak_weight: Share = 0.5
    unseen: Probability = 0.25
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    more_rounds: Annotated[float, Field(ge=1)] = 1.1
    block_pairs: Count = 131_072

    def __post_init__(self) -> None:
        unknown = [name for name in self.class_features if name not in CLASS_FEATURES]
        if unknown:
            raise ValueError(f"there is no class feature {unknown[0]!r}: choose of {', '.join(CLASS_FEATURES)}")
        if len(set(self.class_features)) != len(self.class_features):
            raise ValueError(f"each class feature is named once, but there is {list(self.class_features)}")

    @classmethod
    def paper(cls) -> Self:
        """The paper's features: predictions, the class one-hot, sums of similarities; rated pairs alone.

        Its trees' parameters are not told; these are of the nearest relative that publishes them
        (mxbi/youtube8m-2019, train_cls_xgb.py).
        """
        return cls(
            model="trees",
            trees=TreeSettings(learning_rate=0.02, rounds=20_000),
            class_features=("onehot",),
            without=("similarity.*.mean", "similarity.*.count"),
            weak_negatives=0,
            unseen=0.0,
        )


@dataclass(frozen=True)
class Reason:
    """One column of a pair: its value, and what it adds to the log-odds."""

    column: str
    value: float
    adds: float


@dataclass(frozen=True)
class Why:
    """Why a segment is relevant for a class: probability, log-odds of any pair, and columns by what they move."""

    score: float
    usual: float
    reasons: tuple[Reason, ...]


class RelevanceModel:
    """A trained relevance model; make one with `fit`.

    `held_out` are the pairs of held-out videos with the scores of the first model, which has not seen them; `training`
    tells in plain JSON values how both models did.
    """

    def __init__(
        self,
        scorer: Scorer,
        features: PairFeatures,
        how: RelevanceSettings,
        *,
        vocabulary: Vocabulary,
        training: Mapping[str, Any],
        held_out: HeldOut | None = None,
    ) -> None:
        self.scorer, self.features, self.how = scorer, features, how
        self.vocabulary, self.training, self.held_out = vocabulary, training, held_out

    @classmethod
    def fit(
        cls,
        told: OutOfFold,
        whole: Account,
        ratings: Ratings,
        how: RelevanceSettings,
        *,
        vocabulary: Vocabulary,
        seed: int = 0,
    ) -> Self:
        """Learn from rated pairs of segments that `told` holds out of fold.

        `whole` is the account of the same segments by the models that new segments will be described by: what these
        are compared with. InvalidData where nothing is rated relevant, or nothing irrelevant, or in one video only.
        """
        _check(told, whole, ratings)
        pairs = pairs_of(ratings, told.video_ids, len(vocabulary), how.weak_negatives, how.weak_weight, seed=seed)
        _check_targets(pairs)
        out = shared_out(told.video_ids[pairs.rows], how.held_out, seed)
        known = ratings.only(~np.isin(told.video_ids[ratings.rows], np.unique(told.video_ids[pairs.rows[out]])))
        lessons = Lessons.of(told, known, how, vocabulary)
        first, losses = _trained(lessons, pairs.taken(~out), how, seed, held_out=pairs.taken(out))
        rated_out = pairs.taken(out & pairs.rated)
        scores = lessons.scored(rated_out, first.predict)
        honest = told.honest().taken(rated_out.rows).scores
        singles = {name: rows[np.arange(len(rows)), rated_out.classes] for name, rows in honest.items()}
        judged = HeldOut(told.video_ids[rated_out.rows], rated_out.rows, rated_out.classes,
                         rated_out.targets > 0, scores, singles)  # fmt: skip
        rounds = math.ceil(how.more_rounds * first.rounds) if isinstance(first, Trees) else 0
        lessons = Lessons.of(told, ratings, how, vocabulary)
        final, _ = _trained(lessons, pairs, how, seed, rounds=rounds)
        features = PairFeatures.fit(whole, ratings, vocabulary=vocabulary, class_features=how.class_features,
                                    without=how.without)  # fmt: skip
        again = replace(judged, scores=lessons.scored(rated_out, final.predict))
        facts = _facts(pairs, judged, again, rounds, losses)
        return cls(final, features, how, vocabulary=vocabulary, training=facts, held_out=judged)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, bytes]]:
        """All that it has learned: arrays by name, and files by name."""
        arrays = {f"features.{name}": values for name, values in self.features.state().items()}
        if self.held_out is not None:
            arrays |= {f"held_out.{name}": values for name, values in self.held_out.state().items()}
        if isinstance(self.scorer, Trees):
            return arrays, {TREES: self.scorer.raw()}
        return arrays | {f"linear.{name}": values for name, values in self.scorer.state().items()}, {}

    @classmethod
    def of_state(
        cls,
        arrays: Mapping[str, NDArray[Any]],
        files: Mapping[str, bytes],
        how: RelevanceSettings,
        *,
        vocabulary: Vocabulary,
        training: Mapping[str, Any],
    ) -> Self:
        """What `state` gave, back; InvalidData where it is broken: trees are looked through before they are used."""
        features = PairFeatures.of_state(below(arrays, "features."), class_features=how.class_features,
                                         without=how.without)  # fmt: skip
        features.check_classes(len(vocabulary))
        held_out = HeldOut.of_state(below(arrays, "held_out."), len(vocabulary))
        scorer: Scorer
        if how.model == "linear":
            scorer = LinearPairs.of_state(features.columns, below(arrays, "linear."))
        elif TREES not in files:
            raise InvalidData(f"The relevance model lacks {TREES}. Train again.")
        else:
            scorer = load_trees(files[TREES], features.columns, categories=len(vocabulary), threads=how.trees.threads)
        return cls(scorer, features, how, vocabulary=vocabulary, training=training, held_out=held_out)

    def save(self, folder: Path) -> None:
        """Write a model folder, whole or not at all."""
        arrays, files = self.state()
        tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
        write_model(
            folder, Card("relevance-model", (), self.training), self.vocabulary, tensors, self.how, beside=files
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; ProjectError where there is nothing, InvalidData where it is broken."""
        saved = read_model(folder)
        how = load_settings(RelevanceSettings, saved.settings, f"{folder / 'settings.toml'} [train]")
        arrays = {name: tensor.numpy() for name, tensor in saved.tensors.items()}
        return cls.of_state(arrays, saved.beside, how, vocabulary=saved.vocabulary, training=saved.card.training)

    def pair_scores(self, segments: Described, rows: ArrayLike, classes: ArrayLike) -> NDArray[np.float32]:
        """Probabilities (P,) that pairs of a row (P,) of `segments` and a class (P,) belong together, in blocks."""
        which, of = np.asarray(rows, np.int64), np.asarray(classes, np.int64)
        result = np.zeros(len(which), np.float32)
        for first in range(0, len(which), self.how.block_pairs):
            part = slice(first, first + self.how.block_pairs)
            result[part] = self.scorer.predict(self.features.matrix(segments, which[part], of[part]))
        return result

    def scores(self, segments: Described, classes: ArrayLike | None = None) -> NDArray[np.float32]:
        """Probabilities (N, K) of segments for `classes` (K,), all where none are named; in blocks of pairs."""
        of = np.arange(len(self.vocabulary)) if classes is None else np.asarray(classes, np.int64)
        result = np.zeros((len(segments), len(of)), np.float32)
        if not len(of):
            return result
        for chosen, rows in self.features.blocks(segments, classes=of, size=self.how.block_pairs):
            result[chosen] = self.scorer.predict(rows).reshape(-1, len(of))
        return result

    def why(self, segments: Described, row: int, index: int) -> Why:
        """What moved the score of one segment for one class, the strongest first."""
        rows = self.features.matrix(segments, np.array([row]), np.array([index]))
        adds = self.scorer.contributions(rows)[0].astype(float)
        order = np.argsort(-np.abs(adds[:-1]), kind="stable").tolist()
        reasons = tuple(
            Reason(self.features.columns.names[each], float(rows[0, each]), float(adds[each])) for each in order
        )
        return Why(float(self.scorer.predict(rows)[0]), float(adds[-1]), reasons)


def _check(told: OutOfFold, whole: Account, ratings: Ratings) -> None:
    if not np.array_equal(told.video_ids, whole.segments.video_ids):
        raise InvalidData("Both accounts tell of the same rated segments, but these tell of different ones.")
    if len(ratings) and (ratings.rows.min() < 0 or ratings.rows.max() >= len(told)):
        odd = ratings.rows[(ratings.rows < 0) | (ratings.rows >= len(told))]
        raise InvalidData(f"Ratings are of segments 0 to {len(told) - 1}, but some are of {odd[0]}.")


def _check_targets(pairs: Pairs) -> None:
    relevant = int((pairs.targets > 0).sum())
    if not 0 < relevant < len(pairs):
        raise InvalidData(
            f"A relevance model needs segments rated relevant and irrelevant (or weak negatives), but of {len(pairs)} "
            f"pairs {relevant} are relevant. Rate more, or use a two-stage localizer."
        )


def _trained(
    lessons: Lessons,
    pairs: Pairs,
    how: RelevanceSettings,
    seed: int,
    *,
    rounds: int = 0,
    held_out: Pairs | None = None,
) -> tuple[Scorer, Sequence[float]]:
    blocks = lessons.blocks(pairs, seed)
    if how.model == "linear":
        return train_linear(blocks, lessons.columns, how.linear), []
    judged = None if held_out is None else lessons.blocks(held_out, seed, unseen=False)
    return train_trees(blocks, lessons.columns, how.trees, seed=seed, rounds=rounds, held_out=judged)


def _facts(pairs: Pairs, judged: HeldOut, again: HeldOut, rounds: int, losses: Sequence[float]) -> dict[str, Any]:
    """What is known of both models; None for what held-out pairs can't tell, for JSON knows no NaN."""
    measured = {
        "held_out_loss": min(losses) if losses else judged.loss,
        "map_held_out": pair_precision(judged),
        "map_retrained_on_all": pair_precision(again),
    }
    return {
        "rated_pairs": int(pairs.rated.sum()),
        "weak_pairs": int((~pairs.rated).sum()),
        "held_out_pairs": len(judged.scores),
        "trees": rounds,
        **{name: value if math.isfinite(value) else None for name, value in measured.items()},
    }
