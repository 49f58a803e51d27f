"""The failures: how each breaks a sweep, its symptoms, and its cure.

The failure is named in the sweep's own command, `python -m workshop.failure_lab.program
FAILURE ...`, so that it happens in the same way wherever the agent is.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweepserver.search.values import closest
from workshop.define.definition import load
from workshop.errors import WorkshopError
from workshop.failure_lab import cluster_failures
from workshop.initialize import registration
from workshop.run_agents import local, slurm
from workshop.run_agents.program_output import last_words

SURPRISE = "surprise"
"""Instead of a failure's name: a random one."""

PROGRAM = "workshop.failure_lab.program"

STRUCK = 0.01
"""The learning rate of the runs that a failure hits."""

_CUT_OFF = ("time-limit", "node-failure", "lost")
"""The causes of failed runs that another task can finish."""


@dataclass(frozen=True)
class Failure:
    """A way in which a sweep fails.

    Attributes:
        broken: what is wrong, for a reader who has found it.
        sign: its symptoms, for a reader who suspects it.
        cure: what to do about it.
        changes: sections of the sweep that differ from those of the other failures.
        tasks: how many agents are started, one after the other.
        count: the number of runs after which each agent ends; None means when nothing is left.
    """

    broken: str
    sign: str
    cure: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    tasks: int = 1
    count: int | None = None


def _varied(*rates: float) -> dict[str, Any]:
    return {"parameters": {"learning_rate": {"values": list(rates)}, "scale": {"value": "tiny"}}}


FAILURES = {
    "metric_name": Failure(
        broken="the sweep's metric is `Validation Acuracy`, which no program logs",
        sign="every run finishes with good values, but none can be ranked: the column of the "
        "sweep's metric is empty",
        cure="correct the name and register a new sweep; `lint` finds this before any run",
        changes=_varied(0.001) | {"metric": {"name": "Validation Acuracy", "goal": "maximize"}},
    ),
    "local_dict": Failure(
        broken="the program trains with the values of its own file, not with the run's config",
        sign="the requested learning rates differ from run to run, but the effective ones don't, "
        "and all runs have the same results",
        cure="read every value from the run's config, after `wandb.init`",
    ),
    "diverged": Failure(
        broken="the learning rate is so high that the loss becomes NaN",
        sign="the run is finished, but its losses are NaN and its accuracy is no better than "
        "guessing; its log says that it diverged",
        cure="nothing is broken: leave the run out, and search lower learning rates",
        changes=_varied(STRUCK, 1e10),
    ),
    "crash": Failure(
        broken="the program fails in epoch 2 of a run",
        sign="one run has failed, with fewer epochs than the others, and its log ends with an "
        "error",
        cure="fix what the last line of the log names; the agent has continued with other runs",
    ),
    "agent_killed": Failure(
        broken="the agent was killed in the middle of a run",
        sign="an agent ended with status -9, but no log has an error (in a ledger, its task is "
        "lost); unless there was another agent, a run was never handed out although the sweep is "
        "still running",
        cure="start another agent, which gets the remaining runs; after an array, `slurm.repair` "
        "also retries the run that was lost with its task",
    ),
    "duplicate": Failure(
        broken="the search has drawn the same values more than once",
        sign="two runs have the same values and, with the same seed, the same results",
        cure="draw from a range instead of a short list, or use a grid, which tries each "
        "combination once",
        changes={"method": "random", "run_cap": 3},
    ),
    "time_limit": Failure(
        broken="a task reached its time limit before its run was done",
        sign="a run needed two tasks, or two starts of one: one log ends with `preempted`, and the "
        "next begins with `resumed after epoch 1`; if tasks aren't started twice, there were too "
        "few tasks for the runs",
        cure="give a task as much time as a run takes; the run itself was resumed from its "
        "checkpoint, and one more agent does any remaining runs",
        tasks=2,
        count=1,
    ),
    "node_crash": Failure(
        broken="a task's node went down in the middle of its run",
        sign="the ledger says *node failure*, and that the task finished in its second start; its "
        "log breaks off without an error and continues with `resumed after epoch 1`",
        cure="nothing to do: SLURM has requeued the task, and the run was resumed from its "
        "checkpoint. If the same node goes down again, exclude it (`-o exclude=NODE`) and tell "
        "the cluster's staff",
    ),
    "preemption": Failure(
        broken="a job of higher priority preempted a task",
        sign="the ledger says *preempted and resumed*, because another job took the place; the "
        "log says `preempted` and continues with `resumed after epoch 1`",
        cure="nothing to do: the task made room, waited, and resumed from its checkpoint. To avoid "
        "preemption, use a partition whose jobs aren't preempted, and wait longer in its queue",
    ),
    "out_of_time": Failure(
        broken="SLURM ended a task at its time limit, without a warning",
        sign="the ledger says *time limit*; the run never ended by itself, and no other start of "
        "its task continued it",
        cure="ask for more time (`-o time=02:00:00`), or for an earlier warning "
        "(`warning_seconds` in the site profile); `slurm.repair` lets another task resume the "
        "run from its checkpoint",
    ),
}


