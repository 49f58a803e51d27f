"""`python -m workshop.server`: serves a store until it is stopped."""

import argparse
import logging
import os
import signal
import sys
from pathlib import Path

from workshop.server.app import serve
from workshop.server.errors import StartError


def main() -> int:
    """Run the command; return its exit status, 2 if the server cannot start."""
    parser = argparse.ArgumentParser(
        prog="python -m workshop.server", description="A local W&B server for the workshop."
    )
    parser.add_argument(
        "--store", type=Path, required=True, help="folder of the data; made if missing"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (%(default)s)")
    parser.add_argument(
        "--port", type=int, default=8999, help="port, 0 for a free one (%(default)s)"
    )
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    os.umask(0o077)
    # uvicorn shuts down cleanly at either signal, then raises it again for this process.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(options.store, options.host, options.port)
    except StartError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
