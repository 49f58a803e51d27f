"""Runs."""

import json
from functools import partial

from sweepserver.api.resolvers.artifacts import edits
from sweepserver.api.resolvers.artifacts.nodes import RunArtifactFields
from sweepserver.api.resolvers.context import Context, check_name, global_id
from sweepserver.api.resolvers.files import FileFields
from sweepserver.api.resolvers.history import HistoryFields
from sweepserver.api.resolvers.sweeps import scheduler_run
from sweepserver.errors import NotFoundError, RequestError
from sweepserver.inputs import parse_config, whole_number
from sweepserver.scheduling.names import run_name
from sweepserver.scheduling.trials import locked
from sweepserver.search.values import lookup, shorten
from sweepserver.store import additions, history
from sweepserver.store.records import Artifact, Project, Run, Sweep
from sweepserver.values import new_id, timestamp

MOST_TEXT_CHARACTERS = 100_000
# Column of the store by field of UpsertBucketInput, where nothing but a value is set.
PLAIN = {
    "display_name": "display_name",
    "notes": "notes",
    "description": "description",
    "group_name": "run_group",
    "job_type": "job_type",
    "commit": "git_commit",
    "host": "host",
    "job_program": "program",
    "job_repo": "git_repo",
}


class RunNode(HistoryFields, FileFields, RunArtifactFields):
    """A run."""

    typename = "Run"
    read_only = False

    def __init__(self, run: Run):
        self.record = run
        self.id = global_id(run)
        self.name = run.name
        self.display_name = run.display_name
        self.project_id = run.project_id
        self.state = run.state
        self.user = {"id": f"User:{run.user}", "name": run.user, "username": run.user}
        self.config = run.config
        self.summary_metrics = run.summary
        self.system_metrics = run.system_metrics
        self.tags = json.loads(run.tags)
        self.notes = run.notes
        self.description = run.description
        self.group = run.run_group
        self.job_type = run.job_type
        self.commit = run.git_commit
        self.host = run.host
        self.created_at = timestamp(run.created_at)
        self.heartbeat_at = timestamp(run.heartbeat_at)
        self.exitcode = run.exit_code
        self.should_stop = self.stopped = bool(run.stop_ordered)
        self.failed = run.state in ("failed", "crashed")
        self.running = run.is_live
        self.history_line_count = run.history_lines
        self.events_line_count = run.events_lines
        self.log_line_count = run.log_lines

    def project(self, context: Context) -> Project:
        """Return the run's project."""
        return context.project_of(self.record)

    def sweep_name(self, context: Context) -> str | None:
        """Return the ID of the run's sweep."""
        return context.sweep_name(self.record.sweep_id) if self.record.sweep_id else None

    def wandb_config(self, context: Context, keys: list[str] | None = None) -> str:
        """Return what the client keeps in the config for itself.

        A run whose client has not started yet has nothing there, and counts as not started.
        """
        own = json.loads(self.record.config).get("_wandb") or {}
        values = own.get("value") or {}
        wanted = values if keys is None else {key: values[key] for key in keys if key in values}
        return json.dumps(wanted)


def upsert_bucket(context: Context, input: dict) -> dict:
    """Start a run, resume it, or change what is known about it.

    The first request of a client's process tells its host.  If it does not ask to resume (by the
    run's global ID), a run of the same ID that has logged already starts over.
    """
    known = find_run(context, input)
    starting = input.get("host") is not None
    run = known or create(context, input)
    if starting:
        # Here the client shows why; it says nothing of files that it cannot bring.
        context.quota.require_room(context.project_of(run).entity)
    if known and starting:
        if not input.get("id"):
            context.make_room(run)
        run = context.lifecycle.started(run, resumed=bool(input.get("id")))
    changes = given(input)
    if "config" in changes:
        changes["config"] = locked(run, changes["config"])
    run = context.store.change(run, **changes)
    return {"bucket": run, "inserted": known is None}


def find_run(context: Context, values: dict) -> Run | None:
    """Return the run that a request names, by global ID or by project and run ID."""
    if values.get("id"):
        return context.by_global_id(Run, values["id"])
    if not values.get("name"):
        return None
    project = context.project_to_write(*place(context, values))
    return context.store.find(Run, project_id=project.id, name=values["name"])


def place(context: Context, values: dict) -> tuple[str | None, str | None]:
    """Return project and entity of a request; a sweep's run belongs to the sweep's project."""
    if sweep := known_sweep(context, values):
        project = context.project_of(sweep)
        return project.name, project.entity
    return values.get("model_name"), values.get("entity_name")


def known_sweep(context: Context, values: dict) -> Sweep | None:
    """Return the sweep that a request names.

    A run that was logged elsewhere and comes with `wandb sync` may name a sweep of another
    server; it is kept as a run without a sweep.
    """
    return context.sweep(values["sweep"], None) if values.get("sweep") else None


