"""Submit a planned array, wait for it, and cancel the arrays of a sweep."""

import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from workshop._compat import client_errors
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.paths import shown
from workshop.run_agents.slurm import commands, journal, task_environment
from workshop.run_agents.slurm.accounting import SlurmStart, starts
from workshop.run_agents.slurm.site import FOLDER, array_environment, start_cluster
from workshop.run_agents.slurm.submission import SCRIPT, Submission, plan_probe, split
from workshop.wording import count

# How SLURM's commands report that the controller is at fault, not the request.
_UNHEARD = re.compile(r"slurm controller|Socket timed out|did not answer|communication")
# Options that the kit sets for every job.
_OWN = re.compile(r"--(parsable|hold|dependency|kill-on|chdir|output|job-name)")

# A sweep in another state has ended.
_CANCELABLE = ("pending", "running", "paused")


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
        folder = shown(journal.folder(self.job_id))
        return f"array job {self.job_id}: {count(self.tasks, 'task')}, logs in {folder}"

    def log(self, task: int) -> Path:
        """Return the log file of one task."""
        return journal.folder(self.job_id) / f"{task}.out"

    def states(self) -> list[SlurmStart]:
        """Return the newest start of every task, in order.

        Without accounting, SLURM forgets a task some minutes after its end (`MinJobAge`).  The
        fallback is the state in which it was last seen.

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
        commands.run(["scancel", self.job_id], array_environment(self.job_id))


def submit(
    submission: Submission,
    patience: float = 60,
    show: Callable[[str], object] = print,
    prepare: Callable[[], object] = lambda: None,
) -> ArrayJob:
    """Submit a planned array, which starts once a probe has reached the server from a node.

    Args:
        submission: the plan.
        patience: timeout in seconds for the probe, which may have to queue.  After that the array
            stays in the queue: it starts if the probe succeeds, and SLURM removes it otherwise.
        show: is given the lines to print: which secrets tasks don't inherit, if any; that the
            rehearsal cluster was started, if it was; and the probe's answer.
        prepare: is called once SLURM has accepted everything, before any task can start.

    Raises:
        WorkshopError: there is no SLURM, it refuses the array, the sweep is somebody else's, the
            tasks would find no key or log offline, or a node cannot reach the server.  Nothing
            is left in the queue.
    """
    submission = _ready(submission, show)
    largest = commands.largest_array(submission.environment)
    _check_owner(submission.sweep)
    if submission.tasks > largest:
        raise WorkshopError(
            f"{submission.tasks} tasks are too many for one array: this cluster allows {largest} "
            "(MaxArraySize); give each task several runs, "
            f"runs_per_task={-(-submission.tasks // largest)} (--runs-per-task)"
        )
    _show_secrets(submission, show)
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
        waiting = "the array starts if it reaches the server, and SLURM removes it otherwise"
        show(_answer(probe, patience, submission.environment, waiting))
    except _ProbeFailedError as error:
        _withdraw(job, probe, submission)
        raise WorkshopError(f"nothing was submitted, because {error}") from None
    except (WorkshopError, KeyboardInterrupt):
        _withdraw(job, probe, submission)
        raise
    return job


def probe(site: str, patience: float = 60, show: Callable[[str], object] = print) -> str:
    """Submit the probe alone: can a node of a site run the kit, and does it reach the server?

    Args:
        site: the profile of the cluster.
        patience: timeout in seconds; after that the probe stays in the queue.
        show: is given the lines to print, as for `submit`.

    Returns:
        The probe's answer, as a line.

    Raises:
        WorkshopError: there is no SLURM, it refuses the probe, tasks would find no key or log
            offline, or the probe has failed.
    """
    planned = _ready(plan_probe(site), show)
    _show_secrets(planned, show)
    with _writing(journal.logs()):
        journal.logs().mkdir(parents=True, exist_ok=True)
    job = _sbatch(planned, planned.probe())
    log = shown(_probe_log(job))
    return _answer(job, patience, planned.environment, f"its answer will be in {log}")


def wait(
    job: ArrayJob,
    timeout: float | None = None,
    every: float = 2.0,
    show: Callable[[str], object] = print,
) -> list[SlurmStart]:
    """Poll SLURM until every task has ended, and report every change.

    Args:
        job: the array.
        timeout: longest wait in seconds; None means no limit.
        every: polling interval in seconds.  A real cluster's controller answers many users, so
            poll it less often.
        show: is given a line at every change.

    Returns:
        The newest start of each task.

    Raises:
        WorkshopError: the timeout has passed; the tasks continue.
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
                f"after {timeout:g} s: {line}; the tasks continue: see them with "
                f"`squeue --job {job.job_id}`, or end them with `scancel {job.job_id}`"
            )
        time.sleep(every)


