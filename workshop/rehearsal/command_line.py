"""`workshop cluster`: a command for each function of the package."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from workshop.errors import WorkshopError
from workshop.paths import shown
from workshop.rehearsal import cluster, levers, packages, places, programs

SUMMARY = "Rehearse on a real SLURM of two small nodes on this machine, for you alone."


def start(fetch: bool) -> None:
    """Start it, unless it runs."""
    try:
        programs.find()
    except WorkshopError:
        if not (fetch or _is_agreed()):
            raise
        packages.fetch()
    if not cluster.start():
        print("The rehearsal cluster runs already; `workshop cluster status` shows it")


def stop() -> None:
    """Cancel its jobs and stop it."""
    cluster.stop()


def status() -> None:
    """Say what its nodes and jobs do."""
    print(cluster.status())


def shell(words: list[str]) -> None:
    """Open a shell, or run a command, in which SLURM's commands speak to it."""
    cluster.check_running()
    words = words or [os.environ.get("SHELL", "/bin/sh")]
    sys.stdout.flush()
    try:
        os.execvpe(words[0], words, places.environment())  # noqa: S606
    except OSError as error:
        raise WorkshopError(f"{words[0]!r} cannot be run ({error.strerror})") from None


def _is_agreed() -> bool:
    """Ask whether SLURM's packages may be fetched, if there is somebody to ask."""
    if not (programs.can_fetch() and sys.stdin.isatty()):
        return False
    question = (
        "SLURM's programs are not on this machine. Fetch its packages (4 MB) and unpack them in "
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
        help="without asking, fetch and unpack SLURM's packages where SLURM is not installed",
    )  # fmt: skip
    add(stop)
    add(status)
    add(shell).add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    for lever in (levers.crash, levers.boot, levers.drain, levers.undrain):
        add(lever).add_argument("node", metavar="NODE")
    command = add(levers.preempt)
    command.add_argument("node", nargs="?", metavar="NODE", help="(default: where such a job runs)")
    _add_seconds(command, "how long that job takes")
    _add_seconds(add(levers.fill), "how long each takes")
    command = add(levers.slow)
    command.add_argument("node", metavar="NODE")
    command.add_argument("--factor", type=float, default=4, metavar="F", help="(default: 4)")


def _add_seconds(command: Any, what: str) -> None:
    command.add_argument(
        "--seconds", type=int, default=60, metavar="S", help=f"{what} (default: 60)"
    )
