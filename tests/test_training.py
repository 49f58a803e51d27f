"""The trainer: what it logs, what the optimizer really sees, and going on after an interruption."""

import math
import os
import signal
import subprocess
import sys

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.optimizer import register_optimizer_step_pre_hook

from tests.waiting import patience
from workshop.errors import WorkshopError
from workshop.paths import home
from workshop.trainer import preemption, training
from workshop.trainer.best_epoch import BestEpoch
from workshop.trainer.config import resolve
from workshop.trainer.cpu_convolution import ProductConv2d
from workshop.trainer.data import Images, load
from workshop.trainer.metrics import METRICS
from workshop.trainer.model import build
from workshop.trainer.optim import OPTIMIZERS
from workshop.trainer.training import (
    SCHEDULES,
    accelerated,
    build_optimizer,
    has_bfloat16,
    train,
    train_epoch,
)

# 144 training and 36 validation images: two epochs in about a second.
TINY = {"model_name": "resnet18", "sample_ratio": 0.1, "batch_size": 48}
SPEED = ("Epoch Seconds", "Images per Second")


class Recorder:
    """What `train` uses of a run, kept in memory; optionally cut off after some epochs."""

    def __init__(self, run_id="recorded", epochs=math.inf, step=0):
        self.id = run_id
        self.summary = {}
        self.rows = []
        self.epochs = epochs
        self.starting_step = step

    def log(self, metrics, step, commit=None):
        if len(self.rows) == self.epochs:
            raise KeyboardInterrupt
        assert step == metrics["Epoch"] >= self.starting_step
        assert commit is not False, "otherwise the row would not be sent before the next one"
        self.rows.append(metrics)

    def results(self):
        """Return the rows without the speed, which differs from run to run."""
        return [{k: v for k, v in row.items() if k not in SPEED} for row in self.rows]


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    monkeypatch.setenv("WORKSHOP_AGENTS", "2")
    return tmp_path


@pytest.fixture
def learning_rates():
    """The learning rate of every optimizer step, as torch itself reports it."""
    seen = []

    def record(optimizer, args, kwargs):
        seen.extend(group["lr"] for group in optimizer.param_groups)

    handle = register_optimizer_step_pre_hook(record)
    yield seen
    handle.remove()


def trained(swept=None, run=None):
    run = run or Recorder()
    train(resolve(TINY, swept), run)
    return run


def test_what_is_logged(capsys):
    run = trained()
    assert [row["Epoch"] for row in run.rows] == [1, 2]
    for row in run.rows:
        assert set(METRICS) < set(row)
        assert set(row) == {*METRICS, "Epoch", "Learning Rate", *SPEED}
        assert all(isinstance(value, float) for name, value in row.items() if name != "Epoch")
        assert 0 <= row["Validation Accuracy"] <= 100
        assert 0 < 144 / row["Images per Second"] < row["Epoch Seconds"]
    assert run.rows[1]["Train Loss"] < run.rows[0]["Train Loss"]

    told = capsys.readouterr().out.splitlines()
    # On a busy machine even these epochs may be long enough for a sign of life.
    start, first, second = [line for line in told if not line.endswith(" left for this run")]
    assert start.startswith("digits: 144 training and 36 validation images · resnet18 at 32 px · ")
    assert f"{torch.get_num_threads()} threads" in start
    assert first.startswith(f"epoch 1/2 · Train Loss {run.rows[0]['Train Loss']:.3f} · Validation ")
    assert second.startswith("epoch 2/2 · ")


def test_where_it_ran(monkeypatch):
    assert set(trained({"num_epochs": 1}).summary) == {"Effective Learning Rate", "Host"}
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "17")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert trained({"num_epochs": 1}).summary["Array Task"] == "17_3"


def test_threads_are_the_fair_share():
    torch.set_num_threads(2)
    trained({"num_epochs": 1})
    from workshop.trainer.cpus import fair_share

    assert torch.get_num_threads() == fair_share()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_optimizer_steps_with_the_swept_learning_rate(optimizer, learning_rates):
    swept = {"learning_rate": 0.0123, "optimizer": optimizer, "scheduler": "none", "num_epochs": 1}
    run = trained(swept)
    assert learning_rates == [0.0123] * 3
    assert run.summary["Effective Learning Rate"] == 0.0123
    assert run.rows[0]["Learning Rate"] == 0.0123


