"""Owns the form of a rule: a small generator (Operation, Exchange) -> Finding, with a name, a statement and a basis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from trunkline.contract import Operation
from trunkline.exchange import Exchange
from trunkline.findings import Finding

Judge: TypeAlias = Callable[[Operation, Exchange], Iterator[Finding]]

RFC9110 = "https://www.rfc-editor.org/rfc/rfc9110"
RFC8259 = "https://www.rfc-editor.org/rfc/rfc8259"


@dataclass(frozen=True, slots=True)
class Rule:
    """A sentence about one exchange. `basis` says what its findings stand on."""

    name: str
    statement: str
    basis: str
    needs: frozenset[str]
    judge: Judge


def rule(basis: str, *needs: str) -> Callable[[Judge], Rule]:
    """Makes a rule of a generator: its name is the rule's name, the first line of its docstring the statement."""

    def made(judge: Judge) -> Rule:
        return Rule(judge.__name__, (judge.__doc__ or "").partition("\n")[0], basis, frozenset(needs), judge)

    return made
