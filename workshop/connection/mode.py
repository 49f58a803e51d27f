"""The client's mode, which decides whether a process's runs are sent to the server.

`WANDB_MODE`, or a settings file of the client, may say `offline` or `disabled`, as the environments
of many clusters do.  Agents then seem to work, but the server gets nothing.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workshop._compat import client_settings_if_started
from workshop.connection import client_settings
from workshop.errors import WorkshopError

SENT = ("online", "run", "shared")
"""The modes in which the client sends what runs log."""

_KEPT = "keeps the runs' data on the machine that they run on, and the server gets none of it"
_LOST = "discards everything that runs log"
_MEANINGS = {"offline": _KEPT, "dryrun": _KEPT, "disabled": _LOST}
_SESSION = "the client of this process"


@dataclass(frozen=True)
class Mode:
    """The mode of a client.

    Attributes:
        name: the value of `wandb.Settings.mode`.
        place: where it was set.
    """

    name: str = "online"
    place: str = "nowhere"

    @property
    def is_known(self) -> bool:
        """Whether the client accepts the mode."""
        return self.name in SENT or self.name in _MEANINGS

    @property
    def problem(self) -> str:
        """The mode's effect and the remedy, in a sentence; "" if runs are sent."""
        if self.name in SENT:
            return ""
        if not self.is_known:
            return (
                f"{self.place} is {self.name!r}, which is not a mode of W&B's client, so it cannot "
                "start: remove the variable, or set it to online"
            )
        if self.place == _SESSION:
            step = "restart the kernel, or start the program again, with WANDB_MODE=online"
        elif self.place == "WANDB_MODE":
            step = (
                "`unset WANDB_MODE` (in a notebook, `%env WANDB_MODE=online` in the first cell "
                "after a restart of the kernel)"
            )
        else:
            step = f"remove the line `mode` from {self.place}, or `export WANDB_MODE=online`"
        if _MEANINGS[self.name] == _KEPT:
            step += "; to send data kept in an `offline-run-*` folder, use `wandb sync FOLDER`"
        return f"mode {self.name} (set by {self.place}) {_MEANINGS[self.name]}: {step}"


def find(environment: Mapping[str, str] = os.environ, folder: Path | None = None) -> Mode:
    """Return the mode of a client that starts with this environment, in a folder."""
    setting = client_settings.find("mode", environment, folder)
    if setting is None:
        return Mode()
    mode = Mode(setting.value, setting.place)
    # The client ignores a settings file that it doesn't understand, with a warning.
    return mode if setting.variable or mode.is_known else Mode()


def here() -> Mode:
    """Return the mode of this process's client, which may have started with another environment."""
    settings = client_settings_if_started()
    if settings and settings.mode not in SENT:
        return Mode(settings.mode, _SESSION)
    return find()


def check(mode: Mode) -> None:
    """Check that a client in this mode sends runs to the server.

    Raises:
        WorkshopError: it doesn't.
    """
    if mode.problem:
        raise WorkshopError(mode.problem)
