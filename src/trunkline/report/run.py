"""The facts about a run that every format needs: its target, the verdict, and the statuses that are missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from trunkline.contract.times import DATES
from trunkline.exchange import SAFE_METHODS, SECRET_HEADERS, Headers, Request, curl
from trunkline.findings import Finding, Grade, Report
from trunkline.redaction import is_credential_name, redact_body

if TYPE_CHECKING:
    from trunkline.contract.model import Contract, Operation

GRADES = (Grade.DOCUMENTED, Grade.IMPLIED, Grade.CUSTOMARY)
"""The grades that a finding can have, strongest first."""

BEYOND_LIMITS = "each has a body beyond the limits of trunkline"
KEPT, BROKEN, UNPROVEN = "kept", "broken", "not exercised"
"""The verdicts."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The vendor, address and options of a run: `RunInfo("acme", "http://127.0.0.1:8900/v1", seed=7)`.

    `base` is empty when a saved response was judged. `complete` is false when the run ended early. `documented` holds
    the (operationId, status) pairs that the run tries to reach, `(("listTrunks", "200"),)`; a status can be a class,
    `2XX`. `named` are the operationIds that the run is about, `required` those of which every check must be exercised.
    `secrets` holds the names of fields whose values are never shown.
    """

    vendor: str
    base: str = ""
    seed: int | None = None
    strictness: Grade = Grade.IMPLIED
    complete: bool = True
    documented: tuple[tuple[str, str], ...] = ()
    named: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    script: Callable[[Finding], str] = lambda _: ""
    """Makes a shell script of the requests of a finding."""
    contract: Contract | None = None
    """The contract, which says what there is to be reached."""

    def fails(self, finding: Finding) -> bool:
        """Whether the finding fails the run; otherwise it is a note, or a baseline excuses it."""
        return finding.fails(self.strictness)


def documented_answers(operations: Iterable[Operation]) -> tuple[tuple[str, str], ...]:
    """The documented (operationId, status) pairs, without the classes of errors: `(("listTrunks", "200"), ...)`."""
    return tuple(
        (operation.operation_id, key)
        for operation in operations
        for key in operation.responses
        if key.isdigit() or key == operation.success.key
    )


def verdict(report: Report, run: RunInfo) -> str:
    """`broken` if a finding fails the run, `not exercised` if there was too little to judge, else `kept`."""
    if report.failures(run.strictness):
        return BROKEN
    return UNPROVEN if shortfall(report, run) else KEPT


def shortfall(report: Report, run: RunInfo) -> str:
    """Why too little was judged for a verdict, or empty: `no success of getCall was seen: ...`."""
    names = without_success(report, run)
    if unjudged := [name for name in names if name in report.reach.unjudged]:
        return f"no success of {' or '.join(unjudged)} could be judged: {BEYOND_LIMITS}"
    missing = [(name, check, reason) for (name, check), reason in report.exercised.items() if reason]
    reasons = [reason for name, _, reason in missing if name in names]
    why = report.stopped or max(reasons, key=reasons.count, default="")
    if names or "" not in report.exercised.values():
        if absent := " and ".join(report.not_implemented):
            why = why or f"{absent} {'are' if len(report.not_implemented) > 1 else 'is'} not implemented"
        why = why or "check the token, or name what exists with --param"
        if not names and report.reach.succeeded:
            return f"no check was exercised: {why}"
        return f"no success of {' or '.join(names) or 'any operation'} was seen, so little can be judged: {why}"
    if report.stopped:
        return f"the run did not judge everything: {report.stopped}"
    required = [
        f"{check} of {name} was not exercised: {reason}" for name, check, reason in missing if name in run.required
    ]
    more = f", and neither were {len(required) - 1} more" if len(required) > 1 else ""
    return f"--require is not met: {required[0]}{more}" if required else ""


def without_success(report: Report, run: RunInfo) -> tuple[str, ...]:
    """The operations without a successful response that could be judged, so that there is little evidence about them.

    One that is not implemented, or has nothing to be asked about, is among them only if the run is about it by name.
    """
    judged = report.reach.succeeded - report.reach.unjudged
    excused = (report.not_implemented.keys() | report.unasked.keys()) - run.named
    names = dict.fromkeys(name for name, key in run.documented if key.startswith("2"))
    return tuple(name for name in names if name not in judged | excused)


def not_reached(report: Report, run: RunInfo) -> tuple[tuple[str, str], ...]:
    """The documented (operationId, status) pairs that were never answered, of operations that are implemented."""
    reached = {(name, key) for name, status in report.reach.statuses for key in (str(status), f"{status // 100}XX")}
    return tuple(pair for pair in run.documented if pair not in reached and pair[0] not in report.not_implemented)


def shown_time(time: float) -> str:
    """A Unix time for a reader, in UTC: `2026-11-28T18:00:00Z`. One beyond the years 1 to 9999 is at their end."""
    return (
        datetime.fromtimestamp(min(max(time, DATES[0]), DATES[-1]), UTC)
        .isoformat(timespec="seconds")
        .replace("+00:00", "Z")
    )


def count_grades(report: Report) -> dict[str, int]:
    """The number of findings of each grade: `{"documented": 2, "implied": 0, "customary": 1}`."""
    return {str(grade): sum(finding.evidence.grade is grade for finding in report.findings) for grade in GRADES}


def reproduction_script(finding: Finding, report: Report, run: RunInfo) -> str:
    """A shell script that shows the finding again, if one of its requests may change something; else empty."""
    if all(exchange.request.method in SAFE_METHODS for exchange in finding.exchanges):
        return ""
    return "\n".join(report.redact(line) for line in run.script(finding).rstrip("\n").split("\n"))


def curl_command(finding: Finding, report: Report, run: RunInfo) -> str:
    """A `curl` command that repeats the last request of a finding; empty if it is not known, or where it was sent.

    It is empty too for a recorded request that may change something, or of which a part was hidden. curl sends the
    `Host` of the address itself. Each part is redacted before it is quoted for the shell: a quoted secret would be hard
    to recognize.
    """
    last = finding.exchanges[-1] if finding.exchanges else None
    base = last and (last.base or run.base)
    if last is None or not base or "request" not in last.known:
        return ""
    request, host = last.request, ("host", urlsplit(base).netloc)
    if last.base:
        request = replace(request, headers=_worth_repeating(request.headers))
    headers = [field for field in request.headers if field != host]
    body = report.redact(redact_body(request.body, run.secrets).decode("utf-8", "surrogateescape"))
    redacted = replace(
        request,
        path=report.redact(request.path),
        query=report.redact(request.query),
        headers=tuple((report.redact(name), report.redact(value)) for name, value in headers),
        body=body.encode("utf-8", "surrogateescape"),
    )
    if last.base and (request.method not in SAFE_METHODS or _is_hidden(redacted)):
        return ""
    return curl(redacted, report.redact(base))


def lacks_base(finding: Finding, report: Report, run: RunInfo) -> bool:
    """Whether a recorded finding has no `curl` command only because `--base` does not name its address."""
    if not (finding.sources and finding.exchanges) or curl_command(finding, report, run):
        return False
    last = replace(finding.exchanges[-1], base="https://host")
    return bool(curl_command(replace(finding, exchanges=(last,)), report, run))


_OF_THE_CLIENT = re.compile(
    "accept-(encoding|language)|cache-control|connection|content-length|cookie|dnt|keep-alive|origin|pragma|priority"
    "|proxy-.*|referer|sec-.*|te|transfer-encoding|upgrade(-insecure-requests)?|user-agent|x-schemathesis-.*"
)
"""Header fields that a client adds to any request, and a cookie, which is no credential of an API."""
_PLACEHOLDER = re.compile(r"\*\*\*|\[Filtered\]|%5BFiltered%5D|REDACTED")
"""The words that tools write in the place of what they hide, ours among them."""


def _worth_repeating(recorded: Headers) -> Headers:
    """The header fields of a recorded request that a command needs, with one credential, whatever replaced it."""
    credential = [field for field in recorded if field[0] == "authorization"][:1]
    others = (field for field in recorded if field[0] != "authorization" and not _OF_THE_CLIENT.fullmatch(field[0]))
    return (*credential, *others)


def _is_hidden(request: Request) -> bool:
    """Whether a part of a redacted request is hidden, so that it cannot be sent again. A credential is a variable."""
    others = [(name, value) for name, value in request.headers if name != "authorization"]
    texts = (request.target, request.body.decode("utf-8", "replace"), *(value for _, value in others))
    return any(map(_PLACEHOLDER.search, texts)) or any(
        name in SECRET_HEADERS or is_credential_name(name) for name, _ in others
    )
