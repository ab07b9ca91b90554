"""From YouTube-8M shards to ranked segments: import, `train` by the paper's recipe with small nets, `find`, judge."""

import json
from pathlib import Path

import numpy as np
import pytest

from whenabouts.commands.find import find
from whenabouts.commands.train import train
from whenabouts.core import Moments
from whenabouts.core.progress import Silent
from whenabouts.data.exporters.protocol import ExportSettings
from whenabouts.data.exporters.submission import export_submission
from whenabouts.data.importers.protocol import ImportSettings
from whenabouts.data.importing import import_into
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings
from whenabouts.data.worlds.youtube8m_plan import ClassPlan, RatingCount, ShardWorldSettings
from whenabouts.data.worlds.youtube8m_shards import ShardWorld
from whenabouts.data.youtube8m.vocabulary import ClassRow, ClassTable
from whenabouts.evaluation.ranked_lists import read_ranked_lists

RECIPE = Path(__file__).parents[1] / "recipes" / "two-stage-paper.toml"
CLASSES, TRAINED, HELD_OUT = 6, 72, 24
SMALL = [
    f"train.{part}.{name}"
    for part in ("video", "segment")
    for name in ("net.hidden=24", "fit.batch_size=16", "fit.epochs=12", "fit.learning_rate=0.01")
]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Videos of 30 to 45 s; all have labels, and five segments of each are rated for one of them."""
    table = ClassTable(tuple(ClassRow(index, f"class {index}", train_videos=100) for index in range(CLASSES)))
    ratings = {index: RatingCount(40, 80) for index in range(CLASSES)}
    videos = {"videos": TRAINED + HELD_OUT, "videos_per_shard": TRAINED, "least_seconds": 30, "most_seconds": 45}
    world = ShardWorld(ClassPlan(table, ratings), ShardWorldSettings(**videos, signal=12.0, spurious=0.1))
    world.write(tmp_path / "shards", split="train", shards=[0])
    world.write(tmp_path / "shards", split="validate", shards=[1])
    home = Project.create(tmp_path / "project")
    import_into(
        home, "youtube8m", tmp_path / "shards", ImportSettings(), VocabularySettings(), now_ns=1, progress=Silent()
    )
    return home


def test_rated_shards_teach_both_stages(project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(project=project.folder, recipe=RECIPE, overrides=SMALL, device="cpu", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["localizer"], told["videos"], told["modalities"]) == ("two-stage", TRAINED, ["audio", "rgb"])
    find(project=project.folder, split="validation", device="cpu", as_json=True)
    capsys.readouterr()
    found = Moments.from_json(json.loads((project.moments_folder / "moments.json").read_text()))
    assert set((found.spans[:, 0] % 5).tolist()) == {0.0}
    assert found.durations.max() == 5.0
    scores = {(row.video_id, row.start_seconds, row.concept): row.score for row in found}
    rated = [
        (scores.get((entry.id, part.start_seconds, part.name), 0.0), part.present)
        for entry in project.manifest()
        if entry.split == "validation"
        for part in entry.segments
    ]
    order = np.argsort([-score for score, _ in rated], kind="stable")
    present = np.array([there for _, there in rated])[order]
    precision = (np.cumsum(present) / np.arange(1, len(present) + 1))[present].mean()
    assert present.mean() < 0.6
    assert precision > 0.85
    short = found.durations < 5
    written = export_submission(project, tmp_path / "s.csv", ExportSettings(), progress=Silent())
    assert written.figures == {"segments": len(found) - short.sum(), "cut_by_the_end": short.sum()}
    assert 0 < short.sum() < len(found)
    submitted = {(one.class_id, segment) for one in read_ranked_lists(tmp_path / "s.csv") for segment in one.segments}
    rows = zip(found.classes, found.video_ids, found.spans[:, 0], short, strict=True)
    assert submitted == {(index, f"{video}:{int(start)}") for index, video, start, gone in rows if not gone}
