"""Read sources of recorded traffic, whatever their formats are; what is none is refused with one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from pathlib import Path

from trunkline.contract.model import Contract
from trunkline.errors import UsageError
from trunkline.exchange import CUT_OFF, Exchange, Json, NotJSON, Response, TooComplex
from trunkline.traffic import BODY, UNKNOWN
from trunkline.traffic.addresses import Addresses
from trunkline.traffic.archives import ATTACHED, read_cassette, read_har, read_interaction
from trunkline.traffic.curl import read_curl
from trunkline.traffic.messages import check_weight
from trunkline.traffic.ndjson import read_line
from trunkline.traffic.pieces import ADVICE, Piece, batches
from trunkline.traffic.recorded import Entry, Recorded, read_entry
from trunkline.traffic.schemathesis import read_event
from trunkline.traffic.verbose import read_verbose
from trunkline.transport.files import MOST_BYTES

_LEAST_BYTES = 1024
"""The least number of bytes that a response counts for in the total of a batch, since judging it takes time."""


def files_of(source: str) -> list[str]:
    """The file itself, or every file in a folder and those below it.

    Hidden files are left out, and so are bodies beside a HAR file, which are read with it.
    """
    folder = Path(source)
    if source in {"", "-"} or not folder.is_dir():
        return [source]
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    archives = {path.parent for path in paths if ".har" in path.suffixes}
    found = [
        str(path)
        for path in paths
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not (path.parent in archives and ATTACHED.fullmatch(path.name))
    ]
    if not found:
        raise UsageError(f"{source!r} is a folder without files; name one with recordings")
    return found


def read_entries(file: str, contract: Contract, bases: Iterable[str] = ()) -> Iterator[Entry]:
    """Each entry in a file, or in standard input for `-`, in memory that does not grow with the file.

    With `bases`, only what is below one of these addresses is for the vendor's API. Raises `UsageError` for a file that
    cannot be read, or not to its end.
    """
    addresses = Addresses(contract, (*bases,))
    for batch in batches(file):
        yield from read_batch(batch, addresses)


def read_batch(batch: Iterable[Piece | Entry], addresses: Addresses) -> Iterator[Entry]:
    """Each entry in the pieces.

    Raises `UsageError` for a file that is none of recorded traffic: the vendor's API may not have sent it; and after as
    many bytes of decoded responses as one file may have.
    """
    total = 0
    for piece in batch:
        read = (piece,) if isinstance(piece, Entry) else READERS[piece.format](piece.data, piece.place, addresses)
        for entry in read:
            exchange = entry.exchange
            total += max(_LEAST_BYTES, len(exchange.response.body) if isinstance(exchange, Exchange) else 0)
            if total > MOST_BYTES:
                raise UsageError(
                    f"the responses from {entry.place} on were not judged: with those before it they decode to more "
                    f"than {MOST_BYTES} bytes, where each counts for {_LEAST_BYTES} or more; split the file"
                )
            yield entry


def _lone_body(data: bytes, place: str, _: Addresses) -> Iterator[Entry]:
    check_weight(data)
    body = Response(0, (), data)
    try:
        body.json()
    except TooComplex as error:
        raise UsageError(str(error)) from None
    except NotJSON as error:
        if CUT_OFF in str(error):
            raise UsageError(f"{error}; record it again") from None
        if data.lstrip()[:1] in (b"{", b"["):
            raise UsageError(f"it is not JSON ({error}); record it again") from None
        raise UsageError(f"it is neither the output of curl -i nor JSON ({error}); {ADVICE}") from None
    yield Entry(place, None, Exchange(UNKNOWN, body, BODY))


def _responses(data: bytes, name: str, _: Addresses) -> Iterator[Entry]:
    """The responses of `curl -i`; if there are several, the line on which each begins is in its place."""
    responses = read_curl(data)
    first = [*islice(responses, 2)]
    for entry in chain(first, responses):
        yield entry._replace(place=name + entry.place if len(first) > 1 else name)


def _one(read: Callable[[Json], Recorded], data: bytes, place: str, addresses: Addresses) -> Iterator[Entry]:
    yield read_entry(data, place, read, addresses)


READERS: Mapping[str, Callable[[bytes, str, Addresses], Iterable[Entry]]] = {
    "curl": _responses,
    "body": _lone_body,
    "yaml": read_cassette,
    "har": read_har,
    "cassette": partial(_one, read_interaction),
    "ndjson": read_line,
    "schemathesis": read_event,
    "verbose": read_verbose,
}
"""The reader of each format: it takes a piece, its place and the addresses of the API."""
