"""Names in a request that no page documents are reported, with what could have been meant."""

from __future__ import annotations

import json
import logging
from random import Random
from urllib.parse import quote

import pytest

import trunkline
from tests.test_redaction import FORMS, SECRET
from trunkline.exchange import Json, Request, Response
from trunkline.mock.mock import NOTICE_HEADER, Mock, from_vendor
from trunkline.mock.session import MockSession

TELEPATH, TALKOVER = trunkline.load("telepath"), trunkline.load("talkover")
JSON = ("content-type", "application/json")


def ask(fake: Mock, method: str, path: str, query: str = "", body: bytes = b"") -> Response:
    authorization = ("authorization", f"Bearer {fake.vendor.world.token}")
    return fake(Request(method, path, query, (authorization, JSON), body))


def noticed(response: Response) -> list[str]:
    return [value for name, value in response.headers if name == NOTICE_HEADER]


def telepath(method: str, path: str, query: str = "", body: Json = None) -> list[str]:
    """The notices on a request to telepath."""
    content = b"" if body is None else json.dumps(body).encode()
    return noticed(ask(from_vendor(TELEPATH), method, path, query, content))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", []),
        ("limit=1&offset=0&status=active", []),
        ("page=2", ["`page` is not a parameter of listTrunks; did you mean `offset`?"]),
        ("page%5Bsize%5D=2", ["`page[size]` is not a parameter of listTrunks; did you mean `limit`?"]),
        ("per_page=2&limit=2", ["`per_page` is not a parameter of listTrunks"]),
        ("Limit=2", ["`Limit` is not a parameter of listTrunks; did you mean `limit`?"]),
        ("stats=x", ["`stats` is not a parameter of listTrunks; did you mean `status`?"]),
        ("stat=x", ["`stat` is not a parameter of listTrunks; did you mean `status`?"]),
        ("sort", ["`sort` is not a parameter of listTrunks"]),
        ("x=1&x=2", ["`x` is not a parameter of listTrunks"]),
        ("limit=0&page=2", ["`page` is not a parameter of listTrunks; did you mean `offset`?"]),
    ],
)
def test_a_parameter_that_is_not_documented_is_reported(query: str, found: list[str]) -> None:
    """The sentence names what could have been meant: in other letters, or as other APIs call it."""
    assert telepath("GET", "/trunks", query) == found


def test_a_parameter_of_another_place_is_reported() -> None:
    """A part of the path, a field of the body or a parameter of another operation has no effect in the query."""
    (call,) = TELEPATH.world.collections["calls"].records[:1]
    assert telepath("GET", f"/calls/{call['id']}", "id=1&limit=5") == [
        "`id` in the query is ignored by getCall; it is a part of the path",
        "`limit` is not a parameter of getCall, which has none in the query",
    ]
    assert telepath("POST", "/trunks", "name=x", {}) == [
        "`name` is not a parameter of createTrunk; it is a field of the body"
    ]
    assert telepath("GET", "/calls", "start=2024-01-01&end=2024-02-01&trunk=x") == [
        "`start` is not a parameter of listCalls; did you mean `start_date`?",
        "`end` is not a parameter of listCalls; did you mean `end_date`?",
        "`trunk` is not a parameter of listCalls; did you mean `trunk_id`?",
    ]


def test_a_field_that_is_not_documented_is_reported() -> None:
    """In a body that is accepted, and in one that is refused because of that."""
    trunk = {"name": "n", "domain": "a.example.com", "username": "user_1", "password": "abcdefgh-12"}
    fake = from_vendor(TALKOVER)
    refused = ask(fake, "POST", "/sip-trunks", "", json.dumps({**trunk, "providerName": "carrier-x"}).encode())
    assert (refused.status // 100, noticed(refused)) == (
        4,
        ["`providerName` is not a field of createSipTrunk; did you mean `provider_name`?"],
    )
    body = {**trunk, "provider_name": "carrier-x", "is-active": True, "colour": "red"}
    accepted = ask(fake, "POST", "/sip-trunks", "", json.dumps(body).encode())
    assert (accepted.status, noticed(accepted)) == (
        201,
        [
            "`is-active` is not a field of createSipTrunk; did you mean `is_active`?",
            "`colour` is not a field of createSipTrunk",
        ],
    )


def test_a_body_where_there_is_none_is_reported() -> None:
    """GET with a body is answered as without, and says that the body was ignored."""
    assert telepath("GET", "/trunks", "", {"page": 1}) == [
        "listTrunks has no request body; the one that was sent is ignored"
    ]


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"null", b'{"a": 1, "a": 2}', b"\xff", b"[" * 200])
def test_a_body_that_is_no_object_has_no_fields(body: bytes) -> None:
    """It is refused as ever."""
    response = ask(from_vendor(TELEPATH), "POST", "/trunks", "", body)
    assert (response.status, noticed(response)) == (400, [])


def test_head_is_noticed_as_get_is() -> None:
    """The header is that of the GET request; a request without an operation has none."""
    assert telepath("HEAD", "/trunks", "page=2") == telepath("GET", "/trunks", "page=2")
    assert telepath("OPTIONS", "/trunks", "page=2") == telepath("GET", "/nowhere", "page=2") == []


