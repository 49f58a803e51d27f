"""Compare the search methods grid, random and bayes on runs that were trained once.

Training anew for every method, and often enough to tell luck from skill, would take days.
Instead every combination of a small grid was trained once, and the methods look results up in
that table.  `maintenance.record_search_methods` is the program that wrote it.
"""

from workshop.analyze.search_methods.replay import METRIC, compare, recorded, replay

__all__ = ["METRIC", "compare", "recorded", "replay"]
