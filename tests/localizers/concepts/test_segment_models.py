"""Segment models: rated pairs teach, unrated ones don't, and each start is what it says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from whenabouts.core import InvalidData, SegmentLabels, SettingsError, Vocabulary
from whenabouts.core.progress import Silent
from whenabouts.data.examples import Example
from whenabouts.data.worlds.features import PlantedWorld
from whenabouts.localizers.concepts.frames import FrameSettings, FrameVideos
from whenabouts.localizers.concepts.model import ConceptModel, runs_of_spans, widened
from whenabouts.localizers.concepts.networks import NetKind
from whenabouts.localizers.concepts.segment_models import (
    SegmentModelSettings,
    _Drawn,
    rated_segments,
    taught_classes,
    train_segment_model,
)
from whenabouts.localizers.concepts.video_models import VideoModelSettings, train_video_model

from .conftest import LEARNED, QUICK, mean_precision, run_of, small

UNTOUCHED = replace(QUICK, least_steps=0, epochs=1, learning_rate=1e-12, weight_decay=0.0)


def settings(kind: NetKind = "convnet", **choices) -> SegmentModelSettings:
    return SegmentModelSettings(**{"net": small(kind), "fit": QUICK, "start": "nothing", **choices})


def rated_scores(model: ConceptModel, examples: tuple[Example, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Scores of rated pairs (P,) and whether raters found them present."""
    scores, present = [], []
    for example in examples:
        rows = model.span_scores(example.features, example.segments.spans)
        scores.append(rows[np.arange(len(rows)), example.segments.classes])
        present.append(example.segments.present)
    return np.concatenate(scores)[:, None], np.concatenate(present)[:, None]


def rated_video(world: PlantedWorld, *ratings: tuple[float, float, int, bool]) -> FrameVideos:
    starts, ends, classes, present = zip(*ratings, strict=True)
    labels = SegmentLabels(("v",) * len(ratings), np.stack([starts, ends], axis=1), np.array(classes), present)
    return FrameVideos([replace(world.examples[0], segments=labels)], FrameSettings(), Silent())


@pytest.mark.parametrize("kind", ["convnet", "lstm", "transformer", "netvlad", "netfv", "activities"])
def test_every_kind_learns_from_ratings_alone(
    kind: NetKind, videos: FrameVideos, vocabulary: Vocabulary, held_out: tuple[Example, ...]
) -> None:
    model = train_segment_model(videos, settings(kind), run_of(), vocabulary=vocabulary)
    scores, present = rated_scores(model, held_out)
    assert mean_precision(scores, present) > 0.9
    assert present.mean() < 0.5
    assert model.training["segments"] == len(rated_segments(videos))


def test_the_lstm_begins_as_the_video_model(videos: FrameVideos, vocabulary: Vocabulary) -> None:
    """With hardly any step its weights are the video LSTM's; tuned, it leaves them, and these stay as they were."""
    video = train_video_model(videos, VideoModelSettings(net=small("lstm"), fit=QUICK), run_of(), vocabulary=vocabulary)
    before = {name: tensor.clone() for name, tensor in video.tensors().items()}
    begun = train_segment_model(
        videos, settings("lstm", start="video", fit=UNTOUCHED), run_of(), vocabulary=vocabulary, video_model=video
    )
    for name, tensor in begun.tensors().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=1e-8)
    tuned = train_segment_model(
        videos, settings("lstm", start="video"), run_of(), vocabulary=vocabulary, video_model=video
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in video.tensors().items())
    assert not torch.allclose(tuned.tensors()["net.last.weight_hh_l0"], before["net.last.weight_hh_l0"], atol=1e-4)


def test_a_start_that_is_not_there_is_refused(videos: FrameVideos, vocabulary: Vocabulary) -> None:
    with pytest.raises(SettingsError, match="needs one with the same net, but there is none"):
        train_segment_model(videos, settings(start="video"), run_of(), vocabulary=vocabulary)
    other = train_segment_model(videos, settings("netvlad", fit=UNTOUCHED), run_of(), vocabulary=vocabulary)
    with pytest.raises(SettingsError, match="same net"):
        train_segment_model(videos, settings(start="video"), run_of(), vocabulary=vocabulary, video_model=other)


def test_pre_training_on_video_labels_is_worth_something(
    videos: FrameVideos, vocabulary: Vocabulary, held_out: tuple[Example, ...]
) -> None:
    """Before any rating is learned from, the start from labels ranks segments far better than the one from nothing."""
    precisions = {}
    for start in ("labels", "nothing"):
        how = settings(start=start, fit=UNTOUCHED, pretraining=QUICK, pretraining_frames=3)
        model = train_segment_model(videos, how, run_of(), vocabulary=vocabulary)
        precisions[start] = mean_precision(*rated_scores(model, held_out))
    assert precisions["labels"] > 0.85
    assert precisions["labels"] > precisions["nothing"] + 0.15