def test_the_scheduler_sees_the_whole_training(learning_rates):
    run = trained({"learning_rate": 1.0, "scheduler": "step", "optimizer": "sgd", "num_epochs": 4})
    assert learning_rates == pytest.approx([1.0] * 6 + [0.1] * 3 + [0.01] * 3)
    assert [row["Learning Rate"] for row in run.rows] == pytest.approx([1.0, 1.0, 0.1, 0.01])
    assert run.summary["Effective Learning Rate"] == 1.0


@pytest.mark.parametrize("scheduler", SCHEDULES)
def test_a_schedule_is_a_share_of_the_highest_learning_rate(scheduler, learning_rates):
    course = [SCHEDULES[scheduler](step / 100) for step in range(101)]
    assert 0 <= min(course) <= max(course) == pytest.approx(1)
    trained({"learning_rate": 0.01, "scheduler": scheduler, "num_epochs": 1})
    steps = len(learning_rates)
    shares = [SCHEDULES[scheduler](step / steps) for step in range(steps)]
    assert learning_rates == pytest.approx([0.01 * share for share in shares])


def test_courses_of_the_learning_rate():
    assert [SCHEDULES["cosine"](elapsed) for elapsed in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
    assert {SCHEDULES["none"](elapsed / 10) for elapsed in range(11)} == {1.0}
    rise_and_fall = [SCHEDULES["one_cycle"](elapsed) for elapsed in (0, 0.15, 0.3, 0.65, 1)]
    assert rise_and_fall == pytest.approx([0.04, 0.52, 1, 0.5, 0])


def test_options_reach_the_optimizer():
    model = torch.nn.Linear(2, 2).requires_grad_(False)
    model.bias.requires_grad_(True)
    config = resolve({"optimizer": "sgd", "momentum": 0.7, "weight_decay": 0.3})
    (group,) = build_optimizer(config, model).param_groups
    assert (group["momentum"], group["weight_decay"]) == (0.7, 0.3)
    assert group["params"] == [model.bias], "frozen weights are none of its business"


def test_the_same_seed_gives_the_same_run():
    assert trained().results() == trained().results()
    assert trained({"seed": 1}).results() != trained().results()


def test_every_epoch_has_an_order_of_its_own(monkeypatch):
    seeds = []
    shuffled = Images.shuffled_batches

    def record(part, size, seed):
        seeds.append(seed)
        return shuffled(part, size, seed)

    monkeypatch.setattr(Images, "shuffled_batches", record)
    trained()
    trained({"seed": 1})
    assert len(set(seeds)) == 4


def test_bfloat16_changes_the_loss_little(monkeypatch):
    if not has_bfloat16(torch.device("cpu")):
        pytest.skip("this CPU has no instructions for bfloat16")
    fast = trained({"num_epochs": 1}).rows[0]["Train Loss"]
    monkeypatch.setattr(training, "has_bfloat16", lambda device: False)
    exact = trained({"num_epochs": 1}).rows[0]["Train Loss"]
    assert fast != exact
    assert fast == pytest.approx(exact, rel=0.06)


@pytest.mark.parametrize(
    ("optimizer", "precision", "tolerances"),
    [
        ("sgd", "32", (1e-5, 1e-5, 1e-3)),
        ("adam", "32", (1e-5, 1e-3, 0.02)),
        ("sgd", "16", (0.01, 0.1, 0.1)),
        ("adam", "16", (0.01, 0.1, 0.1)),
    ],
)
def test_fast_steps_are_those_of_plain_float32(optimizer, precision, tolerances, monkeypatch):
    """The same steps written plainly: 32 bits, channels first, convolutions, no fused kernel.

    With float32 the losses are the same but for rounding.  bfloat16 has 8 bits of mantissa, so
    that a first loss is known to some 0.4 %.  With each step the networks part more: batches of
    48 images have few numbers to normalize by, and Adam's first steps have the same length for
    every weight, those included whose gradient is nothing but rounding.  Over six seeds and two
    instruction sets, losses differed by six tenths of these tolerances at most; a learning rate
    that is 30 % off changes the second loss by 1 to 2 %.
    """
    if precision == "32":
        monkeypatch.setattr(training, "has_bfloat16", lambda device: False)
    elif not has_bfloat16(torch.device("cpu")):
        pytest.skip("this CPU has no instructions for bfloat16")
    config = resolve(TINY | {"optimizer": optimizer, "learning_rate": 0.001, "num_epochs": 1})
    images, _ = load(config, torch.device("cpu"))
    batches = list(images.shuffled_batches(48, seed=1))

    def losses(fast):
        torch.manual_seed(0)
        model = build(config)
        if fast:
            model = model.to(memory_format=torch.channels_last)
            steps = build_optimizer(config, model)
            constant = LambdaLR(steps, lambda step: 1.0)
            model.train()
            return [train_epoch(model, [batch], steps, constant) for batch in batches]
        for layer in model.modules():
            if type(layer) is ProductConv2d:
                layer.__class__ = torch.nn.Conv2d
        kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]
        momentum = {"momentum": config.momentum} if optimizer == "sgd" else {}
        steps = kind(model.parameters(), lr=0.001, foreach=False, **momentum)
        found = []
        for pixels, labels in batches:
            steps.zero_grad()
            loss = cross_entropy(model(pixels.contiguous()), labels)
            loss.backward()
            steps.step()
            found.append(loss.item())
        return found

    plain, fast = losses(fast=False), losses(fast=True)
    assert plain[-1] < plain[0], "something was learnt"
    for one, other, tolerance in zip(fast, plain, tolerances, strict=True):
        assert one == pytest.approx(other, rel=tolerance)


