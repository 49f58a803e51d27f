"""The program that an agent runs: a trial of the sweep, with the values W&B picked."""

import os
import sys
from collections.abc import Sequence

import wandb

from workshop.errors import exit_status
from workshop.trainer import preemption
from workshop.trainer.config import parse_arguments, resolve
from workshop.trainer.training import train
from workshop.trainer.wandb_run import finishing, starting


def main(arguments: Sequence[str] = ()) -> int:
    """Train once.

    Args:
        arguments: The command line: `--learning_rate=0.1`; a sweep's values win.

    Returns:
        The exit status: 0, or `EX_TEMPFAIL` for a preempted run, which will resume.

    Raises:
        WorkshopError: There is a problem that a user can solve; the run has failed.
    """
    given = parse_arguments(arguments)
    with starting():
        run = wandb.init(resume="allow")  # an agent's environment names run and sweep
    try:
        with finishing(run):
            picked = dict(run.config)  # by the sweep, for this run
            print(run.name, picked, flush=True)
            config = resolve(given, swept=picked)
            run.config.setdefaults(config.model_dump())  # now all effective settings
            train(config, run)
    except preemption.Preempted as warning:
        print(warning, flush=True)
        return os.EX_TEMPFAIL
    return 0


if __name__ == "__main__":
    preemption.listen()
    sys.exit(exit_status(lambda: main(sys.argv[1:])))