def test_ratings_of_one_span_are_one_segment(world: PlantedWorld) -> None:
    videos = rated_video(world, (2.0, 4.0, 1, True), (6.0, 7.0, 0, True), (2.0, 4.0, 0, False), (900.0, 905.0, 2, True))
    first, second = rated_segments(videos)
    assert first.run == (4, 8)
    assert first.classes.tolist() == [1, 0]
    assert first.present.tolist() == [True, False]
    assert second.run == (12, 14)


def test_only_classes_with_both_answers_are_taught(world: PlantedWorld) -> None:
    rated = rated_segments(rated_video(world, (2.0, 4.0, 1, True), (5.0, 6.0, 1, False), (5.0, 6.0, 0, True)))
    assert taught_classes(rated, 3, weak=False).tolist() == [False, True, False]
    assert taught_classes(rated, 3, weak=True).tolist() == [True, True, False]


def test_unrated_pairs_have_no_say(world: PlantedWorld, vocabulary: Vocabulary) -> None:
    """Of a class that nobody rated the classifier stays as it began; only the rated one is learned."""
    examples = []
    for example in world.examples[:LEARNED]:
        rows = example.segments.classes == 1
        segments = SegmentLabels(
            tuple(np.array(example.segments.video_ids)[rows]), example.segments.spans[rows],
            example.segments.classes[rows], example.segments.present[rows],
        )  # fmt: skip
        examples.append(replace(example, segments=segments))
    videos = FrameVideos(examples, FrameSettings(), Silent())
    how = settings(weak_negatives=0, fit=replace(QUICK, weight_decay=0.0))
    begun = train_segment_model(videos, replace(how, fit=UNTOUCHED), run_of(), vocabulary=vocabulary)
    tuned = train_segment_model(videos, how, run_of(), vocabulary=vocabulary)
    before, after = (model.tensors()["net.classifier.weight"] for model in (begun, tuned))
    torch.testing.assert_close(after[[0, 2]], before[[0, 2]], rtol=0, atol=1e-8)
    assert not torch.allclose(after[1], before[1], atol=1e-3)


def test_weak_negatives_are_what_the_video_lacks(videos: FrameVideos) -> None:
    drawn = _Drawn(videos, rated_segments(videos), settings(weak_negatives=2, weak_weight=0.25), 3)
    batch = drawn.batch(np.arange(len(drawn.rated)), np.random.default_rng(0))
    assert batch.beside is not None
    for row, segment in enumerate(drawn.rated):
        lacking = sorted(set(range(3)) - set(videos.labels[segment.video].classes.tolist()))
        weak = np.flatnonzero(batch.beside[row].numpy())
        assert len(weak) == min(2, len(lacking))
        assert set(weak.tolist()) <= set(lacking)
        assert set(batch.beside[row, weak].tolist()) <= {0.25}
        assert np.flatnonzero(batch.weights[row].numpy()).tolist() == sorted(segment.classes.tolist())
    plain = _Drawn(videos, drawn.rated, settings(weak_negatives=0), 3)
    assert plain.batch(np.arange(4), np.random.default_rng(0)).beside is None


def test_context_is_seen_in_training_and_use(videos: FrameVideos, vocabulary: Vocabulary, world: PlantedWorld) -> None:
    assert widened([[0, 2], [3, 5], [8, 10], [4, 4]], 2, 10).tolist() == [[0, 4], [1, 7], [6, 10], [0, 0]]
    drawn = _Drawn(videos, rated_segments(videos), settings(context=3), 3)
    segment = next(each for each in drawn.rated if each.run[0] > 3)
    batch = drawn.batch(np.array([drawn.rated.index(segment)]), np.random.default_rng(0))
    assert int(batch.mask.sum()) == segment.run[1] - segment.run[0] + 6
    features = world.examples[0].features
    model = train_segment_model(videos, settings("logistic", context=2), run_of(), vocabulary=vocabulary)
    grid, frames = model.reader.read(features)
    first, stop = runs_of_spans(grid, [[3.0, 5.0]])[0]
    wide = model.of_pieces([frames[first - 2 : stop + 2]])
    np.testing.assert_allclose(model.span_scores(features, [[3.0, 5.0]]), wide, rtol=1e-6)


def test_nothing_rated_is_told(world: PlantedWorld, vocabulary: Vocabulary) -> None:
    bare = [replace(example, segments=SegmentLabels.empty()) for example in world.examples[:3]]
    with pytest.raises(InvalidData, match="No segment of the training videos is rated"):
        train_segment_model(FrameVideos(bare, FrameSettings(), Silent()), settings(), run_of(), vocabulary=vocabulary)


def test_saved_and_loaded_is_the_same(videos: FrameVideos, vocabulary: Vocabulary, tmp_path: Path) -> None:
    model = train_segment_model(videos, settings("logistic", context=1, fit=UNTOUCHED), run_of(), vocabulary=vocabulary)
    model.save(tmp_path / "segment")
    again = ConceptModel.load(tmp_path / "segment")
    assert again.how == model.how
    frames = videos.frames(0)
    np.testing.assert_array_equal(again.of_runs(frames, [[0, 4], [3, 9]]), model.of_runs(frames, [[0, 4], [3, 9]]))
