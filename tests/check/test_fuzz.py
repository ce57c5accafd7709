"""Tests of `trunkline.check.fuzz`: the requests that Schemathesis generates, the events, and how a run ends."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trunkline.check.fuzz import Event, Failure, Progress, Skipped, fuzz
from trunkline.errors import BudgetExhausted, TargetError, UsageError
from trunkline.exchange import SAFE_METHODS, TOKEN_VARIABLE, Json, Request, Response, Target, shown_headers

TOKEN = "sk_live_fuzz_me"

ANSWERS = {str(status): {"description": "an answer"} for status in (200, 400, 401, 404)}

DOCUMENT: Json = {
    "openapi": "3.1.0",
    "info": {"title": "Trunks", "version": "1"},
    "servers": [{"url": "https://api.example.org/v1"}],
    "security": [{"bearer": []}],
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    "paths": {
        "/trunks": {
            "get": {
                "operationId": "list_trunks",
                "parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
                    {"name": "offset", "in": "query", "schema": {"type": "integer", "minimum": 0}},
                    {"name": "status", "in": "query", "schema": {"enum": ["active", "inactive"], "type": "string"}},
                ],
                "responses": ANSWERS,
            }
        },
        "/trunks/{id}": {
            "get": {
                "operationId": "fetch_trunk",
                "parameters": [
                    {
                        "name": "id",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "string"},
                        "examples": {"known": {"value": "trunk_1"}},
                    }
                ],
                "responses": ANSWERS,
            }
        },
    },
}

JSON = (("content-type", "application/json"),)


def answer(request: Request) -> Response:
    """A small API without a fault that the checks of Schemathesis can see."""
    if request.method != "GET":
        return Response(405, (("allow", "GET"),))
    if request.header("authorization") != f"Bearer {TOKEN}":
        return Response(401)
    if request.path == "/trunks":
        return Response(200, JSON, b'{"trunks": [{"id": "trunk_1"}]}')
    if request.path == "/trunks/trunk_1":
        return Response(200, JSON, b'{"id": "trunk_1"}')
    return Response(404)


def recorded(target: Target) -> tuple[Target, list[Request]]:
    """The target, and the list of its requests."""
    requests: list[Request] = []

    def recording(request: Request) -> Response:
        requests.append(request)
        return target(request)

    return recording, requests


def run(target: Target, document: Json = DOCUMENT, **options: Any) -> list[Event]:
    """All events of a short run."""
    return list(
        fuzz(document, target, **{"base_path": "/v1", "credential": TOKEN, "seed": 1, "examples": 3, **options})
    )


def failures(events: list[Event], check: str) -> list[Failure]:
    return [item for item in events if isinstance(item, Failure) and item.check == check]


def skipped(events: list[Event]) -> list[Skipped]:
    return [item for item in events if isinstance(item, Skipped)]


@pytest.fixture(scope="module")
def usual() -> tuple[list[Event], list[Request]]:
    """The events and the requests of one run over the faultless API."""
    target, requests = recorded(answer)
    return run(target, examples=10), requests


def test_each_operation_is_reached_with_the_example_id(usual: tuple[list[Event], list[Request]]) -> None:
    """Both operations get requests; the one by id gets the example id of the document."""
    paths = {request.path for request in usual[1]}
    assert {"/trunks", "/trunks/trunk_1"} <= paths
    assert all(path.startswith("/trunks") for path in paths)


def test_paths_are_percent_encoded(usual: tuple[list[Event], list[Request]]) -> None:
    """Paths and queries arrive percent-encoded, and some of them needed it."""
    targets = [request.target for request in usual[1]]
    assert all(target.isascii() and target.isprintable() and " " not in target for target in targets)
    assert any("%" in target for target in targets)


def test_credentials_are_valid_missing_or_forged(usual: tuple[list[Event], list[Request]]) -> None:
    """Most requests carry the credential, some none at all, some a wrong one."""
    sent = [request.header("authorization") for request in usual[1]]
    assert sent.count(f"Bearer {TOKEN}") > len(sent) / 2
    assert None in sent
    assert {*sent} - {None, f"Bearer {TOKEN}"}


def test_a_forged_credential_is_printed_as_it_is(usual: tuple[list[Event], list[Request]]) -> None:
    """The command that repeats its request sends it too, and not the credential of the run."""
    _, requests = usual
    pairs = {
        (request.header("authorization"), dict(shown_headers(request)).get("authorization")) for request in requests
    }
    assert (f"Bearer {TOKEN}", f"Bearer ${TOKEN_VARIABLE}") in pairs
    assert ("Bearer SCHEMATHESIS-INVALID-VALUE", "Bearer SCHEMATHESIS-INVALID-VALUE") in pairs
    assert {printed for value, printed in pairs if value != f"Bearer {TOKEN}"} & {f"Bearer ${TOKEN_VARIABLE}"} == set()


def test_bounds_are_crossed(usual: tuple[list[Event], list[Request]]) -> None:
    """A limit is tried at both bounds, just beyond them, and as something that is not a number."""
    queries = [request.query for request in usual[1] if request.path == "/trunks"]
    assert {"limit=0", "limit=1", "limit=100", "limit=101"} <= {part for query in queries for part in query.split("&")}


def test_progress_counts_every_request(usual: tuple[list[Event], list[Request]]) -> None:
    """There is one progress event for each request, in the phases of Schemathesis, and no other event."""
    events, requests = usual
    steps = [item for item in events if isinstance(item, Progress)]
    assert [step.requests for step in steps] == list(range(1, len(requests) + 1))
    assert list(dict.fromkeys(step.phase for step in steps)) == ["examples", "coverage", "fuzzing"]
    assert steps == events


def test_no_header_of_the_engine_reaches_the_target(usual: tuple[list[Event], list[Request]]) -> None:
    """Requests have no header of the HTTP client of Schemathesis, and no number of a case."""
    names = {name for request in usual[1] for name, _ in request.headers}
    assert not names & {"host", "user-agent", "connection", "accept-encoding", "x-schemathesis-testcaseid"}


def test_the_same_seed_sends_the_same_requests(usual: tuple[list[Event], list[Request]]) -> None:
    """A second run with the same seed sends the same requests in the same order; another seed does not."""
    again, requests = recorded(answer)
    run(again, examples=10)
    other, others = recorded(answer)
    run(other, seed=2, examples=10)
    assert requests == usual[1]
    assert others != requests


def test_more_examples_send_more_requests() -> None:
    """The number of requests grows with `examples`."""
    few, some = (len(run(answer, operations=["list_trunks"], examples=number)) for number in (2, 20))
    assert some >= few + 15


def test_only_the_named_operations_are_fuzzed() -> None:
    """With one operationId, the other operation gets no request; an unknown operationId is refused."""
    target, requests = recorded(answer)
    run(target, operations=["fetch_trunk"])
    assert requests
    assert all(request.path.startswith("/trunks/") for request in requests)
    with pytest.raises(UsageError, match="no operation is named drop_trunk"):
        run(target, operations=["drop_trunk"])


@pytest.mark.slow_for("30-", "90-error1", "90-error2")
@pytest.mark.parametrize(
    "error", [TargetError("down"), BudgetExhausted("enough"), KeyboardInterrupt(), ValueError("bug")]
)
@pytest.mark.parametrize("count", [1, 30, 90])
def test_an_exception_of_the_target_ends_the_run(error: BaseException, count: int) -> None:
    """The exception itself is raised at once, and no further request is sent."""
    asked: list[Request] = []
    raised: list[float] = []

    def target(request: Request) -> Response:
        asked.append(request)
        if len(asked) >= count:
            raised.append(time.monotonic())
            raise error
        return answer(request)

    with pytest.raises(type(error)) as caught:
        run(target, examples=50)
    assert caught.value is error
    assert len(asked) == count
    assert time.monotonic() - raised[0] < 1.5
    assert not [
        thread for thread in threading.enumerate() if thread.name.startswith(("trunkline-fuzz", "schemathesis"))
    ]


def test_an_interruption_leaves_no_engine_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interruption between taking a request and answering it ends the run and the thread of the engine."""
    from trunkline.check import fuzz as module  # noqa: PLC0415 - the seam of the two threads

    items = module._Bridge.items
    lost = threading.Event()

    def losing(self: module._Bridge, stream: Any) -> Any:
        for number, item in enumerate(items(self, stream)):
            if number > 20 and isinstance(item, module._PendingRequest):
                lost.set()
                raise KeyboardInterrupt
            yield item

    monkeypatch.setattr(module._Bridge, "items", losing)
    with pytest.raises(KeyboardInterrupt):
        run(answer)
    assert lost.is_set()
    for thread in threading.enumerate():
        if thread.name == "trunkline-fuzz":
            thread.join(10)
            assert not thread.is_alive()


