"""Real agents, the real trainer and everything that happens to them on a real cluster.

All arrays run side by side, since tasks mostly wait; each test then looks at one story.  What
disturbs a whole node happens on node2, and everything else on node1.
"""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
import wandb
import yaml

from tests.slurm import trial
from tests.slurm.cluster import Cluster
from tests.slurm.trial import register
from tests.waiting import patience, wait_for
from workshop.errors import WorkshopError
from workshop.paths import ROOT, home
from workshop.run_agents import slurm
from workshop.run_agents.rehearsal import processes
from workshop.run_agents.slurm import commands, journal

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.xdist_group("stories")]

PATIENCE = 1800  # seconds for all stories together; beside other tests they take 350
TINY = {"model_name": "resnet18", "sample_ratio": 0.1, "num_epochs": 4, "scale": "smoke"}


def rate_of(given: journal.Given) -> float:
    # An agent makes the file before it writes it.
    written = given.file.read_text() or "learning_rate: {value: .nan}"
    return yaml.safe_load(written)["learning_rate"]["value"]


@dataclass
class Story:
    """An array and its sweep.

    Attributes:
        path: the sweep.
        job: its newest array.
        met: the task that met a fate, by learning rate.
        printed: what the command that submitted the array printed.
        first: the ledger after its first array.
        forgetful: the same from a SLURM without accounting.
        gaps: what was missing before the repair, if there was one.
        table: the ledger at the end.
    """

    path: str
    job: slurm.ArrayJob
    met: dict[float, str] = field(default_factory=dict)
    printed: str = ""
    first: pd.DataFrame = None
    forgetful: pd.DataFrame = None
    gaps: object = None
    table: pd.DataFrame = None

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
        for task in journal.tasks(self.job.job_id):
            name = f"{self.job.job_id}_{task}"
            for given in journal.given(journal.folder(self.job.job_id) / str(task), self.path):
                rate = rate_of(given)
                if rate not in self.met and self._stands_still(rate, given.run, name):
                    self.met[rate] = name
                    self._meet(rate, name, cluster)
            if name == self.met.get(trial.WARNED) and self._start(name).warned:
                cluster.command("scontrol", "update", f"JobId={name}", "TimeLimit=55")
                self.met[-trial.WARNED] = self.met.pop(trial.WARNED)

    def _start(self, name: str) -> journal.Start:
        return journal.read(self.job.job_id, int(name.partition("_")[2])).starts[-1]

    def _stands_still(self, rate: float, run: str, name: str) -> bool:
        if rate in trial.ENDED:
            return f"runs/{run}" in self.log(name)
        fates = (trial.REQUEUED, trial.WARNED, trial.NODE_FAILS, trial.DRIVEN_OUT)
        if rate not in fates or -rate in self.met:
            return False
        return (home() / "checkpoints" / f"{run}.pt").exists() and "epoch 2/" in self.log(name)

    def _meet(self, rate: float, name: str, cluster: Cluster) -> None:
        if rate == trial.KILLED:
            cluster.command("scancel", "--signal=KILL", name)
        elif rate == trial.CANCELLED:
            cluster.command("scancel", name)
        elif rate == trial.TERMINATED:
            cluster.command("scancel", "--signal=TERM", "--full", name)
        elif rate == trial.SWEPT:
            job, task = name.split("_")
            here = {"SLURM_CONF": cluster.environment["SLURM_CONF"], "SLURM_ARRAY_JOB_ID": job}
            processes.send(signal.SIGTERM, processes.find(SLURM_ARRAY_TASK_ID=task, **here))
        elif rate == trial.REQUEUED:
            cluster.command("scontrol", "requeue", name)
        elif rate == trial.WARNED:  # 50 minutes before its time is over, as it has asked
            cluster.command("scontrol", "update", f"JobId={name}", "TimeLimit=50")
        elif rate == trial.NODE_FAILS:
            node = self._start(name).node
            cluster.node_down(node)
            cluster.node_up(node)
        elif rate == trial.DRIVEN_OUT:
            node = f"--nodelist={self._start(name).node}"
            cluster.command("sbatch", "--output=/dev/null", "--exclusive", node, "--wrap", "true")


@pytest.fixture(scope="module")
def environment(server, cluster):
    """Make this process and its children speak to the cluster; no task may see the key in it."""
    key = re.search(r"password (\S+)", Path(os.environ["NETRC"]).read_text())[1]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (cluster.environment | {"WANDB_API_KEY": key}).items():
            patch.setenv(name, value)
        yield key


