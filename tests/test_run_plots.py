"""Slices, contours and the scatter plot: pictures of runs over their hyperparameters or time."""

import math

import numpy as np
import pandas as pd
import pytest

from sweepserver.search import Scale
from workshop.analyze import best_so_far, plots, rank_points
from workshop.analyze.plots.style import result_text

METRIC = "Validation Accuracy"
SCALES = {
    "learning_rate": Scale("log"),
    "batch_size": Scale("log", (32, 64)),
    "optimizer": Scale("category", ("sgd", "adam")),
}


@pytest.fixture
def frame():
    """Eight runs, a minute apart; the fourth one failed."""
    return pd.DataFrame(
        {
            "run": [f"r{number}" for number in range(8)],
            "name": [f"sweep-{number}" for number in range(8)],
            "state": ["finished"] * 3 + ["failed"] + ["finished"] * 4,
            "learning_rate": np.repeat([0.1, 0.01, 0.001, 0.0001], 2),
            "batch_size": [32, 64] * 4,
            "optimizer": ["adam", "sgd"] * 4,
            METRIC: [60.0, 70.0, 95.0, math.nan, 80.0, 81.0, 20.0, 30.0],
            "started": pd.Timestamp("2026-01-02T10:00Z") + pd.to_timedelta(range(8), unit="min"),
        }
    )


def alt(figure):
    return figure.layout.meta["alt"]


class TestSlices:
    def test_each_parameter_has_every_finished_run(self, frame):
        figure = plots.slices(frame, SCALES, METRIC)
        for others, best in zip(figure.data[::2], figure.data[1::2], strict=True):
            assert len(others.x) == 6
            assert list(best.y) == [95]
        assert [figure.data[place].x[0] for place in (1, 3, 5)] == [0.01, 32, "adam"]
        axes = [figure.layout[name] for name in ("xaxis", "xaxis2", "xaxis3")]
        assert [axis.type for axis in axes] == ["log", "log", "category"]
        assert list(axes[1].ticktext) == ["32", "64"]
        assert list(axes[2].categoryarray) == ["sgd", "adam"]
        assert "of 7 finished runs against learning_rate, batch_size and optimizer" in alt(figure)
        assert "Best: 95 with learning_rate 0.01, batch_size 32, optimizer adam" in alt(figure)

    def test_of_many_values_round_ones_have_ticks(self, frame):
        frame["learning_rate"] = np.geomspace(0.0002, 0.05, 8)
        figure = plots.slices(frame, SCALES, METRIC)
        assert list(figure.layout.xaxis.ticktext) == ["0.0001", "0.001", "0.01", "0.1"]

    def test_four_parameters_take_two_rows(self, frame):
        frame["momentum"] = "0.5"
        figure = plots.slices(frame, SCALES | {"momentum": Scale("linear")}, METRIC)
        assert figure.layout.height > plots.slices(frame, SCALES, METRIC).layout.height + 200
        assert list(figure.data[-1].x) == [0.5]

    def test_minimize_has_the_least_as_the_best(self, frame):
        assert list(plots.slices(frame, SCALES, METRIC, "minimize").data[1].y) == [20]

    def test_value_without_a_place_is_missing_there_alone(self, frame):
        frame["batch_size"] = frame["batch_size"].astype(object)
        frame.loc[1:, "batch_size"] = None
        figure = plots.slices(frame, SCALES, METRIC)
        assert np.isfinite(np.array(figure.data[2].x, dtype=float)).sum() == 1
        assert "7 finished runs" in alt(figure)

    def test_nothing_is_said(self, frame):
        assert alt(plots.slices(frame, {}, METRIC)) == "The sweep varies no parameter."
        assert "No run has finished" in alt(plots.slices(frame[3:4], SCALES, METRIC))
        assert plots.slices(frame[:1], SCALES, METRIC).data


