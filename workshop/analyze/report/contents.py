"""The contents of a report: text, tables and figures, from the sweep's server and from SLURM."""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go
import yaml

from sweepserver.search.metric import Metric
from workshop import analyze
from workshop.analyze import plots
from workshop.analyze.parameter_importance import chance_correlation, importance
from workshop.analyze.pareto import rank_by
from workshop.analyze.plots.style import point_text, result_text
from workshop.analyze.replicates import SEED
from workshop.analyze.report.environment import here, of_run
from workshop.analyze.snapshot import short
from workshop.initialize import registration
from workshop.run_agents import slurm
from workshop.wording import count, listed

CURVES = 10
"""How many of the best runs have their learning curves drawn."""

FEW_RUNS = 20
"""With fewer ranked runs, a report warns against reading too much into importances."""


class Table(NamedTuple):
    """A table of short texts, with a heading for each column."""

    columns: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Contents:
    """A report before it is a page.

    Attributes:
        sweep: its path, `entity/project/ID`.
        name: its name in the definition, or the ID.
        written: when the report was made (UTC).
        question: the description of the sweep; empty if it has none.
        definition: the sweep configuration as YAML.
        result: the answer in a sentence or two.
        runs: the ranked runs, the best first.
        figures: the figures that have data.
        excluded: the runs that aren't ranked, with the reason.
        ledger: how each array task ended; None if no array was submitted.
        ledger_note: why SLURM did not answer; empty if it did, or if there is no array.
        environments: facts by title, about the best run and the machine that wrote the report.
        limits: the limits of the results, a sentence each.
    """

    sweep: str
    name: str
    written: datetime
    question: str
    definition: str
    result: str
    runs: Table
    figures: list[go.Figure]
    excluded: Table
    ledger: Table | None
    ledger_note: str
    environments: dict[str, dict[str, str]]
    limits: list[str]


def collect(path: str) -> Contents:
    """Collect the contents of a report on a sweep.

    Args:
        path: the sweep, `entity/project/ID`.

    Raises:
        WorkshopError: there is no such sweep, or its server does not answer.
    """
    definition = registration.get(path).config
    runs = analyze.fetch_runs(path)
    varied = analyze.hyperparameters(definition)
    goals = Metric.goals_of(definition)
    ranked = rank_by(runs, goals)
    ledger = slurm.ledger(path)
    best = None if ranked.empty else str(ranked.iloc[0]["path"])
    return Contents(
        sweep=path,
        name=definition.get("name") or path.rsplit("/", 1)[-1],
        written=datetime.now(UTC),
        question=definition.get("description") or "",
        definition=yaml.safe_dump(_plain(definition), sort_keys=False, allow_unicode=True).strip(),
        result=_result(runs, ranked, definition, list(varied)),
        runs=_runs_table(ranked, goals, list(varied)),
        figures=[
            figure for figure in _figures(runs, ranked, goals, varied) if figure and figure.data
        ],
        excluded=_excluded(runs, ranked, goals),
        ledger=None if ledger.empty else _ledger_table(ledger),
        ledger_note=ledger.attrs.get("problem", ""),
        environments=({"The best run": of_run(best)} if best else {})
        | {"Where this report was written": here()},
        limits=list(_limits(runs, ranked, goals, list(varied))),
    )


def _plain(definition: Any) -> dict[str, Any]:
    """Return a definition without the description, which is shown as the question."""
    return {key: value for key, value in dict(definition).items() if key != "description"}


def _result(
    runs: pd.DataFrame, ranked: pd.DataFrame, definition: dict[str, Any], varied: list[str]
) -> str:
    goals = Metric.goals_of(definition)
    states = [f"{number} {state}" for state, number in Counter(runs["state"]).most_common()]
    said = f"{count(len(runs), 'run')}{': ' + listed(states) if states else ''}."
    if not goals:
        return f"{said} The sweep has no metric, so there is no best run."
    names = listed(goal.name for goal in goals)
    if ranked.empty:
        return f"{said} None has finished with a finite {names}."
    best = ranked.iloc[0]
    if len(goals) > 1:
        front = int((ranked["front"] == 1).sum())
        return (
            f"{said} The sweep has several goals ({names}). The Pareto front, which no other run "
            f"beats in all goals, has {count(front, 'run')}."
        )
    name = goals[0].name
    value = result_text(name, best[name], definition)
    chosen = f" with {point_text(best, varied)}" if varied else ""
    return f"{said} The best is {best['name']}: {value}{chosen}."


