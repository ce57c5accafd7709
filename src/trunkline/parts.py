"""Owns the parts of a contract, as frozen values: parameters, bodies, answers, and what an operation does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from trunkline.exchange import Json
from trunkline.findings import Evidence

View: TypeAlias = dict[str, "View | None"]
"""The properties that a schema documents, nested: `{"id": None, "metrics": {"calls_today": None}}`."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One documented parameter; `refused` tells, cause by cause, what says that breaking it is refused."""

    name: str
    place: str
    schema: Mapping[str, Json]
    pointer: str
    evidence: Evidence
    refused: Mapping[str, Evidence]
    keywords: Mapping[str, Evidence]
    names: str = ""
    """The resource whose id the parameter carries, or empty."""

    def says(self, keyword: str) -> Evidence:
        """What the keyword of the parameter's schema stands on: its own evidence or the parameter's."""
        return self.keywords.get(keyword, self.evidence)

    @property
    def causes(self) -> set[str]:
        """The ways in which a request can break the parameter's schema."""
        if self.place == "path":
            return set()
        broken_by = {
            "parameter_malformed": self.schema["type"] == "integer" or "format" in self.schema,
            "parameter_out_of_range": "minimum" in self.schema or "maximum" in self.schema,
            "parameter_not_allowed": "enum" in self.schema,
            "parameter_repeated": True,
        }
        return {cause for cause, can in broken_by.items() if can}


@dataclass(frozen=True, slots=True)
class Body:
    """What an operation takes in: its schema's place, and what says, cause by cause, that another body is refused."""

    pointer: str
    schema: str
    evidence: Evidence
    refused: Mapping[str, Evidence]


@dataclass(frozen=True, slots=True)
class Code:
    """The error code that a cause is answered with, and what says so; `status` says that it gets that status."""

    code: str
    evidence: Evidence
    status: Evidence


@dataclass(frozen=True, slots=True)
class Answer:
    """One documented response of an operation: `key` is `200`, or a range such as `4XX`."""

    key: str
    pointer: str
    evidence: Evidence
    schema: str
    refusals: Mapping[str, Code]
    headers: Mapping[str, Evidence]


@dataclass(frozen=True, slots=True)
class Located:
    """A JSON Pointer into a body, and what says what stands there."""

    at: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list is filtered by: the field of an item, and `how` it compares: `equal`, `from` or `until` a time."""

    at: str
    evidence: Evidence
    how: str


@dataclass(frozen=True, slots=True)
class Paging:
    """How a list is paged: the names of the two parameters, and where the answer counts and echoes."""

    limit: str
    offset: str
    evidence: Evidence
    past_end: Evidence
    total: Located | None
    echo: Mapping[str, Located]


@dataclass(frozen=True, slots=True)
class Listing:
    """An operation that lists: where its items are, what names one, how it is paged and filtered.

    `whole_below` is the number of items from which on an answer need not be the whole list; 0 when there is none.
    """

    items: str
    identity: str
    evidence: Evidence
    paging: Paging | None
    filters: Mapping[str, Filter]
    whole_below: int = 0


@dataclass(frozen=True, slots=True)
class Fetching:
    """An operation that shows one item: where it is, and which path parameter names it."""

    item: str
    identity: str
    parameter: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Creating:
    """An operation that makes a thing: where it is shown, the input that people read, the inputs no two can share."""

    item: str
    identity: str
    label: str
    unique: Mapping[str, Evidence]
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Reset:
    """A field that falls back `to` a value when inputs change: `when` any of these sets does, `never` by these."""

    field: str
    to: Json
    when: tuple[frozenset[str], ...]
    never: frozenset[str]
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Updating:
    """An operation that changes a thing, and leaves what is not sent: `partial` says so."""

    item: str
    identity: str
    parameter: str
    partial: Evidence
    resets: tuple[Reset, ...]
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Deleting:
    """An operation that removes a thing: not while it has things of the `empty` resources, nor while it is in use."""

    parameter: str
    empty: Mapping[str, Evidence]
    unused: Evidence | None
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Acting:
    """Something done to a thing or asked of it: the fields that it `changes` and shows, and those that it `keeps`."""

    parameter: str
    item: str
    changes: frozenset[str]
    keeps: Mapping[str, Evidence]
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a body breaks a schema: where in the body, where in the contract, and on what it stands."""

    at: str
    contract: str
    keyword: str
    message: str
    demand: str
    expected: str
    seen: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Security:
    """The one security scheme: a bearer credential; `refused` tells what says that others are refused."""

    pointer: str
    evidence: Evidence
    refused: Mapping[str, Evidence]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The names of the headers that tell the rate limit, and its window."""

    limit: str
    remaining: str
    reset: str
    window_seconds: int
    reset_is: str
    evidence: Evidence
