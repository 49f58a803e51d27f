"""The environment variables of the `wandb` client, some of which it sets itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import wandb

# The address of this process's client, which disappears when the client ends.
_OF_THE_PROCESS = "WANDB_SERVICE"


@contextmanager
def restored() -> Iterator[None]:
    """Restore the client's variables at the end of the block.

    Registering a sweep and running an agent set a project and an entity, and every later run of
    this process would be logged there, whichever server it uses.
    """
    before = _variables()
    try:
        yield
    finally:
        for name in _variables().keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def entity(api: "wandb.Api") -> str:
    """Return the entity that the client uses: that of `WANDB_ENTITY` or its settings, or the key's.

    Args:
        api: a client, which asks its server for the key's.
    """
    own = api.default_entity  # also checks the key
    return api.settings["entity"] or own


def _variables() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("WANDB_") and name != _OF_THE_PROCESS
    }
