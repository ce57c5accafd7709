"""Notices: sentences on what a request holds that no page documents. The mock ignores it, and says so.

>>> notices(operation, "limit=10&page=2", None, shown)
['`page` is not a parameter of listTrunks; did you mean `offset`?']
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice

from trunkline.contract.model import List, Operation
from trunkline.contract.refusals import query_names
from trunkline.exchange import Json

_MOST = 5
"""The most notices of one request; the last one may count the others."""
_LONGEST_NAME = 40
_MOST_COUNTED = 100

_PAGING = {
    "limit": {
        "count",
        "first",
        "limit",
        "max",
        "maxresults",
        "pagelimit",
        "pagesize",
        "perpage",
        "rows",
        "size",
        "take",
        "top",
    },
    "offset": {
        "after",
        "cursor",
        "from",
        "index",
        "offset",
        "p",
        "page",
        "pageindex",
        "pagenumber",
        "pageoffset",
        "skip",
        "start",
    },
}
"""The names under which other APIs have the two parameters of a paging, by their fields in `Paging`."""


def notices(operation: Operation, query: str, body: Json, shown: Callable[[], Callable[[str, int], str]]) -> list[str]:
    """The notices on a query and on a body, a JSON value, in ASCII and at most five.

    `shown()` is called if there are any. It returns the function that makes a name ready to be shown.
    """
    if not query and body is None:
        return []
    found = [*islice(_undocumented(operation, query, body), _MOST_COUNTED)]
    if not found:
        return []
    show = shown()
    cut = found if len(found) <= _MOST else found[: _MOST - 1]
    sentences = [f"`{json.dumps(show(name, _LONGEST_NAME))[1:-1]}` {rest}" for name, rest in cut]
    if cut is not found:
        many = "at least " if len(found) == _MOST_COUNTED else ""
        sentences.append(f"{many}{len(found) - len(cut)} more names are not documented for {operation.operation_id}")
    return sentences


def _undocumented(operation: Operation, query: str, body: Json) -> Iterator[tuple[str, str]]:
    """Each name that is not documented, and the rest of the sentence about it."""
    sent = dict.fromkeys(query_names(query))
    documented = {parameter.name: parameter.location for parameter in operation.parameters}
    fields = operation.inputs
    in_query = [name for name, location in documented.items() if location == "query"]
    for name in (name for name in sent if name not in in_query):
        if name in documented:
            yield name, f"in the query is ignored by {operation.operation_id}; it is a part of the path"
        elif name in fields:
            yield name, f"is not a parameter of {operation.operation_id}; it is a field of the body"
        elif not in_query:
            yield name, f"is not a parameter of {operation.operation_id}, which has none in the query"
        else:
            meant = _meant(name, [other for other in in_query if other not in sent], operation)
            yield name, f"is not a parameter of {operation.operation_id}{meant}"
    if fields and isinstance(body, dict):
        yield from _fields(operation, body, fields, "")


def _fields(
    operation: Operation, body: Mapping[str, Json], documented: Mapping[str, Json], within: str
) -> Iterator[tuple[str, str]]:
    """The fields of an object, and of those in it, that its schema does not have."""
    for name, value in body.items():
        if name not in documented:
            meant = _meant(name, [other for other in documented if other not in body])
            yield within + name, f"is not a field of {operation.operation_id}{meant}"
        elif isinstance(value, dict) and "properties" in documented[name]:
            yield from _fields(operation, value, documented[name]["properties"], f"{within}{name}.")


def _meant(name: str, known: Collection[str], operation: Operation | None = None) -> str:
    """The end of a sentence on a wrong name: `; did you mean `offset`?`, or nothing."""
    plain = {_plain(other): other for other in known}
    paging = operation.kind.paging if operation and isinstance(operation.kind, List) else None
    sent = _plain(name)
    meant = plain.get(sent)
    if meant is None and len(sent) > 2:  # shorter ones begin many names
        meant = next((plain[other] for other in plain if other.startswith(sent)), None)
    if meant is None and paging:
        roles = {paging.limit: _PAGING["limit"], paging.offset: _PAGING["offset"]}
        meant = next((other for other, names in roles.items() if sent in names and other in known), None)
    if meant is None:
        from difflib import get_close_matches  # noqa: PLC0415 - only for a mistake

        meant = next((plain[close] for close in get_close_matches(sent[:_LONGEST_NAME], plain, 1, 0.7)), None)
    return f"; did you mean `{meant}`?" if meant else ""


def _plain(name: str) -> str:
    """The name without case and separators: `provider_name`, `providerName` and `provider-name` are equal."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
