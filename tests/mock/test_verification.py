"""A test verifies what its client asked; when nothing fits, the message shows the nearest request, and no secret."""

from __future__ import annotations

import json
from unittest.mock import ANY

import pytest

import trunkline
from tests.test_redaction import FORMS, SECRET
from trunkline import Request
from trunkline.errors import UsageError
from trunkline.exchange import Headers, Json
from trunkline.mock.recording import RecordingMock
from trunkline.mock.request_log import RecordedRequest
from trunkline.mock.session import MockSession
from trunkline.mock.verification import Expectation, verify

TELEPATH = trunkline.load("telepath")
KEYS = {"sip_password": "hunter2-hunter2", "openai_api_key": "sk-hunter3-hunter3"}
TRUNK = {"name": "Day Desk", "ai_provider": "openai", "sip_username": "day", **KEYS}


@pytest.fixture
def telepath() -> RecordingMock:
    """A mock that was asked twice to create a trunk, and once to list them."""
    fake = RecordingMock(TELEPATH)
    bearer: Headers = (("authorization", f"Bearer {fake.token}"),)
    for body in (TRUNK, {**TRUNK, "name": "Night Desk", "sip_username": "night", "extra": [1, {"a": True, "b": None}]}):
        create(fake, body)
    fake(Request("GET", "/trunks", "limit=10&status=active&x=1&x=2", (*bearer, ("accept", "application/json"))))
    return fake


def create(fake: RecordingMock, body: Json) -> None:
    headers = (("authorization", f"Bearer {fake.token}"), ("content-type", "application/json"))
    fake(Request("POST", "/trunks", "", headers, json.dumps(body).encode()))


def problem(fake: RecordingMock, operation: str, **expected: Json) -> str:
    """The message of a verification that must fail."""
    with pytest.raises(AssertionError) as caught:
        fake.assert_asked(operation, **expected)
    return str(caught.value)


@pytest.mark.parametrize(
    ("operation", "expected", "numbers"),
    [
        ("createTrunk", {}, [1, 2]),
        ("createTrunk", {"times": 2}, [1, 2]),
        ("createTrunk", {"json": {}}, [1, 2]),
        ("createTrunk", {"json": {"name": "Night Desk"}, "times": 1}, [2]),
        ("createTrunk", {"json": {"name": ANY, "sip_password": "hunter2-hunter2"}}, [1, 2]),
        ("createTrunk", {"json": {"extra": [1, {"a": True, "b": None}]}}, [2]),
        ("createTrunk", {"json": {"extra": (1.0, {"b": None, "a": True})}}, [2]),
        ("createTrunk", {"json": {"name": "Dawn"}, "times": 0}, []),
        ("createTrunk", {"headers": {"Content-Type": "application/json"}}, [1, 2]),
        ("createTrunk", {"headers": {"accept": None}}, [1, 2]),
        ("listTrunks", {"query": {"limit": 10, "status": "active", "offset": None}}, [3]),
        ("listTrunks", {"query": {"x": ["1", 2]}, "headers": {"accept": "application/json"}}, [3]),
        ("listTrunks", {"headers": {"authorization": f"Bearer {TELEPATH.world.token}"}}, [3]),
        ("getCall", {"times": 0}, []),
    ],
)
def test_requests_that_fit_are_returned(
    telepath: RecordingMock, operation: str, expected: dict[str, Json], numbers: list[int]
) -> None:
    """Given members, parameters and header fields must be equal; others do not matter."""
    assert [request.number for request in telepath.assert_asked(operation, **expected)] == numbers


