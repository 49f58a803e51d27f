import math

import numpy as np
import pandas as pd
import pytest

from sweepserver.search import Scale
from workshop import analyze
from workshop.errors import WorkshopError

METRIC = "Validation Accuracy"
SCALES = {
    "learning_rate": Scale("log"),
    "optimizer": Scale("category"),
    "batch_size": Scale("log"),
}


def runs(accuracies, states=None, **columns):
    count = len(accuracies)
    return pd.DataFrame(
        {
            "run": [f"r{number}" for number in range(count)],
            "name": [f"sweep-{number}" for number in range(count)],
            "state": states or ["finished"] * count,
            METRIC: np.array(accuracies, dtype=float),
            **columns,
        }
    )


def random_runs(count=40, seed=0):
    draw = np.random.default_rng(seed)
    return runs(
        np.zeros(count),
        learning_rate=10 ** draw.uniform(-4, -1, count),
        optimizer=draw.choice(["adam", "sgd", "adamw"], count),
        batch_size=draw.choice([32, 64, 128], count),
    )


def varied(settings):
    """Return the scale of a parameter `x`."""
    return analyze.hyperparameters({"parameters": {"x": settings}})


class TestHyperparameters:
    @pytest.mark.parametrize(
        ("specification", "scale"),
        [
            ({"values": [0.1, 0.01, 0.001]}, "log"),
            ({"values": [32, 64, 128]}, "log"),
            ({"values": [10, 20, 30]}, "linear"),
            ({"values": [0, 0.5, 5]}, "linear"),
            ({"values": ["adam", "sgd"]}, "category"),
            ({"values": [True, False]}, "category"),
            ({"values": ["1e-1", "1e-2", 0.001]}, "log"),
            ({"values": [None, 0.05, 0.25, 0.45]}, "linear"),
            ({"values": [None, "1e-1"]}, "linear"),
            ({"values": [None, "cosine"]}, "category"),
            ({"values": ["1e-1", "auto"]}, "category"),
            ({"min": 0.1, "max": 0.9}, "linear"),
            ({"min": 1e-4, "max": 1e-1, "distribution": "log_uniform_values"}, "log"),
            ({"distribution": "normal", "mu": 0, "sigma": 1}, "linear"),
        ],
    )
    def test_each_has_its_scale(self, specification, scale):
        found = analyze.hyperparameters({"parameters": {"x": specification}})
        assert {name: found[name].kind for name in found} == {"x": scale}

    @pytest.mark.parametrize(
        "specification",
        [
            {"value": 3},
            {"values": [0.1]},
            {"values": [1, 1]},
            {"values": [0.1, "1e-1"]},
            {"values": [None, None]},
            {"min": 2, "max": 2},
        ],
    )
    def test_one_possible_value_does_not_vary(self, specification):
        assert analyze.hyperparameters({"parameters": {"x": specification}}) == {}

    def test_nested_ones_have_dotted_names(self):
        config = {"parameters": {"sgd": {"parameters": {"momentum": {"values": [0.1, 0.9, 1.7]}}}}}
        assert analyze.hyperparameters(config) == {"sgd.momentum": Scale("linear", (0.1, 0.9, 1.7))}

    def test_keys_of_mappings_have_dotted_names_and_those_of_some_alone_as_well(self):
        points = [{"rate": 0.1, "kind": "sgd"}, {"rate": 0.01, "kind": "sgd", "momentum": 0.9}]
        assert varied({"values": [*points, {"rate": 0.001, "momentum": 0.5}]}) == {
            "x.rate": Scale("log", (0.1, 0.01, 0.001)),
            "x.momentum": Scale("linear", (0.9, 0.5)),
        }


class TestMetricAndGoal:
    def test_a_metric_without_a_goal_is_minimized(self):
        assert analyze.metric_and_goal({"metric": {"name": "loss"}}) == ("loss", "minimize")
        chosen = {"metric": {"name": "accuracy", "goal": "maximize"}}
        assert analyze.metric_and_goal(chosen) == ("accuracy", "maximize")

    @pytest.mark.parametrize(
        ("section", "message"),
        [
            ({}, "this sweep has no metric, so no run is the best: "),
            (
                {"metrics": [{"name": "loss"}, {"name": "seconds"}]},
                r"has several goals \(loss and seconds\), .*`rank_fronts`",
            ),
        ],
    )
    def test_a_sweep_without_a_best_run_is_a_sentence(self, section, message):
        with pytest.raises(WorkshopError, match=message):
            analyze.metric_and_goal({"method": "grid"} | section)


