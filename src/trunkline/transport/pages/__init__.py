"""HTML pages from templates: every value is escaped, and all pages have one theme."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template

THEME = Path(__file__).with_name("theme.css")
"""The colors and the basic elements of all pages."""


@cache
def template(file: Path) -> Template:
    """The template in a file. It escapes each value, and raises an error for a name without a value."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - most runs show no page

    environment = Environment(
        loader=FileSystemLoader(file.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(file.name)
