"""The report on a sweep, one page to hand in: question, definition, results, and limits."""

from workshop.analyze.report.contents import collect
from workshop.analyze.report.page import render, write

__all__ = ["collect", "render", "write"]