class TestContour:
    def draw(self, frame, x="learning_rate", y="batch_size", **options):
        return plots.contour(frame, x, y, SCALES, METRIC, **options)

    def test_surface_goes_through_the_runs_and_no_further(self, frame):
        surface, dots = self.draw(frame).data
        assert (surface.x.min(), surface.x.max()) == pytest.approx((-4, -1))
        assert (surface.y.min(), surface.y.max()) == pytest.approx(tuple(np.log10([32, 64])))
        assert surface.z[0][0] == pytest.approx(20)
        assert surface.z[0][-1] == pytest.approx(60)
        assert surface.z[-1][0] == pytest.approx(30)
        assert len(dots.x) == 7
        without = self.draw(frame[frame["learning_rate"].ne(0.0001) | frame["batch_size"].eq(32)])
        assert math.isnan(without.data[0].z[-1][0])

    def test_plane_is_itself_on_the_parameters_own_scales(self, frame):
        frame["state"] = "finished"
        frame[METRIC] = 3 * np.log10(frame["learning_rate"]) + np.log10(frame["batch_size"])
        surface = self.draw(frame).data[0]
        expected = 3 * np.array(surface.x)[None, :] + np.array(surface.y)[:, None]
        assert np.array(surface.z) == pytest.approx(expected)

    def test_best_is_darkest_for_either_goal(self, frame):
        high = self.draw(frame).data[0].colorscale
        low = self.draw(frame, goal="minimize").data[0].colorscale
        assert high[0][1] == low[-1][1]
        assert "Best: 95 with learning_rate 0.01, batch_size 32; worst: 20" in alt(self.draw(frame))

    def test_runs_at_one_place_count_by_their_mean(self, frame):
        twice = pd.concat([frame, frame.assign(**{METRIC: frame[METRIC] + 10})])
        surface, dots = self.draw(twice).data
        assert surface.z[0][0] == pytest.approx(25)
        # The dots have the colors of the surface, and the best at a place is drawn last.
        assert (surface.zmin, surface.zmax) == (20, 105)
        assert list(dots.marker.color) == sorted(dots.marker.color)

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_few_runs_or_runs_in_a_line_are_dots_alone(self, frame, count):
        (dots,) = self.draw(frame[:count:2] if count < 3 else frame[::2]).data
        assert dots.mode == "markers"
        diagonal = self.draw(frame.assign(batch_size=frame["learning_rate"]))
        assert len(diagonal.data) == 1
        assert "no contours" in diagonal.layout.title.subtitle.text

    def test_what_cannot_be_drawn_is_said(self, frame):
        assert "optimizer has no numbers" in alt(self.draw(frame, y="optimizer"))
        assert alt(self.draw(frame, x="depth")) == "The sweep does not vary depth."
        assert "No run has finished" in alt(self.draw(frame[3:4]))


class TestScatter:
    def test_dots_are_the_runs_and_the_line_is_the_best_so_far(self, frame):
        line, dots, others = plots.scatter(frame.iloc[::-1], METRIC).data
        assert list(dots.y) == [60, 70, 95, 80, 81, 20, 30]
        assert list(line.y) == [60, 70, 95, 95, 95, 95, 95]
        assert pd.Timestamp(others.x[0], tz="UTC") == frame["started"][3]
        figure = plots.scatter(frame, METRIC)
        assert "from 60 for the first one to a best of 95; the best so far improved 2 times" in alt(
            figure
        )
        assert alt(figure).endswith("1 run left out.")
        least = plots.scatter(frame, METRIC, "minimize")
        assert list(least.data[0].y) == [60, 60, 60, 60, 60, 20, 20]

    def test_nothing_is_said(self, frame):
        assert "No run has finished" in alt(plots.scatter(frame[3:4], METRIC))
        assert plots.scatter(frame[:1], METRIC).data


@pytest.mark.parametrize(("program", "unit"), [("workshop/wandb_sweep.py", "%"), ("mine.py", "")])
def test_only_what_the_kit_logs_has_a_unit(frame, program, unit):
    definition = {"program": program}
    frame.attrs["definition"] = definition
    expected = f"{METRIC} ({unit})" if unit else METRIC
    tables = {"before": best_so_far(frame, METRIC), "points": rank_points(frame, METRIC, SCALES)}
    drawn = [
        plots.slices(frame, SCALES, METRIC).layout.yaxis,
        plots.scatter(frame, METRIC).layout.yaxis,
        plots.best_so_far(tables["before"], METRIC).layout.yaxis,
        plots.point_intervals(tables["points"], METRIC, SCALES).layout.xaxis,
        plots.contour(frame, "learning_rate", "batch_size", SCALES, METRIC).data[0].colorbar,
    ]
    assert {part.title.text for part in drawn} == {expected}
    assert result_text(METRIC, 95.0, definition) == f"{METRIC} 95 {unit}".strip()
