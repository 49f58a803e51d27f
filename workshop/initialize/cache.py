"""Ask the W&B server for what an analysis needs, and keep each answer for when it is silent.

Answers lie as JSON under the kit's home, by the server's URL and the path that was asked for.
The server is always asked first, because runs go on, are deleted and are edited.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop.errors import WorkshopError
from workshop.paths import home

if TYPE_CHECKING:
    import wandb

KINDS = {"runs": "the runs of sweep", "history": "the history of run"}
"""What can be asked for, and what it is called before the path of what it belongs to."""


class CachedApi:
    """Asks the server that the `wandb` client speaks to, until it once does not answer.

    The client waits 19 s for an answer; whoever asks for many things waits that long only once.

    Attributes:
        notes: a sentence for each kept answer that stood in for the server's own.
    """

    def __init__(self):
        self.notes: list[str] = []
        self._api: wandb.Api | None = None
        self._problem = ""

    def ask(self, kind: str, path: str, fetch: "Callable[[wandb.Api], Any]") -> Any:
        """Return what `fetch` returns, or what it returned last time if the server is silent.

        Args:
            kind: one of `KINDS`.
            path: the sweep or run that it belongs to.
            fetch: reads it with the client's public API; its result must fit into JSON.

        Raises:
            WorkshopError: the server answers that there is no such thing, or it does not answer
                and nothing is kept.
        """
        import wandb
        from wandb.sdk.lib.service.service_connection import WandbApiFailedError

        url = os.environ.get("WANDB_BASE_URL") or wandb.setup().settings.base_url
        file, what = _file(url, kind, path), f"{KINDS[kind]} {path}"
        if not self._problem:
            try:
                self._api = self._api or wandb.Api()
                answer = fetch(self._api)
            except (wandb.errors.Error, WandbApiFailedError, ValueError) as error:
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
                f"{what} could not be read ({self._problem}), and nothing is kept from an earlier "
                f"time: look whether {url} is up, and try again in a minute"
            )
        answer, since = kept
        self.notes.append(
            f"{url} did not answer ({self._problem}); shown are {what} as of "
            f"{_age(time.time() - since)} ago."
        )
        return answer


def _file(url: str, kind: str, path: str) -> Path:
    # Hashed, because entities and projects may be longer than a file's name can be.
    name = hashlib.blake2b(f"{url.rstrip('/')} {path}".encode(), digest_size=16).hexdigest()
    return home() / "cache" / kind / f"{name}.json"


def _keep(file: Path, answer: Any) -> None:
    """Write an answer; readers see the old one or the new one, and a full disk is no matter."""
    unfinished = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(json.dumps({"time": time.time(), "answer": answer}))
        unfinished.replace(file)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()


def _kept(file: Path) -> tuple[Any, float] | None:
    """Return the last answer and when it was given, None if there is none that can be read."""
    try:
        content = json.loads(file.read_text())
        return content["answer"], content["time"]
    except (OSError, ValueError, KeyError):
        return None


def _age(seconds: float) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if (number := int(seconds / length)) > 0:
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return "less than a minute"
