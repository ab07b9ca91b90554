"""`whenabouts show` of concepts and single segments, on a project with a relevance model and on others."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

from whenabouts.commands.find import find
from whenabouts.commands.show import show
from whenabouts.core import InvalidData, ProjectError, SettingsError, Video, Vocabulary, WhenaboutsError
from whenabouts.core.progress import Silent
from whenabouts.data.examples import Examples
from whenabouts.data.manifest import Entry, Manifest, RatedSegment, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.worlds.features import PlantedWorld, WorldShape, planted_world
from whenabouts.localizers import CrossClass, TwoStage, WinnersOut, load_localizer
from whenabouts.localizers.concepts import class_map
from whenabouts.localizers.concepts.boosting import TreeSettings
from whenabouts.localizers.concepts.cross_class_settings import CrossClassSettings
from whenabouts.localizers.concepts.fitting import FitSettings
from whenabouts.localizers.concepts.makers import MakerSettings
from whenabouts.localizers.concepts.networks import NetSettings
from whenabouts.localizers.concepts.relevance import RelevanceSettings
from whenabouts.localizers.concepts.segment_models import SegmentModelSettings
from whenabouts.localizers.concepts.settings import TwoStageSettings
from whenabouts.localizers.concepts.video_models import VideoModelSettings
from whenabouts.page import pointing
from whenabouts.page.pointing import Looked, best_of_concepts, why_shown
from whenabouts.page.relating import class_precision, kept
from whenabouts.page.rivals import best_single, held_out_pairs, judged_pairs

NAMES = ("red car", "blue car", "red boat", "blue boat")
VOCABULARY = Vocabulary(NAMES, parents={name: name.split()[1] for name in NAMES})
TRAINED = 16
FIT = FitSettings(epochs=1, least_steps=60, learning_rate=5e-3)
NET = NetSettings(kind="netvlad", hidden=8, other_clusters=2)
VIDEO = VideoModelSettings(net=NET, fit=FIT)
CROSS = CrossClassSettings(
    makers=MakerSettings(video=VIDEO, video_kinds=("logistic", "netvlad"), segment_kinds=(), encoders=(), folds=2),
    relevance=RelevanceSettings(model="trees", trees=TreeSettings(rounds=40), unseen=0.0),
)


@pytest.fixture(scope="module")
def world() -> PlantedWorld:
    shape = WorldShape(classes=4, seconds=(12.0, 16.0), widths={"rgb": 8})
    return planted_world(TRAINED + 10, np.random.default_rng(3), shape)


def ratings(world: PlantedWorld, video_id: str) -> tuple[RatedSegment, ...]:
    """Its moments rated as present, and each also as lacking the next concept."""
    own = world.truth[world.truth.video_ids == video_id]
    rows = []
    for (start, end), index in zip(own.spans.tolist(), own.classes.tolist(), strict=True):
        rows.append(RatedSegment(NAMES[index], start, end))
        other = (index + 1) % 4
        overlapping = own.spans[own.classes == other]
        if not ((overlapping[:, 0] < end) & (overlapping[:, 1] > start)).any():
            rows.append(RatedSegment(NAMES[other], start, end, present=False))
    return tuple(rows)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory, world: PlantedWorld) -> Callable[..., Project]:
    """Makes a project with or without checked test videos; its localizer is trained where one is named."""

    def made(name: str, localizer=None, settings=None, *, checked: bool = True) -> Project:
        home = Project.create(tmp_path_factory.mktemp("concepts") / name)
        entries = []
        for number, example in enumerate(world.examples):
            train = number < TRAINED
            entries.append(Entry(
                Video(example.video_id, home.folder / f"{example.video_id}.mp4", duration_seconds=16.0),
                tuple(WeakLabel(NAMES[index]) for index in example.labels.classes),
                segments=ratings(world, example.video_id) if train or checked else (),
                split="train" if train else "test",
            ))  # fmt: skip
        home.write_vocabulary(VOCABULARY)
        home.write_manifest(Manifest(tuple(entries)))
        home.features().append([example.features["rgb"] for example in world.examples])
        if localizer is not None:
            taken = Examples.of(home.manifest().of_split("train"), VOCABULARY, home.features(), ("rgb",))
            localizer.fit(taken, settings, Silent(), vocabulary=VOCABULARY).save(home.localizer_folder)
        return home

    return made


@pytest.fixture(scope="module")
def project(make: Callable[..., Project]) -> Project:
    home = make("cross", CrossClass, CROSS)
    find(project=home.folder, device="cpu", as_json=True)
    return home


def looked(home: Project) -> Looked:
    entries = {entry.id: entry for entry in home.manifest()}
    return Looked(load_localizer(home.localizer_folder), entries, home.features(), Silent())


def test_all_pictures_are_drawn_and_the_same_again(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = []
    for name in ("one", "two"):
        show(["all"], project=project.folder, out=tmp_path / name, kind="svg", device="cpu", as_json=True)
        told = json.loads(capsys.readouterr().out)
        files = [Path(path) for path in told["files"]]
        assert [path.name for path in files] == ["moments.svg", "classes.svg", "precision.svg", "together.svg",
                                                 "best.svg", "why.svg"]  # fmt: skip
        contents.append({path.name: path.read_bytes() for path in files[1:]})
    assert "adjusted Rand index with parents" in told["together"]
    for name, content in contents[0].items():
        assert content == contents[1][name], name
        assert len(content) > 5000


def test_pictures_in_png_hold_pixels(project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(["classes", "why", "classes"], project=project.folder, out=tmp_path, device="cpu", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [Path(path).name for path in told["files"]] == ["classes.png", "why.png"]
    assert all(Path(path).read_bytes().startswith(b"\x89PNG") for path in told["files"])


def test_precision_is_of_videos_that_were_not_learned_from(project: Project, world: PlantedWorld) -> None:
    seen = looked(project)
    others = [entry for entry in seen.entries.values() if entry.split != "train"]
    pairs = judged_pairs(seen.localizer, others, seen.store, Silent())
    assert set(pairs.video_ids.tolist()) == {example.video_id for example in world.examples[TRAINED:]}
    assert list(pairs.scores)[:3] == ["relevance", "video.logistic", "video.logistic.whole"]
    assert len(pairs) == sum(len(entry.segments) for entry in others)
    assert best_single(seen.localizer, pairs) in ("video.logistic", "video.netvlad")
    index = int(pairs.judged[0])
    mine = np.flatnonzero(pairs.classes == index)
    worst = pairs.scores["relevance"][mine] + 1e-9 * ~pairs.present[mine]  # of equal scores the wrong one first
    hits = pairs.present[mine[np.argsort(-worst, kind="stable")]]
    expected = (np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean()
    assert pairs.precision("relevance", index) == pytest.approx(expected)
    clusters = class_map.clusters_of(VOCABULARY)
    found = class_precision(pairs, VOCABULARY, clusters, ["relevance", "video.netvlad"])
    assert found.precision["relevance"][0] == pytest.approx(expected)
    assert "within clusters of two or more" in found.notes[1]
    assert "sign flips of pairs" in found.notes[3]


def test_equal_scores_gain_nothing(project: Project) -> None:
    seen = looked(project)
    pairs = judged_pairs(seen.localizer, list(seen.entries.values()), seen.store, Silent())
    flat = replace(pairs, scores={"flat": np.full(len(pairs), np.nan, np.float32)})
    index = int(flat.judged[0])
    mine = flat.present[flat.classes == index]
    yes, no = int(mine.sum()), int((~mine).sum())
    worst = np.arange(1, yes + 1) / np.arange(no + 1, no + yes + 1)
    assert flat.precision("flat", index) == pytest.approx(worst.mean())


def test_without_checked_test_videos_those_held_out_in_training_judge(
    make: Callable[..., Project], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = make("bare", CrossClass, CROSS, checked=False)
    localizer = load_localizer(home.localizer_folder)
    pairs = held_out_pairs(localizer)
    held = localizer.relevance.held_out
    assert set(held.singles) == set(localizer.makers.models) | {f"{name}.whole" for name in localizer.makers.models}
    np.testing.assert_array_equal(pairs.scores["relevance"], held.scores)
    assert not np.array_equal(held.singles["video.netvlad"], held.singles["video.logistic"])
    show(["precision", "best"], project=home.folder, out=tmp_path, device="cpu", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert "held out from a first model" in told["precision"]
    shown = best_of_concepts(looked(home), ["blue car"], 1)[0]
    assert [each.right for _, best in shown.models for each in best] == [None] * 6
    assert "found moments" in shown.source


def test_the_best_segments_are_those_with_the_best_scores_and_marked_as_checked(project: Project) -> None:
    seen = looked(project)
    shown = best_of_concepts(seen, [], 2)
    assert len(shown) == 2
    others = [entry for entry in seen.entries.values() if entry.split != "train"]
    pairs = judged_pairs(seen.localizer, others, seen.store, Silent())
    for each in shown:
        mine = pairs.classes == VOCABULARY.index(each.concept)
        for model, best in each.models:
            expected = np.sort(pairs.scores[model][mine])[::-1][:3]
            np.testing.assert_allclose([segment.score for segment in best], expected)
            for segment in best:
                rated = [one for one in seen.entries[segment.shown.title].segments if one.name == each.concept]
                told = {(one.start_seconds, one.end_seconds): one.present for one in rated}
                assert segment.right == told[segment.span]
    with pytest.raises(InvalidData, match="Did you mean"):
        best_of_concepts(seen, ["blue cart"], 1)


def test_reasons_add_up_to_the_score(project: Project, world: PlantedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pointing, "REASONS", 4)
    seen = looked(project)
    why = why_shown(seen, world.examples[-1].video_id, "red boat", (1.0, 3.0))
    expected = seen.localizer.why(world.examples[-1].features, (1.0, 3.0), "red boat")
    total = sum(bar.push for bar in why.bars)
    assert 1 / (1 + np.exp(-total)) == pytest.approx(expected.score, abs=1e-5)
    assert why.bars[0].push == expected.usual
    assert len(why.bars) == 6
    assert re.fullmatch(r"\d+ other features", why.bars[-1].name)


def test_a_linear_models_reasons_add_up_and_it_keeps_nothing_together(make: Callable[..., Project]) -> None:
    linear = replace(CROSS, relevance=RelevanceSettings(model="linear"))
    home = make("linear", CrossClass, linear)
    seen = looked(home)
    why = why_shown(seen, next(iter(seen.entries)), "red car", (1.0, 3.0))
    assert f"{1 / (1 + np.exp(-sum(bar.push for bar in why.bars))):.3f}" in why.told
    with pytest.raises(InvalidData, match="is linear"):
        kept(seen.localizer)


def test_the_moment_that_is_asked_for_is_explained(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = project.manifest().entries[-1].id

    def told(**asked) -> str:
        show(["why"], project=project.folder, out=tmp_path, device="cpu", as_json=True, **asked)
        return json.loads(capsys.readouterr().out)["why"]

    own = load_localizer(project.localizer_folder).localize({"rgb": project.features().read(video, "rgb")})
    boats = own.of_class("blue boat")
    free = next(
        at for at in np.arange(0.5, 16.0, 0.5) if not ((boats.spans[:, 0] <= at) & (at < boats.spans[:, 1])).any()
    )
    elsewhere = f"blue boat in {video}, {free - 0.25:.1f} to {free + 0.25:.1f} s"
    assert told(video=video, concept=["blue boat"], at=float(free)).startswith(elsewhere)
    for outside in (500.0, -1.0, float("nan")):
        with pytest.raises(InvalidData, match="lies outside the video, which ends at 16"):
            told(video=video, concept=["blue boat"], at=outside)
    best = next(iter(own.ranked(1)))
    assert told(video=video).startswith(f"{best.concept} in {video}, {best.start_seconds:.1f} to")
    assert told(concept=["red car"]).startswith("red car in ")
    with pytest.raises(InvalidData, match="name it by --video"):
        told(at=3.0)
    with pytest.raises(ProjectError, match="no usable video 'nobody'"):
        told(video="nobody")
    with pytest.raises(SettingsError, match="no picture 'classs'"):
        show(["classs"], project=project.folder)


@pytest.mark.parametrize(
    ("name", "localizer", "settings", "models"),
    [
        ("winners", WinnersOut, WinnersOut.Settings(epochs=2, attentions=2, rounds=1), ["score"]),
        ("two", TwoStage, TwoStageSettings(video=VIDEO, segment=SegmentModelSettings(net=NET, fit=FIT)),
         ["segment model", "video model"]),
    ],
)  # fmt: skip
def test_other_localizers_have_best_segments_and_reasons_too(
    make: Callable[..., Project], tmp_path: Path, capsys: pytest.CaptureFixture[str], name, localizer, settings, models
) -> None:
    home = make(name, localizer, settings)
    show(["best", "why", "precision"], project=home.folder, out=tmp_path, device="cpu", as_json=True,
         video=home.manifest().entries[0].id)  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    assert [Path(path).name for path in told["files"]] == ["best.png", "why.png", "precision.png"]
    assert [model for model, _ in best_of_concepts(looked(home), [], 1)[0].models] == models
    with pytest.raises(InvalidData, match="no relevance model"):
        show(["together"], project=home.folder, out=tmp_path, device="cpu")
    show(["together", "classes"], project=home.folder, out=tmp_path, device="cpu", as_json=True)
    printed = capsys.readouterr()
    assert "No picture 'together': There is no relevance model" in printed.err
    assert [Path(path).name for path in json.loads(printed.out)["files"]] == ["classes.png"]


def test_without_scikit_learn_the_other_pictures_are_drawn(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_map, "find_spec", lambda name: None)
    show(["classes", "best"], project=project.folder, out=tmp_path, device="cpu", as_json=True)
    printed = capsys.readouterr()
    assert [Path(path).name for path in json.loads(printed.out)["files"]] == ["best.png"]
    assert "pip install 'whenabouts[plots]'" in printed.err
    with pytest.raises(WhenaboutsError, match="scikit-learn"):
        show(["classes"], project=project.folder, out=tmp_path, device="cpu")
