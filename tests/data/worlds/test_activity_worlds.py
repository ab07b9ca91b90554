"""Worlds of several activities at once: what is planted is there, where and when it is said to be, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.worlds.activity_plan import (
    GREY,
    SCENE,
    VERBS,
    ActivityKnobs,
    Doing,
    drawn_labels,
    drawn_scenes,
    planned_videos,
    quick,
)
from whenabouts.data.worlds.activity_sounds import SoundKnobs, SoundWorld, sound_world
from whenabouts.data.worlds.activity_videos import (
    ActivityVideos,
    Occurrence,
    activity_world,
    drawn_video,
    occurrence_of,
)
from whenabouts.data.worlds.speech_sound import RATE, Recordings

QUIET = ActivityKnobs(noise=0.0, still=0.0, grey=0.0, faintest=1.0)


def scenes_of(seed: int, side: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return drawn_scenes(16, np.random.default_rng([seed, SCENE, side]))


def sets_of(knobs: ActivityKnobs, videos: int = 400) -> list[list[int]]:
    return drawn_labels(videos, knobs, scenes_of(3), np.random.default_rng(4))


def test_the_same_seed_gives_the_same_world() -> None:
    one, again = (activity_world(train=3, test=2, seed=5) for _ in range(2))
    other = activity_world(train=3, test=2, seed=6)
    np.testing.assert_array_equal(one.train.frames, again.train.frames)
    np.testing.assert_array_equal(one.test.labels, again.test.labels)
    assert one.train.frames.shape == (3, 64, 32, 32, 3)
    assert (one.train.frames != other.train.frames).any()
    assert (one.train.frames[:2] != one.test.frames).any()


def test_scenes_share_out_all_activities_in_pairs() -> None:
    scene, partner = scenes_of(0)
    assert np.bincount(scene).tolist() == [4, 4, 4, 4]
    assert (partner[partner] == np.arange(16)).all()
    assert (partner != np.arange(16)).all()
    assert (scene[partner] == scene).all()
    odd, alone = drawn_scenes(10, np.random.default_rng(0))
    assert sorted(np.bincount(odd).tolist()) == [2, 2, 3, 3]
    assert (alone == np.arange(10)).sum() == 2


def test_activities_of_a_scene_meet_and_pairs_do_not() -> None:
    scene, partner = scenes_of(3)
    sets = sets_of(ActivityKnobs(together=1.0))
    assert all(len(set(scene[each])) == 1 for each in sets)
    assert not any(partner[one] in each for each in sets for one in each)
    loose = sets_of(ActivityKnobs(together=0.0, apart=False))
    assert any(partner[one] in each for each in loose for one in each)
    assert sum(len(set(scene[each])) > 1 for each in loose) > 200
    assert {len(each) for each in loose} == {1, 2, 3, 4}
    assert all(len(set(each)) == len(each) for each in sets + loose)
    assert {len(each) for each in sets_of(ActivityKnobs(most=1))} == {1}


def test_a_shifted_test_has_other_scenes() -> None:
    def met(side: int, knobs: ActivityKnobs) -> np.ndarray:
        there = np.zeros((300, 16), bool)
        for row, doings in enumerate(planned_videos(300, knobs, seed=1, side=side)):
            there[row, [each.activity for each in doings if each.activity is not None]] = True
        together = there.T.astype(int) @ there
        return together[~np.eye(16, dtype=bool)].astype(float)

    usual, shifted = ActivityKnobs(together=1.0), ActivityKnobs(together=1.0, shifted=True)
    assert np.corrcoef(met(0, usual), met(1, usual))[0, 1] > 0.85
    assert np.corrcoef(met(0, shifted), met(1, shifted))[0, 1] < 0.5


def test_things_have_places_of_their_own_unless_they_overlap() -> None:
    def places(overlap: float) -> list[int]:
        plans = planned_videos(50, ActivityKnobs(overlap=overlap), seed=0, side=0)
        cells = [{(int(3 * each.place[0]), int(3 * each.place[1])) for each in doings} for doings in plans]
        return [len(doings) - len(own) for doings, own in zip(plans, cells, strict=True)]

    assert set(places(0.0)) == {0}
    assert max(places(1.0)) >= 5


def test_quick_and_slow_activities_differ_by_the_ratio() -> None:
    plans = planned_videos(200, ActivityKnobs(tempo_ratio=4.0), seed=0, side=0)
    acts = [each for doings in plans for each in doings if each.activity is not None]
    lengths = {swift: np.mean([each.stop - each.start for each in acts if quick(each.kind, each.verb) == swift])
               for swift in (True, False)}  # fmt: skip
    assert 3.5 < lengths[False] / lengths[True] < 4.5
    assert all(0 <= each.start < each.stop <= 64 for each in acts)
    even = [each.period for doings in planned_videos(50, ActivityKnobs(tempo_ratio=1.0), seed=0, side=0)
            for each in doings]  # fmt: skip
    assert 14 < min(even) < max(even) < 18


def test_labels_say_what_is_done_and_nothing_else() -> None:
    world = activity_world(ActivityKnobs(still=3.0, grey=3.0), train=30, test=1, seed=2)
    plans = planned_videos(30, world.knobs, seed=2, side=0)
    for row, doings in enumerate(plans):
        done = {each.kind * len(VERBS) + each.verb for each in doings if each.verb is not None and each.kind != GREY}
        assert set(np.flatnonzero(world.train.labels[row]).tolist()) == done
        assert {each.activity for each in world.train.occurrences[row]} == done
    assert any(each.kind == GREY for doings in plans for each in doings)
    assert any(each.verb is None for doings in plans for each in doings)


@pytest.mark.parametrize("verb", range(len(VERBS)))
def test_an_activity_is_seen_in_its_boxes_alone(verb: int) -> None:
    """Drawn with it and without it: pictures differ inside its box, at every frame, and nowhere else."""
    doing = Doing(2, verb, 10, 40, (0.5, 0.4), 16.0, 0.3, 1.0, 1.0)
    with_it = drawn_video([doing], QUIET, 32, np.random.default_rng(1)).astype(int)
    without = drawn_video([], QUIET, 32, np.random.default_rng(1)).astype(int)
    changed = abs(with_it - without).max(axis=-1) > 3
    found = occurrence_of(doing, QUIET)
    assert (found.activity, found.start, found.stop) == (2 * len(VERBS) + verb, 10, 40)
    for frame in range(10, 40):
        rows, columns = np.nonzero(changed[frame])
        x0, y0, x1, y1 = 32 * found.boxes[frame - 10]
        assert columns.min() == pytest.approx(x0, abs=1.1)
        assert columns.max() + 1 == pytest.approx(x1, abs=1.1)
        assert rows.min() == pytest.approx(y0, abs=1.1)
        assert rows.max() + 1 == pytest.approx(y1, abs=1.1)
    moving = abs(np.diff(with_it, axis=0)).reshape(63, -1).max(axis=1) > 0
    assert not moving[:10].any()
    assert not moving[40:].any()
    assert moving[11:39].sum() > 20


def test_a_thing_rests_where_it_may_be_while_it_moves() -> None:
    """What stands still is not given away by its size or its place in the cell."""
    doings = [each for plan in planned_videos(400, ActivityKnobs(), seed=0, side=0) for each in plan]
    still = np.array([each.scale for each in doings if each.verb is None])
    assert 0.67 < still.min() < 0.75
    assert 1.4 < still.max() < 1.5


def test_regions_and_labels_of_clips() -> None:
    boxes = np.tile([0.25, 0.5, 0.5, 0.75], (4, 1))
    side = ActivityVideos(np.zeros((1, 16, 8, 8, 3), np.uint8), np.array([[False, True]]),
                          ((Occurrence(1, 4, 8, boxes),),), Vocabulary(("a", "b")))  # fmt: skip
    region = side.region(0, 1, [3, 4, 7, 8], (4, 4))
    assert region.sum(axis=(1, 2)).tolist() == [0, 1, 1, 0]
    assert region[1, 2, 1]
    assert not side.region(0, 0, [4], (4, 4)).any()
    assert [bool(side.clip_labels(0, first, last)[1]) for first, last in ((0, 3), (0, 4), (7, 9), (8, 9))] == [
        False, True, True, False]  # fmt: skip


@pytest.mark.parametrize(
    "wrong", [{"most": 0}, {"most": 5}, {"overlap": 1.5}, {"radius": 0.0}, {"tempo_ratio": 0.5}, {"frames": 4}]
)
def test_knobs_that_make_no_world_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidData, match="world needs"):
        replace(ActivityKnobs(), **wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidData, match="both sides"):
        activity_world(train=0)


def hums(each: int = 6) -> Recordings:
    """A tone for each digit, a little higher for each of three speakers."""
    waves, digits, speakers = [], [], []
    for place, speaker in enumerate(("ann", "bob", "cyd")):
        for digit in range(10):
            time = np.arange(2400 + 200 * digit) / RATE
            for _ in range(each):
                waves.append(np.sin(2 * np.pi * (400 + 250 * digit + 40 * place) * time).astype(np.float32))
                digits.append(digit)
                speakers.append(speaker)
    return Recordings(tuple(waves), tuple(digits), tuple(speakers))


@pytest.fixture(scope="module")
def sounds() -> SoundWorld:
    return sound_world(hums(), SoundKnobs(noise=-40.0, faintest=0.0), train=20, test=10, seed=1)


def test_sounds_are_heard_when_they_are_said_to_be(sounds: SoundWorld) -> None:
    assert sounds.train.maps.shape == (20, 200, 32)
    assert sounds.train.vocabulary.names[10:] == ("ann", "bob", "cyd")
    for stream in range(20):
        loud = sounds.train.maps[stream].max(axis=1) > np.log(0.05 * 100)
        said = np.any([sounds.train.heard(stream, digit) for digit in range(10)], axis=0)
        assert (loud != said)[:-3].sum() <= 3 * 2 * sounds.train.labels[stream, :10].sum()
        heard = {each.activity for each in sounds.train.occurrences[stream]}
        assert heard == set(np.flatnonzero(sounds.train.labels[stream]).tolist())
        assert 1 <= sounds.train.labels[stream, 10:].sum() <= 2


def test_sounds_come_from_the_seed_alone(sounds: SoundWorld) -> None:
    again = sound_world(hums(), SoundKnobs(noise=-40.0, faintest=0.0), train=20, test=10, seed=1)
    np.testing.assert_array_equal(sounds.test.maps, again.test.maps)
    other = sound_world(hums(), SoundKnobs(noise=-40.0, faintest=0.0), train=20, test=10, seed=2)
    assert (sounds.test.maps != other.test.maps).any()


def test_words_overlap(sounds: SoundWorld) -> None:
    def spans(stream: int) -> Sequence[Occurrence]:
        return [each for each in sounds.train.occurrences[stream] if each.activity < 10]

    pairs = [(one, other) for stream in range(20) for one in spans(stream) for other in spans(stream)
             if one.activity < other.activity]  # fmt: skip
    assert sum(one.start < other.stop and other.start < one.stop for one, other in pairs) > 2


def test_sound_knobs_are_checked() -> None:
    with pytest.raises(InvalidData, match="0 dB at most"):
        SoundKnobs(faintest=3.0)
    with pytest.raises(InvalidData, match="world needs"):
        SoundKnobs(together=2.0)
