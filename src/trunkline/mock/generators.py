"""Generators of plausible field values. The same seed gives the same values."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from msgspec import Struct

from trunkline.contract.formats import read_time
from trunkline.exchange import Json

Record: TypeAlias = dict[str, Json]
"""One record of the fixtures: documented fields, secrets, and facts for the mock alone under `x-trunkline`."""

GeneratorSpec: TypeAlias = Mapping[str, Mapping[str, Json]]
"""The generator of each field of a record: `{"id": {"letters": "conn_{}"}}`."""

UNIQUE = ("serial", "letters", "uuid")
"""The kinds of generator that never return the same value twice."""


class Context(Struct, frozen=True):
    """The input of a generator: a serial number, the fields that the record has so far, and the time (UTC)."""

    serial: int
    record: Record
    now: str = ""


Generator: TypeAlias = Callable[[Context], Json]


def build_generators(spec: GeneratorSpec, rng: random.Random) -> dict[str, Generator]:
    """The generator of each field. Build them once and use them for many records."""
    return {name: _build(field_spec, rng) for name, field_spec in spec.items()}


def format_time(clock: float) -> str:
    """A Unix time as the documents write it: `2024-03-05T14:22:15Z`."""
    return datetime.fromtimestamp(int(clock), UTC).isoformat()[:19] + "Z"


def _build(spec: Mapping[str, Json], rng: random.Random) -> Generator:
    generate = _build_value(spec, rng)
    share = spec.get("null", 0)
    return (lambda context: None if rng.random() < share else generate(context)) if share else generate


def _build_value(spec: Mapping[str, Json], rng: random.Random) -> Generator:  # noqa: C901, PLR0911 - one case per kind
    match spec:
        case {"value": value}:
            return lambda _: value
        case {"now": _}:
            return lambda context: context.now
        case {"text": str(template)}:
            return lambda context: template.format_map(defaultdict(str, context.record))
        case {"rewrite": {"field": str(field), "forms": forms}}:
            return lambda context: _rewrite(str(context.record[field]), forms)
        case {"serial": str(template)}:
            return lambda context: _SERIAL.sub(lambda found: str(context.serial).zfill(len(found[1])), template)
        case {"after": [str(begin), str(seconds)]}:
            return lambda context: format_time(_seconds(context.record[begin]) + context.record[seconds])
        case {"letters": str(template)}:
            used: set[str] = set()
            return lambda _: _random_id(template, rng, used)
        case {"uuid": _}:
            from uuid import UUID  # noqa: PLC0415 - seldom needed, and slow to import

            return lambda _: str(UUID(int=rng.getrandbits(128), version=4))
        case {"words": lists}:
            return lambda _: " ".join([rng.choice(words) for words in lists])
        case {"one_of": values}:
            return lambda _: rng.choice(values)
        case {"between": [low, high], **more}:
            decimals = more.get("decimals", 0)
            return lambda _: round(rng.uniform(low, high), decimals) if decimals else rng.randint(low, high)
        case {"time": [first, last]}:
            earliest, latest = _seconds(first), _seconds(last)
            return lambda _: format_time(rng.randint(earliest, latest))
    fields = build_generators(spec["fields"], rng)
    return lambda context: {name: generate(context) for name, generate in fields.items()}


def _seconds(time: str) -> int:
    """The Unix time of a `date-time`, which the schema of the records and of `world.toml` has checked."""
    found = read_time(time)
    if found is None:
        raise ValueError("not a date-time")
    return found.seconds


def _rewrite(text: str, forms: list[list[str]]) -> str:
    """Rewrite the text with the first (pattern, form) that matches all of it; return it unchanged if none does."""
    for pattern, form in forms:
        if match := re.fullmatch(pattern, text):
            return match.expand(form)
    return text


def _random_id(template: str, rng: random.Random, used: set[str]) -> str:
    """Fill the template with nine random letters and digits, like the ids in the documents. Never repeat one."""
    while (text := template.replace("{}", "".join(rng.choices(_LETTERS, k=9)))) in used:
        pass
    used.add(text)
    return text


_SERIAL = re.compile(r"\{(0*)\}")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
