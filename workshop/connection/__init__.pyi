from .backend import connect

__all__ = [
    "connect",
]
