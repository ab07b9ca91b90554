"""What is said of persons becomes rows for AVA's script, and its metric reads them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.progress import Silent
from whenabouts.core.video import Video
from whenabouts.data.box_files import BoxRow, boxes_path, write_boxes
from whenabouts.data.exporters import EXPORTERS, Exported, ExportSettings
from whenabouts.data.exporters.protocol import AvaFile
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project

LEFT, RIGHT = (0.1, 0.2, 0.5, 0.9), (0.6, 0.1, 0.9, 0.8)
# The one on the left stands, the one on the right watches; both are at second 2 of a film that is cut at minute 15.
SAID = [
    BoxRow("vid", 2.0, LEFT, "stand", 0.9, "0"), BoxRow("vid", 2.0, LEFT, "watch (a person)", 0.123456789, "0"),
    BoxRow("vid", 2.0, LEFT, "rare", 0.3, "0"),
    BoxRow("vid", 2.0, RIGHT, "stand", 0.2, "1"), BoxRow("vid", 2.0, RIGHT, "watch (a person)", 0.6, "1"),
    BoxRow("vid", 2.5, RIGHT, "stand", 0.99, "0"),
]  # fmt: skip
TRUTH = "vid,0902,0.1,0.2,0.5,0.9,12,0\nvid,0902,0.6,0.1,0.9,0.8,80,1\n"
LIST = 'item {\n  name: "stand"\n  id: 12\n}\nitem {\n  name: "watch (a person)"\n  id: 80\n}\n'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    home = Project.create(tmp_path / "project")
    home.write_manifest(Manifest((Entry(Video("vid", tmp_path / "vid.mp4"), split="test"),)))
    write_boxes(boxes_path(home.folder, "test", "judged"), SAID)
    (tmp_path / "list.pbtxt").write_text(LIST)
    (tmp_path / "truth.csv").write_text(TRUTH)
    return home


def exported(project: Project, *, actions: str = "list.pbtxt", split: str = "all") -> tuple[Exported, list[str]]:
    folder = project.folder.parent
    how = AvaFile(actions=str(folder / actions) if actions else "", start_seconds=900.0)
    told = EXPORTERS["ava"](project, folder / "out.csv", ExportSettings(split=split, ava=how), progress=Silent())
    return told, (folder / "out.csv").read_text().splitlines()


def test_a_row_a_box_and_action_by_hand(project: Project) -> None:
    told, lines = exported(project)
    assert lines == [
        "vid,0902,0.1,0.2,0.5,0.9,12,0.9", "vid,0902,0.1,0.2,0.5,0.9,80,0.123456789",
        "vid,0902,0.6,0.1,0.9,0.8,12,0.2", "vid,0902,0.6,0.1,0.9,0.8,80,0.6", "vid,902.500000,0.6,0.1,0.9,0.8,12,0.99",
    ]  # fmt: skip
    assert told.figures == {"videos": 1, "lines": 5}
    assert told.notes == ("Actions that are not in the list are left out: 1.",)


def test_what_was_said_comes_back_from_the_official_metric(project: Project) -> None:
    """Both are right, and come before the wrong guess at each; the keyframe that the truth lacks is ignored."""
    exported(project)
    folder = project.folder.parent
    words = ["evaluate", "ava", "--truth", "truth.csv", "--predictions", "out.csv", "--classes", "list.pbtxt"]
    done = CliRunner().invoke(
        app, [str(folder / word) if "." in word else word for word in words] + ["--json"], catch_exceptions=False
    )
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert (told["map"], told["per_class_ap"]) == (1.0, {"12": 1.0, "80": 1.0})


def test_what_is_missing_is_told(project: Project) -> None:
    with pytest.raises(InvalidData, match=r"export\.ava\.actions="):
        exported(project, actions="")
    (project.folder.parent / "others.txt").write_text("1: bend/bow\n")
    with pytest.raises(InvalidData, match="has no 'rare', nor any other"):
        exported(project, actions="others.txt")
    with pytest.raises(ProjectError, match=r"train-judged\.csv.*activities\.people=each"):
        exported(project, split="train")
    path = boxes_path(project.folder, "test", "judged")
    path.write_text(path.read_text().replace("0.99", "high"))
    with pytest.raises(InvalidData, match="line 7 is damaged"):
        exported(project)
