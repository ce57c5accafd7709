r"""Change a JSON text as a person would: what stays equal keeps its form, so that a diff shows only the change.

>>> print(rewritten('{"a": 1,  "b": [ 1, 2 ]}', {"a": 1, "b": [1, 2, 3], "c": None}))
{"a": 1,  "b": [ 1, 2, 3 ],  "c": null}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from trunkline.exchange import Json

_WIDTH = 120
_INDENT = 2
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def rewritten(text: str, value: Json) -> str:
    """The JSON text with another value. Members keep their order; new ones come last."""
    start = _skip(text, 0)
    old, end = _DECODER.raw_decode(text, start)
    return text[:start] + _value(text, start, end, old, value) + text[end:]


@dataclass(frozen=True, slots=True)
class _Part:
    """A member of an object or an item of a list: where it begins, and where its value begins and ends."""

    key: str | int
    start: int
    value: int
    end: int


def _value(text: str, start: int, end: int, old: Json, new: Json) -> str:
    """The text of a value in place of the one from `start` to `end`."""
    if _same(old, new):
        return text[start:end]
    parts = [*_parts(text, start)]
    if type(old) is not type(new) or not isinstance(old, dict | list) or not parts or not new:
        return _dump(new, _indent_at(text, start))
    olds, news = _members(old), _members(new)
    ends = [start + 1, *(part.end for part in parts)]
    gaps = {part.key: text[last : part.start] for last, part in zip(ends, parts, strict=False)}
    lead = gaps[parts[0].key]
    gap = gaps[parts[-1].key] if len(parts) > 1 else f",{lead or ' '}"
    indent = len(lead.rpartition("\n")[2]) if "\n" in lead else _indent_at(text, start)
    members = [
        (
            gaps[part.key],
            text[part.start : part.value] + _value(text, part.value, part.end, olds[part.key], news[part.key]),
        )
        for part in parts
        if part.key in news
    ]
    for key in [key for key in news if key not in olds]:
        name = f"{json.dumps(key, ensure_ascii=False)}: " if isinstance(old, dict) else ""
        members.append((gap, name + _dump(news[key], indent)))
    written = lead + members[0][1] + "".join(gap + member for gap, member in members[1:]) + text[ends[-1] : end - 1]
    found = text[start] + written + text[end - 1]
    return _dump(new, _indent_at(text, start)) if "\n" not in lead and _is_too_long(text, start, found) else found


def _members(value: Json) -> dict[str | int, Json]:
    """The members of an object, or the items of a list by their index."""
    return dict(value) if isinstance(value, dict) else dict(enumerate(value))


def _is_too_long(text: str, start: int, found: str) -> bool:
    """Whether the line on which a value begins would be too long with this text in its place."""
    return start - (text.rfind("\n", 0, start) + 1) + len(found) > _WIDTH


def _parts(text: str, start: int) -> Iterator[_Part]:
    """The members of the object, or the items of the list, that begins at a place; none for any other value."""
    at = _skip(text, start + 1)
    if text[start] not in "{[" or text[at] in "}]":
        return
    for index in count():
        begin, key = at, index
        if text[start] == "{":
            key, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        _, end = _DECODER.raw_decode(text, at)
        yield _Part(key, begin, at, end)
        after = _skip(text, end)
        if text[after] != ",":
            return
        at = _skip(text, after + 1)


def _skip(text: str, at: int) -> int:
    """The place after white space."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _indent_at(text: str, at: int) -> int:
    """The indentation of the line of a place."""
    line = text[text.rfind("\n", 0, at) + 1 :]
    return len(line) - len(line.lstrip(" "))


def _same(one: Json, two: Json) -> bool:
    """Whether two values are the same, with the same order of members; 1, 1.0 and true are not."""
    return json.dumps(one) == json.dumps(two)


def _dump(value: Json, indent: int) -> str:
    """A value on one line if it fits, else with a line for each part."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent + _WIDTH // 4 <= _WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    inner = " " * (indent + _INDENT)
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(key, ensure_ascii=False)}: {_dump(item, indent + _INDENT)}" for key, item in value.items()
        ]
    else:
        parts = [_dump(item, indent + _INDENT) for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{' ' * indent}{closing}"
