"""Starting: what the command line says becomes a server that listens."""

import functools
import json
import os
import shlex
import socket
import sqlite3
import ssl
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from sweepserver.app import make_app
from sweepserver.connections import Connection, Connections, raise_descriptor_limit
from sweepserver.errors import StartError
from sweepserver.people.auth import DEFAULT_USER, Authenticator, is_loopback
from sweepserver.people.keys import key_file, provide_key, replace_private, require_private
from sweepserver.people.roster import admit, read_roster
from sweepserver.store.database import Store
from sweepserver.store.quota import DEFAULT_QUOTA_GIB, is_scarce

# Seconds.  Agents beat every 5 and runs post every 15 to 30: they need no new connection each time.
IDLE_CONNECTION = 65
LONGEST_END = 3
# For which a thread that computes keeps others waiting; an answer needs some dozen turns.
LONGEST_SLICE = 0.001
LONGEST_QUEUE = 2048  # of connections that are not accepted yet
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@dataclass(frozen=True)
class Options:
    """What the command line decides.

    Attributes:
        store: The store's folder; made if missing.
        host: The address to listen at.
        ports: The ports to try, in this order; 0 takes a free one.
        certfile: A certificate in PEM format, for TLS.
        keyfile: Its key, if that is in a file of its own.
        roster: A table of the people in the class.
        has_leaderboard: Whether everybody sees who has the best run.
        figures: The name of what draws the figures of a sweep, `module:function`; none are drawn
            without one.
        quota: How many GiB the files and artifacts of each person in the class may have.
        proxied_as: The name that a browser calls the proxy of the server's user by.
    """

    store: Path
    host: str = "127.0.0.1"
    ports: Sequence[int] = (8999,)
    certfile: Path | None = None
    keyfile: Path | None = None
    roster: Path | None = None
    has_leaderboard: bool = True
    figures: str | None = None
    quota: float = DEFAULT_QUOTA_GIB
    proxied_as: str | None = None


@dataclass(frozen=True)
class Address:
    """Where a server listens.

    Attributes:
        url: For everybody who can reach it.
        local_url: For this machine.
        is_loopback: Whether nobody else can reach it.
    """

    url: str
    local_url: str
    is_loopback: bool


def serve(options: Options) -> None:
    """Serve a store until a KeyboardInterrupt.

    Raises:
        StartError: The store, the port, the certificate or the roster cannot be used.
    """
    people = options.roster and read_roster(options.roster)
    if not 0 < options.quota < 2**30:
        raise StartError(f"--quota is {options.quota:g}, but must be more than 0 (GiB).")
    check_certificate(options.certfile, options.keyfile)
    folder = options.store.expanduser().resolve()
    note = folder / "server.json"
    store = Store(folder)
    try:
        listener = listen(options.host, options.ports)
        address = address_of(listener, options.host, "https" if options.certfile else "http")
        if not address.is_loopback:
            require_private(folder)
        urls = list(dict.fromkeys([address.url, address.local_url]))
        admit(store, people, lambda name: provide_key(folder, name, urls))
        key = provide_key(folder, DEFAULT_USER, urls)
        authenticator = Authenticator(store, key, not address.is_loopback, options.proxied_as)
        app = make_app(
            store,
            authenticator,
            options.has_leaderboard,
            int(options.quota * 2**30),
            options.figures,
        )
        write_note(note, address, options.certfile, app.state.instance)
        announce(folder, address, authenticator)
        connections = Connections(raise_descriptor_limit(), options.proxied_as is not None)
        config = uvicorn.Config(
            app,
            http=functools.partial(Connection, connections),
            backlog=connections.most_at_once,
            access_log=False,
            log_level="warning",
            proxy_headers=False,  # they would let another user pretend to be this one
            ssl_certfile=options.certfile,
            ssl_keyfile=options.keyfile,
            timeout_keep_alive=IDLE_CONNECTION,
            timeout_graceful_shutdown=1,
        )
        sys.setswitchinterval(LONGEST_SLICE)
        Server(config, end=lambda: end(app, note)).run(sockets=[listener])
    except (OSError, sqlite3.Error) as error:
        raise StartError(
            f"The store folder {folder} cannot be used ({error}); make room there or choose "
            "another one: --store FOLDER."
        ) from error
    finally:
        note.unlink(missing_ok=True)
        store.close()


