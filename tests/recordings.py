"""HAR files, as browsers and proxies save them, and the entries that are read from files."""

from __future__ import annotations

import tempfile
from pathlib import Path

from trunkline.contract.model import Contract
from trunkline.exchange import Json
from trunkline.traffic.recorded import Entry
from trunkline.traffic.sources import read_entries

PAGE = '{"trunks": [], "pagination": {"limit": 10, "offset": 0, "total": 0}}'
URL = "https://api.telepathvoice.com/v1/trunks?limit=10"
TYPE = ("Content-Type", "application/json")


def har(
    text: str | None = PAGE,
    *,
    method: str = "GET",
    url: str = URL,
    sent: tuple[tuple[str, str], ...] = (),
    post: str | None = None,
    received: tuple[tuple[str, str], ...] = (TYPE,),
    status: int = 200,
    **content: Json,
) -> Json:
    """A HAR file of one exchange."""

    def fields(pairs: tuple[tuple[str, str], ...]) -> Json:
        return [{"name": name, "value": value} for name, value in pairs]

    request: Json = {"method": method, "url": url, "headers": fields(sent)}
    if post is not None:
        request["postData"] = {"mimeType": "application/json", "text": post}
    shown = {"mimeType": "application/json", **({} if text is None else {"text": text}), **content}
    response = {"status": status, "headers": fields(received), "content": shown}
    return {"log": {"version": "1.2", "entries": [{"request": request, "response": response}]}}


def joined(*files: Json) -> Json:
    """One HAR file of the exchanges of several."""
    return {"log": {"version": "1.2", "entries": [entry for file in files for entry in file["log"]["entries"]]}}


def entries_of(data: bytes, contract: Contract, bases: tuple[str, ...] = ()) -> list[Entry]:
    """The entries of a file with these bytes, whose name is left out of their places."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a")
        path.write_bytes(data)
        found = read_entries(str(path), contract, bases)
        return [entry._replace(place=entry.place.removeprefix(str(path))) for entry in found]
