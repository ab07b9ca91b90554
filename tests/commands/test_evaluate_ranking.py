import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from whenabouts.commands.evaluate import app
from whenabouts.core.errors import InvalidData

# Class 3: hit, unrated, hit: (1 + 1) / 2 = 1. Class 7: miss, hit: 1/2. Class 9 is rated, but absent.
LABELS = "aaaa:0,3,1.0\nbbbb:0,3,1.0\naaaa:5,7,0.0\nbbbb:5,7,1.0\ncccc:0,9,1.0\n"
SUBMISSION = "Class,Segments\n3,aaaa:0 cccc:5 bbbb:0\n7,aaaa:5 bbbb:5\n"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "labels.csv").write_text(LABELS)
    (tmp_path / "submission.csv").write_text(SUBMISSION)
    return ["--truth", str(tmp_path / "labels.csv"), "--predictions", str(tmp_path / "submission.csv")]


def values(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["ranking", *arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_it_prints_one_json_object(files: list[str]) -> None:
    assert values(*files) == {
        "map": 0.75,
        "classes": [3, 7],
        "per_class_ap": [1.0, 0.5],
        "num_positives": [2, 1],
        "convention": "kaggle",
        "top": 100_000,
        "mean_recall": 1.0,
        "per_class_recall": [1.0, 1.0],
        "left_out_classes": [],
    }


def test_options(files: list[str]) -> None:
    assert values(*files, "--classes", "all")["map"] == 0.5
    assert values(*files, "--classes", "all")["classes"] == [3, 7, 9]
    assert values(*files, "--top", "2")["per_class_ap"] == [0.5, 0.5]
    assert values(*files, "--top", "0")["map"] == 0.75


def test_the_official_script(files: list[str]) -> None:
    with pytest.raises(InvalidData, match="header"):
        CliRunner().invoke(app, ["ranking", *files, "--convention", "official-script"], catch_exceptions=False)
    Path(files[3]).write_text(SUBMISSION.partition("\n")[2])
    found = values(*files, "--convention", "official-script")
    assert found["convention"] == "official-script"
    assert found["per_class_ap"] == [0.5, 0.0]  # the last segment of each line is lost


def test_text_for_people(files: list[str]) -> None:
    result = CliRunner().invoke(app, ["ranking", *files], catch_exceptions=False)
    assert "MAP@100000     0.7500" in result.stdout
    assert "Kaggle" in result.stdout


@pytest.mark.parametrize("wrong", [["--top", "-1"], ["--classes", "some"], ["--convention", "google"]])
def test_wrong_options_are_refused(files: list[str], wrong: list[str]) -> None:
    assert CliRunner().invoke(app, ["ranking", *files, *wrong]).exit_code == 2


def test_a_long_file_streams(tmp_path: Path) -> None:
    """A file of 44 MB is measured with little more memory than one line of it needs."""
    line = " ".join(f"v{number:04d}:{start}" for number in range(4000) for start in range(100, 125))
    (tmp_path / "labels.csv").write_text("".join(f"v0007:101,{one},1.0\nv0000:100,{one},0.0\n" for one in range(50)))
    with (tmp_path / "submission.csv").open("w") as file:
        file.write("Class,Segments\n")
        file.writelines(f"{one},{line}\n" for one in range(50))
    code = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from whenabouts.commands.evaluate import app\n"
        # Of this process alone: `ru_maxrss` would begin with that of the parent.
        "peak = lambda: re.search(r'VmHWM:\\s*(\\d+) kB', Path('/proc/self/status').read_text())[1]\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit: print(peak(), file=sys.stderr)\n"
    )
    arguments = ["ranking", "--truth", str(tmp_path / "labels.csv"), "--predictions", str(tmp_path / "submission.csv")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--json"], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout)["map"] == 0.5  # a miss, then a hit
    assert int(done.stderr.split()[-1]) < 150_000  # kB
