"""What is found about a machine, and what is said to do about it."""

import json
import os
import re
import resource
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.waiting import patience
from workshop import cli
from workshop.paths import ROOT
from workshop.preflight import (
    Finding,
    as_text,
    check_setup,
    cluster,
    machine,
    storage,
    trial,
)
from workshop.preflight import server as wandb_server


def found(findings, check):
    """Return the only finding of a check."""
    matches = [finding for finding in findings if finding.check == check]
    assert len(matches) == 1, findings
    return matches[0]


def elsewhere(folder, packages, program):
    """Run a program of the kit in an environment like this one, in which some packages differ.

    Args:
        folder: for the environment.
        packages: versions by name; None for a package that is not installed.
        program: what Python runs.
    """
    folder.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        package = re.sub(r"-[\d.]+\.dist-info$", "", entry.name)
        is_code = package == entry.name
        if package not in packages or (is_code and packages[package]):
            (folder / entry.name).symlink_to(entry)
    for package, version in packages.items():
        if version:
            described = folder / f"{package}-{version}.dist-info" / "METADATA"
            described.parent.mkdir()
            described.write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    begin = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(folder)!r}]\n"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", begin + program],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


class TestMachine:
    def test_versions_are_those_that_are_installed(self):
        import torch

        assert found(machine.findings(), "torch").found == torch.__version__.partition("+")[0]

    def test_a_missing_package_names_the_kernel(self, monkeypatch):
        monkeypatch.setattr(machine, "PACKAGES", ("wandb", "nonesuch"))
        finding = found(machine.findings(), "nonesuch")
        assert finding.verdict == "problem"
        assert "kernel" in finding.next_step

    def test_all_that_the_kit_requires_fits(self):
        finding = found(machine.findings(), "kit's requirements")
        assert re.fullmatch(r"all \d\d packages are installed", finding.found)

    def test_versions_that_do_not_fit_are_named(self, tmp_path):
        program = (
            "from workshop.preflight import machine\n"
            "for one in machine.findings():\n"
            "    print(one.verdict, one.check, one.found, one.next_step)\n"
            "    if one.check == 'widgets': break\n"  # what follows loads torch
        )
        done = elsewhere(tmp_path / "site", {"wandb": "0.30.1", "plotly": "6.0"}, program)
        problems = [line for line in done.stdout.splitlines() if line.startswith("problem")]
        assert [line.partition(": ")[0].split(", or")[0] for line in problems] == [
            "problem wandb 0.30.1, but the kit needs <0.32,>=0.31 "
            "choose the kernel of this kit's environment",
            "problem plotly 6.0, but the kit needs >=7 choose the kernel of this kit's environment",
        ], done
        assert "kit's requirements" not in done.stdout

    def test_without_the_kit_in_the_environment_nothing_is_known_to_fit(self, monkeypatch):
        monkeypatch.setattr(machine, "KIT", "nonesuch")
        finding = found(machine.findings(), "kit's requirements")
        assert finding.verdict == "note"
        assert "nonesuch is not installed" in finding.found

    def test_two_copies_of_the_kit_can_be_told_apart(self):
        findings = list(machine.findings())
        assert found(findings, "Python").found.endswith(f", {sys.executable}")
        assert found(findings, "kit").found == f"{ROOT}/workshop"

    def test_missing_packages_are_findings(self, tmp_path):
        gone = {"torch": None, "wandb": None, "ipywidgets": None}
        program = "from workshop import cli; sys.exit(cli.main(['check', '--json']))"
        done = elsewhere(tmp_path / "site", gone, program)
        assert done.returncode == 1, done.stderr
        seen = {one["check"]: one for one in json.loads(done.stdout)["findings"]}
        problems = {name for name, one in seen.items() if one["verdict"] == "problem"}
        assert problems >= {*gone, "widgets", "GPU", "W&B", "data"}
        assert all("make install" in seen[name]["next_step"] for name in problems)
        assert seen["torch"]["found"] == "not installed"
        assert seen["W&B"]["found"] == "cannot be checked (No module named 'wandb')"
        assert seen["TMPDIR"]["verdict"] == "ok"

    def test_outside_of_a_notebook_there_are_no_widgets(self, monkeypatch):
        monkeypatch.delenv("JPY_PARENT_PID", raising=False)
        assert "not in a JupyterLab notebook" in found(machine.findings(), "widgets").found

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
        assert "driver 390.48, but PyTorch" in finding.found


