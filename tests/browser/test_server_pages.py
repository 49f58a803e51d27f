import json
import re
import subprocess
import sys
from itertools import pairwise

import httpx2
import pytest

from tests.browser.web import prefixed, serving
from tests.fixtures.browser import PAGE_DEADLINE_MS
from tests.fixtures.server import launch
from tests.server.poster import EVIL, SWEEP, Poster
from tests.server.uploader import Uploader
from tests.waiting import patience, wait_for

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    server = launch(folder / "store", folder / "home")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def client(server):
    return Poster(server)


@pytest.fixture(scope="module")
def eight(client) -> str:
    """The address of a sweep of eight runs."""
    return f"/local/eight/sweeps/{client.sweep_of_eight('eight')}"


@pytest.fixture(scope="module")
def artifact(client) -> str:
    """The address of an artifact with long and hostile names and values."""
    Uploader(client.http, client.graphql).log(
        {f"folder/{'long-name-' * 9}.txt": b"x", EVIL: b"y"}, description=EVIL,
        metadata=json.dumps({EVIL: EVIL}), tags=[{"tagName": EVIL}],
        aliases=[{"alias": f"alias-{number}"} for number in range(9)],
    )  # fmt: skip
    return "/local/p/artifacts/dataset/data"


@pytest.fixture
def open_page(browser, server):
    """Opens pages of the server; fails on a problem in their scripts or a request elsewhere."""
    contexts, problems = [], []

    def open_page(path, base=server.url, allowed=(), wait=None, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(PAGE_DEADLINE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))

        def on_console(message):
            if not re.search("|".join(allowed) or "(?!)", message.text):
                problems.append(f"{message.type}: {message.text}")

        def on_request(request):
            if not request.url.startswith((base, "data:", "blob:")):
                problems.append(request.url)

        page.on("console", on_console)
        page.on("request", on_request)
        page.goto(base + path)
        if wait:
            page.wait_for_selector(wait)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def column(page, title: str, table: str = "runs") -> list[str]:
    """Return what a table shows in one column."""
    heads = page.locator(f"#{table} thead th").all_inner_texts()
    number = [re.sub(r"\W+$", "", head) for head in heads].index(title) + 1
    cells = page.locator(f"#{table} tbody tr > :nth-child({number})")
    return [text.strip() for text in cells.all_inner_texts()]


class TestLive:
    def test_real_run_is_seen_to_log_and_to_end(self, server, open_page):
        """Its page is open all the time and never reloaded."""
        code = """
import sys, wandb
with wandb.init(project="live", id="walker", config={"num_epochs": 6}) as run:
    for epoch in range(1, 7):
        sys.stdin.readline()
        for line in range(60):
            print(f"line {epoch}.{line}", flush=True)
        run.log({"Epoch": epoch, "loss": 1 / epoch}, step=epoch, commit=True)
"""
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=server.environment(), cwd=server.home, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for(lambda: httpx2.get(f"{server.url}/local/live/runs/walker").status_code == 200)
            page = open_page("/local/live/runs/walker", wait=".state.running")
            page.evaluate("window.sameDocument = true")
            go_on(process, 2)
            page.wait_for_selector("text=epoch 2 of 6")
            loss = page.locator('figure[data-key="loss"]')
            loss.locator(".main-svg").first.wait_for()
            page.wait_for_selector('#console >> text="line 2.59"')
            assert from_end(page) < 9, "the console shows its end"

            zoom = "Plotly.relayout(document.querySelector('figure[data-key=loss] > div'), "
            page.evaluate(zoom + "{'xaxis.range': [1, 2], 'xaxis.autorange': false})")
            page.evaluate("document.getElementById('console').scrollTop = 40")
            go_on(process, 3)
            page.wait_for_selector("text=epoch 5 of 6")
            page.wait_for_selector('#console >> text="line 5.59"')
            assert page.evaluate("document.getElementById('console').scrollTop") == 40
            shown = "document.querySelector('figure[data-key=loss] > div')"
            wait_for(lambda: len(page.evaluate(f"{shown}.data[0].y")) == 5)
            assert page.evaluate(f"{shown}.layout.xaxis.range") == [1, 2]

            page.evaluate("document.getElementById('console').scrollTop = 1e6")
            go_on(process, 1)
            page.wait_for_selector(".state.finished")
            page.wait_for_selector('#files >> text="config.yaml"')
            assert from_end(page) < 9
            assert page.evaluate("window.sameDocument")
            assert process.wait(timeout=patience(180)) == 0
        finally:
            process.kill()

    def test_sweep_page_follows_its_runs(self, client, open_page):
        sweep = client.sweep_of_eight("follow")
        page = open_page(f"/local/follow/sweeps/{sweep}", wait="#live")
        assert column(page, "Progress", "live") == ["epoch 2 of 4"]
        page.wait_for_selector("[data-figure=parallel] .main-svg")
        lines = "document.querySelector('[data-figure=parallel] .js-plotly-plot').data"
        assert page.evaluate(f"{lines}.filter(line => line.line.dash === 'solid').length") == 6
        best = {"_step": 3, "Epoch": 4, "Validation Accuracy": 99}
        client.post("follow", "follow-r7", [best], offset=2, complete=True, exitcode=0)
        page.wait_for_selector("#live", state="detached")
        assert column(page, "Run")[0] == "trial-8"
        assert "99 trial-8" in page.locator(".facts").inner_text().replace("\n", " ")
        solid = f"{lines}.filter(line => line.line.dash === 'solid').length"
        wait_for(lambda: page.evaluate(solid) == 7)

    def test_page_comes_back_with_its_server(self, server, open_page, tmp_path):
        own = launch(tmp_path / "store", tmp_path / "home")
        port = int(own.url.rpartition(":")[2])
        page = open_page("/", base=own.url, allowed=["net::ERR_"], wait="h1")
        own.kill()
        page.wait_for_selector("#connection >> text=The server does not answer")
        own = launch(tmp_path / "store", tmp_path / "home", port)
        try:
            Poster(own).run("p", "back", {})
            page.wait_for_selector("text=local/p")
            assert page.locator("#connection").inner_text() == ""
        finally:
            own.kill()