def plan(path: str, node: str = "node1", **options) -> slurm.Submission:
    return slurm.plan(path, site="test_cluster", nodelist=node, **options)


def submit(submission: slurm.Submission, **variables: str) -> Story:
    variables = {"WORKSHOP_MAX_FAILURES": "0"} | variables
    submission = dataclasses.replace(submission, environment=submission.environment | variables)
    return Story(submission.sweep, slurm.submit(submission, patience=0, show=lambda line: None))


def workshop(*arguments: str) -> str:
    """Run one of the kit's commands and return what it printed."""
    command = [Path(sys.executable).parent / "workshop", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=patience(300)
    ).stdout


def submit_by_command(path: str) -> Story:
    """Submit an array as a user does in a shell."""
    options = ["--site", "test_cluster", "--runs-per-task", "2", "-o", "nodelist=node1"]
    printed = workshop("submit", path, *options)
    job, tasks = re.search(r"array job (\d+): (\d+) tasks", printed).groups()
    return Story(path, slurm.ArrayJob(job, int(tasks)), printed=printed)


def submit_to_a_broken_gpu(path: str, cluster: Cluster) -> Story:
    """Submit an array to a node whose GPU does not answer: a module brings such a one."""
    module = cluster.folder / "modules" / "broken-gpu" / "1.0"
    module.parent.mkdir()
    program = module.with_name("nvidia-smi")
    program.write_text("#!/bin/sh\necho 'Unable to determine the device handle' >&2; exit 9\n")
    program.chmod(0o755)
    lines = ["#%Module", "setenv SLURM_JOB_GPUS 0", f"prepend-path PATH {module.parent}"]
    module.write_text("\n".join(lines) + "\n")
    return submit(plan(path), WORKSHOP_MODULES="workshop-test/1.0 broken-gpu/1.0")


def submit_from_a_job(path: str, folder: Path) -> Story:
    """Submit an array from inside a job."""
    program = (
        "from workshop.run_agents import slurm\n"
        f"submission = slurm.plan({path!r}, site='test_cluster', nodelist='node1',\n"
        "                        runs_per_task='all', at_once=1)\n"
        "print(submission)\n"
        "print('array', slurm.submit(submission, patience=0).job_id)\n"
    )
    (folder / "outer.py").write_text(program)
    (folder / "outer").write_text(
        "#!/bin/bash\nexport SBATCH_PARTITION=nope\n"
        f"PYTHONPATH={ROOT} exec {sys.executable} {folder}/outer.py\n"
    )
    log = folder / "outer.out"
    options = ["--wait", "--nodelist=node1", "--mem-per-cpu=3000", f"--output={log}"]
    command = ["sbatch", *options, folder / "outer"]
    subprocess.run(command, check=True, timeout=patience(PATIENCE))
    printed = log.read_text()
    job = slurm.ArrayJob(re.search(r"array (\d+)", printed)[1], 1)
    return Story(path, job, printed=printed)


@pytest.fixture(scope="module")
def stories(environment, cluster, tmp_path_factory) -> dict[str, Story]:
    """Submit all arrays, let the fates come, repair what is to repair, and wait for the end."""
    trainer = {"time": "55:00", "signal": "B:USR1@3000"}
    alone = {"exclusive": True, "node": "node2"}
    found = {
        "inside": submit_from_a_job(register(0.7, 0.71), tmp_path_factory.mktemp("job")),
        "several": submit_by_command(register(0.8, 0.81, 0.82)),
        "trainer": submit(
            plan(
                register(trial.FINISHES, trial.REQUEUED, trial.WARNED, **TINY),
                tasks=3,
                at_once=3,
                **trainer,
            )
        ),
        "node": submit(plan(register(trial.NODE_FAILS, **TINY), **trainer, **alone)),
        "light": submit(
            plan(
                register(trial.LIGHT, *trial.ENDED, trial.RAISES, trial.HOGS),
                tasks=8,
                at_once=3,
                mem="1G",
            )
        ),
        "broken": submit(
            plan(register(trial.DIES, trial.RAISES, 0.6, 0.61), at_once=1),
            WORKSHOP_MAX_FAILURES="2",
        ),
        "idle": submit(plan(register(0.9, is_controlled=True)), WORKSHOP_IDLE_SECONDS="8"),
        "gpu": submit_to_a_broken_gpu(register(0.91), cluster),
    }

    def are_told() -> bool:
        for name, story in list(found.items()):
            story.let_fates_come(cluster)
            if story.table is not None or not all(one.ended for one in story.job.states()):
                continue
            if story.first is None:
                story.first = slurm.ledger(story.path)
                if name == "light":
                    story.forgetful = ledger_without_accounting(story.path)
                if name in ("light", "broken"):
                    repair(story)
                    continue
                if name == "node":  # which is free now
                    sweep = register(trial.DRIVEN_OUT, **TINY)
                    found["driven out"] = submit(plan(sweep, partition="low", **trainer, **alone))
            story.table = slurm.ledger(story.path)
        return all(story.table is not None for story in found.values())

    wait_for(are_told, lambda: cluster.command("squeue"), PATIENCE, every=0.5)
    return found


