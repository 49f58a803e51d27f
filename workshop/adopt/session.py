"""A try-out from the program's path to the printed report, in a project of its own."""

import math
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sweepserver.search import numerals
from sweepserver.search.checks import space_problems
from workshop import files
from workshop.adopt import adoption, report
from workshop.adopt.findings import Adoption
from workshop.adopt.source import Source
from workshop.adopt.trials import AT_ONCE, Limits, Trials
from workshop.connection import backend as backends
from workshop.connection import mode
from workshop.define import definition as definitions
from workshop.define import program as programs
from workshop.durations import clock
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.initialize.run_states import CLOSED
from workshop.paths import home, shown
from workshop.run_agents import run_processes

SHORTEST_MINUTES = 5
_OTHER_FILE = "give another file with --output"


def definition(path: Path, python: str = "", folder: Path | None = None) -> dict[str, Any]:
    """Return how the agents of a sweep would start a program.

    Args:
        path: the program, or the YAML file of a sweep of it.
        python: its interpreter; `python` as the agent finds it if left out.
        folder: where it starts; its own folder, or that of the YAML file, if left out.

    Raises:
        WorkshopError: there is no such file, or its parameters cannot be searched.
    """
    path = path.expanduser().resolve()
    if path.suffix in (".yaml", ".yml"):
        found = programs.placed(files.read_mapping(path), path.parent)
        _check_parameters(found, path)
        if folder:
            found = programs.started_in(found, folder.expanduser().resolve())
    else:
        place = folder.expanduser().resolve() if folder else path.parent
        name = path.relative_to(place) if path.is_relative_to(place) else path
        found = programs.started_in({"program": str(name)}, place)
    if python:
        # Not resolved: an environment's interpreter is a link, and known by its place.
        own = str(Path(python).expanduser().absolute()) if os.sep in python else python
        words = [
            own if word in ("${interpreter}", "python") else word for word in programs.words(found)
        ]
        found = {**found, "command": words}
    return found


def two_values(text: str) -> tuple[str, list[Any]]:
    """Read `NAME=A,B`.

    Raises:
        WorkshopError: it is not of this form.
    """
    name, separator, values = text.partition("=")
    try:
        read = numerals.load(f"[{values}]")
    except yaml.YAMLError:
        read = []
    if not (name and separator and len(read) == 2):
        raise WorkshopError(
            f"--parameter {text!r} must name a parameter and two values of it, as in lr=0.1,0.01"
        )
    return name, read


def run(
    tried: Mapping[str, Any],
    given: Mapping[str, Sequence[Any]],
    limits: Limits,
    output: Path | None = None,
    backend: str = "local",
) -> int:
    """Try a program, print what was found, and write a sweep of it.

    Args:
        tried: how it is started; with `parameters`, if it is a sweep's.
        given: two values of a parameter by its name.
        limits: when a trial is ended.
        output: where to write the proposed sweep; beside the program if left out.
        backend: which W&B its runs go to.

    Returns:
        The exit status: 1 if there is a problem.

    Raises:
        WorkshopError: there is no such program, the sweep names none, or the proposed one cannot
            be written.
    """
    source = _source(tried)
    file = source.file
    target = (output or file.parent / "sweep.yaml").expanduser().resolve()
    if "parameters" not in tried and not target.exists():
        files.check_writable(target, _OTHER_FILE)
    print(
        f"{shown(file)} is started for real, in {programs.folder(tried)}: about seven times, and "
        f"once more per parameter, {AT_ONCE} at a time, each for at most {limits.seconds:g} s. "
        "It writes its files where it always does.",
        flush=True,
    )
    with backends.session(backend):
        mode.check(mode.find(folder=programs.folder(tried)))
        project = f"adopt-{file.stem}"
        found = in_project(project, tried, source, given, limits)
        print(f"\n{report.as_text(found)}")
        if found.proposed:
            sweep = _sweep(found, tried, target)
            if sweep and found.seconds:
                _prove(sweep, project)
            print(
                "On a cluster, once it is registered: workshop submit ENTITY/PROJECT/SWEEP "
                f"--site NAME {_time_option(found.seconds)}"
            )
    return int(not found.is_ready)


