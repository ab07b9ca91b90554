"""The verb export, as it is typed."""

import json
from pathlib import Path

import pytest

from whenabouts import cli
from whenabouts.core.files import write_json
from whenabouts.core.moments import Moments
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    home = Project.create(tmp_path / "p")
    home.write_manifest(Manifest((Entry(Video("v", tmp_path / "v.mp4"), split="test"),)))
    moments = Moments.build(["v", "v"], [[1, 2], [3, 4]], [0, 0], Vocabulary(("Diving",)), scores=[0.5, 0.25])
    write_json(home.moments_folder / "moments.json", moments.to_json())
    return home


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["whenabouts", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def test_export_says_what_it_wrote(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ("--project", project.folder, "--min-score", 0.3)
    code, out, _ = run(capsys, monkeypatch, "export", tmp_path / "d.txt", *typed)
    assert (code, out) == (0, f"Wrote {tmp_path / 'd.txt'}: 1 moments, 1 videos.\n")
    assert (tmp_path / "d.txt").read_text() == "v 1.0 2.0 26 0.5\n"
    code, out, _ = run(capsys, monkeypatch, "export", tmp_path / "vtt", "--format", "webvtt", *typed, "--json")
    assert (code, json.loads(out)["files"]) == (0, 1)


@pytest.mark.parametrize(
    ("words", "code", "wanted"),
    [
        (("x", "--format", "doc"), 2, "There is no format 'doc'. Known: activitynet, ava, boris, chapters"),
        (("x.doc",), 2, "x.doc does not tell which format is meant. Say it with --format"),
        (("x.txt", "--set", "export.thumos.number=1"), 2, "Did you mean 'numbers'?"),
        (("x", "--format", "activitynet", "--split", "train"), 1, "No video is in split 'train'"),
        (("x", "--format", "youtube8m-submission"), 1, "A submission holds segments of 5 s"),
    ],
)
def test_what_is_wrong_is_said(
    project: Project, words: tuple[str, ...], code: int, wanted: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(project.folder)
    found, _, err = run(capsys, monkeypatch, "export", *words)
    assert (found, wanted in " ".join(err.split())) == (code, True), err
