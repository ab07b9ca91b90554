"""The papers' recipes, and the command that makes a table's row of one, on a tiny project in the real layout."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from whenabouts.config import load
from whenabouts.core.errors import ProjectError
from whenabouts.core.progress import Silent
from whenabouts.data.importers import ImportSettings
from whenabouts.data.importers.protocol import FeatureSettings
from whenabouts.data.importing import import_into
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings
from whenabouts.localizers.winners_out_settings import WinnersOutSettings

ROOT = Path(__file__).resolve().parents[1]
SEGMENTS = {"thumos14": {"a": 400, "b": 400, "c": 800, "d": 400}, "activitynet13": {"a": 400, "b": 400, "c": 200}}
RECIPES = {f"winners-out-{data}-ours-{row}": k for data, rows in SEGMENTS.items() for row, k in rows.items()}
QUICK = ["--set", "train.segment_count=20", "--set", "train.epochs=3", "--set", "train.attentions=2",
         "--set", "train.rounds=1", "--device", "cpu"]  # fmt: skip
LABELS = ("Billiards", "Diving")


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import recipe_row

    return recipe_row


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Eight training and four test videos of 20 windows of I3D; an action of six windows stands out in each."""
    home, rng = tmp_path_factory.mktemp("row"), np.random.default_rng(3)
    database = {}
    for number in range(12):
        part, label = ("validation", "Validation") if number < 8 else ("test", "Test")
        name, kind, first = f"video_{part}_{number + 1:07d}", number % 2, int(rng.integers(0, 14))
        for place, modality in enumerate(("rgb", "flow")):
            values = rng.normal(size=(20, 6)).astype(np.float32)
            values[first : first + 6, 2 * kind + place] += 6.0
            path = home / "features" / modality / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, values)
        span = [0.64 * first, 0.64 * (first + 6)]
        rows = [{"segment": span, "label": LABELS[kind]}]
        database[name] = {"subset": label, "duration": 12.8, "fps": 25.0, "annotations": rows}
    (home / "gt.json").write_text(json.dumps({"version": "x", "database": database}))
    how = ImportSettings(features=FeatureSettings(annotations=str(home / "gt.json")))
    # Only classes that are true somewhere in the test videos, as all 20 really are.
    made, labels = Project.create(home / "p"), VocabularySettings(only=LABELS, min_count=1)
    import_into(made, "features", home / "features", how, labels, now_ns=1, progress=Silent())
    return made


@pytest.mark.parametrize(("name", "segments"), RECIPES.items())
def test_each_recipe_is_the_papers(row: ModuleType, name: str, segments: int) -> None:
    values = tomllib.loads((ROOT / "recipes" / f"{name}.toml").read_text())
    assert values["train"].pop("localizer") == "winners-out"
    assert load(WinnersOutSettings, values["train"], name) == WinnersOutSettings.paper(segments=segments)
    how = load(ImportSettings, values["import"], name)
    assert how.thumos14.ground_truth == ("213" if "thumos14" in name else "")
    assert name in row.ROWS


def test_the_papers_rows_stand_in_the_recipes(row: ModuleType) -> None:
    """And each row of the paper has its recipe, with the very figures in its first lines."""
    assert row.ROWS.keys() == RECIPES.keys()
    for name, paper in row.ROWS.items():
        head = (ROOT / "recipes" / f"{name}.toml").read_text().splitlines()[0]
        assert " ".join(f"{value:.1f}" for value in paper.map) in head
        assert len(paper.map) == len(paper.tiou)


@pytest.mark.golden
def test_the_papers_rows_are_those_of_its_tables(row: ModuleType, shared: Path) -> None:
    text = (shared / "papers" / "iterative-winners-out.md").read_text()
    for paper in row.ROWS.values():
        assert f"{paper.name}\t" + "\t".join(f"{value:.1f}" for value in paper.map) in text


