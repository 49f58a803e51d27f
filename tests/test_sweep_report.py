"""`workshop report`: a sweep as one file that somebody else can read, print and believe."""

import re

import numpy as np
import pandas as pd
import pytest
import wandb

from sweepserver.search import hyperparameters
from sweepserver.search.metric import Metric
from tests.printing import pages_of
from tests.repository.documents import Page, are_in_order
from workshop import cli
from workshop.analyze import report
from workshop.analyze.pareto import rank_by
from workshop.analyze.report import contents, page
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.run_agents.local import run_in_process

METRIC = "Validation Accuracy"
DEFINITION = {
    "program": "workshop/wandb_sweep.py",
    "name": "rates",
    "description": "Does <b>momentum</b> help?",
    "method": "grid",
    "metric": {"name": METRIC, "goal": "maximize"},
    "parameters": {
        "learning_rate": {"values": [0.1, 0.01, 0.001]},
        "optimizer": {"values": ["adam", "sgd"]},
        "scale": {"value": "tiny"},
    },
}


def program():
    """Log two epochs; fail for one point."""
    with wandb.init(settings={"console": "off"}) as run:
        rate, optimizer = run.config.learning_rate, run.config.optimizer
        for epoch in (1, 2):
            run.log({"Epoch": epoch, METRIC: 50 + epoch - 100 * rate + (optimizer == "sgd")})
        if (rate, optimizer) == (0.1, "adam"):
            run.finish(exit_code=1)


@pytest.fixture(scope="module")
def sweep(server):
    path = registration.register(DEFINITION, "reported")
    run_in_process(path, program=program)
    return path


@pytest.fixture(scope="module")
def collected(sweep):
    return report.collect(sweep)


def test_report_has_the_question_the_answer_and_what_was_excluded(sweep, collected):
    assert collected.question == DEFINITION["description"]
    assert "description" not in collected.definition
    assert "method: grid" in collected.definition
    assert re.search(
        r"^6 runs: 5 finished and 1 failed\. The best is \S+: Validation Accuracy 52\.9 % with "
        r"learning_rate 0\.001, optimizer sgd\.$",
        collected.result,
    ), collected.result
    assert collected.runs.columns[:4] == ["rank", "name", "learning_rate", "optimizer"]
    assert len(collected.runs.rows) == 5
    ((_, reason),) = collected.excluded.rows
    assert "failed: its program ended with an error" in reason
    assert collected.ledger is None
    assert len(collected.figures) >= 4
    best, here = collected.environments.values()
    assert best["run"].startswith(sweep.rsplit("/", 1)[0])
    assert {"host", "Python", "system"} <= best.keys()
    assert here["wandb"] == wandb.__version__
    assert any("Each point was tried once" in sentence for sentence in collected.limits)
    assert any("5 ranked runs" in sentence for sentence in collected.limits)


@pytest.mark.browser
def test_page_needs_nothing_else_and_everything_on_it_has_words(collected):
    text = report.render(collected)
    shown = Page(text)
    assert shown.unnamed == []
    assert are_in_order(shown.levels)
    assert shown.title == "Report on sweep rates"
    assert text.count("<img alt=") == len(collected.figures)
    assert "<script" not in text
    assert re.findall(r"(?:src|href)=\"(?!data:)", text) == []
    assert "Does &lt;b&gt;momentum&lt;/b&gt; help?" in text


def test_without_a_browser_figures_are_words(collected, monkeypatch):
    monkeypatch.setattr(page, "png", lambda _: None)
    text = report.render(collected)
    assert "<img" not in text
    assert text.count("A picture needs Chrome or Chromium") == len(collected.figures)


