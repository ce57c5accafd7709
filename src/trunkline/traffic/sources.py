"""Read a file of recorded traffic, whatever its format is; what is none of them is refused with one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from trunkline.contract.model import Contract
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Json, NotJSON, Response
from trunkline.traffic import BODY, UNKNOWN
from trunkline.traffic.archives import read_json_archive, read_yaml_archive
from trunkline.traffic.curl import read_curl
from trunkline.traffic.messages import check_weight
from trunkline.traffic.recorded import Entry
from trunkline.transport.files import MOST_BYTES, read_source

_BOM = b"\xef\xbb\xbf"
_CASSETTE = re.compile(rb"^(?:http_)?interactions:", re.MULTILINE)
_BEGINNING = 4096
_LEAST_BYTES = 1024
"""The least number of bytes that a response counts for in the total of a file, since judging it takes time."""
_VERBOSE = re.compile(rb"[*<>{}] |[ *]+Trying | +% Total ")
_ADVICE = "save the response with curl -i -o FILE"


def files_of(source: str) -> list[str]:
    """The file itself, or every file in a folder and those below it, except hidden ones."""
    folder = Path(source)
    if source in {"", "-"} or not folder.is_dir():
        return [source]
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    found = [str(path) for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not found:
        raise UsageError(f"{source!r} is a folder without files; {_ADVICE}")
    return found


def read_entries(file: str, contract: Contract) -> Iterator[Entry]:
    """Each entry in a file, or in standard input for `-`, with its whole place: `traffic.har#/log/entries/3`.

    Raises `UsageError` for a file that cannot be read, and whatever `read_exchanges` raises.
    """
    name = name_of(file)
    for entry in read_exchanges(read_source(file), contract):
        yield entry._replace(place=name + entry.place)


def name_of(file: str) -> str:
    """The name by which a report shows a file."""
    return "standard input" if file == "-" else file


def read_exchanges(data: bytes, contract: Contract) -> Iterator[Entry]:
    """Each exchange in the data, or the reason why it cannot be judged, with its place in the file.

    Raises `UsageError` for data that hold none: the vendor's API may not have sent them; and after as many bytes of
    responses as one file may have, when they are decoded.
    """
    return _up_to_the_limit(_entries(data, contract))


def _up_to_the_limit(entries: Iterable[Entry]) -> Iterator[Entry]:
    total = 0
    for entry in entries:
        exchange = entry.exchange
        total += max(_LEAST_BYTES, len(exchange.response.body) if isinstance(exchange, Exchange) else 0)
        if total > MOST_BYTES:
            counted = f"{MOST_BYTES} bytes, with {_LEAST_BYTES} or more for each"
            raise UsageError(
                f"the responses from {entry.place} on were not judged: one file may hold {counted}; split it"
            )
        yield entry


def _entries(data: bytes, contract: Contract) -> Iterator[Entry]:
    if not data.strip():
        raise UsageError(f"it is empty; {_ADVICE}")
    if 0 in data[:2] or data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UsageError(f"it is UTF-16, as some shells save what they redirect; {_ADVICE}")
    text = data.removeprefix(_BOM)
    if text.startswith(b"HTTP/"):
        return _responses(text)  # of which each is weighed by itself
    check_weight(data)
    if _VERBOSE.match(text):
        raise UsageError(
            f"it looks like the output of curl -v or of curl with 2>&1, in which a body has no clear end; {_ADVICE}"
        )
    if _CASSETTE.search(text[:_BEGINNING]):
        entries = read_yaml_archive(_load_yaml(text), contract)
        if entries is None:
            raise UsageError(f"it looks like a cassette, but holds no list of interactions; {_ADVICE}")
        return entries
    return read_json_archive(text, contract) or iter([_lone_body(text)])


def _lone_body(data: bytes) -> Entry:
    body = Response(0, (), data)
    try:
        body.json()
    except NotJSON as error:
        raise UsageError(f"it is neither the output of curl -i nor JSON ({error}); {_ADVICE}") from None
    return Entry("", None, Exchange(UNKNOWN, body, BODY))


def _responses(data: bytes) -> Iterator[Entry]:
    """The responses of `curl -i`; if there are several, the line on which each begins is its place."""
    responses = read_curl(data)
    first = [*islice(responses, 2)]
    return chain(first, responses) if len(first) > 1 else (entry._replace(place="") for entry in first)


def _load_yaml(data: bytes) -> Json:
    from trunkline.traffic import plain_yaml  # noqa: PLC0415 - only for a cassette

    try:
        return plain_yaml.load(data)
    except UsageError as error:
        raise UsageError(f"it looks like a cassette, but {error}; {_ADVICE}") from None
