"""Who asks, and what they may do.

The API needs a key, always.  The server makes one for the user who runs it and one for each
person of a class (see `keys` and `roster`); the store itself holds only their SHA-256, by which
they are looked up, so that the time an answer takes tells nothing about a key.

Everybody with a key may read everything.  Only its owner and instructors write to an entity:
`require_owner` decides that, for the API and for the posts of runs alike.

Pages need no key for the person who runs the server alone on this machine: on a connection from
this same machine, Linux tells whose process is at the other end (`/proc/net/tcp`), and the links
that wandb prints open for them at once, also through an SSH tunnel or Jupyter's proxy, which run
under the same user.  Everybody else on the machine, as on a cluster's login node, is asked for
the key once per browser; a cookie remembers it.  The request must also name the server by a
loopback name, or by the one that it was told its proxy has, so that a web page from elsewhere
cannot read along under a name of its own (DNS rebinding).  As soon as there is a class, or the
server listens beyond loopback, everybody is asked: a process of the same user may then be a proxy
that speaks for somebody else.
"""

import base64
import hashlib
import hmac
import ipaddress
import os
import struct
from pathlib import Path

from starlette.requests import Request

from workshop.server.errors import ForbiddenError
from workshop.server.records import User
from workshop.server.store import Store

DEFAULT_USER = "local"


class Gate:
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
        """Return who looks at a page: by header, by cookie, or as the owner of the server."""
        user = self.api_user(request) or self.cookie_user(request)
        if user is None and not self._asks_everybody and self._is_ours(request):
            return self.owner
        return user

    def _is_ours(self, request: Request) -> bool:
        """Tell whether a process of the user who runs the server asks, by a name that is known."""
        host = request.url.hostname or ""
        return (is_loopback(host) or host == self._proxied_as) and is_own_process(request)

    def cookie_user(self, request: Request) -> User | None:
        """Return the user who signed in with the browser that asks."""
        cookie = request.cookies.get(self.cookie_name, "").encode()
        for user in self._users.values():
            if hmac.compare_digest(self.cookie_for(user).encode(), cookie):
                return user
        return None

    def cookie_for(self, user: User) -> str:
        """Return what the cookie of a user holds: a signature, from which no key can be told.

        A new key makes the cookies of the old one void.
        """
        return self._sign(f"page:{user.name}:{user.key_hash}")

    def upload_token(self, run_id: int, name: str) -> str:
        """Return the secret part of the address under which a run uploads one file."""
        return self._sign(f"upload:{run_id}:{name}")[:40]

    def allows_upload(self, run_id: int, name: str, token: str) -> bool:
        """Tell whether a token is the one for this file of this run."""
        return hmac.compare_digest(self.upload_token(run_id, name).encode(), token.encode())

    def blob_token(self, md5: str) -> str:
        """Return the secret part of the address of bytes of an artifact."""
        return self._sign(f"blob:{md5}")[:40]

    def allows_blob(self, md5: str, token: str) -> bool:
        """Tell whether a token is the one for bytes of an artifact."""
        return hmac.compare_digest(self.blob_token(md5).encode(), token.encode())

    def _sign(self, message: str) -> str:
        return hmac.new(self._secret, message.encode(), hashlib.sha256).hexdigest()


def hash_key(key: str) -> str:
    """Return the form in which the store keeps a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def may_write(user: User, entity: str) -> bool:
    """Tell whether a user may write to an entity: its owner and instructors may."""
    return entity == user.entity or bool(user.is_admin)


def require_owner(user: User, entity: str) -> None:
    """Raise a ForbiddenError unless a user may write to an entity."""
    if not may_write(user, entity):
        raise ForbiddenError(
            f"You cannot write to the entity {entity!r} on this server; yours is "
            f"{user.entity!r}: leave the entity away or unset WANDB_ENTITY."
        )


def is_own_process(request: Request) -> bool:
    """Tell whether a request comes from a process of the user who runs this server."""
    server, client = request.scope.get("server"), request.scope.get("client")
    if not (server and client and is_loopback(client[0])):
        return False
    return socket_owner(client, server) == os.getuid()


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is one of this machine's loopback ones."""
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
