"""Fair queues: no participant's requests hold up another's for long.

Each participant has a few places for requests that are worked on at once, and waits for one
without a thread.  Participants then write to the store in turn.
"""

import asyncio
import threading
from collections import OrderedDict, defaultdict, deque
from contextvars import ContextVar

REQUEST_PLACES = 64
LARGE_PLACES = 1
FORM_PLACES = 64
# Of the forty threads of the server.  These compute, which is no faster if more is done at once; in
# mutations agents may also wait for `bayes`.
PARSE_PLACES, READ_PLACES, POST_PLACES, MUTATION_PLACES = 4, 2, 4, 16

ASKING: ContextVar[str] = ContextVar("asking", default="")
"""The name of the participant whose request is worked on; none for what the server itself does."""


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

    def __init__(self) -> None:
        self.requests = asyncio.Semaphore(REQUEST_PLACES)
        self.large = asyncio.Semaphore(LARGE_PLACES)
        self.parses = asyncio.Semaphore(PARSE_PLACES)
        self.reads = asyncio.Semaphore(READ_PLACES)
        self.posts = asyncio.Semaphore(POST_PLACES)
        self.mutations = asyncio.Semaphore(MUTATION_PLACES)


class Queues:
    """Everybody's places, by name.

    Attributes:
        forms: For the keys that are typed into a form, by whoever has no name yet.
    """

    def __init__(self) -> None:
        self.forms = asyncio.Semaphore(FORM_PLACES)
        self._places: defaultdict[str, Places] = defaultdict(Places)

    def of(self, name: str) -> Places:
        """Return the places of a participant whose request is being processed."""
        ASKING.set(name)
        return self._places[name]


class FairLock:
    """A lock that waiting participants get in turn.

    An ordinary lock may be had again and again by the thread that has just released it, and one
    that is given in the order of arrival has whoever asks for one thing wait for all that somebody
    else has asked for before.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._is_held = False
        self._holder = ""
        # By participant: the one who has waited longest for a turn is the first.
        self._waiting: OrderedDict[str, deque[threading.Event]] = OrderedDict()

    def __enter__(self) -> None:
        who = ASKING.get()
        with self._guard:
            if not self._is_held:
                self._is_held, self._holder = True, who
                return
            turn = threading.Event()
            self._waiting.setdefault(who, deque()).append(turn)
        try:
            turn.wait()
        except BaseException:  # Ctrl-C
            with self._guard:
                was_given = turn not in self._waiting.get(who, ())
                if not was_given:
                    self._remove(who, turn)
            if was_given:
                self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if not self._waiting:
                self._is_held = False
                return
            # Whoever has just had the lock comes last.
            others = (name for name in self._waiting if name != self._holder)
            self._holder = next(others, self._holder)
            turn = self._waiting[self._holder][0]
            self._remove(self._holder, turn)
            if self._holder in self._waiting:
                self._waiting.move_to_end(self._holder)
            turn.set()

    def _remove(self, who: str, turn: threading.Event) -> None:
        self._waiting[who].remove(turn)
        if not self._waiting[who]:
            del self._waiting[who]
