from . import slurm as slurm
from .local import run_in_process, run_processes
from .warm import run_warm

__all__ = [
    "run_in_process",
    "run_processes",
    "run_warm",
    "slurm",
]
