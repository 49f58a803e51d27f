"""What the output of a program tells: its error line, among the lines of the agent and the client.

`wandb agent` and the client write to the same log as the program.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import takewhile

# The client's own clean-up fails after each run. It does so in a thread of the agent, so its
# traceback can appear among the next program's output.
_CLEAN_UP = "Exception in thread wandb-ServiceFinalizer"
_END_OF_CLEAN_UP = "wandb."  # the module of the exception
# Lines that an agent and the client print among a program's output.
_NOT_THE_PROGRAMS = re.compile(r"[-\d]+ [:,\d]+ - wandb\.wandb_agent - |wandb: |slurmstepd|\s*$")
# The first line after a program's output, from its agent or from the batch script.
_END_OF_PROGRAM = re.compile(r".* - (Cleaning up finished run|Detected \d+ )|run \w{8}: [a-z]+$")
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
# Hydra ends each error by this line; without a traceback, if the command line was at fault.
_END_OF_HYDRA = "Set the environment variable HYDRA_FULL_ERROR=1"
# What follows the error there: details, headings and links.
_DETAIL_OF_HYDRA = re.compile(r"\s|$|.*:$|See http|full_key:")


def last_words(log: str) -> str:
    """Return the error line of a log, which says why a program failed; empty if there is none.

    It is the last line of the last traceback, an `error: ...` of the kit's own programs, argparse's
    `fit.py: error: ...`, which follows a usage line, or what Hydra says of its command line.
    """
    words, lines, has_usage = "", [*_without_clean_up(log.splitlines())], False
    for number, line in enumerate(lines):
        has_usage = has_usage or line.startswith("usage: ")
        if line.startswith("error: ") or (has_usage and ": error: " in line):
            words = line
        elif line.startswith("Traceback ("):
            words = next((end for end in lines[number + 1 :] if end[:1].strip()), "")
        elif line.startswith(_END_OF_HYDRA) and not words:
            before = reversed(lines[:number])
            words = next((said for said in before if not _DETAIL_OF_HYDRA.match(said)), "")
    return words


def printed(log: str) -> list[str]:
    """Return the lines that a program has printed, from its run's part of a log."""
    lines = _without_clean_up(_COLOUR.sub("", log).splitlines())
    return [
        line
        for line in takewhile(lambda line: not _END_OF_PROGRAM.match(line), lines)
        if not _NOT_THE_PROGRAMS.match(line)
    ]


def _without_clean_up(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a log without the tracebacks of the client's clean-up.

    The client writes a traceback piece by piece, and the program may print between two pieces.
    """
    is_clean_up = had_title = False
    for line in lines:
        if line.startswith(_CLEAN_UP):
            is_clean_up, had_title = True, False
        elif is_clean_up and line.startswith("Traceback (") and not had_title:
            had_title = True
        elif is_clean_up and line.startswith(_END_OF_CLEAN_UP):
            is_clean_up = False
        elif not (is_clean_up and line.startswith(" ")):
            yield line
