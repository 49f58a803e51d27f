"""Client, server and kit read one value of a sweep's metric, however a program logs it."""

import subprocess
import sys

import pytest
import wandb

from workshop.initialize import registration, run_tables

PROGRAM = """
import sys, wandb
with wandb.init(settings={"console": "off"}) as run:
    run.define_metric("acc", summary="max")
    for value in (0.2, 0.9 * run.config["x"], 0.3):
        run.log({"acc": value, "val": {"acc": value}, "a.b": value})
"""
NAMES = ("acc", "acc.max", "val.acc", "a.b")


@pytest.mark.parametrize(("name", "reached"), [("acc", [0.45, 0.9]), ("val.acc", [0.45, 0.9])])
def test_client_server_and_kit_read_the_same_value(server, tmp_path, name, reached):
    config = {
        "command": ["${env}", "python", "train.py"],
        "method": "grid",
        "metric": {"name": name, "goal": "maximize", "target": 0.85},
        "parameters": {"x": {"values": [0.5, 1, 0.1, 0.2]}},
    }
    (tmp_path / "train.py").write_text(PROGRAM)
    path = f"{server.entity}/metric-flow/{wandb.sweep(config, project='metric-flow')}"
    subprocess.run([sys.executable, "-m", "wandb", "agent", path], cwd=tmp_path, check=True)
    found = registration.get(path)
    assert found.state.upper() == "FINISHED", "the second run reached the target"
    assert registration.states(path) == {"finished": 2}
    assert registration.remaining(path) == 0
    frame = run_tables.fetch_runs(path)
    assert frame[name].tolist() == pytest.approx(reached)
    assert found.best_run().config["x"] == 1
    rows = run_tables.history(frame["path"], NAMES)
    for each in NAMES:
        last = [0.45, 0.9] if each == "acc.max" else [0.3, 0.3]  # the maximum so far, or the value
        expected = [0.2, 0.45, last[0], 0.2, 0.9, last[1]]
        assert rows[each].tolist() == pytest.approx(expected)
