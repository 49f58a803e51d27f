"""`workshop site new` on what SLURM's commands printed on clusters, recorded in `recorded/`.

The recordings are of SLURM 22.05 with made-up nodes, of Lmod 8.6 and of Environment Modules 5.2.
"""

import shutil
from pathlib import Path

import pytest
import yaml

from workshop import cli
from workshop.errors import WorkshopError
from workshop.run_agents.slurm import draft, inventory, site
from workshop.run_agents.slurm.inventory import Limits, Nodes

RECORDED = Path(__file__).parent / "recorded"
PROGRAMS = {
    "sinfo": "cat {recorded}/sinfo.txt",
    "scontrol": "[ $1 = ping ] || cat {recorded}/$2.txt",
    "sacctmgr": "cat {recorded}/$4.txt",
    "sbatch": "exit 0",
}


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return a function that makes a program, which comes first in `PATH`, of a shell line."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    def make(name, line):
        (folder / name).write_text(f"#!/bin/bash\n{line}\n")
        (folder / name).chmod(0o755)

    return make


@pytest.fixture
def cluster_of_records(program, tmp_path, monkeypatch):
    """A cluster whose commands print what was recorded, and whose login shell has no modules."""
    for name, line in PROGRAMS.items():
        program(name, line.format(recorded=RECORDED))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".bash_profile").write_text("unset -f module\n")


@pytest.fixture
def profiles(tmp_path, monkeypatch):
    folder = tmp_path / "sites"
    shutil.copytree(site.FOLDER, folder)
    for module in (draft, site):
        monkeypatch.setattr(module, "FOLDER", folder)
    return folder


def unwrapped(text):
    """Return a text with its comments on one line, and single spaces."""
    return " ".join(text.replace("\n#", "").split())


def new(profiles, *options, name="mine"):
    """Write a profile; return its values and its text."""
    assert cli.main(["site", "new", name, *options]) == 0
    text = (profiles / f"{name}.yaml").read_text()
    return yaml.safe_load(text), text


def test_the_profile_has_the_examples_values_or_less_where_the_cluster_allows_less(
    cluster_of_records, profiles, capsys
):
    values, text = new(profiles)
    assert values == {
        "partition": "gpu", "account": "vision", "qos": "high", "time": "02:00:00",
        "memory": "16G", "cpus": 4, "gpus": 1, "at_once": 2,
    }  # fmt: skip
    assert '\ntime: "02:00:00"        # longest time of one task' in text
    printed = capsys.readouterr().out
    assert "sites/mine.yaml. Read it" in printed
    assert "SLURM accepts a task with this profile.\n" in printed
    assert "workshop submit SWEEP --site mine\n" in printed


def test_the_comments_say_what_there_is(cluster_of_records, profiles):
    _, text = new(profiles)
    for said in (
        "cpu* up to 3-00:00:00; 100 nodes of 48 CPUs, 187G",
        "12 nodes of 64 CPUs, 502G, 4 GPUs (a100); 2 nodes of 40 CPUs, 187G, 2 GPUs (v100); qos:",
        "gpu_debug up to 00:30:00;",
        "retired is not up",
        "staff no time limit; 2 nodes of 48 CPUs, 187G; accounts: closed",
        "not for accounts: closed",
        "vision*: 20 jobs at once, 50 jobs in the queue",
        "robots: 12:00:00 a job, gres/gpu=4 in all",
        "high: 1-00:00:00 a job, 2 jobs at once, 10 jobs in the queue, gres/gpu=2 in all",
        "GPUs of partition gpu: a100 (4 a node) and v100 (2 a node)",
        "A login shell has no `module` command here.",
        "An array may have 1000 tasks (MaxArraySize).",
    ):
        assert said in unwrapped(text)


def test_every_line_of_the_example_is_there_with_its_words(cluster_of_records, profiles):
    _, text = new(profiles)
    _, _, example = (site.FOLDER / "example.yaml").read_text().partition("\n\n")
    for line in example.splitlines():
        assert f"{''.join(line.partition('#')[1:])}\n" in text


def test_another_partition_and_its_limits(cluster_of_records, profiles):
    values, text = new(profiles, "--partition", "gpu_debug")
    assert (values["partition"], values["time"], values["cpus"]) == ("gpu_debug", "00:30:00", 2)
    assert "qos" not in values
    assert "# qos: normal           # quality of service\n" in text
    values, text = new(profiles, "--partition", "staff", name="staff")
    assert {"account", "gpus"}.isdisjoint(values)  # only `closed` may use it
    assert "# Partition staff has no GPUs" in text


