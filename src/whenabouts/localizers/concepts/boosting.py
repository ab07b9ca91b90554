"""Gradient boosted trees over rows of pairs: XGBoost, fed in blocks, the same trees for any number of threads."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from whenabouts.config import Count, NotNegative, Positive, Share, settings
from whenabouts.core.progress import Progress
from whenabouts.localizers.concepts.pair_features import Columns
from whenabouts.localizers.segments import Matrix

if TYPE_CHECKING:
    import xgboost

_TOLD_EACH = 50


@settings
class TreeSettings:
    """Boosted trees of `depth` with `rounds` at most, ended `patience` rounds after the best on held-out videos.

    The paper gives no parameter of its trees. Rates, shares and patience are of the nearest relative that publishes
    them (mxbi, 5th in the challenge: depth 4, rate 0.02), with a faster rate. Each tree sees a share `subsample` of
    the rows, each of its levels a share `columns_by_level` of the columns; a leaf holds a weight of `least_weight` at
    least (XGBoost's min_child_weight), and numbers are told apart by so many `bins`. `threads` change speed alone.
    """

    depth: Count = 4
    learning_rate: Positive = 0.05
    rounds: Count = 2000
    patience: Count = 50
    subsample: Share = 0.9
    columns_by_level: Share = 0.8
    least_weight: NotNegative = 1.0
    bins: Annotated[int, Field(ge=2, le=1024)] = 256
    threads: Count = 1


@dataclass(frozen=True)
class Lesson:
    """One block of rows (P, F) with targets (P,) of 0 and 1 and weights (P,)."""

    rows: Matrix
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]


Blocks = Callable[[], Iterable[Lesson]]
"""Gives the blocks of a training from the first on, each time it is called: XGBoost goes through them several times."""


class Trees:
    """Boosted trees over `columns`: probabilities, and what each column moved."""

    def __init__(self, booster: "xgboost.Booster", columns: Columns, threads: int = 1) -> None:
        self.booster, self.columns, self.threads = booster, columns, threads

    @property
    def rounds(self) -> int:
        """How many trees there are."""
        return int(self.booster.num_boosted_rounds())

    def predict(self, rows: Matrix) -> NDArray[np.float32]:
        """Rows (P, F) -> probabilities (P,)."""
        if not len(rows):
            return np.zeros(0, np.float32)
        found: NDArray[np.float32] = self.booster.predict(self._data(rows))
        return found

    def contributions(self, rows: Matrix) -> NDArray[np.float32]:
        """Rows (P, F) -> what each column adds to the log-odds, and what is always there, last (P, F + 1): SHAP."""
        found: NDArray[np.float32] = self.booster.predict(self._data(rows), pred_contribs=True)
        return found

    def raw(self) -> bytes:
        """The trees as XGBoost's UBJ."""
        return bytes(self.booster.save_raw("ubj"))

    def _data(self, rows: Matrix) -> Any:
        import xgboost

        return xgboost.DMatrix(rows, nthread=self.threads, **_labelled(self.columns))


class Boosting(Protocol):
    """Whatever trains trees as `boost_here` does."""

    def __call__(
        self,
        blocks: Blocks,
        columns: Columns,
        how: TreeSettings,
        *,
        seed: int,
        rounds: int = 0,
        held_out: Blocks | None = None,
    ) -> tuple[Trees, list[float]]:
        """Trees, and the held-out loss by round."""
        ...


_elsewhere: ContextVar[Boosting | None] = ContextVar("boosting", default=None)


@contextlib.contextmanager
def boosted_by(boosting: Boosting) -> Iterator[None]:
    """Within the block trees are trained by `boosting`: localizers need not know of clusters."""
    token = _elsewhere.set(boosting)
    try:
        yield
    finally:
        _elsewhere.reset(token)


def train_trees(
    blocks: Blocks, columns: Columns, how: TreeSettings, *, seed: int, rounds: int = 0, held_out: Blocks | None = None
) -> tuple[Trees, list[float]]:
    """`boost_here`, or what `boosted_by` has put in its place."""
    boosting: Boosting = _elsewhere.get() or boost_here
    return boosting(blocks, columns, how, seed=seed, rounds=rounds, held_out=held_out)


def boost_here(
    blocks: Blocks,
    columns: Columns,
    how: TreeSettings,
    *,
    seed: int,
    rounds: int = 0,
    held_out: Blocks | None = None,
    progress: Progress | None = None,
) -> tuple[Trees, list[float]]:
    """Train on blocks; with `held_out` blocks, until these get no better, and only the trees up to the best are kept.

    `rounds` above 0 is how many trees there are, else those of the settings. Also gives the held-out loss by round.
    In memory are one block and one byte (two above 256 bins) for each number.
    """
    import xgboost

    lessons = xgboost.QuantileDMatrix(
        _feed(blocks, columns), max_bin=how.bins, nthread=how.threads, enable_categorical=True
    )
    watched, heard = [], dict[str, dict[str, list[float]]]()
    if held_out is not None:
        judged = xgboost.QuantileDMatrix(
            _feed(held_out, columns), ref=lessons, max_bin=how.bins, nthread=how.threads, enable_categorical=True
        )
        watched = [(judged, "held_out")]
    booster = xgboost.train(
        _parameters(how, seed), lessons, num_boost_round=rounds or how.rounds, evals=watched, evals_result=heard,
        early_stopping_rounds=how.patience if watched else None, verbose_eval=False,
        callbacks=[] if progress is None else [_saying(progress, rounds or how.rounds)],
    )  # fmt: skip
    losses = [float(loss) for loss in heard["held_out"]["logloss"]] if watched else []
    if watched:
        booster = booster[: booster.best_iteration + 1]
    booster.set_attr(**dict.fromkeys(booster.attributes()))
    return Trees(booster, columns, how.threads), losses


def _saying(progress: Progress, rounds: int) -> Any:
    import xgboost

    class Saying(xgboost.callback.TrainingCallback):
        """Tells where boosting is, once in a while."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if (epoch + 1) % _TOLD_EACH == 0:
                losses = evals_log.get("held_out", {}).get("logloss", [])
                progress.say(f"tree {epoch + 1} of {rounds} at most" + (f", loss {losses[-1]:.4f}" if losses else ""))
            return False

    return Saying()


def _parameters(how: TreeSettings, seed: int) -> dict[str, Any]:
    return {
        "tree_method": "hist",
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "max_depth": how.depth,
        "eta": how.learning_rate,
        "subsample": how.subsample,
        "colsample_bylevel": how.columns_by_level,
        "min_child_weight": how.least_weight,
        "max_bin": how.bins,
        "nthread": how.threads,
        "seed": seed,
    }


def _labelled(columns: Columns) -> dict[str, Any]:
    return {
        "feature_names": list(columns.names),
        "feature_types": list(columns.kinds),
        "enable_categorical": True,
    }


def _feed(blocks: Blocks, columns: Columns) -> Any:
    import xgboost

    class Feed(xgboost.DataIter):
        """Hands XGBoost one block after the other."""

        def __init__(self) -> None:
            super().__init__()
            self._left = iter(blocks())

        def reset(self) -> None:
            self._left = iter(blocks())

        def next(self, input_data: Callable[..., Any]) -> bool:
            lesson = next(self._left, None)
            if lesson is None:
                return False
            input_data(data=lesson.rows, label=lesson.targets, weight=lesson.weights,
                       feature_names=list(columns.names), feature_types=list(columns.kinds))  # fmt: skip
            return True

    return Feed()
