"""Early termination replayed: the very decisions of the local server, and what they cost."""

import copy
import json
import random
from typing import ClassVar

import pandas as pd
import pytest

from sweepserver.search import hyperband
from sweepserver.store.database import Store
from sweepserver.store.records import Sweep
from sweepserver.values import new_id
from tests.server.world import World
from workshop import define
from workshop.analyze import plots, search_methods
from workshop.analyze.search_methods import stopping
from workshop.errors import WorkshopError

SETTINGS = {"type": "hyperband", "min_iter": 1, "eta": 3}


def random_curves(draw, runs, epochs):
    """Return curves that rise from different starts; some are short, as after a divergence."""
    curves = {}
    for run in range(runs):
        level, rise = draw.uniform(0, 1), draw.uniform(0, 0.2)
        length = draw.choice([epochs, epochs, epochs, draw.randint(1, epochs)])
        curves[run] = [level + rise * e + draw.gauss(0, 0.1) for e in range(length)]
    return curves


@pytest.fixture
def decisions(monkeypatch):
    """Note what the rule was asked by a replay, and what it said."""
    noted, decide = [], hyperband.to_stop

    def to_stop(definition, histories, live):
        answer = decide(definition, histories, live)
        noted.append((copy.deepcopy(histories), set(live), answer))
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(stopping.hyperband, "to_stop", to_stop)
        yield noted


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_the_server_stops_the_same_runs_at_the_same_values(tmp_path, decisions, strict, goal):
    """A hundred random sweeps for each, whose runs log to the server's store in that order."""
    draw = random.Random(f"{strict} {goal}")
    store = Store(tmp_path)
    with store.writing():
        world = World(store)
        for _ in range(100):
            settings = SETTINGS | {
                "min_iter": draw.choice([1, 2]),
                "eta": draw.choice([2, 3]),
                "strict": strict,
            }
            curves = random_curves(draw, draw.randint(2, 8), 7)
            decisions.clear()
            agents = draw.choice([1, 3, 8])
            replayed = search_methods.stop_early(curves, settings, goal, agents)
            expected = replayed["epochs"][replayed["stopped"]].to_dict()
            config = {
                "method": "random",
                "metric": {"name": "m", "goal": goal},
                "parameters": {"x": {"min": 0, "max": 1}},
                "early_terminate": settings,
            }
            # Of the replay alone; the server asks the same function.
            asked = list(decisions)
            assert stopped_by_server(world, config, curves, asked) == expected
    store.close()


def stopped_by_server(world, config, curves, decisions):
    """Play the runs of a replay to a server; return those that it stopped, and after how much."""
    world.sweep_id = world.store.add(
        Sweep,
        project_id=world.sweep.project_id,
        name=new_id(),
        config=json.dumps(config),
        state="RUNNING",
        created_at=world.clock(),
        updated_at=world.clock(),
    ).id
    names = {str(run): world.dispatcher.enqueue(world.sweep, {}, "local").name for run in curves}
    whole = {str(run): len(values) for run, values in curves.items()}
    before, open_runs = {}, set(names)
    for histories, live, _ in decisions:
        for run in sorted(open_runs - live):
            if len(before.get(run, ())) == whole[run]:
                world.post(names[run], complete=True, exitcode=0)
                open_runs.remove(run)
        for run, values in histories.items():
            if len(values) > len(before.get(run, ())):
                world.log(names[run], m=values[-1:])
        before = copy.deepcopy(histories)
    for run in open_runs:
        is_whole = len(before.get(run, ())) == whole[run]
        world.post(names[run], complete=True, exitcode=0 if is_whole else 255)
    numbers = {str(run): run for run in curves}
    return {
        numbers[run]: len(before[run])
        for run, name in names.items()
        if world.run(name).was_stopped_early
    }


def test_replay_is_that_of_a_sweep_worked_out_by_hand():
    """Two agents, comparisons after 1 and 3 values, of which the best third goes on."""
    curves = {"a": [5, 6, 7, 8], "b": [1, 9, 9, 9], "c": [6, 6, 6, 6], "d": [4, 9, 9, 9]}
    table = search_methods.stop_early(curves, SETTINGS, agents=2)
    # b is worse than a when both have one value, and c, which takes its place, is better than both.
    # After three values c is worse than a; d, the last one, is worse than a was after one.
    assert table["stopped"].to_dict() == {"a": False, "b": True, "c": True, "d": True}
    assert table["epochs"].to_dict() == {"a": 4, "b": 1, "c": 3, "d": 1}
    found = search_methods.outcome(table)
    assert found["stopped"] == 3
    assert found["epochs saved"] == pytest.approx(7 / 16)
    assert found["winner lost"]
    assert found["cost"] == 1
    mirrored = {run: [-value for value in values] for run, values in curves.items()}
    least = search_methods.stop_early(mirrored, SETTINGS, "minimize", agents=2)
    assert least["epochs"].equals(table["epochs"])
    assert search_methods.outcome(least, "minimize")["cost"] == 1


def test_last_value_stops_nobody():
    table = search_methods.stop_early({"a": [9.0], "b": [1.0]}, SETTINGS, agents=2)
    assert not table["stopped"].any()


