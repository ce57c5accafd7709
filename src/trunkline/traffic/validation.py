"""Judge recorded exchanges by the rules, as far as their parts are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from trunkline.check import reach
from trunkline.check.rules import RULES, Rule, judge, rules_of_a_run
from trunkline.check.rules.applied import note_applied
from trunkline.contract.model import Contract, Operation
from trunkline.contract.requests import operations_named
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Json, Request
from trunkline.findings import Finding, Identity, Known, Report, truncate
from trunkline.mock.loader import Vendor
from trunkline.redaction import secrets_in_request
from trunkline.traffic.inference import guess_status, infer_operation
from trunkline.traffic.libraries import read_object, read_parts
from trunkline.traffic.messages import check_weight
from trunkline.traffic.sources import files_of, name_of, read_entries

_LONGEST_ADDRESS = 200
_MOST_WRONG = 10_000
"""The number of responses with a problem after which a file is not judged further: finding problems takes long."""
_MOST_PROBLEMS = 500_000
"""The number of problems in one file after which it is not judged further."""


def validate(
    vendor: Vendor,
    exchange: Exchange,
    operation: str | None = None,
    *,
    rules: tuple[Rule, ...] = RULES,
    secrets: frozenset[str] = frozenset(),
    known: Mapping[Identity, Known] | None = None,
) -> Report:
    """The findings of the rules about one exchange. The report says which rules could not be applied, and why.

    `operation` is an operationId; without it, it is that of the request, or is inferred from the response. `known` are
    the entries of a baseline. Raises `UsageError` when no operation can be inferred, or it is none of the vendor's.
    """
    check_weight(exchange.response.body)
    report = Report(secrets=vendor.secrets | secrets, known=known or {})
    contract = vendor.contract
    chosen = operations_named([operation], contract.operations)[0] if operation else operation_of(contract, exchange)
    _judge(report, chosen, exchange, rules)
    return report


def validate_files(
    vendor: Vendor,
    sources: Sequence[str],
    operations: Sequence[str] = (),
    known: Mapping[Identity, Known] | None = None,
) -> Report:
    """Judge the exchanges in files, in all files of folders, and for `-` in standard input.

    With `operations`, only exchanges with these are judged; a response without a request is taken for one of them.
    `known` are the entries of a baseline. The report lists what was not judged, and why. Raises `UsageError` when
    nothing at all could be judged.
    """
    among, rules = tuple(operations_named(operations, vendor.contract.operations)), rules_of_a_run()
    report = Report(secrets=vendor.secrets, known=known or {})
    for file in [file for source in sources for file in files_of(source)]:
        name = name_of(file)
        report.judged[name], before = 0, report.skipped
        try:
            _judge_file(report, vendor.contract, file, name, among, rules)
        except UsageError as error:
            report.skip(name, str(error))
            if report.judged[name]:
                report.stopped = f"{name!r} was not judged to its end"
        if not report.judged[name] and report.skipped == before:
            report.skip(name, "it holds no exchange")
    if not any(report.judged.values()):
        raise UsageError(_nothing_judged(report))
    if missing := sum(1 for count in report.judged.values() if not count):
        report.stopped = f"nothing in {missing} of {len(report.judged)} files could be judged"
    return report


def _judge_file(
    report: Report, contract: Contract, file: str, name: str, among: tuple[Operation, ...], rules: tuple[Rule, ...]
) -> None:
    """Judge the exchanges in a file. Raises `UsageError` where it cannot be read, or takes too long to be judged."""
    wrong = problems = 0
    for place, _, exchange in read_entries(file, contract):
        if wrong >= _MOST_WRONG or problems >= _MOST_PROBLEMS:
            raise UsageError(
                f"the responses from {place} on were not judged, which would take too long: {wrong:,} before it have "
                f"{problems:,} problems; split the file, or mend those first"
            )
        try:
            if isinstance(exchange, UsageError):
                raise exchange
            found = _judge(report, operation_of(contract, exchange, among), exchange, rules, place)
            report.judged[name] += 1
        except UsageError as error:
            report.skip(place, str(error))
            found = 1
        wrong += bool(found)
        problems += found


def _nothing_judged(report: Report) -> str:
    place, reason = next(iter(report.not_judged.items()))
    others = f" (and so on, {report.skipped} in all)" if report.skipped > 1 else ""
    return report.redact(f"{place!r} cannot be judged: {reason}{others}")


def operation_of(contract: Contract, exchange: Exchange, among: tuple[Operation, ...] = ()) -> Operation:
    """The operation of a recorded exchange, inferred if its request is not known. Raises `UsageError` for none."""
    requested = _requested(contract, exchange.request)
    if requested and among and requested not in among:
        raise UsageError(f"it is a response of {requested.operation_id}")
    return requested or infer_operation(contract, exchange, among)


def _judge(report: Report, operation: Operation, exchange: Exchange, rules: tuple[Rule, ...], source: str = "") -> int:
    """Add the findings about an exchange, and what was exercised, to a report; return how often something was found."""
    report.secrets |= secrets_in_request(exchange.request, operation.contract.secrets)
    sources = (source,) if source else ()
    problems = 0
    for finding in judge_recorded(report, operation, exchange, rules):
        report.add(replace(finding, sources=sources))
        problems += finding.count
    return problems


def completed(operation: Operation, exchange: Exchange) -> Exchange:
    """The exchange with the method, the path and the status that it has presumably, if they are not known.

    Raises `UsageError` for a redirection, which cannot be judged.
    """
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
    """The findings about a recorded exchange. The report is told what was exercised.

    Raises `UsageError` for a redirection, which cannot be judged.
    """
    exchange = completed(operation, exchange)
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
    asked = truncate(f"{request.method} {request.path}", _LONGEST_ADDRESS)
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
