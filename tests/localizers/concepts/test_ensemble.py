"""Several models in one ranking: each way by hand, the stacker's worth, and the choice between them."""

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.localizers.concepts.ensemble import COMBINATIONS, Ensemble, ranks_within

PAIR = {"one": np.array([[0.9], [0.2], [0.4]]), "two": np.array([[0.1], [0.3], [0.2]])}


def of(how: str, weights: tuple[float, ...] = (1.0, 0.0, 0.0)) -> Ensemble:
    return Ensemble(("one", "two"), how, np.asarray(weights))  # type: ignore[arg-type]


def test_each_way_by_hand() -> None:
    np.testing.assert_allclose(of("mean").scores(PAIR)[:, 0], [0.5, 0.25, 0.3])
    np.testing.assert_allclose(of("ranks").scores(PAIR)[:, 0], [4 / 6, 4 / 6, 4 / 6])
    np.testing.assert_allclose(of("geometric").scores(PAIR)[:, 0], np.sqrt([0.09, 0.06, 0.08]))
    np.testing.assert_allclose(of("stacked").scores(PAIR), PAIR["one"])
    np.testing.assert_allclose(of("mean").scores(PAIR, how="geometric")[:, 0], np.sqrt([0.09, 0.06, 0.08]))


def test_ranks_are_within_a_class_and_ties_share() -> None:
    ranks = ranks_within(np.array([0.5, 0.5, 0.9, 0.1, np.nan]), np.array([0, 0, 0, 1, 0]))
    np.testing.assert_allclose(ranks, [0.5, 0.5, 1.0, 1.0, np.nan])
    scores = {"one": np.array([[0.1, 0.9], [0.2, 0.8]]), "two": np.array([[0.3, np.nan], [0.4, 0.5]])}
    np.testing.assert_allclose(of("ranks").scores(scores), [[0.5, np.nan], [1.0, 0.75]])


def pairs(
    seed: int, noise: dict[str, float], count: int = 3000
) -> tuple[dict[str, np.ndarray], *tuple[np.ndarray, ...]]:
    random = np.random.default_rng(seed)
    classes, present = random.integers(0, 5, count), random.uniform(size=count) < 0.3
    truth = np.where(present, 1.0, -1.0)
    scores = {name: 1 / (1 + np.exp(-(truth + random.normal(size=count) * spread))) for name, spread in noise.items()}
    return scores, classes, present, np.array([f"v{n % 100}" for n in range(count)])


def test_a_weak_member_drags_the_mean_down_and_the_stacker_not() -> None:
    fitted = Ensemble.fit(*pairs(0, {"good": 1.0, "noise": 30.0, "fair": 1.5}))
    assert fitted.how == "stacked"
    assert fitted.weights[1] < 0.1 * fitted.weights[0]
    assert (fitted.weights[:-1] >= 0).all()
    assert fitted.trials["mean"] < fitted.trials["good"] < fitted.trials["stacked"]
    assert set(fitted.trials) == {*COMBINATIONS, "good", "noise", "fair"}


def test_equal_members_need_no_learning() -> None:
    fitted = Ensemble.fit(*pairs(1, {"a": 1.2, "b": 1.2, "c": 1.2}))
    alone = max(fitted.trials[name] for name in "abc")
    assert fitted.trials["mean"] > alone
    assert max(fitted.trials[how] for how in COMBINATIONS) - fitted.trials["mean"] < 0.01


def test_the_stacker_is_judged_on_videos_that_it_has_not_seen() -> None:
    # Noise alone, few pairs: whoever judges on what it was fitted to finds something in it.
    gains = []
    for seed in range(20):
        fitted = Ensemble.fit(*pairs(seed, {f"m{k}": 100.0 for k in range(12)}, count=60))
        gains.append(fitted.trials["stacked"] - np.mean([fitted.trials[f"m{k}"] for k in range(12)]))
    assert np.mean(gains) < 0.05


def test_saved_and_read_again() -> None:
    fitted = Ensemble.fit(*pairs(2, {"a": 1.0, "b": 2.0}, count=200))
    again = Ensemble.from_json(fitted.to_json())
    assert (again.members, again.how, again.trials) == (fitted.members, fitted.how, fitted.trials)
    np.testing.assert_array_equal(again.weights, fitted.weights)
    for change in ({"how": "other"}, {"weights": [1.0]}, {"weights": ["x", 1, 1]}, {"trials": 3}):
        with pytest.raises(InvalidData):
            Ensemble.from_json({**fitted.to_json(), **change})


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidData, match="missing"):
        of("mean").scores({"one": PAIR["one"]})
    with pytest.raises(InvalidData, match="shapes"):
        of("mean").scores({"one": PAIR["one"], "two": PAIR["two"][:2]})
    with pytest.raises(InvalidData, match="probabilities"):
        of("mean").scores({"one": PAIR["one"], "two": PAIR["two"] * 10})
    with pytest.raises(InvalidData, match="one length"):
        Ensemble.fit({"a": [0.1, 0.2]}, [0], [True], ["v"])