def test_label_smoothing_is_the_share_of_the_other_classes():
    logits = torch.tensor([[2.0, 0.0, -1.0]], requires_grad=True)
    images, labels = torch.zeros(1, 3, 8, 8), torch.tensor([0])
    steps = torch.optim.SGD([logits], lr=0.1)
    constant = LambdaLR(steps, lambda step: 1.0)
    of_each = -torch.log_softmax(logits.detach(), dim=1)[0]
    found = train_epoch(lambda images: logits, [(images, labels)], steps, constant, 0.3)
    assert found == pytest.approx(0.7 * float(of_each[0]) + 0.3 * float(of_each.mean()))


def test_full_batches_are_compiled_and_a_smaller_one_is_not():
    class Network(torch.nn.Module):
        def forward(self, images):
            return images + torch.compiler.is_compiling()

    network = accelerated(Network(), resolve({"compile": "default", "batch_size": 4}))
    assert network(torch.zeros(4)).tolist() == [1, 1, 1, 1]
    assert network(torch.zeros(3)).tolist() == [0, 0, 0]
    model = Network()
    assert accelerated(model, resolve({})) is model


CANNOT_BE_COMPILED = """
import sys
import torch
from workshop.trainer.config import resolve
from workshop.errors import exit_status
from workshop.trainer.training import accelerated

network = accelerated(torch.nn.ReLU(), resolve({"compile": "default", "batch_size": 4}))
sys.exit(exit_status(lambda: network(torch.zeros(4)).sum().item()))
"""


@pytest.mark.slow
def test_a_network_that_cannot_be_compiled_is_a_sentence(own_home):
    nowhere = {"CXX": "/nowhere", "TORCHINDUCTOR_CACHE_DIR": str(own_home)}
    result = subprocess.run(
        [sys.executable, "-c", CANNOT_BE_COMPILED], env=os.environ | nowhere,
        capture_output=True, text=True, timeout=patience(600),
    )  # fmt: skip
    assert result.returncode == 2, result.stderr
    assert result.stderr.splitlines()[-1].startswith(
        "error: compile is 'default', but torch.compile fails here (InvalidCxxCompiler: "
    )


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(own_home, capsys):
    whole = trained({"num_epochs": 3})
    cut = Recorder(epochs=1)
    with pytest.raises(KeyboardInterrupt):
        trained({"num_epochs": 3}, cut)
    (file,) = (own_home / "checkpoints").iterdir()
    assert file.name == "recorded.pt"
    state = torch.load(file)
    del state["config"]["log_model"]  # as an older version of the kit would have written it
    torch.save(state, file)

    rest = trained({"num_epochs": 3}, Recorder(step=2))
    assert "resumed after epoch 1 from " in capsys.readouterr().out
    assert cut.results() + rest.results() == whole.results()
    assert rest.summary == whole.summary
    assert not list((own_home / "checkpoints").iterdir()), "a finished run needs no checkpoint"


