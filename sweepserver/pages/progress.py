"""A run's progress, judged by its config and what it logged."""

import math

from sweepserver.pages import tables
from sweepserver.pages.numbers import as_float, is_number
from sweepserver.pages.tables import Cell
from sweepserver.store.facts import RunFacts

# What programs commonly log as they go, and what their configs call its end.
COUNTERS = ("Epoch", "epoch")
EPOCHS = ("num_epochs", "epochs", "max_epochs", "n_epochs", "num_train_epochs")
STEPS = ("num_steps", "steps", "max_steps", "total_steps")


def progress(facts: RunFacts) -> Cell:
    """Return a cell such as `epoch 3 of 10`, with a bar where the end is known."""
    if facts.run.state == "pending":
        return tables.text("waits for its agent")
    if facts.run.history_lines == 0:
        return tables.text("has logged nothing yet")
    epoch = first_number({name: latest(facts, name) for name in COUNTERS}, COUNTERS)
    if epoch is not None:
        return bar("epoch", epoch, first_number(facts.config, EPOCHS))
    return bar("step", facts.run.last_step, first_number(facts.config, STEPS))


def latest(facts: RunFacts, name: str) -> object:
    """Return the value of a metric that a run has logged last.

    The client sends the summary of a live run only now and then, the history at once.
    """
    if facts.run.is_live:
        known = facts.history_keys.get(name, {})
        if "previousValue" in known:
            return known["previousValue"]
    return facts.get(f"summary_metrics.{name}")


def first_number(values: dict, names: tuple[str, ...]) -> float | None:
    """Return the first of several values that is a finite number."""
    numbers = (as_float(values[name]) for name in names if is_number(values.get(name)))
    return next(filter(math.isfinite, numbers), None)


def bar(unit: str, done: float, end: float | None) -> Cell:
    """Return a cell that says how much of something is done."""
    if end is None or end <= 0:
        return Cell(f"{unit} {done:g}", done)
    share = min(1.0, max(0.0, done / end))
    return Cell(f"{unit} {done:g} of {end:g}", share, share=share)
