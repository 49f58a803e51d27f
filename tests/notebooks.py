"""Small notebooks that tests write for themselves, and those of the kit at a smaller scale."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from workshop.exercises import JUDGES


def write_notebook(path: Path, *sources: str) -> Path:
    """Write a notebook with a heading and code cells, the first of which holds its parameters."""
    cells = [new_markdown_cell(f"# About {path.stem}")]
    for number, source in enumerate(sources):
        cells.append(new_code_cell(source, metadata={"tags": ["parameters"]} if not number else {}))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path


def exercise_numbers(path: Path) -> list[str]:
    """Return the numbers of the exercises in a file, such as 1.1."""
    step = int(path.name[:2])
    return [number for number in JUDGES if number.startswith(f"{step}.")]


def at_scale(scale: str, notebook: Path, folder: Path) -> Path:
    """Copy a notebook of the kit into a folder, with another scale among its parameters."""
    copied = nbformat.read(notebook, as_version=4)
    for cell in copied.cells:
        cell.source = cell.source.replace('scale = "smoke"', f'scale = "{scale}"')
    nbformat.write(copied, folder / notebook.name)
    return folder / notebook.name
