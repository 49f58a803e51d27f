"""Submit a planned array, and follow it."""

import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.paths import shown
from workshop.slurm import clusters, commands, environment, notes
from workshop.slurm.site import FOLDER
from workshop.slurm.starts import SlurmStart, starts
from workshop.slurm.submission import SCRIPT, Submission, split

# How SLURM's commands say that the controller, and not the request, is at fault.
_UNHEARD = re.compile(r"slurm controller|Socket timed out|did not answer|communication")
# What the kit itself asks for, for every job alike.
_OWN = re.compile(r"--(parsable|hold|dependency|kill-on|chdir|output|job-name)")


@dataclass
class ArrayJob:
    """A submitted array.

    Attributes:
        job_id: SLURM's number for the array.
        tasks: number of its tasks.
    """

    job_id: str
    tasks: int
    _seen: dict[int, SlurmStart] = field(default_factory=dict, init=False, repr=False)

    def __str__(self) -> str:
        """Return one line for a reader."""
        folder = shown(notes.folder(self.job_id))
        return f"array job {self.job_id}: {self.tasks} tasks, logs in {folder}"

    def log(self, task: int) -> Path:
        """Return the file with the output of one task."""
        return notes.folder(self.job_id) / f"{task}.out"

    def states(self) -> list[SlurmStart]:
        """Return the newest start of every task, in order.

        Without accounting, SLURM forgets a task some minutes after its end (`MinJobAge`); what
        was seen last stands for it then.

        Raises:
            WorkshopError: SLURM does not answer.
        """
        current = {task: found[-1] for task, found in starts(self.job_id).items()}
        ended = {task: state for task, state in self._seen.items() if state.ended}
        self._seen = ended | current
        return [
            self._seen.get(task, SlurmStart(task, "UNKNOWN")) for task in range(1, self.tasks + 1)
        ]

    def cancel(self) -> None:
        """Cancel the tasks that have not ended."""
        commands.run(["scancel", self.job_id], clusters.environment_of(self.job_id))


def submit(
    submission: Submission,
    patience: float = 60,
    show: Callable[[str], object] = print,
    prepare: Callable[[], object] = lambda: None,
) -> ArrayJob:
    """Submit a planned array, which starts once a probe has reached the server from a node.

    Args:
        submission: the plan.
        patience: seconds to wait for the probe, which may have to queue.  After that the array
            stays in the queue: it starts if the probe succeeds, and SLURM removes it otherwise.
        show: gets a line that names the secrets which are kept back, if there are any, one if the
            rehearsal cluster was started, and one with the probe's answer.
        prepare: is called once SLURM has accepted everything, before any task can start.

    Raises:
        WorkshopError: there is no SLURM, it refuses the array, the sweep is somebody else's, the
            tasks would find no key or log offline, or a node does not reach the server.  Nothing
            is left in the queue.
    """
    environment.check_mode(submission.environment)
    environment.check_key(submission.environment)
    variables = clusters.start(submission.site, show)
    submission = replace(submission, environment={**submission.environment, **variables})
    largest = commands.largest_array(submission.environment)
    _check_owner(submission.sweep)
    if submission.tasks > largest:
        raise WorkshopError(
            f"{submission.tasks} tasks are more than an array of this cluster may have "
            f"({largest}, from MaxArraySize): let a task take several runs, "
            f"runs_per_task={-(-submission.tasks // largest)} (--runs-per-task)"
        )
    if submission.secrets:
        show(
            "kept back from the tasks, since SLURM stores their variables where others may read "
            f"them: {', '.join(submission.secrets)} (`inherit` in a site profile passes on what "
            "is no secret)"
        )
    probe = _sbatch(submission, submission.probe())
    try:
        job = ArrayJob(_sbatch(submission, submission.array(probe)), submission.tasks)
    except WorkshopError:
        commands.run(["scancel", probe], submission.environment)
        raise
    try:
        _make_folder(job, submission, probe)
        prepare()
        commands.run(["scontrol", "release", job.job_id], submission.environment)
        show(_answer(probe, patience, submission.environment))
    except (WorkshopError, KeyboardInterrupt):
        commands.run(["scancel", probe, job.job_id], submission.environment)
        shutil.rmtree(notes.folder(job.job_id), ignore_errors=True)
        raise
    return job


