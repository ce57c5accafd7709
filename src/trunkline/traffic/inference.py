"""Infer the operation and the status of a response whose request or status is not known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from trunkline.contract.bodies import NOTHING, at_pointer
from trunkline.contract.model import Contract, DocumentedResponse, Operation
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Json, NotJSON, Response, resolve
from trunkline.findings import Grade


class _Fit(NamedTuple):
    """How well a documented response fits a body."""

    error_code: int
    """The rank of the evidence for the error code, or `_UNDOCUMENTED_CODE`."""
    described: int
    """The number of values of the body that the schema describes."""
    violations: int
    """The number of ways in which the body breaks the schema."""
    misshapen: int
    """The number of ways in which the body itself, or a value directly in it, has another shape."""

    @property
    def order(self) -> tuple[int, int, int]:
        """The key by which the best fit of one operation comes first."""
        return self.error_code, -self.described, self.violations

    def beats(self, other: _Fit) -> bool:
        """Whether it fits clearly better: by its error code, else by what it describes.

        One that the body breaks is never better than one that it obeys. Of two that it breaks, one is better whose
        outer shape is the body's while that of the other is not, or which describes twice as much.
        """
        if self.error_code != other.error_code:
            return self.error_code < other.error_code
        if not self.violations:
            return self.described >= other.described and self != other
        if not other.violations or self.misshapen > other.misshapen:
            return False
        same_shape = self.misshapen == other.misshapen
        return self.described >= 2 * other.described if same_shape else self.described > other.described


_MOST_ITEMS = 10
"""The number of items of a list that are looked at."""
_UNDOCUMENTED_CODE = len(Grade)
_LEAST_DESCRIBED = 2
"""A schema that describes fewer values knows no property of the body, only that it is an object."""
_SHAPE_KEYWORDS = ("type", "required", "const")
"""A value that breaks one of these has another shape. Other keywords say that a value of the right shape is wrong."""


def infer_operation(
    contract: Contract, exchange: Exchange, among: tuple[Operation, ...] = (), option: str = "--operation"
) -> Operation:
    """The operation, one of `among` or of all, whose documented responses fit best; a single one fits anything.

    A body that is valid for one operation is never taken for the response of another that it breaks. Raises
    `UsageError` with the candidates if several fit, of which none fits clearly better, or if none does; `option` is how
    the user names one.
    """
    candidates = among or contract.operations
    if len(candidates) == 1:
        return candidates[0]
    fits = _fits(contract, candidates, exchange)
    best = [operation for operation, fit in fits.items() if not any(other.beats(fit) for other in fits.values())]
    alike = len({fits[operation] for operation in best}) == 1
    nearest = [operation for operation in best if operation.reads] if alike else []  # a refusal is that of any
    nearest = nearest or best
    if len(nearest) == 1:
        return nearest[0]
    names = ", ".join(operation.operation_id for operation in nearest or candidates)
    fitting = "several operations have" if nearest else f"no operation of {contract.vendor} has"
    raise UsageError(f"{fitting} such a response; name the right one with {option}: {names}")


def _fits(contract: Contract, operations: Iterable[Operation], exchange: Exchange) -> dict[Operation, _Fit]:
    """For each operation the fit of the documented response that fits best, without those that describe too little.

    If some fit perfectly, they are all: no error code is better, and the schema accepts the body and describes as much
    of it as any. They beat the others, whose violations take long to find.
    """
    try:
        body = _beginning(exchange.response.json())
    except NotJSON:
        return {}
    status = exchange.response.status if "status" in exchange.known else None
    pairs = [
        (operation, response, ref, _rank(contract, response, body))
        for operation, response, ref in _responses(tuple(operations), status)
    ]
    described = {ref: _count_described(_schema_of(contract, it.schema), body) for _, it, ref, _ in pairs}
    responses = {ref: it for _, it, ref, _ in reversed(pairs) if described[ref] >= _LEAST_DESCRIBED}
    least_rank = min((rank for *_, rank in pairs), default=_UNDOCUMENTED_CODE)
    most = max((described[ref] for *_, ref, rank in pairs if rank == least_rank), default=0)
    perfect = _Fit(least_rank, most, 0, 0)
    shapes: dict[str, tuple[int, int, int]] = {}
    fits: dict[Operation, _Fit] = {}
    likely = [ref for ref, it in responses.items() if described[ref] == most and contract.accepts(it.schema, body)]
    for refs in (likely, responses):
        shapes |= {ref: _shape(contract, responses[ref], body, described[ref]) for ref in refs if ref not in shapes}
        found: dict[Operation, list[_Fit]] = {}
        for operation, _, ref, rank in pairs:
            if ref in shapes:
                found.setdefault(operation, []).append(_Fit(rank, *shapes[ref]))
        fits = {operation: min(its, key=lambda fit: fit.order) for operation, its in found.items()}
        if most >= _LEAST_DESCRIBED and perfect in fits.values():
            return {operation: fit for operation, fit in fits.items() if fit == perfect}
    return {operation: fit for operation, fit in fits.items() if fit.described >= _LEAST_DESCRIBED}


@lru_cache
def _schema_of(contract: Contract, schema: str) -> dict[str, Json]:
    return contract.schema_at(schema)


def _count_described(schema: Mapping[str, Json], value: Json) -> int:
    """The number of parts of a value that a schema describes, itself included."""
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return 1 + sum(_count_described(known[name], inner) for name, inner in value.items() if name in known)
    if isinstance(value, list) and "items" in schema:
        return 1 + sum(_count_described(schema["items"], item) for item in value)
    return 1


@lru_cache
def _responses(
    operations: tuple[Operation, ...], status: int | None
) -> tuple[tuple[Operation, DocumentedResponse, str], ...]:
    """The documented responses with a body that can have a status, None for any, and the `$ref` of their schemas."""
    return tuple(
        (operation, response, resolve(operation.contract.document, response.schema)["$ref"])
        for operation in operations
        for response in (operation.responses.values() if status is None else [operation.response_for(status)])
        if response and response.schema
    )


def _rank(contract: Contract, response: DocumentedResponse, body: Json) -> int:
    """The rank of the evidence for the error code of a body, or `_UNDOCUMENTED_CODE`."""
    code = at_pointer(body, contract.errors.code)
    ranks = (error.evidence.grade.rank for error in response.refusals.values() if error.code == code)
    return min(ranks, default=_UNDOCUMENTED_CODE)


def _shape(contract: Contract, response: DocumentedResponse, body: Json, described: int) -> tuple[int, int, int]:
    """All of the fit but the error code, which depends only on the schema."""
    broken = [] if contract.accepts(response.schema, body) else contract.violations(response.schema, body)
    misshapen = [violation.at for violation in broken if violation.keyword in _SHAPE_KEYWORDS]
    flag = contract.errors.success
    if flag and not response.key.startswith("2") and at_pointer(body, flag.at) is True:
        misshapen.append(flag.at)  # no error body says that it is a success
    violations = max(len(broken), len(misshapen))
    return described - len(misshapen), violations, sum(at.count("/") <= 1 for at in misshapen)


def _beginning(value: Json) -> Json:
    """The value with the first items of each list, which show what it is."""
    if isinstance(value, list):
        return [_beginning(item) for item in value[:_MOST_ITEMS]]
    return {name: _beginning(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def guess_status(operation: Operation, body: bytes) -> int:
    """The status to judge a body by when nothing else is known: that of an error if the body shows one, else success.

    A body shows an error by an error code, by an error message, or by breaking a `const` of the success body, such as
    `success: true`.
    """
    success = operation.success
    usual = int(success.key.replace("X", "0"))
    errors = [
        response
        for key, response in operation.responses.items()
        if key.isdigit() and int(key) >= 400 and response.schema and response.evidence.grade.carries_findings
    ]
    try:
        value = Response(0, (), body).json()
    except NotJSON:
        return usual
    if not errors:
        return usual
    contract = operation.contract
    code, message = at_pointer(value, contract.errors.code), at_pointer(value, contract.errors.message)
    with_code = (response for response in errors if code in [error.code for error in response.refusals.values()])
    nearest = next(with_code, errors[0])
    broken = [violation.keyword for violation in contract.violations(success.schema, value)]
    broken_as_error = sum(1 for _ in contract.violations(nearest.schema, value))
    by_code = code is not NOTHING and broken_as_error < len(broken)
    by_message = (message is not NOTHING or "const" in broken) and broken_as_error == 0 < len(broken)
    return int(nearest.key) if by_code or by_message else usual
