"""The widgets in JupyterLab, as a participant uses them."""

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from sweepserver.people.keys import key_file, read_key
from tests.browser.lab import choose, reopen, save
from tests.fixtures.browser import PAGE_DEADLINE_MS
from tests.notebooks import write_notebook
from tests.server.poster import Poster
from tests.waiting import patience, wait_for, wait_for_text
from workshop.analyze.snapshot import look
from workshop.connection import local_server
from workshop.define import load
from workshop.paths import ROOT

pytestmark = pytest.mark.browser

METRIC = "Validation Accuracy"
FORM = """\
from workshop.define.definition import load
from workshop.widgets import sweep_form
form = sweep_form(load("configs/sweep_config.yaml"))
form"""
PICK = """\
from workshop.analyze import fetch_runs
from workshop.widgets import pick_runs
pick_runs(fetch_runs(sweep), ["optimizer"], "Validation Accuracy", keys=("Epoch", "{metric}"))"""
WATCH = """\
from workshop.widgets import watch
view = watch(sweep, every=0.5)
view"""
BUSY = "print('be' + 'gun'); import time; time.sleep(600)"

# Controls without a name that a screen reader could say.
NAMELESS = """() => [...document.querySelectorAll(
  '.jp-OutputArea :is(input, select, textarea, button)')]
  .filter(control => control.offsetParent)
  .filter(control => !(control.innerText || control.getAttribute('aria-label')
    || [...control.labels ?? []].map(label => label.innerText).join('').trim()))
  .map(control => control.outerHTML)"""

# Widgets that reach beyond the cell that they are in.
TOO_WIDE = """() => [...document.querySelectorAll('.jp-OutputArea-output')]
  .filter(output => output.scrollWidth > output.clientWidth + 1)
  .map(output => output.innerText.slice(0, 60))"""


@pytest.fixture(scope="module")
def client(browser, server):
    key = read_key(key_file(local_server.store(), "local"))
    return Poster(SimpleNamespace(url=server.url, key=key))


