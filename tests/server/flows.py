"""What users do with sweeps, each as a function that a thread runs against a running server.

The client waits most of the time (an agent beats every five seconds), so all go on side by side.
Each returns what it saw; sweeps are read again at the end, by the path that it returns.
"""

import json
import re
import sys
from pathlib import Path

from tests.fixtures.server import RunningServer
from tests.waiting import patience, wait_for

PATIENCE = 400  # seconds; so much goes on at once
PROGRAM = "flow.py"
TRAIN = """
import argparse, os, pathlib, time, wandb

parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--steps", type=int, default=3)
parser.add_argument("--pause", type=float, default=0.0)
parser.add_argument("--preempt", type=int)
parser.add_argument("--until")
wanted = parser.parse_args()
ENDLESS = 900
parent = os.getppid()

with wandb.init(resume="allow") as run:
    start = run.starting_step
    for i in range(start, wanted.steps if wanted.x < 0.5 else ENDLESS):
        loss = (wanted.x - 0.3) ** 2 + 1 / (i + 1)
        run.log({"loss": loss, "inner": {"loss": loss}, "i": i})
        if i == wanted.preempt and not start:
            run.mark_preempting()
            raise SystemExit("preempted")
        if wanted.until and pathlib.Path(f"{wanted.until}-{wanted.x}").exists():
            break
        if os.getppid() != parent:
            raise SystemExit("the agent is gone")
        # A bad point takes for ever, unless it is stopped.
        time.sleep(wanted.pause if wanted.x < 0.5 else 1)
"""
METRIC = {"name": "loss", "goal": "minimize"}
RUNNING = """{ project(name: %s) { sweep(sweepName: %s) { id state runCount heartbeatAt
    runs { edges { node { name state historyLineCount } } } } } }"""


def configuration(method: str = "grid", metric: dict = METRIC, **more) -> dict:
    return {"program": PROGRAM, "method": method, "metric": metric, **more}


def values(*numbers: float, **constants: float) -> dict:
    """Return a sweep's parameters: values of x, and constants."""
    return {"x": {"values": list(numbers)}} | {k: {"value": v} for k, v in constants.items()}


def file_of(server: RunningServer, project: str, config: dict) -> str:
    path = server.home / f"{project}.yaml"
    path.write_text(json.dumps(config))  # which is YAML as well
    return path.name


def register(server: RunningServer, project: str, config: dict) -> str:
    """Register a sweep; return its path."""
    text = json.dumps(json.dumps(config))
    values = f"projectName: {json.dumps(project)}, config: {text}"
    reply = server.graphql(
        f"mutation {{ upsertSweep(input: {{{values}}}) {{ sweep {{ name }} }} }}"
    )
    return f"local/{project}/{reply['upsertSweep']['sweep']['name']}"


def order(server: RunningServer, path: str, state: str) -> None:
    """Set the state of a sweep."""
    values = f"id: {json.dumps(look(server, path)['id'])}, state: {json.dumps(state)}"
    server.graphql(f"mutation {{ upsertSweep(input: {{{values}}}) {{ sweep {{ name }} }} }}")


def command_line(server: RunningServer, project: str, config: dict, *options: str) -> str:
    """Register or change a sweep by the command line; return its path."""
    arguments = ("sweep", "--project", project, *options, file_of(server, project, config))
    return path_in(command(server, *arguments))


def command(server: RunningServer, *arguments: str, status: int = 0, **changes: str) -> str:
    """Run a `wandb` command that ends with a status; return what it printed."""
    ended, output = server.run("wandb", *arguments, timeout=PATIENCE, **changes)
    assert ended == status, output
    return output


def path_in(output: str) -> str:
    return re.search(r"wandb agent (\S+/\S+/\w+)", output)[1]


def run_agents(server: RunningServer, path: str, count: int = 1, **changes: str) -> list[str]:
    """Run agents until they end; return what they printed."""
    agents = [server.popen("wandb", "agent", path, **changes) for _ in range(count)]
    return [agent.communicate(timeout=patience(PATIENCE))[0] for agent in agents]


def look(server: RunningServer, path: str) -> dict:
    """Return a sweep's state and its runs."""
    _, project, name = path.split("/")
    query = RUNNING % (json.dumps(project), json.dumps(name))
    sweep = server.graphql(query)["project"]["sweep"]
    return sweep | {"runs": [edge["node"] for edge in sweep["runs"]["edges"]]}


def wait_for_runs(server: RunningServer, path: str, *states: str) -> None:
    """Wait until a sweep's runs are in these states, and those that run have logged something."""

    def reached() -> bool:
        runs = look(server, path)["runs"]
        logged = all(run["historyLineCount"] for run in runs if run["state"] == "running")
        return [run["state"] for run in runs] == list(states) and logged

    wait_for(reached)


def bayes(server: RunningServer) -> dict:
    space = {"x": {"min": 0.0, "max": 0.4}}
    path = register(server, "bayes", configuration("bayes", run_cap=7, parameters=space))
    return {"path": path, "printed": run_agents(server, path, 2)}


