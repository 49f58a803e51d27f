"""The rehearsal cluster as an ordinary user has it, by its commands."""

import re
import socket
import time
from pathlib import Path

import pytest

from tests.waiting import wait_for
from workshop.run_agents.rehearsal import processes

pytestmark = [pytest.mark.slurm]


@pytest.fixture(scope="module")
def cluster(person):
    person.workshop("cluster", "start")
    yield person
    person.workshop("cluster", "stop")


def slurm(person, *words: str) -> str:
    """Run a command of SLURM's as somebody does in `workshop cluster shell`."""
    return person.workshop("cluster", "shell", *words).strip()


def states(person) -> list[str]:
    return slurm(person, "squeue", "--noheader", "--array", "--format=%T").split()


def test_it_starts_once_and_tells_what_it_has(cluster):
    assert cluster.workshop("cluster", "start").startswith("The rehearsal cluster is already")
    told = cluster.workshop("cluster", "status").splitlines()
    assert told[:3] == ["node1: idle", "node2: idle", "jobs: 0 running, 0 waiting"]
    partitions = slurm(cluster, "sinfo", "--noheader", "--format=%P %l")
    assert partitions.splitlines() == ["main* 1:00:00", "low 1:00:00", "short 2:00"]


def test_nobody_outside_the_machine_can_connect(cluster):
    settings = (cluster.kit / "cluster" / "slurm.conf").read_text()
    address = re.search(r"SlurmctldHost=.*\((.*)\)", settings)[1]
    ports = re.findall(r" Port=(\d+)|SlurmctldPort=(\d+)", settings)
    if "NoCtldInAddrAny" not in settings:
        pytest.skip("this machine's own name does not mean loopback")
    for port in map(int, map("".join, ports)):
        socket.create_connection((address, port)).close()
        # All of 127.0.0.0/8 is this machine: who listens everywhere would answer here.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.9", port))


def test_secrets_and_sockets_are_the_users_alone(cluster):
    folder = cluster.kit / "cluster"
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "munge.key").stat().st_mode & 0o777 == 0o600
    assert not [file for file in folder.rglob("*") if file.is_socket()], "a home may be on NFS"


def test_the_preflight_asks_it(cluster):
    found = cluster.workshop("check", "--site", "rehearsal")
    assert re.search(r"ok +site profile rehearsal +SLURM accepts it", found)
    assert re.search(r"ok +records of ended tasks +\S+/cluster/completed", found)


def test_an_array_runs_on_both_nodes(cluster):
    log = cluster.home / "array-%a.out"
    job = ["--wait", "--array=1-3", f"--output={log}", "--wrap", "echo $SLURMD_NODENAME"]
    slurm(cluster, "sbatch", *job)
    assert {(cluster.home / f"array-{task}.out").read_text() for task in (1, 2)} == {
        "node1\n", "node2\n",
    }  # fmt: skip


def test_a_node_crashes_and_comes_back(cluster):
    job = slurm(
        cluster, "sbatch", "--parsable", "--nodelist=node2", "--output=/dev/null",
        "--wrap", "exec sleep 600",
    )  # fmt: skip
    wait_for(lambda: states(cluster) == ["RUNNING"], lambda: states(cluster))
    assert cluster.workshop("cluster", "crash", "node2").startswith("node2 has crashed")
    assert cluster.workshop("cluster", "boot", "node2") == "node2 is up\n"
    show = ("scontrol", "show", "job", job)
    wait_for(lambda: "Restarts=1" in slurm(cluster, *show), lambda: slurm(cluster, *show))
    assert "NODE_FAIL" in (cluster.kit / "cluster" / "completed").read_text()
    slurm(cluster, "scancel", job)


def test_a_node_that_is_drained_takes_no_job(cluster):
    cluster.workshop("cluster", "drain", "node1")
    assert "node1: drained" in cluster.workshop("cluster", "status")
    cluster.workshop("cluster", "undrain", "node1")
    assert "node1: idle" in cluster.workshop("cluster", "status")


def test_others_fill_it(cluster):
    assert "8 jobs of 600 s" in cluster.workshop("cluster", "fill", "--seconds", "600")
    wait_for(
        lambda: sorted(states(cluster)) == ["PENDING"] * 4 + ["RUNNING"] * 4,
        lambda: states(cluster),
    )
    assert "jobs: 4 running, 4 waiting" in cluster.workshop("cluster", "status")
    slurm(cluster, "scancel", "--name=others")
    wait_for(lambda: not states(cluster), lambda: states(cluster))


def test_a_jobs_time_runs_out(cluster):
    job = slurm(
        cluster, "sbatch", "--parsable", "--output=/dev/null", "--wrap", "sleep 600"
    ).strip()
    wait_for(lambda: states(cluster) == ["RUNNING"], lambda: states(cluster))
    said = cluster.workshop("cluster", "expire", job)
    assert said.startswith(f"job {job} has reached its time limit: ")
    show = ("scontrol", "show", "job", job)
    wait_for(lambda: "JobState=TIMEOUT" in slurm(cluster, *show), lambda: slurm(cluster, *show))


