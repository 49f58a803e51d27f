"""What SLURM, the probe and the server refuse: one sentence each, and nothing in the queue."""

import contextlib
import dataclasses
import json
import os
import shlex
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import wandb
import yaml

from tests.slurm.cluster import Cluster
from tests.waiting import patience, wait_for
from workshop import cli
from workshop.define import definition
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.paths import ROOT
from workshop.preflight.cluster import findings as cluster_findings
from workshop.run_agents import slurm
from workshop.run_agents.slurm import commands, journal

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("cluster")]

NOBODY = "http://127.0.0.1:9"  # the discard port, on which nothing listens


@pytest.fixture(autouse=True)
def empty_queue(server, on_cluster):
    """Nothing is left in the queue after a test."""
    yield
    # What is cancelled while it runs is still completing for a moment.
    assert on_cluster.command("squeue", "--noheader", "--states=PENDING,RUNNING") == ""


@pytest.fixture(scope="module")
def path(server):
    config = definition.load("configs/sweep_config.yaml")
    return registration.register(config, "submit")


@pytest.fixture
def alone(server):
    """A sweep that no other test submits."""
    return registration.register(definition.load("configs/sweep_config.yaml"), "alone")


def own_address() -> str | None:
    """Return an address of this machine that is not loopback, None without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address


@contextlib.contextmanager
def class_server(folder: Path, host: str, cluster: Cluster) -> Iterator[str]:
    """Run a server for ada and bob as a batch job, which listens on an address; yield its URL."""
    folder.mkdir()
    (folder / "people.csv").write_text("name\nada\nbob\n")
    command = [sys.executable, "-m", "sweepserver", "--store", str(folder / "store")]
    command += ["--host", host, "--port", "0", "--roster", str(folder / "people.csv")]
    options = ["--mem=1G", f"--chdir={ROOT}", f"--output={folder / 'log'}"]
    job = cluster.command("sbatch", "--parsable", *options, "--wrap", shlex.join(command)).strip()
    try:
        record = folder / "store" / "server.json"
        wait_for(record.exists, lambda: (job, cluster.command("squeue")))
        yield json.loads(record.read_text())["url"]
    finally:
        cluster.command("scancel", job)
        wait_for(lambda: job not in cluster.command("squeue", "--noheader", "--format=%i"))


def test_the_preflight_asks_slurm_whether_it_takes_the_profile(tmp_path):
    findings = {finding.check: finding for finding in cluster_findings("test_cluster")}
    assert findings["SLURM"].found == "answers"
    assert findings["site profile test_cluster"].verdict == "ok"
    assert findings["records of ended tasks"].found == "sacct"
    assert findings["largest array (MaxArraySize)"].found == "1000 tasks"
    site = tmp_path / "site.yaml"
    site.write_text("account: closed\n")
    (finding,) = [one for one in cluster_findings(str(site)) if one.verdict != "ok"]
    assert finding.verdict == "problem"
    assert "Invalid account" in finding.found


def test_the_slurm_that_answers_goes_before_the_rehearsal_cluster():
    words = "SLURM arrays can run here, with the site profile "
    assert slurm.available() == slurm.Availability("generic", False, f"{words}generic")
    assert slurm.available("test_cluster") == slurm.Availability(
        "test_cluster", True, f"{words}test_cluster"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"partition": "nope"}, "Invalid partition name.*`sinfo`"),
        ({"partition": "nope"}, "SLURM refused the probe, .* asks for .*--partition=nope"),
        ({"account": "closed"}, "Invalid account or account/partition combination.*nothing was"),
        ({"gres": "gpu:1"}, r"Invalid generic resource \(gres\)"),
        ({"speed": "high"}, "unrecognized option '--speed=high'"),
        ({"partition": "short", "time": "2:00"}, "configs/sites/test_cluster.yaml"),
    ],
)
def test_what_sbatch_refuses_is_said_in_its_words(options, message, path):
    with pytest.raises(WorkshopError, match=message):
        slurm.submit(slurm.plan(path, site="test_cluster", **options))


def test_a_controller_that_is_away_is_no_fault_of_the_request(path, tmp_path, monkeypatch):
    (tmp_path / "sbatch").write_text(
        "#!/bin/sh\necho 'sbatch: error: Batch job submission failed: "
        "Unable to contact slurm controller (connect failure)' >&2; exit 1\n"
    )
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(WorkshopError, match=r"contact slurm controller.*try again later") as caught:
        slurm.submit(slurm.plan(path, site="test_cluster"))
    assert "profile" not in str(caught.value)


def test_an_array_that_is_refused_takes_its_probe_with_it(path, monkeypatch):
    submission = slurm.plan(path, site="test_cluster")
    monkeypatch.setattr(
        slurm.Submission, "array", lambda *_: ["sbatch", "--array=1-3", "--partition=nope", "x"]
    )
    with pytest.raises(WorkshopError, match="failed"):
        slurm.submit(submission)


def test_an_array_that_is_too_large_is_refused(path):
    with pytest.raises(WorkshopError, match=r"1001 tasks.*allows 1000 \(MaxArraySize\).*=2 "):
        slurm.submit(slurm.plan(path, tasks=1001, site="test_cluster"))


def test_nothing_is_submitted_if_logs_have_no_place(path, monkeypatch, tmp_path):
    (tmp_path / "logs").write_text("not a folder")
    submission = slurm.plan(path, site="test_cluster")
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    with pytest.raises(WorkshopError, match=r"nothing was submitted.*WORKSHOP_HOME"):
        slurm.submit(submission)


def test_a_server_that_nodes_cannot_reach_is_said_by_the_probe(path, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.touch(mode=0o600)
    netrc.write_text(
        Path(os.environ["NETRC"]).read_text() + "\nmachine 127.0.0.1:9 login user password k\n"
    )
    submission = slurm.plan(path, site="test_cluster")
    elsewhere = dataclasses.replace(
        submission,
        environment=submission.environment | {"WANDB_BASE_URL": NOBODY, "NETRC": str(netrc)},
    )
    with pytest.raises(WorkshopError) as caught:
        slurm.submit(elsewhere)
    said = str(caught.value)
    assert said.startswith("nothing was submitted, because the probe on node node")
    assert f"the W&B server at {NOBODY} cannot be reached" in said
    assert "`workshop server --host`" in said


def test_a_sweep_and_a_module_that_nodes_do_not_find_are_said_by_the_probe(path):
    gone = path.rpartition("/")[0] + "/nosweep"
    with pytest.raises(WorkshopError, match=r"probe.*failed: on node.*nosweep' was not found"):
        slurm.submit(slurm.plan(gone, tasks=2, site="test_cluster"))
    submission = slurm.plan(path, site="test_cluster")
    wrong = submission.environment | {"WORKSHOP_MODULES": "cuda/99"}
    with pytest.raises(WorkshopError, match=r"probe.*failed: .*cuda/99"):
        slurm.submit(dataclasses.replace(submission, environment=wrong))


def test_what_the_clusters_own_setup_says_is_done_first(path, tmp_path):
    setup = tmp_path / "it's setup.sh"
    setup.write_text("echo 'this node is not for you'; return 3\n")
    site = tmp_path / "site.yaml"
    site.write_text(yaml.safe_dump({"setup": str(setup), "memory": "1G"}))
    with pytest.raises(WorkshopError, match=r"probe.*failed: this node is not for you \(see"):
        slurm.submit(slurm.plan(path, site=str(site)))


def test_a_partition_that_allows_a_minute_takes_the_probe(alone, on_cluster):
    options = {"partition": "short", "time": "1:00", "begin": "now+1hour"}
    lines = []
    slurm.submit(slurm.plan(alone, site="test_cluster", **options), patience=0, show=lines.append)
    on_cluster.cancel_all()
    assert "is still pending" in lines[-1]


def test_secrets_are_named_and_kept_back(alone, on_cluster, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sentinel-3f9a")
    lines = []
    submission = slurm.plan(alone, site="test_cluster", begin="now+1hour")
    slurm.submit(submission, patience=0, show=lines.append)
    on_cluster.cancel_all()
    assert lines[0].startswith("not passed on to the tasks, because they look like secrets")
    assert "AWS_SECRET_ACCESS_KEY" in lines[0]
    assert "sentinel-3f9a" not in str(lines)


def ended(path: str, log: Path, environment: Mapping[str, str]) -> Any:
    """Submit an array of one task by hand; return its row in the ledger once it has ended."""
    options = ["--array=1", "--mem=1G", f"--chdir={ROOT}", f"--output={log}"]
    commands.run(["sbatch", *options, str(slurm.SCRIPT), path], environment)
    (row,) = wait_for(
        lambda: [row for row in slurm.ledger(path).itertuples() if row.kind not in slurm.LIVE]
    )
    return row


@pytest.mark.parametrize("scratch", ["NO_SUCH_VARIABLE", "/no/such/folder"])
def test_a_task_without_the_folder_for_temporary_files_takes_no_run(alone, tmp_path, scratch):
    environment = slurm.plan(alone, site="test_cluster").environment
    row = ended(alone, tmp_path / "log", environment | {"WORKSHOP_SCRATCH": scratch})
    assert row.kind == "no run"
    assert f"has no folder {scratch} for temporary files: correct `scratch` in" in row.cause


def test_a_task_whose_run_would_not_reach_the_server_takes_none(alone, tmp_path, monkeypatch):
    """The script checks it too, since it can be submitted by hand, and a node can set the mode."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    log = tmp_path / "log"
    row = ended(alone, log, slurm.plan(alone, site="test_cluster").environment)
    assert "error: mode offline (set by WANDB_MODE) keeps the runs' data" in log.read_text()
    assert (row.kind, row.slurm) == ("no run", "FAILED")
    assert "mode offline (set by WANDB_MODE) keeps the runs' data" in row.cause
    assert registration.states(alone).total() == 0


