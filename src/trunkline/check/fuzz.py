"""Fuzzing by Schemathesis: its engine generates requests, and a target answers them.

Only the `CHECKS` of Schemathesis report here; the caller's target has the rules judge everything else. The engine runs
in a thread of its own and passes each request to the thread that iterates `fuzz`. So the target is called in that
thread only, and its exceptions are raised there. Schemathesis is imported here only, and only when it is used, since
that is slow.

    >>> for event in fuzz(document, target, base_path="/v1", credential="sk_live_abc", seed=1):
    ...     print(event)
    Progress(phase='examples', requests=1)
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeAlias

from trunkline.check.strategies import isolated
from trunkline.errors import AvailabilityUnknown, NotOurs, TargetError, Unimplemented, UsageError
from trunkline.exchange import SAFE_METHODS, Exchange, Json, Request, Response, Target
from trunkline.redaction import redactor
from trunkline.transport.asgi import application
from trunkline.transport.scope import ASGIApp
from trunkline.transport.targets import read_only

if TYPE_CHECKING:
    from schemathesis.auths import AuthContext
    from schemathesis.engine.core import EventStream
    from schemathesis.engine.events import EngineEvent, ScenarioFinished
    from schemathesis.generation.case import Case
    from schemathesis.schemas import BaseSchema

_WRITING_METHODS = ("POST", "PUT", "PATCH", "DELETE")
_CASE_HEADER = "x-schemathesis-testcaseid"
_MADE_UP = re.compile(r"[A-Za-z0-9 _-]*")
"""A header of a made-up credential, which means nothing to a shell."""
_POLL_SECONDS = 0.1
"""The interval at which the engine checks whether the run has ended."""
_CLIENT_HEADERS = frozenset({_CASE_HEADER, "host", "user-agent", "accept-encoding", "connection", "content-length"})
"""Headers that the engine's own client adds."""
_MOST_KEPT = 1 << 20
"""The number of bytes of a body that Schemathesis gets: it keeps those of a whole scenario, and judges no body."""
_UNSENT = Response(401, (("content-type", "application/json"),), b"{}")
"""The response to a request that was not sent. The engine concludes nothing from a 401."""
_CONTROL_CHARACTERS = "".join(chr(code) for code in (*range(0x20), 0x7F) if code != 0x09)


@dataclass(frozen=True, slots=True)
class SchemathesisCheck:
    """A check that Schemathesis makes itself; `basis` says what it stands on."""

    name: str
    statement: str
    basis: str


CHECKS = (
    SchemathesisCheck(
        "ignored_auth",
        "An operation that needs a credential refuses a request without one, or with a wrong one.",
        "the documented authentication",
    ),
    SchemathesisCheck(
        "unsupported_method",
        "A method that the path does not support returns 405 with an Allow header.",
        "RFC 9110 section 15.5.6",
    ),
)


@dataclass(frozen=True, slots=True)
class Progress:
    """The number of requests answered so far: `Progress("coverage", 61)`."""

    phase: str
    requests: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed check: `Failure("unsupported_method", "list_trunks", "TRACE returned 405 without ...", exchange)`."""

    check: str
    operation: str
    message: str
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why an operation was not exercised. `operation` is empty for all operations, `phase` for all phases."""

    operation: str
    phase: str
    reason: str


RequestFilter: TypeAlias = Callable[[Request], Request | None]
"""Changes a request so that it does no harm. Returns None for a request that must not be sent."""

Event: TypeAlias = Progress | Failure | Skipped


def fuzz(
    document: Json,
    target: Target,
    *,
    base_path: str,
    credential: str | None,
    operations: Collection[str] | None = None,
    seed: int,
    examples: int = 50,
    writes: bool = False,
    make_safe: RequestFilter = lambda request: request,
) -> Iterator[Event]:
    """Send the requests that Schemathesis generates for an OpenAPI document. The same seed sends the same requests.

    `operations` are operationIds, all by default; links among them are followed. Without `writes` only safe methods are
    sent, with it only documented methods. `make_safe` can change or drop a request before it is sent. An exception of
    the target ends the run and is raised here.
    """
    documented = _operations(document)
    names = {label: operation["operationId"] for label, operation in documented.items()}
    if examples < 1:
        raise UsageError(f"examples is {examples}; Schemathesis needs at least 1")
    if unknown := sorted(set(operations or ()) - set(names.values())):
        raise UsageError(f"no operation is named {', '.join(unknown)}; there are {', '.join(sorted(names.values()))}")
    chosen = {label: name for label, name in names.items() if operations is None or name in operations}
    if not writes:
        target = read_only(target)
        for label in [label for label in chosen if not label.startswith(SAFE_METHODS)]:
            yield Skipped(chosen.pop(label), "", f"{label} may change something, and writing was not allowed")
    if not chosen:
        return
    has_links = any(  # for the stateful phase to follow
        link["operationId"] in chosen.values()
        for label in chosen
        for response in documented[label]["responses"].values()
        for link in response.get("links", {}).values()
    )
    bridge = _Bridge(credential)
    with _isolated():
        settings = _settings(seed, examples, stateful=has_links)
        schema = _schema(document, application(bridge.ask, base=base_path), base_path, settings)
        if isinstance(schema, Skipped):
            yield schema
            return
        schema = schema.include(operation_id=list(chosen.values()))
        if not writes:  # an excluded method is not tried as an undocumented one either
            schema = schema.exclude(method=list(_WRITING_METHODS))
        if credential is not None:
            _authorize(schema, credential)
        try:
            for event in _events(bridge, schema, target, make_safe, names):
                yield _redacted(event, credential)
        finally:
            bridge.close()


