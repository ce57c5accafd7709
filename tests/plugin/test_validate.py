"""Tests of `trunkline_validate`: which answers it sees, with the real clients and the libraries that play answers."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest

from tests.plugin.conftest import together
from tests.plugin.test_plugin import Run, run

__all__ = ["run"]

pytest_plugins = "pytester"

SET_UP = """
import asyncio, json
import pytest

URL = "https://api.telepathvoice.com/v1/trunks?limit=10"
TOKEN = {"Authorization": "Bearer sk_live_4f9a1c77e2b05d83"}
LIMITS = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "99", "X-RateLimit-Reset": "1795888800"}
HEADERS = {"Content-Type": "application/json", **LIMITS}
GOOD = {"trunks": [], "pagination": {"limit": 10, "offset": 0, "total": 0}}
BAD = {"trunks": [], "pagination": {"limit": "10", "offset": 0, "total": 0}}

def cassette(path, body=BAD, method="GET", sent=None, status=200, url=URL):
    fields = {name: [value] for name, value in HEADERS.items()}
    request = {"method": method, "uri": url, "body": sent, "headers": {"Authorization": ["REDACTED"]}}
    response = {"status": {"code": status, "message": ""}, "headers": fields, "body": {"string": json.dumps(body)}}
    path.write_text(json.dumps({"version": 1, "interactions": [{"request": request, "response": response}]}))
    return str(path)
"""
FOUND = [
    "trunkline_validate: the test got answers that break the contract of telepath: 1 finding",
    "FINDING documented body_matches_schema",
    "  listTrunks body/pagination/limit: *",
    "  recorded {}GET /trunks?limit=10",
    "*page * https://docs.telepathvoice.com/*",
]


def found(cassette: str = "") -> list[str]:
    """The lines of the finding about `BAD`."""
    return [line.format(f"{cassette}: " if cassette else "") for line in FOUND]


# --- the clients and the libraries ------------------------------------------------------------------------------------

CLIENTS = """
import aiohttp, betamax, httpx, requests, responses, respx, urllib3, vcr

pytestmark = pytest.mark.parametrize("answer", [GOOD, BAD], ids=["GOOD", "BAD"])

@responses.activate
def test_requests_responses(trunkline_validate, answer):
    responses.get(URL, json=answer, headers=LIMITS)
    assert requests.get(URL, headers=TOKEN).json() == answer

SEND = requests.Session.send

@responses.activate
def test_requests_another_send(trunkline_validate, answer, monkeypatch):  # as requests-mock does
    monkeypatch.setattr(requests.Session, "send", lambda *given, **named: SEND(*given, **named))
    responses.get(URL, json=answer, headers=LIMITS)
    assert requests.get(URL, headers=TOKEN).json() == answer

@respx.mock
def test_httpx_respx(trunkline_validate, answer):
    respx.get(URL).respond(json=answer, headers=LIMITS)
    assert httpx.get(URL, headers=TOKEN).json() == answer

def test_httpx_async_a_transport(trunkline_validate, answer):
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer, headers=LIMITS))
    async def ask():
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.get(URL, headers=TOKEN)
    assert asyncio.run(ask()).json() == answer

def test_httpx_pytest_httpx(trunkline_validate, answer, httpx_mock):
    httpx_mock.add_response(url=URL, json=answer, headers=LIMITS)
    assert httpx.get(URL, headers=TOKEN).json() == answer

@respx.mock
def test_httpx_a_stream_that_is_read_later(trunkline_validate, answer):
    respx.get(URL).respond(json=answer, headers=LIMITS)
    with httpx.stream("GET", URL, headers=TOKEN) as response:
        assert trunkline_validate._waiting and not response.is_stream_consumed
        assert json.loads(response.read()) == answer

@responses.activate
def test_requests_a_stream_that_is_read_later(trunkline_validate, answer):
    responses.get(URL, json=answer, headers=LIMITS)
    response = requests.get(URL, headers=TOKEN, stream=True)
    assert not response._content_consumed
    assert response.json() == answer

def test_requests_vcrpy(trunkline_validate, answer, tmp_path):
    with vcr.use_cassette(cassette(tmp_path / "list.json", answer), serializer="json", record_mode="none"):
        assert requests.get(URL, headers=TOKEN).json() == answer

def test_httpx_vcrpy(trunkline_validate, answer, tmp_path):
    with vcr.use_cassette(cassette(tmp_path / "list.json", answer), serializer="json", record_mode="none"):
        assert httpx.get(URL, headers=TOKEN).json() == answer

