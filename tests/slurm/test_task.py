"""What a task notes, and what it makes of its own notes, without SLURM."""

import dataclasses
import os
import time

import pytest
import wandb

from tests.slurm.trial import register
from workshop.connection import reachability
from workshop.errors import WorkshopError
from workshop.run_agents.slurm import journal, task
from workshop.run_agents.slurm.accounting import SlurmStart
from workshop.run_agents.slurm.journal import Start
from workshop.run_agents.slurm.task import REQUEUE, fruitless


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder of task 1 of array 17, started once."""
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    folder = journal.folder("17") / "1"
    folder.mkdir(parents=True)
    monkeypatch.setenv("WANDB_DIR", str(folder))
    journal.write(folder, "start", "node1")
    (folder / "started").touch()
    return folder


def start(warned=True, **runs):
    return Start(0, "node1", warned=warned, runs={run: ("preempted", runs[run]) for run in runs})


def driven_out(**runs):
    return dataclasses.replace(start(**runs), preempted=True)


class TestEnd:
    @pytest.fixture(autouse=True)
    def sweep(self, server, place):
        self.path = register(0.1)
        self.place = place

    def give(self, run):
        values = self.place / "wandb" / f"sweep-{self.path.split('/')[2]}" / f"config-{run}.yaml"
        values.parent.mkdir(parents=True)
        values.write_text("learning_rate:\n  value: 0.1\n")

    def run(self, exit_code):
        entity, project, _ = self.path.split("/")
        with wandb.init(entity=entity, project=project) as run:
            run.log({"x": 1})
            run.finish(exit_code)
        self.give(run.id)
        return run.id

    def test_no_run_means_that_the_task_was_surplus(self, capsys):
        assert task.end(self.path, 0, warned=False) == 0
        assert f"no work left for this task, because sweep {self.path}" in capsys.readouterr().out
        assert journal.read("17", 1).starts[-1].surplus == "pending"

    def test_an_agent_that_failed_before_it_got_a_run_is_no_success(self, capsys):
        assert task.end(self.path, 143, warned=False) == 1
        assert "its agent ended with exit status 143" in capsys.readouterr().out

    def test_an_agent_that_gave_up_is_no_success_although_its_runs_finished(self, capsys):
        self.run(0)
        log = self.place.with_suffix(".out")
        journal.write(self.place, "log", str(log))
        words = "Detected 3 failed runs in the first 60 seconds, shutting down"
        start = "Array 17, task 1 on node1: an agent for all of the runs of e/p/s\n"
        log.write_text(f"{start}x - wandb.wandb_agent - ERROR - {words}.\n")
        assert task.end(self.path, 0, warned=False) == 1
        assert f"the agent gave up, so exit status 0 doesn't mean success: {words}" in (
            capsys.readouterr().out
        )
        assert journal.read("17", 1).starts[-1].gave_up == words
        with log.open("a") as file:
            file.write(start)
        assert task.end(self.path, 0, warned=False) == 0, "that was an earlier start"

    @pytest.mark.parametrize(("exit_code", "state"), [(0, "finished"), (1, "failed")])
    def test_the_exit_status_is_that_of_the_run(self, exit_code, state):
        run = self.run(exit_code)
        assert task.end(self.path, 0, warned=False) == exit_code
        assert journal.read("17", 1).starts[-1].runs == {run: (state, 0)}

    def test_a_warned_task_goes_on_unless_its_work_is_done(self):
        assert task.end(self.path, 130, warned=True) == REQUEUE
        self.run(0)
        assert task.end(self.path, 130, warned=True) == 0

    def test_a_task_whose_starts_bring_no_epoch_is_not_started_again(self, capsys):
        for _ in range(2):
            journal.write(self.place, "start", "node1")
            journal.write(self.place, "warned")
        assert task.end(self.path, 130, warned=True) == 1
        assert "give it more time than one epoch takes" in capsys.readouterr().out

    def test_a_run_that_the_server_does_not_know_is_no_success(self):
        self.give("k3m9")
        with pytest.raises(WorkshopError, match=r"could not be asked.*k3m9"):
            task.end(self.path, 0, warned=False)

    def test_a_sweep_that_does_not_exist_is_no_success(self):
        with pytest.raises(
            WorkshopError, match=r"could not be asked.*slurm/nosweep is entity/project"
        ):
            task.end(self.path.rpartition("/")[0] + "/nosweep", 0, warned=False)

    def test_the_server_is_awaited_before_the_agent(self, capsys, monkeypatch):
        answers = iter([False, False, True])

        def check_reachable(url):
            if not next(answers):
                raise WorkshopError(f"the W&B server at {url} cannot be reached")

        monkeypatch.setattr(reachability, "check_reachable", check_reachable)
        task.begin(self.path)
        said = capsys.readouterr().out
        assert said.count("cannot be reached; trying again, for up to 600 s") == 1
        assert "is back" in said
        last = journal.read("17", 1).starts[-1]
        assert (last.outage, last.away) == (True, False)

    def test_waiting_for_the_server_has_an_end(self, capsys, monkeypatch):
        monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("WORKSHOP_IDLE_SECONDS", "0.1")
        monkeypatch.setattr(reachability, "ANSWER_LIMIT_S", 0.1)
        for ask in (lambda: task.begin(self.path), lambda: task.end(self.path, 1, warned=False)):
            with pytest.raises(
                WorkshopError, match=r"127.0.0.1:9 did not answer within 0.1 s: once"
            ):
                ask()
        assert journal.read("17", 1).starts[-1].away

    def test_a_run_that_was_cut_off_goes_back_unless_another_task_has_it(self):
        run = self.run(1)
        task.again(self.path)
        api = wandb.Api()
        assert api.run(f"{self.path.rpartition('/')[0]}/{run}").state == "failed", "it said so"
        entity, project, _ = self.path.split("/")
        open_run = wandb.init(entity=entity, project=project)
        (self.place / "wandb").rename(self.place / "old")
        self.give(open_run.id)
        values = journal.given(self.place, self.path)[0].file
        later = journal.folder("18") / "1" / values.relative_to(self.place)
        later.parent.mkdir(parents=True)
        later.write_text("{}")
        os.utime(later, (time.time() + 60,) * 2)
        task.again(self.path)
        assert api.run(f"{entity}/{project}/{open_run.id}").state == "running"
        later.unlink()
        task.again(self.path)
        assert wandb.Api().run(f"{entity}/{project}/{open_run.id}").state == "preempted"


@pytest.mark.parametrize(
    ("starts", "count"),
    [
        ([start(a=3)], 0),
        ([start(a=-1)], 1),
        ([start()], 1),
        ([start(a=3), start(a=3)], 1),
        ([start(a=3), start(a=3), start(a=3)], 2),
        ([start(a=3), start(a=3), start(a=4)], 0),
        ([start(a=3), start(b=0)], 0),
        ([start(), start(warned=False)], 0),
        ([start(a=3), driven_out(a=3), start(a=3), driven_out(a=3)], 1),
    ],
)
def test_starts_that_brought_no_run_further_are_counted(starts, count):
    assert fruitless(starts) == count


class TestBreaker:
    def outcome(self, number, *words):
        place = journal.folder("17") / str(number)
        place.mkdir(exist_ok=True)
        with (place / "notes").open("w") as file:
            for second, word in enumerate(("start node1", *words)):
                name, _, text = word.partition(" ")
                file.write(f"{100 * number + second}\t{name}\t{text}\n")

    def known(self, *tasks, state):
        return {task: SlurmStart(task, state) for task in tasks}

    def test_failures_since_the_last_success_are_counted(self, place):
        self.outcome(1, "end 1")
        self.outcome(2, "end 0")
        self.outcome(3, "end 1")
        self.outcome(4)  # killed
        self.outcome(5, "warned", "requeue", "end 0")  # says nothing yet
        self.outcome(6)  # runs
        assert task.failures_in_a_row("17", self.known(6, state="RUNNING")) == 2
        assert task.failures_in_a_row("17", {}) == 3

    def test_it_does_not_ask_slurm_without_need(self, place, monkeypatch):
        monkeypatch.setenv("PATH", "/nowhere")
        self.outcome(1, "end 0")
        self.outcome(2)
        assert task.trip_breaker("17", 2) is None
        assert task.trip_breaker("17", 0) is None
        with pytest.raises(WorkshopError, match="SLURM is not installed"):
            task.trip_breaker("17", 1)

    def test_a_failure_counts_once_it_is_said_although_its_script_goes_on(self, place):
        for number in (1, 2, 3):
            self.outcome(number, "failed")
        running = self.known(1, 2, 3, state="RUNNING")
        assert task.failures_in_a_row("17", running) == 3
        self.outcome(4, "end 0")
        assert task.failures_in_a_row("17", running) == 0

    @pytest.mark.parametrize(
        ("state", "failures"),
        [("FAILED", 3), ("TIMEOUT", 3), ("OUT_OF_MEMORY", 3), ("CANCELLED", 2), ("PREEMPTED", 2)],
    )
    def test_a_task_that_slurm_ended_is_no_success(self, place, state, failures):
        self.outcome(1, "failed", "end 1")
        self.outcome(2, "failed", "end 1")
        self.outcome(3, "end 143")
        assert task.failures_in_a_row("17", self.known(3, state=state)) == failures

    def test_a_task_that_failed_before_its_agent_counts(self, place, monkeypatch):
        self.outcome(2, "failed", "end 1")
        monkeypatch.setenv("WORKSHOP_MAX_FAILURES", "2")
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(WorkshopError, match="SLURM is not installed"):  # it is asked what waits
            task.main("failed", "e/p/s")
        assert journal.read("17", 1).starts[-1].failed

    def test_an_outage_of_the_server_is_not_counted(self, place):
        self.outcome(1, "away", "failed", "end 2")
        self.outcome(2, "away", "back", "failed", "end 1")
        assert task.failures_in_a_row("17", {}) == 0
        self.outcome(3, "away", "back", "run k3m9 failed 7", "failed", "end 1")
        assert task.failures_in_a_row("17", {}) == 1, "the program has failed for itself"
