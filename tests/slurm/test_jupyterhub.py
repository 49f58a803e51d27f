"""JupyterHub on the cluster: a participant's JupyterLab is a job."""

from pathlib import Path

import pytest

from tests.hub.lab import Visitor
from tests.hub.running import CONFIG, Hub, participants, processes
from tests.waiting import patience, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("cluster 2")]

# The nodes of the cluster are this machine, by names that only SLURM knows; and nobody waits an
# hour for the culler.
SETTINGS = f"""
load_subconfig({str(CONFIG)!r})
c.SlurmSpawner.state_exechost_exp = "127.0.0.1"
c.JupyterHub.services[0]["command"][-1:] = ["--timeout={patience(30):.0f}", "--cull-every=2"]
c.JupyterHub.last_activity_interval = 1
"""


@pytest.fixture
def participant(cluster):
    """Make a user who may use the cluster and its commands."""
    mode = cluster.folder.stat().st_mode
    cluster.folder.chmod(0o711)
    with participants(1) as (one,):
        cluster.command(
            "sacctmgr", "--immediate", "add", "user", one.name, "account=workshop",
            "cluster=workshop",
        )  # fmt: skip
        yield one
        cluster.command("sacctmgr", "--immediate", "delete", "user", one.name)
    cluster.folder.chmod(mode)


def test_a_jupyterlab_is_a_job_which_ends_when_nobody_uses_it(
    python, participant, cluster, browser, tmp_path
):
    config = tmp_path / "jupyterhub_config.py"
    config.write_text(SETTINGS)
    variables = cluster.environment | {"WORKSHOP_SITE": "test_cluster"}
    with Hub(tmp_path, python, config, **variables) as hub:
        with Visitor(browser, hub, participant) as visitor:
            visitor.log_in()
            jobs = cluster.command(
                "squeue", "--noheader", f"--user={participant.name}", "--format=%P %a %T %j"
            )
            assert jobs.split() == ["main", "workshop", "RUNNING", "jupyterlab"]
            found = environment_of_lab(participant.name)
            assert found["WORKSHOP_TEST_MODULE"] == "loaded"
            assert found["SLURM_JOB_NAME"] == "jupyterlab"
            visitor.start("00_check_your_setup")
            visitor.wait_for_end("00_check_your_setup")
            link = visitor.page.locator('.jp-OutputArea a[href*="/proxy/"]').last
            visitor.follow(link).wait_for_selector("header >> text=local")
        wait_for(lambda: not processes(participant.name), "the culler has ended the job")


def environment_of_lab(user: str) -> dict[str, str]:
    """Return the variables that a user's JupyterLab was started with."""
    for pid in processes(user):
        if "start_lab" in Path(f"/proc/{pid}/cmdline").read_text():
            variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
            return dict(each.split("=", 1) for each in variables if each)
    raise AssertionError(f"{user} has no JupyterLab")
