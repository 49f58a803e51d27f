import base64
import io
import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from PIL import Image

from sweepserver.search import Scale
from workshop import analyze
from workshop.analyze import plots
from workshop.analyze.plots import presentation, style
from workshop.analyze.plots.export import PICTURE_WIDTH_PX, WORDLESS
from workshop.analyze.plots.style import DARK

METRIC = "Validation Accuracy"
RUNS = [f"r{number}" for number in range(8)]
SCALES = {"learning_rate": Scale("log"), "optimizer": Scale("category")}
KINDS = ("importance", "correlation")


@pytest.fixture
def frame():
    """Eight runs on two array tasks, the fourth one failed."""
    accuracies = [60.0, 70.0, 95.0, math.nan, 80.0, 81.0, 20.0, 30.0]
    begins = [0, 1, 12, 14, 20, 25, 40, 45]
    return pd.DataFrame(
        {
            "run": [f"r{number}" for number in range(8)],
            "name": [f"sweep-{number}" for number in range(8)],
            "state": ["finished"] * 3 + ["failed"] + ["finished"] * 4,
            "learning_rate": np.repeat([0.1, 0.01, 0.001, 0.0001], 2),
            "optimizer": ["adam", "sgd"] * 4,
            METRIC: accuracies,
            "started": pd.Timestamp("2026-01-02T10:00Z") + pd.to_timedelta(begins, unit="s"),
            "seconds": [10.0, 10, 8, 4, 12, 10, 10, 10],
            "host": "node1",
            "array_task": [f"17_{number % 2}" for number in range(8)],
        }
    )


@pytest.fixture
def history(frame):
    rows = [
        {
            "run": run,
            "step": epoch,
            "Epoch": epoch,
            "Train Loss": 1 / epoch,
            METRIC: last * epoch / 3,
        }
        for run, last in zip(frame["run"], frame[METRIC], strict=True)
        for epoch in (1, 2, 3)
    ]
    return pd.DataFrame(rows)


def alt(figure):
    return figure.layout.meta["alt"]


def texts(figure):
    return [annotation.text for annotation in figure.layout.annotations]


