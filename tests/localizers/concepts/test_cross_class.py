"""The cross-class localizer beyond the contract: ratings, folds, fallbacks, reasons, kills."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from whenabouts.config import load, read_toml
from whenabouts.core import InvalidData, Moments, SegmentLabels, SettingsError
from whenabouts.core.files import read_json, sha256_of, write_json
from whenabouts.core.progress import Silent
from whenabouts.data.worlds.features import PlantedWorld
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.tables import Predictions, Truth
from whenabouts.localizers import chosen_localizer, load_localizer
from whenabouts.localizers.concepts import cross_class
from whenabouts.localizers.concepts.boosting import TreeSettings
from whenabouts.localizers.concepts.cross_class import CrossClass
from whenabouts.localizers.concepts.cross_class_settings import CrossClassSettings
from whenabouts.localizers.concepts.described import Leak, OutOfFold
from whenabouts.localizers.concepts.frames import FrameSettings, FrameVideos
from whenabouts.localizers.concepts.makers import MakerSettings, names_told, out_of_fold, train_makers
from whenabouts.localizers.concepts.relevance import RelevanceSettings
from whenabouts.localizers.concepts.segment_models import SegmentModelSettings, rated_segments
from whenabouts.localizers.concepts.video_models import VideoModelSettings

from .conftest import LEARNED, QUICK, run_of, small

SHORT = replace(QUICK, least_steps=100)
MAKERS = MakerSettings(
    video=VideoModelSettings(net=small("netvlad"), fit=SHORT),
    video_kinds=("logistic", "netvlad"),
    segment=SegmentModelSettings(net=small("netvlad"), fit=SHORT, pretraining=SHORT),
    segment_kinds=(),
    encoders=("netvlad",),
    folds=2,
)
SETTINGS = CrossClassSettings(makers=MAKERS, relevance=RelevanceSettings(model="trees", trees=TreeSettings(rounds=60)))


class Heard(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def fitted(world: PlantedWorld, settings: CrossClassSettings = SETTINGS, examples=None, **choices) -> CrossClass:
    examples = world.examples[:LEARNED] if examples is None else examples
    return CrossClass.fit(examples, settings, choices.pop("progress", Silent()), vocabulary=world.vocabulary, **choices)


def average_map(model: CrossClass, world: PlantedWorld) -> float:
    held = world.examples[LEARNED:]
    ids = [example.video_id for example in held]
    truth = Truth.of(world.truth[np.isin(world.truth.video_ids, ids)], video_ids=ids)
    found = Moments.concatenate([model.localize(example.features) for example in held], world.vocabulary)
    return evaluate_moments(truth, Predictions.of(found, truth), tiou=[0.3, 0.5]).average_map


@pytest.fixture(scope="module")
def model(world: PlantedWorld) -> CrossClass:
    return fitted(world)


def test_it_does_as_raters_say(model: CrossClass, world: PlantedWorld) -> None:
    """Moments are found; where raters say yes for no and no for yes, the opposite is."""
    assert average_map(model, world) > 0.9
    opposite = [
        replace(example, segments=replace(example.segments, present=~example.segments.present))
        for example in world.examples[:LEARNED]
    ]
    quick = replace(SETTINGS, makers=replace(MAKERS, video_kinds=("logistic",), encoders=()))
    assert average_map(fitted(world, quick, opposite), world) < 0.3
    facts = model.training["relevance"]
    assert facts["rated_pairs"] > 100
    assert 0.5 < facts["map_held_out"] <= 1


def test_models_of_a_fold_never_see_its_videos(videos: FrameVideos, vocabulary) -> None:
    rated = rated_segments(videos)
    makers, heard = replace(MAKERS, segment_kinds=("netvlad", "convnet")), Heard()
    told = out_of_fold(videos, rated, makers, replace(run_of(), progress=heard), vocabulary=vocabulary)
    assert isinstance(told, OutOfFold)
    each = ["video.logistic", "video.netvlad", "segment.netvlad", "segment.convnet"]
    trained = [f"Model {number} of 4: {name}" for number, name in enumerate(each, start=1)]
    told_of = [line for line in heard.lines if line.startswith("Model")]
    assert told_of == ["Models for fold 1 of 2", *trained, "Models for fold 2 of 2", *trained]
    for fold in told.folds:
        segments = fold.account.segments
        assert set(segments.scores) == {"video.logistic", "video.logistic.whole", "video.netvlad",
                                        "video.netvlad.whole", "segment.netvlad", "segment.convnet"}  # fmt: skip
        assert set(segments.encodings) == {"frames", "netvlad"}
        own = set(segments.video_ids[fold.rows].tolist())
        assert len(own) == LEARNED // 2
        assert own.isdisjoint(segments.learned_from)
        assert own | segments.learned_from == set(videos.video_ids)
        assert len(fold.account.labels) == LEARNED // 2
    whole = train_makers(videos, MAKERS, run_of(), vocabulary=vocabulary).account(videos, rated)
    with pytest.raises(Leak):
        OutOfFold([replace(told.folds[0], account=whole), told.folds[1]])


def test_models_of_a_fold_never_see_a_clip_of_a_recording_of_its_rows(world: PlantedWorld) -> None:
    """Two clips of each recording, of which one is rated, or the other, or both."""
    clips = []
    for row, example in enumerate(world.examples[:LEARNED]):
        segments = SegmentLabels.empty() if row % 3 == 0 else example.segments
        clips.append(replace(example, video_id=f"abcdefgh{row // 2:02d}w_{row}_{row + 10}", segments=segments))
    videos = FrameVideos(clips, FrameSettings(), Silent())
    makers = replace(
        MAKERS, video_kinds=("logistic",), encoders=(), video=replace(MAKERS.video, fit=replace(SHORT, least_steps=1))
    )
    told = out_of_fold(videos, rated_segments(videos), makers, run_of(), vocabulary=world.vocabulary)
    for fold in told.folds:
        rows = {name[:11] for name in fold.account.segments.video_ids[fold.rows].tolist()}
        assert rows
        assert rows.isdisjoint(name[:11] for name in fold.account.segments.learned_from)


def test_loaded_models_can_not_vouch_for_themselves(model: CrossClass, world: PlantedWorld, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    again = CrossClass.load(tmp_path / "model")
    features = world.examples[-1].features
    described = again.describe(features, np.array([[0.0, 2.0], [1.0, 4.0]]))
    assert described.learned_from is None
    assert model.describe(features, np.array([[0.0, 2.0]])).learned_from == {
        example.video_id for example in world.examples[:LEARNED]
    }
    one, other = model.score(features), again.score(features)
    np.testing.assert_array_equal(one.scores, other.scores)
    own = world.examples[0].features  # a training video: its own ratings are left out, loaded or not
    np.testing.assert_array_equal(model.score(own).scores, again.score(own).scores)
    runs = CrossClass.load(tmp_path / "model", changes={"moments": "segments"})
    assert len(runs.localize(features)) > len(model.localize(features))


def test_candidates_alone_are_scored_the_same(model: CrossClass, world: PlantedWorld) -> None:
    for example in world.examples[LEARNED:]:
        whole = model.score(example.features)
        classes = model.candidate_classes(whole.video_scores)
        part = model._scored(example.features, candidates_only=True)
        np.testing.assert_array_equal(part.scores[:, classes], whole.scores[:, classes])


def test_a_long_video_is_looked_at_part_by_part(
    model: CrossClass, world: PlantedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = world.examples[-1].features
    whole = model.score(features)
    monkeypatch.setattr(cross_class, "_LOOKS", 7)
    np.testing.assert_allclose(model.score(features).scores, whole.scores, atol=1e-6)


def test_why_names_columns(model: CrossClass, world: PlantedWorld) -> None:
    features = world.examples[-1].features
    why = model.why(features, (1.0, 3.0), world.vocabulary.names[0])
    assert 0 < why.score < 1
    assert any(reason.column == "similarity.netvlad.positive.mean" for reason in why.reasons)
    bare = CrossClass(model.makers, None, model.settings, cutoffs=model.cutoffs, training={})
    with pytest.raises(InvalidData, match="no relevance model"):
        bare.why(features, (1.0, 3.0), world.vocabulary.names[0])


def rated_otherwise(world: PlantedWorld, kept) -> list:
    examples = []
    for number, example in enumerate(world.examples[:LEARNED]):
        rows = np.flatnonzero(kept(number, example.segments))
        examples.append(replace(example, segments=SegmentLabels(
            (example.video_id,) * len(rows), example.segments.spans[rows], example.segments.classes[rows],
            example.segments.present[rows],
        )))  # fmt: skip
    return examples


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (lambda number, rated: np.zeros(len(rated), bool), "No segment is rated as showing"),
        (lambda number, rated: ~rated.present, "No segment is rated as showing"),
        (lambda number, rated: np.full(len(rated), number == 3), "rated in 1 videos, and 2 are needed"),
    ],
)
def test_too_few_ratings_are_told_and_models_judge(world: PlantedWorld, kept, told: str) -> None:
    heard = Heard()
    quick = replace(SETTINGS, makers=replace(MAKERS, video_kinds=("logistic",), encoders=()))
    model = fitted(world, quick, rated_otherwise(world, kept), progress=heard)
    assert model.relevance is None
    assert any(told in line and "the mean of the models ranks segments" in line for line in heard.lines)
    features = world.examples[-1].features
    described = model.describe(features, [[0.0, 0.49]])
    np.testing.assert_allclose(model.score(features).scores[0], described.scores["video.logistic"][0], rtol=1e-5)


def test_where_every_segment_shows_every_concept_models_judge(world: PlantedWorld) -> None:
    """Not even weak negatives are there then, as with a single concept of which chapters tell."""
    examples = []
    for example in world.examples[:LEARNED]:
        one = SegmentLabels((example.video_id,) * 3, np.tile([[1.0, 3.0]], (3, 1)), np.arange(3), np.ones(3, bool))
        examples.append(replace(example, segments=one))
    heard, quick = Heard(), replace(SETTINGS, makers=replace(MAKERS, video_kinds=("logistic",), encoders=()))
    assert fitted(world, quick, examples, progress=heard).relevance is None
    assert any("No segment is rated as lacking a concept" in line for line in heard.lines)


def test_where_no_held_out_pair_is_relevant_nobody_knows_the_precision(world: PlantedWorld, tmp_path: Path) -> None:
    """A precision that can't be measured is told as such, and is no number in the card, which knows no NaN."""
    few = rated_otherwise(world, lambda number, rated: ~rated.present | (number == 3))
    heard, quick = Heard(), replace(SETTINGS, makers=replace(MAKERS, video_kinds=("logistic",), encoders=()))
    model = fitted(world, quick, few, progress=heard)
    assert model.training["relevance"]["map_held_out"] is None
    assert any("how well it ranks is not known" in line for line in heard.lines)
    model.save(tmp_path / "model")
    assert CrossClass.load(tmp_path / "model").training["relevance"]["map_retrained_on_all"] is None


