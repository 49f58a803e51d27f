"""Sweeps with several goals: fronts, their ranking, and what becomes of the best run."""

import itertools
import json
import math
import random

import httpx2
import pandas as pd
import pytest
import wandb

from sweepserver.search import Scale
from sweepserver.search.metric import Metric
from sweepserver.search.pareto import fronts
from workshop import analyze, define
from workshop.analyze import confirmation, plots, report, snapshot
from workshop.analyze.report import contents
from workshop.define.linter import lint
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.run_agents.local import run_in_process

ACCURACY, SECONDS = "Validation Accuracy", "Epoch Seconds"
GOALS = [Metric(ACCURACY, maximize=True), Metric(SECONDS)]
SECTIONS = [{"name": ACCURACY, "goal": "maximize"}, {"name": SECONDS, "goal": "minimize"}]


def by_definition(losses):
    """Return the fronts as the definition has them: peel off what nothing dominates."""

    def dominates(one, other):
        return one != other and all(a <= b for a, b in zip(one, other, strict=True))

    found, left, number = {}, set(range(len(losses))), 0
    while left:
        number += 1
        front = {i for i in left if not any(dominates(losses[j], losses[i]) for j in left)}
        found |= dict.fromkeys(front, number)
        left -= front
    return [found[i] for i in range(len(losses))]


@pytest.mark.parametrize("goals", [1, 2, 3, 4])
def test_fronts_are_those_of_the_definition(goals):
    draw = random.Random(goals)
    for _ in range(150):
        levels = draw.choice([2, 4, 1000])  # few, so that some are equal
        count = draw.randint(0, 25)
        losses = [tuple(draw.randrange(levels) for _ in range(goals)) for _ in range(count)]
        assert fronts(losses) == by_definition(losses)


def test_a_thousand_runs_on_one_front():
    assert set(fronts([(number, -number) for number in range(1000)])) == {1}
    assert fronts([(number, number) for number in range(1000)]) == list(range(1, 1001))


def runs(values, states=None):
    frame = pd.DataFrame(values, columns=[ACCURACY, SECONDS], dtype=float)
    frame["run"] = frame["name"] = [f"r{number}" for number in range(len(frame))]
    return frame.assign(state=states or "finished")


class TestRankFronts:
    FRAME = runs(
        [(90, 5), (95, 9), (80, 2), (85, 6), (95, 9), (99, math.nan), (99, 1)],
        ["finished"] * 6 + ["failed"],
    )

    def test_front_by_front_and_within_one_by_the_first_goal(self):
        table = analyze.rank_fronts(self.FRAME, GOALS)
        assert list(table["run"]) == ["r1", "r4", "r0", "r2", "r3"]
        assert list(table["front"]) == [1, 1, 1, 1, 2]
        assert table.equals(analyze.rank_fronts(self.FRAME, SECTIONS)), "as a definition has them"
        least = analyze.rank_fronts(self.FRAME, [Metric(ACCURACY), GOALS[1]])
        assert list(least["run"][least["front"] == 1]) == ["r2"]

    def test_one_goal_and_unknown_ones_are_refused(self):
        with pytest.raises(WorkshopError, match="at least two goals, got 1"):
            analyze.rank_fronts(self.FRAME, GOALS[:1])
        with pytest.raises(WorkshopError, match=r"a goal must name its metric, got \{'goal'"):
            analyze.rank_fronts(self.FRAME, [*GOALS, {"goal": "minimize"}])
        with pytest.raises(WorkshopError, match="no column 'loss'"):
            analyze.rank_fronts(self.FRAME, [*GOALS, Metric("loss")])

    def test_figure_joins_the_front(self):
        table = analyze.rank_fronts(self.FRAME, GOALS)
        figure = plots.pareto_front(table, SECTIONS)
        line, others, front = figure.data
        assert list(line.x) == [2, 5, 9, 9]
        assert list(line.y) == [80, 90, 95, 95]
        assert list(others.y) == [85]
        assert len(front.x) == 4
        assert figure.layout.yaxis.title.text == "Validation Accuracy (%)"
        assert "better is up and to the left" in figure.layout.title.subtitle.text
        assert figure.layout.meta["alt"].endswith("Pareto front: 80 at 2; 90 at 5; 95 at 9.")
        nothing = plots.pareto_front(table[:0], GOALS)
        assert "No run has finished with both goals" in nothing.layout.meta["alt"]
        with pytest.raises(WorkshopError, match="two goals, got 3"):
            plots.pareto_front(table, [*GOALS, Metric("loss")])

    @pytest.mark.parametrize(("up", "along"), [*itertools.product([False, True], repeat=2)])
    def test_steps_claim_no_more_than_the_runs_show(self, up, along):
        """The corner between two runs of the front is dominated by both, whatever the goals."""
        goals = [Metric(ACCURACY, up), Metric(SECONDS, along)]
        signs = [goal.sign for goal in goals]
        frame = runs([(signs[0] * a, signs[1] * b) for a, b in ((1, 3), (2, 2), (3, 1))])
        line = plots.pareto_front(analyze.rank_fronts(frame, goals), goals).data[0]
        assert len(line.x) == 3
        corner = (line.x[1], line.y[0]) if line.line.shape == "hv" else (line.x[0], line.y[1])
        for x, y in zip(line.x[:2], line.y[:2], strict=True):
            assert signs[1] * corner[0] >= signs[1] * x
            assert signs[0] * corner[1] >= signs[0] * y


