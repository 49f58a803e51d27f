"""Checkpoints: the state with which a run of any training program can be resumed.

Programs other than the kit's may import this, also in an environment of their own: it needs only
the standard library, and uses PyTorch if the program has imported it.  The trainer's own
checkpoints are in `training_checkpoint`.
"""

import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from workshop import files
from workshop.errors import WorkshopError
from workshop.paths import shown

if TYPE_CHECKING:
    import wandb

_OWN = ("config", "rows", "state")


class Part(Protocol):
    """Part of a program's state: a network, an optimizer, a scheduler and the like."""

    def state_dict(self) -> Any:
        """Return the state."""

    def load_state_dict(self, state: Any, /) -> Any:
        """Take the state over."""


class Checkpoint:
    """The checkpoint of one run after an epoch, in a file of its own.

    The file is a pickle, which can run code when it's loaded, so nobody else should be able to
    write to its folder.

    Args:
        run: the run; its ID names the file.
        folder: the file's folder, which is made if it's missing.  On a cluster it must be on a file
            system that the nodes share; a relative path is in the program's working directory.
        config: what the state depends on.  If the checkpoint was saved with other values, the run
            starts over.
        parts: what is saved and restored, by name: objects with the methods `state_dict` and
            `load_state_dict`.

    Attributes:
        file: the checkpoint's path.
        rows: the logged metrics, a row per complete epoch.
        state: anything else to save and restore, for example `random.getstate()`; all of it must
            be picklable.

    Raises:
        WorkshopError: a part lacks one of the methods, or has the name of something else here.
    """

    elsewhere = "name another folder with folder="
    weights_only = False

    def __init__(
        self,
        run: "wandb.Run",
        folder: str | Path = "checkpoints",
        config: Mapping[str, Any] | None = None,
        **parts: Part,
    ):
        for name, part in parts.items():
            if not (hasattr(part, "state_dict") and hasattr(part, "load_state_dict")):
                raise WorkshopError(
                    f"{name} is a {type(part).__name__}, but a part of a checkpoint must have the "
                    f"methods state_dict and load_state_dict: set checkpoint.state[{name!r}] "
                    "before you save it instead"
                )
            if name in _OWN:
                raise WorkshopError(
                    f"a part of a checkpoint is named {name!r}, but the checkpoint has "
                    f"{', '.join(_OWN)} itself: give the part another name"
                )
        self._is_torch = _torch() is not None
        self.file = Path(folder, f"{run.id}.{'pt' if self._is_torch else 'pkl'}")
        self.config = dict(config or {})
        self.rows: list[dict[str, Any]] = []
        self.state: dict[str, Any] = {}
        self.parts = parts
        self._run = run

    def save(self, metrics: Mapping[str, Any]) -> None:
        """Write the checkpoint atomically after an epoch.

        Args:
            metrics: the epoch's logged metrics.

        Raises:
            WorkshopError: the file can't be written, or the state can't be pickled.
        """
        self.rows.append(dict(metrics))
        content = {name: part.state_dict() for name, part in self.parts.items()}
        content |= {"config": self.config, "rows": self.rows, "state": self.state}
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            # Into an open file, so that the system's error is kept as the context of torch's.
            with files.replacing(self.file, sole_writer=True) as stream:
                self._dump(content, stream)
        except (OSError, RuntimeError) as error:
            raise WorkshopError(
                f"the checkpoint {shown(self.file)} cannot be written "
                f"({error.__context__ or error}): free space there, or {self.elsewhere}; "
                "what the run logged is kept"
            ) from error
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise WorkshopError(
                f"the checkpoint {shown(self.file)} cannot be written ({error}): save only what "
                "can be pickled"
            ) from error

    def restore(self) -> int:
        """Load the checkpoint if there is one; return the number of complete epochs.

        Rows that a killed process could not send to the server any more are logged again, each at
        the step that is its epoch's number, from 1.
        """
        if not self.file.exists():
            return 0
        content, problem = self._loaded()
        if problem:
            print(f"ignored the checkpoint {shown(self.file)}, because {problem}", flush=True)
            return 0
        for name, part in self.parts.items():
            part.load_state_dict(content[name])
        self.rows, self.state = content["rows"], content.get("state", {})
        print(f"resumed after epoch {len(self.rows)} from {shown(self.file)}", flush=True)
        for epoch, metrics in enumerate(self.rows, start=1):
            if epoch >= self._run.starting_step:
                self._run.log(metrics, step=epoch)
        return len(self.rows)

    def remove(self) -> None:
        """Delete the checkpoint of a run that has finished."""
        self.file.unlink(missing_ok=True)

    def stored_config(self, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the config in a checkpoint's content."""
        return content["config"]

    def _dump(self, content: dict[str, Any], stream: BinaryIO) -> None:
        if self._is_torch:
            _torch().save(content, stream)
        else:
            pickle.dump(content, stream)

    def _load(self) -> dict[str, Any]:
        if self._is_torch:
            return _torch().load(self.file, map_location="cpu", weights_only=self.weights_only)
        return pickle.loads(self.file.read_bytes())  # noqa: S301 - the program's own

    def _loaded(self) -> tuple[dict[str, Any], str]:
        """Return the checkpoint's content, and why it can't be used; "" if it can."""
        try:
            content = self._load()
            then = self.stored_config(content)
        except Exception as error:  # what a damaged pickle raises depends on the damage
            return {}, f"it cannot be read ({type(error).__name__}: {error})"
        if changed := [key for key in self.config if then.get(key) != self.config[key]]:
            return {}, f"this run's config has another {', '.join(changed)}"
        if missing := [name for name in self.parts if name not in content]:
            return {}, f"it has no {', '.join(missing)}"
        return content, ""


def _torch() -> Any:
    """Return PyTorch if this process has imported it, otherwise None."""
    return sys.modules.get("torch")
