"""SLURM's own commands: run one, and read what it prints."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from workshop.errors import WorkshopError

# As seconds since 1970, and long lists of task numbers whole.
_READABLE = {"SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}

# SLURM's NO_VAL: how it writes the tasks of an array of which none is left.
_NO_TASKS = "4294967294"


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Run one of SLURM's commands and return what it printed.

    Here and below, the environment says which cluster is asked; without one, it is that of this
    process (`workshop.slurm.clusters` has those of sites and arrays).

    Raises:
        WorkshopError: it is not installed, fails, or does not answer within half a minute.
    """
    program = command[0]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=30, check=False
        )
    except FileNotFoundError:
        raise WorkshopError(
            f"SLURM is not installed here (there is no `{program}`): log in to a cluster's login "
            "node, or run the agents on this machine"
        ) from None
    except subprocess.TimeoutExpired:
        raise WorkshopError(
            f"SLURM's `{program}` did not answer within 30 s: its controller may be down, so try "
            "again later or ask the cluster's staff"
        ) from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it does not say why"]
        own = [line for line in lines if line.startswith(f"{program}: ")] or lines
        reason = re.sub(rf"{program}: (error: |fatal: )?", "", own[-1])
        raise WorkshopError(f"SLURM's `{program}` failed: {reason}")
    return done.stdout


def ping(environment: Mapping[str, str] | None = None) -> None:
    """See whether the controller answers.

    Raises:
        WorkshopError: it does not.
    """
    run(["scontrol", "ping"], environment)


def available() -> str | None:
    """Return why no job can be submitted from here, in a sentence; None if one can."""
    try:
        ping()
    except WorkshopError as error:
        return str(error)
    return None


def largest_array(environment: Mapping[str, str] | None = None) -> int:
    """Return how many tasks an array may have, numbered from 1, on this cluster."""
    # The largest index is one less than MaxArraySize.
    return int(_value("MaxArraySize", run(["scontrol", "show", "config"], environment))) - 1


def memory(environment: Mapping[str, str] | None = None) -> str:
    """Return what remembers ended jobs on this cluster: `sacct`, a file, or nothing (empty)."""
    printed = run(["scontrol", "show", "config"], environment)
    if _value("AccountingStorageType", printed) == "accounting_storage/slurmdbd":
        return "sacct"
    file = _value("JobCompLoc", printed)
    is_kept = _value("JobCompType", printed) == "jobcomp/filetxt"
    return file if is_kept and os.access(file, os.R_OK) else ""


def queued(job_id: str, environment: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """Return what the controller still knows about a job.

    Returns:
        A record per job or array task, waiting tasks together in one, under the names of
        `scontrol show job`, times in seconds since 1970; empty if the job is forgotten, which
        happens some minutes after its end (`MinJobAge`).
    """
    try:
        printed = run(["scontrol", "show", "job", "--oneliner", job_id], _readable(environment))
    except WorkshopError as error:
        if "Invalid job id" in str(error):
            return []
        raise
    return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in printed.splitlines() if line.strip()]


ACCOUNTED = ("JobID", "State", "ExitCode", "Start", "End", "NodeList", "Reason")


def accounted(
    job_id: str, environment: Mapping[str, str] | None = None
) -> list[dict[str, str]] | None:
    """Return what accounting knows about a job.

    Returns:
        A record per start of each array task, the first start first, under the names of
        `ACCOUNTED`, times in seconds since 1970; None on a cluster that keeps no account.
    """
    keeper = memory(environment)
    if not keeper:
        return None
    if keeper != "sacct":
        return _completed(Path(keeper), job_id)
    options = ["--duplicates", "--allocations", "--parsable2", "--noheader"]
    printed = run(
        ["sacct", *options, f"--format={','.join(ACCOUNTED)}", "--jobs", job_id],
        _readable(environment),
    )
    return [
        dict(zip(ACCOUNTED, line.split("|"), strict=True)) for line in printed.splitlines() if line
    ]


def _completed(file: Path, job_id: str) -> list[dict[str, str]]:
    """Return the records of an array in a file of completed jobs (jobcomp/filetxt)."""
    found = []
    for line in file.read_text(errors="replace").splitlines():
        record = dict(word.split("=", 1) for word in line.split() if "=" in word)
        with suppress(KeyError):  # a job that is no array's, or a line that is being written
            if record["ArrayJobId"] == job_id:
                found.append(_start(record))
    return found


def _start(record: Mapping[str, str]) -> dict[str, str]:
    """Return a record of a file of completed jobs under the names of `ACCOUNTED`."""
    return {
        "JobID": f"{record['ArrayJobId']}_{record['ArrayTaskId']}",
        # A start that another one follows is written when its job waits again.
        "State": record["JobState"].replace("PENDING", "REQUEUED"),
        "ExitCode": record["ExitCode"],
        "Start": _since_1970(record["StartTime"]),
        "End": _since_1970(record["EndTime"]),
        "NodeList": record["NodeList"].replace("(null)", ""),
        "Reason": "",
    }


def _since_1970(time: str) -> str:
    """Return a time of SLURM's as seconds; as it is if it is none, such as `Unknown`."""
    try:
        return str(int(datetime.fromisoformat(time).timestamp()))
    except ValueError:
        return time


def numbers(expression: str) -> list[int]:
    """Return the task numbers of an expression such as `1-3,7,10-20:2%2`."""
    if expression == _NO_TASKS:
        return []
    ranges = re.findall(r"(\d+)(?:-(\d+))?(?::(\d+))?", expression.partition("%")[0])
    return [
        task
        for first, last, step in ranges
        for task in range(int(first), int(last or first) + 1, int(step or 1))
    ]


def _readable(environment: Mapping[str, str] | None) -> dict[str, str]:
    return {**(os.environ if environment is None else environment), **_READABLE}


def _value(name: str, settings: str) -> str:
    """Return a setting of the cluster, from what `scontrol show config` prints."""
    found = re.search(rf"^{name} *= *(.*?) *$", settings, re.MULTILINE)
    return found[1] if found else ""
