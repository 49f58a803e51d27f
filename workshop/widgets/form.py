"""A form for a sweep configuration, which shows the YAML and the number of runs, and saves it."""

import copy
import html
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets

from sweepserver.search import DEFAULT_GOAL, GOALS, METHODS
from workshop.define import definition, saving, schema
from workshop.define.linter import lint
from workshop.errors import WorkshopError, and_more
from workshop.paths import shown
from workshop.trainer.metrics import VALIDATION_ACCURACY
from workshop.widgets.base import (
    NO_WIDTH,
    SCROLLING,
    SECTION,
    WRAPPING,
    Shown,
    button,
    paragraph,
    width,
)
from workshop.widgets.parameter import ParameterRow
from workshop.wording import count

_STYLE = {"description_width": "initial"}
_WIDE = {"style": _STYLE, "layout": {"width": "17em", "max_width": "100%"}}
FILE = "configs/my_sweep.yaml"
"""Where the form saves a configuration unless another file is named; in the clone."""
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
        self._hyperband = dict(config.get("early_terminate") or {})
        self._method = _choice("Method", METHODS, config.get("method", "grid"))
        self._schema = schema.find(config)
        self._judged_by = _judged_by(config.get("metric") or {}, self._schema)
        self._metric = _metric(self._schema, self._judged_by["name"])
        self._goal = _choice("Goal", GOALS, self._judged_by["goal"])
        self._run_cap = ipywidgets.Text(
            description="At most this many runs (run_cap)", value=str(config.get("run_cap", "")),
            placeholder="no limit", **_WIDE,
        )  # fmt: skip
        spared = self._hyperband.get("min_iter", "" if self._hyperband else 3)
        self._stops = ipywidgets.Checkbox(
            description="Stop poor runs early (hyperband)", value=bool(self._hyperband),
            indent=False, layout=NO_WIDTH,
        )  # fmt: skip
        self._spared = ipywidgets.Text(
            description="but not before epoch", value=str(spared),
            style=_STYLE, layout=width("13em"),
        )  # fmt: skip
        self._rows = ipywidgets.VBox()
        add = button(
            "Add a parameter", "Add a row", lambda _: self._add("", {"values": []}), icon="plus"
        )
        add.layout.align_self = "flex-start"
        self._result = ipywidgets.HTML(layout={"min_width": "0"})
        self._file = ipywidgets.Text(description="File", value=FILE, **_WIDE)
        self._file.observe(lambda _: self._renamed(), "value")
        save = button("Save", "Save the YAML in this file", lambda _: self._save(), icon="save")
        self._saved = ipywidgets.HTML(layout={"flex": "1 1 15em", "min_width": "0"})
        for control in (self._method, self._metric, self._goal, self._run_cap, self._spared):
            control.observe(lambda _: self._changed(), "value")
        self._stops.observe(lambda _: self._changed(), "value")
        first = ipywidgets.Box([self._method, self._metric, self._goal], layout=SECTION)
        last = ipywidgets.Box([self._run_cap, self._stops, self._spared], layout=SECTION)
        end = ipywidgets.Box([self._file, save, self._saved], layout=WRAPPING)
        super().__init__([first, self._rows, add, last, self._result, end])
        for name, specification in (config.get("parameters") or {}).items():
            self._rows.children += (self._row(name, specification),)
        self._changed()

    @property
    def config(self) -> dict[str, Any]:
        """The current sweep configuration, which may have problems."""
        config = copy.deepcopy(self._rest)
        config["method"] = self._method.value
        if name := self._metric.value:
            chosen = {"name": name, "goal": self._goal.value}
            config["metric"] = copy.deepcopy(self._judged_by) | chosen
        # A scheduler may search without them.
        if self._rows.children or not config.get("scheduler"):
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
        return saving.as_yaml(self.config)

    @property
    def problems(self) -> list[str]:
        """The findings of `lint`, after parameters without a name or in several rows."""
        names = Counter(row.name for row in self._rows.children)
        found = [
            f"parameter {name!r} is in {times} rows: remove all but one"
            for name, times in names.items()
            if name and times > 1
        ]
        if names[""]:
            found.append("a row has no parameter: choose one, or remove the row")
        config = self.config
        config.get("parameters", {}).pop("", None)
        return found + lint(config)

    def save(self, path: str | Path, overwrite: bool = False) -> Path:
        """Save the configuration in a file, as `define.save` does; the button calls this.

        Raises:
            WorkshopError: the form has problems, the file would be overwritten, or it can't be
                written.
        """
        if problems := self.problems:
            raise WorkshopError(f"the sweep is not ready: {problems[0]}{and_more(problems)}")
        return saving.save(self.config, path, overwrite)

    def as_text(self) -> str:
        """Return the YAML, the number of runs and the problems."""
        return "\n".join([self.yaml, self._summary(), *self.problems])

    def as_html(self) -> str:
        """Return the YAML, the number of runs and the problems."""
        parts = [paragraph(self._summary(), "font-weight: bold")]
        if problems := self.problems:
            entries = "".join(f"<li>{html.escape(problem)}</li>" for problem in problems)
            parts.append(f'<ul style="margin: 0 0 .4em; line-height: 1.4">{entries}</ul>')
        style = f"{SCROLLING}; padding: .6em; border: 1px solid #888"
        parts.append(f'<pre style="{style}">{html.escape(self.yaml)}</pre>')
        return "".join(parts)

    def _row(self, name: str, specification: Mapping[str, Any]) -> ParameterRow:
        known = self._schema.parameters if self._schema else ()
        return ParameterRow(name, specification, self._changed, self._remove, known)

    def _add(self, name: str, specification: Mapping[str, Any]) -> None:
        self._rows.children += (self._row(name, specification),)
        self._changed()

    def _remove(self, row: ParameterRow) -> None:
        self._rows.children = tuple(other for other in self._rows.children if other is not row)
        self._changed()

    def _save(self) -> None:
        """Save in the file that is named, and say so, or why not."""
        try:
            name = shown(self.save(self._file.value.strip()))
            said = f'Saved. Use it with load("{name}").'
        except WorkshopError as error:
            said = f"Not saved: {error}"
        self._saved.value = paragraph(said, "margin: 0")

    def _renamed(self) -> None:
        """Show that a name has arrived, which a click may overtake on the way to the kernel."""
        self._saved.value = paragraph(f"Not saved yet: {self._file.value}", "margin: 0")

    def _changed(self) -> None:
        self._saved.value = ""  # it was about another configuration
        self._spared.layout.display = None if self._stops.value else "none"
        self._result.value = self.as_html()
        self._renew_text()

    def _summary(self) -> str:
        """Return the number of runs in the sweep, or of problems with it."""
        if problems := self.problems:
            return f"Not ready: {count(len(problems), 'problem')}"
        config = self.config
        runs = definition.combinations(config)
        if runs is None:
            return "The sweep never ends: limit its runs, or stop it yourself"
        if config["method"] != "grid":
            return count(runs, "run")
        sizes = {name: len(values) for name, values in definition.grid(config).items()}
        factors = [f"{size} of {name}" for name, size in sizes.items() if size > 1]
        every = math.prod(sizes.values())
        capped = f"; {every} without the cap" if runs < every else ""
        return count(runs, "run") + (f" ({' times '.join(factors)}{capped})" if factors else "")


