"""The unmodified wandb client in everything that sweeps and their runs go through."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.fixtures.server import RunningServer
from tests.server import flows

READ = """
import json, sys, wandb
api = wandb.Api()

def read(path):
    sweep = api.sweep(path)
    best = sweep.best_run()
    return {
        "state": sweep.state,
        "expected": sweep.expected_run_count,
        "best": sweep._attrs["bestLoss"],
        "best run": best.summary.get("loss"),
        "order": sweep.order,
        "agents": [[agent._attrs["state"], agent._attrs["totalRuns"]] for agent in sweep.agents()],
        "runs": [
            {
                "state": run.state,
                "config": run.config,
                "i": [row.get("i") for row in run.scan_history(use_cache=False)],
            }
            for run in sweep.runs
        ],
    }

def found(project, **filters):
    return [sweep.id for sweep in api.project(project).sweeps(filters=filters)]

paths = json.loads(sys.argv[1])
sweeps = {name: read(path) for name, path in paths.items()}
if "canceled" in paths:
    name = paths["canceled"].split("/")[2]
    filters = [found("canceled", state="CANCELED") == [name], found("canceled", state="x")]
    sweeps["filters"] = filters
    sweeps["projects"] = {name: len(api.runs(f"local/{name}")) for name in ("scheduler-wandb",)}
print(json.dumps(sweeps))
"""


@pytest.fixture(scope="module")
def server_of(server_alone, local_server) -> Callable[[Callable], RunningServer]:
    """Returns the server of a flow: one that has nothing but its own packages.

    Bayes has the kit's, because its Gaussian process needs PyTorch.
    """
    return lambda function: local_server if function is flows.bayes else server_alone


@pytest.fixture(scope="module")
def flow(server_of, server_alone, local_server) -> Iterator[Callable[[str], dict]]:
    """Returns what a flow saw, waiting for it; all start together."""
    for server in (server_alone, local_server):
        (server.home / flows.PROGRAM).write_text(flows.TRAIN)
    with ThreadPoolExecutor(len(flows.ALL)) as pool:
        started: dict[str, Future] = {
            function.__name__: pool.submit(function, server_of(function)) for function in flows.ALL
        }
        yield lambda name: started[name].result()


@pytest.fixture(scope="module")
def sweeps(server_of, server_alone, local_server, flow) -> dict:
    """What the public API says of each flow's sweep after its end."""
    said = {}
    for server in (server_alone, local_server):
        paths = {
            function.__name__: flow(function.__name__)["path"]
            for function in flows.ALL
            if function is not flows.moved and server_of(function) is server
        }
        said |= server.python(READ, json.dumps(paths), timeout=flows.PATIENCE)
    return said


def states(sweep: dict) -> list[str]:
    return [run["state"] for run in sweep["runs"]]


def points(sweep: dict) -> list[float]:
    return sorted(run["config"]["x"] for run in sweep["runs"])


def test_bayes_gives_parallel_agents_different_points_until_the_run_cap(flow, sweeps):
    sweep = sweeps["bayes"]
    assert sweep["state"] == "FINISHED"
    assert sweep["expected"] == 7
    assert states(sweep) == ["finished"] * 7
    assert len(set(points(sweep))) == 7
    assert sum(runs for _, runs in sweep["agents"]) == 7
    assert (
        sweep["best"]
        == sweep["best run"]
        == pytest.approx(min((x - 0.3) ** 2 for x in points(sweep)) + 1 / 3)
    )
    assert sweep["order"] == "+summary_metrics.loss"


def test_hyperband_kills_the_worse_run_and_the_agent_ends(flow, sweeps):
    sweep = sweeps["hyperband"]
    assert sweep["state"] == "FINISHED"
    by_x = {run["config"]["x"]: run for run in sweep["runs"]}
    assert by_x[0.3]["state"] == "finished"
    assert by_x[0.9]["state"] == "killed"
    assert by_x[0.3]["i"] == list(range(20))
    assert by_x[0.9]["i"] == list(range(len(by_x[0.9]["i"])))
    assert len(by_x[0.9]["i"]) < 900
    assert "received command: stop" in "".join(flow("hyperband")["printed"])


def test_the_scheduler_of_wandb_runs_a_sweep_to_its_end(flow, sweeps):
    sweep = sweeps["wandb_scheduler"]
    assert sweep["state"] == "FINISHED"
    assert states(sweep) == ["finished"] * 2
    assert points(sweep) == [0.1, 0.2]
    assert "the search space is exhausted" in flow("wandb_scheduler")["printed"]
    assert sweeps["projects"]["scheduler-wandb"] == 2  # without the run of the scheduler's console


