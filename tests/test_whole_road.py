"""The whole road on files: import, check, pretrain, extract, train, find and evaluate, and the demo that walks it."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core.files import sha256_of
from whenabouts.core.progress import Silent
from whenabouts.data.demo.archive import DemoArchive, render_archive
from whenabouts.data.demo.plan import DemoArchiveSettings

from .tiny_recipe import TINY_RECIPE

TINY = DemoArchiveSettings(
    short_videos=6, long_videos=4, test_videos=2, short_seconds=(3, 4), long_seconds=(8, 9), moment_seconds=(1.5, 2.5),
    width=64, height=48, missing_tags=0, wrong_tags=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> DemoArchive:
    folder = tmp_path_factory.mktemp("road") / "archive"
    return render_archive(folder, settings=TINY, seed=3, progress=Silent(), workers=1)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(TINY_RECIPE)
    return path


def run(*words: object) -> dict[str, object]:
    """What a verb tells under --json, on stdout alone."""
    done = CliRunner().invoke(app, [*map(str, words), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_from_files_with_tags_to_measured_moments(archive: DemoArchive, recipe: Path, tmp_path: Path) -> None:
    home = ("--project", tmp_path / "project", "--recipe", recipe)
    concepts = ("--concepts", ",".join(archive.concepts))
    assert run("import", "ytdlp", archive.train_folder, *concepts, *home)["videos"] == 10
    found = run("import", "ytdlp", archive.heldout_folder, "--split", "test", *home)
    assert (found["videos_in_project"], found["problem_count"], found["unreadable"]) == (12, 0, 0)
    assert run("check", *home[:2])["trainable"] is True
    assert run("pretrain", *home, "--device", "cpu")["videos"] == 10
    extracted = run("extract", *home, "--device", "cpu")
    assert (extracted["written"], extracted["unreadable"]) == (12, 0)
    trained = run("train", *home, "--device", "cpu")
    assert (trained["videos"], trained["modalities"]) == (10, ["audio", "rgb"])
    told = run("find", "--split", "test", *home, "--device", "cpu")
    assert (told["videos"], told["left_out"]) == (2, {})
    files = {str(path) for path in archive.heldout_folder.glob("*.mp4")}
    assert {row["file"] for row in told["best"]} <= files  # type: ignore[attr-defined]
    moments = tmp_path / "project" / "moments" / "moments.json"
    results = json.loads(moments.read_text())["results"]
    assert sorted(results) == ["test-0000", "test-0001"]
    lengths = {plan.id: plan.duration_seconds for plan in archive.plans}
    rows = [(name, row) for name, listed in results.items() for row in listed]
    assert len(rows) == told["moments"] > 0  # type: ignore[operator]
    for name, row in rows:
        start, end = row["segment"]
        assert 0 <= start < end <= lengths[name] + 0.1
        assert row["label"] in archive.concepts
    measured = run(
        "evaluate", "moments", "--truth", archive.truth_path, "--predictions", moments, "--subset", "test",
        "--tiou", "0.1,0.5", "--policy", "clean",
    )  # fmt: skip
    assert 0 <= measured["average_map"] <= 1  # type: ignore[operator]


def contents(project: Path) -> dict[str, str]:
    """A hash of each file of the models and of the moments; a card of moments holds times, and is left out."""
    files = [*(project / "models").rglob("*"), *(project / "moments").rglob("*")]
    kept = [path for path in files if path.is_file() and path != project / "moments" / "card.json"]
    return {str(path.relative_to(project)): sha256_of(path) for path in kept}


def test_two_walks_with_one_seed_give_identical_models_and_moments(
    archive: DemoArchive, recipe: Path, tmp_path: Path
) -> None:
    """In other folders, with another number of workers; and another seed gives others."""
    found = []
    for workers in (1, 2):
        home = ("--project", tmp_path / f"p{workers}", "--recipe", recipe)
        run("import", "ytdlp", archive.train_folder, "--concepts", ",".join(archive.concepts), *home)
        for verb in ("pretrain", "extract"):
            run(verb, *home, "--device", "cpu", "--workers", workers)
        for verb in ("train", "find"):
            run(verb, *home, "--device", "cpu")
        found.append(contents(tmp_path / f"p{workers}"))
    assert found[0] == found[1]
    assert len(found[0]) > 12
    run("train", *home, "--device", "cpu", "--seed", 1)
    assert (
        contents(tmp_path / "p2")["models/localizer/model.safetensors"]
        != (found[0]["models/localizer/model.safetensors"])
    )


def test_evaluate_names_the_subsets_that_a_truth_has(archive: DemoArchive, tmp_path: Path) -> None:
    (tmp_path / "found.json").write_text('{"results": {}}')
    words = ["evaluate", "moments", "--truth", str(archive.truth_path), "--predictions", str(tmp_path / "found.json")]
    done = CliRunner().invoke(app, words)
    assert re.search(r"no video of subset 'validation'\. Its subsets: .*test \(2 videos\)", str(done.exception))


def test_the_demo_walks_the_road_and_shows_what_it_found(tmp_path: Path, recipe: Path) -> None:
    told = run("demo", "--out", tmp_path / "demo", "--videos", 12, "--recipe", recipe, "--device", "cpu")
    stages = ["render", "import", "import held-out", "pretrain", "extract", "train", "find", "evaluate"]
    assert list(told["seconds"]) == stages  # type: ignore[call-overload]
    assert {"winners-out"} < set(told["map"])  # type: ignore[call-overload]
    page = (tmp_path / "demo" / "demo.html").read_text(encoding="utf-8")
    assert "test-0000" in page
    assert "which names are concepts was told" in page
    assert "http://" not in page
    assert "https://" not in page
