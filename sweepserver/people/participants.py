"""The progress of each participant of a class, from what they have stored.

Four steps can be seen from here.  Signing in and analyzing are noted as `activity`; registering a
sweep and starting an agent are in the tables of those.
"""

from dataclasses import dataclass

from sweepserver.people.activity import ANALYZED, SIGNED_IN, Activity
from sweepserver.store.database import Store
from sweepserver.store.records import User

STEPS = (SIGNED_IN, "registered a sweep", "started an agent", ANALYZED)
RUNNING = ("pending", "running", "preempting")
FAILED = ("failed", "crashed")


@dataclass(frozen=True, slots=True)
class Participant:
    """One person of the class.

    Attributes:
        user: Who it is.
        step: How many of the `STEPS` they have made; the last one counts, not those before it.
        step_at: When they made it; None before the first one.
        project: The name of their newest project.
        sweeps: How many they have registered.
        running: How many of their runs go on.
        finished: How many of their runs have finished.
        failed: How many of their runs have failed or crashed.
        newest_failed: Project and ID of the newest one of these.
        heard_at: When anything of theirs was last heard; None if never.
    """

    user: User
    step: int
    step_at: float | None
    project: str | None
    sweeps: int
    running: int
    finished: int
    failed: int
    newest_failed: tuple[str, str] | None
    heard_at: float | None


def participants(store: Store, activity: Activity, people: list[User]) -> list[Participant]:
    """Return the progress of some users, by name."""
    with store.reading():
        noted = {(user, step): at for user, step, at in by(store, NOTED)}
        projects = {entity: name for entity, name, _ in by(store, PROJECTS)}
        sweeps = {entity: (count, first) for entity, count, first in by(store, SWEEPS)}
        agents = {entity: (first, last) for entity, first, last in by(store, AGENTS)}
        runs = {(entity, state): (n, last) for entity, state, n, last in by(store, RUNS)}
        failed = {entity: (project, run) for entity, project, run, _ in by(store, NEWEST_FAILED)}

    def participant(user: User) -> Participant:
        entity = user.entity
        own = {state: found for (whose, state), found in runs.items() if whose == entity}
        number, registered_at = sweeps.get(entity, (0, None))
        started_at, beat_at = agents.get(entity, (None, None))
        times = (
            noted.get((user.name, SIGNED_IN)),
            registered_at,
            started_at,
            noted.get((user.name, ANALYZED)),
        )
        step = max((place for place, at in enumerate(times, 1) if at), default=0)
        heard = [activity.heard_at(user), beat_at, *times, *(last for _, last in own.values())]
        return Participant(
            user=user,
            step=step,
            step_at=times[step - 1] if step else None,
            project=projects.get(entity),
            sweeps=number,
            running=sum(own.get(state, (0,))[0] for state in RUNNING),
            finished=own.get("finished", (0,))[0],
            failed=sum(own.get(state, (0,))[0] for state in FAILED),
            newest_failed=failed.get(entity),
            heard_at=max((at for at in heard if at), default=None),
        )

    return [participant(user) for user in sorted(people, key=lambda user: user.name)]


def by(store: Store, statement: str) -> list:
    """Return the rows of one of the statements below."""
    return store.execute(statement).fetchall()


NOTED = "SELECT user, step, at FROM activity"
# Where there is one max(), SQLite takes the other columns from the row that has it.
PROJECTS = "SELECT entity, name, max(id) FROM projects GROUP BY entity"
SWEEPS = """
SELECT entity, count(*), min(sweeps.created_at)
FROM sweeps JOIN projects ON projects.id = sweeps.project_id GROUP BY entity"""
AGENTS = """
SELECT entity, min(agents.created_at), max(agents.heartbeat_at)
FROM agents JOIN sweeps ON sweeps.id = agents.sweep_id
JOIN projects ON projects.id = sweeps.project_id GROUP BY entity"""
RUNS = """
SELECT entity, state, count(*), max(heartbeat_at)
FROM runs JOIN projects ON projects.id = runs.project_id
WHERE NOT is_hidden GROUP BY entity, state"""
NEWEST_FAILED = """
SELECT entity, projects.name, runs.name, max(runs.id)
FROM runs JOIN projects ON projects.id = runs.project_id
WHERE state IN ('failed', 'crashed') GROUP BY entity"""
