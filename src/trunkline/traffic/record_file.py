"""Write exchanges to a file that `trunkline validate` reads: HAR or NDJSON, by the ending of its name."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import trunkline
from trunkline.contract.http import reason_phrase
from trunkline.errors import UsageError, reason_of
from trunkline.exchange import Headers, Json

_END = b"\n]}}\n"


class DecodedExchange(NamedTuple):
    """An exchange that a proxy has passed on, with decoded bodies. In a record it has no secrets."""

    time: float
    duration: float
    method: str
    url: str
    request_headers: Headers
    request_body: bytes
    status: int
    response_headers: Headers
    response_body: bytes
    findings: tuple[str, ...]
    """The rules of its findings, which readers ignore."""


class RecordFile:
    """The file of `proxy --record`. It is valid after each `add`.

    An NDJSON file is continued, a HAR file is a new one. Only its owner may read it. Raises `UsageError` for a file
    that cannot be written.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        suffix = Path(file).suffix.lower()
        if suffix not in {".har", ".ndjson"}:
            raise UsageError(f"--record: {file!r} ends neither with .har nor with .ndjson, which say how to write it")
        self._is_har = suffix == ".har"
        try:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._file: BinaryIO = os.fdopen(descriptor, "r+b", buffering=0)
            size = self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise UsageError(f"--record: {file!r} cannot be written: {reason_of(error)}") from None
        self._count = 0
        if self._is_har and size:
            self._file.close()
            raise UsageError(f"--record: {file!r} exists, and a HAR file cannot be continued; name another, or .ndjson")
        if self._is_har:
            self._write(json.dumps({"log": {"version": "1.2", "creator": _CREATOR, "entries": []}})[:-3].encode())
            self._write(_END)
        elif size:
            self._count = self._lines()

    def add(self, exchange: DecodedExchange) -> str:
        """Write an exchange, and return its place: `traffic.ndjson:12`. Raises `OSError` if that is not possible."""
        end = self._file.seek(-len(_END) if self._is_har else 0, os.SEEK_END)
        entry = json.dumps(_har(exchange) if self._is_har else _row(exchange), ensure_ascii=False)
        data = entry.encode("utf-8", "surrogatepass") + (_END if self._is_har else b"\n")
        try:
            self._write((b",\n" if self._count else b"\n") + data if self._is_har else data)
        except OSError:
            self._file.seek(end)
            self._file.truncate()
            with suppress(OSError):
                self._write(_END if self._is_har else b"")
            raise
        self._count += 1
        pointer = f" (#/log/entries/{self._count - 1})" if self._is_har else ""
        return f"{self.file}:{self._count + self._is_har}{pointer}"

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, data: bytes) -> None:
        while data:
            data = data[self._file.write(data) :]

    def _lines(self) -> int:
        """The number of lines of a file to be continued. A last one without its end gets it."""
        self._file.seek(0)
        count, last = 0, b"\n"
        while data := self._file.read(1 << 20):
            count, last = count + data.count(b"\n"), data[-1:]
        if last != b"\n":
            self._write(b"\n")
        return count + (last != b"\n")


def _row(exchange: DecodedExchange) -> Json:
    return {
        "time": _time(exchange.time),
        "duration_ms": _milliseconds(exchange),
        "request": {
            "method": exchange.method,
            "url": exchange.url,
            "headers": [*map(list, exchange.request_headers)],
            **_body(exchange.request_body),
        },
        "response": {
            "status": exchange.status,
            "headers": [*map(list, exchange.response_headers)],
            **_body(exchange.response_body),
        },
        "complete": True,
        "findings": [*exchange.findings],
    }


def _body(body: bytes) -> Mapping[str, str]:
    text = _text(body)
    return {"body": text} if text is not None else {"body_base64": base64.b64encode(body).decode()}


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _har(exchange: DecodedExchange) -> Json:
    """An entry of HAR 1.2 (http://www.softwareishard.com/blog/har-12-spec). Sizes that are not known are -1."""
    sent, received = dict(exchange.request_headers), dict(exchange.response_headers)
    text = _text(exchange.response_body)
    content = {"size": len(exchange.response_body), "mimeType": received.get("content-type", "")}
    body = {"text": text} if text is not None else {"text": base64.b64encode(exchange.response_body).decode()}
    query = parse_qsl(urlsplit(exchange.url).query, keep_blank_values=True)
    post = {"mimeType": sent.get("content-type", ""), "text": exchange.request_body.decode("utf-8", "backslashreplace")}
    return {
        "startedDateTime": _time(exchange.time),
        "time": _milliseconds(exchange),
        "request": {
            "method": exchange.method,
            "url": exchange.url,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _named(exchange.request_headers),
            "queryString": _named(query),
            **({"postData": post} if exchange.request_body else {}),
            "headersSize": -1,
            "bodySize": len(exchange.request_body),
        },
        "response": {
            "status": exchange.status,
            "statusText": reason_phrase(exchange.status),
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _named(exchange.response_headers),
            "content": {**content, **body, **({} if text is not None else {"encoding": "base64"})},
            "redirectURL": received.get("location", ""),
            "headersSize": -1,
            "bodySize": -1,
        },
        "cache": {},
        "timings": {"send": 0, "wait": _milliseconds(exchange), "receive": 0},
        "_complete": True,
        "_findings": [*exchange.findings],
    }


_CREATOR = {"name": "trunkline", "version": trunkline.__version__}


def _named(pairs: Headers | list[tuple[str, str]]) -> Json:
    return [{"name": name, "value": value} for name, value in pairs]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _milliseconds(exchange: DecodedExchange) -> float:
    return round(exchange.duration * 1000, 3)
