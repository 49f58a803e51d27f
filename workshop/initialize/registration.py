"""Register a sweep, find it again, and stop, resume or cancel it."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sweepserver import search
from sweepserver.search.metric import Metric
from workshop._compat import client_errors
from workshop.connection import client_variables
from workshop.define.linter import check
from workshop.errors import WorkshopError
from workshop.initialize.histories import RUNS_PER_PAGE, logged_values
from workshop.initialize.server_paths import path_of, split

if TYPE_CHECKING:
    import wandb


def register(config: Mapping, project: str) -> str:
    """Register a sweep with the server that `connection.connect` chose.

    Returns:
        The sweep's path, `entity/project/ID`, which every agent needs.

    Raises:
        WorkshopError: `lint` finds something, or the server refuses the configuration.
    """
    check(config)
    return create(config, project)


def create(config: Mapping, project: str) -> str:
    """Register a sweep without linting it; see `register`."""
    import wandb

    try:
        with client_variables.restored():
            sweep_id = wandb.sweep(dict(config), project=project)
            # In this block, the client's is that of the new sweep.
            entity = client_variables.entity(wandb.Api())
    except client_errors() as error:
        raise WorkshopError(f"the sweep could not be registered: {error}") from None
    return f"{entity}/{project}/{sweep_id}"


def newest(project: str) -> str:
    """Return the path of the project's newest sweep, except canceled ones.

    Args:
        project: its name, or `entity/project` for another entity's than the client's.

    Raises:
        WorkshopError: the project has no sweep.
    """
    import wandb

    api = wandb.Api()
    entity, _, project = project.rpartition("/")
    entity = entity or client_variables.entity(api)
    try:
        sweeps = list(api.project(project, entity).sweeps())
    except client_errors():
        sweeps = []  # the project doesn't exist yet
    sweeps = [sweep for sweep in sweeps if sweep.state.upper() != "CANCELED"]
    if not sweeps:
        raise WorkshopError(
            f"project {entity}/{project} has no sweep: register one first (notebook "
            "02_initialize_the_sweep, or `wandb sweep configs/sweep_config.yaml`), or name a sweep "
            "of another project, as entity/project/ID"
        )
    return path_of(max(sweeps, key=lambda sweep: sweep.created_at))


def get(path: str) -> "wandb.apis.public.Sweep":
    """Return the registered sweep `entity/project/ID`.

    Raises:
        WorkshopError: the path is incomplete, or there is no such sweep.
    """
    import wandb

    split(path)
    try:
        return wandb.Api().sweep(path)
    except client_errors() as error:
        raise WorkshopError(
            f"sweep {path!r} was not found ({error}): give entity/project/ID as "
            "`wandb sweep` printed it"
        ) from None


def runs(path: str, *, whole: bool = True) -> "wandb.apis.public.Runs":
    """Return the sweep's runs, the oldest first.

    Args:
        path: the sweep, `entity/project/ID`.
        whole: whether to include configs and summaries, which would otherwise take a query per run.

    Raises:
        WorkshopError: the path is incomplete.
    """
    import wandb

    entity, project, sweep_id = split(path)
    # wandb's own sweep object would fetch only ten runs per query.
    return wandb.Api().runs(
        f"{entity}/{project}",
        filters={"sweep": sweep_id},
        per_page=RUNS_PER_PAGE if whole else 500,
        lazy=not whole,
    )


def states(path: str) -> Counter:
    """Return how many of the sweep's runs are in each state (`running`, `finished`, ...).

    Raises:
        WorkshopError: the path is incomplete.
    """
    return Counter(run.state for run in runs(path, whole=False))


def remaining(path: str) -> int | None:
    """Return how many new runs the sweep will still hand out; None if it never ends.

    These are the points that were never handed out, as W&B's search counts them.  A run that failed
    counts as handed out, because W&B doesn't retry it.

    Raises:
        WorkshopError: the path is incomplete, or there is no such sweep.
    """
    config, found = get(path).config, list(runs(path))
    reached = reached_values(path, config, found)
    trials = [search.Trial(dict(run.config), reached.get(run.id), is_live=False) for run in found]
    return search.remaining_runs(config, trials)


def reached_values(
    path: str, config: Mapping[str, Any], found: "Iterable[wandb.apis.public.Run]"
) -> dict[str, float | None]:
    """Return the value of a sweep's metric by run ID; empty if the metric has no `target`.

    Args:
        path: the sweep, `entity/project/ID`.
        config: its configuration.
        found: its runs, as `runs` returns them.
    """
    import wandb

    metric = Metric.of(config)
    if metric is None or config["metric"].get("target") is None:
        return {}
    logged = logged_values(wandb.Api(), path, metric.name)
    return {run.id: metric.value(run.summary_metrics, logged.get(run.id, ())) for run in found}


def stop(path: str) -> None:
    """Stop a sweep: it hands out no more runs, and current runs continue to their end.

    This is `wandb sweep --stop`.  All agents end after their current run.

    Args:
        path: the sweep, `entity/project/ID`.

    Raises:
        WorkshopError: the path is incomplete, or the server refuses, for example because the
            sweep has already ended.
    """
    _order("stop", path)


def resume(path: str) -> None:
    """Resume a sweep that was paused or stopped, or has finished: it hands out runs again.

    This is `wandb sweep --resume`.

    Args:
        path: the sweep, `entity/project/ID`.

    Raises:
        WorkshopError: the path is incomplete, or the server refuses, for example because the
            sweep is canceled.
    """
    _order("resume", path)


def cancel(path: str) -> None:
    """Cancel a sweep: it hands out no more runs, and its current runs are killed.

    This is `wandb sweep --cancel`.  A canceled sweep can't be resumed.

    Args:
        path: the sweep, `entity/project/ID`.

    Raises:
        WorkshopError: the path is incomplete, or the server refuses, for example because the
            sweep has already ended.
    """
    _order("cancel", path)


def _order(word: str, path: str) -> None:
    """Run a `wandb sweep` command, which the client has no Python function for."""
    split(path)
    environment = os.environ.copy()
    environment.pop("WANDB_SERVICE", None)  # the command must not use our background process
    done = subprocess.run(
        [sys.executable, "-m", "wandb", "sweep", f"--{word}", path], env=environment,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise WorkshopError(f"`wandb sweep --{word} {path}` failed: {lines[-1]}")
