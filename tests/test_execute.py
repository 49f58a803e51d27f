import nbformat
import pytest

from tests.notebooks import write_notebook
from workshop import cli
from workshop.batch.execution import execute, numbered_notebooks, store_outputs, tutorial_notebooks
from workshop.errors import WorkshopError


def test_parameters_replace_the_notebook_s_own_and_cells_are_told(tmp_path):
    notebook = write_notebook(tmp_path / "00_first.ipynb", "rate = 1", "print('rate', rate)")
    before = notebook.read_bytes()
    told = []
    execute(notebook, tmp_path / "out.ipynb", {"rate": 0.5}, told.append)
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert executed.cells[-1].outputs[0].text == "rate 0.5\n"
    assert [told[0], told[-1]] == ["rate = 1", "print('rate', rate)"]
    assert notebook.read_bytes() == before


def test_failing_cell_is_named_with_its_error_and_kept(tmp_path):
    sources = "rate = 1", "x = 5\nx / 0", "print('later')"
    notebook = write_notebook(tmp_path / "00_bad.ipynb", *sources)
    with pytest.raises(WorkshopError) as raised:
        execute(notebook, tmp_path / "out.ipynb", {}, str)
    lines = str(raised.value).splitlines()
    assert len(lines) == 3
    assert "00_bad.ipynb" in lines[0]
    assert "x = 5" in lines[1]
    assert lines[2].strip() == "ZeroDivisionError: division by zero"
    kept = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert any(o.output_type == "error" for c in kept.cells for o in c.get("outputs", []))


def test_kernel_that_dies_is_named(tmp_path):
    notebook = write_notebook(tmp_path / "00_dead.ipynb", "import os; os._exit(1)")
    with pytest.raises(WorkshopError, match=r"00_dead.*\n.*\n.*kernel died"):
        execute(notebook, tmp_path / "out.ipynb", {}, str)


def test_kernel_that_does_not_start_is_told(tmp_path, monkeypatch):
    folder = tmp_path / "kernels/python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text('{"argv": ["false"], "display_name": "x"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    notebook = write_notebook(tmp_path / "00_first.ipynb", "rate = 1")
    with pytest.raises(
        WorkshopError, match=r"00_first.*\n  before the first cell\n  no kernel could be started"
    ):
        execute(notebook, tmp_path / "out.ipynb", {}, str)


def test_outputs_are_stored_without_times(tmp_path):
    notebook = write_notebook(tmp_path / "00_first.ipynb", "rate = 1", "print('rate', rate)")
    store_outputs([notebook])
    cell = nbformat.read(notebook, as_version=4).cells[-1]
    assert cell.outputs[0].text == "rate 1\n"
    assert "execution" not in cell.metadata


def test_the_command_stores_the_outputs_of_the_notebooks_that_are_named(tmp_path):
    named, other = (
        write_notebook(tmp_path / f"{name}.ipynb", "1 + 1") for name in ("00_named", "01_other")
    )
    assert cli.main(["notebooks", str(named)]) == 0
    assert nbformat.read(named, as_version=4).cells[-1].outputs
    assert not nbformat.read(other, as_version=4).cells[-1].outputs


def test_notebook_that_fails_is_left_as_it_was(tmp_path):
    notebook = write_notebook(tmp_path / "00_bad.ipynb", "1 / 0")
    before = notebook.read_bytes()
    with pytest.raises(WorkshopError, match=r"00_bad\.ipynb failed: ZeroDivisionError"):
        store_outputs([notebook])
    assert notebook.read_bytes() == before


def test_the_failure_lab_is_numbered_but_no_part_of_the_tutorial():
    tutorial = ["00", "01", "02", "03", "04", "05"]
    assert [path.name[:2] for path in tutorial_notebooks()] == tutorial
    assert [path.name[:2] for path in numbered_notebooks()] == [*tutorial, "06", "07", "08"]
