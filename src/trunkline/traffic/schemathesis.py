"""Read the NDJSON report of Schemathesis: one event of a run in each line, of which some hold interactions.

Its VCR and HAR reports are read as other cassettes and HAR files are.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import partial

from trunkline.errors import UsageError
from trunkline.exchange import Headers, Json, Response, pointer
from trunkline.traffic.addresses import Addresses
from trunkline.traffic.recorded import GENERATED, Entry, Recorded, pairs, parse, read_entry, text_of

_PATH = ("ScenarioFinished", "recorder", "interactions")


def read_event(data: bytes, line: str, addresses: Addresses) -> Iterator[Entry]:
    """The entry of each interaction in an event; none for an event that has none."""
    event = parse(data)
    try:
        interactions = event.get("ScenarioFinished", {}).get("recorder", {}).get("interactions", {}).items()
    except AttributeError:
        yield Entry(line, None, UsageError("it is no event as Schemathesis reports them"))
        return
    for name, interaction in interactions:
        place = f"{line} (#{pointer((*_PATH, name))})"
        yield read_entry(interaction, place, partial(_read_interaction, name), addresses)


def _read_interaction(name: str, interaction: Json) -> Recorded:
    request, response = interaction["request"], interaction["response"]
    if response is None:
        raise UsageError("it has no response: the request was not answered")
    if "content_size" in response:
        raise UsageError("Schemathesis has kept only the beginning of its body")
    method, url, time = text_of(request["method"]), text_of(request["uri"]), float(interaction["timestamp"])
    sent = (*_fields(request), (GENERATED, name))  # which the report leaves out
    answer = Response(int(response["status_code"]), _fields(response), _body(response["content"]))
    return Recorded(method, url, sent, _body(request.get("body")), answer, time)


def _fields(message: Json) -> Headers:
    return pairs((name, value) for name, values in message["headers"].items() for value in values)


def _body(coded: Json) -> bytes:
    return b"" if coded is None else base64.b64decode(coded["$base64"])
