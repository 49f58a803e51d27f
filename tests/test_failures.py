"""What the failure lab breaks shows where the lab says that it shows."""

import urllib.request

import nbformat
import pandas as pd
import pytest
import wandb

from tests.waiting import wait_for
from workshop import failure_lab
from workshop.analyze.ranking import left_out, rank
from workshop.batch.execution import execute
from workshop.define import definition
from workshop.define.linter import lint
from workshop.errors import WorkshopError
from workshop.failure_lab import FAILURES, STRUCK
from workshop.failure_lab.cluster_failures import LEVERS
from workshop.initialize import registration
from workshop.initialize.run_tables import fetch_runs
from workshop.paths import NOTEBOOKS
from workshop.run_agents import rehearsal, slurm

PROJECT = "failures"
(LAB,) = NOTEBOOKS.glob("06_*.ipynb")


class Case:
    """A sweep that was broken, and what the notebook has shown of it."""

    def __init__(self, path, notebook):
        self.path = path
        self.sweep = registration.get(path)
        command = self.sweep.config["command"]
        self.failure = command[command.index(failure_lab.PROGRAM) + 1]
        self.runs = fetch_runs(path)
        self.metric = self.sweep.config["metric"]["name"]
        self.notebook = nbformat.read(notebook, as_version=4)

    def printed(self, word: str) -> list[str]:
        """Return the lines that the cells with a word in their source have printed."""
        return [
            line.strip()
            for cell in self.notebook.cells
            if cell.cell_type == "code" and word in cell.source
            for output in cell.outputs
            for line in output.get("text", "").splitlines()
        ]

    def remarks(self) -> list[str]:
        return self.printed("remarkable")

    def left(self) -> list[str]:
        """Return how many runs were never handed out, before and after the notebook's last cell."""
        lines = self.printed("never handed out")
        return [line.split()[-1] for line in lines if line.startswith("never handed out")]

    def struck(self) -> pd.Series:
        (run,) = self.runs[self.runs["learning_rate"] == STRUCK].to_dict("records")
        return run

    def page(self) -> str:
        """Return the page of the run that was struck."""
        url = wandb.Api().run(self.struck()["path"]).url
        return urllib.request.urlopen(url).read().decode()


def registered(project):
    """Return the paths of a project's sweeps by the failures that they are for."""
    found = {}
    for one in wandb.Api().project(project, wandb.Api().default_entity).sweeps():
        command = one.config["command"]
        found[command[command.index(failure_lab.PROGRAM) + 1]] = "/".join(one.path)
    return found


@pytest.fixture(scope="module")
def case(server, tmp_path_factory, request):
    """Execute the notebook for a failure; return what is left of it."""
    failure = request.param
    if failure in LEVERS:
        request.getfixturevalue("slurm_installed")
    project = f"{PROJECT}-{failure}"
    notebook = tmp_path_factory.mktemp("lab") / f"{failure}.ipynb"
    parameters = {"failure": failure, "diagnosis": failure, "project": project}
    with rehearsal.session():
        execute(LAB, notebook, parameters, lambda source: None)
    path = registered(project)[failure]
    # The trial of an agent that was killed goes on without it.
    wait_for(lambda: not registration.states(path)["running"], every=0.5)
    return Case(path, notebook)


IN_SHORT = "local_dict"
"""The failure that `make test` looks at."""


def about(*failures: str) -> pytest.MarkDecorator:
    """Run a test for failures, whose tests share an execution of the notebook."""
    return pytest.mark.parametrize("case", [marked(failure) for failure in failures], indirect=True)


def marked(failure: str):
    marks = [pytest.mark.xdist_group(f"failure lab: {failure}")]
    marks += [pytest.mark.slurm] if failure in LEVERS else []
    marks += [pytest.mark.slow] if failure != IN_SHORT else []
    return pytest.param(failure, marks=marks)


