"""Define a sweep, register it, find it again: steps 1 and 2."""

import itertools
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop import client_variables, search_space
from workshop.config import read_mapping
from workshop.errors import WorkshopError
from workshop.lint import check
from workshop.logged import RUNS_PER_PAGE, logged_values
from workshop.paths import ROOT, shown
from workshop.server import search
from workshop.server.metric import Metric

if TYPE_CHECKING:
    import pandas as pd
    import wandb


def load(path: str | Path) -> dict[str, Any]:
    """Read a sweep configuration.

    Args:
        path: a YAML file; a relative path is looked up in the clone.

    Raises:
        WorkshopError: there is no such file, it is not YAML, or `check` finds something in it.
    """
    path = ROOT / path
    config = read_mapping(path)
    check(config, shown(path))
    return config


def combinations(config: Mapping) -> int | None:
    """Return how many runs the sweep consists of; None if it has no end.

    A grid has the product of its lists, random and bayes go on until `run_cap`.
    """
    return search.expected_runs(dict(config))


def preview(config: Mapping) -> "pd.DataFrame":
    """Return what the sweep tries.

    For a grid, a row per combination in the order in which W&B hands them out (the last
    parameter in alphabetical order varies fastest); otherwise a row per parameter with its
    distribution and range, also of those that only a scheduler's search space knows.
    """
    # Agents and commands load this module, and need no tables.
    import pandas as pd

    if config["method"] == "grid":
        axes = grid(config)
        points = pd.DataFrame(itertools.product(*axes.values()), columns=list(axes), dtype=object)
        # A column of numbers would make a null NaN.
        numbers = [name for name, values in axes.items() if None not in values]
        return points.astype({name: pd.Series(axes[name]).dtype for name in numbers})
    return pd.DataFrame(
        [
            {"parameter": ".".join(path), "drawn from": _describe(specification)}
            for path, specification in search.flatten(search_space.parameters(config))
        ],
        columns=["parameter", "drawn from"],
    )


def grid(config: Mapping) -> dict[str, list]:
    """Return the values of each parameter, each once, in W&B's (alphabetical) order.

    Nested parameters are named `outer.inner`.
    """
    return {".".join(path): values for path, values in search.Grid(dict(config)).axes.items()}


def _describe(specification: Mapping) -> str:
    if "value" in specification:
        return f"always {specification['value']}"
    if "values" in specification:
        return f"one of {', '.join(map(str, specification['values']))}"
    distribution = search.distribution(dict(specification))
    options = {key: value for key, value in specification.items() if key != "distribution"}
    return f"{distribution}, " + ", ".join(f"{key} {value}" for key, value in options.items())


def register(config: Mapping, project: str) -> str:
    """Register a sweep with the W&B that `backend.connect` chose.

    Returns:
        The sweep's path, `entity/project/ID`: what an agent anywhere needs to join in.

    Raises:
        WorkshopError: `lint` finds something, or the server refuses the configuration.
    """
    import wandb

    check(config)
    try:
        with client_variables.restored():
            sweep_id = wandb.sweep(dict(config), project=project)
    except (wandb.errors.Error, ValueError) as error:
        raise WorkshopError(f"the sweep was not registered: {error}") from None
    return f"{wandb.Api().default_entity}/{project}/{sweep_id}"


def newest(project: str) -> str:
    """Return the path of the project's newest sweep; canceled ones do not count.

    Args:
        project: its name, or `entity/project` of somebody else.

    Raises:
        WorkshopError: the project has none.
    """
    import wandb

    api = wandb.Api()
    entity, _, project = project.rpartition("/")
    entity = entity or api.default_entity
    try:
        sweeps = list(api.project(project, entity).sweeps())
    except (wandb.errors.Error, ValueError):
        sweeps = []  # there is no such project yet
    sweeps = [sweep for sweep in sweeps if sweep.state.upper() != "CANCELED"]
    if not sweeps:
        raise WorkshopError(
            f"project {entity}/{project} has no sweep: register one first "
            "(notebook 02_initialize_the_sweep, or `wandb sweep configs/sweep_config.yaml`)"
        )
    return "/".join(max(sweeps, key=lambda sweep: sweep.created_at).path)


def get(path: str) -> "wandb.apis.public.Sweep":
    """Return the registered sweep `entity/project/ID`.

    Raises:
        WorkshopError: there is none.
    """
    import wandb

    try:
        return wandb.Api().sweep(path)
    except (wandb.errors.Error, ValueError) as error:
        raise WorkshopError(
            f"sweep {path!r} was not found ({error}): give entity/project/ID as "
            "`wandb sweep` printed it"
        ) from None


def runs(path: str, *, whole: bool = True) -> "wandb.apis.public.Runs":
    """Return the sweep's runs, the oldest first.

    Args:
        path: the sweep, `entity/project/ID`.
        whole: with their configs and summaries, for which each would else be asked once more.
    """
    import wandb

    entity, project, sweep_id = path.split("/")
    # The runs of wandb's own sweep object would come ten to a query.
    return wandb.Api().runs(
        f"{entity}/{project}",
        filters={"sweep": sweep_id},
        per_page=RUNS_PER_PAGE if whole else 500,
        lazy=not whole,
    )


def states(path: str) -> Counter:
    """Return how many of the sweep's runs are in each state (`running`, `finished`, ...)."""
    return Counter(run.state for run in runs(path, whole=False))


def remaining(path: str) -> int | None:
    """Return how many new runs the sweep will still hand out; None if it has no end.

    They are the points that no run was given, as W&B's search counts them.  A run that failed
    counts as handed out: W&B does not repeat it.
    """
    config, found = get(path).config, list(runs(path))
    reached = reached_values(path, config, found)
    trials = [search.Trial(dict(run.config), reached.get(run.id), is_live=False) for run in found]
    return search.remaining_runs(config, trials)


def reached_values(
    path: str, config: Mapping[str, Any], found: "Iterable[wandb.apis.public.Run]"
) -> dict[str, float | None]:
    """Return the value of a sweep's metric by run ID, where its `target` makes it count.

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
    """Hand out no more runs of a sweep; those that run go on to their end.

    It is `wandb sweep --stop`.  Agents, wherever they are, end after their run.

    Args:
        path: the sweep, `entity/project/ID`.

    Raises:
        WorkshopError: the server refuses, for example because the sweep has ended already.
    """
    _order("stop", path)


def resume(path: str) -> None:
    """Let a sweep that was paused, stopped or is finished hand out runs again.

    It is `wandb sweep --resume`.

    Args:
        path: the sweep, `entity/project/ID`.

    Raises:
        WorkshopError: the server refuses, for example because the sweep is canceled.
    """
    _order("resume", path)


def cancel(path: str) -> None:
    """Hand out no more runs of a sweep for good, and end those that run.

    It is `wandb sweep --cancel`.  A canceled sweep cannot be resumed.

    Args:
        path: the sweep, `entity/project/ID`.

    Raises:
        WorkshopError: the server refuses, for example because the sweep has ended already.
    """
    _order("cancel", path)


def _order(word: str, path: str) -> None:
    """Run the client's command for a sweep, for which it has no function in Python."""
    environment = os.environ.copy()
    environment.pop("WANDB_SERVICE", None)  # our client's background process is not the command's
    done = subprocess.run(
        [sys.executable, "-m", "wandb", "sweep", f"--{word}", path], env=environment,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it does not say why"]
        raise WorkshopError(f"`wandb sweep --{word} {path}` failed: {lines[-1]}")