def test_closing_the_generator_stops_the_engine() -> None:
    """Closing the generator ends the run within a second, with no thread left."""
    target, asked = recorded(answer)
    events = iter(fuzz(DOCUMENT, target, base_path="/v1", credential=TOKEN, seed=1))
    next(events)
    start = time.monotonic()
    events.close()  # type: ignore[attr-defined]  # an iterator in the signature, a generator in fact
    assert time.monotonic() - start < 1.5
    assert len(asked) <= 2
    assert not [
        thread for thread in threading.enumerate() if thread.name.startswith(("trunkline-fuzz", "schemathesis"))
    ]


def test_the_target_is_called_from_one_thread() -> None:
    """The target is called in the thread that iterates, whatever threads the engine has."""
    threads = set()

    def target(request: Request) -> Response:
        threads.add(threading.current_thread())
        return answer(request)

    run(target, operations=["fetch_trunk"])
    assert threads == {threading.current_thread()}


def writable() -> Json:
    document = copy.deepcopy(DOCUMENT)
    body = {"content": {"application/json": {"schema": {"type": "object", "required": ["name"]}}}, "required": True}
    document["paths"]["/trunks"]["post"] = {"operationId": "create_trunk", "requestBody": body, "responses": ANSWERS}
    return document


def test_nothing_is_written_unless_allowed() -> None:
    """Without `writes` only safe methods are sent, undocumented ones included; the rest is reported as skipped."""
    target, requests = recorded(answer)
    events = run(target, writable())
    methods = {request.method for request in requests}
    assert methods <= {*SAFE_METHODS}
    assert {"GET", "TRACE"} <= methods
    assert [(item.operation, item.phase) for item in skipped(events)] == [("create_trunk", "")]
    assert not failures(events, "unsupported_method")


