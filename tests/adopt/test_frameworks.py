"""Programs with Hydra and with Lightning, as docs/your_own_program.md has them."""

import signal
import sys

import pytest
import yaml

from tests.adopt.document import blocks
from tests.adopt.limits import LIMITS
from workshop.adopt import session
from workshop.adopt.source import Source
from workshop.adopt.trials import Trials
from workshop.initialize import registration

pytestmark = [pytest.mark.slow, pytest.mark.scattered]

EPOCHS = 10
# What the document leaves to its reader.  An epoch takes long enough for a signal to come in it.
PROJECT = """\
import time

import lightning
import torch

class Model(lightning.LightningModule):
    def __init__(self, lr):
        super().__init__()
        lightning.seed_everything(0)
        self.lr, self.layer = lr, torch.nn.Linear(1, 1)

    def training_step(self, x):
        time.sleep(0.1)
        return ((self.layer(x) - 3 * x) ** 2).mean()

    def validation_step(self, x):
        self.log("val/loss", ((self.layer(x) - 3 * x) ** 2).mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)

training = torch.utils.data.DataLoader(torch.linspace(0, 1, 64)[:, None], batch_size=16)
validation = torch.utils.data.DataLoader(torch.linspace(0, 1, 10)[:, None], batch_size=10)
"""


def test_a_program_with_hydra(server, tmp_path):
    sweep, config, program = blocks("With Hydra")
    (tmp_path / "config.yaml").write_text(config)
    (tmp_path / "train.py").write_text(program)
    tried = session.definition(tmp_path / "train.py", sys.executable)
    found = session.in_project(
        "adopt-frameworks", tried, Source(tmp_path / "train.py"), {}, LIMITS, with_endings=False
    )
    assert found.is_ready, found.observations
    verdicts = {effect.parameter.name: effect.verdict for effect in found.effects}
    assert verdicts == {"epochs": "used", "optimizer.lr": "used"}
    written = yaml.safe_load(sweep)
    assert found.definition["command"][-1] == written["command"][-1] == "${args_no_hyphens}"
    assert yaml.safe_load(found.proposed)["metric"] == written["metric"]
    folders = [folder.name for folder in (tmp_path / "outputs").iterdir()]
    assert len(folders) == 5, "one for each trial"
    assert "by-hand" not in folders


def test_a_program_with_lightning_is_interrupted_and_resumes(server, tmp_path):
    program, of_command_line = blocks("With Lightning")
    assert yaml.safe_load(of_command_line)["command"][-2:] == ["fit", "${args}"]
    (tmp_path / "train.py").write_text(program)
    (tmp_path / "project.py").write_text(PROJECT)
    (tmp_path / "trials").mkdir()
    definition = session.definition(tmp_path / "train.py", sys.executable)
    sweep = {**definition, "method": "random", "parameters": {"lr": {"value": 0.05}}}
    path = registration.create(sweep, "adopt-frameworks")
    trials = Trials(path, definition, tmp_path / "trials", LIMITS)
    usual = {("lr",): 0.05, ("epochs",): EPOCHS}
    cut = trials.one(usual, warning=signal.SIGUSR1)
    assert (cut.status, cut.logged.state) == (75, "preempted"), cut.output
    assert cut.optimizer[0]["lr"] == 0.05
    last = trials.one(usual, run=cut.run)
    assert (last.status, last.logged.state) == (0, "finished"), last.output
    assert 0 < len(cut.logged.rows) < EPOCHS
    assert [row["epoch"] for row in last.logged.rows] == list(range(EPOCHS))
    losses = [row["val/loss"] for row in last.logged.rows]
    assert losses == sorted(losses, reverse=True)
