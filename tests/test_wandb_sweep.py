"""The program of the sweep with the real `wandb` client, and what it says if something is wrong."""

import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import wandb
import yaml

from tests.waiting import patience
from workshop.connection import reachability
from workshop.connection.reachability import check_reachable
from workshop.errors import WorkshopError
from workshop.trainer.config import TrainingConfig
from workshop.wandb_sweep import main

TINY = ["--model_name=resnet18", "--sample_ratio=0.1", "--num_epochs=1"]
NOBODY = "http://127.0.0.1:9"  # the discard port, on which nothing listens


@pytest.fixture(autouse=True)
def own_environment(tmp_path, monkeypatch):
    """A client without history, and folders of its own."""
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    monkeypatch.setenv("WORKSHOP_AGENTS", "2")
    wandb.teardown()
    yield
    wandb.teardown()


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")


@pytest.fixture
def finished(monkeypatch):
    """The config, summary and exit code of the runs that finish."""
    runs = []
    finish = wandb.Run.finish

    def record(run, exit_code=None, **options):
        runs.append((dict(run.config), dict(run.summary), exit_code))
        finish(run, exit_code=exit_code, **options)

    monkeypatch.setattr(wandb.Run, "finish", record)
    return runs


def test_the_runs_config_is_what_was_used(offline, finished, capsys):
    main([*TINY, "--learning_rate=1e-2", "--optimizer=sgd", "--log_model=true"])
    ((config, summary, exit_code),) = finished
    assert not exit_code
    assert set(config) == set(TrainingConfig.model_fields)
    assert config["learning_rate"] == summary["Effective Learning Rate"] == 0.01
    assert config["optimizer"] == "sgd"
    assert config["dataset"] == "digits", "from the scale"
    assert summary["Epoch"] == 1
    assert config["log_model"] is True
    assert "logged the weights of epoch 1 as model-" in capsys.readouterr().out


def test_swept_values_win_and_are_locked(offline, finished, tmp_path, monkeypatch, capsys):
    picked = tmp_path / "config-r1.yaml"
    picked.write_text(yaml.safe_dump({"wandb_version": 1, "learning_rate": {"value": 0.0123}}))
    monkeypatch.setenv("WANDB_SWEEP_ID", "abcdefgh")
    monkeypatch.setenv("WANDB_SWEEP_PARAM_PATH", str(picked))
    main([*TINY, "--learning_rate=0.5", "--batch_size=16"])
    ((config, summary, _),) = finished
    assert config["learning_rate"] == summary["Effective Learning Rate"] == 0.0123
    assert config["batch_size"] == 16
    assert "locked" not in capsys.readouterr().err, "nobody tried to change what the sweep picked"


def test_it_runs_in_a_thread(offline, finished):
    thread = threading.Thread(target=main, args=(TINY,))
    thread.start()
    thread.join(timeout=patience(300))
    assert [summary["Epoch"] for _, summary, _ in finished] == [1]


def test_a_failing_run_is_marked_as_failed(offline, finished, capsys):
    with pytest.raises(WorkshopError, match="optimizer is 'adm'"):
        main(["--optimizer=adm"])
    assert [exit_code for *_, exit_code in finished] == [1]
    assert "Traceback" not in capsys.readouterr().err


def test_a_failing_runs_log_says_why(server, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "failures")
    monkeypatch.setenv("WANDB_RUN_ID", "misspelt")
    with pytest.raises(WorkshopError):
        main(["--learning_rte=0.1"])
    run = wandb.Api().run(f"{server.entity}/failures/misspelt")
    assert run.state == "failed"
    log = run.file("output.log").download(os.environ["WANDB_DIR"]).read()
    assert "error: the command line: the trainer has no parameter learning_rte" in log


def test_a_wrong_key_is_a_sentence(server, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "local-" + 40 * "0")
    with pytest.raises(WorkshopError) as error:
        main(TINY)
    assert str(error.value).startswith(
        f"the W&B server at {server.url} did not accept the run (it does not know the API key): "
    )


def test_an_unreachable_server_is_a_sentence():
    environment = os.environ | {"WANDB_BASE_URL": NOBODY, "WANDB_API_KEY": "local-" + 40 * "0"}
    result = subprocess.run(
        [sys.executable, "-m", "workshop.wandb_sweep"],
        env=environment, capture_output=True, text=True, timeout=patience(180),
    )  # fmt: skip
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: the W&B server at {NOBODY} cannot be reached ([Errno 111]")


@pytest.mark.alone
def test_it_does_not_wait_long_for_a_server(monkeypatch):
    assert reachability.ANSWER_LIMIT_S <= 5
    monkeypatch.setattr(reachability, "ANSWER_LIMIT_S", 1)
    start = time.monotonic()
    with pytest.raises(WorkshopError, match="cannot be reached"):
        check_reachable(NOBODY)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "nonsense"])
def test_an_url_that_is_none_is_a_sentence(url, monkeypatch):
    monkeypatch.setattr(reachability, "ANSWER_LIMIT_S", 0)
    with pytest.raises(WorkshopError, match=f"the W&B server at {url} cannot be reached"):
        check_reachable(url)


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(404)

    def log_message(self, *_):
        pass


def test_a_server_that_comes_up_late_is_reached(monkeypatch):
    monkeypatch.setattr(reachability, "ANSWER_LIMIT_S", patience(60))
    server = HTTPServer(("127.0.0.1", 0), Refusing, bind_and_activate=False)
    server.server_bind()

    def listen_late():
        time.sleep(1)
        server.server_activate()
        server.handle_request()

    thread = threading.Thread(target=listen_late)
    thread.start()
    check_reachable("http://{}:{}/".format(*server.server_address))
    thread.join()
    server.server_close()
