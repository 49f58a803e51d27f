"""Analyze a sweep, step 4: its runs as a table, the best of them, and which parameter mattered.

Everything works on pandas frames: `fetch_runs` and `history` make them through W&B's public
API, the other functions need no server.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd

from workshop import sweep
from workshop.config import METRICS
from workshop.errors import WorkshopError

if TYPE_CHECKING:
    import wandb

SUMMARY = (*METRICS, "Effective Learning Rate")
"""What the trainer leaves in a run's summary."""

MINIMUM_RUNS = 5
"""Fewer runs say nothing about importance: with four, even a correlation of 0.94 is chance."""

RUNS_PER_PAGE = 100
"""Whole runs per query: few queries, each well within the 19 s that the client waits."""

_UNFINISHED = {
    "pending": "has not started yet",
    "running": "is still running, so its last value is not its final one",
    "preempted": "was preempted and waits to be resumed",
    "preempting": "is being preempted",
    "failed": "failed: its program ended with an error",
    "crashed": "crashed: its process stopped reporting",
    "killed": "was stopped before its end",
}


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


def hyperparameters(sweep_config: Mapping) -> dict[str, str]:
    """Return the parameters that a sweep varies, each with the scale on which it does.

    Args:
        sweep_config: a sweep configuration.  Parameters with one possible value are left out.

    Returns:
        `log`, `linear` or `category` by name, nested parameters as `outer.inner`.  A
        distribution says its scale itself; a list of numbers is `log` if their ratios are
        more even than their differences (0.1, 0.01, 0.001).
    """
    found = {}
    for name, specification in sweep_config["parameters"].items():
        if "parameters" in specification:
            nested = hyperparameters(specification)
            found |= {f"{name}.{inner}": scale for inner, scale in nested.items()}
        elif scale := _scale(specification):
            found[name] = scale
    return found


def rank(frame: pd.DataFrame, metric: str, goal: str = "maximize") -> pd.DataFrame:
    """Return the runs that finished with a finite metric, the best first, counted from 1.

    Args:
        frame: runs as `fetch_runs` returns them.
        metric: a column of it.
        goal: `maximize` or `minimize`, as in the sweep configuration.

    Raises:
        WorkshopError: the frame has no such column, or the goal is none of the two.
    """
    if goal not in ("maximize", "minimize"):
        raise WorkshopError(f"goal {goal!r} is not known: use 'maximize' or 'minimize'")
    ranked = frame[_counts(frame, metric)].sort_values(
        metric, ascending=goal == "minimize", kind="stable", ignore_index=True
    )
    ranked.index = pd.RangeIndex(1, len(ranked) + 1, name="rank")
    return ranked


