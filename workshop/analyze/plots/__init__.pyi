from .contour_plot import contour
from .curves import best_so_far, learning_curves, method_comparison
from .early_termination import hyperband
from .importance import importance_bars
from .intervals import point_intervals
from .parallel_axes import parallel_coordinates
from .presentation import run_labels, show
from .scatter_plot import scatter
from .slice_plot import slices
from .timelines import array_timeline, task_timeline
from .tradeoff import pareto_front

__all__ = [
    "array_timeline",
    "best_so_far",
    "contour",
    "hyperband",
    "importance_bars",
    "learning_curves",
    "method_comparison",
    "parallel_coordinates",
    "pareto_front",
    "point_intervals",
    "run_labels",
    "scatter",
    "show",
    "slices",
    "task_timeline",
]
