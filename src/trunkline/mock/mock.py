"""The mock: a `Target` that answers as the contract and the world say.

    >>> acme = mock.from_vendor(trunkline.load("acme"))
    >>> acme(Request("GET", "/trunks", "limit=10"))
    Response(401, <77 bytes>)

Records are encoded once, and answers are remembered until the next write: by operation, credential and parameters,
and those to the GET requests of a server also by the bytes of the request (`Mock.read`). Others are worked out one at
a time, behind a lock, so that a reader sees all of a write or nothing of it. With a state file, a write is saved
before it is answered; one that cannot be saved gets a 507 and is not applied.
"""

from __future__ import annotations

import copy
import json
import logging
import time
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from threading import RLock
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote

from msgspec import Struct, structs

from trunkline.contract.http import IMPLIED, missing_fields, with_implied
from trunkline.contract.model import Operation
from trunkline.contract.notices import notices
from trunkline.contract.refusals import (
    LONGEST_BODY,
    ParsedRequest,
    Refusal,
    documented_response,
    parse_access,
    parse_query,
    parse_request,
    refusal_for,
)
from trunkline.contract.times import DAY
from trunkline.errors import StorageError, UsageError
from trunkline.exchange import (
    Headers,
    Json,
    NotJSON,
    RawHeaders,
    ReadKey,
    Request,
    Response,
    encodable,
    error_response,
    parse_json,
    request_from_key,
)
from trunkline.findings import excerpt, truncate
from trunkline.mock.generators import Record
from trunkline.mock.handlers import Call, Result, handle
from trunkline.mock.loader import Vendor, other_vendor
from trunkline.mock.rate_limit import RateLimiter
from trunkline.mock.views import ServedOperation, Views, encode
from trunkline.mock.world import Store, fill_template
from trunkline.redaction import RecentSecrets, Redactor, Secrets, redactor, redactor_of_request

if TYPE_CHECKING:
    from trunkline.mock.records import Records
    from trunkline.mock.storage import Storage

log = logging.getLogger("trunkline.mock")

REFUSAL_HEADER = "x-trunkline-refusal"
"""The response header in which a refusal explains itself."""
NOTICE_HEADER = "x-trunkline-notice"
"""The response header that says what the mock ignored in a request."""

_JSON = ("content-type", "application/json")
_JSON_ONLY = (_JSON,)

_MAX_LOGGED = 200
_MAX_QUOTED = 80
_MAX_REMEMBERED = 32 << 20
"""The most bytes of remembered answers and their keys."""
_ENTRY_SIZE = 1024
"""Bytes of a remembered answer beside its body and its key, or a few more."""
_MAX_ACCESSES = 4096
_LONGEST_ACCESS = 2048
Shown: TypeAlias = Callable[[str, int], str]
"""The function that makes a text from a client ready to be shown, with at most so many characters."""

_ERRORS = 400
"""The status from which on an answer is an error."""
_READS = frozenset(("GET", "HEAD", "OPTIONS"))


class Logged(Struct, frozen=True):
    """A request and its response, as far as they are logged. A GET request without a body is only its key."""

    mock: Mock
    request: Request | ReadKey
    status: int
    headers: Headers
    """The header fields of the response."""
    fault: str = ""
    """The steps of faults that were applied: `503 retry-after=1`."""
    code: str = ""
    """The error code that a fault gave."""


class Answer(Struct, frozen=True):
    """An answer without its rate-limit headers. Its request counts for the known token `token`.

    A `cacheable` one is the answer to every equal request until the next write. `logged` is the same for each request
    of the key by which the answer is remembered; an answer to others has none.
    """

    response: Response
    operation: Operation | None
    token: str = ""
    explanation: str = ""
    cacheable: bool = True
    logged: Logged | None = None


