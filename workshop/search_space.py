"""What a sweep varies, also where its scheduler has a Python function for that.

W&B's sweep configuration has `parameters`; with `scheduler: {search_space: NAME, source: FILE}` a
function of Optuna's kind has their place, which asks a trial for one value after the other.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workshop.paths import ROOT
from workshop.server import search
from workshop.server.search import Scale

MOST_BRANCHES = 200
"""Of a search space whose later questions depend on earlier answers."""


def hyperparameters(definition: Mapping[str, Any]) -> dict[str, Scale]:
    """Return the parameters that a sweep varies, each with the scale on which it does.

    See `workshop.server.search.hyperparameters`; of a sweep whose scheduler has a search space,
    they are those that `parameters` finds there.
    """
    return search.hyperparameters({"parameters": parameters(definition)})


def parameters(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a sweep tries, as the section `parameters` of its definition.

    A search space is asked as by Optuna, once for each answer that it may be given.  Its file is
    executed, so it must be one of the clone: a definition may be somebody else's.

    Returns:
        Settings by name; none if the search space is not here, or is none.  What it returns
        without asking has a `value` if that is always the same, and is left out otherwise.
    """
    if definition.get("parameters"):
        return definition["parameters"]
    space = _load(definition.get("scheduler"))
    if space is None:
        return {}
    found: dict[str, Any] = {}
    returned: list[Mapping[str, Any]] = []
    waiting: list[dict[str, Any]] = [{}]
    while waiting and len(returned) < 2 * MOST_BRANCHES:
        answers = waiting.pop()
        for at_high_end in (False, True):
            trial = _Questions(answers, at_high_end)
            returned.append(space(trial) or {})
            found |= trial.asked
        waiting += trial.others
    constants = {
        name: {"value": value}
        for name, value in returned[0].items()
        if name not in found and all(values.get(name) == value for values in returned)
    }
    return found | constants


def _load(scheduler: Any) -> Callable[["_Questions"], object] | None:
    """Return the function that a scheduler names as its search space, None if it is not here."""
    if not isinstance(scheduler, Mapping) or not scheduler.get("search_space"):
        return None
    path = (ROOT / str(scheduler.get("source"))).resolve()
    if not path.is_relative_to(ROOT) or not path.is_file():
        return None
    specification = importlib.util.spec_from_file_location("search_space_of_a_sweep", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return getattr(module, scheduler["search_space"], None)


class _Questions:
    """Stands for an `optuna.Trial`, and takes note of what it is asked.

    Args:
        answers: what to pick of categories that were met before; of new ones the first is picked.
        at_high_end: whether to pick the largest of numbers, or the smallest.

    Attributes:
        asked: settings by name.
        others: the answers that would lead elsewhere.
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
    found: dict[str, Any] = {"min": low, "max": high}
    if log:
        return found | {"distribution": "log_uniform_values"}
    return found if step is None else found | {"distribution": "q_uniform", "q": step}
