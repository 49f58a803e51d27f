"""The app as a site installs it."""

import os
import re
import shutil
from collections.abc import Callable

import pytest

from tests.browser.conftest import browser  # noqa: F401 - a fixture of these tests as well
from tests.ondemand.dashboard import Dashboard
from workshop import personal
from workshop.paths import ROOT

# What a site needs of the clone; its environment is linked, since it is large.
PARTS = (*personal.PARTS, "ondemand")


@pytest.fixture(scope="session")
def install(tmp_path_factory) -> Callable[..., Dashboard]:
    """Return a function that installs the app for sites, by the lines that are to be edited."""
    if not shutil.which("ruby"):
        reason = "ruby is not installed (Debian: apt-get install ruby)"
        if os.environ.get("WORKSHOP_REQUIRE_SLURM") == "1":
            pytest.fail(reason)
        pytest.skip(reason)

    def installed(*sites: str, dashboard: str = "") -> Dashboard:
        kit = tmp_path_factory.mktemp("kit of a class")
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, kit / part)
            else:
                shutil.copy(ROOT / part, kit / part)
        (kit / ".venv").symlink_to(ROOT / ".venv")
        settings = kit / "ondemand" / "sweep_workshop.rb"
        text = settings.read_text()
        for name, value in {"SITES": list(sites), "DASHBOARD": dashboard}.items():
            line = f"  {name} = {value!r}.freeze"
            text, edited = re.subn(rf"^  {name} = .*", line, text, flags=re.MULTILINE)
            assert edited == 1
        settings.write_text(text)
        return Dashboard(kit)

    return installed
