"""The two-stage localizer beyond the contract: ratings, candidates, the paper's segments, kills."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from whenabouts.config import load, read_toml
from whenabouts.core import InvalidData, Moments, SegmentLabels, SettingsError, TimeGrid, VideoLabels
from whenabouts.core.progress import Silent
from whenabouts.data.examples import Example
from whenabouts.data.worlds.features import PlantedWorld
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.tables import Predictions, Truth
from whenabouts.localizers import chosen_localizer
from whenabouts.localizers.concepts import video_models
from whenabouts.localizers.concepts.looks import cutoffs_of, looks
from whenabouts.localizers.concepts.segment_models import SegmentModelSettings
from whenabouts.localizers.concepts.settings import TwoStageSettings
from whenabouts.localizers.concepts.two_stage import TwoStage
from whenabouts.localizers.concepts.video_models import VideoModelSettings

from .conftest import LEARNED, QUICK, small

NET = small("netvlad")
SETTINGS = TwoStageSettings(
    video=VideoModelSettings(net=NET, fit=QUICK), segment=SegmentModelSettings(net=NET, fit=QUICK)
)


class Heard(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def fitted(world: PlantedWorld, settings: TwoStageSettings = SETTINGS, examples=None, **choices) -> TwoStage:
    examples = world.examples[:LEARNED] if examples is None else examples
    return TwoStage.fit(examples, settings, choices.pop("progress", Silent()), vocabulary=world.vocabulary, **choices)


@pytest.fixture(scope="module")
def model(world: PlantedWorld) -> TwoStage:
    return fitted(world)


def unrated(examples: tuple[Example, ...], *, but: int = -1) -> list[Example]:
    """Without ratings, but of one class."""
    kept = []
    for example in examples:
        rows = example.segments.classes == but
        kept.append(replace(example, segments=SegmentLabels(
            (example.video_id,) * int(rows.sum()), example.segments.spans[rows], example.segments.classes[rows],
            example.segments.present[rows],
        )))  # fmt: skip
    return kept


def average_map(model: TwoStage, world: PlantedWorld) -> float:
    held = world.examples[LEARNED:]
    ids = [example.video_id for example in held]
    truth = Truth.of(world.truth[np.isin(world.truth.video_ids, ids)], video_ids=ids)
    found = Moments.concatenate([model.localize(example.features) for example in held], world.vocabulary)
    return evaluate_moments(truth, Predictions.of(found, truth), tiou=[0.3, 0.5]).average_map


def test_rated_segments_train_a_segment_model(model: TwoStage, world: PlantedWorld) -> None:
    assert model.segment is not None
    assert model.taught.all()
    assert model.training["rated_segments"] == model.training["segment"]["segments"] > LEARNED
    assert average_map(model, world) > 0.7


def test_without_ratings_the_video_model_judges_and_says_so(world: PlantedWorld) -> None:
    heard = Heard()
    model = fitted(world, examples=unrated(world.examples[:LEARNED]), progress=heard)
    assert model.segment is None
    assert any("the video model ranks segments too. Rate some" in line for line in heard.lines)
    features = world.examples[-1].features
    grid, frames = model.video.reader.read(features)
    steps = np.arange(grid.steps)
    expected = model.video.of_runs(frames, np.stack([steps, steps + 1], axis=1))
    np.testing.assert_array_equal(model.score(features).scores, expected)


def test_concepts_without_ratings_are_judged_by_the_video_model(world: PlantedWorld) -> None:
    heard = Heard()
    settings = replace(SETTINGS, segment=replace(SETTINGS.segment, weak_negatives=0))
    model = fitted(world, settings, unrated(world.examples[:LEARNED], but=1), progress=heard)
    assert model.taught.tolist() == [False, True, False]
    assert any("2 concepts lack rated segments" in line and "concept 0, concept 2" in line for line in heard.lines)
    features = world.examples[-1].features
    bare = TwoStage(model.video, None, settings, taught=model.taught, cutoffs=model.cutoffs, training={})
    mine, videos = model.score(features).scores, bare.score(features).scores
    np.testing.assert_array_equal(mine[:, [0, 2]], videos[:, [0, 2]])
    assert not np.allclose(mine[:, 1], videos[:, 1])


def test_cutoffs_by_hand() -> None:
    """Class 0 has one label, so its 2 best videos are candidates; class 1 has none, class 2 too many: all are."""

    labels = [VideoLabels.of(row) for row in ([0, 2], [2], [2], [])]
    scores = np.array([[0.9, 0.1, 0.5], [0.2, 0.2, 0.6], [0.4, 0.3, 0.7], [0.1, 0.4, 0.8]], np.float32)
    assert cutoffs_of(scores, labels, 2.0).tolist() == pytest.approx([0.4, 0.0, 0.0])
    assert cutoffs_of(scores, labels, 1.0).tolist() == pytest.approx([0.9, 0.0, 0.6])


def test_candidates_are_those_above_both_floors_and_the_best(model: TwoStage) -> None:
    chosen = TwoStage(
        model.video, None, replace(SETTINGS, class_threshold=0.3, top_classes=1), taught=model.taught,
        cutoffs=np.array([0.5, 0.0, 0.9]), training={},
    )  # fmt: skip
    assert chosen.candidate_classes(np.array([0.5, 0.2, 0.8], np.float32)).tolist() == [0, 2]
    assert chosen.candidate_classes(np.array([0.4, 0.35, 0.1], np.float32)).tolist() == [0, 1]
    everywhere = TwoStage(
        model.video, None, replace(SETTINGS, class_threshold=0.0, candidates=0.0, top_classes=0),
        taught=model.taught, cutoffs=np.array([0.5, 0.0, 0.9]), training={},
    )  # fmt: skip
    assert everywhere.candidate_classes(np.zeros(3, np.float32)).tolist() == [0, 1, 2]


def test_where_segments_are_looked_at() -> None:
    """Looks of 3 s at each second of a video of 4 s reach over its ends no further than it goes."""
    found = looks(TimeGrid.of_length(4.0, 1.0), 3.0)
    np.testing.assert_allclose(found, [[0, 2], [0, 3], [1, 4], [2, 4]], atol=1e-5)
    grid = TimeGrid.of_length(4.0, 0.5)
    assert grid.runs(found).tolist() == [[0, 4], [0, 6], [2, 8], [4, 8]]


def test_the_papers_segments_are_moments_of_five_seconds(world: PlantedWorld) -> None:
    net = small("lstm")
    paper = TwoStageSettings.paper("lstm")
    settings = replace(
        paper, video=replace(paper.video, net=net, fit=QUICK), segment=replace(paper.segment, net=net, fit=QUICK),
    )  # fmt: skip
    model = fitted(world, settings)
    features = world.examples[-1].features
    found, scores = model.localize(features), model.score(features)
    duration = scores.grid.duration_seconds
    spans = found.spans[found.classes == found.classes[0]]
    assert spans[:, 0].tolist() == [5.0 * number for number in range(len(spans))]
    assert spans[-1, 1] == duration
    assert (found.durations[:-1] <= 5.0).all()
    assert len(found) == len(spans) * len(set(found.classes.tolist()))
    start = model.segment.reader.read(features)[1][5:10]
    np.testing.assert_allclose(scores.scores[1], model.segment.of_pieces([start])[0], rtol=1e-5)


def test_a_distilled_video_model(world: PlantedWorld) -> None:
    fit = replace(QUICK, least_steps=40)
    settings = replace(SETTINGS, distilled=True, video=replace(SETTINGS.video, fit=fit))
    settings = replace(settings, distillation=replace(settings.distillation, folds=2))
    heard = Heard()
    model = fitted(world, settings, progress=heard)
    assert sum(line.startswith("Teacher ") for line in heard.lines) == 8
    assert average_map(model, world) > 0.5


def test_a_killed_training_goes_on_to_the_same_model(
    world: PlantedWorld, model: TwoStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the midst of tuning, and before that in the midst of the video model."""
    from whenabouts.localizers.concepts import segment_models

    stops = ((video_models, "drawn_frames", 1450, "video"), (segment_models._Drawn, "_frames", 1650, "segment"))
    for room, name, reads, kept in stops:
        left, real = [reads], getattr(room, name)

        def failing(*given, left=left, real=real):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return real(*given)

        with monkeypatch.context() as patch:
            patch.setattr(room, name, failing)
            with pytest.raises(KeyboardInterrupt):
                fitted(world, checkpoints=tmp_path)
        assert (tmp_path / kept / "steps.safetensors").exists()
    again = fitted(world, checkpoints=tmp_path)
    for one, other in ((model.video, again.video), (model.segment, again.segment)):
        assert all(torch.equal(tensor, other.tensors()[name]) for name, tensor in one.tensors().items())
    np.testing.assert_array_equal(model.cutoffs, again.cutoffs)


