"""Which localizer is chosen on a project's own checked segments, and how it is judged."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core import InvalidData, Moments, SegmentLabels, VideoLabels, Vocabulary
from whenabouts.core.progress import Silent
from whenabouts.data.worlds.features import PlantedWorld, WorldShape, planted_world
from whenabouts.localizers import choosing
from whenabouts.localizers.checked import Checked, precision_of
from whenabouts.localizers.choosing import choose_localizer, held_out_videos
from whenabouts.localizers.concepts.boosting import TreeSettings
from whenabouts.localizers.concepts.cross_class_settings import CrossClassSettings
from whenabouts.localizers.concepts.fitting import FitSettings
from whenabouts.localizers.concepts.makers import MakerSettings
from whenabouts.localizers.concepts.networks import NetSettings
from whenabouts.localizers.concepts.relevance import RelevanceSettings
from whenabouts.localizers.concepts.settings import TwoStageSettings
from whenabouts.localizers.concepts.video_models import VideoModelSettings

AB = Vocabulary(("a", "b"))


def rated(video_id: str, *rows: tuple[float, float, int, bool]) -> SegmentLabels:
    return SegmentLabels(
        (video_id,) * len(rows), np.array([row[:2] for row in rows]), np.array([row[2] for row in rows]),
        np.array([row[3] for row in rows]),
    )  # fmt: skip


def test_what_checked_segments_show() -> None:
    """Two chapters, which exclude each other but where they overlap, and a moment that was rejected."""
    first = rated("v", (0, 10, 0, True), (8, 20, 1, True), (30, 40, 0, True), (50, 60, 1, False))
    checked = Checked.of([first, SegmentLabels.empty(), rated("w", (0, 5, 1, True))], 2)
    assert checked.video_ids == ("v", "v", "v", "v", "w")
    np.testing.assert_array_equal(checked.spans, [[0, 10], [8, 20], [30, 40], [50, 60], [0, 5]])
    np.testing.assert_array_equal(checked.shown, [[1, -1], [-1, 1], [1, 0], [-1, 0], [-1, 1]])
    assert checked.judged.tolist() == [1]


def test_checked_segments_that_disagree_judge_nothing() -> None:
    first = rated("v", (0, 10, 0, True), (0, 10, 0, False), (20, 30, 0, True), (20, 30, 0, True))
    checked = Checked.of([first], 2)
    np.testing.assert_array_equal(checked.spans, [[20, 30]])
    np.testing.assert_array_equal(checked.shown, [[1, -1]])


def test_precision_by_hand() -> None:
    """Concept b: shown in the 2nd and 4th segment, not in the 1st and 3rd; a has nothing that lacks it."""
    spans = np.array([[0.0, 10], [10, 20], [20, 30], [30, 40]])
    shown = np.array([[1, 0], [-1, 1], [1, 0], [-1, 1]])
    checked = Checked(("v", "v", "v", "v"), spans, shown)

    def found(*rows: tuple[float, float, float]) -> Moments:
        return Moments.build(["v"] * len(rows), [row[:2] for row in rows], [1] * len(rows), AB,
                             scores=[row[2] for row in rows])  # fmt: skip

    assert precision_of(found((10, 20, -1.0), (30, 40, -2.0)), checked) == 1.0
    assert precision_of(found((0, 10, 5.0), (10, 20, 4.0), (30, 40, 3.0)), checked) == pytest.approx(
        (1 / 2 + 2 / 3) / 2
    )
    assert precision_of(found(), checked) == pytest.approx((1 / 3 + 2 / 4) / 2)  # silence gains nothing
    elsewhere = Moments.build(["w"], [[10, 20]], [1], AB, scores=[1.0])
    assert precision_of(elsewhere, checked) == precision_of(found(), checked)
    wide = found((5, 20, 9.0), (30, 40, 1.0))  # overlaps the 1st by 5 of 20, the 2nd by 10 of 15
    assert precision_of(wide, checked) == pytest.approx((1 + 2 / 2) / 2)


def test_a_quarter_of_the_checked_videos_is_held_out() -> None:
    segments = [rated(str(number), (0, 1, 0, number % 2 == 0)) for number in range(48)]
    out = held_out_videos(segments, 0)
    assert out.sum() == 6
    assert not out[1::2].any()
    assert not np.array_equal(out, held_out_videos(segments, 1))
    assert not held_out_videos(segments[:22], 0).any()


def test_clips_of_a_recording_that_is_held_out_are_held_out_too() -> None:
    names = [f"abcdefgh{number // 3:02d}w_{number}_{number + 10}" for number in range(48)]
    segments = [rated(name, (0, 1, 0, number % 3 == 0)) for number, name in enumerate(names)]
    out = held_out_videos(segments, 0).reshape(16, 3)
    assert (out == out[:, :1]).all()
    assert out[:, 0].sum() == 4
    few = choose_localizer((), segments[:30], Silent(), vocabulary=AB, video_ids=names[:30])
    assert "segments of 10 videos, and 12 are needed" in few.why
    same = [f"abcdefghijk_{number}_{number + 10}" for number in range(48)]
    assert "of 1 videos (16 clips)" in choose_localizer((), segments, Silent(), vocabulary=AB, video_ids=same).why
    bare = [part if part.present.any() else SegmentLabels.empty() for part in segments]
    assert held_out_videos(bare, 0).sum() == 4  # Who knows no names of them can't know what they are clips of.
    assert (held_out_videos(bare, 0, names).reshape(16, 3) == out).all()


FIT = FitSettings(epochs=1, least_steps=60, learning_rate=5e-3)
VIDEO = VideoModelSettings(net=NetSettings(kind="logistic"), fit=FIT)
IDLE = VideoModelSettings(net=NetSettings(kind="logistic"), fit=replace(FIT, learning_rate=1e-9))
RELEVANCE = CrossClassSettings(
    makers=MakerSettings(video=VIDEO, video_kinds=("logistic",), segment_kinds=(), encoders=(), folds=2),
    relevance=RelevanceSettings(model="trees", trees=TreeSettings(rounds=40)),
)


def two_stage(video: VideoModelSettings) -> TwoStageSettings:
    segment = replace(TwoStageSettings().segment, net=video.net, fit=video.fit)
    return TwoStageSettings(video=video, segment=segment)


@pytest.fixture(scope="module")
def world() -> PlantedWorld:
    made = planted_world(28, np.random.default_rng(3), WorldShape(classes=3, seconds=(12.0, 18.0), weak=0.0))
    examples = []
    for example in made.examples:
        own = made.truth[made.truth.video_ids == example.video_id]
        segments = SegmentLabels((example.video_id,) * len(own), own.spans, own.classes, np.ones(len(own), bool))
        examples.append(replace(example, segments=segments))
    return replace(made, examples=tuple(examples))


class Heard(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def chosen(world: PlantedWorld, rivals, examples=None, **choices):
    examples = world.examples if examples is None else examples
    segments = [example.segments for example in examples]
    return choose_localizer(examples, segments, choices.pop("progress", Silent()), vocabulary=world.vocabulary,
                            rivals=rivals, **choices)  # fmt: skip


def test_the_better_one_is_chosen_and_tried_once(
    world: PlantedWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rivals = {"two-stage": two_stage(IDLE), "cross-class-relevance": RELEVANCE}
    heard = Heard()
    labels = [example.labels for example in world.examples]
    choice = chosen(world, rivals, progress=heard, checkpoints=tmp_path, labels=labels)
    assert choice.name == "cross-class-relevance"
    assert [trial.name for trial in choice.trials] == list(rivals)
    assert choice.trials[1].map > choice.trials[0].map
    assert f"two-stage {choice.trials[0].map:.3f}, cross-class-relevance {choice.trials[1].map:.3f}" in choice.why
    assert heard.lines[0].startswith(
        "Trying two-stage, cross-class-relevance on 21 videos, to judge them by checked segments of 7 others."
    )
    assert any(
        line.startswith(f"two-stage: MAP {choice.trials[0].map:.3f} on held-out videos, ") for line in heard.lines
    )
    assert choice.to_json()["trials"][1]["name"] == "cross-class-relevance"
    assert (choice.videos, choice.concepts) == (7, 3)

    def failing(*given, **choices):
        raise AssertionError("tried again")

    for kind in set(choosing.LOCALIZERS.values()):
        monkeypatch.setattr(kind, "fit", failing)
    again = Heard()
    assert chosen(world, rivals, checkpoints=tmp_path, progress=again, labels=labels) == choice
    assert sum(line.endswith("s, as judged before") for line in again.lines) == 2
    with pytest.raises(AssertionError, match="tried again"):
        chosen(world, rivals, checkpoints=tmp_path, seed=1, labels=labels)
    with pytest.raises(AssertionError, match="tried again"):  # Another label, and what was judged holds no more.
        chosen(world, rivals, checkpoints=tmp_path, labels=[VideoLabels.of([0]), *labels[1:]])


def test_a_rival_that_can_not_learn_is_told_and_stops_nothing(
    world: PlantedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*given, **choices):
        raise InvalidData("Nothing is rated.")

    monkeypatch.setattr(choosing.LOCALIZERS["cross-class-relevance"], "fit", failing)
    heard = Heard()
    choice = chosen(world, {"cross-class-relevance": RELEVANCE, "two-stage": two_stage(VIDEO)}, progress=heard)
    assert (choice.name, [trial.name for trial in choice.trials]) == ("two-stage", ["two-stage"])
    assert "cross-class-relevance is out: Nothing is rated." in heard.lines
    choice = chosen(world, {"cross-class-relevance": RELEVANCE})
    assert (choice.name, choice.trials) == ("cross-class-relevance", ())


def test_of_equals_the_first_is_chosen(world: PlantedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "precision_of", lambda found, checked: 0.5)
    rivals = {"two-stage": two_stage(VIDEO), "cross-class-relevance": RELEVANCE}
    assert chosen(world, rivals).name == "two-stage"
    assert chosen(world, dict(reversed(rivals.items()))).name == "cross-class-relevance"


def test_where_chapters_judge_nothing_labels_of_videos_help(world: PlantedWorld) -> None:
    """A video with chapters of one concept alone says nothing of others, but its label does."""
    alone = [
        replace(example, segments=rated(example.video_id, (1, 3, number % 3, True), (5, 8, number % 3, True)),
                labels=VideoLabels.of([number % 3]))
        for number, example in enumerate(world.examples)
    ]  # fmt: skip
    rivals = {"two-stage": two_stage(IDLE)}
    choice = chosen(world, rivals, alone)
    assert choice.why == (
        "too little is checked to judge by: no concept has a segment that shows it and another that does not in 7 "
        "held-out videos"
    )
    labels = [example.labels for example in alone]
    held = np.flatnonzero(held_out_videos([example.segments for example in alone], 0))
    assert chosen(world, rivals, alone, labels=labels).concepts == len(np.unique(held % 3)) > 1
    unknown = [replace(each, absent="unknown") for each in labels]
    assert chosen(world, rivals, alone, labels=unknown).concepts == 0


def test_what_a_video_lacks_its_segments_lack() -> None:
    checked = Checked.of([rated("v", (0, 1, 0, True)), rated("w", (0, 1, 1, True), (2, 3, 2, False))], 4)
    told = checked.with_labels({"v": VideoLabels.of([0, 3]), "w": VideoLabels.of([1], absent="unknown")})
    np.testing.assert_array_equal(told.shown, [[1, 0, 0, -1], [-1, 1, -1, -1], [-1, -1, 0, -1]])
    assert told.judged.tolist() == [1]


def test_too_little_to_judge_by(world: PlantedWorld) -> None:
    few = [
        replace(example, segments=SegmentLabels.empty()) if number > 5 else example
        for number, example in enumerate(world.examples)
    ]
    choice = chosen(world, {}, few)
    assert (choice.name, choice.trials) == ("multiple-instance", ())
    assert choice.why == "too little is checked to judge by: segments of 6 videos, and 12 are needed"
