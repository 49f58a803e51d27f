"""Start a server as the command line says."""

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
from sweepserver.pages.formats import count
from sweepserver.people.auth import DEFAULT_USER, Authenticator, is_loopback
from sweepserver.people.keys import key_file, provide_key, replace_private, require_private
from sweepserver.people.roster import admit, read_roster
from sweepserver.services import services_of
from sweepserver.store.database import Store
from sweepserver.store.quota import DEFAULT_QUOTA_GIB, is_scarce

# Agents beat every 5 s and runs post every 15 to 30 s: they need no new connection each time.
IDLE_CONNECTION_S = 65
LONGEST_END_S = 3
# For which a thread that computes keeps others waiting; an answer needs some dozen turns.
LONGEST_SLICE_S = 0.001
MOST_QUEUED_CONNECTIONS = 2048  # that are not accepted yet
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@dataclass(frozen=True)
class Options:
    """The options of the command line.

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
        quota: How many GiB the runs, files and artifacts of each person in the class may have.
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
    people = read_roster(options.roster) if options.roster else None
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
        write_note(note, address, options.certfile, services_of(app).instance)
        announce(folder, address, authenticator)
        connections = Connections(raise_descriptor_limit(), options.proxied_as is not None)
        config = uvicorn.Config(
            app,
            # Uvicorn asks for a class, and only calls it.
            http=functools.partial(Connection, connections),  # type: ignore[arg-type]
            backlog=connections.most_at_once,
            access_log=False,
            log_level="warning",
            proxy_headers=False,  # they would let another user pretend to be this one
            ssl_certfile=options.certfile,
            ssl_keyfile=options.keyfile,
            timeout_keep_alive=IDLE_CONNECTION_S,
            timeout_graceful_shutdown=1,
        )
        sys.setswitchinterval(LONGEST_SLICE_S)
        Server(config, end=lambda: end(app, note)).run(sockets=[listener])
    except (OSError, sqlite3.Error) as error:
        raise StartError(
            f"The store folder {folder} cannot be used ({error}); free some space there, or choose "
            "another one: --store FOLDER."
        ) from error
    finally:
        note.unlink(missing_ok=True)
        store.close()


class Server(uvicorn.Server):
    """A server that stops soon after a signal, whatever it is working on.

    Its queue of connections is long; it takes `backlog` of them at a time.

    Args:
        config: How to serve.
        end: What is called if the server has not ended after `LONGEST_END_S` seconds.
    """

    def __init__(self, config: uvicorn.Config, end: Callable[[], None]):
        super().__init__(config)
        self._end = end

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving; asyncio limits the backlog to one batch of accepted connections."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(MOST_QUEUED_CONNECTIONS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start shutting down at a signal, and make sure that it ends."""
        watch = threading.Timer(LONGEST_END_S, self._end)
        watch.daemon = True
        watch.start()
        super().handle_exit(sig, frame)


def end(app: Starlette, note: Path) -> None:
    """End this process at once; acknowledged writes are kept, and clients retry the others."""
    note.unlink(missing_ok=True)
    services_of(app).compute.kill()
    os._exit(0)


def listen(host: str, ports: Sequence[int]) -> socket.socket:
    """Return a socket that listens on the first free port.

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
    """Return the address of a server that listens on `host`.

    Args:
        listener: The socket, which has its port.
        host: The host name or IP address that the user asked for.
        scheme: `http` or `https`.
    """
    bound, port = listener.getsockname()[:2]
    here = WILDCARDS.get(bound)

    def url(name: str) -> str:
        return f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"

    if here:
        return Address(url(machine_name()), url(here), is_loopback=False)
    return Address(url(host), url(host), is_loopback(bound))


def machine_name() -> str:
    """Return this machine's network name, as far as it knows it."""
    name = socket.getfqdn()
    return socket.gethostname() if name.startswith("localhost") else name


def check_certificate(certfile: Path | None, keyfile: Path | None) -> None:
    """Check that a certificate and its key can be used.

    Args:
        certfile: The certificate in PEM format; None for plain HTTP.
        keyfile: Its key, without a password; None if it is in the certificate's file.

    Raises:
        StartError: They can't, or there is a key without a certificate.
    """
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
    """Write the server's address to a file, for other processes of this user.

    Args:
        path: The file, which only this user can then read.
        address: The address.
        certfile: The certificate that clients must trust; None for plain HTTP.
        instance: What tells this start of the server from another one with the same address.
    """
    note = {
        "url": address.url,
        "local_url": address.local_url,
        "certfile": certfile and str(certfile.resolve()),
        "pid": os.getpid(),
        "instance": instance,
    }
    replace_private(path, json.dumps(note))


def announce(folder: Path, address: Address, authenticator: Authenticator) -> None:
    """Print the server's address and how to use it, after any warnings."""
    if is_scarce(folder):
        print(
            f"warning: the disk of {folder} is full except for what the database needs; nothing "
            "can be logged or uploaded until you delete runs, files or artifacts.",
            file=sys.stderr,
        )
    if not address.is_loopback and address.url.startswith("http:"):
        print(
            "warning: keys and data are sent unencrypted, because this is plain HTTP on a network; "
            "give a certificate with --certfile and --keyfile.",
            file=sys.stderr,
        )
    print(f"Serving W&B for the workshop at {address.url} (store {folder})")
    if address.local_url != address.url:
        print(f"On this machine, it's also at {address.local_url}.")
    key = shlex.quote(str(key_file(folder, DEFAULT_USER)))
    print("To use it from another terminal:")
    print(f"  export WANDB_BASE_URL={address.url} NETRC={key}")
    if authenticator.people:
        print(
            f"The roster has {count(len(authenticator.people), 'name')}; give each person their "
            f"file {key_file(folder, 'NAME')}"
        )
    print("Ctrl-C stops the server and keeps everything that was logged.", flush=True)
