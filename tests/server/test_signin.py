import re
import time
from collections.abc import Iterator
from http.cookies import SimpleCookie

import pytest
from starlette.testclient import TestClient

from sweepserver.app import make_app
from sweepserver.pages import signin
from sweepserver.people.auth import Authenticator, hash_key
from sweepserver.people.roster import Person, admit

KEYS = {name: f"local-{name:0<40}" for name in ("local", "ada", "grace")}


@pytest.fixture
def browser(store) -> Iterator[TestClient]:
    """A browser at a server with a class, whose user has not signed in."""
    admit(store, [Person("ada"), Person("grace", is_instructor=True)], KEYS.get)
    app = make_app(store, Authenticator(store, KEYS["local"]))
    with TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as browser:
        browser.headers["Accept"] = "text/html"
        yield browser


def cookie_of(reply):
    (cookie,) = SimpleCookie(reply.headers["set-cookie"]).values()
    return cookie


def test_a_page_asks_for_the_key_once_and_then_shows_who_is_signed_in(browser):
    page = browser.get("/ada/p%201?page=2")
    assert page.status_code == 401
    assert 'name="key"' in page.text
    action = re.search(r'action="([^"]+)"', page.text)[1]
    wanted = re.search(r'name="wanted" value="([^"]+)"', page.text)[1]
    assert (action, wanted) == ("../sign-in", "ada/p%201?page=2")
    signed = browser.post("/sign-in", data={"key": f" {KEYS['ada']}\n", "wanted": wanted})
    assert (signed.status_code, signed.headers["location"]) == (303, "./ada/p%201?page=2")
    page = browser.get("/")
    assert page.status_code == 200
    assert "<li>ada</li>" in page.text
    assert browser.post("/sign-out").headers["location"] == "./"
    assert browser.get("/").status_code == 401


def test_the_cookie_is_for_this_server_alone_and_tells_no_key(browser):
    cookie = cookie_of(browser.post("/sign-in", data={"key": KEYS["ada"]}))
    assert cookie["httponly"]
    assert cookie["samesite"] == "lax"
    assert not cookie["secure"]
    # Without a path, a browser takes the folder that it sees the form's address in.
    assert (cookie["path"], cookie["domain"]) == ("", "")
    assert KEYS["ada"] not in cookie.value
    assert hash_key(KEYS["ada"]) not in cookie.value
    browser.base_url = "https://127.0.0.1"
    assert cookie_of(browser.post("/sign-in", data={"key": KEYS["ada"]}))["secure"]


def test_a_whole_key_file_may_be_pasted(browser):
    text = f"machine h\n  login ada\n  password {KEYS['ada']}\n"
    assert browser.post("/sign-in", data={"key": text}).status_code == 303


def test_a_cookie_ends_with_its_key(browser, store):
    browser.post("/sign-in", data={"key": KEYS["ada"]})
    assert browser.get("/").status_code == 200
    admit(store, [Person("ada")], lambda name: "n" * 40 if name == "ada" else KEYS[name])
    browser.app.state.authenticator = Authenticator(store, KEYS["local"])
    assert browser.get("/").status_code == 401
    browser.post("/sign-in", data={"key": "n" * 40})
    assert browser.get("/").status_code == 200
    admit(store, [Person("grace")], KEYS.get)
    browser.app.state.authenticator = Authenticator(store, KEYS["local"])
    assert browser.get("/").status_code == 401


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "\\\\evil", "\r\nx:"])
def test_signing_in_leads_to_no_other_host(browser, wanted):
    reply = browser.post("/sign-in", data={"key": KEYS["ada"], "wanted": wanted})
    assert reply.headers["location"].startswith("./")
    assert browser.base_url.join(reply.headers["location"]).host == "127.0.0.1"


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_a_form_of_another_site_is_refused(browser, path):
    for site in ("cross-site", "same-site"):
        reply = browser.post(path, data={"key": KEYS["ada"]}, headers={"Sec-Fetch-Site": site})
        assert reply.status_code == 403
        assert "set-cookie" not in reply.headers


def test_guessing_is_slowed_down(browser, monkeypatch):
    for _ in range(signin.MOST_MISTAKES):
        reply = browser.post("/sign-in", data={"key": "local-wrong", "wanted": "ada/p"})
        assert reply.status_code == 401
        assert "isn&#39;t a key of this server" in reply.text
        assert 'value="ada/p"' in reply.text
    assert browser.post("/sign-in", data={"key": KEYS["ada"]}).status_code == 429
    monkeypatch.setattr(signin, "RATE_LIMIT_WINDOW_S", 0)
    assert browser.post("/sign-in", data={"key": KEYS["ada"]}).status_code == 303


def test_mistakes_are_forgotten_before_they_are_too_many(monkeypatch):
    monkeypatch.setattr(signin, "MOST_ADDRESSES", 3)
    mistakes = signin.SignInRateLimit()
    for address in "abcd":
        for _ in range(signin.MOST_MISTAKES):
            mistakes.add(address)
    assert [mistakes.are_too_many(address) for address in "abcd"] == [False, True, True, True]


def test_a_form_that_is_too_long_is_not_read(browser):
    data = {"wanted": "x" * signin.LARGEST_FORM_BYTES, "key": KEYS["ada"]}
    assert browser.post("/sign-in", data=data).status_code == 401


def test_a_cookie_is_void_after_a_month_whatever_the_browser_keeps(browser, monkeypatch):
    cookie = cookie_of(browser.post("/sign-in", data={"key": KEYS["ada"]}))
    browser.cookies.clear()

    def status(value: str) -> int:
        return browser.get("/", headers={"Cookie": f"{cookie.key}={value}"}).status_code

    now = time.time()
    for days, expected in ((29, 200), (31, 401), (-1, 200)):
        monkeypatch.setattr(time, "time", lambda days=days: now + 86400 * days)
        assert status(cookie.value) == expected
    monkeypatch.undo()
    expiry, _, signature = cookie.value.partition(".")
    for forged in (f"{int(expiry) + 86400}.{signature}", f"x.{signature}", f"{'9' * 5000}.x", "."):
        assert status(forged) == 401
