"""Run the agents of a sweep as a SLURM array: one task, one agent, one run.

`plan` decides how many tasks there are and what they inherit, and shows it without any SLURM;
`submit` hands the plan to `sbatch`; `wait` follows the tasks.  Every task runs
`slurm/sweep_submission.slrm`, which ends by calling this module to learn how its run ended.
"""

import netrc
import os
import re
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from workshop.errors import WorkshopError, exit_status
from workshop.paths import ROOT, SLURM, home, shown

SCRIPT = SLURM / "sweep_submission.slrm"

# What a task must not take over from the shell, notebook or job that it is submitted from:
_FOREIGN = re.compile(
    # options and facts of a job around it, which would change the request or mislead MPI;
    r"(SLURM|SLURMD|SBATCH|SRUN|SALLOC|PMI|PMI2|PMIX)_.*"
    # the key, which SLURM would store with the job; the run and the service of this process;
    r"|WANDB_(API_KEY|SERVICE|RUN_ID|SWEEP_ID|SWEEP_PARAM_PATH)"
    # the share of this machine that an agent here has.
    r"|WORKSHOP_AGENTS"
)
# This one tells SLURM's own commands where the cluster is.
_NEEDED = "SLURM_CONF"

_PLANNED = {"array", "chdir", "export", "hold", "output", "parsable"}

# States that SLURM calls terminal (squeue's manual page); UNKNOWN is ours.
_TERMINAL = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
    "PREEMPTED", "TIMEOUT", "UNKNOWN",
}  # fmt: skip


@dataclass(frozen=True)
class Submission:
    """What `submit` hands to SLURM; printing it is a dry run.

    Attributes:
        tasks: number of array tasks, which are numbered from 1.
        command: the `sbatch` command.
        environment: the environment of `sbatch`, which the tasks inherit.
        added: names of the variables in it that this process has not.
        removed: names of the variables of this process that it lacks.
        script: text of the batch script.
    """

    tasks: int
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    added: Sequence[str]
    removed: Sequence[str]
    script: str = field(repr=False)

    def __str__(self) -> str:
        """Return the commands, and what the tasks inherit, for a shell in the clone's folder."""
        program, *options, script, sweep_path = map(_readable, self.command)
        added = (f"{name}={shown(Path(self.environment[name]))}" for name in self.added)
        return "\n".join(
            [
                " \\\n    ".join([program, *options, f"{script} {sweep_path}"]),
                "# JOB in the next line is the number that sbatch prints",
                f"mkdir -p {_readable(str(_logs('JOB')))} && scontrol release JOB",
                f"# added to the environment that the tasks inherit: {', '.join(added)}",
                f"# left out of it: {', '.join(self.removed) or 'nothing'}",
            ]
        )


