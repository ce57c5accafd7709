"""The report as one JSON document, which `report.schema.json` describes."""

from __future__ import annotations

import json
from dataclasses import asdict

import trunkline
from trunkline.exchange import Json
from trunkline.findings import Finding, Report
from trunkline.redaction import printable_json
from trunkline.report.requests import requests
from trunkline.report.run import (
    RunInfo,
    count_grades,
    curl_command,
    not_reached,
    reproduction_script,
    shown_time,
    verdict,
)


def render(report: Report, run: RunInfo) -> str:
    """The document as indented JSON."""
    return json.dumps(document(report, run), ensure_ascii=False, indent=2) + "\n"


def document(report: Report, run: RunInfo) -> Json:
    """The document as a JSON value."""
    exercised, reading = sorted(report.exercised.items()), report.reading
    value: Json = printable_json(
        {
            "format": 1,
            "trunkline": trunkline.__version__,
            "vendor": run.vendor,
            "base": run.base,
            "seed": run.seed,
            "strictness": str(run.strictness),
            "complete": run.complete,
            "verdict": verdict(report, run),
            "requests": report.requests,
            "counts": count_grades(report),
            "findings": [_finding(finding, report, run) for finding in report.findings],
            "exercised": [{"operation": name, "check": check} for (name, check), reason in exercised if not reason],
            "not_exercised": [
                {"operation": name, "check": check, "reason": reason} for (name, check), reason in exercised if reason
            ],
            "reached": [
                {"operation": name, "status": status, "count": count}
                for (name, status), count in sorted(report.reach.statuses.items())
            ],
            "error_codes": [
                {"operation": name, "status": status, "code": code, "count": count}
                for (name, status, code), count in sorted(report.reach.codes.items())
            ],
            "parameters": [
                {"operation": name, "parameter": parameter, "count": count}
                for (name, parameter), count in sorted(report.reach.inputs.items())
            ],
            "not_reached": [
                {"operation": name, "status": int(key) if key.isdigit() else key}
                for name, key in not_reached(report, run)
            ],
            "not_implemented": [
                {"operation": name, "reason": reason} for name, reason in sorted(report.not_implemented.items())
            ],
            "unasked": [{"operation": name, "reason": reason} for name, reason in sorted(report.unasked.items())],
            "stale": report.stale,
            "left_behind": report.leftovers,
            "judged": [{"file": file, "count": count} for file, count in reading.judged.items()],
            "skipped": reading.skipped,
            "other_hosts": [{"host": host, "count": count} for host, count in reading.other_hosts.most_common()],
            "other_operations": [
                {"operation": name, "count": count} for name, count in reading.other_operations.most_common()
            ],
            "since": None if reading.since is None else shown_time(reading.since),
            "older": reading.older,
            "undated": reading.undated,
            "not_judged": [asdict(found) for found in reading.unjudged],
        },
        report.redact,
    )
    for member, finding in zip(value["findings"], report.findings, strict=True):
        member["script"] = reproduction_script(finding, report, run)  # keeps its line breaks
        member["requests"] = [*requests(finding, report, run)]
    return value


def _finding(finding: Finding, report: Report, run: RunInfo) -> Json:
    last = finding.exchanges[-1] if finding.exchanges else None
    return {
        "rule": finding.rule,
        "operation": finding.operation,
        "grade": str(finding.evidence.grade),
        "fails": run.fails(finding),
        "known": finding.excuse
        and {
            "reason": finding.excuse.reason,
            "expires": finding.excuse.expires,
            "lapsed": finding.excuse.lapsed,
            "place": finding.excuse.place,
        },
        "page": finding.evidence.source,
        "note": finding.evidence.note,
        "read": finding.evidence.read,
        "message": finding.message,
        "at": finding.at,
        "contract": finding.contract,
        "expected": finding.expected,
        "seen": finding.seen,
        "count": finding.count,
        "sources": [*finding.sources],
        "first": None if finding.first is None else shown_time(finding.first),
        "last": None if finding.last is None else shown_time(finding.last),
        "status": last.response.status if last and "status" in last.known else None,
        "curl": curl_command(finding, report, run),
        "script": "",
        "requests": [],
    }
