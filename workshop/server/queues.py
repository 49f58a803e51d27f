"""Who is next: no participant's requests keep those of another one waiting for long.

Each participant has a few places for requests that are worked on at once, and waits for one
without a thread.  Whoever writes to the store then has a turn in the order of arrival.
"""

import asyncio
import threading
from collections import defaultdict, deque

REQUESTS = 64
LARGE = 1
# Of the forty threads of the server.  These compute, which is no faster if more is done at once; in
# mutations agents may also wait for `bayes`.
PARSES, READS, POSTS, MUTATIONS = 4, 2, 4, 16


class Places:
    """The places of one participant.

    Attributes:
        requests: For requests that are read, worked on or wait.
        large: For those among them that have a large body.
        parses: For documents of GraphQL.
        reads: For queries and pages.
        posts: For the posts of runs.
        mutations: For mutations.
    """

    def __init__(self):
        self.requests = asyncio.Semaphore(REQUESTS)
        self.large = asyncio.Semaphore(LARGE)
        self.parses = asyncio.Semaphore(PARSES)
        self.reads = asyncio.Semaphore(READS)
        self.posts = asyncio.Semaphore(POSTS)
        self.mutations = asyncio.Semaphore(MUTATIONS)


class Queues:
    """The places of everybody, by name."""

    def __init__(self):
        self._places: defaultdict[str, Places] = defaultdict(Places)

    def of(self, name: str) -> Places:
        """Return the places of a participant."""
        return self._places[name]


class FirstComeLock:
    """A lock that is given to whoever has waited longest.

    An ordinary lock may be had again and again by the thread that has just released it.
    """

    def __init__(self):
        self._guard = threading.Lock()
        self._is_held = False
        self._waiting: deque[threading.Event] = deque()

    def __enter__(self) -> None:
        with self._guard:
            if not self._is_held:
                self._is_held = True
                return
            turn = threading.Event()
            self._waiting.append(turn)
        try:
            turn.wait()
        except BaseException:  # Ctrl-C
            with self._guard:
                was_given = turn not in self._waiting
                if not was_given:
                    self._waiting.remove(turn)
            if was_given:
                self.__exit__()
            raise

    def __exit__(self, *_) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_held = False
