"""The data of figures: curves of runs, and a sweep's figures from the notebooks' functions."""

import gzip
import json
import math
import threading

import pytest

from sweepserver.pages.curves import history_curves, system_curves
from sweepserver.pages.figures import Figures
from sweepserver.pages.step_metrics import StepMetrics
from sweepserver.store import history
from sweepserver.store.records import Run
from tests.waiting import patience, wait_for
from workshop import analyze
from workshop.analyze import plots
from workshop.analyze.plots import server_figures
from workshop.connection.local_server import FIGURES
from workshop.define import search_space

METRIC = "Validation Accuracy"
SWEEP = {
    "method": "random",
    "metric": {"name": METRIC, "goal": "maximize"},
    "parameters": {
        "learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 0.1},
        "optimizer": {"values": ["adam", "sgd"]},
        "model": {"parameters": {"depth": {"values": [18, 34, 50]}}},
        "seed": {"value": 0},
    },
}


def trials(count: int, **changes) -> list[dict]:
    return [
        {
            "run": f"r{number}",
            "name": f"sweep-{number}",
            "state": "finished",
            "point": {
                "learning_rate": 10 ** -(1 + number % 7 / 2),
                "optimizer": ["adam", "sgd"][number % 2],
                "model.depth": [18, 34, 50][number % 3],
                "seed": 0,
            },
            "value": 50.0 + number * 7 % 11,
        }
        | changes
        for number in range(count)
    ]


def draw(config: dict = SWEEP, runs: list[dict] | None = None, metric: str = METRIC) -> dict:
    runs = trials(8) if runs is None else runs
    return json.loads(server_figures.draw_sweep(config, metric, runs)["light"])