def test_httpx_async_vcrpy(trunkline_validate, answer, tmp_path):
    async def ask():
        async with httpx.AsyncClient() as client:
            return await client.get(URL, headers=TOKEN)
    with vcr.use_cassette(cassette(tmp_path / "list.json", answer), serializer="json", record_mode="none"):
        assert asyncio.run(ask()).json() == answer

def test_aiohttp_vcrpy(trunkline_validate, answer, tmp_path):
    async def ask():
        async with aiohttp.ClientSession() as session, session.get(URL, headers=TOKEN) as response:
            return await response.json()
    with vcr.use_cassette(cassette(tmp_path / "list.json", answer), serializer="json", record_mode="none"):
        assert asyncio.run(ask()) == answer

def test_urllib3_vcrpy(trunkline_validate, answer, tmp_path):
    with vcr.use_cassette(cassette(tmp_path / "list.json", answer), serializer="json", record_mode="none"):
        assert urllib3.request("GET", URL, headers=TOKEN).json() == answer

@pytest.fixture
def vcr_cassette_dir(tmp_path):
    for answer, name in ((GOOD, "GOOD"), (BAD, "BAD")):
        cassette(tmp_path / f"test_requests_pytest_recording[{name}].yaml", answer)
    return str(tmp_path)

@pytest.mark.vcr
def test_requests_pytest_recording(trunkline_validate, answer):
    assert requests.get(URL, headers=TOKEN).json() == answer

def test_requests_betamax(trunkline_validate, answer, tmp_path):
    fields = {name: [value] for name, value in HEADERS.items()}
    body = {"encoding": "utf-8", "string": json.dumps(answer)}
    response = {"status": {"code": 200, "message": "OK"}, "headers": fields, "body": body, "url": URL}
    request = {"method": "GET", "uri": URL, "headers": {}, "body": {"encoding": "utf-8", "string": ""}}
    interaction = {"request": request, "response": response, "recorded_at": "2026-11-28T18:00:00"}
    text = json.dumps({"http_interactions": [interaction], "recorded_with": "betamax"})
    (tmp_path / "list.json").write_text(text)
    session = requests.Session()
    with betamax.Betamax(session, str(tmp_path)).use_cassette("list", record="none"):
        assert session.get(URL, headers=TOKEN).json() == answer
