"""Work out the array for a sweep: how many tasks, what they ask for, and what they inherit."""

import math
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from workshop import sweep
from workshop.errors import WorkshopError
from workshop.paths import ROOT, SLURM, home, shown
from workshop.slurm import clusters, environment, notes
from workshop.slurm.site import ONE_LINE, OPTION, is_planned, load
from workshop.slurm.starts import claimed

SCRIPT = SLURM / "sweep_submission.slrm"
PROBE_MINUTES = 5

RunsPerTask = int | Literal["all"]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Submission:
    """What `submit` hands to SLURM; printing it is a dry run.

    Attributes:
        sweep: `entity/project/ID`.
        site: the name of the site profile.
        tasks: number of array tasks, which are numbered from 1.
        at_once: how many of them run side by side.
        runs_per_task: how many runs a task takes, or `all`: as many as there are.
        options: the options of `sbatch` that the probe and the array share.
        environment: the environment of `sbatch`, which the tasks inherit.
        added: names of the variables in it that this process has not, or has otherwise.
        removed: names of the variables of this process that it lacks.
        secrets: those of them that were kept back because they look like secrets.
    """

    sweep: str
    site: str
    tasks: int
    at_once: int
    runs_per_task: RunsPerTask
    options: Mapping[str, str | int | bool]
    environment: Mapping[str, str] = field(repr=False)
    added: Sequence[str]
    removed: Sequence[str]
    secrets: Sequence[str]

    @property
    def script(self) -> str:
        """The text of the batch script."""
        return SCRIPT.read_text()

    def probe(self) -> list[str]:
        """Return the command that submits the job which asks whether a node reaches the server."""
        # A warning that a task gets long before its end would come to the short probe at once,
        # and end it.
        options = {name: value for name, value in self.options.items() if name != "signal"}
        # A partition may allow its jobs less than the probe would take, and tasks ask for no more.
        limit = minutes(str(options.get("time", _script_time(self.script))))
        if limit is None or limit > PROBE_MINUTES:
            options["time"] = f"0:{PROBE_MINUTES:02}:00"
        return [
            "sbatch",
            "--parsable",
            f"--chdir={ROOT}",
            f"--output={notes.logs()}/probe-%j.out",
            *words(options | {"job-name": "probe"}),
            str(SCRIPT),
            self.sweep,
            "probe",
        ]

    def array(self, probe: str) -> list[str]:
        """Return the command that submits the array.

        Args:
            probe: the job that must succeed before the first task starts.
        """
        return [
            "sbatch",
            "--parsable",
            # SLURM does not create the folder of a log, and its name is known only now: the array
            # waits until `submit` has made it.
            "--hold",
            f"--dependency=afterok:{probe}",
            "--kill-on-invalid-dep=yes",
            f"--array=1-{self.tasks}%{self.at_once}",
            f"--chdir={ROOT}",
            f"--output={notes.folder('%A')}/%a.out",
            *words(self.options),
            str(SCRIPT),
            self.sweep,
        ]

    def __str__(self) -> str:
        """Return the commands, and what the tasks inherit, for a shell in the clone's folder."""
        added = (f"{name}={_readable(self.environment[name])}" for name in self.added)
        return "\n".join(
            [
                "# a probe: does a node reach the server?  PROBE is the number that is printed",
                _command(self.probe()),
                "# the array, held until its folder is there; JOB is the number that is printed",
                _command(self.array("PROBE")),
                f"mkdir -p {_readable(str(notes.folder('JOB')))} && scontrol release JOB",
                f"# added to the environment that the tasks inherit: {', '.join(added)}",
                f"# left out of it: {', '.join(self.removed) or 'nothing'}",
            ]
        )


def plan(
    sweep_path: str,
    tasks: int | None = None,
    at_once: int | None = None,
    runs_per_task: RunsPerTask = 1,
    site: str = "generic",
    **options: str | int | bool,
) -> Submission:
    """Work out the array for a sweep.  This needs no SLURM.

    Args:
        sweep_path: `entity/project/ID`.
        tasks: number of tasks; by default as many as the runs that are still to do ask for.
        at_once: how many of them may run at the same time; by default as the site says.
        runs_per_task: how many runs a task takes one after the other, or `all`: `at_once`
            tasks share all runs.
        site: the profile of the cluster, a file of `configs/sites`.
        options: options of `sbatch` with underscores, such as `partition="gpu"`,
            `cpus_per_task=4`, `gres="gpu:1"` or, for one without a value, `exclusive=True`.
            They win over the profile, as that wins over the script's `#SBATCH` lines.

    Raises:
        WorkshopError: the path is not complete, the sweep has no end or nothing left to do or
            takes no agents, a number is below 1, the profile is wrong, or an option is one that
            this function sets itself.
    """
    split(sweep_path)
    profile = load(site)
    at_once = profile.at_once if at_once is None else at_once
    numbers = {"at_once": at_once, "tasks": tasks, "runs_per_task": runs_per_task}
    for name, number in numbers.items():
        if isinstance(number, int) and number < 1:
            raise WorkshopError(f"{name}={number} makes no array: give a number of 1 or more")
    named = {name.replace("_", "-"): value for name, value in options.items()}
    for name, value in named.items():
        _check_option(name, value)
    if tasks is None:
        left = _runs_to_do(sweep_path)
        tasks = min(left, at_once) if runs_per_task == "all" else math.ceil(left / runs_per_task)
    inherited = environment.scrubbed(profile.inherit)
    added = (
        _cluster_variables(site)
        | profile.variables()
        | {
            "WORKSHOP_RUNS_PER_TASK": str(runs_per_task),
            "WORKSHOP_HOME": str(home()),
            "WORKSHOP_BIN": str(Path(sys.executable).parent),
        }
    )
    return Submission(
        sweep=sweep_path,
        site=site,
        tasks=tasks,
        at_once=min(at_once, tasks),
        runs_per_task=runs_per_task,
        options=profile.sbatch_options() | named,
        environment=inherited.variables | added,
        added=tuple(added),
        removed=tuple(inherited.removed),
        secrets=tuple(inherited.secrets),
    )


