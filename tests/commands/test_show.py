"""`whenabouts show` on a project of planted features and rendered videos."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from whenabouts.commands.show import show
from whenabouts.core import ProjectError, Video
from whenabouts.core.progress import Silent
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.worlds.features import PlantedWorld, WorldShape, planted_world
from whenabouts.localizers import WinnersOut
from whenabouts.localizers.winners import winners_by_step
from whenabouts.media.writing import write_video
from whenabouts.page.choosing import candidates, many_and_one


@pytest.fixture(scope="module")
def world() -> PlantedWorld:
    return planted_world(16, np.random.default_rng(3), WorldShape(classes=3, seconds=(12.0, 16.0), widths={"rgb": 12}))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, world: PlantedWorld) -> Project:
    """A trained project; the first video is a file, grey at first and white in the end, the others are not there."""
    home = Project.create(tmp_path_factory.mktemp("show") / "project")
    entries = []
    for example in world.examples:
        path = home.folder / f"{example.video_id}.mp4"
        duration = example.features["rgb"].grid.duration_seconds
        labels = tuple(WeakLabel(world.vocabulary.names[index]) for index in example.labels.classes)
        entries.append(Entry(Video(example.video_id, path, duration_seconds=duration, height=36, width=48), labels))
    home.write_vocabulary(world.vocabulary)
    home.write_manifest(Manifest(tuple(entries)))
    home.features().append([example.features["rgb"] for example in world.examples])
    settings = WinnersOut.Settings(epochs=3, attentions=2, rounds=1)
    WinnersOut.fit(world.examples, settings, Silent(), vocabulary=world.vocabulary).save(home.localizer_folder)
    frames = [np.full((36, 48, 3), 60 if second < 6 else 250, np.uint8) for second in range(12)]
    write_video(home.folder / "video-0000.mp4", frames, [float(n) for n in range(12)], rate=Fraction(1))
    return home


def truth_file(path: Path, world: PlantedWorld) -> Path:
    database = {example.video_id: {"subset": "validation", "annotations": []} for example in world.examples}
    for moment in world.truth:
        note = {"segment": [moment.start_seconds, moment.end_seconds], "label": moment.concept}
        database[moment.video_id]["annotations"].append(note)  # type: ignore[attr-defined]
    path.write_text(json.dumps({"database": database}))
    return path


def test_show_draws_three_pictures_and_tells_of_videos_without_a_file(
    project: Project, world: PlantedWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = truth_file(tmp_path / "truth.json", world)
    show(project=project.folder, out=tmp_path / "seen", truth=truth, videos=2, device="cpu", as_json=True)
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert sorted(Path(name).name for name in told["files"]) == ["attention.png", "moments.png", "winners.png"]
    assert all(Path(name).read_bytes().startswith(b"\x89PNG") for name in told["files"])
    assert len({row["video"] for row in told["shown"]}) == 2
    missing = [row["video"] for row in told["shown"] if row["video"] != "video-0000"]
    assert printed.err.count("is drawn without pictures: the project has its features") == len(missing)


def test_pictures_lie_in_the_project_and_change_with_the_truth(
    project: Project, world: PlantedWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show(project=project.folder, videos=1, kind="svg", device="cpu", as_json=True)
    without = (project.folder / "pictures" / "moments.svg").read_text()
    truth = truth_file(tmp_path / "truth.json", world)
    show(project=project.folder, truth=truth, videos=1, kind="svg", device="cpu", as_json=True)
    told = (project.folder / "pictures" / "moments.svg").read_text()
    assert "truth" in told
    assert "truth" not in without
    capsys.readouterr()


def test_a_video_with_most_instances_comes_first_and_one_with_a_single_last(
    project: Project, world: PlantedWorld
) -> None:
    localizer = WinnersOut.load(project.localizer_folder)
    known: dict[tuple[str, str], list[list[float]]] = {}
    for moment in world.truth:
        known.setdefault((moment.video_id, moment.concept), []).append([moment.start_seconds, moment.end_seconds])
    single = next(key for key, spans in known.items() if len(spans) == 1)
    only = {key: spans for key, spans in known.items() if key[0] != single[0] or key == single}
    found = candidates(localizer, list(project.manifest()), project.features(), only, Silent())
    assert len(found) == len(only)
    chosen = many_and_one(found, 3)
    assert chosen[0].instances == max(map(len, only.values()))
    assert chosen[-1].instances == 1
    assert len({each.entry.id for each in chosen}) == 3


def test_winners_are_told_by_step_for_concepts_that_are_unlikely_too(project: Project, world: PlantedWorld) -> None:
    localizer = WinnersOut.load(project.localizer_folder)
    grid, selection = winners_by_step(localizer, world.examples[0].features, [0, 1, 2])
    assert selection.steps.shape == (3, grid.steps)
    per_step = localizer.settings.winners(grid.steps)
    for row in selection.steps:
        assert all((row == step).sum() <= per_step for step in range(localizer.settings.test_steps))
    assert (selection.scores[selection.steps >= 0] > 0).all()


def test_show_without_anything_to_show_says_what_to_do(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="No video is in split 'nowhere'"):
        show(project=project.folder, split="nowhere", device="cpu")
    assert not (tmp_path / "seen").exists()
