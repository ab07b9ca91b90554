"""Nets for activities on real video files: every family takes the head, what is frozen stays, views are joined."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from whenabouts.config import load
from whenabouts.core.errors import InvalidData, ProjectError, SettingsError
from whenabouts.core.features import FeatureSequence
from whenabouts.core.labels import SegmentLabels, VideoLabels
from whenabouts.core.progress import Silent
from whenabouts.core.timing import TimeGrid
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.project import Project
from whenabouts.nets.activity_heads import ActivityOutcome
from whenabouts.recognition.activity_clips import (
    ActivityDraws,
    ActivityVideo,
    CachedSpeed,
    ClipSettings,
    clip_row,
    extras_of,
    label_row,
)
from whenabouts.recognition.activity_model import ActivityModel, ActivitySettings, TuningSettings, ViewSettings, new_net
from whenabouts.recognition.activity_settings import HeadSettings, HeadTraining
from whenabouts.recognition.activity_testing import Look, Looker, recognize
from whenabouts.recognition.activity_training import CPU
from whenabouts.recognition.activity_videos import Gathered, gather, train_activities
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.backbone_settings import BackboneSettings
from whenabouts.recognition.clip_cuts import Square, names_sides, random_square, scaled, square_at
from whenabouts.recognition.families import FAMILIES
from whenabouts.recognition.frame_cache import Cached
from whenabouts.recognition.pretraining import Run
from whenabouts.recognition.views import VIEW_SETS

SHAPE = BackboneSettings(widths=(4, 8), blocks=(1, 1), stem=4, frames=4, rate=6.0, short_side=16)
HEAD = HeadSettings(observations=4, hidden=8, groups=4)
TOLD = ActivitySettings(head=HEAD, training=HeadTraining(steps=4, batch=4, checkpoint_every=2))


def run_of(folder: Path) -> Run:
    return Run(folder, CPU, workers=1)


class Heard(Silent):
    """Keeps what is said."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def say(self, text: str) -> None:
        self.lines.append(text)


def backbone_of(shape: BackboneSettings = SHAPE, seed: int = 0) -> Backbone:
    torch.manual_seed(seed)
    return Backbone(shape, shape.build().eval())


def boxed(backbone: Backbone) -> Backbone:
    """With the box of the archive's pictures, 48 x 32, as the verb settles it by the videos."""
    assert isinstance(backbone.settings, BackboneSettings)
    return dataclasses.replace(backbone, settings=backbone.settings.boxed(1.5))


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_head_plugs_into_every_family(name: str) -> None:
    """Maps of every family, pictures or clips, are what the head takes; gradients reach the first layer."""
    shape = dataclasses.replace(
        BackboneSettings(), name=name, widths=(4, 8), blocks=(1, 1), frames=1 if name == "resnet" else 8, input="rgb"
    )
    torch.manual_seed(0)
    net = new_net(shape, TOLD, 3, None, None)
    outcome = net(torch.randn(2, 3, shape.frames, 32, 32))
    assert isinstance(outcome, ActivityOutcome)
    assert outcome.logits.shape == (2, 3)
    outcome.probabilities.sum().backward()
    assert net.backbone is not None
    gradients = [parameter.grad for parameter in net.backbone.parameters()]
    assert all(gradient is not None for gradient in gradients)
    assert sum(float(gradient.abs().sum()) for gradient in gradients if gradient is not None) > 0


@pytest.fixture(scope="module")
def gathered(archive: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Gathered, Vocabulary, Backbone, Run]:
    run = run_of(tmp_path_factory.mktemp("cache"))
    vocabulary = archive.vocabulary()
    entries = archive.manifest().of_split("train")[:6]
    start = boxed(backbone_of())
    told = dataclasses.replace(TOLD, tuning=TuningSettings(steps=1))
    assert isinstance(start.settings, BackboneSettings)
    found = gather(entries, vocabulary, start.settings, told, run, store=archive.features())
    return found, vocabulary, start, run


def untrained(gathered: tuple[Gathered, Vocabulary, Backbone, Run], told: ActivitySettings = TOLD) -> ActivityModel:
    """A model for two activities whose head has learned nothing."""
    _, vocabulary, start, _ = gathered
    assert isinstance(start.settings, BackboneSettings)
    return ActivityModel(start.settings, told, new_net(start.settings, TOLD, 2, None, None), vocabulary)


