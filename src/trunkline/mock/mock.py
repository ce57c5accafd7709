"""Owns the mock: a `Target` that answers as the contract and the world say.

    >>> acme = mock.from_vendor(trunkline.load("acme"))
    >>> acme(Request("GET", "/trunks", "limit=10"))
    Response(401, <77 bytes>)

Speed lives here, behind the signature: items are encoded once, and a finished answer is kept until the next write.
What is not kept is worked out behind one lock, so that whoever reads sees all of a write or nothing of it. With a
state file, each write is in its file before it is answered, or is answered 507 and was not made.
"""

from __future__ import annotations

import copy
import itertools
import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock, RLock
from typing import TYPE_CHECKING
from urllib.parse import unquote

from trunkline.contract.model import List, Operation, RateLimit
from trunkline.contract.refusals import (
    LONGEST_BODY,
    ParsedRequest,
    Refusal,
    documented_response,
    parse_request,
    refusal_for,
)
from trunkline.errors import StorageError, UsageError
from trunkline.exchange import Headers, Json, Request, Response, find
from trunkline.findings import truncate as shortened
from trunkline.mock.generators import Record
from trunkline.mock.handlers import Call, Result, handle
from trunkline.mock.loader import Vendor
from trunkline.mock.views import ServedOperation, Views, encode
from trunkline.mock.world import Store
from trunkline.redaction import Secrets, redactor, secrets_in_body, secrets_in_header, secrets_in_query

if TYPE_CHECKING:
    from trunkline.mock.records import Records
    from trunkline.mock.storage import Storage

log = logging.getLogger("trunkline.mock")

REFUSAL_HEADER = "x-trunkline-refusal"
"""The response header in which a refusal explains itself."""

_JSON = ("content-type", "application/json")
_LONGEST_LOGGED = 200
_LONGEST_SENT = 80
_MEMO_ENTRIES = 4096
_MEMO_KEY = 2048
_MOST_LEARNED = 64
"""So many of the secrets that clients sent last are kept out of the log, beside all that the fixtures hold."""
_READING = frozenset(("GET", "HEAD", "OPTIONS"))


@dataclass(frozen=True, slots=True)
class _Finished:
    """An answer without its rate-limit headers: `grant` is the token that its request is counted for.

    One that `lasts` is the answer to the same question until the next write.
    """

    response: Response
    operation: Operation | None
    grant: str = ""
    explanation: str = ""
    lasts: bool = True


def from_vendor(
    vendor: Vendor,
    *,
    rate_limit: int | None = None,
    clock: Callable[[], float] = time.time,
    secrets: frozenset[str] = frozenset(),
    storage: Storage | None = None,
) -> Mock:
    """A mock of the vendor in its fresh state. `rate_limit` is the number of requests per window and credential.

    `secrets` are what it must not log beside its own, such as the tokens of another mock on the same port. With a
    `storage` (`storage.from_file`) it continues with the state in which the last mock of the vendor was left.
    """
    return Mock(vendor, vendor.world.rate_limit if rate_limit is None else rate_limit, clock, secrets, storage)


