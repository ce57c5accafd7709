"""Read the YAML of a cassette, in time and memory in proportion to its size.

Only mappings, lists, texts, bytes and null are read: a number is the text that writes it.

>>> load_with_lines(b"interactions: [{status: 200, body: !!binary e30=, headers: null}]")[0]
{'interactions': [{'status': '200', 'body': b'{}', 'headers': None}]}
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import yaml  # type: ignore[import-untyped]

from trunkline.errors import UsageError
from trunkline.exchange import Json

_LONGEST = 16 << 20
_DEEPEST = 100
_MOST_VALUES = 1_000_000
_FEW = 100_000
"""The weight of what aliases may repeat in any file; in a larger one, no more than it holds."""
_MOST_DIRECTIVES = 100
"""More take libyaml too long, for it compares each with all others."""

_CORE = "tag:yaml.org,2002:"
_BINARY = {f"{_CORE}binary", "!binary"}
"""The second one is of Ruby."""
_PLAIN = {
    None,
    "!",
    *(_CORE + name for name in ("null", "bool", "int", "float", "str", "python/unicode", "seq", "map")),
}
_NULL = {"", "~", "null", "Null", "NULL"}


def load_with_lines(data: bytes) -> tuple[Json, dict[int, list[int]]]:
    """The value of a document, and for each list directly in it, by its `id`, the lines on which its items begin.

    Raises `UsageError` that says what is wrong with it, to follow the word `but`.
    """
    if len(data) > _LONGEST:
        raise UsageError(f"has more than {_LONGEST} bytes, which take too long to read as YAML")
    if data.count(b"%TAG") > _MOST_DIRECTIVES:
        raise UsageError(f"has more than {_MOST_DIRECTIVES} directives (%TAG)")
    try:
        document = _Document(yaml.parse(data, getattr(yaml, "CSafeLoader", yaml.SafeLoader)), len(data))
        return document.value(), document.lines
    except (yaml.YAMLError, ValueError, LookupError, TypeError):
        raise UsageError("is not YAML") from None


class _Document:
    """Makes the value that the events of a parser describe."""

    def __init__(self, events: Iterator[Any], size: int) -> None:
        self._events = events
        self._most_repeated = size + _FEW
        self._values = 0
        self._weight = 0
        """The number of values and of their characters, those included that aliases repeat."""
        self._repeated = 0
        """The weight of what aliases repeat."""
        self._anchors: dict[str, tuple[Json, int]] = {}
        self.lines: dict[int, list[int]] = {}

    def value(self) -> Json:
        """The value of the only document."""
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._node(next(self._events), 1)
        next(self._events)
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise ValueError("a second document")
        return value

    def _node(self, event: Any, depth: int) -> Json:
        """The value that an event begins. Its anchor is known only after its end, so no value is endless."""
        if isinstance(event, yaml.AliasEvent):
            value, weight = self._anchors[event.anchor]
            self._weight += weight
            self._repeated += weight
            if self._repeated > self._most_repeated:
                raise UsageError("has aliases (*) that repeat more than it holds")
            return value
        self._values += 1
        if self._values > _MOST_VALUES:
            raise UsageError(f"has more than {_MOST_VALUES} values")
        if depth > _DEEPEST:
            raise UsageError(f"has more than {_DEEPEST} levels")
        before = self._weight
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
            self._weight += 1 + len(event.value)
        else:
            _require_plain(event)
            value = self._list(depth) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(depth)
            self._weight += 1
        if event.anchor:
            self._anchors[event.anchor] = value, self._weight - before
        return value

    def _list(self, depth: int) -> Json:
        found, lines = list[Json](), list[int]()
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            lines.append(_line(event))
            found.append(self._node(event, depth + 1))
        if depth == 2:
            self.lines[id(found)] = lines
        return found

    def _mapping(self, depth: int) -> Json:
        found = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
                raise UsageError(f"has a merge key (<<) in line {_line(event)}, which is not read")
            key = self._node(event, depth + 1)
            found[key] = self._node(next(self._events), depth + 1)
        return found


def _scalar(event: Any) -> str | bytes | None:
    if event.tag in _BINARY:
        return base64.b64decode(event.value)
    _require_plain(event)
    null = (event.implicit[0] or event.tag == f"{_CORE}null") and event.value in _NULL
    return None if null else event.value


def _require_plain(event: Any) -> None:
    if event.tag not in _PLAIN:
        raise UsageError(f"has a tag in line {_line(event)} that is not read")


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