@pytest.fixture(scope="module")
def lab(browser, server, tmp_path_factory):
    """Start JupyterLab in a folder of its own; yield the folder and the address."""
    folder = tmp_path_factory.mktemp("widgets")
    log = folder / "log"
    command = [sys.executable, "-m", "jupyterlab", "--notebook-dir", folder, "--no-browser"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("WANDB_SERVICE", None)
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--port=0", "--allow-root"], env=environment, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        address = r"http://127\.0\.0\.1:\d+/\S*token=\w+"
        yield folder, re.search(address, wait_for_text(log, address, process)).group()
    finally:
        process.terminate()
        process.wait(timeout=patience(180))


@pytest.fixture
def run(lab, page, client, request):
    """Runs cells in JupyterLab over a sweep of eight runs, whose path it returns."""
    folder, address = lab
    project = request.node.name.replace("_", "-")[-40:].strip("-")
    sweep = f"local/{project}/{client.sweep_of_eight(project)}"
    page.set_viewport_size({"width": 1280, "height": 2000})  # cells out of sight do not exist
    page.on("dialog", lambda dialog: dialog.accept())  # the browser asks before it leaves

    def run(*cells: str) -> str:
        write_notebook(folder / f"{project}.ipynb", f"sweep = {sweep!r}", *cells)
        page.goto(address)
        reopen(page, f"{address.partition('/lab')[0]}/lab/tree/{project}.ipynb?reset")
        choose(page, "Run", "Run All Cells")
        return sweep

    return run


def test_a_form_is_filled_in_by_keyboard_and_read_at_any_width(run, page, lab):
    run(FORM)
    page.wait_for_selector(".jupyter-widgets >> text=8 runs (4 of learning_rate")
    values = page.get_by_label("values", exact=True).first
    values.focus()
    page.keyboard.press("End")
    page.keyboard.type(", 0.1")
    page.wait_for_selector(".jupyter-widgets >> text=lists 0.1 2 times: list every value once")
    page.keyboard.press("Backspace")
    page.wait_for_selector(".jupyter-widgets >> text=parameter 'learning_rate' is 0.0")
    page.keyboard.type("2")
    page.wait_for_selector(".jupyter-widgets >> text=10 runs (5 of learning_rate times 2")
    page.wait_for_selector(".jupyter-widgets >> text=[0.1, 0.01, 0.001, 0.0001, 0.2]")
    file = lab[0] / "my_sweep.yaml"
    page.get_by_label("File", exact=True).fill(str(file))
    # On a busy machine, the click has overtaken the name on the way to the kernel.
    page.wait_for_selector(f".jupyter-widgets >> text=Not saved yet: {file}")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # Save
    page.wait_for_selector(f'.jupyter-widgets >> text=Saved. Use it with load("{file}")')
    assert load(file)["parameters"]["learning_rate"]["values"][-1] == 0.2
    values.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # Remove
    page.wait_for_selector(".jupyter-widgets >> text=2 runs (2 of optimizer)")
    page.get_by_label("Method").select_option("random")
    page.wait_for_selector(".jupyter-widgets >> text=The sweep never ends")
    assert page.evaluate(NAMELESS) == []
    page.set_viewport_size({"width": 600, "height": 2000})
    wait_for(lambda: page.evaluate(TOO_WIDE) == [])


def test_selected_runs_are_drawn(run, page):
    run(PICK.format(metric=METRIC))
    lines = page.locator(".jupyter-widgets .main-svg .scatterlayer .trace")
    wait_for(lambda: lines.count() == 3)
    page.get_by_label("trial-8").focus()
    page.keyboard.press("Space")
    wait_for(lambda: lines.count() == 4)
    page.click("text=Clear selection")
    page.wait_for_selector("text=Select a run to see its curves")
    assert page.evaluate(NAMELESS) == []
    page.set_viewport_size({"width": 600, "height": 2000})
    wait_for(lambda: page.evaluate(TOO_WIDE) == [])


def test_a_sweep_is_watched_and_stopped_while_a_cell_runs(run, page, client):
    path = run(WATCH, BUSY)
    page.wait_for_selector("text=begun")
    project = path.split("/")[1]
    page.wait_for_selector(".jupyter-widgets td >> text=running")
    row = {"_step": 3, "Epoch": 3, METRIC: 99}
    client.post(project, f"{project}-r7", [row], offset=2)
    page.wait_for_selector(".jupyter-widgets td >> text=3 of 4")
    page.get_by_role("button", name="Stop the sweep").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".jupyter-widgets >> text=The sweep is stopped")
    assert look(path).closed
    assert page.evaluate(NAMELESS) == []
    page.set_viewport_size({"width": 600, "height": 2000})
    wait_for(lambda: page.evaluate(TOO_WIDE) == [])


def test_a_view_outlives_its_page_and_its_kernel(run, page, client, browser, lab):
    path = run(WATCH)
    page.wait_for_selector(".jupyter-widgets >> text=7 of 8 runs ended")
    save(page)
    reopen(page)
    project = path.split("/")[1]
    client.post(project, f"{project}-r7", [], complete=True, exitcode=0)
    page.wait_for_selector(".jupyter-widgets >> text=8 of 8 runs ended")

    page.evaluate("document.querySelectorAll('.jupyter-widgets').forEach(e => e.id = 'before')")
    choose(page, "Run", "Restart Kernel and Run All Cells…")
    page.click('.jp-Dialog button:has-text("Restart")')
    page.wait_for_selector(".jupyter-widgets:not(#before) >> text=nothing more will change")
    page.wait_for_selector("text=/Python 3.* Idle/")
    assert page.locator(".jupyter-widgets >> text=8 of 8 runs ended").count() == 1
    save(page)
    choose(page, "Kernel", "Shut Down Kernel")
    page.wait_for_selector("text=/No Kernel/")
    later = browser.new_page()  # in which JupyterLab itself has an error: no such widget
    later.set_default_timeout(PAGE_DEADLINE_MS)
    later.goto(lab[1])
    reopen(later, page.url.partition("?")[0] + "?reset")
    later.wait_for_selector("text=Error displaying widget")
    later.click("summary >> text=As text")
    later.locator("details >> text=8 of 8 runs ended").wait_for()
    later.close()
