import os
from collections.abc import Iterator

import pytest

from tests.slurm.cluster import Cluster, missing


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Start a cluster for all tests; skip, or fail with WORKSHOP_REQUIRE_SLURM=1, without SLURM."""
    if reason := missing():
        if os.environ.get("WORKSHOP_REQUIRE_SLURM") == "1":
            pytest.fail(f"no SLURM cluster: {reason}")
        pytest.skip(f"no SLURM cluster: {reason}")
    with Cluster() as running:
        yield running


@pytest.fixture
def on_cluster(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Make this process and its children speak to the cluster."""
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WORKSHOP_START_JITTER", "0")
    return cluster