class Server(uvicorn.Server):
    """A server that ends soon after it is told to, whatever is being worked on.

    Its queue of connections is long; it takes `backlog` of them at a time.

    Args:
        config: How to serve.
        end: What is called if the server has not ended after `LONGEST_END` seconds.
    """

    def __init__(self, config: uvicorn.Config, end: Callable[[], None]):
        super().__init__(config)
        self._end = end

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve; asyncio makes the queue as short as what is taken at a time."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(LONGEST_QUEUE)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to shut down at a signal, and see that it comes to an end."""
        watch = threading.Timer(LONGEST_END, self._end)
        watch.daemon = True
        watch.start()
        super().handle_exit(sig, frame)


def end(app: Starlette, note: Path) -> None:
    """End this process at once; what was acknowledged is kept, and what was not is repeated."""
    note.unlink(missing_ok=True)
    app.state.compute.kill()
    os._exit(0)


def listen(host: str, ports: Sequence[int]) -> socket.socket:
    """Return a socket that listens at the first port that is free.

    Raises:
        StartError: None is, or the host is not of this machine.
    """
    for port in ports:
        if not 0 <= port <= 65535:
            raise StartError(f"--port is {port}, but must be between 0 and 65535.")
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )[0]
            # asyncio sends small replies at once (TCP_NODELAY) only if the protocol is named.
            listener = socket.socket(family, kind, protocol)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
        except OSError as error:
            reason = error
        else:
            return listener
    raise StartError(
        f"Port {ports[-1]} of {host} cannot be used ({reason.strerror}); choose another one with "
        "--port, or --port 0 for a free one."
    ) from reason


def address_of(listener: socket.socket, host: str, scheme: str) -> Address:
    """Return where a server is that was told to listen at `host`."""
    bound, port = listener.getsockname()[:2]
    here = WILDCARDS.get(bound)

    def url(name: str) -> str:
        return f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"

    if here:
        return Address(url(machine_name()), url(here), is_loopback=False)
    return Address(url(host), url(host), is_loopback(bound))


def machine_name() -> str:
    """Return the name under which other machines know this one, as far as it knows itself."""
    name = socket.getfqdn()
    return socket.gethostname() if name.startswith("localhost") else name


def check_certificate(certfile: Path | None, keyfile: Path | None) -> None:
    """Raise a StartError if a certificate and its key cannot be used."""
    if certfile is None:
        if keyfile:
            raise StartError(f"--keyfile {keyfile} needs its certificate: --certfile FILE.")
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certfile, keyfile, password="")
    except OSError as error:
        files = f"{certfile} with the key {keyfile}" if keyfile else f"{certfile} with a key in it"
        raise StartError(
            f"The certificate {files} cannot be used ({error.strerror}); expected a certificate "
            "and its key without a password, in PEM format: --certfile FILE --keyfile FILE."
        ) from error


def write_note(path: Path, address: Address, certfile: Path | None, instance: str) -> None:
    """Leave word where the server is and how it is known, for other processes of this user."""
    note = {
        "url": address.url,
        "local_url": address.local_url,
        "certfile": certfile and str(certfile.resolve()),
        "pid": os.getpid(),
        "instance": instance,
    }
    replace_private(path, json.dumps(note))


def announce(folder: Path, address: Address, authenticator: Authenticator) -> None:
    """Print where the server is and how to use it, after warnings of what is wrong with that."""
    if is_scarce(folder):
        print(
            f"warning: the disk of {folder} is full but for what the database needs; nothing more "
            "can be logged or uploaded until there is room: delete runs, files or artifacts.",
            file=sys.stderr,
        )
    if not address.is_loopback and address.url.startswith("http:"):
        print(
            "warning: keys and data travel in the clear, because this is plain HTTP beyond "
            "loopback; with --certfile and --keyfile they do not.",
            file=sys.stderr,
        )
    print(f"Serving W&B for the workshop at {address.url} (store {folder})")
    if address.local_url != address.url:
        print(f"On this machine it is at {address.local_url} as well.")
    key = shlex.quote(str(key_file(folder, DEFAULT_USER)))
    print("To use it from another terminal:")
    print(f"  export WANDB_BASE_URL={address.url} NETRC={key}")
    if authenticator.people:
        print(
            f"There are {len(authenticator.people)} people in the class; hand each of them their "
            f"file {key_file(folder, 'NAME')}"
        )
    print("Ctrl-C stops it; what was logged stays.", flush=True)
