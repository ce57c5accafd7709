"""Read a file of the data: JSON or TOML whose values can all be written as JSON in UTF-8.

Errors name the place and never quote a value, because a value may be a secret.
"""

from __future__ import annotations

import math
import re
import stat
import tomllib
from pathlib import Path

from trunkline.errors import DataError
from trunkline.exchange import DEEPEST, Json, NotJSON, all_places, pointer_to, read_json

_MOST_BITS = 14_000
"""An integer with more bits has more digits than Python reads or prints."""
_OUT_OF_RANGE = "the number is out of range"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def load_json(path: Path, name: str, *, lint: bool = True) -> Json:
    """Read a JSON file of the data, called `name` in errors. Raises `DataError` when it cannot be read.

    Without `lint`, lone surrogates are not looked for.
    """
    content = _content(path, name)
    try:
        text = read_json(content)
    except NotJSON as error:
        raise DataError(name, "", str(error).replace("the body", "it")) from None
    value = text.value
    if lint and _SURROGATE.search(content):
        check_value(value, name)
    if text.duplicates:
        raise DataError(name, text.duplicates[0], "the name is there twice")
    if text.out_of_range:
        raise DataError(name, text.out_of_range[0], _OUT_OF_RANGE)
    return value


def load_toml(path: Path, name: str) -> Json:
    """Read a TOML file of the data, which may hold only values that JSON has too."""
    content = _content(path, name)
    try:
        value = tomllib.loads(content.decode("utf-8"))
    except RecursionError:
        raise DataError(name, "", "it is nested too deeply to be read") from None
    except ValueError as error:
        raise DataError(name, "", f"is not TOML: {error}") from None
    check_value(value, name)
    return value


def check_value(value: Json, name: str) -> None:
    """Raise `DataError` for the first part that is not JSON: a date, NaN, a lone surrogate, a tuple."""
    for place, node in all_places(value):
        at = pointer_to(place)
        deep = at.count("/") > DEEPEST
        if reason := f"it is nested more than {DEEPEST} levels deep" if deep else _reason_not_json(node):
            raise DataError(name, at.encode("utf-8", "replace").decode(), reason)


def _reason_not_json(node: Json) -> str:
    """The reason why a value is not JSON, its parts aside; empty when it is."""
    texts: list[Json] = [*node] if isinstance(node, dict) else [node] if isinstance(node, str) else []
    if not all(isinstance(text, str) for text in texts):
        return "a name in it is no text"
    if any(not text.isascii() and re.search("[\ud800-\udfff]", text) for text in texts):
        return "a lone surrogate, which UTF-8 cannot encode"
    if isinstance(node, float) and not math.isfinite(node):
        return "not a number that JSON has"
    if isinstance(node, int) and node.bit_length() > _MOST_BITS:
        return _OUT_OF_RANGE
    known = node is None or isinstance(node, str | int | float | list | dict)
    return "" if known else f"a {type(node).__name__} is not JSON"


def _content(path: Path, name: str) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(name, "", "cannot be read: it is not a regular file")
        return path.read_bytes()
    except OSError as error:
        raise DataError(name, "", f"cannot be read: {error.strerror}") from None
