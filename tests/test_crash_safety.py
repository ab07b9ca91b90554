"""Real runs of the verbs, killed, ended, refused a place to write, two at a time: the project stays whole.

`benchmarks/crash_safety.py` does the same at many more points.
"""

import importlib.util
import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from whenabouts import cli
from whenabouts.core.locks import claimed
from whenabouts.data.project import Project
from whenabouts.recognition.pretraining import checkpoint_of
from whenabouts.training.checkpoints import read_place

KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
SAID = {TERM: "ended by SIGTERM", INT: "ended by Ctrl-C"}
Folders = dict[str, Path]


def _killing() -> ModuleType:
    path = Path(__file__).resolve().parents[1] / "benchmarks" / "killing.py"
    spec = importlib.util.spec_from_file_location("killing", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


killing = _killing()


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As the runs to compare with."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def here(*words: object) -> int:
    """Run a verb in this process, to its end, and give its exit code."""
    before = sys.argv
    sys.argv = ["whenabouts", *map(str, words)]
    try:
        with pytest.raises(SystemExit) as left:
            cli.main()
    finally:
        sys.argv = before
    return int(left.value.code or 0)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = killing.render(tmp_path_factory.mktemp("archive") / "a").folder
    return folder


@pytest.fixture(scope="module")
def before(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The project as each verb finds it, and at the end; each verb ran undisturbed, with two workers."""
    folder = tmp_path_factory.mktemp("reference")
    project, kept = folder / "project", {}
    concepts = "sliding left,sliding right,rising,clockwise,anticlockwise,bouncing,swaying,pulsing,chiming"
    train = ("ytdlp", archive / "train", "--concepts", concepts, "--min-count", 1)
    for words in (train, ("ytdlp", archive / "heldout", "--split", "test")):
        assert here("import", *words, "--project", project) == 0
    for verb in ("pretrain", "extract", "train"):
        shutil.rmtree(project / "cache", ignore_errors=True)
        kept[verb] = killing.copied(project, folder / f"before-{verb}")
        assert here(*killing.words_of(verb, project, *(() if verb == "train" else ("--workers", 2)))) == 0
    return {**kept, "end": project}


def extracted(project: Path) -> int:
    """Videos with features. Shards are not to be counted: Ctrl-C while one is written leaves its video in two."""
    return len(Project(project).features().video_ids("rgb"))


def frames(project: Path) -> int:
    return len(list((project / "cache" / "frames").glob("*/*.safetensors")))


def step(project: Path) -> int:
    """Steps of pre-training that are kept."""
    path = checkpoint_of(project / "cache")
    return read_place(path).step if path.exists() else 0


def rounds(project: Path) -> int:
    """Two for each round of training that has begun, less one until it has its first checkpoint."""
    return len(list((project / "cache" / "train" / "winners-out").glob("*.safetensors")))


def whole(project: Path) -> bool:
    left = killing.scan(project)
    assert left.broken == []
    assert left.files > 0
    return True


# For each verb, what to wait for before each signal, and the signal.
Ends = list[tuple[Callable[[Path], bool], int]]
ENDS: dict[str, Ends] = {
    "pretrain": [
        (lambda project: frames(project) >= 3, KILL),
        (lambda project: step(project) >= 30, INT),
    ],
    "extract": [
        (lambda project: extracted(project) >= 1, KILL),
        (lambda project: extracted(project) >= 4, INT),
        (lambda project: extracted(project) >= 7, KILL),
    ],
    "train": [
        (lambda project: rounds(project) >= 1, TERM),
        (lambda project: rounds(project) >= 3, KILL),
    ],
}


@pytest.mark.parametrize("verb", ["pretrain", "extract", "train"])
def test_killed_and_ended_a_verb_goes_on_to_the_same_result(verb: str, before: Folders, tmp_path: Path) -> None:
    """Nothing half-written bears a final name at any time, and nothing that was finished is done again."""
    project = killing.copied(before[verb], tmp_path / "project")
    words = killing.words_of(verb, project, *(() if verb == "train" else ("--workers", 1)))
    for reached, number in ENDS[verb]:
        run = killing.start(words, tmp_path / "logs")
        assert killing.end_when(run, lambda reached=reached: reached(project), number), run.said
        assert run.process.returncode == (-KILL if number == KILL else 128 + number)
        assert whole(project)
        if number in SAID:
            assert run.said.endswith(
                f"whenabouts: {SAID[number]}. Run the same command again: it goes on where it was.\n"
            )
            assert "Traceback" not in run.said
            assert not list(project.rglob(".*.part"))
    done, kept = extracted(project), step(project)
    last = killing.finish([*words, "--json"], tmp_path / "logs")
    assert killing.content(verb, project) == killing.content(verb, before["end"])
    assert whole(project)
    assert not list(project.rglob(".*.part"))
    if verb == "extract":
        assert (last.result()["done_before"], last.result()["written"]) == (done, 12 - done)
        assert 7 <= done < 12
    elif verb == "pretrain":
        assert last.result()["resumed_at"] == kept >= 30
    else:
        assert "Round 1 of 2" not in last.said


def test_the_default_localizer_killed_goes_on_to_the_same_model(before: Folders, tmp_path: Path) -> None:
    """`train` as most people type it, with nothing said of which localizer: it keeps its steps, epoch by epoch."""
    undisturbed, project = (killing.copied(before["train"], tmp_path / name) for name in ("undisturbed", "project"))
    more = ("--set", "train.epochs=12", "--set", "train.batch_size=2")
    killing.finish(["train", "--project", str(undisturbed), *more], tmp_path / "logs")
    words = ["train", "--project", str(project), *more]
    checkpoint = project / "cache" / "train" / "multiple-instance" / "steps.safetensors"
    seen = 0
    for number in (KILL, TERM):
        run = killing.start(words, tmp_path / "logs")
        assert killing.end_when(
            run, lambda seen=seen: checkpoint.exists() and read_place(checkpoint).step > seen, number
        ), run.said
        assert run.process.returncode == (-KILL if number == KILL else 128 + number)
        assert whole(project)
        seen = read_place(checkpoint).step
    last = killing.finish([*words, "--json"], tmp_path / "logs")
    assert json.loads((project / "models" / "localizer" / "card.json").read_text())["localizer"] == "multiple-instance"
    assert f"resuming at step {seen} from" in last.said
    assert seen > 0
    assert killing.content("train", project) == killing.content("train", undisturbed)
    assert not checkpoint.exists()


def test_a_full_disk_and_a_read_only_folder_are_told_and_harm_nothing(before: Folders, tmp_path: Path) -> None:
    project = killing.copied(before["extract"], tmp_path / "project")
    words = killing.words_of("extract", project, "--workers", 1)
    run = killing.start(words, tmp_path / "logs", launcher=killing.with_file_limit(9000))
    assert run.wait() == 1
    assert "can't be written: File too large. Raise the limit" in run.said
    assert "Traceback" not in run.said
    assert whole(project)
    assert not list(project.rglob(".*.part"))
    kept = killing.snapshot(project)
    folders = [project, *(path for path in project.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    run = killing.start(words, tmp_path / "logs", launcher=killing.without_rights())
    assert run.wait() == 1
    assert "can't be written: Permission denied. Choose another place, or change its rights" in run.said
    assert "Traceback" not in run.said
    check = killing.start(["check", "--project", str(project), "--json"], tmp_path / "logs",
                          launcher=killing.without_rights())  # fmt: skip
    assert check.wait() == 0, check.said
    assert "small_frames.safetensors can't be written" in check.said
    assert "reports/check.json can't be written" in check.said
    assert check.result()["figures"]["videos"] == 12
    for folder in folders:
        folder.chmod(0o755)
    assert killing.snapshot(project) == kept


def test_two_extractions_at_once_do_not_harm_each_other(before: Folders, tmp_path: Path) -> None:
    project = killing.copied(before["extract"], tmp_path / "project")
    runs = [killing.start(killing.words_of("extract", project), tmp_path / "logs") for _ in range(2)]
    assert [run.wait() for run in runs] == [0, 0], [run.said for run in runs]
    assert killing.content("extract", project) == killing.content("extract", before["end"])
    assert whole(project)


@pytest.mark.parametrize("verb", ["train", "pretrain"])
def test_a_second_training_of_a_project_is_refused_at_once(
    verb: str, before: Folders, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = killing.copied(before["train"], tmp_path / "project")
    with claimed(project / "cache" / verb, "a first one"):
        assert here(*killing.words_of(verb, project)) == 1
    assert "Another process is at a" in capsys.readouterr().err


def test_two_imports_at_once_lose_nothing(archive: Path, before: Folders, tmp_path: Path) -> None:
    project = tmp_path / "project"
    runs = [
        killing.start(["import", "ytdlp", str(archive / name), "--project", str(project), *more], tmp_path / "logs")
        for name, more in (("train", ()), ("heldout", ("--split", "test")))
    ]
    assert [run.wait() for run in runs] == [0, 0], [run.said for run in runs]
    manifest = (project / "manifest.jsonl").read_bytes()
    assert manifest == (before["extract"] / "manifest.jsonl").read_bytes()
    assert len(json.loads((project / "reports" / "import.json").read_text())["imports"]) == 2


def test_the_scan_of_these_tests_sees_what_is_broken(before: Folders, tmp_path: Path) -> None:
    project = killing.copied(before["end"], tmp_path / "project")
    assert whole(project)
    for name in (
        "manifest.jsonl",
        "vocabulary.json",
        "models/backbone/model.safetensors",
        "models/localizer/card.json",
    ):
        path = project / name
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        assert len(killing.scan(project).broken) == 1
        path.write_bytes(content)
    shard = next((project / "features").iterdir())
    shard.write_bytes(shard.read_bytes()[:-1])
    (project / "models" / "backbone" / "card.json").unlink()
    assert len(killing.scan(project).broken) == 3
