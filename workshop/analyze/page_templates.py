"""Templates of the HTML pages that the kit writes, in the style of the local server's pages."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from workshop.paths import PAGE_STYLE


@cache
def template(file: Path, **filters: Callable[..., Any]) -> jinja2.Template:
    """Return a template that escapes its values, with the pages' CSS as `style`.

    Args:
        file: the template.
        filters: further filters that it uses.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(file.parent),
        autoescape=True, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= filters
    environment.globals["style"] = PAGE_STYLE.read_text(encoding="utf-8")
    return environment.get_template(file.name)
