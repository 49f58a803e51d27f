"""Start an execution, or resume one."""

import os
import re
import sys
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat

from workshop import stored_outputs
from workshop.analyze.plots.export import without_widgets, write_html
from workshop.batch.execution import execute
from workshop.batch.parameters import checked, declared
from workshop.batch.record import Execution, Result, held
from workshop.batch.report import summary, write_index
from workshop.batch.reporter import Reporter
from workshop.connection import backend, mode
from workshop.connection.browser_links import in_browser
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.paths import ROOT, shown
from workshop.run_agents import rehearsal, slurm
from workshop.trainer.config import resolve


def start(
    notebooks: Sequence[Path],
    parameters: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    typed: Mapping[str, str] | None = None,
) -> Path:
    """Execute notebooks one after the other, each in a new kernel.

    Args:
        notebooks: the notebooks, in their order.
        parameters: values for the notebooks' tagged `parameters` cells; each notebook gets
            those that it declares.  By default, `backend` is `local`, and `project` is one of this
            execution's own.
        folder: the folder to create; by default `executed/<time>`.
        typed: the typed text of parameters from the command line, which errors quote.

    Returns:
        The folder, after printing a summary.

    Raises:
        WorkshopError: the client's mode keeps runs from the server, no notebook declares one of
            the parameters, a value has a wrong type, or a cell failed.  After a failure, the folder
            has the notebooks executed so far.
    """
    _check_mode(notebooks)
    names = [notebook.stem for notebook in notebooks]
    for name in names:
        if names.count(name) > 1:
            raise WorkshopError(f"two notebooks are named {name}: execute them one at a time")
    types = {notebook: declared(notebook) for notebook in notebooks}
    parameters = dict(parameters or {})
    checked(parameters, types, typed)
    if "scale" in parameters:
        resolve({"scale": parameters["scale"]})
    with backend.session(parameters.get("backend", "local")), rehearsal.session():
        folder = _made(folder)
        own = {"backend": "local", "project": _project(folder)}
        known = {name for declared in types.values() for name in declared}
        parameters = {name: own[name] for name in own if name in known} | parameters
        values = checked(parameters, types)
        results = [
            Result(_relative(notebook), _title(notebook), values[notebook])
            for notebook in notebooks
        ]
        return _go_on(Execution(folder, parameters, results))


def resume(folder: Path) -> Path:
    """Resume an execution that was interrupted, or in which a notebook failed.

    Raises:
        WorkshopError: the client's mode keeps runs from the server, there is no execution in the
            folder, it has already finished or is running, a notebook no longer accepts its
            parameters, or a cell failed.
    """
    execution = Execution.load(folder.absolute())
    if execution.outcome == "finished":
        raise WorkshopError(
            f"the execution in {shown(folder)} has already finished: start a new one"
        )
    left = [result for result in execution.results if result.outcome != "finished"]
    for result in left:
        checked(result.parameters, {result.source: declared(result.source)})
    _check_mode([result.source for result in left])
    with backend.session(execution.parameters.get("backend", "local")), rehearsal.session():
        return _go_on(execution)


def _check_mode(notebooks: Iterable[Path]) -> None:
    """Check that runs of the notebooks' kernels, and of agents, are sent to the server."""
    for folder in dict.fromkeys([ROOT, *(notebook.parent for notebook in notebooks)]):
        mode.check(mode.find(folder=folder))


def _go_on(execution: Execution) -> Path:
    folder = execution.folder
    with held(folder):
        print(f"Executing into {shown(folder)}; its index.html shows the progress.", flush=True)
        if any("site" in declared(result.source) for result in execution.results):
            print(slurm.available(execution.parameters.get("site", slurm.AUTO)), flush=True)
        reporter = Reporter(sys.stdout, len(execution.results))
        for position, result in enumerate(execution.results, 1):
            if result.outcome != "finished":
                reporter.begin(position, result.stem, _code_cells(result))
                try:
                    _execute(result, execution, reporter)
                finally:
                    reporter.end(result.outcome)
                    if result.outcome == "interrupted":
                        print(f"To continue: {_again(execution)}", flush=True)
    if execution.sweep:
        print(f"\n{summary(execution.sweep['path'])}")
    print(f"Written to: {shown(folder)}/index.html")
    return folder


def _execute(result: Result, execution: Execution, reporter: Reporter) -> None:
    result.outcome, result.problem = "running", ""
    _note(execution)
    begin = time.monotonic()
    output = execution.folder / f"{result.stem}.ipynb"
    try:
        execute(result.source, output, result.parameters, reporter.cell)
        result.outcome = "finished"
    except WorkshopError as error:
        result.outcome, result.problem = "failed", str(error)
        raise WorkshopError(f"{error}\n  fix it, then continue: {_again(execution)}") from None
    finally:
        if result.outcome == "running":
            result.outcome = "interrupted"
        else:
            _find_sweep(result, execution)
            _write_page(output)
        result.seconds = time.monotonic() - begin
        _note(execution)


def _write_page(path: Path) -> None:
    """Turn the widgets of an executed notebook into text, and write it as an HTML page."""
    if not path.exists():  # the kernel didn't start
        return
    notebook = without_widgets(nbformat.read(path, as_version=4))
    stored_outputs.unmark(notebook)
    nbformat.write(notebook, path)
    write_html(notebook, path.with_suffix(".html"))


def _again(execution: Execution) -> str:
    return f"workshop run --resume {shown(execution.folder)}"


def _note(execution: Execution) -> None:
    execution.save()
    write_index(execution)


def _find_sweep(result: Result, execution: Execution) -> None:
    """Record which sweep a notebook worked on, or registered."""
    if "project" not in result.parameters:
        return
    with suppress(WorkshopError):  # there is no sweep yet
        path = execution.parameters.get("sweep") or registration.newest(
            execution.parameters["project"]
        )
        execution.sweep = {"path": path, "url": in_browser(registration.get(path).url)}


def _made(folder: Path | None) -> Path:
    if folder is None:
        return _dated()
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise WorkshopError(
            f"the folder {shown(folder)} cannot be created ({error.strerror}): give another one, "
            "or continue an execution with --resume"
        ) from None
    return folder.resolve()


def _dated() -> Path:
    """Create a folder that is named after the current time."""
    name = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    folder, number = ROOT / "executed" / name, 1
    while True:  # others may start in the same second
        with suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
        number += 1
        folder = folder.with_name(f"{name}.{number}")


def _project(folder: Path) -> str:
    """Return a unique project name for a folder, because folder names may repeat."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", folder.name)[:64]
    return f"{backend.PROJECT}-{name}-{zlib.crc32(os.fsencode(folder)):08x}"


def _relative(notebook: Path) -> str:
    notebook = notebook.resolve()
    return str(notebook.relative_to(ROOT) if notebook.is_relative_to(ROOT) else notebook)


def _title(notebook: Path) -> str:
    cells = nbformat.read(notebook, as_version=4).cells
    source = next((cell.source for cell in cells if cell.source.startswith("# ")), notebook.stem)
    return source.splitlines()[0].removeprefix("# ")


def _code_cells(result: Result) -> int:
    cells = nbformat.read(result.source, as_version=4).cells
    filled = [cell for cell in cells if cell.cell_type == "code" and cell.source.strip()]
    return len(filled) + bool(result.parameters)  # papermill adds a cell for them
