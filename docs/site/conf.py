"""The configuration of the site: `make site` builds it from the documents of this repository.

The sources are the documents and notebooks where they are, so that links between them hold here,
on GitHub and in a clone.  Nothing is executed: notebooks show the outputs that they store.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]

from workshop import __version__  # noqa: E402

project = "Sweep Workshop"
author = "The Sweep Workshop authors"
project_copyright = f"2026 {author}; text CC BY 4.0, code MIT"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "notebook_pages",
    "page_addresses",
    "code_addresses",
]
root_doc = "docs/site/index"
include_patterns = [
    "*.md",
    "docs/**.md",
    "benchmarks/README.md",
    "notebooks/*.ipynb",
    "notebooks/exercises/*.ipynb",
    "packaging/sweepserver/README.md",
    "tests/README.md",
]
exclude_patterns = [".*", "**/.ipynb_checkpoints", "executed", "newest", "site"]

nb_execution_mode = "off"
nb_merge_streams = True
myst_heading_anchors = 4
myst_links_external_new_tab = False

# Docstrings are written with the single backticks of Markdown.
default_role = "code"
autodoc_typehints = "none"
autodoc_preserve_defaults = True  # as they're written: ROOT, not where that was at the time
autodoc_member_order = "groupwise"
napoleon_numpy_docstring = False

html_theme = "sphinx_book_theme"
html_title = f"{project} {release}"
templates_path = ["templates"]
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("figures.js", {"defer": "defer"})]
html_copy_source = False
html_use_index = False
html_domain_indices = False
html_theme_options = {
    # The search field is in the sidebar; without these there is no second one above the page.
    "navbar_start": [],
    "navbar_center": [],
    "navbar_end": [],
    "navbar_persistent": [],
    "use_download_button": False,
    "use_fullscreen_button": False,
}
# `python -m maintenance.links` asks the addresses.  Not names reserved for examples (RFC 2606, RFC
# 6761); nor for parts of pages, which scripts may make.
linkcheck_ignore = [
    r"https?://(.*\.)?(example\.(com|net|org|edu)|(example|invalid|localhost|server|test))\b"
]
linkcheck_anchors = False
linkcheck_allow_unauthorized = True
linkcheck_retries = 3
linkcheck_timeout = 30
linkcheck_report_timeouts_as_broken = True

# Set where GitHub builds the site; nothing else knows where this repository is.
if repository := os.environ.get("GITHUB_REPOSITORY"):
    html_theme_options |= {
        "repository_url": f"{os.environ['GITHUB_SERVER_URL']}/{repository}",
        "use_repository_button": True,
        "use_issues_button": True,
    }
