"""Authentication and permissions.

The API needs a key, always.  The server makes one for the user who runs it and one for each
person of a class (see `keys` and `roster`); the store itself holds only their SHA-256, by which
they are looked up, so that the time an answer takes tells nothing about a key.

Everybody with a key may read everything.  Only its owner and instructors write to an entity:
`require_owner` decides that, for the API and for the posts of runs alike.

Pages need no key for the person who runs the server alone on this machine: on a connection from
this same machine, Linux tells whose process is at the other end (`/proc/net/tcp`), and the links
that wandb prints open for them at once, also through an SSH tunnel or Jupyter's proxy, which run
under the same user.  Everybody else on the machine, as on a cluster's login node, is asked for
the key once per browser; a cookie remembers it for a month.  The request must also name the server
by a loopback name, or by the one that it was told its proxy has, so that a web page from elsewhere
cannot read along under a name of its own (DNS rebinding).  As soon as there is a class, or the
server listens beyond loopback, everybody is asked: a process of the same user may then be a proxy
that speaks for somebody else.

Addresses of files carry a signature, because the client brings and fetches bytes without a key.
An address is that of the person who asked for it, and is void as soon as their key is.
"""

import base64
import hashlib
import hmac
import ipaddress
import os
import struct
import time
from pathlib import Path

from starlette.requests import Request

from sweepserver.errors import ForbiddenError
from sweepserver.store.database import Store
from sweepserver.store.records import User

DEFAULT_USER = "local"
SIGNED_IN_S = 30 * 86400
"""Seconds for which a browser stays signed in."""


class Authenticator:
    """Recognizes users by their keys.

    Args:
        store: Where the users are.
        key: The key of the user who runs the server.
        beyond_loopback: Whether other machines can reach the server.
        proxied_as: The name that a browser calls the proxy of the server's user by.

    Attributes:
        owner: The user who runs the server.
        people: The others: the class.
    """

    def __init__(
        self,
        store: Store,
        key: str,
        beyond_loopback: bool = False,
        proxied_as: str | None = None,
    ):
        with store.writing():
            store.execute(
                "INSERT INTO users (name, entity, key_hash, is_admin) VALUES (?, ?, ?, 1) "
                "ON CONFLICT (name) DO UPDATE SET key_hash = excluded.key_hash",
                DEFAULT_USER,
                DEFAULT_USER,
                hash_key(key),
            )
            self._users = {user.key_hash: user for user in store.all(User) if user.key_hash}
        self._users_by_name = {user.name: user for user in self._users.values()}
        self.owner = self._users[hash_key(key)]
        self.people = [user for user in self._users.values() if user != self.owner]
        self._asks_everybody = beyond_loopback or bool(self.people)
        self._proxied_as = proxied_as
        self._secret = hashlib.sha256(b"signatures:" + key.encode()).digest()
        # Browsers send the cookies of one port to all others: each server has a name of its own.
        self.cookie_name = f"workshop-{self._sign('cookie')[:8]}"

    def user_with_key(self, key: str) -> User | None:
        """Return the user who has this key."""
        return self._users.get(hash_key(key))

    def api_user(self, request: Request) -> User | None:
        """Return the user whose key is in the `Authorization` header, as the client sends it."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.user_with_key(value.strip())
        if scheme.lower() != "basic":
            return None
        try:
            _, _, key = base64.b64decode(value).decode().partition(":")
        except ValueError:
            return None
        return self.user_with_key(key)

    def page_user(self, request: Request) -> User | None:
        """Return who asks for a page: by header, by cookie, or as the owner of the server."""
        user = self.api_user(request) or self.cookie_user(request)
        if user is None and not self._asks_everybody and self._is_ours(request):
            return self.owner
        return user

    def _is_ours(self, request: Request) -> bool:
        """Return whether the server's own user asks from this machine, by a known host name."""
        host = request.url.hostname or ""
        return (is_loopback(host) or host == self._proxied_as) and is_own_process(request)

    def cookie_user(self, request: Request) -> User | None:
        """Return the user who signed in with this browser within the last month."""
        expiry, _, signature = request.cookies.get(self.cookie_name, "").partition(".")
        if not (expiry.isdecimal() and len(expiry) < 19) or int(expiry) < time.time():
            return None
        for user in self._users.values():
            if equal(self._sign_for(user, f"page:{expiry}"), signature):
                return user
        return None

    def cookie_for(self, user: User) -> str:
        """Return what the cookie of a user holds: when it expires, and a signature.

        No key can be told from it, and a new key makes the cookies of the old one void.
        """
        expiry = int(time.time()) + SIGNED_IN_S
        return f"{expiry}.{self._sign_for(user, f'page:{expiry}')}"

    def upload_token(self, user: User, run_id: int, name: str) -> str:
        """Return the secret part of the address under which a user uploads one file of a run.

        Args:
            user: Who uploads it.
            run_id: The run's number in the store, not its W&B ID.
            name: The file's name in the run.
        """
        return self._token(user, f"upload:{run_id}:{name}")

    def uploader(self, token: str, run_id: int, name: str) -> User | None:
        """Return the user to whom `upload_token` gave a token for this file of this run.

        None if the token is wrong, or its user has gone or has another key by now.
        """
        return self._bearer(token, f"upload:{run_id}:{name}")

    def blob_token(self, user: User, md5: str) -> str:
        """Return the secret part of the address at which a user has bytes of an artifact."""
        return self._token(user, f"blob:{md5}")

    def blob_user(self, token: str, md5: str) -> User | None:
        """Return the user whose address of bytes of an artifact has a token."""
        return self._bearer(token, f"blob:{md5}")

    def _token(self, user: User, what: str) -> str:
        return f"{user.name}.{self._sign_for(user, what)[:40]}"

    def _bearer(self, token: str, what: str) -> User | None:
        user = self._users_by_name.get(token.partition(".")[0])
        return user if user and equal(self._token(user, what), token) else None

    def _sign_for(self, user: User, message: str) -> str:
        """Return a signature that becomes invalid when the user's key changes."""
        return self._sign(f"{user.key_hash}:{message}")

    def _sign(self, message: str) -> str:
        return hmac.new(self._secret, message.encode(), hashlib.sha256).hexdigest()


