"""The result of a check: `Finding`, the `Evidence` on which it rests, and the `Report` that collects findings."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

from trunkline.exchange import Exchange, Json
from trunkline.redaction import printable, redact_credentials, redact_shapes, redactor

LONGEST_VALUE = 160
"""The number of characters of a value that a report shows."""
_LONGEST_TEXT = 2000
_MOST_SKIPPED = 1000
"""The number of places without a judgment that are kept."""
_MOST_READ = 2048
"""The number of characters of a text that are looked at to show some of them."""
_LONGEST_REST = 48
"""The number of characters dropped at a cut, so that no part of a secret is left: a short one, percent-encoded."""
_LONGEST_BODY = 1 << 20
"""The number of bytes of a response that are kept for a finding."""
_MOST_CAUSES = 100
"""The number of causes for each check, operation and grade that are reported one by one."""
OTHERS_COUNTED = "others like it are only counted from here on"
_MOST_HOSTS = 1000
"""The number of other hosts that are counted one by one."""
OTHER_HOSTS = "more hosts"
_MOST_SECRETS = 1000
"""The number of secrets from which on those of a part of a run are kept only for findings that show its requests."""
MOST_SOURCES = 6
"""The number of places that are kept of a finding in recorded traffic."""


class Grade(StrEnum):
    """The strength of a statement, strongest first."""

    DOCUMENTED = "documented"
    """A page states or shows it."""
    IMPLIED = "implied"
    """It follows from what a page states."""
    CUSTOMARY = "customary"
    """It is customary in HTTP or an RFC; no page says it."""
    DECISION = "decision"
    """It is our own choice for the mock. No finding rests on it."""
    OBSERVED = "observed"
    """It was seen in traffic; no page says it. No finding rests on it."""

    @property
    def rank(self) -> int:
        """0 for the strongest."""
        return _RANKS[self]

    @property
    def carries_findings(self) -> bool:
        """Whether a page or a custom says it, so that an implementation can be held to it."""
        return self not in (Grade.DECISION, Grade.OBSERVED)


_RANKS = {grade: rank for rank, grade in enumerate(Grade)}


@dataclass(frozen=True, slots=True)
class Evidence:
    """The basis of a statement: `Evidence(Grade.DOCUMENTED, "https://docs...", "", "2026-11-20")`.

    `source` is the address of a page, `note` our reason, and `read` the day on which the page was read.
    """

    grade: Grade
    source: str = ""
    note: str = ""
    read: str = ""

    def weakest(self, other: Evidence) -> Evidence:
        """The weaker of the two: a conclusion is only as strong as its weakest premise."""
        return other if other.grade.rank > self.grade.rank else self


Identity: TypeAlias = tuple[str, str, str, str, str]
"""The rule, the operation, the place without positions, the place in the contract, and the kind of what was seen."""


@dataclass(frozen=True, slots=True)
class Excuse:
    """The entry of a baseline that is about a finding. `lapsed` says why it does not excuse the finding any more."""

    place: str
    reason: str
    expires: str
    lapsed: str = ""

    def __str__(self) -> str:
        """`until 2027-02-26: the carrier fixes it`, or `expired on 2026-11-01: ...`."""
        return f"{self.lapsed or f'until {self.expires}'}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach of a rule or a law by an implementation.

    `at` is the place in the exchange (`body/trunks/0/status`, `status`, `header/allow`), `contract` the place in the
    contract (`schemas/acme/trunk.json#/properties/status/enum`). `count` says how often it was found, and `sources`
    names the first places in recorded files that show it: `traffic.har:120 (#/log/entries/3)`. `first` and `last` are
    the Unix times of the first and the last recorded exchange that shows it, as far as they are known.
    """

    rule: str
    operation: str
    evidence: Evidence
    message: str
    at: str = ""
    contract: str = ""
    expected: str = ""
    seen: str = ""
    exchanges: tuple[Exchange, ...] = ()
    count: int = 1
    sources: tuple[str, ...] = ()
    first: float | None = None
    last: float | None = None
    excuse: Excuse | None = None
    """The entry of the run's baseline that is about it."""

    def fails(self, strictness: Grade) -> bool:
        """Whether it fails a run at this strictness; otherwise it is a note, or excused."""
        return self.evidence.grade.rank <= strictness.rank and not self.is_excused

    @property
    def is_excused(self) -> bool:
        """Whether a baseline excuses it."""
        return self.excuse is not None and not self.excuse.lapsed

    @property
    def cause(self) -> tuple[str, str, str, str]:
        """The key by which findings are merged: those that differ in a list position only are one finding."""
        return (self.rule, self.operation, without_positions(self.at), self.contract)


