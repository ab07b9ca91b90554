"""The whole road in an object store: videos and project behind a server that speaks S3, started here."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core.files import sha256_of
from whenabouts.core.progress import Silent
from whenabouts.data.demo.archive import render_archive
from whenabouts.data.demo.plan import DemoArchiveSettings
from whenabouts.data.object_store import ObjectStore, take
from whenabouts.data.project import Project
from whenabouts.media.fetching import FOLDER

from .tiny_recipe import TINY_RECIPE

# The server and s3fs leave sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")
TINY = DemoArchiveSettings(
    short_videos=4, long_videos=3, test_videos=1, short_seconds=(3, 4), long_seconds=(5, 6), moment_seconds=(1, 1.6),
    width=64, height=48, missing_tags=0, wrong_tags=0,
)  # fmt: skip


class Road:
    """The archive here, and the same objects in a bucket; machines are folders of caches."""

    def __init__(self, server: Any, folder: Path) -> None:
        import s3fs

        self.server, self.bucket = server, server.bucket("road")
        self.archive = render_archive(folder / "archive", settings=TINY, seed=3, progress=Silent(), workers=1)
        self.files = s3fs.S3FileSystem()
        for path in self.archive.train_folder.rglob("*"):
            if path.is_file():
                name = path.relative_to(self.archive.train_folder).as_posix()
                self.files.put_file(str(path), f"road/videos/{name}")
        self.recipe = folder / "recipe.toml"
        self.recipe.write_text(TINY_RECIPE)

    def words(self, verb: str, project: object, *words: object) -> list[str]:
        device = () if verb in ("import", "export", "check") else ("--device", "cpu")
        recipe = () if verb == "check" else ("--recipe", self.recipe)
        return [str(word) for word in (verb, *words, "--project", project, *recipe, *device, "--json")]

    def run(self, verb: str, project: object, *words: object) -> dict[str, Any]:
        done = CliRunner().invoke(app, self.words(verb, project, *words), catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        return dict(json.loads(done.stdout))

    def imported(self, project: object, root: object) -> dict[str, Any]:
        return self.run("import", project, "ytdlp", root, "--concepts", ",".join(self.archive.concepts))

    def with_backbone(self, name: str, local: Path, scratch: Path) -> str:
        """The address of a project that has the videos, and the backbone of another."""
        address, copied = f"{self.bucket}/{name}", Project(scratch / "with backbone")
        self.imported(address, f"{self.bucket}/videos")
        take(address, copied.folder, Silent())
        shutil.copytree(local / "models" / "backbone", copied.folder / "models" / "backbone")
        assert CliRunner().invoke(app, ["sync", address, "--project", str(copied.folder)]).exit_code == 0
        return address


@pytest.fixture(scope="module")
def road(object_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Road:
    return Road(object_server, tmp_path_factory.mktemp("stores"))


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine of its own for each test, with its caches."""
    monkeypatch.setenv("WHENABOUTS_CACHE", str(tmp_path / "machine"))
    monkeypatch.setenv(FOLDER, str(tmp_path / "fetched"))
    yield tmp_path
    assert all(path.suffix in (".mp4", ".part") for path in (tmp_path / "fetched").glob("*"))


@pytest.fixture(scope="module")
def local(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as one machine makes it, of files."""
    project = tmp_path_factory.mktemp("local") / "project"
    road.imported(project, road.archive.train_folder)
    for verb in ("pretrain", "extract", "train", "find"):
        road.run(verb, project)
    return project


def content(project: Path) -> dict[str, str]:
    """Hashes of models and moments, and of all features; a card of moments holds times, and is left out."""
    files = [*(project / "models").rglob("*"), *(project / "moments").rglob("*")]
    found = {str(path.relative_to(project)): sha256_of(path) for path in files if path.is_file()}
    found.pop("moments/card.json", None)
    store = Project(project).features()
    for modality in store.modalities():
        for video_id in store.video_ids(modality):
            found[f"{modality} {video_id}"] = repr(store.read(video_id, modality).values.tobytes())
    return found


def test_a_project_in_a_store_is_the_one_in_a_folder(
    road: Road, local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verb by verb, and half of them on another machine; moments are exported and measured from there, too."""
    address = f"{road.bucket}/project"
    told = road.imported(address, f"{road.bucket}/videos")
    assert (told["videos"], told["unreadable"], told["problem_count"]) == (7, 0, 0)
    road.run("pretrain", address)
    assert road.run("extract", address)["written"] == 7
    monkeypatch.setenv("WHENABOUTS_CACHE", str(tmp_path / "other"))
    assert road.run("check", address)["trainable"] is True
    road.run("train", address)
    found = road.run("find", address)
    assert {row["file"].rpartition("/")[0] for row in found["best"]} <= {f"{road.bucket}/videos"}
    taken = Project(tmp_path / "taken")
    take(address, taken.folder, Silent())
    assert content(taken.folder) == content(local)
    assert all(str(entry.video.path).startswith(f"{road.bucket}/videos/") for entry in taken.manifest())

    for project, name in ((address, "there"), (local, "here")):
        road.run("export", project, tmp_path / f"{name}.json", "--format", "activitynet")
    assert (tmp_path / "there.json").read_bytes() == (tmp_path / "here.json").read_bytes()
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"database": {name: {"subset": "train", "annotations": [
        {"label": road.archive.concepts[0], "segment": [0.0, 1.0]}]} for name in taken.manifest().ids}}))  # fmt: skip
    road.files.put_file(str(truth), "road/truth.json")
    measured = []
    for place in (f"{address}/moments/moments.json", local / "moments" / "moments.json"):
        words = ["evaluate", "moments", "--truth", f"{road.bucket}/truth.json", "--predictions", str(place),
                 "--subset", "train", "--policy", "clean", "--json"]  # fmt: skip
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        measured.append(json.loads(done.stdout)["average_map"])
    assert measured[0] == measured[1]


