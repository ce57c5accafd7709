"""Read the entries of HAR files, and of the cassettes of vcrpy, Betamax and VCR."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from trunkline.errors import UsageError
from trunkline.exchange import Headers, Json, Response
from trunkline.traffic.addresses import Addresses
from trunkline.traffic.messages import check_weight, content_length
from trunkline.traffic.recorded import Entry, Recorded, bytes_of, has_content, pairs, read_entry, text_of, time_of

_ADVICE = "record it again with vcrpy, Betamax or VCR, or save it as JSON"


def read_har_entry(entry: Json) -> Recorded:
    """The parts of an entry of HAR 1.2. Its bodies are decoded, its headers are as they were sent."""
    request, response = entry["request"], entry["response"]
    method, status = text_of(request["method"]), int(response["status"])
    content = response.get("content") or {}
    text = content.get("text")
    body = base64.b64decode(text or "") if content.get("encoding") == "base64" else bytes_of(text)
    sent, received = (
        pairs((field["name"], field["value"]) for field in message["headers"]) for message in (request, response)
    )
    sizes = (content.get("size", 0), response.get("bodySize", 0), content_length(received) or 0)
    if text is None and max(sizes) > 0 and has_content(method, status):
        raise UsageError("it has no body; save the HAR with content")
    posted = bytes_of((request.get("postData") or {}).get("text"))
    time = time_of(entry.get("startedDateTime"), received)
    answer, complete = Response(status, received, body), entry.get("_complete") is True
    return Recorded(method, text_of(request["url"]), sent, posted, answer, time, complete)


def read_interaction(interaction: Json) -> Recorded:
    """The parts of an interaction of a cassette. The value of a header is a text or a list of them."""
    request, response = interaction["request"], interaction["response"]
    received = _fields(response)
    answer = Response(int(response["status"]["code"]), received, _body(response))
    time = time_of(interaction.get("recorded_at"), received)
    return Recorded(text_of(request["method"]), text_of(request["uri"]), _fields(request), _body(request), answer, time)


def read_cassette(data: bytes, name: str, addresses: Addresses) -> Iterator[Entry]:
    """The entries of a cassette in YAML. Raises `UsageError` for one that cannot be read, or has no interactions."""
    from trunkline.traffic import plain_yaml  # noqa: PLC0415 - only for a cassette

    check_weight(data)
    try:
        value, lines = plain_yaml.load_with_lines(data)
    except UsageError as error:
        raise UsageError(f"it looks like a cassette, but {error}; {_ADVICE}") from None
    for key in ("interactions", "http_interactions"):
        found = value.get(key) if isinstance(value, dict) else None
        if isinstance(found, list):
            for index, (interaction, line) in enumerate(zip(found, lines[id(found)], strict=True)):
                place = f"{name}:{line} (#/{key}/{index})"
                yield read_entry(interaction, place, read_interaction, addresses)
            return
    raise UsageError(f"it looks like a cassette, but holds no list of interactions; {_ADVICE}")


def _fields(message: Json) -> Headers:
    fields = (message.get("headers") or {}).items()
    return pairs((name, value) for name, given in fields for value in (given if isinstance(given, list) else [given]))


def _body(message: Json) -> bytes:
    body = message.get("body")
    if isinstance(body, dict):
        coded = body.get("base64_string")
        return base64.b64decode(coded) if coded is not None else bytes_of(body.get("string"))
    return bytes_of(body)
