"""The parts of the trainer's benchmark: what is counted, and that both ways run."""

import json
import os
import subprocess
import sys

import pytest
import torch

from benchmarks.counting import count
from tests.waiting import patience
from workshop.paths import ROOT


def test_operations_and_bytes_of_a_product():
    left, right = torch.ones(3, 4), torch.ones(4, 5)
    # A multiplication and an addition for each element of the 3x4x5 terms; 4 bytes an element.
    assert count(lambda: left @ right) == (2 * 3 * 4 * 5, 4 * (3 * 4 + 4 * 5 + 3 * 5))


def test_views_move_no_bytes():
    assert count(lambda: torch.ones(6).view(2, 3).t()) == (0, 4 * 6)


@pytest.mark.slow
def test_both_ways_are_measured():
    case = {"image_size": 32, "batch_size": 8, "steps": 1}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.trainer_case", json.dumps({"way": way} | case)],
            cwd=ROOT, env=os.environ | {"WORKSHOP_AGENTS": "2"}, text=True, stdout=subprocess.PIPE,
        )
        for way in ("handbook", "kit")
    ]  # fmt: skip
    for process in started:
        output, _ = process.communicate(timeout=patience(240))
        assert process.returncode == 0
        measured = json.loads(output)
        assert set(measured) == {"training", "validation", "input", "start-up", "memory"}
        assert all(value > 0 for value in measured.values())
