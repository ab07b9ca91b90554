"""Several models in one ranking: mean of scores, of ranks, geometric mean, or a learned stacker (Ma et al., 2019, 3.4).

Which way is best is no matter of taste: all are compared on pairs that no member has learned from, each judged on
videos that it was not fitted to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.core.video import recording_of
from whenabouts.localizers.concepts.lessons import HeldOut, pair_precision
from whenabouts.training.logistic import EDGE, drawn_weights, log_odds, probability

Combination = Literal["mean", "ranks", "geometric", "stacked"]
COMBINATIONS: tuple[Combination, ...] = get_args(Combination)
_FOLDS = 5
_RIDGE = 1.0


@dataclass(frozen=True)
class Ensemble:
    """A way to join the scores of `members`; `weights` (M + 1,), the constant last, are the stacker's.

    `trials` hold the MAP on the validation pairs of every way, and of each member alone.
    """

    members: tuple[str, ...]
    how: Combination
    weights: FloatArray
    trials: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        scores: Mapping[str, ArrayLike],
        classes: ArrayLike,
        present: ArrayLike,
        video_ids: ArrayLike,
        *,
        seed: int = 0,
        ways: Sequence[Combination] = COMBINATIONS,
    ) -> "Ensemble":
        """The best of `ways` to join members' probabilities (P,) of validation pairs, given what is true of them.

        The stacker is judged on each fold of the videos by the weights of the others, then fitted to all. Of equals the
        first counts: plain means before learned weights.
        """
        members = tuple(scores)
        of, hits, videos = np.asarray(classes, np.int64), np.asarray(present, bool), np.asarray(video_ids, np.str_)
        table = _table(scores, members)
        if not table.shape[1] == len(of) == len(hits) == len(videos):
            raise InvalidData(f"Pairs need scores, classes, truths and videos of one length, but got {table.shape[1]}, "
                              f"{len(of)}, {len(hits)}, {len(videos)}.")  # fmt: skip
        weights = _stacker(table, hits)
        joined: dict[Combination, FloatArray] = {
            how: _joined(table, of, how, weights) for how in COMBINATIONS if how != "stacked"
        }
        joined["stacked"] = _crossed(table, hits, videos, seed)
        trials: dict[str, float] = {how: _map(values, of, hits, videos) for how, values in joined.items()}
        best = max(ways, key=lambda how: -np.inf if np.isnan(trials[how]) else trials[how])
        alone = {name: _map(values, of, hits, videos) for name, values in zip(members, table, strict=True)}
        return cls(members, best, weights, {**trials, **alone})

    def scores(self, scores: Mapping[str, NDArray[np.floating]], *, how: Combination | None = None) -> FloatArray:
        """Members' probabilities (N, C) of all candidates -> joined (N, C), by `how`, else by what was best.

        Ranks are among the N candidates of a class: give them all at once. NaN, no candidate, stays NaN.
        """
        table = _table(scores, self.members)
        classes = np.broadcast_to(np.arange(table.shape[2]), table.shape[1:])
        flat = _joined(table.reshape(len(self.members), -1), classes.ravel(), how or self.how, self.weights)
        return flat.reshape(table.shape[1:])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        trials = {name: None if np.isnan(value) else value for name, value in self.trials.items()}
        return {"members": list(self.members), "how": self.how, "weights": self.weights.tolist(), "trials": trials}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Ensemble":
        """What `to_json` gave; InvalidData where it is broken."""
        try:
            members, how = tuple(map(str, told["members"])), told["how"]
            weights = np.asarray(told["weights"], np.float64)
            trials = {
                str(name): float("nan") if value is None else float(value) for name, value in told["trials"].items()
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidData(f"The ensemble can't be read: {error}. Train again.") from None
        if how not in COMBINATIONS or weights.shape != (len(members) + 1,) or not np.isfinite(weights).all():
            raise InvalidData(
                f"The ensemble joins {len(members)} members by {how!r} with {weights.shape}. Train again."
            )
        return cls(members, how, weights, trials)


def ranks_within(scores: FloatArray, classes: IntArray) -> FloatArray:
    """Scores (P,) -> ranks (P,) among those of the same class, from above 0 to 1 for the best; ties share the mean.

    NaN has no rank.
    """
    from scipy.stats import rankdata

    ranks = np.full(len(scores), np.nan)
    order = np.argsort(classes, kind="stable")
    _, starts = np.unique(classes[order], return_index=True)
    for rows in np.split(order, starts)[1:]:
        there = rows[~np.isnan(scores[rows])]
        if len(there):
            ranks[there] = rankdata(scores[there]) / len(there)
    return ranks


def _table(scores: Mapping[str, ArrayLike], members: tuple[str, ...]) -> FloatArray:
    missing = [name for name in members if name not in scores]
    if missing or not members:
        raise InvalidData(
            f"The ensemble joins {', '.join(members) or 'nothing'}, but {missing or 'no member'} is missing."
        )
    columns = [np.asarray(scores[name], np.float64) for name in members]
    if len({column.shape for column in columns}) > 1:
        raise InvalidData(f"Members score the same pairs, but got shapes {[column.shape for column in columns]}.")
    table: FloatArray = np.stack(columns)
    given = table[~np.isnan(table)]
    if len(given) and not (given.min() >= 0 and given.max() <= 1):
        raise InvalidData(f"Members give probabilities in [0, 1], but got {given.min()} to {given.max()}.")
    return table


def _joined(table: FloatArray, classes: IntArray, how: Combination, weights: FloatArray) -> FloatArray:
    """Probabilities (M, P) of pairs of classes (P,) -> joined (P,)."""
    if how == "mean":
        joined: FloatArray = table.mean(axis=0)
    elif how == "ranks":
        joined = np.stack([ranks_within(row, classes) for row in table]).mean(axis=0)
    elif how == "geometric":
        joined = np.exp(np.log(np.maximum(table, EDGE)).mean(axis=0))
    else:
        joined = probability(weights[:-1] @ log_odds(table) + weights[-1])
    return joined


def _stacker(table: FloatArray, present: BoolArray) -> FloatArray:
    """Weights (M + 1,) of members' log-odds and a constant, by logistic regression drawn to their plain mean.

    No weight is negative: a model that speaks against another one's opinion has learned this sample by heart.
    """
    members = len(table)
    columns = np.concatenate([log_odds(table), np.ones((1, table.shape[1]))])
    mean = np.append(np.full(members, 1 / members), 0.0)
    bounds = [*[(0.0, None)] * members, (None, None)]
    return drawn_weights(columns, present.astype(np.float64), mean, _RIDGE, bounds)


def _crossed(table: FloatArray, present: BoolArray, videos: NDArray[np.str_], seed: int) -> FloatArray:
    """The stacker's scores (P,), of each video by weights that were fitted without it."""
    names, numbers = np.unique([recording_of(video_id) for video_id in videos.tolist()], return_inverse=True)
    folds = np.random.default_rng([seed, 6]).permutation(len(names))[numbers] % _FOLDS
    scores = np.zeros(table.shape[1])
    for fold in range(_FOLDS):
        out = folds == fold
        weights = _stacker(table[:, ~out], present[~out])
        scores[out] = _joined(table[:, out], np.zeros(int(out.sum()), np.int64), "stacked", weights)
    return scores


def _map(scores: FloatArray, classes: IntArray, present: BoolArray, videos: NDArray[np.str_]) -> float:
    return pair_precision(HeldOut(videos, np.arange(len(classes)), classes, present, scores.astype(np.float32)))
