"""A run's value of its sweep's metric: the same on the server, in the API, and in the analysis."""

import math
import re

import httpx2
import pytest

from sweepserver.search.metric import Metric, curve
from workshop import analyze
from workshop.analyze.snapshot import look

MAXIMIZE, MINIMIZE = Metric("acc", maximize=True), Metric("acc")


class TestRule:
    @pytest.mark.parametrize(
        ("summary", "logged", "highest", "lowest"),
        [
            ({"acc": 0.5}, [0.2, 0.9, 0.5], 0.9, 0.2),
            ({"acc": 0.95}, [0.2, 0.9], 0.95, 0.2),
            ({}, [0.2], 0.2, 0.2),
            ({"acc": 0.5}, [], 0.5, 0.5),
            ({"acc": {"max": 0.9}}, [], 0.9, 0.9),
            ({"acc": {"min": 0.1, "max": 0.9, "mean": 7}}, [0.3], 0.9, 0.1),
            ({"acc": {"mean": 0.5}}, [], None, None),
            ({"acc": math.nan}, [math.nan, math.inf, "0.7", True, None, 0.1], 0.1, 0.1),
            ({"acc": "NaN"}, [], None, None),
            ({"acc": 10**400}, [1], 1, 1),
            ({"loss": 1}, [], None, None),
        ],
    )
    def test_it_is_the_best_of_history_and_summary(self, summary, logged, highest, lowest):
        assert MAXIMIZE.value(summary, logged) == highest
        assert MINIMIZE.value(summary, logged) == lowest

    @pytest.mark.parametrize(
        ("name", "summary"),
        [
            ("val.acc", {"val": {"acc": 1}}),
            ("val.acc", {"val.acc": 1}),
            ("val.acc", {"val": {"acc": {"max": 1}}}),
            ("acc.max", {"acc": {"max": 1, "last": 3}}),
            ("a.b.c", {"a.b": {"c": 1}}),
        ],
    )
    def test_names_are_nested_or_have_dots(self, name, summary):
        assert Metric(name).value(summary) == 1

    @pytest.mark.parametrize(
        ("config", "metric"),
        [
            ({"metric": {"name": "acc", "goal": "maximize"}}, MAXIMIZE),
            ({"metric": {"name": "acc"}}, MINIMIZE),
            ({"metric": None}, None),
            ({}, None),
        ],
    )
    def test_it_comes_from_the_configuration(self, config, metric):
        assert Metric.of(config) == metric

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("acc", [3, None, 1, 2]),
            ("acc.max", [3, None, 3, 3]),
            ("acc.min", [3, None, 1, 1]),
            ("acc.first", [3, None, 3, 3]),
            ("acc.last", [3, None, 1, 2]),
            ("acc.mean", [3, None, 2, 2]),
            ("acc.other", [None] * 4),
            ("loss", [None] * 4),
        ],
    )
    def test_the_curve_of_what_define_metric_made(self, name, values):
        assert curve([{"acc": 3}, {"x": 0}, {"acc": 1}, {"acc": 2}], name) == values


# What runs log at three steps, and what they define.  The first run of each sweep has the best
# value, and not at its end.
KINDS = {
    "last": ("acc", None, lambda value: {"acc": value}),
    "summary": ("acc", "acc", lambda value: {"acc": value}),
    "nested": ("val.acc", None, lambda value: {"val": {"acc": value}}),
    "nested-summary": ("val.acc", "val.acc", lambda value: {"val": {"acc": value}}),
    "item": ("acc.max", "acc", lambda value: {"acc": value}),
    "dotted": ("val.acc", r"val\.acc", lambda value: {"val.acc": value}),
}
BEST, OTHER = [0.25, 0.75, 0.125], [0.5, 0.5, 0.5]


@pytest.fixture(scope="module")
def sweeps(server):
    """Log two runs of a sweep for each kind; return the sweeps' paths."""
    import wandb

    paths = {}
    for kind, (name, defined, row) in KINDS.items():
        config = {
            "method": "grid",
            "metric": {"name": name, "goal": "maximize"},
            "parameters": {"x": {"values": [1, 2, 3]}},
        }
        sweep = wandb.sweep(config, project="metric")
        for x, values in enumerate([OTHER, BEST], start=1):
            settings = wandb.Settings(sweep_id=sweep, silent=True)
            with wandb.init(
                project="metric", name=f"{kind}-{x}", config={"x": x}, settings=settings
            ) as run:
                if defined:
                    run.define_metric(defined, summary="max")
                for value in values:
                    run.log(row(value))
        paths[kind] = f"{server.entity}/metric/{sweep}"
    return paths


@pytest.mark.parametrize("kind", KINDS)
class TestEverywhere:
    def test_analysis(self, sweeps, kind):
        name = KINDS[kind][0]
        runs = analyze.fetch_runs(sweeps[kind])
        assert list(runs[name]) == [0.5, 0.75]
        ranked = analyze.rank(runs, name)
        assert list(ranked["name"]) == [f"{kind}-2", f"{kind}-1"]
        assert analyze.left_out(runs, name).empty
        assert list(analyze.best_so_far(runs, name)["in_order"]) == [0.5, 0.75]
        curves = analyze.history(ranked["path"][:1], [name])
        assert list(curves[name]) == ([0.25, 0.75, 0.75] if kind == "item" else BEST)

    def test_look(self, sweeps, kind):
        seen = look(sweeps[kind])
        assert seen.best["name"] == f"{kind}-2"
        assert f"{KINDS[kind][0]} 0.75 ({kind}-2: x 2)" in seen.best_so_far

    def test_public_api(self, sweeps, kind):
        import wandb

        sweep = wandb.Api().sweep(sweeps[kind])
        assert sweep.best_run().name == f"{kind}-2"
        assert sweep._attrs["bestLoss"] == 0.75

    def test_page(self, server, sweeps, kind):
        *place, sweep = sweeps[kind].split("/")
        address = f"{server.url}/{'/'.join(place)}/sweeps/{sweep}"
        page = httpx2.get(address, headers={"Accept": "text/html"}).text
        (best,) = re.findall(r"<dt>Best .*?</dd>", page, re.DOTALL)
        assert "0.75" in best
        assert f"{kind}-2" in best
        rows = re.findall(r"<tr data-key.*?</tr>", page, re.DOTALL)
        assert [f"{kind}-2" in row for row in rows] == [True, False]


def test_pages_draw_curves_by_the_step_metrics_that_the_client_defines(server):
    import wandb

    with wandb.init(project="steps", settings=wandb.Settings(silent=True)) as run:
        run.define_metric("acc", step_metric="epoch")
        run.define_metric(r"val\.acc", step_metric="epoch")
        run.define_metric("train/*", step_metric="batch")
        for epoch in (1, 2):
            for batch in (10 * epoch, 10 * epoch + 5):
                run.log({"batch": batch, "train/loss": 1 / batch, "free": batch})
            run.log({"epoch": epoch, "acc": epoch, "val.acc": epoch, "val": {"loss": epoch}})
    address = f"{server.url}/{server.entity}/steps/runs/{run.id}/curves.json"
    curves = httpx2.get(address).json()["curves"]
    assert {curve["name"]: (curve.get("by"), curve["x"]) for curve in curves} == {
        "acc": ("epoch", [1, 2]),
        "val.acc": ("epoch", [1, 2]),
        "val.loss": (None, [2, 5]),
        "train/loss": ("batch", [10, 15, 20, 25]),
        "batch": (None, [0, 1, 3, 4]),
        "epoch": (None, [2, 5]),
        "free": (None, [0, 1, 3, 4]),
    }
