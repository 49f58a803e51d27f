"""The program of a sweep that says what its start-up is made of.

It does what `workshop.wandb_sweep` does, with a clock around each part, and writes the seconds
of each as JSON to the file that `BENCHMARK_STARTUP` names.  `BENCHMARK_BEGAN` says when its
agent was started, in seconds of the system's clock.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

parts = {"agent asks, Python starts": time.time() - float(os.environ["BENCHMARK_BEGAN"])}
_last = time.perf_counter()


def note(part: str) -> None:
    """Charge the time since the last note to a part."""
    global _last
    now = time.perf_counter()
    parts[part] = parts.get(part, 0.0) + now - _last
    _last = now


import wandb  # noqa: E402

note("import wandb")
import torch  # noqa: E402

note("import torch")
import torchvision  # noqa: E402, F401

note("import torchvision")
from torch.optim.optimizer import register_optimizer_step_post_hook  # noqa: E402

from workshop import wandb_sweep  # noqa: E402
from workshop.trainer import training  # noqa: E402

note("import the kit")


def timed(function: Callable, part: str) -> Callable:
    """Return the function with its time charged to a part, and what was before to `other`."""

    def call(*arguments, **options):
        note("other")
        result = function(*arguments, **options)
        note(part)
        return result

    return call


def first_step(*_: object) -> None:
    """Write the parts after the first training step."""
    _handle.remove()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    note("first training step")
    Path(os.environ["BENCHMARK_STARTUP"]).write_text(json.dumps(parts))


_handle = register_optimizer_step_post_hook(first_step)
wandb.init = timed(wandb.init, "wandb.init")
training.load = timed(training.load, "load the data")
training.build = timed(training.build, "build the network")
training.build_optimizer = timed(training.build_optimizer, "build the optimizer")

if __name__ == "__main__":
    sys.exit(wandb_sweep.main(sys.argv[1:]))
