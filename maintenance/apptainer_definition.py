"""Write the definition for Apptainer from the Containerfile.

The command is `python -m maintenance.apptainer_definition`.

Both images have the same base, files, packages and entry point.  Apptainer runs as whoever starts
it, in their home folder and on the host's network, so what the Containerfile says about the user,
the folder and the port has no counterpart.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "deploy" / "container"
CONTAINERFILE = FOLDER / "Containerfile"
DEFINITION = FOLDER / "sweep-workshop.def"

# What an image for everybody's own user leaves out.
_OF_THE_ENGINE = ("USER", "WORKDIR", "EXPOSE", "CMD")
_OF_THE_USER = "useradd "

HEAD = """\
# The kit as an image for Apptainer; docs/container.md says how to build and use it.
# Made from the Containerfile: python -m maintenance.apptainer_definition
"""


def definition(containerfile: str) -> str:
    """Return the text of the definition that belongs to a Containerfile.

    Raises:
        ValueError: it has an instruction that can't be translated.
    """
    base, program = "", ""
    files: list[str] = []
    commands: list[str] = []
    for instruction, words in instructions(containerfile):
        if instruction == "FROM":
            base = words
        elif instruction == "COPY":
            files += [f"{source} {target}" for source, target in copied(words)]
        elif instruction == "RUN":
            commands += [] if words.startswith(_OF_THE_USER) else [words]
        elif instruction == "ENTRYPOINT":
            program = " ".join(json.loads(words))
        elif instruction not in _OF_THE_ENGINE:
            raise ValueError(f"the Containerfile's {instruction} has no translation: add one")
    head = f"{HEAD}Bootstrap: docker\nFrom: {base.removeprefix('docker.io/library/')}\n"
    sections = (("files", files), ("post", commands), ("runscript", [f'exec {program} "$@"']))
    return head + "".join(
        f"\n%{name}\n" + "".join(f"    {line}\n" for line in lines) for name, lines in sections
    )


def instructions(containerfile: str) -> Iterator[tuple[str, str]]:
    """Yield the instructions of a Containerfile with their words on one line, without comments."""
    text = re.sub(r"^#.*\n", "", containerfile, flags=re.MULTILINE)
    for line in re.sub(r"\s*\\\n\s*", " ", text).splitlines():
        if line:
            instruction, _, words = line.partition(" ")
            yield instruction, words


def copied(words: str) -> Iterator[tuple[str, str]]:
    """Yield what a COPY copies, each file or folder with its own path in the image."""
    *sources, target = words.split()
    for source in sources:
        yield source, f"{target}{source}" if target.endswith("/") else target


if __name__ == "__main__":
    DEFINITION.write_text(definition(CONTAINERFILE.read_text()))
