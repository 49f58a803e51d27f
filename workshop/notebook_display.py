"""Display tables, links and source files in a notebook."""

import difflib
import hashlib
import re
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import Markdown
from pandas.io.formats.style import Styler

from workshop.analyze.snapshot import short
from workshop.connection.browser_links import in_browser
from workshop.define.search_space import hyperparameters
from workshop.paths import ROOT

_SENTENCE = 30
"""A column of texts with more characters than this isn't squeezed to a word a line."""
_LANGUAGES = {".py": "python", ".slrm": "bash", ".yaml": "yaml"}
_EMPTY_HEADING = re.compile(r'<th class="(blank[^"]*)" *>&nbsp;</th>')


class _Table(Styler):
    """A table that comes out the same whenever its frame is the same.

    Its empty cells are no headings, so that a screen reader doesn't announce them.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        super().__init__(frame, uuid=hashlib.sha256(frame.to_csv().encode()).hexdigest()[:8])

    def __repr__(self) -> str:
        """Return the frame as text, for what shows no HTML."""
        return repr(self.data)

    def to_html(self, *args: Any, **options: Any) -> Any:
        """Return the table as HTML, as pandas does."""
        text = super().to_html(*args, **options)
        return _EMPTY_HEADING.sub(r'<td class="\1"></td>', text) if isinstance(text, str) else text


def table(frame: pd.DataFrame) -> Styler:
    """Return a styled frame: four digits, left-aligned escaped text, and no row numbers.

    In a parameter's column, a null that the sweep lists is shown as `null`.
    """
    numbers = frame.select_dtypes("float").columns
    texts = [column for column in frame if not pd.api.types.is_numeric_dtype(frame[column])]
    left = {column: [{"selector": "", "props": _style(frame[column])}] for column in texts}
    styler = _Table(frame).format("{:.4g}", subset=numbers)
    styler.format(escape="html", na_rep="", subset=texts)
    scales = hyperparameters(frame.attrs.get("definition") or {})
    nulls = [name for name in frame if name in scales and scales[name].has_null]
    styler.format(short, escape="html", subset=nulls)
    for axis in ("index", "columns"):
        styler.format_index(escape="html", axis=axis)
    styler.set_table_styles(left)
    return styler.hide(axis="index") if isinstance(frame.index, pd.RangeIndex) else styler


def _style(texts: pd.Series) -> str:
    is_long = texts.dropna().astype(str).str.len().gt(_SENTENCE).any()
    return "text-align: left" + "; min-width: 12em" * bool(is_long)


def link(url: str) -> Markdown:
    """Return a link to a server's page that works in the reader's browser.

    Args:
        url: the page's address on this machine.
    """
    address = in_browser(url)
    return Markdown(f"[{address}]({address})")


def source(path: str, fold_from: str | None = None) -> Markdown:
    """Return a file of the clone as Markdown, which JupyterLab, GitHub and nbconvert highlight.

    Args:
        path: relative to the clone, for example `configs/config.yaml`.
        fold_from: the beginning of a line; the file is folded from the first such line on.

    Raises:
        ValueError: there is no such line.
    """
    text = (ROOT / path).read_text().rstrip()
    language = _LANGUAGES[Path(path).suffix]
    if fold_from is None:
        return Markdown(_fenced(text, language))
    first = f"\n{text}".index(f"\n{fold_from}")
    top, rest = (_fenced(part, language) for part in (text[:first].rstrip(), text[first:]))
    folded = f"<details><summary>The rest of the file</summary>\n\n{rest}\n\n</details>"
    return Markdown(f"{top}\n\n{folded}")


def _fenced(text: str, language: str) -> str:
    return f"```{language}\n{text}\n```"


def difference(before: str, after: str) -> Markdown:
    """Return what changes from one file of the clone to another, with a line above and below.

    Args:
        before: relative to the clone, for example `notebooks/own_program/plain.py`.
        after: the same.
    """
    old, new = ((ROOT / path).read_text().splitlines() for path in (before, after))
    _, _, *changes = difflib.unified_diff(old, new, n=1, lineterm="")
    lines = ["…" if line.startswith("@@") else line for line in changes]
    return Markdown(_fenced("\n".join(lines[1:]), "diff"))
