"""Owns Schemathesis: its engine makes up the requests, a target of ours answers. The only importer of schemathesis.

Nothing is judged here but what two checks of Schemathesis see and no rule of ours does: the target that the caller
hands in is already decorated with our rules. The engine runs in threads of its own; what it wants to send is handed
over to the thread that iterates `fuzz`. So a target is called from one thread only, and what it raises (`TargetError`,
`KeyboardInterrupt`) is raised where it belongs. Schemathesis is slow to import, hence the imports within.

    >>> for observation in fuzz(document, target, base_path="/v1", credential="sk_live_abc", seed=1):
    ...     print(observation)
    Progress(phase='examples', requests=1)
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeAlias

from trunkline.check.strategies import isolated
from trunkline.errors import NotOurs, TargetError, UsageError
from trunkline.exchange import SAFE_METHODS, Exchange, Json, Request, Response, Target
from trunkline.redaction import redactor
from trunkline.transport.asgi import ASGIApp, application
from trunkline.transport.targets import read_only

if TYPE_CHECKING:
    from schemathesis.auths import AuthContext
    from schemathesis.engine.core import EventStream
    from schemathesis.engine.events import EngineEvent, ScenarioFinished
    from schemathesis.generation.case import Case
    from schemathesis.schemas import BaseSchema

_WRITING_METHODS = ("POST", "PUT", "PATCH", "DELETE")
_CASE = "x-schemathesis-testcaseid"
_LOOK = 0.1
"""Seconds between two looks whether anybody will still answer."""
_OF_THE_SENDER = frozenset({_CASE, "host", "user-agent", "accept-encoding", "connection", "content-length"})
_UNSENT = Response(401, (("content-type", "application/json"),), b"{}")
"""What the engine hears of a request that was not sent: the one answer of which it concludes nothing."""
_NOT_IN_A_FIELD = "".join(chr(code) for code in (*range(0x20), 0x7F) if code != 0x09)


@dataclass(frozen=True, slots=True)
class Progress:
    """So many requests were answered until now: `Progress("coverage", 61)`."""

    phase: str
    requests: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A check failed: `Failure("unsupported_method", "list_trunks", "TRACE returned 405 without ...", exchange)`."""

    check: str
    operation: str
    message: str
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What was not exercised, and why; `operation` is "" when it is more than one, `phase` when it is every phase."""

    operation: str
    phase: str
    reason: str


Steer: TypeAlias = Callable[[Request], Request | None]
"""Makes a request harmless, or tells with None that it is not to be sent."""

Observation: TypeAlias = Progress | Failure | Obstacle


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
    steer: Steer = lambda request: request,
) -> Iterator[Observation]:
    """Sends what Schemathesis makes up for an OpenAPI document; the same seed sends the same.

    `operations` are operationIds, all by default; links among them are followed. Without `writes` no method goes out
    that could change anything, with them only documented ones. `steer` makes each request harmless before it goes out.
    What the target raises ends the run and is raised again.
    """
    names = _operation_ids(document)
    if examples < 1:
        raise UsageError(f"examples is {examples}; Schemathesis needs at least 1")
    if unknown := sorted(set(operations or ()) - set(names.values())):
        raise UsageError(f"no operation is named {', '.join(unknown)}; there are {', '.join(sorted(names.values()))}")
    chosen = {label: name for label, name in names.items() if operations is None or name in operations}
    if not writes:
        target = read_only(target)
        for label in [label for label in chosen if not label.startswith(SAFE_METHODS)]:
            yield Obstacle(chosen.pop(label), "", f"{label} may change something, and writing was not allowed")
    if not chosen:
        return
    line = _Line()
    with _apart():
        linked = _is_linked(document, frozenset(chosen.values()))
        settings = _settings(seed, examples, stateful=linked)
        schema = _schema(document, application(line.ask, base=base_path), base_path, settings)
        if isinstance(schema, Obstacle):
            yield schema
            return
        schema = schema.include(operation_id=list(chosen.values()))
        if not writes:  # whatever method is left out here is not tried as an undocumented one either
            schema = schema.exclude(method=list(_WRITING_METHODS))
        if credential is not None:
            _authorize(schema, credential)
        try:
            for observation in _listen(line, schema, target, steer, names):
                yield _redacted(observation, credential)
        finally:
            line.hang_up()


def _is_linked(document: Json, chosen: frozenset[str]) -> bool:
    """Whether an answer of a chosen operation leads to another that is chosen: without, no phase can follow links."""
    return any(
        link["operationId"] in chosen
        for item in document["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict) and operation.get("operationId") in chosen
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    )


def _operation_ids(document: Json) -> dict[str, str]:
    """The operationIds by what Schemathesis calls the operations: `{"GET /trunks": "list_trunks"}`."""
    return {
        f"{method.upper()} {path}": operation["operationId"]
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict) and "operationId" in operation
    }


# --- the engine -----------------------------------------------------------------------------------------------------


def _schema(document: Json, app: ASGIApp, base_path: str, settings: Mapping[str, Any]) -> BaseSchema | Obstacle:
    """The document as Schemathesis sees it, with no way out but the application."""
    from schemathesis import openapi  # noqa: PLC0415
    from schemathesis.config import SchemathesisConfig  # noqa: PLC0415
    from schemathesis.errors import SchemathesisError  # noqa: PLC0415

    # A server without a host: there is nowhere else to send to, and so the engine leaves out its probes of the network.
    document = {**copy.deepcopy(document), "servers": [{"url": "/" + base_path.strip("/")}]}
    config = SchemathesisConfig.from_dict(dict(settings))
    try:
        schema = openapi.from_dict(document, config=config)
    except SchemathesisError as error:
        return Obstacle("", "", str(error))
    schema.app = app
    return schema


def _settings(seed: int, examples: int, *, stateful: bool) -> dict[str, Any]:
    """All that a `schemathesis.toml` could say, so that none is looked for: no clock, nothing kept, nothing learned."""
    return {
        "seed": seed,
        "workers": 1,
        "cache": {"enabled": False},
        "auth": {"auto-signup": False},
        "analysis": {"constants": {"enabled": False}},
        "suppress-health-check": ["too_slow"],
        "continue-on-failure": True,
        "max-redirects": 0,
        "request-timeout": 1_000_000,  # patience is the target's business
        "checks": {"enabled": False, "ignored_auth": {"enabled": True}, "unsupported_method": {"enabled": True}},
        "generation": {
            "max-examples": examples,
            "database": "none",
            "no-shrink": True,
            "exclude-header-characters": _NOT_IN_A_FIELD,  # RFC 9110, section 5.5: they would test a parser
        },
        # In the stateful phase a failed check starts everything anew, and these two learn nothing there.
        "phases": {
            "coverage": {
                "unexpected-methods": [name for name in SAFE_METHODS if name != "HEAD"]
            },  # which may be answered
            "stateful": {"enabled": stateful, "inference": {"algorithms": []}, "checks": {"enabled": False}},
        },
    }


def _authorize(schema: BaseSchema, credential: str) -> None:
    """Gives the credential to every case but those that are about credentials."""

    @schema.auth(refresh_interval=None)
    class _Bearer:
        def get(self, case: Case[Any], context: AuthContext) -> str:  # noqa: ARG002 - the protocol's
            return credential

        def set(self, case: Case[Any], data: str, context: AuthContext) -> None:  # noqa: ARG002 - the protocol's
            case.headers["Authorization"] = f"Bearer {data}"


@contextmanager
def _apart() -> Iterator[None]:
    """Keeps the run and its surroundings apart: no file stays behind, no `~/.netrc` and no foreign hook comes in."""
    ours = {"NETRC": os.devnull, "SCHEMATHESIS_HOOKS": ""}
    theirs = {name: os.environ.get(name) for name in ours}
    with isolated():
        os.environ.update(ours)
        try:
            yield
        finally:
            for name, value in theirs.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


# --- the conversation -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Question:
    """A request, and the place where the engine waits for its answer."""

    case: str
    request: Request
    answer: Future[Response] = field(default_factory=Future)


@dataclass(slots=True)
class _Line:
    """The line from the engine's threads, which ask and tell, to the caller's; the last thing said is None."""

    inbox: SimpleQueue[_Question | EngineEvent | BaseException | None] = field(default_factory=SimpleQueue)
    thread: Thread | None = None
    stream: EventStream | None = None
    closed: bool = False

    def ask(self, request: Request) -> Response:
        """A target, for the engine: waits until the caller's thread has asked the real one."""
        fields = tuple(pair for pair in request.headers if pair[0] not in _OF_THE_SENDER)
        question = _Question(request.header(_CASE) or "", replace(request, headers=fields))
        self.inbox.put(question)
        while not self.closed:
            with suppress(TimeoutError):  # an interruption may lose the question on its way; then only `closed` tells
                return question.answer.result(timeout=_LOOK)
        raise TargetError("the run has ended")

    def open(self, stream: EventStream) -> Iterator[_Question | EngineEvent | BaseException]:
        """Everything that comes over the line."""
        self.stream = stream
        self.thread = Thread(target=self._tell, args=(stream,), name="trunkline-fuzz", daemon=True)
        self.thread.start()
        while (item := self.inbox.get()) is not None:
            yield item

    def _tell(self, stream: EventStream) -> None:
        try:
            for event in stream:
                self.inbox.put(event)
        except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
            self.inbox.put(error)
        self.inbox.put(None)

    def hang_up(self, patience: float = 1.0) -> None:
        """Stops the engine, whose questions now end by themselves; an engine slow to notice is left behind."""
        self.closed = True
        if self.stream is not None and self.thread is not None:
            self.stream.stop()
            self.thread.join(patience)


