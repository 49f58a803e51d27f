"""A class at a server: people with keys of their own, over TLS, with the real client."""

import json
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from sweepserver.errors import StartError
from sweepserver.people.keys import key_file, read_key
from sweepserver.serving import check_certificate
from tests.certificates import Certificate, certify
from tests.fixtures.server import RunningServer, launch
from tests.waiting import patience
from workshop.connection import local_server

PEOPLE = "name,role\nada,\nbob,\ngrace,instructor\n"
NAMES = ("local", "ada", "bob", "grace")
TRAIN = """
import wandb
with wandb.init() as run:
    run.log({"Validation Accuracy": 50 + run.config.lr})
"""
SWEEP = """
program: train.py
method: grid
metric: {name: Validation Accuracy, goal: maximize}
parameters: {lr: {values: [1]}}
"""


CONNECT = """
import json, sys
from workshop.connection import backend
chosen = backend.connect(sys.argv[1])
print(json.dumps([chosen.kind, chosen.entity]))
"""
READ = """
import wandb
runs = wandb.Api().runs("ada/p", lazy=False)
print([[run.state, run.summary["Validation Accuracy"]] for run in runs])
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Certificate:
    """A certificate for 127.0.0.1, its key, and the class's own authority that signed it."""
    return certify(tmp_path_factory.mktemp("certificate"), "IP:127.0.0.1")


@pytest.fixture(scope="module")
def class_server(tmp_path_factory, certificate) -> Iterator[RunningServer]:
    """A server with a class, over TLS."""
    folder = tmp_path_factory.mktemp("class")
    roster = folder / "people.csv"
    roster.write_text(PEOPLE)
    certfile, keyfile, _ = certificate
    arguments = ("--roster", roster, "--certfile", certfile, "--keyfile", keyfile)
    server = launch(folder / "server", folder / "home", 0, tuple(map(str, arguments)))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def of(class_server, certificate):
    """Returns the environment that a person adds to reach the server."""

    def environment(name: str) -> dict[str, str]:
        authority = str(certificate.authority)
        return {
            "NETRC": str(key_file(class_server.store, name)),
            "SSL_CERT_FILE": authority,
            "REQUESTS_CA_BUNDLE": authority,
        }

    return environment


@pytest.fixture
def browser(class_server, certificate) -> Iterator[httpx2.Client]:
    """Asks the server over TLS."""
    trust = ssl.create_default_context(cafile=certificate.authority)
    with httpx2.Client(base_url=class_server.url, verify=trust) as client:
        yield client


def key_of(server: RunningServer, name: str) -> str:
    return read_key(key_file(server.store, name))


def test_a_participant_takes_the_four_steps_and_the_instructor_sees_it(class_server, of, browser):
    home = class_server.home
    (home / "train.py").write_text(TRAIN)
    (home / "sweep.yaml").write_text(SWEEP)
    ada, bob = of("ada"), of("bob")
    in_hers = {"WANDB_ENTITY": "ada", "WANDB_PROJECT": "p"}
    logger = class_server.popen(sys.executable, "train.py", **bob, **in_hers)
    login = class_server.popen("wandb", "login", "--verify", **ada)
    _, output = class_server.run("wandb", "sweep", "--project", "p", "sweep.yaml", **ada)
    path = re.search(r"wandb agent (ada/p/\w+)", output)[1]
    agent = class_server.popen("wandb", "agent", path, **ada)
    intruder = class_server.popen("wandb", "agent", path, **bob)
    connected = class_server.python(CONNECT, class_server.url, **ada, WORKSHOP_HOME=str(home))
    assert connected == ["server", "ada"]
    printed, _ = login.communicate(timeout=patience(180))
    assert login.returncode == 0, printed
    assert "logged in as: ada" in printed
    for process in (logger, intruder):
        printed, _ = process.communicate(timeout=patience(180))
        assert process.returncode != 0
        assert "cannot write to the entity 'ada' on this server; yours is 'bob'" in printed
    printed, _ = agent.communicate(timeout=patience(180))
    assert agent.returncode == 0, printed
    readers = [class_server.popen(sys.executable, "-c", READ, **person) for person in (ada, bob)]
    for reader in readers:
        printed, _ = reader.communicate(timeout=patience(180))
        assert printed.splitlines()[-1] == "[['finished', 51]]", printed
    page = browser.get("/class", auth=("api", key_of(class_server, "grace"))).text
    steps = re.findall(r'data-key="(\w+)">.*?<td class="" data-sort="(\d)"', page, re.DOTALL)
    assert steps == [("ada", "4"), ("bob", "1")]
    board = browser.get("/leaderboard", auth=("api", key_of(class_server, "bob"))).text
    assert "1. ada" in board


REPLIES = """query All { viewer { id name username email admin flags entity
  apiKeys { edges { node { id name description } } } } users { edges { node { id email } } } }"""