def test_a_probe_that_has_to_queue_is_left_in_the_queue(path, on_cluster):
    lines = []
    submission = slurm.plan(path, site="test_cluster", begin="now+1hour")
    job = slurm.submit(submission, patience=0, show=lines.append)
    try:
        assert "is still pending: the array starts if it reaches the server" in lines[0]
        assert {state.reason for state in job.states()} <= {"Dependency", "None", "BeginTime"}
        table = slurm.ledger(path)
        assert set(table["kind"]) == {"waiting"}
        with pytest.raises(
            WorkshopError, match=r"has 8 runs left, and enough tasks are already waiting"
        ):
            slurm.plan(path)
        again = slurm.repair(path, site="test_cluster", show=lines.append)
        assert again.job_id == job.job_id
        assert lines[-1] == "tasks for 8 runs are already waiting"
    finally:
        on_cluster.cancel_all()
    assert set(slurm.ledger(path)["kind"]) == {"cancelled"}


def test_a_server_in_a_batch_job_is_reached_and_each_submits_their_own(
    tmp_path, monkeypatch, on_cluster
):
    if not (address := own_address()):
        pytest.skip("this machine has no address but loopback")
    with class_server(tmp_path / "class", address, on_cluster) as url:
        assert address in url
        monkeypatch.setenv("WANDB_BASE_URL", url)
        for variable in ("WANDB_ENTITY", "WANDB_PROJECT"):
            monkeypatch.delenv(variable, raising=False)
        for name in ("bob", "ada"):
            keys = tmp_path / "class" / "store" / "keys" / f"{name}.netrc"
            monkeypatch.setenv("NETRC", str(keys))
            wandb.teardown()  # a client keeps the server and the key that it has found
            if name == "bob":
                path = registration.register(definition.load("configs/sweep_config.yaml"), "class")
                lines = []
                job = slurm.submit(
                    slurm.plan(path, tasks=1, site="test_cluster", nice=100), show=lines.append
                )
                job.cancel()
                assert lines[0].endswith(f"reaches {url}, with the key and the sweep")
        with pytest.raises(WorkshopError, match=r"belongs to bob, but your key is for ada, which"):
            slurm.submit(slurm.plan(path, site="test_cluster"))
        slurm.wait(job, patience(300), 0.2, lambda line: None)


