"""The verbs import and check, as they are typed."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from whenabouts import cli
from whenabouts.data.project import Project
from whenabouts.media.writing import Encoding, write_video


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real videos in two folders of concepts, one broken file, and a table."""
    root = tmp_path_factory.mktemp("archive")
    for seed, name in enumerate(["dive/1", "dive/2", "jump/3", "jump/4"]):
        rng = np.random.default_rng(seed)
        scenes = [rng.integers(0, 255, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1) for _ in range(4)]
        pictures = [scenes[k // 5] for k in range(20)]
        path = root / f"{name}.mp4"
        path.parent.mkdir(exist_ok=True)
        write_video(path, pictures, [k / 10 for k in range(20)], encoding=Encoding(options={"preset": "ultrafast"}))
    (root / "dive" / "broken.mp4").write_bytes(b"no video")
    (root / "labels.csv").write_text("clip,what\n1.mp4,splash\n3.mp4,splash\n9.mp4,splash\n")
    return root


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["whenabouts", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def test_seed_labels_take_the_place_of_tags(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tags.csv").write_text(
        "video,label\ndive/1.mp4,Cliff Dive|sunset\ndive/2.mp4,#divingcliffs\njump/3.mp4,jumping\njump/4.mp4,nothing\n"
    )
    (tmp_path / "seeds.txt").write_text("cliffs diving\njumping\nsailing\n")
    words = ("import", "csv", tmp_path / "tags.csv", "--set", f'import.csv.media="{archive}"', "--min-count", 1)
    words = (*words, "--seeds", tmp_path / "seeds.txt", "--project", tmp_path / "p")
    code, _, err = run(capsys, monkeypatch, *words)
    assert code == 0, err
    assert "seeds without a video: 1 (sailing)" in err
    project = Project(tmp_path / "p")
    assert project.vocabulary().names == ("cliffs diving", "jumping")
    said = {entry.id: entry.labels for entry in project.manifest()}
    assert [label.name for label in said["dive/2"]] == ["cliffs diving"]
    assert said["dive/2"][0].evidence == "#divingcliffs"
    assert said["jump/4"] == ()
    code, _, err = run(capsys, monkeypatch, *words[:-3], tmp_path / "none.txt", "--project", tmp_path / "p")
    assert code == 1
    assert "Seed labels" in err
    (tmp_path / "verbs.txt").write_text("diving\n")
    (tmp_path / "nouns.txt").write_text("cliff\ncliffs\nlake\n")
    products = (*words[:-4], "--seed-nouns", tmp_path / "nouns.txt", "--project", tmp_path / "q")
    code, _, err = run(capsys, monkeypatch, *products, "--seeds", tmp_path / "verbs.txt")
    assert code == 0, err
    assert "verbs: 1, nouns: 3, products seen: 2, videos with a seed: 2" in err
    assert Project(tmp_path / "q").vocabulary().names == ("diving cliff", "diving cliffs")
    code, _, err = run(capsys, monkeypatch, *products)
    assert code == 2
    assert "Name a file of verbs with --seeds." in err


def test_import_then_check(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def typed(*words: object) -> tuple[int, str, str]:
        return run(capsys, monkeypatch, *words, "--project", tmp_path / "p")

    code, out, err = typed("import", "folders", archive, "--min-count", 2)
    assert code == 0
    assert "5 videos (5 new, 0 changed, 0 removed, 1 unreadable), 2 concepts, 0 problems" in out
    assert "unreadable: dive/broken: The file can't be opened" in err
    assert "dive " in err
    code, out, err = typed("import", "csv", archive / "labels.csv", "--map", "video=clip,label=what", "--json")
    figures = json.loads(out)
    assert (code, figures["new"], figures["concepts"], figures["problem_count"]) == (0, 0, 3, 1)
    assert figures["counts"]["rows_unmatched"] == 1
    assert "labels.csv row 3: no such video (seen: 9.mp4)" in err
    project = Project(tmp_path / "p")
    assert project.vocabulary().names == ("dive", "jump", "splash")
    assert project.vocabulary_settings().min_count == 2
    assert [label.name for label in project.manifest().by_id("dive/1").labels] == ["dive", "splash"]
    code, out, err = typed("check")
    assert code == 0
    assert "can be trained on. Run `whenabouts pretrain`" in out
    assert "unreadable: 1 of 5 videos" in err
    assert json.loads((project.reports_folder / "check.json").read_text())["figures"]["videos"] == 5
    assert json.loads(typed("check", "--json")[1])["trainable"] is True


def test_splits_and_settings(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('[import.folders]\nignored = ["jump"]\n[vocabulary]\nmin_count = 2\nabsent = "negative"\n')
    words: Sequence[object] = ("--recipe", recipe, "--absent", "unknown", "--set", "vocabulary.max_concepts=7")
    typed = ("import", "folders", archive, "--project", tmp_path / "p", "--split", "test", "--include", "*/1.mp4")
    assert run(capsys, monkeypatch, *typed, *words)[0] == 0
    assert run(capsys, monkeypatch, "import", "folders", archive, "--project", tmp_path / "p", *words)[0] == 0
    project = Project(tmp_path / "p")
    assert {entry.id: entry.split for entry in project.manifest()}["dive/1"] == "test"
    settings = project.vocabulary_settings()
    assert (settings.min_count, settings.absent, settings.max_concepts) == (2, "unknown", 7)
    assert project.vocabulary().names == ()
    code, out, _ = run(capsys, monkeypatch, "check", "--project", tmp_path / "p")
    assert (code, "can't be trained on" in out) == (1, True)


@pytest.mark.parametrize(
    ("words", "code", "wanted"),
    [
        (("import", "zip", "."), 2, "There is no importer 'zip'. Known: folders, csv"),
        (("import", "folders", "nowhere"), 1, "There is no folder nowhere"),
        (("import", "folders", "."), 1, "There is no video below"),
        (("import", "csv", ".", "--map", "video"), 2, "--map 'video' is not role=column"),
        (("import", "folders", ".", "--absent", "maybe"), 2, "absent is 'maybe'"),
        (("import", "folders", ".", "--set", "import.folders.level=[1]"), 2, "Did you mean 'levels'?"),
        (("import", "folders", ".", "--set", "import.tags.many_tags=-1"), 2, "many_tags is -1"),
        (("check", "--project", "nowhere"), 1, "There is no folder nowhere"),
        (("check",), 1, "holds no manifest.jsonl"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, words: tuple[str, ...], code: int, wanted: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    found, _, err = run(capsys, monkeypatch, *words)
    assert (found, wanted in " ".join(err.split())) == (code, True), err


def test_a_broken_vocabulary_is_mended_by_importing_again(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ("import", "folders", archive, "--project", tmp_path, "--min-count", 2)
    assert run(capsys, monkeypatch, *typed)[0] == 0
    Project(tmp_path).vocabulary_path.write_text("{")
    code, _, err = run(capsys, monkeypatch, *typed)
    assert (code, "vocabulary.json is not JSON" in err) == (0, True)
    assert Project(tmp_path).vocabulary().names == ("dive", "jump")
