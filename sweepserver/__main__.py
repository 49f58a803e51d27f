"""`python -m sweepserver`: serves a store until it is stopped."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from sweepserver.errors import StartError
from sweepserver.serving import Options, serve
from sweepserver.store.quota import DEFAULT_QUOTA_GIB

DESCRIPTION = "Run a W&B server for yourself or for a class, until Ctrl-C."
EPILOG = """\
Only this machine can reach the server unless --host says otherwise; 0.0.0.0 means every network.
Keys are then sent unencrypted unless you give a certificate.

The roster has a line for each person, under a header with the column name and perhaps role:

  name,role
  ada,
  grace,instructor

Each person gets a key and an entity with their name.  They can read everything, and write only to
their own entity; instructors can write everywhere.  Hand out each person's key, which is in
keys/NAME.netrc in the store's folder.  To change the class, edit the roster and restart: existing
keys stay the same, new people get one, and people who were removed are locked out and keep their
data.
"""


def main(
    arguments: list[str] | None = None,
    prog: str = "python -m sweepserver",
    store: Path | None = None,
    ports: Sequence[int] = (8999,),
    figures: str | None = None,
) -> int:
    """Run the command.

    Args:
        arguments: The command line; that of this process if None.
        prog: The command's name.
        store: The folder to take if none is named.
        ports: The ports to try if none is named.
        figures: What draws figures if nothing is named.

    Returns:
        The exit status, 2 if the server cannot start.
    """
    parser = argparse.ArgumentParser(
        prog=prog,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    where = f" ({store})" if store else ""
    parser.add_argument(
        "--store", type=Path, default=store, required=store is None, metavar="FOLDER",
        help=f"folder for the data, created if missing{where}",
    )  # fmt: skip
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", dest="ports", type=int, nargs="+", default=ports, metavar="PORT",
        help=f"port, 0 for a free one ({ports[0]}); of several, the first that is free",
    )  # fmt: skip
    parser.add_argument("--roster", type=Path, metavar="FILE", help="the people of a class, as CSV")
    parser.add_argument(
        "--no-leaderboard", dest="has_leaderboard", action="store_false",
        help="no page that ranks everybody's best runs",
    )  # fmt: skip
    parser.add_argument(
        "--quota", type=float, default=DEFAULT_QUOTA_GIB, metavar="GIB",
        help="space for the runs, files and artifacts of each person in the class (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--figures", default=figures, metavar="MODULE:FUNCTION",
        help=f"what draws the figures of sweeps ({figures or 'none are drawn'})",
    )  # fmt: skip
    parser.add_argument("--certfile", type=Path, metavar="FILE", help="certificate, for https")
    parser.add_argument("--keyfile", type=Path, metavar="FILE", help="the certificate's key")
    parser.add_argument(
        "--proxied-as", metavar="NAME",
        help="host name under which a proxy of yours, such as JupyterHub's, serves the pages",
    )  # fmt: skip
    options = Options(**vars(parser.parse_args(arguments)))
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    os.umask(0o077)
    # uvicorn shuts down cleanly at either signal, then raises it again for this process.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(options)
    except StartError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
