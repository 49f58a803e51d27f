"""Which notebooks a command names."""

from collections.abc import Sequence
from pathlib import Path

from sweepserver.search.values import closest
from workshop.batch.execution import numbered_notebooks, tutorial_notebooks
from workshop.errors import WorkshopError


def find(words: Sequence[str]) -> list[Path]:
    """Return the notebooks that are meant: those of the tutorial if none is named.

    Args:
        words: a number (`03`), a name (`03_run_agents`) or a file (`mine/question.ipynb`) each.

    Raises:
        WorkshopError: there is no such notebook.
    """
    return [_find(word) for word in words] or tutorial_notebooks()


def _find(word: str) -> Path:
    if word.endswith(".ipynb"):
        if not Path(word).is_file():
            raise WorkshopError(f"there is no notebook {word!r}: name one by its path from here")
        return Path(word).absolute()
    names = {path.stem: path for path in numbered_notebooks()}
    numbers = {path.name[:2]: path for path in numbered_notebooks()}
    try:
        return (names | numbers)[word]
    except KeyError:
        raise WorkshopError(
            f"there is no notebook {word!r}{closest(word, names)}: there are {', '.join(names)}"
        ) from None