def _operations(document: Json) -> dict[str, Json]:
    """The operations by the labels of Schemathesis, such as `GET /trunks`."""
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict) and "operationId" in operation
    }


# --- the engine -----------------------------------------------------------------------------------------------------


def _schema(document: Json, app: ASGIApp, base_path: str, settings: Mapping[str, Any]) -> BaseSchema | Skipped:
    """The schema of Schemathesis for the document. It can send requests to the application only."""
    from schemathesis import openapi  # noqa: PLC0415
    from schemathesis.config import SchemathesisConfig  # noqa: PLC0415
    from schemathesis.errors import SchemathesisError  # noqa: PLC0415

    # A server without a host, so that the engine does not probe the network.
    document = {**copy.deepcopy(document), "servers": [{"url": "/" + base_path.strip("/")}]}
    config = SchemathesisConfig.from_dict(dict(settings))
    try:
        schema = openapi.from_dict(document, config=config)
    except SchemathesisError as error:
        return Skipped("", "", str(error))
    schema.app = app
    return schema


def _settings(seed: int, examples: int, *, stateful: bool) -> dict[str, Any]:
    """The whole configuration, so that no `schemathesis.toml` is read: no time limits, no files, no learned values."""
    return {
        "seed": seed,
        "workers": 1,
        "cache": {"enabled": False},
        "auth": {"auto-signup": False},
        "analysis": {"constants": {"enabled": False}},
        "suppress-health-check": ["too_slow"],
        "continue-on-failure": True,
        "max-redirects": 0,
        "request-timeout": 1_000_000,  # the target has its own timeout
        "checks": {"enabled": False, **{check.name: {"enabled": True} for check in CHECKS}},
        "generation": {
            "max-examples": examples,
            "database": "none",
            "no-shrink": True,
            "exclude-header-characters": _CONTROL_CHARACTERS,  # RFC 9110 section 5.5: they would test a parser
        },
        # In the stateful phase a failed check starts it over, and the two checks find nothing there.
        "phases": {
            "coverage": {"unexpected-methods": [name for name in SAFE_METHODS if name != "HEAD"]},
            "stateful": {"enabled": stateful, "inference": {"algorithms": []}, "checks": {"enabled": False}},
        },
    }


def _authorize(schema: BaseSchema, credential: str) -> None:
    """Send the credential with every case except those that test credentials."""

    @schema.auth(refresh_interval=None)
    class _Bearer:
        def get(self, case: Case[Any], context: AuthContext) -> str:  # noqa: ARG002 - required by the protocol
            return credential

        def set(self, case: Case[Any], data: str, context: AuthContext) -> None:  # noqa: ARG002 - required by the protocol
            case.headers["Authorization"] = f"Bearer {data}"


@contextmanager
def _isolated() -> Iterator[None]:
    """Leave no file in the working directory, and use no `~/.netrc` and no hook of the user."""
    overrides = {"NETRC": os.devnull, "SCHEMATHESIS_HOOKS": ""}
    before = {name: os.environ.get(name) for name in overrides}
    with isolated():
        os.environ.update(overrides)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


# --- the threads ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _PendingRequest:
    """A request of the engine, which waits for the response."""

    case: str
    request: Request
    response: Future[Response] = field(default_factory=Future)


