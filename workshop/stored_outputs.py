"""The outputs that the kit's notebooks are stored with, for readers of the repository.

Somebody who works with such a notebook would mistake them for their own: after a reload while a
cell runs, another sweep's results are below it.  So the notebook is marked, and whatever opens or
copies it for work leaves the stored outputs out.
"""

import nbformat

MARK = "stored_outputs"
"""The key in a notebook's metadata that marks its outputs as the kit's."""


def mark(notebook: nbformat.NotebookNode) -> None:
    """Mark a notebook's outputs as the kit's."""
    notebook.metadata[MARK] = True


def unmark(notebook: nbformat.NotebookNode) -> bool:
    """Remove the mark, so that the outputs count as the user's; return whether there was one."""
    return notebook.metadata.pop(MARK, False)


def remove(notebook: nbformat.NotebookNode) -> None:
    """Remove the outputs that came with the kit, and the mark; keep other outputs."""
    if unmark(notebook):
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
