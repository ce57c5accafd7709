"""Owns whether the words of the schemas mean something, wherever they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias
from urllib.parse import urlsplit

from trunkline.contract.formats import FORMATS
from trunkline.contract.model import DOCUMENT
from trunkline.contract.schema import is_pattern
from trunkline.exchange import Json, pointer

_LITERAL = frozenset({"examples", "default", "enum", "const"})
"""Keywords whose value is a value, not a schema."""
_NAMED = frozenset({"properties", "$defs"})
"""Keywords whose value maps names to schemas, so that its keys are not keywords."""

_Nodes: TypeAlias = dict[str, dict[str, Json]]
"""The objects of a file by their places."""


def lost_words(files: Mapping[str, Json]) -> Iterator[tuple[str, str, str]]:
    """The file, place and reason of each `format`, `pattern`, `$ref`, order of times or address that means nothing."""
    nodes = {file: dict(nodes_of(content)) for file, content in files.items()}
    for file in files:
        for at, reason in (*_lost_refs(nodes, file), *_lost_times(nodes[file])):
            yield file, at, reason
    for file, at in _circular(nodes):
        yield file, f"{at}/$ref", "leads back to itself; no schema can be shown within itself"
    if not _is_address(files[DOCUMENT]["servers"][0]["url"]):
        yield DOCUMENT, "/servers/0/url", "is not an address of scheme, host and path"


def _is_address(url: str) -> bool:
    try:
        found = urlsplit(url)
        return bool(found.hostname and found.port != 0) and not (found.query or found.fragment or "@" in found.netloc)
    except ValueError:
        return False


def _lost_refs(nodes: Mapping[str, _Nodes], file: str) -> Iterator[tuple[str, str]]:
    """Each `format` or `pattern` that cannot be checked and each `$ref` that leads to no schema, with the reason."""
    for at, node in nodes[file].items():
        word, ref = node.get("format"), node.get("$ref")
        if isinstance(word, str) and word not in FORMATS:
            yield at + "/format", f"{word!r} is not a format that can be checked; there are: {', '.join(FORMATS)}"
        expression = node.get("pattern")
        if isinstance(expression, str) and not is_pattern(expression):
            yield at + "/pattern", f"{expression!r} is not an expression that can be checked"
        if isinstance(ref, str):
            target, spot = _led(file, ref)
            if spot not in nodes.get(target, ()) or "x-trunkline" in spot.split("/"):
                yield at + "/$ref", f"{ref!r} leads nowhere"
            elif target == DOCUMENT and not (file == DOCUMENT and spot.startswith("/components/responses/")):
                yield at + "/$ref", f"{ref!r} leads to no schema"


def _led(file: str, ref: str) -> tuple[str, str]:
    """The file and the place in it that a `$ref` of a file leads to."""
    target, _, spot = ref.partition("#")
    return target or file, spot


def _circular(nodes: Mapping[str, _Nodes]) -> Iterator[tuple[str, str]]:
    """The place of a `$ref` on a way that comes back to where it began, if there is any."""
    refs = {
        (file, at): _led(file, node["$ref"])
        for file, places in nodes.items()
        for at, node in places.items()
        if isinstance(node.get("$ref"), str)
    }
    leads = {
        source: [(file, at) for file, at in refs if file == target and (at == spot or at.startswith(f"{spot}/"))]
        for source, (target, spot) in refs.items()
    }
    try:
        TopologicalSorter(leads).prepare()
    except CycleError as error:
        yield error.args[1][0]


def nodes_of(content: Json) -> Iterator[tuple[str, dict[str, Json]]]:
    """Each object of a document that is not a literal value, nor a mere map of names to schemas."""
    stack: list[tuple[str, Json, bool]] = [("", content, False)]
    while stack:
        at, node, is_map = stack.pop()
        if isinstance(node, list):
            stack += [(f"{at}/{index}", item, False) for index, item in enumerate(node)]
        elif isinstance(node, dict):
            stack += [
                (at + pointer((key,)), item, key in _NAMED and not is_map)
                for key, item in node.items()
                if is_map or key not in _LITERAL
            ]
            if not is_map:
                yield at, node


def _lost_times(nodes: _Nodes) -> Iterator[tuple[str, str]]:
    """Each pair of `ordered` that names no property of its schema."""
    for at, node in nodes.items():
        extension = node.get("x-trunkline")
        for index, pair in enumerate(extension.get("ordered", ()) if isinstance(extension, dict) else ()):
            for end in ("first", "then"):
                if pair[end][1:] not in node.get("properties", {}):
                    yield f"{at}/x-trunkline/ordered/{index}/{end}", f"{pair[end]} is not a property here"
