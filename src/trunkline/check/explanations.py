"""Explain each rule, law and check: its meaning, its pages, its usual causes, how to fix it, and an example.

The texts are in `explanations.toml`. The examples are in `fixtures/<vendor>/examples.json`, and are made from seeded
defects. `trunkline explain` prints `to_markdown`, and docs/rules.md consists of it.

    >>> of("page_holds_at_most_limit").fix
    'Cut the page to the limit after everything else, with the documented default if none is sent.'
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from trunkline.check.availability import COMPLETENESS
from trunkline.check.fuzz import CHECKS
from trunkline.check.laws import LAW_NAMES, LAWS
from trunkline.check.rules import RULES, secret_values_rule
from trunkline.check.stateful.laws import STATEFUL_LAWS
from trunkline.contract.files import load_json
from trunkline.contract.folders import roots
from trunkline.contract.model import Contract, Operation
from trunkline.contract.predicates import any_operation
from trunkline.errors import UsageError
from trunkline.exchange import Json
from trunkline.findings import suggestion


class _Check(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def statement(self) -> str: ...
    @property
    def basis(self) -> str: ...


CATALOGUE: Mapping[str, Sequence[_Check]] = {
    "Rules": (*RULES, secret_values_rule({})),
    "Laws": (*LAWS, COMPLETENESS),
    "Stateful laws": tuple(law for law in STATEFUL_LAWS if law.name not in LAW_NAMES),
    "Checks of Schemathesis": CHECKS,
}
"""Every rule, law and check that a finding can name, by the title of its kind."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of a rule, a law or a check. `concerns` is whether it applies to an operation."""

    name: str
    statement: str
    basis: str
    meaning: str
    causes: tuple[str, ...]
    fix: str
    concerns: Callable[[Operation], bool] = any_operation


def of(name: str) -> Explanation:
    """The explanation of a rule, a law or a check. Raises `UsageError` for an unknown name."""
    if name not in every():
        meant = suggestion(name, every()) or "; `trunkline explain` lists them"
        raise UsageError(f"{name!r} is no rule, law or check{meant}")
    return every()[name]


@cache
def every() -> Mapping[str, Explanation]:
    """All explanations by name, in the order of `CATALOGUE`."""
    texts = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    return {
        check.name: Explanation(
            check.name,
            check.statement,
            check.basis,
            texts[check.name]["meaning"],
            tuple(texts[check.name]["causes"]),
            texts[check.name]["fix"],
            getattr(check, "concerns", any_operation),
        )
        for checks in CATALOGUE.values()
        for check in checks
    }


def example(name: str, vendor: str) -> tuple[str, str]:
    """A mistake in a sentence, and its requests, responses and finding as text; two empty texts if there is none."""
    for root in roots():
        found = _examples(root / "fixtures" / vendor / "examples.json").get(name)
        if found:
            return found["mistake"], "\n".join(found["lines"])
    return "", ""


@cache
def _examples(path: Path) -> Mapping[str, Mapping[str, Json]]:
    examples: Mapping[str, Mapping[str, Json]] = load_json(path, str(path)) if path.exists() else {}
    return examples


def to_markdown(explanation: Explanation, contracts: Sequence[Contract], heading: str = "#") -> str:
    """The explanation, with the operations of these contracts that it concerns, and the first example from them.

    The operations are links to their pages, which `link_definitions` defines.
    """
    return "\n\n".join(_paragraphs(explanation, contracts, heading)) + "\n"


def _paragraphs(explanation: Explanation, contracts: Sequence[Contract], heading: str) -> Iterator[str]:
    concerned = [(contract.vendor, _concerned(explanation, contract)) for contract in contracts]
    places = [
        f"- {vendor}: {', '.join(f'[{operation.operation_id}]' for operation in operations)}"
        for vendor, operations in concerned
        if operations
    ]
    yield f"{heading} {explanation.name}"
    yield f"*{explanation.statement}*"
    yield explanation.meaning
    yield f"**Evidence:** {explanation.basis}. " + ("It concerns" if places else "It concerns no operation.")
    if places:
        yield "\n".join(places)
    yield "**Usual causes:**"
    yield "\n".join(f"- {cause}" for cause in explanation.causes)
    yield f"**How to fix it:** {explanation.fix}"
    for vendor in (contract.vendor for contract in contracts):
        mistake, text = example(explanation.name, vendor)
        if text:
            yield f"**Example** of {vendor}: {mistake}"
            yield f"```text\n{text}\n```"
            return


def link_definitions(explanations: Iterable[Explanation], contracts: Sequence[Contract]) -> str:
    """The pages of the operations that explanations concern: `[listTrunks]: https://...`, one line each."""
    operations = {
        operation.operation_id: operation.evidence.source
        for explanation in explanations
        for contract in contracts
        for operation in _concerned(explanation, contract)
    }
    return "".join(f"[{name}]: {page}\n" for name, page in operations.items())


def _concerned(explanation: Explanation, contract: Contract) -> list[Operation]:
    return [operation for operation in contract.operations if explanation.concerns(operation)]