def test_a_sweep_is_canceled_at_its_server_and_in_the_queue(alone, on_cluster, capsys):
    waiting = slurm.submit(
        slurm.plan(alone, site="test_cluster", begin="now+1hour"), patience=0, show=print
    )
    options = ["--parsable", "--array=1-2", "--mem=1G", "--output=/dev/null", "--wrap"]
    running = on_cluster.command("sbatch", *options, "sleep 1000").strip()
    journal.folder(running).mkdir()
    journal.record(running, sweep=alone, tasks=2)
    wait_for(lambda: "PENDING" not in on_cluster.command("squeue", "-h", "-j", running, "-o", "%T"))
    capsys.readouterr()

    assert cli.main(["cancel", alone]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-3:] == [
        f"sweep {alone} is canceled: agents get no more runs, and current runs are ended",
        f"array job {waiting.job_id} is cancelled, with 8 waiting tasks",
        f"array job {running} is cancelled, with 2 running tasks",
    ]
    assert registration.get(alone).state.upper() == "CANCELED"
    wait_for(lambda: not on_cluster.command("squeue", "-h"))
    assert cli.main(["cancel", alone]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"sweep {alone} is already canceled",
        "no array submitted from here for this sweep is waiting or running",
    ]


def test_arrays_end_though_the_server_does_not_answer(alone, on_cluster, monkeypatch):
    submission = slurm.plan(alone, 2, site="test_cluster", begin="now+1hour")
    slurm.submit(submission, patience=0, show=lambda line: None)
    lines = []

    def refuse(_: str) -> None:
        raise WorkshopError("the server is away")

    monkeypatch.setattr("workshop.initialize.registration.get", refuse)
    with pytest.raises(WorkshopError, match="the server is away"):
        slurm.cancel(alone, show=lines.append)
    assert [line.partition(", ")[2] for line in lines] == ["with 2 waiting tasks"]


