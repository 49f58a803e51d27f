import os
from pathlib import Path

import pytest

from tests.browser.conftest import browser  # noqa: F401 - a fixture of these tests as well
from tests.hub.environment import ClosedError, python_for_others
from tests.hub.running import Hub, missing, participants


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """Return the hub's Python; skip, or fail with WORKSHOP_REQUIRE_HUB=1, where none can be run."""
    try:
        reason = missing()
        if not reason:
            return python_for_others(open_folder(tmp_path_factory, "environment") / "venv")
    except ClosedError as error:
        reason = str(error)
    if os.environ.get("WORKSHOP_REQUIRE_HUB") == "1":
        pytest.fail(f"no JupyterHub: {reason}")
    pytest.skip(f"no JupyterHub: {reason}")


@pytest.fixture(scope="module")
def people(python):
    with participants(2) as made:
        yield made


@pytest.fixture(scope="module")
def hub(python, people, tmp_path_factory):
    with Hub(tmp_path_factory.mktemp("hub"), python) as running:
        yield running


def open_folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """Return a folder of pytest's that other users can read."""
    folder = factory.mktemp(name)
    folder.chmod(0o755)
    for above in (factory.getbasetemp(), factory.getbasetemp().parent):
        above.chmod(above.stat().st_mode | 0o011)
    return folder
