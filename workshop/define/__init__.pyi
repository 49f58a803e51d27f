from .definition import combinations, grid, load, preview
from .linter import lint

__all__ = [
    "combinations",
    "grid",
    "lint",
    "load",
    "preview",
]
