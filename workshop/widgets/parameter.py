"""A row of the form: one parameter of a sweep configuration."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import ipywidgets
import yaml

from sweepserver import search
from sweepserver.search import numerals
from workshop.widgets.base import SECTION, button
from workshop.widgets.base import width as _width

VALUE, VALUES, RANGE = "one value", "a list of values", "a range"
_KINDS = (VALUE, VALUES, RANGE, *search.DISTRIBUTIONS)

_FIELDS = ("value", "values", "probabilities", "min", "max", "mu", "sigma", "q", "a", "b")
_INITIAL = {"style": {"description_width": "initial"}}
_WIDTHS = {"values": "19em", "value": "12em", "probabilities": "14em"}


class ParameterRow(ipywidgets.Box):
    """A row with a parameter's name, the kind of its values, and the values.

    Args:
        name: the parameter.
        specification: its part of the sweep configuration.
        changed: called after every change.
        removed: called with the row when its button is clicked.
        known: names to choose from; others can be typed as well.
    """

    def __init__(
        self,
        name: str,
        specification: Mapping[str, Any],
        changed: Callable[[], None],
        removed: Callable[["ParameterRow"], None],
        known: Collection[str],
    ):
        self._changed = changed
        self._name = ipywidgets.Combobox(
            description="Parameter", value=name, options=list(known),
            ensure_option=False, continuous_update=True, layout=_width("17em"), **_INITIAL,
        )  # fmt: skip
        kind = _kind(specification)
        self._kind = ipywidgets.Dropdown(
            description="from", options=list(dict.fromkeys([*_KINDS, kind])), value=kind,
            layout=_width("15em"), **_INITIAL,
        )  # fmt: skip
        self._fields: dict[str, ipywidgets.Text] = {}
        for key in _FIELDS:
            given = _written(specification[key]) if key in specification else ""
            self._fields[key] = ipywidgets.Text(
                description=key, value=given, layout=_width(_WIDTHS.get(key, "8.5em")), **_INITIAL,
            )  # fmt: skip
            self._fields[key].observe(lambda _: changed(), "value")
        self._given = tuple(key for key in _FIELDS if key in specification)
        known = (*_FIELDS, "distribution")
        self._others = {key: value for key, value in specification.items() if key not in known}
        self._remove = button("Remove", "", lambda _: removed(self))
        self._name.observe(lambda _: self._renamed(), "value")
        self._kind.observe(lambda _: self._turned(), "value")
        super().__init__(layout=SECTION)
        self._lay_out()

    @property
    def name(self) -> str:
        """The parameter's name as it is typed."""
        return self._name.value.strip()

    @property
    def specification(self) -> dict[str, Any]:
        """The parameter's part of a sweep configuration, without empty fields."""
        kind = self._kind.value
        found = {} if kind in (VALUE, VALUES, RANGE) else {"distribution": kind}
        for key in self._keys():
            text = self._fields[key].value.strip()
            if key in ("values", "probabilities"):
                found[key] = _read_list(text)
            elif text:
                found[key] = _read(text)
        return found | self._others

    def _keys(self) -> tuple[str, ...]:
        """Return the fields that are shown; for an unknown distribution, those that were given."""
        kind = self._kind.value
        return _keys(kind) if kind in _KINDS else self._given

    def _renamed(self) -> None:
        self._remove.tooltip = f"Remove parameter {self.name}"
        self._changed()

    def _turned(self) -> None:
        self._lay_out()
        self._changed()

    def _lay_out(self) -> None:
        fields = [self._fields[key] for key in self._keys()]
        self._remove.tooltip = f"Remove parameter {self.name}"
        self.children = (self._name, self._kind, *fields, self._remove)


def _kind(specification: Mapping[str, Any]) -> str:
    if "distribution" in specification:
        return specification["distribution"]
    if "value" in specification:
        return VALUE
    return VALUES if "values" in specification else RANGE


def _keys(kind: str) -> tuple[str, ...]:
    """Return the fields of a kind of values."""
    kind = {VALUE: "constant", VALUES: "categorical", RANGE: "uniform"}.get(kind, kind)
    needed, optional = search.keys_of(kind)
    return needed + optional


def _written(value: Any) -> str:
    """Return a value as YAML to be edited, a list without its brackets."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n")
    return text.strip().removeprefix("[").removesuffix("]") if isinstance(value, list) else text


def _read_list(text: str) -> Any:
    """Read a list that was typed with or without brackets; any other text is kept as it is."""
    read = _read(text if text.startswith("[") else f"[{text}]")
    return read if isinstance(read, list) else text


def _read(text: str) -> Any:
    """Read a typed value as YAML; any other text is kept as it is."""
    try:
        return numerals.load(text)
    except yaml.YAMLError:
        return text
