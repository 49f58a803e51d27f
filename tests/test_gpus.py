"""An agent per GPU.  The GPUs are only names here: no test machine has one, let alone several."""

import os
from collections import Counter

import pytest
import wandb

from workshop.connection.client_variables import restored
from workshop.errors import WorkshopError
from workshop.initialize.registration import states
from workshop.run_agents import gpus, local
from workshop.run_agents.slurm.command_line import repair

pytestmark = pytest.mark.scattered

GPU = "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"
MIG = "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3"
# As `nvidia-smi -L` lists a GPU that is divided, and one that is not.
LISTED = f"""\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-9d1ff0d2-0b6f-4a2f-9ed2-3e1b6a9d9d10)
  MIG 3g.20gb     Device  0: (UUID: {MIG}0)
  MIG 3g.20gb     Device  1: (UUID: {MIG}1)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: {GPU})
"""
# Fails if another run is on the same GPU.
PROGRAM = """
import os, pathlib, sys, wandb
place = pathlib.Path(sys.argv[1])
gpu = place / os.environ["CUDA_VISIBLE_DEVICES"]
gpu.mkdir()
with wandb.init() as run:
    (place / f"run-{run.id}").write_text(f"{gpu.name} {os.environ['WORKSHOP_AGENTS']}")
gpu.rmdir()
"""


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("2,3", ["2", "3"]),
        (f" {MIG}0, {GPU} ", [f"{MIG}0", GPU]),
        ("0,-1,1", ["0"]),
        ("NoDevFiles", []),
        ("", []),
    ],
)
def test_the_gpus_are_those_that_slurm_or_the_user_named(given, names, monkeypatch):
    monkeypatch.setenv(gpus.VARIABLE, given)
    assert gpus.visible() == names


@pytest.mark.parametrize(
    ("script", "names"),
    [
        (f"cat <<'END'\n{LISTED}END", [f"{MIG}0", f"{MIG}1", GPU]),
        ("echo 'NVIDIA-SMI has failed (UUID: GPU-1)'; exit 9", []),
        (None, []),
    ],
)
def test_otherwise_they_are_those_that_the_driver_lists(script, names, tmp_path, monkeypatch):
    monkeypatch.delenv(gpus.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}" if script else str(tmp_path))
    if script:
        (tmp_path / "nvidia-smi").write_text(f'#!/bin/sh\n[ "$1" = -L ] || exit 1\n{script}\n')
        (tmp_path / "nvidia-smi").chmod(0o755)
    assert gpus.visible() == names


@pytest.mark.parametrize(
    ("given", "at_once", "said"),
    [
        ("", None, r"no GPU \(CUDA_VISIBLE_DEVICES is ''\), .* on a machine with GPUs, or leave"),
        ("0,1", 3, "at_once must be at most 2, the number of GPUs, got 3: give fewer"),
        ("0,1", 0, "at_once must be at least 1, got 0"),
    ],
)
def test_no_agent_goes_without_a_gpu(given, at_once, said, monkeypatch):
    monkeypatch.setenv(gpus.VARIABLE, given)
    with pytest.raises(WorkshopError, match=said):
        local.run_processes("local/nothing/asked", at_once=at_once, one_per_gpu=True)


def cli_repair(path: str, **options: object) -> None:
    given = {"site": "generic", "at_once": None, "option": [], "dry_run": False, "only": []}
    repair(path, **given | {"here": True, "one_per_gpu": True} | options)


def test_agents_side_by_side_have_a_gpu_each(server, tmp_path, monkeypatch):
    monkeypatch.setenv(gpus.VARIABLE, f"{MIG}0,{GPU}")
    monkeypatch.delenv("WORKSHOP_AGENTS", raising=False)
    with restored():
        definition = {
            "command": ["${interpreter}", "-c", PROGRAM, str(tmp_path)],
            "method": "grid",
            "parameters": {"learning_rate": {"values": [0.1, 0.2, 0.3]}},
        }
        path = f"local/gpus/{wandb.sweep(definition, project='gpus')}"

    def seen() -> Counter[str]:
        return Counter(file.read_text() for file in tmp_path.glob("run-*"))

    logs = local.run_processes(path, count=1, one_per_gpu=True)
    assert states(path) == {"finished": 2}, [log.read_text() for log in logs]
    assert seen().keys() == {f"{MIG}0 2", f"{GPU} 2"}
    assert os.environ[gpus.VARIABLE] == f"{MIG}0,{GPU}"

    with pytest.raises(WorkshopError, match="--one-per-gpu is for agents on this machine"):
        cli_repair(path, here=False)
    before = seen()
    monkeypatch.setenv(gpus.VARIABLE, "3")
    cli_repair(path)
    assert seen() - before == {"3 1": 1}
    assert states(path) == {"finished": 3}
