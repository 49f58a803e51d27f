"""Addresses of pages: the home page is `index.html`, and a file's name in text leads to its page.

Documents name each other as code, such as `docs/slurm.md`, because that is what a reader with a
terminal needs.  On the site such a name is a link.
"""

from pathlib import PurePosixPath
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder

ROOT_PAGE = "index"


class SiteBuilder(StandaloneHTMLBuilder):
    """HTML whose root document is `index.html`, wherever its source is."""

    def _page(self, docname: str) -> str:
        return ROOT_PAGE if docname == self.config.root_doc else docname

    def get_target_uri(self, docname: str, typ: str | None = None) -> str:
        """Return a page's address, relative to the site's root."""
        return super().get_target_uri(self._page(docname), typ)

    def get_output_path(self, page_name: str, /) -> Any:
        """Return the file that a page is written to."""
        return super().get_output_path(self._page(page_name))


def link_names_of_pages(app: Sphinx, doctree: nodes.document) -> None:
    """Make a link of each inline code that is the path of a document of the site."""
    for code in list(doctree.findall(nodes.literal)):
        path = PurePosixPath(code.astext())
        page = str(path.with_suffix(""))
        is_page = path.suffix in (".md", ".ipynb") and page in app.env.found_docs
        if is_page and not isinstance(code.parent, (nodes.reference, pending_xref, nodes.title)):
            link = pending_xref(
                "", code.deepcopy(), refdomain="std", reftype="doc", reftarget=f"/{page}",
                refexplicit=True, refwarn=True, refdoc=app.env.docname,
            )  # fmt: skip
            code.replace_self(link)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register what this module adds to Sphinx."""
    app.add_builder(SiteBuilder, override=True)
    app.connect("doctree-read", link_names_of_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
