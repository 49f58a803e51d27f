"""The site that `make site` builds: it warns of nothing, its links resolve, its pages fit."""

import functools
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.notebooks import exercise_numbers
from tests.repository.documents import Page, are_in_order
from tests.waiting import patience
from workshop.exercises.generate import SOLUTIONS
from workshop.paths import NOTEBOOKS, ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site as `make site` does."""
    folder = tmp_path_factory.mktemp("site")
    (line,) = re.findall(r"-m sphinx (.*)", (ROOT / "Makefile").read_text())
    options = [word.replace("site/", f"{folder}/") for word in line.split()]
    command = [sys.executable, "-m", "sphinx", *options]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=patience(300), check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder / "html"


class Addresses(HTMLParser):
    """What a page links to and shows, and what on it can be linked to."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.names = set(), {""}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.names |= {given.get("id", ""), given.get("name", "")}
        self.targets |= {given[name] for name in ("href", "src") if given.get(name)}


def html_pages(site):
    return [path for path in site.rglob("*.html") if "_static" not in path.parts]  # templates


def test_every_link_and_picture_resolves(site):
    pages = {path: Addresses(path.read_text()) for path in html_pages(site)}
    assert len(pages) > 40
    lost = set()
    for path, page in pages.items():
        for target in page.targets:
            if re.match(r"(https?|mailto|data):", target):
                continue
            file, _, name = unquote(target).partition("#")
            there = (path.parent / file.partition("?")[0]).resolve() if file else path
            if not there.is_file() or (there in pages and name not in pages[there].names):
                lost.add((str(path.relative_to(site)), target))
    assert lost == set()


def test_no_page_asks_another_host_or_leads_to_this_machine(site):
    for path in html_pages(site):
        text = path.read_text()
        loaded = re.findall(
            r'<(?:script|img|iframe|link rel="stylesheet")[^>]*"(https?:[^"]+)', text
        )
        assert loaded == [], path
        assert 'href="http://127' not in text, path
        assert str(ROOT) not in text, path


def test_every_notebook_is_a_page_and_every_picture_has_words(site):
    for notebook in [*NOTEBOOKS.glob("*.ipynb"), *NOTEBOOKS.glob("exercises/*.ipynb")]:
        text = (site / notebook.relative_to(ROOT)).with_suffix(".html").read_text()
        (article,) = re.findall("<article.*</article>", text, re.DOTALL)
        shown = Page(article)
        assert [name for name in shown.unnamed if name.startswith("<img")] == []
        assert are_in_order(shown.levels)


def test_solutions_are_folded_behind_their_exercises(site):
    text = (site / "notebooks/exercises/01_define_the_sweep.html").read_text()
    folded = re.findall(r"<details.*?</details>", text, re.DOTALL)
    solutions = [part for part in folded if "Solution" in part]
    assert len(solutions) == len(exercise_numbers(SOLUTIONS / "01_define_the_sweep.ipynb"))
    assert "<details open" not in text


@pytest.fixture(scope="module")
def address(site):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 400])
def test_pages_are_no_wider_than_the_window(page, site, address, width):
    page.set_viewport_size({"width": width, "height": 900})
    wide = {}
    for path in html_pages(site):
        page.goto(f"{address}/{path.relative_to(site)}")
        wide[str(path.relative_to(site))] = page.evaluate("document.documentElement.scrollWidth")
    assert {name: size for name, size in wide.items() if size > width} == {}


@pytest.mark.browser
def test_pages_are_accessible(page, site, address):
    """All rules of axe-core in the light theme, and those about colors in the dark one."""
    found = {}
    for theme, options in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for path in html_pages(site):
            name = str(path.relative_to(site))
            page.goto(f"{address}/{name}")
            # A color that is still changing is none that a reader sees.
            page.evaluate("document.getAnimations().forEach(animation => animation.cancel())")
            results = Axe().run(page, options=options | {"resultTypes": ["violations"]})
            for violation in results.response["violations"]:
                nodes = [node["html"] for node in violation["nodes"]]
                found.setdefault(violation["help"], {})[f"{name}, {theme}"] = nodes
    assert found == {}


@pytest.mark.browser
def test_a_picture_becomes_an_interactive_figure_on_request(page, address):
    page.goto(f"{address}/notebooks/04_analyze_runs.html")
    figure = page.locator(".sweep-figure").first
    words = figure.locator("img").get_attribute("alt")
    figure.get_by_role("button", name="Interactive figure").click()
    figure.locator(".js-plotly-plot .plot-container").wait_for()
    assert figure.locator("> [role=img]").get_attribute("aria-label") == words