class TestRank:
    def test_best_comes_first_and_others_are_left_out_with_a_reason(self):
        frame = runs(
            [50, 90, math.nan, math.inf, 70, 99, 98],
            states=["finished"] * 5 + ["crashed", "running"],
        )
        ranked = analyze.rank(frame, METRIC)
        assert list(ranked["run"]) == ["r1", "r4", "r0"]
        assert list(ranked.index) == [1, 2, 3]
        assert list(analyze.rank(frame, METRIC, "minimize")["run"]) == ["r0", "r4", "r1"]

        others = analyze.left_out(frame, METRIC)
        assert list(others["run"]) == ["r2", "r3", "r5", "r6"]
        for reason, why in zip(
            others["reason"], ["not a number", "inf", "crashed", "still running"], strict=True
        ):
            assert why in reason
            assert reason.startswith("Run sweep-")
            assert reason.endswith(".")

    def test_every_run_is_ranked_or_left_out(self):
        states = ["finished", "pending", "preempted", "preempting", "failed", "killed", "running"]
        frame = runs(range(len(states)), states=states)
        listed = [*analyze.rank(frame, METRIC)["run"], *analyze.left_out(frame, METRIC)["run"]]
        assert sorted(listed) == sorted(frame["run"])

    def test_zero_runs(self):
        frame = runs([])
        assert analyze.rank(frame, METRIC).empty
        assert analyze.left_out(frame, METRIC).empty

    def test_misspelt_metric_and_goal_are_refused(self):
        with pytest.raises(WorkshopError, match=r"'Accuracy'.*Validation Accuracy"):
            analyze.rank(runs([1]), "Accuracy")
        with pytest.raises(WorkshopError, match="'max'"):
            analyze.rank(runs([1]), METRIC, "max")


