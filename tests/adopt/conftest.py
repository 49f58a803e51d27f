"""What the tests of `workshop adopt` share."""

import pytest

from tests.adopt.limits import WARNED_S
from workshop.adopt import trials


@pytest.fixture(autouse=True)
def time_to_end(monkeypatch):
    """Give a program that was sent a signal the time that a busy machine takes."""
    monkeypatch.setattr(trials, "WARNED_S", WARNED_S)
