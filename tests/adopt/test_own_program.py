"""The programs of notebook 08: small steps, of which each runs, and an end that passes."""

import difflib
import subprocess
import sys
from itertools import pairwise

import pytest

from workshop.adopt import try_out
from workshop.adopt.effects import USED
from workshop.exercises.own_program import PROGRAMS

STEPS = [PROGRAMS / name for name in ("plain.py", "step_1.py", "step_2.py", "step_3.py")]


def test_each_step_changes_three_lines_at_the_most():
    texts = [step.read_text().splitlines() for step in STEPS]
    for before, after in pairwise(texts):
        changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
        assert 1 <= len(changed) <= 3, changed


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.stem)
def test_each_step_runs_without_a_sweep(step, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    done = subprocess.run(
        [sys.executable, step, "--epochs=1"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("validation loss 2."), done.stderr


@pytest.mark.slow
def test_the_last_step_passes_the_try_out(server):
    found = try_out(STEPS[-1], "adopt-own-program")
    assert found.is_ready, found.observations
    verdicts = {effect.parameter.name: effect.verdict for effect in found.effects}
    assert verdicts == dict.fromkeys(("learning_rate", "momentum", "epochs"), USED)


def test_a_program_that_refuses_the_form_of_its_values_is_asked_about_the_form(server):
    refused = {
        "program": str(PROGRAMS / "hydra_style.py"),
        "parameters": {"optimizer.learning_rate": {"values": [0.1, 0.01]}},
    }
    (problem,) = [
        each for each in try_out(refused, "adopt-own-program").observations if each.is_problem
    ]
    assert "there is no setting '--optimizer.learning_rate'" in problem.sentence
    assert problem.sentence.endswith(
        "takes its values as ${args}, as its sweep's command has them."
    )