class TestImportance:
    def test_the_only_parameter_that_matters_ranks_first(self):
        frame = random_runs()
        frame[METRIC] = 10 - 20 * np.log10(frame["learning_rate"])
        table = analyze.importance(frame, METRIC, SCALES)
        assert table.index[0] == "learning_rate"
        assert table.loc["learning_rate", "importance"] > 0.95
        assert table["importance"].sum() == pytest.approx(1)
        # Linear in the logarithm, falling: only on the declared scale is it a straight line.
        assert table.loc["learning_rate", "correlation"] == pytest.approx(-1)
        assert abs(table.loc["batch_size", "correlation"]) < 0.5
        assert (table["runs"] == 40).all()

    def test_known_shares_of_two_parameters(self):
        # Independent inputs explain shares of the variance: here 4/5 and 1/5.
        draw = np.random.default_rng(1)
        frame = runs(np.zeros(400), a=draw.uniform(size=400), b=draw.uniform(size=400))
        frame[METRIC] = 2 * frame["a"] - frame["b"]
        table = analyze.importance(frame, METRIC, dict.fromkeys("ab", Scale("linear")))
        assert table.loc["a", "importance"] == pytest.approx(0.8, abs=0.05)
        assert table.loc["b", "correlation"] == pytest.approx(-math.sqrt(0.2), abs=0.1)

    def test_curve_has_importance_without_correlation(self):
        values = np.linspace(-1, 1, 60)
        frame = runs(-(values**2), x=values)
        table = analyze.importance(frame, METRIC, {"x": Scale("linear")})
        assert table.loc["x", "importance"] == pytest.approx(1)
        assert table.loc["x", "correlation"] == pytest.approx(0, abs=1e-9)

    def test_category_counts_as_one_parameter_and_names_its_value(self):
        frame = random_runs()
        frame[METRIC] = np.where(frame["optimizer"] == "sgd", 40.0, 90.0)
        table = analyze.importance(frame, METRIC, SCALES)
        assert table.index[0] == "optimizer"
        assert len(table) == 3
        assert table.loc["optimizer", "correlation"] == pytest.approx(-1)
        assert table.loc["optimizer", "category"] == "sgd"

    def test_parameter_that_never_varied_is_said(self):
        frame = random_runs()
        frame["batch_size"] = 64
        frame[METRIC] = np.log(frame["learning_rate"])
        table = analyze.importance(frame, METRIC, SCALES)
        assert table.index[-1] == "batch_size"
        assert math.isnan(table.loc["batch_size", "importance"])
        assert table.loc["batch_size", "remark"] == "It was 64 in every run."

    def test_values_that_are_no_numbers_count_as_missing(self):
        """A run may lack a parameter, or have a text or 0 where the scale is one of logarithms."""
        frame = random_runs()
        frame[METRIC] = np.log(frame["learning_rate"])
        frame["learning_rate"] = frame["learning_rate"].astype(object)
        frame.loc[:3, "learning_rate"] = ["auto", None, 0, math.inf]
        frame["batch_size"] = "auto"
        frame.loc[5:, "optimizer"] = None
        table = analyze.importance(frame, METRIC, SCALES)
        assert table.index[0] == "learning_rate"
        assert table.loc["learning_rate", "correlation"] == pytest.approx(1)
        assert table.loc["batch_size", "remark"] == "No run has it."

    def test_null_is_a_level_beside_the_numbers(self):
        scales = varied({"values": [None, 0.05, 0.25, "4.5e-1"]})
        values = [None, 0.05, 0.25, "4.5e-1", math.nan] * 6
        frame = runs(np.zeros(30), x=pd.Series(values, dtype=object))
        worth = {None: 90.0, 0.05: 10.0, 0.25: 14.0, "4.5e-1": 13.0}
        frame[METRIC] = [worth.get(value, 12.0) for value in values]
        row = analyze.importance(frame, METRIC, scales).loc["x"]
        assert row["category"] == "null"
        assert row["correlation"] == pytest.approx(1, abs=0.01)
        frame[METRIC] = [0.2 if value is None else float(value) for value in values]
        frame[METRIC] = frame[METRIC].fillna(0.2)
        row = analyze.importance(frame, METRIC, scales).loc["x"]
        assert row["category"] == ""
        assert row["correlation"] == pytest.approx(1, abs=0.01)

    def test_only_null_or_only_null_and_a_number(self):
        scales = varied({"values": [None, 0.05]})
        frame = runs(range(6), x=pd.Series([None] * 6, dtype=object))
        table = analyze.importance(frame, METRIC, scales)
        assert table.loc["x", "remark"] == "It was null in every run."
        frame["x"] = pd.Series([None, 0.05] * 3, dtype=object)
        table = analyze.importance(frame, METRIC, scales)
        assert table.loc["x", ["importance", "category"]].tolist() == [1, "null"]

    def test_correlation_of_a_few_runs_is_none(self):
        """Two points are always on a straight line."""
        frame = runs(range(8), x=[1.0, 2.0] + [math.nan] * 6)
        table = analyze.importance(frame, METRIC, {"x": Scale("linear")})
        assert math.isnan(table.loc["x", "correlation"])
        assert table.loc["x", "importance"] == 1

    @pytest.mark.parametrize("count", [0, 1, 4])
    def test_too_few_runs_are_said(self, count):
        frame = random_runs(8)
        frame.loc[count:, METRIC] = math.nan
        table = analyze.importance(frame, METRIC, SCALES)
        assert table["importance"].isna().all()
        assert (
            f"at least 5 finished runs with a {METRIC}; so far: {count}" in table["remark"].iloc[0]
        )

    def test_metric_that_never_changed_is_said(self):
        table = analyze.importance(random_runs(8), METRIC, SCALES)
        assert table["importance"].isna().all()
        assert set(table["remark"]) == {f"{METRIC} is 0 in every run."}

    def test_failed_and_diverged_runs_do_not_count(self):
        frame = random_runs(12)
        frame[METRIC] = np.log(frame["learning_rate"])
        frame.loc[:2, METRIC] = [math.nan, math.inf, 1e9]
        frame.loc[2, "state"] = "failed"
        assert analyze.importance(frame, METRIC, SCALES)["runs"].iloc[0] == 9


def uniform_runs(count, parameters, seed=0):
    draw = np.random.default_rng(seed)
    values = {name: draw.uniform(size=count) for name in parameters}
    return runs(np.zeros(count), **values), dict.fromkeys(parameters, Scale("linear"))


