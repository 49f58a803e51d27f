"""The commands for SLURM: `workshop submit`, `status`, `repair`, `cancel`, and `site`."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterable
from inspect import signature
from typing import Any, Literal

from workshop.errors import WorkshopError
from workshop.paths import shown
from workshop.wording import count

Add = Callable[[Callable], argparse.ArgumentParser]
"""Adds a command by its function; returns its parser."""


def submit(
    sweep: str,
    site: str,
    runs_per_task: int | Literal["all"],
    at_once: int | None,
    tasks: int | None,
    option: list[str],
    dry_run: bool,
) -> None:
    """Submit a SLURM array of agents, sized for the runs that a sweep has left."""
    from workshop.connection import backend
    from workshop.run_agents import slurm

    backend.connect()
    options = _sbatch_options(option)
    submission = slurm.plan(sweep, tasks, at_once, runs_per_task, site, **options)
    print(submission)
    if dry_run:
        print(f"# the script, {shown(slurm.SCRIPT)}:\n{submission.script}")
    else:
        print(slurm.submit(submission))


def status(sweep: str, only: list[str], state: list[str], show_all: bool, as_json: bool) -> None:
    """Show how each array task of a sweep ended, and why."""
    from workshop.connection import backend
    from workshop.run_agents import slurm
    from workshop.run_agents.slurm import journal

    # `connect` prints which server it is; stdout must hold nothing but JSON.
    with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
        backend.connect()
        if not sweep:
            if not (sweep := journal.newest_sweep()):
                raise WorkshopError(
                    "no array has been submitted from here: name a sweep, entity/project/ID, or "
                    "submit one with `workshop submit`"
                )
            print(f"Sweep {sweep}, the one submitted last")
    ledger = slurm.ledger(sweep)
    if only or state or show_all or as_json:
        rows = slurm.select(ledger, only, state)
    else:
        rows = slurm.remarkable(ledger)
    if as_json:
        print(slurm.as_json(ledger, rows))
        return
    print(slurm.describe(ledger, rows))
    if left := len(ledger) - len(rows):
        print(f"{count(left, 'more task is', 'more tasks are')} not shown: use `--all` to see all")


def repair(
    sweep: str,
    site: str,
    at_once: int | None,
    option: list[str],
    dry_run: bool,
    only: list[str],
    here: bool,
    one_per_gpu: bool = False,
) -> None:
    """Complete a sweep: run the points that failed, disappeared or were never handed out."""
    from workshop.connection import backend
    from workshop.run_agents import slurm

    if one_per_gpu and not here:
        raise WorkshopError(
            "--one-per-gpu is for agents on this machine: add --here, or leave it out; in an array "
            "the site profile says how many GPUs a task has"
        )
    backend.connect()
    if dry_run:
        print(slurm.gaps(sweep, only))
        return
    if here:
        if option:
            raise WorkshopError(
                f"option {option[0]} is for sbatch, but --here doesn't submit an array: leave out "
                "one of the two"
            )
        slurm.repair_here(sweep, at_once, only=only, one_per_gpu=one_per_gpu)
        return
    options: dict[str, Any] = _sbatch_options(option)
    if job := slurm.repair(sweep, only=only, site=site, at_once=at_once, **options):
        print(job)


def cancel(sweep: str) -> None:
    """Cancel a sweep on its server, and the arrays that you submitted for it from here."""
    from workshop.connection import backend
    from workshop.run_agents import slurm

    backend.connect()
    slurm.cancel(sweep)


SITE_SUMMARY = "Write a profile of your cluster from what its SLURM says."


def new_site(name: str, partition: str, probe: bool) -> None:
    """Ask SLURM what this cluster has, write a commented profile, and check it."""
    from workshop.run_agents.slurm import array, draft, submission

    file = draft.write(name, partition)
    print(f"Written: {shown(file)}. Read it, because SLURM can't know everything.")
    try:
        submission.check_accepted(name)
    except WorkshopError as error:
        raise WorkshopError(
            f"{error}: correct {shown(file)}, then run `workshop check --site {name}`"
        ) from None
    print("SLURM accepts a task with this profile.")
    if probe:
        from workshop.connection import backend

        backend.connect()
        print(array.probe(name))
    print(f"Submit an array with it: workshop submit SWEEP --site {name}")


def add_site_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands to the parser of `workshop site`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    summary = str(new_site.__doc__)
    command = commands.add_parser("new", help=summary, description=summary)
    command.set_defaults(command=new_site)
    command.add_argument("name", metavar="NAME", help="the profile is configs/sites/NAME.yaml")
    command.add_argument(
        "--partition", default="", metavar="NAME",
        help="the partition for tasks (default: one with GPUs that your jobs may use)",
    )  # fmt: skip
    command.add_argument(
        "--probe", action="store_true",
        help="also submit a job that says whether a node runs the kit and reaches the server",
    )  # fmt: skip


def _sbatch_options(texts: Iterable[str]) -> dict[str, str | bool]:
    """Return options of `sbatch` by name, none of which is another argument of `plan` or `repair`.

    Raises:
        WorkshopError: one of them is.
    """
    from workshop.run_agents import slurm

    own = [*signature(slurm.plan).parameters, *signature(slurm.repair).parameters]
    options = dict(map(_sbatch_option, texts))
    if mistaken := [name for name in options if name in own]:
        raise WorkshopError(
            f"{mistaken[0]!r} is no option of sbatch: -o takes sbatch's long names, such as "
            "cpus-per-task; give this command's own options without -o"
        )
    return options


def _sbatch_option(text: str) -> tuple[str, str | bool]:
    name, equals, value = text.lstrip("-").partition("=")
    return name, value if equals else True


def _runs_per_task(text: str) -> int | Literal["all"]:
    return "all" if text == "all" else int(text)


def add_commands(add: Add) -> None:
    """Add the commands to the parser of `workshop`."""
    command = add(submit)
    _add_array_options(command)
    command.add_argument(
        "--runs-per-task", type=_runs_per_task, default=1, metavar="K|all",
        help="how many runs a task does, one after the other; all: the tasks share all runs",
    )  # fmt: skip
    command.add_argument(
        "--tasks", type=int, metavar="N", help="the array's size, for a sweep that never ends"
    )
    command = add(status)
    command.add_argument(
        "sweep", nargs="?", default="", metavar="SWEEP",
        help="entity/project/ID (default: the one whose array was submitted last)",
    )  # fmt: skip
    _add_causes(command, "show tasks with this cause, such as code-error; can be repeated")
    command.add_argument(
        "--state", action="append", default=[], metavar="STATE",
        help="show tasks in this SLURM state, such as FAILED; can be repeated",
    )  # fmt: skip
    command.add_argument(
        "--all", dest="show_all", action="store_true",
        help="show all tasks, even if there are many that need no attention",
    )  # fmt: skip
    command.add_argument(
        "--json", dest="as_json", action="store_true", help="print one line of JSON"
    )
    command = add(repair)
    _add_array_options(command)
    _add_causes(
        command, "repeat only failed runs with this cause, such as node-failure; can be repeated"
    )
    command.add_argument(
        "--here", action="store_true", help="use agents on this machine instead of an array"
    )
    command.add_argument(
        "--one-per-gpu", action="store_true", help="with --here: give each agent a GPU to itself"
    )
    add(cancel).add_argument("sweep", metavar="SWEEP", help="entity/project/ID")


def _add_array_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("sweep", metavar="SWEEP", help="entity/project/ID")
    add_site(command)
    command.add_argument(
        "--at-once", type=int, metavar="M", help="most tasks at once (default: the site's)"
    )
    command.add_argument(
        "-o", "--option", action="append", default=[], metavar="OPTION=VALUE",
        help="an sbatch option, for example -o time=02:00:00",
    )  # fmt: skip
    command.add_argument(
        "--dry-run", action="store_true", help="show what would be submitted, but don't submit it"
    )


def _add_causes(command: argparse.ArgumentParser, explanation: str) -> None:
    command.add_argument("--only", action="append", default=[], metavar="CAUSE", help=explanation)


def add_site(command: argparse.ArgumentParser) -> None:
    """Add the option that names the cluster's profile."""
    command.add_argument(
        "--site", default="generic", metavar="NAME",
        help="the cluster's profile, a file in configs/sites (default: generic)",
    )  # fmt: skip
