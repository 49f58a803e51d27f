"""A class leaves its results in a folder where everybody may write, and somebody may be nasty."""

import json
import os
import pwd
import re
import shlex

import pytest

from workshop import cli
from workshop.errors import WorkshopError
from workshop.paths import ROOT
from workshop.preflight import Finding, as_json, seats

FINE = [Finding("Python", "3.11")]
WRONG = [*FINE, Finding("disk", "full", "problem", "free some")]
ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def shared(tmp_path):
    """The folder of the class, made as the instructor guide says."""
    guide = (ROOT / "docs" / "instructor_guide.md").read_text()
    mode = re.search(r"`mkdir -m (\d+) SHARED`", guide)[1]
    folder = tmp_path / "SHARED"
    folder.mkdir()
    folder.chmod(int(mode, 8))
    return folder


def collected(shared, capsys) -> list[str]:
    """Return what the command prints that the guide names."""
    guide = (ROOT / "docs" / "instructor_guide.md").read_text()
    words = shlex.split(re.search(r"workshop (check --collect SHARED)", guide)[1])
    words[-1] = str(shared)
    cli.main(words)
    return capsys.readouterr().out.splitlines()


def test_forty_seats_are_read_at_once(shared, capsys, monkeypatch):
    for number in range(40):
        monkeypatch.setattr("platform.node", lambda number=number: f"seat{number}")
        seats.leave(WRONG if number in (7, 23) else FINE, shared)
    lines = collected(shared, capsys)
    assert lines[0] == "seats that have answered: 40, with problems: 2"
    assert lines[1:] == [f"{ME} on seat23  disk", f"{ME} on seat7   disk"]
    assert cli.main(["check", "--collect", str(shared), "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["seats"]) == 40


def test_the_command_leaves_its_result_and_the_newest_of_a_machine_counts(shared, capsys):
    os.utime(seats.leave(WRONG, shared), (0, 0))
    status = cli.main(["check", "--backend", "local", "--into", str(shared)])
    printed = capsys.readouterr()
    assert status == 0, printed.out
    (new,) = re.findall(r"Written: \S+/(\S+)", printed.err)
    assert (shared / new).stat().st_mode & 0o777 == 0o644
    assert len([*shared.iterdir()]) == 2
    assert collected(shared, capsys) == ["seats that have answered: 1, with problems: 0"]


def test_what_others_have_prepared_is_not_written_to(shared, tmp_path, monkeypatch):
    precious = tmp_path / "thesis.tex"
    precious.write_text("years")
    monkeypatch.setattr("platform.node", lambda: "seat1")
    for name in (ME, "seat1", f"{ME}-seat1", ".seat1-"):
        (shared / f"{name}.json").symlink_to(precious)
    seats.leave(FINE, shared)
    assert precious.read_text() == "years"
    assert len([file for file in shared.iterdir() if not file.is_symlink()]) == 1


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_in_which_others_may_replace_files_is_refused(shared, mode):
    shared.chmod(mode)
    with pytest.raises(WorkshopError, match=r"anybody could replace .*`chmod \+t"):
        seats.leave(FINE, shared)


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(WorkshopError, match=r"no file can be created in .* \(No such file"):
        seats.leave(FINE, tmp_path / "none")
    with pytest.raises(WorkshopError, match=r"none cannot be read \(No such file"):
        seats.collect(tmp_path / "none")


def test_what_is_no_result_is_left_out_and_named(shared, tmp_path, capsys):
    secret = tmp_path / "secret.json"
    secret.write_text(as_json(WRONG))
    (shared / "link.json").symlink_to(secret)
    (shared / "hard.json").hardlink_to(secret)
    os.mkfifo(shared / "pipe.json")
    (shared / "folder.json").mkdir()
    (shared / "large.json").write_bytes(b" " * (seats.LARGEST_RESULT_BYTES + 1))
    (shared / "half.json").write_text(as_json(FINE)[:20])
    (shared / "list.json").write_text("[1]")
    (shared / "evil\x1b[2J.json").write_text("")
    (shared / ".unfinished").write_text("")
    assert collected(shared, capsys) == [
        "seats that have answered: 0, with problems: 0",
        f"left out: evil?[2J.json of {ME} is not a result of `workshop check --into`",
        f"left out: folder.json of {ME} is not a regular file",
        f"left out: half.json of {ME} is not a result of `workshop check --into`",
        f"left out: hard.json of {ME} has a second hard link, so it may be from elsewhere",
        f"left out: large.json of {ME} is larger than 1 MiB",
        "left out: link.json is a link, which is not followed",
        f"left out: list.json of {ME} is not a result of `workshop check --into`",
        f"left out: pipe.json of {ME} is not a regular file",
    ]


def test_nothing_that_is_written_commands_the_terminal(shared, capsys):
    record = json.loads(as_json(WRONG)) | {"host": "\x1b[2Jseat1", "problems": ["a\nb"]}
    (shared / "x.json").write_text(json.dumps(record))
    assert collected(shared, capsys)[1:] == [f"{ME} on ?[2Jseat1  a?b"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of somebody else")
def test_nobody_answers_for_somebody_else(shared, capsys):
    record = json.loads(as_json(WRONG)) | {"user": "ada", "host": "seat1"}
    (shared / "ada.json").write_text(json.dumps(record))
    os.chown(shared / "ada.json", pwd.getpwnam("nobody").pw_uid, -1)
    assert collected(shared, capsys)[1:] == ["nobody on seat1  disk"]


def test_the_guide_names_the_command_that_writes():
    guide = (ROOT / "docs" / "instructor_guide.md").read_text()
    assert len(re.findall(r"workshop check .*--into SHARED", guide)) == 2
    assert not re.search("> *SHARED", guide)
