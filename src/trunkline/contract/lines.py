"""The lines of a JSON file on which its values are: `find_line("schemas/acme/trunk.json#/properties/id")`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from trunkline.contract.folders import roots
from trunkline.exchange import pointer

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[][{}:,]|[^][{}:,"\s]++')


def find_line(reference: str) -> int | None:
    """The line of a place in the contract, or of the nearest place around it; None if there is no such file."""
    file, _, at = reference.partition("#")
    path = next((root / file for root in roots() if (root / file).is_file()), None)
    if path is None:
        return None
    lines = _lines_of(path)
    while at and at not in lines:
        at = at.rpartition("/")[0]
    return lines.get(at, 1)


@lru_cache(maxsize=64)
def _lines_of(path: Path) -> Mapping[str, int]:
    return lines_by_pointer(path.read_text("utf-8"))


def lines_by_pointer(text: str) -> dict[str, int]:
    r"""The line of each JSON Pointer in a JSON text; a member of an object is where its name is.

    >>> lines_by_pointer('{"a": [\n  1,\n  {"b": 2}\n]}')
    {'': 1, '/a': 1, '/a/0': 2, '/a/1': 3, '/a/1/b': 3}
    """
    lines: dict[str, int] = {}
    parts: list[str | int] = []
    """The path of the next value, with the name or the position in each container."""
    is_name = False
    for token, line in _tokens(text):
        if token in {"}", "]"}:
            parts.pop()
            is_name = False
        elif token == ",":
            is_name = isinstance(parts[-1], str)
            if not is_name:
                parts[-1] = int(parts[-1]) + 1
        elif token == ":":
            is_name = False
        elif is_name:
            parts[-1] = json.loads(token)
            lines.setdefault(pointer(parts), line)
        else:
            lines.setdefault(pointer(parts), line)
            is_name = token == "{"
            parts += [""] if is_name else [0] if token == "[" else []
    return lines


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """Each token of a JSON text with its line."""
    line, end = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", end, match.start())
        end = match.start()
        yield match[0], line