class TestParallelCoordinates:
    def test_one_line_per_run_and_an_axis_per_parameter(self, frame):
        figure = plots.parallel_coordinates(frame, SCALES, METRIC)
        assert {trace.name for trace in figure.data} == set(frame["name"])
        assert all(len(trace.x) == 3 for trace in figure.data)
        for label in (
            "<b>learning_rate</b>",
            "<b>optimizer</b>",
            "<b>Validation Accuracy (%)</b>",
            "0.001",
            "adam",
            "100",
            "left out",
        ):
            assert label in texts(figure)
        assert "Best: Validation Accuracy 95 with learning_rate 0.01, optimizer adam" in alt(figure)
        assert "1 run left out" in alt(figure)

    def test_learning_rates_stand_at_even_distances(self, frame):
        figure = plots.parallel_coordinates(frame, SCALES, METRIC)
        heights = {
            annotation.text: annotation.y
            for annotation in figure.layout.annotations
            if annotation.text in ("0.1", "0.01", "0.001", "0.0001")
        }
        assert list(heights.values()) == pytest.approx([0, 1 / 3, 2 / 3, 1])
        best = next(trace for trace in figure.data if trace.name == "sweep-2")
        assert best.y[0] == pytest.approx(heights["0.01"], abs=0.04)

    def test_best_run_is_darkest_and_failed_one_apart(self, frame):
        figure = plots.parallel_coordinates(frame, SCALES, METRIC)
        lines = {trace.name: trace for trace in figure.data}
        assert figure.data[-1].name == "sweep-2"  # drawn last, on top
        assert lines["sweep-2"].line.color == "rgb(68, 1, 84)"  # the dark end of Viridis
        assert lines["sweep-3"].line.color == style.GRAY
        assert lines["sweep-3"].line.dash == "dot"
        assert lines["sweep-3"].y[-1] < 0
        assert lines["sweep-2"].y[-1] > lines["sweep-0"].y[-1] > 0

        smallest = plots.parallel_coordinates(frame, SCALES, METRIC, goal="minimize")
        assert smallest.data[-1].name == "sweep-6"
        assert smallest.data[-1].line.color == "rgb(68, 1, 84)"

    def test_runs_that_share_a_value_are_spread(self, frame):
        figure = plots.parallel_coordinates(frame, SCALES, METRIC)
        assert len({round(trace.y[1], 6) for trace in figure.data}) == len(frame)

    def test_of_many_runs_the_best_stand_out(self, frame):
        many = pd.concat([frame] * 25, ignore_index=True)
        many["run"] = many["name"] = [f"r{number}" for number in range(200)]
        figure = plots.parallel_coordinates(many, SCALES, METRIC)
        assert len(figure.data) == 200
        best = [line for line in figure.data if line.opacity == 1 and line.line.dash == "solid"]
        assert len(best) == 18  # a tenth of the 175 that finished
        assert {line.line.width for line in best} == {1.5}
        assert "the best tenth is thick" in figure.layout.title.subtitle.text
        assert all(-0.06 < height < 1.06 for line in best for height in line.y)

    @pytest.mark.parametrize("count", [1, 2])
    def test_few_runs(self, frame, count):
        figure = plots.parallel_coordinates(frame[:count], SCALES, METRIC)
        assert len(figure.data) == count
        assert all(math.isfinite(height) for trace in figure.data for height in trace.y)

    def test_no_parameter_is_said(self, frame):
        assert (
            alt(plots.parallel_coordinates(frame, {}, METRIC)) == "The sweep varies no parameter."
        )

    def test_values_that_have_no_place_on_an_axis_are_left_out_there(self, frame):
        """A run may lack a parameter, or have a text or 0 where the scale is one of logarithms."""
        frame["learning_rate"] = ["auto", None, 0, 0.1, 0.01, math.inf, math.nan, 0.001]
        frame["optimizer"] = None
        figure = plots.parallel_coordinates(frame, SCALES, METRIC)
        heights = {line.name: line.y[0] for line in figure.data}
        assert [name for name, y in heights.items() if y >= 0] == ["sweep-3", "sweep-7", "sweep-4"]
        assert {line.y[1] for line in figure.data} == {heights["sweep-0"]}

    def test_numbers_written_as_text_stand_in_their_order(self, frame):
        values = ["1e-1", "1e-2", "1e-3", "5e-3", "5e-4"]
        scales = analyze.hyperparameters({"parameters": {"x": {"values": values}}})
        frame["x"] = [*values, 0.1, 0.005, "auto"]
        figure = plots.parallel_coordinates(frame, scales, METRIC)
        notes = {note.text: note.y for note in figure.layout.annotations if note.x == 0}
        assert list(notes) == ["<b>x</b>", "0.0005", "0.001", "0.005", "0.01", "0.1"]
        heights = {line.name: line.y[0] for line in figure.data}
        assert heights["sweep-0"] == pytest.approx(heights["sweep-5"], abs=0.06)
        assert heights["sweep-4"] == pytest.approx(0, abs=0.06)
        assert heights["sweep-7"] < -0.1

    def test_null_has_a_tick_of_its_own(self, frame):
        settings = {"values": [None, 0.05, 0.25]}
        scales = analyze.hyperparameters({"parameters": {"x": settings}})
        frame["x"] = pd.Series([None, 0.05, 0.25, None, math.nan, 0.05, None, 0.25], dtype=object)
        figure = plots.parallel_coordinates(frame, scales, METRIC)
        notes = {note.text: note.y for note in figure.layout.annotations if note.x == 0}
        assert list(notes) == ["<b>x</b>", "null", "0.05", "0.25"]
        assert notes["0.05"] > notes["null"] + 0.1
        heights = {line.name: line.y[0] for line in figure.data}
        for null in ("sweep-0", "sweep-3", "sweep-6"):
            assert heights[null] == pytest.approx(notes["null"], abs=0.06)
        assert heights["sweep-4"] < -0.1
        hover = next(line.hovertemplate for line in figure.data if line.name == "sweep-0")
        assert "x: null<br>" in hover
        assert plots.run_labels(frame, scales)["r0"] == "x null"

    def test_categories_stand_in_the_definition_s_order(self, frame):
        values = ["small", "medium", None, "large"]
        scales = analyze.hyperparameters({"parameters": {"x": {"values": values}}})
        frame["x"] = pd.Series([*values[::-1], *values], dtype=object)
        frame.loc[7, "x"] = "huge"
        figure = plots.parallel_coordinates(frame, scales, METRIC)
        ticks = [note.text for note in figure.layout.annotations if note.x == 0]
        assert ticks == ["<b>x</b>", "small", "medium", "null", "large", "huge"]

    def test_best_run_is_brightest_on_dark_ground(self, frame):
        figure = plots.parallel_coordinates(frame, SCALES, METRIC, theme=DARK)
        assert figure.data[-1].line.color == "rgb(253, 231, 37)"  # the bright end of Viridis
        assert "brightest" in figure.layout.title.subtitle.text
        assert figure.layout.font.color == DARK.ink

    def test_no_finished_run_is_said(self, frame):
        for nothing in (frame[:0], frame[3:4]):
            figure = plots.parallel_coordinates(nothing, SCALES, METRIC)
            assert not figure.data
            assert alt(figure) == f"No run has finished with a {METRIC} yet."
            assert texts(figure) == [alt(figure)]


