"""The multiple-instance localizer: its presets find moments, and what training sees is what the settings say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from whenabouts.core import Moments
from whenabouts.core.labels import SegmentLabels
from whenabouts.core.progress import Silent
from whenabouts.core.timing import TimeGrid
from whenabouts.data.worlds.features import PlantedWorld, WorldShape, planted_world
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.tables import Predictions, Truth
from whenabouts.localizers import load_localizer
from whenabouts.localizers.multiple_instance import MultipleInstance
from whenabouts.localizers.multiple_instance_settings import MultipleInstanceSettings as Settings
from whenabouts.localizers.multiple_instance_training import seen_blocks, stretches, with_background
from whenabouts.localizers.own_labels import memberships
from whenabouts.localizers.training_videos import TrainingVideo
from whenabouts.nets.discriminants import soft_members

QUICK = Settings(epochs=4)


def fit(world: PlantedWorld, settings: Settings, **choices: Any) -> MultipleInstance:
    return MultipleInstance.fit(world.examples, settings, Silent(), vocabulary=world.vocabulary, seed=3, **choices)


@pytest.fixture(scope="module")
def larger() -> PlantedWorld:
    shape = WorldShape(classes=3, weak=0.2, seconds=(15.0, 30.0))
    return planted_world(52, np.random.default_rng(2), shape)


@pytest.mark.parametrize(
    ("settings", "least"),
    [
        (Settings.top_k(), 0.4),
        (Settings.untrimmed_soft(), 0.15),
        (Settings.untrimmed_hard(), 0.3),
        (Settings.stpn(), 0.4),
        (Settings.hide_and_seek(), 0.3),
        (Settings(), 0.7),
        (Settings(streams="separate"), 0.45),
        (Settings.attended(background=True), 0.6),
        (Settings.attended(hidden=16, co_activity=0.1), 0.6),
        (Settings.attended(streams="separate"), 0.45),
    ],
    ids=[
        "top-k",
        "untrimmed-soft",
        "untrimmed-hard",
        "stpn",
        "hide-and-seek",
        "own-labels",
        "own-labels-separate",
        "background",
        "hidden",
        "separate",
    ],
)
def test_every_rival_finds_planted_activity(larger: PlantedWorld, settings: Settings, least: float) -> None:
    train, held_out = replace(larger, examples=larger.examples[:40]), larger.examples[40:]
    made = fit(train, replace(settings, epochs=20, learning_rate=0.01))
    found = Moments.concatenate([made.localize(each.features) for each in held_out], larger.vocabulary)
    ids = [each.video_id for each in held_out]
    truth = Truth.of(larger.truth[np.isin(larger.truth.video_ids, ids)], video_ids=ids)
    assert evaluate_moments(truth, Predictions.of(found, truth), tiou=[0.3, 0.5]).average_map > least


def test_killed_training_goes_on_to_the_same_bits(
    world: PlantedWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(QUICK, hide=0.5)
    whole = fit(world, settings)

    class Killed(Exception):
        pass

    measure, calls = torch.Tensor.backward, [0]

    def dying(self: torch.Tensor, *given: Any, **named: Any) -> None:
        calls[0] += 1
        if calls[0] == 6:
            raise Killed
        measure(self, *given, **named)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(torch.Tensor, "backward", dying)
        fit(world, settings, checkpoints=tmp_path)
    assert (tmp_path / "steps.safetensors").exists()
    again = fit(world, settings, checkpoints=tmp_path)
    for name, tensor in again.net.state_dict().items():
        assert torch.equal(tensor, whole.net.state_dict()[name]), name


def test_a_video_may_lack_a_stream(world: PlantedWorld) -> None:
    silent = [replace(each, features={"rgb": each.features["rgb"]}) for each in world.examples[:6]]
    mixed = replace(world, examples=(*silent, *world.examples[6:]))
    for streams in ("joined", "separate"):
        made = fit(mixed, replace(QUICK, streams=streams))
        assert made.training["videos"] == 20
        assert len(made.localize(silent[0].features)) > 0


def test_what_matters_in_use_can_be_changed_after_training(world: PlantedWorld, tmp_path: Path) -> None:
    fit(world, QUICK).save(tmp_path / "model")
    features = world.examples[0].features
    union = load_localizer(tmp_path / "model", changes={"proposals": "union"}).localize(features)
    for index in np.unique(union.classes):
        spans = union[union.classes == index].spans
        assert (spans[1:, 0] >= spans[:-1, 1]).all()
    nested = load_localizer(tmp_path / "model", changes={"proposals": "nested", "tiou": 1.0}).localize(features)
    assert len(nested) > len(union)
    soft = load_localizer(tmp_path / "model", changes={"suppression": "soft"}).localize(features)
    assert len(soft) > 0


def test_hidden_blocks_are_a_share_and_never_all() -> None:
    rng = np.random.default_rng(0)
    shown = np.stack([seen_blocks(83, 0.5, 8, rng) for _ in range(200)])
    assert shown.any(axis=1).all()
    assert shown.mean() == pytest.approx(0.5, abs=0.05)
    assert (shown[:, :80].reshape(200, 10, 8).std(axis=2) == 0).all()
    assert seen_blocks(5, 0.99, 8, rng).all()
    assert seen_blocks(5, 0.0, 8, rng).all()


def test_stretches_of_long_videos_are_whole_and_in_order() -> None:
    rng = np.random.default_rng(0)
    assert stretches(200, 200, rng) is None
    rows = stretches(1001, 200, rng)
    assert rows is not None
    assert len(rows) <= 200
    assert rows.max() < 1001
    assert (np.diff(rows) > 0).all()
    assert (np.diff(rows) == 1).sum() >= len(rows) - 3


def test_background_is_in_every_video_but_not_where_attention_looks() -> None:
    targets = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    raw = with_background(targets, attended=False)
    assert raw.flatten().tolist() == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3, 0, 0, 0.5, 0.5])
    assert with_background(targets, attended=True).tolist() == [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]


def test_settings_that_contradict_each_other_are_refused() -> None:
    for wrong in (
        {"judged": "both"},
        {"attention": "sigmoid", "pooling": "soft"},
        {"background": True},
        {"pooling": "weighted"},
    ):
        with pytest.raises(ValueError, match=r"attention|background"):
            Settings(**wrong)


def test_own_labels_find_a_concept_that_the_classifier_alone_does_not(larger: PlantedWorld) -> None:
    """In this world the classifier knows one concept by the absence of the others: its best segments are elsewhere."""
    train, held_out = replace(larger, examples=larger.examples[:40]), larger.examples[40:]
    made = fit(train, Settings(epochs=20, learning_rate=0.01))
    ids = [each.video_id for each in held_out]
    truth = Truth.of(larger.truth[np.isin(larger.truth.video_ids, ids)], video_ids=ids)
    reached = []
    for share in (0.0, 1.0):
        made.settings = replace(made.settings, own_share=share)
        found = Moments.concatenate([made.localize(each.features) for each in held_out], larger.vocabulary)
        reached.append(evaluate_moments(truth, Predictions.of(found, truth), tiou=[0.3, 0.5]).average_map)
    assert reached[1] > reached[0] + 0.1


def test_likely_classes_are_measured_by_the_best_one(world: PlantedWorld) -> None:
    made = fit(world, QUICK)
    for share in (0.05, 0.6, 1.0):
        made.settings = replace(made.settings, class_threshold=0.0, class_share=share)
        for example in world.examples[:5]:
            probabilities = made.score(example.features).video_scores
            likely = np.flatnonzero(
                (probabilities > share * probabilities.max()) | (probabilities == probabilities.max())
            )
            assert np.unique(made.localize(example.features).classes).tolist() == likely.tolist()


def test_models_from_before_own_labels_are_read_as_they_were(world: PlantedWorld, tmp_path: Path) -> None:
    made = fit(world, replace(Settings.top_k(), epochs=2))
    made.save(tmp_path / "model")
    newer = ("own_rounds", "own_softness", "own_shrinkage", "own_share", "class_share", "doubt")
    path = tmp_path / "model" / "settings.toml"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith(newer)))
    features = world.examples[0].features
    again = load_localizer(tmp_path / "model").localize(features)
    assert np.array_equal(again.scores, made.localize(features).scores)


def test_rated_segments_are_members_or_are_not() -> None:
    """Six segments of half a second; the video is labelled with class 0, and classes 0 and 2 are rated."""
    rated = SegmentLabels(("v",) * 3, [[0.0, 1.5], [1.0, 2.0], [2.5, 3.0]], [0, 0, 2], [False, True, True])
    grid = TimeGrid.of_length(3.0, 0.5)
    video = TrainingVideo(0, "v", grid, (0,), np.array([1.0, 0.0, 0.0]), 1.0, "", rated, np.ones(3, bool))
    logits = torch.tensor([[5.0], [4.0], [0.0], [0.0], [5.0], [0.0]], dtype=torch.float64).expand(6, 3)
    found = memberships(video, logits, Settings(rated_weight=3.0))
    assert found.classes.tolist() == [0, 2]
    soft = soft_members(logits[:, :1], 0.6)[:, 0].tolist()
    # Rejected until 1.5 s, but confirmed from 1 s on; what nobody rated stays as soft as it was.
    assert found.members[:, 0].tolist() == [0.0, 0.0, 1.0, 1.0, *soft[4:]]
    assert found.counted[:, 0].tolist() == [3.0, 3.0, 3.0, 3.0, 1.0, 1.0]
    assert found.members[:, 1].tolist() == [0.0] * 5 + [1.0]
    assert found.counted[:, 1].tolist() == [0.0] * 5 + [3.0]
    without = memberships(video, logits, Settings(rated_weight=0.0))
    assert (without.classes.tolist(), without.members[:, 0].tolist()) == ([0], soft)
