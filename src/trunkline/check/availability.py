"""Which operations an implementation has: a partial one is judged by what it implements.

An operation is not implemented if a request that should succeed is answered with 405, with 501, or with 404 in the
words that the server has for any path that does not exist. A 404 in other words is about an item, and is judged.
When the account has no item to ask for, such a 404 leaves a doubt, which an item that the run creates can settle.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from trunkline.check.problem import Problem
from trunkline.contract.model import Operation
from trunkline.errors import TargetError
from trunkline.exchange import Exchange
from trunkline.findings import Finding

MISSING_REASON = "it is not implemented"
"""Why nothing about a missing operation is exercised."""

DOUBTED_REASON = "it answers an unknown id as any unknown path, and the account has no item to ask for"
"""Why nothing about an operation is exercised while it is not known whether it is implemented."""

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
"""The id to ask for when none is known: the answer can still show that there is no such path."""

NOWHERE = "/trunkline/no-such-path"
"""A path that no API has."""

_NO_SUCH_METHOD = frozenset({405, 501})
_VARYING = re.compile(r"\w*\d\w*")
"""A word that may differ from answer to answer: a time, or the id of a request."""


@dataclass(frozen=True, slots=True)
class CompletenessCheck:
    """The check that `--complete` adds to the laws."""

    name: str
    statement: str
    basis: str


COMPLETENESS = CompletenessCheck(
    "operation_is_implemented", "Every documented operation is implemented (with --complete).", "the operation's page"
)


@dataclass(slots=True, repr=False)
class Availability:
    """Records which operations an implementation has, or may lack. Several checks of it can share one record."""

    missing: dict[str, Exchange] = field(default_factory=dict)
    """For each operationId that is not implemented, the answer that shows it."""
    doubted: dict[str, Exchange] = field(default_factory=dict)
    """For each operation that reads and could be asked for an unknown id only, its 404 in the words for any path."""
    _present: set[str] = field(default_factory=set)
    _nowhere: tuple[int, str] | None = None
    """The wording of the answer for a path that does not exist."""

    def learn(
        self, operation: Operation, exchange: Exchange, ask_nowhere: Callable[[], Exchange], *, conclusive: bool = True
    ) -> bool | None:
        """Learn from an answer; return whether the operation is implemented, and None while that is not known.

        It is implemented if it ever answered otherwise. `conclusive` is false if a 404 can be about an item that does
        not exist. `ask_nowhere` requests a path that does not exist.
        """
        name, status = operation.operation_id, exchange.response.status
        if name in self._present:
            return True
        if not lacks_path(operation, exchange) and not (status == 404 and self._is_nowhere(exchange, ask_nowhere)):
            self._present.add(name)
            self.doubted.pop(name, None)
            return True
        if not conclusive and status == 404:
            return None
        self.missing.setdefault(name, exchange)
        self.doubted.pop(name, None)
        return False

    def lacks(self, operation: Operation) -> bool:
        """Whether an operation is known not to be implemented."""
        return operation.operation_id in self.missing

    def why_not(self, operation: Operation) -> str:
        """Why nothing about an operation can be exercised, or empty."""
        if self.lacks(operation):
            return MISSING_REASON
        return DOUBTED_REASON if operation.operation_id in self.doubted else ""

    def _is_nowhere(self, exchange: Exchange, ask_nowhere: Callable[[], Exchange]) -> bool:
        """Whether a 404 has the words of one for a path that does not exist."""
        if self._nowhere is None:
            self._nowhere = _wording(ask_nowhere())
        return _wording(exchange) == self._nowhere


def _wording(exchange: Exchange) -> tuple[int, str]:
    """The status and the body, without the method, the path and words that may differ from answer to answer."""
    text = exchange.response.body.decode("utf-8", "replace")
    for part in (exchange.request.path.strip("/"), exchange.request.method):
        text = text.replace(part, "")
    return exchange.response.status, _VARYING.sub("", text)


def lacks_path(operation: Operation, exchange: Exchange) -> bool:
    """Whether an answer shows by its status alone that an operation is not implemented."""
    status = exchange.response.status
    return status in _NO_SUCH_METHOD or (status == 404 and not operation.path_parameters)


def unanswered(operation: Operation, exchange: Exchange) -> TargetError:
    """The error when an operation does not answer: a 404 may be due to the address, anything else is not."""
    address = f"the base address that corresponds to the vendor's own, which ends in {operation.contract.base_path}"
    way_out = f"give {address}" if exchange.response.status == 404 else "the operation is not implemented there"
    return TargetError(
        f"{operation.operation_id} answers {exchange.response.status} for {exchange.request.path}: {way_out}"
    )


def describe(exchange: Exchange) -> str:
    """An answer in a few words: `404 for GET /calls`."""
    return f"{exchange.response.status} for {exchange.request.method} {exchange.request.path}"


def missing_operation_finding(operation: Operation, exchange: Exchange) -> Finding:
    """The finding that an operation is not implemented."""
    expected = ", ".join(key for key in operation.responses if key.startswith("2"))
    message = "the operation is not implemented"
    problem = Problem(message, operation.evidence, "status", expected=expected, exchanges=(exchange,))
    return problem.finding(COMPLETENESS.name, operation)
