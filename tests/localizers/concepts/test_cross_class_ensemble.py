"""Relevance and the models that it hears, joined in one ranking."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core import InvalidData
from whenabouts.core.files import read_json, write_json
from whenabouts.data.worlds.features import PlantedWorld
from whenabouts.localizers import load_localizer
from whenabouts.localizers.concepts.boosting import TreeSettings
from whenabouts.localizers.concepts.cross_class import CrossClass
from whenabouts.localizers.concepts.described import Described
from whenabouts.localizers.concepts.relevance import RelevanceSettings
from whenabouts.page.rivals import scores_of

from .conftest import LEARNED
from .test_cross_class import MAKERS, SETTINGS, Heard, fitted

QUICK = replace(
    SETTINGS,
    makers=replace(MAKERS, video_kinds=("logistic",), encoders=()),
    relevance=RelevanceSettings(model="trees", trees=TreeSettings(rounds=30)),
)


@pytest.fixture(scope="module")
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="module")
def model(world: PlantedWorld, heard: Heard) -> CrossClass:
    return fitted(world, replace(QUICK, ensemble="mean"), progress=heard)


def described(model: CrossClass, world: PlantedWorld) -> Described:
    return model.describe(world.examples[-1].features, np.array([[0.0, 5.0], [4.0, 9.0], [6.0, 11.0]]))


def test_the_mean_is_of_relevance_and_each_model_of_the_segment(
    model: CrossClass, world: PlantedWorld, heard: Heard
) -> None:
    """What is said of the whole video is no member."""
    segments = described(model, world)
    assert set(segments.scores) == {"video.logistic", "video.logistic.whole"}
    expected = (model.relevance.scores(segments) + segments.scores["video.logistic"]) / 2
    np.testing.assert_allclose(model.ranked(segments), expected, rtol=1e-6)
    np.testing.assert_allclose(model.ranked(segments, np.array([2, 0])), expected[:, [2, 0]], rtol=1e-6)
    assert any(line.startswith("Ensemble of 2 models by mean; MAP on held-out ratings: mean ") for line in heard.lines)


def test_scores_pictures_and_moments_are_the_ensembles(model: CrossClass, world: PlantedWorld) -> None:
    features = world.examples[-1].features
    scored = model.score(features)
    alone = CrossClass(model.makers, model.relevance, model.settings, cutoffs=model.cutoffs, training={})
    assert not np.allclose(scored.scores, alone.score(features).scores)
    spans = np.array([[0.0, 5.0], [4.0, 9.0], [6.0, 11.0]])
    np.testing.assert_array_equal(scores_of(model, features, spans)["relevance"],
                                  model.ranked(described(model, world)))  # fmt: skip


def test_what_models_do_not_know_relevance_says_alone(model: CrossClass, world: PlantedWorld) -> None:
    segments = described(model, world)
    scores = {name: rows.copy() for name, rows in segments.scores.items()}
    for rows in scores.values():
        rows[:, 1] = np.nan
    blind = replace(segments, scores=scores)
    ranked, relevance = model.ranked(blind), model.relevance.scores(blind)
    np.testing.assert_array_equal(ranked[:, 1], relevance[:, 1])
    assert not np.allclose(ranked[:, 0], relevance[:, 0])


def test_saved_and_loaded_is_the_same_and_strangers_are_refused(
    model: CrossClass, world: PlantedWorld, tmp_path: Path
) -> None:
    model.save(tmp_path / "model")
    features = world.examples[-1].features
    again = load_localizer(tmp_path / "model")
    np.testing.assert_array_equal(again.score(features).scores, model.score(features).scores)
    card = read_json(tmp_path / "model" / "card.json")
    told = card["training"]["ensemble"]
    for change in ({"members": ["relevance", "video.lstm"]}, {"members": ["video.logistic", "video.logistic.whole"]},
                   {"how": "ranks"}, {"weights": [1.0]}):  # fmt: skip
        card["training"]["ensemble"] = {**told, **change}
        write_json(tmp_path / "model" / "card.json", card)
        with pytest.raises(InvalidData, match="ensemble joins"):
            load_localizer(tmp_path / "model")


def test_the_best_way_is_chosen_on_pairs_that_no_member_has_seen(world: PlantedWorld) -> None:
    model = fitted(world, replace(QUICK, ensemble="best"), world.examples[:LEARNED])
    trials, how = model.training["ensemble"]["trials"], model.training["ensemble"]["how"]
    assert how == max(("mean", "geometric", "stacked"), key=lambda name: trials[name])
    assert trials["relevance"] == pytest.approx(model.training["relevance"]["map_held_out"])