def test_a_notice_changes_nothing_else() -> None:
    """Status, body and the other header fields are those of the request without what is ignored."""
    fake = from_vendor(TELEPATH, clock=lambda: 1_700_000_000.0)
    for query in ("limit=2", "limit=0"):
        plain, odd = ask(fake, "GET", "/trunks", query), ask(fake, "GET", "/trunks", f"{query}&page=2")
        assert (odd.status, odd.body) == (plain.status, plain.body)
        kept = [field for field in odd.headers if field[0] not in (NOTICE_HEADER, "x-ratelimit-remaining")]
        assert kept == [field for field in plain.headers if field[0] != "x-ratelimit-remaining"]


def test_a_remembered_answer_has_its_own_notices() -> None:
    """An answer that a server remembers has the notices of that request, and an equal one of another query has none."""
    fake = from_vendor(TELEPATH)
    authorization = f"Bearer {TELEPATH.world.token}".encode()

    def read(query: bytes) -> tuple[int, list[str]]:
        response, _ = fake.read((b"/trunks", query, authorization))
        return len(response.json()["trunks"]), noticed(response)

    page = ["`page` is not a parameter of listTrunks; did you mean `offset`?"]
    for _ in range(2):
        assert read(b"limit=2&page=2") == (2, page)
        assert read(b"limit=2") == (2, [])
        assert read(b"limit=2&sort=1") == (2, ["`sort` is not a parameter of listTrunks"])
    for _ in range(2):
        response, _ = fake.read((b"/trunks", b"limit=0&page=2", authorization))
        assert (response.status, noticed(response)) == (400, page)


def test_a_query_with_the_same_names_is_looked_at_once() -> None:
    """The answer to `z=1` serves `z=2`, not another limit, nor names of which one may be a secret's."""
    fake = from_vendor(TELEPATH)
    authorization = f"Bearer {TELEPATH.world.token}".encode()
    answers = [fake.read((b"/trunks", query, authorization))[0] for query in (b"z=1", b"z=2", b"limit=1&z=3")]
    assert answers[0] is answers[1]
    assert [len(answer.json()["trunks"]) for answer in answers[1:]] == [20, 1]
    shown = [
        noticed(fake.read((b"/trunks", b"hush01234567=1&token=%b" % value, authorization))[0])[0]
        for value in (b"another", b"hush01234567")
    ]
    assert ["hush01234567" in sentence for sentence in shown] == [True, False]


def test_notices_are_few_and_short() -> None:
    """However many names are sent, and however long, the header stays small."""
    query = "&".join(f"x{number}=1" for number in range(500))
    found = telepath("GET", "/trunks", query)
    assert len(found) == 5
    assert found[-1] == "at least 96 more names are not documented for listTrunks"
    (long,) = telepath("GET", "/trunks", "y" * 5000)
    assert len(long) < 120
    random = Random(1)  # noqa: S311 - test data
    for _ in range(200):
        odd = "".join(random.choices("ab=&%0\x001\xff;[]+\u202e", k=60))
        for sentence in telepath("GET", "/trunks", odd):
            assert sentence.isascii()
            assert sentence.isprintable()
            assert len(sentence) < 400


@pytest.mark.parametrize("form", FORMS)
def test_no_notice_holds_a_secret(form: str) -> None:
    """A credential that was sent as a name is redacted, in all its forms."""
    name = quote(FORMS[form], safe="%")
    request = Request("GET", "/trunks", f"{name}=1", (("authorization", f"Bearer {SECRET}"),))
    (sentence,) = noticed(from_vendor(TELEPATH)(request))
    assert FORMS[form] not in sentence
    assert SECRET[3:15] not in sentence
    (sentence,) = telepath("GET", "/trunks", f"{TELEPATH.world.token}=1")
    assert TELEPATH.world.token not in sentence


def test_a_notice_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """With the path and without the query, each time, whether the request was answered or refused."""
    fake = from_vendor(TELEPATH)
    key = (b"/trunks", b"page=2&z=hush01234567", f"Bearer {TELEPATH.world.token}".encode())
    about = "`page` is not a parameter of listTrunks; did you mean `offset`?; `z` is not a parameter of listTrunks"
    with caplog.at_level(logging.INFO, logger="trunkline.mock"):
        for _ in range(2):
            fake.read(key)
        fake(Request("GET", "/trunks", "page=2"))
    assert caplog.messages[:2] == [f"GET /v1/trunks answered; {about}"] * 2
    assert caplog.messages[2].startswith("GET /v1/trunks?page=2 refused: credentials_missing")
    assert caplog.messages[2].endswith("did you mean `offset`?")


def test_a_notice_is_on_record() -> None:
    """The record and the line of the log have it."""
    session = MockSession([TELEPATH])
    session.mocks["telepath"].read((b"/trunks", b"page=2", f"Bearer {TELEPATH.world.token}".encode()))
    (recorded,) = session.requests.entries()
    assert recorded.to_json()["notices"] == ["`page` is not a parameter of listTrunks; did you mean `offset`?"]
    assert recorded.to_line().endswith(
        " ms main; notice: `page` is not a parameter of listTrunks; did you mean `offset`?"
    )
