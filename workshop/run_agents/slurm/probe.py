"""The probe: check on a compute node that the array's tasks can work, before any of them starts.

Do runs reach the server, with the key, for the sweep?  Do agents find the sweep's program?
"""

import os
import sys
from urllib.parse import urlsplit

from workshop.connection import mode
from workshop.connection.browser_links import is_this_machine
from workshop.connection.credentials import server_url
from workshop.define import program as programs
from workshop.errors import WorkshopError, exit_status

NO_SWEEP = "-"
"""Instead of a sweep: only the server is asked."""


def main(sweep_path: str) -> None:
    """Check that the sweep can be reached from here, and print that.

    Args:
        sweep_path: `entity/project/ID`, or `NO_SWEEP`.

    Raises:
        WorkshopError: it can't, or its program isn't where agents start it.
    """
    from workshop.connection.reachability import check_reachable
    from workshop.initialize import registration

    node = os.environ["SLURMD_NODENAME"]
    url = server_url()
    try:
        mode.check(mode.find())
        check_reachable(url)
    except WorkshopError as error:
        raise WorkshopError(f"from node {node}, {error}{_advice(url)}") from None
    if sweep_path == NO_SWEEP:
        print(f"node {node} runs the kit and reaches {url}")
        return
    try:
        definition = registration.get(sweep_path).config
    except WorkshopError as error:
        raise WorkshopError(f"on node {node}: {error}") from None
    if place := programs.unfound_in(definition):
        raise WorkshopError(
            f"on node {node}, sweep {sweep_path} starts {definition['program']}, which is not in "
            f"{place}: register the definition's file again with `register(load(FILE), "
            "PROJECT)`, which records the program's folder, on a file system that the nodes share"
        )
    print(f"node {node} reaches {url}, with the key and the sweep")


def _advice(url: str) -> str:
    if not is_this_machine(url):
        return ""
    return (
        f"; {urlsplit(url).hostname} is each machine's own address, so start the server on an "
        "address that the nodes can reach (`workshop server --host`, see docs/slurm.md)"
    )


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(sys.argv[1])))
