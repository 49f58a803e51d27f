"""The search space of a sweep, from its `parameters` or from its scheduler's Python function.

W&B's sweep configuration has `parameters`.  With `scheduler: {search_space: NAME, source: FILE}`, a
function in Optuna's define-by-run style replaces them: it asks a trial for one value after another.
"""

import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sweepserver import search
from sweepserver.search import Scale
from sweepserver.search.metric import Metric
from workshop.errors import WorkshopError
from workshop.paths import CONFIGS, ROOT
from workshop.trainer.metrics import EFFECTIVE_LEARNING_RATE, METRICS

MOST_BRANCHES = 200
"""The limit for a search space whose later parameters depend on earlier values."""

OWN_COLUMNS = (
    "run", "name", "state", "epoch", "planned_epochs", "started", "seconds", "host", "array_task",
    "stopped_early", "path", "front", "person", *METRICS, EFFECTIVE_LEARNING_RATE,
)  # fmt: skip
"""The columns that any table of runs may have, besides parameters and the sweep's metrics."""


def hyperparameters(definition: Mapping[str, Any]) -> dict[str, Scale]:
    """Return the hyperparameters that a sweep varies, each with its scale, by their columns.

    A hyperparameter's column in a table of runs has its name, or is `config.NAME` if tables of runs
    have another column of that name, such as `seconds` or the sweep's metric.
    """
    found = scales(definition)
    names = columns(found, definition)
    return {names[name]: scale for name, scale in found.items()}


def scales(definition: Mapping[str, Any]) -> dict[str, Scale]:
    """Return the scales of the hyperparameters that a sweep varies, by their own names.

    See `sweepserver.search.hyperparameters`; if a scheduler has a search space, they are those
    that `parameters` finds there.
    """
    return search.hyperparameters({"parameters": parameters(definition)})


def columns(names: Iterable[str], definition: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns of a sweep's parameters in tables of runs, by their own names."""
    taken = {*OWN_COLUMNS, *(metric.name for metric in Metric.goals_of(definition))}
    return {name: f"config.{name}" if name in taken else name for name in names}


def parameters(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a sweep tries, in the form of a definition's section `parameters`.

    A search space is called as by Optuna, once for each combination of categories.  Its file is
    executed, so it must be in `configs/`: a definition may be somebody else's, and the rest of the
    clone may contain files by programs and other people.

    Returns:
        Settings by name; empty if there is no search space, or its file isn't here.  A value that
        it returns without asking gets a `value` if it is constant, and is left out otherwise.

    Raises:
        WorkshopError: the search space fails, or asks for something that isn't supported here.
    """
    if definition.get("parameters"):
        return definition["parameters"]
    scheduler: Any = definition.get("scheduler")
    try:
        space = _load(scheduler)
        return _ask(space) if space else {}
    except Exception as error:
        raise WorkshopError(
            f"search_space {scheduler['search_space']!r} of {scheduler['source']} could not be "
            f"read ({type(error).__name__}: {error}): use only suggest_categorical, suggest_float "
            "and suggest_int, and return a dictionary"
        ) from error


def _ask(space: Callable[["_Questions"], Any]) -> dict[str, Any]:
    """Return the parameters that a search space asks for and returns; see `parameters`."""
    found: dict[str, Any] = {}
    returned: list[Mapping[str, Any]] = []
    waiting: list[dict[str, Any]] = [{}]
    while waiting and len(returned) < 2 * MOST_BRANCHES:
        answers = waiting.pop()
        for at_high_end in (False, True):
            trial = _Questions(answers, at_high_end)
            returned.append(dict(space(trial) or {}))
            found |= trial.asked
        waiting += trial.others
    constants = {
        name: {"value": value}
        for name, value in returned[0].items()
        if name not in found and all(values.get(name) == value for values in returned)
    }
    return found | constants


def _load(scheduler: Any) -> Callable[["_Questions"], Any] | None:
    """Return a scheduler's search space function; None if it isn't here."""
    if not isinstance(scheduler, Mapping) or not scheduler.get("search_space"):
        return None
    path = (ROOT / str(scheduler.get("source"))).resolve()
    if not path.is_relative_to(CONFIGS) or not path.is_file():
        return None
    specification = importlib.util.spec_from_file_location("search_space_of_a_sweep", path)
    if specification is None or specification.loader is None:
        raise ImportError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return getattr(module, scheduler["search_space"], None)


class _Questions:
    """A mock of `optuna.Trial` that records what it is asked for.

    Args:
        answers: the choices for categories that were asked for before; new ones get their first.
        at_high_end: whether to answer with the largest number, or the smallest.

    Attributes:
        asked: settings by name.
        others: the answers that may lead to other branches.
    """

    def __init__(self, answers: dict[str, Any], at_high_end: bool):
        self.asked: dict[str, Any] = {}
        self.others: list[dict[str, Any]] = []
        self._answers = answers
        self._at_high_end = at_high_end

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """See `optuna.Trial`."""
        self.asked[name] = {"values": list(choices)}
        if name not in self._answers:
            self.others += [self._answers | {name: choice} for choice in choices[1:]]
            self._answers = self._answers | {name: choices[0]}
        return self._answers[name]

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """See `optuna.Trial`."""
        self.asked[name] = _range(low, high, step, log)
        return high if self._at_high_end else low

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """See `optuna.Trial`."""
        self.asked[name] = _range(low, high, None if step == 1 else step, log)
        return high if self._at_high_end else low


def _range(low: float, high: float, step: float | None, log: bool) -> dict[str, Any]:
    if low == high:
        return {"value": low}
    found: dict[str, Any] = {"min": low, "max": high}
    if log:
        return found | {"distribution": "log_uniform_values"}
    return found if step is None else found | {"distribution": "q_uniform", "q": step}
