"""What the `wandb` client of a process is set to: by its environment, else by settings files.

The client reads two files: `wandb/settings` in the folder that `WANDB_DIR` names, where
`wandb offline` and `wandb init` write, and `~/.config/wandb/settings`, where `wandb login --host`
writes.  The first wins, and the environment wins over both.  Without `WANDB_DIR` the folder is
taken to be the kit's own, which `workshop.backend.connect` gives to the client.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workshop.paths import home, shown


@dataclass(frozen=True)
class Setting:
    """A value that was set for the client.

    Attributes:
        value: what it was set to.
        variable: the environment variable that sets it; "" if a file does.
        file: the settings file that sets it; None if a variable does.
    """

    value: str
    variable: str = ""
    file: Path | None = None

    @property
    def place(self) -> str:
        """Where it was set, for a reader."""
        return self.variable or shown(self.file)


def find(name: str, environment: Mapping[str, str] = os.environ) -> Setting | None:
    """Return a setting by its name in `wandb.Settings`; None if nobody has set it.

    Args:
        name: for example `mode` or `base_url`.
        environment: that of the client's process.
    """
    variable = f"WANDB_{name.upper()}"
    if variable in environment:
        return Setting(environment[variable], variable)
    return in_files(name, environment)


def in_files(name: str, environment: Mapping[str, str] = os.environ) -> Setting | None:
    """Return what a settings file says; None if none says anything that the client takes."""
    from wandb.sdk.lib.settings_file import SettingsFiles

    for file in _files(environment):
        if value := SettingsFiles(global_settings=None, local_settings=file).all().get(name):
            return Setting(value, file=file)
    return None


def _files(environment: Mapping[str, str]) -> list[Path]:
    """Return the paths of the settings files, those that win first."""
    import wandb

    folder = environment.get("WANDB_CONFIG_DIR") or "~/.config/wandb"
    client = wandb.Settings(root_dir=environment.get("WANDB_DIR") or str(home()))
    return [Path(client.settings_workspace), Path(folder).expanduser() / "settings"]
