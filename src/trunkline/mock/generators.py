"""Owns the recipes of data: how a field of a record is made, plausibly and the same for the same chance."""

from __future__ import annotations

import random
import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from trunkline.exchange import Json

Record: TypeAlias = dict[str, Json]
"""One thing as the fixtures tell it: documented fields, secrets, and mock-only facts under `x-trunkline`."""

Recipe: TypeAlias = Mapping[str, Mapping[str, Json]]
"""How each field of a record is made: `{"id": {"letters": "conn_{}"}}`."""

UNIQUE = ("serial", "letters", "uuid")
"""The ways to make a value that make no value twice."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a field is made from: the running number, the record as it is by now, the time as a text in UTC."""

    serial: int
    record: Record
    now: str = ""


Maker: TypeAlias = Callable[[Moment], Json]


def makers(recipe: Recipe, chance: random.Random) -> dict[str, Maker]:
    """What makes each field, worked out once for all records."""
    return {name: _maker(how, chance) for name, how in recipe.items()}


def when(clock: float) -> str:
    """A time as the documents write it: `2024-03-05T14:22:15Z`."""
    return datetime.fromtimestamp(int(clock), UTC).isoformat()[:19] + "Z"


def _maker(how: Mapping[str, Json], chance: random.Random) -> Maker:
    make = _plain_maker(how, chance)
    share = how.get("null", 0)
    return (lambda moment: None if chance.random() < share else make(moment)) if share else make


def _plain_maker(how: Mapping[str, Json], chance: random.Random) -> Maker:  # noqa: C901, PLR0911 - one a recipe
    match how:
        case {"value": value}:
            return lambda _: value
        case {"now": _}:
            return lambda moment: moment.now
        case {"text": str(pattern)}:
            return lambda moment: pattern.format_map(defaultdict(str, moment.record))
        case {"rewrite": {"field": str(field), "forms": forms}}:
            return lambda moment: _rewritten(str(moment.record[field]), forms)
        case {"serial": str(pattern)}:
            return lambda moment: pattern.replace("{}", str(moment.serial))
        case {"letters": str(pattern)}:
            used: set[str] = set()
            return lambda _: _unused(pattern, chance, used)
        case {"uuid": _}:
            return lambda _: str(uuid.UUID(int=chance.getrandbits(128), version=4))
        case {"words": lists}:
            return lambda _: " ".join([chance.choice(words) for words in lists])
        case {"one_of": values}:
            return lambda _: chance.choice(values)
        case {"between": [low, high], **more}:
            decimals = more.get("decimals", 0)
            return lambda _: round(chance.uniform(low, high), decimals) if decimals else chance.randint(low, high)
        case {"time": [first, last]}:
            begin, end = (int(datetime.fromisoformat(text).timestamp()) for text in (first, last))
            return lambda _: when(chance.randint(begin, end))
    inner = makers(how["fields"], chance)
    return lambda moment: {name: make(moment) for name, make in inner.items()}


def _rewritten(text: str, forms: list[list[str]]) -> str:
    """The text in the first form that it has as a whole, else as it is."""
    for pattern, form in forms:
        if found := re.fullmatch(pattern, text):
            return found.expand(form)
    return text


def _unused(pattern: str, chance: random.Random, used: set[str]) -> str:
    """The pattern with nine lower-case letters and digits, as the documents' ids have; never twice the same."""
    while (text := pattern.replace("{}", "".join(chance.choices(_LETTERS, k=9)))) in used:
        pass
    used.add(text)
    return text


_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