DEFINITION = define.load("configs/sweep_config.yaml") | {
    "method": "custom",
    "scheduler": {"engine": "optuna"},
    "metrics": SECTIONS,
}
del DEFINITION["metric"]


@pytest.fixture(scope="module")
def path(server):
    """A sweep whose scheduler is played: three runs, of which two are on the front."""
    registered = registration.register(DEFINITION, "two-goals")
    results = {0.1: [(90, 9), (80, 5)], 0.01: [(70, 4), (70, 2)], 0.001: [(99, 1), (60, 6)]}

    def program():
        with wandb.init(settings={"console": "off"}) as run:
            for accuracy, seconds in results[run.config["learning_rate"]]:
                run.log({ACCURACY: accuracy, SECONDS: seconds})

    # wandb-core's mutation, by which `wandb sweep-scheduler` proposes runs.
    mutation = """mutation($id: ID!, $config: JSONString!) {
      enqueueSweepRun(input: {id: $id, config: $config}) { id } }"""
    sweep_id = registration.get(registered)._attrs["id"]
    for rate in results:
        config = json.dumps({"learning_rate": {"value": rate}})
        reply = httpx2.post(
            f"{server.url}/graphql",
            auth=("api", wandb.Api().api_key),
            json={"query": mutation, "variables": {"id": sweep_id, "config": config}},
        )
        assert "errors" not in reply.json()
    run_in_process(registered, count=3, program=program)
    return registered


def test_several_goals_count_by_the_last_values(path):
    frame = analyze.fetch_runs(path)
    goals = Metric.goals_of(frame.attrs["definition"])
    assert goals == GOALS
    assert sorted(zip(frame[ACCURACY], frame[SECONDS], strict=True)) == [
        (60, 6), (70, 2), (80, 5),
    ]  # fmt: skip
    table = analyze.rank_fronts(frame, goals)
    assert list(table["front"]) == [1, 1, 2]


def test_no_run_is_called_the_best(path):
    seen = snapshot.look(path)
    assert seen.best is None
    assert seen.best_so_far == (
        "Best so far: no single run, because the sweep has several goals "
        "(Validation Accuracy, Epoch Seconds)"
    )
    with pytest.raises(WorkshopError, match=r"has several goals .* there is no best point"):
        confirmation.plan(path)


def test_report_shows_the_front(path):
    collected = report.collect(path)
    assert "several goals" in collected.result
    assert (
        "The Pareto front, which no other run beats in all goals, has 2 runs." in collected.result
    )
    assert collected.runs.columns[0] == "front"
    assert len(collected.figures) == 1


def test_report_shows_each_pair_of_several_goals_with_its_own_front():
    goals = [*GOALS, Metric("Loss")]
    frame = runs([(90, 5), (80, 6), (70, 7)]).assign(Loss=[3.0, 2.0, math.inf], rate=[1, 2, 3])
    ranked = analyze.rank_fronts(frame, goals)
    assert list(ranked["front"]) == [1, 1]
    figures = [*contents._figures(frame, ranked, goals, {"rate": Scale("linear")})]
    titles = [figure.layout.title.text for figure in figures]
    assert titles == [
        f"{ACCURACY} against {SECONDS}", f"{ACCURACY} against Loss", f"{SECONDS} against Loss",
    ]  # fmt: skip
    assert [len(figure.data[-1].x) for figure in figures] == [1, 2, 2]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"metrics": SECTIONS[:1]}, "it must be a list of two mappings or more"),
        ({"metrics": SECTIONS * 2}, "metrics lists 'Validation Accuracy' 2 times"),
        ({"metrics": [SECTIONS[0], {"name": "Loss"}]}, "which the program never logs"),
        ({"metrics": [SECTIONS[0], {"name": SECONDS, "goal": "least"}]}, "goal is 'least'"),
        ({"metric": SECTIONS[0]}, "metric and metrics cannot both count"),
        ({"method": "grid", "scheduler": None}, "metrics are for method custom"),
        ({"method": "bayes", "scheduler": None}, "section 'metric' is missing"),
    ],
)
def test_goals_without_sense_are_found(changes, expected):
    assert lint(DEFINITION) == []
    assert any(expected in finding for finding in lint(DEFINITION | changes))