class TestImportanceBars:
    def test_bars_are_the_numbers_of_the_table(self, frame):
        table = analyze.importance(frame, METRIC, SCALES)
        figure = plots.importance_bars(table, METRIC)
        importances, permutations, correlations = figure.data
        assert list(importances.x) == list(table["importance"])
        assert list(permutations.x) == list(table["permutation"])
        assert permutations.error_x.array is None
        assert "even for noise" in alt(figure)
        assert list(correlations.y) == list(table.index)
        position = list(table.index).index("optimizer")
        assert correlations.text[position].endswith(f"({table.loc['optimizer', 'category']})")
        assert figure.layout.xaxis.title.text == "Importance"
        assert "7 runs" in alt(figure)
        assert "learning_rate" in alt(figure)

    def test_range_of_chance_is_marked(self, frame):
        figure = plots.importance_bars(analyze.importance(frame, METRIC, SCALES), METRIC)
        assert figure.layout.shapes[0].x1 == pytest.approx(analyze.chance_correlation(7))
        assert "±0.75" in figure.layout.title.subtitle.text

    def test_whiskers_are_the_ranges_of_the_table(self, frame):
        table = analyze.importance(frame, METRIC, SCALES)
        for bars, key in zip(plots.importance_bars(table, METRIC).data[::2], KINDS, strict=True):
            ends = np.array(bars.x) + np.array(bars.error_x.array)
            assert ends == pytest.approx(table[f"{key}_high"].to_numpy())
            starts = np.array(bars.x) - np.array(bars.error_x.arrayminus)
            assert starts == pytest.approx(table[f"{key}_low"].to_numpy())
            assert " to " in bars.customdata[0]

    def test_parameter_that_never_varied_has_words_for_bars(self, frame):
        table = analyze.importance(frame.assign(optimizer="sgd"), METRIC, SCALES)
        assert " It was sgd in every run." in texts(plots.importance_bars(table, METRIC))

    def test_too_few_runs_and_no_parameters_are_said(self, frame):
        table = analyze.importance(frame[:2], METRIC, SCALES)
        figure = plots.importance_bars(table, METRIC)
        assert not figure.data
        assert "at least 5 finished runs" in alt(figure)
        nothing = analyze.importance(frame, METRIC, {})
        assert alt(plots.importance_bars(nothing, METRIC)) == "The sweep varies no parameter."


