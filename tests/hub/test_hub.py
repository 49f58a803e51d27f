"""Two participants of a workshop, side by side on JupyterHub."""

import json
import stat
import subprocess
import time
from pathlib import Path

import nbformat
import pytest

from sweepserver.people.keys import key_file, read_key
from tests.hub.lab import Visitor
from tests.hub.running import processes
from tests.notebooks import at_scale
from tests.waiting import wait_for
from workshop.batch.execution import numbered_notebooks

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAMES = [path.stem for path in numbered_notebooks()[:5]]


@pytest.fixture(scope="module")
def visitors(browser, hub, people):
    """Log both in, and let their copies of the kit have runs that are short."""
    with Visitor(browser, hub, people[0]) as ada, Visitor(browser, hub, people[1]) as bob:
        for each in (ada, bob):
            each.log_in()
            make_small(each.copy)
        yield ada, bob


def make_small(copy: Path) -> None:
    """Change the scale, as a participant may, and forget the stored outputs."""
    for file, old, new in (
        ("config.yaml", "scale: smoke", "scale: tiny"),
        ("sweep_config.yaml", "values: [0.1, 0.01, 0.001, 0.0001]", "values: [0.1, 0.01, 0.001]"),
    ):
        path = copy / "configs" / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    for name in NAMES:
        path = copy / "notebooks" / f"{name}.ipynb"
        notebook = nbformat.read(at_scale("tiny", path, path.parent), as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.update(outputs=[], execution_count=None)
        nbformat.write(notebook, path)


def test_the_notebooks_run_and_the_link_leads_to_the_sweep(visitors):
    sweeps = {}
    for name in NAMES:
        begun = time.monotonic()
        for each in visitors:
            each.start(name)
        for each in visitors:
            cells = each.wait_for_end(name)
            print(f"{name}, {each.who.name}: {time.monotonic() - begun:.0f} s")
            CHECKS[name](each, cells, sweeps)


def see_own_server(each: Visitor, cells, sweeps) -> None:
    """Its pages are at the hub, and without a key."""
    assert f"; its pages: {each.base}/proxy/" in printed(cells)
    page = each.follow(each.page.locator(f'.jp-OutputArea a[href*="/proxy/{port(each)}/"]').last)
    page.wait_for_selector("header >> text=local")
    page.close()


def see_form(each: Visitor, cells, sweeps) -> None:
    each.page.wait_for_selector(".jupyter-widgets >> text=6 runs (3 of learning_rate")


def open_sweep(each: Visitor, cells, sweeps) -> None:
    """Follow the link that the notebook shows; the command `wandb sweep` printed such a one."""
    assert f"View sweep at: {each.base}/proxy/{port(each)}/local/" in printed(cells)
    sweeps[each] = each.follow(each.page.locator('.jp-OutputArea a[href*="/sweeps/"]').last)
    assert sweeps[each].url.startswith(f"{each.base}/proxy/{port(each)}/local/sweep-workshop/")
    sweeps[each].wait_for_selector("h1")


def see_runs(each: Visitor, cells, sweeps) -> None:
    """The page that was open meanwhile has followed the runs, and so has the widget."""
    each.page.wait_for_selector(".jupyter-widgets >> text=6 of 6 runs ended")
    sweep = sweeps[each]
    wait_for(lambda: sweep.locator("#runs tbody tr >> text=finished").count() == 6)
    sweep.wait_for_selector("[data-figure=importance] .main-svg")
    sweep.locator("#runs tbody a").first.click()
    sweep.wait_for_selector(".main-svg")
    assert "/runs/" in sweep.url
    assert sweep.url.startswith(each.base)
    sweep.close()


def see_picks(each: Visitor, cells, sweeps) -> None:
    each.page.wait_for_selector(".jupyter-widgets .main-svg .scatterlayer .trace")


CHECKS = dict(zip(NAMES, [see_own_server, see_form, open_sweep, see_runs, see_picks], strict=True))


def test_keys_stay_with_their_owner(visitors):
    ada, bob = visitors
    for one, other in ((ada, bob), (bob, ada)):
        assert private_files(one) > 5
        for path in (one.copy, key_file(store(one), "local")):
            assert "Permission denied" in as_user(other, "cat", path, "/dev/null")
        servers = processes(one.who.name)
        assert len(servers) >= 3, "JupyterLab, kernels, the local server"
        for pid in servers:
            assert "Permission denied" in as_user(other, "cat", f"/proc/{pid}/environ")
            command = Path(f"/proc/{pid}/cmdline").read_text()
            assert read_key(key_file(store(one), "local")) not in command
        # The pages: not by the other's own proxy, nor by the owner's.
        assert one.status(f"{one.base}/proxy/{port(one)}/") == 200
        assert other.status(f"{other.base}/proxy/{port(one)}/") == 401
        for address in ("proxy/{}/", "api/contents", "lab"):
            assert other.status(f"{one.base}/{address.format(port(one))}") == 403


def test_whoever_logs_out_is_out(visitors):
    ada, bob = visitors
    ada.page.goto(f"{ada.base}/lab/tree/notebooks?reset")
    ada.page.wait_for_selector(".jp-DirListing-item")
    ada.log_out()
    for address in ("lab", f"proxy/{port(ada)}/"):
        ada.page.goto(f"{ada.base}/{address}")
        ada.page.wait_for_selector("#username_input")
    assert bob.status(f"{bob.base}/proxy/{port(bob)}/") == 200


def test_the_hub_leaves_nothing_running(visitors, hub, people):
    """The last test of this file: it stops the hub."""
    ours = [pid for who in people for pid in processes(who.name)]
    assert any("sweepserver" in Path(f"/proc/{pid}/cmdline").read_text() for pid in ours)
    hub.stop()
    wait_for(lambda: not any(processes(who.name) for who in people), "nothing runs")


def private_files(each: Visitor) -> int:
    """Count the files of the local server, none of which anybody else can reach."""
    assert stat.S_IMODE(each.copy.stat().st_mode) == 0o700
    files = [path for path in store(each).rglob("*") if path.is_file()]
    for path in files:
        assert path.stat().st_mode & 0o077 == 0, path
    return len(files)


def as_user(each: Visitor, *command: object) -> str:
    """Run a command as a participant; return what it printed."""
    done = subprocess.run(
        ["runuser", "-u", each.who.name, "--", *map(str, command)], capture_output=True, text=True
    )
    return done.stdout + done.stderr


def printed(cells: list[nbformat.NotebookNode]) -> str:
    return "".join(output.get("text", "") for cell in cells for output in cell.outputs)


def store(each: Visitor) -> Path:
    return each.copy / ".workshop" / "server"


def port(each: Visitor) -> str:
    """Return the port of a participant's own server."""
    return json.loads((store(each) / "server.json").read_text())["url"].rpartition(":")[2]