def hyperband(server: RunningServer) -> dict:
    config = configuration(
        metric={"name": "inner.loss", "goal": "minimize"},
        early_terminate={"type": "hyperband", "min_iter": 2, "eta": 3},
        parameters=values(0.3, 0.9, steps=20, pause=0.5),
    )
    path = register(server, "hyperband", config)
    return {"path": path, "printed": run_agents(server, path, 2)}


def scheduler(server: RunningServer, engine: str, **config) -> dict:
    config = configuration(scheduler={"engine": engine}, **config)
    path = register(server, f"scheduler-{engine}", config)
    options = ("--poll-interval", "5", "--batch-size", "2")
    process = server.popen("wandb", "sweep-scheduler", *options, path)
    run_agents(server, path)
    return {"path": path, "printed": process.communicate(timeout=patience(PATIENCE))[0]}


def wandb_scheduler(server: RunningServer) -> dict:
    return scheduler(server, "wandb", parameters=values(0.1, 0.2))


def optuna_scheduler(server: RunningServer) -> dict:
    space = {"x": {"min": 0.0, "max": 0.4}}
    return scheduler(server, "optuna", method="custom", run_cap=2, parameters=space)


def controller(server: RunningServer) -> dict:
    """`wandb sweep --controller`, which goes on until its sweep has finished."""
    name = file_of(server, "controller", configuration(parameters=values(0.1, 0.2)))
    process = server.popen("wandb", "sweep", "--controller", "--project", "controller", name)
    printed = ""
    while "wandb agent" not in printed:
        line = process.stdout.readline()
        assert line, printed
        printed += line
    path = path_in(printed)
    run_agents(server, path)
    return {"path": path, "printed": printed + process.communicate(timeout=patience(PATIENCE))[0]}


def prior_runs(server: RunningServer) -> dict:
    """Prior runs, a configuration that is changed, and the sweep's ID without its project."""
    server.python(
        """
import json, wandb
for name, x in (("first", 0.1), ("second", 0.2)):
    with wandb.init(project="prior", id=name, config={"x": x}) as run:
        run.log({"loss": x})
print(json.dumps(None))
""",
        timeout=PATIENCE,
    )
    config = configuration(parameters=values(0.1, 0.2, 0.3))
    file = file_of(server, "prior", config)
    missing = command(server, "sweep", "-p", "prior", "-R", "nobody", file, status=1)
    path = command_line(server, "prior", config, "-R", "first", "-R", "second")
    run_agents(server, path)
    seen = [look(server, path)["state"]]
    more = configuration(parameters=values(0.1, 0.2, 0.3, 0.4))
    command_line(server, "prior", more, "--update", path)
    name = path.split("/")[2]
    for word in ("resume", "pause", "resume"):
        command(server, "sweep", f"--{word}", name)
        seen.append(look(server, path)["state"])
    run_agents(server, name)
    server.graphql('mutation { upsertModel(input: {name: "elsewhere"}) { inserted } }')
    elsewhere = command(server, "sweep", "--stop", name, status=1, WANDB_PROJECT="elsewhere")
    short = server.python(
        """
import json, sys, wandb
sweep = wandb.Api().sweep(sys.argv[1])
print(json.dumps([sweep.state, len(sweep.runs)]))
""",
        name,
        timeout=PATIENCE,
        WANDB_PROJECT="prior",
    )
    return {
        "path": path, "missing": missing, "states": seen, "elsewhere": elsewhere, "short": short,
    }  # fmt: skip


def preempted(server: RunningServer) -> dict:
    path = register(server, "preempted", configuration(parameters=values(0.1, steps=9, preempt=3)))
    return {"path": path, "printed": run_agents(server, path)}


def paused(server: RunningServer) -> dict:
    """A sweep that is paused, resumed and stopped while its agent runs."""
    config = configuration(
        parameters=values(0.1, 0.2, 0.3, steps=900, pause=1) | {"until": {"value": "paused"}}
    )
    path = register(server, "paused", config)
    agent = server.popen("wandb", "agent", path)

    wait_for_runs(server, path, "running")
    order(server, path, "PAUSED")
    (server.home / "paused-0.1").touch()
    wait_for_runs(server, path, "finished")
    for _ in range(2):  # the agent asks and is given nothing
        beat = look(server, path)["heartbeatAt"]
        wait_for(lambda beat=beat: look(server, path)["heartbeatAt"] > beat)
    waiting = look(server, path)
    order(server, path, "RUNNING")
    wait_for_runs(server, path, "finished", "running")
    order(server, path, "FINISHED")
    (server.home / "paused-0.2").touch()
    printed = agent.communicate(timeout=patience(PATIENCE))[0]
    return {
        "path": path, "waiting": [waiting["state"], waiting["runCount"]], "printed": printed,
    }  # fmt: skip


def canceled(server: RunningServer) -> dict:
    path = register(server, "canceled", configuration(parameters=values(0.8, 0.9)))
    agent = server.popen("wandb", "agent", path)
    wait_for_runs(server, path, "running")
    command(server, "sweep", "--cancel", path)
    return {"path": path, "printed": agent.communicate(timeout=patience(PATIENCE))[0]}


