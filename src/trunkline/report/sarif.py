"""The report as SARIF 2.1.0, for code scanning: each finding is a result at the line of the contract that it breaks."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import trunkline
from trunkline.check import explanations
from trunkline.contract.lines import find_line
from trunkline.exchange import Json
from trunkline.findings import Finding, Grade, Report, kind_of
from trunkline.redaction import printable, printable_json
from trunkline.report.run import RunInfo, curl_command, reproduction_script

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_DATA = "TRUNKLINE_DATA"
_WHERE = (
    "The folder with schemas/: trunkline/_data of an installed trunkline, the top folder of a checkout, "
    "or the folder that $TRUNKLINE_DATA names."
)
_LEVELS = {Grade.DOCUMENTED: "error", Grade.IMPLIED: "warning", Grade.CUSTOMARY: "note"}
_PLACE = re.compile(r"(?P<file>.*?)(?::(?P<line>[1-9][0-9]*))?(?: \(#(?P<pointer>/.*)\))?", re.DOTALL)
"""The place of a recorded exchange: `answers.txt:12`, `session.har:120 (#/log/entries/3)`."""


def render(report: Report, run: RunInfo) -> str:
    """The document as indented JSON."""
    return json.dumps(document(report, run), ensure_ascii=False, indent=2) + "\n"


def document(report: Report, run: RunInfo) -> Json:
    """The document as a JSON value."""
    pages = {found.rule: found.evidence for found in reversed(report.findings)}
    rules = {name: _rule(name, pages[name].source) for name in dict.fromkeys(found.rule for found in report.findings)}
    positions = {name: at for at, name in enumerate(rules)}
    first = {found.cause: found for found in reversed(report.findings)}
    results = [
        _result(found, positions[found.rule], report, run, is_first=found is first[found.cause])
        for found in report.findings
    ]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "trunkline", "version": trunkline.__version__, "rules": [*rules.values()]}},
                "automationDetails": {"id": f"trunkline/{run.vendor}/"},
                "originalUriBaseIds": {_DATA: {"description": {"text": _WHERE}}},
                "columnKind": "unicodeCodePoints",
                "invocations": [
                    {
                        "executionSuccessful": run.complete and not report.stopped,
                        "toolExecutionNotifications": [*_notifications(report)],
                    }
                ],
                "results": results,
            }
        ],
    }


def _rule(name: str, page: str) -> Json:
    """The description of a rule, law or check, with the page on which its first finding rests."""
    explanation = explanations.every().get(name)
    statement, basis = (explanation.statement, explanation.basis) if explanation else (name, "")
    rule = {"id": name, "shortDescription": {"text": statement}}
    if page.startswith(("https://", "http://")):
        rule["helpUri"] = page
    if explanation:
        causes = "".join(f"- {cause}\n" for cause in explanation.causes)
        text = f"{explanation.meaning}\n\nEvidence: {basis}.\n\nUsual causes:\n\n{causes}\nHow to fix it: "
        text += explanation.fix
        rule |= {"fullDescription": {"text": explanation.meaning}, "help": {"text": text, "markdown": text}}
    return rule


def _result(finding: Finding, position: int, report: Report, run: RunInfo, *, is_first: bool) -> Json:
    result: Json = printable_json(
        {
            "ruleId": finding.rule,
            "ruleIndex": position,
            "level": _LEVELS[finding.evidence.grade],
            "message": {"text": _message(finding)},
            "locations": [_location(finding, run)],
            "relatedLocations": [
                _recorded(report.redact(place), number) for number, place in enumerate(finding.sources)
            ],
            "partialFingerprints": _fingerprints(finding, report, run, is_first=is_first),
            "occurrenceCount": finding.count,
            "suppressions": [
                {"kind": "external", "status": "accepted", "justification": str(finding.excuse)},
            ][: finding.is_excused],
            "properties": {
                "operation": finding.operation,
                "at": finding.at,
                "grade": str(finding.evidence.grade),
                "fails": run.fails(finding),
                "expected": finding.expected,
                "seen": finding.seen,
                "page": finding.evidence.source,
                "note": finding.evidence.note,
                "curl": curl_command(finding, report, run),
            },
        },
        report.redact,
    )
    result["properties"]["script"] = reproduction_script(finding, report, run)  # keeps its line breaks
    return result


def _message(finding: Finding) -> str:
    """One sentence of plain text. A value in it cannot be a link, which plain text of SARIF can have."""
    place = f" {finding.at}" if finding.at else ""
    expected = f"; expected {finding.expected}" if finding.expected else ""
    seen = f"; seen {finding.seen}" if finding.seen else ""
    return f"{finding.operation}{place}: {finding.message}{expected}{seen}".replace("](", "] (")


def _location(finding: Finding, run: RunInfo) -> Json:
    """The operation, and the place in the contract. The path is relative to the folder that has the data."""
    name = f"{run.vendor}.{finding.operation}"
    location: dict[str, Json] = {"logicalLocations": [{"name": finding.operation, "fullyQualifiedName": name}]}
    if line := find_line(finding.contract):
        uri = quote(finding.contract.partition("#")[0])
        location["physicalLocation"] = {
            "artifactLocation": {"uri": uri, "uriBaseId": _DATA},
            "region": {"startLine": line},
        }
    return location


def _recorded(place: str, number: int) -> Json:
    """The place of a recorded exchange, in a file whose name is relative as the user gave it."""
    location: dict[str, Json] = {"id": number, "message": {"text": place}}
    parts = _PLACE.fullmatch(place)
    if parts and parts["file"] != "standard input":
        file = Path(parts["file"])
        uri = file.as_uri() if file.is_absolute() else quote(file.as_posix())
        physical: dict[str, Json] = {"artifactLocation": {"uri": uri}}
        if parts["line"]:
            physical["region"] = {"startLine": int(parts["line"])}
        location["physicalLocation"] = physical
    return location


def _fingerprints(finding: Finding, report: Report, run: RunInfo, *, is_first: bool) -> Json:
    """The same texts in every run that finds the same cause, whether a baseline knows it or not.

    A baseline may know some findings of a cause and not others: the first, which fails if any does, has the fingerprint
    of the cause. The second name is the one that GitHub looks for.
    """
    kind = () if is_first else (kind_of(finding.at, finding.contract, finding.seen),)
    cause = "\0".join(map(report.redact, (run.vendor, *finding.cause, *kind)))
    digest = hashlib.sha256(cause.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return {"trunklineCause/v1": digest, "primaryLocationLineHash": f"{digest}:1"}


def _notifications(report: Report) -> Iterator[Json]:
    """The reason why the run ended early, and what was not judged, exercised or deleted."""
    texts = [("error", report.stopped)] if report.stopped else []
    texts += [
        ("warning", f"{found.subject} {'was' if found.count == 1 else 'were'} not judged: {found.reason}")
        for found in report.reading.unjudged
    ]
    texts += [("note", f"stale: {line}") for line in report.stale]
    texts += [("warning", f"left behind: {line}") for line in report.leftovers]
    texts += [("note", f"{name}: not implemented ({why})") for name, why in report.not_implemented.items()]
    texts += [
        ("note", f"{name}: {check} was not exercised: {reason}")
        for (name, check), reason in sorted(report.exercised.items())
        if reason
    ]
    for level, text in texts:
        yield {"level": level, "message": {"text": printable(report.redact(text))}}