def test_full_training_frozen_training_and_tuning(
    gathered: tuple[Gathered, Vocabulary, Backbone, Run], tmp_path: Path
) -> None:
    videos, vocabulary, start, _ = gathered
    run = run_of(tmp_path)
    before = {name: tensor.clone() for name, tensor in start.net.state_dict().items()}
    model = train_activities(videos, vocabulary, start, TOLD, run)
    assert not torch.equal(model.net.state_dict()["backbone.stem.0.weight"], before["stem.0.weight"])
    assert all(torch.equal(start.net.state_dict()[name], tensor) for name, tensor in before.items())
    frozen = dataclasses.replace(TOLD, learns="head", tuning=TuningSettings(steps=4))
    tuned = train_activities(videos, vocabulary, start, frozen, run)
    after = tuned.net.state_dict()
    for name, tensor in before.items():  # Batch-norm statistics too.
        assert torch.equal(after[f"backbone.{name}"], tensor), name
    assert [row["stage"] for row in tuned.training["history"]] == [1, 2]
    one = dataclasses.replace(TOLD, learns="head")
    alone = train_activities(videos, vocabulary, start, one, run_of(tmp_path / "alone"))
    assert not torch.equal(alone.net.state_dict()["head.own_weight"], after["head.own_weight"])
    again = train_activities(videos, vocabulary, start, frozen, run_of(tmp_path / "again"))
    assert all(torch.equal(tensor, after[name]) for name, tensor in again.net.state_dict().items())


def test_going_on_from_a_model_and_what_does_not_fit(
    gathered: tuple[Gathered, Vocabulary, Backbone, Run], tmp_path: Path
) -> None:
    videos, vocabulary, start, _ = gathered
    model = train_activities(videos, vocabulary, start, TOLD, run_of(tmp_path))
    only = dataclasses.replace(TOLD, learns="correlation", tuning=TuningSettings(steps=2))
    again = train_activities(videos, vocabulary, model, only, run_of(tmp_path))
    before, after = model.net.state_dict(), again.net.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert {name.split(".")[1] for name in changed} <= {"between", "related_weight", "related_bias"}
    with pytest.raises(SettingsError, match="--start models/activities"):
        train_activities(videos, vocabulary, start, only, run_of(tmp_path))
    with pytest.raises(SettingsError, match="Give it the same"):
        train_activities(videos, Vocabulary(("a", "b", "c")), model, only, run_of(tmp_path))
    heard: list[str] = []
    unsure = [
        dataclasses.replace(each, labels=VideoLabels.of(each.labels.classes, "unknown")) for each in videos.videos
    ]
    loud = dataclasses.replace(run_of(tmp_path / "unsure"), progress=Heard(heard))
    train_activities(dataclasses.replace(videos, videos=tuple(unsure)), vocabulary, start, TOLD, loud)
    assert any("learn to say yes to all" in line for line in heard)
    both = [dataclasses.replace(each, labels=VideoLabels.of([0, 1])) for each in videos.videos[:2]]
    mixed, heard[:] = dataclasses.replace(videos, videos=(*both, *videos.videos[2:])), []
    single = dataclasses.replace(TOLD, head=dataclasses.replace(HEAD, kind="single-label"))
    train_activities(mixed, vocabulary, start, single, dataclasses.replace(loud, cache=tmp_path / "single"))
    assert [line.partition(" have")[0] for line in heard if "several labels" in line] == ["2 of 6 examples"]
    with pytest.raises(InvalidData, match="None of 0 videos"):
        train_activities(dataclasses.replace(videos, videos=()), vocabulary, start, TOLD, run_of(tmp_path))


