"""Execute notebooks in order, each from a fresh kernel, and write what came out as a site.

papermill runs them; this adds what it leaves out: a misspelt parameter is an error instead of
a warning, a failure is told in three lines, and an `index.html` links the results.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import nbclient
import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from workshop.config import closest
from workshop.errors import WorkshopError
from workshop.export import without_widgets, write_html
from workshop.paths import NOTEBOOKS, ROOT, shown

# Others on a shared machine could otherwise listen to the kernel's messages.
ENCRYPTED = Config(KernelManager={"transport_encryption": "auto"})

INDEX = jinja2.Template(
    """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Executed notebooks</title>
<style>body { font: 1.1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto;
padding: 0 1rem } li { margin: .4rem 0 }</style>
<h1>Executed notebooks</h1>
<ol start="0">
{%- for notebook in notebooks %}
<li><a href="{{ notebook.stem }}.html">{{ notebook.title }}</a>
(<a href="{{ notebook.stem }}.ipynb">notebook</a>)</li>
{%- endfor %}
</ol>
</html>
""",
    autoescape=True,
)


def numbered_notebooks() -> list[Path]:
    """Return the notebooks that lie in `notebooks` itself, in their order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def tutorial_notebooks() -> list[Path]:
    """Return the notebooks of the tutorial, 00 to 05; in those after it things break."""
    return [path for path in numbered_notebooks() if path.name < "06"]


def execute(
    notebooks: Sequence[Path], folder: Path, parameters: Mapping[str, Any] | None = None
) -> None:
    """Execute notebooks one after the other into `folder`.

    Args:
        notebooks: the notebooks, in their order.
        folder: is made; receives an `.ipynb` and an `.html` per notebook and an `index.html`.
        parameters: values for the notebooks' tagged `parameters` cells; each notebook gets
            those that it declares.

    Raises:
        WorkshopError: no notebook declares one of the parameters, or a cell failed.  What was
            executed up to there is in `folder`.
    """
    declared = {notebook: papermill.inspect_notebook(notebook) for notebook in notebooks}
    _refuse_unknown(parameters or {}, {name for names in declared.values() for name in names})
    folder.mkdir(parents=True)
    executed = []
    try:
        for notebook in notebooks:
            output = folder / notebook.name
            executed.append(output)
            _execute_one(
                notebook,
                output,
                {
                    name: value
                    for name, value in (parameters or {}).items()
                    if name in declared[notebook]
                },
            )
    finally:
        _write_site(folder, [output for output in executed if output.exists()])


def store_outputs(notebooks: Iterable[Path]) -> None:
    """Execute notebooks with their own parameters and store the outputs in them.

    Paths in the clone become relative to it, as they are to a reader.

    Raises:
        WorkshopError: a cell failed; that notebook is left as it was.
    """
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        client = nbclient.NotebookClient(
            notebook, record_timing=False, resources={"metadata": {"path": str(path.parent)}},
            config=ENCRYPTED,
        )  # fmt: skip
        try:
            client.execute()
        except nbclient.exceptions.CellExecutionError as error:
            raise WorkshopError(f"{path.name} failed: {error.ename}: {error.evalue}") from None
        text = nbformat.writes(without_widgets(notebook))
        path.write_text(text.replace(f"{ROOT}/", "") + "\n")


def _execute_one(notebook: Path, output: Path, parameters: Mapping[str, Any]) -> None:
    print(notebook.stem, flush=True)
    try:
        papermill.execute_notebook(
            notebook, output, parameters, kernel_name="python3", cwd=notebook.parent,
            config=ENCRYPTED,
        )  # fmt: skip
    except PapermillExecutionError as error:
        cell = f"cell {error.cell_index}: {error.source.strip().splitlines()[0]}"
        problem = f"{error.ename}: {error.evalue}".splitlines()[0]
    except nbclient.exceptions.DeadKernelError:
        cell = "the cell that was running"
        problem = "the kernel died, most often because memory ran out"
    else:
        return
    raise WorkshopError(
        f"notebook {notebook.name} failed (kept as {shown(output)})\n  {cell}\n  {problem}"
    )


def _refuse_unknown(parameters: Mapping[str, Any], declared: set[str]) -> None:
    for name in parameters:
        if name not in declared:
            raise WorkshopError(
                f"no notebook has the parameter {name!r}{closest(name, declared)}: "
                f"there are {', '.join(sorted(declared))}"
            )


def _write_site(folder: Path, notebooks: Sequence[Path]) -> None:
    """Turn widgets into text, write an HTML page beside each executed notebook, and the index."""
    entries = []
    for path in notebooks:
        notebook = without_widgets(nbformat.read(path, as_version=4))
        nbformat.write(notebook, path)
        write_html(notebook, path.with_suffix(".html"))
        title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
        entries.append({"stem": path.stem, "title": title})
    (folder / "index.html").write_text(INDEX.render(notebooks=entries))
