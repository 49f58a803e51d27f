"""`log_model`: a run logs the weights of its best epoch, and they come back as a network."""

import math

import pytest
import torch
import wandb

from workshop import analyze
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.paths import home
from workshop.run_agents import run_in_process
from workshop.trainer.best_epoch import BestEpoch
from workshop.trainer.metrics import VALIDATION_ACCURACY, VALIDATION_LOSS

PROJECT = "models"


def definition(**parameters):
    """Return a sweep of one short run."""
    fixed = {"scale": "tiny", "sample_ratio": 0.1, "num_epochs": 4, "batch_size": 16}
    # So high that the best epoch is seldom the last.
    fixed |= {"optimizer": "sgd", "learning_rate": 0.2, "scheduler": "none"} | parameters
    return {
        "program": "workshop/wandb_sweep.py",
        "method": "grid",
        "metric": {"name": VALIDATION_ACCURACY, "goal": "maximize"},
        "parameters": {name: {"value": value} for name, value in fixed.items()},
    }


@pytest.fixture(scope="module")
def logged(server):
    """A sweep whose only run has logged its model; and what it printed."""
    path = registration.register(definition(log_model=True), PROJECT)
    run_in_process(path)
    return path


def test_the_best_runs_model_has_the_logged_accuracy(logged):
    model = analyze.best_model(logged)
    (run,) = registration.runs(logged)
    rows = [row[VALIDATION_ACCURACY] for row in run.scan_history(use_cache=False)]
    assert (model.accuracy, model.epoch) == (max(rows), 1 + rows.index(max(rows)))
    assert model.validation_accuracy() == model.accuracy
    assert not model.network.training
    assert model.network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert str(model) == (
        f"resnet18 from run {'/'.join(run.path)}, epoch {model.epoch} (model-{run.id}:v0): "
        f"Validation Accuracy {model.accuracy:.4g} %"
    )


def test_a_run_logs_one_artifact_that_says_what_it_is(logged):
    (run,) = registration.runs(logged)
    (artifact,) = run.logged_artifacts()
    assert (artifact.name, artifact.type) == (f"model-{run.id}:v0", "model")
    assert set(artifact.aliases) == {"best", "latest"}
    assert set(artifact.metadata) == {"Epoch", VALIDATION_ACCURACY}
    assert not list((home() / "checkpoints").glob(f"{run.id}*"))
    assert run.state == "finished"


def test_without_a_model_a_sentence_says_which_option_to_set(server):
    with wandb.init(project=PROJECT, id="none") as run:
        run.log({VALIDATION_ACCURACY: 1})
    with pytest.raises(WorkshopError, match=r"none has no model artifact: `log_model: \{value: tr"):
        analyze.load_model(f"local/{PROJECT}/none")
    with pytest.raises(WorkshopError, match="nosuch cannot be read: "):
        analyze.load_model(f"local/{PROJECT}/nosuch")
    empty = registration.register(definition(), PROJECT)
    with pytest.raises(WorkshopError, match=r"no run of sweep .* has finished"):
        analyze.best_model(empty)


def test_the_best_epoch_is_the_first_of_equals_and_finite(capsys):
    model = torch.nn.Linear(1, 1, bias=False)
    best = BestEpoch("r", model)
    epochs = [(50, math.nan), (20, 1.0), (30, 1.0), (30, 1.0), (10, 1.0)]
    for epoch, (accuracy, loss) in enumerate(epochs, 1):
        with torch.no_grad():
            model.weight.fill_(epoch)
        best.update({"Epoch": epoch, VALIDATION_ACCURACY: accuracy, VALIDATION_LOSS: loss})
        if epoch == 1:
            best.log(None)
            assert "the loss was finite in no epoch" in capsys.readouterr().out
    with wandb.init(mode="disabled") as run:
        best.log(run)
    assert capsys.readouterr().out == ""
    assert best.state_dict()["Epoch"] == 3
    assert float(best.state_dict()["weights"]["weight"]) == 3
