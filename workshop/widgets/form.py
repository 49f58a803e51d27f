"""A sweep configuration built by a form, with its YAML and its number of runs beside it."""

import copy
import html
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets
import yaml

from sweepserver.search import GOALS, METHODS
from workshop.analyze.plots.style import count
from workshop.define import definition
from workshop.define.linter import lint
from workshop.errors import WorkshopError
from workshop.trainer.metrics import METRICS
from workshop.widgets.base import NO_WIDTH, SCROLLING, WRAPPING, Shown, button, paragraph
from workshop.widgets.parameter import ParameterRow

_WIDE = {
    "style": {"description_width": "initial"},
    "layout": {"width": "17em", "max_width": "100%"},
}
_EDITED = ("method", "metric", "parameters", "run_cap", "early_terminate")


class SweepForm(Shown):
    """The widget of `sweep_form`.

    Attributes:
        config: the configuration as it is now.
        yaml: the same as the text of a file.
        problems: what is wrong with it, a sentence each; empty if nothing is.
    """

    def __init__(self, config: Mapping[str, Any]):
        _check_sections(config)
        self._rest = {key: value for key, value in config.items() if key not in _EDITED}
        metric = config.get("metric") or {}
        self._hyperband = dict(config.get("early_terminate") or {})
        self._method = _choice("Method", METHODS, config.get("method", "grid"))
        self._metric = _choice("Metric", METRICS, metric.get("name", METRICS[-1]))
        self._goal = _choice("Goal", GOALS, metric.get("goal", "maximize"))
        self._run_cap = ipywidgets.Text(
            description="At most this many runs", value=str(config.get("run_cap", "")),
            placeholder="no limit", **_WIDE,
        )  # fmt: skip
        spared = self._hyperband.get("min_iter", "" if self._hyperband else 3)
        self._stops = ipywidgets.Checkbox(
            description="End hopeless runs early (hyperband)", value=bool(self._hyperband),
            indent=False, layout=NO_WIDTH,
        )  # fmt: skip
        self._spared = ipywidgets.Text(
            description="but not before epoch", value=str(spared), **_WIDE,
        )  # fmt: skip
        self._rows = ipywidgets.VBox()
        add = button(
            "Add a parameter", "Add a row", lambda _: self._add("", {"values": []}), icon="plus"
        )
        add.layout.align_self = "flex-start"
        self._result = ipywidgets.HTML(layout={"flex": "1 1 22em", "min_width": "0"})
        for control in (self._method, self._metric, self._goal, self._run_cap, self._spared):
            control.observe(lambda _: self._changed(), "value")
        self._stops.observe(lambda _: self._changed(), "value")
        first = ipywidgets.Box([self._method, self._metric, self._goal], layout=WRAPPING)
        last = ipywidgets.Box([self._run_cap, self._stops, self._spared], layout=WRAPPING)
        super().__init__([first, self._rows, add, last, self._result])
        for name, specification in (config.get("parameters") or {}).items():
            self._rows.children += (self._row(name, specification),)
        self._changed()

    @property
    def config(self) -> dict[str, Any]:
        """The sweep configuration as it is now, also while something is wrong with it."""
        config = copy.deepcopy(self._rest)
        config["method"] = self._method.value
        config["metric"] = {"name": self._metric.value, "goal": self._goal.value}
        config["parameters"] = {row.name: row.specification for row in self._rows.children}
        if self._run_cap.value.strip():
            config["run_cap"] = _whole(self._run_cap.value)
        if self._stops.value:
            config["early_terminate"] = {"type": "hyperband"} | self._hyperband
            if self._spared.value.strip():
                config["early_terminate"]["min_iter"] = _whole(self._spared.value)
            else:
                config["early_terminate"].pop("min_iter", None)
        return config

    @property
    def yaml(self) -> str:
        """The configuration as the text of a file such as `configs/sweep_config.yaml`."""
        return yaml.safe_dump(self.config, sort_keys=False, default_flow_style=None, width=90)

    @property
    def problems(self) -> list[str]:
        """What `lint` finds, after parameters that have no name or stand in two rows."""
        names = Counter(row.name for row in self._rows.children)
        found = [
            f"parameter {name!r} stands in {times} rows: remove all but one"
            for name, times in names.items()
            if name and times > 1
        ]
        if names[""]:
            found.append("a row has no parameter: choose one, or remove the row")
        config = self.config
        config["parameters"].pop("", None)
        return found + lint(config)

    def as_text(self) -> str:
        """Return the YAML, the number of runs and the problems."""
        return "\n".join([self.yaml, self._summary(), *self.problems])

    def as_html(self) -> str:
        """Return the YAML, the number of runs and the problems."""
        parts = [paragraph(self._summary(), "font-weight: bold")]
        if problems := self.problems:
            entries = "".join(f"<li>{html.escape(problem)}</li>" for problem in problems)
            parts.append(f'<ul style="margin: 0 0 .4em; line-height: 1.4">{entries}</ul>')
        style = f"{SCROLLING}; box-sizing: border-box; padding: .6em; border: 1px solid #888"
        parts.append(f'<pre style="{style}">{html.escape(self.yaml)}</pre>')
        return "".join(parts)

    def _row(self, name: str, specification: Mapping[str, Any]) -> ParameterRow:
        return ParameterRow(name, specification, self._changed, self._remove)

    def _add(self, name: str, specification: Mapping[str, Any]) -> None:
        self._rows.children += (self._row(name, specification),)
        self._changed()

    def _remove(self, row: ParameterRow) -> None:
        self._rows.children = tuple(other for other in self._rows.children if other is not row)
        self._changed()

    def _changed(self) -> None:
        self._spared.layout.display = None if self._stops.value else "none"
        self._result.value = self.as_html()
        self._renew_text()

    def _summary(self) -> str:
        """Say how many runs the sweep consists of, or how many things are wrong."""
        if problems := self.problems:
            return f"Not ready: {count(len(problems), 'problem')}"
        config = self.config
        runs = definition.combinations(config)
        if runs is None:
            return "Runs without end: give the largest number of runs, or stop the sweep yourself"
        if config["method"] != "grid":
            return count(runs, "run")
        sizes = {name: len(values) for name, values in definition.grid(config).items()}
        factors = [f"{size} of {name}" for name, size in sizes.items() if size > 1]
        every = math.prod(sizes.values())
        capped = f"; all would be {every}" if runs < every else ""
        return count(runs, "run") + (f" ({' times '.join(factors)}{capped})" if factors else "")


