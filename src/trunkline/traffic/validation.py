"""Judge recorded exchanges by the rules, as far as their parts are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from trunkline.check import reach
from trunkline.check.rules import RULES, Rule, judge, readable, rules_of_a_run
from trunkline.check.rules.applied import note_applied
from trunkline.check.rules.refusals import may_refuse_credential, refusal_is_documented
from trunkline.contract.model import Contract, Operation
from trunkline.contract.requests import operations_named
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Json, Request, beyond_limits
from trunkline.findings import Excuse, Finding, Identity, Reading, Report, truncate
from trunkline.mock.loader import Vendor
from trunkline.redaction import secrets_in_request
from trunkline.traffic.addresses import LONGEST_ADDRESS, Addresses, OtherHost
from trunkline.traffic.inference import guess_status, infer_operation
from trunkline.traffic.jobs import in_order
from trunkline.traffic.libraries import read_object, read_parts
from trunkline.traffic.messages import check_weight
from trunkline.traffic.pieces import Piece, batches, name_of
from trunkline.traffic.recorded import Entry
from trunkline.traffic.sources import files_of, read_batch

_MOST_WRONG = 10_000
"""The number of responses with a problem after which a batch is not judged further: finding problems takes long."""
_MOST_PROBLEMS = 500_000
"""The number of problems in a batch after which it is not judged further."""


def validate(
    vendor: Vendor,
    exchange: Exchange,
    operation: str | None = None,
    *,
    rules: tuple[Rule, ...] = RULES,
    secrets: frozenset[str] = frozenset(),
    excuses: Mapping[Identity, Excuse] | None = None,
) -> Report:
    """The findings of the rules about one exchange. The report says which rules could not be applied, and why.

    `operation` is an operationId; without it, it is that of the request, or is inferred from the response. `excuses`
    are those of a baseline. Raises `UsageError` when no operation can be inferred, or it is none of the vendor's.
    """
    check_weight(exchange.response.body)
    report = Report(secrets=vendor.secrets | secrets, excuses=excuses or {})
    contract = vendor.contract
    chosen = (
        operations_named([operation], contract.operations)[0]
        if operation
        else recorded_operation(contract, exchange, option="operation=")
    )
    _judge(report, chosen, exchange, rules)
    return report


def validate_files(
    vendor: Vendor,
    sources: Sequence[str],
    operations: Sequence[str] = (),
    *,
    bases: Sequence[str] = (),
    since: float | None = None,
    jobs: int = 1,
    report: Report | None = None,
) -> Report:
    """Judge the exchanges in files, in all files of folders, and for `-` in standard input.

    With `operations`, only exchanges with these are judged; a response without a request is taken for one of them. With
    `bases`, only those below one of these addresses are, and with `since`, a Unix time, none that is older. The report
    lists what was not judged, and why. It is `report` if that is given, which has what was found so far if an exception
    ends this. Raises `UsageError` when nothing at all could be judged.

    With `jobs`, so many processes judge; the report is the same. Each is a new interpreter, which imports the main
    module: a script needs `if __name__ == "__main__":`.
    """
    report = Report(secrets=vendor.secrets) if report is None else report
    reading = report.reading
    judge = BatchJudge(vendor.contract, vendor.secrets, report.excuses, tuple(operations), tuple(bases), since)
    reading.since = since
    unread = 0
    with in_order(judge, vendor.name, jobs) as judged:
        for file in [file for source in sources for file in files_of(source)]:
            name = name_of(file)
            reading.judged[name], skipped, left_out = 0, reading.skipped, reading.left_out
            try:
                _judge_file(report, judged(batches(file)), name)
            except UsageError as error:
                reading.skip(name, str(error))
                if reading.judged[name]:
                    report.stopped = f"{name!r} was not judged to its end"
            if not reading.judged[name] and (reading.skipped, reading.left_out) == (skipped, left_out):
                reading.skip(name, "it holds no exchange")
            unread += not reading.judged[name] and reading.skipped > skipped
    if not any(reading.judged.values()):
        raise UsageError(report.redact(nothing_judged(reading, vendor.name)))
    if unread:
        report.stopped = f"nothing in {unread} of {len(reading.judged)} files could be judged"
    return report


def _judge_file(report: Report, judged: Iterable[Judged], name: str) -> None:
    """Add what was found in each batch of a file. Raises `UsageError` where it cannot be judged any further."""
    for batch in judged:
        report.merge(batch.report)
        report.reading.judged[name] += batch.exchanges
        if batch.unread:
            raise UsageError(batch.unread)


def nothing_judged(reading: Reading, vendor: str) -> str:
    """Why nothing in the sources could be judged."""
    if not reading.not_judged:
        hosts = ", ".join(host for host, _ in reading.other_hosts.most_common(5))
        older = f"older than --since: {reading.older}" if reading.older else ""
        count = reading.other_hosts.total()
        elsewhere = f"to other hosts: {count} ({hosts}; name yours with --base)" if hosts else ""
        names = ", ".join(reading.other_operations)
        others = f"of other operations: {reading.other_operations.total()} ({names})" if names else ""
        named = ", and of an operation that --operation names" if names else ""
        return f"no exchange is for {vendor}{named}; {', '.join(filter(None, (older, elsewhere, others)))}"
    place, reason = next(iter(reading.not_judged.items()))
    more = f" (and so on, {reading.skipped} in all)" if reading.skipped > 1 else ""
    named = reason if reason.startswith(repr(place)) else f"{place!r} cannot be judged: {reason}"
    return f"{named}{more}"


class Judged(NamedTuple):
    """The result of judging a batch of a file: a report, and the number of exchanges that were judged."""

    report: Report
    exchanges: int
    unread: str
    """The reason why what follows in the file cannot be judged, or empty."""


class BatchJudge:
    """Judges the batches of files, each without regard to the others, so that it does not matter in which process."""

    def __init__(
        self,
        contract: Contract,
        secrets: frozenset[str],
        excuses: Mapping[Identity, Excuse],
        operations: tuple[str, ...] = (),
        bases: tuple[str, ...] = (),
        since: float | None = None,
    ) -> None:
        self._contract, self._secrets, self._excuses, self._since = contract, secrets, excuses, since
        self._addresses = Addresses(contract, bases)
        self._among = tuple(operations_named(operations, contract.operations))
        self.settings = secrets, excuses, operations, bases, since
        """The arguments beside the contract, with which another process makes the same judge."""

    def __call__(self, batch: list[Piece | Entry]) -> Judged:
        """Judge the pieces of a batch of a file."""
        report, rules, unread = Report(self._secrets, excuses=self._excuses), rules_of_a_run(), ""
        exchanges = wrong = problems = 0
        try:
            for entry in read_batch(batch, self._addresses):  # each is judged while its body is still known as JSON
                if wrong >= _MOST_WRONG or problems >= _MOST_PROBLEMS:
                    unread = (
                        f"the responses from {entry.place} on were not judged, which would take too long: {wrong:,} "
                        f"before it have {problems:,} problems; split the file, or fix those first"
                    )
                    break
                found = self._judge(report, entry, rules)
                exchanges += found is not None
                wrong += bool(found)
                problems += found or 0
        except UsageError as error:
            unread = str(error)
        return Judged(report, exchanges, unread)

    def _judge(self, report: Report, entry: Entry, rules: tuple[Rule, ...]) -> int | None:
        """Add what is found in an entry to a report; return how often something was found, None if it is not judged."""
        place, time, exchange = entry
        since = self._since
        if isinstance(exchange, OtherHost):
            report.reading.other_hosts[exchange.host] += 1
            return None
        if since is not None and time is not None and time < since:
            report.reading.older += 1
            return None
        try:
            if isinstance(exchange, UsageError):
                raise exchange
            found = _judge(
                report, recorded_operation(self._contract, exchange, self._among), exchange, rules, place, time
            )
        except OtherOperation as error:
            report.reading.other_operations[error.operation_id] += 1
            return None
        except UsageError as error:
            report.reading.skip(place, str(error))
            return None
        report.reading.undated += since is not None and time is None
        return found


class OtherOperation(UsageError):
    """The exchange is of an operation, `operation_id`, that the run is not about."""

    def __init__(self, operation_id: str) -> None:
        super().__init__(f"it is a response of {operation_id}")
        self.operation_id = operation_id


def recorded_operation(
    contract: Contract, exchange: Exchange, among: tuple[Operation, ...] = (), option: str = "--operation"
) -> Operation:
    """The operation of a recorded exchange, inferred if its request is not known.

    Raises `OtherOperation` for one that is not `among` those of the run, and `UsageError` for none.
    """
    requested = _requested(contract, exchange.request)
    if requested and among and requested not in among:
        raise OtherOperation(requested.operation_id)
    return requested or infer_operation(contract, exchange, among, option)


def _judge(
    report: Report,
    operation: Operation,
    exchange: Exchange,
    rules: tuple[Rule, ...],
    source: str = "",
    time: float | None = None,
) -> int:
    """Add the findings about an exchange, and what was exercised, to a report; return how often something was found."""
    if (secrets := secrets_in_request(exchange.request, operation.contract.secrets)) - report.secrets:
        report.secrets |= secrets
    sources = (source,) if source else ()
    problems = 0
    for finding in judge_recorded(report, operation, exchange, rules):
        report.add(replace(finding, sources=sources, first=time, last=time))
        problems += finding.count
    return problems


def completed(operation: Operation, exchange: Exchange) -> Exchange:
    """The exchange with the method, the path and the status that it has presumably, if they are not known.

    Raises `UsageError` for a redirection, and for a body beyond the limits of trunkline, which cannot be judged.
    """
    if reason := beyond_limits(exchange.response.body):
        raise UsageError(reason)
    if "request" not in exchange.known:
        exchange = replace(exchange, request=Request(operation.method, operation.path))
    status = exchange.response.status
    if status // 100 == 3 and "status" in exchange.known and not operation.response_for(status):
        raise UsageError(f"its status is {status}: the answer is elsewhere, or was kept from an earlier request")
    if "status" not in exchange.known:
        status = guess_status(operation, exchange.response.body)
        exchange = replace(exchange, response=replace(exchange.response, status=status))
    return exchange


def judge_recorded(
    report: Report, operation: Operation, exchange: Exchange, rules: tuple[Rule, ...]
) -> Iterator[Finding]:
    """The findings about a recorded exchange. The report gets a note of what was exercised, but not the findings.

    Raises `UsageError` for a redirection, and for a body beyond the limits of trunkline, which cannot be judged.
    """
    exchange = readable(completed(operation, exchange))
    if may_refuse_credential(operation, exchange):
        key = operation.operation_id, refusal_is_documented.name
        report.exercised.setdefault(key, "the credential may be what is refused")
        rules = tuple(rule for rule in rules if rule is not refusal_is_documented)
    note_applied(report.exercised, operation, exchange, rules)
    if exchange.request.method == operation.method:
        reach.count(report, operation, exchange)
    yield from judge(operation, exchange, rules)


def _requested(contract: Contract, request: Request) -> Operation | None:
    """The operation of a request, for HEAD that of GET; None if it is not known. Raises `UsageError` if it has none."""
    if not request.method:
        return None
    operations, _ = contract.match(request.path)
    method = "GET" if request.method == "HEAD" else request.method
    for operation in operations:
        if operation.method == method:
            return operation
    asked = truncate(f"{request.method} {request.path}", LONGEST_ADDRESS)
    raise UsageError(f"{asked} is no operation of {contract.vendor}")


def validate_response(
    vendor: Vendor,
    response: object = None,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    body: Json = None,
    operation: str | None = None,
) -> Report:
    """`validate` for a response object of another library, or for the parts of a response."""
    if response is None:
        return validate(vendor, read_parts(status, headers, body), operation)
    if (status, headers, body) != (None, None, None):
        raise UsageError("a response and its parts are two responses; give one of them")
    return validate(vendor, read_object(response, vendor.contract), operation)
