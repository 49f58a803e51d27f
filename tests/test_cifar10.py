"""Real CIFAR-10 images through the four steps: define, initialize, run agents, analyze."""

import json
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.fixtures.requirements import CIFAR10
from workshop import analyze
from workshop.define import definition
from workshop.initialize import registration
from workshop.run_agents import local

LEARNING_RATES = (0.00001, 0.001)  # the first is too low to learn much in three epochs
IMAGES_PER_CLASS = 200

pytestmark = [pytest.mark.cifar10, pytest.mark.slow]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A part of CIFAR-10's training images, as a folder of class folders."""

    def belongs(member):
        path = Path(member.name)
        return path.parts[0] == "train" and member.isfile() and int(path.stem) < IMAGES_PER_CLASS

    folder = tmp_path_factory.mktemp("cifar10")
    with tarfile.open(CIFAR10) as archive:
        members = [member for member in archive if belongs(member)]
        archive.extractall(folder, members, filter="data")
    return folder


def test_a_sweep_of_two_learning_rates(images, server, tmp_path, monkeypatch):
    # Step 1: define the sweep, of the program that also writes down what torch's optimizer does.
    sweep = {
        "program": "tests/programs/record_learning_rate.py",
        "command": ["${env}", "python", "${program}", "${args}"],
        "method": "grid",
        "metric": {"name": "Validation Accuracy", "goal": "maximize"},
        "parameters": {
            "learning_rate": {"values": list(LEARNING_RATES)},
            "scheduler": {"value": "none"},
            "dataset": {"value": f"images:{images}"},
            "num_epochs": {"value": 3},
            "scale": {"value": "smoke"},
        },
    }
    file = tmp_path / "sweep_config.yaml"
    file.write_text(yaml.safe_dump(sweep))
    config = definition.load(file)
    assert definition.combinations(config) == 2

    # Step 2: initialize it.
    path = registration.register(config, "cifar10")

    # Step 3: run two agents side by side, with one run each.
    recorded = tmp_path / "learning_rates.jsonl"
    monkeypatch.setenv("RECORDED_LEARNING_RATES", str(recorded))
    logs = local.run_processes(path, tasks=2, at_once=2, count=1)
    output = "\n".join(log.read_text() for log in logs)

    # Step 4: analyze the runs.
    runs = analyze.fetch_runs(path)
    ranked = analyze.rank(runs, "Validation Accuracy")
    assert len(ranked) == 2, output
    history = analyze.history(ranked["path"], ["Epoch", "Train Loss"])

    seen = [json.loads(line) for line in recorded.read_text().splitlines()]
    assert sorted(step["lr"] for step in seen) == list(LEARNING_RATES), "one constant rate per run"
    used = {step["run"]: step["lr"] for step in seen}
    for _, run in ranked.iterrows():
        assert run["learning_rate"] == run["Effective Learning Rate"] == used[run["run"]]
        losses = history.loc[history["run"] == run["run"], "Train Loss"].tolist()
        assert len(losses) == 3
        assert losses[-1] < losses[0]

    best = ranked.iloc[0]
    assert best["learning_rate"] == max(LEARNING_RATES)
    # By chance 10 % with a deviation of 1.5 % on 400 images.
    assert best["Validation Accuracy"] > 20
