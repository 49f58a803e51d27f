"""The settings of a process's `wandb` client: from its environment, or else from settings files.

The client reads two files.  `wandb offline` and `wandb init` write `wandb/settings` in the
process's working directory, regardless of `WANDB_DIR`.  `wandb login --host` writes
`~/.config/wandb/settings`.  The first file wins, and the environment wins over both.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workshop._compat import settings_in_file
from workshop.paths import shown


@dataclass(frozen=True)
class Setting:
    """A setting of the client.

    Attributes:
        value: its value.
        variable: the environment variable that sets it; "" if a file does.
        file: the settings file that sets it; None if a variable does.
    """

    value: str
    variable: str = ""
    file: Path | None = None

    @property
    def place(self) -> str:
        """The place where it was set, as messages name it."""
        return shown(self.file) if self.file else self.variable


def find(
    name: str, environment: Mapping[str, str] = os.environ, folder: Path | None = None
) -> Setting | None:
    """Return a setting by its name in `wandb.Settings`; None if it isn't set.

    Args:
        name: for example `mode` or `base_url`.
        environment: the environment of the client's process.
        folder: that process's working directory; by default, this one's.
    """
    variable = f"WANDB_{name.upper()}"
    if variable in environment:
        return Setting(environment[variable], variable)
    return in_files(name, environment, folder)


def in_files(
    name: str, environment: Mapping[str, str] = os.environ, folder: Path | None = None
) -> Setting | None:
    """Return a setting from the settings files, or None.  The arguments are those of `find`."""
    for file in _files(environment, folder or Path.cwd()):
        if value := settings_in_file(file).get(name):
            return Setting(value, file=file)
    return None


def _files(environment: Mapping[str, str], folder: Path) -> list[Path]:
    """Return the paths of the settings files, in order of precedence."""
    import wandb

    of_user = Path(environment.get("WANDB_CONFIG_DIR") or "~/.config/wandb").expanduser()
    return [Path(wandb.Settings(root_dir=str(folder)).settings_workspace), of_user / "settings"]
