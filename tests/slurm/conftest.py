import pytest

from tests.slurm.cluster import Cluster


@pytest.fixture
def on_cluster(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Make this process and its children speak to the cluster."""
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WORKSHOP_START_JITTER", "0")
    return cluster
