"""What the failure lab breaks shows where the lab says that it shows."""

import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import wandb

from workshop import agents, failures, sweep
from workshop.analysis import fetch_runs, left_out, rank
from workshop.errors import WorkshopError
from workshop.failing_sweep import STRUCK
from workshop.failures import FAILURES
from workshop.lint import lint

PROJECT = "failures"


class Case:
    """A sweep that was broken, and what is left of it."""

    def __init__(self, path, logs):
        self.path = path
        self.sweep = sweep.get(path)
        self.left = sweep.remaining(path)
        self.remarks = [failures.remarkable(log) for log in logs]
        self.runs = fetch_runs(path)
        self.metric = self.sweep.config["metric"]["name"]

    def struck(self) -> pd.Series:
        (run,) = self.runs[self.runs["learning_rate"] == STRUCK].to_dict("records")
        return run

    def page(self) -> str:
        """Return the page of the run that was struck."""
        url = wandb.Api().run(self.struck()["path"]).url
        return urllib.request.urlopen(url).read().decode()


@pytest.fixture(scope="module")
def cases(server):
    """Break every sweep, three at a time; return what is left of each."""
    paths = {failure: failures.register(failure, PROJECT) for failure in FAILURES}
    patch = pytest.MonkeyPatch()
    # A thread for each trial: agents of two sweeps know nothing of each other.
    patch.setenv("SLURM_CPUS_PER_TASK", "1")
    with ThreadPoolExecutor(3) as pool:
        logs = dict(zip(paths, pool.map(failures.run_agents, paths.values()), strict=True))
    patch.undo()
    deadline = time.monotonic() + 120  # the trial of the killed agent goes on without it
    while sweep.states(paths["agent_killed"])["running"] and time.monotonic() < deadline:
        time.sleep(0.5)
    return {failure: Case(path, logs[failure]) for failure, path in paths.items()}


pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # half a minute on a quiet machine


def test_misspelt_metric_ranks_nothing_though_all_runs_finished(cases):
    case = cases["metric_name"]
    assert set(case.runs["state"]) == {"finished"}
    assert case.runs["Validation Accuracy"].notna().all()
    assert rank(case.runs, case.metric).empty
    reasons = left_out(case.runs, case.metric)["reason"]
    assert reasons.str.contains("without a Validation Acuracy: it was never logged").all()
    assert any("did you mean 'Validation Accuracy'" in found for found in lint(case.sweep.config))


def test_local_dict_shows_in_requested_and_effective_values(cases):
    runs = cases["local_dict"].runs
    assert sorted(runs["learning_rate"]) == [0.001, STRUCK]
    assert set(runs["Effective Learning Rate"]) == {0.0005}
    assert runs["Train Loss"].nunique() == 1


def test_diverged_run_is_finished_with_values_that_are_no_numbers(cases):
    case = cases["diverged"]
    healthy, diverged = case.runs.sort_values("learning_rate").to_dict("records")
    assert diverged["state"] == healthy["state"] == "finished"
    assert pd.isna(diverged["Train Loss"])
    assert diverged["Validation Accuracy"] < 20
    assert pd.notna(healthy["Train Loss"])
    assert list(left_out(case.runs, "Validation Loss")["run"]) == [diverged["run"]]
    assert case.remarks == [["diverged: learning_rate 10000000000.0 may be too high"]]


def test_crash_is_told_by_state_log_and_page(cases):
    case = cases["crash"]
    words = "RuntimeError: cannot decode image 217: the file is truncated"
    assert sorted(case.runs["state"]) == ["failed", "finished"]
    assert case.struck()["state"] == "failed"
    assert case.left == 0
    assert case.remarks == [[words]]
    assert wandb.Api().run(case.struck()["path"]).lastHistoryStep == 1
    assert words in case.page()


def test_killed_agent_leaves_a_sweep_that_waits(cases):
    case = cases["agent_killed"]
    assert case.sweep.state == "RUNNING"
    assert case.left == 1
    assert list(case.runs["state"]) == ["finished"], "its trial went on alone"
    assert case.remarks == [[]]


def test_short_list_is_drawn_twice(cases):
    runs = cases["duplicate"].runs
    assert len(runs) == 3
    twins = runs[runs["learning_rate"].duplicated(keep=False)]
    assert len(twins) >= 2
    assert (twins.groupby("learning_rate")["Train Loss"].nunique() == 1).all()


def test_run_over_the_time_limit_goes_on_in_the_next_task(cases):
    case = cases["time_limit"]
    first, second = case.remarks
    assert first[-1].startswith("preempted: this task's time is over")
    assert second[0].startswith("resumed after epoch 1 from ")
    assert list(case.runs["state"]) == ["finished"]
    assert case.left == 1, "two tasks for two runs were too few"
    history = list(wandb.Api().run(case.struck()["path"]).scan_history(keys=["Epoch"]))
    assert [row["Epoch"] for row in history] == [1, 2]
    assert "preempted: " in case.page()


def test_what_is_left_is_done_by_another_agent(cases):
    path = cases["agent_killed"].path
    agents.run_processes(path, tasks=1)
    assert sweep.remaining(path) == 0
    assert sweep.states(path) == {"finished": 2}


@pytest.mark.parametrize("failure", FAILURES)
def test_diagnosis_is_judged(cases, failure, capsys):
    path = cases[failure].path
    for diagnosis in FAILURES:
        assert failures.diagnose(path, diagnosis) == (diagnosis == failure)
        said = capsys.readouterr().out
        assert (FAILURES[failure].cure in said) == (diagnosis == failure)
        assert (FAILURES[diagnosis].sign in said) == (diagnosis != failure)


def test_failure_that_there_is_not_is_a_sentence(server):
    with pytest.raises(WorkshopError, match=r"no failure 'crush' \(did you mean 'crash'\?\)"):
        failures.register("crush", PROJECT)
    path = sweep.register(sweep.load("configs/sweep_config.yaml"), PROJECT)
    with pytest.raises(WorkshopError, match="is none of the failure lab"):
        failures.diagnose(path, "crash")


def test_surprise_is_one_of_them(server):
    path = failures.register(failures.SURPRISE, PROJECT)
    assert sum(failures.diagnose(path, failure) for failure in FAILURES) == 1
