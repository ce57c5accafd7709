"""Owns the mock: a `Target` that answers as the contract and the world say.

    >>> acme = mock.from_vendor(trunkline.load("acme"))
    >>> acme(Request("GET", "/trunks", "limit=10"))
    Response(401, <77 bytes>)

Speed lives here, behind the signature: items are encoded once, and a finished answer is kept until the next write.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from trunkline.contract import Operation, RateLimit
from trunkline.exchange import Headers, Json, Request, Response, find
from trunkline.findings import cut as shortened
from trunkline.hiding import hiding
from trunkline.library import Vendor, cut
from trunkline.refusals import Reading, Refusal, answer, read, refuse
from trunkline.world import Record, Serve, Store, World

log = logging.getLogger("trunkline.mock")

REFUSAL_HEADER = "x-trunkline-refusal"
"""The response header in which a refusal explains itself."""

_JSON_TEXT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_JSON = ("content-type", "application/json")
_LONGEST_LOGGED = 200
_LONGEST_SENT = 80
_MEMO_ENTRIES = 4096
_MEMO_KEY = 2048


@dataclass(frozen=True, slots=True)
class _Finished:
    """An answer without its rate-limit headers: `grant` is the token that its request is counted for."""

    response: Response
    operation: Operation | None
    grant: str = ""
    explanation: str = ""


def from_vendor(
    vendor: Vendor,
    *,
    rate_limit: int | None = None,
    clock: Callable[[], float] = time.time,
    secrets: frozenset[str] = frozenset(),
) -> Mock:
    """A mock of the vendor in its fresh state. `rate_limit` is the number of requests per window and credential.

    `secrets` are what it must not log beside its own, such as the tokens of another mock on the same port.
    """
    return Mock(vendor, vendor.world.rate_limit if rate_limit is None else rate_limit, clock, secrets)


class Mock:
    """One vendor's mock. Call it with a `Request` below the vendor's base address."""

    def __init__(self, vendor: Vendor, rate_limit: int, clock: Callable[[], float], secrets: frozenset[str]) -> None:
        self.vendor = vendor
        self._contract = vendor.contract
        self._world = vendor.world
        self._meter = _Meter(vendor.contract.rate_limit, rate_limit, clock)
        self._pages = {
            operation.operation_id: _Shown(operation, vendor.world) for operation in vendor.contract.operations
        }
        self._redacted = hiding(vendor.secrets | secrets)
        self.reset()

    def reset(self) -> None:
        """Back to the fixtures, with a fresh rate limit."""
        self._store = Store(self._world)
        self._meter.reset()
        self._forget()
        for shown in self._pages.values():
            if shown.operation.listing:  # so that the first who asks does not wait for the others' sake
                self._items(shown, self._world.account, ())

    def records(self, collection: str, account: str | None = None) -> tuple[Record, ...]:
        """The records of an account (the first token's unless named), as the fixtures tell them."""
        return tuple(self._store.records(collection, account or self._world.account).values())

    def __call__(self, request: Request) -> Response:
        key = (request.method, request.path, request.query, find(request.headers, "authorization"))
        finished = self._memo.get(key)
        if finished is None:
            finished = self._finish(request)
            if len(request.path) + len(request.query) + len(key[3] or "") < _MEMO_KEY:
                if len(self._memo) >= _MEMO_ENTRIES:
                    self._memo.clear()
                self._memo[key] = finished
        headers, spent = self._meter.count(finished.grant)
        if spent and finished.operation is not None:
            finished = self._rate_limited(request, finished.operation)
        if finished.explanation:
            log.info("%s", finished.explanation)
        response = finished.response
        return Response(response.status, (*response.headers, *headers), response.body)

    def _finish(self, request: Request) -> _Finished:
        reading = read(self._contract, request, self._shut)
        outcome = reading if isinstance(reading, Refusal) else self._serve(reading)
        grant = self._grant(request)
        if isinstance(outcome, Refusal):
            return self._refused(request, outcome, grant)
        return _Finished(Response(200, (_JSON,), outcome), reading.operation, grant)

    def _grant(self, request: Request) -> str:
        """The known token that a request is counted for, whatever becomes of it; all others are counted together."""
        token = (request.header("authorization") or "").rpartition(" ")[2]
        return token if token in self._world.tokens else ""

    def _refused(self, request: Request, refusal: Refusal, grant: str = "") -> _Finished:
        explanation = self._explanation(refusal)
        asked = json.dumps(shortened(self._redacted(request.target), _LONGEST_LOGGED))[1:-1]
        line = f"{shortened(request.method, _LONGEST_SENT)} {asked} refused: {explanation}"
        return _Finished(self._refusal(refusal, explanation), refusal.operation, grant, line)

    def _explanation(self, refusal: Refusal) -> str:
        """What was sent, which bound it broke, and where the contract and the page say so: JSON texts, in ASCII."""
        parts = {
            "sent": shortened(self._redacted(refusal.sent), _LONGEST_SENT),
            "broke": refusal.broke,
            "contract": f"{self._contract.folder}/openapi.json#{refusal.pointer}",
            "grade": str(refusal.evidence.grade),
            "page": refusal.evidence.source or refusal.evidence.note,
        }
        return "; ".join((refusal.cause, *(f"{name}={json.dumps(value)}" for name, value in parts.items())))

    def _shut(self, operation: Operation, credential: str) -> Refusal | None:
        """Why a credential does not open an operation."""
        grant = self._world.tokens.get(credential)
        if grant is None:
            sent = "a credential that opens no account"
            return refuse(operation, "credentials_unknown", sent, "a known credential", {})
        if grant.refused:
            return refuse(operation, grant.refused, "a credential without the permission", "the permission", {})
        return None

    def _serve(self, reading: Reading) -> bytes | Refusal:
        shown = self._pages[reading.operation.operation_id]
        grant = self._world.tokens.get(reading.credential)
        account = grant.account if grant else self._world.account
        return VERBS[shown.serve.verb](self, shown, reading, account)

    def _items(self, shown: _Shown, account: str, chosen: tuple[tuple[str, Json], ...]) -> list[bytes]:
        """The encoded items of a list after its filters, in order; kept until the next write."""
        key = (shown.operation.operation_id, account, chosen)
        found = self._lists.get(key)
        if found is None:
            records = list(self._store.records(shown.serve.collection, account).values())
            fields = [(shown.filter_field(name), value) for name, value in chosen]
            records = [record for record in records if all(record.get(field) == value for field, value in fields)]
            for field in reversed(shown.serve.order):
                name = field.lstrip("-")
                records.sort(key=lambda record: record[name], reverse=field.startswith("-"))
            found = self._lists[key] = [self._encoded(shown, account, record) for record in records]
        return found

    def _encoded(self, shown: _Shown, account: str, record: Record) -> bytes:
        key = (shown.operation.operation_id, account, record[shown.identity])
        item = self._bytes.get(key)
        if item is None:
            item = self._bytes[key] = _encode(cut(record, shown.view))
        return item

    def _forget(self) -> None:
        self._memo: dict[tuple[str, str, str, str | None], _Finished] = {}
        self._lists: dict[tuple[str, str, tuple[tuple[str, Json], ...]], list[bytes]] = {}
        self._bytes: dict[tuple[str, str, Json], bytes] = {}

    def _rate_limited(self, request: Request, operation: Operation) -> _Finished:
        limit = f"{self._meter.limit} requests"
        refusal = refuse(operation, "rate_limited", f"more than {limit}", f"at most {limit} in a window", {})
        return self._refused(request, refusal)

    def _refusal(self, refusal: Refusal, explanation: str) -> Response:
        found, code = answer(self._contract, refusal)
        told = {name: shortened(word, _LONGEST_LOGGED) for name, word in refusal.words.items()}
        words = {"code": code.code, "message": self._world.words[refusal.cause].format_map(told)}
        headers: Headers = (_JSON, (REFUSAL_HEADER, explanation))
        if "allow" in found.headers:
            headers = (*headers, ("allow", refusal.words["allow"]))
        return Response(int(found.key), headers, _encode(_filled(self._world.envelope, words)))


class _Shown:
    """How one operation shows its collection, worked out once: the view, and the body cut where values go in."""

    def __init__(self, operation: Operation, world: World) -> None:
        self.operation = operation
        self.serve: Serve = world.serves[operation.operation_id]
        self.view = operation.view
        self.identity = world.collections[self.serve.collection].identity
        self._pieces = _cut_template(_encode(self.serve.body))

    def filter_field(self, name: str) -> str:
        assert self.operation.listing is not None  # noqa: S101 - the loader refused a list without a listing
        return self.operation.listing.filters[name].at[1:]

    def body(self, values: Mapping[str, bytes]) -> bytes:
        """The template with each `"{name}"` replaced by encoded JSON."""
        return b"".join(values[piece] if isinstance(piece, str) else piece for piece in self._pieces)


def _list(mock: Mock, shown: _Shown, reading: Reading, account: str) -> bytes:
    """Filter first, then page; the total counts what the filter leaves."""
    listing = shown.operation.listing
    assert listing is not None  # noqa: S101 - the loader refused a list without a listing
    values = reading.values
    items = mock._items(shown, account, tuple((name, values[name]) for name in listing.filters if name in values))  # noqa: SLF001
    page = items
    filled = {name: _encode(value) for name, value in values.items()}
    if listing.paging:
        offset = values[listing.paging.offset]
        page = items[offset : offset + values[listing.paging.limit]]
    filled["items"] = b"[" + b",".join(page) + b"]"
    filled["total"] = b"%d" % len(items)
    return shown.body(filled)


def _fetch(mock: Mock, shown: _Shown, reading: Reading, account: str) -> bytes | Refusal:
    """The one record that the path names, if it is this account's."""
    fetching = shown.operation.fetching
    assert fetching is not None  # noqa: S101 - the loader refused a fetch without one
    identity = reading.values[fetching.parameter]
    record = mock._store.records(shown.serve.collection, account).get(identity)  # noqa: SLF001
    if record is None:
        sent = f"{fetching.parameter}={identity}"
        return refuse(reading.operation, "id_unknown", sent, "the id of something that is there", {})
    return shown.body({"item": mock._encoded(shown, account, record)})  # noqa: SLF001


_Verb: TypeAlias = Callable[[Mock, _Shown, Reading, str], bytes | Refusal]
VERBS: Mapping[str, _Verb] = {"list": _list, "fetch": _fetch}


class _Meter:
    """Counts requests per credential in fixed windows, and tells it in the documented headers."""

    def __init__(self, names: RateLimit | None, limit: int, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._names = (names.limit.lower(), names.remaining.lower(), names.reset.lower()) if names else None
        self._seconds = names.window_seconds if names else 1
        self._clock = clock
        self._limit_header = (self._names[0], str(limit)) if self._names else None
        self.reset()

    def reset(self) -> None:
        self._reset = 0.0
        self._counts: dict[str, int] = {}

    def count(self, grant: str) -> tuple[Headers, bool]:
        """The rate-limit headers of one more answer, and whether it is one too many."""
        if self._names is None or self._limit_header is None:
            return (), False
        now = self._clock()
        if now >= self._reset:
            self._counts.clear()
            self._reset = math.floor(now) + self._seconds
            self._reset_header = (self._names[2], str(self._reset))
        count = self._counts[grant] = self._counts.get(grant, 0) + 1
        left = self.limit - count
        return (self._limit_header, (self._names[1], str(max(0, left))), self._reset_header), left < 0


def _encode(value: Json) -> bytes:
    return _JSON_TEXT(value).encode()


def _cut_template(encoded: bytes) -> list[bytes | str]:
    """`{"total":"{total}"}` -> `[b'{"total":', "total", b"}"]`."""
    pieces: list[bytes | str] = []
    for index, part in enumerate(encoded.split(b'"{')):
        if index == 0:
            pieces.append(part)
            continue
        name, _, rest = part.partition(b'}"')
        pieces += [name.decode(), rest]
    return pieces


def _filled(template: Json, words: Mapping[str, str]) -> Json:
    if isinstance(template, dict):
        return {name: _filled(value, words) for name, value in template.items()}
    return template.format_map(words) if isinstance(template, str) else template
