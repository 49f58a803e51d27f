"""The command `workshop copy`."""

import argparse
from collections import Counter
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.paths import shown, typed
from workshop.wording import count, listed


def copy(folder: Path | None, update: bool, dry_run: bool) -> None:
    """Make your own copy of the workshop, or bring it up to date; it shares the packages."""
    from workshop.classroom import copies

    if update:
        _update(folder or copies.current(), dry_run)
        return
    if dry_run:
        raise WorkshopError("--dry-run says what an update would change: add --update")
    made = copies.copy(folder or copies.USUAL)
    print(f"Your copy is {shown(made)}. In every terminal: source {typed(made / 'activate')}")
    if copies.is_outdated(made):
        print(
            "This copy is from another version of the kit. It still works and hasn't been changed. "
            "To get a copy of this version, name another folder. If the copy was made from this "
            f"very kit: workshop copy --update {typed(made)}"
        )


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `copy`."""
    command.add_argument(
        "folder", type=Path, nargs="?", metavar="FOLDER",
        help="where (default: ~/sweep-workshop; with --update, the copy in use); existing files "
        "aren't changed",
    )  # fmt: skip
    command.add_argument(
        "--update", action="store_true",
        help="bring what has changed in the kit since the copy was made; what you've changed stays",
    )  # fmt: skip
    command.add_argument(
        "--dry-run", action="store_true", help="with --update: only say what would change"
    )


def _update(folder: Path, dry_run: bool) -> None:
    from workshop.classroom import manifest, updates

    folder = folder.expanduser().resolve()
    has_manifest = manifest.read(folder) is not None
    verbs: Counter[str] = Counter()
    for change in updates.update(folder, dry_run):
        print(change)
        verbs[change.verb] += 1
    if verbs["kept"] and not has_manifest:
        print(
            "This copy had no record of what it was made from, so every file that differs from the "
            "kit's was treated as changed by you. From now on, it has one."
        )
    if not verbs:
        print(f"{folder} is up to date.")
        return
    counts = [f"{count(number, 'file')} {verb}" for verb, number in verbs.items()]
    print(f"{folder}: {listed(counts)}.")
    if dry_run:
        print("This was a dry run: nothing has been changed.")
    elif verbs.keys() - {"kept"}:
        print("Reload the notebooks that are open, and restart their kernels.")
