"""Ray's own cluster of two nodes on this machine, one processor and 80 MB for objects each."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from whenabouts.core.locks import locked
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.importers.media_files import stamp_of
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.media.probe import probe
from whenabouts.media.writing import Encoding, Sound, write_video
from whenabouts.recognition.backbone import Backbone, BackboneSettings

OBJECTS = 80_000_000
SHAPE = BackboneSettings(widths=(4,), blocks=(1,), stem=4, frames=4, rate=6.0, height=16, width=24)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cluster, in RAY_ADDRESS and connected; tests that stop its second node start another.

    Of several processes of pytest one has a cluster at a time: together they would take all memory.
    """
    pytest.importorskip("ray", reason="needs Ray: pip install 'whenabouts[cluster]'")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "1"
    from ray.cluster_utils import Cluster

    # Five refused calls tell that a node is gone: here after 2.5 s, by default after 15.
    head = {"num_cpus": 1, "object_store_memory": OBJECTS, "include_dashboard": False,
            "_system_config": {"health_check_period_ms": 500}, "ray_client_server_port": free_port()}  # fmt: skip
    folder = tmp_path_factory.getbasetemp()
    with locked(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder):
        yield from _started(Cluster(initialize_head=True, head_node_args=head))


def _started(started: Any) -> Iterator[Any]:
    import ray

    try:
        started.add_node(num_cpus=1, object_store_memory=OBJECTS)
        os.environ["RAY_ADDRESS"] = started.address
        ray.init(started.address, logging_level="ERROR", log_to_driver=False)
        yield started
    finally:
        os.environ.pop("RAY_ADDRESS", None)
        ray.shutdown()
        started.shutdown()


@pytest.fixture(scope="module")
def ray(cluster: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Ray's module, connected; workers get the functions of the test's file by value, as they can't import it."""
    import ray
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(request.module)
    yield ray
    cloudpickle.unregister_pickle_by_value(request.module)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def address(cluster: Any) -> str:
    """The cluster's address for programs that are on none of its nodes."""
    return f"ray://127.0.0.1:{cluster.head_node._ray_params.ray_client_server_port}"


class SecondNode:
    """The cluster's second node, which tests end, and start again."""

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster

    def end(self) -> None:
        """End it with the workers on it, as a machine ends."""
        (node,) = self._there()
        raylet = node.all_processes["raylet"][0].process.pid
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # Processes come and go.
                if int(status.read_text().rpartition(")")[2].split()[1]) == raylet:
                    os.kill(int(status.parent.name), signal.SIGKILL)
        self.cluster.remove_node(node, allow_graceful=False)

    def start(self) -> None:
        """Start it where it is not there; Ray wants this in the main thread."""
        if not self._there():
            self.cluster.add_node(num_cpus=1, object_store_memory=OBJECTS)

    def replace(self) -> None:
        """End it, and start another."""
        self.end()
        self.start()

    def _there(self) -> list[Any]:
        return [node for node in self.cluster.list_all_nodes() if node is not self.cluster.head_node]


@pytest.fixture
def second_node(cluster: Any) -> Iterator[SecondNode]:
    """The second node, there again after the test."""
    import ray

    node = SecondNode(cluster)
    yield node
    node.start()
    while sum(one["Alive"] for one in ray.nodes()) > 2:  # Ray may not have noticed yet which one is gone.
        time.sleep(0.05)


def write_drifting(path: Path, number: int) -> None:
    """Two seconds and more of noise that moves; the first has sound."""
    ground = np.random.default_rng(number).integers(0, 255, (32, 48, 3)).astype(np.uint8)
    count = 24 + 3 * number
    frames = (np.roll(ground, (-1) ** number * frame, axis=1) for frame in range(count))
    tone = np.sin(np.arange(16000 * 2) * 0.3).astype(np.float32)
    encoding = Encoding(options={"preset": "ultrafast", "threads": "1"}, keyframe_every=12)
    times = [frame / 12 for frame in range(count)]
    write_video(path, frames, times, rate=Fraction(12), encoding=encoding, sound=Sound(tone) if number == 0 else None)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four videos of two concepts and a file that is none, with a backbone; tests take copies."""
    folder = tmp_path_factory.mktemp("archive") / "template"
    for number in range(4):
        write_drifting(folder / "media" / f"{number}.mp4", number)
    broken = folder / "media" / "text.mp4"
    broken.write_text("not a video")
    videos = [*map(probe, sorted((folder / "media").glob("[0-9].mp4"))), Video("text", broken)]
    names = ("left", "right")
    entries = [
        Entry(video, (WeakLabel(names[number % 2]),), split="train", stamp=stamp_of(video.path))
        for number, video in enumerate(videos)
    ]
    home = Project.create(folder)
    home.write_manifest(Manifest(tuple(entries)))
    home.write_vocabulary(Vocabulary(names))
    torch.manual_seed(5)
    Backbone(SHAPE, SHAPE.build().eval()).save(home.backbone_folder)
    return folder
