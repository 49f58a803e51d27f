import copy
import html
import re
import subprocess

import nbformat
import plotly.graph_objects as go
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.fixtures.run import HEADLESS_BROWSER
from tests.waiting import patience
from workshop.analyze.plots import export
from workshop.analyze.plots.export import PLOTLY_JSON, png, write_html


@pytest.fixture
def notebook():
    figure = go.Figure(go.Scatter(y=[1, 3, 2]))
    figure.update_layout(meta={"alt": 'A <line> & "more"'}, height=300)
    outputs = [
        new_output("display_data", {PLOTLY_JSON: figure.to_plotly_json(), "text/plain": "x"}),
        new_output("stream", text="printed\n"),
    ]
    cells = [new_markdown_cell("# Title"), new_code_cell("show()", outputs=outputs)]
    return new_notebook(cells=[*cells, new_code_cell("show()", outputs=copy.deepcopy(outputs[:1]))])


def test_page_needs_no_other_host(notebook, tmp_path):
    write_html(notebook, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    loaded = re.findall(r"""<(?:script|link|img)[^>]* (?:src|href)=["']([^"']*)["']""", page)
    assert set(loaded) == {"plotly.min.js", "data:text/javascript,"}
    assert "<title>page</title>" in page
    assert (tmp_path / "plotly.min.js").read_text().startswith("/**")


def test_figures_have_their_alternative_text(notebook, tmp_path):
    write_html(notebook, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count('role="img"') == 2
    assert html.unescape(page).count("""aria-label='A <line> & "more"'""") == 2


def test_notebook_itself_is_not_changed(notebook, tmp_path):
    before = nbformat.writes(notebook)
    write_html(notebook, tmp_path / "page.html")
    assert nbformat.writes(notebook) == before


@pytest.mark.browser
def test_figures_are_drawn_in_a_browser(notebook, tmp_path):
    write_html(notebook, tmp_path / "page.html")
    command = [HEADLESS_BROWSER, "--no-sandbox", "--disable-gpu"]
    command += ["--virtual-time-budget=10000", "--dump-dom", (tmp_path / "page.html").as_uri()]
    drawn = subprocess.run(
        command, capture_output=True, text=True, timeout=patience(180), check=True
    ).stdout
    assert len(re.findall(r'<g class="trace scatter', drawn)) == 2


@pytest.mark.browser
def test_one_browser_draws_all_pictures(monkeypatch):
    monkeypatch.delenv("BROWSER_PATH")  # as users have it, who have a whole browser
    export._browser.cache_clear()
    figure = go.Figure(go.Scatter(y=[1, 3, 2]), layout_height=300)
    pictures = {png(figure) for _ in range(3)}
    assert len(pictures) == 1
    assert pictures.pop().startswith(b"\x89PNG")
