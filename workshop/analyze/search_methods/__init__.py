"""Compare ways to search and to stop on runs that were trained once.

Training for every method, often enough to tell luck from skill, would take days.  Instead every
combination of a small grid was trained once, and the methods look up results in that table
(`maintenance.record_search_methods` wrote it).  Hyperband is replayed over learning curves from
`maintenance.record_curves`, and the effect of seeds was recorded by `maintenance.record_seeds`.
"""

from workshop.analyze.search_methods.luck import recorded_seeds, winners
from workshop.analyze.search_methods.replay import METRIC, compare, recorded, replay
from workshop.analyze.search_methods.stopping import (
    brackets,
    compare_stopping,
    outcome,
    recorded_curves,
    stop_early,
)

__all__ = [
    "METRIC",
    "brackets",
    "compare",
    "compare_stopping",
    "outcome",
    "recorded",
    "recorded_curves",
    "recorded_seeds",
    "replay",
    "stop_early",
    "winners",
]