def test_waiting_and_cancelled_tasks_have_a_state_each(path, on_cluster):
    submission = slurm.plan(path, 200, site="test_cluster", begin="now+1hour")
    job = slurm.submit(submission, patience=0, show=lambda line: None)
    try:
        states = job.states()
        assert [state.task for state in states] == list(range(1, 201))
        assert {state.state for state in states} == {"PENDING"}
        with pytest.raises(WorkshopError, match=rf"200 PENDING.*scancel {job.job_id}`"):
            slurm.wait(job, timeout=2, every=0.5, show=lambda line: None)
        # What waits is one record of SLURM, which writes the numbers as ranges, steps and lists.
        for kept in (
            range(2, 201, 2),
            [task for task in range(2, 201, 2) if task % 7 in (1, 2, 4)],
        ):
            gone = ",".join(str(task) for task in range(1, 201) if task not in kept)
            on_cluster.command("scancel", f"{job.job_id}_[{gone}]")
            assert [state.task for state in job.states() if not state.ended] == list(kept)
        job.cancel()
    finally:
        on_cluster.cancel_all()
    states = slurm.wait(job, patience(300), 0.1, lambda line: None)
    # SLURM and its accounting forget some of what never started.
    assert len(states) == 200
    assert {state.state for state in states} <= {"CANCELLED", "UNKNOWN"}
    job.job_id = "4000000"  # now SLURM knows nothing of it, as some time after its end
    assert job.states() == states


def test_tasks_that_slurm_has_forgotten_are_unknown():
    states = slurm.ArrayJob("4000000", 2).states()
    assert [(state.task, state.state, state.ended) for state in states] == [
        (1, "UNKNOWN", True),
        (2, "UNKNOWN", True),
    ]