def split(sweep_path: str) -> list[str]:
    """Return entity, project and ID of a sweep.

    Raises:
        WorkshopError: the path is not complete.
    """
    parts = sweep_path.split("/")
    if len(parts) != 3 or not all(parts):
        raise WorkshopError(
            f"{sweep_path!r} is no complete path of a sweep: give entity/project/ID, since an "
            "ID alone means nothing to an agent on another machine"
        )
    return parts


def _runs_to_do(sweep_path: str) -> int:
    """Return how many runs agents would be given: new ones, and interrupted ones."""
    registered = sweep.get(sweep_path)
    (remaining, interrupted), taken = between_claims(
        sweep_path,
        lambda: (sweep.remaining(sweep_path), sweep.states(sweep_path)["preempted"]),
    )
    if remaining is None:
        raise WorkshopError(
            f"sweep {sweep_path} has no end, so the array's size is yours to choose: "
            "give tasks=N (--tasks N), or register the sweep with a `run_cap`"
        )
    left = remaining + interrupted
    state = registered.state.upper()
    if left and taken >= left:
        raise WorkshopError(
            f"the {left} runs that sweep {sweep_path} has left will be taken by tasks that are "
            "waiting already: `workshop status` shows them"
        )
    if left == 0:
        raise WorkshopError(
            f"sweep {sweep_path} has nothing left to do: all its runs were handed out; "
            "analyze them, repeat those that failed with `workshop repair`, or register a "
            "new sweep"
        )
    if state not in ("PENDING", "RUNNING"):
        raise WorkshopError(
            f"sweep {sweep_path} is {state.lower()}, so its agents would get none of the {left} "
            f"runs that are left: continue it with `wandb sweep --resume {sweep_path}`"
        )
    return left - int(taken)


def between_claims(sweep_path: str, ask: Callable[[], Answer]) -> tuple[Answer, float]:
    """Ask a sweep's server between two looks at SLURM.

    In between a task that waits may be given its run, and one that runs may be put back into the
    queue with it.  The smaller number of the two looks counts such a task for none, so that an
    array has a task too many, which finds no work, and never one too few.

    Returns:
        The answer, and the number of runs that tasks which wait already will take.
    """
    before = claimed(sweep_path)
    answer = ask()
    return answer, min(before, claimed(sweep_path))


def _cluster_variables(site: str) -> dict[str, str]:
    """Return what leads to the cluster of a site; a plan needs no SLURM, and `submit` does."""
    try:
        return clusters.variables(site)
    except WorkshopError:
        return {}


def _check_option(name: str, value: str | int | bool) -> None:
    """See whether an option of `sbatch` may be chosen."""
    if not re.fullmatch(OPTION, name):
        raise WorkshopError(
            f"{name!r} is no option of sbatch: give its long name, such as cpus-per-task"
        )
    if is_planned(name):
        raise WorkshopError(
            f"the sbatch option {name!r} is set by the plan itself: leave it out (the array "
            "follows from the sweep, at_once and runs_per_task)"
        )
    if not re.fullmatch(ONE_LINE, str(value)):
        raise WorkshopError(f"the sbatch option {name} is {value!r}, but it must be of one line")


def minutes(time: str) -> float | None:
    """Return a time limit as SLURM writes it in minutes; None if it is none, such as UNLIMITED.

    `sbatch`'s manual page has the forms: `MM`, `MM:SS`, `HH:MM:SS`, `D-HH`, `D-HH:MM` and
    `D-HH:MM:SS`.
    """
    if not (parts := re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", time)):
        return None
    days, *rest = parts.groups()
    numbers = [int(number) for number in rest if number is not None]
    units = (60, 1, 1 / 60) if days or len(numbers) == 3 else (1, 1 / 60)
    return int(days or 0) * 24 * 60 + sum(map(math.prod, zip(numbers, units, strict=False)))


def _script_time(script: str) -> str:
    """Return the time limit that the batch script asks for unless an option says otherwise."""
    found = re.search(r"^#SBATCH --time=(\S+)", script, re.MULTILINE)
    return found[1] if found else ""


def words(options: Mapping[str, str | int | bool]) -> list[str]:
    """Return options of `sbatch` as words of a command."""
    return [
        f"--{name}" if value is True else f"--{name}={value}"
        for name, value in options.items()
        if value is not False
    ]


def _command(words: Sequence[str]) -> str:
    """Return a command as a shell takes it, an option per line."""
    options = [_readable(word) for word in words if word.startswith("--")]
    rest = [_readable(word) for word in words[1:] if not word.startswith("--")]
    return " \\\n    ".join([words[0], *options, " ".join(rest)])


def _readable(word: str) -> str:
    """Return a word of a command as a shell takes it, its path relative to the clone."""
    option, separator, value = word.rpartition("=")
    if value.startswith("/"):
        value = shown(Path(value))
    if value.startswith("~/"):
        return f'{option}{separator}"$HOME{value[1:]}"'
    return shlex.quote(f"{option}{separator}{value}")