class TestDrawing:
    def test_figures_are_those_of_the_notebooks(self):
        """The numbers are those that `analysis` gives for a frame as `fetch_runs` makes it."""
        drawn = draw()
        assert len(drawn["parallel"]["data"]) == 8
        axes = [note["text"] for note in drawn["parallel"]["layout"]["annotations"]]
        for name in ("learning_<br>rate", "optimizer", "model.depth", "Validation<br>Accuracy (%)"):
            assert f"<b>{name}</b>" in axes
        importances, _, _ = drawn["importance"]["data"]
        assert sorted(importances["y"]) == ["learning_rate", "model.depth", "optimizer"]
        assert "8 runs" in drawn["importance"]["alt"]

    @pytest.mark.parametrize(
        ("runs", "message"),
        [
            ([], f"No run has finished with a {METRIC} yet."),
            (trials(1, state="running"), f"No run has finished with a {METRIC} yet."),
            (trials(8, value=None), f"No run has finished with a {METRIC} yet."),
            (trials(8, value=math.nan), f"No run has finished with a {METRIC} yet."),
        ],
    )
    def test_why_there_is_no_figure_is_said(self, runs, message):
        drawn = draw(runs=runs)
        assert drawn["parallel"] == {"message": message}
        assert "at least 5 finished runs" in drawn["importance"]["message"]

    def test_one_run_and_one_parameter(self):
        config = SWEEP | {"parameters": {"learning_rate": {"values": [0.1, 0.01]}}}
        drawn = draw(config, trials(1))
        assert len(drawn["parallel"]["data"]) == 1
        assert "so far: 1" in drawn["importance"]["message"]
        assert "alt" in draw(config, trials(8))["importance"]

    @pytest.mark.parametrize("parameters", [{"seed": {"value": 0}}, None])
    def test_no_parameter_that_varies(self, parameters):
        drawn = draw(SWEEP | {"parameters": parameters})
        assert drawn["parallel"] == drawn["importance"]
        assert drawn["parallel"] == {"message": "The sweep varies no parameter."}

    def test_a_search_space_is_read_where_it_can_be(self, monkeypatch, tmp_path):
        (tmp_path / "space.py").write_text(
            "def space(trial):\n"
            "    if trial.suggest_categorical('optimizer', ['adam', 'sgd']) == 'sgd':\n"
            "        trial.suggest_float('learning_rate', 1e-4, 0.1, log=True)\n"
            "    return {}\n"
            "def wrong(trial):\n"
            "    return 1 / 0\n"
        )
        monkeypatch.setattr(search_space, "ROOT", tmp_path)
        monkeypatch.setattr(search_space, "CONFIGS", tmp_path)
        config = {key: part for key, part in SWEEP.items() if key != "parameters"}
        scheduler = {"engine": "optuna", "source": "space.py"}
        drawn = draw(config | {"scheduler": scheduler | {"search_space": "space"}})
        importances, *_ = drawn["importance"]["data"]
        assert sorted(importances["y"]) == ["learning_rate", "optimizer"]
        drawn = draw(config | {"scheduler": scheduler | {"search_space": "wrong"}})
        assert drawn["parallel"] == {"message": "The sweep varies no parameter."}

    def test_parameters_called_like_columns_and_values_of_any_kind(self):
        names = ["run", "name", "state", "seconds", METRIC, "list"]
        config = SWEEP | {"parameters": {name: {"values": [1, 2, 3]} for name in names}}
        config["parameters"]["list"] = {"values": [[1, 2], [3]]}
        values = [1, "two", None, math.nan, True, [1], {"a": 1}, 10**400]
        points = [dict.fromkeys(names, value) for value in values]
        runs = [run | {"point": point} for run, point in zip(trials(8), points, strict=True)]
        drawn = draw(config, runs)
        missing = [line["y"][0] < -0.1 for line in drawn["parallel"]["data"]]
        assert len(missing) == 8
        assert not all(missing)
        for axis in range(1, len(names) - 1):
            assert [line["y"][axis] < -0.1 for line in drawn["parallel"]["data"]] == missing
        assert "message" not in drawn["importance"]

    def test_values_are_what_the_definition_makes_of_them(self):
        """Numbers that are written as text stand on an axis of numbers, null beside them."""
        config = SWEEP | {"parameters": {"lr": {"values": [None, "1e-1", "1e-2", "5e-3"]}}}
        values = [{"lr": value} for value in (None, "1e-1", "1e-2", "5e-3", 0.01)]
        runs = [run | {"point": point} for run, point in zip(trials(6), [*values, {}], strict=True)]
        drawn = draw(config, runs)
        notes = [note["text"] for note in drawn["parallel"]["layout"]["annotations"]]
        assert notes[:5] == ["<b>lr</b>", "null", "0.005", "0.01", "0.1"]
        heights = {line["name"]: line["y"][0] for line in drawn["parallel"]["data"]}
        assert heights["sweep-0"] == pytest.approx(0, abs=0.06)
        assert heights["sweep-2"] == pytest.approx(heights["sweep-4"], abs=0.06)
        assert heights["sweep-5"] < -0.1

    def test_points_and_seeds_are_compared_by_their_means_so_far(self):
        """A follow-up sweep of two points, of which one seed is still running."""
        points = [{"learning_rate": rate, "optimizer": "sgd"} for rate in (0.1, 0.01)]
        config = SWEEP | {
            "method": "grid",
            "parameters": {"point": {"values": points}, "seed": {"values": [1, 2]}},
        }
        runs = [
            run
            | {
                "point": {f"point.{name}": value for name, value in point.items()} | {"seed": seed},
                "value": value,
                "state": state,
            }
            for run, (point, seed, value, state) in zip(
                trials(4),
                [
                    (points[0], 1, 90.0, "finished"),
                    (points[0], 2, 92.0, "finished"),
                    (points[1], 1, 95.0, "finished"),
                    (points[1], 2, 5.0, "running"),
                ],
                strict=True,
            )
        ]
        drawn = draw(config, runs)
        (marks,) = drawn["points"]["data"]
        assert marks["y"] == ["1. learning_rate 0.01", "2. learning_rate 0.1"]
        assert "2 points by mean Validation Accuracy over seeds" in drawn["points"]["alt"]
        assert "points" not in draw()
        only_seeds = SWEEP | {"parameters": {"seed": {"values": [1, 2]}}}
        assert "points" not in draw(only_seeds)

    def test_words_of_users_are_not_html(self):
        drawn = draw(runs=trials(8, name="<b>x</b>"), config=SWEEP)
        assert "&lt;b&gt;x" in drawn["parallel"]["data"][0]["hovertemplate"]
        evil = "<i>m</i>"
        config = SWEEP | {"metric": {"name": evil, "goal": "minimize"}}
        assert draw(config, [], evil)["parallel"]["message"].startswith("No run has finished with")


BY_STEP = StepMetrics("{}")