def test_command_writes_the_file(sweep, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(page, "png", lambda _: None)
    assert cli.main(["report", sweep]) == 0
    file = tmp_path / f"report-{sweep.rsplit('/', 1)[-1]}.html"
    assert f"Written: {file}" in capsys.readouterr().out
    assert file.exists()
    assert cli.main(["report", sweep, "--output", str(tmp_path / "no" / "file.html")]) == 2
    assert "cannot be written (No such file or directory)" in capsys.readouterr().err
    with pytest.raises(WorkshopError, match="nosuch"):
        report.collect(sweep.rsplit("/", 1)[0] + "/nosuch00")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metric": None}, "The sweep has no metric"),
        ({}, "None has finished with a finite Validation Accuracy"),
        (
            {"metric": None, "metrics": [DEFINITION["metric"], {"name": "loss"}]},
            "None has finished with a finite Validation Accuracy and loss",
        ),
    ],
)
def test_a_sweep_without_runs_is_reported(server, change, said):
    definition = {
        key: value for key, value in (DEFINITION | change).items() if value and key != "description"
    }
    if "metrics" in change:
        definition |= {"method": "custom", "scheduler": {"engine": "optuna"}}
    collected = report.collect(f"local/empty/{wandb.sweep(definition, project='empty')}")
    assert collected.result.startswith("0 runs.")
    assert said in collected.result
    text = report.render(collected)
    assert "The sweep has no description" in text
    assert "No run can be ranked" in text


@pytest.fixture(scope="module")
def large():
    """A report on 200 runs, made of their table alone."""
    random = np.random.default_rng(0)
    runs = pd.DataFrame(
        {
            "run": [f"run{number:05}" for number in range(200)],
            "name": [f"floating-sweep-{number}" for number in range(200)],
            "state": ["failed" if number % 10 == 0 else "finished" for number in range(200)],
            "learning_rate": 10 ** random.uniform(-5, -1, 200),
            "optimizer": random.choice(["adam", "sgd", "adamw"], 200),
            METRIC: random.uniform(10, 90, 200),
            "started": pd.date_range("2026-11-01", periods=200, freq="min", tz="UTC"),
            "seconds": random.uniform(10, 90, 200),
        }
    )
    runs["path"] = "ada/p/" + runs["run"]
    definition = DEFINITION | {
        "method": "random",
        "parameters": {
            "learning_rate": {"min": 1e-5, "max": 0.1, "distribution": "log_uniform_values"},
            "optimizer": {"values": ["adam", "sgd", "adamw"]},
        },
    }
    return runs, definition


@pytest.mark.browser
def test_200_runs_are_less_than_5_megabytes_and_two_printed_pages(
    large, collected, monkeypatch, tmp_path
):
    runs, definition = large
    goals, varied = Metric.goals_of(definition), hyperparameters(definition)
    epochs = [
        {"run": run, "step": epoch, "Epoch": epoch, METRIC: epoch * value}
        for run, value in zip(runs["run"][:10], runs[METRIC], strict=False)
        for epoch in range(30)
    ]
    monkeypatch.setattr("workshop.analyze.history", lambda *_: pd.DataFrame(epochs))
    ranked = rank_by(runs, goals)
    whole = contents.Contents(
        sweep="ada/p/abcdefgh",
        name="rates",
        written=collected.written,
        question=DEFINITION["description"],
        definition=collected.definition,
        result=contents._result(runs, ranked, definition, list(varied)),
        runs=contents._runs_table(ranked, goals, list(varied)),
        figures=[*contents._figures(runs, ranked, goals, varied)],
        excluded=contents._excluded(runs, ranked, goals),
        ledger=contents.Table(["task", "run", "cause"], [["17_3", "run", "finished"]] * 200),
        ledger_note="",
        environments=collected.environments,
        limits=list(contents._limits(runs, ranked, goals, list(varied))),
    )
    assert len(whole.figures) == 5
    assert all(figure.data for figure in whole.figures)
    file = tmp_path / "report.html"
    report.write(whole, file)
    assert file.stat().st_size < 5_000_000
    assert len(re.findall("<tr", file.read_text())) > 400
    assert pages_of(file) == 2
