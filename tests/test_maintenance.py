"""What the maintainer's commands find, with a small repository and a small server of their own."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import pytest
import yaml

from maintenance import links, newest, record_curves
from workshop.analyze.search_methods import stopping
from workshop.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
MAKEFILE = """\
lock:
\tsed -i s/1.0/2.0/ requirements.lock
\t! grep never pyproject.toml
test-all:
\t{python} -m pytest -q -p no:cacheprovider $(PYTEST)
"""


@pytest.fixture
def site():
    """Serve a page that is there, one that was moved, one that wants no HEAD, and no HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/nonsense":
                self.wfile.write(b"220 mail.example.org\r\n")
                return
            moved = self.path == "/moved"
            wrong_method = self.path == "/get" and self.command == "HEAD"
            known = {"/here": 200, "/get": 405 if wrong_method else 200, "/closed": 403}
            self.send_response(302 if moved else known.get(self.path, 404))
            if moved:
                self.send_header("Location", "/here")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def clone(tmp_path):
    """A repository whose tests depend on what is locked and on the bounds."""
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "Makefile").write_text(MAKEFILE.format(python=sys.executable))
    (folder / "pyproject.toml").write_text('dependencies = [\n    "fine>=1,<2",  # why\n]\n')
    (folder / "requirements.lock").write_text("fine==1.0 \\\n    --hash=sha256:0\nother==3.0\n")
    (folder / "test_it.py").write_text(
        "def test_lock():\n    assert 'fine==1.0' in open('requirements.lock').read(), 'too new'\n"
        "def test_bound():\n    assert '\"fine>=1\",  # why' in open('pyproject.toml').read()\n"
    )
    documented(folder, "No address.")
    commit(folder)
    return folder


def commit(folder):
    who = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *command], cwd=folder, check=True)


CONFIGURATION = f"""\
import sys
sys.path.append({str(ROOT / "docs/site")!r})
extensions = ["myst_parser", "code_addresses"]
root_doc = "a"
linkcheck_timeout = 5
"""


def documented(folder, text):
    """Give a folder a document, and what Sphinx needs to read it."""
    (folder / "docs/site").mkdir(parents=True)
    (folder / "docs/site/conf.py").write_text(CONFIGURATION)
    (folder / "a.md").write_text(f"# A\n\n{text}\n")


def test_addresses_that_do_not_answer_are_found(site, tmp_path, capsys):
    names = ("here", "moved", "get", "closed", "gone")
    documented(tmp_path, " ".join(f"<{site}/{name}>" for name in names))
    (tmp_path / "b.py").write_text("# A comment\n# (See http://nowhere.invalid/x_(y).)\n")
    commit(tmp_path)
    gone, lost = links.broken(tmp_path)
    assert re.fullmatch(rf"{site}/gone: 404 .*\(a.md:3\)", gone)
    assert re.fullmatch(r"http://nowhere.invalid/x_\(y\): .*\(b.py:2\)", lost)
    (tmp_path / "docs/site/conf.py").write_text("unknown")
    with pytest.raises(subprocess.CalledProcessError):
        links.broken(tmp_path)
    assert "'unknown' is not defined" in capsys.readouterr().err