class Mock:
    """One vendor's mock. Call it with a `Request` below the vendor's base address, from any thread."""

    def __init__(
        self,
        vendor: Vendor,
        rate_limit: int,
        clock: Callable[[], float],
        secrets: frozenset[str],
        storage: Storage | None = None,
    ) -> None:
        self.vendor = vendor
        self._contract = vendor.contract
        self._world = vendor.world
        self._clock = clock
        self._meter = _Meter(vendor.contract.rate_limit, rate_limit, clock)
        self._shown = {
            operation.operation_id: ServedOperation(operation, vendor.world) for operation in vendor.contract.operations
        }
        self._secrets = vendor.secrets | secrets
        self.secrets = Secrets(self._contract.secrets, self._secrets)
        """The secrets that records and recorded requests print as `***`."""
        self._records: dict[str, Records] = {}
        self._learned: tuple[str, ...] = ()
        self._lock = RLock()
        self._storage = storage
        self._keep = partial(storage.save, vendor.name) if storage else None
        kept = storage.load(vendor) if storage else None
        self.continues = kept is not None
        """Whether it began where an earlier mock was left, and not with the fixtures."""
        if kept is None:
            self.reset()
            return
        told = (record for table in kept.tables.values() for record in table.values())
        self._secrets |= {str(record[name]) for record in told for name in self._contract.secrets if record.get(name)}
        self._begin(Store(self._world, kept, self._keep))

    def reset(self) -> None:
        """Back to the fixtures, with a fresh rate limit. Raises `StorageError` when it cannot be saved."""
        with self._lock:
            if self._storage:
                self._storage.reset(self.vendor)
            self._begin(Store(self._world, save=self._keep))

    def _begin(self, store: Store) -> None:
        self._views = Views(store)
        self._meter.reset()
        self._memo: dict[tuple[str, str, str, str | None], _Finished] = {}
        for shown in self._shown.values():
            if isinstance(shown.operation.kind, List) and not shown.operation.parents:
                self._views.items(shown, self._world.account)  # the first who asks need not wait

    def records(self, collection: str) -> Records:
        """The records of a collection in the default account, for a test to read and change: `acme.records("trunks")`.

        Raises `UsageError` for an unknown collection.
        """
        from trunkline.mock.factory import RecordFactory  # noqa: PLC0415 - only tests need it
        from trunkline.mock.records import Records  # noqa: PLC0415 - only tests need it

        known = self._world.collections
        if collection not in known:
            raise UsageError(f"{self.vendor.name} has no {collection!r}; its records are: {', '.join(sorted(known))}")
        if collection not in self._records:
            count, seed = len(known[collection].records), f"{self.vendor.name}.{collection}"
            records = Records(self, RecordFactory(self.vendor, collection, seed, count), self._world.account)
            self._records.setdefault(collection, records)  # of two threads, both get the first one's
        return self._records[collection]

    def snapshot(self, collection: str, account: str | None = None) -> tuple[Record, ...]:
        """The stored records of an account, by default the first token's. Do not change them."""
        with self._lock:
            return tuple(self._views.store.records(collection, account or self._world.account).values())

    def put(self, collection: str, record: Record) -> None:
        """Add a record, or replace the one with its id. It is copied, and not checked: `records` does that."""
        record = copy.deepcopy(record)
        with self._lock:
            self._views.store.put(collection, self._world.account_of(record), record)
            self._commit(record)

    def remove(self, collection: str, identity: str, account: str | None = None) -> None:
        """Takes a record away, for the next request. Raises `LookupError` when there is none."""
        with self._lock:
            self._views.store.remove(collection, account or self._world.account, identity)
            self._commit({})

    def __call__(self, request: Request) -> Response:
        key = (request.method, request.path, request.query, find(request.headers, "authorization"))
        finished = self._memo.get(key)
        if finished is None:
            reading = parse_request(self._contract, request, self._shut)
            operation, grant = reading.operation, self._grant(request)
        else:
            operation, grant = finished.operation, finished.grant
        headers: Headers = ()
        spent = False
        if not (operation and operation.unmetered):
            headers, spent = self._meter.count(grant)
        if spent and operation is not None:
            finished = self._rate_limited(request, operation)
        elif finished is None:
            with self._lock:
                finished = self._finish(request, reading, grant)
                if finished.lasts and len(request.path) + len(request.query) + len(key[3] or "") < _MEMO_KEY:
                    if len(self._memo) >= _MEMO_ENTRIES:
                        self._memo.clear()
                    self._memo[key] = finished
        if finished.explanation:
            log.info("%s", finished.explanation)
        response = finished.response
        return Response(response.status, (*response.headers, *headers), response.body)

    def too_large(self, request: Request) -> Response | None:
        """The refusal of a request whose body was too large to be read, or None where the contract asks for no body."""
        request = replace(request, body=bytes(LONGEST_BODY + 1))
        return self(request) if isinstance(parse_request(self._contract, request, self._shut), Refusal) else None

    def _finish(self, request: Request, reading: ParsedRequest | Refusal, grant: str) -> _Finished:
        try:
            outcome = reading if isinstance(reading, Refusal) else self._serve(reading)
        except StorageError as error:
            return _unkept(error, reading.operation, grant)
        if isinstance(outcome, Refusal):
            return self._refused(request, outcome, grant)
        assert isinstance(reading, ParsedRequest)  # noqa: S101 - a refusal was refused
        status, body = outcome
        shown = self._shown[reading.operation.operation_id]
        return _Finished(Response(status, (_JSON,), body), reading.operation, grant, lasts=shown.cacheable)

    def _grant(self, request: Request) -> str:
        """The known token that a request is counted for, whatever becomes of it; all others are counted together."""
        token = (request.header("authorization") or "").rpartition(" ")[2]
        return token if token in self._world.tokens else ""

    def _refused(self, request: Request, refusal: Refusal, grant: str = "") -> _Finished:
        told = 0 < len(request.body) <= LONGEST_BODY
        own = frozenset(
            {
                *(secrets_in_body(request.body, self._contract.secrets) if told else ()),
                *secrets_in_header(request.header("authorization") or ""),
                *secrets_in_query(request.query, self._contract.secrets),
            }
        )
        explanation = self._explanation(refusal, own)
        asked = json.dumps(shortened(self._asked(request.target, own), _LONGEST_LOGGED))[1:-1]
        line = f"{shortened(request.method, _LONGEST_SENT)} {asked} refused: {explanation}"
        lasts = request.method in _READING
        return _Finished(self._refusal(refusal, explanation, own), refusal.operation, grant, line, lasts)

    def _asked(self, target: str, own: frozenset[str]) -> str:
        """A path and query without secrets, however they are encoded."""
        normalized = unquote(target)
        hidden = self._redacted(normalized, own)
        return hidden if hidden != normalized else self._redacted(target, own)

    def _explanation(self, refusal: Refusal, own: frozenset[str]) -> str:
        """What was sent, which bound it broke, and where the contract and the page say so: JSON texts, in ASCII."""
        parts = {
            "sent": shortened(self._redacted(refusal.sent, own), _LONGEST_SENT),
            "broke": shortened(refusal.broke, _LONGEST_LOGGED),
            "contract": refusal.reference(self._contract),
            "grade": str(refusal.evidence.grade),
            "page": refusal.evidence.source or refusal.evidence.note,
        }
        return "; ".join((refusal.cause, *(f"{name}={json.dumps(value)}" for name, value in parts.items())))

    def _shut(self, operation: Operation, credential: str) -> Refusal | None:
        """Why a credential does not open an operation."""
        grant = self._world.tokens.get(credential)
        if grant is None:
            sent = "a credential that opens no account"
            return refusal_for(operation, "credentials_unknown", sent, "a known credential", {})
        if grant.refused:
            return refusal_for(operation, grant.refused, "a credential without the permission", "the permission", {})
        return None

    def _serve(self, reading: ParsedRequest) -> Result | Refusal:
        shown = self._shown[reading.operation.operation_id]
        grant = self._world.tokens.get(reading.credential)
        account = grant.account if grant else self._world.account
        asked = Call(self._world, self._views, shown, reading, account, self._clock())
        try:
            ended = handle(asked)
            if not isinstance(ended, Refusal):
                self._commit(reading.body or {})
        finally:
            self._views.store.discard()
        return ended

    def _commit(self, told: Mapping[str, Json]) -> None:
        """Makes a write true, drops what was finished before it, and learns the secrets that it told."""
        if self._views.commit():
            self._memo = {}
            learned = (str(told[name]) for name in self._contract.secrets if told.get(name))
            self._learned = (*self._learned, *learned)[-_MOST_LEARNED:]

    def _redacted(self, text: str, own: frozenset[str] = frozenset()) -> str:
        """The text without the secrets of the fixtures, those that clients sent last, and the request's own."""
        return redactor(own)(redactor(frozenset(self._learned))(redactor(self._secrets)(text)))

    def _rate_limited(self, request: Request, operation: Operation) -> _Finished:
        limit = f"{self._meter.limit} requests"
        refusal = refusal_for(operation, "rate_limited", f"more than {limit}", f"at most {limit} in a window", {})
        return self._refused(request, refusal)

    def _refusal(self, refusal: Refusal, explanation: str, own: frozenset[str]) -> Response:
        found, code = documented_response(self._contract, refusal)
        told = {name: shortened(self._redacted(word, own), _LONGEST_LOGGED) for name, word in refusal.words.items()}
        words = {"code": code.code, "message": self._world.message(refusal.cause, code.code).format_map(told)}
        headers: Headers = (_JSON, (REFUSAL_HEADER, explanation))
        if "allow" in found.headers:
            headers = (*headers, ("allow", refusal.words["allow"]))
        return Response(int(found.key), headers, encode(_filled(self._world.error_body, words)))


