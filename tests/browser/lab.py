"""What a participant does with a notebook in JupyterLab."""

from contextlib import suppress

from playwright.sync_api import TimeoutError

from tests.waiting import patience, wait_for


def reopen(page, address: str | None = None) -> None:
    """Open a notebook alone, and wait for its kernel."""
    page.goto(address or page.url.partition("?")[0] + "?reset")
    page.wait_for_selector(".jp-Notebook h1")
    page.wait_for_selector("text=/Python 3.* Idle/")


def choose(page, menu: str, entry: str) -> None:
    page.click(f".lm-MenuBar-itemLabel >> text={menu}")
    page.click(f".lm-Menu-itemLabel >> text=/^{entry}$/")


def save(page) -> None:
    """Save the notebook, again if an output or a widget changes it while it is being saved."""

    def is_saved() -> bool:
        choose(page, "File", "Save Notebook")
        with suppress(TimeoutError):
            page.wait_for_selector(".jp-mod-dirty", state="detached", timeout=patience(5) * 1000)
        return not page.locator(".jp-mod-dirty").count()

    wait_for(is_saved)
