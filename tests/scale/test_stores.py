"""A cluster extracts a project of an object store, whose videos lie there, too: nodes fetch what they decode."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core.addresses import place_of
from whenabouts.core.progress import Silent
from whenabouts.data.manifest import Manifest
from whenabouts.data.object_store import take
from whenabouts.data.project import Project
from whenabouts.media.fetching import FOLDER

# Ray, the server and s3fs leave handles and sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")


def run(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout.splitlines()[-1]))


def features(folder: Path) -> dict[str, tuple[Any, ...]]:
    store, found = Project(folder).features(), {}
    for modality in store.modalities():
        for name in store.video_ids(modality):
            made = store.read(name, modality)
            found[f"{modality} {name}"] = made.source, made.grid, made.values.dtype, made.values.tobytes()
    return found


class Waiting:
    """Takes a processor, and does nothing."""


@pytest.fixture
def fetching_node(
    object_server: Any, cluster: Any, second_node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Where the one node with a free processor fetches videos to: it was started when the server was there."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    monkeypatch.setenv(FOLDER, str(tmp_path / "node"))
    second_node.replace()
    monkeypatch.setenv(FOLDER, str(tmp_path / "driver"))
    head = NodeAffinitySchedulingStrategy(cluster.head_node.node_id, soft=False)
    busy = ray.remote(num_cpus=1, scheduling_strategy=head)(Waiting).remote()
    ray.get(busy.__ray_ready__.remote())
    yield tmp_path / "node"
    ray.kill(busy)


def test_a_cluster_extracts_a_project_in_a_store(
    fetching_node: Path, object_server: Any, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The features of one machine and of files, and the report; the next time nothing is left to be done."""
    import s3fs

    monkeypatch.setenv("WHENABOUTS_CACHE", str(tmp_path / "cache"))
    bucket, files = object_server.bucket("cluster"), s3fs.S3FileSystem()
    here, there = (shutil.copytree(template, tmp_path / name) for name in ("here", "there"))
    entries = []
    for entry in Project(there).manifest():
        files.put_file(str(entry.video.path), f"cluster/videos/{entry.video.path.name}")
        video = replace(entry.video, path=place_of(f"{bucket}/videos/{entry.video.path.name}"))
        entries.append(replace(entry, video=video, stamp=None))
    Project(there).write_manifest(Manifest(tuple(entries)))
    shutil.rmtree(there / "media")
    address = f"{bucket}/project"
    run("sync", address, "--project", str(there))

    alone = run("extract", "--project", str(here), "--device", "cpu")
    words = ("extract", "--project", address, "--device", "cpu", "--on", "ray", "--workers", "1")
    together = run(*words)
    told = ("written", "steps", "partial", "unreadable", "source")
    assert [alone[name] for name in told] == [together[name] for name in told]
    assert (together["written"], together["unreadable"]) == (4, 1)
    take(address, tmp_path / "taken", Silent())
    assert features(tmp_path / "taken") == features(here) != {}
    (row,) = json.loads((tmp_path / "taken" / "reports" / "extraction.json").read_text())["videos"]
    assert (row["id"], row["status"], row["passing"]) == ("text", "unreadable", False)
    assert len(list(fetching_node.glob("*.mp4"))) == 5
    assert not (tmp_path / "driver").exists()

    again = run(*words)
    assert (again["written"], again["done_before"], again["failed_before"]) == (0, 4, 1)