@dataclass(frozen=True, slots=True)
class _Window:
    """A time in which requests are counted: its end, the header field that tells it, and a counter per credential."""

    end: float = 0.0
    header: tuple[str, str] = ("", "")
    counters: dict[str, Iterator[int]] = field(default_factory=dict)


class _Meter:
    """Counts requests per credential in fixed windows, and tells it in the documented headers.

    Threads share it without waiting: `setdefault` and `next` are atomic, and only a new window is made behind a lock.
    """

    def __init__(self, names: RateLimit | None, limit: int, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._names = (names.limit.lower(), names.remaining.lower(), names.reset.lower()) if names else None
        self._seconds = names.window_seconds if names else 1
        self._clock = clock
        self._limit_header = (self._names[0], str(limit)) if self._names else None
        self._lock = Lock()
        self.reset()

    def reset(self) -> None:
        self._window = _Window()

    def count(self, grant: str) -> tuple[Headers, bool]:
        """The rate-limit headers of one more answer, and whether it is one too many."""
        if self._names is None or self._limit_header is None:
            return (), False
        now, window = self._clock(), self._window
        if now >= window.end:
            with self._lock:
                if (window := self._window).end <= now:
                    end = math.floor(now) + self._seconds
                    window = self._window = _Window(end, (self._names[2], str(end)))
        counter = window.counters.get(grant) or window.counters.setdefault(grant, itertools.count(1))
        left = self.limit - next(counter)
        return (self._limit_header, (self._names[1], str(max(0, left))), window.header), left < 0


def _unkept(error: StorageError, operation: Operation | None, grant: str) -> _Finished:
    """The answer to a write that cannot be kept: trunkline's own words, for no page knows of it (RFC 4918, 11.5)."""
    log.error("%s", error)
    body = encode({"error": str(error)})
    return _Finished(Response(507, (_JSON,), body), operation, grant, lasts=False)


def _filled(template: Json, words: Mapping[str, str]) -> Json:
    if isinstance(template, dict):
        return {name: _filled(value, words) for name, value in template.items()}
    return template.format_map(words) if isinstance(template, str) else template