def from_vendor(
    vendor: Vendor,
    *,
    rate_limit: int | None = None,
    rate_window: int | None = None,
    clock: Callable[[], float] | None = None,
    secrets: frozenset[str] = frozenset(),
    storage: Storage | None = None,
    recent: RecentSecrets | None = None,
) -> Mock:
    """A mock of the vendor in its initial state.

    `rate_limit` is the number of requests per window and credential, `rate_window` the length of a window in seconds.
    Without a `clock`, the time is that of `time.time` at each request, which freezegun and time-machine replace.

    It keeps `secrets` out of its log, beside its own: the tokens of another mock on the same port. Mocks on one port
    share the `recent` secrets from clients. With a `storage` (`storage.from_file`) it continues with the state in which
    the last mock of the vendor was left.
    """
    fake = Mock(vendor, clock or _now, secrets, storage, recent or RecentSecrets())
    fake.limit_rate(rate_limit, rate_window)
    return fake


def _now() -> float:
    return time.time()


class Mock:
    """One vendor's mock. Call it with a `Request` below the vendor's base address, from any thread."""

    def __init__(
        self,
        vendor: Vendor,
        clock: Callable[[], float],
        secrets: frozenset[str],
        storage: Storage | None,
        recent: RecentSecrets,
    ) -> None:
        self._clock = clock
        self._rate_limiter = RateLimiter(vendor.contract.rate_limit, vendor.world.rate_limit, clock)
        self._recent = recent
        self._adopt(vendor, secrets)
        self._lock = RLock()
        self._storage = storage
        self._save = partial(storage.save, vendor.name) if storage else None
        saved = storage.load(vendor) if storage else None
        self.continues = saved is not None
        """Whether it began with the saved state of an earlier mock instead of the fixtures."""
        if saved is None:
            self.reset()
            return
        records = (record for table in saved.tables.values() for record in table.values())
        self._secrets |= {
            str(record[name]) for record in records for name in self._contract.secrets if record.get(name)
        }
        self._begin(Store(self._world, saved, self._save))

    def _adopt(self, vendor: Vendor, secrets: frozenset[str]) -> None:
        self.vendor = vendor
        self._contract = vendor.contract
        self._world = vendor.world
        if not vendor.shared:
            operations = vendor.contract.operations
            vendor.shared.update({one.operation_id: ServedOperation(one, vendor.world) for one in operations})
        self._served: Mapping[str, ServedOperation] = vendor.shared
        self._secrets = vendor.secrets | secrets
        self.secrets = Secrets(self._contract.secrets, self._secrets)
        """The secrets that records and recorded requests print as `***`."""
        self._records: dict[str, Records] = {}
        self._redact_own: Redactor | None = None

    @property
    def learned(self) -> int:
        """How many secrets it has learned from clients and from fixtures that were read again."""
        return self._recent.added

    @property
    def closed_accounts(self) -> list[str]:
        """The accounts that have records and no token: the tokens of an earlier start opened them."""
        return sorted(self._views.store.accounts - self._world.accounts)

    def reset(self, vendor: Vendor | None = None) -> None:
        """Return to the fixtures, with a fresh rate limit, or to those of a `vendor` whose files have changed.

        Raises `StorageError` when that cannot be saved; then nothing has changed.
        """
        with self._lock:
            if self._storage:
                self._storage.reset(vendor or self.vendor)
            if vendor and vendor is not self.vendor:
                for secret in vendor.secrets - self._secrets:
                    self._recent.add(secret)  # for the other mocks of the server
                if self._rate_limiter.limit == self._world.rate_limit:
                    self.limit_rate(vendor.world.rate_limit)
                self._adopt(vendor, self._secrets)
            for served in self._served.values():
                served.encode_shipped()
            self._begin(Store(self._world, save=self._save))

    def _begin(self, store: Store) -> None:
        self._views = Views(store)
        self._rate_limiter.reset()
        self._answers: dict[Hashable, Answer] = {}
        self._remembered = 0
        self._accesses: dict[tuple[bytes, bytes | None], tuple[ParsedRequest, frozenset[bytes]]] = {}
        """By path and credential: the operation that they give access to, and the names of its query parameters."""
        for served in self._served.values():
            if served.lists_all:
                self._views.items(served, self._world.account)  # so that the first request need not wait

    def limit_rate(self, requests: int | None = None, seconds: int | None = None) -> None:
        """Change how many requests a credential may send in a window, and how long one lasts; None leaves it as it is.

        A new window begins. It lasts whole seconds, because its end is sent as Unix time.
        """
        if requests is not None and (type(requests) is not int or requests < 0):
            raise UsageError(f"rate_limit is {requests!r}; give a number of requests, at least 0")
        if seconds is not None and (type(seconds) is not int or not 1 <= seconds <= DAY):
            raise UsageError(f"rate_window is {seconds!r}; give a number of seconds, from 1 to {DAY}")
        limiter = self._rate_limiter
        limiter.change(limiter.limit if requests is None else requests, limiter.seconds if seconds is None else seconds)

    @property
    def rate(self) -> tuple[int, int]:
        """How many requests a credential may send in a window, and how many seconds one lasts."""
        return self._rate_limiter.limit, self._rate_limiter.seconds

    def now(self) -> float:
        """The Unix time on the mock's clock."""
        return self._clock()

    @property
    def has_written(self) -> bool:
        """Whether it has had a write since its start or its reset."""
        return self._views.store.has_written

    def before_last_write(self) -> Mock | None:
        """The mock as it was before its last write, for reads alone; None if it has had none since its start."""
        with self._lock:
            before = self._views.store.before_last_write()
        if before is None:
            return None
        earlier = copy.copy(self)
        vars(earlier).update(_views=Views(Store(self._world, before)), _answers={}, _remembered=0)
        return earlier

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
        """Remove the record with the id `identity`. Raises `LookupError` when there is none."""
        with self._lock:
            self._views.store.remove(collection, account or self._world.account, identity)
            self._commit({})

    # --- requests ---------------------------------------------------------------------------------------------------

    def __call__(self, request: Request) -> Response:
        response, limits = self.answer(request)
        return response.with_raw(limits)

    def read(self, key: ReadKey) -> tuple[Response, RawHeaders]:
        """The answer to a GET request without a body, remembered or new, and its rate-limit headers.

        A server calls this for most requests: it needs neither the other headers nor a `Request`.
        """
        answer, limits = self.find(key)
        return answer.response, limits

    def find(self, key: ReadKey) -> tuple[Answer, RawHeaders]:
        """`read`, with all of the answer."""
        answer = self._answers.get(key) or self._answers.get(self._similar(key))
        if answer is None:
            with self._lock:  # a reset between the two would leave an answer of the old world in memory
                return self._respond(self._parse_read(key), partial(request_from_key, key), key)
        limits, exceeded = self._count(answer.operation, answer.token)
        if exceeded and answer.operation is not None:
            answer = self._rate_limited(request_from_key(key), answer.operation)
        if answer.explanation:
            log.info("%s", answer.explanation)
        return answer, limits

    def _similar(self, key: ReadKey) -> Hashable:
        """The key of all requests that differ only in the values of undocumented parameters.

        Clients send a new value in one to avoid caches. It does not change the answer, unless the request is refused or
        the name may be a secret's. The key differs from every `ReadKey`, whose answer is logged with its own query.
        """
        path, query, authorization = key
        known = self._accesses.get((path, authorization))
        if known is None:
            return key
        _, documented = known
        pairs = [
            pair if (name := pair.partition(b"=")[0]) in documented or b"%" in name else name + b"="
            for pair in query.split(b"&")
            if pair
        ]
        return "similar", path, b"&".join(pairs), authorization

    def _parse_read(self, key: ReadKey) -> ParsedRequest | Refusal:
        """Parse a GET request without a body. Its operation and its credential are remembered if they are known."""
        path, query, authorization = key
        known = self._accesses.get((path, authorization))
        if known is None:
            found = parse_access(self._contract, request_from_key(key), self._authorize)
            if isinstance(found, Refusal) or found.operation.body:
                return parse_request(self._contract, request_from_key(key), self._authorize)
            names = (parameter.name for parameter in found.operation.parameters if parameter.location == "query")
            known = found, frozenset([name.encode("latin-1", "ignore") for name in names])
            if len(path) + len(authorization or b"") < _LONGEST_ACCESS:
                if len(self._accesses) >= _MAX_ACCESSES:
                    self._accesses.clear()
                self._accesses[path, authorization] = known
        return parse_query(known[0], query.decode("latin-1"))

    def too_large(self, request: Request) -> Response | None:
        """The refusal of a request whose body was too large to be read, or None where the contract has no body."""
        request = replace(request, body=bytes(LONGEST_BODY + 1))
        return self(request) if isinstance(parse_request(self._contract, request, self._authorize), Refusal) else None

    def answer(self, request: Request, *, skew: float = 0.0) -> tuple[Response, RawHeaders]:
        """A new answer, and its rate-limit headers. HEAD is answered as GET, without content; OPTIONS with `Allow`.

        `skew` is the number of seconds by which the clock is wrong that gives records and bodies their times.
        """
        if request.method not in IMPLIED:
            parsed = parse_request(self._contract, request, self._authorize)
            return self._answer_to(parsed, request, skew)
        operations, _ = self._contract.match(request.path)
        documented = {operation.method for operation in operations}
        if request.method == "OPTIONS" and documented and "OPTIONS" not in documented:
            limits, _ = self._count(None, self._known_token(request.header("authorization")))
            return Response(204, (("allow", ", ".join(with_implied(documented))),)), limits
        as_get = request.method == "HEAD" and "HEAD" not in documented and "GET" in documented
        asked = replace(request, method="GET") if as_get else request
        parsed = parse_request(self._contract, asked, self._authorize)
        response, limits = self._answer_to(parsed, request, skew)
        if request.method == "HEAD":
            length = ("content-length", str(len(response.body)))
            response = Response(response.status, (*response.headers, length))
        return response, limits

    def _answer_to(self, parsed: ParsedRequest | Refusal, request: Request, skew: float) -> tuple[Response, RawHeaders]:
        answer, limits = self._respond(parsed, lambda: request, skew=skew)
        return answer.response, limits

    def _respond(
        self,
        parsed: ParsedRequest | Refusal,
        request: Callable[[], Request],
        key: ReadKey | None = None,
        skew: float = 0.0,
    ) -> tuple[Answer, RawHeaders]:
        """Answer a parsed request, and remember the answer for the `key`, if there is one."""
        operation = parsed.operation
        authorized = isinstance(parsed, ParsedRequest) and parsed.credential
        token = authorized or self._known_token(request().header("authorization"))
        limits, exceeded = self._count(operation, token)
        shown = cache(lambda: self.shown_for(request()))  # a long request takes a while to search
        if exceeded and operation is not None:
            answer = self._rate_limited(request(), operation)
        else:
            with self._lock:
                answer = self._answer(request, parsed, token, skew, shown)
                is_plain = key and isinstance(parsed, ParsedRequest) and not parsed.names
                if operation and not is_plain:
                    answer = self._with_notices(answer, operation, request(), parsed, shown)
                if key and answer.cacheable:
                    answer = self._remember_read(key, parsed, answer)
        if answer.explanation:
            log.info("%s", answer.explanation)
        return answer, limits

    def _remember_read(self, key: ReadKey, parsed: ParsedRequest | Refusal, answer: Answer) -> Answer:
        """Remember the answer for the key, and for similar ones if it has notices of undocumented parameters."""
        size = sum(map(len, filter(None, key)))
        names = parsed.names if isinstance(parsed, ParsedRequest) and answer.response.status < _ERRORS else ()
        if names and not any(map(self.secrets.has_name, names)):
            self._remember(self._similar(key), answer, size)
        answer = structs.replace(answer, logged=Logged(self, key, answer.response.status, answer.response.headers))
        self._remember(key, answer, size)
        return answer

    def _remember(self, key: Hashable, answer: Answer, key_size: int) -> None:
        """Remember an answer until the next write, or until the remembered ones are too large together."""
        self._remembered += _ENTRY_SIZE + key_size + len(answer.response.body)
        if self._remembered > _MAX_REMEMBERED:
            self._answers.clear()
            self._remembered = 0
        self._answers[key] = answer

    def _answer(
        self,
        request: Callable[[], Request],
        parsed: ParsedRequest | Refusal,
        token: str,
        skew: float,
        shown: Callable[[], Shown],
    ) -> Answer:
        if isinstance(parsed, Refusal):
            return self._refuse(request(), parsed, shown(), token)
        served = self._served[parsed.operation.operation_id]
        key = _key_of(parsed, token) if served.cacheable else None
        if key and (known := self._answers.get(key)):
            return known
        try:
            outcome = self._serve(parsed, skew)
        except StorageError as error:
            return _not_saved(error, parsed.operation, token)
        if isinstance(outcome, Refusal):
            return self._refuse(request(), outcome, shown(), token)
        status, body = outcome
        answer = Answer(Response(status, _JSON_ONLY, body), parsed.operation, token, "", served.cacheable)
        if key:
            self._remember(key, answer, len(request().target))
        return answer

    def _with_notices(
        self,
        answer: Answer,
        operation: Operation,
        request: Request,
        parsed: ParsedRequest | Refusal,
        shown: Callable[[], Shown],
    ) -> Answer:
        """The answer with a header field for each name that no page documents, and for a body where there is none."""
        body, about = None, list[str]()
        if request.body and not operation.body:
            about.append(f"{operation.operation_id} has no request body; the one that was sent is ignored")
        elif isinstance(parsed, ParsedRequest):
            body = parsed.body
        elif len(request.body) <= LONGEST_BODY:
            with suppress(NotJSON):
                body = parse_json(request.body)
        about += notices(operation, request.query, body, shown)
        if not about:
            return answer
        fields = tuple((NOTICE_HEADER, sentence) for sentence in about)
        path = json.dumps(shown()(self.vendor.contract.base_path + request.path, _MAX_LOGGED))[1:-1]
        explanation = answer.explanation or f"{operation.method} {path} answered"
        return structs.replace(
            answer,
            response=replace(answer.response, headers=(*answer.response.headers, *fields)),
            explanation="; ".join((explanation, *about)),
        )

    def _serve(self, parsed: ParsedRequest, skew: float) -> Result | Refusal:
        served = self._served[parsed.operation.operation_id]
        grant = self._world.tokens.get(parsed.credential)
        account = grant.account if grant else self._world.account
        try:
            result = handle(Call(self._world, self._views, served, parsed, account, self._clock() + skew))
            if served.writes and not isinstance(result, Refusal):
                self._commit(parsed.body or {})
        finally:
            if served.writes:
                self._views.store.discard()
        return result

    def _commit(self, written: Mapping[str, Json]) -> None:
        """Commit the staged changes, forget the answers from before them, and learn the secrets in `written`."""
        if self._views.commit():
            self._answers.clear()
            self._remembered = 0
            for name in self._contract.secrets:
                if written.get(name):
                    self._recent.add(str(written[name]))

    def _authorize(self, operation: Operation, credential: str) -> Refusal | None:
        """The refusal of a credential that does not allow the operation."""
        grant = self._world.tokens.get(credential)
        if grant is None:
            other = other_vendor(self.vendor.name, credential)
            sent = f"a token of {other}" if other else "a credential that opens no account"
            return refusal_for(operation, "credentials_unknown", sent, "a known credential", {})
        if grant.refused:
            return refusal_for(operation, grant.refused, "a credential without the permission", "the permission", {})
        return None

    def _known_token(self, authorization: str | None) -> str:
        """The known token in the header, even of a refused request; all unknown ones count together, as `""`."""
        token = (authorization or "").rpartition(" ")[2]
        return token if token in self._world.tokens else ""

    def account_of(self, request: Request) -> str | None:
        """The account that the credential of a request opens, or None."""
        grant = self._world.tokens.get(self._known_token(request.header("authorization")))
        return grant.account if grant else None

    def count(self, request: Request, operation: Operation | None) -> RawHeaders:
        """Count a request that is answered elsewhere. Return its rate-limit headers."""
        return self._count(operation, self._known_token(request.header("authorization")))[0]

    def _count(self, operation: Operation | None, token: str) -> tuple[RawHeaders, bool]:
        """Count a request. Return its rate-limit headers, and whether it exceeds the limit."""
        return ((), False) if operation and operation.rate_limit_exemption else self._rate_limiter.count(token)

    # --- refusals ---------------------------------------------------------------------------------------------------

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """The answer that refuses a request for a reason."""
        return self._refuse(request, refusal, self.shown_for(request)).response

    def _rate_limited(self, request: Request, operation: Operation) -> Answer:
        limit = f"{self._rate_limiter.limit} requests"
        refusal = refusal_for(operation, "rate_limited", f"more than {limit}", f"at most {limit} in a window", {})
        return self._refuse(request, refusal, self.shown_for(request))

    def _refuse(self, request: Request, refusal: Refusal, shown: Shown, token: str = "") -> Answer:
        explanation = self._explain(refusal, shown)
        target = json.dumps(shown(self.vendor.contract.base_path + request.target, _MAX_LOGGED))[1:-1]
        return Answer(
            response=self._refusal_response(refusal, explanation, shown),
            operation=refusal.operation,
            token=token,
            explanation=f"{shown(request.method, _MAX_QUOTED)} {target} refused: {explanation}",
            cacheable=request.method in _READS,
        )

    def _refusal_response(self, refusal: Refusal, explanation: str, shown: Shown) -> Response:
        documented, code = documented_response(self._contract, refusal)
        texts = {name: shown(text, _MAX_LOGGED) for name, text in refusal.placeholders.items()}
        filling = {"code": code.code, "message": self._world.message(refusal.cause, code.code).format_map(texts)}
        status = int(documented.key)
        values = {
            "allow": refusal.placeholders.get("allow", ""),
            "accept-encoding": refusal.placeholders.get("accept-encoding", ""),
            "www-authenticate": f'Bearer realm="{self.vendor.name}"',
            "retry-after": str(self._rate_limiter.seconds_left()) if refusal.cause == "rate_limited" else "",
        }
        wanted = (*missing_fields(status, ()), "accept-encoding", "retry-after")
        fields = tuple((name, values[name]) for name in wanted if values.get(name))
        headers: Headers = (_JSON, (REFUSAL_HEADER, explanation), *fields)
        return Response(status, headers, encode(fill_template(self._world.error_body, filling)))

    def _explain(self, refusal: Refusal, shown: Shown) -> str:
        """The value, the bound that it breaks, the place in the contract and the page, as JSON strings in ASCII."""
        parts = {
            "sent": shown(refusal.sent, _MAX_QUOTED),
            "broke": truncate(refusal.broke, _MAX_LOGGED),
            "contract": refusal.reference(self._contract),
            "grade": str(refusal.evidence.grade),
            "page": refusal.evidence.source or refusal.evidence.note,
        }
        return "; ".join((refusal.cause, *(f"{name}={json.dumps(value)}" for name, value in parts.items())))

    def shown_for(self, request: Request) -> Shown:
        """The function that makes texts of a request ready to be shown, at most so many characters of each.

        It redacts the secrets of the request, the latest from clients, and those of the fixtures.
        """
        if self._redact_own is None:
            self._redact_own = redactor(self._secrets)  # other mocks of the vendor have the same
        has_body = len(request.body) <= LONGEST_BODY
        redact_sent = redactor_of_request(
            request if has_body else replace(request, body=b""), self._contract.secrets, self._secrets
        )
        redact_own, redact_recent = self._redact_own, self._recent
        return partial(_shown, redact=lambda text: redact_sent(redact_recent(redact_own(text))))


def _key_of(parsed: ParsedRequest, token: str) -> tuple[Hashable, ...]:
    """The key by which the answer to a parsed request is remembered."""
    return parsed.operation, token, tuple(parsed.values.items())


def _shown(text: str, limit: int, redact: Callable[[str], str]) -> str:
    """The beginning of a text from a client without secrets, however they are encoded, ready to be sent as UTF-8."""

    def redacted(start: str) -> str:
        decoded = unquote(start)
        found = redact(decoded)
        return encodable(found if found != decoded or decoded == start else redact(start))

    return excerpt(text, limit, redacted)


def _not_saved(error: StorageError, operation: Operation | None, token: str) -> Answer:
    """The answer to a write that cannot be saved, in our own words: 507 (RFC 4918, section 11.5)."""
    log.error("%s", error)
    return Answer(error_response(507, str(error)), operation, token, cacheable=False)
