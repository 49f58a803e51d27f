"""Save a sweep's definition in a file that `load` reads, without overwriting anybody's work."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from workshop import files
from workshop.define.linter import check
from workshop.errors import WorkshopError
from workshop.paths import ROOT, shown


def as_yaml(config: Mapping[str, Any]) -> str:
    """Return a definition as the text of a file such as `configs/sweep_config.yaml`."""
    return yaml.safe_dump(dict(config), sort_keys=False, default_flow_style=None, width=90)


def save(config: Mapping[str, Any], path: str | Path, overwrite: bool = False) -> Path:
    """Write a sweep configuration to a YAML file, for `load`, `wandb sweep` and an editor.

    Saving again replaces the file only if it is as `save` has left it.  Its first line holds a
    checksum for that: whoever edits the file makes it their own.

    Args:
        config: the sweep configuration.
        path: the file; a relative path is one in the clone.
        overwrite: whether to replace a file that `save` didn't write, or that was edited since.

    Returns:
        The file's absolute path.

    Raises:
        WorkshopError: `check` finds something in the configuration, the file would be overwritten,
            or it can't be written.
    """
    check(config)
    file = ROOT / path
    if file.is_dir():
        raise WorkshopError(
            f"{str(path)!r} is a folder: name a file in it, such as configs/my_sweep.yaml"
        )
    try:
        text = _signed(as_yaml(config))
    except yaml.YAMLError as error:
        raise WorkshopError(
            f"the sweep configuration cannot be written as YAML ({error}): use lists and plain "
            "numbers and texts, such as float(x) for a number of numpy"
        ) from error
    with files.writing(file, "choose a file in a folder of yours"):
        if not overwrite and file.exists() and not _is_untouched(file):
            raise WorkshopError(
                f"{shown(file)} was edited, or written by something else, so it is kept: choose "
                "another name, or call save with overwrite=True"
            )
        files.write(file, text)
    return file


def _signed(text: str) -> str:
    """Return a text below a line with its checksum."""
    checksum = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
    return f"# Saved by the Sweep Workshop, which keeps your edits (checksum {checksum}).\n{text}"


def _is_untouched(file: Path) -> bool:
    """Return whether a file is as `save` has left it."""
    text = file.read_text(encoding="utf-8", errors="replace")
    return text == _signed(text.partition("\n")[2])