class TestTables:
    def test_sorted_by_mouse_and_keyboard(self, eight, open_page):
        page = open_page(eight, wait="#runs button")
        assert column(page, "Validation Accuracy")[0] == "72"  # the best first
        page.click("#runs button >> text=Validation Accuracy")
        assert column(page, "Validation Accuracy") == [str(10 * n + 2) for n in range(8)]
        head = page.locator("#runs th", has_text="Validation Accuracy")
        assert head.get_attribute("aria-sort") == "ascending"
        page.focus("#runs button >> text=learning_rate")
        page.keyboard.press("Enter")
        rates = [float(text) for text in column(page, "learning_rate")]
        assert rates == sorted(rates)
        page.keyboard.press("Space")
        rates = [float(text) for text in column(page, "learning_rate")]
        assert rates == sorted(rates, reverse=True)
        assert page.locator("#runs [aria-sort]").count() == 1

    def test_numbers_come_before_texts_and_nothing_last(self, client, open_page):
        for number, value in enumerate([10, "text", 9.5, None, float("nan"), float("-inf")]):
            client.run("mixed", f"m{number}", {})
            client.post("mixed", f"m{number}", [{"v": value, "w": number}], complete=True)
        page = open_page("/local/mixed", wait="#runs button")
        page.click("#runs button:text-is('v')")
        assert column(page, "v") == ["-Infinity", "9.5", "10", "text", "NaN", "—"]
        page.click("#runs button:text-is('v')")
        assert column(page, "v") == ["text", "10", "9.5", "-Infinity", "NaN", "—"]

    def test_order_focus_and_selection_outlive_a_renewal(self, client, open_page):
        for number in (1, 2, 3):
            client.run("kept", f"k{number}", {}, displayName=f"run-{number}")
            client.post("kept", f"k{number}", [{"v": number}])
        page = open_page("/local/kept", wait="#runs button")
        page.click("#runs button:text-is('v')")
        link = page.locator("#runs a >> text=run-2")
        link.focus()
        page.evaluate(
            "() => { const link = document.activeElement; window.before = link;"
            " getSelection().selectAllChildren(link); }"
        )
        client.run("kept", "k0", {}, displayName="run-0")
        client.post("kept", "k0", [{"v": 0}])
        page.wait_for_selector("#runs >> text=run-0")
        assert column(page, "Run") == ["run-0", "run-1", "run-2", "run-3"]
        assert page.evaluate("document.activeElement === window.before")
        assert page.evaluate("getSelection().toString()") == "run-2"


class TestPlaces:
    def test_pages_work_under_a_prefix(self, server, eight, open_page):
        """As behind JupyterHub, whose proxy takes the prefix away."""
        with prefixed(server.url, "/user/ada/proxy/8999") as base:
            page = open_page("/", base=base, wait="h1")
            page.click("text=local/eight")
            page.click("#sweeps a")
            page.wait_for_selector("[data-figure=importance] .main-svg")
            page.click("#runs a >> text=trial-3")
            page.wait_for_selector("figure .main-svg")
            page.click("nav >> text=Sweep")
            page.wait_for_selector("h2 >> text=Configuration")
            assert page.url == base + eight
            page.click("nav >> text=Projects")
            page.wait_for_selector("h1 >> text=Projects")
            assert page.url == base + "/"
            page.close()  # before the proxy goes, which it would miss

    @pytest.mark.parametrize(("host", "may"), [("localhost", True), ("127.0.0.2", False)])
    def test_only_jupyterlab_on_this_machine_may_frame_a_page(
        self, browser, server, eight, host, may
    ):
        """As the client shows it below a cell; any other name stands for a page from elsewhere."""
        html = f'<iframe src="{server.url}{eight}?jupyter=true" width=800 height=600></iframe>'
        page = browser.new_page()
        page.set_default_timeout(PAGE_DEADLINE_MS)
        messages = []
        page.on("console", lambda message: messages.append(message.text))
        with serving(lambda request: (200, [("Content-Type", "text/html")], html), host) as at:
            page.goto(f"http://{host}:{at}/")
            if may:
                page.frame_locator("iframe").locator("#runs button").first.wait_for()
                assert messages == []
            else:
                # The page's script ends the wait, for the message comes without a handle.
                wait_for(lambda: page.evaluate("1") and "frame-ancestors" in " ".join(messages))
        page.close()


