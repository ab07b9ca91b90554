"""Ray's own cluster of two nodes on this machine, one processor and 80 MB for objects each."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

OBJECTS = 80_000_000


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A cluster, in RAY_ADDRESS and connected; tests that stop its second node start another."""
    pytest.importorskip("ray", reason="needs Ray: pip install 'whenabouts[cluster]'")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "1"
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "object_store_memory": OBJECTS, "include_dashboard": False}
    started = Cluster(initialize_head=True, head_node_args=head)
    try:
        started.add_node(num_cpus=1, object_store_memory=OBJECTS)
        os.environ["RAY_ADDRESS"] = started.address
        ray.init(started.address, logging_level="ERROR", log_to_driver=False)
        yield started
    finally:
        os.environ.pop("RAY_ADDRESS", None)
        ray.shutdown()
        started.shutdown()


@pytest.fixture
def end_second_node(cluster: Any) -> Callable[[], None]:
    """Ends the cluster's second node with the workers on it, as a machine ends, and starts another."""

    def end() -> None:
        others = [node for node in cluster.list_all_nodes() if node is not cluster.head_node]
        raylet = others[0].all_processes["raylet"][0].process.pid
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError, ProcessLookupError):  # Processes come and go.
                if int(status.read_text().rpartition(")")[2].split()[1]) == raylet:
                    os.kill(int(status.parent.name), signal.SIGKILL)
        cluster.remove_node(others[0], allow_graceful=False)
        cluster.add_node(num_cpus=1, object_store_memory=OBJECTS)

    return end
