import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import browser  # noqa: F401 - a fixture of these tests as well
from tests.hub.environment import ClosedError, python_for_others
from tests.hub.running import Hub, missing, participants


@pytest.fixture(scope="module")
def python() -> Iterator[Path]:
    """Yield the hub's Python; skip, or fail with WORKSHOP_REQUIRE_HUB=1, where none can be run."""
    # Not pytest's folder, which is closed to other users.
    with tempfile.TemporaryDirectory(prefix="hub-") as folder:
        Path(folder).chmod(0o755)
        try:
            reason = missing()
            if not reason:
                yield python_for_others(Path(folder) / "venv")
                return
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
