"""The file of completed jobs, which some clusters keep instead of accounting."""

from pathlib import Path

import pytest

from workshop.run_agents.slurm import commands

# Two starts of one task, whose node failed, and one task of another array, as SLURM 22.05 wrote
# them; a job that is queued again is written in the state that it has by then.
LINES = """\
JobId=55 UserId=me(1) Name=sweep JobState=NODE_FAIL Partition=main StartTime=2026-11-29T13:50:21 \
EndTime=2026-11-29T13:51:11 NodeList=node2 ArrayJobId=55 ArrayTaskId=1 ExitCode=0:1
JobId=51 UserId=me(1) Name=sweep JobState=PENDING Partition=low StartTime=2026-11-29T13:50:39 \
EndTime=2026-11-29T13:50:59 NodeList=(null) ArrayJobId=51 ArrayTaskId=3 ExitCode=0:0
JobId=55 UserId=me(1) Name=sweep JobState=COMPLETED Partition=main StartTime=2026-11-29T13:51:12 \
EndTime=Unknown NodeList=node2 ArrayJobId=55 ArrayTaskId=1 ExitCode=0:0
JobId=58 UserId=me(1) Name=alone JobState=COMPLETED
JobId=55 UserId=me(1) Name=torn JobState=FAILED ArrayJobId=55
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch) -> Path:
    file = tmp_path / "completed jobs"
    settings = (
        "AccountingStorageType   = accounting_storage/none\n"
        f"JobCompLoc              = {file}\n"
        "JobCompType             = jobcomp/filetxt\n"
    )
    monkeypatch.setattr(commands, "run", lambda command, environment=None: settings)
    return file


def test_it_tells_each_start_of_an_array(file):
    file.write_text(LINES)
    assert commands.memory() == str(file)
    first, second = commands.accounted("55")
    assert first | {"Start": "", "End": ""} == {
        "JobID": "55_1", "State": "NODE_FAIL", "ExitCode": "0:1", "Start": "", "End": "",
        "NodeList": "node2", "Reason": "",
    }  # fmt: skip
    assert int(first["End"]) - int(first["Start"]) == 50
    assert (second["State"], second["End"]) == ("COMPLETED", "Unknown")


def test_a_start_that_another_one_follows_was_put_back(file):
    file.write_text(LINES)
    (record,) = commands.accounted("51")
    assert (record["State"], record["NodeList"]) == ("REQUEUED", "")


def test_without_a_file_that_can_be_read_there_is_no_account(file):
    assert commands.memory() == ""
    assert commands.accounted("55") is None
