"""Frames and files as a notebook shows them to a reader."""

import pandas as pd
from IPython.display import Markdown
from pandas.io.formats.style import Styler

from workshop.links import in_browser
from workshop.look import short
from workshop.paths import ROOT
from workshop.search_space import hyperparameters

_LANGUAGES = {".py": "python", ".slrm": "bash", ".yaml": "yaml"}


def table(frame: pd.DataFrame) -> Styler:
    """Return a frame with four digits, text at the left letter by letter, and no row numbers.

    In columns of parameters whose sweep lists a null, it is shown as `null`.
    """
    numbers = frame.select_dtypes("float").columns
    texts = [column for column in frame if not pd.api.types.is_numeric_dtype(frame[column])]
    left = {column: [{"selector": "", "props": "text-align: left"}] for column in texts}
    styler = frame.style.format("{:.4g}", subset=numbers)
    styler.format(escape="html", na_rep="", subset=texts)
    scales = hyperparameters(frame.attrs.get("definition") or {})
    nulls = [name for name in frame if name in scales and scales[name].has_null]
    styler.format(short, escape="html", subset=nulls)
    for axis in ("index", "columns"):
        styler.format_index(escape="html", axis=axis)
    styler.set_table_styles(left)
    return styler.hide(axis="index") if isinstance(frame.index, pd.RangeIndex) else styler


def link(url: str) -> Markdown:
    """Return a link to a page of a server, at the address where the reader's browser finds it.

    Args:
        url: the page's address on the machine that this runs on.
    """
    address = in_browser(url)
    return Markdown(f"[{address}]({address})")


def source(path: str) -> Markdown:
    """Return a file of the clone, highlighted by JupyterLab, GitHub and nbconvert alike.

    Args:
        path: relative to the clone, for example `configs/config.yaml`.
    """
    file = ROOT / path
    return Markdown(f"```{_LANGUAGES[file.suffix]}\n{file.read_text().rstrip()}\n```")