def test_strict_looks_at_the_value_of_the_bracket():
    curves = {"a": [2, 2, 2, 2], "b": [2, 2, 2, 2], "early": [9, 1, 1, 1]}
    settings = {"type": "hyperband", "min_iter": 2, "eta": 2}
    assert not search_methods.stop_early(curves, settings)["stopped"]["early"]
    assert search_methods.stop_early(curves, settings | {"strict": True})["stopped"]["early"]


@pytest.mark.parametrize(
    ("settings", "epochs"),
    [
        ({"min_iter": 1}, [1, 3, 9, 27]),
        ({"min_iter": 3, "eta": 2}, [3, 6, 12, 24]),
        ({"max_iter": 27, "s": 2}, [3, 9]),
    ],
)
def test_brackets(settings, epochs):
    found = search_methods.brackets({"type": "hyperband"} | settings, 30)
    assert list(found["epoch"]) == epochs
    assert set(found["continues"]) == {1 / settings.get("eta", 3)}


def test_settings_without_sense_are_refused_with_the_servers_sentence():
    settings = {"type": "hyperband"}
    with pytest.raises(WorkshopError, match="needs min_iter, or max_iter and s"):
        search_methods.brackets(settings, 9)
    with pytest.raises(WorkshopError, match="needs min_iter, or max_iter and s"):
        search_methods.stop_early({}, settings)


def test_configuration_is_valid_and_is_what_the_replay_takes():
    definition = define.load("configs/sweep_config_hyperband.yaml")
    assert define.combinations(definition) == 12
    epochs = definition["parameters"]["num_epochs"]["value"]
    found = search_methods.brackets(definition["early_terminate"], epochs)
    assert list(found["epoch"]) == [1, 3, 9]


class TestFigure:
    CURVES: ClassVar = {"a": [5, 6, 7, 8], "b": [1, 9, 9, 9], "c": [6, 6, 6, 6]}

    def test_curves_end_where_they_were_stopped(self):
        table = search_methods.stop_early(self.CURVES, SETTINGS, agents=2)
        figure = plots.hyperband(table, self.CURVES, search_methods.brackets(SETTINGS, 4), "Loss")
        future, stopped, crosses, finished = figure.data
        assert list(crosses.x) == [1, 3]
        assert list(crosses.y) == [1, 6]
        assert list(finished.y) == [5, 6, 7, 8, None]
        assert list(stopped.x) == [1, None, 1, 2, 3, None]
        assert list(future.x) == [1, 2, 3, 4, None, 3, 4, None]
        assert [line.x0 for line in figure.layout.shapes] == [1, 3]
        assert figure.layout.title.text == "Hyperband stopped 2 of 3 runs"
        assert "compared after 1 and 3 epochs: 2 stopped early" in figure.layout.meta["alt"]

    def test_nothing_to_compare_is_said(self):
        empty = search_methods.stop_early({}, SETTINGS)
        figure = plots.hyperband(empty, {}, search_methods.brackets(SETTINGS, 4), "Loss")
        assert figure.layout.meta["alt"] == "There are no runs to compare."
        alone = search_methods.stop_early({1: [1.0]}, SETTINGS)
        figure = plots.hyperband(alone, {1: [1.0]}, pd.DataFrame({"epoch": []}), "Loss")
        assert "never compared" in figure.layout.meta["alt"]


def test_curves_that_are_not_recorded_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(stopping, "CURVES", tmp_path / "curves.csv")
    with pytest.raises(WorkshopError, match=r"curves\.csv is missing: record it with"):
        search_methods.compare_stopping({"eager": SETTINGS}, repeats=1)


class TestRecorded:
    def test_curves_are_complete_and_say_where_they_are_from(self):
        curves = search_methods.recorded_curves()
        assert curves["run"].nunique() == 32
        assert (curves.groupby("run")["Epoch"].max() == 9).all()
        assert curves["Validation Accuracy"].between(0, 100).all()
        points = curves.drop_duplicates("run")[["batch_size", "learning_rate", "optimizer"]]
        assert not points.duplicated().any()
        header = stopping.CURVES.read_text().splitlines()[:2]
        assert header[0].startswith("# Learning curves: scale tiny")
        assert "Recorded 20" in header[1]
        assert stopping.CURVES.stat().st_size < 40_000

    def test_eager_and_patient_settings_save_and_lose_what_notebook_04_says(self):
        eager, patient = SETTINGS, SETTINGS | {"min_iter": 3}
        table = search_methods.compare_stopping({"eager": eager, "patient": patient})
        assert table["epochs saved"].tolist() == pytest.approx([0.68, 0.42], abs=0.005)
        assert table["winner lost"].tolist() == [0.05, 0]
        assert table.loc["eager", "cost"] > table.loc["patient", "cost"] == 0

    def test_late_comparisons_stop_nobody_and_strict_ones_more(self):
        choices = {
            "late": SETTINGS | {"min_iter": 9},
            "eager": SETTINGS,
            "strict": SETTINGS | {"strict": True},
        }
        table = search_methods.compare_stopping(choices, repeats=8)
        assert list(table.loc["late", ["stopped", "epochs saved", "cost"]]) == [0, 0, 0]
        assert table.loc["strict", "stopped"] >= table.loc["eager", "stopped"]
