"""`backend = "wandb"`: the kit finds W&B's own server, the key for it, and its pages.

The local server plays W&B here.  A proxy leads W&B's two names to it, and the client trusts its
certificate for them, so that kit and client use W&B's real addresses and are not changed in any
way.  This shows where they send, with which key, and which links they print.  It does not show
that W&B itself takes what they send: nothing here reaches it.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import wandb

from tests.certificates import certify
from tests.fixtures.server import RunningServer, launch
from tests.proxy import Tunnel
from workshop.connection.credentials import account_url
from workshop.paths import ROOT

NOW, BEFORE = "api.forge.coreweave.com", "api.wandb.ai"
PAGES = "https://forge.coreweave.com/wandb"
# A network and a share of the digits small enough that a run is all start-up.
TINY = {
    "model_name": "resnet18", "sample_ratio": 0.1, "num_epochs": 1, "scale": "smoke",
    "learning_rate": 0.01,
}  # fmt: skip
FOUR_STEPS = """
import json, sys
import wandb
from workshop.connection import backend
from workshop.define import load
from workshop.initialize import get, register
from workshop.run_agents import run_in_process, run_processes
account = backend.connect("wandb")
config = load("configs/sweep_config.yaml")
config["parameters"] = {name: {"value": value} for name, value in json.loads(sys.argv[2]).items()}
path = register(config, "p")
match sys.argv[1]:
    case "in this process":
        run_in_process(path)
    case "as a process":
        run_processes(path, tasks=1)
found = get(path)
(run,) = found.runs
print(json.dumps([account.kind, account.url, account.entity, found.url, run.url, run.state]))
"""
# The part of `workshop check` that looks at W&B, without what loads PyTorch.
CHECK = """
import json, sys
from workshop.preflight import server
print(json.dumps([vars(finding) for finding in server.findings(sys.argv[1])]))
"""


def test_the_client_speaks_to_the_server_that_the_documents_name():
    told = (
        f"this client's own server is {account_url()}, and no longer {NOW}: say so in README.md, "
        "docs/local_server.md, docs/slurm.md and notebook 00, look again at how the client "
        "finds keys (workshop/connection/credentials.py), and then change this test"
    )
    assert account_url() == f"https://{NOW}", told
    assert wandb.Settings().app_url == PAGES, f"{told}; its pages are at {wandb.Settings().app_url}"


@pytest.fixture(scope="module")
def stub(tmp_path_factory) -> Iterator[RunningServer]:
    """The server that plays W&B, with a certificate for its names."""
    folder = tmp_path_factory.mktemp("account")
    certificate = certify(folder, "IP:127.0.0.1", f"DNS:{NOW}", f"DNS:{BEFORE}")
    arguments = ("--certfile", certificate.certfile, "--keyfile", certificate.keyfile)
    server = launch(folder / "store", folder / "home", 0, tuple(map(str, arguments)))
    yield server
    server.stop()


@dataclass
class User:
    """A user of the account, with a home folder of their own.

    Attributes:
        stub: the server that plays W&B.
        home: their folder.
        tunnel: the only way out of it.
    """

    stub: RunningServer
    home: Path
    tunnel: Tunnel

    def run(self, machine: str, *command: str) -> tuple[int, str]:
        """Run Python with the account's key under a name; return its status and its output."""
        netrc = self.home / ".netrc"
        netrc.write_text(f"machine {machine}\n  login user\n  password {self.stub.key}\n")
        netrc.chmod(0o600)
        authority = str(self.stub.store.parent / "ca.pem")
        return self.stub.run(
            sys.executable, *command, HOME=str(self.home), NETRC="", PYTHONPATH=str(ROOT),
            WORKSHOP_HOME=str(self.home / "workshop"), WANDB_BASE_URL="http://127.0.0.1:9",
            HTTPS_PROXY=self.tunnel.url, https_proxy=self.tunnel.url,
            SSL_CERT_FILE=authority, REQUESTS_CA_BUNDLE=authority,
        )  # fmt: skip


@pytest.fixture
def user(stub, tmp_path) -> Iterator[User]:
    with Tunnel({NOW, BEFORE}, int(stub.url.rpartition(":")[2])) as tunnel:
        yield User(stub, tmp_path, tunnel)


@pytest.mark.parametrize(("machine", "agent"), [(NOW, "in this process"), (BEFORE, "as a process")])
def test_the_four_steps_with_a_key_under_either_name(user, machine, agent):
    """`wandb login` writes the first name today; the second stands in files from before."""
    status, printed = user.run(machine, "-c", FOUR_STEPS, agent, json.dumps(TINY))
    assert status == 0, printed
    *connected, sweep_url, run_url, state = json.loads(printed.splitlines()[-1])
    assert connected == ["account", f"https://{NOW}", "local"]
    assert state == "finished"
    assert sweep_url.startswith(f"{PAGES}/local/p/sweeps/")
    assert run_url.startswith(f"{PAGES}/local/p/runs/")
    assert user.tunnel.reached == {NOW}


@pytest.mark.parametrize(
    ("backend", "machine", "key"),
    [
        ("wandb", NOW, f"of local, in ~/.netrc (machine {NOW})"),
        ("wandb", BEFORE, f"of local, in ~/.netrc (machine {BEFORE})"),
        ("wandb", "other.example.org", f"none for https://{NOW}"),
        (f"https://{BEFORE}", BEFORE, f"of local, in ~/.netrc (machine {BEFORE})"),
    ],
)
def test_check_says_which_entry_is_used(user, backend, machine, key):
    _, printed = user.run(machine, "-c", CHECK, backend)
    findings = {one["check"]: one for one in json.loads(printed.splitlines()[-1])}
    assert findings["W&B"]["verdict"] == "ok"
    assert findings["key"]["found"] == key
    if findings["key"]["verdict"] == "problem":
        assert findings["key"]["next_step"] == f"run `wandb login --host https://{NOW}` once"


def test_the_address_from_before_means_the_same_account(user):
    program = "import sys, workshop.connection as c; print(c.connect(sys.argv[1]).kind)"
    status, printed = user.run(BEFORE, "-c", program, f"https://{BEFORE}")
    assert (status, printed.splitlines()[-1]) == (0, "account"), printed
    assert user.tunnel.reached == {BEFORE}
