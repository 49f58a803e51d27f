"""What happens on a real cluster, on demand: nodes that fail, others' jobs, slowness."""

import signal
import sys
import time
from collections.abc import Callable

from workshop.errors import WorkshopError
from workshop.rehearsal import daemons, processes, programs
from workshop.rehearsal.cluster import START_LIMIT_S, check_running, command, is_up, node_facts

Show = Callable[[str], object]


def crash(node: str, show: Show = print) -> None:
    """Kill all that runs on a node at once, as if it had lost its power.

    The controller notices within half a minute, or when the node boots.  Then the node's jobs are
    queued again, unless they asked for `--no-requeue`.

    Raises:
        WorkshopError: there is no such node, or the cluster does not run.
    """
    _check(node)
    daemons.kill_node(node)
    show(
        f"{node} has crashed: the controller notices within 30 s and queues its jobs again; "
        f"`workshop cluster boot {node}` brings it back"
    )


def boot(node: str, show: Show = print) -> None:
    """Bring a node back, whether it has crashed, is drained or slow.

    Raises:
        WorkshopError: there is no such node, or the cluster does not run.
    """
    _check(node)
    _end_slowness(node)
    launched, alive = 0, {}
    if not daemons.find(node):
        # The controller believes in a reboot (-b) a second, or more, after the last answer.
        time.sleep(1)
        launched = int(time.time())
        alive[node] = daemons.launch_node(node, programs.find(), "-b")

    def is_back() -> bool:
        _resume(node)  # the controller sets a node down that it finds rebooted
        return is_up(node, launched)

    daemons.wait(is_back, f"{node} takes jobs", START_LIMIT_S, alive)
    show(f"{node} is up")


def drain(node: str, show: Show = print) -> None:
    """Let a node take no other job, as for maintenance; those that run there go on.

    Raises:
        WorkshopError: there is no such node, or the cluster does not run.
    """
    _check(node)
    command("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=maintenance")
    show(f"{node} takes no other job; `workshop cluster undrain {node}` ends that")


def undrain(node: str, show: Show = print) -> None:
    """Let a node that is drained take jobs again.

    Raises:
        WorkshopError: there is no such node, or the cluster does not run.
    """
    _check(node)
    _resume(node)
    show(f"{node} takes jobs")


def preempt(node: str | None = None, seconds: int = 60, show: Show = print) -> None:
    """Submit a job of higher priority, which drives the jobs of partition `low` off a node.

    Args:
        node: which; by default one where a job of `low` runs.
        seconds: how long that job takes.
        show: gets a line.

    Raises:
        WorkshopError: no job of `low` runs there, there is no such node, or the cluster does not
            run.
    """
    _check(node)
    options = [f"--nodelist={node}"] if node else []
    running = command(
        "squeue", "--noheader", "--partition=low", "--states=RUNNING", "--format=%N", *options
    ).split()
    if not running:
        raise WorkshopError(
            f"no job of partition low runs{f' on {node}' if node else ''}, and only those can be "
            "preempted: submit with `-o partition=low`, and wait until it runs"
        )
    name = "higher-priority"
    job = _submit(name, seconds, "--partition=main", "--exclusive", f"--nodelist={running[0]}")
    show(
        f"job {job} ({name}) takes {running[0]} for {seconds} s: jobs of low there have a minute "
        "to leave, and are queued again"
    )


def fill(seconds: int = 60, show: Show = print) -> None:
    """Submit twice as many jobs as the cluster has CPUs, as if others were using it.

    Args:
        seconds: how long each takes.
        show: gets a line.

    Raises:
        WorkshopError: the cluster does not run.
    """
    count = 2 * sum(daemons.NODES.values())
    job = _submit("others", seconds, "--partition=main", f"--array=1-{count}", "--mem=10M")
    show(f"array {job} (others): {count} jobs of {seconds} s, one for each CPU and as many waiting")


def slow(node: str, factor: float = 4, show: Show = print) -> None:
    """Let a sweep's runs on a node take several times as long, until `boot`.

    Raises:
        WorkshopError: the factor is not above 1, there is no such node, or the cluster does not
            run.
    """
    _check(node)
    if factor <= 1:
        raise WorkshopError(
            f"factor is {factor:g}, but it must be above 1; `workshop cluster boot {node}` makes "
            "it as fast as before"
        )
    _end_slowness(node)
    words = [sys.executable, "-m", "workshop.rehearsal.slowness", node, str(factor)]
    daemons.launch(_slowness(node), words, programs.find())
    show(f"runs on {node} take {factor:g} times as long; `workshop cluster boot {node}` ends that")


def _check(node: str | None) -> None:
    if node is not None and node not in daemons.NODES:
        raise WorkshopError(
            f"the rehearsal cluster has no node {node!r}: name one of {', '.join(daemons.NODES)}"
        )
    check_running()


def _resume(node: str) -> None:
    if {"DOWN", "DRAIN"} & set(node_facts(node)["State"].split("+")):
        command("scontrol", "update", f"NodeName={node}", "State=RESUME")


def _submit(name: str, seconds: int, *options: str) -> str:
    if seconds < 1:
        raise WorkshopError(f"seconds is {seconds}, but it must be 1 or more")
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
