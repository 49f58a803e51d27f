"""What all tests share: a home of their own, one local W&B server, and one SLURM cluster."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

# Before anything of the kit or of wandb is imported: nothing of the user's environment counts,
# and nothing is written outside of this folder.
HOME = Path(tempfile.mkdtemp(prefix="sweep-workshop-tests-"))
for variable in [name for name in os.environ if name.startswith(("WANDB_", "WORKSHOP_HOME"))]:
    del os.environ[variable]
os.environ.update(
    HOME=str(HOME), WORKSHOP_HOME=str(HOME / "workshop"), WANDB_ERROR_REPORTING="false"
)
os.environ.pop("NETRC", None)
# A shell lets what it starts in the background ignore Ctrl-C, and all children with it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    """Remove what the tests wrote."""
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def server():
    """Run the local server, and connect this process to it."""
    from workshop import backend

    with backend.session("local") as connected:
        yield connected


@pytest.fixture(scope="session")
def cluster():
    """Start a cluster for all tests; skip, or fail with WORKSHOP_REQUIRE_SLURM=1, without SLURM."""
    from tests.slurm.cluster import Cluster, missing

    if reason := missing():
        if os.environ.get("WORKSHOP_REQUIRE_SLURM") == "1":
            pytest.fail(f"no SLURM cluster: {reason}")
        pytest.skip(f"no SLURM cluster: {reason}")
    with Cluster() as running:
        yield running