def cancel(sweep_path: str, show: Callable[[str], object] = print) -> None:
    """Cancel a sweep, which cannot be resumed, and the arrays that were submitted for it.

    The sweep is canceled first, so that no task that is still in the queue, or comes back into
    it, gets another run.  The arrays end even if the server does not answer.

    Args:
        sweep_path: `entity/project/ID`.
        show: is given a line about each thing that is done.

    Raises:
        WorkshopError: the server or SLURM does not answer, or refuses; everything that could be
            ended has been.
    """
    split(sweep_path)
    problem = None
    try:
        _cancel_sweep(sweep_path, show)
    except WorkshopError as error:
        problem = error
    _cancel_arrays(sweep_path, show)
    if problem:
        raise problem


def _ready(submission: Submission, show: Callable[[str], object]) -> Submission:
    """Check that tasks find mode and key, start the site's cluster if need be; return the plan.

    Raises:
        WorkshopError: they don't, or the cluster doesn't come up.
    """
    task_environment.check_mode(submission.environment)
    task_environment.check_key(submission.environment)
    variables = start_cluster(submission.site, show)
    return replace(submission, environment={**submission.environment, **variables})


def _show_secrets(submission: Submission, show: Callable[[str], object]) -> None:
    if submission.secrets:
        show(
            "not passed on to the tasks, because they look like secrets and others may read the "
            f"variables that SLURM stores: {', '.join(submission.secrets)} (to pass one on that "
            "isn't a secret, add it to `inherit` in the site profile)"
        )


def _withdraw(job: ArrayJob, probe: str, submission: Submission) -> None:
    """Take an array and its probe out of the queue."""
    commands.run(["scancel", probe, job.job_id], submission.environment)
    shutil.rmtree(journal.folder(job.job_id), ignore_errors=True)


def _check_owner(sweep_path: str) -> None:
    """Check that this process's key may write the sweep's runs."""
    import wandb

    entity = split(sweep_path)[0]
    try:
        viewer = wandb.Api().viewer
    except client_errors() as error:
        raise WorkshopError(
            f"the server could not tell who you are ({error}): check that it is running, and check "
            "your key"
        ) from None
    mine = {viewer.entity, viewer.username, *viewer.teams}
    if entity not in mine and not viewer.admin:
        raise WorkshopError(
            f"sweep {sweep_path} belongs to {entity}, but your key is for {viewer.entity}, which "
            "may not write its runs: register the sweep as your own "
            f"(`wandb sweep --entity {viewer.entity} FILE`), or use the key of {entity}"
        )


def _sbatch(submission: Submission, command: Sequence[str]) -> str:
    """Submit a job and return its number."""
    try:
        printed = commands.run(command, environment=submission.environment)
    except WorkshopError as error:
        if _UNHEARD.search(str(error)):
            raise WorkshopError(
                f"{error}; nothing was submitted: try again later, or ask the cluster's staff"
            ) from None
        job = "probe, a short job before the array" if command[-1] == "probe" else "array"
        asked = [word for word in command if word.startswith("--") and not _OWN.match(word)]
        raise WorkshopError(
            f"{error}; nothing was submitted, because SLURM refused the {job}, which asks for "
            f"{' '.join(asked)}: correct that with an option, in the site profile "
            f"{shown(FOLDER)}/{submission.site}.yaml, or in the #SBATCH lines of "
            f"{shown(SCRIPT)} (`sinfo` lists partitions and their nodes)"
        ) from None
    # In a federation of clusters, the cluster's name follows after a semicolon.
    return printed.strip().split(";")[0]