def test_nothing_that_the_server_writes_or_says_holds_a_key(class_server, browser):
    keys = [key_of(class_server, name) for name in NAMES]
    said = []
    for key in [*keys, "local-" + "0" * 40]:
        browser.cookies.clear()
        said.append(browser.post("/sign-in", data={"key": key}))
        for path in ("/", "/class", "/leaderboard", "/authorize", "/health", "/a/b/c", "/x/y"):
            said.append(browser.get(path, headers={"Accept": "text/html"}))
        for query in (REPLIES, "query Broken {", "query No { viewer { key } }"):
            body = {"query": query, "variables": {"key": key}}
            said.append(browser.post("/graphql", json=body, auth=("api", key)))
        said.append(browser.post("/files/ada/p/x/file_stream", json={}, auth=("api", key)))
    texts = [f"{reply.headers} {reply.text}".encode() for reply in said]
    process = Path("/proc", str(class_server.process.pid))
    read = [file for file in (process / "cmdline", process / "environ") if file.exists()]
    read += [class_server.home / "server.log"]
    read += [
        file
        for file in class_server.store.rglob("*")
        if file.is_file() and file.parent.name != "keys"
    ]
    assert len(read) > 3
    for content in [*texts, *(file.read_bytes() for file in read)]:
        assert not any(key.encode() in content for key in keys)


def test_the_kit_finds_a_server_with_a_certificate_of_its_own(class_server, monkeypatch):
    monkeypatch.setenv("WORKSHOP_HOME", str(class_server.store.parent))
    assert local_server.running() == class_server.url
    assert local_server.serves(class_server.url)
    assert not local_server.serves(class_server.url.replace("https", "http"))
    assert local_server.last_port() == int(class_server.url.rsplit(":", 1)[1])


def test_cookies_travel_over_tls_alone(class_server, browser):
    reply = browser.post("/sign-in", data={"key": key_of(class_server, "ada")})
    assert "; Secure" in reply.headers["set-cookie"]


def test_a_certificate_that_cannot_be_used_is_refused(certificate, tmp_path):
    certfile, keyfile, authority = certificate
    check_certificate(certfile, keyfile)
    for files, expected in [
        ((None, keyfile), "needs its certificate: --certfile"),
        ((tmp_path / "none.pem", keyfile), r"none\.pem with the key .* \(No such file"),
        ((certfile, None), r"server\.pem with a key in it cannot be used"),
        ((authority, keyfile), "KEY_VALUES_MISMATCH|key values mismatch"),
    ]:
        with pytest.raises(StartError, match=expected):
            check_certificate(*files)


def test_a_new_roster_lets_people_in_and_out_and_loses_nothing(start_server, tmp_path):
    roster = tmp_path / "people.csv"
    roster.write_text(PEOPLE)
    server = start_server("--roster", str(roster))
    keys = {name: key_of(server, name) for name in NAMES}
    run = 'mutation R { upsertBucket(input: {name: "r", modelName: "p"}) { inserted } }'

    def ask(name: str, query: str = "query Viewer { viewer { entity } }"):
        auth = ("api", key_of(server, name))
        return httpx2.post(f"{server.url}/graphql", auth=auth, json={"query": query})

    assert ask("bob", run).status_code == 200
    server.stop()
    roster.write_text("name\nada\neve\n")
    server = start_server("--roster", str(roster))
    assert ask("ada").json()["data"]["viewer"]["entity"] == "ada"
    assert ask("eve").status_code == 200
    for name in ("bob", "grace"):
        assert ask(name).status_code == 401
    kept = '{ project(name: "p", entityName: "bob") { run(name: "r") { name } } }'
    assert ask("eve", kept).json()["data"]["project"]["run"] == {"name": "r"}
    server.stop()
    server = start_server()
    assert [ask(name).status_code for name in ("ada", "bob", "eve")] == [200, 401, 200]
    assert {name: key_of(server, name) for name in NAMES} == keys
    server.stop()
    server = start_server("--roster", str(roster))
    roster.write_text(PEOPLE)


def test_beyond_loopback_others_get_a_name_and_everybody_signs_in(start_server):
    server = start_server("--host", "0.0.0.0")
    note = json.loads((server.store / "server.json").read_text())
    port = server.url.rsplit(":", 1)[1]
    assert note["url"] == server.url
    assert "0.0.0.0" not in server.url
    assert "127.0.0.1" not in server.url
    assert note["local_url"] == f"http://127.0.0.1:{port}"
    assert httpx2.get(note["local_url"]).status_code == 401
    signed_in = httpx2.get(note["local_url"], auth=("api", server.key))
    assert signed_in.status_code == 200
    server.stop()
    warning = (server.home / "server.log").read_text()
    assert warning.startswith("warning: keys and data are sent unencrypted")
    assert "--certfile" in warning
    server.store.chmod(0o755)
    arguments = ("--store", str(server.store), "--host", "0.0.0.0", "--port", "0")
    done = subprocess.run(
        [sys.executable, "-m", "sweepserver", *arguments],
        capture_output=True,
        text=True,
        timeout=patience(180),
    )
    assert done.returncode == 2
    assert "is open to other users of this machine (mode 755, expected 700)" in done.stderr
    assert len(done.stderr.splitlines()) == 1
