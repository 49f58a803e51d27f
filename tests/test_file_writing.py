"""Files that several processes write and read at once, and that a kill may cut short."""

import errno
import fcntl
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import patience
from workshop import files
from workshop.errors import WorkshopError

UNFINISHED = """\
import sys
from pathlib import Path
from workshop import files
with files.replacing(Path(sys.argv[1]), sole_writer=len(sys.argv) > 2) as stream:
    stream.write(b"half of the ne")
    stream.flush()
    print("written", flush=True)
    sys.stdin.read()
"""
HOLDER = """\
import sys
from pathlib import Path
from workshop import files
with files.lock(Path(sys.argv[1]), shared=len(sys.argv) > 2):
    print("held", flush=True)
    sys.stdin.read()
"""


class Other:
    """Another process, which has reached its first line of output."""

    def __init__(self, program: str, *words: object):
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout
        self.process.stdout.readline()

    def __enter__(self) -> "Other":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=patience(60))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "state.json").write_text("old")
    return tmp_path / "state.json"


def beside(file: Path) -> list[str]:
    return sorted(path.name for path in file.parent.iterdir() if path != file)


@pytest.fixture
def without_locks(monkeypatch):
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)


class TestWriting:
    @pytest.mark.parametrize("sole_writer", [False, True])
    def test_text_and_bytes(self, file, sole_writer):
        files.write(file, "é\n", sole_writer=sole_writer)
        assert file.read_bytes() == b"\xc3\xa9\n"
        files.write(file, b"\xff", sole_writer=sole_writer)
        assert file.read_bytes() == b"\xff"
        assert beside(file) == []

    @pytest.mark.parametrize(("mode", "expected"), [(None, 0o640), (0o600, 0o600), (0o644, 0o644)])
    def test_permissions(self, tmp_path, mode, expected):
        before = os.umask(0o027)
        try:
            files.write(tmp_path / "new", "", mode)
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == expected

    def test_an_error_leaves_the_old_content_and_nothing_else(self, file):
        with pytest.raises(TypeError), files.replacing(file) as stream:
            stream.writelines([b"half of the ne", None])
        assert (file.read_text(), beside(file)) == ("old", [])

    def test_a_disk_that_takes_no_more_leaves_the_old_content(self, file):
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                files.write(file, bytes(2000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert (file.read_text(), beside(file)) == ("old", [])

    def test_readers_see_the_old_content_until_the_end(self, file):
        with files.replacing(file) as stream:
            stream.write(b"new")
            stream.flush()
            assert file.read_text() == "old"
        assert file.read_text() == "new"

    def test_a_kill_leaves_the_old_content(self, file):
        with Other(UNFINISHED, file):
            pass
        assert file.read_text() == "old"
        assert len(beside(file)) == 1

    def test_what_a_kill_has_left_is_overwritten_by_the_sole_writer(self, file):
        with Other(UNFINISHED, file, "sole"):
            pass
        assert (file.read_text(), beside(file)) == ("old", ["state.json.unfinished"])
        files.write(file, "new", sole_writer=True)
        assert (file.read_text(), beside(file)) == ("new", [])

    def test_two_writers_at_once(self, file):
        with Other(UNFINISHED, file):
            files.write(file, "mine")
            assert file.read_text() == "mine"

    def test_no_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            files.write(tmp_path / "none" / "file", "")


class TestWritable:
    def test_what_can_be_written_stays_as_it_is(self, file, tmp_path):
        files.check_writable(file, "give another")
        files.check_writable(tmp_path / "new.json", "give another")
        assert [each.name for each in tmp_path.iterdir()] == [file.name]
        assert file.read_text() == "old"

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("", "Is a directory"),
            ("no/new.json", "No such file or directory"),
            ("state.json/new.json", "Not a directory"),
        ],
    )
    def test_what_cannot_be_written_is_a_sentence(self, file, tmp_path, name, reason):
        with pytest.raises(WorkshopError, match=rf"cannot be written \({reason}\): give another$"):
            files.check_writable(tmp_path / name, "give another")

    def test_an_error_without_a_reason_of_the_system_is_its_own(self, file):
        with (
            pytest.raises(WorkshopError, match=r"cannot be written \(full\): give another$"),
            files.writing(file, "give another"),
        ):
            raise OSError("full")


class TestLock:
    def test_who_need_not_wait_says_nothing(self, tmp_path):
        said: list[str] = []
        with files.lock(tmp_path / "lock", on_wait=lambda: said.append("waiting")):
            pass
        assert said == []

    def test_it_is_waited_for_until_its_holder_is_killed(self, tmp_path):
        said: list[str] = []
        with Other(HOLDER, tmp_path / "lock") as other:

            def let_go() -> None:
                said.append("waiting")
                other.process.kill()

            with files.lock(tmp_path / "lock", on_wait=let_go):
                assert said == ["waiting"]

    def test_without_waiting(self, tmp_path):
        with Other(HOLDER, tmp_path / "lock"):
            with pytest.raises(BlockingIOError, match="holds its lock"):
                files.lock(tmp_path / "lock", wait=False)
            with pytest.raises(BlockingIOError):
                files.lock(tmp_path / "lock", shared=True, wait=False)
        files.lock(tmp_path / "lock", wait=False).close()

    def test_the_last_of_several_holders_has_it_alone(self, tmp_path):
        with (
            files.lock(tmp_path / "lock", shared=True) as mine,
            Other(HOLDER, tmp_path / "lock", "shared"),
        ):
            assert not files.becomes_exclusive(mine)
        with files.lock(tmp_path / "lock", shared=True) as mine:
            assert files.becomes_exclusive(mine)
            with pytest.raises(BlockingIOError):
                files.lock(tmp_path / "lock", shared=True, wait=False)

    def test_what_is_in_the_file_stays(self, tmp_path):
        (tmp_path / "lock").write_text("17")
        with files.lock(tmp_path / "lock") as held:
            held.seek(0)
            assert held.read() == "17"

    def test_a_file_system_without_locks_keeps_nobody_out(self, tmp_path, without_locks):
        with (
            files.lock(tmp_path / "lock", wait=False),
            files.lock(tmp_path / "lock", shared=True) as shared,
        ):
            assert not files.becomes_exclusive(shared), "others may be there"
