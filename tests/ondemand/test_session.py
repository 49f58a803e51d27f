"""A session on a real cluster: the job that the app submits, JupyterLab in it, and an array.

One session serves all tests; it ends before other tests use the cluster.
"""

import json
import os
import re
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.fixtures.browser import PAGE_DEADLINE_MS
from tests.ondemand.dashboard import Dashboard
from tests.ondemand.lab import ELSEWHERE, Lab
from tests.slurm.cluster import Cluster
from tests.waiting import wait_for
from workshop.paths import ROOT

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.xdist_group("cluster 2")]

FIRST = "notebooks/00_check_your_setup.ipynb"
# What a participant who is root, as here, must add to JupyterLab's settings; and what such a file
# of somebody else's may say without weakening the session.
OWN_SETTINGS = {
    "ServerApp": {"allow_root": True, "port": 1, "password": ""},
    "IdentityProvider": {"token": ""},
    "PasswordIdentityProvider": {"hashed_password": ""},
}
ENVIRONMENT = """
import json, os, sys, workshop.paths
found = {"cwd": os.getcwd(), "workshop": workshop.__file__, "python": sys.executable}
found["home"] = str(workshop.paths.home())
print(json.dumps(found | dict(os.environ)))
"""
REGISTER = """
import sys
from workshop.connection import backend
chosen = backend.connect()
sys.path.append("{root}")
from tests.slurm import trial
print("path", trial.register(0.7))
"""


@dataclass
class Session:
    """A participant's session.

    Attributes:
        folder: what the dashboard and the job keep of it.
        job: its number.
        home: the participant's home folder.
    """

    app: Dashboard
    cluster: Cluster
    folder: Path
    job: str
    home: Path

    @property
    def copy(self) -> Path:
        return self.home / "sweep-workshop"

    def output(self) -> str:
        file = self.folder / "output.log"
        return file.read_text() if file.exists() else "no output"

    def is_over(self) -> bool:
        return not self.cluster.command("squeue", "-h", "-j", self.job)

    def is_ready(self) -> bool:
        """Tell whether the card has its button."""
        assert not self.is_over(), self.output()
        return (self.folder / "connection.yml").exists()

    def connection(self) -> dict:
        return yaml.safe_load((self.folder / "connection.yml").read_text())

    def lab(self) -> Lab:
        found = self.connection()
        host, port = found["host"], found["port"]
        return Lab(f"{host}:{port}", f"/node/{host}/{port}")

    def end(self) -> None:
        """Do what the card's button to cancel does."""
        self.cluster.command("scancel", self.job)
        wait_for(self.is_over, self.output)


