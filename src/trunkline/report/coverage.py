"""The coverage of a client, as a table and as a JSON document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import trunkline
from trunkline.exchange import Json
from trunkline.mock.coverage import Coverage, DocumentedAnswer, OperationCoverage


class Total(NamedTuple):
    """How many of the outcomes that count were met."""

    met: int
    counted: int

    @property
    def percent(self) -> float:
        """Rounded down to one decimal; 0 if nothing counts."""
        return 1000 * self.met // max(1, self.counted) / 10

    def reaches(self, percent: float) -> bool:
        """Whether it is at least that, exactly."""
        return 100 * self.met >= percent * max(1, self.counted)


def total(*operations: OperationCoverage) -> Total:
    """The total of some operations."""
    counted = [outcome for found in operations for outcome in found.outcomes]
    return Total(sum(outcome.met for outcome in counted), len(counted))


def total_of(coverages: Sequence[Coverage]) -> Total:
    """The total of all vendors."""
    return total(*chain.from_iterable(coverage.operations for coverage in coverages))


def table(coverages: Sequence[Coverage]) -> Iterator[str]:
    """The lines of the table. Each operation has one, which names the outcomes that are missing."""
    rows = [_row(coverage.vendor, found) for coverage in coverages for found in coverage.operations]
    whole = total_of(coverages)
    last = ("TOTAL", f"{whole.counted}", f"{whole.counted - whole.met}", f"{whole.percent:g}%", "")
    head = ("Operation", "Answers", "Missed", "Cover", "Missing")
    width = max(len(row[0]) for row in (head, *rows, last))
    lines = [
        f"{name:{width}}  {counted:>7}  {missed:>6}  {cover:>6}   {missing}".rstrip()
        for name, counted, missed, cover, missing in (head, *rows, last)
    ]
    rule = "-" * len(lines[0])
    yield from (lines[0], rule, *lines[1:-1], rule, lines[-1])
    for coverage in coverages:
        for found in coverage.operations:
            if found.others:
                others = ", ".join(found.others)
                yield f"not counted, as no page documents it: {coverage.vendor} {found.operation.operation_id} {others}"


def _row(vendor: str, found: OperationCoverage) -> tuple[str, str, str, str, str]:
    own = total(found)
    missing = ", ".join(map(str, found.missing))
    numbers = (f"{own.counted}", f"{own.counted - own.met}", f"{own.percent:g}%")
    return (f"{vendor} {found.operation.operation_id}", *numbers, missing if found.asked else f"never asked: {missing}")


def document(coverages: Sequence[Coverage]) -> Json:
    """The document as a JSON value; docs/plugin.md describes it."""
    return {
        "format": 1,
        "trunkline": trunkline.__version__,
        **_numbers(total_of(coverages)),
        "vendors": {coverage.vendor: _vendor(coverage) for coverage in coverages},
    }


def _vendor(coverage: Coverage) -> Json:
    operations = {found.operation.operation_id: _operation(found) for found in coverage.operations}
    return {**_numbers(total(*coverage.operations)), "operations": operations}


def _operation(found: OperationCoverage) -> Json:
    return {
        "method": found.operation.method,
        "path": found.operation.path,
        "asked": found.asked,
        **_numbers(total(found)),
        "answers": [_outcome(outcome) for outcome in found.outcomes],
        "not_counted": [*found.others],
    }


def _outcome(outcome: DocumentedAnswer) -> Json:
    return {
        "status": outcome.status,
        "code": outcome.code or None,
        "met": outcome.met,
        "causes": dict(outcome.causes),
        "grade": str(outcome.evidence.grade),
        "page": outcome.evidence.source,
    }


def _numbers(found: Total) -> dict[str, Json]:
    return {"percent": found.percent, "met": found.met, "counted": found.counted}
