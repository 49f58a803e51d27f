"""What a copy of the kit was made from: the version, and a digest of each file.

An update compares these digests with the files of the copy and of the kit, to find out who has
changed what (`workshop.classroom.updates`).
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from workshop import __version__
from workshop.files import write as write_file
from workshop.stored_outputs import MARK

FILE = ".manifest.json"
"""The file of a copy that records its manifest; copies made by older versions have none."""

# What Jupyter writes into metadata when it saves or runs a notebook: the kernel, the state of
# widgets, when a cell ran, and which parts are folded.
_BY_JUPYTER = frozenset({"kernelspec", "language_info", "widgets", MARK})
_BY_JUPYTER_IN_CELLS = frozenset({"collapsed", "execution", "jupyter", "scrolled", "trusted"})

# The errors for a file that is no notebook, whatever its name says.
_NOT_A_NOTEBOOK = (ValueError, LookupError, TypeError, AttributeError)


def digest(file: Path) -> str:
    """Return the SHA-256 digest of a file; for a notebook, of what people write in it.

    That's the type, source, attachments and metadata of each cell, and the notebook's metadata,
    without the metadata that Jupyter writes by itself.  So running a notebook doesn't change its
    digest: outputs, execution counts and cell IDs don't count.

    Raises:
        OSError: the file cannot be read.
    """
    content = file.read_bytes()
    if file.suffix == ".ipynb":
        with suppress(*_NOT_A_NOTEBOOK):
            content = _written(json.loads(content))
    return hashlib.sha256(content).hexdigest()


def has_own_outputs(notebook: Path) -> bool:
    """Return whether a notebook has outputs that aren't the kit's stored ones.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        content = json.loads(notebook.read_bytes())
        if content["metadata"].get(MARK):
            return False
        return any(cell.get("outputs") for cell in content["cells"])
    except _NOT_A_NOTEBOOK:
        return False


def read(folder: Path) -> dict[str, str] | None:
    """Return the digests of the files that a copy was made from; None if there's no record.

    Raises:
        OSError: the record cannot be read.
    """
    try:
        digests: dict[str, str] = json.loads((folder / FILE).read_bytes())["files"]
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return None
    return digests


def write(folder: Path, digests: Mapping[str, str]) -> None:
    """Record the digests of the files that a copy has from the kit.

    Raises:
        OSError: the record cannot be written.
    """
    record = {"version": __version__, "files": dict(sorted(digests.items()))}
    write_file(folder / FILE, json.dumps(record, indent=1) + "\n")


def _written(notebook: dict[str, Any]) -> bytes:
    cells = [
        {
            "type": cell["cell_type"],
            "source": "".join(cell["source"]),  # a text, or a list of its lines
            "attachments": cell.get("attachments") or {},
            "metadata": _chosen(cell["metadata"], _BY_JUPYTER_IN_CELLS),
        }
        for cell in notebook["cells"]
    ]
    metadata = _chosen(notebook["metadata"], _BY_JUPYTER)
    return json.dumps({"cells": cells, "metadata": metadata}, sort_keys=True).encode()


def _chosen(metadata: dict[str, Any], by_jupyter: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key not in by_jupyter}
