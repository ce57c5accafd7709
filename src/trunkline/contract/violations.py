"""The ways in which a value breaks a schema, and the part of a large value that stands for all of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from trunkline.contract.schema import demand_text, failure_text
from trunkline.exchange import Json
from trunkline.findings import Evidence, to_text


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a value breaks a schema.

    `at` is the pointer into the value (of a missing property, to where it is missed), `contract` the reference of the
    `keyword`, `keyword_value` its value, and `sentence` a validator's own sentence, if there is one. `meaning` says
    what a `pattern` means, if the contract does: `a date-time in UTC`.
    """

    at: str
    contract: str
    keyword: str
    keyword_value: Json
    instance: Json
    evidence: Evidence
    sentence: str = ""
    meaning: str = ""

    @property
    def message(self) -> str:
        """A sentence about the value: `"busy" is not one of "active", "inactive"`."""
        if self.meaning:
            return f"{to_text(self.instance)} is not {self.meaning}"
        return self.sentence or failure_text(self.keyword, self.keyword_value, self.instance)

    @property
    def demand(self) -> str:
        """The demand, without the value, which may be a secret: `must be at least 1`."""
        return f"must be {self.meaning}" if self.meaning else demand_text(self.keyword, self.keyword_value)

    @property
    def expected(self) -> str:
        """The keyword with its value, or what it means: `minimum: 1`."""
        return self.meaning or f"{self.keyword}: {to_text(self.keyword_value)}"

    @property
    def seen(self) -> str:
        """The value as JSON, or `absent`."""
        return "absent" if self.keyword == "required" else to_text(self.instance)


def is_flat(value: Json) -> bool:
    """Whether an object has neither objects nor lists in it, as most request bodies."""
    return isinstance(value, dict) and not any(isinstance(inner, dict | list) for inner in value.values())


@dataclass(slots=True)
class Sample:
    """A value whose long lists have only their first wrong items.

    By the pointer to a list in this value, `kept` has the indices of its items, and `left_out` the number of the other
    wrong ones, the reference of their schema, and the schema.
    """

    value: Json
    kept: dict[str, list[int]] = field(default_factory=dict)
    left_out: dict[str, tuple[int, str, Json]] = field(default_factory=dict)

    def original(self, at: str) -> str:
        """The pointer into the whole value, for one into the sample."""
        here, there = "", ""
        for part in at.split("/")[1:] if self.kept else ():
            there += f"/{self.kept[here][int(part)]}" if here in self.kept else f"/{part}"
            here += f"/{part}"
        return there or at

    def placed(self, violations: Iterable[Violation]) -> list[Violation]:
        """The violations of the sample, at their places in the whole value."""
        if not self.kept:
            return [*violations]
        return [replace(found, at=self.original(found.at)) for found in violations]

    def complete(self, violations: list[Violation]) -> list[Violation]:
        """Those, and one for each list with more wrong items than the sample has. Its evidence is their weakest."""
        whole = self.placed(violations)
        for at, (count, reference, schema) in self.left_out.items():
            evidence = [found.evidence for found in violations if found.at.startswith(f"{at}/")]
            if evidence:
                weakest = max(evidence, key=lambda stated: stated.grade.rank)
                sentence = f"{count:,} more items of this list are wrong"
                whole.append(Violation(self.original(at), reference, "items", schema, count, weakest, sentence))
        return whole
