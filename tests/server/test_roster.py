from pathlib import Path

import pytest

from sweepserver.app import ROUTES
from sweepserver.errors import StartError
from sweepserver.people.auth import Authenticator, hash_key
from sweepserver.people.roster import NAME, RESERVED, Person, admit, read_roster
from sweepserver.store.records import User


def read(folder: Path, content: str | bytes) -> list[Person]:
    file = folder / "people.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_roster(file)


@pytest.mark.parametrize(
    "text",
    [
        "name,role\nada,\ngrace,instructor\n",
        "\ufeffName;Role;E-Mail\r\nada;participant;a@b\r\n\r\n;;\r\n grace ; Instructor;\r\n",
        'name\trole\n"ada"\ngrace\tinstructor',
    ],
)
def test_a_roster_is_read_as_spreadsheets_write_it(tmp_path, text):
    assert read(tmp_path, text) == [Person("ada"), Person("grace", is_instructor=True)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", r"has the columns none; expected a first line with the column `name`"),
        ("ada\nbob\n", r"has the columns ada; expected a first line"),
        ("name\n\n", r"lists nobody; expected a line for each person"),
        ("name\nada\n\nada\n", r"line 4: the name 'ada' is that of line 2 already"),
        ("name\nAda Lovelace\n", r"line 2: 'Ada Lovelace' cannot be .* such as 'ada-lovelace'"),
        ("name\n../x\n", r"line 2: '\.\./x' cannot be a user's name; .* such as 'x'"),
        ("name,role\n,instructor\n", r"line 2: '' cannot be a user's name"),
        ("name\n" + "a" * 65, r"line 2: 'a+….* 1 to 64 of"),
        ("name\nlocal\n", r"line 2: the name 'local' is the server's own"),
        ("name\nfiles\n", r"line 2: the name 'files' is the server's own; .* 'files-1'"),
        ("name,role\nada,boss\n", r"line 2: the role 'boss' is not known; expected 'instructor'"),
        (b"name\n\xff\n", r"cannot be read \(.*\); name a CSV file in UTF-8"),
        (b"name\n\0\n", r"line 2: '\\x00' cannot be|cannot be read \(line contains NUL\)"),
    ],
)
def test_what_cannot_be_a_roster_is_refused_with_a_sentence(tmp_path, content, expected):
    with pytest.raises(StartError, match=expected) as raised:
        read(tmp_path, content)
    assert "people.csv" in str(raised.value)


def test_a_roster_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StartError, match=r"none\.csv cannot be read \(No such file"):
        read_roster(tmp_path / "none.csv")


def test_no_entity_can_hide_an_address_of_the_server():
    first = {route.path.split("/")[1] for route in ROUTES}
    assert {part for part in first if NAME.fullmatch(part)} <= RESERVED


def test_people_come_and_go_and_keep_their_keys(store):
    keys = {}

    def key_of(name: str) -> str:
        return keys.setdefault(name, f"{name:0<40}")

    def users() -> dict[str, tuple[bool, int]]:
        return {user.name: (bool(user.key_hash), user.is_admin) for user in store.all(User)}

    admit(store, [Person("ada"), Person("bob")], key_of)
    assert users() == {"ada": (True, 0), "bob": (True, 0)}
    admit(store, [Person("bob", is_instructor=True), Person("eve")], key_of)
    assert users() == {"ada": (False, 0), "bob": (True, 1), "eve": (True, 0)}
    assert Authenticator(store, key_of("local")).user_with_key(keys["ada"]) is None
    admit(store, None, key_of)
    assert users() | {"local": ...} == {
        "ada": (False, 0), "bob": (True, 1), "eve": (True, 0), "local": ...
    }  # fmt: skip
    admit(store, [Person("ada")], key_of)
    authenticator = Authenticator(store, key_of("local"))
    assert authenticator.user_with_key(keys["ada"]).name == "ada"
    assert [user.name for user in authenticator.people] == ["ada"]
    keys["ada"] = "a" * 40
    admit(store, None, key_of)
    assert store.find(User, name="ada").key_hash == hash_key("a" * 40)


@pytest.mark.parametrize("names", [("local", "ada"), ("local", "bob"), ("ada", "bob")])
def test_a_key_file_that_was_copied_is_refused(store, names):
    keys = {"local": "l" * 40, "ada": "a" * 40, "bob": "b" * 40} | dict.fromkeys(names, "x" * 40)
    with pytest.raises(StartError, match=f"{names[0]} and {names[1]} hold the same key"):
        admit(store, [Person("ada"), Person("bob")], keys.get)
