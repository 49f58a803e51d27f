"""What each user has done so far, for the class page.

Most of it stands in the store anyway: a sweep, an agent, a run.  Here is noted what leaves no
other trace, once per user and step, so that reading stays reading; and, in memory alone, when
each user was last heard.
"""

import re
import sqlite3
import time

from sweepserver.store.database import Store
from sweepserver.store.records import User

SIGNED_IN = "signed in"
ANALYZED = "analyzed runs"

# How the public API reads the results of many runs or the curves of one.  Agents, resuming runs and
# those who only look for the state of a run ask in other documents.
READS_RESULTS = {"RunFullHistory", "RunSampledHistory", "HistoryPage", "SampledHistoryPage"}
LISTS_RUNS = "Runs"  # reads results if it asks for these, too:
RESULTS = "summaryMetrics"
OPERATION = re.compile(r"\bquery\s+(\w+)")  # the client does not always tell it beside the document


class Activity:
    """Notes steps of users.

    Args:
        store: Where to.
    """

    def __init__(self, store: Store):
        self._store = store
        self._noted = set(map(tuple, store.execute("SELECT user, step FROM activity")))
        self._heard: dict[str, float] = {}

    def heard_at(self, user: User) -> float:
        """Return when a user last asked for something since the server started; 0 for never."""
        return self._heard.get(user.name, 0)

    def touch(self, user: User, request: object = None) -> None:
        """Record a user's request.

        Args:
            user: Who asked.
            request: The body of a GraphQL request that was answered.
        """
        self._heard[user.name] = time.time()
        try:
            self._note(user, SIGNED_IN)
            if is_analysis(user, request):
                self._note(user, ANALYZED)
        except sqlite3.Error:
            pass  # the disk is full, which is no reason to refuse the request; try next time

    def _note(self, user: User, step: str) -> None:
        if (user.name, step) in self._noted:
            return
        with self._store.writing():
            if step == ANALYZED and not self._has_results(user):
                return
            self._store.execute(
                "INSERT OR IGNORE INTO activity (user, step, at) VALUES (?, ?, ?)",
                user.name,
                step,
                time.time(),
            )
        self._noted.add((user.name, step))

    def _has_results(self, user: User) -> bool:
        return bool(
            self._store.execute(
                "SELECT 1 FROM runs JOIN projects ON projects.id = runs.project_id "
                "WHERE entity = ? AND state NOT IN ('pending', 'running', 'preempting') LIMIT 1",
                user.entity,
            ).fetchone()
        )


def is_analysis(user: User, request: object) -> bool:
    """Return whether a GraphQL request that was answered reads results of a user's own runs."""
    if not isinstance(request, dict):
        return False
    operation = OPERATION.search(request["query"])
    name = operation and operation[1]
    reads = name in READS_RESULTS or (name == LISTS_RUNS and RESULTS in request["query"])
    entity = (request.get("variables") or {}).get("entity")
    return reads and entity in (None, user.entity)
