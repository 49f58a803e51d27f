"""Real agents, the real trainer and everything that happens to them on a real cluster.

All arrays run side by side, since tasks mostly wait; each test then looks at one story.
"""

import dataclasses
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
import wandb
import yaml

from tests.slurm import trial
from tests.slurm.cluster import Cluster
from tests.slurm.trial import register
from workshop import slurm
from workshop.errors import WorkshopError
from workshop.paths import ROOT, home
from workshop.slurm import notes

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE = 600  # seconds for all stories together; a quiet machine needs about 150
TINY = {"model_name": "resnet18", "sample_ratio": 0.1, "num_epochs": 4, "scale": "smoke"}


def rate_of(given: notes.Given) -> float:
    return yaml.safe_load(given.file.read_text())["learning_rate"]["value"]


@dataclass
class Story:
    """An array and its sweep; `first` is the ledger before the repair, `table` after it."""

    path: str
    job: slurm.ArrayJob
    first: pd.DataFrame = None
    table: pd.DataFrame = None
    met: dict[float, str] = field(default_factory=dict)  # the task that met a fate
    printed: str = ""
    before: object = None

    def row(self, rate: float) -> pd.Series:
        """Return the row, before the repair, of the run with a learning rate."""
        return self.first.set_index("configuration").loc[f"learning_rate {rate}"]

    def task(self, rate: float) -> pd.Series:
        """Return the row of the task in which a trial met its fate."""
        return self.first.set_index("task").loc[self.met[rate]]

    def runs(self) -> dict[float, wandb.apis.public.Run]:
        """Return the run with each learning rate; there is one for each."""
        runs = list(wandb.Api().sweep(self.path).runs)
        found = {run.config["learning_rate"]: run for run in runs}
        assert len(found) == len(runs), "a point was run twice"
        return found

    def log(self, task: str) -> str:
        job, _, number = task.partition("_")
        return slurm.ArrayJob(job, 0).log(int(number)).read_text()

    def let_fates_come(self, cluster: Cluster) -> None:
        """Do to each trial that stands still what it waits for."""
        for task in notes.tasks(self.job.job_id):
            name = f"{self.job.job_id}_{task}"
            for given in notes.given(notes.folder(self.job.job_id) / str(task), self.path):
                rate = rate_of(given)
                if rate not in self.met and self._stands_still(rate, given.run, name):
                    self.met[rate] = name
                    self._meet(rate, name, cluster)
            if name == self.met.get(trial.WARNED) and self._start(name).warned:
                cluster.command("scontrol", "update", f"JobId={name}", "TimeLimit=55")
                self.met[-trial.WARNED] = self.met.pop(trial.WARNED)

    def _start(self, name: str) -> notes.Start:
        return notes.read(self.job.job_id, int(name.partition("_")[2])).starts[-1]

    def _stands_still(self, rate: float, run: str, name: str) -> bool:
        if rate == trial.KILLED:
            return f"runs/{run}" in self.log(name)
        fates = (trial.REQUEUED, trial.WARNED, trial.NODE_FAILS)
        if rate not in fates or -rate in self.met:
            return False
        return (home() / "checkpoints" / f"{run}.pt").exists() and "epoch 2/" in self.log(name)

    def _meet(self, rate: float, name: str, cluster: Cluster) -> None:
        if rate == trial.KILLED:
            cluster.command("scancel", "--signal=KILL", name)
        elif rate == trial.REQUEUED:
            cluster.command("scontrol", "requeue", name)
        elif rate == trial.WARNED:  # 50 minutes before its time is over, as it has asked
            cluster.command("scontrol", "update", f"JobId={name}", "TimeLimit=50")
        elif rate == trial.NODE_FAILS:
            node = self._start(name).node
            cluster.node_down(node)
            cluster.node_up(node)


@pytest.fixture(scope="module")
def environment(server, cluster):
    """Make this process and its children speak to the cluster; no task may see the key in it."""
    key = re.search(r"password (\S+)", Path(os.environ["NETRC"]).read_text())[1]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (cluster.environment | {"WANDB_API_KEY": key}).items():
            patch.setenv(name, value)
        yield key


def submit(path: str, max_failures: int = 0, **options) -> Story:
    submission = slurm.plan(path, site="test_cluster", **options)
    variables = submission.environment | {"WORKSHOP_MAX_FAILURES": str(max_failures)}
    submission = dataclasses.replace(submission, environment=variables)
    return Story(path, slurm.submit(submission, patience=0, show=lambda line: None))