def test_settings_may_change_where_it_is_used(model: TwoStage, world: PlantedWorld, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    every = TwoStage.load(tmp_path / "model", changes={"moments": "segments", "video": {"longest": 200}})
    assert every.settings.video.longest == 200
    assert every.settings.video.net == NET
    features = world.examples[-1].features
    assert set(every.localize(features).durations.tolist()) <= {0.5, every.localize(features).durations[-1]}
    assert len(every.localize(features)) > len(model.localize(features))
    with pytest.raises(SettingsError, match="run_threshold"):
        TwoStage.load(tmp_path / "model", changes={"run_treshold": 0.9})
    with pytest.raises(InvalidData, match="do not belong together"):
        wide = {"net": {"hidden": 20}}
        TwoStage.load(tmp_path / "model", changes={"video": wide, "segment": wide})


def test_nets_that_do_not_belong_together_are_refused_before_any_work() -> None:
    with pytest.raises(ValueError, match="same values"):
        TwoStageSettings(video=VideoModelSettings(net=small("lstm")))


def test_the_papers_recipe_is_the_preset() -> None:
    recipe = Path(__file__).parents[3] / "recipes" / "two-stage-paper.toml"
    name, told = chosen_localizer(None, read_toml(recipe)["train"])
    assert name == "two-stage"
    assert load(TwoStageSettings, told, "recipe") == TwoStageSettings.paper()


def test_half_as_precise_is_nearly_as_good(world: PlantedWorld, model: TwoStage) -> None:
    """bfloat16 in training; in use numbers are float32 again."""
    half = fitted(world, replace(SETTINGS, precision="bfloat16"))
    features = world.examples[-1].features
    assert half.score(features).scores.dtype == np.float32
    assert not np.array_equal(half.score(features).scores, model.score(features).scores)
    assert average_map(half, world) > 0.7