def _runs_table(ranked: pd.DataFrame, goals: list[Metric], varied: list[str]) -> Table:
    first = ["front"] if "front" in ranked else []
    names = [*first, "name", *varied, *(goal.name for goal in goals), "seconds"]
    names = [name for name in dict.fromkeys(names) if name in ranked]
    rows = [[short(row[name]) for name in names] for _, row in ranked.iterrows()]
    if not first and goals:
        return Table(["rank", *names], [[str(i), *row] for i, row in enumerate(rows, 1)])
    return Table(names, rows)


def _figures(
    runs: pd.DataFrame, ranked: pd.DataFrame, goals: list[Metric], varied: Any
) -> Iterator[go.Figure | None]:
    """Yield the figures; a figure without data says that there is nothing to draw."""
    if ranked.empty or not goals or not varied:
        return
    if len(goals) > 1:
        counted = ranked.drop(columns="front")
        for pair in itertools.combinations(goals, 2):
            yield plots.pareto_front(analyze.rank_fronts(counted, pair), pair, varied)
        return
    metric, goal = goals[0].name, goals[0].goal
    yield plots.parallel_coordinates(runs, varied, metric, goal)
    yield plots.slices(runs, varied, metric, goal)
    yield plots.importance_bars(importance(runs, metric, varied), metric)
    yield plots.best_so_far(analyze.best_so_far(runs, metric, goal), metric)
    shown = ranked.head(CURVES)
    curves = analyze.history(shown["path"], ["Epoch", metric])
    if curves["Epoch"].isna().all():
        curves = curves.drop(columns="Epoch")
    yield plots.learning_curves(curves, plots.run_labels(shown, varied))


def _excluded(runs: pd.DataFrame, ranked: pd.DataFrame, goals: list[Metric]) -> Table:
    """Return the runs that aren't ranked, each with the first reason that applies."""
    reasons: dict[str, list[str]] = {}
    for goal in goals:
        for _, row in analyze.left_out(runs, goal.name).iterrows():
            reasons.setdefault(row["run"], [row["name"], row["reason"]])
    if not goals:
        others = runs[~runs["run"].isin(ranked["run"])]
        reasons = {
            row["run"]: [row["name"], f"It is {row['state']}."] for _, row in others.iterrows()
        }
    return Table(["run", "why"], list(reasons.values()))


def _ledger_table(ledger: pd.DataFrame) -> Table:
    names = ["task", "run", "slurm", "starts", "cause"]
    return Table(names, [[short(row[name]) for name in names] for _, row in ledger.iterrows()])


def _limits(
    runs: pd.DataFrame, ranked: pd.DataFrame, goals: list[Metric], varied: list[str]
) -> Iterator[str]:
    """Yield the limits of the results."""
    if len(ranked) < len(runs):
        unranked = count(len(runs) - len(ranked), "run is", "runs are")
        yield (
            f"{unranked} not ranked, of {len(runs)}; a point that fails more often than others "
            "looks better than it is."
        )
    names = [name for name in varied if name != SEED]
    if goals and names and not ranked.empty:
        if not ranked.astype(dict.fromkeys(names, str)).duplicated(names).any():
            yield (
                "Each point was tried once, so part of the best result is luck; to run the best "
                "points again with new seeds, use workshop confirm."
            )
        yield (
            "The results apply to the values and ranges that were searched, and to the fixed "
            "settings in the definition."
        )
    if goals and 3 <= len(ranked) < FEW_RUNS:
        yield (
            f"With {len(ranked)} ranked runs, chance alone produces correlations of up to "
            f"{chance_correlation(len(ranked)):.2f}; treat importances as questions, not answers."
        )
    if set(runs.get("scale", pd.Series(dtype=str)).dropna()) & {"tiny", "smoke"}:
        yield ("The runs are small (scale tiny or smoke): other values may be best at full size.")
