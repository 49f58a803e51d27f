"""The unmodified wandb client, command line and public API against a running server."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import patience, wait_for

TRAIN = """
import pathlib, time, wandb

def main():
    with wandb.init() as run:
        # The client uploads no metadata of a run that ends before it has written them.
        while not pathlib.Path(run.dir, "wandb-metadata.json").exists():
            time.sleep(0.01)
        for epoch in range(3):
            run.log({"Train Loss": run.config.lr / (epoch + 1), "nested": {"epoch": epoch}})
        run.log({"Validation Accuracy": 100 * run.config.lr})
        print("learning rate", run.config.lr)

if __name__ == "__main__":
    main()
"""
SWEEP = """
program: train.py
command: ["${env}", "python", "${program}", "${args}"]
method: grid
metric: {name: Validation Accuracy, goal: maximize}
parameters:
  lr: {values: [0.1, 0.5]}
  epochs: {value: 3}
"""
IN_PROCESS = """
import json, sys, wandb, yaml
sys.path.insert(0, ".")
import train
sweep = wandb.sweep(yaml.safe_load(open("sweep.yaml")), project="in-process")
wandb.agent(sweep, function=train.main, project="in-process")
found = wandb.Api().sweep(f"in-process/{sweep}")
print(json.dumps({"state": found.state, "rates": [run.config["lr"] for run in found.runs]}))
"""
READING = """
import json, sys, wandb
api = wandb.Api()
sweep = api.sweep(sys.argv[1])
runs = api.runs("local/cli", {"sweep": sweep.id}, "-summary_metrics.Train Loss", 1000, lazy=False)
best = sweep.best_run()

def metadata(run, attempts=20):
    # The client tells a download that took too long as None, and tries again when it is asked.
    return run.metadata or metadata(run, attempts - 1) if attempts else None

try:
    api.run("local/cli/missing")
    missing = "found"
except wandb.errors.CommError as error:
    missing = str(error)
print(json.dumps({
    "state": sweep.state,
    "expected": sweep.expected_run_count,
    "sweep runs": len(sweep.runs),
    "best": [best.config, best.summary["Validation Accuracy"], best.state],
    "sorted": [run.config["lr"] for run in runs],
    "names": [run.name for run in runs],
    "filtered": len(api.runs("local/cli", {"config.lr.value": {"$gt": 0.2}})),
    "lean": [run.config["lr"] for run in api.runs("local/cli")],
    "history": [row["Train Loss"] for row in best.history(pandas=False, keys=["Train Loss"])],
    "scan": len(list(best.scan_history())),
    "scan keys": list(best.scan_history(keys=["_step", "nested.epoch"])),
    "files": sorted(file.name for file in best.files()),
    "summary file": json.load(best.file("wandb-summary.json").download("summaries", replace=True)),
    "console": [line.content for line in best.console_logs()],
    "program": metadata(best)["program"],
    "projects": sorted(project.name for project in api.projects()),
    "newest": [found.id for found in api.project("cli").sweeps()][0],
    "agents": [[agent.state, len(list(agent.runs()))] for agent in sweep.agents()],
    "viewer": api.viewer.username,
    "missing": missing,
}))
"""


STOPPED = """
import time, wandb
run = wandb.init(project="stop")
wandb.Api().run(run.path).stop()
try:
    for i in range(400):
        run.log({"i": i})
        time.sleep(0.1)
    ended = "by itself"
except KeyboardInterrupt:
    ended = "by order"