def sweep_form(config: Mapping[str, Any]) -> SweepForm:
    """Change a sweep configuration by form and see its YAML and number of runs as you type.

    What is wrong is said in the sentences of `lint`.  The result is `form.config`, for
    `register(form.config, project)`, or `form.yaml`, for a file.

    Its plain twin is `define.load("configs/sweep_config.yaml")`, with an editor for the file.

    Args:
        config: the configuration to begin with; sections that the form does not show, such as
            `program`, stay as they are.

    Raises:
        WorkshopError: a section has no form, for example `parameters` that are a list.
    """
    return SweepForm(config)


def _check_sections(config: Mapping[str, Any]) -> None:
    for name in ("metric", "parameters", "early_terminate"):
        _check_mapping(name, config.get(name) or {})
    for name, specification in (config.get("parameters") or {}).items():
        _check_mapping(f"parameter {name}", specification)


def _check_mapping(name: str, section: Any) -> None:
    if not isinstance(section, Mapping):
        raise WorkshopError(f"{name} is {section!r}, but a form needs a mapping: write key: value")


def _choice(description: str, known: Sequence[str], given: Any) -> ipywidgets.Dropdown:
    """Return a dropdown; a value that is not known stays to be seen, for `lint` to name it."""
    options = [*known, *([] if given in known else [given])]
    return ipywidgets.Dropdown(description=description, options=options, value=given, **_WIDE)


def _whole(text: str) -> int | str:
    """Read a whole number; what is none stays a text, for `lint` to name it."""
    try:
        return int(text)
    except ValueError:
        return text.strip()
