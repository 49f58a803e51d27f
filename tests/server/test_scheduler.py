"""`wandb sweep-scheduler` with Optuna's TPE and a conditional space, as the kit configures it."""

import re
import signal

import optuna
import pytest

from tests.server import flows
from tests.waiting import patience, wait_for
from workshop import define
from workshop.paths import CONFIGS, ROOT

PROGRAM = """
import math, time, wandb

with wandb.init() as run:
    accuracy = 90 - 10 * abs(math.log10(run.config["learning_rate"]) + 2)
    for epoch in range(3):
        run.log({"Validation Accuracy": accuracy * (epoch + 1) / 3})
        time.sleep(0.5)
"""
RUNS = 6
OPTIONS = ("--poll-interval", "5", "--batch-size", "2")
READ = """
import json, sys, wandb
runs = wandb.Api().sweep(sys.argv[1]).runs
print(json.dumps([[run.name, run.state, run.config, run.summary.get("Validation Accuracy")]
                  for run in runs]))
"""


@pytest.fixture(scope="module")
def space():
    """The search space, from the file that the definition names."""
    definition = define.load("configs/sweep_config_optuna.yaml")["scheduler"]
    names: dict = {}
    exec((ROOT / definition["source"]).read_text(), names)
    return names[definition["search_space"]]


@pytest.mark.parametrize(("optimizer", "has_momentum"), [("sgd", True), ("adam", False)])
def test_momentum_is_there_with_sgd_alone(space, optimizer, has_momentum):
    picked = {"optimizer": optimizer, "learning_rate": 0.01, "weight_decay": 1e-3, "momentum": 0.9}
    values = space(optuna.trial.FixedTrial(picked))
    assert ("momentum" in values) is has_momentum
    assert values["learning_rate"] == 0.01


def states(server, path) -> list[str]:
    return [run["state"] for run in flows.look(server, path)["runs"]]


@pytest.mark.slow
def test_killed_scheduler_that_starts_again_loses_and_repeats_nothing(local_server, space):
    server = local_server
    (server.home / "objective.py").write_text(PROGRAM)
    definition = define.load("configs/sweep_config_optuna.yaml")
    definition |= {"program": "objective.py", "run_cap": RUNS}
    del definition["command"]
    definition["scheduler"] |= {"source": str(CONFIGS / "optuna_search.py")}
    path = flows.command_line(server, "optuna", definition)

    first = server.popen("wandb", "sweep-scheduler", *OPTIONS, path)
    agent = server.popen("wandb", "agent", path)
    wait_for(lambda: len(seen := states(server, path)) > seen.count("finished") > 1)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    # What was proposed is run without the scheduler, and its agent then waits for more.
    wait_for(lambda: set(states(server, path)) == {"finished"})
    before = server.python(READ, path)
    assert 1 < len(before) < RUNS
    assert flows.look(server, path)["state"] == "RUNNING"
    assert agent.poll() is None

    again = server.popen("wandb", "sweep-scheduler", *OPTIONS, path)
    printed = again.communicate(timeout=patience(300))[0]
    agent.communicate(timeout=patience(120))
    assert again.returncode == 0, printed
    assert "the run cap was hit" in printed
    assert flows.look(server, path)["state"] == "FINISHED"
    # The scheduler keeps two runs in flight until the cap is reached; those beyond it never begin,
    # and the server ends them once it finds that their agent is gone.
    wait_for(lambda: "pending" not in states(server, path))
    assert set(states(server, path)) <= {"finished", "killed"}
    assert states(server, path).count("finished") == RUNS
    runs = server.python(READ, path)
    assert all(run in runs for run in before)
    points = [tuple(sorted(config.items())) for _, _, config, _ in runs]
    assert len(set(points)) == len(runs)
    for _, _, config, _ in runs:
        assert ("momentum" in config) is (config["optimizer"] == "sgd")
        assert config["scale"] == "smoke"
    # The new study knew the old runs: its own begin behind them.
    numbers = [int(number) for number in re.findall(r"Trial (\d+) finished with value", printed)]
    assert set(numbers) >= set(range(RUNS))
