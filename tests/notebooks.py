"""Small notebooks that tests write for themselves."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


def write_notebook(path: Path, *sources: str) -> Path:
    """Write a notebook with a heading and code cells, the first of which holds its parameters."""
    cells = [new_markdown_cell(f"# About {path.stem}")]
    for number, source in enumerate(sources):
        cells.append(new_code_cell(source, metadata={"tags": ["parameters"]} if not number else {}))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path
