r"""Owns how requests are shown that would be sent: what writes line by line, what reads as a number.

>>> print(*preview(requests, contract), sep="\n")
POST /trunks {"name": "trunkline-check-5d1c0e9a77-1", "sip_password": "***"}
1 request that writes, 12 that only read
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from trunkline.bodies import plain
from trunkline.contract import Contract
from trunkline.exchange import Json, NotJSON, Request, parse_json
from trunkline.findings import cut
from trunkline.writing import READING

_LONGEST = 500


def preview(
    requests: Iterable[Request], contract: Contract, hide: Callable[[str], str] = lambda text: text
) -> Iterator[str]:
    """One line for each request that may change something, in order, and the numbers of both kinds.

    The value of whatever is named like a secret of the contract is masked, at any depth; `hide` masks known values.
    """
    secrets = frozenset(plain(name) for name in contract.secrets)
    writing = reading = 0
    for request in requests:
        if request.method in READING:
            reading += 1
            continue
        writing += 1
        words = (request.method, request.target, _body(request.body, secrets))
        yield cut(_printable(hide(" ".join(word for word in words if word))), _LONGEST)
    count = "1 request that writes" if writing == 1 else f"{writing or 'no'} requests that write"
    yield f"{count}, {reading or 'none'} that only read{'s' if reading == 1 else ''}"


def _body(body: bytes, secrets: frozenset[str]) -> str:
    if not body:
        return ""
    try:
        return json.dumps(_masked(parse_json(body), secrets), ensure_ascii=False)
    except NotJSON:
        return f"<{len(body)} bytes that are no JSON>"  # whatever is in them may be a secret


def _masked(value: Json, secrets: frozenset[str]) -> Json:
    if isinstance(value, list):
        return [_masked(item, secrets) for item in value]
    if isinstance(value, dict):
        return {name: "***" if plain(name) in secrets else _masked(item, secrets) for name, item in value.items()}
    return value


def _printable(text: str) -> str:
    """The text on one line, without what could steer a terminal or could not be encoded."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
