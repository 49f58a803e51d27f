"""Make the exercises from their solutions, so that neither drifts from the other.

A solution is a notebook that runs.  A code cell tagged `solution` holds what a learner is to
write; its metadata key `starter` holds what the learner finds in its place.  Everything else
is the same in both.
"""

from pathlib import Path

import nbformat

from workshop.errors import WorkshopError
from workshop.paths import NOTEBOOKS, shown

SOLUTIONS = NOTEBOOKS / "solutions"
EXERCISES = NOTEBOOKS / "exercises"
TAG = "solution"


def solutions() -> list[Path]:
    """Return the notebooks with solutions, in their order."""
    return sorted(SOLUTIONS.glob("*.ipynb"))


def exercise(solution: Path) -> str:
    """Return the text of the exercise that belongs to a solution.

    Raises:
        WorkshopError: a cell tagged `solution` has no starter.
    """
    notebook = nbformat.read(solution, as_version=4)
    for cell in notebook.cells:
        if TAG in cell.metadata.get("tags", []):
            if not cell.metadata.get("starter"):
                raise WorkshopError(
                    f"{shown(solution)}: the solution {cell.source.splitlines()[0]!r} has no "
                    "starter: add the key `starter` to the cell's metadata"
                )
            cell.source = cell.metadata.pop("starter")
            cell.metadata.tags.remove(TAG)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.writes(notebook) + "\n"


def write() -> list[Path]:
    """Write the exercise of every solution; return the files."""
    EXERCISES.mkdir(exist_ok=True)
    written = []
    for solution in solutions():
        written.append(EXERCISES / solution.name)
        written[-1].write_text(exercise(solution), encoding="utf-8")
    return written
