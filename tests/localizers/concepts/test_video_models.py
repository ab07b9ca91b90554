"""Video models: they learn, and only the seed and the data decide what."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from whenabouts.core import InvalidData, SegmentLabels, VideoLabels, Vocabulary
from whenabouts.core.progress import Silent
from whenabouts.data.examples import Example
from whenabouts.data.worlds.features import PlantedWorld
from whenabouts.localizers.concepts.frames import FrameSettings, FrameVideos
from whenabouts.localizers.concepts.model import ConceptModel
from whenabouts.localizers.concepts.networks import NetKind
from whenabouts.localizers.concepts.video_models import (
    VideoModelSettings,
    all_video_scores,
    targets_of,
    train_video_model,
)

from .conftest import LEARNED, QUICK, labels_of, mean_precision, run_of, small


def settings(kind: NetKind = "convnet", **choices) -> VideoModelSettings:
    return VideoModelSettings(net=small(kind), fit=QUICK, **choices)


@pytest.fixture(scope="module", params=get_args(NetKind))
def model(request: pytest.FixtureRequest, videos: FrameVideos, vocabulary: Vocabulary) -> ConceptModel:
    return train_video_model(videos, settings(request.param), run_of(), vocabulary=vocabulary)


def same(one: ConceptModel, other: ConceptModel) -> bool:
    mine, others = one.tensors(), other.tensors()
    return mine.keys() == others.keys() and all(torch.equal(mine[name], others[name]) for name in mine)


def test_every_kind_learns_what_videos_hold(model: ConceptModel, held_out: tuple[Example, ...]) -> None:
    scored = dict(model.scores_of(held_out))
    truth = labels_of(held_out, 3)
    assert list(scored) == [example.video_id for example in held_out]
    assert mean_precision(np.stack(list(scored.values())), truth) > 0.9
    assert truth.mean() < 0.6


def test_one_video_is_scored_as_among_others(model: ConceptModel, held_out: tuple[Example, ...]) -> None:
    by_five = list(model.scores_of(held_out, batch=5))
    for (video_id, scores), example in zip(by_five, held_out, strict=True):
        assert video_id == example.video_id
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores, model.video_scores(example.features), rtol=1e-4, atol=1e-6)


def test_scores_are_streamed(model: ConceptModel, held_out: tuple[Example, ...]) -> None:
    """No more than one batch is read before its scores are given."""
    read = []

    def reading():
        for example in held_out:
            read.append(example.video_id)
            yield example

    stream = model.scores_of(reading(), batch=3)
    assert not read
    next(stream)
    assert len(read) == 3
    assert len(list(stream)) == len(held_out) - 1


def test_saved_and_loaded_is_the_same(model: ConceptModel, held_out: tuple[Example, ...], tmp_path: Path) -> None:
    model.save(tmp_path / "video")
    again = ConceptModel.load(tmp_path / "video")
    assert same(again, model)
    assert again.how == model.how
    assert again.training == model.training
    for example in held_out[:3]:
        np.testing.assert_array_equal(again.video_scores(example.features), model.video_scores(example.features))
    assert {path.suffix for path in (tmp_path / "video").iterdir()} == {".safetensors", ".toml", ".json"}


def test_settings_that_do_not_fit_the_weights_are_told(model: ConceptModel, tmp_path: Path) -> None:
    model.save(tmp_path / "video")
    path = tmp_path / "video" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InvalidData, match=r"model\.safetensors is not what its card tells"):
        ConceptModel.load(tmp_path / "video")
    with pytest.raises(InvalidData, match="do not belong together"):
        ConceptModel.from_tensors({}, model.how, model.streams, vocabulary=model.vocabulary, training={},
                                  device=model.device)  # fmt: skip


def test_a_video_without_a_step_scores_nothing(model: ConceptModel, held_out: tuple[Example, ...]) -> None:
    empty = {
        name: replace(each, values=each.values[:0], grid=replace(each.grid, steps=0, duration_seconds=0.0))
        for name, each in held_out[0].features.items()
    }
    assert not model.video_scores(empty).any()
    assert model.span_scores(empty, [[0.0, 1.0]]).shape == (1, 3)
    assert model.span_scores(held_out[0].features, np.zeros((0, 2))).shape == (0, 3)
    encoded = model.of_runs(model.reader.read(held_out[0].features)[1], [[0, 3], [2, 4]], "encodings")
    assert encoded.shape == (2, 16)
    assert encoded.dtype == np.float32


def test_the_seed_decides(videos: FrameVideos, vocabulary: Vocabulary) -> None:
    one, again, other = (
        train_video_model(videos, settings(), run_of(seed), vocabulary=vocabulary) for seed in (1, 1, 2)
    )
    assert same(one, again)
    assert not same(one, other)


class StoppedAt:
    """Stands for a kill: reading frames fails after so many batches."""

    def __init__(self, videos: FrameVideos, reads: int) -> None:
        self.videos, self.left = videos, reads

    def __getattr__(self, name: str):
        return getattr(self.videos, name)

    def __len__(self) -> int:
        return len(self.videos)

    def frames(self, index: int):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.videos.frames(index)


def test_a_killed_training_goes_on_to_the_same_weights(
    videos: FrameVideos, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    how = settings("lstm", sampled_frames=4)
    whole = train_video_model(videos, how, run_of(), vocabulary=vocabulary)
    with pytest.raises(KeyboardInterrupt):
        train_video_model(StoppedAt(videos, 1500), how, run_of(checkpoints=tmp_path), vocabulary=vocabulary)
    assert (tmp_path / "steps.safetensors").exists()
    resumed = train_video_model(videos, how, run_of(checkpoints=tmp_path), vocabulary=vocabulary)
    assert same(whole, resumed)
    assert resumed.training == whole.training


def test_other_labels_are_another_training(world: PlantedWorld, vocabulary: Vocabulary, tmp_path: Path) -> None:
    """A checkpoint of other labels is not continued."""
    how, run = settings(), run_of(checkpoints=tmp_path)
    first = FrameVideos(world.examples[:LEARNED], FrameSettings(), Silent())
    train_video_model(first, how, run, vocabulary=vocabulary)
    turned = [replace(example, labels=VideoLabels.of([(int(example.labels.classes[0]) + 1) % 3])) for example in
              world.examples[:LEARNED]]  # fmt: skip
    second = FrameVideos(turned, FrameSettings(), Silent())
    fresh = train_video_model(second, how, run_of(), vocabulary=vocabulary)
    assert same(train_video_model(second, how, run, vocabulary=vocabulary), fresh)


def test_targets_and_weights_by_hand() -> None:
    trusted = VideoLabels(np.array([1]), np.array([0.4]), negatives=np.array([2]), absent="unknown")
    targets, weights = targets_of(trusted, 4, 0.25)
    assert targets.tolist() == [0, 1, 0, 0]
    assert weights.tolist() == pytest.approx([0.25, 0.4, 1.0, 0.25])
    targets, weights = targets_of(VideoLabels.of([3]), 4, 0.25)
    assert targets.tolist() == [0, 0, 0, 1]
    assert weights.tolist() == [1, 1, 1, 1]


def test_labels_that_are_incomplete_still_teach(world: PlantedWorld, vocabulary: Vocabulary) -> None:
    """Half of the second labels are lost, and silence is declared to mean nothing."""
    lost = [
        replace(example, labels=VideoLabels.of(example.labels.classes[: 1 + row % 2].tolist(), absent="unknown"))
        for row, example in enumerate(world.examples[:LEARNED])
    ]
    model = train_video_model(FrameVideos(lost, FrameSettings(), Silent()), settings(), run_of(), vocabulary=vocabulary)
    held = world.examples[LEARNED:]
    scores = np.stack([scores for _, scores in model.scores_of(held)])
    assert mean_precision(scores, labels_of(held, 3)) > 0.85


def test_nothing_to_learn_is_told(world: PlantedWorld) -> None:
    alone = Vocabulary(("one",))
    bare = [replace(example, labels=VideoLabels.of([])) for example in world.examples[:4]]
    videos = FrameVideos(bare, FrameSettings(), Silent())
    with pytest.raises(InvalidData, match="None of 4 videos has a label"):
        train_video_model(videos, settings(), run_of(), vocabulary=world.vocabulary)
    every = [replace(example, labels=VideoLabels.of([0])) for example in world.examples[:4]]
    with pytest.raises(InvalidData, match="nothing tells it from the rest"):
        train_video_model(FrameVideos(every, FrameSettings(), Silent()), settings(), run_of(), vocabulary=alone)


def test_videos_that_say_nothing_are_left_out(world: PlantedWorld, vocabulary: Vocabulary) -> None:
    silent = replace(world.examples[0], labels=VideoLabels.of([], absent="unknown"), segments=SegmentLabels.empty())
    videos = FrameVideos([silent, *world.examples[1:20]], FrameSettings(), Silent())
    model = train_video_model(videos, settings(), run_of(), vocabulary=vocabulary)
    assert model.training["videos"] == 19


def test_scores_of_training_videos_are_those_of_any(videos: FrameVideos, world: PlantedWorld) -> None:
    model = train_video_model(videos, settings("logistic"), run_of(), vocabulary=world.vocabulary)
    scores = all_video_scores(model, videos, [3, 0])
    for row, index in enumerate((3, 0)):
        np.testing.assert_allclose(scores[row], model.video_scores(world.examples[index].features), rtol=1e-6)
