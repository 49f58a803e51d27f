"""What the probe asks on a compute node: do runs reach the server, with the key, for the sweep?"""

import os
import sys
from urllib.parse import urlsplit

from workshop.connection import mode
from workshop.connection.browser_links import is_this_machine
from workshop.connection.credentials import server_url
from workshop.errors import WorkshopError, exit_status


def main(sweep_path: str) -> None:
    """Print that the sweep is reached from here.

    Raises:
        WorkshopError: it is not.
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
    try:
        registration.get(sweep_path)
    except WorkshopError as error:
        raise WorkshopError(f"on node {node}: {error}") from None
    print(f"node {node} reaches {url}, with the key and the sweep")


def _advice(url: str) -> str:
    if not is_this_machine(url):
        return ""
    return (
        f"; {urlsplit(url).hostname} means every machine itself, so start the server on an "
        "address that the nodes reach (`workshop server --host`, see docs/slurm.md)"
    )


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(sys.argv[1])))