@dataclass(slots=True)
class _Bridge:
    """Passes requests and events from the engine's thread to the caller's thread. The last item is None."""

    credential: str | None
    inbox: SimpleQueue[_PendingRequest | EngineEvent | BaseException | None] = field(default_factory=SimpleQueue)
    thread: Thread | None = None
    stream: EventStream | None = None
    closed: bool = False

    def ask(self, request: Request) -> Response:
        """The target of the engine: waits until the caller's thread has the response."""
        fields = tuple(pair for pair in request.headers if pair[0] not in _CLIENT_HEADERS)
        sent = replace(request, headers=fields, shown=tuple(filter(self._is_made_up, fields)))
        pending = _PendingRequest(request.header(_CASE_HEADER) or "", sent)
        self.inbox.put(pending)
        while not self.closed:
            with suppress(TimeoutError):  # no response may come after an interruption; then `closed` ends the wait
                return pending.response.result(timeout=_POLL_SECONDS)
        raise TargetError("the run has ended")

    def _is_made_up(self, pair: tuple[str, str]) -> bool:
        """Whether a header is a credential that the engine has made up, so that it can be printed as it is."""
        name, value = pair
        return name == "authorization" and bool(_MADE_UP.fullmatch(value)) and (self.credential or " ") not in value

    def items(self, stream: EventStream) -> Iterator[_PendingRequest | EngineEvent | BaseException]:
        """Start the engine, and yield the requests and events of its thread."""
        self.stream = stream
        self.thread = Thread(target=self._run, args=(stream,), name="trunkline-fuzz", daemon=True)
        self.thread.start()
        while (item := self.inbox.get()) is not None:
            yield item

    def _run(self, stream: EventStream) -> None:
        try:
            for event in stream:
                self.inbox.put(event)
        except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
            self.inbox.put(error)
        self.inbox.put(None)

    def close(self, patience: float = 1.0) -> None:
        """Stop the engine. One that does not stop in time is left behind; it gets no more responses."""
        self.closed = True
        if self.stream is not None and self.thread is not None:
            self.stream.stop()
            self.thread.join(patience)


def _events(
    bridge: _Bridge, schema: BaseSchema, target: Target, make_safe: RequestFilter, names: dict[str, str]
) -> Iterator[Event]:
    """Send the engine's requests, and translate its events."""
    from schemathesis.engine import StopReason, events, from_schema  # noqa: PLC0415

    phase, requests = "", 0
    exchanges: dict[str, Exchange] = {}
    for item in bridge.items(from_schema(schema).execute()):
        match item:
            case _PendingRequest():
                exchange = _answer(item, target, make_safe)
                if exchange is not None:
                    exchanges[item.case] = exchange
                    requests += 1
                    yield Progress(phase, requests)
            case events.PhaseStarted():
                phase = item.phase.name.value
            case events.ScenarioFinished():
                yield from _failures(item, exchanges, names)
                if item.skip_reason and item.phase.value != "examples":  # no operation needs to have examples
                    yield Skipped(names.get(item.label or "", ""), phase, item.skip_reason)
            case events.NonFatalError():
                yield Skipped(names.get(item.label, ""), phase, f"{item.info.title}: {item.info.message}")
            case events.EngineFinished() if item.stop_reason is not StopReason.COMPLETED:
                yield Skipped("", "", item.stop_reason.skip_explanation or item.stop_reason.value)
            case BaseException():
                raise item


def _answer(pending: _PendingRequest, target: Target, make_safe: RequestFilter) -> Exchange | None:
    """Answer a request of the engine. None when nothing was sent."""
    request = make_safe(pending.request)
    try:
        response = target(request) if request is not None else None
    except (NotOurs, Unimplemented, AvailabilityUnknown):
        response = None
    if response and len(response.body) > _MOST_KEPT:
        response = replace(response, body=b"")
    pending.response.set_result(response or _UNSENT)
    return Exchange(request, response) if request and response else None


def _failures(scenario: ScenarioFinished, exchanges: dict[str, Exchange], names: dict[str, str]) -> Iterator[Failure]:
    """The failed checks of a scenario. Its exchanges are removed; others belong to a scenario that has just begun."""
    recorder = scenario.recorder
    for case, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None and case in exchanges and _is_shown(check.name, exchanges[case].response):
                label = recorder.cases[case].value.operation.label
                failure = check.failure_info.failure
                message = f"{failure.title}: {failure.message.splitlines()[0]}"
                yield Failure(check.name, names.get(label, label), message, exchanges[case])
    for case in recorder.cases:
        exchanges.pop(case, None)


def _is_shown(check: str, response: Response) -> bool:
    """Whether a response confirms a failed check. A server error never does, and a refusal does not ignore auth."""
    return response.status < (300 if check == "ignored_auth" else 500)


def _redacted(event: Event, credential: str | None) -> Event:
    """The event with its text on one line and without the credential."""
    redact = redactor(frozenset({credential} if credential else ()))

    match event:
        case Failure():
            return replace(event, message=redact(" ".join(event.message.split())))
        case Skipped():
            return replace(event, reason=redact(" ".join(event.reason.split())))
    return event
