"""Planted timelines are like the real ones, and worlds made of them keep what they promise."""

import numpy as np
import pytest

from whenabouts.core.timing import temporal_iou, union_of
from whenabouts.data.worlds.looks import LookShape
from whenabouts.data.worlds.timeline_world import timeline_world
from whenabouts.data.worlds.timelines import Kind, Timeline, TimelineShape, draw_timeline, statistics

DRAWN = 1500


def timelines(kind: Kind, shape: TimelineShape | None = None, count: int = DRAWN) -> list[Timeline]:
    shape = shape or TimelineShape()
    return [
        draw_timeline(f"v{n}", kind, shape, np.random.default_rng([5, n]), concept=n % shape.classes)
        for n in range(count)
    ]


@pytest.mark.parametrize("kind", ["thumos14", "activitynet"])
def test_timelines_are_distributed_as_the_real_ones(kind: Kind) -> None:
    facts, drawn = statistics(kind), timelines(kind)
    middle = {name: facts[name][10] for name in ("duration_seconds", "instances_per_video", "action_share")}
    shares = [float(np.diff(union_of(line.spans)).sum()) / line.duration_seconds for line in drawn]
    assert np.median([line.duration_seconds for line in drawn]) == pytest.approx(middle["duration_seconds"], rel=0.1)
    assert abs(np.median([len(line.spans) for line in drawn]) - middle["instances_per_video"]) <= 1
    assert np.median(shares) == pytest.approx(middle["action_share"], abs=0.04)
    lengths = np.concatenate([np.diff(line.spans)[:, 0] for line in drawn])
    for place in (5, 10, 15):
        quantile = np.quantile(lengths, facts["levels"][place])
        assert quantile == pytest.approx(facts["length_seconds"][place], rel=0.3)
    several = np.mean([len(np.unique(line.classes)) > 1 for line in drawn])
    assert several == pytest.approx(1 - facts["classes_per_video"]["1"], abs=0.04)


def test_as_many_instances_overlap_as_in_thumos14() -> None:
    drawn = timelines("thumos14")
    touching = np.concatenate([(temporal_iou(line.spans, line.spans) > 0).sum(axis=1) > 1 for line in drawn])
    assert touching.mean() == pytest.approx(statistics("thumos14")["overlapping"], abs=0.05)


def test_concepts_that_go_together_share_spans_or_follow_each_other() -> None:
    def both(one: int, other: int) -> list[tuple[np.ndarray, np.ndarray]]:
        held = [line for line in timelines("thumos14") if np.unique(line.classes).tolist() == [one, other]]
        return [(line.spans[line.classes == one], line.spans[line.classes == other]) for line in held]

    following, twins = both(0, 1), both(2, 3)  # CricketBowling, CricketShot; CliffDiving, Diving
    assert min(len(following), len(twins)) > 50
    # Beside the pairs, two concepts rarely meet by chance.
    assert np.mean([np.array_equal(first, second) for first, second in twins]) > 0.9
    assert np.mean([len(a) == len(b) and bool((b[:, 0] > a[:, 0]).all()) for a, b in following]) > 0.9


def test_instances_lie_within_their_video_and_those_of_one_concept_do_not_overlap() -> None:
    for kind in ("thumos14", "activitynet"):
        for line in timelines(kind, count=300):
            assert line.spans.min() >= 0
            assert line.spans.max() <= line.duration_seconds
            assert (np.diff(line.spans)[:, 0] > 0).all()
            assert line.duration_seconds <= TimelineShape().longest_seconds
            if len(np.unique(line.classes)) == 1:
                assert (line.spans[1:, 0] - line.spans[:-1, 1] > -1e-9).all()


def test_the_share_of_weak_instances_and_of_videos_of_several_concepts_can_be_set() -> None:
    drawn = timelines("activitynet", TimelineShape(weak=0.2, several=0.5), 800)
    weak = np.concatenate([line.weak for line in drawn])
    assert weak.mean() == pytest.approx(0.2, abs=0.04)
    assert np.mean([len(np.unique(line.classes)) > 1 for line in drawn]) == pytest.approx(0.5, abs=0.06)


def test_a_world_is_the_same_from_the_same_seed_and_a_video_whatever_is_beside_it() -> None:
    one, same, more, other = (
        timeline_world("thumos14", train=n, test=2, seed=seed) for n, seed in ((3, 1), (3, 1), (5, 1), (3, 2))
    )
    for a, b, c, d in zip(one.train.examples, same.train.examples, more.train.examples, other.train.examples,
                          strict=False):  # fmt: skip
        np.testing.assert_array_equal(a.features["rgb"].values, b.features["rgb"].values)
        np.testing.assert_array_equal(a.features["rgb"].values, c.features["rgb"].values)
        assert a.features["rgb"].values.shape != d.features["rgb"].values.shape
    np.testing.assert_array_equal(one.test.truth.spans, more.test.truth.spans)


def test_both_halves_share_looks_and_no_video() -> None:
    looks = LookShape(noise=0.1, own=0.1, alike_share=0.0, context=0.0)
    world = timeline_world("activitynet", train=40, test=40, looks=looks, timelines=TimelineShape(classes=4, weak=0.0))
    assert not {e.video_id for e in world.train.examples} & {e.video_id for e in world.test.examples}
    means = [
        [np.mean([_inside(example, part.truth, index) for example in part.examples if index in example.labels.classes],
                 axis=0) for index in range(4)]
        for part in (world.train, world.test)
    ]  # fmt: skip
    near = np.corrcoef(np.concatenate(means))
    for index in range(4):
        assert near[index, 4 + index] > 0.9
        assert near[index, 4 + (index + 1) % 4] < 0.6


def _inside(example, truth, concept):  # type: ignore[no-untyped-def]
    sequence = example.features["rgb"]
    centres = sequence.grid.centre(np.arange(len(sequence)))
    mine = truth[(truth.video_ids == example.video_id) & (truth.classes == concept)]
    chosen = ((centres[:, None] >= mine.spans[:, 0]) & (centres[:, None] < mine.spans[:, 1])).any(axis=1)
    if not chosen.any():
        chosen[sequence.grid.step_at(mine.spans.mean(axis=1))] = True
    return sequence.values[chosen].mean(axis=0)


def test_weak_instances_look_weaker_and_streams_see_different_concepts() -> None:
    looks = LookShape(noise=0.01, own=0.0, context=0.0, alike_share=0.0, backdrop=0.0)

    def strength(weak: float, stream: str, concept: int) -> float:
        shape = TimelineShape(classes=4, weak=weak)
        world = timeline_world("activitynet", train=12, test=0, looks=looks, timelines=shape)
        mine = [each for each in world.train.examples if concept in each.labels.classes]
        return float(np.median([np.linalg.norm(each.features[stream].values, axis=1).max() for each in mine]))

    assert strength(0.0, "rgb", 1) == pytest.approx(5.0, rel=0.1)
    assert strength(1.0, "rgb", 1) == pytest.approx(3.0, rel=0.1)
    assert strength(0.0, "rgb", 0) == pytest.approx(1.5, rel=0.15)  # Concept 0 is hardly seen there,
    assert strength(0.0, "flow", 0) == pytest.approx(5.0, rel=0.1)  # but here.
