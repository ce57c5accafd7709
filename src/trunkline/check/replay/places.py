"""Find a finding of a rule again among the findings about a new answer, or say why that answer cannot show it.

The place of a finding is compared without its positions in lists: `body/trunks/*/status`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from trunkline.check.replay.judging import Undecided
from trunkline.check.rules.http import content_is_allowed
from trunkline.check.rules.shape import body_matches_schema, properties_are_documented
from trunkline.contract.bodies import NOTHING, json_of
from trunkline.exchange import Exchange, Json, beyond_limits, pointer
from trunkline.findings import Finding, without_positions

if TYPE_CHECKING:
    from trunkline.check.replay.saved import SavedFinding

_ABSENT, _PRESENT = "absent", "present"
"""`seen` of a finding begins with the first if a required property is missing, and with the second if one is there that
no page documents."""


def found_again(finding: SavedFinding, found: Iterable[Finding]) -> Finding | None:
    """The finding with the same cause, of several the one about the same value.

    One about several properties of an object has the same cause as one about any of them.
    """
    at, places = without_positions(finding.at), _places(finding)
    alike = (
        new
        for new in found
        if (new.rule, new.operation, new.contract) == (finding.rule, finding.operation, finding.contract)
        and (without_positions(new.at) == at or places & _places(new))
    )
    return min(alike, key=lambda new: new.seen != finding.seen, default=None)


def check_judged(finding: SavedFinding, exchange: Exchange, found: Sequence[Finding], *, of_bytes: bool) -> None:
    """Raise `Undecided` if a finding is not found again only because the answer lacks the part that it was about.

    `found` are the findings about the answer. `of_bytes` is whether the rule also judges a body that is not JSON.
    """
    part, _, inner = finding.at.partition("/")
    if part != "body":
        return
    if reason := beyond_limits(exchange.response.body):
        raise Undecided(f"the answer cannot be judged now: {reason}")
    if not inner and finding.rule == content_is_allowed.name:
        return
    for new in found:
        if new.rule == body_matches_schema.name and _hides(finding, new):
            raise Undecided(f"the answer breaks the schema in another way now: {new.message}")
    body = json_of(exchange)
    if body is NOTHING and (inner or not of_bytes):
        raise Undecided("the answer has no JSON body now")
    around = _place_around(finding, body)
    if around and not any(isinstance(value, dict | list) and value for value in _values_at(body, around)):
        raise Undecided(f"the answer has nothing at {without_positions(around)} now")


def _place_around(finding: SavedFinding, body: Json) -> str:
    """The place of the object or list that must be there to tell whether a finding is fixed; empty for the body.

    Something that should not be there is fixed too if the object around it was removed, so the search goes outwards.
    """
    is_of_several = _places(finding) != {without_positions(finding.at)}
    around = finding.at if is_of_several else finding.at.rpartition("/")[0]
    if finding.rule == properties_are_documented.name or finding.seen.startswith(_PRESENT):
        while around and not _values_at(body, around):
            around = around.rpartition("/")[0]
    return around


def _hides(finding: SavedFinding, new: Finding) -> bool:
    """Whether a finding of the schema may be the reason why another one is not found again.

    That is so if it is about the same value, or if the value is missing, or all that is around it.
    """
    places = _places(finding)
    if new.seen.partition(":")[0] == _ABSENT:
        return any(f"{place}/".startswith(f"{missing}/") for place in places for missing in _places(new))
    return new.rule == finding.rule and bool(places & _places(new))


def _places(finding: SavedFinding | Finding) -> frozenset[str]:
    """The places that a finding is about: those of all properties that it names, or its own."""
    what, _, names = finding.seen.partition(": ")
    if not names or what not in (_ABSENT, _PRESENT):
        return frozenset({without_positions(finding.at)})
    parts = (f"/{name}" if what == _ABSENT else pointer([name]) for name in names.split(", "))
    return frozenset(without_positions(finding.at + part) for part in parts)


def _values_at(value: Json, at: str) -> list[Json]:
    """The values at a place, at any position of the lists on the way to it."""
    values = [value]
    for part in at.split("/")[1:]:
        name, is_position = part.replace("~1", "/").replace("~0", "~"), part.isascii() and part.isdigit()
        lists = [item for node in values if isinstance(node, list) and is_position for item in node]
        values = lists + [node[name] for node in values if isinstance(node, dict) and name in node]
    return values
