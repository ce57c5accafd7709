"""Reports in several formats: `FORMATS["json"](report, run)` is the text of the whole report.

A format is a module of this package with a function `render(report, run) -> str`, and a name in `FORMATS`. Every format
passes each text through `Report.redact`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from trunkline.findings import Report
    from trunkline.report.run import RunInfo

Format: TypeAlias = "Callable[[Report, RunInfo], str]"


def _format(name: str) -> Format:
    """The `render` of a module of this package, which is imported on the first call."""

    def render(report: Report, run: RunInfo) -> str:
        text: str = import_module(f"{__name__}.{name}").render(report, run)
        return text

    return render


FORMATS: Mapping[str, Format] = {name: _format(name) for name in ("text", "json")}
"""Each format that `--format` takes."""
