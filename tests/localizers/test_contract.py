"""What every localizer must do: each one named in LOCALIZERS is tested here with its default settings."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from whenabouts.core import FeatureMismatch, FeatureSequence, InvalidData, Moments, ProjectError, temporal_iou
from whenabouts.core.files import read_json, sha256_of, write_json
from whenabouts.core.progress import Silent
from whenabouts.data.examples import Example
from whenabouts.data.worlds.features import PlantedWorld, WorldShape, planted_world
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.tables import Predictions, Truth
from whenabouts.localizers import LOCALIZERS, Localizer, load_localizer, localizer_named
from whenabouts.localizers.decoding import uniform_windows

LEARNED = 40


@dataclass(frozen=True)
class Learned:
    """A localizer of one kind, with the world whose first videos it has learned from."""

    name: str
    localizer: Localizer
    world: PlantedWorld

    @property
    def held_out(self) -> tuple[Example, ...]:
        return self.world.examples[LEARNED:]


def learned(name: str, world: PlantedWorld, *, seed: int = 0) -> Learned:
    kind = LOCALIZERS[name]
    made = kind.fit(world.examples[:LEARNED], kind.Settings(), Silent(), vocabulary=world.vocabulary, seed=seed)
    return Learned(name, made, world)


@pytest.fixture(scope="module", params=LOCALIZERS)
def made(request: pytest.FixtureRequest) -> Learned:
    shape = WorldShape(classes=3, weak=0.2, seconds=(15.0, 30.0))
    return learned(request.param, planted_world(52, np.random.default_rng(2), shape))


def mean_average_precision(found: Moments, world: PlantedWorld, held_out: tuple[Example, ...]) -> float:
    ids = [example.video_id for example in held_out]
    truth = Truth.of(world.truth[np.isin(world.truth.video_ids, ids)], video_ids=ids)
    return evaluate_moments(truth, Predictions.of(found, truth), tiou=[0.3, 0.5]).average_map


def everything(made: Learned) -> Moments:
    parts = [made.localizer.localize(example.features) for example in made.held_out]
    return Moments.concatenate(parts, made.world.vocabulary)


def same(one: Moments, other: Moments) -> bool:
    columns = ("video_ids", "spans", "classes", "scores", "kinds")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in columns)


def test_planted_activity_is_found(made: Learned) -> None:
    found = mean_average_precision(everything(made), made.world, made.held_out)
    windows = [
        uniform_windows(made.localizer.score(example.features), window_seconds=4.0, classes=range(3))
        for example in made.held_out
    ]
    rival = mean_average_precision(Moments.concatenate(windows, made.world.vocabulary), made.world, made.held_out)
    assert found > 0.6
    assert found > 2 * rival


def test_the_best_moment_of_a_concept_is_right(made: Learned) -> None:
    found = everything(made)
    for name in made.world.vocabulary.names:
        best = next(iter(found.of_class(name).ranked(1)))
        truth = made.world.truth.of_class(name)
        spans = truth.spans[truth.video_ids == best.video_id]
        assert temporal_iou([best.start_seconds, best.end_seconds], spans).max() > 0.5


def test_moments_lie_within_their_video_and_are_found(made: Learned) -> None:
    for example in made.held_out:
        found = made.localizer.localize(example.features)
        duration = example.features["rgb"].grid.duration_seconds
        assert set(found.video_ids.tolist()) == {example.video_id}
        assert set(found.kinds.tolist()) == {"found"}
        assert found.spans.min() >= 0
        assert found.spans.max() <= duration
        assert (found.durations > 0).all()


def test_other_videos_and_order_change_nothing(made: Learned) -> None:
    """No padding, no state: a video alone gives what it gives after a longer one."""
    ordered = sorted(made.held_out, key=lambda example: len(example.features["rgb"]))
    up = {example.video_id: made.localizer.localize(example.features) for example in ordered}
    down = {example.video_id: made.localizer.localize(example.features) for example in reversed(ordered)}
    assert all(same(up[video_id], down[video_id]) for video_id in up)


def test_order_of_training_videos_is_drawn_from_the_seed_alone(made: Learned) -> None:
    again = learned(made.name, made.world).localizer
    other = learned(made.name, made.world, seed=1).localizer
    features = made.held_out[0].features
    assert same(again.localize(features), made.localizer.localize(features))
    assert not same(other.localize(features), made.localizer.localize(features))


def later(sequence: FeatureSequence, steps: int) -> FeatureSequence:
    return replace(sequence, values=np.roll(sequence.values, steps, axis=0))


def test_what_happens_later_is_found_later(made: Learned) -> None:
    """The first steps of a video move to its end and all others come 5 s earlier; the moments follow."""
    checked = 0
    for example in made.held_out:
        grid = example.features["rgb"].grid
        found = made.localizer.localize(example.features)
        moved = made.localizer.localize({name: later(each, -10) for name, each in example.features.items()})
        inner = found[(found.spans[:, 0] > 7) & (found.spans[:, 1] < grid.duration_seconds - 2)]
        for row in inner.ranked(1):
            rows = moved[moved.classes == made.world.vocabulary.index(row.concept)]
            overlap = temporal_iou([row.start_seconds - 5, row.end_seconds - 5], rows.spans)
            assert overlap.max() > 0.75
            checked += 1
    assert checked >= 6


def test_numbers_that_are_none_are_refused_and_no_video_is_blamed(made: Learned, tmp_path: Path) -> None:
    """Even where the checksum in the card is that of the broken file."""
    folder = tmp_path / "model"
    made.localizer.save(folder)
    tensors, card = load_file(folder / "model.safetensors"), read_json(folder / "card.json")
    name = next(name for name in sorted(tensors) if name.endswith(("weight", "own_weight", "classifiers.0")))
    save_file({**tensors, name: torch.full_like(tensors[name], float("nan"))}, folder / "model.safetensors")
    write_json(folder / "card.json", {**card, "sha256": sha256_of(folder / "model.safetensors")})
    with pytest.raises(InvalidData, match=r"finite|numbers"):
        load_localizer(folder)


def test_saved_and_loaded_is_the_same(made: Learned, tmp_path: Path) -> None:
    made.localizer.save(tmp_path / "model")
    files = {path.name for path in (tmp_path / "model").iterdir()}
    assert {"settings.toml", "vocabulary.json", "card.json"} < files
    again = load_localizer(tmp_path / "model")
    assert type(again) is LOCALIZERS[made.name]
    assert again.vocabulary == made.localizer.vocabulary
    assert again.streams == made.localizer.streams
    assert again.training == made.localizer.training
    for example in made.held_out[:3]:
        assert same(again.localize(example.features), made.localizer.localize(example.features))
        one, other = again.score(example.features), made.localizer.score(example.features)
        np.testing.assert_array_equal(one.scores, other.scores)
        np.testing.assert_array_equal(one.video_scores, other.video_scores)
    again.save(tmp_path / "again")
    for name in files:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()


def test_scores_and_moments_of_one_video_tell_the_same_time(made: Learned) -> None:
    example = made.held_out[0]
    scores = made.localizer.score(example.features)
    assert scores.video_id == example.video_id
    assert scores.grid.duration_seconds == example.features["rgb"].grid.duration_seconds
    assert np.isfinite(scores.scores).all()
    assert ((scores.video_scores >= 0) & (scores.video_scores <= 1)).all()


def test_an_empty_video_has_no_moments(made: Learned) -> None:
    empty = {
        name: replace(each, values=each.values[:0], grid=replace(each.grid, steps=0, duration_seconds=0.0))
        for name, each in made.held_out[0].features.items()
    }
    assert len(made.localizer.localize(empty)) == 0
    scores = made.localizer.score(empty)
    assert scores.scores.shape == (0, 3)
    assert not scores.video_scores.any()


def test_a_video_of_one_step_and_one_without_a_stream_work(made: Learned) -> None:
    features = made.held_out[0].features
    short = {
        name: replace(each, values=each.values[:1], grid=replace(each.grid, steps=1, duration_seconds=0.4))
        for name, each in features.items()
    }
    found = made.localizer.localize(short)
    assert 1 <= len(found) <= 3
    assert found.spans.tolist() == [[0.0, 0.4]] * len(found)
    deaf = made.localizer.localize({"rgb": features["rgb"]})
    assert len(deaf) > 0


def test_features_of_another_kind_are_refused(made: Learned) -> None:
    rgb = made.held_out[0].features["rgb"]
    for wrong in (
        {},
        {"sound": rgb},
        {"rgb": replace(rgb, source="x@1")},
        {"rgb": replace(rgb, values=rgb.values[:, 1:])},
    ):
        with pytest.raises(FeatureMismatch, match="whenabouts extract"):
            made.localizer.localize(wrong)


@pytest.mark.parametrize("name", LOCALIZERS)
def test_one_concept_alone_can_be_found(name: str) -> None:
    shape = WorldShape(classes=1, unlabelled=0.5, weak=0.2, seconds=(15.0, 30.0))
    made = learned(name, planted_world(60, np.random.default_rng(3), shape))
    assert mean_average_precision(everything(made), made.world, made.held_out) > 0.6


@pytest.mark.parametrize("name", LOCALIZERS)
def test_nothing_to_learn_from_is_said(name: str) -> None:
    kind = LOCALIZERS[name]
    world = planted_world(3, np.random.default_rng(0), WorldShape(unlabelled=1.0))
    with pytest.raises(InvalidData, match="label"):
        kind.fit(world.examples, kind.Settings(), Silent(), vocabulary=world.vocabulary)


def test_unknown_names_and_missing_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="Choose one of: winners-out"):
        localizer_named("winner-out")
    with pytest.raises(ProjectError, match="Run `whenabouts train` first"):
        load_localizer(tmp_path / "nowhere")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "card.json").write_text('{"format": "whenabouts localizer 1", "streams": []}')
    with pytest.raises(InvalidData, match="is broken"):
        load_localizer(tmp_path / "model")