def register(failure: str, project: str) -> str:
    """Register a sweep of one to three tiny runs that fails.

    Args:
        failure: a key of `FAILURES`, or `surprise`.
        project: the project to register it in.

    Returns:
        The sweep's path, `entity/project/ID`.

    Raises:
        WorkshopError: there is no such failure, or it needs a rehearsal cluster, which can't run
            here.
    """
    if failure == SURPRISE:
        failure = random.choice(_possible())  # noqa: S311 - nothing depends on it
    if failure in cluster_failures.LEVERS:
        cluster_failures.check()
    definition = load("configs/sweep_config.yaml") | _varied(STRUCK, 0.001)
    definition |= _known(failure).changes
    definition["command"] = ["${env}", "python", "-m", PROGRAM, failure, "${args}"]
    # Without the linter, which would find some of the faults.
    return registration.create(definition, project)


def run_agents(path: str, runner: str = "agent_processes", site: str = slurm.AUTO) -> list[Path]:
    """Start agents for a sweep of this lab, and print how they end.

    A failure of tasks always happens on the rehearsal cluster, regardless of the runner.

    Args:
        path: the sweep, `entity/project/ID`.
        runner: `agent_processes` on this machine, or a `slurm_array`.
        site: the array's cluster, as for `slurm.available`.

    Returns:
        The agents' log files.

    Raises:
        WorkshopError: an array cannot run.
    """
    name = _name(path)
    if name in cluster_failures.LEVERS:
        return cluster_failures.run(path, name)
    if runner == "slurm_array":
        job = slurm.submit(slurm.plan(path, site=_site(site)))
        slurm.wait(job)
        return [job.log(task) for task in range(1, job.tasks + 1)]
    failure = FAILURES[name]
    try:
        return local.run_processes(path, failure.tasks, at_once=1, count=failure.count)
    except WorkshopError as error:
        print(f"error: {error}")
        return sorted(local.log_folder(path).glob("*.log"))


def go_on(path: str, site: str = slurm.AUTO) -> None:
    """Let agents do the runs that a failure has left of a sweep of this lab, if any.

    If an array worked on the sweep, this is a repair, which also retries the runs that were cut
    off.  Runs whose program failed would fail again.

    Args:
        path: the sweep, `entity/project/ID`.
        site: the array's cluster, as for `run_agents`.

    Raises:
        WorkshopError: an array cannot run.
    """
    if len(slurm.ledger(path)):
        site = slurm.REHEARSAL if _name(path) in cluster_failures.LEVERS else _site(site)
        if job := slurm.repair(path, only=_CUT_OFF, site=site):
            slurm.wait(job)
    elif registration.remaining(path):
        local.run_processes(path, tasks=1)


def remarkable(log: Path) -> list[str]:
    """Return the lines of an agent's log that say how its runs were resumed and ended."""
    text = log.read_text()
    starts = ("resumed after", "preempted:", "diverged:")
    lines = [line for line in text.splitlines() if line.startswith(starts)]
    return [*lines, words] if (words := last_words(text)) else lines


def diagnose(path: str, diagnosis: str) -> bool:
    """Return whether a diagnosis of a sweep of this lab is right; print why, or why not.

    Args:
        path: the sweep, `entity/project/ID`.
        diagnosis: a key of `FAILURES`; empty if there is none yet.

    Raises:
        WorkshopError: there is no such failure, or no such sweep.
    """
    if not diagnosis:
        print(f"no diagnosis yet: name what you suspect, one of {', '.join(FAILURES)}")
        return False
    suspected = _known(diagnosis)
    right = diagnosis == _name(path)
    if right:
        print(f"right: {suspected.broken}\nwhat to do: {suspected.cure}")
    else:
        print(f"not {diagnosis}, whose symptoms would be: {suspected.sign}")
    return right


def _possible() -> list[str]:
    """Return the failures that can happen here."""
    can_rehearse = slurm.available(slurm.REHEARSAL).site
    return [name for name in FAILURES if can_rehearse or name not in cluster_failures.LEVERS]


def _site(choice: str) -> str:
    """Return the site of an array's cluster."""
    found = slurm.available(choice)
    if not found.site:
        raise WorkshopError(found.words)
    return found.site


def _known(failure: str) -> Failure:
    if failure not in FAILURES:
        raise WorkshopError(
            f"there is no failure {failure!r}{closest(failure, FAILURES)}: "
            f"use one of {', '.join(FAILURES)}, or {SURPRISE}"
        )
    return FAILURES[failure]


def _name(path: str) -> str:
    """Return the failure that a registered sweep was made for."""
    command = registration.get(path).config.get("command") or []
    if PROGRAM not in command:
        raise WorkshopError(
            f"sweep {path} was not created by the failure lab: register one there first"
        )
    return command[command.index(PROGRAM) + 1]
