import netrc
from pathlib import Path

import pytest

from sweepserver.errors import StartError
from sweepserver.people.keys import key_file, provide_key, read_key, require_private

URLS = ["http://teach.example.org:8999", "http://127.0.0.1:8999"]


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path):
    key = provide_key(tmp_path, "ada", URLS)
    assert provide_key(tmp_path, "ada", URLS) == key
    assert provide_key(tmp_path, "bob", URLS) != key
    assert key.startswith("local-")
    assert len(key) == len("local-") + 40
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "keys" / "ada.netrc").stat().st_mode & 0o777 == 0o600


def test_the_file_is_a_netrc_that_follows_the_server(tmp_path: Path):
    key = provide_key(tmp_path, "ada", URLS)
    file = key_file(tmp_path, "ada")
    assert netrc.netrc(file).hosts == {
        "teach.example.org:8999": ("ada", "", key),
        "127.0.0.1:8999": ("ada", "", key),
    }
    assert "WANDB_BASE_URL=http://teach.example.org:8999" in file.read_text()
    assert provide_key(tmp_path, "ada", ["http://[::1]:7000"]) == key
    assert netrc.netrc(file).hosts == {"[::1]:7000": ("ada", "", key)}
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["ada.netrc"]


@pytest.mark.parametrize("text", ["", "machine\n", "machine x password short\n", "no netrc at all"])
def test_a_file_without_a_key_stops_the_start(tmp_path: Path, text):
    provide_key(tmp_path, "ada", URLS)
    key_file(tmp_path, "ada").write_text(text)
    with pytest.raises(StartError, match=r"ada\.netrc contains no key: delete it"):
        read_key(key_file(tmp_path, "ada"))


@pytest.mark.parametrize("path", [".", "keys", "keys/ada.netrc"])
def test_what_other_users_can_read_is_refused(tmp_path: Path, path):
    tmp_path.chmod(0o700)
    provide_key(tmp_path, "ada", URLS)
    require_private(tmp_path)
    (tmp_path / path).chmod(0o750)
    with pytest.raises(StartError, match=r"\(mode 750, expected 700\).*chmod -R go="):
        require_private(tmp_path)
