"""A watch as lines: each kind that is new, each round, and the screen between rounds. And the document of a webhook."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict

import trunkline
from trunkline.check.history import History, Observation
from trunkline.check.watch import Round
from trunkline.exchange import Json
from trunkline.redaction import printable
from trunkline.report.run import shown_time
from trunkline.report.text import BAD, GOOD, MISSING, NOTE, QUIET, STRONG, Line, plural


def observation_lines(observation: Observation, *, new: bool = True) -> Iterator[Line]:
    """A kind of finding or drift that is new, or that the first round has found."""
    mark, style = ("NEW", BAD) if observation.fails else ("new", NOTE)
    mark = mark if new else "known"
    yield (mark, f"{STRONG} {style}"), (f" {observation.type}", style), (f" {observation.name}", STRONG)
    place = " ".join(filter(None, (observation.operation, observation.status, observation.at)))
    yield ((f"  {printable(place)}: {printable(observation.message)}", ""),)
    parts = {
        "expected": observation.expected,
        "seen": observation.seen,
        "contract": observation.contract,
        "page": observation.page,
    }
    yield from (((f"  {name:<9}", QUIET), (printable(text), "")) for name, text in parts.items() if text)
    yield ()


def round_line(found: Round) -> Line:
    """A round: `2026-11-28T18:00:00Z round 3: 5 operations, 7 requests, nothing new, 2 known`."""
    asked, known = plural(len(found.statuses), "operation"), len(found.observations) - len(found.news)
    facts = [asked, plural(found.requests, "request"), f"{len(found.news)} new" if found.news else "nothing new"]
    facts += [f"{known} known"] if known else []
    style = BAD if found.news else MISSING if found.problem else GOOD
    text = f"{', '.join(facts)}{f'; it did not come to its end: {found.problem}' if found.problem else ''}"
    return ((f"{shown_time(found.began)} round {found.number}: ", QUIET), (printable(text), style))


def panel(found: Round, history: History, name: str, left: float) -> Iterator[Line]:
    """The screen between two rounds: the time left, what is known, and each operation with its last status.

    A narrow terminal cuts the end of a line.
    """
    rounds, known = plural(history.rounds, "round"), plural(len(history.known), "kind")
    yield ((f"next round in {_left(left)}; {name}: {rounds}, {known} of findings and drift known", ""),)
    for operation, status in found.statuses.items():
        style = GOOD if status < 300 else BAD
        yield ((f"  {operation:<24} ", ""), (str(status), style))
    for operation, reason in found.left_out.items():
        yield ((f"  {operation:<24} ", ""), (reason, MISSING))


def document(vendor: str, base: str, found: Round, news: Collection[Observation]) -> Json:
    """The document that a webhook gets. `text` is for chats, which show it."""
    first = next(iter(news))
    more = f", and {len(news) - 1} more" if len(news) > 1 else ""
    text = f"trunkline: {vendor} at {base} has changed: {first.operation} {first.at}: {first.message}{more}"
    return {
        "format": 1,
        "trunkline": trunkline.__version__,
        "text": text,
        "vendor": vendor,
        "base": base,
        "round": found.number,
        "time": shown_time(found.began),
        "new": [asdict(observation) for observation in news],
    }


def _left(seconds: float) -> str:
    """Some seconds as a clock shows them: `4:05`, `1:00:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
