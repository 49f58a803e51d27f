"""What the `wandb` client of a process is set to: by its environment, else by settings files.

The client reads two files: `wandb/settings` in the folder that its process starts in, whatever
`WANDB_DIR` says, where `wandb offline` and `wandb init` write, and `~/.config/wandb/settings`,
where `wandb login --host` writes.  The first wins, and the environment wins over both.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workshop.paths import shown


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


def find(
    name: str, environment: Mapping[str, str] = os.environ, folder: Path | None = None
) -> Setting | None:
    """Return a setting by its name in `wandb.Settings`; None if nobody has set it.

    Args:
        name: for example `mode` or `base_url`.
        environment: that of the client's process.
        folder: where that process starts; by default, where this one is.
    """
    variable = f"WANDB_{name.upper()}"
    if variable in environment:
        return Setting(environment[variable], variable)
    return in_files(name, environment, folder)


def in_files(
    name: str, environment: Mapping[str, str] = os.environ, folder: Path | None = None
) -> Setting | None:
    """Return what a settings file says; None if none does.  The arguments are those of `find`."""
    from wandb.sdk.lib.settings_file import SettingsFiles

    for file in _files(environment, folder or Path.cwd()):
        if value := SettingsFiles(global_settings=None, local_settings=file).all().get(name):
            return Setting(value, file=file)
    return None


def _files(environment: Mapping[str, str], folder: Path) -> list[Path]:
    """Return the paths of the settings files, those that win first."""
    import wandb

    of_user = Path(environment.get("WANDB_CONFIG_DIR") or "~/.config/wandb").expanduser()
    return [Path(wandb.Settings(root_dir=str(folder)).settings_workspace), of_user / "settings"]
