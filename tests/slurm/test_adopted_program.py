"""A program of one's own on the cluster: from `workshop adopt` to the end of its array."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import wandb

from tests.adopt.document import resumable_program
from tests.adopt.limits import AS_OPTIONS
from tests.waiting import patience, wait_for
from workshop import cli
from workshop.define.definition import load
from workshop.initialize import registration
from workshop.paths import ROOT
from workshop.run_agents import slurm

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.xdist_group("cluster 2")]

EPOCHS = 5
# In its task, the program stands still in an epoch until it's driven out.
TRAINING = """\
import os, time
from workshop.trainer import preemption

def train(epoch):
    while epoch == 3 and "SLURM_JOB_ID" in os.environ and "SLURM_RESTART_COUNT" not in os.environ:
        preemption.check()
        time.sleep(0.1)
"""
PREEMPTIBLE = {"partition": "low", "nodelist": "node2", "mem": "1G"}


def submit(path: str, *proposed: str) -> slurm.ArrayJob:
    """Submit a sweep in a shell, as `workshop adopt` proposes; return the array."""
    options = [word for name, value in PREEMPTIBLE.items() for word in ("-o", f"{name}={value}")]
    command = [Path(sys.executable).parent / "workshop", "submit", path, "--site", "test_cluster"]
    done = subprocess.run(
        [*command, *proposed, *options],
        capture_output=True, text=True, check=False, timeout=patience(300),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return slurm.ArrayJob(re.search(r"array job (\d+): 1 task", done.stdout)[1], 1)


def test_it_runs_as_proposed_and_resumes_when_another_job_drives_it_out(
    server, on_cluster, tmp_path, monkeypatch, capsys
):
    (tmp_path / "training.py").write_text(TRAINING)
    program = resumable_program().replace("import time", "from training import train")
    (tmp_path / "train.py").write_text(program.replace("time.sleep(0.5)", "train(epoch)"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # as the document says
    command = ["adopt", str(tmp_path / "train.py"), "--python", sys.executable]
    # No trial is ended because it has logged enough, so it is known how long a run takes.
    assert cli.main([*command, *AS_OPTIONS]) == 0
    said = capsys.readouterr().out
    proposed = re.search(r"workshop submit ENTITY/PROJECT/SWEEP --site NAME (-o time=\S+)", said)

    sweep = load(tmp_path / "sweep.yaml")
    sweep["parameters"]["epochs"] = {"value": EPOCHS}
    path = registration.register(sweep | {"run_cap": 1}, "adopted")
    job = submit(path, *proposed[1].split())
    # The client holds a row back until the next one, so the program is in the third epoch by then.
    (run,) = wait_for(
        lambda: [run for run in wandb.Api().sweep(path).runs if run.lastHistoryStep > 0],
        lambda: slurm.describe(slurm.ledger(path)),
        every=1,
    )
    node = f"--nodelist={PREEMPTIBLE['nodelist']}"
    on_cluster.command("sbatch", "--output=/dev/null", "--exclusive", node, "--wrap", "true")

    def is_over() -> bool:
        (row,) = slurm.ledger(path).itertuples()
        if row.slurm == "PENDING" and row.starts:
            on_cluster.start_now(row.task)
        return row.kind not in slurm.LIVE

    wait_for(is_over, lambda: slurm.describe(slurm.ledger(path)), every=1)
    row = slurm.ledger(path).iloc[0]
    assert row["cause"].startswith(
        "preempted and resumed: it was preempted: another job took its place; finished in start 2"
    ), job.log(1).read_text()
    assert (row["slurm"], row["run_state"]) == ("COMPLETED", "finished")
    steps = [row["_step"] for row in run.scan_history(use_cache=False)]
    assert steps == list(range(1, EPOCHS + 1))
    assert not list((tmp_path / "checkpoints").iterdir()), "in the program's own folder"