class TestWhatUsersLogged:
    def test_it_is_only_text(self, client, artifact, open_page):
        """Hostile names and values in every place, and the pointer over the figures."""
        config = SWEEP | {
            "name": EVIL,
            "metric": {"name": EVIL, "goal": "maximize"},
            "parameters": {
                EVIL: {"values": [EVIL, "b"]},
                "learning_rate": {"values": [0.1, 0.01, 0.001]},
            },
        }
        sweep = client.sweep("evil", config)
        for number in range(6):
            point = {EVIL: [EVIL, "b"][number % 2], "learning_rate": 10.0 ** -(1 + number % 3)}
            more = {"displayName": EVIL, "notes": EVIL, "host": EVIL, "program": EVIL}
            client.run("evil", f"e{number}", point, sweep=sweep, **more)
            rows = [{"_step": i, EVIL: number + i, "text": EVIL} for i in range(3)]
            client.post("evil", f"e{number}", rows, complete=number > 0, exitcode=0)
        output = {"output.log": {"offset": 0, "content": [EVIL, f"ERROR {EVIL}"]}}
        client.http.post("/files/local/evil/e0/file_stream", json={"files": output})
        drawn = (f"/local/evil/sweeps/{sweep}", "/local/evil/runs/e0")
        for path in ("/", "/local/evil", *drawn, artifact, f"{artifact}/v0"):
            page = open_page(path, wait="h1")
            if path in drawn:
                page.wait_for_selector(".main-svg")
                for figure in page.locator(".js-plotly-plot").all():
                    figure.scroll_into_view_if_needed()
                    box = figure.bounding_box()
                    for share in (0.2, 0.35, 0.5, 0.65, 0.8):
                        page.mouse.move(
                            box["x"] + share * box["width"], box["y"] + 0.4 * box["height"]
                        )
                        page.wait_for_timeout(30)
            assert page.locator("main script, main img, main svg a, main [onerror]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_readable_on_a_phone(eight, artifact, open_page, scheme):
    drawn = (eight, "/local/eight/runs/eight-r1")
    others = ("/", "/local/eight", "/authorize", "/local/p", artifact, f"{artifact}/v0")
    for path in (*drawn, *others):
        page = open_page(
            path, wait="h1", viewport={"width": 360, "height": 740}, color_scheme=scheme
        )
        if path in drawn:
            page.wait_for_selector(".main-svg")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        low = page.evaluate(CONTRASTS)
        assert low == [], (path, scheme)


# Texts whose contrast to what is behind them is less than WCAG asks for on level AA.
CONTRASTS = """() => {
  const parse = text => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const color = parse(getComputedStyle(element).backgroundColor);
      if (color[3] === undefined || color[3] > 0.5) return color;
    }
    return [255, 255, 255];
  };
  const found = new Set();
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes].filter(n => n.nodeType === 3).map(n => n.data).join('');
    if (!text.trim() || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const color = parse(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(color), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.add(`${element.nodeName} ${text.trim().slice(0, 30)} ${ratio}`);
  }
  return [...found];
}"""


def test_keyboard_reaches_everything(eight, open_page):
    page = open_page(eight, wait="#runs button")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reached = set()
    for _ in range(100):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert {"Runs", "Parallel coordinates", "Configuration"} <= reached
    levels = [int(tag[1]) for tag in page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4')].map(h => h.nodeName)"
    )]  # fmt: skip
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_figures_say_in_words_what_they_show(eight, open_page):
    page = open_page(eight, wait="[data-figure=importance] .main-svg")
    alts = [figure.get_attribute("aria-label") for figure in page.locator("[role=img]").all()]
    assert "Parallel coordinates of 6 finished runs" in alts[0]
    assert "Bars of importance, permutation importance and correlation" in alts[1]


def test_pages_can_be_read_without_scripts(eight, open_page):
    page = open_page(eight, wait="#runs", java_script_enabled=False)
    assert page.locator("#runs tbody tr").count() == 8
    assert page.locator("noscript").first.is_visible()


def go_on(process, times: int) -> None:
    process.stdin.write("\n" * times)
    process.stdin.flush()


def from_end(page) -> float:
    return page.evaluate(
        "(({scrollHeight, scrollTop, clientHeight}) => scrollHeight - scrollTop - clientHeight)"
        "(document.getElementById('console'))"
    )
