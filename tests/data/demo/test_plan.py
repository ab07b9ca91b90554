"""What the demo archive plans and says: rates as promised, truth that keeps its rules, frames that tell nothing."""

import itertools
import json
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from whenabouts.core.errors import SettingsError
from whenabouts.data.demo.plan import (
    CONCEPTS,
    SEEN,
    SEEN_DISTRACTORS,
    DemoArchiveSettings,
    VideoPlan,
    plan_archive,
)
from whenabouts.data.demo.scenes import Body, motion_of
from whenabouts.data.demo.sidecars import CATEGORIES, PLACES, SPAM, sidecar, truth_of
from whenabouts.data.importers.tags import hashtags_in
from whenabouts.data.vocabulary import spelling

MANY = DemoArchiveSettings(short_videos=2000, long_videos=1500, test_videos=300)
PLANS = plan_archive(MANY, seed=7)


def sidecars() -> list[tuple[VideoPlan, dict[str, object]]]:
    return [(plan, sidecar(plan, MANY, rng=np.random.default_rng([7, plan.number]))) for plan in PLANS]


SIDECARS = sidecars()


def said(info: dict[str, object]) -> set[str]:
    """Every name in a sidecar, spelt as a vocabulary spells it."""
    tags = [*info["tags"], *hashtags_in(str(info["description"])), *hashtags_in(str(info["title"]))]  # type: ignore[misc]
    return {spelling(tag) for tag in tags}


def within(count: int, total: int, share: float) -> bool:
    """Whether a count is what chance gives, four standard deviations wide."""
    return abs(count - total * share) < 4 * np.sqrt(total * share * (1 - share))


def test_tags_are_missing_and_wrong_as_often_as_promised() -> None:
    train = [(plan, said(info)) for plan, info in SIDECARS if plan.subset == "train"]
    labels = sum(len(plan.labels) for plan, _ in train)
    missing = sum(name not in names for plan, names in train for name in plan.labels)
    wrong = sum(bool((names & set(CONCEPTS)) - set(plan.labels)) for plan, names in train)
    assert len(train) == 3500
    assert within(missing, labels, MANY.missing_tags)
    assert within(wrong, len(train), MANY.wrong_tags)


def test_held_out_sidecars_name_no_concept() -> None:
    heldout = [json.dumps(info).lower() for plan, info in SIDECARS if plan.subset == "test"]
    assert len(heldout) == 300
    for text in heldout:
        assert not [name for name in CONCEPTS if name in text.replace("_", " ").replace("-", " ")]


def test_all_other_names_are_of_known_lists() -> None:
    known = {spelling(name) for name in (*SPAM, *PLACES, *CATEGORIES, "pause")} | set(CONCEPTS)
    spelt: Counter[str] = Counter()
    for _, info in SIDECARS:
        assert said(info) | {spelling(name) for name in info["categories"]} <= known  # type: ignore[attr-defined]
        assert {chapter["title"] for chapter in info["chapters"] or []} <= {*CONCEPTS, "pause"}  # type: ignore[attr-defined]
        spelt.update(tag for tag in info["tags"] if spelling(tag) == "sliding left")  # type: ignore[attr-defined]
    assert set(spelt) == {"sliding left", "Sliding Left", "SLIDING LEFT", "sliding-left"}


def test_chapters_share_out_the_video_and_hold_the_truth() -> None:
    chaptered = [(plan, info["chapters"]) for plan, info in SIDECARS if info["chapters"]]
    assert within(len(chaptered), MANY.long_videos, MANY.chapters)
    for plan, chapters in chaptered:
        assert plan.id.startswith("long")
        assert chapters[0]["start_time"] == 0  # type: ignore[index]
        assert chapters[-1]["end_time"] == plan.duration_seconds  # type: ignore[index]
        edges = [(chapter["start_time"], chapter["end_time"]) for chapter in chapters]  # type: ignore[attr-defined]
        assert all(one[1] == other[0] for one, other in itertools.pairwise(edges))
        named = [chapter for chapter in chapters if chapter["title"] != "pause"]  # type: ignore[attr-defined]
        seen = [moment for moment in plan.moments if moment.name in SEEN]
        assert [chapter["start_time"] * 12 for chapter in named] == [moment.first for moment in seen]


