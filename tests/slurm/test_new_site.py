"""`workshop site new` on the tests' cluster."""

import re
import shutil

import pytest
import yaml

from workshop import cli
from workshop.errors import WorkshopError
from workshop.run_agents.slurm import array, draft, site

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("cluster")]


@pytest.fixture
def profiles(tmp_path, monkeypatch):
    shutil.copy(site.FOLDER / "example.yaml", tmp_path)
    for module in (draft, site):
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    return tmp_path


def test_a_profile_of_this_cluster_is_accepted_and_its_nodes_reach_the_server(
    server, on_cluster, profiles, capsys
):
    assert cli.main(["site", "new", "this", "--probe"]) == 0
    text = (profiles / "this.yaml").read_text()
    # A node of the cluster has a single CPU, and its partition `main` allows an hour.
    assert yaml.safe_load(text) == {
        "partition": "main", "account": "workshop", "time": "01:00:00", "memory": "16G", "cpus": 1,
        "at_once": 4,
    }  # fmt: skip
    assert "#   short  up to 00:01:00; 1 node of 3 CPUs, 64G; 1 node of 1 CPU, 64G\n" in text
    assert "#   workshop*\n" in text
    printed = capsys.readouterr().out
    assert "SLURM accepts a task with this profile.\n" in printed
    assert f" runs the kit and reaches {server.url}\n" in printed


def test_what_the_probe_finds_is_one_sentence(server, on_cluster, tmp_path):
    profile = tmp_path / "mine.yaml"
    profile.write_text("memory: 1G\nmodules: [cuda/99]\n")
    with pytest.raises(WorkshopError, match=r"^the probe on node node\d failed: .*cuda/99"):
        array.probe(str(profile))
    profile.write_text("memory: 1G\noptions: {begin: now+1hour}\n")
    said = array.probe(str(profile), patience=0)
    assert re.search(r"probe \(job \d+\) is still pending: its answer will be in .*\.out$", said)
