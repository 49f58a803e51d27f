"""What a participant does in a browser: log in, run notebooks, follow links."""

from pathlib import Path
from types import TracebackType

import nbformat

from tests.browser.lab import choose, save
from tests.fixtures.browser import PAGE_DEADLINE_MS
from tests.hub.running import Hub, Participant, commands
from tests.waiting import wait_for

# As JupyterLab asks its server: with the token that other sites cannot read.
GET = """async address => {
  const [, token] = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/);
  return (await fetch(address, {headers: {'X-XSRFToken': token}})).json();
}"""


class Visitor:
    """A participant at a browser of their own.

    Attributes:
        who: the participant.
        base: the address of their Jupyter server.
        page: the tab with JupyterLab.
        problems: errors of scripts, and requests to hosts other than the hub.
    """

    def __init__(self, browser, hub: Hub, who: Participant):
        self.who = who
        self.hub = hub
        self.base = f"{hub.url}/user/{who.name}"
        self.problems = []
        self._console = []
        # Cells out of sight do not exist.
        self._context = browser.new_context(viewport={"width": 1280, "height": 5000})
        self._context.on("weberror", lambda error: self.problems.append(str(error.error)))
        self._context.on("request", self._note_foreign)
        self._context.on("console", lambda message: self._console.append(message.text))
        self._context.set_default_timeout(PAGE_DEADLINE_MS)
        self.page = self._context.new_page()
        self.page.on("dialog", lambda dialog: dialog.accept())  # the browser asks before it leaves

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, kind: type | None, error: object, trace: TracebackType | None) -> None:
        self._context.close()
        if kind is None:
            assert self.problems == []

    def log_in(self) -> None:
        """Log in, and wait for the server to be started."""
        self.page.goto(self.hub.url)
        self.page.fill("#username_input", self.who.name)
        self.page.fill("#password_input", self.who.password)
        self.page.click("#login_submit")
        self.page.wait_for_url(f"{self.base}/lab/tree/notebooks*")
        self.page.wait_for_selector(".jp-DirListing-item >> text=00_check")

    def log_out(self) -> None:
        self.page.click(".lm-MenuBar-itemLabel >> text=File")
        self.page.click(".lm-Menu-itemLabel:visible >> text=Log Out")
        self.page.wait_for_url(f"{self.hub.url}/hub/log*")

    def start(self, name: str) -> None:
        """Open a notebook and run all its cells."""
        self.page.goto(f"{self.base}/lab/tree/notebooks/{name}.ipynb?reset")
        self.page.wait_for_selector(".jp-Notebook h1")
        self.page.wait_for_selector("text=/Python 3.* Idle/")
        choose(self.page, "Run", "Run All Cells")

    def wait_for_end(self, name: str) -> list[nbformat.NotebookNode]:
        """Wait until all cells with code have run; return them, none of which had an error."""
        path = f"notebooks/{name}.ipynb"

        def ended() -> list[nbformat.NotebookNode]:
            if self._state(path) != "idle":
                return []
            save(self.page)
            cells = self._cells(path)
            assert [output for cell in cells for output in cell.outputs if is_error(output)] == []
            return cells if all(cell.execution_count for cell in cells) else []

        def told() -> str:
            return "\n".join(
                [
                    f"all cells of {path} have run; the kernel is {self._state(path)}",
                    *self.page.locator(".jp-Dialog").all_inner_texts(),
                    *(str(cell) for cell in self._cells(path) if not cell.execution_count),
                    commands(self.who.name),
                    *self._console[-40:],
                    *self.hub.warnings()[-40:],
                ]
            )

        return wait_for(ended, told, 900)

    def follow(self, link):
        """Click a link in the notebook; return the tab that it opens."""
        with self._context.expect_page() as opened:
            link.click()
        opened.value.wait_for_load_state()
        return opened.value

    def status(self, address: str) -> int:
        """Return the HTTP status of an address, seen in another tab of this browser."""
        tab = self._context.new_page()
        try:
            return tab.goto(address).status
        finally:
            tab.close()

    @property
    def copy(self) -> Path:
        """The participant's copy of the kit."""
        return self.who.home / "sweep-workshop"

    def _state(self, path: str) -> str:
        """Return a kernel's state: idle if it was for a while, as it is between two cells."""
        for _ in range(4):
            sessions = self.page.evaluate(GET, f"{self.base}/api/sessions")
            (kernel,) = [each["kernel"] for each in sessions if each["path"] == path]
            if kernel["execution_state"] != "idle":
                break
            self.page.wait_for_timeout(300)
        return kernel["execution_state"]

    def _cells(self, path: str) -> list[nbformat.NotebookNode]:
        """Return the cells with code of a notebook as it was saved last."""
        try:
            notebook = nbformat.read(self.copy / path, as_version=4)
        except nbformat.reader.NotJSONError:
            return []  # a widget has changed it, and it is just being saved again
        return [cell for cell in notebook.cells if cell.cell_type == "code"]

    def _note_foreign(self, request) -> None:
        if not request.url.startswith((self.hub.url, "data:", "blob:")):
            self.problems.append(request.url)


def is_error(output: nbformat.NotebookNode) -> bool:
    """Tell whether a cell failed, or the client said that something did."""
    return output.output_type == "error" or "ERROR" in output.get("text", "")
