"""What the maintainer's commands find, with a small repository and a small server of their own."""

import re
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from maintenance import links, newest
from workshop.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
MAKEFILE = """\
lock:
\tsed -i s/1.0/2.0/ requirements.lock
\t! grep never pyproject.toml
test:
\t{python} -m pytest -q -p no:cacheprovider $(PYTEST)
"""


@pytest.fixture
def site():
    """Serve a page that is there, one that was moved, and one that wants no HEAD."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            moved = self.path == "/moved"
            wrong_method = self.path == "/get" and self.command == "HEAD"
            known = {"/here": 200, "/get": 405 if wrong_method else 200, "/closed": 403}
            self.send_response(302 if moved else known.get(self.path, 404))
            if moved:
                self.send_header("Location", "/here")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def clone(tmp_path):
    """A repository whose tests depend on what is locked and on the bounds."""
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "Makefile").write_text(MAKEFILE.format(python=sys.executable))
    (folder / "pyproject.toml").write_text('dependencies = [\n    "fine>=1,<2",  # why\n]\n')
    (folder / "requirements.lock").write_text("fine==1.0 \\\n    --hash=sha256:0\nother==3.0\n")
    (folder / "test_it.py").write_text(
        "def test_lock():\n    assert 'fine==1.0' in open('requirements.lock').read(), 'too new'\n"
        "def test_bound():\n    assert '\"fine>=1\",  # why' in open('pyproject.toml').read()\n"
    )
    commit(folder)
    return folder


def commit(folder):
    who = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *command], cwd=folder, check=True)


def test_addresses_that_do_not_answer_are_found(site):
    pages = [f"{site}/{name}" for name in ("here", "moved", "get", "closed", "gone")]
    assert links.broken(pages) == {f"{site}/gone": "404 Not Found"}
    assert "refused" in links.broken(["http://127.0.0.1:9/x"])["http://127.0.0.1:9/x"]


def test_addresses_are_cut_out_of_what_surrounds_them(tmp_path):
    (tmp_path / "a.md").write_text(
        "See [x](https://a.org/b_(c)), <https://a.org/d>. `http://127.0.0.1:80`; "
        "https://the.server:8999/ and https://b.org/#part,"
    )
    (tmp_path / "b.py").write_text("'https://a.org/d;'")
    commit(tmp_path)
    found = {"https://a.org/b_(c)": ["a.md"], "https://a.org/d": ["a.md", "b.py"]}
    assert links.addresses(tmp_path) == found | {"https://b.org/": ["a.md"]}
    assert (
        links.as_text({"https://a.org/d": "gone"}, found)
        == "- https://a.org/d: gone (a.md, b.py)\n"
    )


def test_report_names_what_is_new_and_what_it_broke(clone, tmp_path, capsys):
    folder = tmp_path / "newest"
    assert newest.main([str(folder), "--clone", str(clone)]) == 1
    text = (folder / "report.md").read_text()
    assert text in capsys.readouterr().out
    assert "Tests that failed: 1." in text
    assert re.search(r"^- `test_it::test_lock`: AssertionError: too new", text, re.MULTILINE)
    assert "| fine | 1.0 | 2.0 |" in text
    assert "other" not in text.split("| package")[1]
    assert "All addresses answer." in text
    assert "fine==1.0" in (clone / "requirements.lock").read_text()


def test_nothing_to_do_is_told_as_well(clone, tmp_path):
    (clone / "test_it.py").write_text("def test_fine(): pass\n")
    commit(clone)
    assert newest.main([str(tmp_path / "newest"), "--clone", str(clone)]) == 0
    assert (
        "All tests passed. To take the releases over" in (tmp_path / "newest/report.md").read_text()
    )


def test_lock_that_cannot_be_made_is_told(clone, tmp_path):
    (clone / "pyproject.toml").write_text("never = 1\n")
    commit(clone)
    assert newest.main([str(tmp_path / "newest"), "--clone", str(clone)]) == 1
    text = (tmp_path / "newest/report.md").read_text()
    assert "never = 1" in text
    assert "No package has another version." in text


def test_an_older_report_is_not_overwritten(tmp_path, capsys):
    with pytest.raises(SystemExit):
        newest.main([str(tmp_path)])
    assert f"{tmp_path} exists: remove it" in capsys.readouterr().err


def test_bounds_of_the_kit_are_lifted(tmp_path):
    copy = tmp_path / "pyproject.toml"
    copy.write_text((ROOT / "pyproject.toml").read_text())
    before = tomllib.loads(copy.read_text())["project"]["dependencies"]
    newest.lift_bounds(copy)
    after = tomllib.loads(copy.read_text())["project"]["dependencies"]
    assert sum("<" in line for line in before) >= 3
    assert not any("<" in line for line in after)
    assert [line.partition(",")[0] for line in before] == after


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_start_commands_that_exist(path):
    workflow = yaml.safe_load(path.read_text())
    assert {"name", "permissions", "jobs"} <= set(workflow)
    commands = [
        step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step
    ]
    assert any(command.startswith(".ci/run") for command in commands)
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for command in commands:
        assert set(re.findall(r"\bmake ([a-z]+)", command)) <= set(targets)
