"""Bring a fix of the kit to a participant's copy, without touching what they've changed.

Each file is compared three ways: what the copy was made from (its manifest), the participant's
file, and the kit's.  The rules are those of nbgitpuller, "Automatic Merging Behavior"
(https://nbgitpuller.readthedocs.io/en/latest/topic/automatic-merging.html), with one difference:
if both have changed a file, nbgitpuller merges the lines.  Here the participant's file stays as it
is, and the kit's is put beside it, because lines merged into a notebook or a configuration can
give a file that nobody has ever run.
"""

import itertools
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from workshop import files
from workshop.classroom import copies, manifest
from workshop.errors import WorkshopError


@dataclass(frozen=True)
class Change:
    """What an update does to one file.

    Attributes:
        name: the file, relative to the copy.
        verb: `updated`, `new`, `restored`, `removed`, or `kept`.
        remark: why it's kept, or where a second file is; may be empty.
    """

    name: str
    verb: str
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.verb:<9} {self.name}" + (f" ({self.remark})" if self.remark else "")


def update(folder: Path, dry_run: bool = False) -> Iterator[Change]:
    """Update a copy to the kit that it was made from; yield each change once it's made.

    | the participant | the kit | then |
    |---|---|---|
    | hasn't changed the file | has changed it | the kit's |
    | has changed it | hasn't | the participant's |
    | has changed it | has, too | the participant's; the kit's is beside it as `new-NAME` |
    | has deleted it | has it | the kit's: that's how to start a file over |
    | has made it | has added it, too | the kit's; the participant's is beside it as `my-…` |
    | hasn't changed it | has deleted it | it's deleted |
    | has changed it | has deleted it | the participant's |

    A notebook that has only been run counts as unchanged (`manifest.digest`); the one with the
    outputs is kept beside the kit's as `my-…`.  Without a manifest, a file that differs counts as
    changed by both.

    Args:
        folder: the copy.
        dry_run: whether to only say what would change.

    Raises:
        WorkshopError: the folder isn't a copy of this kit, a file can't be read or written, or
            the copy is of a version that had other modules and made no manifests.
    """
    folder = folder.expanduser().resolve()
    kit = copies.source_kit()
    sources = copies.files_of(kit)
    try:
        base = manifest.read(folder)
        _check(folder, kit, has_manifest=base is not None)
        yield from _changes(folder, kit, sources, base, dry_run)
    except OSError as error:
        place = error.filename or folder
        raise WorkshopError(
            f"the copy {folder} isn't fully updated, because {place} cannot be read or "
            f"written ({error.strerror}): correct that, then repeat the command; nothing is lost"
        ) from error


def _changes(
    folder: Path,
    kit: Path,
    sources: Mapping[str, Path],
    base: Mapping[str, str] | None,
    dry_run: bool,
) -> Iterator[Change]:
    recorded = dict(base or {})
    if not dry_run:
        copies.link(folder, kit)
    try:
        for name, source in sources.items():
            theirs = manifest.digest(source)
            known = recorded.get(name) if base is not None else _UNKNOWN
            if change := _bring(folder, name, source, theirs, known, dry_run):
                yield change
            recorded[name] = theirs
        for name in sorted(recorded.keys() - sources.keys()):
            if change := _drop(folder / name, name, recorded[name], dry_run):
                yield change
            del recorded[name]
        if not dry_run:
            copies.record_layout(folder, sources)
    finally:
        if not dry_run:
            manifest.write(folder, recorded)


_UNKNOWN = "unknown"
"""In place of a digest: it isn't known what the participant's file was made from."""


def _check(folder: Path, kit: Path, has_manifest: bool) -> None:
    if not (folder / copies.ACTIVATE).is_file():
        raise WorkshopError(
            f"{folder} is not a copy of the workshop: name your copy, or make one with "
            "`workshop copy FOLDER`"
        )
    its_kit = folder / copies.KIT
    if its_kit.exists() and its_kit.resolve() != kit:
        raise WorkshopError(
            f"{folder} is a copy of the kit in {its_kit.resolve()}, not of {kit}: update it "
            f"in a terminal that has sourced {folder / copies.ACTIVATE}, or make a copy of "
            "this kit in another folder"
        )
    if not has_manifest and copies.is_outdated(folder):
        raise WorkshopError(
            f"{folder} was made by an older version of the kit, which didn't record what it "
            "was made from, so it can't be updated: it still works; for this version, make a copy "
            "in another folder"
        )


def _bring(
    folder: Path, name: str, source: Path, theirs: str, base: str | None, dry_run: bool
) -> Change | None:
    """Bring one file of the kit; return what that changes."""
    target = folder / name
    if obstacle := _obstacle(folder, target):
        aside = _move_aside(obstacle, dry_run)
        remark = f"yours is now {aside.relative_to(folder)}"
        return _put(source, target, Change(name, "new", remark), dry_run)
    if not target.exists():
        verb = "new" if base is None else "restored"
        return _put(source, target, Change(name, verb), dry_run)
    mine = manifest.digest(target)
    if mine == theirs:
        return None
    if mine == base:
        remark = ""
        if manifest.has_own_outputs(target):
            aside = _aside(target)
            if not dry_run:
                shutil.copy2(target, aside)
            remark = f"the one with your outputs is now {aside.name}"
        return _put(source, target, Change(name, "updated", remark), dry_run)
    if base == theirs:
        return None
    if base is None:
        aside = _move_aside(target, dry_run)
        return _put(source, target, Change(name, "new", f"yours is now {aside.name}"), dry_run)
    beside = _beside(target, source, dry_run)
    return Change(name, "kept", f"you've changed it; the kit's is {beside.name}")


def _drop(target: Path, name: str, base: str, dry_run: bool) -> Change | None:
    """Remove a file that the kit no longer has, unless something in it is the participant's."""
    if not target.is_file():
        return None
    if manifest.digest(target) != base or manifest.has_own_outputs(target):
        return Change(name, "kept", "the kit no longer has it, but you've changed or run it")
    if not dry_run:
        target.unlink()
    return Change(name, "removed", "the kit no longer has it")


def _put(source: Path, target: Path, change: Change, dry_run: bool) -> Change:
    if not dry_run:
        target.parent.mkdir(parents=True, exist_ok=True)
        files.write(target, copies.content(source))
    return change


def _obstacle(folder: Path, target: Path) -> Path | None:
    """Return the participant's folder that has a file's name, or the file that has a folder's."""
    if target.is_dir():
        return target
    parents = target.relative_to(folder).parents
    return next((folder / parent for parent in parents if (folder / parent).is_file()), None)


def _move_aside(path: Path, dry_run: bool) -> Path:
    aside = _aside(path)
    if not dry_run:
        path.rename(aside)
    return aside


def _aside(path: Path) -> Path:
    """Return a free name beside a participant's file, for that file."""
    # Not in front of the number, by which `workshop run` finds notebooks.
    stem = f"my-{path.stem}-{datetime.now():%Y%m%d%H%M%S}"
    names = (f"{stem}{number}{path.suffix}" for number in ("", *map("-{}".format, range(2, 1000))))
    return next(place for place in map(path.with_name, names) if not place.exists())


def _beside(target: Path, source: Path, dry_run: bool) -> Path:
    """Put the kit's file beside the participant's; nothing that's there is overwritten."""
    content = copies.content(source)
    for number in itertools.count(1):
        place = target.with_name(
            f"new-{target.name}" if number == 1 else f"new-{number}-{target.name}"
        )
        if not place.exists():
            break
        if place.is_file() and place.read_bytes() == content:
            return place
    if not dry_run:
        files.write(place, content)
    return place
