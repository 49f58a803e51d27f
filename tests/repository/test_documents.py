"""Every reader gets there: links lead somewhere, headings are in order, pictures have words."""

import re
from urllib.parse import unquote

import pytest

from tests.repository.documents import Page, anchors, are_in_order, documents, levels, prose
from workshop.paths import ROOT

every_document = pytest.mark.parametrize(
    "document", documents(), ids=lambda path: str(path.relative_to(ROOT))
)


def links(document):
    """Return the targets of a document's links and pictures that are not on another host."""
    targets = re.findall(
        r"\]\(<?([^)>\s]+)>?(?: [^)]*)?\)|(?:href|src)=\"([^\"]+)\"", prose(document)
    )
    found = [markdown or tag for markdown, tag in targets]
    return [target for target in found if not re.match(r"[a-z]+:", target)]


@every_document
def test_links_lead_to_files_and_headings_that_exist(document):
    for target in links(document):
        path, _, anchor = target.partition("#")
        file = (document.parent / unquote(path)).resolve() if path else document
        assert file.exists(), target
        assert file.is_relative_to(ROOT), f"{target} is in no clone"
        assert not anchor or anchor in anchors(file), target


@every_document
def test_headings_are_in_order(document):
    assert are_in_order(levels(document)), levels(document)


@every_document
def test_pictures_have_words(document):
    text = prose(document)
    assert "![](" not in text
    assert Page(text).unnamed == []


def test_there_are_links_and_documents_to_look_at():
    assert sum(len(links(document)) for document in documents()) >= 10
    assert ROOT / "README.md" in documents()


@pytest.mark.parametrize(
    ("given", "expected"),
    [([1, 2, 3, 2], True), ([], False), ([2, 1], False), ([1, 3], False), ([1, 2, 1], False)],
)
def test_order_of_headings(given, expected):
    assert are_in_order(given) == expected


def test_what_has_no_name_is_found():
    page = (
        '<img src="x"><img alt="A cat"><div role="img"></div><input id="a"><label for="a">A</label>'
    )
    nameless = Page(page + '<select></select><label>B <input></label><input type="hidden">').unnamed
    assert nameless == ['<img src="x">', '<div role="img">', "<select>"]
