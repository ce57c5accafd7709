"""Reports in several formats: `FORMATS["json"](report, run)` is the text of the whole report.

A format is a module of this package with a function `render(report, run) -> str`, and a name in `FORMATS`. Every format
passes each text through `Report.redact`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from trunkline.findings import Report
    from trunkline.report.run import RunInfo

Format: TypeAlias = "Callable[[Report, RunInfo], str]"


def _render(name: str, report: Report, run: RunInfo) -> str:
    """The report in a format, whose module is imported now."""
    text: str = import_module(f"{__name__}.{name}").render(report, run)
    return text


_NAMES = ("text", "json", "html", "junit", "sarif", "markdown", "github")

FORMATS: Mapping[str, Format] = {name: partial(_render, name) for name in _NAMES}
"""Each format that `--format` and `--report` take."""
