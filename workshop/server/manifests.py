"""Manifests: what an artifact consists of, as its client writes it in JSON.

`contents` maps the name of each file to an entry: `digest` (the MD5 of its bytes in base64),
`size`, and `ref` in place of bytes if it lies elsewhere.
"""

import base64
import binascii
import json
from functools import lru_cache
from pathlib import Path

from workshop.server.errors import RequestError
from workshop.server.values import parse_object, shorten

LARGEST_MANIFEST = 128 * 2**20  # bytes; about half a million files


@lru_cache(maxsize=2)
def read(path: Path) -> dict:
    """Return the manifest in a file, whose path stands for its content.

    Raises:
        RequestError: The file is none or too large.
    """
    if path.stat().st_size > LARGEST_MANIFEST:
        raise RequestError("The artifact has more files than this server takes; put some together.")
    manifest = parse_object(path.read_bytes(), "An artifact's manifest")
    contents = manifest.get("contents")
    if not isinstance(contents, dict):
        raise RequestError("An artifact's manifest must have contents.")
    for name, entry in contents.items():
        size = entry.get("size", 0) if isinstance(entry, dict) else None
        if not isinstance(size, int) or not isinstance(entry.get("digest"), str):
            raise RequestError(
                f"{shorten(name)} has no digest and size in the artifact's manifest."
            )
        if not is_reference(entry):
            hexadecimal(entry["digest"])
    return manifest


def merge(manifests: list[dict]) -> dict:
    """Return one manifest with the contents of several; later ones replace earlier files."""
    merged = manifests[-1] | {"contents": {}}
    for manifest in manifests:
        merged["contents"] |= manifest["contents"]
    return merged


def write(manifest: dict) -> bytes:
    """Return a manifest as JSON."""
    return json.dumps(manifest).encode()


def is_reference(entry: dict) -> bool:
    """Tell whether a file lies elsewhere, so that this server has no bytes of it."""
    return bool(entry.get("ref"))


def contents_of(manifest: dict) -> set[str]:
    """Return the MD5, in hexadecimal, of all bytes that a manifest needs."""
    return {
        hexadecimal(entry["digest"])
        for entry in manifest["contents"].values()
        if not is_reference(entry)
    }


def hexadecimal(digest: str) -> str:
    """Return an MD5 that is given in base64; raise a RequestError if it is none."""
    try:
        value = base64.b64decode(digest, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != 16:
        raise RequestError(f"{shorten(digest)} is no MD5 in base64, by which files are known.")
    return value.hex()
