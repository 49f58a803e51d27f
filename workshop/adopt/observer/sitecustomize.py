"""Python loads this at the start of a program that is tried, and changes nothing about it.

It notes which hosts the program looks up, and the settings of each PyTorch optimizer at its first
step, as lines of JSON in the file that ADOPT_NOTES names.  It needs nothing but Python, for the
program may run in any environment.
"""

import importlib
import importlib.abc
import importlib.machinery
import json
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

_FILE = os.environ.get("ADOPT_NOTES", "")
_noted: set[str] = set()


def _note(**fact: Any) -> None:
    line = json.dumps(fact, sort_keys=True, default=str)
    if line not in _noted:
        _noted.add(line)
        with open(_FILE, "a", encoding="utf-8") as file:  # noqa: PTH123 - costs each start less
            print(line, file=file)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo" and arguments[0]:
        host = arguments[0]
        _note(host=host.decode() if isinstance(host, bytes) else str(host))


def _stepped(optimizer: Any, _arguments: object, _options: object) -> None:
    name = type(optimizer).__name__
    if name not in _noted:
        _noted.add(name)
        groups = [
            {key: value for key, value in group.items() if isinstance(value, int | float | str)}
            for group in optimizer.param_groups
        ]
        _note(optimizer=name, groups=groups)


class _OptimizerLoader(importlib.abc.Loader):
    """Registers the hook once PyTorch's optimizers are loaded."""

    def __init__(self, loader: importlib.abc.Loader):
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        module.register_optimizer_step_pre_hook(_stepped)


class _OptimizerFinder(importlib.abc.MetaPathFinder):
    """Waits for PyTorch's optimizers to be imported, if they ever are."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "torch.optim.optimizer":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec and spec.loader:
            spec.loader = _OptimizerLoader(spec.loader)
        return spec


if _FILE:
    sys.addaudithook(_audit)
    sys.meta_path.insert(0, _OptimizerFinder())
    # The environment may have a file of this name itself.
    sys.path.remove(os.path.dirname(__file__))  # noqa: PTH120
    this = sys.modules.pop("sitecustomize")
    try:
        importlib.import_module("sitecustomize")
    except ImportError:
        sys.modules["sitecustomize"] = this  # who imports it looks for it there
