import math
from operator import itemgetter

import numpy as np
import optuna
import pandas as pd
import pytest

from sweepserver.search import Scale, Trial, bayes
from workshop import analyze
from workshop.analyze import plots, search_methods
from workshop.analyze.search_methods import luck
from workshop.analyze.search_methods.replay import ORDERS, PARAMETERS, TABLE

METRIC = search_methods.METRIC


@pytest.fixture(scope="module")
def table():
    return search_methods.recorded()


def test_table_has_every_combination_once_and_says_where_it_is_from(table):
    assert len(table) == math.prod(map(len, PARAMETERS.values()))
    assert not table.duplicated(list(PARAMETERS)).any()
    for name, values in PARAMETERS.items():
        assert sorted(table[name].unique()) == sorted(values)
    assert table[METRIC].between(0, 100).all()
    assert table[METRIC].max() > 95
    for file, package in ((TABLE, "torch"), (ORDERS["bayes"], "torch"), (ORDERS["tpe"], "optuna")):
        header = [line for line in file.read_text().splitlines() if line.startswith("# ")]
        assert "Recorded 20" in header[1]
        assert f"{package} " in header[1]


def test_grid_is_in_wandb_order(table):
    """Parameters alphabetically, the last one fastest: the order in which the table was made."""
    assert search_methods.replay(table, "grid", len(table)) == list(range(len(table)))
    assert (
        search_methods.replay(table, "grid reversed", len(table)) == list(range(len(table)))[::-1]
    )


def test_random_tries_each_run_once_and_as_often_first(table):
    assert sorted(search_methods.replay(table, "random", len(table), seed=3)) == list(
        range(len(table))
    )
    first = [search_methods.replay(table, "random", 1, seed)[0] for seed in range(600)]
    counts = np.bincount(first, minlength=len(table))
    assert (counts > 0).mean() > 0.95
    assert counts.max() < 4 * counts.mean()


def test_bayes_is_the_servers_own_and_learns(table, monkeypatch):
    seen = []
    suggest = bayes.suggest

    def noting(config, trials: list[Trial], seed):
        seen.append((config, list(trials)))
        return suggest(config, trials, seed)

    monkeypatch.setattr(bayes, "suggest", noting)
    picked = search_methods.replay(table, "bayes", 9, seed=1)
    assert len(set(picked)) == 9
    config, trials = seen[-1]
    assert config["parameters"]["learning_rate"]["distribution"] == "log_uniform_values"
    assert [trial.value for trial in trials] == list(table[METRIC][picked[:8]])
    assert [trial.point["learning_rate"] for trial in trials] == list(
        table["learning_rate"][picked[:8]]
    )


def test_tpe_is_the_one_of_the_configuration_and_learns(table, monkeypatch):
    """Each suggestion is that of a study with the runs so far, as after a scheduler's restart."""
    studies = []
    create = optuna.create_study

    def noting(**options):
        studies.append(create(**options))
        return studies[-1]

    monkeypatch.setattr(optuna, "create_study", noting)
    picked = search_methods.replay(table, "tpe", 9, seed=1)
    assert len(set(picked)) == 9
    *known, asked = studies[-1].trials
    assert [trial.value for trial in known] == list(table[METRIC][picked[:8]])
    assert [trial.params["optimizer"] for trial in known] == list(table["optimizer"][picked[:8]])
    assert studies[-1].direction.name == "MAXIMIZE"
    assert type(studies[-1].sampler).__name__ == "TPESampler"
    rate = asked.distributions["learning_rate"]
    assert (rate.low, rate.high, rate.log) == (0.0001, 0.3, True)
    assert picked == search_methods.replay(table, "tpe", 9, seed=1)
    assert picked != search_methods.replay(table, "tpe", 9, seed=2)


@pytest.mark.parametrize("method", ORDERS)
def test_recorded_searches_pick_each_run_once(method):
    orders = pd.read_csv(ORDERS[method], comment="#")
    assert orders.shape == (40, 100)
    assert (orders.nunique() == len(orders)).all()


