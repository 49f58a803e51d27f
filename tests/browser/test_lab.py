import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.waiting import patience, wait_for, wait_for_text
from workshop import stored_outputs
from workshop.batch.execution import numbered_notebooks
from workshop.classroom import copies
from workshop.classroom.lab_news import ANNOUNCEMENTS
from workshop.paths import NOTEBOOKS

pytestmark = pytest.mark.browser

STORED = "01_define_the_sweep.ipynb"
"""A notebook with the outputs that it comes with, as in a clone."""
SAVED = "04_analyze_runs.ipynb"
"""A notebook whose user has executed and saved it."""


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    """Start `workshop lab` on a copy of the kit, which it may change; yield the address of it."""
    folder = tmp_path_factory.mktemp("lab")
    kit = copies.copy(folder / "kit")
    shutil.copyfile(NOTEBOOKS / STORED, kit / "notebooks" / STORED)
    saved = nbformat.read(NOTEBOOKS / SAVED, as_version=4)
    stored_outputs.unmark(saved)
    nbformat.write(saved, kit / "notebooks" / SAVED)
    log = folder / "log"
    command = [Path(sys.executable).parent / "workshop", "lab", "--no-browser", "--port=0"]
    environment = os.environ | {"WORKSHOP_HOME": str(folder / "home"), "PYTHONPATH": str(kit)}
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--allow-root"], env=environment, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    try:
        address = r"http://127\.0\.0\.1:\d+/\S*token=\w+"
        yield re.search(address, wait_for_text(log, address, process)).group()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=patience(180))
    store = folder / "home" / "server"
    assert not (store / "server.json").exists(), "the local server was left running"


def open_notebook(page, lab: str, name: str) -> None:
    """Open one notebook alone; `reset` forgets those that were open before."""
    page.goto(lab)
    page.goto(re.sub(r"/lab.*", f"/lab/tree/notebooks/{name}.ipynb?reset", lab))
    page.wait_for_selector(".jp-Notebook h1")


@pytest.mark.parametrize("path", numbered_notebooks(), ids=lambda path: path.stem)
def test_stored_notebook_opens_without_errors(lab, page, path):
    open_notebook(page, lab, path.stem)
    title = page.locator(".jp-Notebook h1").first.inner_text()
    assert title.rstrip("¶").lower().replace(" ", "_") == path.stem[3:]
    assert page.locator(".jp-Dialog").count() == 0


def test_jupyterlab_does_not_ask_whether_to_show_its_news(lab, page):
    open_notebook(page, lab, Path(STORED).stem)
    config = json.loads(page.locator("#jupyter-config-data").text_content())
    assert ANNOUNCEMENTS in config["disabledExtensions"]
    assert page.get_by_text("official Jupyter news").count() == 0


def test_outputs_that_a_notebook_comes_with_are_not_shown(lab, page):
    stored = nbformat.read(NOTEBOOKS / STORED, as_version=4)
    assert any(cell.get("outputs") for cell in stored.cells)
    page.set_viewport_size({"width": 1280, "height": 3000})  # cells out of sight do not exist
    open_notebook(page, lab, Path(STORED).stem)
    page.wait_for_selector(".jp-CodeCell")
    assert page.locator(".jp-OutputArea-output").count() == 0


def test_figure_becomes_interactive_under_the_mouse(lab, page):
    open_notebook(page, lab, Path(SAVED).stem)
    figure = page.locator(".jp-RenderedPlotly, .js-plotly-plot, .plotly-container").first
    figure.scroll_into_view_if_needed()
    figure.hover()
    page.wait_for_selector(".main-svg")


def test_figure_is_unfolded_in_words_by_keyboard(lab, page):
    open_notebook(page, lab, Path(SAVED).stem)
    page.locator(".jp-RenderedPlotly").first.scroll_into_view_if_needed()
    page.locator("summary", has_text="The figure in words").first.focus()
    words = page.get_by_text("Learning curves of 8 runs, by Epoch").first
    assert not words.is_visible()
    page.keyboard.press("Enter")
    assert words.is_visible()


def test_notebook_runs_in_the_browser(lab, page):
    """Run notebook 00 as a participant does, until it has connected to the server."""
    page.set_viewport_size({"width": 1280, "height": 3000})  # cells out of sight do not exist
    open_notebook(page, lab, "00_check_your_setup")
    page.wait_for_selector("text=/Python 3 .* Idle/")  # a kernel that starts may not restart
    page.click(".lm-MenuBar-itemLabel >> text=Run")
    page.click("text=Restart Kernel and Run All Cells")
    page.click('.jp-Dialog button:has-text("Restart")')
    page.wait_for_selector("text=/local server at .*lab0.home.server/")


def test_a_terminal_finds_the_kits_commands(lab, page, tmp_path):
    page.goto(lab)
    page.click(".lm-MenuBar-itemLabel >> text=File")
    page.hover(".lm-Menu-itemLabel >> text=/^New$/")
    page.click(".lm-Menu-itemLabel >> text=/^Terminal$/")
    page.click(".jp-Terminal-body")
    file = tmp_path / "found"
    page.keyboard.type(f"command -v workshop > {file}; echo done >> {file}\n")
    wait_for(lambda: file.exists() and "done" in file.read_text())
    assert file.read_text() == f"{Path(sys.executable).parent}/workshop\ndone\n"