@pytest.mark.parametrize(
    ("operation", "expected", "message"),
    [
        (
            "createTrunk",
            {"json": {"name": "Dawn Desk", "sip_username": "night"}},
            (
                "createTrunk: 0 of 2 requests match; expected at least 1\n"
                "The nearest is request 2, POST /trunks -> 201:\n"
                '  body/name: expected "Dawn Desk", was "Night Desk"'
            ),
        ),
        (
            "createTrunk",
            {"json": {"name": "Night Desk"}, "times": 2},
            (
                "createTrunk: 1 of 2 requests match; expected 2\n"
                "The nearest of the others is request 1, POST /trunks -> 201:\n"
                '  body/name: expected "Night Desk", was "Day Desk"'
            ),
        ),
        (
            "createTrunk",
            {"times": 1},
            (
                "createTrunk: 2 of 2 requests match; expected 1\n"
                "  request 1, POST /trunks -> 201\n"
                "  request 2, POST /trunks -> 201"
            ),
        ),
        (
            "createTrunk",
            {"json": {"name": "Night Desk"}, "times": 0},
            "createTrunk: 1 of 2 requests match; expected 0\n  request 2, POST /trunks -> 201",
        ),
        ("createTrunk", {"times": 3}, "createTrunk: 2 of 2 requests match; expected 3"),
        (
            "createTrunk",
            {"json": {"name": "Night Desk", "extra": [1, {"a": 1, "c/d": 0}, 2], "sip_username": {"a": 1}}},
            (
                "createTrunk: 0 of 2 requests match; expected at least 1\n"
                "The nearest is request 2, POST /trunks -> 201:\n"
                "  body/extra/1/a: expected 1, was true\n"
                "  body/extra/1/c~1d: expected 0, was absent\n"
                "  body/extra/1/b: expected absent, was null\n"
                "  body/extra/2: expected 2, was absent\n"
                '  body/sip_username: expected {"a": 1}, was "night"'
            ),
        ),
        (
            "listTrunks",
            {"json": {"a": 1}, "query": {"limit": 5, "x": 1, "status": None}, "headers": {"accept": "text/html"}},
            (
                "listTrunks: 0 of 1 requests match; expected at least 1\n"
                "The nearest is request 3, GET /trunks?limit=10&status=active&x=1&x=2 -> 200:\n"
                '  body: expected {"a": 1}, was absent\n'
                '  query/limit: expected "5", was "10"\n'
                '  query/x: expected "1", was ["1", "2"]\n'
                '  query/status: expected absent, was "active"\n'
                '  header/accept: expected "text/html", was "application/json"'
            ),
        ),
        ("getCall", {}, "getCall was never asked; logged are createTrunk (2), listTrunks (1)"),
    ],
)
def test_the_message_shows_the_nearest_request(
    telepath: RecordingMock, operation: str, expected: dict[str, Json], message: str
) -> None:
    """The request with the fewest differences is shown, with the place and both values of each."""
    assert problem(telepath, operation, **expected) == message


def test_a_request_that_missed_the_operation_is_shown() -> None:
    """A client with a wrong path, or one that asked nothing, can be told from the message."""
    fake = RecordingMock(TELEPATH)
    nothing = "listTrunks was never asked; no request is logged; check your client's base address"
    assert problem(fake, "listTrunks") == nothing
    fake(Request("GET", "/v1/trunks\n"))
    assert problem(fake, "listTrunks") == ("listTrunks was never asked; logged are request 1, GET /v1/trunks\\n -> 404")


def test_of_many_requests_the_nearest_are_shown() -> None:
    """And how many more there are."""
    fake = RecordingMock(trunkline.load("talkover"))
    for path in ("sip-trunks", "sip-trunks/x", "sip-trunks/x/health", "sip-trunks/x/dids", "health"):
        fake(Request("GET", f"/{path}"))
    for number in range(30):
        fake(Request("GET", f"/x{number}"))
    assert problem(fake, "createSipTrunk") == (
        "createSipTrunk was never asked; logged are getSipTrunk (1), listSipTrunks (1), getSipTrunkHealth (1), "
        "request 33, GET /x27 -> 404, request 34, GET /x28 -> 404, request 35, GET /x29 -> 404, and 29 more"
    )
    for _ in range(21):
        fake(Request("GET", "/health"))
    lines = problem(fake, "getHealth", times=3).splitlines()
    assert (lines[0], len(lines), lines[-1]) == (
        "getHealth: 22 of 22 requests match; expected 3",
        22,
        "  and 2 more",
    )


def test_a_body_that_is_not_json_does_not_fit(telepath: RecordingMock) -> None:
    """It is not quoted, for it may hold a secret."""
    telepath.requests.clear()
    telepath(Request("POST", "/trunks", "", (), b"{'sip_password': 'hush-0123'}"))
    assert problem(telepath, "createTrunk", json={"name": "x"}).splitlines()[2] == (
        '  body: expected {"name": "x"}, was not JSON'
    )


