"""The command `workshop adopt`."""

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.epilog = (
        "The program really runs: about seven times, and once more per parameter. The exit status "
        "is 1 if there is a problem."
    )
    parser.add_argument(
        "program", type=Path, metavar="PROGRAM",
        help="a Python program, or the YAML file of its sweep",
    )  # fmt: skip
    parser.add_argument(
        "--python", metavar="FILE", default="", help="its interpreter (default: python)"
    )
    parser.add_argument(
        "--chdir", type=Path, metavar="FOLDER", help="where it starts (default: its own folder)"
    )
    parser.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME=A,B",
        help="two values to try of a parameter; the first is its usual one",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=float, default=60, help="end a trial after this long (default: 60)"
    )
    parser.add_argument(
        "--rows", type=int, default=5, help="end a trial after this many logged rows (default: 5)"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE",
        help="where to write the proposed sweep (default: sweep.yaml beside the program)",
    )  # fmt: skip
    parser.add_argument(
        "--backend", default="local", metavar="W&B",
        help="local (default), wandb for an account, or a server's URL",
    )  # fmt: skip


def adopt(
    program: Path,
    python: str,
    chdir: Path | None,
    parameter: list[str],
    seconds: float,
    rows: int,
    output: Path | None,
    backend: str,
) -> int:
    """Try out your own program: can a sweep run it, and does it use the sweep's values?"""
    # Not at the top: with it comes PyTorch, of which the command's options need nothing.
    from workshop.adopt import session
    from workshop.adopt.trials import Limits

    definition = session.definition(program, python, chdir)
    given = dict(map(session.two_values, parameter))
    return session.run(definition, given, Limits(seconds, rows), output, backend)