class TestKnownImportances:
    """Functions whose shares of variance follow from a formula; importances are shares as well.

    The forest sees only so many runs, so that it comes within a few hundredths.
    """

    def test_sobol_g_function(self):
        """A product of (|4 x_i - 2| + a_i) / (1 + a_i), each of the variance 1/3 / (1 + a_i)^2.

        Sobol, Math. Comput. Simul. 55, 2001.
        """
        a = {"w": 0.5, "x": 2.0, "y": 5.0, "z": 99.0}
        frame, scales = uniform_runs(1500, a)
        frame[METRIC] = math.prod((abs(4 * frame[k] - 2) + v) / (1 + v) for k, v in a.items())
        table = analyze.importance(frame, METRIC, scales)
        # What a parameter does alone and together with others, as shares of all that they do.
        totals = {name: (v := 1 / 3 / (1 + value) ** 2) / (1 + v) for name, value in a.items()}
        for name, total in totals.items():
            share = total / sum(totals.values())
            assert table.loc[name, "importance"] == pytest.approx(share, abs=0.03)
        assert list(table.index) == ["w", "x", "y", "z"]
        # Of all that varies, where the forest, which is not perfect, falls somewhat short.
        whole = math.prod(1 + 1 / 3 / (1 + value) ** 2 for value in a.values())
        for name, total in totals.items():
            effect = total * whole / (whole - 1)
            found = table.loc[name, "permutation"]
            assert found == pytest.approx(effect, rel=0.25, abs=0.04)
        # Folded at the middle of each range: no straight line anywhere.
        assert table["correlation"].abs().max() < 0.15

    def test_ishigami_function(self):
        """The third parameter matters only together with the first; the fourth not at all.

        Ishigami and Homma, ISUMA 1990: alone they explain 0.314, 0.442 and 0 of the variance,
        with all that they do together 0.558, 0.442 and 0.244.
        """
        frame, scales = uniform_runs(1500, "abcd")
        a, b, c, _ = (math.pi * (2 * frame[name] - 1) for name in "abcd")
        frame[METRIC] = np.sin(a) + 7 * np.sin(b) ** 2 + 0.1 * c**4 * np.sin(a)
        table = analyze.importance(frame, METRIC, scales)
        found = table["importance"]
        for name, total in zip("abcd", (0.558, 0.442, 0.244, 0), strict=True):
            assert table.loc[name, "permutation"] == pytest.approx(total, abs=0.08)
        assert found["b"] == pytest.approx(0.442, abs=0.08)
        assert 0.314 - 0.05 < found["a"] < 0.558
        assert 0.1 < found["c"] < 0.3
        assert found["d"] < 0.03

    def test_noise_has_a_share_of_the_importance_and_no_permutation(self):
        frame, scales = uniform_runs(80, "xyz")
        frame[METRIC] = np.random.default_rng(1).normal(size=80)
        table = analyze.importance(frame, METRIC, scales)
        assert (table["importance"] > 0.2).all()
        assert table["permutation"].abs().max() < 0.1

    def test_indicators_of_a_category_are_shuffled_together(self):
        frame = random_runs(400)
        effects = {"adam": 0, "sgd": 1, "adamw": 2}
        frame[METRIC] = frame["optimizer"].map(effects) + 0.5 * np.log2(frame["batch_size"] / 64)
        table = analyze.importance(frame, METRIC, SCALES)
        variances = {"optimizer": 2 / 3, "batch_size": 1 / 6, "learning_rate": 0}
        for name, variance in variances.items():
            share = variance / sum(variances.values())
            assert table.loc[name, "permutation"] == pytest.approx(share, abs=0.08)


class TestRanges:
    def shares(self, count, seed):
        frame, scales = uniform_runs(count, "xy", seed)
        noise = np.random.default_rng(1000 + seed).normal(0, 0.2, count)
        frame[METRIC] = 2 * frame["x"] - frame["y"] + noise
        return analyze.importance(frame, METRIC, scales).loc["x"]

    def test_range_tells_how_repeated_sweeps_scatter(self):
        """The standard error of one sweep is about the deviation among sweeps."""
        rows = pd.DataFrame([self.shares(60, seed) for seed in range(12)])
        scatter = rows["importance"].std()
        errors = (rows["importance_high"] - rows["importance_low"]) / (2 * 1.96)
        assert scatter / 2 < errors.mean() < 2 * scatter
        # Most of the ranges hold the mean of all sweeps.
        mean = rows["importance"].mean()
        assert rows["importance"].between(mean - 1.96 * errors, mean + 1.96 * errors).mean() > 0.7

    def test_more_runs_narrow_it(self):
        few, many = self.shares(12, 0), self.shares(400, 0)
        for kind in ("importance", "correlation"):
            widths = [row[f"{kind}_high"] - row[f"{kind}_low"] for row in (few, many)]
            assert widths[1] < widths[0] / 2

    def test_ends_are_in_order_and_within_what_is_possible(self):
        frame = random_runs(6)
        frame[METRIC] = np.log(frame["learning_rate"])
        table = analyze.importance(frame, METRIC, SCALES)
        for kind, least in (("importance", 0), ("correlation", -1)):
            assert (table[f"{kind}_low"] >= least).all()
            assert (table[f"{kind}_low"] <= table[kind]).all()
            assert (table[kind] <= table[f"{kind}_high"] + 1e-9).all()
            assert (table[f"{kind}_high"] <= 1).all()

    def test_range_of_a_correlation_is_fishers(self):
        row = self.shares(28, 0)
        middle, reach = math.atanh(row["correlation"]), 1.96 / 5  # 5 is the root of 28 - 3
        assert row["correlation_low"] == pytest.approx(math.tanh(middle - reach), abs=1e-4)
        assert row["correlation_high"] == pytest.approx(math.tanh(middle + reach), abs=1e-4)

    def test_same_runs_give_the_same_numbers(self):
        first, second = self.shares(20, 0), self.shares(20, 0)
        pd.testing.assert_series_equal(first, second)