def _listen(
    line: _Line, schema: BaseSchema, target: Target, steer: Steer, names: dict[str, str]
) -> Iterator[Observation]:
    """Answers the engine's questions and says in our words what it tells."""
    from schemathesis.engine import StopReason, events, from_schema  # noqa: PLC0415

    phase, requests = "", 0
    exchanges: dict[str, Exchange] = {}
    for item in line.open(from_schema(schema).execute()):
        match item:
            case _Question():
                exchange = _asked(item, target, steer)
                if exchange is not None:
                    exchanges[item.case] = exchange
                    requests += 1
                    yield Progress(phase, requests)
            case events.PhaseStarted():
                phase = item.phase.name.value
            case events.ScenarioFinished():
                yield from _failures(item, exchanges, names)
                exchanges.clear()
                if item.skip_reason and item.phase.value != "examples":  # examples are no duty
                    yield Obstacle(names.get(item.label or "", ""), phase, item.skip_reason)
            case events.NonFatalError():
                yield Obstacle(names.get(item.label, ""), phase, f"{item.info.title}: {item.info.message}")
            case events.EngineFinished() if item.stop_reason is not StopReason.COMPLETED:
                yield Obstacle("", "", item.stop_reason.skip_explanation or item.stop_reason.value)
            case BaseException():
                raise item