def test_saved_and_read_a_model_says_the_same_of_videos(
    gathered: tuple[Gathered, Vocabulary, Backbone, Run], archive: Project, tmp_path: Path
) -> None:
    videos, vocabulary, start, _ = gathered
    model = train_activities(videos, vocabulary, start, TOLD, run_of(tmp_path))
    model.save(tmp_path / "model")
    read = ActivityModel.load(tmp_path / "model")
    assert (read.shape, read.settings, read.vocabulary) == (model.shape, model.settings, model.vocabulary)
    entries = [*archive.manifest().of_split("test")[:2]]
    nobody = dataclasses.replace(entries[0], video=Video("gone", tmp_path / "gone.mp4"))
    cache = tmp_path / "looking"

    def looked(who: ActivityModel, how: ViewSettings) -> np.ndarray:
        found = recognize(who, [*entries, nobody], Look(how, archive.features(), cache, CPU, Silent()))
        assert found.video_ids == tuple(entry.id for entry in entries)
        assert [video.id for video in found.broken] == ["gone"]
        return found.probabilities

    scores = looked(model, ViewSettings())
    assert scores.shape == (2, 2)
    assert ((scores > 0) & (scores < 1)).all()
    np.testing.assert_array_equal(looked(read, ViewSettings()), scores)
    assert not list(cache.rglob("*.safetensors"))  # Frames that were decoded for this leave the cache.
    assert (looked(model, ViewSettings(joining="max")) >= scores).all()
    np.testing.assert_allclose(looked(model, ViewSettings(batch=1)), scores, rtol=1e-4, atol=1e-5)
    (tmp_path / "model" / "model.safetensors").write_bytes(b"rubbish")
    with pytest.raises(InvalidData, match="Train it again"):
        ActivityModel.load(tmp_path / "model")
    with pytest.raises(ProjectError, match="no model"):
        ActivityModel.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("file", "change", "told"),
    [
        ("card.json", ('"extra": null', '"extra": [1]'), "not a table"),
        ("card.json", ('"extra": null', '"extra": {"modality": "x", "count": 1, "width": -1}'), "width is -1"),
        ("card.json", ('"extra": null', '"extra": {"modality": "x", "count": 1, "width": 1000000000000}'), "together"),
        ("card.json", ("activities 1", "activities 9"), "its card says"),
        ("settings.toml", ("observations = 4", "observations = 1000000000000"), "together"),
        ("settings.toml", ("hidden = 8", "hidden = 1000000000000"), "together"),
        ("settings.toml", ("[backbone]", "[backbone"), "is broken: .*Train it again"),
    ],
)
def test_a_model_that_asks_for_what_it_does_not_hold_is_refused(
    gathered: tuple[Gathered, Vocabulary, Backbone, Run],
    tmp_path: Path,
    file: str,
    change: tuple[str, str],
    told: str,
) -> None:
    untrained(gathered).save(tmp_path / "m")
    path = tmp_path / "m" / file
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(InvalidData, match=told):
        ActivityModel.load(tmp_path / "m")


def test_weights_that_are_no_numbers_or_too_great_are_told(
    gathered: tuple[Gathered, Vocabulary, Backbone, Run], archive: Project, tmp_path: Path
) -> None:
    model = untrained(gathered)
    for name, weights in model.net.head.named_parameters():
        if name == "own_bias":
            weights.data.fill_(torch.nan)
    model.save(tmp_path / "model")
    with pytest.raises(InvalidData, match=r"head\.own_bias holds no finite"):
        ActivityModel.load(tmp_path / "model")
    for weights in model.net.parameters():
        weights.data.fill_(1e38)
    look = Look(ViewSettings(), archive.features(), tmp_path / "looking", CPU, Silent())
    with pytest.raises(InvalidData, match="weights are too great"):
        recognize(model, archive.manifest().of_split("test")[:1], look)