class TestServer:
    @pytest.fixture(autouse=True)
    def no_proxy(self, monkeypatch):
        for name in ("http_proxy", "https_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setattr("workshop.connection.reachability.ANSWER_LIMIT_S", 0.2)

    @pytest.fixture
    def answers(self, monkeypatch):
        """Give a server that runs the time to answer, on a busy machine as well."""
        monkeypatch.setattr("workshop.connection.reachability.ANSWER_LIMIT_S", patience(5))

    def test_a_server_that_runs_and_takes_the_key(self, server, answers):
        findings = list(wandb_server.findings(server.url))
        assert [finding.verdict for finding in findings] == ["ok", "ok", "ok"]
        assert found(findings, "key").found.startswith("of local, in ")

    def test_a_server_that_does_not_run(self):
        findings = list(wandb_server.findings("http://127.0.0.1:9"))
        assert found(findings, "W&B").verdict == "problem"
        assert "workshop server" in found(findings, "W&B").next_step
        # A local server brings its key as it starts.
        assert not [finding for finding in findings if finding.check == "key"]

    @pytest.mark.parametrize(
        ("password", "verdict", "words"),
        [
            (None, "problem", "none for http"),
            ("short", "problem", "is not valid: API key must have 40+ characters, has 5."),
            ("0" * 40, "ok", "well formed"),
        ],
    )
    def test_a_key_is_looked_at_though_nobody_answers(
        self, monkeypatch, tmp_path, password, verdict, words
    ):
        netrc = tmp_path / "netrc"
        netrc.write_text(f"machine no.invalid:9 login u password {password}\n" if password else "")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        findings = list(wandb_server.findings("http://no.invalid:9"))
        assert found(findings, "W&B").verdict == "problem"
        assert found(findings, "key").verdict == verdict
        assert words in found(findings, "key").found

    def test_a_choice_that_is_none(self):
        finding = found(wandb_server.findings("lokal"), "W&B")
        assert finding.verdict == "problem"
        assert finding.found == "backend 'lokal' is not known"

    @pytest.mark.parametrize(
        ("password", "mode", "words"),
        [
            (None, 0o600, "none for http"),
            ("short", 0o600, "is not valid: API key must have 40+ characters, has 5."),
            ("0" * 40, 0o644, "can be read by others"),
            ("0" * 40, 0o600, "refuses the one in"),
        ],
    )
    def test_a_key_that_does_not_do(
        self, server, answers, monkeypatch, tmp_path, password, mode, words
    ):
        # By another name than its own the server is somebody else's, and the key in NETRC counts.
        url = server.url.replace("127.0.0.1", "localhost")
        netrc = tmp_path / "netrc"
        host = url.removeprefix("http://")
        netrc.write_text(f"machine {host} login user password {password}\n" if password else "")
        netrc.chmod(mode)
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setattr("workshop.connection.local_server.serves", lambda url: False)
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

    @pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
    def test_a_proxy_between_here_and_a_local_server_that_is_not_running(
        self, monkeypatch, tmp_path, variable
    ):
        monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
        monkeypatch.setenv(variable, "http://proxy.example.org:3128")
        monkeypatch.setenv("no_proxy", "example.org")
        findings = list(wandb_server.findings("local"))
        assert found(findings, "proxy").verdict == "problem"
        assert found(findings, "proxy").next_step == (
            "export no_proxy=example.org,127.0.0.1,localhost"
        )
        assert found(findings, "W&B").next_step == "correct the proxy first"
        monkeypatch.setenv("no_proxy", "example.org,127.0.0.1,localhost")
        findings = list(wandb_server.findings("local"))
        assert found(findings, "proxy").verdict == "ok"
        assert "not running" in found(findings, "W&B").found

    def test_a_variable_that_the_client_does_not_know(self, server, monkeypatch):
        monkeypatch.setenv("WANDB_PROJEKT", "mine")
        finding = found(wandb_server.findings("http://127.0.0.1:9"), "WANDB_PROJEKT")
        assert "did you mean 'WANDB_PROJECT'?" in finding.next_step

    def test_the_variables_that_the_kit_sets_are_known(self, server):
        findings = wandb_server.findings("http://127.0.0.1:9")
        assert not [finding for finding in findings if finding.check.startswith("WANDB_")]


class TestStorage:
    def test_room_is_told_once_per_disk(self, monkeypatch, tmp_path):
        monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
        findings = list(storage.findings())
        assert "GiB or more free" in found(findings, "folder of WORKSHOP_HOME").found
        finding = found(findings, "folder of WANDB_CACHE_DIR")
        assert finding.found == f"{tmp_path}/cache, on the disk of WORKSHOP_HOME"

    @pytest.mark.parametrize(
        "variable", ["WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR"]
    )
    def test_a_folder_in_which_nothing_can_be_written(self, monkeypatch, tmp_path, variable):
        # On the disk of the others, and forbidden to root as well.
        (tmp_path / "file").touch()
        monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "home"))
        monkeypatch.setenv(variable, str(tmp_path / "file" / "folder"))
        findings = list(storage.findings())
        assert found(findings, "folder of WORKSHOP_HOME").verdict == "ok"
        finding = found(findings, f"folder of {variable}")
        assert finding.verdict == "problem"
        assert finding.found == f"no file can be created in {tmp_path}/file (Not a directory)"
        assert finding.next_step == f"set {variable} to a folder of yours"

    def test_a_folder_that_is_somebody_elses(self, tmp_path):
        """Look as a user who is not root, whatever user runs the tests."""
        tmp_path.chmod(0o555)
        program = (
            "import os, sys; from pathlib import Path; from workshop.preflight import storage\n"
            "if os.getuid() == 0: os.setuid(65534)\n"
            f"print(storage.refusal(Path({str(tmp_path)!r}) / 'cache'))"
        )
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout == "Permission denied\n"

    def test_temporary_files_on_a_network(self, monkeypatch):
        monkeypatch.setattr(storage, "file_system", lambda folder: "lustre")
        finding = found(storage.findings(), "TMPDIR")
        assert finding.verdict == "note"
        assert "(lustre)" in finding.found

    def test_a_folder_for_temporary_files_that_is_not_there(self, monkeypatch, tmp_path):
        monkeypatch.setenv("TMPDIR", str(tmp_path / "nonesuch"))
        finding = found(storage.findings(), "TMPDIR")
        assert finding.verdict == "note"
        assert finding.found.startswith(f"{tmp_path}/nonesuch is not a writable folder")
        (tmp_path / "nonesuch").mkdir()
        finding = found(storage.findings(), "TMPDIR")
        assert finding.verdict == "ok"
        assert finding.found.startswith(f"{tmp_path}/nonesuch (")

    def test_a_disk_without_room(self, monkeypatch):
        monkeypatch.setattr(storage, "NEEDED_DISK_GIB", 1 << 30)
        finding = found(storage.findings(), "folder of WORKSHOP_HOME")
        assert finding.verdict == "problem"
        assert "GiB free in" in finding.found

    def test_a_limit_on_what_one_may_write(self):
        program = (
            "import resource, signal\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
            "from workshop.preflight import storage\n"
            "print(list(storage.findings())[1])\n"
        )
        assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
        command = [sys.executable, "-c", program]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "540 MiB are more than you may write (File too large)" in printed
        assert "verdict='problem'" in printed


