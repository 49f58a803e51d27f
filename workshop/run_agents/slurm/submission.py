"""Plan the array for a sweep: how many tasks, their `sbatch` options, and their environment."""

import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.initialize.server_paths import split
from workshop.paths import ROOT, SLURM, home, shown
from workshop.run_agents.slurm import commands, journal, task_environment
from workshop.run_agents.slurm.accounting import claimed
from workshop.run_agents.slurm.probe import NO_SWEEP
from workshop.run_agents.slurm.site import (
    ONE_LINE,
    OPTION,
    Site,
    cluster_variables,
    is_planned,
    load,
)
from workshop.wording import count

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
        at_once: how many of them run at once.
        runs_per_task: how many runs a task does, or `all`: as many as there are.
        options: the options of `sbatch` that the probe and the array share.
        environment: the environment of `sbatch`, which the tasks inherit.
        added: names of the variables in it that this process lacks, or has with another value.
        removed: names of this process's variables that tasks don't inherit.
        secrets: those of them that aren't passed on because they look like secrets.
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
        # The warning long before a task's time limit would reach the short probe at once, and end
        # it.
        options = {name: value for name, value in self.options.items() if name != "signal"}
        # A partition may allow less time than the probe would ask for; the tasks ask for no more.
        limit = minutes(str(options.get("time", _script_time(self.script))))
        if limit is None or limit > PROBE_MINUTES:
            options["time"] = f"0:{PROBE_MINUTES:02}:00"
        return [
            "sbatch",
            "--parsable",
            f"--chdir={ROOT}",
            f"--output={journal.logs()}/probe-%j.out",
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
            f"--output={journal.folder('%A')}/%a.out",
            *words(self.options),
            str(SCRIPT),
            self.sweep,
        ]

    def __str__(self) -> str:
        """Return the commands, for a shell in the clone's folder, and what the tasks inherit."""
        added = (f"{name}={_value(name, self.environment[name])}" for name in self.added)
        return "\n".join(
            [
                "# a probe: can a node reach the server?  It prints a number, PROBE below",
                _command(self.probe()),
                "# the array, held until its folder exists; it prints a number, JOB below",
                _command(self.array("PROBE")),
                f"mkdir -p {_readable(str(journal.folder('JOB')))} && scontrol release JOB",
                f"# added to the environment that the tasks inherit: {', '.join(added)}",
                f"# removed from it: {', '.join(self.removed) or 'nothing'}",
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
    """Plan the array for a sweep.  SLURM isn't needed for this.

    Args:
        sweep_path: `entity/project/ID`.
        tasks: number of tasks; by default as many as the remaining runs need.
        at_once: how many of them may run at the same time; by default the site's number.
        runs_per_task: how many runs a task does, one after the other, or `all`: `at_once`
            tasks share all runs.
        site: the profile of the cluster, a file in `configs/sites`.
        options: options of `sbatch` with underscores, such as `partition="gpu"`,
            `cpus_per_task=4`, `gres="gpu:1"` or, for one without a value, `exclusive=True`.
            They win over the profile, as that wins over the script's `#SBATCH` lines.

    Raises:
        WorkshopError: the path is incomplete; the sweep never ends, has nothing left to do or is
            closed to agents; a number is below 1; the profile is wrong; or an option is one that
            this function sets itself.
    """
    split(sweep_path)
    profile = load(site)
    at_once = profile.at_once if at_once is None else at_once
    numbers = {"at_once": at_once, "tasks": tasks, "runs_per_task": runs_per_task}
    for name, number in numbers.items():
        if isinstance(number, int) and number < 1:
            raise WorkshopError(f"{name} must be at least 1, got {number}")
    named = {name.replace("_", "-"): value for name, value in options.items()}
    for name, value in named.items():
        _check_option(name, value)
    if tasks is None:
        left = _runs_to_do(sweep_path)
        tasks = min(left, at_once) if runs_per_task == "all" else math.ceil(left / runs_per_task)
    return _submission(sweep_path, site, profile, tasks, at_once, runs_per_task, named)


def plan_probe(site: str) -> Submission:
    """Plan the probe alone, without a sweep.  SLURM isn't needed for this.

    Raises:
        WorkshopError: the profile is wrong.
    """
    return _submission(NO_SWEEP, site, load(site), 1, 1, 1, {})


def _submission(
    sweep_path: str,
    site: str,
    profile: Site,
    tasks: int,
    at_once: int,
    runs_per_task: RunsPerTask,
    options: dict[str, str | int | bool],
) -> Submission:
    inherited = task_environment.scrubbed(profile.inherit)
    added = (
        _variables_if_installed(site)
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
        options=profile.sbatch_options() | options,
        environment=inherited.variables | added,
        added=tuple(added),
        removed=tuple(inherited.removed),
        secrets=tuple(inherited.secrets),
    )


def check_accepted(site: str) -> None:
    """Ask SLURM whether it would accept a task with a site's profile; nothing is submitted.

    Raises:
        WorkshopError: it wouldn't, it doesn't answer, or the profile is wrong.
    """
    profile = load(site)
    environment = task_environment.scrubbed(profile.inherit).variables | cluster_variables(site)
    options = words(profile.sbatch_options())
    commands.run(["sbatch", "--test-only", *options, str(SCRIPT)], environment)


def _runs_to_do(sweep_path: str) -> int:
    """Return how many runs agents would be given, new and interrupted ones."""
    registered = registration.get(sweep_path)
    (remaining, interrupted), taken = between_claims(
        sweep_path,
        lambda: (registration.remaining(sweep_path), registration.states(sweep_path)["preempted"]),
    )
    if remaining is None:
        raise WorkshopError(
            f"sweep {sweep_path} never ends, so you have to choose the array's size: "
            "give tasks=N (--tasks N), or register the sweep with a `run_cap`"
        )
    left = remaining + interrupted
    state = registered.state.upper()
    if left and taken >= left:
        raise WorkshopError(
            f"sweep {sweep_path} has {count(left, 'run')} left, and enough tasks are already "
            "waiting for them: see them with `workshop status`"
        )
    if left == 0:
        raise WorkshopError(
            f"sweep {sweep_path} has nothing left to do, because all its runs were handed out: "
            "analyze them, retry the failed ones with `workshop repair`, or register a new sweep"
        )
    if state not in ("PENDING", "RUNNING"):
        raise WorkshopError(
            f"sweep {sweep_path} is {state.lower()}, so its agents would get no runs, although "
            f"{left} are left: resume it with `wandb sweep --resume {shlex.quote(sweep_path)}`"
        )
    return left - int(taken)


def between_claims(sweep_path: str, ask: Callable[[], Answer]) -> tuple[Answer, float]:
    """Query a sweep's server between two queries to SLURM.

    Meanwhile a waiting task may be given its run, and a running one may be requeued with it.
    Taking the smaller of SLURM's two answers doesn't count such a task.  So an array may have a
    task too many, which finds no work, but never one too few.

    Returns:
        The answer, and the number of runs that waiting tasks will take.
    """
    before = claimed(sweep_path)
    answer = ask()
    return answer, min(before, claimed(sweep_path))


def _variables_if_installed(site: str) -> dict[str, str]:
    """Return the variables that lead to a site's cluster; none if it isn't installed."""
    try:
        return cluster_variables(site)
    except WorkshopError:
        return {}


def _check_option(name: str, value: str | int | bool) -> None:
    """Check that an option of `sbatch` may be chosen."""
    if not re.fullmatch(OPTION, name):
        raise WorkshopError(
            f"sbatch has no option {name!r}: give a long name, such as cpus-per-task"
        )
    if is_planned(name):
        raise WorkshopError(
            f"the sbatch option {name!r} is set by the plan itself, from the sweep, at_once and "
            "runs_per_task: leave it out"
        )
    if not re.fullmatch(ONE_LINE, str(value)):
        raise WorkshopError(f"the sbatch option {name} must be one line, got {value!r}")


def minutes(time: str) -> float | None:
    """Return a time limit of SLURM's in minutes; None if it isn't a time, such as UNLIMITED.

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
    """Return the batch script's own time limit, which an option may override."""
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
    """Return a command in shell syntax, an option per line."""
    options = [_readable(word) for word in words if word.startswith("--")]
    rest = [_readable(word) for word in words[1:] if not word.startswith("--")]
    return " \\\n    ".join([words[0], *options, " ".join(rest)])


def _value(name: str, value: str) -> str:
    """Return a variable's value in shell syntax; this process's own value is `$NAME`."""
    before, own, after = value.partition(os.environ.get(name) or "\0")
    return f"{before}${name}{after}" if own else _readable(value)


def _readable(word: str) -> str:
    """Return a word of a command in shell syntax, its path relative to the clone."""
    option, separator, value = word.rpartition("=")
    if value.startswith("/"):
        value = shown(Path(value))
    if value.startswith("~/"):
        return f'{option}{separator}"$HOME{value[1:]}"'
    return shlex.quote(f"{option}{separator}{value}")