def create(context: Context, values: dict) -> Run:
    """Create a run that is running, or pending if the request says so."""
    project = context.project_to_write(*place(context, values))
    sweep = known_sweep(context, values)
    name = values.get("name") or new_id()
    check_name(name, "a run ID")
    number = context.store.count(Run, project_id=project.id) + 1
    now = context.lifecycle.now()
    run = context.store.add(
        Run,
        project_id=project.id,
        name=name,
        sweep_id=sweep and sweep.id,
        user=context.user.name,
        display_name=run_name(number),
        state="pending" if values.get("state") == "pending" else "running",
        created_at=now,
        heartbeat_at=now,
        is_hidden=is_scheduler_run(context, project, name),
    )
    context.lifecycle.silence.touch(run)
    return fork(context, run, values.get("config"))


def fork(context: Context, run: Run, config: str | None) -> Run:
    """Start a new run with another one's history, if `fork_from` asks for it."""
    own = parse_config(config or "{}").get("_wandb")
    point = lookup(own, "value.branch_point")
    if point is None:
        return run
    name, step = lookup(point, "run_id"), lookup(point, "step")
    if not isinstance(name, str):
        raise RequestError(f"The run to fork from must be named by its ID, not by {shorten(name)}.")
    step = whole_number(step, "The step to fork from")
    source = context.store.find(Run, project_id=run.project_id, name=name)
    if source is None:
        raise NotFoundError(f"There is no run {shorten(name)} in this project to fork from.")
    return history.copy_history(context.store, source, run, step)


def is_scheduler_run(context: Context, project: Project, name: str) -> bool:
    """Return whether a run is the one to which the scheduler of a sweep writes its console."""
    sweep = context.store.find(Sweep, project_id=project.id, name=name.partition("-")[0])
    return sweep is not None and name == scheduler_run(sweep)


def given(values: dict) -> dict:
    """Return the columns that a request sets; null means to leave a value as it is."""
    changes = {
        column: values[field] for field, column in PLAIN.items() if values.get(field) is not None
    }
    for field, column in (("config", "config"), ("summary_metrics", "summary")):
        if values.get(field) is not None:
            additions.check_fits(values[field], f"A run's {column}")
            changes[column] = values[field]
    if "config" in changes:
        parse_config(changes["config"])
    if values.get("tags") is not None:
        changes["tags"] = json.dumps(values["tags"])
    for column, text in changes.items():
        if column not in ("config", "summary") and len(text) > MOST_TEXT_CHARACTERS:
            raise RequestError(
                f"A run's {column} has {len(text):,} characters; use at most "
                f"{MOST_TEXT_CHARACTERS:,}."
            )
    return changes


def stop_run(context: Context, input: dict) -> dict:
    """Order a run to stop: its client learns of it at its next post, its agent at its next beat."""
    context.lifecycle.order_stop(context.by_global_id(Run, input["id"]))
    return {"success": True}


def update_run_state(context: Context, input: dict) -> dict:
    """Make a run pending again, or failed, as its user asks."""
    context.lifecycle.order_state(context.by_global_id(Run, input["id"]), input["state"])
    return {"success": True}


def rewind_run(context: Context, input: dict) -> dict:
    """Rewind a run to a step, from which its next process continues."""
    entity = input.get("entity_name") or context.user.entity
    context.require_owner(entity)
    project = context.project(input.get("project_name"), entity)
    run = project and context.store.find(Run, project_id=project.id, name=input["run_name"])
    if run is None:
        path = "/".join(filter(None, (entity, input.get("project_name"), input["run_name"])))
        raise NotFoundError(f"There is no run {path} to rewind.")
    if input["metric_name"] != "_step":
        raise RequestError(
            f"A run can be rewound to a value of _step, not of {shorten(input['metric_name'])}."
        )
    return {"rewound_run": context.lifecycle.rewound(run, input["metric_value"])}


def delete_run(context: Context, input: dict) -> dict:
    """Delete a run and its files, and on request the artifacts that it logged.

    The agent of a live run is told to stop it at its next beat.
    """
    run = context.by_global_id(Run, input["id"])
    context.make_room(run)
    if input.get("delete_artifacts"):
        for artifact in context.store.all(Artifact, run_id=run.id):
            edits.remove(context, artifact)
    context.store.remove(run)
    context.afterwards.append(partial(context.files.remove_all, run))
    return {"client_mutation_id": None}


MUTATION = {
    "upsert_bucket": upsert_bucket,
    "stop_run": stop_run,
    "update_run_state": update_run_state,
    "rewind_run": rewind_run,
    "delete_run": delete_run,
}
