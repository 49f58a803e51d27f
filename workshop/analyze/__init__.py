"""Step 4, analyze a sweep: its runs as a table, the best of them, and which parameter mattered.

Everything works on pandas frames: `fetch_runs` and `history` make them through W&B's public
API, the other functions need no server.  Figures are in `workshop.analyze.plots`.
"""

from sweepserver.search import hyperparameters
from workshop.analyze.checks import overhead, requested_and_effective
from workshop.analyze.parameter_importance import chance_correlation, importance
from workshop.analyze.ranking import left_out, rank
from workshop.analyze.running_best import best_so_far
from workshop.analyze.snapshot import look
from workshop.initialize.run_tables import SUMMARY, fetch_runs, history

__all__ = [
    "SUMMARY",
    "best_so_far",
    "chance_correlation",
    "fetch_runs",
    "history",
    "hyperparameters",
    "importance",
    "left_out",
    "look",
    "overhead",
    "rank",
    "requested_and_effective",
]
