"""Events of a real cluster, on demand: node failures, drains, preemption, load, slow nodes."""

import signal
import sys
import time
from collections.abc import Callable

from workshop.errors import WorkshopError
from workshop.run_agents.rehearsal import daemons, processes, programs
from workshop.run_agents.rehearsal.cluster import (
    START_LIMIT_S,
    check_running,
    command,
    is_up,
    node_facts,
)

Show = Callable[[str], object]
TIME_IS_PAST = "Invalid time specified"
"""What SLURM says to an end time before the current second."""


def crash(node: str, show: Show = print) -> None:
    """Kill everything on a node at once, as if it had lost power.

    The controller notices within half a minute, or when the node boots.  Then it requeues the
    node's jobs, unless they asked for `--no-requeue`.

    Raises:
        WorkshopError: there is no such node, or the cluster is not running.
    """
    _check(node)
    daemons.kill_node(node)
    show(
        f"{node} has crashed: the controller will notice within 30 s and requeue its jobs; bring "
        f"it back with `workshop cluster boot {node}`"
    )


def boot(node: str, show: Show = print) -> None:
    """Bring back a node that has crashed, is drained, or is slow.

    Raises:
        WorkshopError: there is no such node, or the cluster is not running.
    """
    _check(node)
    _end_slowness(node)
    launched, alive = 0, {}
    if not daemons.find(node):
        # Else the controller learns of the failure from the reboot, and does not always believe it:
        # then it takes the node's jobs for ones that never began, and does not requeue them.
        command("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=crashed")
        launched = int(time.time())
        alive[node] = daemons.launch_node(node, programs.find())

    def is_back() -> bool:
        _resume(node)  # the controller marks a rebooted node as down
        return is_up(node, launched)

    daemons.wait(is_back, f"{node} accepts jobs", START_LIMIT_S, alive)
    show(f"{node} is up")


def drain(node: str, show: Show = print) -> None:
    """Drain a node, as for maintenance: it gets no new jobs, and current ones continue.

    Raises:
        WorkshopError: there is no such node, or the cluster is not running.
    """
    _check(node)
    command("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=maintenance")
    show(f"{node} accepts no new jobs; to undo this: workshop cluster undrain {node}")


def undrain(node: str, show: Show = print) -> None:
    """Let a drained node accept jobs again.

    Raises:
        WorkshopError: there is no such node, or the cluster is not running.
    """
    _check(node)
    _resume(node)
    show(f"{node} accepts jobs")


def preempt(node: str | None = None, seconds: int = 60, show: Show = print) -> None:
    """Submit a job of higher priority, which preempts the jobs of partition `low` on a node.

    Args:
        node: the node; by default one where a job of `low` is running.
        seconds: how long the new job runs.
        show: is given a line.

    Raises:
        WorkshopError: no job of `low` is running there, there is no such node, or the cluster is
            not running.
    """
    _check(node)
    options = [f"--nodelist={node}"] if node else []
    running = command(
        "squeue", "--noheader", "--partition=low", "--states=RUNNING", "--format=%N", *options
    ).split()
    if not running:
        raise WorkshopError(
            f"no job of partition low is running{f' on {node}' if node else ''}, and only those "
            "can be preempted: submit one with `-o partition=low`, and wait until it is running"
        )
    name = "higher-priority"
    job = _submit(name, seconds, "--partition=main", "--exclusive", f"--nodelist={running[0]}")
    show(
        f"job {job} ({name}) takes {running[0]} for {seconds} s: jobs of low there have a minute "
        "to end, and are requeued"
    )


def expire(job: str, show: Show = print) -> None:
    """Let a running job reach its time limit at once, without a warning before.

    Args:
        job: the job ID; `ARRAY_TASK` for a task of an array.
        show: is given a line.

    Raises:
        WorkshopError: no such job is running, or the cluster is not running.
    """
    deadline = time.monotonic() + START_LIMIT_S
    while not _is_expired(job):
        if time.monotonic() > deadline:
            raise WorkshopError(
                f"SLURM has refused for {START_LIMIT_S} s to let job {job} end now, because this "
                "machine is too busy: try again later"
            )
    show(f"job {job} has reached its time limit: SLURM checks time limits every 30 s")


def fill(seconds: int = 60, show: Show = print) -> None:
    """Submit twice as many jobs as the cluster has CPUs, as if other users were busy.

    Args:
        seconds: how long each job runs.
        show: is given a line.

    Raises:
        WorkshopError: the cluster is not running.
    """
    count = 2 * sum(daemons.NODES.values())
    job = _submit("others", seconds, "--partition=main", f"--array=1-{count}", "--mem=10M")
    show(f"array {job} (others): {count} jobs of {seconds} s, one per CPU and as many waiting")


def slow(node: str, factor: float = 4, show: Show = print) -> None:
    """Slow down a sweep's runs on a node by a factor, until `boot`.

    Raises:
        WorkshopError: the factor is not above 1, there is no such node, or the cluster is not
            running.
    """
    _check(node)
    if factor <= 1:
        raise WorkshopError(
            f"factor must be above 1, got {factor:g}: to undo a slowdown, use "
            f"`workshop cluster boot {node}`"
        )
    _end_slowness(node)
    words = [sys.executable, "-m", "workshop.run_agents.rehearsal.slowness", node, str(factor)]
    daemons.launch(_slowness(node), words, programs.find())
    show(
        f"runs on {node} take {factor:g} times as long; to undo this: workshop cluster boot {node}"
    )


def _check(node: str | None) -> None:
    if node is not None and node not in daemons.NODES:
        raise WorkshopError(
            f"the rehearsal cluster has no node {node!r}: use one of {', '.join(daemons.NODES)}"
        )
    check_running()


def _is_expired(job: str) -> bool:
    try:
        command("scontrol", "update", f"JobId={job}", "EndTime=now")
    except WorkshopError as error:
        # The second that was `now` may be over when the controller looks at it.
        if TIME_IS_PAST in str(error):
            return False
        raise
    return True


def _resume(node: str) -> None:
    if {"DOWN", "DRAIN"} & set(node_facts(node)["State"].split("+")):
        command("scontrol", "update", f"NodeName={node}", "State=RESUME")


def _submit(name: str, seconds: int, *options: str) -> str:
    if seconds < 1:
        raise WorkshopError(f"seconds must be at least 1, got {seconds}")
    printed = command(
        "sbatch", "--parsable", f"--job-name={name}", "--output=/dev/null", "--chdir=/",
        f"--time={seconds // 60 + 2}", *options, "--wrap", f"exec sleep {seconds}",
    )  # fmt: skip
    return printed.strip().split(";")[0]


def _slowness(node: str) -> str:
    return f"slow-{node}"


def _end_slowness(node: str) -> None:
    processes.send(signal.SIGTERM, daemons.find(_slowness(node)))
    daemons.wait(
        lambda: not daemons.find(_slowness(node)), f"{node} is as fast as before", START_LIMIT_S
    )
