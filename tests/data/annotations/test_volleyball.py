"""Volleyball's lines as they really are, and as its documentation has them."""

from pathlib import Path

import pytest
from tests.media.test_joining import write_jpeg

from whenabouts.core.boxes import keyframes_of
from whenabouts.core.errors import InvalidData
from whenabouts.core.progress import Silent
from whenabouts.data.annotations.checking import check_annotations
from whenabouts.data.annotations.volleyball import read_volleyball
from whenabouts.data.box_files import boxes_path, read_boxes
from whenabouts.data.importers import ImportSettings
from whenabouts.data.importers.protocol import VolleyballSettings
from whenabouts.data.importers.volleyball import import_volleyball
from whenabouts.data.importing import import_into
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings

LINES = """\
100.jpg r_spike 430 575 82 170 waiting 563 491 82 177 standing
105.jpg l-pass standing 10 20 30 40 moving 50 60 70 80
110.jpg L_PASS 1 2 3 4 standing 5 6
115.jpg r_dance 1 2 3 4 standing
120.jpg r_set 1 2 3 4 dancing 5 6 0 8 standing x 6 7 8 standing

100.jpg r_set 1 2 3 4 standing
"""


@pytest.fixture
def games(tmp_path: Path) -> Path:
    for game in ("1", "4"):
        (tmp_path / "games" / game).mkdir(parents=True)
        (tmp_path / "games" / game / "annotations.txt").write_text(LINES if game == "1" else LINES.splitlines()[0])
    return tmp_path / "games"


def test_lines_and_findings(games: Path) -> None:
    clips, faults = read_volleyball(games)
    assert [(clip.id, clip.group, clip.split) for clip in clips] == [
        ("1/100", "r_spike", "train"), ("1/105", "l-pass", "train"), ("1/110", "l-pass", "train"),
        ("1/120", "r_set", "train"), ("4/100", "r_spike", "test"),
    ]  # fmt: skip
    assert [(player.x, player.action) for player in clips[0].players] == [(430, "waiting"), (563, "standing")]
    assert [(player.x, player.height, player.action) for player in clips[1].players] == [
        (10, 40, "standing"), (50, 80, "moving"),
    ]  # fmt: skip
    assert [(fault.where, fault.what) for fault in faults] == [
        ("1/annotations.txt line 3", "players need five words each; the last ones are left out"),
        ("1/annotations.txt line 4", "no picture and known group activity"),
        *[("1/annotations.txt line 5", "a player can't be read")] * 3,
        ("1/annotations.txt line 7", "a clip stands there twice; the first counts"),
    ]
    assert check_annotations(games).counts == {"clips": 5, "players": 7}
    assert check_annotations(games / "1" / "annotations.txt").kind == "volleyball"
    with pytest.raises(InvalidData, match=r"no GAME/annotations\.txt"):
        read_volleyball(games / "1")


@pytest.mark.parametrize("task", ["personal", "group"])
def test_a_project_of_clips(task: str, games: Path, tmp_path: Path) -> None:
    """Pictures of one clip are joined to a video, whose size boxes are told by; others have 1280 x 720."""
    (games / "1" / "100").mkdir()
    for number in (98, 99, 100):
        write_jpeg(games / "1" / "100" / f"{number}.jpg", number)
    settings = ImportSettings(
        volleyball=VolleyballSettings(task=task, media=str(tmp_path / "media"))  # type: ignore[arg-type]
    )
    project = Project.create(tmp_path / "project")
    import_into(project, "volleyball", games, settings, VocabularySettings(), now_ns=1, progress=Silent())
    entries = {entry.id: entry for entry in project.manifest()}
    assert (entries["1/100"].video.width, entries["1/100"].video.status) == (48, "complete")
    names = [label.name for label in entries["1/100"].labels]
    assert names == (["r_spike"] if task == "group" else ["waiting", "standing"])
    vocabulary = project.vocabulary()
    assert len(vocabulary) == (8 if task == "group" else 9)
    boxes, _ = read_boxes(boxes_path(project.folder, "test"), vocabulary)
    (only,) = keyframes_of(boxes, len(vocabulary))
    assert only.seconds == pytest.approx(0.8)
    assert only.boxes[0] == pytest.approx([430 / 1280, 575 / 720, 512 / 1280, 1.0])  # Clipped below.
    assert only.labels.sum() == (0 if task == "group" else 2)
    train, _ = read_boxes(boxes_path(project.folder, "train"), vocabulary)
    assert "1/100" not in train.video_ids  # Its boxes lie outside of a picture of 48 x 32.


def test_games_that_are_called_otherwise_are_read(tmp_path: Path) -> None:
    for game in ("²", "4"):
        (tmp_path / game).mkdir()
        (tmp_path / game / "annotations.txt").write_text("1.jpg r_set 1 2 3 4 standing\n")
    clips, _ = read_volleyball(tmp_path)
    assert [(clip.id, clip.split) for clip in clips] == [("4/1", "test"), ("²/1", "train")]


@pytest.mark.golden
def test_real_lines(shared: Path) -> None:
    for name in ("sample_annotations_video39.txt", "sample_annotations_video41.txt"):
        clips, faults = read_volleyball(shared / "data" / "labels" / "volleyball" / name)
        assert [len(clip.players) for clip in clips] == [12, 12]
        assert faults == ()
        assert {clip.game for clip in clips} == {name[24:26]}


def test_players_outside_the_picture_are_told_and_do_not_tell_its_size(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "annotations.txt").write_text(
        "1.jpg r_set 640 360 64 72 standing 99999 2 30 4 standing\n2.jpg r_set 0 0 128 72 standing\n"
    )
    made = import_volleyball(tmp_path, ImportSettings())
    rows = made.boxes["train", "people"]
    assert [row.box for row in rows] == [(0.5, 0.5, 0.55, 0.6), (0.0, 0.0, 0.1, 0.1)]
    assert [(problem.file, problem.seen) for problem in made.problems] == [
        ("1/annotations.txt line 1", "1 of 2 players")
    ]
