from .array import ArrayJob, submit, wait
from .cancellation import cancel
from .commands import available
from .repairs import gaps, repair
from .report import as_json, counts, describe, remarkable, select
from .submission import SCRIPT, RunsPerTask, Submission, plan
from .task_ledger import LIVE, ledger, occupancy

__all__ = [
    "LIVE",
    "SCRIPT",
    "ArrayJob",
    "RunsPerTask",
    "Submission",
    "as_json",
    "available",
    "cancel",
    "counts",
    "describe",
    "gaps",
    "ledger",
    "occupancy",
    "plan",
    "remarkable",
    "repair",
    "select",
    "submit",
    "wait",
]
