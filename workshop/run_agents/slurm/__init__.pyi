from .array import ArrayJob, cancel, submit, wait
from .availability import AUTO, Availability, available
from .repairs import gaps, repair, repair_here
from .report import as_json, counts, describe, remarkable, select
from .site import REHEARSAL
from .submission import SCRIPT, RunsPerTask, Submission, plan
from .task_ledger import LIVE, ledger, occupancy

__all__ = [
    "AUTO",
    "LIVE",
    "REHEARSAL",
    "SCRIPT",
    "ArrayJob",
    "Availability",
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
    "repair_here",
    "select",
    "submit",
    "wait",
]