@pytest.fixture(scope="module")
def start(cluster, install, tmp_path_factory):
    """Return a function that starts a session of one participant, who is root."""
    app = install("test_cluster", dashboard=ELSEWHERE)
    home = tmp_path_factory.mktemp("home")
    (home / ".jupyter").mkdir()
    (home / ".jupyter/jupyter_config.json").write_text(json.dumps(OWN_SETTINGS))
    # The job does not get the environment of this process, as it does not get the dashboard's.
    file = app.kit / "configs/sites/test_cluster.yaml"
    profile = yaml.safe_load(file.read_text()) | {
        "start_jitter": 0,
        "environment": {
            "HOME": str(home),
            "MODULEPATH": cluster.environment["MODULEPATH"],
            "PYTHONPATH": str(ROOT),  # for the array's trial, which is one of the tests'
        },
    }
    sessions = []

    def started(**changes: object) -> Session:
        file.write_text(json.dumps(profile | changes))
        folder = tmp_path_factory.mktemp("session") / "id"
        command = app.stage(folder, cpus="2")
        done = subprocess.run(
            command, env=os.environ | cluster.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        sessions.append(Session(app, cluster, folder, done.stdout.strip(), home))
        return sessions[-1]

    yield started
    for session in sessions:
        session.end()


@pytest.fixture(scope="module")
def session(start) -> Session:
    session = start()
    wait_for(session.is_ready, session.output)
    return session


@pytest.fixture(scope="module")
def lab(session) -> Lab:
    """Sign in as the button on the card does."""
    lab = session.lab()
    reply = lab.submit(session.app.view(session.folder))
    assert (reply.status_code, reply.headers["Location"]) == (302, f"{lab.base}/lab/tree/{FIRST}")
    assert "SameSite=Strict" in reply.headers["Set-Cookie"]
    assert lab.send("GET", reply.headers["Location"]).status_code == 200
    return lab


def test_nobody_enters_without_the_password(session):
    lab = session.lab()
    assert lab.send("GET", f"{lab.base}/api/contents").status_code == 403
    assert lab.send("GET", f"{lab.base}/lab").headers["Location"].startswith(f"{lab.base}/login")
    form = session.app.view(session.folder)
    assert lab.submit(form, password="").status_code == 401
    assert lab.submit(form, password="x" * 32).status_code == 401
    assert lab.send("GET", f"{lab.base}/api/contents").status_code == 403


def test_another_sites_page_cannot_act_for_the_participant(lab):
    terminals = f"{lab.base}/api/terminals"
    assert lab.send("POST", terminals, with_token=False, json={}).status_code == 403
    assert lab.send("GET", terminals).json() == []


def test_secrets_are_in_files_of_the_participant_alone(session, lab):
    found = session.connection()
    for name in ("connection.yml", "password.hash"):
        assert stat.S_IMODE((session.folder / name).stat().st_mode) == 0o600
    shown = session.cluster.command("scontrol", "show", "job", "--details", session.job)
    seen = [session.output(), shown]
    for process in session.cluster.processes():
        seen += [Path(f"/proc/{process}/{kind}").read_text() for kind in ("cmdline", "environ")]
    secrets = [found["password"], (session.folder / "password.hash").read_text().strip()]
    assert not [text for text in seen for secret in secrets if secret in text]
    assert stat.S_IMODE(session.copy.stat().st_mode) == 0o700


def test_a_kernel_has_the_copy_the_environment_and_the_address(session, lab):
    found = json.loads(lab.run(ENVIRONMENT))
    assert found["cwd"] == str(session.copy / "notebooks")
    assert found["workshop"] == str(session.copy / "workshop/__init__.py")
    assert Path(found["python"]).parent.resolve() == (ROOT / ".venv/bin").resolve()
    assert found["WORKSHOP_PROXY_PREFIX"] == f"{ELSEWHERE}{lab.base}/"
    assert found["home"] == str(session.copy / ".workshop")
    assert found["TMPDIR"].startswith("/var/tmp/workshop-"), "as the site profile says"
    assert found["WORKSHOP_TEST_MODULE"] == "loaded"
    assert found["SLURM_JOB_ID"] == session.job


@pytest.fixture(scope="module")
def registered(lab) -> str:
    """Register a sweep in a notebook's kernel; return what it printed."""
    return lab.run(REGISTER.format(root=ROOT))


def test_an_array_is_submitted_from_a_terminal(session, lab, registered):
    path = re.search(r"path (\S+)", registered)[1]
    printed = lab.type(f"workshop submit {path} --site test_cluster")
    found = re.search(r"array job (\d+): 1 task,", printed)
    assert found, printed
    array = found[1]
    removed = re.search(r"removed from it: ([^\r]*)", printed)[1]
    for name in ("SLURM_JOB_ID", "SLURM_CPUS_PER_TASK", "SLURM_EXPORT_ENV"):
        assert name in removed
    logs = session.copy / ".workshop/logs" / array
    wait_for(lambda: not session.cluster.command("squeue", "-h", "-j", array))
    inherited = json.loads((logs / "1/environment.json").read_text())
    assert inherited["SLURM_ARRAY_JOB_ID"] == array
    assert inherited["SLURM_CPUS_PER_TASK"] == "1", "the session has 2"
    assert "SLURM_EXPORT_ENV" not in inherited
    assert inherited["PYTHONPATH"] == str(ROOT)
    assert "1 finished" in lab.type(f"workshop status {path}")


def test_a_notebook_that_was_moved_away_comes_back(session, lab):
    notebook = session.copy / "notebooks/06_failure_lab.ipynb"
    before = notebook.read_bytes()
    notebook.unlink()
    printed = lab.type("workshop copy")
    assert "theend 0" in printed
    assert notebook.read_bytes() == before


def test_printed_links_lead_to_the_pages_of_the_local_server(session, lab, registered):
    for words in ("its pages: ", "Sweep URL: "):
        page = re.search(rf"{words}(\S+)", registered)[1]
        assert page.startswith(f"{ELSEWHERE}{lab.base}/proxy/")
        page = page.removeprefix(ELSEWHERE)
        assert "slurm" in lab.send("GET", page).text, "the project of the sweep"
        assert session.lab().send("GET", page).status_code in (302, 403)


@pytest.mark.browser
def test_the_button_on_the_card_opens_the_first_notebook(session, browser):
    with session.app.open(session.folder) as address:
        page = browser.new_page()
        page.set_default_timeout(PAGE_DEADLINE_MS)
        page.goto(address)
        with page.expect_popup() as opened:
            page.click("text=Open the workshop in JupyterLab")
        opened.value.wait_for_selector(".jp-Notebook h1 >> text=Check your setup")
        page.close()


def test_a_session_leaves_nothing_but_what_the_participant_changed(session, lab, registered, start):
    (session.copy / FIRST).write_text("changed")
    temporary = Path(json.loads(lab.run(ENVIRONMENT))["TMPDIR"])
    assert temporary.exists()
    note = session.copy / ".workshop/server/server.json"
    assert note.exists()
    session.end()
    wait_for(lambda: not temporary.exists(), session.output)
    wait_for(lambda: not note.exists(), lambda: "the session's W&B server was left running")
    again = start()
    wait_for(again.is_ready, again.output)
    assert (session.copy / FIRST).read_text() == "changed"
    again.end()


def test_a_session_that_cannot_start_says_why(start):
    session = start(modules=["no-such-module"])
    wait_for(session.is_over, session.output)
    assert "no-such-module" in session.output()
    assert session.output().endswith("JupyterLab did not start; the lines above say why\n")
    assert not (session.folder / "connection.yml").exists()
