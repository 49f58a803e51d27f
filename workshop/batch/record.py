"""What an execution knows of itself: its notebooks, their parameters, and how far it is."""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from workshop.errors import WorkshopError
from workshop.paths import ROOT, shown

RECORD = "execution.json"


@dataclass
class Result:
    """What became of a notebook.

    Attributes:
        notebook: the file, relative to the clone if it lies there.
        title: its first heading.
        parameters: what it is executed with, in place of its own values.
        outcome: `pending`, `running`, `finished`, `failed` or `interrupted`.
        seconds: how long it took; None before it has ended.
        problem: why it failed: the cell, and its error.
    """

    notebook: str
    title: str
    parameters: dict[str, Any]
    outcome: str = "pending"
    seconds: float | None = None
    problem: str = ""

    @property
    def source(self) -> Path:
        """The notebook that is executed."""
        return ROOT / self.notebook

    @property
    def stem(self) -> str:
        """The name of the executed notebook and of its page, without their endings."""
        return self.source.stem


@dataclass
class Execution:
    """Notebooks that are executed one after the other into one folder.

    Attributes:
        folder: where everything of the execution is.
        parameters: what was asked for, and the project.
        results: a result per notebook, in their order.
        started: when it began, in seconds since 1970.
        sweep: path and address of the sweep that the notebooks worked on; empty if none.
    """

    folder: Path
    parameters: dict[str, Any]
    results: list[Result]
    started: float = field(default_factory=time.time)
    sweep: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the record of an execution that was begun.

        Raises:
            WorkshopError: the folder holds none, or one that cannot be read.
        """
        try:
            content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            content["results"] = [Result(**result) for result in content["results"]]
            return cls(folder=folder, **content)
        except FileNotFoundError:
            raise WorkshopError(
                f"{shown(folder)} holds no execution: name the folder that `workshop run` printed"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WorkshopError(
                f"{shown(folder / RECORD)} cannot be read ({error}): start a new execution"
            ) from None

    def save(self) -> None:
        """Write the record; a kill at any moment leaves the old one or the new one."""
        content = asdict(self)
        del content["folder"]
        new = self.folder / f"{RECORD}.new"
        new.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        new.replace(self.folder / RECORD)

    @property
    def outcome(self) -> str:
        """What became of the whole: that of the first notebook which is not `finished`."""
        return next(
            (result.outcome for result in self.results if result.outcome != "finished"), "finished"
        )

    @property
    def seconds(self) -> float:
        """How long the notebooks took together, as far as they have ended."""
        return sum(result.seconds or 0 for result in self.results)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep others from executing into a folder; a kill lets go of it.

    Raises:
        WorkshopError: somebody else is at it.
    """
    with (folder / "execution.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkshopError(
                f"the execution in {shown(folder)} is going on: wait for its end, or start another"
            ) from None
        except OSError:
            pass  # a file system without locks
        yield