def test_a_machine_that_is_lost_in_an_extraction_costs_nothing_that_is_there(
    road: Road, local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed for good when the store has seen some features; another machine goes on from these."""
    address = road.with_backbone("killed", local, tmp_path)
    code = (
        "import sys\nfrom whenabouts.commands import anywhere\nanywhere.PUSH_SECONDS = 0.2\n"
        "from whenabouts.cli import main\nsys.argv = ['whenabouts', *sys.argv[1:]]\nmain()"
    )
    words = [sys.executable, "-c", code, *road.words("extract", address, "--workers", 1)]
    store, before = ObjectStore(address), len(ObjectStore(address).latest().files)
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and len(store.latest().files) == before:
        time.sleep(0.05)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    there = [name for name in store.latest().files if name.startswith("features/")]
    assert there
    monkeypatch.setenv("WHENABOUTS_CACHE", str(tmp_path / "other"))
    told = road.run("extract", address)
    assert told["written"] + told["done_before"] == 7
    assert told["done_before"] > 0
    take(address, tmp_path / "taken", Silent())
    features = {name: value for name, value in content(local).items() if name.startswith(("rgb ", "audio "))}
    assert {name: value for name, value in content(tmp_path / "taken").items() if name in features} == features


def test_machines_that_share_the_work_make_what_one_makes(road: Road, local: Path, tmp_path: Path) -> None:
    """Two at once, each with a copy of its own; what both say of videos is joined."""
    address, tasks = road.with_backbone("shared", local, tmp_path), []
    for share in ("1/2", "2/2"):
        caches = {"WHENABOUTS_CACHE": str(tmp_path / share[0]), FOLDER: str(tmp_path / f"fetched {share[0]}")}
        words = [sys.executable, "-m", "whenabouts", *road.words("extract", address, "--shard", share)]
        tasks.append(subprocess.Popen(words, env={**os.environ, **caches}, stdout=subprocess.PIPE, text=True))
    told = [json.loads(task.communicate()[0]) for task in tasks]
    assert sum(one["written"] for one in told) == 7
    status = road.run("extract", address, "--status")
    assert (status["done"], [worker["ended"] for worker in status["workers"]]) == (
        {"audio": 7, "rgb": 7}, ["finished", "finished"],
    )  # fmt: skip
    take(address, tmp_path / "taken", Silent())
    features = {name: value for name, value in content(local).items() if name.startswith(("rgb ", "audio "))}
    assert {name: value for name, value in content(tmp_path / "taken").items() if name in features} == features


def test_videos_that_a_store_keeps_back_are_told_one_by_one(road: Road, local: Path, tmp_path: Path) -> None:
    """One is gone, one forbidden, one no video; the others are done, and what comes back is done the next time."""
    names = sorted(name.rpartition("/")[2] for name in road.files.glob("road/videos/*.mp4"))[:4]
    for name in names:
        road.files.copy(f"road/videos/{name}", f"road/few/{name}")
    road.files.pipe_file("road/few/text.mp4", b"no video")
    project = tmp_path / "project"
    road.server.forbidden.add(f"/few/{names[3]}")
    try:
        told = road.run("import", project, "folders", f"{road.bucket}/few")
        assert (told["videos"], told["unreadable"]) == (5, 2)
        rows = {entry.id: entry.video for entry in Project(project).manifest()}
        assert rows[names[3].removesuffix(".mp4")].passing
        assert "Forbidden" in rows[names[3].removesuffix(".mp4")].reason
        road.files.rm_file(f"road/few/{names[0]}")
        road.server.forbidden.add(f"/few/{names[1]}")
        shutil.copytree(local / "models" / "backbone", project / "models" / "backbone")
        shutil.rmtree(tmp_path / "fetched")
        told = road.run("extract", project, "--modality", "rgb")
        assert (told["written"], told["unreadable"]) == (1, 4)
        reasons = {
            row["id"]: row for row in json.loads((project / "reports" / "extraction.json").read_text())["videos"]
        }
        assert "there is no such object" in reasons[names[0].removesuffix(".mp4")]["reason"]
        assert "Forbidden" in reasons[names[1].removesuffix(".mp4")]["reason"]
        assert reasons[names[1].removesuffix(".mp4")]["passing"]
        assert not reasons["text"]["passing"]
    finally:
        road.server.forbidden.clear()
    told = road.run("extract", project, "--modality", "rgb")
    assert (told["written"], told["done_before"], told["unreadable"]) == (2, 1, 2)


def test_verbs_that_need_a_folder_say_so(road: Road) -> None:
    done = CliRunner().invoke(app, ["serve", "--project", f"{road.bucket}/project"])
    assert "serve works on a folder" in str(done.exception)
    assert "sync s3://road/project --back" in str(done.exception)