def wait(
    job: ArrayJob,
    timeout: float | None = None,
    every: float = 2.0,
    show: Callable[[str], object] = print,
) -> list[SlurmStart]:
    """Wait until every task has ended, and say so whenever something changes.

    Args:
        job: the array.
        timeout: seconds to wait at most; None waits as long as it takes.
        every: seconds between two looks.  Many users look at a cluster's controller, so give
            it a rest on a real one.
        show: gets a line at every change.

    Returns:
        The newest start of each task.

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


def _check_owner(sweep_path: str) -> None:
    """Refuse a sweep whose runs this process's key may not write."""
    import wandb

    entity = split(sweep_path)[0]
    try:
        viewer = wandb.Api().viewer
    except (wandb.errors.Error, ValueError) as error:
        raise WorkshopError(
            f"the server does not say who you are ({error}): check that it runs, and your key"
        ) from None
    mine = {viewer.entity, viewer.username, *viewer.teams}
    if entity not in mine and not viewer.admin:
        raise WorkshopError(
            f"sweep {sweep_path} belongs to {entity}, and your key to {viewer.entity}, which may "
            f"not write its runs: register the sweep as your own "
            f"(`wandb sweep --entity {viewer.entity} FILE`), or use the key of {entity}"
        )


def _sbatch(submission: Submission, command: Sequence[str]) -> str:
    """Submit a job and return its number."""
    try:
        printed = commands.run(command, environment=submission.environment)
    except WorkshopError as error:
        if _UNHEARD.search(str(error)):
            raise WorkshopError(
                f"{error}, and nothing was submitted; try again later, or ask the cluster's staff"
            ) from None
        job = "probe, a short job ahead of the array" if command[-1] == "probe" else "array"
        asked = [word for word in command if word.startswith("--") and not _OWN.match(word)]
        raise WorkshopError(
            f"{error}, and nothing was submitted; SLURM refused the {job}, which asks for "
            f"{' '.join(asked)}: correct what it names, by an option, in the site profile "
            f"{shown(FOLDER)}/{submission.site}.yaml, or in the #SBATCH lines of "
            f"{shown(SCRIPT)} (`sinfo` lists partitions and what their nodes have)"
        ) from None
    # In a federation of clusters, the cluster's name follows after a semicolon.
    return printed.strip().split(";")[0]


def _make_folder(job: ArrayJob, submission: Submission, probe: str) -> None:
    folder = notes.folder(job.job_id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        notes.record(
            job.job_id,
            sweep=submission.sweep,
            site=submission.site,
            tasks=submission.tasks,
            at_once=submission.at_once,
            runs_per_task=submission.runs_per_task,
            probe=probe,
            submitted=time.time(),
        )
    except OSError as error:
        raise WorkshopError(
            f"nothing was submitted, since the folder for logs {shown(folder)} cannot be made "
            f"({error.strerror}): set WORKSHOP_HOME to a folder that you may write to"
        ) from None


def _answer(probe: str, patience: float, environment: Mapping[str, str]) -> str:
    """Wait for the probe, and return its answer as a line.

    Raises:
        WorkshopError: it has failed.
    """
    deadline = time.monotonic() + patience
    while True:
        record = commands.queued(probe, environment)[0]
        state = SlurmStart(0, record["JobState"])
        if state.ended:
            break
        if time.monotonic() > deadline:
            return (
                f"the probe (job {probe}) is still {state.state.lower()}: the array starts if it "
                "reaches the server, and SLURM removes it otherwise"
            )
        time.sleep(0.5)
    log = notes.logs() / f"probe-{probe}.out"
    lines = log.read_text().strip().splitlines() if log.exists() else []
    said = lines[-1].removeprefix("error: ") if lines else "it left no log"
    if state.state != "COMPLETED":
        raise WorkshopError(
            f"nothing was submitted, since the probe on node {record.get('NodeList', '?')} "
            f"{state.state.lower()}: {said} (see {shown(log)})"
        )
    log.unlink(missing_ok=True)
    return said


def _summary(states: Sequence[SlurmStart]) -> str:
    counts = Counter(state.state for state in states)
    waiting = {state.reason for state in states if state.state == "PENDING"} - {"None", ""}
    why = f" (waiting: {', '.join(sorted(waiting))})" if waiting else ""
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) + why
