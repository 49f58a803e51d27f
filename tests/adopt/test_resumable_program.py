"""The program in docs/your_own_program.md: it bears signals, and resumes without a double row."""

import os
import signal
import subprocess
import sys

import pytest
import wandb

from tests.adopt.document import resumable_program
from tests.adopt.limits import LIMITS
from workshop.adopt import session
from workshop.adopt.source import Source
from workshop.adopt.trials import Trials
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.paths import ROOT
from workshop.trainer import preemption
from workshop.trainer.checkpoint import Checkpoint
from workshop.trainer.wandb_run import resumable

pytestmark = pytest.mark.scattered

EPOCHS = 16


@pytest.fixture
def definition(tmp_path):
    """Return how agents start the program of the document."""
    (tmp_path / "train.py").write_text(resumable_program())
    return session.definition(tmp_path / "train.py")


def test_a_run_is_interrupted_twice_and_has_each_row_once(server, definition, tmp_path):
    (tmp_path / "trials").mkdir()
    sweep = {**definition, "method": "random", "parameters": {"lr": {"value": 0.1}}}
    path = registration.create(sweep, "adopt-resumable-program")
    trials = Trials(path, definition, tmp_path / "trials", LIMITS)
    usual = {("lr",): 0.1, ("epochs",): EPOCHS}
    first = trials.one(usual, warning=signal.SIGUSR1)
    assert first.status == os.EX_TEMPFAIL, first.output
    assert first.logged.state == "preempted"
    assert "Traceback" not in first.output
    assert first.last_words.startswith("preempted: ")
    second = trials.one(usual, run=first.run, warning=signal.SIGTERM)
    assert second.status == os.EX_TEMPFAIL, second.output
    assert "\nterminated: this task was canceled" in second.output
    assert "so the run is not handed back yet" in second.output, "its client was ended as well"
    assert f"resumed after epoch {len(first.logged.rows)} from checkpoints/" in second.output
    assert (tmp_path / "checkpoints" / f"{first.run}.pkl").exists()
    last = trials.one(usual, run=first.run)
    assert (last.status, last.logged.state) == (0, "finished"), last.output
    # On a busy machine, the second signal may come after the last epoch.
    assert 0 < len(first.logged.rows) <= len(second.logged.rows) <= EPOCHS
    losses = [row["val/loss"] for row in last.logged.rows]
    assert losses == pytest.approx([0.81**epoch for epoch in range(1, EPOCHS + 1)])
    assert not list((tmp_path / "checkpoints").iterdir())


def test_a_program_begins_with_the_signals_of_an_arrays_task(server, tmp_path):
    """An array's agent ignores the warning, which its program inherits."""
    text = (
        "import signal; print(signal.getsignal(signal.SIGUSR1), signal.getsignal(signal.SIGTERM))"
    )
    (tmp_path / "says.py").write_text(text)
    found = Trials("e/p/s", session.definition(tmp_path / "says.py"), tmp_path, LIMITS).one({})
    assert found.last_words == "1 0", "SIG_IGN and SIG_DFL"


@pytest.mark.slow
def test_a_try_out_says_that_it_bears_signals_and_resumes(server, definition):
    source = Source(session.programs.file(definition))
    found = session.in_project("adopt-resumable-program", definition, source, {}, LIMITS)
    said = {each.subject: each.sentence for each in found.observations}
    assert found.is_ready, said
    assert "(USR1) ends it with status 75: its run can resume later" in said["warning"]
    assert said["termination"].startswith("SIGTERM, which scancel and a time limit send, ends it")
    assert "status 75" in said["termination"]
    assert "resumes after its old rows" in said["resume"]


def test_other_programs_need_nothing_but_the_standard_library(tmp_path):
    (tmp_path / "wandb.py").write_text("class Run: pass\nclass Error(Exception): pass\n")
    imports = "from workshop.trainer import checkpoint, preemption, wandb_run; preemption.listen()"
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    subprocess.run(
        [sys.executable, "-S", "-c", imports], env={"PYTHONPATH": path}, cwd=tmp_path, check=True
    )


@pytest.mark.parametrize("warning", [preemption.TERMINATED, ""])
def test_a_framework_may_end_a_program_that_was_warned(warning):
    """Lightning does, by an exit with status 0 after the step in which SIGTERM came."""
    preemption.warn(warning)
    try:
        with pytest.raises(SystemExit) as ended, resumable(wandb.init(mode="disabled")):
            raise SystemExit
    finally:
        preemption.forget()
    assert ended.value.code == (os.EX_TEMPFAIL if warning else None)


class Run:
    """What a checkpoint uses of a run."""

    def __init__(self, starting_step=0):
        self.id, self.starting_step, self.rows = "mine", starting_step, {}

    def log(self, metrics, step):
        self.rows[step] = metrics


class Part:
    """Part of a program's state."""

    def __init__(self, weight=0.0):
        self.weight = weight

    def state_dict(self):
        return {"weight": self.weight}

    def load_state_dict(self, state):
        self.weight = state["weight"]


@pytest.fixture(params=["pt", "pkl"])
def suffix(request, monkeypatch):
    """Let the program use PyTorch, or not."""
    if request.param == "pkl":
        monkeypatch.delitem(sys.modules, "torch", raising=False)
    else:
        import torch  # noqa: F401
    return request.param


def test_a_checkpoint_keeps_parts_and_anything_that_can_be_pickled(suffix, tmp_path):
    layer = Part(0.5)
    saved = Checkpoint(Run(), tmp_path, layer=layer)
    saved.state["seen"] = {3, 5}
    saved.save({"loss": 2.0})
    saved.save({"loss": 1.0})
    assert [file.name for file in tmp_path.iterdir()] == [f"mine.{suffix}"]
    other, run = Part(), Run(starting_step=2)
    restored = Checkpoint(run, tmp_path, layer=other)
    assert restored.restore() == 2
    assert restored.state == {"seen": {3, 5}}
    assert other.weight == 0.5
    assert run.rows == {2: {"loss": 1.0}}, "what a killed process had not sent is logged again"
    restored.remove()
    assert Checkpoint(Run(), tmp_path).restore() == 0


def test_a_checkpoint_that_does_not_fit_is_ignored(suffix, tmp_path, capsys):
    Checkpoint(Run(), tmp_path, {"lr": 0.1}).save({})
    assert Checkpoint(Run(), tmp_path, {"lr": 0.2}).restore() == 0
    assert "because this run's config has another lr" in capsys.readouterr().out
    assert Checkpoint(Run(), tmp_path, {"lr": 0.1}, layer=Part()).restore() == 0
    assert "because it has no layer" in capsys.readouterr().out
    (tmp_path / f"mine.{suffix}").write_bytes(b"cut off")
    assert Checkpoint(Run(), tmp_path).restore() == 0
    assert "because it cannot be read (" in capsys.readouterr().out


def test_what_cannot_be_saved_is_a_sentence(suffix, tmp_path):
    with pytest.raises(
        WorkshopError, match=r"^best is a float, .*: set checkpoint.state\['best'\]"
    ):
        Checkpoint(Run(), tmp_path, best=0.5)
    with pytest.raises(WorkshopError, match=r"^a part of a checkpoint is named 'rows'"):
        Checkpoint(Run(), tmp_path, rows=Part())
    checkpoint = Checkpoint(Run(), tmp_path)
    checkpoint.state["draw"] = lambda: 1
    with pytest.raises(WorkshopError, match=r"cannot be written \(.*: save only what can be pick"):
        checkpoint.save({})
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(WorkshopError, match="free space there, or name another folder with folder"):
        Checkpoint(Run(), tmp_path / "file").save({})
