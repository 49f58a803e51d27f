"""What each page shows: functions from the store to the values of a template."""

import json

import yaml

from workshop.server import lines, search
from workshop.server.errors import NotFoundError
from workshop.server.filters import Facts, ordered
from workshop.server.pages.curves import HEIGHT, WIDTH, curves
from workshop.server.records import File, Project, Run, Sweep
from workshop.server.store import Store

MOST_COLUMNS = 8
CURVE_POINTS = 200
CONSOLE_LINES = 500


def projects(state) -> dict:
    """Show all projects."""
    store = state.store
    return {
        "projects": [
            {
                "record": record,
                "sweeps": store.count(Sweep, project_id=record.id),
                "runs": store.count(Run, project_id=record.id),
            }
            for record in store.all(Project, "entity, name")
        ]
    }


def authorize(state) -> dict:
    """Show where the key is: the client sends its user here when it has none."""
    return {"key_file": state.store.folder / "key"}


def project(state, entity: str, project: str) -> dict:
    """Show the sweeps and runs of a project, the newest first."""
    record = find_project(state.store, entity, project)
    sweeps = state.store.all(Sweep, "id DESC", project_id=record.id)
    names = {sweep.id: sweep.name for sweep in sweeps}
    found = [
        Facts(run, names.get(run.sweep_id))
        for run in state.store.all(Run, "id DESC", project_id=record.id)
    ]
    return {
        "project": record,
        "sweeps": [overview(state.store, sweep) for sweep in sweeps],
        "runs": found,
        "metrics": metric_names(found),
        "is_live": any(facts.run.is_live for facts in found),
    }


def sweep(state, entity: str, project: str, sweep: str) -> dict:
    """Show a sweep: its configuration and its runs, the best first."""
    record = find_project(state.store, entity, project)
    found = state.store.find(Sweep, project_id=record.id, name=sweep)
    if found is None:
        raise NotFoundError(f"There is no sweep {sweep} in the project {project}.")
    config = yaml.safe_load(found.config)
    metric = config.get("metric") or {}
    name, maximize = metric.get("name"), metric.get("goal") == "maximize"
    runs = [Facts(run, sweep) for run in state.store.all(Run, sweep_id=found.id)]
    if name:
        runs = ordered(runs, f"{'-' if maximize else '+'}summary_metrics.{name}")
    names = metric_names(runs)
    return {
        "project": record,
        "sweep": overview(state.store, found),
        "config": found.config,
        "runs": runs,
        "parameters": [".".join(path) for path, _ in search.flatten(config["parameters"])],
        "metrics": sorted(names, key=lambda metric: metric != name),
        "is_live": found.state in ("PENDING", "RUNNING"),
    }


def run(state, entity: str, project: str, run: str) -> dict:
    """Show a run: config, summary, curves, files and console."""
    record = find_project(state.store, entity, project)
    found = state.store.find(Run, project_id=record.id, name=run)
    if found is None:
        raise NotFoundError(f"There is no run {run} in the project {project}.")
    sweep = found.sweep_id and state.store.find(Sweep, id=found.sweep_id)
    rows = lines.evenly(lines.read_history(state.store, found), CURVE_POINTS)
    facts = Facts(found, sweep and sweep.name)
    first = max(0, found.log_lines - CONSOLE_LINES)
    console = lines.read_rows(state.store, "console", found, first)
    return {
        "project": record,
        "run": found,
        "sweep": sweep,
        "config": sorted(facts.config.items()),
        "summary": sorted(item for item in facts.summary.items() if item[0][:1] != "_"),
        "curves": curves([json.loads(row) for row in rows]),
        "width": WIDTH,
        "height": HEIGHT,
        "files": state.store.all(File, "name", run_id=found.id),
        "console": "\n".join(text for _, text in console),
        "console_from": first,
        "is_live": found.is_live,
    }


def find_project(store: Store, entity: str, name: str) -> Project:
    """Return a project; raise a NotFoundError if there is none."""
    record = store.find(Project, entity=entity, name=name)
    if record is None:
        raise NotFoundError(f"There is no project {entity}/{name} on this server.")
    return record


def overview(store: Store, sweep: Sweep) -> dict:
    """Return what a line about a sweep says."""
    config = yaml.safe_load(sweep.config)
    return {
        "record": sweep,
        "title": sweep.display_name or config.get("name") or sweep.name,
        "method": config["method"],
        "expected": search.expected_runs(config),
        "runs": store.count(Run, sweep_id=sweep.id),
    }


def metric_names(found: list[Facts]) -> list[str]:
    """Return the numbers in the summaries of runs by name, at most `MOST_COLUMNS` of them."""
    names = {
        name
        for facts in found
        for name, value in facts.summary.items()
        if isinstance(value, (int, float)) and not name.startswith("_")
    }
    return sorted(names)[:MOST_COLUMNS]
