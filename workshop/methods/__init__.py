"""Compare ways to search and to stop on runs that were trained once.

Training anew for every method, and often enough to tell luck from skill, would take days.
Instead every combination of a small grid was trained once, and the methods look results up in
that table (`workshop.methods.record` is the program that wrote it); hyperband is replayed over
learning curves that `maintenance/record_curves.py` recorded.
"""

from workshop.methods.replay import METRIC, compare, recorded, replay
from workshop.methods.stopping import (
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
    "replay",
    "stop_early",
]