class TestCurves:
    def test_numbers_by_step(self):
        rows = [
            (0, {"_step": 3, "a": 1, "b": {"c": 2.5}, "text": "x", "_runtime": 1}),
            (1, {"a": 2}),
        ]
        found = history_curves(rows, BY_STEP)
        assert found["curves"] == [
            {
                "name": "a",
                "x": [3, 1],
                "y": [1.0, 2.0],
                "alt": "a by step, from 3 to 1: between 1 and 2, at the end 2.",
            },
            {
                "name": "b.c",
                "x": [3],
                "y": [2.5],
                "alt": "b.c by step, from 3 to 3: between 2.5 and 2.5, at the end 2.5.",
            },
        ]

    def test_numbers_by_the_step_metrics_that_a_run_has_defined(self):
        """The definitions are as client 0.31 sends them; acc has a step metric twice."""
        definitions = [
            {"1": "epoch", "6": [3], "7": []},
            {"1": r"v\.acc", "5": 1, "6": [1, 3], "7": [2]},
            {"1": "tr/own", "6": [3]},
            {"1": "never", "5": 7},
            {"2": "*", "5": 6},
            {"1": "round"},
            {"2": "tr/*", "5": 1, "6": [1]},
            "garbage",
        ]
        config = json.dumps({"_wandb": {"value": {"m": definitions}}})
        rows = [
            (0, {"_step": 0, "epoch": 2, "v.acc": 0.1, "tr/loss": 3, "tr/own": 1, "other": 4}),
            (1, {"_step": 1, "epoch": 1, "v.acc": 0.2, "tr/loss": 2, "tr/own": 1, "round": 9}),
            (2, {"_step": 2, "v.acc": 0.3, "epoch": math.nan}),
        ]
        found = history_curves(rows, StepMetrics(config))
        seen = {curve["name"]: (curve.get("by"), curve["x"]) for curve in found["curves"]}
        assert seen == {
            "epoch": (None, [0, 1, 2]),
            "v.acc": ("epoch", [1, 2]),
            "tr/loss": ("epoch", [1, 2]),
            "tr/own": (None, [0, 1]),
            "other": (None, [0]),  # the round was never logged beside it
            "round": (None, [1]),
        }
        (alt,) = [curve["alt"] for curve in found["curves"] if curve["name"] == "v.acc"]
        assert alt == "v.acc by epoch, from 1 to 2: between 0.1 and 0.2, at the end 0.1."

    @pytest.mark.parametrize("own", [None, 1, {"value": None}, {"value": {"m": {"1": "a"}}}])
    def test_a_config_without_definitions_has_no_step_metrics(self, own):
        assert StepMetrics(json.dumps({"_wandb": own})).of("a") is None

    def test_what_is_not_finite_is_a_gap_and_said(self):
        rows = [(i, {"a": y, "b": math.nan}) for i, y in enumerate((1.0, math.inf, 10**400))]
        a, b = history_curves(rows, BY_STEP)["curves"]
        assert a["y"] == [1.0, None, None]
        assert "2 values not finite" in a["alt"]
        assert b["alt"] == "b was never a finite number."

    def test_many_metrics_and_many_points(self):
        rows = [(i, {f"m{n:03}": i for n in range(40)}) for i in range(3000)]
        found = history_curves(rows, BY_STEP)
        assert len(found["curves"]) + len(found["left_out"]) == 40
        assert found["left_out"][-1] == "m039"
        assert found["curves"][0]["x"][0] == 0
        assert found["curves"][0]["x"][-1] == 2999
        assert len(found["curves"][0]["x"]) <= 1000

    def test_system_by_seconds(self):
        found = system_curves([{"system.cpu": 50, "_runtime": 15.0, "other": 1}, {"system.cpu": 1}])
        assert [(curve["name"], curve["x"]) for curve in found["curves"]] == [("cpu", [15.0])]


def test_a_sample_of_a_long_history_has_its_rare_numbers(client, graphql, store):
    graphql('mutation { upsertBucket(input: {name: "r", modelName: "p"}) { inserted } }')
    rows = [{"_step": i, "loss": 1 / (i + 1)} | ({"accuracy": i} if i % 1000 == 7 else {})
            for i in range(20_000)]  # fmt: skip
    content = [json.dumps(row) for row in rows]
    files = {"wandb-history.jsonl": {"offset": 0, "content": content}}
    client.post("/files/local/p/r/file_stream", json={"files": files})
    sample = history.sample_history(store, store.find(Run, name="r"), 2000)
    assert 2000 <= len(sample) <= 2100
    assert sample[-1][0] == 19_999
    accuracies = [json.loads(text)["accuracy"] for _, text in sample if "accuracy" in text]
    assert accuracies == list(range(7, 20_000, 1000))
    found = client.get("/local/p/runs/r/curves.json").json()
    assert [len(curve["x"]) for curve in found["curves"]] == [20, 1000]


