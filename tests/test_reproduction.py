"""`workshop reproduce`: a finished run once more, and what is said about the two."""

import os
import subprocess
import sys

import pytest
import wandb

from tests.waiting import patience
from workshop import cli
from workshop.analyze import reproduction
from workshop.analyze.reproduction import Reproduction
from workshop.errors import WorkshopError
from workshop.paths import ROOT

PROJECT = "naïve repeats"
"""Addresses escape its name."""

TINY = ["--scale=tiny", "--num_epochs=1", "--learning_rate=1e-2", "--optimizer=sgd"]


def test_a_run_comes_out_again(server, capfd):
    from workshop.connection.backend import connect

    connect("local")
    environment = os.environ | {"WANDB_PROJECT": PROJECT, "WANDB_RUN_ID": "original"}
    command = [sys.executable, "-m", "workshop.wandb_sweep", *TINY]
    subprocess.run(command, cwd=ROOT, env=environment, timeout=patience(300), check=True)
    original = wandb.Api().run(f"local/{PROJECT}/original")
    del original.config["log_model"]  # as an older version of the kit would have left it
    original.update()
    assert cli.main(["reproduce", f"local/{PROJECT}/original"]) == 0
    said = capfd.readouterr().out
    assert f"Run local/{PROJECT}/original, again as local/{PROJECT}/" in said
    assert "The metrics agree exactly." in said, said
    assert "hardware are the same" in said
    runs = {run.id: run for run in wandb.Api().runs(f"local/{PROJECT}")}
    new = runs.pop(next(name for name in runs if name != "original"))
    assert "log_model" not in runs["original"].config
    assert new.config == runs["original"].config | {"log_model": False}
    assert new.state == "finished"
    assert new.notes == f"Reproduces local/{PROJECT}/original"


def test_what_cannot_be_reproduced_is_a_sentence(server):
    from workshop.connection.backend import connect

    connect("local")
    with wandb.init(project="again", id="foreign", config={"x": 1}):
        pass
    with wandb.init(project="again", id="failed") as run:
        run.finish(exit_code=1)
    for name, said in {
        "local/again/foreign": "lacks part of the configuration of workshop/wandb_sweep.py",
        "local/again/failed": "is failed, so it has no result",
        "local/again/nosuch": "cannot be read",
        "again/nosuch": "is not the path of a run",
    }.items():
        with pytest.raises(WorkshopError, match=said):
            reproduction.reproduce(name)


NAN = float("nan")


@pytest.mark.parametrize(
    ("metrics", "verdict", "disagreeing"),
    [
        ({"A": (1.0, 1.0), "B": (NAN, NAN)}, "agree exactly", []),
        ({"A": (100.0, 100.9), "B": (1.0, 1.0)}, "to within 1 %", []),
        ({"A": (100.0, 102.0), "B": (1.0, 1.0)}, "do not agree: A", ["A"]),
        ({"A": (1.0, NAN)}, "do not agree: A", ["A"]),
        ({"A": (NAN, 1.0)}, "do not agree: A", ["A"]),
    ],
)
def test_metrics_are_compared(metrics, verdict, disagreeing):
    compared = Reproduction("e/p/a", "e/p/b", metrics, {"commit": ("1f", ""), "GPU": ("", "H200")})
    assert verdict in compared.verdict
    assert compared.disagreeing == disagreeing
    assert "commit was 1f, now not recorded" in str(compared)
    assert "GPU was not recorded, now H200" in str(compared)


def test_packages_are_compared():
    differences = reproduction._package_differences
    assert differences({"a": "1"}, {"a": "1"}) == {}
    assert differences({}, {"a": "1"}) == {"packages": ("", "1 packages")}
    assert differences({"a": "1", "b": "1"}, {"a": "2"}) == {
        "package a": ("1", "2"),
        "package b": ("1", ""),
    }
    many = differences(dict.fromkeys("abcdefgh", "1"), dict.fromkeys("abcdefgh", "2"))
    assert len(many) == 6
    assert many["other packages"] == ("8 packages", "8 packages, 3 more in another version")
