"""`check --against`: edited copies of another project's videos are found, written down and set aside."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from whenabouts import cli
from whenabouts.core.progress import Silent
from whenabouts.data import copies
from whenabouts.data.near_copies import NearCopySettings
from whenabouts.data.project import Project
from whenabouts.media.writing import Encoding, write_video

Run = Callable[..., tuple[int, str, str]]


def scene(seed: int, frames: int = 50) -> list[NDArray[np.uint8]]:
    """Blobs that move slowly; another seed is another scene."""
    random = np.random.default_rng(seed)
    blobs = random.uniform([0, 0, 0.08, -1, -0.1, -0.1], [1, 1, 0.3, 1, 0.1, 0.1], (10, 6))
    rows, columns = np.mgrid[0:1:72j, 0:1:96j]
    pictures = []
    for number in range(frames):
        at = number / frames
        picture = sum(d * np.exp(-((rows - r - at * vr) ** 2 + (columns - c - at * vc) ** 2) / s**2)
                      for r, c, s, d, vr, vc in blobs)  # fmt: skip
        levels = np.clip(128 + 80 * picture, 20, 235).astype(np.uint8)
        pictures.append(np.repeat(levels[..., None], 3, axis=2))
    return pictures


def write(path: Path, pictures: list[NDArray[np.uint8]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    times = [number / 10 for number in range(len(pictures))]
    write_video(path, pictures, times, encoding=Encoding(options={"preset": "ultrafast", "crf": "28"}))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def typed(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["whenabouts", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return typed


@pytest.fixture
def projects(tmp_path: Path, run: Run) -> tuple[Path, Path]:
    write(tmp_path / "target" / "x" / "one.mp4", scene(1))
    write(tmp_path / "target" / "x" / "two.mp4", scene(2))
    write(tmp_path / "ours" / "x" / "one.mp4", scene(3))
    write(tmp_path / "ours" / "x" / "mirrored.mp4", [picture[:, ::-1] for picture in scene(1)])
    write(tmp_path / "ours" / "y" / "part.mp4", scene(2)[:35])
    (tmp_path / "ours" / "y" / "broken.mp4").write_bytes(b"nothing")
    for name in ("target", "ours"):
        code, _, err = run("import", "folders", tmp_path / name, "--min-count", 1, "--project", tmp_path / f"p-{name}")
        assert code == 0, err
    return tmp_path / "p-ours", tmp_path / "p-target"


def test_copies_are_found_told_and_set_aside(projects: tuple[Path, Path], run: Run) -> None:
    ours, target = projects
    code, out, err = run("check", "--project", ours, "--against", target, "--json")
    assert code == 0, err
    figures = json.loads(out)
    assert (figures["videos"], figures["pairs"], figures["set_aside"]) == (2, 2, 0)
    rows = [json.loads(line) for line in (ours / "reports" / "copies.jsonl").read_text().splitlines()]
    assert [(row["source"], row["target"], row["how"]) for row in rows] == [
        ("x/mirrored", "x/one", "mirrored"),
        ("y/part", "x/two", "frames"),
    ]
    assert all(row["share"] == 1.0 for row in rows)
    assert "Clips are not compared" in err
    assert {entry.split for entry in Project(ours).manifest()} == {"train"}
    code, out, err = run("check", "--project", ours, "--against", target, "--set-aside")
    assert code == 0, err
    assert "2 were set aside" in out
    splits = {entry.id: entry.split for entry in Project(ours).manifest()}
    assert splits == {"x/one": "train", "y/broken": "train", "x/mirrored": "copies", "y/part": "copies"}
    again = ("import", "folders", ours.parent / "ours", "--min-count", 1, "--project", ours)
    for more in ((), ("--set", "import.move_splits=true")):  # As data sets with a truth of their own are imported.
        code, _, err = run(*again, *more)
        assert code == 0, err
        assert {entry.id: entry.split for entry in Project(ours).manifest()} == splits


def test_hashes_are_kept(projects: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    ours, target = Project(projects[0]), Project(projects[1])
    before = copies.copies_of(ours, target, NearCopySettings(), Silent())

    def nothing(*_: object) -> object:
        yield from ()

    monkeypatch.setattr(copies, "_decoded", nothing)
    assert copies.copies_of(ours, target, NearCopySettings(), Silent()) == before
    kept = ours.cache_folder / "frame_hashes.safetensors"
    with safe_open(kept, framework="numpy") as file:
        told, rows = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    bent = [
        (rows, {**told, name: text}) for name in ("keys", "counts") for text in ("null", '"x"', "[1]", "{}", "[[]]")
    ]
    bent += [({**rows, "hashes": rows["hashes"][:, :1]}, told), ({**rows, "mirrored": rows["mirrored"] * 1.0}, told)]
    for tensors, metadata in bent:
        save_file(tensors, kept, metadata=metadata)
        assert copies.copies_of(ours, target, NearCopySettings(), Silent()) == []
    kept.write_bytes(b"broken")
    assert copies.copies_of(ours, target, NearCopySettings(), Silent()) == []


def test_setting_aside_needs_something_to_compare_with(projects: tuple[Path, Path], run: Run) -> None:
    code, _, err = run("check", "--project", projects[0], "--set-aside")
    assert code == 2
    assert "--against PROJECT" in err


def test_clips_count_where_both_have_features(projects: tuple[Path, Path]) -> None:
    from whenabouts.core.features import FeatureSequence
    from whenabouts.core.timing import TimeGrid

    ours, target = Project(projects[0]), Project(projects[1])
    random = np.random.default_rng(0)
    grid = TimeGrid(0.0, 1.0, 1.0, 5, 5.0)
    values = {"x/one": random.normal(size=(5, 16)), "x/two": random.normal(size=(5, 16))}
    theirs = [FeatureSequence(name, rows.astype(np.float32), grid, "rgb", "net") for name, rows in values.items()]
    target.features().append(theirs)
    copied = FeatureSequence("x/one", values["x/two"].astype(np.float32) + 0.01, grid, "rgb", "net")
    ours.features().append([copied])
    found = copies.copies_of(ours, target, NearCopySettings(), Silent())
    assert ("x/one", "x/two", "clips") in [(pair.source, pair.target, pair.how) for pair in found]
    assert len(found) == 3