def test_a_wish_that_the_cluster_cannot_fulfil(cluster_of_records, profiles, capsys):
    assert cli.main(["site", "new", "mine", "--partition", "gpus"]) == 2
    said = capsys.readouterr().err
    assert "no partition 'gpus' (did you mean 'gpu'?): use one of cpu, gpu, gpu_debug" in said
    assert not (profiles / "mine.yaml").exists()


def test_without_accounting_the_profile_says_why(cluster_of_records, program, profiles):
    program("sacctmgr", "echo 'Only accounting_storage/slurmdbd is supported.' >&2; exit 1")
    values, text = new(profiles)
    assert (values["partition"], values["at_once"]) == ("gpu", 4)
    assert {"account", "qos"}.isdisjoint(values)
    assert "are yours (SLURM's `sacctmgr` failed: Only accounting_storage/slurmdbd is" in (
        unwrapped(text)
    )
    assert "# account: my-project" in text


def test_without_an_account_the_profile_says_so(cluster_of_records, program, profiles):
    program("sacctmgr", "")
    _, text = new(profiles)
    assert "# Accounting knows no account of yours.  If jobs need one, ask the" in text


@pytest.mark.parametrize(
    ("recorded", "modules"),
    [
        ("lmod", ["cuda/11.8", "cuda/12.4", "cuda/12.6", "cuda/12.10"]),
        ("environment_modules", ["CUDA/12.1.1", "CUDA/12.4.0"]),
    ],
)
def test_cuda_modules(recorded, modules, cluster_of_records, profiles, tmp_path):
    definition = f"module() {{ cat {RECORDED}/{recorded}.txt >&2; }}\n"
    (tmp_path / ".bash_profile").write_text(definition)
    _, text = new(profiles)
    assert f"CUDA modules here: {', '.join(modules)} modules: [cuda" in unwrapped(text)


def test_what_sbatch_refuses_is_said_and_the_draft_is_kept(
    cluster_of_records, program, profiles, capsys
):
    program("sbatch", "echo 'sbatch: error: allocation failure: Invalid account' >&2; exit 1")
    assert cli.main(["site", "new", "mine"]) == 2
    said = capsys.readouterr().err
    assert "failed: allocation failure: Invalid account: correct " in said
    assert "sites/mine.yaml, then run `workshop check --site mine`\n" in said
    assert (profiles / "mine.yaml").exists()


@pytest.mark.parametrize("name", ["example", "generic", "rehearsal"])
def test_a_profile_that_is_there_is_kept(name, cluster_of_records, profiles, capsys):
    before = (profiles / f"{name}.yaml").read_text()
    assert cli.main(["site", "new", name]) == 2
    assert f"sites/{name}.yaml is there already, and is kept: choose" in capsys.readouterr().err
    assert (profiles / f"{name}.yaml").read_text() == before


@pytest.mark.parametrize("name", ["", "../mine", "a/b", ".mine", "mine.yaml", "my cluster", "-x"])
def test_a_name_that_is_none_of_a_file(name):
    with pytest.raises(WorkshopError, match="can't be the name of a site profile: use letters"):
        draft.write(name)


def test_without_slurm_it_is_one_sentence(profiles, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    assert cli.main(["site", "new", "mine"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: SLURM is not installed here")
    assert said.count("\n") == 1
    assert not (profiles / "mine.yaml").exists()


def test_a_folder_that_is_somebody_elses(cluster_of_records, profiles, monkeypatch, capsys):
    monkeypatch.setattr(draft, "_chosen", lambda *_: shutil.rmtree(profiles))
    monkeypatch.setattr(draft, "text", lambda *_: "")
    assert cli.main(["site", "new", "mine"]) == 2
    assert "cannot be written (No such file or directory): make the profile in a" in (
        capsys.readouterr().err
    )


def test_gpus_without_a_type_and_other_resources():
    gpus = {
        "gpu:a100:4(S:0-1),lscratch:1800": {"a100": 4},
        "lscratch:9,gpu:2": {"": 2},
        "gpu:1g.10gb:28": {"1g.10gb": 28},
        "gpu:a100:2(S:0,1),gpu:a100:2,gpu:t4:1": {"a100": 4, "t4": 1},
        "shard:gpu:4,(null)": {},
        "(null)": {},
    }
    assert {text: inventory._gpus(text) for text in gpus} == gpus


def test_a_cluster_without_limits_or_a_partition_for_you(cluster_of_records):
    assert inventory._limits({"MaxWall": "", "MaxJobs": ""}) == Limits("", "", None)
    found = inventory.take()
    assert found.partitions[0].nodes == [Nodes(100, 48, 192000, {})]
    text = draft.text("mine", found, None)
    assert yaml.safe_load(text) is None
