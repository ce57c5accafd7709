"""Owns what a command leaves: a report or JSON on standard output, and the code to end with."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from trunkline.errors import TargetError

if TYPE_CHECKING:
    from trunkline.exchange import Json
    from trunkline.findings import Report
    from trunkline.report.text import RunInfo

WELL, FINDINGS, TROUBLE, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141


def show(report: Report, run: RunInfo, form: str, *, summary: bool = False) -> None:
    """The report on standard output; with `summary`, the findings were shown before."""
    from trunkline.report import text  # noqa: PLC0415

    if form == "json":
        click.echo(json_text(text.json_document(report, run), indent=2))
        return
    with text.screen(quiet=True) as screen:
        if not summary:
            for finding in report.findings:
                screen.show(text.finding_lines(finding, report, run))
        screen.show(text.summary_lines(report, run))


def code(report: Report, run: RunInfo) -> int:
    """The code to end with. Raises `TargetError` when there was too little to judge: that is not well."""
    from trunkline.report import text  # noqa: PLC0415

    said = text.verdict(report, run)
    if said == text.NOT_EXERCISED:
        names = text.unseen(report, run)
        reasons = (reason for (name, _), reason in report.exercised.items() if reason and name in names)
        why = report.stopped or next(reasons, "") or "check the token, or name what exists with --param"
        raise TargetError(
            f"no success of {' or '.join(names) or 'any operation'} was seen, so little can be said: {why}"
        )
    return FINDINGS if said == text.BROKEN else WELL


def json_text(value: Json, indent: int | None = None) -> str:
    """JSON as people read it, or in ASCII where standard output has not every letter."""
    readable = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    return json.dumps(value, ensure_ascii=not readable, indent=indent)
