"""Start a program as an agent would, for a moment, and see what it logged."""

import itertools
import json
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from sweepserver.search.points import nest
from workshop._compat import agent_words, client_errors, save_sweep_values
from workshop.define import program
from workshop.run_agents.program_output import last_words, printed
from workshop.trainer import cpus

if TYPE_CHECKING:
    import wandb

OBSERVER = Path(__file__).parent / "observer"
AT_ONCE = 2
"""Trials side by side."""
SHORTEST_S = 8
"""Seconds that even a program that logs fast has to end by itself."""
LOOK_S = 0.5
GRACE_S = 10
WARNED_S = 30
"""Seconds that a program has to end after a signal: the default of SLURM's KillWait."""
MOST_ROWS = 1000
_DEAF = ("/bin/sh", "-c", "trap '' USR1; exec \"$@\"", "sh")
"""Starts a program as an array's agent does, which ignores USR1, and its programs with it."""

Result = TypeVar("Result")
Point = Mapping[tuple[str, ...], Any]
"""Values by the path of their parameter."""


@dataclass(frozen=True)
class Limits:
    """When a trial is ended.

    Attributes:
        seconds: after this time.
        rows: after it has logged this many rows.
    """

    seconds: float = 60
    rows: int = 5


@dataclass(frozen=True)
class Logged:
    """What has reached the server of a run.

    Attributes:
        state: of the run.
        config: its config.
        rows: what it logged, a step each; without what the client adds.
        summary: its summary, without what the client adds.
        began: when the first row was logged, in seconds since 1970; None without one.
    """

    state: str
    config: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    summary: Mapping[str, Any]
    began: float | None


@dataclass(frozen=True)
class Trial:
    """A program was started once.

    Attributes:
        values: what it was given.
        run: the run's ID.
        status: its exit status, negative for a signal; None if it had to be ended.
        seconds: how long it ran.
        output: what it printed.
        logged: what has reached the server; None if there is no such run.
        hosts: the names that it looked up.
        optimizer: the settings of its PyTorch optimizer at the first step, if it has one.
    """

    values: Point
    run: str
    status: int | None
    seconds: float
    output: str = field(repr=False)
    logged: Logged | None
    hosts: frozenset[str]
    optimizer: Sequence[Mapping[str, Any]]

    @property
    def failed(self) -> bool:
        """Whether it ended by itself, with a status that shows a failure."""
        return self.status not in (0, None)

    @property
    def last_words(self) -> str:
        """Why it failed, as far as it says so: its error line, or else the last that it printed."""
        lines = printed(self.output)
        words = last_words("\n".join(lines)) or (lines[-1] if lines else "")
        return words.strip()[:300]


