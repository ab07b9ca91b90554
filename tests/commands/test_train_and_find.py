"""`whenabouts train` and `whenabouts find` on a project of planted features."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from whenabouts.commands.find import find
from whenabouts.commands.train import train
from whenabouts.core import FeatureMismatch, InvalidData, Moments, ProjectError, SettingsError, Video, Vocabulary
from whenabouts.core.files import write_json
from whenabouts.core.progress import Silent
from whenabouts.data.doctor.check import check_project
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.worlds.features import PlantedWorld, WorldShape, planted_world
from whenabouts.localizers import MultipleInstance, WinnersOut, load_localizer
from whenabouts.localizers.finding import find_moments
from whenabouts.page.found_page import write_found_page

TRAINED, QUICK = 24, ["train.localizer=winners-out", "train.epochs=4", "train.attentions=3"]


@pytest.fixture(scope="module")
def world() -> PlantedWorld:
    shape = WorldShape(classes=3, seconds=(12.0, 20.0), widths={"rgb": 16, "sound": 8})
    return planted_world(32, np.random.default_rng(8), shape)


def filled(folder: Path, world: PlantedWorld) -> Project:
    """A project as import and extract leave it: 24 training and 8 test videos, the last without sound."""
    project = Project.create(folder)
    names = world.vocabulary.names
    entries = [
        Entry(
            Video(example.video_id, folder / f"{example.video_id}.mp4", duration_seconds=20.0),
            tuple(WeakLabel(names[index]) for index in example.labels.classes),
            split="train" if number < TRAINED else "test",
        )
        for number, example in enumerate(world.examples)
    ]
    project.write_vocabulary(world.vocabulary)
    project.write_manifest(Manifest(tuple(entries)))
    every = [sequence for example in world.examples for sequence in example.features.values()]
    project.features().append(every[:-1])
    return project


@pytest.fixture
def project(tmp_path: Path, world: PlantedWorld) -> Project:
    return filled(tmp_path / "project", world)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, world: PlantedWorld) -> Project:
    """A project with a model, for tests that leave it as it is."""
    home = filled(tmp_path_factory.mktemp("trained") / "project", world)
    train(project=home.folder, overrides=QUICK, device="cpu", as_json=True)
    return home


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return json.loads(capsys.readouterr().out)


def test_train_writes_a_model_and_find_its_moments(
    project: Project, world: PlantedWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    train(project=project.folder, overrides=QUICK, device="cpu", as_json=True)
    outcome = told(capsys)
    assert outcome["videos"] == TRAINED
    assert outcome["modalities"] == ["rgb", "sound"]
    assert not (project.cache_folder / "train" / "winners-out").exists()
    assert "epochs = 4" in (project.models_folder / "localizer" / "settings.toml").read_text()
    find(project=project.folder, split="test", device="cpu", as_json=True)
    outcome = told(capsys)
    assert outcome["videos"] == 8
    assert len(outcome["best"]) == 20
    assert {row["file"] for row in outcome["best"]} == {
        str(project.folder / f"{row['video']}.mp4") for row in outcome["best"]
    }
    scores = [row["score"] for row in outcome["best"]]
    assert scores == sorted(scores, reverse=True)
    found = Moments.from_json(json.loads((project.moments_folder / "moments.json").read_text()))
    assert len(found) == outcome["moments"]
    assert set(found.video_ids.tolist()) == {example.video_id for example in world.examples[TRAINED:]}
    files = sorted(path.stem for path in (project.moments_folder / "vtt").iterdir())
    assert files == [example.video_id for example in world.examples[TRAINED:]]
    cues = (project.moments_folder / "vtt" / f"{files[0]}.vtt").read_text().count(" --> ")
    assert cues == (found.video_ids == files[0]).sum()


def test_find_shows_one_concept_and_writes_all(trained: Project, capsys: pytest.CaptureFixture[str]) -> None:
    find("concept 1", project=trained.folder, top=3, device="cpu")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all(f"concept 1  {trained.folder / 'video-'}" in line and ".mp4" in line for line in lines[:3])
    assert all(" - " in line for line in lines[:3])
    assert lines[3].startswith(f"Wrote {trained.moments_folder / 'moments.json'}: ")
    assert lines[3].endswith("moments in 32 videos.")
    written = Moments.from_json(json.loads((trained.moments_folder / "moments.json").read_text()))
    assert len(set(written.classes.tolist())) == 3


def test_find_drops_low_scores_everywhere_and_old_files_go(
    trained: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    find(project=trained.folder, device="cpu", as_json=True)
    every = told(capsys)
    threshold = every["best"][4]["score"]
    find(project=trained.folder, min_score=threshold, device="cpu", as_json=True)
    assert told(capsys)["best"] == every["best"][:5]
    find(project=trained.folder, min_score=1e9, device="cpu", as_json=True)
    assert told(capsys)["moments"] == 0
    assert list((trained.moments_folder / "vtt").iterdir()) == []


def test_find_without_features_leaves_what_was_found(
    project: Project, world: PlantedWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    train(project=project.folder, overrides=QUICK, device="cpu", as_json=True)
    find(project=project.folder, min_score=0.1, overrides=["train.test_steps=3"], device="cpu", as_json=True)
    path = project.moments_folder / "moments.json"
    before = path.read_bytes()
    notes = [one.text for one in check_project(project.folder, frames=False, progress=Silent()).findings]
    assert any("not all there is: min_score = 0.1, train = {'test_steps': 3}" in text for text in notes)
    for shard in project.features_folder.iterdir():
        shard.unlink()
    with pytest.raises(ProjectError, match=r"32 without features\. Run `whenabouts extract` first"):
        find(project=project.folder, device="cpu")
    assert path.read_bytes() == before


def test_find_reads_the_model_with_other_settings(trained: Project, capsys: pytest.CaptureFixture[str]) -> None:
    find(project=trained.folder, overrides=["train.test_steps=1"], device="cpu", as_json=True)
    one_step = told(capsys)
    find(project=trained.folder, overrides=["train.test_steps=14"], device="cpu", as_json=True)
    assert told(capsys)["covered"] > 3 * one_step["covered"]
    with pytest.raises(SettingsError, match="test_steps"):
        find(project=trained.folder, overrides=["train.test_step=1"], device="cpu")


def test_find_warns_where_moments_cover_much(trained: Project, capsys: pytest.CaptureFixture[str]) -> None:
    find(project=trained.folder, overrides=["train.test_steps=20", "train.positive_only=false"], device="cpu")
    assert "cover 100% of its videos on average" in capsys.readouterr().err


def test_a_broken_video_is_told_and_stops_nothing(
    project: Project, world: PlantedWorld, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(project=project.folder, overrides=QUICK, device="cpu", as_json=True)
    last = world.examples[-1].video_id
    unknown = Entry(Video("zzz", project.folder / "zzz.mp4", duration_seconds=3.0))
    first, *others = project.manifest()
    assert first.id == world.examples[0].video_id
    project.write_manifest(Manifest((replace(first, changed_ns=2**62), *others, unknown)))
    rgb = world.examples[1].features["rgb"]
    broken = replace(rgb, values=np.full_like(rgb.values, np.nan))
    read = type(project.features()).read
    monkeypatch.setattr(
        "whenabouts.data.feature_store.FeatureStore.read",
        lambda store, video_id, modality: (
            broken if (video_id, modality) == (rgb.video_id, "rgb") else read(store, video_id, modality)
        ),
    )
    capsys.readouterr()
    find(project=project.folder, device="cpu", as_json=True)
    captured = capsys.readouterr()
    outcome = json.loads(captured.out)
    assert outcome["left_out"] == {"without features": 2, "broken features": 1}
    assert outcome["videos"] == 30
    assert "rgb features hold nan at step 0" in captured.err
    assert any(row == last for row in Moments.from_json(
        json.loads((project.moments_folder / "moments.json").read_text())
    ).video_ids.tolist())  # fmt: skip


def test_a_feature_file_with_a_broken_header_is_told_by_each_verb(
    project: Project, world: PlantedWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """And its videos are counted as such, not as removed ones."""
    lost = [project.features().read(video_id, "rgb") for video_id in project.manifest().ids[:3]]
    for path in project.features_folder.iterdir():
        path.unlink()
    rest = [s for example in world.examples[3:] for s in example.features.values()]
    project.features().append(rest)
    project.features().append(lost)
    train(project=project.folder, overrides=QUICK, device="cpu", as_json=True)
    find(project=project.folder, device="cpu", as_json=True)
    path = sorted(project.features_folder.iterdir())[-1]
    content = path.read_bytes()
    path.write_bytes(content[:20] + b"\xff" + content[21:])
    capsys.readouterr()
    find(project=project.folder, device="cpu", as_json=True)
    said = capsys.readouterr()
    assert json.loads(said.out)["left_out"] == {"without features that can be read": 3}
    assert f"The feature file {path} is broken" in said.err
    assert "Since moments were last found: videos whose features are gone: 3." in said.err
    assert "since the model was made: videos whose features are gone: 3." in said.err
    train(project=project.folder, overrides=QUICK, device="cpu", as_json=True)
    assert f"The feature file {path} is broken" in capsys.readouterr().err


def test_a_damaged_model_is_told_by_check_and_find(project: Project) -> None:
    train(project=project.folder, overrides=QUICK, device="cpu", as_json=True)
    path = project.localizer_folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 64
    path.write_bytes(content)
    with pytest.raises(InvalidData, match=r"model\.safetensors is not what its card tells"):
        find(project=project.folder, device="cpu")
    found = check_project(project.folder, frames=False, progress=Silent()).findings
    assert any("the model localizer is broken" in one.text for one in found)


def test_stale_models_are_refused(project: Project, world: PlantedWorld) -> None:
    train(project=project.folder, overrides=QUICK, device="cpu", as_json=True)
    fresh = [replace(example.features["rgb"], source="rgb@new") for example in world.examples[:5]]
    project.features().append(fresh)
    with pytest.raises(FeatureMismatch, match=r"those of 5 of 32 videos come from rgb@new\. Run `whenabouts extract`"):
        find(project=project.folder, device="cpu")
    with pytest.raises(FeatureMismatch, match="Extract all videos with one backbone"):
        train(project=project.folder, overrides=QUICK, device="cpu")


def test_another_vocabulary_is_noticed(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    train(project=project.folder, overrides=QUICK, device="cpu", as_json=True)
    project.write_vocabulary(Vocabulary(("concept 0", "concept 1")))
    find(project=project.folder, device="cpu")
    assert "The vocabulary has changed since the model was trained" in capsys.readouterr().err


def test_train_may_read_some_modalities_only(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    train(modality=["sound"], project=project.folder, overrides=QUICK, device="cpu", as_json=True)
    assert told(capsys)["modalities"] == ["sound"]
    find(project=project.folder, device="cpu", as_json=True)
    assert told(capsys)["left_out"] == {"without features": 1}


def test_a_recipe_is_read_and_wrong_settings_are_named(project: Project, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[train]\nlocalizer = 'winners-out'\nepochs = 1\nrounds = 1\n[extract]\nrate = 4\n")
    train(project=project.folder, recipe=recipe, overrides=["train.attentions=2"], device="cpu", as_json=True)
    saved = (project.models_folder / "localizer" / "settings.toml").read_text()
    assert "rounds = 1" in saved
    assert "attentions = 2" in saved
    with pytest.raises(SettingsError, match=r"\[train\]: 'epoch' is not a setting\. Did you mean 'epochs'"):
        train(project=project.folder, overrides=["train.epoch=1"])
    with pytest.raises(ProjectError, match=r"There are no 'sund' features\. Choose --modality from: rgb, sound"):
        train(modality=["rgb", "sund"], project=project.folder)
    with pytest.raises(SettingsError, match=r"There is no localizer 'winner'\. Choose one of: winners-out"):
        train("winner", project=project.folder)


def test_a_recipe_may_name_its_localizer(project: Project, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[train]\nlocalizer = "multiple-instance"\nepochs = 1\n')
    train(project=project.folder, recipe=recipe, device="cpu", as_json=True)
    assert load_localizer(project.localizer_folder).settings == MultipleInstance.Settings(epochs=1)
    find(project=project.folder, recipe=recipe, overrides=["train.proposals=union"], device="cpu")
    with pytest.raises(SettingsError, match="The settings are for 'winners-out', but"):
        find(project=project.folder, overrides=["train.localizer=winners-out"], device="cpu")
    with pytest.raises(SettingsError, match="There is no localizer 'winner'"):
        train(project=project.folder, overrides=["train.localizer=winner"])
    train("winners-out", project=project.folder, recipe=recipe, device="cpu")
    assert isinstance(load_localizer(project.localizer_folder), WinnersOut)


def test_what_is_missing_is_named_with_the_verb_that_makes_it(tmp_path: Path, world: PlantedWorld) -> None:
    with pytest.raises(ProjectError, match="whenabouts import"):
        train(project=tmp_path / "nothing", device="cpu")
    home = filled(tmp_path / "project", world)
    with pytest.raises(ProjectError, match="Run `whenabouts train` first"):
        find(project=home.folder, device="cpu")
    with pytest.raises(ProjectError, match=r"No video is in split 'tset'\. Choose all or one of: test, train"):
        find(project=home.folder, split="tset", device="cpu")
    for shard in home.features_folder.iterdir():
        shard.unlink()
    with pytest.raises(ProjectError, match="Run `whenabouts extract` first"):
        train(project=home.folder, device="cpu")


def test_an_unknown_concept_names_the_nearest_before_any_work(trained: Project) -> None:
    with pytest.raises(InvalidData, match="Did you mean 'concept 1'"):
        find("concept1", project=trained.folder, device="cpu")


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
def test_a_least_score_that_is_no_number_is_refused_and_writes_nothing(tmp_path: Path, odd: float) -> None:
    with pytest.raises(SettingsError, match="--min-score"):
        find(project=tmp_path, min_score=odd)
    assert not list(tmp_path.iterdir())


def test_settings_of_a_model_that_are_no_table_are_told(project: Project) -> None:
    train(project=project.folder, overrides=["train.epochs=1"], device="cpu")
    (project.localizer_folder / "settings.toml").write_text("train = 3\n")
    with pytest.raises(InvalidData, match=r"holds no table \[train\]"):
        find(project=project.folder, device="cpu")


def test_find_writes_a_page_of_one_concept_and_tells_of_files_that_are_not_there(
    trained: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "found.html"
    find("concept 1", project=trained.folder, html=page, top=0, device="cpu", as_json=True)
    told = capsys.readouterr()
    assert json.loads(told.out)["html"] == str(page)
    text = page.read_text(encoding="utf-8")
    moments = Moments.from_json(json.loads((trained.moments_folder / "moments.json").read_text())).of_class("concept 1")
    videos = set(moments.video_ids.tolist())
    assert 0 < len(videos) < 100
    assert text.count('<article class="video"') == len(videos)
    assert text.count('class="lane found"') == len(videos)
    assert text.count('aria-label="concept 1, ') == len(moments)
    assert "concept 2, " not in text
    assert text.count("<polyline") == len(videos)  # The curve of the concept, from scores that the model gives again.
    assert "No pictures of video-0000" in told.err  # The planted videos have features but no file.
    assert "data:image/jpeg" not in text


def test_a_page_of_the_best_videos_tells_how_many_it_leaves_out(trained: Project, tmp_path: Path) -> None:
    localizer = load_localizer(trained.localizer_folder, device="cpu")
    entries, store = trained.manifest().entries, trained.features()
    found = find_moments(localizer, entries, store, Silent()).moments
    videos = len(set(found.video_ids.tolist()))
    left = write_found_page(tmp_path / "few.html", entries, found, store, localizer, progress=Silent(), most=3)
    text = (tmp_path / "few.html").read_text(encoding="utf-8")
    assert left == videos - 3
    assert text.count('<article class="video"') == 3
    assert "Shown are the 3 videos with the best of them." in text
    none = Moments.empty(localizer.vocabulary)
    assert write_found_page(tmp_path / "none.html", entries, none, store, localizer, progress=Silent()) == 0
    assert "0 moments of 0 concepts in 0 videos." in (tmp_path / "none.html").read_text(encoding="utf-8")


def test_find_bounds_the_moments_of_a_video_and_tells_how_many_went(
    trained: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    find(project=trained.folder, device="cpu", as_json=True)
    every = told(capsys)
    assert every["cut"] == {}
    whole = Moments.from_json(json.loads((trained.moments_folder / "moments.json").read_text()))
    find(project=trained.folder, overrides=["train.most_moments=1"], device="cpu", as_json=True)
    output = capsys.readouterr()
    outcome = json.loads(output.out)
    videos, counts = np.unique(whole.video_ids, return_counts=True)
    expected = {video: count - 1 for video, count in zip(videos.tolist(), counts.tolist(), strict=True) if count > 1}
    assert outcome["cut"] == expected
    assert f"{len(expected)} videos have more moments than train.most_moments allows" in output.err
    assert f"{sum(expected.values()):,} with lower scores went" in output.err
    found = Moments.from_json(json.loads((trained.moments_folder / "moments.json").read_text()))
    best = {video: whole[whole.video_ids == video].scores.max() for video in videos.tolist()}
    assert dict(zip(found.video_ids.tolist(), found.scores.tolist(), strict=True)) == best


def test_find_tells_what_has_changed_since_the_last_time(trained: Project, capsys: pytest.CaptureFixture[str]) -> None:
    path, report = trained.moments_folder / "moments.json", trained.reports_folder / "changes.json"
    path.unlink(missing_ok=True)
    report.unlink(missing_ok=True)
    find(project=trained.folder, device="cpu", as_json=True)
    assert told(capsys)["changes"] is None  # Nothing was found before.
    assert not report.exists()
    find(project=trained.folder, device="cpu")
    assert "Since the last time" not in capsys.readouterr().out  # Nothing has changed.
    assert json.loads(report.read_text())["changed"] == []
    now = Moments.from_json(json.loads(path.read_text())).ranked()
    # As if the last time the best had ended later, the second was not found, and one that is no more had been.
    before = now[np.arange(len(now)) != 1]
    spans = before.spans.copy()
    spans[0, 1] = spans[0, 0] + 1.5 * (spans[0, 1] - spans[0, 0])
    gone = Moments.build([now.video_ids[0]], [[900.0, 902.5]], [0], now.vocabulary, scores=99.0)
    write_json(path, Moments.concatenate([replace(before, spans=spans), gone], now.vocabulary).to_json())
    find(project=trained.folder, device="cpu")
    kept = len(now) - 2
    last = capsys.readouterr().out.splitlines()[-1]
    assert f"Since the last time {kept} are kept, 1 moved, 1 new, 1 gone (reports/changes.json)." in last
    noted = json.loads(report.read_text())
    counts = {"before": len(now), "after": len(now), "kept": kept, "moved": 1, "new": 1, "gone": 1}
    assert noted["moments"] == counts
    assert [each["change"] for each in noted["changed"]] == ["gone", "moved", "new"]  # By score.
    assert [each["moment"]["score"] for each in noted["changed"]] == [99.0, *now.scores[:2].tolist()]
    assert noted["changed"][1]["was"]["end"] == spans[0, 1]
    path.write_text("{ broken")
    find(project=trained.folder, device="cpu", as_json=True)
    assert told(capsys)["changes"] is None
