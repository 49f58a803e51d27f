import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sweepserver.people.auth import Authenticator, hash_key, is_loopback, socket_owner
from sweepserver.store.records import User
from tests.fixtures.server import launch

KEY = "local-" + "0123456789" * 4
TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2327 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:D431 0100007F:2327 01 00000000:00000000 00:00000000 00000000  1001        0 2
   2: 0100007F:2327 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 3
"""


def test_the_store_holds_no_key_but_its_hash_and_follows_a_new_one(store):
    Authenticator(store, KEY)
    authenticator = Authenticator(store, KEY.replace("9", "8"))
    (user,) = store.all(User)
    assert user.key_hash == hash_key(KEY.replace("9", "8"))
    assert authenticator.user_with_key(KEY) is None


def test_the_system_tells_whose_process_is_at_the_other_end(tmp_path: Path):
    table = tmp_path / "tcp"
    table.write_text(TABLE)
    client, server = ("127.0.0.1", 0xD431), ("127.0.0.1", 0x2327)
    assert socket_owner(client, server, table) == 1001
    assert socket_owner(("127.0.0.1", 1), server, table) is None
    assert socket_owner(("::1", 0xD431), server, table) is None
    assert socket_owner(client, server, tmp_path / "missing") is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]"])
def test_loopback_names(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "example.org", "localhost.example.org", ""])
def test_other_names(host: str):
    assert not is_loopback(host)


READ = """
import sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1] + "/", headers=dict([sys.argv[2].split("=")]))
try:
    print(urllib.request.urlopen(request, timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system tells no socket owners")
def test_the_owner_of_the_server_needs_no_key_on_the_same_machine(local_server):
    def status(header: str = "X=y") -> str:
        command = [sys.executable, "-c", READ, local_server.url, header]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    assert status() == "200"
    assert status("Host=elsewhere.example") == "401"


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system tells no socket owners")
def test_the_proxy_of_the_owner_may_have_a_name_and_no_other(tmp_path):
    server = launch(tmp_path / "store", tmp_path / "home", 0, ("--proxied-as", "hub.example"))
    try:
        found = {}
        for name in ("hub.example", "hub.example:8443", "evil.hub.example", "elsewhere.example"):
            command = [sys.executable, "-c", READ, server.url, f"Host={name}"]
            found[name] = subprocess.run(command, capture_output=True, text=True).stdout.strip()
        assert list(found.values()) == ["200", "200", "401", "401"]
    finally:
        server.stop()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="no Python for other users")
def test_another_user_of_the_machine_needs_the_key_and_cannot_borrow_a_connection(local_server):
    host, port = local_server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as own:
        borrowed = f"X-Forwarded-For=127.0.0.1:{own.getsockname()[1]}"
        for header in ("X=y", borrowed):
            command = ["/usr/bin/python3", "-c", READ, local_server.url, header]
            other = subprocess.run(command, capture_output=True, text=True, user=65534)
            assert other.stdout.strip() == "401", other.stderr