def test_thirty_views_are_the_mean_of_each_looked_at_alone(
    gathered: tuple[Gathered, Vocabulary, Backbone, Run],
) -> None:
    """Against a plain loop over views; a short video has few distinct ones."""
    videos, vocabulary, start, _ = gathered
    assert isinstance(start.settings, BackboneSettings)
    shape = dataclasses.replace(start.settings, crop=16)
    model = ActivityModel(shape, TOLD, new_net(shape, TOLD, 2, None, None).eval(), vocabulary)
    cached, speed = videos.videos[1].cached, CachedSpeed(2)
    looker = Looker(model, ViewSettings(), CPU)
    total, count, pixels = np.zeros(2), 0, cached.read(0, cached.frames)
    for each in VIEW_SETS["2+4+8"]:
        stride = each.rate // 2
        span = 3 * stride + 1
        for number in range(each.clips):
            first = round(max(cached.frames - span, 0) / (each.clips - 1) * number)
            clip = pixels[np.clip(first + stride * np.arange(4), 0, cached.frames - 1)]
            for left in (0, 4, 8):  # Pictures are 16 x 24.
                given = shape.transform().test(torch.from_numpy(clip[None, :, :, left : left + 16]))
                with torch.inference_mode():
                    total += model.net(given).probabilities[0].double().numpy()  # type: ignore[union-attr]
                count += 1
    assert count == 30
    np.testing.assert_allclose(looker.video(cached, VIEW_SETS["2+4+8"], speed), total / 30, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "views"),
    [
        ({}, "4"),
        ({"tuning": TuningSettings(steps=1)}, "2+4+8"),
        ({"tuning": TuningSettings(steps=1, rates=(4,))}, "4"),
        ({"clips": ClipSettings(rates=(2, 4))}, "2+4+8"),
    ],
)
def test_a_net_is_tested_at_the_speeds_that_it_learned(
    gathered: tuple[Gathered, Vocabulary, Backbone, Run],
    archive: Project,
    tmp_path: Path,
    change: dict[str, Any],
    views: str,
) -> None:
    model = untrained(gathered, dataclasses.replace(TOLD, **change))
    entry = archive.manifest().of_split("test")[:1]

    def seen(how: ViewSettings) -> np.ndarray:
        return recognize(model, entry, Look(how, archive.features(), tmp_path, CPU, Silent())).probabilities

    assert model.views(ViewSettings(views="centre")) == "centre"
    assert model.views(ViewSettings()) == views
    np.testing.assert_array_equal(seen(ViewSettings()), seen(ViewSettings(views=views)))  # type: ignore[arg-type]


def test_moments_are_the_clips_around_them(
    gathered: tuple[Gathered, Vocabulary, Backbone, Run], archive: Project, tmp_path: Path
) -> None:
    """Against clips cut by hand, in the middle and beyond both ends; through `recognize` the same at even times."""
    videos, _, start, _ = gathered
    assert isinstance(start.settings, BackboneSettings)
    model = untrained(gathered)
    model.net.eval()
    cached, speed = videos.videos[1].cached, CachedSpeed(2)  # Frames are cached at twice the rate of 6.
    pixels, last = cached.read(0, cached.frames), cached.frames - 1
    seconds = np.array([0.0, 0.5, last / 12, 99.0])
    by_hand = []
    for middle in (0, 6, last, last):
        clip = pixels[np.clip(middle + 2 * np.array([-2, -1, 0, 1]), 0, last)]
        with torch.inference_mode():
            outcome = model.net(start.settings.transform().test(torch.from_numpy(clip[None])))
        by_hand.append(outcome.probabilities[0].double().numpy())  # type: ignore[union-attr]
    assert np.abs(by_hand[0] - by_hand[1]).max() > 1e-4
    looker = Looker(model, ViewSettings(batch=3), CPU)
    np.testing.assert_allclose(looker.at_seconds(cached, seconds, speed), by_hand, atol=1e-5)
    assert looker.at_seconds(cached, np.zeros(0), speed).shape == (0, 2)
    entry = next(each for each in archive.manifest() if each.id == cached.video.id)
    how = ViewSettings(views="2+4", moments=5)
    seen = recognize(model, [entry], Look(how, archive.features(), tmp_path, CPU, Silent()))
    np.testing.assert_allclose(seen.seconds[0], np.arange(5) / 5 * entry.video.duration_seconds)
    np.testing.assert_allclose(seen.at_moments[0], looker.at_seconds(cached, seen.seconds[0], speed), atol=1e-5)


def test_clip_labels_come_from_segments_where_there_are_any(tmp_path: Path) -> None:
    """0 has a segment, 1 is only said of the video, 2 is rated absent throughout, 3 is not named."""
    labels = VideoLabels.of([0, 1], absent="unknown")
    rated = SegmentLabels(("v",) * 2, np.array([[2.0, 4.0], [0.0, 10.0]]), np.array([0, 2]), np.array([True, False]))
    video = ActivityVideo(Cached(tmp_path, 9, Video("v", tmp_path)), labels, rated)
    np.testing.assert_equal(label_row(labels, 4), [1, 1, np.nan, np.nan])
    np.testing.assert_equal(clip_row(video, 4, (3.0, 5.0), "auto"), [1, np.nan, 0, np.nan])
    np.testing.assert_equal(clip_row(video, 4, (4.0, 5.0), "auto"), [0, np.nan, 0, np.nan])  # Ends are not in it.
    np.testing.assert_equal(clip_row(video, 4, (4.0, 5.0), "video"), [1, 1, np.nan, np.nan])
    bare = dataclasses.replace(video, segments=SegmentLabels.empty(), labels=VideoLabels.of([0]))
    np.testing.assert_equal(clip_row(bare, 3, (0, 1), "auto"), [1, 0, 0])
    np.testing.assert_equal(clip_row(bare, 3, (0, 1), "segments"), [np.nan, 0, 0])