"""


def test_each_client_is_seen_above_what_plays_its_answers(run: Run) -> None:
    """A wrong answer fails the test, and names the cassette; a right one is judged, too, and passes."""
    result = run(SET_UP + CLIENTS, "-p", "pytest_httpx", "-p", "pytest_recording.plugin", "-Wdefault")
    tests = re.findall(r"def test_(\w+)", CLIENTS)
    for test in tests:
        is_played = test.endswith(("vcrpy", "recording", "betamax"))
        result.stdout.fnmatch_lines([f"_* test_{test}[[]BAD] _*", *found("*.[jy]*" if is_played else "")])
    result.assert_outcomes(passed=len(tests), failed=len(tests))
    total = 2 * len(tests)
    result.stdout.fnmatch_lines([f"trunkline_validate: judged {total} answers, in {total} of {total} tests"])
    assert "sk_live_4f9a1c77e2b05d83" not in result.stdout.str()


@together(passed=1)
def test_aiohttp_and_urllib3_ask_a_mock() -> str:
    """Over a socket, too: a stream that nobody reads is judged by its head, and stays unread."""
    return SET_UP + dedent("""
    import aiohttp, urllib3

    def test_it(trunkline_validate, telepath):
        credential = {"Authorization": f"Bearer {telepath.token}"}
        async def ask():
            async with aiohttp.ClientSession() as session:
                async with session.get(f"{telepath.url}/trunks", headers=credential) as response:
                    assert response.status == 200
                assert response._body is None
                response = await session.post(f"{telepath.url}/trunks", headers=credential, json={})
                assert response.status == 400 and await response.json()
        asyncio.run(ask())
        pool = urllib3.PoolManager()
        assert pool.request("GET", f"{telepath.url}/trunks", headers=credential).status == 200
        response = pool.request("GET", f"{telepath.url}/calls", headers=credential, preload_content=False)
        assert trunkline_validate.judged == 4 and trunkline_validate.not_judged == []
        assert json.loads(response.read())["calls"]
        response.release_conn()
    """)


def test_redirected_answers_are_judged_once(run: Run) -> None:
    """Those which led to the last one are of the vendor, too, and no answer is judged twice."""
    result = run(
        SET_UP
        + dedent("""
        import httpx, requests, responses

        def answer(request):
            if request.url.path.endswith("/old"):
                return httpx.Response(302, headers={"location": URL})
            return httpx.Response(200, json=BAD, headers=LIMITS)

        def test_httpx(trunkline_validate):
            with httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True) as client:
                assert client.get("https://api.telepathvoice.com/v1/old").json() == BAD
            assert (trunkline_validate.judged, len(trunkline_validate.not_judged)) == (1, 1)
            assert [finding.count for finding in trunkline_validate.findings] == [1]
            trunkline_validate.clear()

        @responses.activate
        def test_requests(trunkline_validate):
            responses.get("https://api.telepathvoice.com/v1/old", status=302, headers={"Location": URL})
            responses.get(URL, json=BAD, headers=LIMITS)
            assert requests.get("https://api.telepathvoice.com/v1/old").json() == BAD
            assert (trunkline_validate.judged, len(trunkline_validate.not_judged)) == (1, 1)
            trunkline_validate.clear()
        """)
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "trunkline_validate: judged 2 answers, in 2 of 2 tests",
            "NOT JUDGED GET /old is no operation of telepath (2 times)",
        ]
    )


def test_nothing_is_imported_or_left_changed(run: Run) -> None:
    """A client is seen although the test imports it late, and afterwards it is as it was; nothing else is imported."""
    run(
        SET_UP
        + dedent("""
        import sys
        LIBRARIES = {"requests", "httpx", "httpx2", "urllib3", "aiohttp", "vcr", "betamax", "responses"}
        KEPT = {}

        def test_nothing(trunkline_validate):
            assert trunkline_validate.findings == ()
            assert LIBRARIES & sys.modules.keys() == set()

        def test_late(trunkline_validate):
            import httpx
            KEPT["send"] = httpx.Client.send
            with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=BAD))) as client:
                client.get(URL)
            assert trunkline_validate.judged == 1
            assert LIBRARIES & sys.modules.keys() == {"httpx"}
            trunkline_validate.clear()

        def test_after():
            import httpx, requests
            assert httpx.Client.send is KEPT["send"].__wrapped__
            assert not hasattr(requests.Session.send, "__wrapped__")
            assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("trunkline")]
        """)
    ).assert_outcomes(passed=3)


def test_other_hosts_are_not_touched(run: Run) -> None:
    """An answer from a host that is no vendor's is not kept; the end of the run says that nothing was judged."""
    result = run(
        SET_UP
        + dedent("""
        import httpx

        def test_it(trunkline_validate):
            transport = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>"))
            with httpx.Client(transport=transport) as client:
                for host in ("example.com", "[::1]", "127.0.0.1:1", "api.telepathvoice.com.example.com"):
                    client.get(f"https://{host}/v1/trunks")
            assert trunkline_validate._waiting == {}
        """)
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["trunkline_validate: judged no answers, in 0 of 1 tests"])


# --- the fixture, the marker and the ini key --------------------------------------------------------------------------

STALE = (
    SET_UP
    + """
import httpx

def ask(body, url=URL, status=200, headers=LIMITS):
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body, headers=headers))
    with httpx.Client(transport=transport) as client:
        return client.get(url, headers=TOKEN)
"""
)


@together("E *assert *", "E *trunkline_validate: the test got answers *1 finding", failed=1, xfailed=1, skipped=1)
def test_a_failed_test_gets_a_note() -> str:
    """The findings may be why a test fails, so they stand below its own error; an expected failure stays one."""
    return STALE + dedent("""
        def test_fails(trunkline_validate):
            assert ask(BAD).json() == GOOD

        @pytest.mark.xfail(strict=True)
        def test_known(trunkline_validate):
            ask(BAD)

        def test_skips(trunkline_validate):
            ask(GOOD)
            pytest.skip("later")
        """)


def test_all_phases_of_a_test_are_judged(run: Run) -> None:
    """Answers that fixtures get before the test count for it; those that they get at their end are errors."""
    result = run(
        STALE
        + dedent("""
        @pytest.fixture
        def before():
            ask(BAD)

        @pytest.fixture
        def after():
            yield
            ask(BAD)

        def test_before(before, trunkline_validate): pass
        def test_after(after, trunkline_validate): pass
        def test_without(before): pass
        """)
    )
    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(["trunkline_validate: judged 2 answers, in 2 of 2 tests"])


