"""Run a sweep's agents on this machine: step 3 without SLURM.

An agent asks the server for a run's configuration, runs the program with it, and asks again.
Here it is either part of this process, which keeps the libraries loaded between runs, or a
separate `wandb agent` process, as on a cluster.
"""

import gc
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Any

from workshop import wording
from workshop.connection import client_variables, mode
from workshop.define import definition as definitions
from workshop.define import program as programs
from workshop.errors import WorkshopError
from workshop.initialize.registration import get
from workshop.paths import ROOT, home, shown
from workshop.run_agents import agent_output, gpus, interruption, progress
from workshop.trainer import preemption


def run_in_process(
    path: str, count: int | None = None, program: Callable[[], object] | None = None
) -> None:
    """Run an agent in this process until the sweep has no more work.

    A run that fails prints its error, and the agent continues with the next one.  An interrupt
    ends the agent after the trial's current step, and the trial's run goes back to the sweep.

    Args:
        path: the sweep, `entity/project/ID`.
        count: the number of runs after which the agent stops anyway.
        program: the function that the agent calls for each run; by default the trainer's `main`.

    Raises:
        WorkshopError: the client's mode keeps runs from the server, the sweep's program isn't the
            trainer and no `program` is given, or it was interrupted.
    """
    mode.check(mode.here())
    config = get(path).config
    if program is None:
        check_trainer(path, config)
    say_who_searches(path, config)
    run_agent(path, count, program)


def run_agent(
    path: str, count: int | None = None, program: Callable[[], object] | None = None
) -> None:
    """Do what `run_in_process` does after its checks, without a word about who searches."""
    import wandb

    train = program or _trainer()
    failed = 0
    current = interruption.Trial()

    def trial() -> None:
        nonlocal failed
        with current.of(os.environ["WANDB_RUN_ID"]):
            try:
                train()
            except preemption.Preempted:
                raise SystemExit from None  # not a failure that the client's agent would report
            except WorkshopError as error:
                failed += 1
                print(f"error: {error}", file=sys.stderr)
            finally:
                _free_memory()

    with _agent_in_this_process(), interruption.in_this_process(path, current):
        wandb.agent(path, function=trial, count=count)
    if failed:
        print(f"{wording.count(failed, 'run')} failed", file=sys.stderr)


def check_trainer(path: str, config: Mapping[str, Any]) -> None:
    """Check that a sweep's program is the trainer, which this process can call.

    Raises:
        WorkshopError: it isn't.
    """
    started = programs.file(config)
    if started not in (None, programs.TRAINER):
        raise WorkshopError(
            f"sweep {path} starts {shown(started)}, but an agent in this process calls a "
            "function: use run_processes, or pass the function to run_in_process as program="
        )


def say_who_searches(path: str, config: Mapping[str, Any]) -> None:
    """Print what a sweep's agents wait for, if it isn't the server that searches."""
    if command := definitions.searcher(config):
        both = "; run_with_scheduler starts both" if config.get("scheduler") else ""
        start = f"`{command} {quote(path)}`: start it in the clone"
        print(f"agents of sweep {path} wait for {start}{both}", flush=True)


def _trainer() -> Callable[[], object]:
    # Imported late: it loads PyTorch, which takes seconds and is not needed for separate agents.
    from workshop.wandb_sweep import main

    return main


def run_processes(
    path: str,
    tasks: int | None = None,
    at_once: int | None = None,
    count: int | None = None,
    folder: str | Path = ROOT,
    one_per_gpu: bool = False,
) -> list[Path]:
    """Run `wandb agent` processes on this machine, as the array `1-TASKS%AT_ONCE` would.

    Processes that run at once share the CPUs evenly, and with `one_per_gpu` each has a GPU to
    itself.  An interrupt ends them after their trials' current step, and the trials' runs go back
    to the sweep.  If an agent gives up after too many failures, a printed line says so.

    Args:
        path: the sweep, `entity/project/ID`.
        tasks: the total number of processes; by default `at_once`.
        at_once: how many of them run at once; by default 2, or with `one_per_gpu` one per GPU.
        count: the number of runs after which each process ends (`--count`); by default it ends
            when the sweep has no more work.
        folder: the working directory of the agents, and of the sweep's program unless its command
            has `--chdir`; by default the clone.
        one_per_gpu: set `CUDA_VISIBLE_DEVICES` for each process to one of the GPUs that this
            process may use: those that SLURM or you named in that variable, otherwise all that
            `nvidia-smi` lists (of a GPU divided by MIG, its instances).  Without it, all
            processes use the same GPU.  We tested the variable, but not on a machine that has
            several GPUs.

    Returns:
        The processes' log files.

    Raises:
        WorkshopError: the client's mode keeps runs from the server, the sweep's program is not in
            the folder, there are fewer GPUs than agents at once, an agent itself failed or could
            not start the program (a failed run is not the agent's failure), or it was interrupted.
    """
    slots = gpus.slots(at_once, one_per_gpu)
    tasks = len(slots) if tasks is None else tasks
    place = Path(folder).expanduser().resolve()
    mode.check(mode.find(folder=place))
    config = get(path).config
    _check_program(path, config, place)
    say_who_searches(path, config)
    logged = log_folder(path)
    logged.mkdir(parents=True, exist_ok=True)
    waiting = [logged / f"agent-{number}.log" for number in range(tasks, 0, -1)]
    logs: dict[subprocess.Popen, Path] = {}
    in_slot: list[subprocess.Popen | None] = [None] * len(slots)

    def working() -> bool:
        for number, environment in enumerate(slots):
            agent = in_slot[number]
            if agent and agent.poll() is not None:
                agent = None
            if waiting and not agent:
                log = waiting.pop()
                agent = _start_agent(path, environment, count, log, place)
                logs[agent] = log
            in_slot[number] = agent
        return any(in_slot)

    with interruption.of_processes(path):
        try:
            progress.follow(path, working)
        finally:
            for agent in logs:
                agent.send_signal(signal.SIGINT)
            for agent in logs:
                await_end(agent)
    for agent, log in logs.items():
        if agent.returncode:
            raise failure(agent.returncode, log)
        if refusal := _refusal(log):
            raise WorkshopError(
                f"the sweep's program could not be started ({refusal}), so its runs failed (see "
                f"{shown(log)}): correct `program` and `command` in a new sweep, or the file itself"
            )
        if gave_up := agent_output.gave_up(log.read_text(errors="replace")):
            print(f"an agent gave up, so the sweep may have runs left, see {shown(log)}: {gave_up}")
    return list(logs.values())