def test_ratings_that_disagree_are_left_out_and_told_and_the_same_twice_counts_once(world: PlantedWorld) -> None:
    def doubled(number: int, rated: SegmentLabels) -> SegmentLabels:
        rows = np.concatenate([np.arange(len(rated)), np.arange(len(rated))])
        present = np.concatenate([rated.present, ~rated.present if number == 0 else rated.present])
        return SegmentLabels(rated.video_ids * 2, rated.spans[rows], rated.classes[rows], present)

    examples = [
        replace(example, segments=doubled(number, example.segments))
        for number, example in enumerate(world.examples[:LEARNED])
    ]
    heard = Heard()
    twice = FrameVideos(examples, SETTINGS.frames, heard)
    once = FrameVideos(world.examples[1:LEARNED], SETTINGS.frames, Silent())
    assert f"{len(world.examples[0].segments)} ratings of a segment are denied as often as affirmed" in heard.lines[-1]
    assert twice.disputed == len(world.examples[0].segments)
    assert len(twice.segments[0]) == 0
    ours, theirs = rated_segments(twice), rated_segments(once)
    assert [segment.video - 1 for segment in ours] == [segment.video for segment in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert sorted(zip(one.classes, one.present, strict=True)) == sorted(
            zip(other.classes, other.present, strict=True)
        )


def test_with_one_fold_models_never_see_a_rated_video(world: PlantedWorld) -> None:
    makers = replace(MAKERS, video_kinds=("logistic",), encoders=(), folds=1, rates={"logistic": 0.02})
    quick = replace(SETTINGS, makers=makers)
    model = fitted(world, quick, rated_otherwise(world, lambda number, rated: np.full(len(rated), number < 20)))
    assert model.makers.learned_from == {example.video_id for example in world.examples[20:LEARNED]}
    assert model.relevance is not None
    assert average_map(model, world) > 0.6
    with pytest.raises(InvalidData, match="all 40 have some"):
        fitted(world, quick)


def test_chapters_alone_are_enough_with_weak_negatives(world: PlantedWorld) -> None:
    """Chapters say what is there and never what is not."""
    quick = replace(SETTINGS, makers=replace(MAKERS, video_kinds=("logistic",), encoders=()))
    model = fitted(world, quick, rated_otherwise(world, lambda number, rated: rated.present))
    assert model.relevance is not None
    assert model.training["relevance"]["weak_pairs"] > 0


def test_a_killed_training_goes_on_to_the_same_model(
    world: PlantedWorld, model: CrossClass, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the midst of the second fold."""
    from whenabouts.localizers.concepts import video_models

    left, real = [5100], video_models.drawn_frames

    def failing(*given):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(video_models, "drawn_frames", failing)
        with pytest.raises(KeyboardInterrupt):
            fitted(world, checkpoints=tmp_path)
    assert (tmp_path / "fold-0").exists()
    again = fitted(world, checkpoints=tmp_path)
    for name, one in model.makers.models.items():
        mine = again.makers.models[name].tensors()
        assert all(torch.equal(tensor, mine[key]) for key, tensor in one.tensors().items())
    assert again.relevance.scorer.raw() == model.relevance.scorer.raw()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"without": ("nothing",)}, "'nothing' names no column"),
        ({"without": ("similarity.lstm",)}, "'similarity.lstm' names no column"),
        ({"without": ("*",)}, r"Without \* no column is left"),
    ],
)
def test_a_relevance_model_that_can_not_be_is_refused_before_any_model_is_trained(
    world: PlantedWorld, monkeypatch: pytest.MonkeyPatch, changes, told: str
) -> None:
    def failing(*given, **choices):
        raise AssertionError("trained")

    monkeypatch.setattr(cross_class, "train_makers", failing)
    with pytest.raises(SettingsError, match=told):
        fitted(world, replace(SETTINGS, relevance=replace(SETTINGS.relevance, **changes)))


def test_columns_are_those_that_were_checked_before(model: CrossClass) -> None:
    scores, encoders = names_told(MAKERS)
    features = model.relevance.features
    assert features.models == tuple(scores)
    assert list(features.references.rated) == encoders


def test_a_video_that_is_no_candidate_has_no_moment(model: CrossClass, world: PlantedWorld, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    strict = CrossClass.load(tmp_path / "model", changes={"candidates": 0.0, "top_classes": 0, "class_threshold": 1.0})
    assert len(strict.localize(world.examples[-1].features)) == 0


def test_settings_that_can_not_be() -> None:
    with pytest.raises(ValueError, match="no class feature 'indx'"):
        RelevanceSettings(class_features=("indx",))
    with pytest.raises(ValueError, match="each class feature is named once"):
        RelevanceSettings(class_features=("index", "index"))
    with pytest.raises(ValueError, match="encoders are of video_kinds"):
        MakerSettings(video_kinds=("logistic",), encoders=("lstm",))
    with pytest.raises(ValueError, match="need two folds at least"):
        MakerSettings(folds=1, segment_kinds=("netvlad",))
    with pytest.raises(ValueError, match="'lstm' is not"):
        MakerSettings(rates={"lstm": 0.1})
    with pytest.raises(ValueError, match="one video model at least"):
        MakerSettings(video_kinds=(), encoders=())


def test_a_folder_without_its_trees_or_with_others_is_refused(model: CrossClass, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    model.save(folder)
    card = read_json(folder / "card.json")
    write_json(folder / "card.json", {**card, "beside": {}})
    with pytest.raises(InvalidData, match=r"lacks trees\.ubj"):
        CrossClass.load(folder)
    (folder / "trees.ubj").write_bytes(b"{}")
    write_json(folder / "card.json", {**card, "beside": {"trees.ubj": sha256_of(folder / "trees.ubj")}})
    with pytest.raises(InvalidData, match="no trees that can be used"):
        CrossClass.load(folder)
    write_json(folder / "card.json", {**card, "beside": {"../model/trees.ubj": "0"}})
    with pytest.raises(InvalidData, match="outside its folder"):
        CrossClass.load(folder)


def test_the_challenges_recipe_is_the_preset() -> None:
    recipe = Path(__file__).parents[3] / "recipes" / "ccrl-youtube8m.toml"
    name, told = chosen_localizer(None, read_toml(recipe)["train"])
    assert name == "cross-class-relevance"
    assert load(CrossClassSettings, told, "recipe") == CrossClassSettings.youtube8m()


def test_the_papers_preset(world: PlantedWorld) -> None:
    """Its features, segments and candidates, with nets of a size for tests."""
    paper = CrossClassSettings.paper()
    video = replace(paper.makers.video, net=small("lstm"), fit=SHORT)
    trees = replace(paper.relevance.trees, rounds=30)
    settings = replace(
        paper, makers=replace(paper.makers, video=video, folds=2), relevance=replace(paper.relevance, trees=trees),
        candidates=0.0,
    )  # fmt: skip
    model = fitted(world, settings)
    assert model.relevance.features.columns.names == (
        "scores.video.logistic", "scores.video.lstm",
        "similarity.frames.positive.sum", "similarity.frames.negative.sum",
        "similarity.lstm.positive.sum", "similarity.lstm.negative.sum",
        *(f"class.onehot.{column}" for column in range(3)),
    )  # fmt: skip
    assert model.training["relevance"]["weak_pairs"] == 0
    found = model.localize(world.examples[-1].features)
    assert set(found.spans[:, 0] % 5.0) == {0.0}
    assert len(found) == 3 * -(-world.examples[-1].features["rgb"].grid.duration_seconds // 5)


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("models.video.netvlad.net.classifier.weight", lambda x: x * float("nan"), "numbers are finite"),
        ("models.video.logistic.frames.deviation", lambda x: x * 0, "deviations above 0"),
        ("models.video.logistic.frames.mean", lambda x: x[:-1], "deviations above 0"),
        ("cutoffs", lambda x: x[:-1], "cutoffs are 3 finite numbers"),
        ("cutoffs", lambda x: x + float("inf"), "cutoffs are 3 finite numbers"),
        ("relevance.features.rated.netvlad.positive.own", lambda x: x * float("inf"), "are finite"),
        ("relevance.features.rated.netvlad.positive.own", lambda x: x * 2, "not those of all their videos"),
        ("relevance.features.rated.frames.negative.own_counts", lambda x: x + 7, "not those of all their videos"),
        ("relevance.held_out.single.video.netvlad", lambda x: x[:-1], "Held-out pairs do not go together"),
        ("relevance.held_out.classes", lambda x: x + 3, "Held-out pairs are of 3 classes"),
        ("relevance.held_out.scores", lambda x: x * float("nan"), "are probabilities"),
        ("relevance.held_out.single.video.netvlad", lambda x: x - 1, "are probabilities"),
        ("relevance.features.class.cooccurrence.others", lambda x: x.float(), "others can't be float32"),
        ("relevance.features.class.cooccurrence.weights", lambda x: x[0, 0], "of 0 dimensions"),
        (
            "relevance.features.class.prior.values",
            lambda x: x + float("inf"),
            "nor infinite, so it can't be read. Train again.$",
        ),
    ],
)
def test_numbers_that_can_not_be_are_refused(model: CrossClass, tmp_path: Path, name: str, change, told: str) -> None:
    """Even where the checksum in the card is that of the broken file."""
    folder = tmp_path / "model"
    model.save(folder)
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, name: change(tensors[name]).contiguous()}, folder / "model.safetensors")
    card = read_json(folder / "card.json")
    write_json(folder / "card.json", {**card, "sha256": sha256_of(folder / "model.safetensors")})
    with pytest.raises(InvalidData, match=told):
        CrossClass.load(folder)


@pytest.mark.parametrize("change", [{"training": 3}, {"training": []}, {"localizer": {}}])
def test_a_card_that_tells_nonsense_is_refused(model: CrossClass, tmp_path: Path, change) -> None:
    model.save(tmp_path / "model")
    card = read_json(tmp_path / "model" / "card.json")
    write_json(tmp_path / "model" / "card.json", {**card, **change})
    with pytest.raises(InvalidData, match=r"card.json is broken"):
        load_localizer(tmp_path / "model")


def test_by_default_a_segment_model_speaks_and_a_linear_one_ranks(world: PlantedWorld, tmp_path: Path) -> None:
    """And where nothing is rated, no segment model is asked for, nor missed after loading."""
    usual = CrossClassSettings()
    assert (usual.makers.segment_kinds, usual.relevance.model) == (("netvlad",), "linear")
    settings = replace(SETTINGS, makers=replace(MAKERS, segment_kinds=("netvlad",)), relevance=usual.relevance)
    model = fitted(world, settings)
    assert "scores.segment.netvlad" in model.relevance.features.columns.names
    assert average_map(model, world) > 0.9
    bare = fitted(world, settings, [replace(each, segments=SegmentLabels.empty()) for each in world.examples[:LEARNED]])
    assert bare.relevance is None
    assert set(bare.makers.models) == {"video.logistic", "video.netvlad"}
    bare.save(tmp_path / "bare")
    features = world.examples[-1].features
    again = CrossClass.load(tmp_path / "bare")
    np.testing.assert_array_equal(again.score(features).scores, bare.score(features).scores)


def test_one_setting_of_segment_models_leaves_the_others_at_their_better_defaults() -> None:
    how = load(CrossClassSettings, {"makers": {"segment": {"context": 4}}}, "recipe.toml").makers.segment
    assert how == replace(MakerSettings().segment, context=4)
    assert (how.start, how.net.batch_norm) == ("labels", True)


def test_a_segment_model_that_no_video_model_can_start_says_so(videos: FrameVideos, world: PlantedWorld) -> None:
    """Batch norm, which is the default of segment models alone, makes another net of it."""
    segment = replace(MAKERS.segment, net=replace(small("netvlad"), batch_norm=True), start="video")
    how, heard = replace(MAKERS, segment=segment, segment_kinds=("netvlad",)), Heard()
    models = train_makers(videos, how, replace(run_of(), progress=heard), vocabulary=world.vocabulary).models
    assert models["segment.netvlad"].how.net.batch_norm
    assert any("segment.netvlad begins with labels: no video model has its net" in line for line in heard.lines)