@about("metric_name")
def test_misspelt_metric_ranks_nothing_though_all_runs_finished(case):
    assert set(case.runs["state"]) == {"finished"}
    assert case.runs["Validation Accuracy"].notna().all()
    assert rank(case.runs, case.metric).empty
    reasons = left_out(case.runs, case.metric)["reason"]
    assert reasons.str.contains("without a Validation Acuracy: it was never logged").all()
    assert any("did you mean 'Validation Accuracy'" in found for found in lint(case.sweep.config))


@about("local_dict")
def test_local_dict_shows_in_requested_and_effective_values(case):
    runs = case.runs
    assert sorted(runs["learning_rate"]) == [0.001, STRUCK]
    assert set(runs["Effective Learning Rate"]) == {0.0005}
    assert runs["Train Loss"].nunique() == 1


@about("diverged")
def test_diverged_run_is_finished_with_values_that_are_no_numbers(case):
    healthy, diverged = case.runs.sort_values("learning_rate").to_dict("records")
    assert diverged["state"] == healthy["state"] == "finished"
    assert pd.isna(diverged["Train Loss"])
    assert diverged["Validation Accuracy"] < 20
    assert pd.notna(healthy["Train Loss"])
    assert list(left_out(case.runs, "Validation Loss")["run"]) == [diverged["run"]]
    assert case.remarks() == [
        "agent-1.log:", "diverged: learning_rate 10000000000.0 may be too high"
    ]  # fmt: skip


@about("crash")
def test_crash_is_told_by_state_log_and_page(case):
    words = "RuntimeError: cannot decode image 217: the file is truncated"
    assert sorted(case.runs["state"]) == ["failed", "finished"]
    assert case.struck()["state"] == "failed"
    assert case.left() == ["0", "0"]
    assert case.remarks() == ["agent-1.log:", words]
    assert wandb.Api().run(case.struck()["path"]).lastHistoryStep == 1
    assert words in case.page()


@about("agent_killed")
def test_killed_agent_leaves_a_run_that_the_next_agent_gets(case):
    assert any("ended with exit status -9" in line for line in case.printed("run_agents"))
    assert "sweep: RUNNING" in case.printed("states(sweep)")
    assert case.remarks() == ["agent-1.log:"]
    assert case.left() == ["1", "0"]
    assert list(case.runs["state"]) == ["finished", "finished"], "its trial went on alone"


@about("duplicate")
def test_short_list_is_drawn_twice(case):
    runs = case.runs
    assert len(runs) == 3
    twins = runs[runs["learning_rate"].duplicated(keep=False)]
    assert len(twins) >= 2
    assert (twins.groupby("learning_rate")["Train Loss"].nunique() == 1).all()


@about("time_limit")
def test_run_over_the_time_limit_goes_on_in_the_next_task(case):
    first, *_, ending, second, beginning = case.remarks()
    assert (first, second) == ("agent-1.log:", "agent-2.log:")
    assert ending.startswith("preempted: this task nears its time limit")
    assert beginning.startswith("resumed after epoch 1 from ")
    assert case.left() == ["1", "0"], "two tasks for two runs were too few"
    assert list(case.runs["state"]) == ["finished", "finished"]
    history = list(wandb.Api().run(case.struck()["path"]).scan_history(keys=["Epoch"]))
    assert [row["Epoch"] for row in history] == [1, 2]
    assert "preempted: " in case.page()


def struck_tasks(case) -> list[dict]:
    """Return the ledger's rows for the run that was struck, the first task first."""
    ledger = slurm.ledger(case.path)
    columns = ["slurm", "starts", "kind", "cause"]
    return ledger.loc[ledger["run"] == case.struck()["run"], columns].to_dict("records")


def epochs(case) -> list[int]:
    """Return the epochs in the history of the run that was struck."""
    history = wandb.Api().run(case.struck()["path"]).scan_history(keys=["Epoch"])
    return [row["Epoch"] for row in history]


