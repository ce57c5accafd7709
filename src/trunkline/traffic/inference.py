"""Infer the operation and the status of a response whose request or status is not known."""

from __future__ import annotations

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


_MOST_ITEMS = 100
"""The number of items of a list that are looked at."""
_UNDOCUMENTED_CODE = len(Grade)
_NO_FIT = _Fit(_UNDOCUMENTED_CODE, 0, 0, 0)
_LEAST_DESCRIBED = 2
"""A schema that describes fewer values knows no property of the body, only that it is an object."""
_SHAPE_KEYWORDS = ("type", "required", "const")
"""A value that breaks one of these has another shape. Other keywords say that a value of the right shape is wrong."""


def infer_operation(contract: Contract, exchange: Exchange, among: tuple[Operation, ...] = ()) -> Operation:
    """The operation, one of `among` or of all, whose documented responses fit best; a single one fits anything.

    A body that is valid for one operation is never taken for the response of another that it breaks. Raises
    `UsageError` with the candidates if several fit, of which none fits clearly better, or if none does.
    """
    candidates = among or contract.operations
    if len(candidates) == 1:
        return candidates[0]
    shapes: dict[str, tuple[int, int, int]] = {}
    fits = {operation: _fit(operation, exchange, shapes) for operation in candidates}
    fits = {operation: fit for operation, fit in fits.items() if fit.described >= _LEAST_DESCRIBED}
    best = [operation for operation, fit in fits.items() if not any(other.beats(fit) for other in fits.values())]
    alike = len({fits[operation] for operation in best}) == 1
    nearest = [operation for operation in best if operation.reads] if alike else []  # a refusal is that of any
    nearest = nearest or best
    if len(nearest) == 1:
        return nearest[0]
    names = ", ".join(operation.operation_id for operation in nearest or candidates)
    fitting = "several operations have" if nearest else f"no operation of {contract.vendor} has"
    raise UsageError(f"{fitting} such a response; name the right one with --operation (operation=): {names}")


def _fit(operation: Operation, exchange: Exchange, shapes: dict[str, tuple[int, int, int]]) -> _Fit:
    """The fit of the documented response that fits best. `shapes` remembers the result for each schema."""
    try:
        body = _beginning(exchange.response.json())
    except NotJSON:
        return _NO_FIT
    responses = list(operation.responses.values())
    if "status" in exchange.known:
        response = operation.response_for(exchange.response.status)
        responses = [response] if response else []
    fits = (_fit_of(operation, response, body, shapes) for response in responses if response.schema)
    return min(fits, default=_NO_FIT, key=lambda fit: (fit.error_code, -fit.described, fit.violations))


def _fit_of(
    operation: Operation, response: DocumentedResponse, body: Json, shapes: dict[str, tuple[int, int, int]]
) -> _Fit:
    contract = operation.contract
    ref = resolve(contract.document, response.schema)["$ref"]
    if ref not in shapes:
        broken = contract.violations(response.schema, body)
        misshapen = [violation.at for violation in broken if violation.keyword in _SHAPE_KEYWORDS]
        flag = contract.errors.success
        if flag and not response.key.startswith("2") and at_pointer(body, flag.at) is True:
            misshapen.append(flag.at)  # no error body says that it is a success
        described = sum(1 for _ in contract.walk(response.schema, body)) - len(misshapen)
        violations = max(len(broken), len(misshapen))
        shapes[ref] = (described, violations, sum(at.count("/") <= 1 for at in misshapen))
    code = at_pointer(body, contract.errors.code)
    ranks = (error.evidence.grade.rank for error in response.refusals.values() if error.code == code)
    return _Fit(min(ranks, default=_UNDOCUMENTED_CODE), *shapes[ref])


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
        if key.isdigit() and int(key) >= 400 and response.schema and response.evidence.grade is not Grade.DECISION
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
