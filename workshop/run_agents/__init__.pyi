from . import rehearsal as rehearsal
from . import slurm as slurm
from .array_fallback import run_array, runs_for_array
from .local import run_in_process, run_processes
from .scheduled import run_with_scheduler
from .warm import run_warm

__all__ = [
    "rehearsal",
    "run_array",
    "run_in_process",
    "run_processes",
    "run_warm",
    "run_with_scheduler",
    "runs_for_array",
    "slurm",
]