def test_runs_on_a_slow_node_stand_still_time_and_again(cluster):
    # An agent names the run for its program.
    job = "exec env WANDB_RUN_ID=abc sleep 600"
    slurm(cluster, "sbatch", "--nodelist=node1", "--output=/dev/null", "--wrap", job)
    conf = str(cluster.kit / "cluster" / "slurm.conf")

    def state() -> str:
        """Return the state of the program's process by `proc(5)`: T is stopped."""
        for pid in processes.find(SLURM_CONF=conf, WANDB_RUN_ID="abc"):
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return ""

    wait_for(lambda: state() == "S", state)
    cluster.workshop("cluster", "slow", "node1", "--factor", "5")
    wait_for(lambda: state() == "T", state, every=0.01)
    wait_for(lambda: state() == "S", state, every=0.01)
    cluster.workshop("cluster", "boot", "node1")
    assert state() == "S"
    slurm(cluster, "scancel", "--me")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["crash", "node7"], "the rehearsal cluster has no node 'node7': use one of node1, node2"),
        (["preempt"], "no job of partition low is running, and only those can be preempted"),
        (["preempt", "node1"], "no job of partition low is running on node1"),
        (["expire", "99"], "SLURM's `scontrol` failed: Invalid job id specified"),
        (["fill", "--seconds", "0"], "seconds must be at least 1, got 0"),
        (["slow", "node1", "--factor", "1"], "factor must be above 1, got 1"),
        (["shell", "nonesuch"], "'nonesuch' cannot be run"),
    ],
)
def test_what_it_cannot_do_is_a_sentence(cluster, words, message):
    assert cluster.workshop("cluster", *words, status=2).startswith(f"error: {message}")


def test_what_waits_when_the_machine_goes_down_waits_again(cluster):
    job = ["--array=1-3%1", "--output=/dev/null", "--wrap", "exec sleep 600"]
    number = slurm(cluster, "sbatch", "--parsable", *job)
    wait_for(lambda: "RUNNING" in states(cluster), lambda: states(cluster))
    # The controller writes down what has changed within 5 s.
    since = time.time()
    slurm(cluster, "scontrol", "update", f"JobId={number}", "Nice=7")
    saved = cluster.kit / "cluster" / "state" / "job_state"
    wait_for(lambda: saved.stat().st_mtime > since, "the controller has written it down")
    power_off = "from workshop.run_agents.rehearsal import daemons; daemons.kill_all()"
    assert cluster.run(str(cluster.python), "-c", power_off).returncode == 0
    assert "is not running" in cluster.workshop("cluster", "status", status=2)
    assert cluster.workshop("cluster", "start").startswith(
        "The rehearsal cluster is running: node1"
    )
    wait_for(lambda: len(states(cluster)) == 3, lambda: states(cluster))
    slurm(cluster, "scancel", "--me")


def test_a_stop_while_jobs_run_leaves_nothing(cluster):
    job = ["--array=1-3%1", "--output=/dev/null", "--wrap", "exec sleep 601"]
    slurm(cluster, "sbatch", *job)
    wait_for(lambda: "RUNNING" in states(cluster), lambda: states(cluster))
    cluster.workshop("cluster", "slow", "node2")
    told = cluster.workshop("cluster", "stop").splitlines()
    assert told == [
        "cancelled: 1 running job and 2 waiting jobs; to complete a sweep later: workshop repair",
        "The rehearsal cluster has stopped",
    ]
    folder = str(cluster.kit / "cluster").encode()
    left = [file for file in Path("/proc").glob("[0-9]*/environ") if holds(file, folder)]
    assert not left
    assert cluster.workshop("cluster", "stop") == "The rehearsal cluster was not running\n"
    assert not list(Path("/tmp").glob(f"workshop-cluster-{folder_owner(cluster)}-*"))
    assert cluster.workshop("cluster", "crash", "node1", status=2) == (
        "error: the rehearsal cluster is not running: start it with `workshop cluster start`\n"
    )
    cluster.workshop("cluster", "start")
    assert states(cluster) == []


def holds(file: Path, text: bytes) -> bool:
    try:
        return text in file.read_bytes()
    except OSError:
        return False


def folder_owner(person) -> int:
    return (person.kit / "cluster").stat().st_uid


def test_two_clones_side_by_side(cluster):
    other = {"WORKSHOP_HOME": str(cluster.home / ("a clone with a long name " * 6).strip())}
    program = (
        "from workshop.run_agents import rehearsal\n"
        "rehearsal.start()\n"
        "print(rehearsal.command('sbatch', '--wait', '--output=/dev/null', '--wrap', 'true'))\n"
        "rehearsal.stop()\n"
    )
    done = cluster.run(str(cluster.python), "-c", program, **other)
    assert done.returncode == 0, done.stderr
    assert "Submitted batch job " in done.stdout
    assert "node1: idle" in cluster.workshop("cluster", "status")
