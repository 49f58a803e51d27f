"""Check SLURM, and whether it accepts a site profile."""

from collections.abc import Iterator

from workshop.errors import WorkshopError
from workshop.preflight.finding import Finding
from workshop.run_agents.slurm import availability, commands, site, submission
from workshop.wording import count


def findings(name: str) -> Iterator[Finding]:
    """Check the cluster of a site profile; nothing is submitted."""
    try:
        profile = site.load(name)
    except WorkshopError as error:
        profile = None
        yield Finding(
            f"site profile {name}", str(error), "problem", "correct the profile, or use another"
        )
    try:
        cluster = site.cluster_environment(name)
        commands.ping(cluster)
    except WorkshopError as error:
        rehearsal = availability.available(site.REHEARSAL)
        next_step = (
            rehearsal.words
            if rehearsal.site
            else "without it, run agents as processes (notebook 03)"
        )
        yield Finding("SLURM", str(error), "note", next_step)
        if profile and profile.model_fields_set and not site.is_rehearsal(name):
            yield Finding(
                f"site profile {name}",
                "its keys and values are right; only the cluster's SLURM can say whether it "
                "accepts them",
                "note", f"run `workshop check --site {name}` on the cluster",
            )  # fmt: skip
        return
    yield Finding("SLURM", "answers")
    if profile:
        yield _profile(name)
    accounting = commands.memory(cluster) or "scontrol, which forgets them after some minutes"
    yield Finding("records of ended tasks", accounting)
    yield Finding("largest array (MaxArraySize)", count(commands.largest_array(cluster), "task"))


def _profile(name: str) -> Finding:
    """Ask SLURM whether it would accept a task with this profile."""
    try:
        submission.check_accepted(name)
    except WorkshopError as error:
        return Finding(
            f"site profile {name}", str(error), "problem",
            "correct it, or use another (`sinfo` lists partitions, "
            "`sacctmgr show associations user=$USER` your accounts)",
        )  # fmt: skip
    return Finding(f"site profile {name}", "SLURM accepts it")
