"""Manifests: what an artifact consists of, as its client writes it in JSON.

`contents` maps the name of each file to an entry: `digest` (the MD5 of its bytes in base64),
`size`, and `ref` in place of bytes if it is stored elsewhere.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sweepserver.errors import RequestError
from sweepserver.inputs import count, require_printable
from sweepserver.search.values import shorten
from sweepserver.values import parse_object

LARGEST_MANIFEST_BYTES = 32 * 2**20  # of all its parts; about a hundred thousand files


def check_size(paths: Sequence[Path]) -> None:
    """Raise a RequestError if the files of a manifest are too large to be read."""
    if sum(path.stat().st_size for path in paths) > LARGEST_MANIFEST_BYTES:
        raise RequestError(
            "The manifest of the artifact is larger than "
            f"{LARGEST_MANIFEST_BYTES // 2**20} MiB; combine some of its files."
        )


@lru_cache(maxsize=1)
def read(path: Path) -> dict:
    """Return the manifest in a file; the path identifies the content.

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


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """The manifest of an artifact, of which everything is known that its commit needs.

    Attributes:
        md5: The MD5 of its bytes, in hexadecimal.
        text: Its bytes, if it was put together here and is still to be kept.
        names: By the MD5 of each content that it needs, in hexadecimal, the name of a file of it.
        size: How many bytes all files have.
        file_count: How many files there are.
    """

    md5: str
    text: bytes | None
    names: dict[str, str]
    size: int
    file_count: int


def whole(*paths: Path) -> Whole:
    """Put the manifest of an artifact together from its parts; takes a while if they are long.

    Raises:
        RequestError: A part is none, or they are too large.
    """
    check_size(paths)
    parts = [read(path) for path in paths]
    manifest = parts[0] if len(parts) == 1 else merge(parts)
    text = None if len(parts) == 1 else json.dumps(manifest).encode()
    contents = manifest["contents"]
    return Whole(
        paths[0].name if text is None else hashlib.md5(text, usedforsecurity=False).hexdigest(),
        text,
        {
            hexadecimal(entry["digest"]): name
            for name, entry in contents.items()
            if not is_reference(entry)
        },
        count(size_of(manifest), "The size of an artifact"),
        len(contents),
    )


def is_reference(entry: dict) -> bool:
    """Return whether a file is stored elsewhere, not on this server."""
    return bool(entry.get("ref"))


def hexadecimal(digest: str) -> str:
    """Return an MD5 given in base64 as hexadecimal; raise a RequestError if it's invalid."""
    try:
        value = base64.b64decode(digest, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != 16:
        raise RequestError(
            f"{shorten(digest)} isn't an MD5 checksum in base64, which identifies a file."
        )
    return value.hex()
