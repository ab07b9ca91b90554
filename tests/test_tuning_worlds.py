"""Worlds for choosing settings are none of the tables' own, and sessions are what they say."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import tuning_worlds
from tuning_worlds import tuning_world


def test_the_tables_own_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"tables' own; choose 100 or more, not 4"):
        tuning_world("thumos14", videos=2, seed=4)


def test_sessions_hold_more_concepts_than_the_files_that_are_learned_from() -> None:
    world = tuning_world("sessions", videos=3, seed=100)
    assert (len(world.train.examples), len(world.test.examples)) == (96, 3)
    assert {len(each.labels.classes) for each in world.train.examples} == {2, 3}
    assert [len(each.labels.classes) for each in world.test.examples] == [tuning_worlds.CONCEPTS] * 3
    lengths = np.diff(world.test.truth.spans)[:, 0]
    assert len(lengths) == 3 * tuning_worlds.TAKES
    assert 0.7 * 0.7 * tuning_worlds.HOLD_SECONDS <= lengths.min() <= lengths.max() <= 1.3**2 * 5.9
    for example in world.test.examples:
        spans = world.test.truth.spans[world.test.truth.video_ids == example.video_id]
        assert (spans[1:, 0] >= spans[:-1, 1]).all()
        assert spans.max() <= example.features["rgb"].grid.duration_seconds + 1e-6


def test_what_is_filmed_of_one_person_has_a_look_in_common() -> None:
    world = tuning_world("sessions", videos=1, seed=101)
    means = np.stack([each.features["rgb"].values.mean(axis=0) for each in world.train.examples[:16]])
    near = np.corrcoef(means)
    within, between = near[:8, :8][np.triu_indices(8, 1)].mean(), near[:8, 8:].mean()
    assert within > between + 0.2
