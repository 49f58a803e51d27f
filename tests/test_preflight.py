"""What is found about a machine, and what is said to do about it."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from workshop import cli
from workshop.config import resolve
from workshop.errors import WorkshopError
from workshop.preflight import Finding, as_text, check_setup, cluster, machine, storage
from workshop.preflight import server as wandb_server


def found(findings, check):
    """Return the only finding of a check."""
    matches = [finding for finding in findings if finding.check == check]
    assert len(matches) == 1, findings
    return matches[0]


@pytest.fixture
def config():
    return resolve({"scale": "smoke"})


class TestMachine:
    def test_versions_are_those_that_are_installed(self):
        import torch

        assert found(machine.findings(), "torch").found == torch.__version__.partition("+")[0]

    def test_a_missing_package_names_the_kernel(self, monkeypatch):
        monkeypatch.setattr(machine, "PACKAGES", ("wandb", "nonesuch"))
        finding = found(machine.findings(), "nonesuch")
        assert finding.verdict == "problem"
        assert "kernel" in finding.next_step

    def test_outside_of_a_notebook_there_are_no_widgets(self, monkeypatch):
        monkeypatch.delenv("JPY_PARENT_PID", raising=False)
        assert "no notebook" in found(machine.findings(), "widgets").found

    def test_widgets_of_the_environment_that_serves_this_kernel(self, monkeypatch):
        # This process was started by the interpreter of the kit's environment, as a server is.
        monkeypatch.setenv("JPY_PARENT_PID", str(os.getpid()))
        finding = found(machine.findings(), "widgets")
        assert finding.verdict == "ok"
        assert finding.found.endswith("in JupyterLab")

    def test_widgets_that_do_not_fit_have_a_plain_twin(self, monkeypatch, tmp_path):
        python = tmp_path / "python"
        python.write_text("#!/bin/sh\necho 1.0.0\n")
        python.chmod(0o755)
        monkeypatch.setattr(machine, "_server_python", lambda: str(python))
        finding = found(machine.findings(), "widgets")
        assert finding.verdict == "note"
        assert "but jupyterlab_widgets 1.0.0 in JupyterLab" in finding.found
        assert "plain Python" in finding.next_step

    def test_a_driver_that_pytorch_cannot_use(self, monkeypatch, tmp_path):
        program = tmp_path / "nvidia-smi"
        program.write_text("#!/bin/sh\necho 390.48\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        finding = found(machine.findings(), "GPU")
        assert finding.verdict == "problem"
        assert "driver 390.48 is there" in finding.found


class TestServer:
    @pytest.fixture(autouse=True)
    def no_proxy(self, monkeypatch):
        for name in ("http_proxy", "https_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setattr("workshop.reach.PATIENCE", 0.2)

    def test_a_server_that_runs_and_takes_the_key(self, server):
        findings = list(wandb_server.findings(server.url))
        assert [finding.verdict for finding in findings] == ["ok", "ok", "ok"]
        assert found(findings, "key").found.startswith("of local, in ")

    def test_a_server_that_does_not_run(self):
        findings = list(wandb_server.findings("http://127.0.0.1:9"))
        assert found(findings, "W&B").verdict == "problem"
        assert "make serve" in found(findings, "W&B").next_step
        assert not [finding for finding in findings if finding.check == "key"]

    @pytest.mark.parametrize(
        ("password", "mode", "words"),
        [
            (None, 0o600, "none for http"),
            ("short", 0o600, "is none: API key must have 40+ characters, has 5."),
            ("0" * 40, 0o644, "can be read by others"),
            ("0" * 40, 0o600, "refuses the one in"),
        ],
    )
    def test_a_key_that_does_not_do(self, server, monkeypatch, tmp_path, password, mode, words):
        # By another name than its own the server is somebody else's, and the key in NETRC counts.
        url = server.url.replace("127.0.0.1", "localhost")
        netrc = tmp_path / "netrc"
        host = url.removeprefix("http://")
        netrc.write_text(f"machine {host} login user password {password}\n" if password else "")
        netrc.chmod(mode)
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setattr("workshop.local_server.serves", lambda url: False)
        finding = found(wandb_server.findings(url), "key")
        assert finding.verdict == "problem"
        assert words in finding.found
        assert "wandb login" in finding.next_step or "chmod 600" in finding.next_step
        assert (password or "none") not in finding.found + finding.next_step or password is None

    def test_a_proxy_that_would_get_what_is_for_this_machine(self, monkeypatch):
        monkeypatch.setenv("http_proxy", "http://ada:secret@proxy.example.org:3128")
        finding = found(wandb_server.findings("http://127.0.0.1:9"), "proxy")
        assert finding.verdict == "problem"
        assert finding.next_step == "export NO_PROXY=127.0.0.1,localhost"
        assert "secret" not in finding.found
        monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
        finding = found(wandb_server.findings("http://127.0.0.1:9"), "proxy")
        assert finding.verdict == "ok"

    def test_a_variable_that_the_client_does_not_know(self, server, monkeypatch):
        monkeypatch.setenv("WANDB_PROJEKT", "mine")
        finding = found(wandb_server.findings("http://127.0.0.1:9"), "WANDB_PROJEKT")
        assert "did you mean 'WANDB_PROJECT'?" in finding.next_step

    def test_the_variables_that_the_kit_sets_are_known(self, server):
        findings = wandb_server.findings("http://127.0.0.1:9")
        assert not [finding for finding in findings if finding.check.startswith("WANDB_")]


class TestStorage:
    def test_folders_on_one_disk_are_one_line(self, config):
        findings = list(storage.findings(config))
        checks = [finding.check for finding in findings]
        assert len(set(checks)) == len(checks)
        assert found(findings, "data (digits)").verdict == "ok"

    def test_temporary_files_on_a_network(self, config, monkeypatch):
        monkeypatch.setattr(storage, "file_system", lambda folder: "lustre")
        finding = found(storage.findings(config), "TMPDIR")
        assert finding.verdict == "note"
        assert "(lustre)" in finding.found

    def test_a_disk_without_room(self, config, monkeypatch):
        monkeypatch.setattr(storage, "NEEDED_GIB", 1 << 30)
        finding = found(storage.findings(config), "disk of WORKSHOP_HOME")
        assert finding.verdict == "problem"
        assert "GiB free in" in finding.found

    def test_a_limit_on_what_one_may_write(self):
        program = (
            "import resource, signal\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
            "from workshop.config import resolve\n"
            "from workshop.preflight import storage\n"
            "print(list(storage.findings(resolve({'scale': 'smoke'})))[1])\n"
        )
        assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
        command = [sys.executable, "-c", program]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "540 MiB are more than you may write (File too large)" in printed
        assert "verdict='problem'" in printed

    def test_data_that_are_not_there(self, monkeypatch, tmp_path):
        config = resolve({"scale": "class", "data_path": str(tmp_path)})
        finding = found(storage.findings(config), "data (cifar10)")
        assert finding.verdict == "problem"
        assert "workshop data cifar10" in finding.next_step


class TestCluster:
    def test_without_slurm_agents_are_processes(self, monkeypatch):
        monkeypatch.setenv("PATH", "/nowhere")
        finding = found(cluster.findings("generic"), "SLURM")
        assert finding.verdict == "note"
        assert "not installed" in finding.found

    def test_a_profile_that_is_not_there(self):
        with pytest.raises(WorkshopError, match="no site profile 'exampel'"):
            list(cluster.findings("exampel"))


class TestCommand:
    def test_text_gives_the_next_step_below(self, capsys, monkeypatch):
        monkeypatch.setenv("WANDB_PROJEKT", "mine")
        assert cli.main(["check"]) == 0
        lines = capsys.readouterr().out.splitlines()
        place = next(i for i, line in enumerate(lines) if "WANDB_PROJEKT" in line)
        assert lines[place].startswith("note ")
        assert lines[place + 1].lstrip().startswith("→ remove or correct it")
        assert lines[-1] == "0 problems"

    def test_json_says_whose_it_is_and_the_status_that_there_is_a_problem(self, capsys):
        assert cli.main(["check", "--backend", "http://127.0.0.1:9", "--json"]) == 1
        collected = json.loads(capsys.readouterr().out)
        assert collected["problems"] == ["W&B"]
        assert {"host", "user", "findings"} < collected.keys()

    def test_one_problem_is_counted_as_one(self):
        text = as_text([Finding("disk", "full", "problem", "free some")])
        assert text.splitlines()[-1] == "1 problem"

    def test_nothing_is_left_behind(self, config, tmp_path, monkeypatch):
        monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "home"))
        before = set(Path(tmp_path).rglob("*"))
        check_setup(config)
        assert set(Path(tmp_path).rglob("*")) == before