def test_addresses_of_code_are_those_of_others(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs/site")
    from code_addresses import addresses
    from conf import linkcheck_ignore

    found = {address: name for address, name, _ in addresses(ROOT)}
    assert (
        found["https://inria.hal.science/inria-00112631"] == "workshop/trainer/cpu_convolution.py"
    )
    asked = {
        urlsplit(address).hostname
        for address in found
        if not any(re.match(ignored, address) for ignored in linkcheck_ignore)
    }
    assert "docs.coreweave.com" in asked
    assert [host for host in asked if re.search(r"example|localhost|^[\d.]+$|\W$", host)] == []


def test_report_names_what_is_new_and_what_it_broke(clone, tmp_path, capsys):
    folder = tmp_path / "newest"
    assert newest.main([str(folder), "--clone", str(clone)]) == 1
    text = (folder / "report.md").read_text()
    assert text in capsys.readouterr().out
    assert "Tests that failed: 1." in text
    assert re.search(r"^- `test_it::test_lock`: AssertionError: too new", text, re.MULTILINE)
    assert "| fine | 1.0 | 2.0 |" in text
    assert "other" not in text.split("| package")[1]
    assert "All addresses answer." in text
    assert "fine==1.0" in (clone / "requirements.lock").read_text()


def test_nothing_to_do_is_told_as_well(clone, tmp_path):
    (clone / "test_it.py").write_text("def test_fine(): pass\n")
    commit(clone)
    assert newest.main([str(tmp_path / "newest"), "--clone", str(clone)]) == 0
    assert (
        "All tests passed. To take the releases over" in (tmp_path / "newest/report.md").read_text()
    )


def test_report_survives_files_that_cannot_be_read(clone, tmp_path):
    (clone / "page.md").write_bytes(b"\xff")
    commit(clone)
    assert newest.main([str(tmp_path / "newest"), "--clone", str(clone)]) == 1
    text = (tmp_path / "newest/report.md").read_text()
    assert "Tests that failed: 1." in text
    assert "- none was asked (CalledProcessError: " in text


def test_lock_that_cannot_be_made_is_told(clone, tmp_path):
    (clone / "pyproject.toml").write_text("never = 1\n")
    commit(clone)
    assert newest.main([str(tmp_path / "newest"), "--clone", str(clone)]) == 1
    text = (tmp_path / "newest/report.md").read_text()
    assert "never = 1" in text
    assert "No package has another version." in text


def test_an_older_report_is_not_overwritten(tmp_path, capsys):
    with pytest.raises(SystemExit):
        newest.main([str(tmp_path)])
    assert f"{tmp_path} exists: remove it" in capsys.readouterr().err


def test_bounds_of_the_kit_are_lifted(tmp_path):
    copy = tmp_path / "pyproject.toml"
    copy.write_text((ROOT / "pyproject.toml").read_text())
    before = tomllib.loads(copy.read_text())["project"]["dependencies"]
    newest.lift_bounds(copy)
    after = tomllib.loads(copy.read_text())["project"]["dependencies"]
    assert sum("<" in line for line in before) >= 3
    assert not any("<" in line for line in after)
    assert [line.partition(",")[0] for line in before] == after


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_start_commands_that_exist(path):
    workflow = yaml.safe_load(path.read_text())
    assert {"name", "permissions", "jobs"} <= set(workflow)
    commands = [
        step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step
    ]
    assert any(command.startswith((".ci/run", "make ")) for command in commands)
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for command in commands:
        assert set(re.findall(r"\bmake ([a-z]+)", command)) <= set(targets)


def program(folder, name, script):
    """Write a program that stands in for another on the PATH."""
    file = folder / name
    file.write_text(f"#!/bin/bash\n{script}\n")
    file.chmod(0o755)


@pytest.fixture
def tell(tmp_path):
    """Return a function that runs the weekly job's last step; it returns what it asked of gh."""
    job = yaml.safe_load((ROOT / ".github/workflows/weekly.yml").read_text())["jobs"]["tell"]
    title = job["env"]["TITLE"]

    def run(*issues, report=None):
        listed = "".join(f"{number}\tOPEN\t{name or title}\t\t2026\n" for number, name in issues)
        (tmp_path / "issues").write_text(listed)
        program(tmp_path, "gh", 'echo "$@" >>asked; [ "$2" != list ] || cat issues')
        if report:
            (tmp_path / "report.md").write_text(report)
        environment = {
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "TITLE": title,
            "LOG": "https://a.org/7",
        }
        subprocess.run(
            ["bash", "-e", "-c", job["steps"][-1]["run"]], cwd=tmp_path, env=environment, check=True
        )
        (asked,) = [
            line for line in (tmp_path / "asked").read_text().splitlines() if "list" not in line
        ]
        return asked, (tmp_path / "report.md").read_text()

    return run


def test_weekly_report_opens_an_issue(tell):
    asked, said = tell((8, "The newest releases need a look at night"), report="All failed.\n")
    assert asked == "issue create --title The newest releases need a look --body-file report.md"
    assert said == "All failed.\n\nThe log: https://a.org/7\n"


def test_weekly_report_goes_to_the_issue_that_is_open(tell):
    asked, said = tell((8, "Another"), (5, None), (3, None))
    assert asked == "issue comment 5 --body-file report.md"
    assert said.startswith("The job ended before there was a report.\n")


def test_weekly_report_is_sent_unless_all_went_well():
    job = yaml.safe_load((ROOT / ".github/workflows/weekly.yml").read_text())["jobs"]["tell"]
    assert job["if"] == "always() && needs.newest.result != 'success'"


@pytest.fixture
def ci_run(tmp_path):
    """Return a function that runs `.ci/run` in a folder where everything is installed."""
    program(tmp_path, "dpkg-query", "echo installed")
    program(tmp_path, "configurable-http-proxy", "")

    def run(folder):
        (folder / ".ci").mkdir(parents=True)
        shutil.copy(ROOT / ".ci/run", folder / ".ci/run")
        shutil.copy(ROOT / "README.md", folder)
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        command = [folder / ".ci/run", "bash", "-c", "echo $WORKSHOP_TEST_REQUIRE"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    return run


def test_ci_says_that_a_checkout_is_closed_to_a_hub(ci_run, tmp_path):
    tmp_path.chmod(0o700)
    done = ci_run(tmp_path / "clone")
    assert "hub" not in done.stdout
    assert f"cannot read {tmp_path}/clone: clone into a folder" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask what another user may read")
def test_ci_requires_the_hub_where_others_can_read_the_checkout(ci_run):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        done = ci_run(Path(folder) / "clone")
    assert done.stderr == ""
    assert "hub" in done.stdout.strip().split(",")


def test_curves_are_recorded_in_pieces_that_together_are_all(tmp_path, monkeypatch, capsys):
    file = tmp_path / "curves.csv"
    monkeypatch.setattr(record_curves, "CURVES", file)
    monkeypatch.setattr("workshop.analyze.search_methods.stopping.CURVES", file)

    def record(points, first):
        columns = ["batch_size", "learning_rate", "optimizer"]
        frame = pd.DataFrame(points, columns=columns).assign(Epoch=1)
        return frame.assign(run=range(first, first + len(points)))

    monkeypatch.setattr(record_curves, "record", record)
    for runs, said in (
        (20, "12 curves are missing"),
        (20, "all curves are"),
        (1, "all curves are"),
    ):
        record_curves.main(["--runs", str(runs)])
        assert said in capsys.readouterr().out
    curves = stopping.recorded_curves()
    assert list(curves["run"]) == list(range(32))
    assert not curves.duplicated(["batch_size", "learning_rate", "optimizer"]).any()
    assert file.read_text().startswith("# Learning curves: scale tiny")