class TestTrial:
    def test_what_a_trial_at_this_scale_reads(self):
        findings = list(trial.findings({"scale": "smoke"}))
        assert found(findings, "configuration").found == "scale smoke: resnet50 on digits at 32 px"
        assert found(findings, "data (digits)").verdict == "ok"
        assert len(findings) == 2

    def test_data_that_are_not_there(self, tmp_path):
        findings = trial.findings({"scale": "class", "data_path": str(tmp_path)})
        finding = found(findings, "data (cifar10)")
        assert finding.verdict == "problem"
        assert "workshop data cifar10" in finding.next_step

    def test_pretrained_weights_are_there_or_must_be_downloaded(self, monkeypatch, tmp_path):
        def looked_at():
            return found(trial.findings({"scale": "full"}), "pretrained weights")

        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        assert looked_at().verdict == "note"
        file = tmp_path / "hub" / "checkpoints" / "resnet50-11ad3fa6.pth"
        assert file.name in looked_at().found
        file.parent.mkdir(parents=True)
        file.touch()
        assert looked_at().verdict == "ok"
        monkeypatch.setenv("TORCH_HOME", "/proc/nonesuch")
        assert looked_at().verdict == "problem"

    def test_a_configuration_that_is_wrong(self):
        finding = found(trial.findings({"scale": "smoke", "batch_size": "many"}), "configuration")
        assert finding.verdict == "problem"
        assert "batch_size is 'many'" in finding.found


class TestCluster:
    def test_without_slurm_agents_are_processes(self, monkeypatch):
        monkeypatch.setenv("PATH", "/nowhere")
        finding = found(cluster.findings("generic"), "SLURM")
        assert finding.verdict == "note"
        assert "not installed" in finding.found

    def test_without_slurm_a_profile_is_read_all_the_same(self, monkeypatch):
        monkeypatch.setenv("PATH", "/nowhere")
        finding = found(cluster.findings("example"), "site profile example")
        assert finding.verdict == "note"
        assert finding.found.startswith("its keys and values are right")
        assert finding.next_step == "run `workshop check --site example` on the cluster"
        for nothing_to_check in ("generic", "rehearsal"):
            assert [one.check for one in cluster.findings(nothing_to_check)] == ["SLURM"]

    def test_a_profile_that_is_not_there(self):
        finding = found(cluster.findings("exampel"), "site profile exampel")
        assert finding.verdict == "problem"
        assert "no site profile 'exampel' (did you mean 'example'?)" in finding.found


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

    def test_json_comes_from_a_seat_where_nothing_is_right(self, capsys, tmp_path, monkeypatch):
        monkeypatch.setenv("WORKSHOP_HOME", "/proc/nonesuch")
        monkeypatch.setenv("http_proxy", "http://proxy.example.org:3128")
        options = ["--site", "nope", "--scale", "nope", "--backend", "nope", "--json"]
        assert cli.main(["check", *options]) == 1
        assert json.loads(capsys.readouterr().out)["problems"] == [
            "W&B", "folder of WORKSHOP_HOME", "configuration", "site profile nope",
        ]  # fmt: skip

    def test_one_problem_is_counted_as_one(self):
        text = as_text([Finding("disk", "full", "problem", "free some")])
        assert text.splitlines()[-1] == "1 problem"

    def test_nothing_is_left_behind(self, tmp_path, monkeypatch):
        monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "home"))
        before = set(Path(tmp_path).rglob("*"))
        check_setup("smoke")
        assert set(Path(tmp_path).rglob("*")) == before
