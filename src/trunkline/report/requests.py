"""The requests of a finding, exactly as they were sent, but for their secrets: `trunkline replay` sends them again."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace

from trunkline.check.stateful.creations import created_identity
from trunkline.exchange import Exchange, Json, shown_headers
from trunkline.findings import Finding, Report
from trunkline.redaction import normalized, printable
from trunkline.report.run import RunInfo

_LONGEST_BODY = 64 << 10
"""The number of bytes of a longer body, which is left out."""
_TEXT = re.compile(r'"((?:[^"\\]|\\.){1,100})"(\s*:\s*)"((?:[^"\\]|\\.)*)"', re.DOTALL)
"""A text under a name in JSON."""


def requests(finding: Finding, report: Report, run: RunInfo) -> Iterator[Json]:
    """Each request of a finding, oldest first, as report.schema.json describes it."""
    numbers: dict[str, int] = {}
    for exchange in finding.exchanges:
        if "request" in exchange.known:
            yield _request(exchange, report, run, numbers)


def _request(exchange: Exchange, report: Report, run: RunInfo, numbers: dict[str, int]) -> Json:
    headers = tuple((name, report.redact(value)) for name, value in exchange.request.headers)
    request = replace(exchange.request, headers=headers)
    text, coded = _body(request.body, report, run, numbers)
    created = created_identity(run.contract, exchange) if run.contract else ""
    return {
        "method": printable(report.redact(request.method)),
        "path": printable(report.redact(request.path)),
        "query": printable(report.redact(request.query)),
        "headers": [[printable(report.redact(name)), printable(value)] for name, value in shown_headers(request)],
        "body": text,
        "body_base64": coded,
        "status": exchange.response.status if "status" in exchange.known else None,
        "created": printable(report.redact(created)),
    }


def _body(body: bytes, report: Report, run: RunInfo, numbers: dict[str, int]) -> tuple[str | None, str]:
    """The body as text, and as base64 if it is no printable text. The text is None if it had to be left out.

    A secret of the contract is a placeholder with its number and its length: `${SECRET_1:12}`.
    """
    wanted = {normalized(name) for name in (run.contract.secrets if run.contract else run.secrets)}

    def placeholder(found: re.Match[str]) -> str:
        name, value = (json.loads(f'"{found[number]}"', strict=False) for number in (1, 3))
        if normalized(name) not in wanted or not value:
            return found[0]
        number = numbers.setdefault(value, len(numbers) + 1)
        return f'"{found[1]}"{found[2]}"${{SECRET_{number}:{len(value)}}}"'

    if len(body) > _LONGEST_BODY:
        return None, ""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = body.decode("latin-1")
        return (None, "") if report.redact(text) != text else ("", base64.b64encode(body).decode())
    shown = report.redact(_TEXT.sub(placeholder, text))
    if all(character.isprintable() or character in "\t\r\n" for character in shown):
        return shown, ""
    return (None, "") if shown != text else ("", base64.b64encode(body).decode())
