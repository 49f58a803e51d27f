"""What the tests of `workshop adopt` share."""

import pytest

from tests.adopt.limits import LIMITS, WARNED_S
from workshop.adopt import session, trials


@pytest.fixture(autouse=True)
def enough_time(monkeypatch):
    """Give programs the time that a busy machine takes, for a trial and to end after a signal."""
    monkeypatch.setattr(trials, "WARNED_S", WARNED_S)
    monkeypatch.setattr(session, "Limits", lambda: LIMITS)
