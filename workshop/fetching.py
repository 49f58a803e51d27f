"""Read a sweep's runs and what they logged through W&B's public API, as pandas frames."""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from workshop.asking import Asker
from workshop.config import METRICS
from workshop.errors import WorkshopError
from workshop.logged import RUNS_PER_PAGE, logged_values
from workshop.parameter_values import column
from workshop.search_space import hyperparameters
from workshop.server.metric import Metric, curve
from workshop.server.search import hyperband
from workshop.server.values import lookup, number

if TYPE_CHECKING:
    import wandb

SUMMARY = (*METRICS, "Effective Learning Rate")
"""What the trainer leaves in a run's summary."""


def fetch_runs(sweep_path: str) -> pd.DataFrame:
    """Read all runs of a sweep in bulk: two queries per 100 runs, and none per run.

    What was read is kept on disk.  If the server does not answer, or fails half-way, the table
    is the one of the last time, and a printed sentence says how old it is.

    Args:
        sweep_path: `entity/project/ID`.

    Returns:
        A row per run, in the order in which the sweep handed them out:

        - `run` (ID), `name`, `state`;
        - a column per parameter that the sweep varies, nested ones as `outer.inner`; numbers that
          were written as text are numbers, NaN is for a run that lacks the parameter, and None for
          a null if the sweep lists one (`groupby` counts it with `dropna=False`);
        - the run's value of the sweep's metric, which is the best that it logged (see
          `workshop.server.metric`), and of `Train Loss`, `Validation Loss`, `Validation Accuracy`
          (percent) and `Effective Learning Rate` the last value, where one of them is not the
          metric, as of each of several `metrics`; floats, NaN where the run logged none;
        - `started` (UTC) and `seconds` (from `wandb.init` to the run's end, or to the last value
          logged if it is still running);
        - `host` and `array_task` (`JOB_TASK` as SLURM writes it, None outside SLURM), which the
          trainer puts into the summary as `Host` and `Array Task`;
        - `stopped_early`: whether the sweep's early termination ended the run.  The API does not
          say who has stopped a run: taken for it is a run that was killed after it had logged
          enough for the first comparison;
        - `path` (`entity/project/run`), and the rest of the run's config, a column per key.

        `attrs["definition"]` is the sweep configuration, and `attrs["note"]` the sentence if one
        was printed, else empty.

    Raises:
        WorkshopError: there is no such sweep, or the server does not answer and the sweep was
            never read before.
    """
    asker = Asker()
    answer = asker.ask("runs", sweep_path, lambda api: _sweep_and_rows(api, sweep_path))
    definition, rows = answer["definition"], answer["rows"]
    metrics = _columns(definition)
    scales = hyperparameters(definition)
    first = ["run", "name", "state", *scales, *metrics]
    first += ["started", "seconds", "host", "array_task", "stopped_early", "path"]
    others = sorted({key for row in rows for key in row} - set(first))
    frame = pd.DataFrame(rows, columns=first + others)
    for name, scale in scales.items():
        frame[name] = column([row.get(name, math.nan) for row in rows], scale)
    for name in [*metrics, "seconds"]:
        frame[name] = pd.to_numeric(frame[name], errors="coerce").astype(float)
    frame["started"] = pd.to_datetime(frame["started"], unit="s", utc=True).dt.round("ms")
    frame["stopped_early"] = frame["stopped_early"].eq(True)  # nothing in tables kept before
    frame.attrs = {"definition": definition, "note": _say(asker)}
    return frame


def history(run_paths: Iterable[str], keys: Sequence[str]) -> pd.DataFrame:
    """Read everything that chosen runs logged, step by step.

    Like the runs themselves, it is kept on disk for when the server does not answer.

    Args:
        run_paths: `entity/project/run` each, the column `path` of `fetch_runs`.
        keys: the metrics to keep, for example `Epoch` and `Train Loss`; nested ones dotted.

    Returns:
        A row per run and step: `run`, `step`, then the keys; NaN where a step logged another
        metric.  Runs are in the order asked for.

    Raises:
        WorkshopError: a run does not exist, fewer rows came back than it has logged, or the
            server does not answer and the run's history was never read before.
    """
    asker = Asker()
    rows = []
    for path in run_paths:
        steps = asker.ask("history", path, partial(_steps, path=path))
        run = path.rsplit("/", 1)[-1]
        curves = [curve(steps, key) for key in keys]
        numbers = [step["_step"] for step in steps]
        rows += zip([run] * len(steps), numbers, *curves, strict=True)
    frame = pd.DataFrame(rows, columns=["run", "step", *keys])
    for key in keys:
        frame[key] = pd.to_numeric(frame[key], errors="coerce")
    frame.attrs["note"] = _say(asker)
    return frame


def _say(asker: Asker) -> str:
    """Print that kept answers stand in for the server's, in one sentence for all of them."""
    if not asker.notes:
        return ""
    more = f" (and {len(asker.notes) - 1} more like this)" if len(asker.notes) > 1 else ""
    note = asker.notes[0] + more
    print(note)
    return note


def _columns(definition: Mapping) -> list[str]:
    goals = [metric.name for metric in Metric.goals_of(definition)]
    return list(dict.fromkeys([*SUMMARY, *goals]))


def _sweep_and_rows(api: "wandb.Api", sweep_path: str) -> dict[str, Any]:
    sweep = api.sweep(sweep_path)
    entity, project, sweep_id = sweep.path
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
            f"run {path} has logged {run.history_line_count} steps but {len(steps)} came "
            "back: fetch its history again"
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
        "path": "/".join(run.path),
    }
    known |= {name: lookup(summary, name) for name in SUMMARY}
    known |= {goal.name: goal.value(summary) for goal in Metric.goals_of(definition)}
    if metric:
        known[metric.name] = metric.value(summary, logged)
    chosen = _flatten(run.config)
    return known | {
        f"config.{key}" if key in known else key: value for key, value in chosen.items()
    }


def _started(run: "wandb.apis.public.Run") -> float | None:
    """Return when `wandb.init` began, in seconds since 1970; None if the run waits for its agent.

    The server's own `created_at` is when the sweep handed the run out, seconds earlier; it
    stands in for runs that logged nothing.
    """
    summary = run.summary_metrics
    if "_timestamp" in summary:
        return summary["_timestamp"] - summary.get("_runtime", 0)
    return None if run.state == "pending" else pd.Timestamp(run.created_at).timestamp()


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
