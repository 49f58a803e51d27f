"""What `workshop status` shows of a ledger, and what it leaves out."""

import json
import os

import pandas as pd
import pytest

from workshop import cli
from workshop.errors import WorkshopError
from workshop.run_agents import slurm
from workshop.run_agents.slurm import journal

PATH = "local/p/abcd1234"
KINDS = ["finished"] * 150 + ["code error"] * 3 + ["node failure"] + ["running"] * 6
KINDS += ["waiting"] * 40


def frame(kinds):
    states = {"finished": "COMPLETED", "running": "RUNNING", "waiting": "PENDING"}
    return pd.DataFrame(
        {
            "task": [f"17_{number}" for number in range(1, len(kinds) + 1)],
            "run": [None if kind == "waiting" else f"run{n}" for n, kind in enumerate(kinds)],
            "configuration": "rate 0.1",
            "slurm": [states.get(kind, "FAILED") for kind in kinds],
            "exit_code": "0:0",
            "run_state": "finished",
            "starts": 1,
            "kind": kinds,
            "cause": kinds,
            "log": "17/1.out",
        }
    )


@pytest.fixture(autouse=True)
def of_two_hundred_tasks(monkeypatch):
    monkeypatch.setattr("workshop.run_agents.slurm.ledger", lambda _: frame(KINDS))
    monkeypatch.setattr("workshop.connection.backend.connect", lambda: print("W&B: here"))


def status(capsys, *options):
    assert cli.main(["status", PATH, *options]) == 0
    return capsys.readouterr().out.splitlines()


def test_counts_come_first_and_then_what_needs_a_look(capsys):
    which, counts, head, *rows, last = status(capsys)
    assert which == "W&B: here"
    assert counts == "150 finished, 3 code error, 1 node failure, 6 running, 40 waiting"
    assert head.split()[:2] == ["task", "run"]
    assert [row.split()[0] for row in rows] == ["17_151", "17_152", "17_153", "17_154"]
    assert last == "196 more tasks are not shown: use `--all` to see all"


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (["--only", "node-failure"], 1),
        (["--only", "code error", "--only", "waiting"], 43),
        (["--state", "failed"], 4),
        (["--state", "FAILED", "--only", "code-error"], 3),
        (["--state", "PENDING", "--only", "finished"], None),
        (["--all"], 200),
    ],
)
def test_rows_are_chosen_by_cause_and_by_state(options, rows, capsys):
    _, counts, *shown = status(capsys, *options)
    assert counts.startswith("150 finished, ")
    if rows != 200:
        assert shown.pop().endswith("not shown: use `--all` to see all")
    assert len(shown) == rows + 1 if rows else shown == []


def test_a_few_are_shown_whatever_became_of_them(monkeypatch, capsys):
    monkeypatch.setattr("workshop.run_agents.slurm.ledger", lambda _: frame(KINDS[140:160]))
    assert len(status(capsys)) == 3 + 20


def test_a_program_reads_json_and_nothing_else(capsys):
    assert cli.main(["status", PATH, "--json", "--only", "waiting"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["counts"]["finished"] == 150
    assert len(found["tasks"]) == 40
    assert found["tasks"][0]["run"] is None


def test_the_sweep_is_the_one_submitted_last_unless_it_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    monkeypatch.setattr("workshop.run_agents.slurm.ledger", lambda path: asked.append(path) or some)
    asked, some = [], frame(KINDS[:1])
    assert cli.main(["status"]) == 2
    assert "no array has been submitted from here: name a sweep" in capsys.readouterr().err
    # Of two clusters, each of which counts its jobs by itself.
    for job, sweep, at in [("90", "local/p/older", 1), ("7", "local/p/newer", 2)]:
        journal.folder(job).mkdir(parents=True)
        journal.record(job, sweep=sweep, tasks=1)
        os.utime(journal.folder(job) / "array.json", (at, at))
    assert cli.main(["status"]) == 0
    assert "Sweep local/p/newer, the one submitted last\n" in capsys.readouterr().out
    assert cli.main(["status", PATH, "--json"]) == 0
    assert asked == ["local/p/newer", PATH]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "code-eror"], "cause 'code eror' is not known (did you mean 'code error'?): "),
        (
            ["--state", "FAILEDX"],
            "no task is in SLURM state FAILEDX (did you mean 'FAILED'?)",
        ),
    ],
)
def test_what_is_no_cause_or_state_is_a_sentence(options, message, capsys):
    assert cli.main(["status", PATH, *options]) == 2
    assert f"error: {message}" in capsys.readouterr().err


def test_slurms_silence_is_said_beside_the_counts():
    silent = frame(["finished"])
    silent.attrs["problem"] = "SLURM is away"
    assert slurm.describe(silent).splitlines()[:2] == [
        "1 finished", "incomplete, because SLURM does not answer: SLURM is away",
    ]  # fmt: skip


def test_repair_knows_the_same_causes():
    with pytest.raises(WorkshopError, match="cause 'lots' is not known"):
        slurm.gaps(PATH, only=["lots"])