def _make_folder(job: ArrayJob, submission: Submission, probe: str) -> None:
    folder = journal.folder(job.job_id)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        journal.record(
            job.job_id,
            sweep=submission.sweep,
            site=submission.site,
            tasks=submission.tasks,
            at_once=submission.at_once,
            runs_per_task=submission.runs_per_task,
            probe=probe,
            submitted=time.time(),
        )


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn an error while a folder for logs is made into a sentence."""
    try:
        yield
    except OSError as error:
        raise WorkshopError(
            f"nothing was submitted, because the log folder {shown(folder)} cannot be created "
            f"({error.strerror}): set WORKSHOP_HOME to a folder that you can write to"
        ) from None


class _ProbeFailedError(WorkshopError):
    """A probe has found that tasks wouldn't work."""


def _probe_log(probe: str) -> Path:
    return journal.logs() / f"probe-{probe}.out"


def _answer(probe: str, patience: float, environment: Mapping[str, str], waiting: str) -> str:
    """Poll the probe until it has ended, and return its answer as a line.

    Args:
        probe: the number of its job.
        patience: timeout in seconds.
        environment: leads SLURM's commands to the cluster.
        waiting: what is said of a probe that is still in the queue then.

    Raises:
        _ProbeFailedError: it has failed.
    """
    deadline = time.monotonic() + patience
    while True:
        record = commands.queued(probe, environment)[0]
        state = SlurmStart(0, record["JobState"])
        if state.ended:
            break
        if time.monotonic() > deadline:
            return f"the probe (job {probe}) is still {state.state.lower()}: {waiting}"
        time.sleep(0.5)
    log = _probe_log(probe)
    lines = log.read_text().strip().splitlines() if log.exists() else []
    said = lines[-1].removeprefix("error: ") if lines else "it left no log"
    if state.state != "COMPLETED":
        raise _ProbeFailedError(
            f"the probe on node {record.get('NodeList', '?')} {state.state.lower()}: {said} "
            f"(see {shown(log)})"
        )
    log.unlink(missing_ok=True)
    return said


def _summary(states: Sequence[SlurmStart]) -> str:
    counts = Counter(state.state for state in states)
    waiting = {state.reason for state in states if state.state == "PENDING"} - {"None", ""}
    why = f" (waiting: {', '.join(sorted(waiting))})" if waiting else ""
    return ", ".join(f"{number} {state}" for state, number in sorted(counts.items())) + why


def _cancel_sweep(sweep_path: str, show: Callable[[str], object]) -> None:
    state = registration.get(sweep_path).state.lower()
    if state not in _CANCELABLE:
        show(f"sweep {sweep_path} is already {state}")
        return
    registration.cancel(sweep_path)
    show(f"sweep {sweep_path} is canceled: agents get no more runs, and current runs are ended")


def _cancel_arrays(sweep_path: str, show: Callable[[str], object]) -> None:
    cancelled = False
    for job in journal.arrays(sweep_path):
        alive: Counter[str] = Counter()
        environment = array_environment(job)
        for record in commands.queued(job, environment):
            state = record["JobState"]
            if not SlurmStart(0, state).ended:
                tasks = commands.numbers(record.get("ArrayTaskId", ""))
                alive["waiting" if state == "PENDING" else "running"] += len(tasks)
        if alive.total():
            # The probe comes first: without it, the tasks that wait for it would never start.
            probe = journal.recorded(job).get("probe")
            commands.run(["scancel", *filter(None, [probe, job])], environment)
            what = " and ".join(
                count(number, f"{state} task") for state, number in sorted(alive.items())
            )
            show(f"array job {job} is cancelled, with {what}")
            cancelled = True
    if not cancelled:
        show("no array submitted from here for this sweep is waiting or running")
