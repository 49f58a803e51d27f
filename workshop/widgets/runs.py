"""A table of runs with checkboxes, and the learning curves of those selected."""

import html
import json
import math
from collections.abc import Iterable, Sequence

import ipywidgets
import pandas as pd

from workshop.analyze import plots
from workshop.analyze.plots.export import PLOTLY_JSON
from workshop.analyze.plots.style import message
from workshop.analyze.ranking import rank
from workshop.analyze.snapshot import short
from workshop.define.schema import of_kit
from workshop.errors import WorkshopError
from workshop.initialize.run_tables import history
from workshop.widgets.base import NO_WIDTH, WRAPPING, Shown, button, paragraph, table_html

_ROWS = 10


class RunPicker(Shown):
    """The widget of `pick_runs`.

    Attributes:
        selected: the IDs of the selected runs, in the order of the table.
    """

    def __init__(
        self,
        runs: pd.DataFrame,
        parameters: Iterable[str],
        metric: str,
        goal: str,
        keys: Sequence[str],
        first: int,
    ):
        self._parameters, self._metric, self._keys = list(parameters), metric, list(keys)
        ranked = rank(runs, metric, goal)
        others = runs[~runs["run"].isin(ranked["run"])]
        self._runs = pd.concat([ranked, others], ignore_index=True)
        self._labels = plots.run_labels(self._runs, self._parameters)
        self._columns = [*self._parameters, metric, "state"]
        early = runs.get("stopped_early", pd.Series(False, runs.index))
        self._stopped_early = set(runs["run"][early])
        self._histories: dict[str, pd.DataFrame] = {}
        self._selected = set(ranked["run"][:first])
        self._page = 0
        self._filling = False
        self._build()
        self._fill()
        self._draw()

    @property
    def selected(self) -> list[str]:
        """The IDs of the selected runs, in the order of the table."""
        return [run for run in self._runs["run"] if run in self._selected]

    def as_text(self) -> str:
        """Return the table, selected runs with a cross, and the figure's alternative text."""
        return f"{self._table().to_string(index=False)}\n{self._alt}"

    def as_html(self) -> str:
        """Return the table, selected runs with a cross, and the figure's alternative text."""
        return table_html(self._table()) + paragraph(self._alt)

    def _build(self) -> None:
        cells = [ipywidgets.HTML(f"<b>{html.escape(name)}</b>") for name in ["run", *self._columns]]
        self._rows = []
        for _ in range(min(_ROWS, len(self._runs))):
            box = ipywidgets.Checkbox(indent=False, layout=NO_WIDTH)
            box.observe(self._select, "value")
            row = [box, *(ipywidgets.HTML() for _ in self._columns)]
            self._rows.append(row)
            cells += row
        table = ipywidgets.GridBox(
            cells,
            layout={
                "grid_template_columns": f"repeat({len(self._columns) + 1}, max-content)",
                "grid_gap": "0 14px",
                "overflow": "auto",
                "max_width": "100%",
            },
        )
        self._earlier = button("Earlier rows", "Better runs", lambda _: self._turn(-1))
        self._later = button("Later rows", "Worse runs", lambda _: self._turn(1))
        self._none = button("Clear selection", "Select none of the runs", lambda _: self._clear())
        self._where = ipywidgets.HTML()
        turning = [self._earlier, self._later] if len(self._runs) > _ROWS else []
        controls = ipywidgets.Box([self._none, *turning, self._where], layout=WRAPPING)
        self._note = ipywidgets.HTML()
        self._figure = ipywidgets.Output(layout={"flex": "1 1 440px", "min_width": "0"})
        left = ipywidgets.VBox(
            [table, controls, self._note], layout={"flex": "0 1 auto", "max_width": "100%"}
        )
        super().__init__(
            [ipywidgets.Box([left, self._figure], layout=WRAPPING | {"align_items": "flex-start"})]
        )

    def _fill(self) -> None:
        """Fill the rows with the runs of the current page."""
        begin = self._page * _ROWS
        shown = self._runs.iloc[begin : begin + _ROWS]
        self._filling = True
        for position, (box, *cells) in enumerate(self._rows):
            used = position < len(shown)
            for widget in (box, *cells):
                widget.layout.display = None if used else "none"
            if not used:
                continue
            run = shown.iloc[position]
            box.description = run["name"]
            box.tooltip = self._labels[run["run"]]
            box.value = run["run"] in self._selected
            for column, cell in zip(self._columns, cells, strict=True):
                cell.value = html.escape(short(run[column]))
        self._filling = False
        self._earlier.disabled = self._page == 0
        self._later.disabled = begin + _ROWS >= len(self._runs)

    def _select(self, change: dict) -> None:
        if self._filling:
            return
        position = next(i for i, row in enumerate(self._rows) if row[0] is change["owner"])
        run = self._runs["run"][self._page * _ROWS + position]
        (self._selected.add if change["new"] else self._selected.discard)(run)
        self._draw()

    def _turn(self, pages: int) -> None:
        last = math.ceil(len(self._runs) / _ROWS) - 1
        self._page = min(max(self._page + pages, 0), last)
        self._fill()
        self._count()

    def _clear(self) -> None:
        self._selected.clear()
        self._fill()
        self._draw()

    def _count(self) -> None:
        begin = self._page * _ROWS
        rows = f"{begin + 1} to {min(begin + _ROWS, len(self._runs))} of {len(self._runs)}"
        self._where.value = (
            f"{len(self._selected)} selected · {rows}" if len(self._runs) else "no runs"
        )

    def _draw(self) -> None:
        """Draw the curves of the selected runs; each history is fetched once."""
        self._count()
        self._note.value = ""
        paths = self._runs.set_index("run")["path"]
        for run in self.selected:
            if run not in self._histories:
                try:
                    self._histories[run] = history([paths[run]], self._keys)
                except WorkshopError as error:
                    self._note.value = html.escape(str(error))
        chosen = [self._histories[run] for run in self.selected if run in self._histories]
        if chosen:
            curves = pd.concat(chosen, ignore_index=True)
            curves.attrs = self._runs.attrs  # the definition, for the metrics' units
            figure = plots.learning_curves(curves, self._labels, self._stopped_early)
        else:
            figure = message("Select a run to see its curves.")
        self._alt = figure.layout.meta["alt"]
        data = {PLOTLY_JSON: json.loads(figure.to_json()), "text/plain": self._alt}
        self._renew_text()
        # Assigned directly, because `display` in a callback would write to another cell.
        self._figure.outputs = ({"output_type": "display_data", "data": data, "metadata": {}},)

    def _table(self) -> pd.DataFrame:
        crosses = ["x" if run in self._selected else "" for run in self._runs["run"]]
        shown = self._runs[["name", *self._columns]].map(short)
        shown.insert(0, "selected", crosses)
        return shown


def pick_runs(
    runs: pd.DataFrame,
    parameters: Iterable[str],
    metric: str,
    goal: str = "maximize",
    keys: Sequence[str] | None = None,
    first: int = 3,
) -> RunPicker:
    """Show runs in a table, the best first; check some to see their learning curves.

    In plain Python: `plots.show(plots.learning_curves(history(runs["path"][:3], keys)))`.

    Args:
        runs: as `analyze.fetch_runs` returns them.
        parameters: the columns that tell the runs apart, as `analyze.hyperparameters` names
            them.
        metric: the column that ranks the runs.
        goal: `maximize` or `minimize`.
        keys: the keys that `analyze.history` fetches for each checked run, a panel per metric; by
            default the metric, after the curves that the sweep's program is known to log.
        first: how many of the best runs are checked at the start.

    Raises:
        WorkshopError: the runs have no column of this metric, or the goal is unknown.
    """
    if keys is None:
        schema = of_kit(runs.attrs.get("definition") or {})
        keys = list(dict.fromkeys([*(schema.curves if schema else ()), metric]))
    return RunPicker(runs, parameters, metric, goal, keys, first)