def test_a_resumed_run_still_has_its_best_epoch(monkeypatch):
    accuracies = iter([50.0, 90.0, 20.0, 20.0, 30.0])  # the third epoch is trained twice
    monkeypatch.setattr(training, "evaluate", lambda *_: (1.0, next(accuracies)))
    logged = []
    monkeypatch.setattr(BestEpoch, "log", lambda best, run: logged.append(best.state_dict()))
    swept = {"log_model": True, "num_epochs": 4}
    with pytest.raises(KeyboardInterrupt):
        trained(swept, Recorder(epochs=2))
    assert logged == []
    trained(swept, Recorder(step=3))
    assert [(best["Epoch"], best["Validation Accuracy"]) for best in logged] == [(2, 90)]


def test_what_a_killed_process_had_not_sent_is_logged_again():
    with pytest.raises(KeyboardInterrupt):
        trained({"num_epochs": 4}, Recorder(epochs=3))
    rest = trained({"num_epochs": 4}, Recorder(step=2))  # the server knows of epoch 1 alone
    assert [row["Epoch"] for row in rest.rows] == [2, 3, 4]


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGUSR1, "preempted"), (signal.SIGINT, "interrupted")]
)
def test_a_warned_run_ends_after_its_step_and_goes_on_from_its_last_epoch(number, said):
    class Warned(Recorder):
        def log(self, metrics, step, commit=None):
            super().log(metrics, step, commit)
            signal.raise_signal(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGINT)}
    preemption.listen()
    cut = Warned()
    with pytest.raises(preemption.Preempted, match=f"^{said}.* after its last complete epoch"):
        trained({"num_epochs": 2}, cut)
    for known, handler in before.items():
        signal.signal(known, handler)
    preemption.forget()
    rest = trained({"num_epochs": 2}, Recorder(step=2))
    assert [row["Epoch"] for row in cut.rows + rest.rows] == [1, 2]


def test_a_run_has_a_checkpoint_of_its_own(own_home):
    with pytest.raises(KeyboardInterrupt):
        trained(run=Recorder("one", epochs=1))
    assert len(trained(run=Recorder("another")).rows) == 2
    assert (own_home / "checkpoints" / "one.pt").exists()


def test_a_checkpoint_of_another_config_is_ignored(capsys):
    with pytest.raises(KeyboardInterrupt):
        trained({"learning_rate": 0.1}, Recorder(epochs=1))
    run = trained({"learning_rate": 0.2, "seed": 3})
    assert [row["Epoch"] for row in run.rows] == [1, 2]
    assert "because this run's config has another learning_rate, seed" in capsys.readouterr().out


def test_divergence_ends_the_run_early_but_normally(capsys):
    run = trained({"optimizer": "sgd", "learning_rate": 1e30, "num_epochs": 3})
    assert len(run.rows) == 1
    assert not math.isfinite(run.rows[0]["Train Loss"])
    assert "diverged: learning_rate 1e+30 may be too high" in capsys.readouterr().out


def test_missing_data_are_a_sentence(tmp_path):
    with pytest.raises(WorkshopError, match="workshop data cifar10"):
        trained({"dataset": "cifar10", "data_path": str(tmp_path)})


FULL_DISK = """
import resource, sys
sys.path.insert(0, {tests!r})
from test_training import Recorder, trained
from workshop.errors import exit_status

# Every file stops growing at one MiB: to a program, the same as a full disk.
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
run = Recorder()
status = exit_status(lambda: trained(run=run) and None)
print(len(run.rows), "logged")
sys.exit(status)
"""


def test_a_full_disk_is_a_sentence(own_home, request):
    program = FULL_DISK.format(tests=str(request.path.parent))
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=patience(300)
    )
    assert result.returncode == 2, result.stderr
    assert result.stdout.splitlines()[-1] == "1 logged"
    assert result.stderr.splitlines()[-1].startswith(
        f"error: the checkpoint {home()}/checkpoints/recorded.pt cannot be written "
        "([Errno 27] File too large): free space there, or set WORKSHOP_HOME "
    )
    assert not list((own_home / "checkpoints").iterdir())