def test_the_scheduler_of_optuna_runs_a_sweep_to_its_run_cap(flow, sweeps):
    sweep = sweeps["optuna_scheduler"]
    assert sweep["state"] == "FINISHED"
    assert states(sweep).count("finished") >= 2
    assert "the run cap was hit" in flow("optuna_scheduler")["printed"]


def test_the_local_controller_runs_a_sweep_to_its_end(flow, sweeps):
    sweep = sweeps["controller"]
    assert sweep["state"] == "FINISHED"
    assert states(sweep) == ["finished"] * 2
    assert points(sweep) == [0.1, 0.2]
    # It looks every five seconds, and at the end no more.
    assert "| Runs: 2 (" in flow("controller")["printed"]


def test_prior_runs_are_not_tried_again_and_a_changed_sweep_goes_on(flow, sweeps):
    seen = flow("prior_runs")
    assert "There is no run 'nobody' in the project local/prior" in seen["missing"]
    assert seen["states"] == ["FINISHED", "RUNNING", "PAUSED", "RUNNING"]
    assert sweeps["prior_runs"]["state"] == "FINISHED"
    assert points(sweeps["prior_runs"]) == [0.1, 0.2, 0.3, 0.4]
    assert len(sweeps["prior_runs"]["agents"]) == 2


def test_a_bare_sweep_id_is_enough_and_the_wrong_project_is_told(flow):
    seen = flow("prior_runs")
    assert seen["short"] == ["FINISHED", 4]
    assert "or unset WANDB_PROJECT" in seen["elsewhere"]


def test_a_preempted_run_goes_on_with_one_history(flow, sweeps):
    sweep = sweeps["preempted"]
    assert sweep["state"] == "FINISHED"
    assert states(sweep) == ["finished"]
    assert sweep["runs"][0]["i"] == list(range(9))
    assert sweep["agents"] == [["FINISHED", 1]]
    assert "received command: resume" in flow("preempted")["printed"][0]


def test_a_sweep_is_paused_resumed_and_stopped_while_its_agent_runs(flow, sweeps):
    assert flow("paused")["waiting"] == ["PAUSED", 1]
    assert sweeps["paused"]["state"] == "FINISHED"
    assert states(sweeps["paused"]) == ["finished"] * 2
    assert "received command: exit" in flow("paused")["printed"]


def test_a_canceled_sweep_ends_its_agent_and_kills_its_run(flow, sweeps):
    assert sweeps["canceled"]["state"] == "CANCELED"
    assert states(sweeps["canceled"]) == ["killed"]
    assert "received command: exit" in flow("canceled")["printed"]
    assert sweeps["filters"] == [True, []]


def test_a_run_in_an_agents_own_process_is_stopped_and_the_next_one_runs(sweeps):
    sweep = sweeps["stopped_in_process"]
    assert sweep["state"] == "FINISHED"
    assert states(sweep) == ["killed", "finished"]
    assert sweep["runs"][1]["i"] == [0, 1, 2]


def test_a_run_of_an_agent_is_stopped(flow, sweeps):
    assert states(sweeps["stopped_by_agent"]) == ["killed"]
    assert sweeps["stopped_by_agent"]["state"] == "FINISHED"
    assert "received command: exit" in flow("stopped_by_agent")["printed"]


def test_offline_runs_are_synced_once_though_they_are_sent_twice(flow, sweeps):
    seen = flow("offline")
    assert seen["before"] == "failed"  # for all that the server heard
    assert states(sweeps["offline"]) == ["finished"]
    assert sweeps["offline"]["runs"][0]["i"] == [0, 1, 2]
    assert seen["runs"]["ended"] == ["finished", list(range(20))]
    state, rows = seen["runs"]["killed"]
    assert state == "failed"
    assert rows == list(range(len(rows)))
    assert rows


def test_runs_are_taken_back_forked_and_set_to_states(flow):
    seen = flow("moved")
    assert (seen["rewound at"], seen["forked at"], seen["started at"]) == (3, 2, 0)
    assert seen["rewound"] == [
        "finished", 4, 1, {"c": 1}, [[0, 0], [1, 1], [2, 2], [3, 0], [4, 1]],
    ]  # fmt: skip
    assert seen["forked"] == ["finished", 2, 0, {}, [[0, 0], [1, 1], [2, 0]]]
    assert "There is no run local/moved/missing to rewind" in seen["missing"]
    assert seen["created"] == "pending"
    assert seen["orders"][:2] == [True, True]
    assert "is pending and cannot be set to 'finished'" in seen["orders"][2]
    assert seen["started"] == ["finished", 1, 1, {}, [[0, 0], [1, 1]]]
    assert seen["running"] == "running"
    assert seen["left"] == ["a", "b", "c"]
