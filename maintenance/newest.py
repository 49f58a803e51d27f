"""Try the kit with the newest releases of everything that it needs: `make newest`.

A copy of the last commit gets a lock with the newest releases, also those that `pyproject.toml`
keeps out by an upper bound.  They are installed, the tests run, the addresses of other hosts are
asked.  What came out is in `report.md`; the exit status is 1 if the maintainer has to do something.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from maintenance import links

ROOT = Path(__file__).parents[1]
LAST_LINES = 30


def main(arguments: list[str] | None = None) -> int:
    """Do it all; print the report and return the exit status."""
    parser = argparse.ArgumentParser(prog="maintenance.newest", description=__doc__)
    parser.add_argument("folder", type=Path, help="is made; for the copy, its logs and the report")
    parser.add_argument("--clone", type=Path, default=ROOT, help="default: this one")
    options = parser.parse_args(arguments)
    folder, clone = options.folder.resolve(), options.clone.resolve()
    if folder.exists():
        parser.error(f"{folder} exists: remove it, or name another folder (make newest NEWEST=…)")
    folder.mkdir(parents=True)
    copy = folder / "kit"
    subprocess.run(["git", "clone", "--quiet", clone, copy], check=True)
    lift_bounds(copy / "pyproject.toml")

    changed, failed = {}, {}
    stopped = _make(copy, "lock", folder / "lock.log")
    if not stopped:
        changed = changes(_lock(clone), _lock(copy))
        results = folder / "tests.xml"
        stopped = _make(copy, "test-all", folder / "test.log", f"PYTEST=--junitxml={results}")
        failed = failures(results) if results.exists() else {}
    dead = _dead(clone)
    text = report(changed, failed, stopped, dead)
    (folder / "report.md").write_text(text)
    print(f"{text}\nEverything is in {folder}")
    return int(bool(stopped or dead))


def lift_bounds(pyproject: Path) -> None:
    """Remove the upper bounds of versions from a `pyproject.toml`."""
    bounded = re.compile(r'^( +"[\w.-]+>=[\w.]+),<[\w.]+"', re.MULTILINE)
    pyproject.write_text(bounded.sub(r'\1"', pyproject.read_text()))


def changes(before: str, after: str) -> dict[str, tuple[str, str]]:
    """Return the packages whose versions differ between two locks: the old and the new ones."""
    old, new = _versions(before), _versions(after)
    return {
        name: (old.get(name, "none"), new.get(name, "none"))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    }


def failures(results: Path) -> dict[str, str]:
    """Return the tests that failed, by pytest's JUnit file, each with the first line of why."""
    found = {}
    for case in ElementTree.parse(results).iter("testcase"):  # noqa: S314 (of our own pytest)
        for kind in ("failure", "error"):
            if (problem := case.find(kind)) is not None:
                lines = (problem.get("message") or "").splitlines() or [""]
                found[f"{case.get('classname')}::{case.get('name')}"] = lines[0]
    return found


def report(
    changed: Mapping[str, tuple[str, str]], failed: Mapping[str, str], stopped: str, dead: str
) -> str:
    """Return the report.

    Args:
        changed: as `changes` returns it.
        failed: as `failures` returns it.
        stopped: the last lines of the step that failed; empty if all went well.
        dead: the lines about addresses that do not answer; empty if all do.
    """
    parts = ["# The kit with the newest releases of its dependencies"]
    if failed:
        tests = "\n".join(f"- `{name}`: {why}" for name, why in failed.items())
        parts += [f"Tests that failed: {len(failed)}.", tests]
    if stopped:
        parts += [
            "Find the release that broke it among those below, mend what fails, or keep it out "
            "for now: an upper bound in `pyproject.toml`, then `make lock`.",
            f"The last lines:\n\n```\n{stopped}\n```",
        ]
    else:
        parts.append(
            "All tests passed. To take the releases over, raise the bounds in `pyproject.toml` "
            "that the table crosses, and run `make lock`."
        )
    parts.append(f"Addresses that do not answer:\n\n{dead}" if dead else "All addresses answer.")
    rows = "".join(f"| {name} | {old} | {new} |\n" for name, (old, new) in changed.items())
    head = "| package | tested so far | now |\n|---|---|---|\n"
    parts.append(head + rows if rows else "No package has another version.")
    return "\n\n".join(parts) + "\n"


def _dead(clone: Path) -> str:
    """Return a line for each address that does not answer, or one that says why none was asked."""
    try:
        lines = links.broken(clone)
    except Exception as error:  # whatever it is, the tests' results must get into the report
        problem = f"none was asked ({type(error).__name__}: {error})"
        lines = [f"{problem}: find out why by `python -m maintenance.links`"]
    return "".join(f"- {line}\n" for line in lines)


def _make(copy: Path, target: str, log: Path, *options: str) -> str:
    """Run a target of make; return the last lines of its log if it failed, else nothing."""
    with log.open("w") as output:
        done = subprocess.run(
            ["make", target, *options], cwd=copy, stdout=output, stderr=subprocess.STDOUT,
            check=False,
        )  # fmt: skip
    return "\n".join(log.read_text().splitlines()[-LAST_LINES:]) if done.returncode else ""


def _lock(clone: Path) -> str:
    return (clone / "requirements.lock").read_text()


def _versions(lock: str) -> dict[str, str]:
    """Return the version of each package; where it depends on the machine, all of them."""
    found: dict[str, str] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==([^\s\\]+)", lock, re.MULTILINE):
        found[name] = f"{found[name]}, {version}" if name in found else version
    return found


if __name__ == "__main__":
    sys.exit(main())