class TestLearningCurves:
    def test_panel_per_metric_and_line_per_run(self, frame, history):
        figure = plots.learning_curves(history, plots.run_labels(frame, SCALES))
        assert len(figure.data) == 2 * 8
        assert figure.layout.xaxis.title.text == "Epoch"
        assert figure.layout.yaxis.title.text == "Train Loss"
        assert figure.layout.yaxis2.title.text == "Validation Accuracy (%)"
        legend = [trace.name for trace in figure.data if trace.showlegend]
        assert legend[0] == "learning_rate 0.01, optimizer adam"
        assert len(legend) == 8
        failed = [trace for trace in figure.data if trace.legendgroup == "r3"]
        assert [len(trace.x) for trace in failed] == [3, 0]
        assert "between 20 and 95" in alt(figure)

    def test_many_runs_have_shades_for_a_legend(self, history):
        many = pd.concat(
            [history.assign(run=history["run"] + letter) for letter in "abcdefgh"],
            ignore_index=True,
        )
        figure = plots.learning_curves(many)
        assert not any(trace.showlegend for trace in figure.data)
        assert figure.data[0].line.color == "rgb(68, 1, 84)"
        assert "64 runs" in alt(figure)
        # Runs of about the same rank share a line, with a gap between them.
        assert len(figure.data) == 2 * 22
        first = figure.data[0]
        assert list(first.x) == [1, 2, 3, None, 1, 2, 3, None, 1, 2, 3]
        assert [first.text[place] for place in (0, 4, 8)] == ["r2a", "r2b", "r2c"]

    def test_runs_that_were_stopped_early_end_in_a_cross(self, frame, history):
        history = history[(history["run"] != "r0") | (history["Epoch"] < 3)]
        figure = plots.learning_curves(history, stopped_early=["r0", "unknown"])
        crosses = [trace for trace in figure.data if trace.marker.symbol == "x"]
        assert [list(trace.x) for trace in crosses] == [[2], [2]]
        assert [trace.showlegend for trace in crosses] == [True, False]
        assert alt(figure).endswith("1 run stopped early by the sweep.")
        others = plots.learning_curves(history)
        assert len(others.data) == len(figure.data) - 2

    def test_long_names_have_a_line_of_the_legend_each(self, frame, history):
        short = plots.learning_curves(history, dict.fromkeys(RUNS, "x" * 24))
        long = plots.learning_curves(history, dict.fromkeys(RUNS, "x" * 400))
        assert long.layout.height - short.layout.height == 4 * 32
        assert len(long.data[0].name) == 95

    def test_nothing_logged_is_said(self, history):
        assert "logged nothing" in alt(plots.learning_curves(history[:0]))
        unlogged = history.assign(Epoch=math.nan, Other=math.nan)
        unnumbered = plots.learning_curves(unlogged)
        assert "by step:" in alt(unnumbered)
        assert "No Other was logged" in alt(unnumbered)
        assert "none of Other" in alt(plots.learning_curves(unlogged[["run", "step", "Other"]]))

    def test_metric_that_no_run_logged(self, history):
        figure = plots.learning_curves(history.assign(**{METRIC: math.nan}))
        assert f"No {METRIC} was logged" in alt(figure)


class TestBestSoFar:
    def test_lines_are_the_numbers_of_the_table(self, frame):
        table = analyze.best_so_far(frame, METRIC)
        figure = plots.best_so_far(table, METRIC)
        band, expected, in_order = figure.data
        assert list(expected.y) == list(table["expected"])
        assert list(in_order.y) == list(table["in_order"])
        assert max(band.y) == 95
        assert figure.layout.xaxis.title.text == "Runs done"
        assert figure.layout.yaxis.title.text == "Validation Accuracy (%)"
        assert "1 to 8: 95 after all" in alt(figure)
        assert "stopping after 4 would have cost" in alt(figure)

    @pytest.mark.parametrize("count", [1, 2])
    def test_few_runs(self, frame, count):
        figure = plots.best_so_far(analyze.best_so_far(frame[:count], METRIC), METRIC)
        assert len(figure.data[1].x) == count

    def test_nothing_is_said(self, frame):
        nothing = plots.best_so_far(analyze.best_so_far(frame[3:4], METRIC), METRIC)
        assert alt(nothing) == f"No run has finished with a {METRIC} yet."

    def test_first_half_may_have_no_result(self, frame):
        failed = frame.assign(state=["failed"] * 7 + ["finished"])
        figure = plots.best_so_far(analyze.best_so_far(failed, METRIC), METRIC)
        assert "after 4 there might be no result at all" in alt(figure)


