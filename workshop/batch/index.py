"""The page that tells how far an execution is and links what it made."""

from functools import cache
from pathlib import Path

import jinja2
import yaml

from workshop.batch.record import Execution
from workshop.batch.times import iso, moment, span
from workshop.connection.browser_links import is_proxied, is_this_machine
from workshop.paths import ROOT, shown

STYLE = ROOT / "sweepserver/pages/static/style.css"
"""The local server's: its pages and this one are read together."""


def write_index(execution: Execution) -> None:
    """Write the `index.html` of an execution as it stands."""
    url = execution.sweep.get("url", "")
    page = _template().render(
        execution=execution,
        name=execution.folder.name,
        folder=shown(execution.folder),
        is_local=is_this_machine(url) or is_proxied(url),
        style=STYLE.read_text(encoding="utf-8"),
        pages={path.stem for path in execution.folder.glob("*.html")},
        notebooks={path.stem for path in execution.folder.glob("*.ipynb")},
    )
    new = execution.folder / "index.html.new"
    new.write_text(page, encoding="utf-8")
    new.replace(execution.folder / "index.html")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"moment": moment, "span": span, "iso": iso, "given": _given}
    return environment.get_template("index.html")


def _given(value: object) -> str:
    """Return a parameter's value as the command line takes it."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")
