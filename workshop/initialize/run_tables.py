"""Read a sweep's runs and what they logged through W&B's public API, as pandas frames."""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from sweepserver.search import hyperband
from sweepserver.search.metric import Metric, curve
from sweepserver.search.values import lookup, number
from workshop.define.parameter_values import column
from workshop.define.search_space import columns, hyperparameters
from workshop.errors import WorkshopError
from workshop.initialize.cache import CachedApi
from workshop.initialize.histories import RUNS_PER_PAGE, logged_values
from workshop.initialize.server_paths import path_of, split
from workshop.trainer.metrics import EFFECTIVE_LEARNING_RATE, METRICS

if TYPE_CHECKING:
    import wandb

SUMMARY = (*METRICS, EFFECTIVE_LEARNING_RATE)
"""The trainer's entries in a run's summary."""


def fetch_runs(sweep_path: str) -> pd.DataFrame:
    """Fetch all runs of a sweep in bulk: two queries per 100 runs, and none per run.

    The result is cached on disk.  If the server doesn't answer, or fails half-way, the cached table
    is the fallback, and a printed sentence says how old it is.

    Args:
        sweep_path: `entity/project/ID`.

    Returns:
        A row per run, in the order in which the sweep handed them out:

        - `run` (ID), `name`, `state`;
        - a column per parameter that the sweep varies, nested ones as `outer.inner`; numbers that
          were written as text are numbers, NaN is for a run that lacks the parameter, and None for
          a null if the sweep lists one (`groupby` counts it with `dropna=False`);
        - the best value that the run logged for the sweep's metric (see
          `sweepserver.search.metric`);
        - the last values of `Train Loss`, `Validation Loss`, `Validation Accuracy` (percent) and
          `Effective Learning Rate`, unless one is the metric, and of each of several `metrics`;
          floats, NaN if the run logged none;
        - `started` (UTC) and `seconds` (from `wandb.init` to the run's end, or to the last value
          logged if it is still running);
        - `host` and `array_task` (`JOB_TASK` as SLURM writes it, None outside SLURM), which the
          trainer puts into the summary as `Host` and `Array Task`;
        - `stopped_early`: whether the sweep's early termination ended the run.  The API doesn't
          say who stopped a run, so this is true for a run that was killed after it had logged
          enough values for the first comparison;
        - `path` (`entity/project/run`), and the rest of the run's config, a column per key.

        A key of the config that is named like another column of such tables is `config.NAME`, as in
        `analyze.hyperparameters`.  The sweep's metric takes the place of a column of its name.

        `attrs["definition"]` is the sweep configuration, and `attrs["note"]` the printed sentence,
        or empty.

    Raises:
        WorkshopError: the path is incomplete, there is no such sweep, or the server doesn't answer
            and nothing is cached.
    """
    split(sweep_path)
    cached = CachedApi()
    answer = cached.ask("runs", sweep_path, lambda api: _sweep_and_rows(api, sweep_path))
    definition, rows = answer["definition"], answer["rows"]
    metrics = _columns(definition)
    scales = hyperparameters(definition)
    first = ["run", "name", "state", *scales, *metrics]
    first += ["started", "seconds", "host", "array_task", "stopped_early", "path"]
    others = sorted({key for row in rows for key in row} - set(first))
    frame = pd.DataFrame(rows, columns=list(dict.fromkeys(first + others)))
    for name, scale in scales.items():
        frame[name] = column([row.get(name, math.nan) for row in rows], scale)
    for name in [*metrics, "seconds"]:
        frame[name] = pd.to_numeric(frame[name], errors="coerce").astype(float)
    frame["started"] = pd.to_datetime(frame["started"], unit="s", utc=True).dt.round("ms")
    frame["stopped_early"] = frame["stopped_early"].eq(True)  # nothing in tables kept before
    frame.attrs = {"definition": definition, "note": _say(cached)}
    return frame