def stopped_in_process(server: RunningServer) -> dict:
    """The first run of an agent in a Python process is stopped, and the next one is run."""
    path = server.python(
        """
import json, time, wandb
config = {"method": "grid", "parameters": {"x": {"values": [1, 2]}}}
sweep = wandb.sweep(config, project="in-process-stop")

def main():
    with wandb.init() as run:
        for i in range(600 if run.config.x == 1 else 3):
            run.log({"i": i})
            if i == 3 and run.config.x == 1:
                wandb.Api().run(f"local/in-process-stop/{run.id}").stop()
            time.sleep(0.1)

wandb.agent(sweep, function=main, project="in-process-stop")
print(json.dumps(f"local/in-process-stop/{sweep}"))
""",
        timeout=PATIENCE,
    )
    return {"path": path}


def stopped_by_agent(server: RunningServer) -> dict:
    """A run of a CLI agent is stopped; the agent ends its process and goes on."""
    config = configuration(parameters=values(0.9))
    path = register(server, "agent-stop", config)
    agent = server.popen("wandb", "agent", path)
    wait_for_runs(server, path, "running")
    server.python(
        """
import json, sys, wandb
for run in wandb.Api().sweep(sys.argv[1]).runs:
    run.stop()
print(json.dumps(None))
""",
        path,
        timeout=PATIENCE,
    )
    return {"path": path, "printed": agent.communicate(timeout=patience(PATIENCE))[0]}


def offline(server: RunningServer) -> dict:
    """A sweep's run and plain runs without the server, one of them killed; synced, also twice."""
    path = register(server, "offline", configuration(parameters=values(0.1)))
    run_agents(server, path, WANDB_MODE="offline", WANDB_DIR=str(folder(server, "offline-sweep")))
    before = look(server, path)["runs"][0]["state"]
    home = folder(server, "offline-plain")
    code = """
import os, pathlib, signal, sys, time, wandb
with wandb.init(project="offline", id=sys.argv[1], resume="allow", config={"lr": 1}) as run:
    for i in range(20):
        run.log({"i": i})
    if sys.argv[1] == "killed":
        file = pathlib.Path(run.dir).parent / "run-killed.wandb"
        size = file.stat().st_size
        while file.stat().st_size == size:  # the client writes after 15 seconds
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGKILL)
"""
    for name in ("ended", "killed"):
        changes = {"WANDB_MODE": "offline", "WANDB_DIR": str(home)}
        server.run(sys.executable, "-c", code, name, timeout=PATIENCE, **changes)
    everything = [*runs_in(server.home / "offline-sweep"), *runs_in(home)]
    for _ in range(2):
        printed = command(server, "sync", "--no-skip-synced", *everything)
        assert printed.count("Finished syncing") == 3, printed
    runs = server.python(
        """
import json, wandb
found = {}
for run in wandb.Api().runs("local/offline"):
    found[run.id] = [run.state, [row["i"] for row in run.scan_history(use_cache=False)]]
print(json.dumps(found))
""",
        timeout=PATIENCE,
    )
    return {"path": path, "before": before, "runs": runs}


def folder(server: RunningServer, name: str) -> Path:
    (server.home / name).mkdir()
    return server.home / name


def runs_in(folder: Path) -> list[str]:
    return sorted(str(path) for path in (folder / "wandb").glob("offline-run-*"))


def moved(server: RunningServer) -> dict:
    """Runs that are taken back to a step, forked, and set to states by their user."""
    return server.python(
        """
import json, wandb
from wandb.apis.public import Run

def log(rows, **settings):
    with wandb.init(project="moved", **settings) as run:
        start = run.starting_step
        for i in range(rows):
            run.log({"i": i})
    wandb.teardown()
    return start

def rows(name):
    run = wandb.Api().run(f"local/moved/{name}")
    found = [[row["_step"], row["i"]] for row in run.scan_history(use_cache=False)]
    return run.state, run.lastHistoryStep, run.summary["i"], run.config, found

def order(state):
    try:
        return run.update_state(state)
    except Exception as error:
        return str(error)

log(5, id="a", config={"c": 1})
seen = {"rewound at": log(2, resume_from="a?_step=2"), "rewound": rows("a")}
seen["forked at"] = log(1, fork_from="a?_step=1", id="b")
seen["forked"] = rows("b")
try:
    log(1, resume_from="missing?_step=2")
except wandb.errors.CommError as error:
    seen["missing"] = str(error)
run = Run.create(wandb.Api(), run_id="c", project="moved", state="pending")
seen["created"] = run.state
seen["orders"] = [order("failed"), order("pending"), order("finished")]
seen["started at"] = log(2, id="c", resume="allow")
seen["started"] = rows("c")
run = wandb.Api().create_run(run_id="d", project="moved")
seen["running"] = run.state
run.update_state("failed")
run.delete()
seen["left"] = sorted(run.id for run in wandb.Api().runs("local/moved"))
print(json.dumps(seen))
""",
        timeout=PATIENCE,
    )


ALL = (
    bayes, hyperband, wandb_scheduler, optuna_scheduler, controller, paused, prior_runs,
    preempted, canceled, stopped_in_process, stopped_by_agent, offline, moved,
)  # fmt: skip
