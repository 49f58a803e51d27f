"""Whether the runs of a process reach its server, which the client's mode decides.

`WANDB_MODE`, or a settings file of the client, may say `offline` or `disabled`, as the environments
of many clusters do.  Agents and tables work as ever then, but nothing arrives.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workshop.connection import client_settings
from workshop.errors import WorkshopError

SENT = ("online", "run", "shared")
"""The modes in which the client sends what runs log."""

_KEPT = "keeps what runs log on the machine that computes them, and the server sees none of it"
_LOST = "keeps nothing of what runs log, here or on the server"
_MEANINGS = {"offline": _KEPT, "dryrun": _KEPT, "disabled": _LOST}
_SESSION = "the client of this process"


@dataclass(frozen=True)
class Mode:
    """The mode of a client.

    Attributes:
        name: as `wandb.Settings.mode` has it.
        place: where it was set.
    """

    name: str = "online"
    place: str = "nowhere"

    @property
    def is_known(self) -> bool:
        """Whether the client starts at all."""
        return self.name in SENT or self.name in _MEANINGS

    @property
    def problem(self) -> str:
        """What the mode means and what to do, in a sentence; "" if runs are sent."""
        if self.name in SENT:
            return ""
        if not self.is_known:
            return (
                f"{self.place} is {self.name!r}, which is no mode of W&B's client, so that it does "
                "not start: remove the variable, or set it to online"
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
            step += "; `wandb sync FOLDER` sends what is kept in an `offline-run-*` folder"
        return f"mode {self.name} (set by {self.place}) {_MEANINGS[self.name]}: {step}"


def find(environment: Mapping[str, str] = os.environ, folder: Path | None = None) -> Mode:
    """Return the mode of a client that starts with this environment, in a folder or the current."""
    setting = client_settings.find("mode", environment, folder)
    if setting is None:
        return Mode()
    mode = Mode(setting.value, setting.place)
    # The client complains of a settings file that it does not understand, and ignores it.
    return mode if setting.variable or mode.is_known else Mode()


def here() -> Mode:
    """Return the mode of this process's client, which may have started with another environment."""
    from wandb.sdk import wandb_setup

    settings = wandb_setup.singleton().settings_if_loaded
    if settings and settings.mode not in SENT:
        return Mode(settings.mode, _SESSION)
    return find()


def check(mode: Mode) -> None:
    """See that a client in this mode sends what runs log.

    Raises:
        WorkshopError: it does not.
    """
    if mode.problem:
        raise WorkshopError(mode.problem)