def test_draws_take_speeds_squares_and_mirrors(gathered: tuple[Gathered, Vocabulary, Backbone, Run]) -> None:
    videos, vocabulary, start, _ = gathered
    assert isinstance(start.settings, BackboneSettings)
    shape = dataclasses.replace(start.settings, crop=12)

    def draws(clips: ClipSettings, names: tuple[str, ...] = ("a", "b"), **changes: Any) -> ActivityDraws:
        of = dataclasses.replace(shape, **changes)
        return ActivityDraws(videos.videos, names, of, clips, speed=CachedSpeed(2), batch=4, seed=0)

    batch = draws(ClipSettings(rates=(2, 4, 8), scales=(16, 20))).batch(3)
    assert batch.features.shape == (4, 6, 4, 12, 12)
    assert batch.labels.shape == (4, 2)
    same = draws(ClipSettings(rates=(2, 4, 8), scales=(16, 20))).batch(3)
    assert torch.equal(batch.features, same.features)
    straight = draws(ClipSettings(flips="never")).batch(0).features
    assert not torch.equal(straight, draws(ClipSettings()).batch(0).features)
    assert torch.equal(
        draws(ClipSettings(), names=vocabulary.names).batch(0).features,  # They go left and right.
        draws(ClipSettings(flips="never"), names=vocabulary.names).batch(0).features,
    )
    with pytest.raises(SettingsError, match=r"need a backbone\.crop"):
        draws(ClipSettings(scales=(16, 20)), crop=None)
    with pytest.raises(SettingsError, match="one speed"):
        draws(ClipSettings(rates=(2, 4)), input="flow")
    with pytest.raises(SettingsError, match="smaller and a greater"):
        load(ClipSettings, {"scales": [5, 3]}, "[activities.clips]")


def test_scale_jitter_cuts_from_real_pixels(archive: Project, tmp_path: Path) -> None:
    """Pictures of 32 x 48: at scales of 20 to 32 squares of 16 show from all to half of the height, none enlarged."""
    entries = archive.manifest().of_split("train")[:1]
    start = boxed(backbone_of(dataclasses.replace(SHAPE, crop=16)))
    shape = start.settings
    assert isinstance(shape, BackboneSettings)
    told = dataclasses.replace(TOLD, clips=ClipSettings(scales=(20, 32), flips="never"))
    found = gather(entries, archive.vocabulary(), shape, told, run_of(tmp_path), store=archive.features())
    sizes = found.videos[0].cached.read(0, 1).shape[1:3]
    assert (sizes, min(shape.box)) == ((32, 2 * round(shape.box[1] * 32 / shape.box[0] / 2)), 16)
    cuts = {random_square(sizes, 16, np.random.default_rng(seed), (20, 32)).cut for seed in range(60)}
    assert (min(cuts), max(cuts)) == (16, pytest.approx(16 * 32 / 20, abs=1))
    assert ClipSettings(scales=(12, 16)).pictures(shape) == shape
    own = dataclasses.replace(SHAPE, crop=16, own_shape=True)
    assert ClipSettings(scales=(20, 32)).pictures(own).short_side == 32


def test_speeds_share_one_cache() -> None:
    assert CachedSpeed.of((4,)).stride(4) == 1
    assert [CachedSpeed.of((2, 4, 8)).stride(rate) for rate in (2, 4, 8)] == [1, 2, 4]
    shape = dataclasses.replace(SHAPE, height=16, width=16)
    assert CachedSpeed.of((2, 4, 8)).frame_format(shape, 60.0).rate == 12.0  # Twice the backbone's.
    assert CachedSpeed.of((4,)).frame_format(shape, 60.0).rate == 6.0