def without_positions(at: str) -> str:
    """A place with `*` for each position in a list: `body/trunks/0/id` -> `body/trunks/*/id`."""
    return "/".join("*" if part.isascii() and part.isdigit() else part for part in at.split("/"))


_KINDS = {'"': "text", "[": "list", "{": "object", "n": "null", "t": "true or false", "f": "true or false"}


def kind_of(at: str, contract: str, seen: str) -> str:
    """The kind of what was seen, which is the same in the next run: `text`, `null`, `absent`; a status is itself.

    A word that is not in a documented list is itself too, and so are the names of what is absent.
    """
    if at == "status":
        return seen[:3]
    if contract.endswith(("/enum", "/const")) or seen.startswith(("absent", "present")):
        return seen
    return "number" if seen[:1].isdigit() or seen[:1] == "-" else _KINDS.get(seen[:1], "")


@dataclass(frozen=True, slots=True)
class NotExercised:
    """The reason why a rule, a law or Schemathesis could not run. It never counts as passed."""

    reason: str


@dataclass(slots=True)
class Reach:
    """How often a run has met what its contract documents."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    """The number of responses for each (operationId, status)."""
    codes: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    """The number of responses for each documented (operationId, status, error code)."""
    inputs: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The number of requests for each (operationId, documented query parameter or field of the body)."""
    unread: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How many of the responses in `statuses` have a body beyond the limits of trunkline, which was not judged."""

    @property
    def succeeded(self) -> set[str]:
        """The operations that were answered with success."""
        return {name for name, status in self.statuses if 200 <= status < 300}

    @property
    def unjudged(self) -> set[str]:
        """The operations that were answered with success, but never with a body that could be judged."""
        read = self.statuses - self.unread
        return self.succeeded - {name for name, status in read if 200 <= status < 300}

    def merge(self, other: Reach) -> None:
        """Add what another part of the same run has met."""
        self.statuses.update(other.statuses)
        self.codes.update(other.codes)
        self.inputs.update(other.inputs)
        self.unread.update(other.unread)


@dataclass(frozen=True, slots=True)
class NotJudged:
    """Why something was not judged: a file, an exchange in it or a request at a `place`, or only a number of exchanges.

    `place` is empty for exchanges that passed a proxy.
    """

    place: str
    reason: str
    count: int = 1

    @property
    def subject(self) -> str:
        """The place, or the number of exchanges: `3 exchanges`."""
        return self.place or f"{self.count} exchange{'' if self.count == 1 else 's'}"


@dataclass(slots=True)
class Reading:
    """How much of the traffic was judged, and what was not, and why."""

    judged: dict[str, int] = field(default_factory=dict)
    """The number of exchanges that were judged, by the file that they were recorded in."""
    not_judged: dict[str, str] = field(default_factory=dict)
    """The reason why a file, an exchange in it, or a request was not judged, by its place: the first of them."""
    skipped: int = 0
    """The number of files, exchanges and requests that were not judged."""
    other_hosts: Counter[str] = field(default_factory=Counter)
    """The number of recorded requests to other hosts, which were left out, by host; and by scheme, `data:`."""
    other_operations: Counter[str] = field(default_factory=Counter)
    """The number of recorded exchanges that were left out since the run is about other operations, by operationId."""
    since: float | None = None
    """The Unix time before which recorded exchanges were left out, if there is one."""
    older: int = 0
    """The number of exchanges that were left out because they are older than `since`."""
    undated: int = 0
    """The number of exchanges that were judged although their time is not known."""
    unplaced: Counter[str] = field(default_factory=Counter)
    """The number of exchanges that passed a proxy and were not judged, by reason."""

    @property
    def left_out(self) -> int:
        """The number of recorded exchanges that were left out as asked: of other hosts or operations, or too old."""
        return self.other_hosts.total() + self.other_operations.total() + self.older

    @property
    def unjudged(self) -> list[NotJudged]:
        """All that is known of what was not judged."""
        placed = [NotJudged(place, reason) for place, reason in self.not_judged.items()]
        return placed + [NotJudged("", reason, count) for reason, count in self.unplaced.items()]

    def skip(self, place: str, reason: str) -> None:
        """Note that a file, or an exchange in one, is not judged."""
        self.skipped += 1
        if len(self.not_judged) < _MOST_SKIPPED:
            self.not_judged[place] = reason

    def count_other_host(self, host: str, count: int = 1) -> None:
        """Count requests to another host; of very many hosts, the first ones are told apart."""
        is_known = host in self.other_hosts or len(self.other_hosts) < _MOST_HOSTS
        self.other_hosts[host if is_known else OTHER_HOSTS] += count

    def merge(self, other: Reading) -> None:
        """Add another part of the same traffic."""
        for file, count in other.judged.items():
            self.judged[file] = self.judged.get(file, 0) + count
        self.not_judged = dict([*(self.not_judged | other.not_judged).items()][:_MOST_SKIPPED])
        self.unplaced.update(other.unplaced)
        self.skipped += other.skipped
        for host, count in other.other_hosts.items():
            self.count_other_host(host, count)
        self.other_operations.update(other.other_operations)
        self.since = other.since if self.since is None else self.since
        self.older += other.older
        self.undated += other.undated


@dataclass(slots=True, repr=False)
class Report:
    """Findings, and what was exercised to find them. The values of `secrets` never occur in it.

    `exercised` maps (operationId, check) to "" when the check ran, or to the reason why it did not. A check is a
    rule, a law or Schemathesis.
    """

    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    excuses: Mapping[Identity, Excuse] = field(default_factory=dict)
    """The entries of a baseline."""
    stale: list[str] = field(default_factory=list)
    """The entries of the baseline that no finding needs any more, one line for each."""
    exercised: dict[tuple[str, str], str] = field(default_factory=dict)
    rules: dict[tuple[str, str], str] = field(default_factory=dict)
    """The same for each (operationId, rule) of a check, in which rules judge every exchange."""
    reach: Reach = field(default_factory=Reach)
    reading: Reading = field(default_factory=Reading)
    requests: int = 0
    stopped: str = ""
    """The reason why the run did not finish, or empty."""
    not_implemented: dict[str, str] = field(default_factory=dict)
    """For each operation that the implementation does not have, the answer that shows it: `404 for GET /calls`."""
    unasked: dict[str, str] = field(default_factory=dict)
    """For each operation that has nothing to be asked about, the reason: `the account has no calls`."""
    leftovers: list[str] = field(default_factory=list)
    """The items that the run created and could not delete, one line for each."""
    _findings: dict[tuple[str, ...], Finding] = field(default_factory=dict)
    _causes: Counter[tuple[str, str, Grade]] = field(default_factory=Counter)
    """The number of causes for each check, operation and grade."""

    def add(self, finding: Finding, key: tuple[str, ...] | None = None) -> bool:
        """Add a finding; return whether its cause is new, or was only known from weaker evidence.

        Findings that rest on our own decisions, or on what was only observed, are dropped. `key` is that under which
        another report has it.
        """
        if not finding.evidence.grade.carries_findings:
            return False
        cause: tuple[str, ...] = key or finding.cause
        kind = (finding.rule, finding.operation, finding.evidence.grade)
        if self.excuses and finding.excuse is None:
            finding = replace(finding, excuse=self.excuses.get(self.identity(finding)))
        if finding.excuse is not None:  # it is never merged with others
            cause = (*finding.cause, finding.excuse.place)
        elif cause not in self._findings and self._causes[kind] >= _MOST_CAUSES:
            cause = (finding.rule, finding.operation, finding.evidence.grade, "more")
        earlier = self._findings.get(cause)
        if earlier is not None:
            sources = tuple(dict.fromkeys((*earlier.sources, *finding.sources)))[:MOST_SOURCES]
            stronger = finding if finding.evidence.grade.rank < earlier.evidence.grade.rank else earlier
            times = [time for one in (earlier, finding) for time in (one.first, one.last) if time is not None]
            first, last = min(times, default=None), max(times, default=None)
            finding = replace(stronger, count=earlier.count + finding.count, sources=sources, first=first, last=last)
            if stronger is earlier:
                self._findings[cause] = finding
                return False
        self._causes[kind] += finding.excuse is None
        if cause[-1] == "more" and cause != key:
            finding = replace(finding, message=f"{finding.message}; {OTHERS_COUNTED}")
        self._findings[cause] = replace(
            finding,
            message=excerpt(finding.message, LONGEST_VALUE, self.redact),
            expected=excerpt(finding.expected, LONGEST_VALUE, self.redact),
            seen=excerpt(finding.seen, LONGEST_VALUE, self.redact),
            at=excerpt(finding.at, LONGEST_VALUE, self.redact),
            exchanges=tuple(map(_shortened, finding.exchanges)),
        )
        return True

    def identity(self, finding: Finding) -> Identity:
        """The key of a finding in a baseline. It is printable, holds no secret, and is the same in each run."""
        at, seen = (printable(excerpt(text, LONGEST_VALUE, self.redact)) for text in (finding.at, finding.seen))
        place, kind = without_positions(at), kind_of(at, finding.contract, seen)
        return finding.rule, finding.operation, place, finding.contract, kind

    def annotate_bodies(self, hint: str) -> None:
        """Add a hint to the message of each finding about a body."""
        for cause, finding in self._findings.items():
            if finding.at.partition("/")[0] == "body":
                self._findings[cause] = replace(finding, message=f"{finding.message} ({hint})")

    def merge(self, other: Report) -> None:
        """Add what another part of the same run has found. A check that either part exercised was exercised."""
        self.excuses = {**self.excuses, **other.excuses}
        self.stale = [*dict.fromkeys((*self.stale, *other.stale))]
        new = [self.add(finding, cause) for cause, finding in other._findings.items()]
        if any(new) or len(self.secrets) < _MOST_SECRETS:  # others are in nothing that is kept
            self.secrets |= other.secrets
        for own, more in ((self.exercised, other.exercised), (self.rules, other.rules)):
            own.update({step: reason for step, reason in more.items() if own.get(step) != ""})
        self.reach.merge(other.reach)
        self.reading.merge(other.reading)
        self.requests += other.requests
        self.stopped = self.stopped or other.stopped
        self.not_implemented |= other.not_implemented
        answered = self.reach.succeeded | self.not_implemented.keys()
        self.unasked = {name: why for name, why in (self.unasked | other.unasked).items() if name not in answered}
        self.leftovers = [*dict.fromkeys((*self.leftovers, *other.leftovers))]

    def redact(self, text: str) -> str:
        """The text with `***` for every known secret, and for what has the shape of a credential."""
        return redact_shapes(redactor(self.secrets)(redact_credentials(text)))

    def __repr__(self) -> str:
        """The findings as text: pytest shows it for `assert not report.failures(), report`."""
        return f"<Report: {self}>"

    def __str__(self) -> str:
        """One line for each finding, e.g. `documented body_matches_schema listTrunks at body/trunks/0/status: ...`."""
        lines = (
            f"{finding.evidence.grade} {finding.rule} {finding.operation} at {finding.at}: {finding.message}"
            for finding in self.findings
        )
        return "\n".join(lines) or "no finding"

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings, strongest first, then in the order in which they were found; those that are known come last."""
        return tuple(sorted(self._findings.values(), key=lambda found: (found.is_excused, found.evidence.grade.rank)))

    def failures(self, strictness: Grade = Grade.IMPLIED) -> tuple[Finding, ...]:
        """The findings that fail a run at this strictness."""
        return tuple(finding for finding in self.findings if finding.fails(strictness))

    def extend(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.add(finding)


_ENCODER = json.JSONEncoder(ensure_ascii=False)


def to_text(value: Json) -> str:
    """A value as JSON on one line: `"busy"`, `[1, 2]`. A long one is truncated; a `Report` truncates it further."""
    pieces: list[str] = []
    remaining = _LONGEST_TEXT
    try:
        for piece in _ENCODER.iterencode(value[:_LONGEST_TEXT] if isinstance(value, str) else value):
            pieces.append(piece[:remaining])
            remaining -= len(piece)
            if remaining <= 0:
                break
    except (ValueError, RecursionError):
        return f"<{type(value).__name__} too large to print>"
    text = "".join(pieces)
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    """A character as JSON escapes it, one beyond U+FFFF as two surrogates."""
    return re.sub("....", r"\\u\g<0>", character.encode("utf-16-be", "surrogatepass").hex())


@lru_cache(maxsize=1)
def _shortened(exchange: Exchange) -> Exchange:
    """The exchange without most of a large body, shared by its findings."""
    response = exchange.response
    if len(response.body) <= _LONGEST_BODY:
        return exchange
    return replace(exchange, response=replace(response, body=response.body[:_LONGEST_BODY]))


def excerpt(text: str, limit: int, redact: Callable[[str], str]) -> str:
    """The beginning of a text without secrets, in a time that does not depend on its length."""
    shown = redact(text[:_MOST_READ])
    return truncate(shown if len(text) <= _MOST_READ else shown[:-_LONGEST_REST] + "…", limit)


def truncate(text: str, limit: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def suggestion(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: `; did you mean listTrunks?`, or nothing if none is like it."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for a mistake

    names = {other.lower(): other for other in known}
    return "".join(f"; did you mean {names[close]}?" for close in get_close_matches(name.lower()[:80], names, 1))


def way_out(name: str, known: Collection[str], most: int | None = None) -> str:
    """The end of a sentence about an unknown name: a suggestion, or all names: `; there are: listTrunks, getTrunk`.

    With `most`, these are the nearest so many, and the number of the others: `; there are: listTrunks, and 7 more`.
    """
    names = [*dict.fromkeys(known)]
    shown = names if most is None else nearest(name, names)[:most]
    more = f", and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    return suggestion(name, known) or (f"; there are: {', '.join(shown)}{more}" if known else "; there is none")


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The names, those first that are most like this one."""
    from difflib import SequenceMatcher  # noqa: PLC0415 - only for a mistake

    likeness = SequenceMatcher(b=name.lower()[:80])

    def distance(other: str) -> float:
        likeness.set_seq1(other.lower())
        return -likeness.ratio()

    return sorted(known, key=distance)
