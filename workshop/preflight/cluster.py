"""SLURM, and whether it takes what a site profile asks for."""

from collections.abc import Iterator

from workshop.errors import WorkshopError
from workshop.preflight.finding import Finding
from workshop.slurm import clusters, commands, environment, site, submission


def findings(name: str) -> Iterator[Finding]:
    """Look at the cluster of a site profile; nothing is submitted."""
    try:
        profile = site.load(name)
    except WorkshopError as error:
        profile = None
        yield Finding(
            f"site profile {name}", str(error), "problem", "correct the profile, or name another"
        )
    try:
        cluster = clusters.environment(name)
        commands.ping(cluster)
    except WorkshopError as error:
        next_step = "without it, run agents as processes (notebook 03)"
        yield Finding("SLURM", str(error), "note", next_step)
        return
    yield Finding("SLURM", "answers")
    if profile:
        yield _profile(name, profile)
    accounting = commands.memory(cluster) or "scontrol, which forgets after minutes"
    yield Finding("ended tasks are told by", accounting)
    yield Finding("largest array (MaxArraySize)", f"{commands.largest_array(cluster)} tasks")


def _profile(name: str, profile: site.Site) -> Finding:
    """Ask SLURM whether it would take a task with this profile."""
    options = submission.words(profile.sbatch_options())
    inherited = environment.scrubbed(profile.inherit).variables | clusters.variables(name)
    try:
        commands.run(["sbatch", "--test-only", *options, str(submission.SCRIPT)], inherited)
    except WorkshopError as error:
        return Finding(
            f"site profile {name}", str(error), "problem",
            "correct it, or name another (`sinfo` lists partitions, "
            "`sacctmgr show associations user=$USER` your accounts)",
        )  # fmt: skip
    return Finding(f"site profile {name}", "SLURM takes it")