def try_out(
    program: str | Path | Mapping[str, Any], project: str, with_endings: bool = True
) -> Adoption:
    """Try a program in a project of its own, at the W&B that is connected to.

    Args:
        program: its file, which starts in its own folder; or a definition that names it, as `load`
            returns one.
        project: where its runs go.
        with_endings: whether to see as well how it ends: by an error, by signals, and when its
            run is started again.

    Raises:
        WorkshopError: there is no such program, or the definition names none.
    """
    tried = program if isinstance(program, Mapping) else definition(Path(program))
    return in_project(project, tried, _source(tried), {}, Limits(), with_endings)


def in_project(
    project: str,
    tried: Mapping[str, Any],
    source: Source,
    given: Mapping[str, Sequence[Any]],
    limits: Limits,
    with_endings: bool = True,
) -> Adoption:
    """Try a program as `try_out` does, with two values of parameters that nothing tells."""
    sweep = registration.create(_for_trials(tried), project)
    folder = home() / "adopt" / sweep.rsplit("/", 1)[-1]
    folder.mkdir(parents=True)
    try:
        trials = Trials(sweep, tried, folder, limits)
        found = adoption.adopt(trials, source, given, with_endings)
    except BaseException:
        print(f"What the trials printed is in {shown(folder)}.")
        raise
    if found.is_ready:
        shutil.rmtree(folder)
    else:
        found.say("logs", f"What the trials printed is in {shown(folder)}.")
    _stop(sweep)
    return found


def _check_parameters(found: Mapping[str, Any], file: Path) -> None:
    """Refuse parameters that cannot be searched; without any, the program shows its own."""
    if "parameters" not in found:
        return
    for problem in space_problems(found["parameters"], found.get("method")):
        raise WorkshopError(f"{shown(file)}: {problem}")


def _for_trials(tried: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition of the sweep that trials belong to.

    Runs belong to a sweep as an agent's do, though they are not handed out by it.  What else a
    definition has, such as `early_terminate` or `run_cap`, could end them.
    """
    start = {key: tried[key] for key in ("program", "command") if key in tried}
    return {**start, "method": "random", "parameters": {"tried": {"value": True}}}


def _source(tried: Mapping[str, Any]) -> Source:
    file = programs.file(tried)
    if file is None:
        raise WorkshopError("the sweep names no program: give it a line `program: FILE`")
    return Source(file)


def _sweep(found: Adoption, tried: Mapping[str, Any], target: Path) -> dict[str, Any] | None:
    """Return the sweep to run next: the one that was given, or the proposed one, once written.

    Raises:
        WorkshopError: it cannot be written; it was printed instead.
    """
    if "parameters" in tried:
        return dict(found.definition)
    if target.exists():
        print(
            f"\n{shown(target)} already exists, so it's left as it is; to write the sweep below to "
            f"another file, use --output FILE:\n\n{found.proposed}"
        )
        return None
    try:
        with files.writing(target, _OTHER_FILE):
            files.write(target, found.proposed)
    except WorkshopError:
        print(f"\n{found.proposed}")
        raise
    print(f"\nWritten: {shown(target)}, a sweep to start from; adjust its ranges to what you know.")
    return definitions.load(target)


def _prove(sweep: dict[str, Any], project: str) -> None:
    """Let an agent do one run of a sweep, and say what to do next."""
    if command := definitions.searcher(sweep):
        print(
            f"No agent has tried it, because another process picks its values: start `{command} "
            "SWEEP` beside the agents."
        )
        return
    path = registration.register(sweep, project)
    run_processes(path, tasks=1, count=1)
    states = registration.states(path)
    _stop(path)
    if not states["finished"]:
        raise WorkshopError(
            f"an agent's run of sweep {path} is {', '.join(states) or 'missing'}: its "
            f"log is in {shown(home() / 'logs' / path.rsplit('/', 1)[-1])}"
        )
    print("An agent has done one run of it.")


def _stop(sweep: str) -> None:
    """Hand out no more runs of a sweep, which may be through with them already."""
    if registration.get(sweep).state.upper() not in CLOSED:
        registration.stop(sweep)


def _time_option(seconds: float | None) -> str:
    if seconds is None:
        return "-o time=HH:MM:SS, long enough for a whole run: the trial was cut short"
    return f"-o time={time_limit(seconds)}"


def time_limit(seconds: float) -> str:
    """Return a SLURM time limit for runs of about this duration: ample, yet short in the queue."""
    return clock(60 * max(SHORTEST_MINUTES, math.ceil(4 * seconds / 60)))
