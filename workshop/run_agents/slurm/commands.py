"""Run SLURM's own commands, and parse what they print."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from workshop.errors import WorkshopError

# Times as seconds since 1970, and lists of task numbers in full.
_READABLE = {"SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}

_ANSWER_LIMIT_S = 30

# SLURM's NO_VAL, which it prints for an array without any tasks left.
_NO_TASKS = "4294967294"


class CommandError(WorkshopError):
    """One of SLURM's commands ended with an error, which the message quotes."""


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Run one of SLURM's commands and return its output.

    In this module the environment selects the cluster; by default it is this process's own
    (`workshop.run_agents.slurm.site` has those of sites and arrays).

    Raises:
        CommandError: the command ended with an error.
        WorkshopError: it is not installed, or doesn't answer within its timeout.
    """
    program = command[0]
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_ANSWER_LIMIT_S,
            check=False,
        )
    except FileNotFoundError:
        raise WorkshopError(
            f"SLURM is not installed here (there is no `{program}`): use a cluster's login node, "
            "or run the agents on this machine"
        ) from None
    except subprocess.TimeoutExpired:
        raise WorkshopError(
            f"SLURM's `{program}` did not answer within {_ANSWER_LIMIT_S} s, so its controller may "
            "be down: try again later, or ask the cluster's staff"
        ) from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it does not say why"]
        own = [line for line in lines if line.startswith(f"{program}: ")] or lines
        reason = re.sub(rf"{program}: (error: |fatal: )?", "", own[-1])
        raise CommandError(f"SLURM's `{program}` failed: {reason}")
    return done.stdout


def ping(environment: Mapping[str, str] | None = None) -> None:
    """Check that SLURM's controller answers.

    Raises:
        WorkshopError: it does not.
    """
    try:
        run(["scontrol", "ping"], environment)
    except CommandError as error:
        raise WorkshopError(
            f"SLURM's commands are installed here, but no cluster answers them ({error}): use a "
            "cluster's login node, or run the agents on this machine"
        ) from None


def cluster_name(environment: Mapping[str, str] | None = None) -> str:
    """Return the cluster's name in its configuration."""
    return _value("ClusterName", run(["scontrol", "show", "config"], environment))


def largest_array(environment: Mapping[str, str] | None = None) -> int:
    """Return how many tasks an array may have, numbered from 1, on this cluster."""
    # The largest index is one less than MaxArraySize.
    return int(_value("MaxArraySize", run(["scontrol", "show", "config"], environment))) - 1


def memory(environment: Mapping[str, str] | None = None) -> str:
    """Return where this cluster keeps ended jobs: `sacct`, a file, or nowhere (empty)."""
    printed = run(["scontrol", "show", "config"], environment)
    if _value("AccountingStorageType", printed) == "accounting_storage/slurmdbd":
        return "sacct"
    file = _value("JobCompLoc", printed)
    is_kept = _value("JobCompType", printed) == "jobcomp/filetxt"
    return file if is_kept and os.access(file, os.R_OK) else ""


def queued(job_id: str, environment: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """Return the controller's records of a job.

    Returns:
        A record per job or array task (one for all waiting tasks), with the names of
        `scontrol show job` and times in seconds since 1970.  Empty once the controller has
        forgotten the job, some minutes after its end (`MinJobAge`).
    """
    try:
        return records(["scontrol", "show", "job", "--oneliner", job_id], _readable(environment))
    except WorkshopError as error:
        if "Invalid job id" in str(error):
            return []
        raise


def records(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> list[dict[str, str]]:
    """Return what a `scontrol show` with `--oneliner` prints: a record per line, with its names."""
    lines = run(command, environment).splitlines()
    return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines if line.strip()]


ACCOUNTED = ("JobID", "State", "ExitCode", "Start", "End", "NodeList", "Reason")


def accounted(
    job_id: str, environment: Mapping[str, str] | None = None
) -> list[dict[str, str]] | None:
    """Return accounting's records of a job.

    Returns:
        A record per start of each array task, the first start first, with the names of
        `ACCOUNTED` and times in seconds since 1970; None on a cluster without accounting.
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
        with suppress(KeyError):  # a job outside arrays, or a line that is being written
            if record["ArrayJobId"] == job_id:
                found.append(_start(record))
    return found


def _start(record: Mapping[str, str]) -> dict[str, str]:
    """Return a record of a file of completed jobs under the names of `ACCOUNTED`."""
    return {
        "JobID": f"{record['ArrayJobId']}_{record['ArrayTaskId']}",
        # An earlier start is written once its job is waiting again.
        "State": record["JobState"].replace("PENDING", "REQUEUED"),
        "ExitCode": record["ExitCode"],
        "Start": _since_1970(record["StartTime"]),
        "End": _since_1970(record["EndTime"]),
        "NodeList": record["NodeList"].replace("(null)", ""),
        "Reason": "",
    }


def _since_1970(time: str) -> str:
    """Return a time of SLURM's as seconds; unchanged if it isn't a time, such as `Unknown`."""
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
