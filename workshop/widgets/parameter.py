"""One parameter of a sweep configuration as a row of a form."""

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets
import yaml

from workshop.config import TrainingConfig
from workshop.server import search
from workshop.server.search import numerals
from workshop.widgets.base import WRAPPING, button

VALUE, VALUES, RANGE = "one value", "a list of values", "a range"
_KINDS = (VALUE, VALUES, RANGE, *search.DISTRIBUTIONS)

_FIELDS = ("value", "values", "probabilities", "min", "max", "mu", "sigma", "q", "a", "b")
_INITIAL = {"style": {"description_width": "initial"}}
_WIDTHS = {"values": "19em", "value": "12em", "probabilities": "14em"}


class ParameterRow(ipywidgets.Box):
    """A row with a parameter's name, how its values are chosen, and from what.

    Args:
        name: the parameter.
        specification: its part of the sweep configuration.
        changed: called after every change.
        removed: called with the row when it is to go.
    """

    def __init__(
        self,
        name: str,
        specification: Mapping[str, Any],
        changed: Callable[[], None],
        removed: Callable[["ParameterRow"], None],
    ):
        self._changed = changed
        self._name = ipywidgets.Combobox(
            description="Parameter", value=name, options=list(TrainingConfig.model_fields),
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
        super().__init__(layout=WRAPPING)
        self._lay_out()

    @property
    def name(self) -> str:
        """The parameter's name as it is typed."""
        return self._name.value.strip()

    @property
    def specification(self) -> dict[str, Any]:
        """The parameter's part of a sweep configuration; fields left empty are left out."""
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
        """Return the fields that are shown; of a distribution that nobody knows, those given."""
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


def _width(width: str) -> dict[str, str]:
    return {"width": width, "max_width": "100%"}


def _kind(specification: Mapping[str, Any]) -> str:
    if "distribution" in specification:
        return specification["distribution"]
    if "value" in specification:
        return VALUE
    return VALUES if "values" in specification else RANGE


def _keys(kind: str) -> tuple[str, ...]:
    """Return the fields of a kind of choice."""
    kind = {VALUE: "constant", VALUES: "categorical", RANGE: "uniform"}.get(kind, kind)
    needed, optional = search.keys_of(kind)
    return needed + optional


def _written(value: Any) -> str:
    """Return a value as a reader types it: as YAML, a list without its brackets."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n")
    return text.strip().removeprefix("[").removesuffix("]") if isinstance(value, list) else text


def _read_list(text: str) -> Any:
    """Read a list that was typed with or without its brackets; what is none stays a text."""
    read = _read(text if text.startswith("[") else f"[{text}]")
    return read if isinstance(read, list) else text


def _read(text: str) -> Any:
    """Read what was typed as YAML; what is none stays a text."""
    try:
        return numerals.load(text)
    except yaml.YAMLError:
        return text
