"""The process that slows a node down, by stopping the programs of a sweep's runs repeatedly.

    python -m workshop.run_agents.rehearsal.slowness NODE FACTOR

Agents and batch scripts aren't stopped: bash would take a stopped program for an ended one.
"""

import itertools
import signal
import sys
import time

from workshop.run_agents.rehearsal import daemons, processes

PERIOD_S = 0.2
PERIODS_PER_LOOK = 5  # because a look reads all of /proc


def main(node: str, factor: float) -> None:
    """Stop and continue the node's runs until this process is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    found: list[int] = []
    try:
        for period in itertools.count():
            if period % PERIODS_PER_LOOK == 0:
                found = _programs(node)
            processes.send(signal.SIGSTOP, found)
            time.sleep(PERIOD_S * (1 - 1 / factor))
            processes.send(signal.SIGCONT, found)
            time.sleep(PERIOD_S / factor)
    finally:
        processes.send(signal.SIGCONT, found)


def _programs(node: str) -> list[int]:
    """Return the processes of the runs on a node; an agent sets the run's variable for them."""
    return daemons.on_node(node, "WANDB_RUN_ID")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
