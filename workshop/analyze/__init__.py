"""Step 4, analyze a sweep: its runs as a table, the best run, and the importance of parameters.

Everything works on pandas frames.  `fetch_runs` and `history` fetch them through W&B's public API;
the other functions need no server.  Figures are in `workshop.analyze.plots`.
"""

from workshop.analyze.checks import overhead, requested_and_effective
from workshop.analyze.confirmation import confirm
from workshop.analyze.models import best_model, load_model
from workshop.analyze.parameter_importance import chance_correlation, importance
from workshop.analyze.pareto import rank_fronts
from workshop.analyze.ranking import left_out, metric_and_goal, rank
from workshop.analyze.replicates import rank_points
from workshop.analyze.running_best import best_so_far
from workshop.analyze.snapshot import look
from workshop.define.search_space import hyperparameters
from workshop.initialize.run_tables import SUMMARY, fetch_runs, history

__all__ = [
    "SUMMARY",
    "best_model",
    "best_so_far",
    "chance_correlation",
    "confirm",
    "fetch_runs",
    "history",
    "hyperparameters",
    "importance",
    "left_out",
    "load_model",
    "look",
    "metric_and_goal",
    "overhead",
    "rank",
    "rank_fronts",
    "rank_points",
    "requested_and_effective",
]