@pytest.mark.golden
@pytest.mark.parametrize(
    ("kind", "file", "recipe", "tiou", "wanted"),
    [
        ("thumos14", "thumos14.json", "winners-out-thumos14-ours-a", (0.1, 0.3, 0.5), (1.5, 0.17, 0.07)),
        ("activitynet", "activitynet13.json", "winners-out-activitynet13-ours-a", (0.5, 0.75, 0.95), (35.2, 19.2, 4.6)),
    ],
)
def test_whole_videos_score_what_is_known_of_them(
    row: ModuleType, shared: Path, tmp_path: Path, kind: str, file: str, recipe: str, tiou: tuple[float, ...],
    wanted: tuple[float, ...],
) -> None:  # fmt: skip
    """The trivial row on the real annotations, against figures found with the official code (notes on the paper)."""
    home, path = Project.create(tmp_path), shared / "data" / "annotations" / file
    import_into(home, kind, path, ImportSettings(), VocabularySettings(), now_ns=1, progress=Silent())
    paper = replace(row.ROWS[recipe], tiou=tiou)
    work = row.Work(home, Path(f"{recipe}.toml"), paper, None, (), "winners-out", ("rgb",), "cpu")
    assert [round(100 * value, 1 if value > 0.01 else 2) for value in row.whole_videos(work)] == list(wanted)


def test_from_features_to_a_row_seed_by_seed(
    row: ModuleType, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = ROOT / "recipes" / "winners-out-thumos14-ours-a.toml"
    typed = ["--recipe", str(recipe), "--project", str(project.folder), *QUICK, "--seeds"]
    first = row.main([*typed, "0"])
    assert (first["spread"], len(first["seeds"])) == (None, 1)
    assert first["ground_truth"] == "THUMOS14, own selection: 4 videos, 4 instances"
    assert first["features"]["flow"] == "i3d files, flow, 16 frames each 16 at 25 fps"
    second = row.main([*typed, "0", "1"])
    assert second["seeds"][0] == first["seeds"][0]  # to the second of its time: kept, not computed again
    maps = np.asarray([seed["map"] for seed in second["seeds"]])
    np.testing.assert_allclose(second["mean"], 100 * maps.mean(axis=0))
    np.testing.assert_allclose(second["spread"], 100 * maps.std(axis=0, ddof=1))
    # Six of 20 windows are action: the whole video has a tIoU of 0.3 with each, and so counts up to there.
    assert second["whole_videos"] == pytest.approx([100.0, 100.0, 100.0, 0.0, 0.0])
    assert second["mean"][0] > 0
    page = (project.folder / "rows" / f"{recipe.stem}.md").read_text()
    assert "| the paper | 51.3 | 43.1 | 34.1 | 26.3 | 18.0 |" in page
    assert "Changed by hand" in page
    assert json.loads((project.folder / "rows" / f"{recipe.stem}.json").read_text())["mean"] == second["mean"]

    def trains(*_: object, **__: object) -> None:
        raise AssertionError("It trains again.")

    monkeypatch.setattr(row.localizer_named("winners-out"), "fit", trains)
    # Killed between training and measuring: the model is kept.
    (project.folder / "rows" / recipe.stem / "seed-1" / "result.json").unlink()
    again = row.main([*typed, "0", "1"])
    assert again["mean"] == second["mean"]
    # Another setting is other work.
    with pytest.raises(AssertionError, match="It trains again"):
        row.main([*typed, "0", "--set", "train.penalty=0.2"])
    capsys.readouterr()


def test_what_is_no_row_or_has_no_truth_is_refused(row: ModuleType, project: Project, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="is no row of the paper"):
        row.main(["--recipe", str(ROOT / "recipes" / "winners-out-paper.toml"), "--project", str(project.folder)])
    other = Project.create(tmp_path / "p")
    other.write_manifest(project.manifest())
    recipe = ROOT / "recipes" / "winners-out-thumos14-ours-a.toml"
    with pytest.raises(ProjectError, match=r"no .*truth\.json"):
        row.main(["--recipe", str(recipe), "--project", str(other.folder)])
