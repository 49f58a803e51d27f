"""Which GPUs this process may use, and what each agent gets if several run at once."""

import os
import re
import subprocess
from itertools import takewhile

from workshop.errors import WorkshopError
from workshop.trainer import cpus

VARIABLE = "CUDA_VISIBLE_DEVICES"
AT_ONCE = 2
"""How many agents run at once by default."""
_NO_GPU = ("", "-1", "NoDevFiles")
"""What ends the list: CUDA ignores the names after one that it doesn't know.

The last is SLURM's, for a job without a GPU.
"""
_LIMIT_S = 30


def visible() -> list[str]:
    """Return the names of the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` takes them.

    If SLURM or the user has set that variable, they are the names in it, whether numbers or UUIDs.
    Otherwise they are the UUIDs that `nvidia-smi` lists.  A GPU that is divided (MIG) is one name
    for each of its instances.  Nothing here starts CUDA, so agents can be forked afterwards.
    """
    given = os.environ.get(VARIABLE)
    if given is None:
        return _listed()
    names = (name.strip() for name in given.split(","))
    return list(takewhile(lambda name: name not in _NO_GPU, names))


def slots(at_once: int | None = None, one_per_gpu: bool = False) -> list[dict[str, str]]:
    """Return the environment variables of each of the agents that run at once.

    Args:
        at_once: how many agents run at once; by default one per GPU, otherwise two.
        one_per_gpu: give each agent a GPU of its own.

    Raises:
        WorkshopError: there are fewer GPUs than agents, or none, or `at_once` is less than 1.
    """
    names = visible() if one_per_gpu else []
    if one_per_gpu and not names:
        given = os.environ.get(VARIABLE)
        why = "nvidia-smi lists none" if given is None else f"{VARIABLE} is {given!r}"
        raise WorkshopError(
            f"this process may use no GPU ({why}), so it can't start an agent per GPU: start it on "
            "a machine with GPUs, or leave out one_per_gpu"
        )
    if at_once is None:
        at_once = len(names) or AT_ONCE
    if at_once < 1:
        raise WorkshopError(f"at_once must be at least 1, got {at_once}")
    if one_per_gpu and at_once > len(names):
        raise WorkshopError(
            f"at_once must be at most {len(names)}, the number of GPUs, got {at_once}: give fewer, "
            "or leave out one_per_gpu"
        )
    shared = cpus.shared_by(at_once)
    if one_per_gpu:
        return [shared | {VARIABLE: name} for name in names[:at_once]]
    return [dict(shared) for _ in range(at_once)]


def _listed() -> list[str]:
    """Return the UUIDs that `nvidia-smi -L` lists: a line per GPU, then one per MIG instance.

    UUIDs, because the numbers of `nvidia-smi` and of CUDA may differ.  See "CUDA visible devices"
    in https://docs.nvidia.com/datacenter/tesla/mig-user-guide/.
    """
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    names: list[str] = []
    for uuid in re.findall(r"\(UUID: (\S+)\)", done.stdout if done.returncode == 0 else ""):
        if uuid.startswith("MIG-") and names and names[-1].startswith("GPU-"):
            names.pop()  # the divided GPU, which no program can use as a whole
        names.append(uuid)
    return names
