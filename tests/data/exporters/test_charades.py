"""Submissions to Charades: lines as the official scripts read them, and what their metric makes of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.progress import Silent
from whenabouts.core.video import Video
from whenabouts.data.activity_files import ActivityRow, activities_path, read_activities, write_activities
from whenabouts.data.exporters import EXPORTERS, ExportSettings
from whenabouts.data.exporters.protocol import CharadesFile
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project

CLASSES = "c000 Holding some clothes\nc001 Putting clothes somewhere\nc002 Taking some clothes\n"
NAMES = ("Taking some clothes", "Holding some clothes")  # In another order, and without the one between.
TRUTH = "id,actions,length\nV1,c000 0.00 6.00;c002 5.00 9.00,10.00\nV2,c002 0.00 3.00,8.00\nV3,c001 1 2,8.00\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    home = Project.create(tmp_path / "project")
    home.write_manifest(Manifest(tuple(Entry(Video(name, tmp_path / name), split="test") for name in ("V1", "V2"))))
    (tmp_path / "classes.txt").write_text(CLASSES)
    (tmp_path / "truth.csv").write_text(TRUTH)
    return home


def written(project: Project, kind: str, classes: str = "classes.txt", split: str = "all") -> list[str]:
    folder = project.folder.parent
    told = CharadesFile(classes=str(folder / classes) if classes else "")
    settings = ExportSettings(split=split, charades=told)
    EXPORTERS[kind](project, folder / "out.txt", settings, progress=Silent())
    return (folder / "out.txt").read_text().splitlines()


def typed(*words: str) -> dict[str, object]:
    done = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def test_a_line_a_video_by_hand(project: Project) -> None:
    rows = [ActivityRow("V1", np.array([0.25, 0.1234567891])), ActivityRow("V2", np.array([1e-8, 1.0]))]
    write_activities(activities_path(project.folder, "test"), NAMES, rows)
    assert written(project, "charades-classify") == ["V1 0.123456789 0 0.25", "V2 1 0 1e-08"]
    numbered = [ActivityRow("V1", np.array([0.5, 0.25]))]
    write_activities(activities_path(project.folder, "test"), ("c156", "c001 Putting"), numbered)
    line = written(project, "charades-classify", classes="")[0].split()
    assert len(line) == 158
    assert (line[2], line[157]) == ("0.25", "0.5")


def test_what_was_said_comes_back_from_the_official_metric(project: Project) -> None:
    """c000 is V1 alone, which comes first; c002 is both of the first two; c001 is V3, which lacks, so is last: 1/3."""
    rows = [ActivityRow("V1", np.array([0.25, 0.9])), ActivityRow("V2", np.array([0.75, 0.2]))]
    write_activities(activities_path(project.folder, "test"), NAMES, rows)
    folder = project.folder.parent
    typed("export", str(folder / "out.txt"), "--format", "charades-classify", "--project", str(project.folder),
          "--set", f"export.charades.classes={folder / 'classes.txt'}")  # fmt: skip
    told = typed("evaluate", "charades-classify", "--truth", str(folder / "truth.csv"),
                 "--predictions", str(folder / "out.txt"), "--classes", str(folder / "classes.txt"))  # fmt: skip
    assert told["convention"] == "official"
    assert told["per_class_ap"] == pytest.approx({"c000": 1, "c001": 1 / 3, "c002": 1})
    assert told["map"] == pytest.approx((1 + 1 / 3 + 1) / 3)


def test_moments_come_back_from_the_official_metric(project: Project) -> None:
    """25 moments of each video, named rightly at every one but those of class c002 in V2, which are the wrong way."""
    spans = {"V1": (10.0, {0: (5.0, 9.0), 1: (0.0, 6.0)}), "V2": (8.0, {0: (0.0, 3.0)})}
    rows = []
    for name, (length, actions) in spans.items():
        for number in range(25):
            second, scores = number / 25 * length, np.zeros(2)
            for place, (start, end) in actions.items():
                scores[place] = float(start <= second <= end)
            if name == "V2":
                scores[0] = 0.5 - 0.5 * scores[0]
            rows.append(ActivityRow(name, scores, number + 1, second))
    path = activities_path(project.folder, "test", moments=True)
    write_activities(path, NAMES, rows, moments=True)
    read = read_activities(path, moments=True)
    assert [(row.video, row.moment, row.seconds) for row in read.rows] == [(r.video, r.moment, r.seconds) for r in rows]
    folder = project.folder.parent
    lines = written(project, "charades-localize")
    assert lines[0] == "V1 1 1 0 0"
    assert lines[25] == "V2 1 0 0 0"
    told = typed("evaluate", "charades-localize", "--truth", str(folder / "truth.csv"),
                 "--predictions", str(folder / "out.txt"), "--classes", str(folder / "classes.txt"))  # fmt: skip
    aps = told["per_class_ap"]
    assert isinstance(aps, dict)
    assert aps["c000"] == pytest.approx(1)
    hits = 10  # Moments of V1 from 5 to 9 s: 13 to 22 of 25, all ranked first.
    wrong, late = 15, 10  # V2's other moments come next, then all that are 0: V1's 15, then V2's 10 in its order.
    ranks = [*range(1, hits + 1), *(hits + wrong + 15 + place for place in range(1, late + 1))]
    by_hand = np.mean([(place + 1) / rank for place, rank in enumerate(ranks)])
    assert aps["c002"] == pytest.approx(by_hand)


def test_what_can_not_be_written(project: Project) -> None:
    with pytest.raises(ProjectError, match="evaluate activities` first"):
        written(project, "charades-classify")
    with pytest.raises(ProjectError, match=r"testing\.moments=25` first"):
        written(project, "charades-localize")
    write_activities(activities_path(project.folder, "test"), ("Dancing",), [ActivityRow("V1", np.ones(1))])
    with pytest.raises(InvalidData, match=r"no 'Dancing' \(1 of 1"):
        written(project, "charades-classify")
    with pytest.raises(InvalidData, match=r"charades\.classes="):
        written(project, "charades-classify", classes="")
    activities_path(project.folder, "test").write_text("")
    with pytest.raises(InvalidData, match="is empty"):
        written(project, "charades-classify")
    path = activities_path(project.folder, "test", moments=True)
    write_activities(path, NAMES, [ActivityRow("V1", np.ones(2), 26, 9.0)], moments=True)
    with pytest.raises(InvalidData, match="moment 26"):
        written(project, "charades-localize")
    write_activities(path, NAMES, [ActivityRow("V 1", np.ones(2), 1, 0.0)], moments=True)
    with pytest.raises(InvalidData, match="can't name the video 'V 1'"):
        written(project, "charades-localize")
    path.write_text("video,moment,seconds,Holding some clothes\nV1,1,0.0,much\n")
    with pytest.raises(InvalidData, match="line 2: a row needs"):
        read_activities(path, moments=True)
    path.write_text("video,a\nV1,0.5\n")
    with pytest.raises(InvalidData, match="begins with the columns video, moment"):
        read_activities(path, moments=True)
