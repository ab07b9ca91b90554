"""The winners-out localizer as a whole: scores, moments, switches, presets, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from whenabouts.config import as_table, load, read_toml
from whenabouts.core import FeatureMismatch, InvalidData, Moments, SettingsError
from whenabouts.core.progress import Silent
from whenabouts.data.worlds.features import PlantedWorld, WorldShape, planted_world
from whenabouts.localizers import chosen_localizer
from whenabouts.localizers.decoding import contrast_moments, uniform_windows
from whenabouts.localizers.winners_out import WinnersOut
from whenabouts.localizers.winners_out_settings import WinnersOutSettings

QUICK = WinnersOutSettings(epochs=3, attentions=3)


def read_otherwise(localizer: WinnersOut, **changes: object) -> WinnersOut:
    """The same net, read with other settings."""
    return WinnersOut(
        localizer.net,
        replace(localizer.settings, **changes),
        streams=localizer.streams,
        vocabulary=localizer.vocabulary,
        training=localizer.training,
        device=torch.device("cpu"),
    )


def test_scores_stand_on_the_segment_grid(world: PlantedWorld, quick: WinnersOut) -> None:
    example = world.examples[0]
    found = quick.score(example.features)
    duration = example.features["rgb"].grid.duration_seconds
    assert found.grid.duration_seconds == duration
    assert found.grid.steps == int(np.ceil(duration / 0.5))
    assert found.scores.shape == (found.grid.steps, 4)
    assert found.scores.min() >= 0
    assert found.attention.shape == (6, found.grid.steps)
    np.testing.assert_allclose(found.attention.sum(axis=1), 1, rtol=1e-5)
    assert found.video_scores.sum() == pytest.approx(1, rel=1e-5)


def test_moments_follow_the_arithmetic_of_their_scores(world: PlantedWorld, quick: WinnersOut) -> None:
    """One step, everything positive selected: runs of positive first scores, and Eq. 11 on them."""
    plain = read_otherwise(
        quick, test_steps=1, winners_share=1.0, length_credit=0.0, score_scale="none", class_threshold=1.0
    )
    features = world.examples[0].features
    scores, found = plain.score(features), plain.localize(features)
    best = int(scores.video_scores.argmax())
    assert set(found.classes.tolist()) == {best}
    runs = scores.grid.runs(found.spans)
    for (first, stop), score in zip(runs.tolist(), found.scores.tolist(), strict=True):
        assert score == pytest.approx(scores.scores[first:stop, best].mean(), rel=1e-5)
    covered = np.zeros(scores.grid.steps, bool)
    for first, stop in runs.tolist():
        covered[first:stop] = True
    np.testing.assert_array_equal(covered, scores.scores[:, best] > 0)


def test_length_scale_fusion_and_credit_are_factors(world: PlantedWorld, quick: WinnersOut) -> None:
    features = world.examples[1].features
    base = read_otherwise(quick, length_credit=0.0, score_scale="none")
    found, steps = base.localize(features), base.score(features).grid.steps
    scaled = read_otherwise(base, score_scale="length").localize(features)
    np.testing.assert_allclose(scaled.scores, found.scores * steps)
    probabilities = base.score(features).video_scores[found.classes]
    fused = read_otherwise(base, fusion="probability").localize(features)
    np.testing.assert_allclose(fused.scores, found.scores * probabilities, rtol=1e-6)
    runs = base.score(features).grid.runs(found.spans)
    surer = read_otherwise(base, length_credit=0.5).localize(features)
    np.testing.assert_allclose(surer.scores, found.scores * np.sqrt(runs[:, 1] - runs[:, 0]))


def test_first_step_scores_and_nested_proposals(world: PlantedWorld, quick: WinnersOut) -> None:
    features = world.examples[2].features
    union = quick.localize(features)
    first = read_otherwise(quick, score="first_step").localize(features)
    np.testing.assert_array_equal(first.spans, union.spans)
    assert not np.allclose(first.scores, union.scores)
    nested = read_otherwise(quick, proposals="nested").localize(features)
    assert len(nested.suppressed(0.5)) == len(nested)
    one_step = read_otherwise(quick, test_steps=1, proposals="nested").localize(features)
    np.testing.assert_array_equal(
        one_step.ranked().spans, read_otherwise(quick, test_steps=1).localize(features).ranked().spans
    )


def test_classes_come_by_threshold_and_by_rank(world: PlantedWorld, quick: WinnersOut) -> None:
    features = world.examples[3].features
    scores = quick.score(features).video_scores
    for threshold, top in ((0.0, 0), (1.0, 2), (float(np.sort(scores)[-2]), 0), (1.0, 0)):
        found = read_otherwise(quick, class_threshold=threshold, top_classes=top).localize(features)
        wanted = set(np.flatnonzero(scores > threshold)) | set(np.argsort(-scores)[:top])
        assert set(found.classes.tolist()) == wanted


@pytest.mark.parametrize(
    "change",
    [
        {"scores": "cam"},
        {"scores": "attention"},
        {"attention_bias": "position", "segment_count": 24},
        {"snippets": 2},
        {"shift_bias": True},
        {"optimizer": "sgd", "learning_rate": 0.5, "decay_every": 2},
        {"standardised": False, "centred": False, "positive_only": False},
        {"winners_count": 3, "rounds": 3},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_switch_trains_saves_and_loads(world: PlantedWorld, tmp_path: Path, change: dict[str, object]) -> None:
    settings = replace(QUICK, **change)
    made = WinnersOut.fit(world.examples[:8], settings, Silent(), vocabulary=world.vocabulary)
    made.save(tmp_path / "model")
    again = WinnersOut.load(tmp_path / "model")
    assert again.settings == settings
    for example in world.examples[8:10]:
        one, other = made.localize(example.features), again.localize(example.features)
        assert len(one) > 0
        np.testing.assert_array_equal(one.spans, other.spans)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_the_papers_preset_runs_with_fewer_epochs(world: PlantedWorld) -> None:
    paper = WinnersOutSettings.paper(segments=40)
    assert (paper.winners(400), paper.budget(400)) == (30, 300)
    assert (paper.weight_of("rgb"), paper.weight_of("flow")) == (1.0, 10.0)
    made = WinnersOut.fit(world.examples, replace(paper, epochs=2), Silent(), vocabulary=world.vocabulary)
    assert made.net.stream(0).bias.shape == (18, 40)
    found = made.localize(world.examples[0].features)
    assert set(found.classes.tolist()) <= set(np.argsort(-made.score(world.examples[0].features).video_scores)[:2])
    assert made.score(world.examples[0].features).grid.steps == 40


def test_the_papers_recipe_is_the_preset() -> None:
    recipe = Path(__file__).parents[2] / "recipes" / "winners-out-paper.toml"
    name, told = chosen_localizer(None, read_toml(recipe)["train"])
    assert name == "winners-out"
    assert load(WinnersOutSettings, told, "recipe") == WinnersOutSettings.paper()


def test_settings_survive_toml_and_wrong_ones_are_told() -> None:
    table = as_table(WinnersOutSettings.paper())
    assert load(WinnersOutSettings, table, "x") == WinnersOutSettings.paper()
    with pytest.raises(SettingsError, match="segment_count"):
        load(WinnersOutSettings, {"attention_bias": "position"}, "[train]")
    with pytest.raises(SettingsError, match="Did you mean 'epochs'"):
        load(WinnersOutSettings, {"epoch": 3}, "[train]")
    with pytest.raises(SettingsError, match="rounds is 0"):
        load(WinnersOutSettings, {"rounds": 0}, "[train]")


def test_uneven_weights_of_streams_matter(world: PlantedWorld, quick: WinnersOut) -> None:
    features = world.examples[4].features
    only_rgb = read_otherwise(quick, stream_weights={"flow": 0.0}).score(features).scores
    only_flow = read_otherwise(quick, stream_weights={"rgb": 0.0}).score(features).scores
    np.testing.assert_allclose(quick.score(features).scores, only_rgb + only_flow, rtol=1e-4, atol=1e-7)


def test_what_does_not_fit_is_refused_with_the_way_out(world: PlantedWorld, quick: WinnersOut) -> None:
    features = dict(world.examples[0].features)
    with pytest.raises(FeatureMismatch, match=r"reads flow, rgb features, but got sound\. Run `whenabouts extract`"):
        quick.localize({"sound": features["rgb"]})
    with pytest.raises(FeatureMismatch, match="but got none"):
        quick.score({})
    narrow = replace(features["rgb"], values=features["rgb"].values[:, :5])
    with pytest.raises(FeatureMismatch, match=r"rgb features are 5 wide, .* trained on 24"):
        quick.score({"rgb": narrow})
    foreign = replace(features["rgb"], source="other@1")
    with pytest.raises(FeatureMismatch, match="from other@1, but the model was trained on 24, from planted world"):
        quick.localize({"flow": features["flow"], "rgb": foreign})
    broken = replace(features["rgb"], values=np.full_like(features["rgb"].values, np.inf))
    with pytest.raises(InvalidData, match="video-0000: rgb features hold inf at step 0"):
        quick.localize({"rgb": broken})


def test_changes_on_loading_and_files_that_do_not_belong_together(quick: WinnersOut, tmp_path: Path) -> None:
    quick.save(tmp_path / "model")
    assert WinnersOut.load(tmp_path / "model", changes={"test_steps": 2}).settings.test_steps == 2
    with pytest.raises(SettingsError, match="test_stepz"):
        WinnersOut.load(tmp_path / "model", changes={"test_stepz": 2})
    with pytest.raises(InvalidData, match="do not belong together"):
        WinnersOut.load(tmp_path / "model", changes={"attentions": 5})
    (tmp_path / "model" / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(InvalidData, match=r"model\.safetensors is not what its card tells.*whenabouts train"):
        WinnersOut.load(tmp_path / "model")


def test_a_flipped_bit_anywhere_in_a_model_is_told_or_changes_no_weight(quick: WinnersOut, tmp_path: Path) -> None:
    folder, rng = tmp_path / "model", np.random.default_rng(0)
    quick.save(folder)
    for name in ("model.safetensors", "settings.toml", "vocabulary.json", "card.json"):
        path, whole = folder / name, (folder / name).read_bytes()
        for place in rng.integers(0, len(whole), 40).tolist():
            damaged = bytearray(whole)
            damaged[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            found = told = None
            try:
                found = WinnersOut.load(folder)
            except (InvalidData, SettingsError) as error:
                told = str(error)
            if found is None:
                assert str(folder) in told
                continue
            assert name != "model.safetensors"
            weights = found.net.state_dict()
            assert all(torch.equal(weights[key], value) for key, value in quick.net.state_dict().items())
        path.write_bytes(whole)


@pytest.mark.parametrize("text", ["[]", "{}", '{"names": [3]}', '{"names": ["a"], "aliases": {"b": 3}}', "\0", None])
def test_a_broken_vocabulary_of_a_model_is_named(quick: WinnersOut, tmp_path: Path, text: str | None) -> None:
    quick.save(tmp_path / "model")
    path = tmp_path / "model" / "vocabulary.json"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(InvalidData, match=r"vocabulary\.json.*whenabouts train"):
        WinnersOut.load(tmp_path / "model")


def test_class_specific_scores_beat_attention_scores_and_uniform_windows() -> None:
    """On held-out videos of a planted world, where class activation maps are about as good."""
    from whenabouts.evaluation.moments import evaluate_moments
    from whenabouts.evaluation.tables import Predictions, Truth

    shape = WorldShape(classes=6, noise=1.2, widths={"rgb": 32})
    made = planted_world(100, np.random.default_rng(0), shape)
    held_out = made.examples[70:]
    ids = [example.video_id for example in held_out]
    truth = Truth.of(made.truth[np.isin(made.truth.video_ids, ids)], video_ids=ids)

    def reached(found: list[Moments]) -> float:
        predictions = Predictions.of(Moments.concatenate(found, made.vocabulary), truth)
        return evaluate_moments(truth, predictions, tiou=[0.3, 0.5]).average_map

    maps = {}
    for kind in ("class-specific", "cam", "attention"):
        settings = WinnersOutSettings(scores=kind, epochs=15)
        localizer = WinnersOut.fit(made.examples[:70], settings, Silent(), vocabulary=made.vocabulary, seed=1)
        maps[kind] = reached([localizer.localize(example.features) for example in held_out])
        if kind == "class-specific":
            windows = [
                uniform_windows(localizer.score(example.features), window_seconds=4.0, classes=range(6))
                for example in held_out
            ]
            maps["windows"] = reached(windows)
    assert maps["class-specific"] > 0.6, maps
    assert maps["cam"] > 0.6, maps
    assert maps["class-specific"] > 3 * maps["attention"], maps
    assert maps["class-specific"] > 3 * maps["windows"], maps


def test_contrast_proposals_come_from_the_first_steps_scores(world: PlantedWorld, quick: WinnersOut) -> None:
    features = world.examples[2].features
    plain = read_otherwise(quick, score_scale="none", class_threshold=1.0, proposals="contrast", nested_tiou=0.45)
    scores = quick.score(features)
    wanted = contrast_moments(scores, classes=[int(scores.video_scores.argmax())]).ranked()
    found = plain.localize(features).ranked()
    np.testing.assert_array_equal(found.spans, wanted.spans)
    np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-5, atol=1e-7)
    soft = read_otherwise(plain, suppression="soft").localize(features)
    assert len(soft) > len(found)
