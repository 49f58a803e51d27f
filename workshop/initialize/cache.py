"""Read-through cache for the W&B API, used as a fallback when the server is down.

Answers are stored as JSON in the kit's home, by the server's URL and the requested path.  The
server is always asked first, because runs continue, are deleted and are edited.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop import durations, files
from workshop._compat import client_errors
from workshop.errors import WorkshopError
from workshop.paths import home

if TYPE_CHECKING:
    import wandb

KINDS = {"runs": "the runs of sweep", "history": "the history of run"}
"""The kinds of requests, and how messages name them before a path."""


class CachedApi:
    """A W&B API with a cache.  It stops asking the server once that has failed to answer.

    The client's timeout is 19 s, so a caller with many requests waits that long only once.

    Attributes:
        notes: a sentence for each answer that came from the cache.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._api: wandb.Api | None = None
        self._problem = ""

    def ask(self, kind: str, path: str, fetch: "Callable[[wandb.Api], Any]") -> Any:
        """Return the result of `fetch`, or the cached one if the server doesn't answer.

        Args:
            kind: one of `KINDS`.
            path: the sweep or run that it belongs to.
            fetch: reads it with the client's public API; its result must be JSON.

        Raises:
            WorkshopError: the server has no such sweep or run, or it doesn't answer and nothing is
                cached.
        """
        import wandb

        url = os.environ.get("WANDB_BASE_URL") or wandb.setup().settings.base_url
        file, what = _file(url, kind, path), f"{KINDS[kind]} {path}"
        if not self._problem:
            try:
                self._api = self._api or wandb.Api()
                answer = fetch(self._api)
            except client_errors() as error:
                problem = str(error).splitlines()[0].rstrip(".")
                if problem.startswith("Could not find"):
                    raise WorkshopError(
                        f"{what} cannot be read, because {url} does not have it: give the path "
                        "as W&B prints it, entity/project/ID"
                    ) from None
                self._problem = problem
            else:
                _keep(file, answer)
                return answer
        kept = _kept(file)
        if kept is None:
            raise WorkshopError(
                f"{what} could not be read ({self._problem}), and nothing is cached: check that "
                f"{url} is up, and try again in a minute"
            )
        answer, since = kept
        self.notes.append(
            f"{url} did not answer ({self._problem}), so this is a cached copy: {what} as of "
            f"{durations.rough(time.time() - since)} ago."
        )
        return answer


def _file(url: str, kind: str, path: str) -> Path:
    # Hashed, because entities and projects may be longer than a file's name can be.
    name = hashlib.blake2b(f"{url.rstrip('/')} {path}".encode(), digest_size=16).hexdigest()
    return home() / "cache" / kind / f"{name}.json"


def _keep(file: Path, answer: Any) -> None:
    """Write an answer to the cache, atomically; a full disk is ignored."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        files.write(file, json.dumps({"time": time.time(), "answer": answer}))


def _kept(file: Path) -> tuple[Any, float] | None:
    """Return the cached answer and its time; None if there is none that can be read."""
    try:
        content = json.loads(file.read_text())
        return content["answer"], content["time"]
    except (OSError, ValueError, KeyError):
        return None