class Trials:
    """Starts trials of one program, as runs of one sweep.

    Args:
        sweep: the sweep, `entity/project/ID`, that the runs belong to.
        definition: the program, and its command.
        folder: where the trials' files go.
        limits: when a trial is ended.
        interrupted: set when all trials are to end, because nobody waits for them any more.
    """

    def __init__(
        self,
        sweep: str,
        definition: Mapping[str, Any],
        folder: Path,
        limits: Limits,
        interrupted: threading.Event | None = None,
    ):
        self.definition = definition
        self._sweep = sweep
        self._limits = limits
        self._folder = folder
        self._interrupted = interrupted or threading.Event()
        self._entity, self._project, self._id = sweep.split("/")

    def started_by(self, command: Sequence[str]) -> "Trials":
        """Return what starts the program by another command."""
        definition = {**self.definition, "command": [*command]}
        return Trials(self._sweep, definition, self._folder, self._limits, self._interrupted)

    def all(self, points: Sequence[Point]) -> list[Trial]:
        """Try several points, some side by side."""
        return self.side_by_side([partial(self.one, point) for point in points])

    def side_by_side(self, calls: Sequence[Callable[[], Result]]) -> list[Result]:
        """Return what several calls return, of which each tries the program by `one`."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                return [call.result() for call in [pool.submit(call) for call in calls]]
            except BaseException:
                self._interrupted.set()
                pool.shutdown(cancel_futures=True)
                raise

    def one(self, values: Point, run: str = "", warning: int | None = None) -> Trial:
        """Try one point.

        Args:
            values: what the program is given.
            run: the ID of a run to resume; a new one if left out.
            warning: a signal that the program gets when it has logged its first row.
        """
        import wandb

        run = run or uuid4().hex[:8]
        notes = self._folder / f"{run}.notes"
        log = self._folder / f"{run}-{uuid4().hex[:4]}.log"
        api = wandb.Api()
        start = time.monotonic()
        with log.open("w") as output:
            process = subprocess.Popen(
                [*_DEAF, *self._words(values, run)], env=self._environment(values, run, notes),
                cwd=program.folder(self.definition), stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, process_group=0,
            )  # fmt: skip
        try:
            status = self._follow(process, lambda: self._count(api, run), warning)
        finally:
            _end(process)
        facts = _facts(notes)
        return Trial(
            values=values,
            run=run,
            status=status,
            seconds=time.monotonic() - start,
            output=log.read_text(errors="replace"),
            logged=self._logged(api, run),
            hosts=frozenset(fact["host"] for fact in facts if "host" in fact),
            optimizer=next((fact["groups"] for fact in facts if "groups" in fact), ()),
        )

    def _words(self, values: Point, run: str) -> list[str]:
        chosen = nest(values)
        file = self._folder / f"{run}.json"
        file.write_text(json.dumps(chosen))
        return agent_words(
            program.words(self.definition), chosen, env="/usr/bin/env", interpreter="python",
            program=str(self.definition.get("program")), args_json_file=str(file),
        )  # fmt: skip

    def _environment(self, values: Point, run: str, notes: Path) -> dict[str, str]:
        picked = self._folder / f"{run}.yaml"
        save_sweep_values(picked, nest(values))
        environment = os.environ | cpus.shared_by(AT_ONCE)
        # The background process of this process's client is not the program's.
        environment.pop("WANDB_SERVICE", None)
        path = [str(OBSERVER), environment.get("PYTHONPATH", "")]
        return environment | {
            "WANDB_ENTITY": self._entity,
            "WANDB_PROJECT": self._project,
            "WANDB_SWEEP_ID": self._id,
            "WANDB_RUN_ID": run,
            "WANDB_SWEEP_PARAM_PATH": str(picked),
            "WANDB_DIR": str(self._folder),
            "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1",  # s, of which the client takes whole ones
            "WANDB_X_DISABLE_STATS": "true",
            "WANDB_X_SAVE_REQUIREMENTS": "false",
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            "ADOPT_NOTES": str(notes),
        }

    def _follow(
        self, process: subprocess.Popen, rows: Callable[[], int], warning: int | None
    ) -> int | None:
        """Wait until a program has ended, or has reached a limit; return its exit status."""
        before = rows()  # of a run that is started again
        start, warned = time.monotonic(), math.inf
        while (status := _wait(process)) is None:
            now, logged = time.monotonic(), rows()
            is_over = now - start > self._limits.seconds or now - warned > WARNED_S
            if is_over or self._interrupted.is_set():
                return None
            if warning and logged > before and warned == math.inf:
                warned = now
                _send(process.pid, warning)
            new = logged - before if logged >= before else logged  # it logs over its old rows
            if not warning and new >= self._limits.rows and now - start > SHORTEST_S:
                return None
        return status

    def _count(self, api: "wandb.Api", run: str) -> int:
        found = self._find(api, run)
        return (found.history_line_count or 0) if found else 0

    def _find(self, api: "wandb.Api", run: str) -> "wandb.apis.public.Run | None":
        api.flush()  # it would answer with what it has seen of the run before
        try:
            return api.run(f"{self._entity}/{self._project}/{run}")
        except client_errors():
            return None  # not yet

    def _logged(self, api: "wandb.Api", run: str) -> Logged | None:
        found = self._find(api, run)
        if found is None:
            return None
        rows = list(itertools.islice(found.scan_history(use_cache=False), MOST_ROWS))
        return Logged(
            state=found.state,
            config=dict(found.config),
            rows=[_own(row) for row in rows],
            summary=_own(found.summary_metrics),
            began=rows[0].get("_timestamp") if rows else None,
        )


def _send(leader: int, number: int) -> None:
    """Send a signal to a program, and to what it has started.

    SLURM sends SIGTERM to all processes of a job, so the client's own process gets it as well.  The
    batch script of an array sends the warning to the program's process group alone.
    """
    found = [leader] if number == signal.SIGTERM else []
    for process in found:
        children = subprocess.run(
            ["pgrep", "--parent", str(process)], capture_output=True, text=True, check=False
        )
        found += map(int, children.stdout.split())
    os.killpg(leader, number)
    for process in found:
        with suppress(ProcessLookupError):
            if os.getpgid(process) != leader:
                os.kill(process, number)


def _wait(process: subprocess.Popen) -> int | None:
    try:
        return process.wait(LOOK_S)
    except subprocess.TimeoutExpired:
        return None


def _end(process: subprocess.Popen) -> None:
    """End a program that still runs, and what it has started."""
    if process.poll() is not None:
        return
    process.terminate()  # the client's own process sends what it has
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _facts(notes: Path) -> list[dict[str, Any]]:
    """Return what the observer has noted; a line that was cut off is none."""
    facts = []
    for line in notes.read_text(encoding="utf-8").splitlines() if notes.exists() else ():
        try:
            facts.append(json.loads(line))
        except ValueError:
            continue
    return facts


def _own(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return what the program itself logged, nested values under dotted names."""
    own: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping) and "_type" not in value and not key.startswith("_"):
            own |= _own(value, f"{prefix}{key}.")
        elif not key.startswith("_"):
            own[f"{prefix}{key}"] = value
    return own
