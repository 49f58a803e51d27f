import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.slurm import cluster as module
from tests.slurm.cluster import Cluster
from tests.waiting import patience, wait_for
from workshop.paths import ROOT

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("cluster")]

# munged, mariadbd, slurmdbd, slurmctld, and a slurmd for each node.
DAEMONS = 6
USER = os.geteuid()
# Twice the limit of the jobs below, in the batch script's child.
TOO_LARGE = f"{sys.executable} -c 'import time; x = bytearray(200 << 20); time.sleep(60)'\n"
LONG = "echo started\nsleep 120 & wait\n"
# What is started again ends at once.
LONG_ONCE = f'[ "$SLURM_RESTART_COUNT" ] && exit\n{LONG}'


@dataclass
class Job:
    """A batch job of a whole node."""

    cluster: Cluster
    number: str
    log: Path
    shown: str = ""

    def state(self) -> str:
        return self.cluster.command("squeue", "-h", "-t", "all", "-j", self.number, "-o", "%T")

    def until(self, *states: str) -> "Job":
        """Wait for one of the states; keep what is shown."""

        def show() -> str:
            self.shown = self.cluster.command("scontrol", "show", "job", self.number)
            return self.shown

        wait_for(lambda: self.state().strip() in states, show)
        show()
        return self

    def begun(self) -> "Job":
        """Wait until its script has begun, which SLURM's RUNNING does not say."""
        self.until("RUNNING")
        wait_for(lambda: self.log.exists() and "started" in self.log.read_text())
        return self

    def recorded(self) -> list[tuple[str, str]]:
        """Return State and ExitCode of each of the job's starts, once accounting has their ends."""

        def ends() -> list[tuple[str, str]]:
            fields = self.cluster.sacct(self.number, "JobID", "State", "ExitCode")
            found = [(r["State"], r["ExitCode"]) for r in fields if r["JobID"] == self.number]
            return found if not {"PENDING", "RUNNING"} & {state for state, _ in found} else []

        return wait_for(ends)


def submit(cluster: Cluster, folder: Path, script: str, *options: str, node: str = "node2") -> Job:
    log = folder / "log"
    number = subprocess.run(
        ["sbatch", "--parsable", "--mem=100", "--exclusive", f"--nodelist={node}",
         f"--output={log}-%j", "--open-mode=append", *options],
        input=f"#!/bin/bash --login\n{script}",
        env=os.environ | cluster.environment,
        check=True, capture_output=True, text=True, timeout=patience(180),
    ).stdout.strip()  # fmt: skip
    return Job(cluster, number, Path(f"{log}-{number}"))


@pytest.fixture(scope="module", autouse=True)
def limited(cluster, tmp_path_factory) -> Iterator[Job]:
    """A job that reaches its limit: the slowest end, half a minute, while the rest is tested."""
    job = submit(cluster, tmp_path_factory.mktemp("limit"), LONG, "--time=1", node="node1")
    cluster.end_soon(job.begun().number)
    yield job
    cluster.cancel_all()
    wait_for(lambda: cluster.command("squeue", "-h") == "")


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        (["--account=closed"], "Invalid account"),
        (["--account=nobody"], "Invalid account"),
        (["--partition=short", "--time=2"], "time limit is invalid"),
        (["--array=1-1001"], "Invalid job array specification"),
    ],
)
def test_what_the_cluster_refuses(cluster, options, refusal):
    assert refusal in cluster.command("sbatch", "--output=/dev/null", *options, "--wrap=true")


def end_in_a_failure(cluster: Cluster, folder: Path) -> None:
    with cluster:
        long = submit(cluster, folder, LONG, node="node1")
        large = submit(cluster, folder, TOO_LARGE)
        long.until("RUNNING")
        large.until("FAILED")
        assert large.recorded() == [cluster.out_of_memory]
        assert "Exceeded job memory limit" in large.log.read_text()
        raise KeyError(len(cluster.processes()))


def test_a_cluster_ends_with_its_jobs_and_files_even_after_a_failure(
    cluster, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "MEMORY_GROUPS", tmp_path / "none")
    second = Cluster()
    with pytest.raises(KeyError) as caught:
        end_in_a_failure(second, tmp_path)
    assert second.out_of_memory == ("FAILED", "0:9")
    assert caught.value.args[0] > DAEMONS
    assert second.processes() == []
    assert not second.folder.exists()
    # What an earlier test has canceled may still be ending.
    wait_for(lambda: cluster.command("sinfo", "-h", "--nodes=node2", "-o", "%T") == "idle\n")


