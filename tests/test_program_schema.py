"""The schema that a program brings: what lint finds with it, and what a wrong one is told by."""

import os
import textwrap

import pytest

from workshop.define import foreign_schema
from workshop.define.definition import load
from workshop.define.linter import lint
from workshop.define.schema import find, unit
from workshop.errors import WorkshopError
from workshop.widgets import sweep_form

PARSER = """
    import argparse

    def parser():
        made = argparse.ArgumentParser()
        made.add_argument("--learning-rate", type=float, default=0.1)
        made.add_argument("--epochs", type=int, default=3)
        made.add_argument("--optimizer", choices=["adam", "sgd"], default="sgd")
        made.add_argument("--nesterov", action="store_true")
        made.add_argument("--data", default="digits")
        return made

    if __name__ == "__main__":
        raise SystemExit("this would train")
"""
MODEL = """
    from enum import Enum
    from typing import Annotated, Literal

    from pydantic import BaseModel, Field

    class Optimizer(BaseModel):
        lr: Annotated[float, Field(gt=0, le=1)] = 0.1
        name: Literal["adam", "sgd"] = "sgd"

    class Config(BaseModel):
        optimizer: Optimizer = Optimizer()
        epochs: int = Field(default=3, ge=1)
        dropout: float | None = Field(default=None, lt=1)
        extra: dict[str, float] = {}
"""


@pytest.fixture
def project(tmp_path):
    """Return a function that makes a project of one program; it returns a sweep of it."""

    def make(program, target, parameters):
        (tmp_path / "train.py").write_text(textwrap.dedent(program))
        (tmp_path / "pyproject.toml").write_text(
            f'[tool.workshop.schemas]\n"train.py" = "{target}"\n'
        )
        chdir = f"--chdir={tmp_path}"
        return {
            "program": "train.py",
            "command": ["${env}", chdir, "${interpreter}", "${program}", "${args}"],
            "method": "random",
            "run_cap": 2,
            "metric": {"name": "anything", "goal": "minimize"},
            "parameters": parameters,
        }

    return make


GOOD = {
    (PARSER, "train:parser"): {
        "learning-rate": {"distribution": "log_uniform_values", "min": 1e-3, "max": 1},
        "epochs": {"values": [3, 5]},
        "optimizer": {"values": ["adam", "sgd"]},
        "nesterov": {"values": [True, False]},
        "data": {"value": 5},
    },
    (MODEL, "train:Config"): {
        "optimizer": {"parameters": {"lr": {"min": 0.1, "max": 1.0}, "name": {"value": "adam"}}},
        "epochs": {"distribution": "q_uniform", "min": 2, "max": 6, "q": 2},
        "dropout": {"values": [None, 0.5]},
        "extra": {"parameters": {"anything": {"value": 1.0}}},
    },
}


@pytest.mark.parametrize(("source", "parameters"), GOOD.items(), ids=["argparse", "pydantic"])
def test_what_the_program_takes_is_no_finding(project, source, parameters):
    assert lint(project(*source, parameters)) == []


@pytest.mark.parametrize(
    ("parameters", "finding"),
    [
        (
            {"learning_rate": {"value": 0.1}},
            "parameter 'learning_rate' is not one that the program knows "
            "(did you mean 'learning-rate'?)",
        ),
        (
            {"epochs": {"values": [3, 2.5]}},
            "parameter 'epochs' is 2.5, but it must be a valid integer",
        ),
        (
            {"learning-rate": {"value": "high"}},
            "parameter 'learning-rate' is 'high', but it must be a valid number",
        ),
        (
            {"optimizer": {"value": "sdg"}},
            "parameter 'optimizer' is 'sdg', but it must be 'adam' or 'sgd'",
        ),
    ],
)
def test_what_a_parser_refuses_is_found(project, parameters, finding):
    assert lint(project(PARSER, "train:parser", parameters)) == [finding]


def test_what_a_model_refuses_is_found(project):
    parameters = {
        "optimizer": {"parameters": {"lr": {"min": 0.5, "max": 2.0}, "momentum": {"value": 0.9}}},
        "epochs": {"parameters": {"first": {"value": 1}}},
        "dropout": {"values": [0.5, 1.5]},
    }
    assert lint(project(MODEL, "train:Config", parameters)) == [
        "parameter 'optimizer.lr' is 1.055, but it must be less than or equal to 1",
        "parameter 'optimizer.momentum' is not one that the program knows "
        "(did you mean 'optimizer.name'?)",
        "parameter 'epochs' is nested, but the program takes one value for it",
        "parameter 'dropout' is 1.5, but it must be less than 1",
    ]


@pytest.mark.parametrize(
    ("program", "target", "words"),
    [
        (PARSER, "train:nothing", "has no attribute 'nothing'"),
        (PARSER, "missing:parser", "No module named 'missing'"),
        (PARSER, "train.parser", 'it must be of the form "module:object"'),
        ("parser = 3", "train:parser", "parser is a int: name a pydantic model, or an argparse"),
        ("import wandb\nwandb.init()", "train:parser", "it starts a run: put the training into"),
        ("import sys\nsys.exit(2)", "train:parser", "it ends the program with status 2: parse"),
        ("import os\nos.abort()", "train:parser", "its import fails ("),
        ("import time\ntime.sleep(60)", "train:parser", "its import takes longer than 1 s"),
    ],
)
def test_a_schema_that_cannot_be_read_is_a_sentence(project, program, target, words, monkeypatch):
    if "sleep" in program:
        monkeypatch.setattr(foreign_schema, "IMPORT_LIMIT_S", 1)
    (finding,) = lint(project(program, target, {"epochs": {"value": 3}}))
    assert words in finding
    assert "\n" not in finding


def test_a_changed_program_is_read_again_and_a_schema_of_others_is_not(project, monkeypatch):
    sweep = project(PARSER, "train:parser", {"epochs": {"value": 3}})
    assert find(sweep).parameters[0] == "learning-rate"
    sweep = project(PARSER.replace("learning-rate", "lr"), "train:parser", sweep["parameters"])
    assert find(sweep).parameters[0] == "lr"
    assert unit("Validation Accuracy", sweep) == "", "of another program, nothing is known"
    other = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: other)
    assert find(sweep) is None, "importing it would run another user's code"


def test_the_form_offers_the_names_and_shows_what_is_wrong(project):
    form = sweep_form(project(PARSER, "train:parser", {"epochs": {"values": ["many"]}}))
    assert form.problems == ["parameter 'epochs' is 'many', but it must be a valid integer"]
    assert "learning-rate" in form._schema.parameters
    assert form.config["metric"]["name"] == "anything", "what it logs is not known"


def test_a_sweep_is_loaded_only_if_it_fits_its_program(project, tmp_path):
    project(PARSER, "train:parser", {})
    file = tmp_path / "sweep.yaml"
    file.write_text(
        "program: train.py\nmethod: grid\nmetric: {name: loss, goal: minimize}\n"
        "parameters: {epoch: {value: 3}}\n"
    )
    with pytest.raises(WorkshopError, match=r"'epoch' is not one that the program knows \(did"):
        load(file)
