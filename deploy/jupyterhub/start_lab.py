#!/usr/bin/env python
"""What a hub starts for a participant, as that participant: JupyterLab in their copy of the kit."""

import os
import sys

from jupyterhub.singleuser import main

from workshop.classroom import copies, jupyterhub_jobs
from workshop.connection import local_server
from workshop.errors import exit_status
from workshop.run_agents import rehearsal


def start() -> None:
    """Run JupyterLab until the hub stops it."""
    folder = copies.copy(jupyterhub_jobs.WORK_FOLDER)
    os.environ.update(jupyterhub_jobs.environment(folder))
    os.chdir(folder)
    try:
        with rehearsal.session():
            main()
    finally:
        # It would go on in the background, one for each participant who has left.
        local_server.stop()


if __name__ == "__main__":
    sys.exit(exit_status(start))
