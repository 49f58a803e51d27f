"""Put what is no package into the wheel: notebooks, configurations and documents.

`pyproject.toml` has all else.  There they become `workshop/kit`, of which `workshop copy` and
`workshop lab` make a participant's copy.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PARTS = ("README.md", "LICENSE", "LICENSE-text.md", "configs", "docs", "notebooks", "slurm")
LEFT_BY_USE = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")


class BuildWithParts(build_py):
    """Build the packages, and add the other parts of the kit unless this is for an editable one."""

    def run(self) -> None:
        """Build."""
        super().run()
        if self.editable_mode:
            return
        for part in map(Path, PARTS):
            target = Path(self.build_lib, "workshop", "kit", part)
            target.parent.mkdir(exist_ok=True)
            if part.is_dir():
                shutil.copytree(part, target, ignore=LEFT_BY_USE, dirs_exist_ok=True)
            else:
                shutil.copyfile(part, target)


setup(cmdclass={"build_py": BuildWithParts})