def test_truth_keeps_its_rules() -> None:
    truth = truth_of(PLANS)["database"]
    assert len(truth) == len(PLANS)
    assert Counter(record["subset"] for record in truth.values()) == {"train": 3500, "test": 300}
    longest, shortest = 6.0 + 1 / 12, 2.5 - 1 / 12
    for plan in PLANS:
        record = truth[plan.id]
        assert {row["label"] for row in record["annotations"]} == set(plan.labels)
        for track in (plan.seen, plan.heard):
            edges = [edge for stretch in track for edge in (stretch.first, stretch.stop)]
            assert edges == sorted(edges)
            assert not edges or (edges[0] >= 0 and edges[-1] <= plan.frames)
        if plan.id.startswith("clip"):
            assert len(record["annotations"]) == 1
            assert record["annotations"][0]["segment"] == [0, record["duration"]]
        else:
            lengths = [row["segment"][1] - row["segment"][0] for row in record["annotations"]]
            assert all(shortest <= length <= longest for length in lengths)
            assert 1 <= len(plan.labels) <= 3


def test_concepts_are_equally_frequent_and_action_takes_its_share() -> None:
    labels = Counter(name for plan in PLANS for name in plan.labels)
    assert set(labels) == set(CONCEPTS)
    assert max(labels.values()) < 1.1 * min(labels.values())
    shown = [plan for plan in PLANS if not plan.id.startswith("clip") and set(plan.labels) & set(SEEN)]
    action = sum(stretch.stop - stretch.first for plan in shown for stretch in plan.seen if stretch.name in SEEN)
    assert action / sum(plan.frames for plan in shown) == pytest.approx(MANY.action, abs=0.03)


@pytest.mark.parametrize("name", [*SEEN, *SEEN_DISTRACTORS])
def test_one_frame_does_not_tell_what_happens(name: str) -> None:
    rng = np.random.default_rng(3)
    bodies = []
    for _ in range(3000):
        start = Body(rng.uniform(0, 4 / 3), rng.uniform(), rng.uniform(), 0.0, "disc", (0.0, 0.0, 0.0))
        bodies.append(motion_of(name, rng)(start, rng.uniform(0, 6)))
    places = ([body.x % (4 / 3) * 0.75 for body in bodies], [body.y % 1 for body in bodies],
              [body.size % 1 for body in bodies])  # fmt: skip
    for values in places:
        assert stats.kstest(values, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("name", SEEN)
def test_motions_do_what_their_name_says(name: str) -> None:
    opposite = {"sliding left": "sliding right", "rising": "falling", "clockwise": "anticlockwise"}
    for seed in range(20):
        body = Body(0.5, 0.5, 0.5, 0.0, "disc", (0.0, 0.0, 0.0))
        path = [motion_of(name, np.random.default_rng(seed))(body, 0.05 * step) for step in range(120)]
        x, y = (np.array([getattr(each, axis) for each in path]) for axis in ("x", "y"))
        turning = np.diff(x)[:-1] * np.diff(y)[1:] - np.diff(y)[:-1] * np.diff(x)[1:]
        told = {
            "sliding left": x[-1] - x[0] < -2 and abs(y[-1] - y[0]) < 0.7,
            "sliding right": x[-1] - x[0] > 2 and abs(y[-1] - y[0]) < 0.7,
            "rising": y[-1] - y[0] < -2 and abs(x[-1] - x[0]) < 0.7,
            "clockwise": bool((turning > 0).all()),
            "anticlockwise": bool((turning < 0).all()),
            "bouncing": bool((x == 0.5).all()) and turns_back(y) > 8,
            "swaying": bool((y == 0.5).all()) and turns_back(x) > 3,
            "pulsing": turns_back(np.array([each.radius for each in path])) > 3,
        }
        assert [key for key, holds in told.items() if holds] == [name]
        if name in opposite:
            back = [motion_of(opposite[name], np.random.default_rng(seed))(body, 0.05 * step) for step in range(120)]
            steps, other = (np.diff([[each.x, each.y] for each in way], axis=0) for way in (path, back))
            assert np.linalg.norm(steps, axis=1) == pytest.approx(np.linalg.norm(other, axis=1), rel=1e-9)


def turns_back(values: np.ndarray) -> int:
    """How often a line of values turns from rising to falling or back."""
    return int((np.diff(np.sign(np.diff(values))) != 0).sum())


def test_scaling_keeps_the_mixture() -> None:
    small = DemoArchiveSettings().scaled(44)
    assert (small.short_videos, small.long_videos, small.test_videos) == (25, 15, 4)
    least = DemoArchiveSettings().scaled(1)
    assert (least.short_videos, least.long_videos, least.test_videos) == (1, 1, 1)


def test_spans_that_cannot_be_kept_are_told() -> None:
    with pytest.raises(SettingsError, match="three longest moments"):
        plan_archive(DemoArchiveSettings(long_seconds=(10.0, 20.0)), seed=0)
    with pytest.raises(SettingsError, match="least, most"):
        plan_archive(DemoArchiveSettings(short_seconds=(5.0, 3.0)), seed=0)
