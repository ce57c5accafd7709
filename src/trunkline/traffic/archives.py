"""Read the entries of HAR files, and of the cassettes of vcrpy, Betamax and VCR."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from trunkline.errors import UsageError
from trunkline.exchange import Headers, Json, Response
from trunkline.traffic.addresses import Addresses
from trunkline.traffic.messages import check_weight, content_length
from trunkline.traffic.pieces import LONGEST_ENTRY
from trunkline.traffic.recorded import Entry, Recorded, bytes_of, has_content, pairs, read_entry, text_of, time_of
from trunkline.transport.files import open_source

ATTACHED = re.compile(r"[0-9a-f]{40}\.[0-9A-Za-z]{1,16}")
"""The name of a file with a body that Playwright saves beside a HAR file: the hash of the body."""
_EMBED = 'record the HAR with content: "embed"'
_ADVICE = "record it again with vcrpy, Betamax or VCR, or save it as JSON"


def read_har(data: bytes, place: str, addresses: Addresses) -> Iterator[Entry]:
    """The entry of a HAR file, whose name is in the place: `session.har:120 (#/log/entries/3)`."""
    folder = Path(place.rpartition(":")[0]).parent
    yield read_entry(data, place, partial(_read_har_entry, folder), addresses)


def _read_har_entry(folder: Path, entry: Json) -> Recorded:
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
    if text is None and "_file" in content:
        body = _attached(folder, content["_file"])
    elif text is None and max(sizes) > 0 and has_content(method, status):
        raise UsageError("it has no body; save the HAR with content")
    posted = bytes_of((request.get("postData") or {}).get("text"))
    time = time_of(entry.get("startedDateTime"), received)
    answer, complete = Response(status, received, body), entry.get("_complete") is True
    return Recorded(method, text_of(request["url"]), sent, posted, answer, time, complete)


def _attached(folder: Path, name: Json) -> bytes:
    """The body that Playwright saves beside a HAR file, under a name that has the hash of the body.

    No other file is read, not even in this folder: it could be any file, with secrets that a report would show. Raises
    `UsageError` for one that is missing, or is not as it was saved.
    """
    if not isinstance(name, str) or not ATTACHED.fullmatch(name):
        raise UsageError(f"its body is in another file, whose name is not a hash of it; {_EMBED}")
    try:
        with open_source(str(folder / name)) as stream:
            body = stream.read(LONGEST_ENTRY + 1)
    except UsageError:
        raise UsageError(f"its body is in {name}, which is not beside the HAR file; {_EMBED}") from None
    if len(body) > LONGEST_ENTRY:
        raise UsageError(f"its body, in {name}, is more than {LONGEST_ENTRY} bytes long")
    if hashlib.sha1(body, usedforsecurity=False).hexdigest() != name[:40]:
        raise UsageError(f"its body, in {name}, was changed after it was saved; {_EMBED}")
    return body


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
