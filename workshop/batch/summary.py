"""What came out of a sweep, in a few lines."""

from workshop import analysis, sweep
from workshop.style import count


def summary(path: str) -> str:
    """Return a sweep's finished runs as a table, the best first, and what a reader wants to know.

    Args:
        path: the sweep, `entity/project/ID`.
    """
    definition = sweep.get(path).config
    runs = analysis.fetch_runs(path)
    if not len(runs):
        return f"Sweep: {path}, no run yet"
    metric = definition["metric"]["name"]
    ranked = analysis.rank(runs, metric, definition["metric"]["goal"])
    rate, effective = "learning_rate", "Effective Learning Rate"
    others = [name for name in analysis.hyperparameters(definition) if name != rate]
    table = ranked[["name", *others, rate, effective, metric]].rename(
        columns={rate: "requested learning rate", effective: "effective learning rate"}
    )
    lines = [
        f"Data: {', '.join(sorted(set(runs['dataset'].dropna())))}",
        f"Sweep: {path}, {count(len(runs), 'run')}",
        "",
        table.to_string(index=False, float_format="{:g}".format),
        "",
    ]
    if ranked.empty:
        return "\n".join([*lines[:2], f"No run has finished with a finite {metric}."])
    best = ranked.iloc[0]
    found = f"learning rate {best[rate]:g}, {metric} {best[metric]:.1f} %"
    return "\n".join([*lines, f"Best run: {best['name']} with {found}"])
