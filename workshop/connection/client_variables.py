"""The environment variables of the `wandb` client, which it also sets by itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

# The address of this process's client, which goes when the client ends.
_OF_THE_PROCESS = "WANDB_SERVICE"


@contextmanager
def restored() -> Iterator[None]:
    """Take back what the client sets meanwhile, so that the next call goes where it is told to.

    Registering a sweep and running an agent leave their project and entity behind, to which
    every later run of this process would be logged, whichever server that is at.
    """
    before = _variables()
    try:
        yield
    finally:
        for name in _variables().keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def _variables() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("WANDB_") and name != _OF_THE_PROCESS
    }
