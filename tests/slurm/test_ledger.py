"""The ledger, and what it means for a repair: real runs and agents, made-up answers of SLURM."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import wandb
from wandb.apis.public.sweeps import _agent_heartbeat, _register_agent

from tests.waiting import patience, wait_for
from workshop.errors import WorkshopError
from workshop.run_agents import slurm
from workshop.run_agents.slurm import commands, journal, repairs, task_ledger
from workshop.run_agents.slurm.accounting import SlurmStart, remembered, starts
from workshop.run_agents.slurm.repairs import Gaps, gaps

GRID = {"method": "grid", "parameters": {"rate": {"values": [0.1, 0.2, 0.3]}}}


@dataclass
class Arrays:
    """A sweep, and arrays for it of which SLURM says what a test wants."""

    logs: Path
    server: object
    config: dict = field(default_factory=lambda: GRID)
    slurm: dict = field(default_factory=dict)

    def __post_init__(self):
        self.sweep_id = wandb.sweep(self.config, project="ledger")
        self.path = f"{self.server.entity}/ledger/{self.sweep_id}"

    def take(self) -> str:
        """Return the ID of a run that the sweep hands out."""
        place = {"sweep_id": self.sweep_id, "entity": self.server.entity, "project": "ledger"}
        api = wandb.Api()
        agent = _register_agent(api, "here", **place)["id"]
        (command,) = _agent_heartbeat(api, agent, {}, {})
        return command["run_id"]

    def run(self, exit_code: int, **summary) -> str:
        """Return the ID of a run that was handed out and has ended."""
        run = wandb.init(project="ledger", id=self.take())
        run.summary.update(summary)
        run.finish(exit_code)
        return run.id

    def task(self, name: str, state: str, *runs: str, note: str = "", over: float = 0) -> Path:
        """Make the folder of a task that was given runs, one after the other."""
        job, number = name.split("_")
        place = self.logs / job / number
        values = place / "wandb" / f"sweep-{self.sweep_id}"
        values.mkdir(parents=True, exist_ok=True)
        journal.record(job, sweep=self.path, tasks=1, runs_per_task=len(runs) or 1)
        now = time.time()
        (place / "notes").write_text(f"{now - 200:.0f}\tstart\tnode1\n")
        (place / "started").touch()
        for number_of_run, run in enumerate(runs):
            file = values / f"config-{run}.yaml"
            file.write_text("rate: {value: 0.1}\n")
            at = now + int(job) + number_of_run
            os.utime(file, (at, at))
        if note:
            with (place / "notes").open("a") as file:
                file.write(f"{now:.0f}\t{note}\n")
        ended = None if state in ("RUNNING", "PENDING") else over or now
        start = SlurmStart(int(number), state, "0:0", "", "node1", now - 200, ended)
        self.slurm[job] = {int(number): [start]}
        return place

    def cause(self, task: str) -> str:
        """Return the cause that the ledger has for a task with one run."""
        return task_ledger.ledger(self.path).set_index("task").loc[task, "cause"]


@pytest.fixture
def arrays(server, tmp_path, monkeypatch) -> Arrays:
    monkeypatch.setattr(journal, "logs", lambda: tmp_path)
    made = Arrays(tmp_path, server)
    monkeypatch.setattr(task_ledger, "starts", lambda job: made.slurm.get(job, {}))
    return made


class TestATaskThatEndsWhileItIsAskedFor:
    @pytest.fixture(autouse=True)
    def ending(self, arrays, monkeypatch):
        self.path = arrays.path
        run = wandb.init(project="ledger", id=arrays.take())
        arrays.task("7_1", "COMPLETED", run.id)

        def starts(job: str) -> dict[int, list[SlurmStart]]:
            run.finish()
            return arrays.slurm[job]

        monkeypatch.setattr(task_ledger, "starts", starts)

    def test_its_run_is_finished(self):
        assert list(task_ledger.ledger(self.path)["cause"]) == ["finished"]

    def test_its_run_is_not_to_be_repeated(self):
        found = gaps(self.path)
        assert (found.done, found.failed, found.missing) == (1, [], 2)


class TestGaps:
    @pytest.mark.parametrize(
        ("state", "group"), [("RUNNING", "live"), ("PENDING", "interrupted"), ("FAILED", "failed")]
    )
    def test_the_fate_of_a_run_is_that_of_its_newest_task(self, arrays, state, group):
        run = arrays.take()
        arrays.task("7_1", "FAILED", run, note="end\t1")
        arrays.task("8_1", state, run)
        found = gaps(arrays.path)
        counts = (found.live, len(found.interrupted), len(found.failed))
        assert dict(zip(("live", "interrupted", "failed"), counts, strict=True)) == (
            dict.fromkeys(("live", "interrupted", "failed"), 0) | {group: 1}
        )

    def test_a_run_that_was_heard_after_its_task_is_somebody_elses(self, arrays):
        run = arrays.take()
        arrays.task("7_1", "FAILED", run, over=time.time() - 100)
        assert (gaps(arrays.path).live, gaps(arrays.path).failed) == (1, [])

    def test_a_run_whose_end_nobody_knows_is_left_to_the_server(self, arrays):
        arrays.task("7_1", "FAILED", arrays.take())
        arrays.slurm.clear()
        assert (gaps(arrays.path).live, gaps(arrays.path).failed) == (1, [])

    def test_nothing_is_dead_while_slurm_is_silent(self, arrays, monkeypatch):
        def starts(job: str) -> None:
            raise WorkshopError("SLURM's `scontrol` did not answer within 30 s")

        arrays.task("7_1", "RUNNING", arrays.take())
        monkeypatch.setattr(task_ledger, "starts", starts)
        assert (gaps(arrays.path).live, gaps(arrays.path).failed) == (1, [])
        assert arrays.cause("7_1") == "unknown: SLURM does not answer"


class TestRepair:
    def test_a_second_one_waits_for_the_first(self, arrays, monkeypatch):
        nothing = Gaps(3, done=3, live=0, missing=0)
        monkeypatch.setattr(repairs, "gaps", lambda path, only: nothing)
        said: list[str] = []
        with (arrays.logs / f"repair-{arrays.sweep_id}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            second = threading.Thread(
                target=slurm.repair, args=(arrays.path,), kwargs={"show": said.append}
            )
            second.start()
            wait_for(lambda: said)
            assert said == ["another repair of this sweep is running: waiting for it to end"]
        second.join(patience(60))
        assert said[-1] == "nothing to repair"

    @pytest.mark.parametrize("queue", ["PENDING", "RUNNING"])
    def test_failed_runs_go_to_tasks_that_have_none(self, arrays, monkeypatch, queue):
        run = arrays.run(1)
        arrays.task("7_1", "FAILED", run)
        for _ in range(2):
            arrays.run(0)
        arrays.task("8_1", queue)
        records = {"8": [{"JobState": queue, "ArrayTaskId": "1"}]}
        monkeypatch.setattr(commands, "queued", lambda job, _: records.get(job, []))
        monkeypatch.setattr(repairs, "submit", None)
        said: list[str] = []
        assert slurm.repair(arrays.path, show=said.append).job_id == "8"
        assert said[-1] == ("tasks for 1 run are already waiting, and will retry the failed ones")
        assert wandb.Api().run(f"{arrays.server.entity}/ledger/{run}").state == "preempted"
        assert wandb.Api().sweep(arrays.path).state == "RUNNING"


class TestMemory:
    """Without accounting, SLURM forgets a job some minutes after its end."""

    @pytest.fixture(autouse=True)
    def controller(self, arrays, monkeypatch):
        self.records: list[dict[str, str]] = []
        monkeypatch.setattr(commands, "accounted", lambda *_: None)
        monkeypatch.setattr(commands, "queued", lambda job, _: self.records)
        (arrays.logs / "7").mkdir()

    def says(self, state: str, restarts: int = 0, code: str = "0:0") -> None:
        self.records = [
            {
                "ArrayTaskId": "1",
                "JobState": state,
                "ExitCode": code,
                "Reason": "None",
                "NodeList": "node1",
                "StartTime": str(1000 + restarts),
                "EndTime": "2000",
                "Restarts": str(restarts),
            }
        ]

    def test_what_was_once_known_is_kept(self):
        self.says("FAILED", code="0:9")
        known = starts("7")
        assert [start.state for start in known[1]] == ["FAILED"]
        self.records = []
        assert starts("7") == known

    def test_how_a_start_ended_that_was_running_when_it_was_seen_last_is_unknown(self):
        self.says("RUNNING")
        assert starts("7")[1][0].over is None, "the controller tells when it expects the end"
        self.says("RUNNING", restarts=1)
        assert [start.state for start in starts("7")[1]] == ["UNKNOWN", "RUNNING"]
        self.records = []
        assert [start.state for start in starts("7")[1]] == ["UNKNOWN", "UNKNOWN"]

    def test_a_memory_that_is_torn_or_has_no_folder_is_none(self, arrays):
        file = arrays.logs / "7" / "slurm.json"
        for text in ("", '{"1": [{"sta', "[]", '{"1": [{"mood": "fine"}]}'):
            file.write_text(text)
            assert remembered("7") == {}
        self.says("COMPLETED")
        assert starts("8")[1][0].state == "COMPLETED"
        assert not (arrays.logs / "8").exists()

    def test_the_first_arrays_causes_outlive_a_repair(self, arrays, monkeypatch):
        monkeypatch.setattr(task_ledger, "starts", starts)
        run = arrays.run(1)
        place = arrays.task("7_1", "FAILED", run, note="run\t" + f"{run} failed 3")
        arrays.task("8_1", "COMPLETED", run, note="end\t0")
        place.with_suffix(".out").write_text(
            "Traceback (most recent call last):\nValueError: bad\n"
        )
        assert arrays.cause("7_1") == ("code error: ValueError: bad; its run continued in task 8_1")


TORN = (b"", b'{"sweep": "a', b"\0\0\0", b"17\tsta", b"17\tend\t1\n17\tend\t\n")


@pytest.mark.parametrize("name", ["array.json", "1/notes", "values", "cancelled", "slurm.json"])
def test_a_torn_file_ends_no_command(arrays, name):
    run = arrays.run(1)
    place = arrays.task("7_1", "FAILED", run, note="end\t1")
    arrays.task("8_1", "COMPLETED")
    (arrays.logs / "9.old").mkdir()
    (values,) = place.glob("wandb/*/*.yaml")
    for text in TORN:
        (values if name == "values" else place.parent / name).write_bytes(text)
        assert "8_1" in list(task_ledger.ledger(arrays.path)["task"])
        assert [failed.id for failed in gaps(arrays.path).failed] == [run]


def test_a_task_whose_folder_was_deleted_is_told_by_its_run(arrays):
    for name, code in (("9_1", 0), ("9_2", 1)):
        arrays.run(code, **{"Array Task": name})
    frame = task_ledger.ledger(arrays.path)
    assert list(frame["task"]) == ["9_1", "9_2"]
    assert list(frame["kind"]) == ["finished", "code error"]
    assert list(frame["configuration"]) == ["rate 0.1", "rate 0.2"]


def test_runs_that_a_task_has_behind_it_are_not_running(arrays):
    done, failed, current = arrays.run(0), arrays.run(1), arrays.take()
    arrays.task("7_1", "RUNNING", done, failed, current)
    assert dict(task_ledger.ledger(arrays.path).set_index("run")["kind"]) == {
        done: "finished",
        failed: "code error",
        current: "running",
    }


def test_nested_parameters_have_their_values_in_the_ledger(arrays):
    config = {
        "method": "grid",
        "parameters": {"o": {"parameters": {"rate": {"values": [0.1, 0.2]}, "b": {"value": 1}}}},
    }
    nested = Arrays(arrays.logs, arrays.server, config)
    place = nested.task("7_1", "RUNNING", nested.take())
    (values,) = place.glob("wandb/*/*.yaml")
    values.write_text("o: {value: {rate: 0.2, b: 1}}\n")
    assert list(task_ledger.ledger(nested.path)["configuration"]) == ["o.rate 0.2"]


def test_parameters_named_like_columns_have_their_values_in_the_ledger(arrays):
    config = {"method": "grid", "parameters": {"seconds": {"values": [10, 20]}}}
    named = Arrays(arrays.logs, arrays.server, config)
    run = named.take()
    wandb.init(project="ledger", id=run, config={"seconds": 10}).finish()
    (values,) = named.task("7_1", "RUNNING", run).glob("wandb/*/*.yaml")
    for text, shown in (("seconds: {value: 20}\n", "seconds 20"), ("", "seconds 10")):
        values.write_text(text)
        assert list(task_ledger.ledger(named.path)["configuration"]) == [shown]


PROGRAM = """\
import argparse, os, sys
rate = float(sys.argv[1].partition("=")[2])
if rate == 0.1:
    argparse.ArgumentParser(prog="fit.py").parse_args(["--lr=0.1"])