def _check_program(path: str, config: Mapping[str, Any], folder: Path) -> None:
    """Check that agents that start in a folder find their sweep's program.

    Raises:
        WorkshopError: they don't.
    """
    if place := programs.unfound_in(config, folder):
        raise WorkshopError(
            f"sweep {path} starts {config['program']}, which is not in {shown(place)}: pass "
            "its folder to run_processes as folder=, or register the definition's file again with "
            "`register(load(FILE), PROJECT)`, which records the folder"
        )


def failure(status: int, log: Path, process: str = "an agent") -> WorkshopError:
    """Return the error for an agent, or another process, that failed."""
    last_line = (log.read_text().strip().splitlines() or ["nothing"])[-1]
    return WorkshopError(
        f"{process} ended with exit status {status}; its log {shown(log)} ends with: {last_line}"
    )


def _refusal(log: Path) -> str:
    """Return why an agent could not start a run's program, in one line; empty if it could.

    The program has printed nothing then.  The first line after its command is from `env`, from
    Python, which can't find the file or module, or from the agent, with a traceback after it.
    """
    for part in log.read_text(errors="replace").split("About to run command: ")[1:]:
        _, *lines = part.splitlines()
        if lines and "Exception while processing command" in lines[0]:
            return next((line for line in lines[2:] if not line.startswith(" ")), lines[0])
        if lines and re.match(r"(\S*/)?(env|python[\d.]*): ", lines[0]):
            return lines[0]
    return ""


def log_folder(path: str) -> Path:
    """Return the folder with the logs of a sweep's agent processes."""
    return home() / "logs" / path.rsplit("/", 1)[-1]


def _start_agent(
    path: str, variables: Mapping[str, str], count: int | None, log: Path, folder: Path
) -> subprocess.Popen:
    command = [sys.executable, "-m", "wandb", "agent"]
    # The agent forwards an interrupt to its trial, and waits for it up to this timeout.
    command += ["--forward-signals", "--term-timeout", str(interruption.TRIAL_LIMIT_S)]
    if count is not None:
        command += ["--count", str(count)]
    environment = os.environ | variables
    environment.pop("WANDB_SERVICE", None)  # our client's background process is not the agent's
    with log.open("w") as output:
        # In a session of its own, so that an interrupt of the notebook reaches it only through us.
        return subprocess.Popen(
            [*command, path], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def await_end(process: subprocess.Popen) -> None:
    """Wait for a process that was told to end, such as an agent with its trial; else kill it."""
    try:
        process.wait(timeout=interruption.TRIAL_LIMIT_S + 10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _agent_in_this_process() -> Iterator[None]:
    """Keep the client from changing this process, and from cluttering the trial's output."""
    import wandb

    hook = threading.excepthook
    threading.excepthook = lambda failure: _is_harmless(failure) or hook(failure)
    try:
        with client_variables.restored():
            os.environ["WANDB_SILENT"] = "true"
            yield
    finally:
        wandb.teardown()  # what uses the client next starts it with the variables restored
        threading.excepthook = hook


def _is_harmless(failure: threading.ExceptHookArgs) -> bool:
    """Return whether this is the client's own clean-up, which always fails after a run."""
    return failure.thread is not None and failure.thread.name == "wandb-ServiceFinalizer"


def _free_memory() -> None:
    """Free the memory of the trial that has ended, for the next one in this process."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
