"""Submissions to EPIC-KITCHENS: archives as the challenges read them, and that nothing is lost on the way."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core.errors import InvalidData, ProjectError, SettingsError
from whenabouts.core.progress import Silent
from whenabouts.core.video import Video
from whenabouts.data.exporters import EXPORTERS, Exported, ExportSettings
from whenabouts.data.exporters.protocol import EpicKitchensFile
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.named_files import NamedExample, named_path, read_named, write_named
from whenabouts.data.project import Project

TIMES = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame\n"
)
VERBS, NOUNS = ("take", "put"), ("plate", "tap", "pan")  # The nouns' table has another order.
LEVELS = {"sls_pt": 1, "sls_tl": 3, "sls_td": 3}


def examples(*rows: tuple[str, tuple[float, float] | None, Sequence[float]]) -> list[NamedExample]:
    return [NamedExample(video, np.asarray(shares), span) for video, span, shares in rows]


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "EPIC_100_verb_classes.csv").write_text("id,key\n0,take\n1,put\n")
    (folder / "EPIC_100_noun_classes.csv").write_text("id,key\n0,tap\n1,plate\n2,pan\n")
    clips = (("P09_01_0", "P09_01", 0.2, 1.3), ("P09_01_1", "P09_01", 2, 4.5), ("P09_02_0", "P09_02", 0, 1))
    (folder / "EPIC_100_test_timestamps.csv").write_text(
        TIMES + "".join(f"{own},P09,{video},0,{start},{stop},1,2\n" for own, video, start, stop in clips)
    )
    return folder


@pytest.fixture
def homes(tmp_path: Path) -> dict[str, Project]:
    """Two clips in one long file, of which the second ends a little early; the third is a file of its own."""
    made = {kind: Project.create(tmp_path / kind) for kind in ("verbs", "nouns")}
    own: dict[str, list[tuple[str, tuple[float, float] | None, Sequence[float]]]] = {
        "verbs": [("a/P09_01", (2.0, 4.0), (0.9, 0.1)), ("a/P09_01", (0.2, 1.3), (0.25, 0.75)),
                  ("P09_02_0", None, (1.0, 0.0))],
        "nouns": [("P09_01", (0.2, 1.3), (0.5, 0.3, 0.2)), ("P09_01", (2.0, 4.5), (0.1, 0.2, 0.7))],
    }  # fmt: skip
    for kind, names in (("verbs", VERBS), ("nouns", NOUNS)):
        made[kind].write_manifest(Manifest((Entry(Video("P09_01", tmp_path / "P09_01.mp4"), split="test"),)))
        write_named(named_path(made[kind].reports_folder, "test"), names, examples(*own[kind]))
    return made


def exported(homes: dict[str, Project], tables: Path, split: str = "all", **more: Any) -> tuple[Exported, dict]:
    told = EpicKitchensFile(**({"tables": str(tables), "nouns": str(homes["nouns"].folder)} | LEVELS | more))
    target = tables.parent / "out.zip"
    made = EXPORTERS["epic-kitchens"](
        homes["verbs"], target, ExportSettings(split=split, epic_kitchens=told), progress=Silent()
    )
    with zipfile.ZipFile(target) as archive:
        return made, {name: json.loads(archive.read(name)) for name in archive.namelist()}


def softmax(scores: dict[str, float]) -> list[float]:
    powers = np.exp([scores[str(number)] for number in range(len(scores))])
    return (powers / powers.sum()).tolist()


def test_probabilities_come_back_from_the_archive(homes: dict[str, Project], tables: Path) -> None:
    made, files = exported(homes, tables)
    assert list(files) == ["test.json"]
    results = files["test.json"].pop("results")
    assert files["test.json"] == {"version": "0.2", "challenge": "action_recognition", **LEVELS}
    assert list(results) == ["P09_01_0", "P09_01_1", "P09_02_0"]
    assert all(set(result["verb"]) == {"0", "1"} and set(result["noun"]) == {"0", "1", "2"}
               for result in results.values())  # fmt: skip
    verbs, nouns = ([softmax(result[kind]) for result in results.values()] for kind in ("verb", "noun"))
    np.testing.assert_allclose(verbs, [[0.25, 0.75], [0.9, 0.1], [1, 0]], atol=1e-7)
    np.testing.assert_allclose(nouns, [[0.3, 0.5, 0.2], [0.2, 0.1, 0.7], [1 / 3] * 3], atol=1e-7)
    assert made.figures == {"clips": 3, "files": 1, "clips_without_verbs": 0, "clips_without_nouns": 1}
    assert made.notes == ("Of 1 of 3 clips no noun was said (P09_02_0): all have the same score there.",)
    first = (tables.parent / "out.zip").read_bytes()
    exported(homes, tables)
    assert (tables.parent / "out.zip").read_bytes() == first


def test_both_tests_of_55_are_files_of_their_own(homes: dict[str, Project], tmp_path: Path) -> None:
    tables = tmp_path / "55"
    tables.mkdir()
    (tables / "EPIC_verb_classes.csv").write_text("verb_id,class_key,verbs\n0,take,[]\n1,put,[]\n2,wash,[]\n")
    (tables / "EPIC_noun_classes.csv").write_text("noun_id,class_key,nouns\n0,plate,[]\n1,tap,[]\n2,pan,[]\n")
    for name, uid, video in (("s1", 1924, "P01_11"), ("s2", 7, "P09_11")):
        head = "uid,participant_id,video_id,start_timestamp,stop_timestamp,start_frame,stop_frame\n"
        (tables / f"EPIC_test_{name}_timestamps.csv").write_text(f"{head}{uid},P01,{video},0:0:1,0:0:2,1,2\n")
    for split, video in (("test-seen", "P01_11"), ("test-unseen", "P09_11")):
        for kind, names in (("verbs", VERBS), ("nouns", NOUNS)):
            rows = examples((video, (1.0, 2.0), np.arange(1, len(names) + 1) / 10))
            write_named(named_path(homes[kind].reports_folder, split), names, rows)
    made, files = exported(homes, tables, sls_pt=None)
    assert {name: list(values["results"]) for name, values in files.items()} == {
        "seen.json": ["1924"],
        "unseen.json": ["7"],
    }
    assert {(values["version"], len(values)) for values in files.values()} == {("0.1", 3)}
    assert softmax(files["seen.json"]["results"]["1924"]["verb"]) == pytest.approx([1 / 3, 2 / 3, 0])
    assert made.notes == ("1 verbs that the net does not know have the least score.",)
    assert list(exported(homes, tables, split="test-unseen")[1]) == ["unseen.json"]


def test_what_can_not_be_submitted_is_told(homes: dict[str, Project], tables: Path) -> None:
    with pytest.raises(SettingsError, match=r"0 to 5: set export\.epic_kitchens\.sls_tl\."):
        exported(homes, tables, sls_tl=None)
    with pytest.raises(SettingsError, match="a project of nouns"):
        exported(homes, tables, nouns="")
    with pytest.raises(InvalidData, match="no clip of split validation"):
        exported(homes, tables, split="validation")
    with pytest.raises(InvalidData, match="no noun 'take'"):
        exported(homes, tables, nouns=str(homes["verbs"].folder))
    path = named_path(homes["nouns"].reports_folder, "test")
    path.write_text(path.read_text().replace("0.7", '"?"'))
    with pytest.raises(InvalidData, match="Run it again"):
        exported(homes, tables)
    path.unlink()
    with pytest.raises(ProjectError, match="Run `whenabouts finetune` first"):
        exported(homes, tables)


def test_what_was_named_is_read_back(tmp_path: Path) -> None:
    rows = examples(("b\udcff", (0.1, 2.5), (0.123456, 1e-12)), ("c", None, (1.0, 0.0)))
    path = named_path(tmp_path, "test s/1")
    assert path.name == "probabilities-test_s_1.json"
    write_named(path, ("x", "y"), rows)
    table = read_named(path)
    assert table.names == ("x", "y")
    assert [(row.video, row.span, row.probabilities.tolist()) for row in table.rows] == [
        ("b\udcff", (0.1, 2.5), [0.123456, 1e-12]),
        ("c", None, [1.0, 0.0]),
    ]
    path.write_text(path.read_text().replace("[1.0, 0.0]", "[1.0]"))
    with pytest.raises(InvalidData, match="row 1: it needs 2"):
        read_named(path)


def test_the_command(homes: dict[str, Project], tables: Path) -> None:
    told = {"tables": tables, "nouns": homes["nouns"].folder} | LEVELS
    words = [word for name, value in told.items() for word in ("--set", f"export.epic_kitchens.{name}={value}")]
    target = tables.parent / "submission.zip"
    done = CliRunner().invoke(
        app, ["export", str(target), "--format", "epic-kitchens", "--project", str(homes["verbs"].folder), *words]
    )
    assert done.exit_code == 0, done.output
    assert "3 clips" in done.output
    assert zipfile.is_zipfile(target)
