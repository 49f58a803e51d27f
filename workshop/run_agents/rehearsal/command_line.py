"""The command `workshop cluster`, with a subcommand for each function of the package."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from workshop.errors import WorkshopError
from workshop.paths import shown
from workshop.run_agents.rehearsal import cluster, levers, packages, places, programs

SUMMARY = "Rehearse on a real SLURM cluster: two small nodes on this machine, only for you."


def start(fetch: bool) -> None:
    """Start the cluster, unless it is running."""
    try:
        programs.find()
    except WorkshopError:
        if not (fetch or _is_agreed()):
            raise
        packages.fetch()
    if not cluster.start():
        print("The rehearsal cluster is already running. To see it: workshop cluster status")


def stop() -> None:
    """Cancel the cluster's jobs and stop it."""
    cluster.stop()


def status() -> None:
    """Show the cluster's nodes and jobs."""
    print(cluster.status())


def shell(words: list[str]) -> None:
    """Open a shell, or run a command, whose SLURM commands use this cluster."""
    cluster.check_running()
    words = words or [os.environ.get("SHELL", "/bin/sh")]
    sys.stdout.flush()
    try:
        os.execvpe(words[0], words, places.environment())  # noqa: S606
    except OSError as error:
        raise WorkshopError(
            f"{words[0]!r} cannot be run ({error.strerror}): give a command that is installed"
        ) from None


def _is_agreed() -> bool:
    """Ask whether to fetch SLURM's packages, if there is a terminal to ask at."""
    if not (programs.can_fetch() and sys.stdin.isatty()):
        return False
    question = (
        "SLURM isn't installed on this machine. Fetch its packages (4 MB) and unpack them in "
        f"{shown(programs.unpacked_folder())}? Nothing is installed. [Y/n] "
    )
    return input(question).strip().lower() in ("", "y", "yes")


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands to the parser of `workshop cluster`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(function: Callable[..., object]) -> argparse.ArgumentParser:
        summary = (function.__doc__ or "").partition("\n")[0]
        command = commands.add_parser(function.__name__, help=summary, description=summary)
        command.set_defaults(command=function)
        return command

    add(start).add_argument(
        "--fetch", action="store_true",
        help="fetch and unpack SLURM's packages without asking, if SLURM isn't installed",
    )  # fmt: skip
    add(stop)
    add(status)
    add(shell).add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    for lever in (levers.crash, levers.boot, levers.drain, levers.undrain):
        add(lever).add_argument("node", metavar="NODE")
    command = add(levers.preempt)
    command.add_argument("node", nargs="?", metavar="NODE", help="(default: where such a job runs)")
    _add_seconds(command, "how long the job runs")
    add(levers.expire).add_argument("job", metavar="JOB")
    _add_seconds(add(levers.fill), "how long each job runs")
    command = add(levers.slow)
    command.add_argument("node", metavar="NODE")
    command.add_argument("--factor", type=float, default=4, metavar="F", help="(default: 4)")


def _add_seconds(command: Any, what: str) -> None:
    command.add_argument(
        "--seconds", type=int, default=60, metavar="S", help=f"{what} (default: 60)"
    )