@about("node_crash")
def test_a_run_goes_on_after_its_node_went_down(case):
    (row,) = struck_tasks(case)
    assert (row["slurm"], row["starts"], row["kind"]) == ("COMPLETED", 2, "node failure")
    assert any(line.startswith("resumed after epoch 1") for line in case.remarks())
    assert not any(line.startswith("preempted: ") for line in case.remarks())
    assert list(case.runs["state"]) == ["finished", "finished"]
    assert epochs(case) == [1, 2]


@about("preemption")
def test_a_run_goes_on_after_another_job_took_its_place(case):
    (row,) = struck_tasks(case)
    assert (row["slurm"], row["starts"]) == ("COMPLETED", 2)
    assert row["cause"].startswith("preempted and resumed: it was preempted: another job took its")
    remarks = [line.partition(" ")[0] for line in case.remarks()]
    assert remarks.index("preempted:") < remarks.index("resumed")
    assert list(case.runs["state"]) == ["finished", "finished"]
    assert epochs(case) == [1, 2]


@about("out_of_time")
def test_a_run_whose_time_was_over_needs_a_repair(case):
    first, second = struck_tasks(case)
    assert (first["slurm"], first["starts"], second["kind"]) == ("TIMEOUT", 1, "finished")
    assert any("time limit" in line for line in case.printed("slurm.describe"))
    assert "runs: {'finished': 2}" in case.printed("go_on")
    assert epochs(case) == [1, 2]


@about(*FAILURES)
def test_diagnosis_is_judged(case, capsys):
    path, failure = case.path, case.failure
    assert case.printed("failure_lab.diagnose")[0] == f"right: {FAILURES[failure].broken}"
    for diagnosis in FAILURES:
        assert failure_lab.diagnose(path, diagnosis) == (diagnosis == failure)
        said = capsys.readouterr().out
        assert (FAILURES[failure].cure in said) == (diagnosis == failure)
        assert (FAILURES[diagnosis].sign in said) == (diagnosis != failure)


def test_failure_that_there_is_not_is_a_sentence(server):
    with pytest.raises(WorkshopError, match=r"no failure 'crush' \(did you mean 'crash'\?\)"):
        failure_lab.register("crush", f"{PROJECT}-others")
    path = registration.register(definition.load("configs/sweep_config.yaml"), f"{PROJECT}-others")
    with pytest.raises(WorkshopError, match="was not created by the failure lab"):
        failure_lab.diagnose(path, "crash")


def test_surprise_is_one_of_them(server, capsys):
    path = failure_lab.register(failure_lab.SURPRISE, f"{PROJECT}-others")
    assert sum(failure_lab.diagnose(path, failure) for failure in FAILURES) == 1
    capsys.readouterr()
    assert not failure_lab.diagnose(path, "")
    assert capsys.readouterr().out.startswith("no diagnosis yet: name what you suspect, one of ")


def test_notebook_plans_its_array_for_the_site_that_is_named(server, tmp_path):
    parameters = {"runner": "slurm_array", "site": "nowhere", "project": f"{PROJECT}-others"}
    with pytest.raises(WorkshopError, match=r"06_failure_lab.*\n.*run_agents.*\n.*nowhere"):
        execute(LAB, tmp_path / "lab.ipynb", parameters, lambda source: None)


@pytest.mark.slurm
@pytest.mark.slow
@pytest.mark.xdist_group("cluster 2")
def test_killed_agent_of_an_array_shows_in_the_ledger(server, on_cluster, tmp_path):
    project, failure = f"{PROJECT}-array", "agent_killed"
    parameters = {"failure": failure, "diagnosis": failure, "project": project}
    parameters |= {"runner": "slurm_array", "site": "test_cluster"}
    execute(LAB, tmp_path / "lab.ipynb", parameters, lambda source: None)
    case = Case(registered(project)[failure], tmp_path / "lab.ipynb")
    assert case.printed("slurm.ledger")[0] == "1 finished, 1 lost"
    assert case.left() == ["0", "0"], "the other task took the other run"
    assert case.printed("failure_lab.diagnose")[0].startswith("right: ")
