"""A watch: rounds of plain requests, what they show, and the pauses between them. No test waits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random

import pytest

from tests.clock import Clock
from trunkline import mock
from trunkline.check.history import History
from trunkline.check.watch import Round, Schedule, Scope, watch
from trunkline.errors import TargetError
from trunkline.exchange import Json, Request, Response, Target
from trunkline.mock import loader
from trunkline.transport import targets
from trunkline.transport.connect import Connection

TELEPATH = loader.load("telepath")
CANARY = "canary-4711-sesame"


class API:
    """An API that answers as the mock, edited by the function of the day."""

    def __init__(self) -> None:
        self.mock = mock.from_vendor(TELEPATH)
        self.edit: Callable[[Json], object] = lambda _: None
        self.answer: Callable[[Request, Response], Response] = lambda _, response: response
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        response = self.mock(request)
        body = json.loads(response.body)
        self.edit(body)
        fields = tuple(field for field in response.headers if field[0] != "content-length")
        return self.answer(request, Response(response.status, fields, json.dumps(body).encode()))


def connection(target: Target) -> Connection:
    token = TELEPATH.world.token
    return Connection(target, token, "https://api.example.com/v1", TELEPATH.secrets | {token})


def watched(
    api: Target,
    history: History,
    clock: Clock,
    *,
    rounds: int | None = None,
    scope: Scope = Scope(),  # noqa: B008 - it is frozen
    every: float = 300,
) -> Iterator[Round]:
    schedule = Schedule(every, rounds, clock, clock.sleep, Random(7))  # noqa: S311 - pauses, not secrets
    return watch(TELEPATH, lambda: connection(api), history, schedule, scope)


def first(name: str, value: Json) -> Callable[[Json], object]:
    """An edit of the first trunk of a list."""
    return lambda body: body["trunks"][0].__setitem__(name, value) if "trunks" in body else None


def test_a_round_asks_each_operation_that_reads_once() -> None:
    """With the plain documented request, and an id from a list; nothing is written."""
    api, clock = API(), Clock()
    [found] = watched(api, History(), clock, rounds=1)
    assert {request.method for request in api.requests} == {"GET"}
    assert set(found.statuses) == {"listTrunks", "listCalls", "getCall"}
    assert (found.number, found.requests, found.news, found.problem) == (1, len(api.requests), (), "")
    assert clock.pauses == []


def test_the_pauses_vary_around_the_interval() -> None:
    """By a tenth; the time that a round takes counts, and a slow round is followed by the next at once."""
    api, clock = API(), Clock()
    for _ in watched(api, History(), clock, rounds=20):
        pass
    assert len(clock.pauses) == 19
    assert all(270 <= pause <= 330 for pause in clock.pauses)
    assert len(set(clock.pauses)) == 19
    for found in watched(api, History(), clock, rounds=2):
        if found.number == 1:
            clock.now += 1000
    assert clock.pauses[-1] == 0


def test_what_appears_later_is_new_once() -> None:
    """Drift and findings; what was there from the beginning is not new."""
    api, clock, history = API(), Clock(), History()
    api.edit = first("region", "eu")
    rounds = watched(api, history, clock)
    assert next(rounds).news == ()
    api.edit = lambda body: (first("region", "eu")(body), first("status", "busy")(body))
    [item] = next(rounds).news
    assert (item.type, item.name, item.operation, item.at, item.seen) == (
        "drift",
        "value",
        "listTrunks",
        "body/trunks/*/status",
        '"busy"',
    )
    assert item.fails
    assert next(rounds).news == ()
    api.edit = first("status", "gone")
    assert [found.seen for found in next(rounds).news] == ['"gone"'], "another word is another kind"


def test_a_finding_that_no_drift_shows_is_new_too() -> None:
    """Two items with one id obey every schema."""
    api, clock, history = API(), Clock(), History()
    rounds = watched(api, history, clock)
    next(rounds)
    api.edit = lambda body: body["trunks"].__setitem__(1, body["trunks"][0]) if "trunks" in body else None
    [item] = next(rounds).news
    assert (item.type, item.name) == ("finding", "ids_are_unique")


def test_an_operation_that_is_gone_is_new() -> None:
    """The others are asked all the same."""
    api, clock, history = API(), Clock(), History()
    rounds = watched(api, history, clock)
    next(rounds)
    api.answer = lambda request, response: Response(405) if request.path.startswith("/calls") else response
    found = next(rounds)
    assert {(item.name, item.operation) for item in found.news} >= {("operation_is_implemented", "listCalls")}
    assert found.left_out["listCalls"] == "it is not implemented"
    assert found.statuses["listTrunks"] == 200


def test_an_outage_ends_no_watch() -> None:
    """It is told, is not new, and hides nothing: the next round compares with all before."""
    api, clock, history = API(), Clock(), History()

    def fail(_: Request, __: Response) -> Response:
        raise TargetError(f"api.example.com:443 refuses connections, says {TELEPATH.world.token}")

    rounds = watched(api, history, clock)
    next(rounds)
    api.answer = fail
    found = next(rounds)
    assert found.problem == "api.example.com:443 refuses connections, says ***"
    assert (found.news, found.requests, history.rounds) == ((), 1, 2)
    api.answer, api.edit = lambda _, response: response, first("status", "busy")
    assert len(next(rounds).news) == 1


def test_a_watch_that_never_succeeded_ends() -> None:
    """The address or the credential is wrong then."""
    api = API()
    api.answer = lambda *_: Response(401, (), b"{}")
    with pytest.raises(TargetError, match="refuses the credential with 401"):
        next(watched(api, History(), Clock()))


def test_only_the_named_operations_are_asked() -> None:
    """Beside the list that has an id for them."""
    api = API()
    found = next(watched(api, History(), Clock(), scope=Scope(("listTrunks",))))
    assert set(found.statuses) == {"listTrunks"}
    assert {request.path for request in api.requests} == {"/trunks"}


def test_a_budget_ends_a_round() -> None:
    """The operations that were not asked are asked in the next one."""
    api, clock, history = API(), Clock(), History()
    next(watched(api, history, clock))
    schedule = Schedule(300, 1, clock, clock.sleep)
    [found] = watch(TELEPATH, lambda: connection(targets.budgeted(api, 1)), history, schedule, Scope())
    assert found.problem.startswith("the budget of 1 request is spent")
    assert found.requests == 1


def test_no_secret_is_kept() -> None:
    """Neither in an item nor in its key, wherever the API shows it."""
    api, clock, history = API(), Clock(), History()
    rounds = watched(api, history, clock)
    next(rounds)
    token = TELEPATH.world.token

    def leak(body: Json) -> None:
        first("status", token)(body)
        first(token, 1)(body)
        first("api_key", CANARY)(body)
        first("note", f"Bearer {CANARY}")(body)

    api.edit = leak
    news = next(rounds).news
    assert len(news) >= 4
    assert CANARY not in repr(news)
    assert token not in repr(news)
