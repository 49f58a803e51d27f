from .definition import combinations, grid, load, preview
from .linter import lint
from .saving import save

__all__ = [
    "combinations",
    "grid",
    "lint",
    "load",
    "preview",
    "save",
]
