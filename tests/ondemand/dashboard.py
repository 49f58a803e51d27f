"""What of Open OnDemand's dashboard runs the app (dashboard.rb says how faithfully)."""

import json
import subprocess
from pathlib import Path


class RefusedError(Exception):
    """What the dashboard shows instead of submitting a job."""


class Dashboard:
    """Open OnDemand's dashboard with one app.

    Attributes:
        kit: the clone of the kit that the app is in.
    """

    def __init__(self, kit: Path):
        self.kit = kit

    def form(self) -> dict:
        """Return the form as the app describes it."""
        return json.loads(self._run("form"))

    def stage(self, folder: Path, **values: str) -> list[str]:
        """Write a session's files to its folder; return the command that submits its job."""
        arguments = json.loads(self._run("stage", str(folder), text=json.dumps(values)))
        return ["sbatch", "--parsable", *arguments, str(folder / "job_script_content.sh")]

    def view(self, folder: Path) -> str:
        """Return the HTML on the card of a session that runs."""
        return self._run("view", str(folder))

    def _run(self, task: str, *arguments: str, text: str = "") -> str:
        program = Path(__file__).with_name("dashboard.rb")
        done = subprocess.run(
            ["ruby", program, task, self.kit / "ondemand", *arguments],
            input=text, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        if done.returncode:
            raise RefusedError(done.stderr)
        return done.stdout
