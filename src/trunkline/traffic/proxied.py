"""Judge the exchanges that a proxy has passed on, as `validate` judges recorded ones, and record them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from trunkline.check.rules import rules_of_a_run
from trunkline.contract.http import forbids_content
from trunkline.contract.model import Contract, Operation
from trunkline.contract.requests import operations_named
from trunkline.errors import UsageError, reason_of
from trunkline.exchange import Exchange, Headers, RawHeaders, Request, Response, headers
from trunkline.findings import LONGEST_VALUE, Excuse, Finding, Grade, Identity, Report, excerpt
from trunkline.mock import loader
from trunkline.redaction import (
    REDACTED,
    normalized,
    printable,
    secret_names,
    secrets_in_headers,
    secrets_in_request,
    secrets_in_response,
)
from trunkline.traffic.addresses import Addresses, NoOperation
from trunkline.traffic.messages import coding_of, decode, is_text
from trunkline.traffic.record_file import DecodedExchange, RecordFile
from trunkline.traffic.recorded import Recorded, recorded_exchange
from trunkline.traffic.stand_ins import SHORTEST, StandIns
from trunkline.traffic.validation import judge_recorded, recorded_operation
from trunkline.transport.judging import RawExchange, Verdict
from trunkline.transport.metrics import FAILED, NO_OPERATION, UNJUDGEABLE

_LONGEST_BODY = 64 << 10
"""The number of bytes of a body that are kept for a finding."""
_RENEWED = 10_000
"""The number of exchanges after which the rules begin anew."""
_MOST_CAUSES = 10_000
"""The number of causes that are told apart from new ones."""


class Upstreams:
    """Which requests to an upstream are for the vendor's API: those below `base`, and those that look like it.

    So an upstream may be named without the base path of the contract: `http://127.0.0.1:8000`.
    """

    def __init__(self, contract: Contract, base: str) -> None:
        self._contract = contract
        self._addresses = Addresses(contract, (base,)), Addresses(contract, trusted=True)

    def addresses_of(self, method: str, url: str) -> Addresses:
        """Those to which a request belongs. Raises `NoOperation` for none."""
        below, alike = self._addresses
        try:
            below.path_of(method, url)
        except NoOperation:
            alike.path_of(method, url)
            return alike
        return below

    def operation_id(self, method: str, url: str) -> str:
        """The operationId of a request, for HEAD that of GET; empty if the contract has no such operation."""
        try:
            path, _ = self.addresses_of(method, url).path_of(method, url)
        except (UsageError, ValueError):
            return ""
        operations, wanted = self._contract.match(path)[0], "GET" if method == "HEAD" else method
        return next((operation.operation_id for operation in operations if operation.method == wanted), "")


class ProxyJudge:
    """The judge of a proxy, and the report of all that it has judged.

    `base` is the upstream's base address. `record` names a file for the exchanges. `strictness` says
    which findings are counted in a verdict. With `operations`, only these are judged. `excuses` are the entries of a
    baseline. Raises `UsageError` for an unknown name, and for a file that cannot be written.
    """

    def __init__(
        self,
        vendor: str,
        base: str,
        record: str | None,
        strictness: str,
        operations: tuple[str, ...] = (),
        excuses: Mapping[Identity, Excuse] | None = None,
    ) -> None:
        loaded = loader.load(vendor)
        self._contract, self._strictness = loaded.contract, Grade(strictness)
        self._upstreams = Upstreams(loaded.contract, base)
        self._among = tuple(operations_named(operations, loaded.contract.operations))
        self._rules = rules_of_a_run()
        self._judged = 0
        self._report = Report(secrets=loaded.secrets, excuses=excuses or {})
        self._file = RecordFile(record) if record is not None else None
        self._stand_ins = StandIns()
        self._names = {normalized(name) for name in loaded.contract.secrets}
        self._is_secret = secret_names(loaded.contract.secrets)
        self._causes: set[tuple[object, ...]] = set()

    def report(self) -> Report:
        """The report of all that was judged so far, without the secrets of the traffic."""
        return self._report

    def close(self) -> None:
        """Close the record."""
        if self._file:
            self._file.close()

    def judge_all(self, exchanges: Iterable[RawExchange]) -> list[Verdict]:
        """Judge each exchange, as `judge` does; one for which that fails keeps nobody from judging the others."""
        verdicts = []
        for exchange in exchanges:
            try:
                verdicts.append(self.judge(exchange))
            except Exception as error:  # noqa: BLE001 - its text may hold a secret
                sentence = (
                    f"an exchange was not judged: {type(error).__name__} was not expected; this is a bug in trunkline"
                )
                verdicts.append(Verdict(reason=FAILED, lines=(sentence,)))
        return verdicts

    def judge(self, raw: RawExchange) -> Verdict:
        """Judge an exchange, and write it to the record."""
        try:
            decoded = _decoded(raw)
        except UsageError:
            return Verdict(reason=UNJUDGEABLE)
        self._judged += 1
        if self._judged % _RENEWED == 0:  # what they remember of a run does not grow forever
            self._rules = rules_of_a_run()
        findings, reason = self._findings(decoded)
        secrets = self._secrets(decoded)
        is_known = self._stand_ins.learn(secrets)
        lines: list[str] = []
        place = self._record(decoded, findings, secrets, lines) if is_known else ""
        redact = self._stand_ins.redact if is_known else lambda _: REDACTED
        for finding in findings:
            lines += self._add(replace(finding, first=raw.time, last=raw.time), redact, place)
        failing = [finding for finding in findings if finding.fails(self._strictness)]
        rules = tuple((finding.rule, str(finding.evidence.grade)) for finding in findings)
        return Verdict(len(failing), rules, tuple(lines), reason)

    def _findings(self, decoded: DecodedExchange) -> tuple[list[Finding], str]:
        """The findings, one for each cause; and the reason why there is no judgment, or empty."""
        response = Response(decoded.status, decoded.response_headers, decoded.response_body)
        sent = decoded.method, decoded.url, decoded.request_headers, decoded.request_body
        try:
            addresses = self._upstreams.addresses_of(decoded.method, decoded.url)
            exchange = recorded_exchange(addresses, Recorded(*sent, response, decoded.time, complete=True))
            operation = self._operation(exchange)
            by_cause: dict[object, Finding] = {}
            for finding in judge_recorded(self._report, operation, exchange, self._rules):
                if finding.evidence.grade.carries_findings:
                    finding = self._recognized(finding)  # noqa: PLW2901 - the same one
                    cause = finding.cause, finding.excuse
                    other = by_cause.get(cause)
                    count = finding.count + (other.count if other else 0)
                    by_cause[cause] = replace(other or finding, count=count)
        except NoOperation:
            return [], NO_OPERATION
        except (UsageError, ValueError):
            return [], UNJUDGEABLE
        return [*by_cause.values()], ""

    def _recognized(self, finding: Finding) -> Finding:
        """The finding with the entry of the baseline that is about it."""
        report = self._report
        return replace(finding, excuse=report.excuses.get(report.identity(finding))) if report.excuses else finding

    def _operation(self, exchange: Exchange) -> Operation:
        try:
            return recorded_operation(self._contract, exchange, self._among)
        except UsageError as error:
            raise NoOperation(str(error)) from None

    def _secrets(self, decoded: DecodedExchange) -> set[str]:
        address = urlsplit(decoded.url)
        request = Request(decoded.method, address.path, address.query, decoded.request_headers, decoded.request_body)
        response = Response(decoded.status, decoded.response_headers, decoded.response_body)
        return secrets_in_request(request, self._names) | secrets_in_response(response, self._names)

    def _add(self, finding: Finding, redact: Callable[[str], str], place: str) -> Iterable[str]:
        """Add a finding to the report; the line for the log, if its cause is new."""
        cause = (*finding.cause, finding.evidence.grade, finding.excuse)
        is_new = cause not in self._causes and len(self._causes) < _MOST_CAUSES
        finding = replace(
            finding,
            message=excerpt(finding.message, LONGEST_VALUE, redact),
            expected=excerpt(finding.expected, LONGEST_VALUE, redact),
            seen=excerpt(finding.seen, LONGEST_VALUE, redact),
            at=excerpt(finding.at, LONGEST_VALUE, redact),
            exchanges=tuple(_redacted(exchange, redact) for exchange in finding.exchanges) if is_new else (),
            sources=(place,) if place else (),
        )
        if not self._report.add(finding) or not is_new:
            return ()
        self._causes.add(cause)
        mark = "finding" if finding.fails(self._strictness) else "known" if finding.is_excused else "note"
        at = f" {finding.at}" if finding.at else ""
        page = f"; {finding.evidence.source}" if finding.evidence.source else ""
        line = f"{mark}: {finding.evidence.grade} {finding.rule} {finding.operation}{at}: {finding.message}{page}"
        return (printable(self._report.redact(line)),)

    # --- the record -------------------------------------------------------------------------------------------------

    def _record(
        self, decoded: DecodedExchange, findings: Iterable[Finding], secrets: set[str], lines: list[str]
    ) -> str:
        """Write the exchange with stand-ins for its secrets, and return its place; empty if it is not written."""
        if self._file is None or _is_opaque(decoded):
            return ""
        stand_in: Callable[[str], str] = self._stand_ins
        if any(len(secret) < SHORTEST for secret in secrets):
            stand_in = self._stand_in_short
        recorded = decoded._replace(
            url=stand_in(decoded.url),
            request_headers=self._recorded_fields(decoded.request_headers, stand_in),
            request_body=_recorded_bytes(decoded.request_body, stand_in),
            response_headers=self._recorded_fields(decoded.response_headers, stand_in),
            response_body=_recorded_bytes(decoded.response_body, stand_in),
            findings=tuple(dict.fromkeys(finding.rule for finding in findings)),
        )
        try:
            return self._file.add(recorded)
        except OSError as error:
            lines.append(f"the record {self._file.file} ends here, for it cannot be written: {reason_of(error)}")
            self._file.close()
            self._file = None
            return ""

    def _stand_in_short(self, text: str) -> str:
        """The text without secrets, also without those that are too short to be found without their names."""
        return self._stand_ins(self._stand_ins.under_names(text, self._is_secret))

    def _recorded_fields(self, fields: Headers, stand_in: Callable[[str], str]) -> Headers:
        return tuple((name, self._recorded_value((name, value), stand_in)) for name, value in fields)

    def _recorded_value(self, field: tuple[str, str], stand_in: Callable[[str], str]) -> str:
        value = stand_in(field[1])
        for short in (part for part in secrets_in_headers((field,)) if len(part) < SHORTEST):
            value = re.sub(rf"(?<!\w){re.escape(short)}(?!\w)", self._stand_ins.of(short), value)
        return value


def _decoded(raw: RawExchange) -> DecodedExchange:
    """The exchange with decoded bodies; the length of the response is then that of its whole body.

    Raises `UsageError` for a coding that is not known.
    """
    sent, received = _fields(raw.request_headers), _fields(raw.response_headers)
    if coding_of(Response(200, sent)) != "identity" and raw.request_body:
        raise UsageError("the body of the request has a content coding")
    body = decode(Response(raw.status, received, raw.response_body)).body
    if not forbids_content(raw.method, raw.status):
        others = tuple(field for field in received if field[0] not in {"content-length", "transfer-encoding"})
        received = (*others, ("content-length", str(len(body))))
    return DecodedExchange(
        raw.time, raw.duration, raw.method, raw.url, sent, raw.request_body, raw.status, received, body, ()
    )


def _fields(raw: RawHeaders) -> Headers:
    return headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)


def _is_opaque(decoded: DecodedExchange) -> bool:
    """Whether the body may hide secrets, since it has a content coding that could not be undone."""
    response = Response(decoded.status, decoded.response_headers, decoded.response_body)
    return coding_of(response) != "identity" and not is_text(response.body)


def _recorded_bytes(body: bytes, stand_in: Callable[[str], str]) -> bytes:
    try:
        return stand_in(body.decode()).encode()
    except UnicodeDecodeError:
        return stand_in(body.decode("latin-1")).encode("latin-1", "replace")


def _redacted(exchange: Exchange, redact: Callable[[str], str]) -> Exchange:
    """The exchange without secrets, for a report."""
    request, response = exchange.request, exchange.response
    body = redact(request.body[:_LONGEST_BODY].decode("utf-8", "surrogateescape"))
    shown = redact(response.body[:_LONGEST_BODY].decode("utf-8", "surrogateescape"))
    return replace(
        exchange,
        request=replace(
            request,
            path=redact(request.path),
            query=redact(request.query),
            headers=tuple((name, redact(value)) for name, value in request.headers),
            body=body.encode("utf-8", "surrogateescape"),
        ),
        response=replace(
            response,
            headers=tuple((name, redact(value)) for name, value in response.headers),
            body=shown.encode("utf-8", "surrogateescape"),
        ),
    )