def test_a_message_is_not_too_long(telepath: RecordingMock) -> None:
    """Many differences, long values and many requests are shortened."""
    text = problem(telepath, "createTrunk", json={f"x{n}": "y" * 1000 for n in range(50)})
    assert text.splitlines()[-1] == "  and 30 more differences"
    assert len(text) < 5000
    for _ in range(100):
        telepath(Request("GET", "/nowhere"))
        create(telepath, {"x" * 1000: "y" * 1000})
    assert len(problem(telepath, "getCall")) < 5000
    assert len(problem(telepath, "createTrunk", times=0)) < 5000


@pytest.mark.parametrize(
    ("expected", "sentence"),
    [
        ({"times": -1}, "times must be a whole number, 0 or more; leave it out for at least once"),
        ({"times": True}, "times must be"),
        ({"times": 1.5}, "times must be"),
        ({"times": "1"}, "times must be"),
        ({"query": [("limit", 1)]}, "query must be an object with a value for each name"),
        ({"headers": {1: "x"}}, "headers must be an object"),
    ],
)
def test_a_wrong_expectation_is_one_sentence(telepath: RecordingMock, expected: dict[str, Json], sentence: str) -> None:
    """A mistake in a test is no failed expectation."""
    with pytest.raises(UsageError, match=f"^{sentence}"):
        telepath.assert_asked("createTrunk", **expected)


def test_an_unknown_operation_is_one_sentence(telepath: RecordingMock) -> None:
    """It names what could have been meant, for `asked` too."""
    for asked in (telepath.asked, telepath.assert_asked):
        with pytest.raises(UsageError, match=r"telepath has no operation 'createtrunk'; did you mean createTrunk\?$"):
            asked("createtrunk")
        with pytest.raises(UsageError, match=r"telepath has no operation 'x'; there are: listTrunks, "):
            asked("x")


# --- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_a_secret_is_in_a_message(form: str) -> None:
    """Neither of what was sent, nor of what was expected; also where the expected value is the secret itself."""
    sent, secret = FORMS[form], SECRET
    fake = RecordingMock(TELEPATH)
    body = {"name": sent, "sip_password": secret, "deep": [{"x": sent}], sent: 1}
    headers = (("authorization", f"Bearer {secret}"), ("content-type", "application/json"), ("x-note", sent))
    fake(Request("POST", "/trunks", "", headers, json.dumps(body).encode()))
    for expected in (
        {"json": {"name": "x", "sip_password": "y", "deep": [{"x": "z", sent: 0}]}, "headers": {"x-note": "x"}},
        {"json": {"name": f"{sent}!", "sip_password": f"{secret}!", "deep": sent}, "query": {"token": secret, sent: 1}},
        {"json": {"other": secret}, "headers": {"authorization": f"Bearer {secret}!", "x-note": f"{sent}!", sent: "x"}},
    ):
        text = problem(fake, "createTrunk", **expected)
        assert sent not in text
        assert secret[3:15] not in text
        assert "***" in text


def test_secrets_that_differ_are_shown_as_different(telepath: RecordingMock) -> None:
    """Where both values are redacted, the message says that they differ."""
    text = problem(telepath, "createTrunk", json={"name": "Day Desk", "sip_password": "hush-hush-0123"})
    assert text.splitlines()[-1] == "  body/sip_password: expected ***, was *** (they differ)"
    assert "hush" not in text
    assert "hunter2" not in text


def test_a_header_that_a_server_does_not_keep_is_explained() -> None:
    """Of a GET request without a body only the credential is logged, so no other field can fit."""
    session = MockSession([TELEPATH])
    session.mocks["telepath"].read((b"/trunks", b"", f"Bearer {TELEPATH.world.token}".encode()))
    requests: list[RecordedRequest] = session.requests.entries()
    verdict = verify(requests, Expectation("listTrunks", headers={"accept": "text/html"}))
    assert verdict.matching == ()
    assert verdict.problem.splitlines()[-1] == (
        '  header/accept: expected "text/html", was absent '
        "(of a GET request without a body, a server keeps only Authorization)"
    )
