"""The report as one HTML file. It loads nothing, and its policy allows no style and no script but its own."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from difflib import SequenceMatcher
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from trunkline.check import explanations
from trunkline.contract.model import Contract, Operation
from trunkline.exchange import Json
from trunkline.findings import Finding, Grade, Report
from trunkline.mock.coverage import outcomes_of
from trunkline.redaction import printable
from trunkline.report.json import document
from trunkline.report.run import RunInfo, documented_answers, shortfall
from trunkline.transport.pages import THEME, template

Pieces: TypeAlias = list[tuple[str, bool]]
"""A text in pieces, each with whether another text lacks it: `[("maximum: ", False), ("100", True)]`."""
Met: TypeAlias = tuple[str, int, bool]
"""A status, a parameter or an error case, how often the run has met it, and whether it is documented."""

_FOLDER = Path(__file__).parent
_FEW_FINDINGS = 3
"""The number of findings that are all open at first."""
_PARTS = re.compile(r"\d+|[^\W\d]+|\s+|.", re.DOTALL)
_ALIKE = 0.5
"""The share of common words from which on the differences of two texts are marked."""
_ABOUT_OPERATIONS = (
    "exercised",
    "not_exercised",
    "reached",
    "error_codes",
    "parameters",
    "not_reached",
    "not_implemented",
    "unasked",
    "findings",
)
"""The members of the JSON document that are lists about operations."""
_MEANINGS = {
    Grade.DOCUMENTED: "A page states or shows it.",
    Grade.IMPLIED: "It follows from what a page states.",
    Grade.CUSTOMARY: "HTTP or an RFC says so, and no page does.",
}


def render(report: Report, run: RunInfo) -> str:
    """The page, in ASCII, so that no wrong guess of its encoding matters. The same report gives the same bytes."""
    value = document(report, run)
    for member, finding in zip(value["findings"], report.findings, strict=True):
        member["request"] = printable(report.redact(_request_line(finding)))
        member["script"] = "\n".join(map(printable, member["script"].split("\n")))
        member["pieces"] = _compared(member["expected"], member["seen"])
        member["kind"] = "known" if finding.is_excused else "finding" if member["fails"] else "note"
    style, script = _asset("report.css"), _asset("report.js")
    page = template(_FOLDER / "report.html").render(
        report=value,
        counts=Counter(found["kind"] for found in value["findings"]),
        shortfall=printable(report.redact(shortfall(report, run))),
        stopped=printable(report.redact(report.stopped)),
        operations=[*_operations(value, run.contract)],
        elsewhere=_not_part(value, run.contract),
        reasons=_by_reason(value["not_exercised"]),
        exercised=_by_operation(value["exercised"]),
        rules=_explained(value),
        meanings=_MEANINGS,
        few=_FEW_FINDINGS,
        link=_link,
        style=style,
        script=script,
        policy=f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'",
    )
    return page.encode("ascii", "xmlcharrefreplace").decode() + "\n"


@cache
def _asset(name: str) -> str:
    text = (_FOLDER / name).read_text("utf-8")
    return THEME.read_text("utf-8") + text if name.endswith(".css") else text


def _source(text: str) -> str:
    """The text as a source of a Content-Security-Policy: its hash."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _link(address: str) -> bool:
    """Whether an address may become a link: it leads to a page on the web."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def _request_line(finding: Finding) -> str:
    """The last request of a finding, `GET /trunks?limit=1`, or empty if it is not known."""
    last = finding.exchanges[-1] if finding.exchanges else None
    return f"{last.request.method} {last.request.target}" if last and "request" in last.known else ""


def _compared(expected: str, seen: str) -> tuple[Pieces, Pieces]:
    """Two texts in pieces, with the differences between them, if most of their words are the same."""
    first, second = _PARTS.findall(expected), _PARTS.findall(seen)
    words, others = ([part for part in parts if part.isalnum()] for parts in (first, second))
    if SequenceMatcher(None, words, others, autojunk=False).ratio() < _ALIKE:
        return [(expected, False)], [(seen, False)]
    left, right = Pieces(), Pieces()
    for kind, start, end, other_start, other_end in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        left.append(("".join(first[start:end]), kind != "equal"))
        right.append(("".join(second[other_start:other_end]), kind != "equal"))
    return left, right


def _explained(value: Json) -> dict[str, explanations.Explanation]:
    """The explanation of each rule that has a finding."""
    names = dict.fromkeys(found["rule"] for found in value["findings"])
    return {name: explanations.of(name) for name in names if name in explanations.every()}


def _by_reason(steps: Iterable[Json]) -> dict[str, dict[str, list[str]]]:
    """The checks that were not exercised, by reason and operationId."""
    found: dict[str, list[Json]] = {}
    for step in steps:
        found.setdefault(step["reason"], []).append(step)
    return {reason: _by_operation(alike) for reason, alike in found.items()}


def _by_operation(steps: Iterable[Json]) -> dict[str, list[str]]:
    """The checks of steps by operationId."""
    found: dict[str, list[str]] = {}
    for step in steps:
        found.setdefault(step["operation"], []).append(step["check"])
    return found


def _operations(value: Json, contract: Contract | None) -> Iterator[dict[str, Any]]:
    """The row of each operation that the run is about: what it reached, and what it did not."""
    known = {found.operation_id: found for found in contract.operations} if contract else {}
    for name in _names(value, known):
        own = {member: [each for each in value[member] if each["operation"] == name] for member in _ABOUT_OPERATIONS}
        operation = known.get(name)
        yield {
            "name": name,
            "place": f"{operation.method} {operation.path}" if operation else "",
            "not_implemented": own["not_implemented"],
            "unasked": own["unasked"],
            "findings": len(own["findings"]),
            "exercised": len(own["exercised"]),
            "checks": len(own["exercised"]) + len(own["not_exercised"]),
            "reached": {
                "statuses": _statuses(own["reached"], operation),
                "parameters": _parameters(own["parameters"], operation) if operation else [],
                "error cases": _error_cases(own["error_codes"], operation) if operation else [],
            },
        }


def _statuses(reached: Iterable[Json], operation: Operation | None) -> list[Met]:
    """The statuses that were answered, and the documented ones that were not."""
    met = {found["status"]: found["count"] for found in reached}
    if operation is None:
        return sorted((str(status), count, True) for status, count in met.items())
    keys = {key for status in met for key in (str(status), f"{status // 100}XX")}
    answered = [(str(status), count, operation.response_for(status) is not None) for status, count in met.items()]
    missing = [(key, 0, True) for _, key in documented_answers([operation]) if key not in keys]
    return sorted([*answered, *missing])


def _parameters(sent: Iterable[Json], operation: Operation) -> list[Met]:
    """The query parameters and the fields of the body."""
    counts = {found["parameter"]: found["count"] for found in sent}
    names = [*(parameter.name for parameter in operation.query_parameters), *operation.inputs]
    return [(name, counts.get(name, 0), True) for name in names]


def _error_cases(answered: Iterable[Json], operation: Operation) -> list[Met]:
    """The error codes that a page states or implies, each with its status: `400 INVALID_PARAMS`."""
    counts = Counter[tuple[str, str]]()
    for found in answered:
        if response := operation.response_for(found["status"]):
            counts[response.key, found["code"]] += found["count"]
    outcomes = outcomes_of(operation)
    return [(str(outcome), counts[outcome.status, outcome.code], True) for outcome in outcomes if outcome.code]


def _names(value: Json, known: Collection[str]) -> list[str]:
    """The operations that the run is about, in the order of the contract."""
    found = {each["operation"] for member in _ABOUT_OPERATIONS for each in value[member]}
    return [*(name for name in known if name in found), *sorted(found.difference(known))]


def _not_part(value: Json, contract: Contract | None) -> list[str]:
    """The operations of the contract that the run is not about."""
    names = [found.operation_id for found in contract.operations] if contract else []
    return [name for name in names if name not in _names(value, names)]
