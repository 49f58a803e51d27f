"""The report of an execution: an HTML index of its results, and a summary of its sweep."""

from pathlib import Path

import yaml

from sweepserver.search.metric import Metric
from workshop import analyze, durations, files
from workshop.analyze.page_templates import template
from workshop.analyze.pareto import rank_by
from workshop.analyze.plots.style import result_text, value_text
from workshop.analyze.snapshot import short
from workshop.batch.record import Execution, iso, moment
from workshop.connection.browser_links import is_proxied, is_this_machine
from workshop.initialize import registration
from workshop.paths import shown
from workshop.trainer.metrics import EFFECTIVE_LEARNING_RATE
from workshop.wording import count, listed

INDEX = Path(__file__).with_name("index.html")
REQUESTED = "learning_rate"


def write_index(execution: Execution) -> None:
    """Write the current `index.html` of an execution."""
    url = execution.sweep.get("url", "")
    index = template(INDEX, moment=moment, span=durations.exact, iso=iso, given=_given)
    page = index.render(
        execution=execution,
        name=execution.folder.name,
        folder=shown(execution.folder),
        is_local=is_this_machine(url) or is_proxied(url),
        pages={path.stem for path in execution.folder.glob("*.html")},
        notebooks={path.stem for path in execution.folder.glob("*.ipynb")},
    )
    files.write(execution.folder / "index.html", page, sole_writer=True)


def _given(value: object) -> str:
    """Return a parameter's value as it would be typed on the command line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")


def summary(path: str) -> str:
    """Return a summary of a sweep: its finished runs as a table, and the best of them.

    The best run is first if the sweep has a metric, and the Pareto front if it has several goals.

    Args:
        path: the sweep, `entity/project/ID`.
    """
    definition = registration.get(path).config
    runs = analyze.fetch_runs(path)
    if not len(runs):
        return f"Sweep: {path}, no runs yet"
    lines = [f"Sweep: {path}, {count(len(runs), 'run')}"]
    if "dataset" in runs:
        lines.insert(0, f"Data: {', '.join(sorted(set(runs['dataset'].dropna())))}")

    goals = Metric.goals_of(definition)
    metrics = [goal.name for goal in goals]
    finished = rank_by(runs, goals)
    if finished.empty:
        what = f" with a finite {listed(metrics)}" if metrics else ""
        return "\n".join([*lines, f"No run has finished{what}."])

    varied = analyze.hyperparameters(definition)
    others = [name for name in varied if name != REQUESTED]
    fronts = ["front"] if len(goals) > 1 else []
    wanted = dict.fromkeys([*fronts, "name", *others, REQUESTED, EFFECTIVE_LEARNING_RATE, *metrics])
    table = finished[[name for name in wanted if name in finished]].rename(
        columns={
            REQUESTED: "requested learning rate",
            EFFECTIVE_LEARNING_RATE: "effective learning rate",
        }
    )
    nulls = {name: short for name, scale in varied.items() if scale.has_null}
    lines += [
        "", table.to_string(index=False, float_format="{:g}".format, formatters=nulls), ""
    ]  # fmt: skip
    if not goals:
        return "\n".join([*lines, "The sweep has no metric, so there is no best run."])
    if fronts:
        why = f"The sweep has several goals ({listed(metrics)}), so there is no best run"
        return "\n".join([*lines, f"{why}: choose one from front 1, the Pareto front."])
    best = finished.iloc[0]
    found = result_text(metrics[0], best[metrics[0]], definition)
    if REQUESTED in finished:
        found = f"learning rate {value_text(best[REQUESTED])}, {found}"
    return "\n".join([*lines, f"Best run: {best['name']} with {found}"])
