"""`wandb sweep-scheduler` as a process beside warm agents."""

from functools import partial

import pytest

from tests.waiting import patience, wait_for
from workshop import define
from workshop.analyze import fetch_runs
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.run_agents import (
    run_in_process,
    run_processes,
    run_warm,
    run_with_scheduler,
    scheduled,
)

pytestmark = pytest.mark.scattered


def register(engine: str, run_cap: int) -> str:
    config = define.load("configs/sweep_config_optuna.yaml")
    config |= {"scheduler": {"engine": engine}, "run_cap": run_cap}
    config["parameters"] = {
        "scale": {"value": "tiny"},
        "num_epochs": {"value": 1},
        "learning_rate": {"distribution": "log_uniform_values", "min": 0.001, "max": 0.1},
    }
    return registration.register(config, "scheduled")


def test_scheduler_and_agents_bring_a_sweep_to_its_end(server, monkeypatch, capsys):
    monkeypatch.setattr(scheduled, "END_LIMIT_S", patience(300))
    path = register("optuna", run_cap=2)
    scheduler, *agents = run_with_scheduler(path, at_once=1)
    # What the scheduler enqueued beyond the cap is pending until the server ends it.
    wait_for(lambda: set(fetch_runs(path)["state"]) <= {"finished", "killed"})
    runs = fetch_runs(path)
    assert list(runs["state"]).count("finished") == 2
    assert runs["learning_rate"].nunique() == len(runs)
    assert "the run cap was hit" in scheduler.read_text()
    assert len(agents) == 1
    assert " ended · 2 finished" in capsys.readouterr().out


def test_scheduler_that_fails_ends_its_agents_and_is_quoted(server):
    path = register("ax", run_cap=2)
    with pytest.raises(WorkshopError, match=r"the scheduler ended with .*scheduler\.log ends with"):
        run_with_scheduler(path, at_once=1)
    assert fetch_runs(path).empty
    assert registration.get(path).state != "FINISHED"


def test_agents_without_the_scheduler_say_what_they_wait_for(server, capsys, monkeypatch):
    monkeypatch.setattr("wandb.agent", lambda *_, **__: None)
    scheduled = register("optuna", run_cap=2)
    searched = registration.register(define.load("configs/sweep_config.yaml"), "scheduled")
    for run in (run_in_process, partial(run_processes, tasks=0), partial(run_warm, at_once=0)):
        run(scheduled)
        said = f"agents of sweep {scheduled} wait for `wandb sweep-scheduler {scheduled}`: start it"
        assert said in capsys.readouterr().out
        run(searched)
        assert "agents of sweep" not in capsys.readouterr().out
