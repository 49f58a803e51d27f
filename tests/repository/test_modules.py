"""The modules of the two packages."""

import pytest

from workshop.paths import ROOT

MOST_LINES = 400


@pytest.mark.parametrize("package", ["sweepserver", "workshop"])
def test_every_module_stays_short(package):
    modules = list((ROOT / package).rglob("*.py"))
    assert len(modules) > 50
    assert {m.name for m in modules if len(m.read_text().splitlines()) > MOST_LINES} == set()