class Gated:
    """Stands for the process that draws: goes on when it is told to."""

    def __init__(self):
        self.gate = threading.Semaphore(0)
        self.calls = []

    def run(self, function, *arguments):
        assert self.gate.acquire(timeout=patience(180))
        self.calls.append(arguments)
        if arguments[0] in (ValueError, ImportError):
            raise arguments[0]
        return {"light": b"light %r" % arguments[0], "dark": b""}


class TestFigures:
    @pytest.fixture
    def compute(self):
        return Gated()

    @pytest.fixture
    def figures(self, compute, monkeypatch):
        monkeypatch.setattr("sweepserver.pages.figures.SHORTEST_REST_S", 0)
        monkeypatch.setattr("sweepserver.pages.figures.LONGEST_REST_S", 0)
        figures = Figures(compute, FIGURES)
        yield figures
        figures.close()
        compute.gate.release(10)

    def wait(self, figures, version):
        wait_for(lambda: figures.get(1, version, lambda: ("again",))[1], every=0.01)
        return gzip.decompress(figures.get(1, version, lambda: ())[0]["light"])

    def test_drawn_once_per_version_while_nobody_waits(self, figures, compute):
        for _ in range(3):
            assert figures.get(1, "a", lambda: ("first",)) == (None, False)
        compute.gate.release()
        assert self.wait(figures, "a") == b"light 'first'"
        old, is_right = figures.get(1, "b", lambda: ("second",))
        assert gzip.decompress(old["light"]) == b"light 'first'"
        assert not is_right
        compute.gate.release()
        assert self.wait(figures, "b") == b"light 'second'"
        assert len(compute.calls) == 2

    @pytest.mark.parametrize(
        ("error", "said"),
        [(ValueError, "could not be drawn"), (ImportError, "need a package that is missing")],
    )
    def test_what_cannot_be_drawn_is_said(self, error, said, figures, compute, caplog):
        compute.gate.release()
        figures.get(1, "a", lambda: (error,))
        assert b"could not be drawn" in self.wait(figures, "a")
        assert said in caplog.text
        assert ("Traceback" in caplog.text) == (error is ValueError)


def test_figures_of_a_sweep_come_from_the_other_process(client, graphql):
    query = """mutation S($config: String!) {
      upsertSweep(input: {config: $config, projectName: "p"}) { sweep { name } } }"""
    sweep = graphql(query, config=json.dumps(SWEEP))["upsertSweep"]["sweep"]["name"]
    for run in trials(6):
        config = {key: {"value": value} for key, value in run["point"].items() if "." not in key}
        config["model"] = {"value": {"depth": run["point"]["model.depth"]}}
        values = {
            "name": run["run"],
            "modelName": "p",
            "sweep": sweep,
            "config": json.dumps(config),
        }
        graphql(
            "mutation R($input: UpsertBucketInput!) { upsertBucket(input: $input) { inserted } }",
            input=values,
        )
        summary = {"offset": 0, "content": [json.dumps({METRIC: run["value"]})]}
        body = {"files": {"wandb-summary.json": summary}, "complete": True, "exitcode": 0}
        client.post(f"/files/local/p/{run['run']}/file_stream", json=body)
    address = f"/local/p/sweeps/{sweep}/figures.json?theme=dark"
    wait_for(lambda: "retry-after" not in client.get(address).headers)
    reply = client.get(address)
    drawn = reply.json()
    frame = analysis_frame(trials(6))
    scales = analyze.hyperparameters(SWEEP)
    expected = plots.parallel_coordinates(frame, scales, METRIC)
    assert [line["y"] for line in drawn["parallel"]["data"]] == [
        pytest.approx(list(line.y)) for line in expected.data
    ]
    table = analyze.importance(frame, METRIC, scales)
    shares = [f"{share:.2f}" for share in table["importance"]]
    assert drawn["importance"]["data"][0]["text"] == shares
    again = client.get(address, headers={"If-None-Match": reply.headers["etag"]})
    assert again.status_code == 304


def analysis_frame(runs):
    import pandas as pd

    rows = [run | run["point"] | {METRIC: run["value"]} for run in runs]
    return pd.DataFrame(rows).drop(columns=["point", "value"])


def test_sweep_without_a_metric_has_no_figures(client, graphql):
    config = json.dumps({key: value for key, value in SWEEP.items() if key != "metric"})
    query = """mutation S($config: String!) {
      upsertSweep(input: {config: $config, projectName: "p"}) { sweep { name } } }"""
    sweep = graphql(query, config=config)["upsertSweep"]["sweep"]["name"]
    assert "This sweep names no metric" in client.get(f"/local/p/sweeps/{sweep}").text
    assert client.get(f"/local/p/sweeps/{sweep}/figures.json").json() == {}
