"""Run a sweep's agents as a SLURM array, with processes on this machine as the fallback.

Lessons use this.  `workshop.run_agents.slurm`, which it builds on, raises an error without a
cluster.
"""

from workshop.define import search_space
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.run_agents import slurm
from workshop.run_agents.local import run_processes
from workshop.trainer.config import resolve

LIMIT_S = 1800
SHARE = 4
SMALL = ("tiny", "smoke")
"""The scales whose runs fit on the rehearsal cluster."""


def runs_for_array(path: str, cluster: slurm.Availability) -> int:
    """Return how many of a sweep's runs a lesson leaves to an array: a quarter of the remaining.

    It is 0 if a lesson may not submit an array unasked, and for large runs on a rehearsal cluster.

    Args:
        path: the sweep, `entity/project/ID`.
        cluster: what `slurm.available` found.
    """
    scale = search_space.parameters(registration.get(path).config).get("scale", {})
    is_small = scale.get("value", resolve({}).scale) in SMALL
    if not cluster.is_free or (cluster.site == slurm.REHEARSAL and not is_small):
        return 0
    return (registration.remaining(path) or 0) // SHARE


def run_array(
    submission: slurm.Submission, cluster: slurm.Availability, limit_s: float = LIMIT_S
) -> slurm.ArrayJob | None:
    """Submit a planned array and wait for its end.

    If it can't run, a printed line says why, and the fallback is as many agent processes on this
    machine.

    Args:
        submission: the plan, as `slurm.plan` returns it for the site of the cluster.
        cluster: what `slurm.available` found.
        limit_s: timeout in seconds, after which the remaining tasks are cancelled.

    Returns:
        The array; None if it was not submitted.
    """
    why_not = cluster.words
    if cluster.is_free:
        try:
            return _follow(slurm.submit(submission), limit_s)
        except WorkshopError as error:
            why_not = f"no array: {error}"
    print(f"{why_not}; agent processes on this machine do its runs instead")
    count = submission.runs_per_task
    run_processes(
        submission.sweep, submission.tasks, submission.at_once, None if count == "all" else count
    )
    return None


def _follow(job: slurm.ArrayJob, limit_s: float) -> slurm.ArrayJob:
    try:
        slurm.wait(job, limit_s)
    except WorkshopError:
        job.cancel()
        print(f"{job}: cancelled, because it had not ended after {limit_s:g} s")
    return job