def _asked(question: _Question, target: Target, steer: Steer) -> Exchange | None:
    """Answers a question; the exchange, unless nothing was sent."""
    request = steer(question.request)
    try:
        response = target(request) if request is not None else None
    except NotOurs:
        response = None
    question.answer.set_result(response or _UNSENT)
    return Exchange(request, response) if request and response else None


def _failures(scenario: ScenarioFinished, exchanges: dict[str, Exchange], names: dict[str, str]) -> Iterator[Failure]:
    recorder = scenario.recorder
    for case, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None and case in exchanges and _shows(check.name, exchanges[case].response):
                label = recorder.cases[case].value.operation.label
                failure = check.failure_info.failure
                sentence = f"{failure.title}: {failure.message.splitlines()[0]}"
                yield Failure(check.name, names.get(label, label), sentence, exchanges[case])


def _shows(check: str, response: Response) -> bool:
    """Whether an answer shows what a check complains of: no failing server does, and no refusal opens anything."""
    return response.status < (300 if check == "ignored_auth" else 500)


def _redacted(observation: Observation, credential: str | None) -> Observation:
    """The observation with its text on one line and without the credential."""
    hide = redactor(frozenset({credential} if credential else ()))

    def plain(text: str) -> str:
        return hide(" ".join(text.split()))

    match observation:
        case Failure():
            return replace(observation, message=plain(observation.message))
        case Obstacle():
            return replace(observation, reason=plain(observation.reason))
    return observation
