"""The CPUs of a process, by what the system, SLURM and a container grant it."""

import os
import subprocess
import sys

import pytest

from tests.waiting import patience
from workshop.trainer import cpus

ALL = len(os.sched_getaffinity(0))


@pytest.fixture(autouse=True)
def no_limits(monkeypatch):
    for variable in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "WORKSHOP_AGENTS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(cpus, "cgroup_cpus", lambda: None)


def test_affinity_counts():
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from workshop.trainer.cpus import available_cpus; print(available_cpus())"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=patience(180),
        check=True,
    )
    assert result.stdout.strip() == "1"
    assert cpus.available_cpus() == ALL


def test_slurm_counts(monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "1")
    assert cpus.available_cpus() == 1
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", str(ALL))
    assert cpus.available_cpus() == ALL
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", str(ALL + 1))
    assert cpus.available_cpus() == ALL


def test_agents_side_by_side_share(monkeypatch):
    monkeypatch.setattr(cpus, "available_cpus", lambda: 8)
    assert cpus.fair_share() == 8
    monkeypatch.setenv("WORKSHOP_AGENTS", "3")
    assert cpus.fair_share() == 2
    assert cpus.shared_by(2) == {"WORKSHOP_AGENTS": "6"}
    monkeypatch.setenv("WORKSHOP_AGENTS", "20")
    assert cpus.fair_share() == 1


def test_a_containers_quota_counts(monkeypatch):
    monkeypatch.setattr(cpus, "cgroup_cpus", lambda: 1)
    assert cpus.available_cpus() == 1


@pytest.fixture
def groups(tmp_path):
    """Write a tree of control groups; return what `cgroup_cpus` makes of it."""

    def read(membership, files):
        for name, content in files.items():
            (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "fs" / name).write_text(content)
        (tmp_path / "membership").write_text(membership)
        return CGROUP_CPUS(tmp_path / "membership", tmp_path / "fs")

    return read


CGROUP_CPUS = cpus.cgroup_cpus  # the fixture above replaces it in the module


def test_quota_of_version_2_with_a_tighter_ancestor(groups):
    files = {"job/step/cpu.max": "max 100000\n", "job/cpu.max": "350000 100000\n"}
    assert groups("0::/job/step\n", files) == 3


def test_quota_of_version_2_below_one_cpu(groups):
    assert groups("0::/\n", {"cpu.max": "50000 100000\n"}) == 1


def test_quota_of_version_1(groups):
    files = {
        "cpu/box/cpu.cfs_quota_us": "200000\n",
        "cpu/box/cpu.cfs_period_us": "100000\n",
        "cpu/cpu.cfs_quota_us": "-1\n",
        "cpu/cpu.cfs_period_us": "100000\n",
    }
    assert groups("4:memory:/box\n3:cpu,cpuacct:/box\n", files) == 2


def test_no_quota(groups):
    assert groups("0::/job\n", {"job/cpu.max": "max 100000\n"}) is None
    assert groups("0::/elsewhere\n", {}) is None