def submit_from_a_job(path: str, folder: Path) -> Story:
    """Submit an array from inside a job."""
    program = (
        "from workshop import slurm\n"
        f"submission = slurm.plan({path!r}, site='test_cluster', runs_per_task='all', at_once=1)\n"
        "print(submission)\n"
        "print('array', slurm.submit(submission, patience=0).job_id)\n"
    )
    (folder / "outer.py").write_text(program)
    (folder / "outer").write_text(
        "#!/bin/bash\nexport SBATCH_PARTITION=nope\n"
        f"PYTHONPATH={ROOT} exec {sys.executable} {folder}/outer.py\n"
    )
    log = folder / "outer.out"
    command = ["sbatch", "--wait", "--mem-per-cpu=3000", f"--output={log}", folder / "outer"]
    subprocess.run(command, check=True, timeout=PATIENCE)
    printed = log.read_text()
    job = slurm.ArrayJob(re.search(r"array (\d+)", printed)[1], 1)
    return Story(path, job, printed=printed)


@pytest.fixture(scope="module")
def stories(environment, cluster, tmp_path_factory) -> dict[str, Story]:
    """Submit all arrays, let the fates come, wait for the end, and repair what is to repair."""
    rates = (trial.FINISHES, trial.REQUEUED, trial.WARNED, trial.NODE_FAILS)
    found = {
        "inside": submit_from_a_job(register(0.7, 0.71), tmp_path_factory.mktemp("job")),
        "trainer": submit(
            register(*rates, **TINY), tasks=4, exclusive=True, time="55:00", signal="B:USR1@3000"
        ),
        "light": submit(
            register(trial.LIGHT, trial.KILLED, trial.RAISES, trial.HOGS), tasks=5, mem="1G"
        ),
        "broken": submit(register(trial.DIES, trial.RAISES, 0.6, 0.61), 2, at_once=1),
        "several": submit(register(0.8, 0.81, 0.82), runs_per_task=2),
    }
    deadline = time.monotonic() + PATIENCE

    def wait() -> None:
        while not all(one.ended for story in found.values() for one in story.job.states()):
            assert time.monotonic() < deadline, cluster.command("squeue")
            for story in found.values():
                story.let_fates_come(cluster)
            time.sleep(0.5)

    wait()
    for story in found.values():
        story.first = slurm.ledger(story.path)
    for name in ("light", "broken"):
        story = found[name]
        story.before = slurm.gaps(story.path)
        story.job = slurm.repair(
            story.path, patience=0, show=lambda line: None, site="test_cluster"
        )
    wait()
    for story in found.values():
        story.table = slurm.ledger(story.path)
    return found


class TestLedger:
    def test_a_run_that_finishes(self, stories):
        story = stories["trainer"]
        row = story.row(trial.FINISHES)
        assert (row["kind"], row["slurm"], row["exit_code"]) == ("finished", "COMPLETED", "0:0")
        assert row["run_state"] == "finished"
        assert Path(row["log"]).expanduser().name.endswith(".out")

    @pytest.mark.parametrize(
        ("rate", "kind", "words"),
        [
            (trial.REQUEUED, "preempted and resumed", "it was put back into the queue"),
            (-trial.WARNED, "preempted and resumed", "it was warned that its time was up"),
            (trial.NODE_FAILS, "node failure", "its node failed (node"),
        ],
    )
    def test_a_task_that_is_interrupted_and_started_again(self, stories, rate, kind, words):
        row = stories["trainer"].task(rate)
        assert row["kind"] == kind
        assert words in row["cause"]
        assert row["starts"] == 2
        assert row["slurm"] == "COMPLETED"

    @pytest.mark.parametrize(
        ("rate", "cause", "state"),
        [
            (trial.LIGHT, "finished", "COMPLETED"),
            (trial.KILLED, "cancelled: while it ran", "CANCELLED"),
            (trial.RAISES, "code error: ValueError: this learning rate raises", "FAILED"),
            (trial.HOGS, "out of memory: the task's memory was used up", None),
        ],
    )
    def test_a_task_that_ends(self, stories, rate, cause, state, cluster):
        row = stories["light"].row(rate)
        assert row["cause"].startswith(cause)
        assert row["slurm"] == (state or cluster.out_of_memory[0])

    def test_a_task_without_work(self, stories):
        first = stories["light"].first
        surplus = first[first["run"].isna()]
        assert list(surplus["kind"]) == ["no work left"]
        assert list(surplus["slurm"]) == ["COMPLETED"]
        assert "no work left for this task" in stories["light"].log(surplus["task"].iloc[0])

    def test_a_task_with_several_runs_has_a_row_for_each(self, stories):
        first = stories["several"].first
        assert sorted(first["task"].value_counts()) == [1, 2]
        assert set(first["kind"]) == {"finished"}
        assert len(stories["inside"].first) == 2, "all runs in one task"

    def test_the_text_for_a_terminal(self, stories):
        text = slurm.describe(stories["light"].first)
        assert "code error: ValueError: this learning rate raises" in text
        assert "1 no work left" in text.splitlines()[-1]


