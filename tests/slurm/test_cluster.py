import os
import time
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster

pytestmark = pytest.mark.slurm


def start_a_job_and_fail(cluster: Cluster, folder: Path) -> None:
    script = folder / "script"
    script.write_text(f"#!/bin/bash\ntouch {folder}/started\nsleep 600\n")
    with cluster:
        cluster.command("sbatch", "--output=/dev/null", str(script))
        deadline = time.monotonic() + 20
        while not (folder / "started").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        raise KeyError(len(cluster.processes()))


def test_a_cluster_ends_with_its_jobs_and_files_even_after_a_failure(cluster, tmp_path):
    second = Cluster()
    with pytest.raises(KeyError) as caught:
        start_a_job_and_fail(second, tmp_path)
    assert caught.value.args[0] > len(cluster.processes()) >= 3
    assert second.processes() == []
    assert not second.folder.exists()
    assert cluster.command("sinfo", "-h", "-o", "%T") == "idle\n"


def test_one_cpu_tasks_fill_the_real_cpus(cluster):
    assert cluster.command("sinfo", "-h", "-o", "%c").strip() == str(len(os.sched_getaffinity(0)))