def test_the_ini_key_judges_every_test(run: Run, pytester: pytest.Pytester) -> None:
    """And the marker makes exceptions, for one test or a class, and from those."""
    pytester.makeini("[pytest]\ntrunkline_validate = true")
    result = run(
        STALE
        + dedent("""
        def test_plain():
            ask(BAD)

        @pytest.mark.trunkline_validate(False)
        class TestExceptions:
            def test_one(self):
                ask(BAD)

            def test_named(self, trunkline_validate):
                ask(BAD)
                assert trunkline_validate.judged == 0

            @pytest.mark.trunkline_validate
            def test_judged(self):
                ask(BAD)

        def test_without_requests(): pass
        """),
        "-v",
    )
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(["*::test_plain FAILED*", "*::test_judged FAILED*"])


@together("*::test_stronger FAILED*", "*::test_with_the_rule FAILED*", passed=4, failed=2)
def test_the_marker_chooses_vendor_strictness_and_rules() -> str:
    """Another vendor's answers are not judged; weaker findings, or those of a left-out rule, fail nothing."""
    return STALE + dedent("""
        pytestmark = pytest.mark.trunkline_validate(vendor="telepath")
        ABSENT = {**GOOD, "trunks": [{"id": "a"}]}

        def test_another_vendor():
            ask({}, "https://api.talkover.ai/api/v1/sip-trunks")

        def test_weaker(trunkline_validate):
            ask({"trunks": [], "pagination": {"limit": 10, "offset": 0, "total": 7}, "more": 1})
            assert {finding.evidence.grade.value for finding in trunkline_validate.findings} == {"customary"}

        @pytest.mark.trunkline_validate(strictness="customary")
        def test_stronger():
            ask({"trunks": [], "pagination": {"limit": 10, "offset": 0, "total": 0}, "more": 1})

        @pytest.mark.trunkline_validate(ignore=["rate_limit_is_reported"])
        def test_without_headers():
            ask(GOOD, headers={})

        @pytest.mark.trunkline_validate(ignore="rate_limit_is_reported")
        def test_without_headers_by_one_name():
            ask(GOOD, headers={})

        def test_with_the_rule():
            ask(GOOD, headers={})
        """)


MISTAKES = {
    'vendor="telepth"': "trunkline_validate: vendor names 'telepth'; there are: talkover, telepath",
    'strictness="strict"': "trunkline_validate: strictness names 'strict'; there are: documented, implied, customary",
    'ignore="pages"': "trunkline_validate: ignore names 'pages'; there are: documented_status, *",
    'vendor=["telepath"]': "trunkline_validate: vendor names *'telepath'*; there are: talkover, telepath",
    "ignore=7": "trunkline_validate: ignore names 7; there are: *",
    "rules=()": "the marker trunkline_validate takes True or False, and the keywords vendor, strictness and ignore",
    '"telepath"': "the marker trunkline_validate takes True or False, and the keywords vendor, strictness and ignore",
}


def test_a_mistake_in_the_marker_is_one_sentence(run: Run) -> None:
    """It names the test, and has no traceback."""
    marked = [f"@pytest.mark.trunkline_validate({marker})\ndef test_{n}(): pass" for n, marker in enumerate(MISTAKES)]
    result = run("\n".join(marked))
    result.assert_outcomes(errors=len(MISTAKES))
    result.stdout.fnmatch_lines([f"*.py::test_{n}: {sentence}" for n, sentence in enumerate(MISTAKES.values())])
    assert "Traceback" not in result.stdout.str()


@pytest.mark.slow
def test_workers_are_counted_together(run: Run) -> None:
    """With pytest-xdist the main process says what all tests judged."""
    tests = STALE + "\n@pytest.mark.parametrize('n', range(4))\ndef test_it(trunkline_validate, n): ask(GOOD)"
    result = run(tests, "-p", "xdist", "-n", "2")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["trunkline_validate: judged 4 answers, in 4 of 4 tests"])


# --- what is known of a request ---------------------------------------------------------------------------------------


