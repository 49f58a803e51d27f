"""What the text of a program says about its parameters, without running it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workshop.errors import WorkshopError
from workshop.paths import shown


@dataclass(frozen=True)
class Option:
    """An option that a program declares with `add_argument`.

    Attributes:
        name: as a command line writes it, without hyphens in front.
        default: its default; None if there is none, or it cannot be read.
        choices: the values that it takes; empty if they are not listed.
    """

    name: str
    default: Any
    choices: tuple[Any, ...] = ()


class Source:
    """The text of a program.

    Args:
        file: where it is.

    Raises:
        WorkshopError: there is no such file, or it is not Python.
    """

    def __init__(self, file: Path):
        self.file = file
        try:
            self._text = file.read_text(encoding="utf-8")
            self._tree = ast.parse(self._text)
        except (OSError, UnicodeError) as error:
            problem = getattr(error, "strerror", None) or error
            raise WorkshopError(
                f"{shown(file)} cannot be read ({problem}): give the path of a Python program"
            ) from None
        except SyntaxError as error:
            raise WorkshopError(
                f"{shown(file)} is not Python that this interpreter reads (line {error.lineno}: "
                f"{error.msg}): correct it, or name the interpreter with --python"
            ) from None

    def imports(self, package: str) -> bool:
        """Say whether the program imports a package itself."""
        names: set[str] = set()
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
        return any(name.split(".")[0] == package for name in names)

    @property
    def uses_hydra(self) -> bool:
        """Whether Hydra reads the program's command line."""
        return self.imports("hydra")

    @property
    def has_flags(self) -> bool:
        """Whether an option is a flag, which takes no value."""
        return any(
            _constant(keyword.value) in ("store_true", "store_false")
            for call in self._calls("add_argument")
            for keyword in call.keywords
            if keyword.arg == "action"
        )

    def options(self) -> list[Option]:
        """Return the options that the program declares, in their order."""
        found = []
        for call in self._calls("add_argument"):
            names = [str(_constant(word)) for word in call.args]
            long = next((name for name in names if name.startswith("--")), None)
            if long is None:
                continue
            given = {keyword.arg: _constant(keyword.value) for keyword in call.keywords}
            action = given.get("action")
            default = given.get("default")
            if action in ("store_true", "store_false") and default is None:
                default = action == "store_false"
            choices = given.get("choices")
            listed = tuple(choices) if isinstance(choices, list | tuple | set) else ()
            found.append(Option(long.removeprefix("--"), default, listed))
        return found

    def readers(self, name: str) -> list[tuple[int, str]]:
        """Return the lines that read a name from anything but the run's own config.

        Args:
            name: of a parameter; of a nested one the last part.

        Returns:
            The number and the text of each line.
        """
        configs = self._names_of_config()
        lines = {
            node.lineno
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Subscript | ast.Attribute)
            and _reads(node, name)
            and ast.unparse(node.value) not in configs
        }
        text = self._text.splitlines()
        return [(line, text[line - 1].strip()) for line in sorted(lines)]

    def asks_environment(self, name: str) -> bool:
        """Say whether the text holds the name of an environment variable, in quotes."""
        return any(_constant(node) == name for node in ast.walk(self._tree))

    def _calls(self, name: str) -> Iterator[ast.Call]:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call) and _called(node) == name:
                yield node

    def _names_of_config(self) -> set[str]:
        """Return the expressions that are the run's own config."""
        found = {"wandb.config", "run.config", "wandb.run.config"}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Assign) and ast.unparse(node.value).endswith(".config"):
                found.update(ast.unparse(target) for target in node.targets)
                found.add(ast.unparse(node.value))
        return found


def _called(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _reads(node: ast.Subscript | ast.Attribute, name: str) -> bool:
    read = _constant(node.slice) if isinstance(node, ast.Subscript) else node.attr
    return isinstance(node.ctx, ast.Load) and read == name


def _constant(node: ast.AST) -> Any:
    """Return what an expression is, None if only running the program can tell."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return None
