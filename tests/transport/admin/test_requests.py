"""`/_trunkline/requests` shows what clients asked of the mocks, and only to those who may see it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

import trunkline
from trunkline.exchange import Headers, Json, Request, Response
from trunkline.mock.session import MockSession
from trunkline.transport import admin
from trunkline.transport.asgi import wrap

TELEPATH, TALKOVER = trunkline.load("telepath"), trunkline.load("talkover")
HOST, CHANGE = ("host", "127.0.0.1:8900"), ("x-trunkline", "clear")

Admin = Callable[..., Response]


@pytest.fixture
def session() -> MockSession:
    """A session with four requests on record."""
    found = MockSession([TELEPATH, TALKOVER])
    telepath, talkover = found.mocks["telepath"], found.mocks["talkover"]
    bearer: Headers = (("authorization", f"Bearer {TELEPATH.world.token}"),)
    telepath(Request("GET", "/trunks", "limit=2", bearer))
    telepath(Request("GET", "/trunks", "limit=0", bearer))
    telepath(Request("POST", "/trunks", "", (*bearer, ("content-type", "application/json")), b'{"name": 5}'))
    talkover(Request("GET", "/health"))
    return found


@pytest.fixture
def ask(session: MockSession) -> Admin:
    """A function that asks the admin surface as a client on this machine does."""
    target = wrap(admin.admin(session))

    def asked(query: str = "", method: str = "GET", *headers: tuple[str, str], path: str = "/requests") -> Response:
        return target(Request(method, path, query, (HOST, *headers)))

    return asked


def numbers(response: Response) -> list[int]:
    assert response.status == 200, response.body
    return [one["number"] for one in response.json()["requests"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [1, 2, 3, 4]),
        ("vendor=telepath", [1, 2, 3]),
        ("operation=listTrunks", [1, 2]),
        ("status=200", [1, 4]),
        ("status=4xx", [2, 3]),
        ("status=4XX&operation=createTrunk", [3]),
        ("since=2", [3, 4]),
        ("since=0", [1, 2, 3, 4]),
        ("since=99", []),
        ("since=2024-01-01T00:00:00Z", [1, 2, 3, 4]),
        ("since=2016-12-31T23:59:60Z", [1, 2, 3, 4]),
        ("since=0000-01-01T00:00:00.5Z", [1, 2, 3, 4]),
        ("since=2124-01-01T00:00:00+01:00", []),
        ("since=2124-01-01T00:00:00%2B01:00", []),
        ("limit=1", [4]),
        ("limit=0", []),
        ("limit=2&vendor=telepath", [2, 3]),
    ],
)
def test_the_query_chooses_requests(ask: Admin, query: str, found: list[int]) -> None:
    """Each filter restricts the list, several do so together, and the limit keeps the newest."""
    assert numbers(ask(query)) == found


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("status=9", "status must be one such as 404, or a class of them such as 4xx"),
        ("status=4x4", "status must be one such as 404"),
        ("since=yesterday", "since must be the number of a request, or a time such as 2026-11-28T15:00:00Z"),
        ("since=2024-02-30T00:00:00Z", "since must be"),
        ("since=-1", "since must be"),
        ("limit=-1", "limit must be a whole number, 0 or more"),
        ("limit=%D9%A1", "limit must be"),
        ("limit=" + "9" * 99, "limit must be"),
        ("state=1", "the query has an unknown parameter; did you mean status?"),
        ("x%0A%FF=1", "the query has an unknown parameter; there are: vendor, operation, status, since, limit"),
        ("limit=1&limit=1", "the query has a parameter twice; give each once"),
    ],
)
def test_a_wrong_filter_is_one_sentence(ask: Admin, query: str, sentence: str) -> None:
    """An unknown parameter or value is refused with what could have been meant."""
    response = ask(query)
    assert response.status == 400
    assert response.json()["error"].startswith(sentence)
    assert len(response.json()["error"]) < 400


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("vendor=telepat", "no such vendor is served here; did you mean telepath?"),
        ("operation=listtrunk", "no such operation is served here; did you mean listTrunks?"),
        ("operation=", "no such operation is served here; there are: listTrunks, "),
    ],
)
def test_a_name_that_does_not_exist_is_not_found(ask: Admin, query: str, sentence: str) -> None:
    """The sentence suggests what could have been meant, and does not repeat the name, which may be a credential."""
    response = ask(query)
    assert response.status == 404
    assert response.json()["error"].startswith(sentence)


def test_the_list_is_bounded(session: MockSession, ask: Admin) -> None:
    """Without a limit the latest hundred requests are shown."""
    for _ in range(120):
        session.mocks["talkover"].read((b"/health", b"", None))
    assert numbers(ask()) == list(range(25, 125))
    assert len(numbers(ask("limit=1000"))) == 124


def test_all_requests_can_be_forgotten(ask: Admin) -> None:
    """DELETE empties the list, and needs the header that every change needs."""
    assert ask("", "DELETE").status == 403
    assert len(numbers(ask())) == 4
    assert ask("", "DELETE", CHANGE).json() == {"forgotten": 4}
    assert numbers(ask()) == []


def test_other_methods_are_refused(ask: Admin) -> None:
    """A method that the path does not have is refused with those that it has."""
    response = ask("", "PUT", CHANGE)
    assert (response.status, response.header("allow")) == (405, "DELETE, GET, HEAD")


def test_no_token_is_in_the_list(ask: Admin) -> None:
    """The answer holds no credential of any vendor."""
    body = ask().body.decode()
    assert not any(json.dumps(token)[1:-1] in body for token in (*TELEPATH.world.tokens, *TALKOVER.world.tokens))
    refused: list[Json] = [one for one in json.loads(body)["requests"] if one["refusal"]]
    assert [one["refusal"]["cause"] for one in refused] == ["parameter_out_of_range", "field_missing"]
