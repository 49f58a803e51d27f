from .curves import best_so_far, learning_curves, method_comparison
from .importance import importance_bars
from .parallel_axes import parallel_coordinates
from .presentation import run_labels, show
from .timelines import array_timeline, task_timeline

__all__ = [
    "array_timeline",
    "best_so_far",
    "importance_bars",
    "learning_curves",
    "method_comparison",
    "parallel_coordinates",
    "run_labels",
    "show",
    "task_timeline",
]
