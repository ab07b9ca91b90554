"""The planted world keeps what it promises."""

import numpy as np
import pytest

from whenabouts.data.worlds.features import WorldShape, planted_world


def test_labels_and_truth_agree_and_moments_do_not_touch() -> None:
    world = planted_world(40, np.random.default_rng(0), WorldShape(unlabelled=0.2))
    seen = set()
    for example in world.examples:
        mine = world.truth[world.truth.video_ids == example.video_id]
        assert set(mine.classes.tolist()) == set(example.labels.classes.tolist())
        seen |= set(mine.classes.tolist())
        duration = example.features["rgb"].grid.duration_seconds
        ordered = mine.spans[np.argsort(mine.spans[:, 0])]
        assert (ordered[1:, 0] - ordered[:-1, 1] >= 1.0 - 1e-9).all()
        if len(mine):
            assert ordered[0, 0] >= 1.0
            assert ordered[-1, 1] <= duration
    assert seen == {0, 1, 2, 3}
    assert sum(not len(example.labels) for example in world.examples) > 2


def test_steps_inside_a_moment_look_like_its_concept() -> None:
    world = planted_world(30, np.random.default_rng(1), WorldShape(weak=0.0, noise=0.1, classes=2, per_video=1))
    means = {0: [], 1: [], None: []}
    for example in world.examples:
        sequence = example.features["flow"]
        centres = sequence.grid.centre(np.arange(len(sequence)))
        mine = world.truth[world.truth.video_ids == example.video_id]
        for span, index in zip(mine.spans, mine.classes.tolist(), strict=True):
            means[index].append(sequence.values[(centres >= span[0]) & (centres < span[1])].mean(axis=0))
    within = np.linalg.norm(np.std(means[0], axis=0))
    between = np.linalg.norm(np.mean(means[0], axis=0) - np.mean(means[1], axis=0))
    assert between > 2 * within


def test_same_seed_same_world() -> None:
    one, other = (planted_world(3, np.random.default_rng(7)) for _ in range(2))
    for a, b in zip(one.examples, other.examples, strict=True):
        np.testing.assert_array_equal(a.features["rgb"].values, b.features["rgb"].values)
    np.testing.assert_array_equal(one.truth.spans, other.truth.spans)


def test_weak_moments_are_weaker() -> None:
    def strength(weak: float) -> float:
        world = planted_world(20, np.random.default_rng(4), WorldShape(weak=weak, noise=0.01, widths={"rgb": 64}))
        return float(np.mean([np.square(e.features["rgb"].values).sum(axis=1).max() for e in world.examples]))

    assert strength(0.0) > 1.5 * strength(1.0)
    assert strength(0.0) == pytest.approx(16 + 4, rel=0.3)
