import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workshop.execute import numbered_notebooks

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    """Start `workshop lab` as a user would; yield the address that JupyterLab prints."""
    folder = tmp_path_factory.mktemp("lab")
    log = folder / "log"
    command = [Path(sys.executable).parent / "workshop", "lab", "--no-browser", "--port=0"]
    environment = os.environ | {"WORKSHOP_HOME": str(folder / "home")}
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--allow-root"], env=environment, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/\S*token=\w+", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield found.group()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    store = folder / "home" / "server"
    assert not (store / "server.json").exists(), "the local server was left running"


@pytest.mark.parametrize("path", numbered_notebooks(), ids=lambda path: path.stem)
def test_stored_notebook_opens_without_errors(lab, page, path):
    page.goto(lab)
    page.goto(re.sub(r"/lab.*", f"/lab/tree/notebooks/{path.name}", lab))
    page.wait_for_selector(".jp-Notebook .jp-RenderedMarkdown h1")
    assert page.locator(".jp-Notebook .jp-RenderedMarkdown h1").first.inner_text()
    assert page.get_by_text("Traceback").count() == 0


def test_figures_are_drawn(lab, page):
    page.goto(lab)
    page.goto(re.sub(r"/lab.*", "/lab/tree/notebooks/04_analyze_runs.ipynb", lab))
    page.wait_for_selector(".jp-Notebook h1")
    page.locator("text=Parallel coordinates").first.scroll_into_view_if_needed()
    page.wait_for_selector(".js-plotly-plot .main-svg", timeout=30_000)


def test_a_notebook_runs_in_the_browser(lab, page):
    """Run notebook 00 as a participant does, and see what it says about this machine."""
    page.goto(lab)
    page.goto(re.sub(r"/lab.*", "/lab/tree/notebooks/00_check_your_setup.ipynb", lab))
    page.wait_for_selector(".jp-Notebook h1")
    page.click("text=Run >> nth=0")
    page.click("text=Run All Cells")
    page.wait_for_selector("text=entity local", timeout=90_000)