def history(run_paths: Iterable[str], keys: Sequence[str]) -> pd.DataFrame:
    """Fetch the histories of some runs: everything that they logged, step by step.

    They are cached on disk, as a fallback for when the server doesn't answer.

    Args:
        run_paths: `entity/project/run` each, the column `path` of `fetch_runs`.
        keys: the metrics to keep, for example `Epoch` and `Train Loss`; nested ones dotted.

    Returns:
        A row per run and step: `run`, `step`, then the keys; NaN if a step logged other metrics.
        Runs are in the given order.  `attrs["definition"]` is the sweep configuration if the paths
        are a column of `fetch_runs`.

    Raises:
        WorkshopError: a run doesn't exist, fewer rows came back than it has logged, or the server
            doesn't answer and nothing is cached.
    """
    cached = CachedApi()
    rows: list[tuple] = []
    for path in run_paths:
        steps = cached.ask("history", path, partial(_steps, path=path))
        run = path.rsplit("/", 1)[-1]
        curves = [curve(steps, key) for key in keys]
        numbers = [step["_step"] for step in steps]
        rows += zip([run] * len(steps), numbers, *curves, strict=True)
    frame = pd.DataFrame(rows, columns=["run", "step", *keys])
    for key in keys:
        frame[key] = pd.to_numeric(frame[key], errors="coerce")
    frame.attrs = {**getattr(run_paths, "attrs", {}), "note": _say(cached)}
    return frame


def _say(cached: CachedApi) -> str:
    """Print that answers came from the cache, in one sentence for all of them."""
    if not cached.notes:
        return ""
    more = f" (and {len(cached.notes) - 1} more like this)" if len(cached.notes) > 1 else ""
    note = cached.notes[0] + more
    print(note)
    return note


def _columns(definition: Mapping) -> list[str]:
    goals = [metric.name for metric in Metric.goals_of(definition)]
    return list(dict.fromkeys([*SUMMARY, *goals]))


def _sweep_and_rows(api: "wandb.Api", sweep_path: str) -> dict[str, Any]:
    sweep = api.sweep(sweep_path)
    entity, project, sweep_id = split(sweep_path)
    # lazy=False asks for config and summary right away; otherwise each is a query per run.
    runs = api.runs(
        f"{entity}/{project}", filters={"sweep": sweep_id}, per_page=RUNS_PER_PAGE, lazy=False
    )
    metric = Metric.of(sweep.config)
    logged = logged_values(api, sweep_path, metric.name) if metric else {}
    rows = [_row(run, sweep.config, metric, logged.get(run.id, [])) for run in runs]
    return {"definition": sweep.config, "rows": rows}


def _steps(api: "wandb.Api", path: str) -> list[dict[str, Any]]:
    run = api.run(path)
    # Without `keys`, because a scan with keys skips steps that lack one of them.
    steps = list(run.scan_history(use_cache=False))
    if len(steps) < run.history_line_count:
        raise WorkshopError(
            f"run {path} has logged {run.history_line_count} steps, but the server returned "
            f"{len(steps)}: fetch its history again"
        )
    return steps


def _row(
    run: "wandb.apis.public.Run", definition: Mapping, metric: Metric | None, logged: list[Any]
) -> dict[str, Any]:
    values = sum(number(value) is not None for value in logged)
    summary = run.summary_metrics
    known = {
        "run": run.id,
        "name": run.name,
        "state": run.state,
        "started": _started(run),
        "seconds": _seconds(summary),
        "host": summary.get("Host"),
        "array_task": summary.get("Array Task"),
        "stopped_early": run.state == "killed" and hyperband.is_judged(definition, values),
        "path": path_of(run),
    }
    known |= {name: lookup(summary, name) for name in SUMMARY}
    known |= {goal.name: goal.value(summary) for goal in Metric.goals_of(definition)}
    if metric:
        known[metric.name] = metric.value(summary, logged)
    chosen = _flatten(run.config)
    names = columns(chosen, definition)
    return known | {names[key]: value for key, value in chosen.items()}


def _started(run: "wandb.apis.public.Run") -> float | None:
    """Return when `wandb.init` started, in seconds since 1970; None for a pending run.

    The fallback for runs that logged nothing is the server's `created_at`, the time when the sweep
    handed the run out, seconds earlier.
    """
    summary = run.summary_metrics
    if "_timestamp" in summary:
        return summary["_timestamp"] - summary.get("_runtime", 0)
    return None if run.state == "pending" else pd.Timestamp(run.created_at).timestamp()


def _seconds(summary: Mapping) -> float | None:
    # `_runtime` is exact but ends at the last logged value; the total is in whole seconds.
    known = [summary.get("_runtime"), summary.get("_wandb", {}).get("runtime")]
    return max((value for value in known if value is not None), default=None)


def _flatten(config: Mapping, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value) if isinstance(value, list) else value
    return flat
