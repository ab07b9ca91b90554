"""Ray's own cluster of two nodes on this machine, one processor and 80 MB for objects each."""

import os
from collections.abc import Iterator
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
