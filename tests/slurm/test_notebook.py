"""Notebook 03 gives the same runs, whichever way it starts its agents."""

import nbformat
import pytest

from workshop.batch import start
from workshop.define import definition
from workshop.initialize import registration
from workshop.initialize.run_tables import fetch_runs
from workshop.paths import NOTEBOOKS

RATES = [0.1, 0.001]


pytestmark = pytest.mark.slow  # the executed notebook has agents here and an array


@pytest.mark.parametrize(
    "runner",
    [
        "agent_processes",
        pytest.param("slurm_array", marks=[pytest.mark.slurm, pytest.mark.xdist_group("cluster")]),
    ],
)
def test_notebook_runs_the_sweep(runner, server, request, tmp_path):
    if runner == "slurm_array":
        request.getfixturevalue("on_cluster")
    config = definition.load("configs/sweep_config.yaml")
    tiny = {"model_name": "resnet18", "sample_ratio": 0.2, "num_epochs": 1, "scale": "smoke"}
    config["parameters"] = {name: {"value": value} for name, value in tiny.items()}
    config["parameters"] |= {
        "learning_rate": {"values": RATES},
        "optimizer": {"value": "adam"},
    }
    path = registration.register(config, "notebook")

    parameters = {"sweep": path, "runner": runner, "site": "test_cluster"}
    start([NOTEBOOKS / "03_run_agents.ipynb"], parameters, tmp_path / "out")

    runs = fetch_runs(path)
    assert sorted(runs["learning_rate"]) == sorted(RATES)
    assert list(runs["learning_rate"]) == list(runs["Effective Learning Rate"])
    assert set(runs["state"]) == {"finished"}
    assert runs["array_task"].notna().all() == (runner == "slurm_array")
    notebook = nbformat.read(tmp_path / "out" / "03_run_agents.ipynb", as_version=4)
    printed = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    )
    assert "2 runs: finished" in printed
    assert ("2 COMPLETED" if runner == "slurm_array" else "2 of 2 ended") in printed
    shown = "".join(
        output.get("data", {}).get("text/html", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    assert shown.count("COMPLETED") == (2 if runner == "slurm_array" else 0), "the ledger"
