"""Users' key files: `keys/NAME.netrc` in the store's folder, mode 0600.

Such a file can be handed out as it is, and says what to do with it: its entries belong in the
user's `~/.netrc`, where `wandb` looks for keys in every notebook, terminal and job.  (A variable
`NETRC` would have to be set in each of them, and would hide the keys of other servers.)  A key is
made once and kept; the addresses beside it follow the server.  To give somebody a new key, delete
the file and start the server again.
"""

import netrc
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from sweepserver.errors import StartError

# What the client demands, in `wandb.sdk.lib.wbauth.validation`; a prefix may precede them.
LEAST_KEY_CHARACTERS = 40

TEXT = """\
# The key of {name} for the workshop's W&B server.  Nobody else should read this file.
# Add it to ~/.netrc, where notebooks, terminals and jobs find it, and say where the server is:
#   {{ echo; grep -v ^# {file}; }} >> ~/.netrc; chmod 600 ~/.netrc
#   export WANDB_BASE_URL={url}
"""
ENTRY = """\
machine {host}
  login {name}
  password {key}
"""


def key_file(folder: Path, name: str) -> Path:
    """Return the path of a user's key file in the store's folder."""
    return folder / "keys" / f"{name}.netrc"


def provide_key(folder: Path, name: str, urls: list[str]) -> str:
    """Return a user's key, and write it to the user's key file with the server's addresses.

    Args:
        folder: The store's folder.
        name: The user's name.
        urls: Where the server listens; the first one is for those who get the file.

    Raises:
        StartError: The file is there, but cannot be read or holds no key.
        OSError: The file cannot be written.
    """
    path = key_file(folder, name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    key = read_key(path) if path.exists() else f"local-{secrets.token_hex(20)}"
    text = TEXT.format(name=name, file=path.name, url=urls[0]) + "".join(
        ENTRY.format(host=urlsplit(url).netloc, name=name, key=key) for url in urls
    )
    if not path.exists() or path.read_text() != text:
        replace_private(path, text)
    return key


def read_key(path: Path) -> str:
    """Return the key in a key file; raise a StartError if it holds none."""
    try:
        ((_, _, key), *_) = netrc.netrc(path).hosts.values()
    except OSError as error:
        raise StartError(f"The key file {path} cannot be read ({error.strerror}).") from error
    except (netrc.NetrcParseError, ValueError):
        key = ""
    if len(key) < LEAST_KEY_CHARACTERS:
        raise StartError(
            f"The key file {path} contains no key: delete it, and start again for a new one."
        )
    return key


def replace_private(path: Path, text: str) -> None:
    """Write a file atomically, readable by its owner alone."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def require_private(folder: Path) -> None:
    """Raise a StartError if other users of this machine can read the store or a key in it."""
    for path in (folder, *folder.glob("keys"), *sorted(folder.glob("keys/*"))):
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            raise StartError(
                f"{path} is open to other users of this machine (mode {mode:o}, expected "
                f"{mode & 0o700:o}), and it holds keys: run `chmod -R go= {folder}`, or listen on "
                "loopback alone: --host 127.0.0.1."
            )
