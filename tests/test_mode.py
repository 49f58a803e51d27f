"""A mode in which nothing reaches the server is found before anything starts, and explained."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import wandb

from workshop import batch
from workshop.batch.record import Execution, Result
from workshop.connection import backend, client_settings, mode
from workshop.errors import WorkshopError
from workshop.paths import NOTEBOOKS
from workshop.preflight import server as preflight
from workshop.run_agents import local, slurm
from workshop.run_agents.slurm import probe

NOWHERE = "nobody/nothing/nosweep"
# In which mode the client itself starts, by the environment of each case; null if it does not.
CLIENT = """
import json, os, sys
import wandb
modes = []
for variables in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(variables["HOME"])
    wandb.teardown()
    try:
        modes.append(wandb.setup().settings.mode)
    except ValueError:
        modes.append(None)
print(json.dumps(modes))
"""


def settings(value):
    return f"[default]\nmode = {value}\n"


CASES = [
    # Variables; settings of the folder and of the user; the mode and its place.
    ({}, "", "", "online", "nowhere"),
    ({"WANDB_MODE": "offline"}, "", "", "offline", "WANDB_MODE"),
    ({"WANDB_MODE": "dryrun"}, "", "", "dryrun", "WANDB_MODE"),
    ({"WANDB_MODE": "disabled"}, "", "", "disabled", "WANDB_MODE"),
    ({"WANDB_MODE": "run"}, "", "", "run", "WANDB_MODE"),
    ({"WANDB_MODE": "shared"}, "", "", "shared", "WANDB_MODE"),
    ({"WANDB_MODE": ""}, "", "", None, "WANDB_MODE"),
    ({"WANDB_MODE": "Offline"}, "", "", None, "WANDB_MODE"),
    ({}, settings("offline"), "", "offline", "wandb/settings"),
    ({}, "", settings("disabled"), "disabled", "config/settings"),
    ({}, settings("online"), settings("offline"), "online", "wandb/settings"),
    ({"WANDB_MODE": "online"}, settings("offline"), "", "online", "WANDB_MODE"),
    ({}, settings("nonsense"), "", "online", "nowhere"),
]


def test_the_mode_is_the_one_in_which_the_client_starts(tmp_path):
    environments = []
    for number, (variables, of_folder, of_user, *_) in enumerate(CASES):
        home = tmp_path / str(number)
        for folder, text in (("wandb", of_folder), ("config", of_user)):
            (home / folder).mkdir(parents=True)
            if text:
                (home / folder / "settings").write_text(text)
        own = {"WANDB_CONFIG_DIR": str(home / "config"), "HOME": str(home)}
        environments.append({"PATH": os.environ["PATH"], **own, **variables})
    done = subprocess.run(
        [sys.executable, "-c", CLIENT], input=json.dumps(environments),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    of_client = json.loads(done.stdout.splitlines()[-1])
    assert of_client == [name for *_, name, _ in CASES]
    for environment, name, (*_, place) in zip(environments, of_client, CASES, strict=True):
        found = mode.find(environment, Path(environment["HOME"]))
        assert found.place.endswith(place)
        assert found.is_known == (name is not None)
        assert name in (found.name, None)
        assert bool(found.problem) == (name not in mode.SENT)


@pytest.mark.parametrize(
    ("name", "place", "words"),
    [
        ("offline", "WANDB_MODE", "keeps the runs' data on the machine that they run on"),
        ("offline", "WANDB_MODE", "`unset WANDB_MODE`"),
        ("dryrun", "WANDB_MODE", "`wandb sync FOLDER`"),
        ("disabled", "WANDB_MODE", "discards everything that runs log"),
        ("offline", "~/settings", "remove the line `mode` from ~/settings"),
        ("", "WANDB_MODE", "is '', which is not a mode of W&B's client"),
    ],
)
def test_a_sentence_says_what_a_mode_means_and_what_to_do(name, place, words):
    problem = mode.Mode(name, place).problem
    assert words in problem
    assert problem.count(": ") == 1
    assert "sync" not in problem or name != "disabled"


STARTERS = {
    "an agent in this process": lambda folder: local.run_in_process(NOWHERE),
    "agent processes": lambda folder: local.run_processes(NOWHERE),
    "an array": lambda folder: slurm.submit(slurm.plan(NOWHERE, tasks=1)),
    "notebooks": lambda folder: batch.start([NOTEBOOKS / "01_define_the_sweep.ipynb"], {}, folder),
}


@pytest.mark.parametrize("name", ["offline", "disabled"])
@pytest.mark.parametrize("start", STARTERS.values(), ids=STARTERS)
def test_nothing_starts_whose_runs_the_server_would_not_see(monkeypatch, tmp_path, start, name):
    monkeypatch.setenv("WANDB_MODE", name)
    with pytest.raises(WorkshopError, match=rf"^mode {name} \(set by WANDB_MODE\) .*: `unset"):
        start(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_an_execution_does_not_go_on_either(monkeypatch, tmp_path):
    Execution(tmp_path, {}, [Result("notebooks/01_define_the_sweep.ipynb", "", {})]).save()
    monkeypatch.setenv("WANDB_MODE", "offline")
    with pytest.raises(WorkshopError, match=r"^mode offline \(set by WANDB_MODE\)"):
        batch.resume(tmp_path)


def test_a_probe_says_that_its_node_is_offline(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("SLURMD_NODENAME", "node1")
    with pytest.raises(
        WorkshopError, match=r"^from node node1, mode offline \(set by WANDB_MODE\)"
    ):
        probe.main(NOWHERE)


def test_a_client_that_has_started_offline_stays_so(monkeypatch):
    program = (
        "import os, wandb; os.environ['WANDB_MODE'] = 'offline'; wandb.setup()\n"
        "del os.environ['WANDB_MODE']\n"
        "from workshop.connection import mode; print(mode.find().problem or mode.here().problem)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "mode offline (set by the client of this process) keeps" in done.stdout, done.stderr
    assert "restart the kernel" in done.stdout


def test_connect_says_what_the_mode_means(server, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert backend.connect("local") == server
    first, warning = capsys.readouterr().out.splitlines()
    assert first.startswith("W&B: local server")
    assert warning.startswith("warning: mode disabled (set by WANDB_MODE) discards everything")


def test_connect_says_which_modes_there_are(server, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "ofline")
    with pytest.raises(WorkshopError, match="WANDB_MODE is 'ofline', which is not a mode of W&B's"):
        backend.connect("local")


def test_check_says_it_for_notebooks_agents_and_the_terminal(monkeypatch, tmp_path):
    def looked_at():
        found = preflight.findings("nowhere")
        return [finding for finding in found if finding.check == "client mode"]

    here, root = tmp_path / "here", tmp_path / "root"
    monkeypatch.setattr(preflight, "ROOT", root)
    for folder in (here, root):
        (folder / "wandb").mkdir(parents=True)
    monkeypatch.chdir(here)
    assert looked_at() == []
    for folder in (here, root):
        file = folder / "wandb" / "settings"
        file.write_text(settings("offline"))
        (finding,) = looked_at()
        assert finding.verdict == "problem"
        assert finding.found.startswith(f"mode offline (set by {file}) keeps the runs' data")
        assert finding.next_step.startswith(f"remove the line `mode` from {file}, or `export")
        file.unlink()
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert "set by WANDB_MODE" in looked_at()[0].found


def test_settings_are_read_by_their_names_in_the_client():
    names = {"mode", "base_url", "api_key"}
    assert names <= wandb.Settings.model_fields.keys()
    assert client_settings.find("mode", {"WANDB_MODE": "x"}).variable == "WANDB_MODE"
