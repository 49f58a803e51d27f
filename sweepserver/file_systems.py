"""Which file system a folder is on."""

from pathlib import Path

NETWORK_FILE_SYSTEMS = (
    "nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "afs", "cifs", "smb3", "9p", "virtiofs",
    "fuse",
)  # fmt: skip


def is_network(kind: str) -> bool:
    """Return whether a type of file system is one that several machines share."""
    return kind in NETWORK_FILE_SYSTEMS or kind.startswith("fuse.")


def file_system(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return the type of the file system that a folder is on; empty where that is not told."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    folder = folder.resolve()
    found = {}
    for line in lines:
        _, written, kind, *_ = line.split()
        point = Path(written.encode().decode("unicode_escape"))
        if folder.is_relative_to(point):
            found[len(point.parts)] = kind
    return found[max(found)] if found else ""