def equal(expected: str, given: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(expected.encode(), given.encode())


def hash_key(key: str) -> str:
    """Return the form in which the store keeps a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def may_write(user: User, entity: str) -> bool:
    """Return whether a user may write to an entity: its owner and instructors may."""
    return entity == user.entity or bool(user.is_admin)


def require_owner(user: User, entity: str) -> None:
    """Raise a ForbiddenError unless a user may write to an entity."""
    if not may_write(user, entity):
        raise ForbiddenError(
            f"You cannot write to the entity {entity!r} on this server; yours is "
            f"{user.entity!r}: leave out the entity, or unset WANDB_ENTITY."
        )


def is_own_process(request: Request) -> bool:
    """Return whether a request comes from a process of the user who runs this server."""
    server, client = request.scope.get("server"), request.scope.get("client")
    if not (server and client and is_loopback(client[0])):
        return False
    return socket_owner(client, server) == os.getuid()


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is one of this machine's loopback ones."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def socket_owner(
    local: tuple[str, int], remote: tuple[str, int], table: Path = Path("/proc/net/tcp")
) -> int | None:
    """Return the user ID of the process that holds an IPv4 TCP connection on this machine.

    Args:
        local: Address and port of that process's end.
        remote: Address and port of the other end.
        table: The kernel's list of connections.

    Returns:
        The user ID, or None where the system does not tell or the connection is not IPv4.
    """
    try:
        wanted = [kernel_address(*local), kernel_address(*remote)]
        lines = table.read_text().splitlines()[1:]
    except (OSError, ValueError):
        return None
    for line in lines:
        fields = line.split()
        if fields[1:3] == wanted:
            return int(fields[7])
    return None


def kernel_address(host: str, port: int) -> str:
    """Return an IPv4 address and port as `/proc/net/tcp` writes them."""
    (number,) = struct.unpack("=I", ipaddress.IPv4Address(host).packed)
    return f"{number:08X}:{port:04X}"
