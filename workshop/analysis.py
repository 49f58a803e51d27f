"""Analyze a sweep, step 4: its runs as a table, the best of them, and which parameter mattered.

Everything works on pandas frames: `fetch_runs` and `history` make them through W&B's public
API, the other functions need no server.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from workshop import sweep
from workshop.config import METRICS
from workshop.errors import WorkshopError
from workshop.importance import chance_correlation, hyperparameters, importance, left_out, rank

if TYPE_CHECKING:
    import wandb

__all__ = [
    "SUMMARY",
    "chance_correlation",
    "fetch_runs",
    "history",
    "hyperparameters",
    "importance",
    "left_out",
    "overhead",
    "rank",
]

SUMMARY = (*METRICS, "Effective Learning Rate")
"""What the trainer leaves in a run's summary."""

RUNS_PER_PAGE = 100
"""Whole runs per query: few queries, each well within the 19 s that the client waits."""


def fetch_runs(sweep_path: str) -> pd.DataFrame:
    """Read all runs of a sweep in one bulk query (a page per 100 runs, no query per run).

    Args:
        sweep_path: `entity/project/ID`.

    Returns:
        A row per run, in the order in which the sweep handed them out:

        - `run` (ID), `name`, `state`;
        - a column per parameter that the sweep varies, nested ones as `outer.inner`;
        - the final values `Train Loss`, `Validation Loss`, `Validation Accuracy` (percent) and
          `Effective Learning Rate`, and the sweep's own metric if it is another one; floats,
          NaN where the run logged none;
        - `started` (UTC) and `seconds` (from `wandb.init` to the run's end, or to the last value
          logged if it is still running);
        - `host` and `array_task` (`JOB_TASK` as SLURM writes it, None outside SLURM), which the
          trainer puts into the summary as `Host` and `Array Task`;
        - `path` (`entity/project/run`), and the rest of the run's config, a column per key.

    Raises:
        WorkshopError: there is no such sweep, or the server does not answer.
    """
    import wandb

    registered = sweep.get(sweep_path)
    config = registered.config
    entity, project, sweep_id = registered.path
    varied = list(hyperparameters(config))
    metrics = list(dict.fromkeys([*SUMMARY, config.get("metric", {}).get("name", SUMMARY[0])]))
    try:
        # lazy=False asks for config and summary right away; otherwise each is a query per run.
        runs = wandb.Api().runs(
            f"{entity}/{project}",
            filters={"sweep": sweep_id},
            per_page=RUNS_PER_PAGE,
            lazy=False,
        )
        rows = [_row(run, metrics) for run in runs]
    except (wandb.errors.Error, ValueError) as error:
        raise WorkshopError(
            f"the runs of sweep {sweep_path} could not be read ({error}): try again in a minute"
        ) from None
    first = ["run", "name", "state", *varied, *metrics]
    first += ["started", "seconds", "host", "array_task", "path"]
    others = sorted({key for row in rows for key in row} - set(first))
    frame = pd.DataFrame(rows, columns=first + others)
    for column in [*metrics, "seconds"]:
        frame[column] = pd.to_numeric(frame[column], errors="coerce").astype(float)
    frame["started"] = pd.to_datetime(frame["started"], utc=True)
    return frame


def history(run_paths: Iterable[str], keys: Sequence[str]) -> pd.DataFrame:
    """Read everything that chosen runs logged, step by step.

    Args:
        run_paths: `entity/project/run` each, the column `path` of `fetch_runs`.
        keys: the metrics to keep, for example `Epoch` and `Train Loss`.

    Returns:
        A row per run and step: `run`, `step`, then the keys; NaN where a step logged another
        metric.  Runs are in the order asked for.

    Raises:
        WorkshopError: a run does not exist, or fewer rows came back than it has logged.
    """
    import wandb

    api = wandb.Api()
    rows = []
    for path in run_paths:
        try:
            run = api.run(path)
            # Without `keys`, because a scan with keys skips steps that lack one of them.
            steps = list(run.scan_history(use_cache=False))
        except (wandb.errors.Error, ValueError) as error:
            raise WorkshopError(
                f"the history of run {path} could not be read ({error}): "
                "give entity/project/run as in the column `path` of fetch_runs"
            ) from None
        if len(steps) < run.history_line_count:
            raise WorkshopError(
                f"run {path} has logged {run.history_line_count} steps but {len(steps)} came "
                "back: fetch its history again"
            )
        rows += [
            {"run": run.id, "step": step["_step"]} | {key: step.get(key) for key in keys}
            for step in steps
        ]
    frame = pd.DataFrame(rows, columns=["run", "step", *keys])
    for key in keys:
        frame[key] = pd.to_numeric(frame[key], errors="coerce")
    return frame


def overhead(frame: pd.DataFrame) -> pd.Series:
    """Say how much of the time of agents side by side went into runs, and how much did not.

    The clock runs from the start of the first run to the end of the last one; the start-up
    before the first run is not in it.

    Args:
        frame: runs as `fetch_runs` returns them; those that never started do not count.

    Returns:
        `runs`, `at once` (the most runs at one moment: so many agents are taken to have been at
        work), `seconds in all` (by the clock), `seconds of a run` (in the mean), and `seconds
        between runs`, in which an agent had none (the mean over the gaps).
    """
    runs = frame.dropna(subset=["started", "seconds"])
    ends = runs["started"] + pd.to_timedelta(runs["seconds"], unit="s")
    # A run that ends in the moment in which another starts was not beside it.
    changes = pd.concat([pd.Series(-1, index=ends), pd.Series(1, index=runs["started"])])
    at_once = max(changes.sort_index(kind="stable").cumsum(), default=0)
    elapsed = (ends.max() - runs["started"].min()).total_seconds()
    gaps = len(runs) - at_once
    idle = at_once * elapsed - runs["seconds"].sum()
    return pd.Series(
        {
            "runs": len(runs),
            "at once": at_once,
            "seconds in all": elapsed,
            "seconds of a run": runs["seconds"].mean(),
            "seconds between runs": idle / gaps if gaps > 0 else math.nan,
        }
    )


def _row(run: "wandb.apis.public.Run", metrics: Iterable[str]) -> dict[str, Any]:
    summary = run.summary_metrics
    known = {
        "run": run.id,
        "name": run.name,
        "state": run.state,
        "started": _started(run),
        "seconds": _seconds(summary),
        "host": summary.get("Host"),
        "array_task": summary.get("Array Task"),
        "path": "/".join(run.path),
    }
    known |= {metric: summary.get(metric) for metric in metrics}
    config = _flatten(run.config)
    return known | {
        f"config.{key}" if key in known else key: value for key, value in config.items()
    }


def _started(run: "wandb.apis.public.Run") -> pd.Timestamp | None:
    """Return when `wandb.init` began, None for a run that waits for its agent.

    The server's own `created_at` is when the sweep handed the run out, seconds earlier; it
    stands in for runs that logged nothing.
    """
    summary = run.summary_metrics
    if "_timestamp" in summary:
        seconds = summary["_timestamp"] - summary["_runtime"]
        return pd.Timestamp(seconds, unit="s", tz="UTC").round("ms")
    return None if run.state == "pending" else pd.Timestamp(run.created_at)


def _seconds(summary: Mapping) -> float | None:
    # `_runtime` is exact but that of the last value logged; the total is cut to whole seconds.
    known = [summary.get("_runtime"), summary.get("_wandb", {}).get("runtime")]
    return max((value for value in known if value is not None), default=None)


def _flatten(config: Mapping, prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value) if isinstance(value, list) else value
    return flat