run.finish(exit_code=255)
print(ended, wandb.Api().run(run.path).state)
"""


@pytest.fixture(scope="module")
def stopped_run(local_server) -> subprocess.Popen:
    """A run that asks for its own stop; the client looks for that every 15 seconds."""
    return local_server.popen(sys.executable, "-c", STOPPED)


@pytest.fixture(scope="module")
def sweep(local_server, stopped_run) -> dict:
    """A grid of two, run by `wandb agent`, and another one by an agent in a Python process."""
    (local_server.home / "train.py").write_text(TRAIN)
    (local_server.home / "sweep.yaml").write_text(SWEEP)
    status, output = local_server.run("wandb", "sweep", "--project", "cli", "sweep.yaml")
    assert status == 0, output
    path = re.search(r"wandb agent (\S+)", output)[1]
    agent = local_server.popen("wandb", "agent", path)
    in_process = local_server.python(IN_PROCESS)
    printed, _ = agent.communicate(timeout=patience(180))
    return {
        "path": path,
        "registered": output,
        "status": agent.returncode,
        "printed": printed,
        "in process": in_process,
    }


@pytest.fixture(scope="module")
def reading(local_server, sweep) -> dict:
    """What the public API says about the sweep."""
    return local_server.python(READING, sweep["path"])


def test_login_verifies_the_key(local_server):
    assert local_server.run("wandb", "login", "--verify")[0] == 0


def test_a_wrong_key_is_told(local_server):
    wrong = "local-" + "f" * 40
    status, output = local_server.run(
        sys.executable, "-c", "import wandb; wandb.init(project='p')", WANDB_API_KEY=wrong
    )
    assert status == 1
    assert "The API key is not one of this W&B server" in output


def test_the_sweep_command_prints_the_path_and_the_link(local_server, sweep):
    entity, project, name = sweep["path"].split("/")
    assert (entity, project) == ("local", "cli")
    assert f"{local_server.url}/local/cli/sweeps/{name}" in sweep["registered"]


def test_the_agent_command_runs_every_point_and_ends(sweep):
    assert sweep["status"] == 0, sweep["printed"]
    assert sweep["printed"].count("About to run command") == 2
    assert "received command: exit" in sweep["printed"].lower()


def test_an_agent_in_a_python_process_runs_every_point_and_ends(sweep):
    assert sweep["in process"] == {"state": "FINISHED", "rates": [0.1, 0.5]}


def test_the_public_api_reads_the_sweep(reading, sweep):
    assert reading["state"] == "FINISHED"
    assert reading["expected"] == reading["sweep runs"] == 2
    assert reading["best"] == [{"lr": 0.5, "epochs": 3}, 50, "finished"]
    assert reading["newest"] == sweep["path"].split("/")[2]
    assert reading["agents"] == [["FINISHED", 2]]


def test_the_public_api_selects_and_sorts_runs(reading):
    assert reading["sorted"] == [0.5, 0.1]
    assert reading["lean"] == [0.1, 0.5]
    assert reading["filtered"] == 1
    assert all(re.fullmatch(r"[a-z]+-sweep-[12]", name) for name in reading["names"])


def test_the_public_api_reads_history(reading):
    assert reading["history"] == [0.5, 0.25, pytest.approx(0.5 / 3)]
    assert reading["scan"] == 4
    assert reading["scan keys"] == [{"_step": i, "nested.epoch": i} for i in range(3)]


def test_the_public_api_reads_files_and_console(reading):
    assert reading["files"] == [
        "config.yaml", "output.log", "wandb-metadata.json", "wandb-summary.json",
    ]  # fmt: skip
    assert reading["summary file"]["Validation Accuracy"] == 50
    assert reading["console"] == ["learning rate 0.5"]
    assert reading["program"].endswith("train.py")


def test_the_public_api_reads_projects_and_the_viewer(reading):
    assert {"cli", "in-process"} <= set(reading["projects"])
    assert reading["viewer"] == "local"
    assert "Could not find run" in reading["missing"]


def test_a_sweep_that_cannot_be_searched_is_told_at_once(local_server):
    config = local_server.home / "genetic.yaml"
    config.write_text(SWEEP.replace("grid", "genetic"))
    status, output = local_server.run("wandb", "sweep", "--project", "cli", str(config))
    assert status == 1
    assert "method is 'genetic': it must be one of grid, random, bayes" in output


def test_resume_continues_where_the_run_was_left(local_server):
    seen = local_server.python(
        """
import json, wandb

def attempt(resume, rows):
    try:
        with wandb.init(project="resume", id="same", resume=resume) as run:
            start = run.starting_step
            for i in range(rows):
                run.log({"row": i})
        return start
    except wandb.errors.UsageError as error:
        return str(error)
    finally:
        wandb.teardown()

def rows():
    return len(list(wandb.Api().run("local/resume/same").scan_history(use_cache=False)))

seen = [attempt("must", 1)]
for resume, count in ((None, 2), ("allow", 3), ("must", 1), ("never", 1)):
    seen += [attempt(resume, count), rows()]
