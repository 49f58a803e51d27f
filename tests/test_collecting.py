"""An instructor collects what the class has done."""

import re
from pathlib import Path

import pandas as pd
import pytest

from sweepserver.people.keys import key_file
from tests.fixtures.server import launch
from workshop import cli
from workshop.classroom import results
from workshop.connection import backend
from workshop.errors import WorkshopError

TRAIN = """
import wandb
with wandb.init() as run:
    run.log({"Validation Accuracy": 50 + run.config.lr})
"""
SWEEP = """
program: train.py
method: grid
metric: {name: Validation Accuracy, goal: maximize}
parameters: {lr: {values: [1, 3, 2]}}
"""


@pytest.fixture(scope="module")
def class_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    (folder / "people.csv").write_text("name, role\nada, \nbob, \ngrace, instructor\n")
    server = launch(folder / "store", folder / "home", 0, ("--roster", str(folder / "people.csv")))
    yield server
    server.stop()


def test_runs_of_the_class_become_one_table(class_server):
    home, store = class_server.home, class_server.store
    (home / "train.py").write_text(TRAIN)
    (home / "sweep.yaml").write_text(SWEEP)
    ada, grace = ({"NETRC": str(key_file(store, name))} for name in ("ada", "grace"))
    _, output = class_server.run("wandb", "sweep", "--project", "p", "sweep.yaml", **ada)
    path = re.search(r"wandb agent (ada/p/\w+)", output)[1]
    status, output = class_server.run("wandb", "agent", "--count", "2", path, **ada)
    assert status == 0, output
    roster, table = str(store.parent / "people.csv"), home / "results.csv"
    status, output = class_server.run(
        "workshop", "results", roster, str(table), "--project", "p",
        **grace, WORKSHOP_HOME=str(home),
    )  # fmt: skip
    assert status == 0, output
    assert "ada: 2 of 2 runs finished, best Validation Accuracy 53\n" in output
    assert "bob: no sweep\ngrace: no sweep\n" in output
    runs = pd.read_csv(table)
    assert runs["person"].tolist() == ["ada", "ada"]
    assert runs["Validation Accuracy"].tolist() == [51, 53]


def test_what_is_no_roster_is_refused(tmp_path):
    with pytest.raises(WorkshopError, match="cannot be read"):
        results.people(tmp_path / "none.csv")
    (tmp_path / "people.csv").write_text("who\nada\n")
    with pytest.raises(WorkshopError, match="with a column `name` in its header"):
        results.people(tmp_path / "people.csv")
    (tmp_path / "people.csv").write_text("")
    with pytest.raises(WorkshopError, match="with a column `name` in its header"):
        results.people(tmp_path / "people.csv")


NEXT_STEP = "give another file, in a folder that you can write to"


class TestOutput:
    @pytest.fixture
    def roster(self, tmp_path):
        (tmp_path / "people.csv").write_text("name\n")
        return str(tmp_path / "people.csv")

    @pytest.mark.parametrize(
        ("output", "reason"),
        [("no/all.csv", "No such file or directory"), ("", "Is a directory")],
    )
    def test_it_is_checked_before_the_work(self, roster, output, reason, monkeypatch, capsys):
        monkeypatch.setattr(backend, "connect", lambda _: pytest.fail("work was done"))
        folder = Path(roster).parent
        assert cli.main(["results", roster, str(folder / output)]) == 2
        assert f"cannot be written ({reason}): {NEXT_STEP}\n" in capsys.readouterr().err
        assert [file.name for file in folder.iterdir()] == ["people.csv"]

    def test_an_error_in_writing_it_is_a_sentence(self, roster, monkeypatch, capsys):
        monkeypatch.setattr(backend, "connect", lambda _: None)
        assert cli.main(["results", roster, "/dev/full"]) == 2
        said = capsys.readouterr().err
        assert said == (
            f"error: /dev/full cannot be written (No space left on device): {NEXT_STEP}\n"
        )