def ledger_without_accounting(path: str) -> pd.DataFrame:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "accounted", lambda *_: None)
        return slurm.ledger(path)


def repair(story: Story) -> None:
    story.gaps = slurm.gaps(story.path)
    options = {"site": "test_cluster", "nodelist": "node1"}
    story.job = slurm.repair(story.path, patience=0, show=lambda line: None, **options)


class TestLedger:
    def test_a_run_that_finishes(self, stories):
        story = stories["trainer"]
        row = story.row(trial.FINISHES)
        assert (row["kind"], row["slurm"], row["exit_code"]) == ("finished", "COMPLETED", "0:0")
        assert row["run_state"] == "finished"
        assert Path(row["log"]).expanduser().name.endswith(".out")

    @pytest.mark.parametrize(
        ("name", "rate", "kind", "words"),
        [
            ("trainer", trial.REQUEUED, "preempted and resumed", "it was put back into the queue"),
            ("trainer", -trial.WARNED, "preempted and resumed", "it was warned that its time was"),
            (
                "driven out",
                trial.DRIVEN_OUT,
                "preempted and resumed",
                "it was preempted: another job took",
            ),
            ("node", trial.NODE_FAILS, "node failure", "its node failed (node2)"),
        ],
    )
    def test_a_task_that_is_interrupted_and_started_again(self, stories, name, rate, kind, words):
        row = stories[name].task(rate)
        assert row["kind"] == kind
        assert words in row["cause"]
        assert row["starts"] == 2
        assert row["slurm"] == "COMPLETED"

    @pytest.mark.parametrize(
        ("rate", "cause", "state"),
        [
            (trial.LIGHT, "finished", "COMPLETED"),
            (trial.KILLED, "cancelled: while it was running", "CANCELLED"),
            (trial.CANCELLED, "cancelled: while it was running", "CANCELLED"),
            (trial.TERMINATED, "lost: the task got SIGTERM", "FAILED"),
            (trial.SWEPT, "lost: the task got SIGTERM", "FAILED"),
            (trial.RAISES, "code error: ValueError: this learning rate raises", "FAILED"),
            (trial.HOGS, "out of memory: the task's memory was not enough", None),
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

    def test_an_agent_that_gets_no_run_is_ended(self, stories):
        row = stories["idle"].first.iloc[0]
        assert row["cause"].startswith("no run: its agent got no run in time")
        assert row["slurm"] == "FAILED"
        assert "no run within 8 s: is the sweep paused?" in stories["idle"].log(row["task"])

    def test_a_gpu_that_does_not_answer_ends_the_task_before_it_takes_a_run(self, stories):
        row = stories["gpu"].first.iloc[0]
        assert row["cause"] == (
            "no run: error: the GPU of node node1 does not answer: tell the cluster's staff"
        )
        assert not stories["gpu"].runs()

    def test_without_accounting_it_says_the_same(self, stories):
        story = stories["light"]
        columns = ["task", "run", "slurm", "run_state", "kind"]
        pd.testing.assert_frame_equal(story.forgetful[columns], story.first[columns])

    def test_a_task_with_several_runs_has_a_row_for_each(self, stories):
        first = stories["several"].first
        assert sorted(first["task"].value_counts()) == [1, 2]
        assert set(first["kind"]) == {"finished"}
        assert len(stories["inside"].first) == 2, "all runs in one task"

    def test_the_text_for_a_terminal(self, stories):
        text = slurm.describe(stories["light"].first)
        assert "code error: ValueError: this learning rate raises" in text
        assert "1 no work left" in text.splitlines()[0]


class TestBreaker:
    def test_it_cancels_what_is_left_and_says_so(self, stories):
        story = stories["broken"]
        assert list(story.first["kind"]) == ["lost", "code error", "cancelled", "cancelled"]
        words = "2 tasks in a row failed, so the 2 that had not started were cancelled"
        assert story.first["cause"].iloc[-1] == f"cancelled: {words}"
        assert words in story.log(story.first["task"].iloc[1])


class TestRuns:
    def test_an_interrupted_run_has_one_continuous_history(self, stories):
        for name, count in {"trainer": 3, "node": 1, "driven out": 1}.items():
            runs = stories[name].runs().values()
            assert len(runs) == count
            for run in runs:
                assert run.state == "finished"
                assert [row["Epoch"] for row in run.scan_history()] == [1, 2, 3, 4]
                assert run.summary["Array Task"].startswith(stories[name].job.job_id)
                assert not (home() / "checkpoints" / f"{run.id}.pt").exists()

    def test_no_task_sees_the_key_and_modules_are_loaded(self, stories, environment, cluster):
        seen = list((home() / "logs").glob("*/*/environment.json"))
        assert len(seen) >= 8
        # By polling, SLURM kills a task whole, and its script can't clean up.
        is_polled = cluster.out_of_memory[0] == "FAILED"
        left = {stories["light"].row(trial.HOGS)["task"]} if is_polled else set()
        for file in seen:
            variables = json.loads(file.read_text())
            assert not [name for name, value in variables.items() if environment in value]
            assert variables["WORKSHOP_TEST_MODULE"] == "loaded"
            assert variables["TMPDIR"].startswith("/var/tmp/sweep-"), "as the site profile says"
            temporary = Path(variables["TMPDIR"])
            assert temporary.exists() == ("_".join(file.parts[-3:-1]) in left)
            shutil.rmtree(temporary, ignore_errors=True)
        jobs = cluster.command("scontrol", "show", "job", "--details")
        assert environment not in jobs

    def test_submitting_inside_a_job_says_what_is_left_out(self, stories):
        story = stories["inside"]
        removed = re.search("removed from it: (.*)", story.printed)[1]
        for name in ("SLURM_JOB_ID", "SLURM_MEM_PER_CPU", "SBATCH_PARTITION"):
            assert name in removed
        folder = home() / "logs" / story.job.job_id / "1"
        assert "SLURM_MEM_PER_CPU" not in json.loads((folder / "environment.json").read_text())
        assert {run.state for run in story.runs().values()} == {"finished"}


class TestRepair:
    def test_the_account_before(self, stories):
        gaps = stories["light"].gaps
        assert (gaps.expected, gaps.done, gaps.live, gaps.missing) == (7, 1, 0, 0)
        failed = {run.values["learning_rate"] for run in gaps.failed}
        assert failed == {*trial.ENDED, trial.RAISES, trial.HOGS}
        gaps = stories["broken"].gaps
        assert (gaps.expected, gaps.done, gaps.missing, len(gaps.failed)) == (4, 0, 2, 2)
        assert [point["learning_rate"] for point in gaps.points] == [0.6, 0.61]

    @pytest.mark.parametrize(("name", "tasks"), [("light", 6), ("broken", 4)])
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
                rf"out of memory: .*; its run continued in task {story.job.job_id}_\d",
                rows.loc[task, "cause"],
            )

    def test_a_complete_sweep_needs_no_repair(self, stories):
        said = []
        assert slurm.repair(stories["light"].path, show=said.append) is None
        assert said[0].startswith("7 of 7 points done")
        assert said[-1] == "nothing to repair"
        with pytest.raises(WorkshopError, match="nothing left to do"):
            slurm.plan(stories["light"].path)


class TestCommands:
    def test_submit_prints_what_it_submits_and_that_the_server_is_reached(self, stories):
        printed = stories["several"].printed
        assert "# a probe: can a node reach the server?" in printed
        assert "with the key and the sweep" in printed
        assert stories["several"].job.tasks == 2

    def test_status_prints_the_ledger_and_repair_that_nothing_is_missing(self, stories):
        path = stories["several"].path
        which, counts, head, *rows = workshop("status", path).splitlines()
        assert which.startswith("W&B: ")
        assert counts == "3 finished"
        assert head.split()[:3] == ["task", "run", "configuration"]
        assert len(rows) == 3
        assert workshop("repair", path).splitlines()[-1] == "nothing to repair"
        assert "3 of 3 points done" in workshop("repair", path, "--dry-run")