class TestBreaker:
    def test_it_cancels_what_is_left_and_says_so(self, stories):
        story = stories["broken"]
        assert list(story.first["kind"]) == ["lost", "code error", "cancelled", "cancelled"]
        words = "2 tasks in a row have failed, so the 2 that had not started were cancelled"
        assert story.first["cause"].iloc[-1] == f"cancelled: {words}"
        assert words in story.log(story.first["task"].iloc[1])


class TestRuns:
    def test_an_interrupted_run_has_one_continuous_history(self, stories):
        for run in stories["trainer"].runs().values():
            assert run.state == "finished"
            assert [row["Epoch"] for row in run.scan_history()] == [1, 2, 3, 4]
            assert run.summary["Array Task"].startswith(stories["trainer"].job.job_id)
        assert not list((home() / "checkpoints").glob("*.pt"))

    def test_no_task_sees_the_key_and_modules_are_loaded(self, stories, environment, cluster):
        seen = list((home() / "logs").glob("*/*/environment.json"))
        assert len(seen) >= 8
        for file in seen:
            variables = json.loads(file.read_text())
            assert not [name for name, value in variables.items() if environment in value]
            assert variables["WORKSHOP_TEST_MODULE"] == "loaded"
            assert variables["TMPDIR"].startswith("/tmp/sweep-")
            assert not Path(variables["TMPDIR"]).exists()
        jobs = cluster.command("scontrol", "show", "job", "--details")
        assert environment not in jobs

    def test_submitting_inside_a_job_says_what_is_left_out(self, stories):
        story = stories["inside"]
        removed = re.search("left out of it: (.*)", story.printed)[1]
        for name in ("SLURM_JOB_ID", "SLURM_MEM_PER_CPU", "SBATCH_PARTITION"):
            assert name in removed
        folder = home() / "logs" / story.job.job_id / "1"
        assert "SLURM_MEM_PER_CPU" not in json.loads((folder / "environment.json").read_text())
        assert {run.state for run in story.runs().values()} == {"finished"}


class TestRepair:
    def test_the_account_before(self, stories):
        gaps = stories["light"].before
        assert (gaps.expected, gaps.done, gaps.live, gaps.missing) == (4, 1, 0, 0)
        failed = {run.values["learning_rate"] for run in gaps.failed}
        assert failed == {trial.KILLED, trial.RAISES, trial.HOGS}
        gaps = stories["broken"].before
        assert (gaps.expected, gaps.done, gaps.missing, len(gaps.failed)) == (4, 0, 2, 2)
        assert [point["learning_rate"] for point in gaps.points] == [0.6, 0.61]

    @pytest.mark.parametrize(("name", "tasks"), [("light", 3), ("broken", 4)])
    def test_it_runs_exactly_what_is_missing(self, stories, name, tasks):
        story = stories[name]
        assert story.job.tasks == tasks
        assert {run.state for run in story.runs().values()} == {"finished"}
        repaired = story.table[story.table["task"].str.startswith(f"{story.job.job_id}_")]
        assert list(repaired["kind"]) == ["finished"] * tasks
        assert not slurm.gaps(story.path).failed

    def test_the_ledger_says_where_a_run_went_on(self, stories):
        story = stories["light"]
        rows = story.table.set_index("task")
        for task in story.first.loc[story.first["kind"] == "out of memory", "task"]:
            assert re.search(
                rf"out of memory: .*; its run went on in task {story.job.job_id}_\d",
                rows.loc[task, "cause"],
            )

    def test_a_complete_sweep_needs_no_repair(self, stories):
        said = []
        assert slurm.repair(stories["light"].path, show=said.append) is None
        assert said[0].startswith("4 of 4 points are done")
        assert said[-1] == "nothing to repair"
        with pytest.raises(WorkshopError, match="nothing left to do"):
            slurm.plan(stories["light"].path)
