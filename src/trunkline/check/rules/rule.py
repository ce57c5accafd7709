"""Owns the form of a rule: a small generator (Operation, Exchange) -> Finding, with a name, a statement and a basis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from trunkline.contract.model import Operation
from trunkline.contract.predicates import any_operation
from trunkline.exchange import Exchange
from trunkline.findings import Finding

Judge: TypeAlias = Callable[[Operation, Exchange], Iterator[Finding]]

RFC9110 = "https://www.rfc-editor.org/rfc/rfc9110"
RFC8259 = "https://www.rfc-editor.org/rfc/rfc8259"


@dataclass(frozen=True, slots=True)
class Rule:
    """A sentence about one exchange. `basis` says what its findings stand on.

    `concerns` tells whether an operation has what the rule is about; a `provoked` rule judges nothing in the answer to
    a plain request, only in the answers that laws and Schemathesis provoke; a rule that holds `anywhere` judges the
    answers to other methods at the operation's path as well; one `of_success` judges nothing in a refusal.
    """

    name: str
    statement: str
    basis: str
    needs: frozenset[str]
    concerns: Callable[[Operation], bool]
    provoked: bool
    anywhere: bool
    of_success: bool
    judge: Judge

    @property
    def of_body(self) -> bool:
        """Whether the rule looks into the body as JSON."""
        return "body" in self.needs and self.name not in _OF_BYTES


_OF_BYTES = frozenset({"body_is_json", "credential_is_not_echoed", "secret_values_stay_hidden"})


def rule(
    basis: str,
    *needs: str,
    concerns: Callable[[Operation], bool] = any_operation,
    provoked: bool = False,
    anywhere: bool = False,
    of_success: bool = False,
) -> Callable[[Judge], Rule]:
    """Makes a rule of a generator: its name is the rule's name, the first line of its docstring the statement."""

    def made(judge: Judge) -> Rule:
        statement = (judge.__doc__ or "").partition("\n")[0]
        return Rule(judge.__name__, statement, basis, frozenset(needs), concerns, provoked, anywhere, of_success, judge)

    return made