seen += [attempt(None, 4), rows()]
print(json.dumps(seen))
"""
    )
    missing, fresh, two, allowed, five, must, six, never, still_six, again, four = seen
    assert "does not exist" in missing
    assert (fresh, two) == (0, 2)
    assert (allowed, five) == (2, 5)
    assert (must, six) == (5, 6)
    assert "already exists" in never
    assert still_six == 6
    assert (again, four) == (0, 4)


def test_files_are_uploaded_listed_fetched_and_deleted(local_server):
    seen = local_server.python(
        """
import json, pathlib, wandb
name = "sub dir/100% #1.txt"
pathlib.Path("sub dir").mkdir()
pathlib.Path(name).write_text("content")
with wandb.init(project="files") as run:
    run.save(name, base_path=".")
run = wandb.Api().run(f"local/files/{run.id}")
content = run.file(name).download("fetched", replace=True).read()
pathlib.Path("late.txt").write_text("late")
late = run.upload_file("late.txt")
found = [file.name for file in run.files(pattern="%.txt")]
late.delete()
print(json.dumps([content, late.size, found, len(list(run.files(pattern="%.txt")))]))
"""
    )
    assert seen == ["content", 4, ["late.txt", "sub dir/100% #1.txt"], 1]


def test_a_run_is_changed_and_deleted_through_the_public_api(local_server):
    seen = local_server.python(
        """
import json, wandb
with wandb.init(project="changes", config={"lr": 1}, tags=["a"]) as run:
    run.log({"loss": float("nan")})
path = f"local/changes/{run.id}"
run = wandb.Api().run(path)
run.tags.append("b")
run.config["lr"] = 2
run.update()
run.summary.update({"extra": 3})
again = wandb.Api().run(path)
seen = [again.tags, again.config["lr"], again.summary["extra"], repr(again.summary["loss"])]
again.delete()
print(json.dumps([*seen, len(wandb.Api().runs("local/changes"))]))
"""
    )
    assert seen == [["a", "b"], 2, 3, "nan", 0]


def test_a_run_is_stopped_from_outside(stopped_run):
    output, _ = stopped_run.communicate(timeout=patience(180))
    assert output.splitlines()[-1] == "by order killed", output


def test_a_sweep_is_paused_resumed_stopped_and_canceled(local_server):
    (local_server.home / "sweep.yaml").write_text(SWEEP)
    seen = []
    for orders in (("resume", "pause", "stop"), ("cancel",)):
        _, output = local_server.run("wandb", "sweep", "--project", "states", "sweep.yaml")
        path = re.search(r"wandb agent (\S+)", output)[1]
        for order in orders:
            status, output = local_server.run("wandb", "sweep", f"--{order}", path)
            assert status == 0, output
            name = json.dumps(path.split("/")[2])
            query = f"{{ project {{ sweep(sweepName: {name}) {{ state }} }} }}"
            seen.append(local_server.graphql(query)["project"]["sweep"]["state"])
    assert seen == ["RUNNING", "PAUSED", "FINISHED", "CANCELED"]


def test_a_server_that_is_killed_in_the_middle_of_a_sweep_loses_nothing(start_server):
    server = start_server()
    port = int(server.url.rsplit(":", 1)[1])
    (server.home / "train.py").write_text(
        """
import pathlib, time, wandb
with wandb.init() as run:
    for i in range(30):
        run.log({"i": i})
        pathlib.Path("started").touch()
        time.sleep(0.1)
"""
    )
    (server.home / "sweep.yaml").write_text(SWEEP)
    _, output = server.run("wandb", "sweep", "--project", "p", "sweep.yaml")
    path = re.search(r"wandb agent (\S+)", output)[1]
    agent = server.popen("wandb", "agent", path)
    started = Path(server.home / "started")
    for _ in range(2):
        wait_for(started.exists)
        server.kill()
        server = start_server(port=port)
        started.unlink(missing_ok=True)
    printed, _ = agent.communicate(timeout=patience(300))
    assert agent.returncode == 0, printed
    runs = server.python(
        """
import json, sys, wandb
sweep = wandb.Api().sweep(sys.argv[1])
print(json.dumps([sweep.state, [
    [run.state, [row["i"] for row in run.scan_history(use_cache=False)]] for run in sweep.runs
]]))
""",
        path,
    )
    assert runs == ["FINISHED", [["finished", list(range(30))]] * 2]