@together(passed=1)
def test_faults_of_a_mock_are_not_held_against_it() -> str:
    """A test has set them on purpose; other answers are judged, those of intercepted hosts and of a second try too."""
    return SET_UP + dedent("""
    import requests

    @pytest.mark.trunkline("telepath", intercept=True)
    def test_it(trunkline_validate, telepath):
        credential = {"Authorization": f"Bearer {telepath.token}"}
        with telepath.fault("listTrunks", status=503):
            assert requests.get(URL, headers=credential).status_code == 503
        with telepath.fault("listTrunks", body='{"trunks": 7'):
            assert requests.get(f"{telepath.url}/trunks?limit=7", headers=credential).text == '{"trunks": 7'
        assert requests.get(f"{telepath.url}/trunks", headers=credential).ok
        assert requests.get("https://api.telepathvoice.com/v1/calls", headers=credential).ok
        assert trunkline_validate.judged == 2 and trunkline_validate.not_judged == []
        with telepath.fault("listCalls", close="in-head"):
            assert requests.get(f"{telepath.url}/calls?limit=7", headers=credential).text == ""
        assert trunkline_validate.judged == 2
        telepath.fault("listTrunks", status=503, times=1)
        tries = [requests.get(f"{telepath.url}/trunks?limit=9", headers=credential).status_code for _ in range(2)]
        assert (tries, trunkline_validate.judged) == ([503, 200], 3)
    """)


def test_a_write_from_a_cassette_is_not_judged_by_the_body_sent(run: Run) -> None:
    """A cassette plays an answer for another body, too; without a cassette an invalid body must be refused."""
    result = run(
        SET_UP
        + dedent("""
        import requests, responses, vcr
        TRUNKS = "https://api.telepathvoice.com/v1/trunks"
        ERROR = {"error": {"code": "MISSING_REQUIRED", "message": "Missing required field: name"}}

        def test_cassette(trunkline_validate, tmp_path, telepath_target):
            created = {"trunk": dict(telepath_target.trunks[0])}
            name = cassette(tmp_path / "create.json", created, "POST", "{}", 201, TRUNKS)
            with vcr.use_cassette(name, serializer="json", record_mode="none"):
                requests.post(TRUNKS, json={"name": 7}, headers=TOKEN)
            assert trunkline_validate.judged == 1
            assert [finding.rule for finding in trunkline_validate.findings if finding.rule == "refuses_invalid"] == []
            trunkline_validate.clear()

        @responses.activate
        def test_stub(trunkline_validate, telepath_target):
            responses.post(TRUNKS, json={"trunk": dict(telepath_target.trunks[0])}, headers=LIMITS, status=201)
            requests.post(TRUNKS, json={"name": 7}, headers=TOKEN)
            assert "refuses_invalid" in [finding.rule for finding in trunkline_validate.findings]
            trunkline_validate.clear()
        """),
        "-Wdefault",
    )
    result.assert_outcomes(passed=2)


def test_no_secret_is_printed(run: Run) -> None:
    """Neither that of a header, nor of the address, of a body sent or of one received, wherever the finding is."""
    canaries = ("c4n4ry-token-71f3a0", "c4n4ry-query-71f3a0", "c4n4ry-body-71f3a0", "c4n4ry-user-71f3a0")
    token, query, body, user = canaries
    result = run(
        STALE
        + dedent(f"""
        def test_it(trunkline_validate):
            seen = {{"trunks": "{token}", "pagination": "{query}", "{body}": "{body}"}}
            transport = httpx.MockTransport(lambda _: httpx.Response(201, json=seen, headers=LIMITS))
            with httpx.Client(transport=transport) as client:
                headers = {{"Authorization": "Bearer {token}"}}
                base = "https://{user}:x@api.telepathvoice.com/v1/trunks"
                client.get(base + "?api_key={query}&limit=1", headers=headers)
                client.post(base, json={{"sip_password": "{body}"}}, headers=headers)
                client.get("https://api.telepathvoice.com/v1/{token}", headers=headers)
                client.get("https://{user}:x@api.telepathvoice.com/{user}", headers=headers)
        """),
        "--junit-xml=junit.xml",
    )
    result.assert_outcomes(failed=1)
    printed = result.stdout.str() + result.stderr.str()
    printed = printed[printed.index("trunkline_validate: the test got answers") :]
    assert [canary for canary in canaries if canary in printed] == []
    assert "***" in printed


@together(passed=1)
def test_many_answers_are_judged_before_the_end() -> str:
    """So that a long test does not keep all of them."""
    return STALE + dedent("""
    def test_it(trunkline_validate):
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json=GOOD, headers=LIMITS))
        with httpx.Client(transport=transport) as client:
            for _ in range(1200):
                client.get(URL)
                assert len(trunkline_validate._waiting) <= 1000
        assert trunkline_validate.judged == 1200
    """)