def test_writes_are_sent_when_allowed() -> None:
    """With `writes` the documented POST is sent with its body, and no undocumented writing method."""
    target, requests = recorded(answer)
    run(target, writable(), writes=True)
    assert {request.method for request in requests} - {*SAFE_METHODS} == {"POST"}
    assert any(request.method == "POST" and request.body for request in requests)


def test_a_request_that_is_not_sent_is_not_judged() -> None:
    """Once nothing more may be created, no probe is sent, and the check of credentials reports nothing."""
    target, requests = recorded(lambda request: Response(201) if request.method == "POST" else answer(request))

    def once(request: Request) -> Request | None:
        made = any(sent.method == "POST" for sent in requests)
        return None if request.method == "POST" and made else request

    events = run(target, writable(), writes=True, make_safe=once)
    assert [request.method for request in requests].count("POST") == 1
    assert not failures(events, "ignored_auth")
    assert len(requests) == len([item for item in events if isinstance(item, Progress)])


def test_only_writing_operations_leave_nothing_to_send() -> None:
    """A run over a POST alone reports it and sends nothing."""
    target, requests = recorded(answer)
    assert [type(item) for item in run(target, writable(), operations=["create_trunk"])] == [Skipped]
    assert not requests


def test_ignored_credentials_are_found() -> None:
    """A target that accepts every credential fails `ignored_auth`, with the exchange that shows it."""

    def open_to_all(request: Request) -> Response:
        return answer(Request(request.method, request.path, headers=(("authorization", f"Bearer {TOKEN}"),)))

    seen = failures(run(open_to_all), "ignored_auth")
    assert {failure.operation for failure in seen} == {"list_trunks", "fetch_trunk"}
    for failure in seen:
        assert failure.exchange.response.status == 200
        assert failure.exchange.request.header("authorization") != f"Bearer {TOKEN}"
        assert "Expected 401 or 403" in failure.message


