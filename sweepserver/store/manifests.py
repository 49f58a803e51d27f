"""Manifests: what an artifact consists of, as its client writes it in JSON.

`contents` maps the name of each file to an entry: `digest` (the MD5 of its bytes in base64),
`size`, and `ref` in place of bytes if it lies elsewhere.
"""

import base64
import binascii
import json
from functools import lru_cache
from pathlib import Path

from sweepserver.errors import RequestError
from sweepserver.inputs import count, require_printable
from sweepserver.search.values import shorten
from sweepserver.values import parse_object

LARGEST = 32 * 2**20  # bytes, of all parts of a manifest; about a hundred thousand files


def check_size(paths: list[Path]) -> None:
    """Raise a RequestError if the files of a manifest are too large to be read."""
    if sum(path.stat().st_size for path in paths) > LARGEST:
        raise RequestError(
            f"The manifest of the artifact is larger than {LARGEST // 2**20} MiB; put some of its "
            "files together."
        )


@lru_cache(maxsize=1)
def read(path: Path) -> dict:
    """Return the manifest in a file, whose path stands for its content.

    Raises:
        RequestError: The file is none or too large.
    """
    check_size([path])
    manifest = parse_object(path.read_bytes(), "An artifact's manifest")
    contents = manifest.get("contents")
    if not isinstance(contents, dict):
        raise RequestError("An artifact's manifest must have contents.")
    for name, entry in contents.items():
        check_entry(name, entry)
    count(size_of(manifest), "The size of an artifact")
    return manifest


def check_entry(name: str, entry: object) -> None:
    """Raise a RequestError if this is not what a manifest says about a file."""
    require_printable(name, "a name for a file of an artifact")
    if not isinstance(entry, dict) or not isinstance(entry.get("digest"), str):
        raise RequestError(f"{shorten(name)} has no digest and size in the artifact's manifest.")
    count(entry.get("size", 0), f"The size of {shorten(name)} in the artifact's manifest")
    if not isinstance(entry.get("ref") or "", str):
        raise RequestError(
            f"The reference of {shorten(name)} in the artifact's manifest must be a URL, not "
            f"{shorten(entry['ref'])}."
        )
    if not is_reference(entry):
        hexadecimal(entry["digest"])


def size_of(manifest: dict) -> int:
    """Return how many bytes all files of a manifest have together."""
    return sum(entry.get("size", 0) for entry in manifest["contents"].values())


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
