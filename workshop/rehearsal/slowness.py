"""The process that slows a node down: it stops the programs of a sweep's runs time and again.

    python -m workshop.rehearsal.slowness NODE FACTOR

The agents and batch scripts beside them are left alone: bash would take a stop for an end.
"""

import itertools
import signal
import sys
import time

from workshop.rehearsal import daemons, processes

PERIOD_S = 0.2
LOOK_EVERY = 5  # periods; each look reads all of /proc


def main(node: str, factor: float) -> None:
    """Stop and continue the node's runs until this process is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    found: list[int] = []
    try:
        for period in itertools.count():
            if period % LOOK_EVERY == 0:
                found = _programs(node)
            processes.send(signal.SIGSTOP, found)
            time.sleep(PERIOD_S * (1 - 1 / factor))
            processes.send(signal.SIGCONT, found)
            time.sleep(PERIOD_S / factor)
    finally:
        processes.send(signal.SIGCONT, found)


def _programs(node: str) -> list[int]:
    """Return the processes of the runs on a node: an agent names the run for its program."""
    return daemons.on_node(node, "WANDB_RUN_ID")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