@pytest.mark.slow_for("400")
@pytest.mark.parametrize("status", [400, 404, 503])
def test_a_refusal_does_not_ignore_credentials(status: int) -> None:
    """A target that refuses a bad credential, or fails, does not fail `ignored_auth`; the rules judge the refusal."""

    def refusing(request: Request) -> Response:
        response = answer(request)
        return Response(status) if response.status == 401 else response

    assert not failures(run(refusing), "ignored_auth")


def changed(change: Callable[[Response], Response]) -> Target:
    """The small API with another response to requests that are not GET."""
    return lambda request: answer(request) if request.method == "GET" else change(answer(request))


def test_a_405_without_allow_is_found() -> None:
    """A 405 without Allow fails `unsupported_method`, and so does another status."""
    for target in (changed(lambda _: Response(405)), changed(lambda _: Response(200))):
        seen = failures(run(target), "unsupported_method")
        assert {failure.operation for failure in seen} == {"list_trunks", "fetch_trunk"}
        assert {failure.exchange.request.method for failure in seen} <= {"TRACE", "QUERY"}


@pytest.mark.slow
def test_the_late_end_of_a_scenario_loses_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests of a scenario can arrive before the event that ends the last one; their failures are reported."""
    from trunkline.check import fuzz as module  # noqa: PLC0415 - the seam of the two threads

    items = module._Bridge.items

    def late(self: module._Bridge, stream: Any) -> Any:
        ended: list[Any] = []
        requests = 0
        for item in items(self, stream):
            if type(item).__name__ == "ScenarioFinished":
                ended.append(item)
                requests = 0
                continue
            yield item
            requests += isinstance(item, module._PendingRequest)
            if requests == 3:
                yield from ended
                ended.clear()
        yield from ended

    target = changed(lambda _: Response(405))
    expected = failures(run(target), "unsupported_method")
    monkeypatch.setattr(module._Bridge, "items", late)
    assert failures(run(target), "unsupported_method") == expected


def test_no_event_contains_the_credential() -> None:
    """No text of an event contains the credential."""
    events = run(lambda request: Response(200, JSON, json.dumps(dict(request.headers)).encode()))
    assert failures(events, "ignored_auth")
    assert TOKEN not in repr(events)


def test_redirects_are_responses() -> None:
    """A redirect is a response like any other: it is not followed."""
    target, requests = recorded(lambda _: Response(302, (("location", "/v1/elsewhere"),)))
    run(target)
    assert not [request for request in requests if "elsewhere" in request.path]


def test_an_operation_without_valid_requests_is_an_obstacle() -> None:
    """Such an operation is reported with a reason, and the other operation is fuzzed."""
    document = copy.deepcopy(DOCUMENT)
    document["paths"]["/trunks"]["get"]["parameters"][0] |= {
        "required": True,
        "schema": {"type": "integer", "minimum": 5, "maximum": 1},
    }
    target, requests = recorded(answer)
    reasons = skipped(run(target, document))
    assert reasons
    assert {item.operation for item in reasons} == {"list_trunks"}
    assert all(item.reason and "\n" not in item.reason for item in reasons)
    assert any(request.path == "/trunks/trunk_1" for request in requests)


def test_an_unreadable_document_is_an_obstacle() -> None:
    """A document of a version that Schemathesis does not know skips everything; nothing is sent."""
    target, requests = recorded(answer)
    (reason,) = skipped(run(target, DOCUMENT | {"openapi": "4.0.0"}))
    assert (reason.operation, reason.phase) == ("", "")
    assert "4.0.0" in reason.reason
    assert not requests
    with pytest.raises(UsageError, match="at least 1"):
        run(target, examples=0)


def test_an_operation_that_schemathesis_gives_up_is_an_obstacle() -> None:
    """When every response is a 405, Schemathesis gives an operation up: it is skipped, not a success."""
    reasons = skipped(run(lambda _: Response(405, (("allow", "POST"),))))
    assert [(item.operation, item.phase) for item in reasons] == [("list_trunks", "fuzzing")]


def test_links_are_followed() -> None:
    """A document with links has a stateful phase, in which a listed id is fetched."""
    document = copy.deepcopy(DOCUMENT)
    document["paths"]["/trunks"]["get"]["responses"] = ANSWERS | {
        "200": {
            "description": "a list",
            "links": {"fetch": {"operationId": "fetch_trunk", "parameters": {"id": "$response.body#/trunks/0/id"}}},
        }
    }
    events = run(answer, document)
    assert "stateful" in {item.phase for item in events if isinstance(item, Progress)}
    assert not skipped(events)


def test_no_credential_is_invented() -> None:
    """Without a credential the run works, and every response is a refusal."""
    target, requests = recorded(answer)
    run(target, credential=None)
    assert requests
    assert not [request for request in requests if answer(request).status == 200]


SCRIPT = """
import sys
sys.path.insert(0, {root!r})
import trunkline.check.fuzz
assert not [name for name in ("schemathesis", "hypothesis", "requests") if name in sys.modules], "imported too early"
from tests.check.test_fuzz import run, answer
run(answer)
run(lambda request: trunkline.exchange.Response(405))
"""


@pytest.mark.slow
def test_a_run_leaves_no_trace(tmp_path: Path) -> None:
    """A run prints nothing, leaves no file but in the user's cache, and reads no settings, hooks or passwords."""
    (tmp_path / "schemathesis.toml").write_text("this is no TOML")
    (tmp_path / "netrc").write_text("default login alice password s3cret\n")
    root = Path(__file__).parents[2]
    environment = os.environ | {
        "PYTHONPATH": str(root / "src"),
        "PYTHONWARNINGS": "default",
        "NETRC": str(tmp_path / "netrc"),
        "SCHEMATHESIS_HOOKS": "no_such_module",
        "CI": "true",
    }
    script = SCRIPT.format(root=str(root))
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, check=False, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["netrc", "schemathesis.toml"]


def test_no_password_of_the_user_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~/.netrc` is not used, and the environment is unchanged afterwards."""
    (tmp_path / "netrc").write_text("default login alice password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    target, requests = recorded(answer)
    run(target, operations=["fetch_trunk"])
    assert not [request for request in requests if (request.header("authorization") or "").startswith("Basic YWxpY2U")]
    assert os.environ["NETRC"] == str(tmp_path / "netrc")
    assert "SCHEMATHESIS_HOOKS" not in os.environ


def test_the_engine_gets_no_large_body() -> None:
    """It keeps the answers of a whole scenario, and judges no body; the target's caller has seen the whole answer."""
    seen: list[Response] = []

    def large(request: Request) -> Response:
        seen.append(Response(200, (("content-type", "application/json"),), b"[" + b" " * (1 << 20) + b"]"))
        return seen[-1]

    found = failures(run(large, examples=1), "ignored_auth")
    assert {len(response.body) for response in seen} == {(1 << 20) + 2}
    assert found
    assert all(failure.exchange.response.body == b"" for failure in found)
