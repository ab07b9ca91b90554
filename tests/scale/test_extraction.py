"""Extraction on a cluster makes what one machine makes, to the bit, whichever node is lost on the way."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core.errors import WriteError
from whenabouts.core.progress import Silent
from whenabouts.core.video import Video
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.data.project import Project
from whenabouts.media.fingerprints import size_and_time
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.extraction import ExtractSettings, stream_of
from whenabouts.recognition.extraction_report import ExtractionReport, report_of
from whenabouts.scale.extraction import _jobs, extract_on

# Ray leaves handles and sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")


def content(folder: Path) -> str:
    """A hash of all features, whichever files hold them."""
    store, digest = FeatureStore(folder / "features"), hashlib.sha256()
    for modality in store.modalities():
        for video_id in store.video_ids(modality):
            found = store.read(video_id, modality)
            digest.update(repr((modality, video_id, found.source, found.grid, found.values.dtype)).encode())
            digest.update(found.values.tobytes())
    return digest.hexdigest()


def extracted(folder: Path, *words: str) -> dict[str, Any]:
    told = CliRunner().invoke(app, ["extract", "--project", str(folder), "--device", "cpu", "--json", *words])
    assert told.exit_code == 0, told.output
    # The cluster of all tests lives on after the command, and Ray may tell of nodes that earlier tests have stopped.
    return dict(json.loads(told.stdout.splitlines()[-1]))


def test_a_cluster_makes_what_one_machine_makes(cluster: Any, template: Path, tmp_path: Path) -> None:
    """The broken file is reported with the same words, and neither it nor what is done is done again."""
    here, there = (shutil.copytree(template, tmp_path / name) for name in ("here", "there"))
    alone, together = extracted(here), extracted(there, "--on", "ray", "--workers", "1")
    told = ("written", "steps", "done_before", "failed_before", "partial", "unreadable", "source")
    assert [alone[name] for name in told] == [together[name] for name in told]
    assert (together["written"], together["unreadable"]) == (4, 1)
    assert content(here) == content(there)
    reports = [(folder / "reports" / "extraction.json").read_text() for folder in (here, there)]
    assert reports[0].replace(str(here), "") == reports[1].replace(str(there), "")
    again = extracted(there, "--on", "ray")
    assert (again["written"], again["done_before"], again["failed_before"]) == (0, 4, 1)


def test_shares_of_a_cluster_and_a_machine_are_one_machines_work(cluster: Any, template: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(template, tmp_path / "shares")
    rows = [extracted(folder, *place, "--shard", f"{number}/2") for number, place in ((1, ("--on", "ray")), (2, ()))]
    assert sum(row["written"] for row in rows) == 4
    assert all(row["written"] for row in rows)


class StoppingNode(Silent):
    """Stops the cluster's second node when the first video is there."""

    def __init__(self, end_node: Callable[[], None]) -> None:
        self.end_node, self.stopped, self.said = end_node, False, list[str]()

    def say(self, text: str) -> None:
        self.said.append(text)

    def track(self, items: Iterable[Any], *, total: int | None, title: str) -> Iterator[Any]:
        for item in items:
            yield item
            if not self.stopped:
                self.stopped = True
                self.end_node()


def test_a_lost_node_changes_nothing(
    cluster: Any, second_node: Any, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr("whenabouts.scale.extraction._JOB_SECONDS", 1.0)  # each video by itself
    here, there = (shutil.copytree(template, tmp_path / name) for name in ("here", "there"))
    extracted(here)
    home, progress = Project(there), StoppingNode(second_node.end)
    backbone, store = Backbone.load(home.backbone_folder), home.features()
    report = ExtractionReport(report_of(home.reports_folder, "rgb"))
    done = extract_on(
        ray, tuple(home.manifest()), stream_of(backbone, ExtractSettings()), backbone=home.backbone_folder, store=store,
        report=report, device="cpu", progress=progress,
    )  # fmt: skip
    assert progress.stopped
    assert done.written == 4
    assert content(here) == content(there)
    assert [row["id"] for row in report.rows()] == ["text"]
    named = [line for line in progress.said if re.match(r"\S+/\d+: text is unreadable: ", line)]
    assert len(named) == 1, progress.said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    place = tmp_path / "small disk"
    place.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("needs leave to mount a small file system (root, and a system that lets it)")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path) -> None:
    """Write until there is no room."""
    with (disk / "filler").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))


