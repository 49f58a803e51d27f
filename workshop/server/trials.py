"""What a sweep has tried, and how many runs it is still to have."""

import json

from workshop.server import lines, search
from workshop.server.records import LIVE_STATES, Run, Sweep
from workshop.server.store import Store
from workshop.server.values import unwrap


def trials(store: Store, sweep: Sweep) -> list[search.Trial]:
    """Return the points that a sweep has tried or tries, in the order of its runs."""
    rows = store.execute(
        "SELECT suggestion, config, state, summary, extremes FROM runs "
        "WHERE sweep_id = ? ORDER BY id",
        sweep.id,
    )
    settings = sweep.settings
    needed = settings["method"] == "bayes" or "target" in (settings.get("metric") or ())
    metric = sweep.metric if needed else None
    return [
        search.Trial(
            point=point_of(suggestion, config),
            value=metric and lines.value_of(metric, summary, extremes),
            is_live=state in LIVE_STATES,
        )
        for suggestion, config, state, summary, extremes in rows
    ]


def point_of(suggestion: str | None, config: str) -> dict:
    """Return a run's point: its config, and what was suggested where that lacks it."""
    return json.loads(suggestion or "{}") | unwrap(json.loads(config))


def locked(run: Run, config: str) -> str:
    """Return the config that a program sends, with what its sweep picked for it as it was.

    The client locks these values in the same way.  After a run's end its user may change them.
    """
    if run.suggestion is None:
        return config
    given = json.loads(config)
    for name, value in json.loads(run.suggestion).items():
        kept = given.get(name)
        kept = kept.get("value") if isinstance(kept, dict) else None
        # A program may add keys to a mapping that it was given.
        grown = isinstance(kept, dict) and isinstance(value, dict)
        if (run.is_live and not grown) or name not in given:
            given[name] = {"value": value}
    return json.dumps(given)


def expected_runs(store: Store, sweep: Sweep) -> int | None:
    """Return how many runs a sweep will have had in the end, None if it never ends by itself.

    They are the runs that it has, prior and repeated ones too, and those that it lacks.
    """
    past = trials(store, sweep)
    remaining = search.remaining_runs(sweep.settings, past)
    return None if remaining is None else len(past) + remaining
