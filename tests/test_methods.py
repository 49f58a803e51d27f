import math

import numpy as np
import pandas as pd
import pytest

from sweepserver.search import Trial, bayes
from workshop import analyze
from workshop.analyze import plots, search_methods
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
    for file in (TABLE, ORDERS):
        header = [line for line in file.read_text().splitlines() if line.startswith("# ")]
        assert "Recorded 20" in header[1]
        assert "torch 2." in header[1]


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


def test_recorded_searches_by_bayes_pick_each_run_once():
    orders = pd.read_csv(ORDERS, comment="#")
    assert orders.shape == (40, 100)
    assert (orders.nunique() == len(orders)).all()


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
    assert list(compared["method"].unique()) == ["grid", "grid reversed", "random", "bayes"]
    for _, chosen in compared.groupby("method"):
        assert list(chosen["runs"]) == list(range(1, 21))
        assert (chosen["middle"].diff()[1:] >= 0).all()
        assert (chosen["low"] <= chosen["middle"]).all()
        assert (chosen["middle"] <= chosen["high"]).all()
    last = compared[compared["runs"] == 20].set_index("method")["middle"]
    assert last["bayes"] >= last["random"]
    assert last["grid"] > last["grid reversed"] + 20
    figure = plots.method_comparison(compared, METRIC)
    legend = [trace.name for trace in figure.data if trace.showlegend]
    assert legend == ["grid", "grid reversed", "random, 30 searches", "bayes, 100 searches"]
    assert "after ten runs: grid" in figure.layout.meta["alt"]
    assert figure.layout.yaxis.title.text == "Validation Accuracy (%)"
