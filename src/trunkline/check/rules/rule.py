"""The form of a rule: a generator (Operation, Exchange) -> Problem with a name, a statement and a basis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeGuard

from trunkline.check.problem import Problem
from trunkline.contract.model import K, Operation
from trunkline.contract.predicates import any_operation
from trunkline.exchange import Exchange
from trunkline.findings import OTHERS_COUNTED, Evidence, Finding

_MOST_ALIKE = 100
"""The number of problems of one exchange with the same basis that are described."""


Problems: TypeAlias = Callable[[Operation[K], Exchange], Iterator[Problem | Finding]]
_EVERY_OPERATION: Any = any_operation


@dataclass(frozen=True, slots=True)
class Rule:
    """A sentence about one exchange. `basis` is the evidence that its findings rest on."""

    name: str
    statement: str
    basis: str
    problems: Problems[Any]
    needs: frozenset[str]
    """The parts of an exchange that the rule reads: `request`, `status`, `headers`, `body`."""
    concerns: Callable[[Operation], bool]
    """Whether an operation has the feature that the rule is about."""
    provoked: bool
    """Whether the rule judges only responses that laws and fuzzing provoke, and none to a plain request."""
    anywhere: bool
    """Whether the rule also judges responses to other methods at the path of the operation."""
    of_success: bool
    """Whether the rule judges only responses with a documented status of the 2xx class."""
    of_bytes: bool
    """Whether the rule can also judge a body that is not JSON."""

    def judge(self, operation: Operation, exchange: Exchange) -> Iterator[Finding]:
        """The findings of the rule about an exchange that it applies to.

        Of many with the same basis, the others are one finding with their count: a finding may be as long as the body.
        """
        counts: dict[tuple[str, Evidence], int] = {}
        others: dict[tuple[str, Evidence], tuple[Problem, int]] = {}
        for problem in self.problems(operation, exchange):
            if isinstance(problem, Finding):
                yield problem
                continue
            kind = problem.contract, problem.evidence
            counts[kind] = counts.get(kind, 0) + 1
            if counts[kind] <= _MOST_ALIKE:
                yield problem.finding(self.name, operation, exchange)
            else:
                first, more = others.get(kind, (problem, 0))
                others[kind] = first, more + problem.count
        for first, more in others.values():
            found = first.finding(self.name, operation, exchange)
            yield replace(found, message=f"{found.message}; {OTHERS_COUNTED}", count=more)


def rule(
    basis: str,
    *needs: str,
    concerns: Callable[[Operation], TypeGuard[Operation[K]]] = _EVERY_OPERATION,
    provoked: bool = False,
    anywhere: bool = False,
    of_success: bool = False,
    of_bytes: bool = False,
) -> Callable[[Problems[K]], Rule]:
    """Make a rule from a generator. It has the name of the rule; the first line of its docstring is the statement."""

    def made(problems: Problems[K]) -> Rule:
        name, statement = problems.__name__, (problems.__doc__ or "").partition("\n")[0]
        parts = frozenset(needs)
        return Rule(name, statement, basis, problems, parts, concerns, provoked, anywhere, of_success, of_bytes)

    return made