def test_squares() -> None:
    wide = [square_at((4, 9), 4, place) for place in range(3)]
    assert [(square.top, square.left) for square in wide] == [(0, 0), (0, 3), (0, 5)]
    high = [square_at((9, 4), 4, place) for place in range(3)]
    assert [(square.top, square.left) for square in high] == [(0, 0), (3, 0), (5, 0)]
    clip = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    cut = random_square((4, 6), 4, np.random.default_rng(0), None).of(clip, 4)
    assert cut.shape == (2, 4, 4, 3)
    assert any(np.array_equal(cut, clip[:, :, left : left + 4]) for left in range(3))
    assert random_square((4, 6), 3, np.random.default_rng(0), (4, 8)).of(clip, 3).shape == (2, 3, 3, 3)
    np.testing.assert_array_equal(scaled(np.full((1, 3, 3, 3), 7, np.uint8), 5), np.full((1, 5, 5, 3), 7))


def test_boxes_move_with_the_square() -> None:
    """Of a picture of 10 x 20 the square begins at row 2, column 10."""
    boxes = np.array([[0.5, 0.2, 0.7, 0.6], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.2, 0.1]])
    moved = Square(2, 10, 8).boxes(boxes, (10, 20))
    np.testing.assert_allclose(moved, [[0, 0, 0.5, 0.5], [0, 0, 1, 1], [0, 0, 0, 0]])


def test_names_that_tell_sides() -> None:
    told = ["going left", "r_spike", "l-pass", "Right hand", "turn leftwards"]
    assert names_sides([*told, "leftover cake", "bright light", "playing", "girl", "rolling"]) == told


def test_extra_vectors_follow_the_clips_time(tmp_path: Path) -> None:
    grid = TimeGrid.covering(5.0, hop_seconds=1.0, window_seconds=1.0)
    sequence = FeatureSequence("v", np.arange(5.0)[:, None], grid, "objects", "made")
    np.testing.assert_array_equal(extras_of(sequence, (1.0, 4.0), 3, 1)[:, 0], [1, 2, 3])
    np.testing.assert_array_equal(extras_of(sequence, (4.0, 9.0), 2, 1)[:, 0], [4, 4])
    assert np.isnan(extras_of(None, (0, 1), 2, 3)).all()


def test_extra_inputs_from_the_store(
    gathered: tuple[Gathered, Vocabulary, Backbone, Run], archive: Project, tmp_path: Path
) -> None:
    _, vocabulary, start, run = gathered
    store = FeatureStore(tmp_path / "features")
    entries = archive.manifest().of_split("train")[:3]
    grid = TimeGrid.covering(2.0, hop_seconds=0.5, window_seconds=0.5)
    store.append(FeatureSequence(entry.id, np.ones((4, 5), np.float32), grid, "objects", "o") for entry in entries[:2])
    told = dataclasses.replace(TOLD, extras="objects", extra_vectors=2)
    assert isinstance(start.settings, BackboneSettings)
    heard: list[str] = []

    class Loud(Silent):
        def say(self, message: str) -> None:
            heard.append(message)

    loud = dataclasses.replace(run, progress=Loud())
    found = gather(entries, vocabulary, start.settings, told, loud, store=store)
    assert [video.extras is None for video in found.videos] == [False, False, True]
    model = train_activities(found, vocabulary, start, told, run_of(tmp_path))
    model.save(tmp_path / "model")
    read = ActivityModel.load(tmp_path / "model")
    assert read.extra == found.extra
    look = Look(ViewSettings(views="centre"), store, tmp_path, CPU, Loud())
    seen = recognize(read, entries, look)
    assert np.isfinite(seen.probabilities).all()
    lacking = "1 of 3 videos have no 'objects' features: pictures alone speak there."
    assert heard.count(lacking) == 2  # In training and in looking.
    others = FeatureStore(tmp_path / "others")
    others.append([FeatureSequence(entries[0].id, np.ones((4, 7), np.float32), grid, "objects", "p")])
    with pytest.raises(InvalidData, match="of width 5, but those that are there have 7"):
        recognize(read, entries, dataclasses.replace(look, store=others))
    with pytest.raises(SettingsError, match="no 'persons' features"):
        gather(entries, vocabulary, start.settings, dataclasses.replace(told, extras="persons"), run, store=store)
