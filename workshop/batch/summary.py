"""What came out of a sweep, in a few lines."""

from sweepserver.search.metric import Metric
from workshop import analyze
from workshop.analyze.plots.style import UNITS, count, value_text
from workshop.analyze.snapshot import short
from workshop.initialize import registration

REQUESTED, EFFECTIVE = "learning_rate", "Effective Learning Rate"


def summary(path: str) -> str:
    """Return a sweep's finished runs as a table, and what a reader wants to know.

    The best run is first, if the sweep has a metric to tell it by.

    Args:
        path: the sweep, `entity/project/ID`.
    """
    definition = registration.get(path).config
    runs = analyze.fetch_runs(path)
    if not len(runs):
        return f"Sweep: {path}, no run yet"
    lines = [f"Sweep: {path}, {count(len(runs), 'run')}"]
    if "dataset" in runs:
        lines.insert(0, f"Data: {', '.join(sorted(set(runs['dataset'].dropna())))}")

    judged = Metric.of(definition)
    metric = judged and judged.name
    if judged:
        finished = analyze.rank(runs, judged.name, judged.goal)
    else:
        finished = runs[runs["state"] == "finished"]
    if finished.empty:
        what = f" with a finite {metric}" if metric else ""
        return "\n".join([*lines, f"No run has finished{what}."])

    varied = analyze.hyperparameters(definition)
    others = [name for name in varied if name != REQUESTED]
    wanted = dict.fromkeys(["name", *others, REQUESTED, EFFECTIVE, metric])
    table = finished[[name for name in wanted if name in finished]].rename(
        columns={REQUESTED: "requested learning rate", EFFECTIVE: "effective learning rate"}
    )
    nulls = {name: short for name, scale in varied.items() if scale.has_null}
    lines += [
        "", table.to_string(index=False, float_format="{:g}".format, formatters=nulls), ""
    ]  # fmt: skip
    if not metric:
        return "\n".join([*lines, "The sweep has no metric, by which a run could be the best."])
    best = finished.iloc[0]
    found = f"{metric} {value_text(best[metric])} {UNITS.get(metric, '')}".rstrip()
    if REQUESTED in finished:
        found = f"learning rate {value_text(best[REQUESTED])}, {found}"
    return "\n".join([*lines, f"Best run: {best['name']} with {found}"])