def test_recorded_tpe_is_that_of_today(table):
    orders = pd.read_csv(ORDERS["tpe"], comment="#")
    assert list(orders["search 1"][:12]) == search_methods.replay(table, "tpe", 12, seed=1)


def test_comparison_of_random_search_agrees_with_the_formula(table):
    """What the best of n random runs is can be said without drawing."""
    frame = pd.DataFrame(
        {"run": table.index, "name": "", "state": "finished", METRIC: table[METRIC]}
    )
    exact = analyze.best_so_far(frame, METRIC)
    best = np.maximum.accumulate(
        [table[METRIC][search_methods.replay(table, "random", 10, seed)] for seed in range(300)],
        axis=1,
    )
    assert best.mean(axis=0)[1:] == pytest.approx(exact["expected"][1:10].to_numpy(), abs=4)


def test_comparison_and_its_figure():
    compared = search_methods.compare(runs=20, repeats=30)
    assert list(compared["method"].unique()) == [
        "grid", "grid reversed", "random", "bayes", "tpe",
    ]  # fmt: skip
    for _, chosen in compared.groupby("method"):
        assert list(chosen["runs"]) == list(range(1, 21))
        assert (chosen["middle"].diff()[1:] >= 0).all()
        assert (chosen["low"] <= chosen["middle"]).all()
        assert (chosen["middle"] <= chosen["high"]).all()
    last = compared[compared["runs"] == 20].set_index("method")["middle"]
    assert min(last["bayes"], last["tpe"]) >= last["random"]
    assert last["grid"] > last["grid reversed"] + 20
    figure = plots.method_comparison(compared, METRIC)
    legend = [trace.name for trace in figure.data if trace.showlegend]
    assert legend == [
        "grid", "grid reversed", "random, 30 searches", "bayes, 100 searches",
        "tpe, 100 searches",
    ]  # fmt: skip
    lines = [trace for trace in figure.data if trace.showlegend]
    assert len({trace.line.dash for trace in lines}) == len(lines)
    assert "after ten runs: grid" in figure.layout.meta["alt"]
    assert figure.layout.yaxis.title.text == "Validation Accuracy (%)"


class TestSeeds:
    def test_winners_by_hand(self):
        values = {0.1: [9, 5, 5], 0.01: [7, 6, 8], 0.001: [1, 7, 2]}
        rows = [(rate, seed, value) for rate in values for seed, value in enumerate(values[rate])]
        frame = pd.DataFrame(rows, columns=["rate", "seed", "m"]).assign(state="finished")
        frame["run"] = frame.index
        scales = {"rate": Scale("log"), "seed": Scale("linear")}
        won = search_methods.winners(frame, "m", scales)
        assert list(won.index) == [0, 1, 2]
        assert list(won["rate"]) == [0.1, 0.001, 0.01]
        assert list(won["won with"]) == [9, 7, 8]
        assert list(won["other seeds"]) == [5, 1.5, 6.5]
        assert list(won["its rank"]) == [2, 3, 2]
        least = search_methods.winners(frame.assign(m=-frame["m"]), "m", scales, "minimize")
        assert least["its rank"].equals(won["its rank"])
        alone = search_methods.winners(frame[frame["seed"] == 0], "m", scales)
        assert alone["won with"][0] == 9
        assert math.isnan(alone["its rank"][0])
        conditional = frame.assign(momentum=frame["rate"].where(frame["rate"] < 0.1))
        known = search_methods.winners(conditional, "m", scales | {"momentum": Scale("linear")})
        assert known["its rank"].equals(won["its rank"])

    def test_recorded_seeds_are_complete_and_say_where_they_are_from(self):
        frame = search_methods.recorded_seeds()
        assert len(frame) == len(luck.POINTS) * luck.REPLICATES
        key = itemgetter(*luck.POINTS[0])
        for _, runs in frame.groupby("seed"):
            tried = runs[list(luck.POINTS[0])].to_dict("records")
            assert sorted(tried, key=key) == sorted(luck.POINTS, key=key)
        assert frame[METRIC].between(0, 100).all()
        header = luck.SEEDS.read_text().splitlines()[:2]
        assert header[0].startswith("# The same points with several seeds: scale smoke")
        assert "Recorded 20" in header[1]
