"""SLURM, and whether it takes what a site profile asks for."""

from collections.abc import Iterator

from workshop.errors import WorkshopError
from workshop.preflight.finding import Finding
from workshop.run_agents.slurm import commands, site, submission, task_environment


def findings(name: str) -> Iterator[Finding]:
    """Look at the cluster of a site profile; nothing is submitted."""
    try:
        profile = site.load(name)
    except WorkshopError as error:
        profile = None
        yield Finding(
            f"site profile {name}", str(error), "problem", "correct the profile, or name another"
        )
    if reason := commands.available():
        yield Finding("SLURM", reason, "note", "without it, run agents as processes (notebook 03)")
        return
    yield Finding("SLURM", "answers")
    if profile:
        yield _profile(name, profile)
    accounting = "sacct" if commands.has_accounting() else "scontrol, which forgets after minutes"
    yield Finding("ended tasks are told by", accounting)
    yield Finding("largest array (MaxArraySize)", f"{commands.largest_array()} tasks")


def _profile(name: str, profile: site.Site) -> Finding:
    """Ask SLURM whether it would take a task with this profile."""
    options = submission.words(profile.sbatch_options())
    inherited = task_environment.scrubbed(profile.inherit).variables
    try:
        commands.run(["sbatch", "--test-only", *options, str(submission.SCRIPT)], inherited)
    except WorkshopError as error:
        return Finding(
            f"site profile {name}", str(error), "problem",
            "correct it, or name another (`sinfo` lists partitions, "
            "`sacctmgr show associations user=$USER` your accounts)",
        )  # fmt: skip
    return Finding(f"site profile {name}", "SLURM takes it")