class TestRequestedAndEffective:
    def test_each_run_is_told_apart(self):
        frame = pd.DataFrame(
            {
                "name": list("abcd"),
                "learning_rate": [0.1, 0.3, "auto", 0.1],
                "Effective Learning Rate": [0.1, 0.1, 0.1, math.nan],
            }
        )
        found = analyze.requested_and_effective(frame)
        assert list(found["reached"]) == ["yes", "no", "no", "not logged"]
        assert analyze.requested_and_effective(frame[:0]).empty

    def test_runs_of_another_program_say_how_to_find_out(self, capsys):
        frame = pd.DataFrame({"name": ["a"], "lr": [0.1]})
        found = analyze.requested_and_effective(frame)
        assert list(found["reached"]) == ["not logged"]
        assert "workshop adopt PROGRAM" in capsys.readouterr().out


class TestOverhead:
    def test_time_without_a_run_is_shared_out(self):
        # Two agents for 30 s: 60 s, of which 3 runs took 40 s.
        begins = pd.to_timedelta([0, 2, 20, 0], unit="s")
        frame = runs(
            [1, 2, 3, 4],
            started=pd.Timestamp("2026-01-02T10:00Z") + begins,
            seconds=[14, 16, 10, math.nan],
        )
        found = analyze.overhead(frame)
        assert found["runs"] == 3
        assert found["at once"] == 2
        assert found["seconds in all"] == 30
        assert found["seconds of a run"] == pytest.approx(40 / 3)
        assert found["seconds without a run"] == pytest.approx(20)

    def test_runs_one_after_the_other_are_those_of_one_agent(self):
        begins = pd.Timestamp("2026-01-02T10:00Z") + pd.to_timedelta([0, 10, 25], unit="s")
        found = analyze.overhead(runs([1, 2, 3], started=begins, seconds=[10, 10, 10]))
        assert found["at once"] == 1
        assert found["seconds without a run"] == pytest.approx(5 / 2)

    def test_a_task_holds_its_place_before_and_after_its_run(self):
        begins = pd.Timestamp("2026-01-02T10:00Z") + pd.to_timedelta([8, 9], unit="s")
        frame = runs([1, 2], started=begins, seconds=[10, 12])
        began = pd.Timestamp("2026-01-02T10:00Z").timestamp()
        starts = pd.DataFrame({"began": [began, began + 1], "ended": [began + 20, began + 27]})
        found = analyze.overhead(frame, starts)
        assert (found["runs"], found["at once"], found["seconds in all"]) == (2, 2, 27)
        assert found["seconds without a run"] == (20 + 26 - 10 - 12) / 2
        assert analyze.overhead(frame, starts[:0]).equals(analyze.overhead(frame))

    def test_no_runs_have_none(self):
        frame = runs([], started=pd.to_datetime([], utc=True), seconds=[])
        found = analyze.overhead(frame)
        assert found["runs"] == 0
        assert math.isnan(found["seconds without a run"])


@pytest.mark.parametrize(("count", "critical"), [(5, 0.878), (8, 0.707), (60, 0.254)])
def test_chance_correlation_is_that_of_the_tables(count, critical):
    assert analyze.chance_correlation(count) == pytest.approx(critical, abs=0.001)
