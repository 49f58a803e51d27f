"""Find a notebook, and execute it in a new kernel: a copy with parameters, or in place."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from sweepserver.search.values import closest
from workshop import stored_outputs
from workshop.analyze.plots.export import without_widgets
from workshop.errors import WorkshopError
from workshop.paths import NOTEBOOKS, ROOT, shown

KERNELS = Config(
    # On a shared machine, others could otherwise read the kernel's messages.
    KernelManager={"transport_encryption": "auto"},
    # On a busy one, outputs come seconds after the reply to their cell.
    NotebookClient={"iopub_timeout": 120, "startup_timeout": 300},
)


def numbered_notebooks() -> list[Path]:
    """Return the numbered notebooks in `notebooks`, in their order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def tutorial_notebooks() -> list[Path]:
    """Return the notebooks of the tutorial, 00 to 05; the later ones are optional."""
    return [path for path in numbered_notebooks() if path.name < "06"]


def find(words: Sequence[str]) -> list[Path]:
    """Find notebooks by number, name or file; by default, return those of the tutorial.

    Args:
        words: numbers (`03`), names (`03_run_agents`) or files (`mine/question.ipynb`).

    Raises:
        WorkshopError: there is no such notebook.
    """
    return [_find(word) for word in words] or tutorial_notebooks()


def _find(word: str) -> Path:
    if word.endswith(".ipynb"):
        if not Path(word).is_file():
            raise WorkshopError(f"there is no notebook {word!r}: give its path from here")
        return Path(word).absolute()
    names = {path.stem: path for path in numbered_notebooks()}
    numbers = {path.name[:2]: path for path in numbered_notebooks()}
    try:
        return (names | numbers)[word]
    except KeyError:
        raise WorkshopError(
            f"there is no notebook {word!r}{closest(word, names)}: use one of {', '.join(names)}"
        ) from None


def execute(
    notebook: Path, output: Path, parameters: Mapping[str, Any], on_cell: Callable[[str], None]
) -> None:
    """Execute one notebook in its own kernel, in its own folder.

    Args:
        notebook: the notebook, which isn't changed.
        output: the executed notebook; written after every cell, so that a failure is kept.
        parameters: values that replace those of the tagged cell `parameters`.
        on_cell: is called with the source of each code cell before it runs.

    Raises:
        WorkshopError: a cell failed, or the kernel died; three lines name the notebook, the
            cell and the error.
    """

    def begin(cell: nbformat.NotebookNode, cell_index: int) -> None:
        on_cell(cell.source)

    try:
        papermill.execute_notebook(
            notebook, output, parameters, kernel_name="python3", cwd=notebook.parent,
            config=KERNELS, start_timeout=KERNELS.NotebookClient.startup_timeout,
            progress_bar=False, on_cell_execute=begin,
        )  # fmt: skip
    except PapermillExecutionError as error:
        cell = f"cell {error.cell_index}: {error.source.strip().splitlines()[0]}"
        problem = f"{error.ename}: {error.evalue}".splitlines()[0]
    except nbclient.exceptions.DeadKernelError:
        cell = "the cell that was running"
        problem = "the kernel died, usually because it ran out of memory"
    except (RuntimeError, TimeoutError) as error:
        cell = "before the first cell"
        problem = f"no kernel could be started: {error}".splitlines()[0]
    else:
        return
    raise WorkshopError(
        f"notebook {notebook.name} failed (kept as {shown(output)})\n  {cell}\n  {problem}"
    )


def store_outputs(notebooks: Iterable[Path]) -> None:
    """Execute notebooks with their own parameters and store the outputs in them.

    Paths in the clone become relative to it, as for a reader.

    Raises:
        WorkshopError: a cell failed; that notebook isn't changed.
    """
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        client = nbclient.NotebookClient(
            notebook, record_timing=False, resources={"metadata": {"path": str(path.parent)}},
            config=KERNELS,
        )  # fmt: skip
        try:
            client.execute()
        except nbclient.exceptions.CellExecutionError as error:
            raise WorkshopError(f"{path.name} failed: {error.ename}: {error.evalue}") from None
        stored_outputs.mark(notebook)
        text = nbformat.writes(without_widgets(notebook))
        path.write_text(text.replace(f"{ROOT}/", "") + "\n")
