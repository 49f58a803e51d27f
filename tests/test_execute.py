import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from workshop.errors import WorkshopError
from workshop.execute import execute, numbered_notebooks, store_outputs, tutorial_notebooks


def write_notebook(path, *sources):
    cells = [new_markdown_cell(f"# About {path.stem}")]
    for number, source in enumerate(sources):
        cells.append(new_code_cell(source, metadata={"tags": ["parameters"]} if not number else {}))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path


def test_notebooks_run_in_order_and_become_a_site(tmp_path):
    notebooks = [
        write_notebook(tmp_path / "00_first.ipynb", "rate = 1", "print('rate', rate)"),
        write_notebook(tmp_path / "01_second.ipynb", "other = 2", "print('<b>other</b>', other)"),
    ]
    execute(notebooks, tmp_path / "out", {"rate": 0.5})

    first = nbformat.read(tmp_path / "out" / "00_first.ipynb", as_version=4)
    assert first.cells[-1].outputs[0].text == "rate 0.5\n"
    assert "&lt;b&gt;other&lt;/b&gt; 2" in (tmp_path / "out" / "01_second.html").read_text()
    index = (tmp_path / "out" / "index.html").read_text()
    assert index.index("About 00_first") < index.index("About 01_second")
    assert 'href="01_second.html"' in index


def test_failing_cell_stops_with_notebook_cell_and_error(tmp_path):
    notebooks = [
        write_notebook(tmp_path / "00_bad.ipynb", "rate = 1", "x = 5\nx / 0", "print('later')"),
        write_notebook(tmp_path / "01_after.ipynb", "rate = 2"),
    ]
    with pytest.raises(WorkshopError) as raised:
        execute(notebooks, tmp_path / "out")
    lines = str(raised.value).splitlines()
    assert len(lines) == 3
    assert "00_bad.ipynb" in lines[0]
    assert "x = 5" in lines[1]
    assert lines[2].strip() == "ZeroDivisionError: division by zero"
    kept = nbformat.read(tmp_path / "out" / "00_bad.ipynb", as_version=4)
    assert any(o.output_type == "error" for c in kept.cells for o in c.get("outputs", []))
    assert not (tmp_path / "out" / "01_after.ipynb").exists()


def test_kernel_that_dies_is_named(tmp_path):
    notebook = write_notebook(tmp_path / "00_dead.ipynb", "import os; os._exit(1)")
    with pytest.raises(WorkshopError, match=r"00_dead.*\n.*\n.*kernel died"):
        execute([notebook], tmp_path / "out")


def test_unknown_parameter_is_an_error_before_anything_runs(tmp_path):
    notebook = write_notebook(tmp_path / "00_first.ipynb", "rate = 1")
    with pytest.raises(WorkshopError, match=r"'rats' \(did you mean 'rate'\?\)"):
        execute([notebook], tmp_path / "out", {"rats": 2})
    assert not (tmp_path / "out").exists()


def test_outputs_are_stored_without_times(tmp_path):
    notebook = write_notebook(tmp_path / "00_first.ipynb", "rate = 1", "print('rate', rate)")
    store_outputs([notebook])
    cell = nbformat.read(notebook, as_version=4).cells[-1]
    assert cell.outputs[0].text == "rate 1\n"
    assert "execution" not in cell.metadata


def test_notebook_that_fails_is_left_as_it_was(tmp_path):
    notebook = write_notebook(tmp_path / "00_bad.ipynb", "1 / 0")
    before = notebook.read_bytes()
    with pytest.raises(WorkshopError, match=r"00_bad\.ipynb failed: ZeroDivisionError"):
        store_outputs([notebook])
    assert notebook.read_bytes() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_no_kernel_is_left_behind(tmp_path, number):
    """Interrupt an execution; the kernel's process is gone."""
    source = f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
    write_notebook(tmp_path / "00_long.ipynb", source, "time.sleep(300)")
    program = (
        "import sys\nfrom pathlib import Path\nfrom workshop import cli, execute\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "def notebooks(): execute.execute([folder / '00_long.ipynb'], folder / 'out')\n"
        "cli.notebooks = notebooks\n"
        "sys.exit(cli.main(['notebooks']))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    kernel = tmp_path / "pid"
    deadline = time.monotonic() + 60
    while not (kernel.exists() and kernel.read_text()) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(timeout=60) == 128 + number
    with pytest.raises(ProcessLookupError):
        os.kill(int(kernel.read_text()), 0)


def test_the_failure_lab_is_numbered_but_no_part_of_the_tutorial():
    tutorial = ["00", "01", "02", "03", "04", "05"]
    assert [path.name[:2] for path in tutorial_notebooks()] == tutorial
    assert [path.name[:2] for path in numbered_notebooks()] == [*tutorial, "06"]
