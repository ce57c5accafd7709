"""Judge one batch of many, in whatever process or machine: what an engine for large data calls (docs/scale.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from trunkline.errors import UsageError
from trunkline.exchange import Json
from trunkline.findings import Finding, Report, without_positions
from trunkline.mock import loader
from trunkline.redaction import printable
from trunkline.traffic.addresses import Addresses
from trunkline.traffic.ndjson import read_line, read_row
from trunkline.traffic.pieces import LONGEST_ENTRY
from trunkline.traffic.recorded import Entry
from trunkline.traffic.validation import BatchJudge

Row: TypeAlias = "Mapping[str, Json] | str | bytes"
"""An exchange: a line of NDJSON, or a dict with the members of one (docs/traffic.md)."""

_TEXTS = ("kind", "cause", "vendor", "operation", "rule", "grade", "at", "contract", "message", "expected", "seen")
_EMPTY: Mapping[str, Json] = {**dict.fromkeys((*_TEXTS, "page", "row"), ""), "count": 0, "first": None, "last": None}
"""A row of the result. All of them have these columns."""


def judge_batch(
    rows: Iterable[Row], vendor: str, *, operations: Sequence[str] = (), bases: Sequence[str] = ()
) -> list[dict[str, Json]]:
    """The findings about a batch of recorded exchanges, and how many exchanges were judged and were not.

    It is a pure function: equal rows give equal results. docs/scale.md describes the columns, and how the results of
    many batches become one. `operations` and `bases` are those of `trunkline validate`.

    >>> [(row["kind"], row["rule"], row["count"]) for row in judge_batch(lines, "acme")]
    [('judged', '', 500), ('finding', 'body_matches_schema', 3)]

    Raises `UsageError` for an unknown vendor or operation, or a base that is no address. A row that cannot be read is
    counted in the result.
    """
    judge, addresses = _judge(vendor, tuple(operations), tuple(bases))
    entries = [_entry(row, str(number), addresses) for number, row in enumerate(rows)]
    report, judged, unread = judge([*entries])
    reading = report.reading
    reasons = Counter(reading.not_judged.values())
    rows_of = {reason: place for place, reason in reversed(reading.not_judged.items())}
    reasons["others"] = reading.skipped - reasons.total()
    if unread:
        reasons[unread] += len(entries) - judged - reading.skipped - reading.left_out
    kinds = {"not_judged": reasons, "other_host": reading.other_hosts, "other_operation": reading.other_operations}
    return [
        _row(report, vendor, kind="judged", count=judged),
        *(_finding(report, vendor, finding) for finding in report.findings),
        *(
            _row(report, vendor, kind=kind, cause=text, message=text, count=count, row=rows_of.get(text, ""))
            for kind, counts in kinds.items()
            for text, count in counts.items()
            if count
        ),
    ]


@lru_cache(maxsize=16)
def _judge(vendor: str, operations: tuple[str, ...], bases: tuple[str, ...]) -> tuple[BatchJudge, Addresses]:
    """The judge of batches, and the addresses of the API. Both are made once in each process."""
    loaded = loader.load(vendor, lint=False)
    judge = BatchJudge(loaded.contract, loaded.secrets, {}, operations, bases)
    return judge, Addresses(loaded.contract, bases)


def _entry(row: Row, place: str, addresses: Addresses) -> Entry:
    if isinstance(row, Mapping):
        return read_row(row, place, addresses)
    line = row.encode("utf-8", "surrogatepass") if isinstance(row, str) else row
    if not isinstance(line, bytes):
        return Entry(place, None, UsageError(f"it is of the type {type(row).__name__}, and neither a line nor a dict"))
    if len(line) > LONGEST_ENTRY:
        return Entry(place, None, UsageError(f"it is more than {LONGEST_ENTRY} bytes long"))
    return next(iter(read_line(line, place, addresses)))


def _finding(report: Report, vendor: str, finding: Finding) -> dict[str, Json]:
    return _row(
        report,
        vendor,
        kind="finding",
        cause=" ".join(filter(None, finding.cause)),
        operation=finding.operation,
        rule=finding.rule,
        grade=str(finding.evidence.grade),
        at=without_positions(finding.at),
        contract=finding.contract,
        message=finding.message,
        expected=finding.expected,
        seen=finding.seen,
        page=finding.evidence.source,
        row=next(iter(finding.sources), ""),
        count=finding.count,
        first=finding.first,
        last=finding.last,
    )


def _row(report: Report, vendor: str, **values: Json) -> dict[str, Json]:
    shown = {
        name: printable(report.redact(value)) if isinstance(value, str) else value for name, value in values.items()
    }
    return {**_EMPTY, "vendor": vendor, **shown}
