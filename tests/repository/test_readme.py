"""Every command and file that the documents name exists, and what they promise is so."""

import netrc
import re
import subprocess
import sys
from pathlib import Path

import mistune
import pytest

from sweepserver.people.keys import key_file, provide_key
from tests.printing import pages_of
from tests.repository.documents import documents, markdown
from workshop.connection.credentials import is_open_to_others
from workshop.exercises import JUDGES
from workshop.paths import CONFIGS, ROOT
from workshop.trainer.config import TrainingConfig
from workshop.trainer.optim import TAKEN, takers

every_document = pytest.mark.parametrize(
    "document", documents(), ids=lambda path: str(path.relative_to(ROOT))
)
# A name with a folder or an ending that files of this kit have.
FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|yaml|md|ipynb|slrm|toml|lock|graphql)|[\w.-]+/)`")
MADE_BY_USE = {
    "executed/", ".venv/", ".workshop/", "files/", "artifacts/", "keys/", "server.lock",
    "newest/report.md", "dist/", "site/html/", "sweep.yaml",
    "configs/my_sweep.yaml",
}  # fmt: skip
ATTRIBUTES = {"form.yaml"}


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@every_document
def test_files_exist(document):
    text = markdown(document)
    named = {*FILE.findall(text)} - MADE_BY_USE - ATTRIBUTES
    missing = [name for name in named if not list(ROOT.glob(name)) and not is_last_part(name)]
    assert missing == []


def is_last_part(name: str) -> bool:
    """Tell whether a document means a file by its last part."""
    return any(list(ROOT.glob(f"{folder}/**/{name}")) for folder in ("workshop", "docs", "configs"))


@every_document
def test_make_targets_exist(document):
    found = re.findall(r"(?:`|^    |and )make ([a-z-]+)", markdown(document), re.MULTILINE)
    assert set(found) <= targets()


def test_readme_lists_every_make_target():
    readme = (ROOT / "README.md").read_text()
    listed = set(re.findall(r"^\| `make ([a-z-]+)`", readme, re.MULTILINE))
    assert listed == targets() - {"help"}


def test_workshop_commands_exist():
    used = {
        command
        for document in documents()
        for command in re.findall(r"(?:bin/|`)workshop ([a-z]+)", markdown(document))
    }
    assert used
    for command in used:
        subprocess.run([Path(sys.executable).parent / "workshop", command, "--help"], check=True)


def test_readme_names_every_notebook_and_every_configuration():
    readme = (ROOT / "README.md").read_text()
    for path in [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("configs/*.yaml")]:
        assert str(path.relative_to(ROOT)) in readme


def test_readme_and_config_name_every_scale():
    readme = (ROOT / "README.md").read_text()
    (choices,) = re.findall(r"^scale: .*# (.*):", (CONFIGS / "config.yaml").read_text(), re.M)
    scales = {path.stem for path in CONFIGS.glob("scales/*.yaml")}
    assert set(re.findall(r"^\| [^|]+ \| `(\w+)` \|", readme, re.MULTILINE)) >= scales
    assert set(choices.split(" | ")) == scales


def test_config_names_every_choice():
    """A comment that lists what a field may be, as `a | b`, lists all of it."""
    text = (CONFIGS / "config.yaml").read_text()
    listed = dict(re.findall(r"^(\w+): .*# ((?:[\w-]+(?: \([^)]*\))? \| )+[\w-]+)", text, re.M))
    for key, words in listed.items():
        choices = getattr(TrainingConfig.model_fields[key].annotation, "__args__", None)
        if choices:
            told = tuple(re.sub(r" \([^)]*\)", "", words).split(" | "))
            assert told == choices, f"the comment of {key} must list {' | '.join(choices)}"
    assert {"compile", "scheduler", "optimizer", "model_name"} <= listed.keys()


@pytest.mark.parametrize("field", sorted({field for fields in TAKEN.values() for field in fields}))
def test_config_names_the_optimizers_that_take_a_field(field):
    (words,) = re.findall(rf"^{field}: .*# (.*)$", (CONFIGS / "config.yaml").read_text(), re.M)
    assert words.startswith(f"of {takers(field)}"), f"{field} is of {takers(field)}"


GUIDE = ROOT / "docs" / "instructor_guide.md"


def test_guide_gives_the_notebooks_own_times():
    rows = re.findall(
        r"^\| \d:\d\d \| .*\]\((.*?\.ipynb)\).* \| (.+?) \|$", GUIDE.read_text(), re.M
    )
    assert len(rows) == 15
    for notebook, told in rows:
        opening = markdown(GUIDE.parent / notebook)
        (own,) = re.findall(
            r".*(?:[,;] |about )([a-z ]+?)(?: to run)?(?: on two cores)?\.\*",
            opening.partition("\n## ")[0],
        )
        assert told.partition(",")[0] == own, notebook


def test_guide_names_every_exercise():
    ranges = re.findall(r"\b(\d)\.(\d)(?: to \1\.(\d))?", GUIDE.read_text())
    named = {
        f"{step}.{number}"
        for step, first, last in ranges
        for number in range(int(first), int(last or first) + 1)
    }
    assert set(JUDGES) <= named


def test_a_key_is_handed_out_beside_those_that_are_there(tmp_path):
    url = "https://the.server:8999"
    key = provide_key(tmp_path, "ada", [url])
    mine = tmp_path / ".netrc"
    documents = (GUIDE, ROOT / "docs" / "handout.md", ROOT / "docs" / "local_server.md")
    texts = [path.read_text() for path in documents]
    commands = [
        *re.findall(r"runuser -l ada -c '(.+)' < KEYS/ada.netrc", texts[0]),
        *re.findall(r"`(\{ echo; grep -v \^# FILE.+?)`", texts[1]),
        *re.findall(r"    (\{ echo; grep -v \^# ada.netrc; .+)", texts[2]),
        *re.findall(r"#   (\{ echo; .+)", key_file(tmp_path, "ada").read_text()),
    ]
    assert len(commands) == 4
    assert not any("export NETRC" in text for text in texts)
    for command in commands:
        mine.write_text("machine other.org login ada password old")  # and no end of line
        mine.chmod(0o644)
        subprocess.run(
            ["sh", "-c", command.replace("FILE", "ada.netrc")], cwd=tmp_path / "keys",
            input=key_file(tmp_path, "ada").read_bytes(), env={"HOME": str(tmp_path)}, check=True,
        )  # fmt: skip
        keys = netrc.netrc(mine)
        assert keys.authenticators("the.server:8999") == ("ada", "", key)
        assert keys.authenticators("other.org") == ("ada", "", "old")
        assert not is_open_to_others(mine)


def printed_pages(document: Path, folder: Path) -> int:
    """Print Markdown as the guide says: A4 at 10 point, 1.5 cm of margin; return how many pages."""
    style = (
        "@page { size: A4; margin: 1.5cm } body { font: 10pt sans-serif }"
        "table { border-collapse: collapse } td, th { border: 1px solid; padding: 0.3em 0.6em }"
    )
    body = mistune.html(document.read_text())
    page = folder / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><style>{style}</style>{body}")
    return pages_of(page)


@pytest.mark.browser
def test_handout_is_one_printed_page(tmp_path):
    assert printed_pages(ROOT / "docs" / "handout.md", tmp_path) == 1
    assert printed_pages(GUIDE, tmp_path) > 1
