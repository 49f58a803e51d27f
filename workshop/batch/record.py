"""The record of an execution: its notebooks, their parameters, and their progress."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from workshop import files
from workshop.errors import WorkshopError
from workshop.paths import ROOT, shown

RECORD = "execution.json"


@dataclass
class Result:
    """The result of a notebook.

    Attributes:
        notebook: the file, relative to the clone if it is in there.
        title: its first heading.
        parameters: the parameters that replace its own values.
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
        """The name of the executed notebook and of its page, without the suffix."""
        return self.source.stem


@dataclass
class Execution:
    """Notebooks that are executed one after the other into one folder.

    Attributes:
        folder: the folder of the execution.
        parameters: the given parameters, and the project.
        results: a result per notebook, in their order.
        started: when it started, in seconds since 1970.
        sweep: path and address of the sweep that the notebooks worked on; empty if there is none.
    """

    folder: Path
    parameters: dict[str, Any]
    results: list[Result]
    started: float = field(default_factory=time.time)
    sweep: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the record of an execution.

        Raises:
            WorkshopError: the folder has no record, or one that can't be read.
        """
        try:
            content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            content["results"] = [Result(**result) for result in content["results"]]
            return cls(folder=folder, **content)
        except FileNotFoundError:
            raise WorkshopError(
                f"{shown(folder)} has no execution: give the folder that `workshop run` printed"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WorkshopError(
                f"{shown(folder / RECORD)} cannot be read ({error}): start a new execution"
            ) from None

    def save(self) -> None:
        """Write the record, atomically."""
        content = asdict(self)
        del content["folder"]
        files.write(self.folder / RECORD, json.dumps(content, indent=1) + "\n", sole_writer=True)

    @property
    def outcome(self) -> str:
        """The outcome of the execution: that of the first notebook that isn't `finished`."""
        return next(
            (result.outcome for result in self.results if result.outcome != "finished"), "finished"
        )

    @property
    def seconds(self) -> float:
        """The total time of the notebooks that have ended."""
        return sum(result.seconds or 0 for result in self.results)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the lock of an execution's folder; a kill releases it.

    Raises:
        WorkshopError: another process holds it.
    """
    try:
        lock = files.lock(folder / "execution.lock", wait=False)
    except BlockingIOError:
        raise WorkshopError(
            f"the execution in {shown(folder)} is still running: wait for its end, or start another"
        ) from None
    with lock:
        yield


def iso(seconds: float) -> str:
    """Return seconds since 1970 as `YYYY-MM-DDTHH:MM:SSZ`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(seconds: float) -> str:
    """Return seconds since 1970 as `2026-11-23 18:24 UTC`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
