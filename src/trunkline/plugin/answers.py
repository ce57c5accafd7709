"""The answers that the HTTP client of one test gets from vendors' hosts, and the findings about them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from trunkline.check.rules import rules_of_a_run
from trunkline.errors import UsageError
from trunkline.exchange import SAFE_METHODS, Exchange
from trunkline.findings import Finding, Grade, Report
from trunkline.mock.faults import FAULT_HEADER
from trunkline.mock.loader import Vendor
from trunkline.mock.request_log import RecordedRequest
from trunkline.redaction import redactor_of_request
from trunkline.report.run import RunInfo
from trunkline.report.text import finding_lines, plain, plural
from trunkline.traffic.libraries import address_of_response, read_unconsumed
from trunkline.traffic.messages import without_placeholder
from trunkline.traffic.validation import validate

_MOST_WAITING = 1000
"""The number of responses after which those of a test are judged before its end, so that memory is bounded."""


class Answers:
    """Takes the responses, and judges them when it is asked: by then the test has read those that it streams.

    `find` gives the vendor of an address, or None. `ignored` are the names of rules.
    """

    def __init__(self, find: Callable[[str], Vendor | None], strictness: str, ignored: Collection[object] = ()) -> None:
        self._find = find
        self._strictness = Grade(strictness)
        self._rules = tuple(rule for rule in rules_of_a_run() if rule.name not in ignored)
        self._lock = Lock()
        self._waiting: dict[int, tuple[Vendor, Any, Any, str]] = {}
        self._reports: dict[str, Report] = {}
        self._left_out: set[tuple[str, str, str, str]] = set()
        """The requests whose answers have no whole head: (vendor, method, path, query)."""
        self._judged = 0
        self.not_judged: list[str] = []
        """The reason for each answer that was not judged."""

    @property
    def judged(self) -> int:
        """The number of answers that were judged so far."""
        self._judge_waiting()
        return self._judged

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings about the answers so far, notes too."""
        self._judge_waiting()
        return tuple(finding for report in self._reports.values() for finding in report.findings)

    def clear(self) -> None:
        """Forget the answers so far, and the findings about them."""
        with self._lock:
            self._waiting.clear()
            self._reports.clear()

    def add(self, response: Any, request: Any, cassette: str) -> None:
        """Take a response, with those that led to it by redirections, if it is a vendor's; as `clients.Note`."""
        history = getattr(response, "history", ())
        for each in (*(history if isinstance(history, list | tuple) else ()), response):
            if vendor := self._find(address_of_response(each, request)):
                with self._lock:
                    self._waiting.setdefault(id(each), (vendor, each, request, cassette))
        if len(self._waiting) > _MOST_WAITING:
            self._judge_waiting()

    def leave_out(self, request: RecordedRequest) -> None:
        """Leave out the answer to a request to a mock if a fault has cut its head off: it does not name the fault."""
        if request.fault and not request.status:
            self._left_out.add((request.vendor, request.method, request.path, request.query))

    def take_failures(self) -> str:
        """The findings since the last call that fail the test, as text without secrets; empty if there is none."""
        self._judge_waiting()
        lines: list[str] = []
        reports, self._reports = self._reports, {}
        for vendor, report in reports.items():
            run = RunInfo(vendor, strictness=self._strictness)
            failures = report.failures(self._strictness)
            if failures:
                count = plural(len(failures), "finding")
                lines.append(f"trunkline_validate: the test got answers that break the contract of {vendor}: {count}")
            lines += [plain(line) for finding in failures for line in finding_lines(finding, report, run)]
        return "\n".join(lines).rstrip()

    def _judge_waiting(self) -> None:
        with self._lock:
            waiting, self._waiting = [*self._waiting.values()], {}
            for answer in waiting:
                self._judge(*answer)

    def _judge(self, vendor: Vendor, response: Any, request: Any, cassette: str) -> None:
        redact: Callable[[str], str] = str
        try:
            exchange = _exchange(vendor, response, request, cassette)
            asked = exchange.request
            redact = redactor_of_request(asked, vendor.contract.secrets)
            is_cut_off = (vendor.name, asked.method, asked.path, asked.query) in self._left_out
            if is_cut_off or exchange.response.header(FAULT_HEADER) is not None:
                return
            found = validate(vendor, exchange, rules=self._rules)
        except UsageError as error:
            self.not_judged.append(redact(str(error)))
            return
        self._judged += 1
        report = self._reports.setdefault(vendor.name, Report(secrets=vendor.secrets))
        report.secrets |= found.secrets
        with suppress(ValueError):  # it is in another folder
            cassette = str(Path(cassette).relative_to(Path.cwd())) if cassette else ""
        place = ": ".join(filter(None, (cassette, f"{asked.method} {asked.target}")))
        report.extend(replace(finding, sources=(place,)) for finding in found.findings)


def _exchange(vendor: Vendor, response: Any, request: Any, cassette: str) -> Exchange:
    """A response with its request, as far as both are known. Raises `UsageError` if it is none of the API's.

    A cassette plays an answer for another body too, so that a write is not judged by the body which the test sent.
    """
    exchange = read_unconsumed(response, vendor.contract, request)
    if not exchange.request.method:
        raise UsageError(f"an address that is not below {vendor.contract.url} was asked")
    asked, is_known = without_placeholder(exchange.request)
    refused = not is_known and 400 <= exchange.response.status < 500
    unclear = refused or (cassette and asked.method not in SAFE_METHODS)
    return replace(exchange, request=asked, known=exchange.known - {"request"} if unclear else exchange.known)
