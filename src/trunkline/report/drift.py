"""Drift as lines to read, and as a JSON document. docs/drift.md describes the document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import trunkline
from trunkline.check.drift import Change, Drift, Patch
from trunkline.exchange import Json
from trunkline.redaction import printable, printable_json
from trunkline.report import titles
from trunkline.report.run import shown_time
from trunkline.report.text import BAD, GOOD, MISSING, NOTE, QUIET, STRONG, Line, not_judged, plural, row

_FEW = 20
"""The number of places that are listed of those that were left out, and of properties that were not seen."""


def change_lines(found: Drift) -> Iterator[Line]:
    """Each change, with what was seen of it."""
    return _redacted_lines(found, (line for change in found.changes for line in _change(change)))


def summary_lines(found: Drift, patch: Patch | None = None) -> Iterator[Line]:
    """A line for each thing that was not seen, not read or not patched, and the verdict."""
    return _redacted_lines(found, _summary(found, patch))


def _redacted_lines(found: Drift, lines: Iterable[Line]) -> Iterator[Line]:
    return (tuple((printable(found.profile.redact(text)), style) for text, style in line) for line in lines)


def _change(change: Change) -> Iterator[Line]:
    cause, deviation = change.cause, change.deviation
    mark, style = ("BREAKING", BAD) if change.breaks else ("change", NOTE)
    yield (mark, f"{STRONG} {style}"), (f" {cause.kind}", STRONG)
    yield ((f"  {cause.operation} {cause.status} {cause.at}: {change.message} ({_seen(change)})", ""),)
    parts = {
        "expected": deviation.expected,
        "example": deviation.example,
        "recorded": deviation.source,
        "contract": deviation.contract,
        "page": deviation.evidence.source if deviation.evidence else "",
    }
    yield from (((f"  {name:<9}", QUIET), (text, "")) for name, text in parts.items() if text)
    yield ()


def _summary(found: Drift, patch: Patch | None) -> Iterator[Line]:
    for name, status, place in found.unseen[:_FEW]:
        yield row("not seen", f"{name} {status} {place.at}, which is documented")
    if len(found.unseen) > _FEW:
        yield row("not seen", f"{len(found.unseen) - _FEW} more documented properties")
    if found.unasked:
        yield row(titles.NOT_EXERCISED, f"{', '.join(found.unasked)}: not in the recording", MISSING)
    yield from not_judged(found.reading)
    for change in patch.omitted if patch else ():
        yield row("not in patch", f"{change.cause.operation} {change.cause.at}: {change.message}", MISSING)
    exchanges = found.profile.exchanges
    yield row("seen", f"{plural(exchanges.count, 'response')}{_period(exchanges.first, exchanges.last)}")
    yield _verdict(found)


def _verdict(found: Drift) -> Line:
    before = "the contract" if found.older is None else "the older recording"
    breaking, all_ = len(found.breaking), len(found.changes)
    if not all_:
        text, style = f"no drift: the API is as {before} has it", GOOD
    elif not breaking:
        text, style = f"the API differs from {before}: {plural(all_, 'change')}, none breaks a client", NOTE
    else:
        verb = "breaks" if breaking == 1 else "break"
        text, style = f"the API DIFFERS from {before}: {breaking} of {plural(all_, 'change')} {verb} a client", BAD
    if found.stopped:
        text, style = f"{text}; the run did not compare everything: {found.stopped}", BAD if breaking else MISSING
    return row("verdict", text, f"{STRONG} {style}")


def document(found: Drift, patch: Patch | None = None) -> Json:
    """The drift as a JSON value."""
    exchanges = found.profile.exchanges
    left = {change.cause for change in patch.omitted} if patch else set()
    value = {
        "format": 1,
        "trunkline": trunkline.__version__,
        "vendor": found.profile.contract.vendor,
        "against": "contract" if found.older is None else "recording",
        "verdict": "breaking" if found.breaking else "changed" if found.changes else "none",
        "complete": not found.stopped,
        "responses": exchanges.count,
        "first": _time(exchanges.first),
        "last": _time(exchanges.last),
        "counts": {"breaking": len(found.breaking), "other": len(found.changes) - len(found.breaking)},
        "changes": [
            {**change_document(change), "in_patch": patch is not None and change.cause not in left}
            for change in found.changes
        ],
        "not_seen": [
            {"operation": name, "status": status, "at": place.at, "contract": place.reference}
            for name, status, place in found.unseen
        ],
        "not_exercised": [*found.unasked],
        "skipped": found.reading.skipped,
        "other_hosts": [{"host": host, "count": count} for host, count in found.reading.other_hosts.most_common()],
        "other_operations": [
            {"operation": name, "count": count} for name, count in found.reading.other_operations.most_common()
        ],
        "older": found.reading.older,
        "undated": found.reading.undated,
        "not_judged": [{"place": place, "reason": reason} for place, reason in found.reading.not_judged.items()],
    }
    return printable_json(value, found.profile.redact)


def change_document(change: Change) -> dict[str, Json]:
    """A change as a JSON value."""
    cause, deviation = change.cause, change.deviation
    return {
        "kind": cause.kind,
        "breaking": change.breaks,
        "operation": cause.operation,
        "status": cause.status,
        "at": cause.at,
        "detail": cause.detail,
        "message": change.message,
        "contract": deviation.contract,
        "expected": deviation.expected,
        "example": deviation.example,
        "grade": str(deviation.evidence.grade) if deviation.evidence else None,
        "page": deviation.evidence.source if deviation.evidence else "",
        "count": deviation.count,
        "first": _time(deviation.first),
        "last": _time(deviation.last),
        "source": deviation.source,
    }


def _seen(change: Change) -> str:
    deviation = change.deviation
    times = "once" if deviation.count == 1 else f"{deviation.count} times"
    return f"{times}{_period(deviation.first, deviation.last)}"


def _period(first: float | None, last: float | None) -> str:
    """The first and the last time, if they are known; in the same second they are one: `, 2026-11-28T18:00:00Z`."""
    times = dict.fromkeys(filter(None, map(_time, (first, last))))
    return f", {' to '.join(times)}" if times else ""


def _time(time: float | None) -> str | None:
    """The Unix time for a reader; None if it is not known."""
    return None if time is None else shown_time(time)