class Filling(Silent):
    """Fills a disk when the first video is there; keeps what is said."""

    def __init__(self, disk: Path) -> None:
        self.disk, self.told = disk, list[str]()

    def track(self, items: Iterable[Any], *, total: int | None, title: str) -> Iterator[Any]:
        for item in items:
            yield item
            if not (self.disk / "filler").exists():
                fill(self.disk)

    def say(self, text: str) -> None:
        self.told.append(text)


def test_a_full_disk_on_a_node_loses_nothing(
    cluster: Any, template: Path, tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no other node has a free processor the command ends and says so; with one, the same command finishes."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    monkeypatch.setattr("whenabouts.scale.extraction._JOB_SECONDS", 1.0)  # each video by itself
    monkeypatch.setattr("whenabouts.scale.crew.TRIES", 1)
    here, there = (shutil.copytree(template, tmp_path / name) for name in ("here", "there"))
    extracted(here)
    (other,) = (node for node in cluster.list_all_nodes() if node is not cluster.head_node)
    cluster.remove_node(other, allow_graceful=False)
    full = cluster.add_node(num_cpus=1, object_store_memory=80_000_000, env_vars={"TMPDIR": str(small_disk)})
    head = NodeAffinitySchedulingStrategy(cluster.head_node.node_id, soft=False)
    busy = ray.remote(num_cpus=1, scheduling_strategy=head)(Waiting).remote()
    ray.get(busy.__ray_ready__.remote())
    home, progress = Project(there), Filling(small_disk)
    backbone = Backbone.load(home.backbone_folder)

    def run() -> Any:
        report = ExtractionReport(report_of(home.reports_folder, "rgb"))
        return extract_on(
            ray, tuple(home.manifest()), stream_of(backbone, ExtractSettings()), backbone=home.backbone_folder,
            store=home.features(), report=report, device="cpu", progress=progress,
        )  # fmt: skip

    try:
        with pytest.raises(WriteError, match=f"{re.escape(str(small_disk))}.* can't be written: No space left on dev"):
            run()
        names = {entry.id for entry in home.manifest()}
        (first,) = home.features().video_ids("rgb")
        lost = [re.fullmatch(r"Worker (\S+)/\d+ has ended at (\S+): .*No space left.*", text) for text in progress.told]
        assert [found[2] in names - {first} for found in lost if found] == [True]
        ray.kill(busy)
        done = run()
    finally:
        ray.kill(busy)
        cluster.remove_node(full, allow_graceful=False)
        cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    assert (done.written, done.done_before) == (3, 1)
    assert content(here) == content(there)


class Waiting:
    """Takes a processor, and does nothing."""


def test_long_videos_go_out_alone_and_first() -> None:
    lengths = {"a": 50.0, "b": 240.0, "c": 40.0, "d": 0.0, "e": 60.0}
    entries = [Entry(Video(name, Path(name), seconds)) for name, seconds in lengths.items()]
    assert [[str(named) for named in job] for job in _jobs(entries)] == [["b"], ["e", "a"], ["c", "d"]]
    assert list(_jobs([])) == []


def test_videos_that_workers_were_lost_at_are_tried_again(template: Path, tmp_path: Path) -> None:
    """Their row names the reason, and passes; a later success clears it."""
    video = Project(template).manifest().entries[0].video
    report = ExtractionReport(tmp_path / "report.json")
    report.lose(video, "3 workers have ended at it", Silent())
    (row,) = report.rows()
    assert (row["status"], row["reason"], row["passing"]) == ("unreadable", "3 workers have ended at it", True)
    assert not report.failed_before(video)
    report.settle([video], [], Silent())
    report.save()
    assert ExtractionReport(tmp_path / "report.json").rows() == []


def test_what_a_worker_found_in_a_file_holds(template: Path, tmp_path: Path) -> None:
    video = Project(template).manifest().by_id("text").video
    report = ExtractionReport(tmp_path / "report.json")
    row = {"id": "text", "status": "unreadable", "coverage": 0.0, "reason": "no video", "passing": False}
    report.settle([video], [{**row, "stamp": size_and_time(video.path)}], Silent())
    assert report.failed_before(video)
    assert report.count("unreadable") == 1