def test_a_cluster_ends_even_if_its_owner_is_killed(tmp_path):
    program = (
        "import os, pathlib, sys, signal\n"
        "from tests.slurm.cluster import Cluster\n"
        "from tests.slurm.test_cluster import LONG, submit\n"
        "with Cluster() as cluster:\n"
        "    submit(cluster, pathlib.Path(sys.argv[1]), LONG).until('RUNNING')\n"
        "    print(cluster.folder, len(cluster.processes()), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path],
        cwd=ROOT, capture_output=True, text=True, timeout=patience(180),
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    folder, processes = done.stdout.split()
    assert int(processes) > DAEMONS
    wait_for(lambda: not Path(folder).exists())
    assert module.processes.find(SLURM_CONF=f"{folder}/slurm.conf") == []
    assert not (module.MEMORY_GROUPS / Path(folder).name).exists()


@pytest.fixture(scope="module")
def jobs(cluster, limited, tmp_path_factory) -> dict[str, Job]:
    """Jobs that have ended in each of the ways, on the other node."""
    folder = tmp_path_factory.mktemp("jobs")
    ended = {"limit": limited}

    def start(script: str, *options: str) -> Job:
        return submit(cluster, folder, script, *options).begun()

    def again(job: Job) -> Job:
        job.until("PENDING")
        shown = job.shown
        cluster.start_now(job.number)
        job.until("COMPLETED").shown = shown
        return job

    ended["module"] = submit(
        cluster, folder, "module load workshop-test\necho $WORKSHOP_TEST_MODULE\n"
    ).until("COMPLETED")
    ended["fails"] = submit(cluster, folder, "exit 3\n").until("FAILED")
    ended["memory"] = submit(cluster, folder, TOO_LARGE).until("OUT_OF_MEMORY", "FAILED")

    ended["cancelled"] = start(LONG)
    cluster.command("scancel", "--signal=KILL", ended["cancelled"].number)
    ended["cancelled"].until("CANCELLED")
    ended["killed"] = start(LONG)
    cluster.command("scancel", "--batch", "--signal=KILL", ended["killed"].number)
    ended["killed"].until("FAILED")
    ended["requeued"] = start(LONG_ONCE)
    cluster.command("scontrol", "requeue", ended["requeued"].number)
    again(ended["requeued"])

    ended["leaves"] = start(
        f"trap 'echo signal; exit 0' USR1\n{LONG}",
        "--partition=low", "--signal=B:USR1@10",
    )  # fmt: skip
    submit(cluster, folder, "true\n").until("COMPLETED")
    ended["leaves"].until("COMPLETED")
    cluster.command("scontrol", "update", "PartitionName=low", "GraceTime=1")
    ended["preempted"] = start(LONG_ONCE, "--partition=low")
    submit(cluster, folder, "true\n")
    again(ended["preempted"])
    cluster.command("scontrol", "update", "PartitionName=low", "GraceTime=20")

    ended["down"] = start(LONG, "--no-requeue")
    cluster.node_down("node2")
    ended["down"].until("NODE_FAIL")
    cluster.node_up("node2")
    ended["crash"] = start(LONG_ONCE)
    cluster.crash_node("node2")
    cluster.boot_node("node2")
    again(ended["crash"])

    ended["limit"].until("TIMEOUT")
    wait_for(lambda: cluster.command("sinfo", "-h", "-o", "%T") == "idle\n")
    return ended


@pytest.mark.parametrize(
    ("name", "recorded", "shown", "logged"),
    [
        ("module", [("COMPLETED", "0:0")], "COMPLETED 0:0 None", "loaded"),
        ("fails", [("FAILED", "3:0")], "FAILED 3:0 NonZeroExitCode", ""),
        ("limit", [("TIMEOUT", "0:0")], "TIMEOUT 0:(0|15) TimeLimit", "DUE TO TIME LIMIT"),
        ("cancelled", [(f"CANCELLED by {USER}", "0:0")], "CANCELLED 0:(0|15) None", "CANCELLED AT"),
        ("killed", [("FAILED", "0:9")], "FAILED 0:9 JobLaunchFailure", ""),
        ("down", [("NODE_FAIL", "0:0")], "NODE_FAIL 0:0 NodeDown", "DUE TO NODE FAILURE"),
        ("leaves", [("COMPLETED", "0:0")], "COMPLETED 0:0 None", "signal"),
        ("requeued", [("REQUEUED", "0:0"), ("COMPLETED", "0:0")], "PENDING", "DUE TO JOB REQUEUE"),
        ("preempted", [("PREEMPTED", "0:0"), ("COMPLETED", "0:0")], "PENDING", "TO PREEMPTION"),
        ("crash", [("NODE_FAIL", "0:0"), ("COMPLETED", "0:0")], "PENDING", ""),
    ],
)
def test_each_end_of_a_job_has_its_states(jobs, name, recorded, shown, logged):
    job = jobs[name]
    assert job.recorded() == recorded
    found = dict(re.findall(r"(JobState|ExitCode|Reason|Restarts)=(\S+)", job.shown))
    if shown == "PENDING":
        assert (found["JobState"], found["Restarts"]) == ("PENDING", "1")
    else:
        # The signal, if the script's end is reported before the state has changed for good.
        assert re.fullmatch(shown, f"{found['JobState']} {found['ExitCode']} {found['Reason']}")
    assert logged in job.log.read_text()


def test_a_job_runs_out_of_memory_as_the_cluster_says(jobs, cluster):
    assert jobs["memory"].recorded() == [cluster.out_of_memory]
    assert "Detected 1 oom-kill event" in jobs["memory"].log.read_text() or (
        cluster.out_of_memory[0] == "FAILED"
    )