def sweep_form(config: Mapping[str, Any]) -> SweepForm:
    """Edit a sweep configuration in a form that shows its YAML and number of runs as you type.

    Problems are shown as `lint` words them.  The result is `form.config`, for
    `register(form.config, project)`.  The button saves it in a file, for `load`; so does
    `form.save(path)`, and `form.yaml` is the text.

    In plain Python: `config = define.load("configs/sweep_config.yaml")`, change its sections, and
    `define.save(config, "configs/my_sweep.yaml")`.

    Args:
        config: the initial configuration; sections that the form doesn't show, such as `program`,
            are kept.

    Raises:
        WorkshopError: a section can't be shown, for example `parameters` that are a list, or
            `metrics`.
    """
    return SweepForm(config)


def _check_sections(config: Mapping[str, Any]) -> None:
    if config.get("metrics"):
        raise WorkshopError(
            "the sweep has several goals (metrics), but the form shows only one: edit its file"
        )
    for name in ("metric", "parameters", "early_terminate"):
        _check_mapping(name, config.get(name) or {})
    for name, specification in (config.get("parameters") or {}).items():
        _check_mapping(f"parameter {name}", specification)


def _check_mapping(name: str, section: Any) -> None:
    if not isinstance(section, Mapping):
        raise WorkshopError(f"{name} must be a mapping, got {section!r}: write key: value")


def _choice(description: str, known: Sequence[str], given: Any) -> ipywidgets.Dropdown:
    """Return a dropdown; an unknown value is kept, so that `lint` can report it."""
    options = [*known, *([] if given in known else [given])]
    return ipywidgets.Dropdown(description=description, options=options, value=given, **_WIDE)


def _judged_by(metric: Mapping[str, Any], known: schema.Schema | None) -> dict[str, Any]:
    """Return the metric that the form starts with; if none is named, the kit's accuracy."""
    name, goal = metric.get("name") or "", DEFAULT_GOAL
    if not name and known and known.metrics:
        name, goal = VALIDATION_ACCURACY, "maximize"
    return {"name": name, "goal": goal} | dict(metric) | {"name": name}


def _metric(known: schema.Schema | None, given: str) -> ipywidgets.ValueWidget:
    """Return the control for the metric: a list, or a text field if the metrics are unknown."""
    if known and known.metrics:
        return _choice("Metric", known.metrics, given)
    return ipywidgets.Text(
        description="Metric", value=given, placeholder="as the program logs it", **_WIDE
    )


def _whole(text: str) -> int | str:
    """Read a whole number; any other text is kept, so that `lint` can report it."""
    try:
        return int(text)
    except ValueError:
        return text.strip()
