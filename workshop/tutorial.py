"""The whole tutorial in one go: execute the notebooks, then say what came out."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from workshop import analysis, backend, sweep
from workshop.execute import execute, tutorial_notebooks
from workshop.paths import ROOT, shown


def run(choice: str = "local", parameters: Mapping[str, Any] | None = None) -> Path:
    """Execute notebooks 00 to 05 into `executed/<time>/` and print a summary.

    Args:
        choice: the backend, as `backend.connect` takes it.  A local server that was not
            running is stopped at the end.
        parameters: values for the notebooks' parameters; `scale` is `smoke` unless given.

    Returns:
        The folder with the executed notebooks.
    """
    folder = ROOT / "executed" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    parameters = {"scale": "smoke"} | dict(parameters or {})
    with backend.session(choice) as chosen:
        execute(tutorial_notebooks(), folder, parameters)
        path = sweep.newest(parameters.get("project", backend.PROJECT))
        print(summary(chosen, path, folder))
    return folder


def summary(chosen: backend.Backend, path: str, folder: Path) -> str:
    """Return what a reader wants to know after the notebooks ran."""
    definition = sweep.get(path).config
    metric = definition["metric"]["name"]
    runs = analysis.fetch_runs(path)
    ranked = analysis.rank(runs, metric, definition["metric"]["goal"])
    rate, effective = "learning_rate", "Effective Learning Rate"
    others = [name for name in analysis.hyperparameters(definition) if name != rate]
    table = ranked[["name", *others, rate, effective, metric]].rename(
        columns={rate: "requested learning rate", effective: "effective learning rate"}
    )
    best = ranked.iloc[0]
    return f"""
{chosen}
Data: {", ".join(sorted(set(runs["dataset"])))}
Sweep: {path}, {len(runs)} runs

{table.to_string(index=False, float_format="{:g}".format)}

Best run: {best["name"]} with learning rate {best[rate]:g}, {metric} {best[metric]:.1f} %
Written to: {shown(folder)}/index.html
To look at it: `make lab` opens the notebooks, `make serve` the pages of the runs."""