@dataclass(frozen=True)
class TaskState:
    """What SLURM knows about one array task.

    Attributes:
        task: its number in the array.
        state: `PENDING`, `RUNNING`, `COMPLETED`, `FAILED`, `TIMEOUT`, ... in SLURM's words, or
            `UNKNOWN` if SLURM has forgotten it, or it was cancelled before it started.
        exit_code: `exit status:signal`, as SLURM writes it.
        reason: why it waits or has failed, in SLURM's words; `None` if there is nothing to say.
    """

    task: int
    state: str
    exit_code: str = ""
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the task."""
        return self.state in _TERMINAL


@dataclass
class ArrayJob:
    """A submitted array.

    Attributes:
        job_id: SLURM's number for the array.
        tasks: number of its tasks.
    """

    job_id: str
    tasks: int
    _seen: dict[int, TaskState] = field(default_factory=dict, init=False, repr=False)

    def __str__(self) -> str:
        """Return one line for a reader."""
        return f"array job {self.job_id}: {self.tasks} tasks, logs in {shown(_logs(self.job_id))}"

    def log(self, task: int) -> Path:
        """Return the file with the output of one task."""
        return _logs(self.job_id) / f"{task}.out"

    def states(self) -> list[TaskState]:
        """Return the state of every task, in order.

        SLURM forgets a task some minutes after its end (`MinJobAge`); the state that was seen
        last stands for it then.

        Raises:
            WorkshopError: SLURM does not answer.
        """
        current = {}
        for record in _records(self.job_id):
            for task in _numbers(record["ArrayTaskId"]):
                current[task] = TaskState(
                    task, record["JobState"], record["ExitCode"], record["Reason"]
                )
        ended = {task: state for task, state in self._seen.items() if state.ended}
        self._seen = ended | current
        return [
            self._seen.get(task, TaskState(task, "UNKNOWN")) for task in range(1, self.tasks + 1)
        ]

    def cancel(self) -> None:
        """Cancel the tasks that have not ended."""
        _run(["scancel", self.job_id])


def available() -> str | None:
    """Return why no array can be submitted from here, in a sentence; None if one can."""
    try:
        _run(["scontrol", "ping"])
    except WorkshopError as error:
        return f"{error}; log in to a cluster's login node, or run the agents on this machine"
    return None


def plan(
    sweep_path: str, tasks: int | None = None, at_once: int = 2, **options: str | int | bool
) -> Submission:
    """Work out the array for a sweep.  This needs no SLURM.

    Args:
        sweep_path: `entity/project/ID`.
        tasks: number of tasks; by default as many as the sweep has runs to do.
        at_once: how many of them may run at the same time.
        options: options of `sbatch` with underscores, such as `partition="gpu"`,
            `cpus_per_task=4`, `gres="gpu:1"` or, for one without a value, `exclusive=True`.
            They win over the script's `#SBATCH` lines.

    Raises:
        WorkshopError: the path is not complete, the sweep has no end or nothing left to do, a
            number is below 1, or an option is one that this function sets itself.
    """
    # Here, because every task loads this module for `main`, and needs no pandas.
    from workshop import sweep

    _split(sweep_path)
    if tasks is None:
        tasks = sweep.remaining(sweep_path)
        if tasks is None:
            raise WorkshopError(
                f"sweep {sweep_path} has no end, so the array's size is yours to choose: "
                "give tasks=N, or register the sweep with a `run_cap`"
            )
        if tasks == 0:
            raise WorkshopError(
                f"sweep {sweep_path} has nothing left to do: all its runs were handed out, so "
                "analyze them or register a new sweep"
            )
    for name, number in (("tasks", tasks), ("at_once", at_once)):
        if number < 1:
            raise WorkshopError(f"{name}={number} makes no array: give a number of 1 or more")
    if taken := sorted(_PLANNED & options.keys()):
        raise WorkshopError(
            f"the sbatch option {taken[0]!r} is set by the plan itself: leave it out "
            "(tasks and at_once make the array)"
        )
    added = {"WORKSHOP_HOME": str(home()), "WORKSHOP_BIN": str(Path(sys.executable).parent)}
    removed = sorted(name for name in os.environ if _FOREIGN.fullmatch(name) and name != _NEEDED)
    command = [
        "sbatch",
        "--parsable",
        # SLURM does not create the folder of a log, and its name is known only now: the array
        # waits until `submit` has made it.
        "--hold",
        f"--array=1-{tasks}%{min(at_once, tasks)}",
        f"--chdir={ROOT}",
        f"--output={_logs('%A')}/%a.out",
        *(_option(name, value) for name, value in options.items()),
        str(SCRIPT),
        sweep_path,
    ]
    kept = {name: value for name, value in os.environ.items() if name not in removed}
    return Submission(
        tasks, command, kept | added, tuple(added), tuple(removed), SCRIPT.read_text()
    )


def submit(submission: Submission) -> ArrayJob:
    """Submit a planned array.

    Raises:
        WorkshopError: there is no SLURM, it refuses the array, or the tasks would find no key.
    """
    _check_key(submission)
    if reason := available():
        raise WorkshopError(reason)
    try:
        printed = _run(submission.command, environment=submission.environment)
    except WorkshopError as error:
        raise WorkshopError(
            f"{error}; give other options to `plan`, or change the #SBATCH lines of "
            f"{shown(SCRIPT)} (`sinfo` lists partitions and what their nodes have)"
        ) from None
    # In a federation of clusters, the cluster's name follows after a semicolon.
    job = ArrayJob(printed.strip().split(";")[0], submission.tasks)
    folder = _logs(job.job_id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _run(["scontrol", "release", job.job_id])
    except WorkshopError:
        job.cancel()
        raise
    except OSError as error:
        job.cancel()
        raise WorkshopError(
            f"nothing was submitted, since the folder for logs {shown(folder)} cannot be made "
            f"({error.strerror}): set WORKSHOP_HOME to a folder that you may write to"
        ) from None
    return job


def wait(
    job: ArrayJob,
    timeout: float | None = None,
    every: float = 2.0,
    show: Callable[[str], object] = print,
) -> list[TaskState]:
    """Wait until every task has ended, and say so whenever something changes.

    Args:
        job: the array.
        timeout: seconds to wait at most; None waits as long as it takes.
        every: seconds between two looks.  Many users look at a cluster's controller, so give
            it a rest on a real one.
        show: gets a line at every change.

    Returns:
        The states of the tasks.

    Raises:
        WorkshopError: the time is over; the tasks go on.
    """
    deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
    shown_line = None
    while True:
        try:
            states = job.states()
        except WorkshopError as error:
            states, line = [], str(error)
        else:
            line = f"array job {job.job_id}: {_summary(states)}"
        if line != shown_line:
            show(line)
            shown_line = line
        if states and all(state.ended for state in states):
            return states
        if time.monotonic() > deadline:
            raise WorkshopError(
                f"after {timeout:g} s: {line}; the tasks go on, `squeue --job {job.job_id}` "
                f"shows them and `scancel {job.job_id}` ends them"
            )
        time.sleep(every)


def main(sweep_path: str) -> int:
    """Tell, inside an array task, how the task's run ended; return the task's exit status.

    An agent leaves the values that it was given for a run in a file named after the run, below
    `WANDB_DIR`; how the run ended is known to the server.

    Returns:
        0 if the run finished, or if the sweep had none left for this task; otherwise 1.

    Raises:
        WorkshopError: the server does not know the sweep or the run, or does not answer.
    """
    import wandb

    entity, project, sweep_id = _split(sweep_path)
    files = Path(os.environ["WANDB_DIR"], "wandb", f"sweep-{sweep_id}").glob("config-*.yaml")
    runs = sorted(file.stem.removeprefix("config-") for file in files)
    try:
        api = wandb.Api()
        sweep_state = api.sweep(sweep_path).state.lower()
        states = [api.run(f"{entity}/{project}/{run}").state for run in runs]
    except (wandb.errors.Error, ValueError) as error:
        raise WorkshopError(
            f"the server did not tell how this task ended ({error}): check that it runs, and that "
            f"{sweep_path} is entity/project/ID as `wandb sweep` printed it"
        ) from None
    if not runs:
        print(f"no work left for this task: sweep {sweep_path} is {sweep_state}")
    for run, state in zip(runs, states, strict=True):
        print(f"run {run}: {state}")
    return int(any(state != "finished" for state in states))


def _split(sweep_path: str) -> list[str]:
    parts = sweep_path.split("/")
    if len(parts) != 3 or not all(parts):
        raise WorkshopError(
            f"{sweep_path!r} is no complete path of a sweep: give entity/project/ID, since an "
            "ID alone means nothing to an agent on another machine"
        )
    return parts


def _logs(job_id: str) -> Path:
    return home() / "logs" / job_id


def _option(name: str, value: str | int | bool) -> str:
    flag = f"--{name.replace('_', '-')}"
    return flag if value is True else f"{flag}={value}"


def _readable(word: str) -> str:
    """Return a word of a command as a shell takes it, its path relative to the clone."""
    option, separator, value = word.rpartition("=")
    if value.startswith("/"):
        value = shown(Path(value))
    if value.startswith("~/"):
        return f'{option}{separator}"$HOME{value[1:]}"'
    return shlex.quote(f"{option}{separator}{value}")


def _check_key(submission: Submission) -> None:
    """Raise a `WorkshopError` if the only key is one that the tasks do not get."""
    if "WANDB_API_KEY" not in submission.removed:
        return
    url = submission.environment.get("WANDB_BASE_URL", "https://api.wandb.ai")
    file = Path(submission.environment.get("NETRC", "~/.netrc")).expanduser()
    try:
        if netrc.netrc(file).authenticators(urlsplit(url).netloc):
            return
    except (OSError, netrc.NetrcParseError):
        pass
    raise WorkshopError(
        f"the tasks would have no key for {url}: WANDB_API_KEY is not passed on, since SLURM "
        f"keeps a job's variables where others may read them; run `wandb login --host {url}` "
        f"once, which stores the key in {shown(file)}"
    )


def _records(job_id: str) -> list[dict[str, str]]:
    """Return what SLURM still knows about an array: one record per task, waiting ones together."""
    try:
        printed = _run(
            ["scontrol", "show", "job", "--oneliner", job_id],
            # Else a long list of task numbers is cut off.
            environment=os.environ | {"SLURM_BITSTR_LEN": "0"},
        )
    except WorkshopError as error:
        if "Invalid job id" in str(error):
            return []
        raise
    return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in printed.splitlines() if line.strip()]


def _numbers(expression: str) -> list[int]:
    """Return the task numbers of an expression such as `1-3,7,10-20:2%2`."""
    ranges = re.findall(r"(\d+)(?:-(\d+))?(?::(\d+))?", expression.partition("%")[0])
    return [
        task
        for first, last, step in ranges
        for task in range(int(first), int(last or first) + 1, int(step or 1))
    ]


def _summary(states: Sequence[TaskState]) -> str:
    counts = Counter(state.state for state in states)
    waiting = {state.reason for state in states if state.state == "PENDING"} - {"None", ""}
    why = f" (waiting: {', '.join(sorted(waiting))})" if waiting else ""
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) + why


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Run one of SLURM's commands and return what it printed.

    Raises:
        WorkshopError: it is not installed, fails, or does not answer within half a minute.
    """
    program = command[0]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=30, check=False
        )
    except FileNotFoundError:
        raise WorkshopError(f"SLURM is not installed here (there is no `{program}`)") from None
    except subprocess.TimeoutExpired:
        raise WorkshopError(f"SLURM's `{program}` did not answer within 30 s") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it does not say why"]
        own = [line for line in lines if line.startswith(f"{program}: ")] or lines
        reason = re.sub(rf"{program}: (error: |fatal: )?", "", own[-1])
        raise WorkshopError(f"SLURM's `{program}` failed: {reason}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(sys.argv[1])))