if rate == 0.2:
    os.kill(os.getpid(), 9)
import wandb
wandb.init()
print("epoch 1", flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_program_that_ends_before_its_run_begins_says_why(arrays):
    """Real agents: what their logs hold is the client's."""
    (arrays.logs / "fit.py").write_text(PROGRAM)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ledgers, agents = {}, {}
    for job, program in (("7", "fit.py"), ("8", "nowhere.py")):
        command = ["${env}", "python", program, "${args}"]
        ledgers[job] = own = Arrays(arrays.logs, arrays.server, GRID | {"command": command})
        place = own.task(f"{job}_1", "FAILED")
        with place.with_suffix(".out").open("wb") as log:
            agents[job] = subprocess.Popen(
                [sys.executable, "-m", "wandb", "agent", "--count=3", own.path],
                env=os.environ | {"PATH": path, "WANDB_DIR": str(place)},
                cwd=arrays.logs,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
    for job, agent in agents.items():
        agent.wait(patience(300))
        with (arrays.logs / job / "1" / "notes").open("a") as file:
            file.write(f"{time.time():.0f}\tend\t1\n")
    *before, after = task_ledger.ledger(ledgers["7"].path)["cause"]
    assert before == [
        "code error: fit.py: error: unrecognized arguments: --lr=0.1",
        "lost: its program ended before its run began, without an error message",
    ]
    assert after.startswith("lost: its program was killed and left no error message (the run is ")
    for cause in task_ledger.ledger(ledgers["8"].path)["cause"]:
        assert cause.endswith("nowhere.py': [Errno 2] No such file or directory")
        assert cause.startswith("code error: ")
