"""The kit finds the same key as the client does, in the same order of places."""

import json
import os
import subprocess
import sys

import pytest

from workshop.connection.credentials import account_url, find_key, server_url

KEYS = {name: name.ljust(40, "0") for name in ("now", "before", "other", "variable", "settings")}
NOW, BEFORE = "api.forge.coreweave.com", "api.wandb.ai"
OWN = f"https://{NOW}"
# Which key the client itself takes: of each case its environment, and the server that is asked.
CLIENT = """
import json, os, sys
import wandb
from wandb.sdk.lib import wbauth
keys = []
for variables, url in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(variables)
    wandb.teardown()
    auth = wbauth.authenticate_session(host=url, source="a test", prompt=False)
    keys.append(auth.api_key if auth else None)
print(json.dumps(keys))
"""


def entries(*machines):
    """Return a netrc file: a name of a server and the name of its key each."""
    return "".join(
        f"machine {machine} login user password {KEYS.get(key, key)}\n" for machine, key in machines
    )


CASES = {
    "the name of today": (entries((NOW, "now")), {}, OWN, "now", f"(machine {NOW})"),
    "the name of before": (entries((BEFORE, "before")), {}, OWN, "before", f"(machine {BEFORE})"),
    "both": (entries((BEFORE, "before"), (NOW, "now")), {}, OWN, "now", f"(machine {NOW})"),
    "both, asked by the name of before": (
        entries((NOW, "now"), (BEFORE, "before")), {}, f"https://{BEFORE}", "before",
        f"(machine {BEFORE})",
    ),
    "the name of today, asked by that of before": (
        entries((NOW, "now")), {}, f"https://{BEFORE}", None, "",
    ),
    "of another server": (entries(("the.server:8999", "other")), {}, OWN, None, ""),
    "of this other server": (
        entries((NOW, "now"), ("the.server:8999", "other")), {}, "http://the.server:8999", "other",
        "(machine the.server:8999)",
    ),
    "for whatever server": (
        f"default login user password {KEYS['other']}\n", {}, OWN, "other", "(machine default)",
    ),
    "a variable": (
        entries((NOW, "now")), {"WANDB_API_KEY": KEYS["variable"]}, OWN, "variable",
        "WANDB_API_KEY",
    ),
    "an empty variable": (entries((NOW, "now")), {"WANDB_API_KEY": ""}, OWN, "now", NOW),
    "a settings file": ("", {"WANDB_CONFIG_DIR": "config"}, OWN, "settings", "config/settings"),
    "a settings file beside a netrc file": (
        entries((BEFORE, "before")), {"WANDB_CONFIG_DIR": "config"}, OWN, "before", BEFORE,
    ),
    "no password": (
        entries((NOW, '""')), {"WANDB_CONFIG_DIR": "config"}, OWN, "settings", "config/settings",
    ),
    "nothing": ("", {}, OWN, None, ""),
}  # fmt: skip


@pytest.fixture
def cases(tmp_path):
    """The environment of each case, with its own netrc file, and the server that is asked."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings").write_text(f"[default]\napi_key = {KEYS['settings']}\n")
    made = {}
    for number, (name, (text, variables, url, *_)) in enumerate(CASES.items()):
        home = tmp_path / str(number)
        home.mkdir()
        (home / "netrc").write_text(text)
        environment = {"HOME": str(home), "NETRC": str(home / "netrc"), "WANDB_DIR": str(home)}
        environment |= variables
        if folder := variables.get("WANDB_CONFIG_DIR"):
            environment["WANDB_CONFIG_DIR"] = str(tmp_path / folder)
        made[name] = ({"PATH": os.environ["PATH"], **environment}, url)
    return made


def test_keys_are_found_where_the_client_finds_them(cases):
    done = subprocess.run(
        [sys.executable, "-c", CLIENT], input=json.dumps(list(cases.values())),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    of_client = dict(zip(CASES, json.loads(done.stdout.splitlines()[-1]), strict=True))
    found = {name: find_key(url, environment) for name, (environment, url) in cases.items()}
    assert {name: key and key.value for name, key in found.items()} == of_client
    for name, (*_, key, place) in CASES.items():
        assert (found[name].value if found[name] else None) == KEYS.get(key), name
        assert not found[name] or place in found[name].place, name


def test_the_netrc_file_is_the_one_of_the_user_unless_another_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "_netrc").write_text(entries((NOW, "other")))
    assert find_key(OWN, {}).value == KEYS["other"]
    (tmp_path / ".netrc").write_text(entries((NOW, "now")))
    assert find_key(OWN, {"NETRC": ""}).value == KEYS["now"]
    assert find_key(OWN, {"NETRC": str(tmp_path / "_netrc")}).value == KEYS["other"]


def test_the_server_is_that_of_the_environment_of_settings_or_the_clients_own(tmp_path):
    environment = {"WANDB_CONFIG_DIR": str(tmp_path), "WANDB_DIR": str(tmp_path)}
    assert server_url(environment) == account_url()
    (tmp_path / "settings").write_text("[default]\nbase_url = https://wandb.example.org/\n")
    assert server_url(environment) == "https://wandb.example.org"
    assert server_url({**environment, "WANDB_BASE_URL": "http://the.server"}) == "http://the.server"