class TestTaskTimeline:
    def test_bars_lie_on_their_array_task(self, frame):
        figure = plots.task_timeline(frame)
        bars = {
            name: (lane, base, length)
            for trace in figure.data
            for name, lane, base, length in zip(
                trace.text, trace.y, trace.base, trace.x, strict=True
            )
        }
        assert bars["sweep-0"] == ("17_0", 0, 10)
        assert bars["sweep-3"] == ("17_1", 14, 4)
        assert {trace.name for trace in figure.data} == {"failed", "finished"}
        assert list(figure.layout.yaxis.categoryarray) == ["17_1", "17_0"]
        assert figure.layout.xaxis.title.text == "Time since the first run started (s)"
        # 74 s of runs in 2 tasks for 55 s.
        assert "2 array tasks busy 67 % of 55 s" in alt(figure)

    def test_array_tasks_are_in_numerical_order(self, frame):
        frame["array_task"] = [f"17_{number}" for number in (0, 1, 2, 10, 11, 3, 9, 4)]
        order = plots.task_timeline(frame).layout.yaxis.categoryarray[::-1]
        assert list(order) == [f"17_{number}" for number in (0, 1, 2, 3, 4, 9, 10, 11)]

    def test_two_hundred_tasks_fit_on_a_screen(self, frame):
        many = pd.concat([frame] * 25, ignore_index=True)
        many["array_task"] = [f"17_{number}" for number in range(200)]
        figure = plots.task_timeline(many)
        assert figure.layout.height < 1100
        assert figure.layout.yaxis.dtick == 5

    def test_runs_outside_slurm_share_as_few_lines_as_ran_at_once(self, frame):
        figure = plots.task_timeline(frame.assign(array_task=None))
        bars = figure.data
        lanes = {name: lane for bar in bars for name, lane in zip(bar.text, bar.y, strict=True)}
        assert [lanes[f"sweep-{number}"] for number in range(8)] == list("12121212")
        assert figure.layout.yaxis.title.text == "Slot"

    def test_runs_that_never_started_are_no_bars(self, frame):
        frame.loc[7, ["started", "seconds"]] = None
        assert sum(len(trace.x) for trace in plots.task_timeline(frame).data) == 7
        assert "No run" in alt(plots.task_timeline(frame[:0]))


class TestShow:
    @pytest.fixture
    def shown(self, monkeypatch):
        """Return what `show` publishes, without a notebook."""
        published = []
        monkeypatch.setattr(
            "IPython.display.display", lambda data, **options: published.append((data, options))
        )
        return published

    def test_figure_goes_out_with_its_alternative_text(self, frame, shown):
        figure = plots.task_timeline(frame)
        plots.show(figure)
        bundle, options = shown[0]
        assert bundle["text/plain"] == alt(figure)
        drawing = bundle["application/vnd.plotly.v1+json"]
        assert drawing["layout"]["meta"]["alt"] == alt(figure)
        assert options["raw"]

    def test_every_reader_can_unfold_it_in_words(self, frame, shown):
        plots.show(plots.task_timeline(frame), alt="Two <tasks> & more")
        bundle, options = shown[1]
        assert list(bundle) == ["text/html"]
        assert bundle["text/html"].startswith("<details><summary>")
        assert "<p>Two &lt;tasks&gt; &amp; more</p>" in bundle["text/html"]
        assert options["raw"]

    def test_own_alternative_text_wins(self, frame, shown):
        figure = plots.task_timeline(frame)
        plots.show(figure, alt="Two tasks, side by side.")
        assert shown[0][0]["text/plain"] == "Two tasks, side by side." == alt(figure)

    @pytest.mark.parametrize("meta", [None, "mine", {"mine": 1}])
    def test_figure_of_ones_own_is_asked_for_its_text(self, shown, monkeypatch, meta):
        monkeypatch.setattr(presentation, "png", lambda _: None)
        figure = go.Figure(layout_meta=meta)
        plots.show(figure)
        assert shown[0][0]["text/plain"] == WORDLESS
        plots.show(figure, alt="Nothing yet.")
        assert shown[2][0]["text/plain"] == "Nothing yet."

    @pytest.mark.browser
    def test_picture_for_other_viewers(self, frame, shown):
        figure = plots.parallel_coordinates(frame, SCALES, METRIC)
        plots.show(figure)
        bundle, options = shown[0]
        assert options["metadata"]["image/png"]["alt"] == alt(figure)
        with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as image:
            assert image.size == (PICTURE_WIDTH_PX, figure.layout.height)
            assert len(image.getcolors()) > 20