def left_out(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the runs that `rank` leaves out, each with the reason.

    Returns:
        Columns `run`, `name` and `reason` (a sentence).

    Raises:
        WorkshopError: the frame has no column `metric`.
    """
    others = frame.loc[~_counts(frame, metric), ["run", "name", "state", metric]]
    reasons = [
        f"Run {name} {_UNFINISHED.get(state) or _missing(metric, value)}."
        for name, state, value in zip(others["name"], others["state"], others[metric], strict=True)
    ]
    return others[["run", "name"]].assign(reason=reasons).reset_index(drop=True)


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


def importance(frame: pd.DataFrame, metric: str, parameters: Mapping[str, str]) -> pd.DataFrame:
    """Say how much each hyperparameter had to do with a metric, in two ways.

    *Importance* is W&B's: a random forest learns to predict the metric from the
    hyperparameters, and its feature importances are reported.  They are shares that sum to 1;
    they see interactions and curves, but have no direction.  They rate the sweep as it was
    run: a parameter tried over a narrow range looks unimportant.  A forest always hands out
    the whole sum, to noise as well, and more of it to parameters with many distinct values.

    *Correlation* is Pearson's, from -1 to 1: whether the metric rises or falls with the
    parameter along a straight line.  A parameter whose best value lies in the middle has
    none.  With few runs it differs from 0 by chance alone, see `chance_correlation`.

    Parameters with a log scale are taken as logarithms.  Categories become an indicator per
    value (0 or 1) whose importances are summed; the correlation is that of the value with the
    strongest one.

    Sources: https://docs.wandb.ai/models/app/features/panels/parameter-importance and, for
    the bias of such importances, Strobl et al., BMC Bioinformatics 8:25, 2007.

    Args:
        frame: runs as `fetch_runs` returns them; those that `rank` accepts are used.
        metric: a column of it.
        parameters: scales by name, as `hyperparameters` returns them.

    Returns:
        A row per parameter (the index), the most important first: `importance`, `correlation`,
        `category` (the value that the correlation is for, empty for numbers), `runs` (how many
        were used) and `remark`.  Both numbers are NaN where they would mean nothing, and the
        remark says why in a sentence: fewer than 5 runs, a parameter that never varied, a
        metric that was the same in every run.
    """
    runs = rank(frame, metric)
    index = pd.Index(parameters, name="parameter")
    table = pd.DataFrame(
        {
            "importance": math.nan,
            "correlation": math.nan,
            "category": "",
            "runs": len(runs),
            "remark": "",
        },
        index=index,
    )
    if len(runs) < MINIMUM_RUNS:
        table["remark"] = (
            f"Needs at least {MINIMUM_RUNS} finished runs with a {metric}, there are {len(runs)}."
        )
        return table
    if runs[metric].nunique() == 1:
        table["remark"] = f"{metric} is {runs[metric].iloc[0]:g} in every run."
        return table
    inputs = {}
    for name, scale in parameters.items():
        values = runs[name]
        if values.nunique() == 1:
            table.loc[name, "remark"] = f"It was {values.iloc[0]} in every run."
            continue
        inputs[name] = _features(values, scale)
        correlations = inputs[name].corrwith(runs[metric])
        strongest = correlations.abs().idxmax()
        table.loc[name, "correlation"] = correlations[strongest]
        if scale == "category":
            table.loc[name, "category"] = strongest
    if inputs:
        shares = _forest_importances(inputs, runs[metric])
        table.loc[list(shares), "importance"] = pd.Series(shares)
    return table.sort_values("importance", ascending=False, kind="stable")


def chance_correlation(runs: int) -> float:
    """Return the correlation that so many runs exceed by chance once in twenty times.

    It is the critical value of Pearson's coefficient at the 5 % level, two-sided, from
    Student's t distribution: 0.88 for 5 runs, 0.71 for 8, 0.25 for 60.

    Args:
        runs: at least 3.
    """
    from scipy.stats import t

    quantile = t.ppf(0.975, runs - 2)
    return float(quantile / math.sqrt(runs - 2 + quantile**2))


def overhead(frame: pd.DataFrame, at_once: int) -> pd.Series:
    """Say how much of the time of agents side by side went into runs, and how much did not.

    The clock runs from the start of the first run to the end of the last one; the start-up
    before the first run is not in it.

    Args:
        frame: runs as `fetch_runs` returns them; those that never started do not count.
        at_once: how many agents ran side by side, fewer than there are runs.

    Returns:
        `runs`, `seconds in all` (by the clock), `seconds of a run` (in the mean), and `seconds
        between runs`, in which an agent had none (the mean over the gaps).
    """
    runs = frame.dropna(subset=["started", "seconds"])
    ends = runs["started"] + pd.to_timedelta(runs["seconds"], unit="s")
    elapsed = (ends.max() - runs["started"].min()).total_seconds()
    gaps = len(runs) - at_once
    idle = at_once * elapsed - runs["seconds"].sum()
    return pd.Series(
        {
            "runs": len(runs),
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


def _scale(specification: Mapping) -> str | None:
    """Return the scale of one parameter of a sweep configuration, None if it does not vary."""
    if "values" in specification:
        return _scale_of(specification["values"])
    if "value" in specification or specification.get("min", 0) == specification.get("max", 1):
        return None
    return "log" if "log" in specification.get("distribution", "uniform") else "linear"


def _scale_of(values: Iterable) -> str | None:
    distinct = list(dict.fromkeys(map(str, values)))
    if len(distinct) < 2:
        return None
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return "category"
    ordered = sorted(set(values))
    if ordered[0] <= 0:
        return "linear"
    differences = [high - low for low, high in pairwise(ordered)]
    ratios = [math.log(high / low) for low, high in pairwise(ordered)]
    return "log" if _unevenness(ratios) < _unevenness(differences) else "linear"


def _unevenness(steps: Sequence[float]) -> float:
    return statistics.pstdev(steps) / statistics.fmean(steps)


def _counts(frame: pd.DataFrame, metric: str) -> pd.Series:
    """Return for each run whether it finished with a finite metric."""
    if metric not in frame:
        raise WorkshopError(
            f"the runs have no column {metric!r}: choose one of {', '.join(map(str, frame))}"
        )
    return (frame["state"] == "finished") & frame[metric].abs().lt(math.inf)


def _missing(metric: str, value: float) -> str:
    if math.isnan(value):
        return f"finished without a {metric}: it was never logged, or it was not a number"
    return f"finished with a {metric} of {value}, which is no finite number"


def _features(values: pd.Series, scale: str) -> pd.DataFrame:
    """Return a parameter as numeric columns: one, or one per category."""
    if scale == "category":
        return pd.get_dummies(values.astype(str), dtype=float)
    return (values.map(math.log10) if scale == "log" else values.astype(float)).to_frame()


def _forest_importances(inputs: Mapping[str, pd.DataFrame], target: pd.Series) -> dict[str, float]:
    # scikit-learn takes seconds to import, and only this function needs it.
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(n_estimators=300, random_state=0)
    forest.fit(pd.concat(inputs.values(), axis="columns").to_numpy(), target.to_numpy())
    owners = [name for name, columns in inputs.items() for _ in columns]
    return pd.Series(forest.feature_importances_).groupby(owners).sum().to_dict()
