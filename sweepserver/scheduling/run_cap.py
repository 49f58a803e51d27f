"""How many runs of a sweep may begin whose scheduler decides what to try.

`wandb sweep-scheduler` counts only runs that have finished, and keeps several in flight until
`run_cap` of them have: more runs would begin than that, and where all fail it would never end.
Here, `run_cap` counts every run that has begun, as it does in other sweeps.
"""

from sweepserver.store.database import Store
from sweepserver.store.records import LIVE_STATES, NEVER_STARTED, Sweep

# What waits for an agent may have begun before, but is still to be given out.
BEGUN = f"sweep_id = ? AND NOT (state = 'pending' AND agent_id IS NULL OR {NEVER_STARTED})"


def may_begin(store: Store, sweep: Sweep) -> bool:
    """Return whether an agent may be given another run that is enqueued."""
    cap = _cap(sweep)
    if cap is None:
        return True
    statement = f"SELECT count(*) FROM (SELECT 1 FROM runs WHERE {BEGUN} LIMIT ?)"  # noqa: S608
    (begun,) = store.execute(statement, sweep.id, cap).fetchone()
    return begun < cap


def ends_here(store: Store, sweep: Sweep) -> bool:
    """Return whether all runs that a sweep may have are over, and its scheduler does not see that.

    If as many have finished, the scheduler learns from them and ends the sweep itself.
    """
    cap = _cap(sweep)
    if cap is None or may_begin(store, sweep):
        return False
    counts = dict(
        store.execute(
            f"SELECT state, count(*) FROM runs WHERE {BEGUN} GROUP BY state",  # noqa: S608
            sweep.id,
        ).fetchall()
    )
    is_over = not any(counts.get(state) for state in (*LIVE_STATES, "preempted"))
    return is_over and counts.get("finished", 0) < cap


def _cap(sweep: Sweep) -> int | None:
    return sweep.settings.get("run_cap") if sweep.is_scheduled else None
