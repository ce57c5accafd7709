"""Tests of `trunkline.plugin`: fixtures, marker, options, and what a failed test prints."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from textwrap import dedent
from typing import Any, Protocol

import pytest

from tests.plugin.conftest import ACTIVE, CLIENT, together
from trunkline.plugin import settings_of
from trunkline.plugin.options import spelled
from trunkline.settings import Option, Settings, options_of

pytest_plugins = "pytester"


class Run(Protocol):
    """Run pytest on a file of tests."""

    def __call__(self, tests: str, *options: str) -> pytest.RunResult: ...


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """In a process of its own, and with no other plugin, so that it starts fast."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))

    def run(tests: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(CLIENT + dedent(tests))
        return pytester.runpytest_subprocess(*ACTIVE, *options)

    return run


Configure = Callable[..., pytest.Config]
"""Read options of pytest, and its ini file."""


@pytest.fixture
def configure(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """As a run does at its start, with no other plugin."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return partial(pytester.parseconfigure, "-p", "trunkline.plugin")


# --- fixtures ---------------------------------------------------------------------------------------------------------


@together(passed=3)
def test_each_vendor_is_a_fixture() -> str:
    """Without a conftest: address, token, records and recorded requests."""
    return """
    def test_one(telepath):
        assert telepath.url.startswith("http://127.0.0.1:") and telepath.url.endswith("/v1")
        page = get(telepath, "/trunks?limit=1")
        assert page["trunks"][0]["id"] == telepath.trunks[0]["id"] == "conn_abc123xyz"
        assert page["pagination"]["total"] == len(telepath.trunks)
        (request,) = telepath.requests
        assert (request.method, request.path, request.query, request.body) == ("GET", "/trunks", "limit=1", b"")
        assert (request.headers["authorization"], request.status) == (f"Bearer {telepath.token}", 200)
        assert telepath.vendor.name == "telepath"
        assert telepath.target(Request("GET", "/trunks")).status == 401
        with pytest.raises(AttributeError):
            telepath.phones

    def test_other(telepath, talkover):
        assert talkover.url.endswith("/api/v1")
        assert talkover.url.split("/")[2] == telepath.url.split("/")[2]
        assert get(talkover, "/sip-trunks/trunk-uuid-1")["data"]["name"] == talkover.trunks[0]["name"]
        assert [request.path for request in talkover.requests] == ["/sip-trunks/trunk-uuid-1"]
        assert telepath.requests == []

    def test_in_process(talkover_target):
        credential = (("authorization", f"Bearer {talkover_target.token}"),)
        assert talkover_target(Request("GET", "/sip-trunks/trunk-uuid-1", "", credential)).status == 200
        assert talkover_target.requests[0].status == 200
        assert len(talkover_target.trunks) == 5
        with pytest.raises(Exception, match="the mock of talkover has no address, .* use the fixture talkover"):
            talkover_target.url
    """


@together(passed=1)
def test_a_body_that_is_too_large_is_refused_as_the_vendor_does() -> str:
    """As by `trunkline serve`, and it is recorded, though it was not read."""
    return """
    def test_it(telepath):
        credential = {"Authorization": f"Bearer {telepath.token}", "Content-Type": "application/json"}
        sent = urllib.request.Request(f"{telepath.url}/trunks", bytes(17 << 20), credential)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(sent)
        refused.value.close()
        assert refused.value.headers["x-trunkline-refusal"].startswith("body_too_large")
        (request,) = telepath.requests
        assert (request.path, request.status, request.body) == ("/trunks", 413, b"")
    """


@together(passed=4)
def test_each_test_starts_fresh() -> str:
    """Requests, rate limits and changed records do not reach the next test."""
    return """
    URLS = set()

    @pytest.mark.trunkline("telepath", rate_limit=1)
    @pytest.mark.parametrize("round", range(3))
    def test_one(telepath, round):
        URLS.add(telepath.url)
        assert telepath.requests == []
        assert get(telepath, "/trunks")["trunks"][0]["name"] == telepath.trunks[0]["name"] == "Customer Support"
        with pytest.raises(HTTPError, match="429"):
            get(telepath, "/trunks")
        telepath.trunks[0]["name"] = "changed"
        telepath.trunks[0]["metrics"].clear()

    def test_plain(telepath):
        URLS.add(telepath.url)
        assert [get(telepath, "/trunks")["pagination"]["total"] for _ in range(3)] == [27] * 3
        assert len(URLS) == 1
    """


@together(passed=4)
def test_fixtures_of_any_scope_can_use_a_mock() -> str:
    """The mock stays for the session, and so does its address; each test begins with fresh records and requests."""
    return """
    @pytest.fixture(scope="session")
    def application(telepath):
        return {"TELEPATH_URL": telepath.url, "mock": telepath}

    @pytest.fixture(scope="module", autouse=True)
    def warmed(telepath):
        get(telepath, "/trunks")

    @pytest.mark.parametrize("round", range(3))
    def test_one(application, telepath, round):
        assert (application["TELEPATH_URL"], application["mock"]) == (telepath.url, telepath)
        assert len(telepath.requests) == (1 if round == 0 else 0)  # that of the module's fixture
        telepath.trunks.add(name="Added")
        assert get(telepath, "/trunks")["pagination"]["total"] == 28

    @pytest.mark.trunkline("telepath", trunks=2)
    def test_a_marker_counts_though_only_a_wider_fixture_uses_the_mock(application):
        assert get(application["mock"], "/trunks")["pagination"]["total"] == 2
    """


@together(passed=3)
def test_a_mock_can_be_asked_for_by_name() -> str:
    """`getfixturevalue` gives a mock with the state of the running test, though pytest keeps the fixture's value."""
    return """
    @pytest.mark.trunkline("telepath", trunks=3)
    @pytest.mark.parametrize("name", ["telepath", "talkover", "telepath"])
    def test_one(request, name):
        mock = request.getfixturevalue(name)
        assert len(mock.trunks) == (3 if name == "telepath" else 5)
        assert mock.requests == []
        mock.trunks.add(name="Added")
        if name == "telepath":
            assert get(mock, "/trunks")["pagination"]["total"] == 4
    """


@together(passed=2)
def test_one_server_has_the_addresses_of_the_session() -> str:
    """`trunkline_server` gives them to whatever starts once; each test that uses it has its own state behind them."""
    return """
    @pytest.fixture(scope="session")
    def base(trunkline_server):
        assert trunkline_server.urls["telepath"] == trunkline_server.url + "/v1"
        assert set(trunkline_server.urls) == set(trunkline_server.tokens) >= {"telepath", "talkover"}
        return trunkline_server.urls["telepath"]

    def ask(base, token, method="GET", body=None):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(base + "/trunks", headers=headers, method=method, data=body)
        return json.load(urllib.request.urlopen(request, timeout=10))

    @pytest.mark.parametrize("round", range(2))
    def test_one(base, trunkline_server, round):
        token = trunkline_server.tokens["telepath"]
        assert ask(base, token)["pagination"]["total"] == 27
        body = {"name": "New", "sip_username": "new", "sip_password": "secret-word", "openai_api_key": "sk-1",
                "ai_provider": "openai"}
        ask(base, token, "POST", json.dumps(body).encode())
        assert ask(base, token)["pagination"]["total"] == 28
    """


@together(passed=3, errors=1)
def test_faults_end_with_the_test() -> str:
    """From the fixture and from the marker; a cut connection reaches the client as such, over the wire."""
    return """
    from http.client import IncompleteRead, RemoteDisconnected

    @pytest.mark.trunkline("telepath", faults=["listTrunks: 503 x1"])
    def test_marker(telepath):
        with pytest.raises(HTTPError, match="503"):
            get(telepath, "/trunks")
        assert get(telepath, "/trunks")["trunks"]

    def test_cut(telepath):
        telepath.fault("listTrunks", close="before")
        with pytest.raises((RemoteDisconnected, ConnectionError)):
            get(telepath, "/trunks")
        with telepath.fault("listCalls", close="in-body"), pytest.raises(IncompleteRead):
            get(telepath, "/calls")
        assert telepath.requests[0].fault

    def test_after(telepath):
        assert get(telepath, "/trunks")["trunks"]

    @pytest.mark.trunkline("telepath", faults=["listTrunk: 503"])
    def test_wrong(telepath):
        pass
    """


@together(passed=4)
def test_a_connection_may_outlive_a_test() -> str:
    """A client may keep its connection for the session; each test sees its own requests only."""
    return """
    import http.client, urllib.parse

    @pytest.fixture(scope="module")
    def wires():
        return {}

    @pytest.mark.parametrize("round", range(3))
    def test_one(telepath, wires, round):
        place = urllib.parse.urlsplit(telepath.url)
        wire = wires.setdefault(place.netloc, http.client.HTTPConnection(place.netloc, timeout=10))
        wire.request("GET", "/v1/trunks", headers={"Authorization": f"Bearer {telepath.token}"})
        plug = wire.sock
        assert wire.getresponse().read()
        assert len(telepath.requests) == len(wires) == 1
        assert wires.setdefault("plug", plug) is plug
        del wires["plug"]
        assert wire.sock is plug

    def test_after(talkover, wires):
        (wire,) = wires.values()
        wire.request("GET", "/v1/trunks")
        response = wire.getresponse()
        assert response.status == 502
        assert b"no test that uses this mock runs now" in response.read()
        wire.close()
    """


@pytest.mark.slow
def test_async_clients_are_served(run: Run) -> None:
    """The server runs in its own thread, so an event loop in the test does not stop it."""
    run(
        """
        import asyncio, httpx

        def test_one(telepath):
            async def ask():
                async with httpx.AsyncClient(base_url=telepath.url, auth=None, trust_env=False) as client:
                    headers = {"Authorization": f"Bearer {telepath.token}"}
                    return await asyncio.gather(*(client.get("/trunks", headers=headers) for _ in range(5)))
            assert [answer.status_code for answer in asyncio.run(ask())] == [200] * 5
            assert len(telepath.requests) == 5
        """
    ).assert_outcomes(passed=1)


@pytest.mark.slow
def test_each_worker_has_one_server(run: Run) -> None:
    """With pytest-xdist, workers have different ports; each keeps its own."""
    result = run(
        """
        @pytest.mark.parametrize("round", range(8))
        def test_one(telepath, talkover, round, worker_id):
            assert get(telepath, "/trunks?limit=1")["trunks"]
            assert len(telepath.requests) == 1
            assert get(talkover, "/sip-trunks/trunk-uuid-1")["success"]
            print("SERVER", worker_id, telepath.url.split("/")[2])
            print("SERVER", worker_id, talkover.url.split("/")[2])
        """,
        *("-p", "xdist", "-n", "2", "-rP"),
    )
    result.assert_outcomes(passed=8)
    seen = {tuple(line.split()[1:]) for line in result.outlines if line.startswith("SERVER")}
    workers, ports = {worker for worker, _ in seen}, {port for _, port in seen}
    assert len(seen) == len(workers) == len(ports) == 2


@pytest.mark.slow
def test_a_third_vendor_needs_no_code(run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders give two fixtures, even if the base path is taken; broken data affect no other vendor."""
    shipped = Path(__file__).resolve().parents[2]
    for folder in ("schemas", "fixtures"):
        for name in ("acme", "broken"):
            for file in (shipped / folder / "telepath").iterdir():
                copy = pytester.path / "data" / folder / name / file.name
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(file.read_bytes())
    (pytester.path / "data/fixtures/broken/trunks.json").write_text("[")
    monkeypatch.setenv("TRUNKLINE_DATA", str(pytester.path / "data"))
    result = run(
        """
        def test_acme(acme, telepath):
            assert acme.vendor.name == "acme"
            assert acme.url != telepath.url
            assert get(acme, "/trunks")["trunks"] == get(telepath, "/trunks")["trunks"]
            assert len(acme.requests) == len(telepath.requests) == 1

        def test_broken(broken): pass
        """
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*::test_broken: fixtures/broken/trunks.json: *"])


# --- the marker -------------------------------------------------------------------------------------------------------


@together(passed=4)
def test_a_marker_sets_records_tokens_and_rate_limit() -> str:
    """For one function, class or module; the nearest marker wins."""
    return """
    TRUNK = {
        "id": "conn_000000001", "name": "Only", "status": "active", "ai_provider": "openai", "sip_username": "only",
        "sip_endpoint": "sip://only@sip.telepathvoice.com",
        "created_at": "2024-02-15T10:30:00Z", "updated_at": "2024-03-05T14:22:15Z",
        "metrics": {"calls_today": 1, "success_rate": 100, "avg_latency_ms": 1},
    }
    pytestmark = pytest.mark.trunkline("telepath", rate_limit=7, trunks=3)

    def limit(mock):
        answer = mock(Request("GET", "/trunks", "", (("authorization", f"Bearer {mock.token}"),)))
        return answer.status, answer.header("x-ratelimit-limit")

    def test_of_the_module(telepath, telepath_target):
        assert len(telepath.trunks) == len(telepath_target.trunks) == 3
        assert limit(telepath_target) == limit(telepath) == (200, "7")

    @pytest.mark.trunkline("telepath", trunks=[TRUNK], tokens=("sk_live_mine",))
    class TestClass:
        def test_of_the_class(self, telepath):
            assert telepath.trunks == [TRUNK]
            assert [trunk["id"] for trunk in get(telepath, "/trunks")["trunks"]] == [TRUNK["id"]]
            assert telepath.token == "sk_live_mine"
            assert limit(telepath) == (200, "7")

        @pytest.mark.trunkline("talkover", tokens=["talq_mine"])
        @pytest.mark.trunkline(vendor="telepath", trunks=[], rate_limit=2)
        def test_of_the_function(self, telepath, talkover):
            assert get(telepath, "/trunks")["trunks"] == []
            assert (telepath.token, talkover.token) == ("sk_live_mine", "talq_mine")
            assert limit(telepath) == (200, "2")
            assert len(talkover.trunks) == 5

    @pytest.mark.trunkline("talkover", tokens=["talq_only_there"])
    def test_of_another_vendor(telepath):
        assert telepath.token != "talq_only_there"
        assert TRUNK["metrics"]
    """


@pytest.mark.slow
def test_a_marker_takes_each_collection(run: Run) -> None:
    """Records or a number of them; children of replaced records are removed, in whatever order they are given."""
    run(
        """
        TRUNK = {
            "id": "trunk-a", "name": "A", "provider_name": "p", "domain": "sip.example.com", "username": "u",
            "password": "secret-password", "transport": "tls", "port": 5061, "outbound_proxy": None, "auth_realm": None,
            "is_active": False, "is_verified": False, "health_status": None, "last_health_check_at": None,
            "created_at": "2024-02-15T10:30:00Z", "updated_at": "2024-02-15T10:30:00Z",
        }
        DID = {
            "id": "did-a", "number": "+12025550100", "country_code": "US", "formatted_number": "(202) 555-0100",
            "trunk_id": "trunk-a",
        }

        @pytest.mark.trunkline("talkover", trunks=[TRUNK])
        def test_what_belonged_to_others_is_gone(talkover):
            assert (talkover.trunks, talkover.dids) == ([TRUNK], [])

        @pytest.mark.trunkline("talkover", dids=[DID], trunks=[TRUNK])
        def test_the_order_does_not_matter(talkover):
            assert talkover.dids == [DID]
            assert get(talkover, "/sip-trunks/trunk-a/dids")["data"][0]["number"] == DID["number"]

        @pytest.mark.trunkline("talkover", dids=25, trunks=2)
        @pytest.mark.trunkline("telepath", calls=3, trunks=1)
        def test_made_up(talkover, telepath):
            assert {did["trunk_id"] for did in talkover.dids} == {trunk["id"] for trunk in talkover.trunks}
            assert len({did["number"] for did in talkover.dids}) == len({did["id"] for did in talkover.dids}) == 25
            assert len({call["id"] for call in telepath.calls}) == 3
            assert {call["trunk_id"] for call in telepath.calls} == {telepath.trunks[0]["id"]}
            shown = [get(talkover, f"/sip-trunks/{trunk['id']}/dids")["data"] for trunk in talkover.trunks]
            assert len(shown[0]) + len(shown[1]) == 25

        @pytest.mark.trunkline("talkover", trunks=[{"name": "Night Desk", "reachable": False}], dids=[{}])
        def test_completed(talkover):
            assert talkover.trunks[0]["name"] == "Night Desk"
            assert talkover.dids[0]["trunk_id"] == talkover.trunks[0]["id"]
        """
    ).assert_outcomes(passed=4)


BAD_MARKERS = {
    '"telepth", rate_limit=1': "the marker names 'telepth', which is not a vendor; there are: talkover, telepath",
    "rate_limit=1": 'the marker names one vendor, as in @pytest.mark.trunkline("talkover", rate_limit=5)',
    '"telepath", vendor="telepath"': "the marker names one vendor, as in *",
    '["telepath"]': "the marker names *'telepath'*, which is not a vendor; there are: talkover, telepath",
    '"telepath", trunk=[]': "telepath has no 'trunk'; did you mean trunks?",
    '"telepath", rate_limit=-1': "rate_limit is -1; give a number of requests, at least 0",
    '"telepath", rate_limit="5"': "rate_limit is '5'; give a number of requests, at least 0",
    '"telepath", rate_window=0': "rate_window is 0; give a number of seconds, from 1 to 86400",
    '"telepath", rate_window=0.5': "rate_window is 0.5; give a number of seconds, from 1 to 86400",
    '"telepath", tokens="sk_secret"': "tokens must be a list of one or more strings",
    '"telepath", tokens=[]': "tokens must be a list of one or more strings",
    '"telepath", tokens=["good", "sk_secret b\\n"]': "a token has characters that no bearer token can have *",
    '"telepath", tokens=["sk_secret\\n"]': "a token has characters that no bearer token can have *",
    '"telepath", trunks=nested(5000)': "a record of telepath.trunks must be a dict, not a list",
    '"telepath", trunks=nested(400)': "*",
    '"telepath", trunks=[{"id": {1}}]': (
        "what is given for telepath.trunks is not JSON: Object of type set is not JSON serializable"
    ),
    '"telepath", trunks=None': (
        "the records given for telepath's trunks are a NoneType; give a list of them, or the number to generate"
    ),
    '"telepath", trunks=[dict(TRUNK, status="busy")]': (
        'the records given for telepath\'s trunks#/0/status: "busy" is not one of *'
    ),
    '"telepath", calls=-1': "calls: -1 records cannot be generated; ask for 0 to 1000000",
    '"telepath", trunks=10**20': ("trunks: 100000000000000000000 records cannot be generated; ask for 0 to 1000000"),
    '"talkover", dids=2, trunks=[]': (
        "a record of talkover.dids belongs to one of talkover.trunks, and there are none; add one first"
    ),
    '"talkover", dids=[dict(DID, trunk_id="nope")]': (
        "the records given for talkover's dids#/0/trunk_id: there is no such record in trunks"
    ),
    '"telepath", trunks=[TRUNK, TRUNK]': "the records given for telepath's trunks#/1/id: * is there twice",
}


def test_a_wrong_marker_is_one_sentence(run: Run) -> None:
    """An error at setup names the test and the mistake, without a traceback; other tests run."""
    tests = [
        f"@pytest.mark.trunkline({arguments})\ndef test_{n}(telepath, talkover): pass"
        for n, arguments in enumerate(BAD_MARKERS)
    ]
    trunk = (
        'TRUNK = {"id": "a", "name": "n", "status": "active", "ai_provider": "openai", "sip_username": "u",'
        ' "sip_endpoint": "sip:e", "created_at": "2024-02-15T10:30:00Z", "updated_at": "2024-02-15T10:30:00Z",'
        ' "metrics": {"calls_today": 1, "success_rate": 1, "avg_latency_ms": 1}}\n'
        'DID = {"id": "d", "number": "+12025550100", "country_code": "US", "formatted_number": "", "trunk_id": "t"}\n'
        "def nested(depth):\n"
        "    value = []\n"
        "    for _ in range(depth): value = [value]\n"
        "    return value\n"
    )
    result = run("\n\n".join([trunk, *tests, "def test_good(telepath): get(telepath, '/trunks')"]))
    result.assert_outcomes(passed=1, errors=len(BAD_MARKERS))
    messages = [
        line.partition(": ") for line in result.outlines if "py::test_" in line and not line.startswith("ERROR")
    ]
    assert [place.rpartition("::")[2] for place, _, _ in messages] == [f"test_{n}" for n in range(len(BAD_MARKERS))]
    for (_, _, sentence), wanted in zip(messages, BAD_MARKERS.values(), strict=True):
        pytest.LineMatcher([sentence]).fnmatch_lines([wanted.replace("[", "[[]")])
    assert "Traceback" not in result.stdout.str()
    assert ".py:1" not in result.stdout.str()
    assert "sk_secret" not in result.stdout.str()


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_options_set_the_records_of_the_mocks(run: Run, pytester: pytest.Pytester) -> None:
    """Generated trunks, or an overlay for one vendor, from the command line or the ini file."""
    tests = """
        def test_one(telepath, talkover):
            names = [trunk["name"] for trunk in telepath.trunks]
            print("SEEN", len(names), len(talkover.trunks), names[0])
            assert get(telepath, "/trunks")["pagination"]["total"] == len(names)
        """
    overlay = pytester.path / "own" / "telepath"
    overlay.mkdir(parents=True)
    trunk = json.loads((Path(__file__).parents[2] / "fixtures/telepath/trunks.json").read_text("utf-8"))[0]
    (overlay / "trunks.json").write_text(json.dumps([{**trunk, "name": "Overlaid"}]))

    def seen(*options: str) -> str:
        result = run(tests, "-s", *options)
        result.assert_outcomes(passed=1)
        return next(line.partition("SEEN ")[2] for line in result.outlines if "SEEN " in line)

    assert seen("--trunkline-fixtures", "own") == "27 5 Overlaid"
    first = seen("--trunkline-trunks=4", "--trunkline-seed=1")
    pytester.makeini("[pytest]\ntrunkline_trunks = 4\ntrunkline_seed = 1\n")
    assert seen() == first
    assert first.startswith("4 4 ")
    assert seen("--trunkline-seed=2") != first


@pytest.mark.slow
def test_a_folder_adds_tokens_and_accounts_to_the_mocks(run: Run, pytester: pytest.Pytester) -> None:
    """An account of world.toml is there without records; the tokens of a marker replace those of the default one."""
    (pytester.path / "own" / "telepath").mkdir(parents=True)
    (pytester.path / "own" / "telepath" / "world.toml").write_text(
        'rate_limit = 4\n[[tokens]]\ntoken = "sk_ours"\naccount = "main"\n'
        '[[tokens]]\ntoken = "sk_fresh"\naccount = "fresh"\n'
    )
    result = run(
        """
        def total(mock, token):
            answer = mock(Request("GET", "/trunks", "", (("authorization", f"Bearer {token}"),)))
            return answer.json()["pagination"]["total"] if answer.status == 200 else answer.status

        def test_token(telepath_target):
            assert (telepath_target.token, telepath_target.rate_limit) == ("sk_ours", 4)
            assert telepath_target.trunks.of("fresh") == []
            telepath_target.trunks.add(name="Fresh", account="fresh")
            assert [total(telepath_target, token) for token in ("sk_fresh", "sk_ours")] == [1, 27]

        @pytest.mark.trunkline("telepath", tokens=["sk_marked"], trunks=[{"name": "One", "account": "fresh"}])
        def test_marker(telepath_target):
            assert telepath_target.token == "sk_marked"
            totals = [total(telepath_target, token) for token in ("sk_marked", "sk_fresh", "sk_ours")]
            assert totals == [0, 1, 401]
        """,
        "--trunkline-fixtures=own",
    )
    result.assert_outcomes(passed=2)


def test_options_of_the_suite_are_read(run: Run, pytester: pytest.Pytester) -> None:
    """The command line overrides the ini file, where a token file yields to a token; paths are relative to it."""
    pytester.makeini(
        """
        [pytest]
        trunkline_vendor = talkover
        trunkline_url = http://ini.example/v1
        trunkline_param = trunk_id=1 trunk_id=2=3
        trunkline_token_file = token.txt
        trunkline_allow_writes = true
        trunkline_ledger = ledger.db
        trunkline_timeout = 2.5
        """
    )
    run(
        """
        from pathlib import Path
        from trunkline.plugin import settings_of
        from trunkline.settings import Settings

        def test_one(pytestconfig):
            found = settings_of(pytestconfig)
            assert "secret" not in repr(found)
            assert found == Settings(
                vendor=("talkover",), url="http://cli.example/v1", app="main:app", token="sk_secret",
                allow_writes=True, ledger=str(Path("ledger.db").absolute()),
                param=(("trunk_id", "1"), ("trunk_id", "2=3")),
                strictness="customary", examples=9, timeout=2.5, rate=0.5, max_requests=70,
            )
        """,
        *("--trunkline-url=http://cli.example/v1", "--trunkline-app=main:app", "--trunkline-token=sk_secret"),
        *("--trunkline-strictness=customary", "--trunkline-examples=9", "--trunkline-rate=0.5"),
        "--trunkline-max-requests=70",
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize("table", ["pytest", "tool.pytest.ini_options"])
def test_options_in_a_toml_file_of_pytest_have_types(run: Run, pytester: pytest.Pytester, table: str) -> None:
    """Numbers, booleans and lists, in pytest.toml (pytest 9) and in pyproject.toml."""
    if table == "pytest" and pytest.version_tuple < (9,):
        pytest.skip("pytest.toml is new in pytest 9")
    file = pytester.path / ("pytest.toml" if table == "pytest" else "pyproject.toml")
    file.write_text(
        f"[{table}]\ntrunkline_trunks = 5\ntrunkline_timeout = 2\ntrunkline_allow_writes = true\n"
        'trunkline_vendor = ["telepath"]\ntrunkline_strictness = "customary"\n'
    )
    run(
        """
        from trunkline.plugin import settings_of
        from trunkline.settings import Settings

        def test_one(pytestconfig):
            assert settings_of(pytestconfig) == Settings(
                trunks=5, timeout=2.0, allow_writes=True, vendor=("telepath",), strictness="customary"
            )
        """
    ).assert_outcomes(passed=1)


def test_native_values_of_toml_are_taken_by_type(configure: Configure, pytester: pytest.Pytester) -> None:
    """In `[tool.pytest]`: texts, numbers, booleans and lists."""
    (pytester.path / "telepath").mkdir()
    settings: dict[str, Any] = {
        "fixtures": ".",
        "trunks": 3,
        "seed": 7,
        "vendor": ["telepath"],
        "app": "main:app",
        "token_file": "t",
        "param": ["id=7"],
        "timeout": 2,
        "examples": 10,
        "rate": 5.5,
        "max_requests": 9,
        "allow_writes": True,
        "second_token_file": "s",
        "leave": 1,
        "ledger": "x.db",
        "strictness": "customary",
    }
    lines = [f"trunkline_{name} = {json.dumps(value)}" for name, value in settings.items()]
    (pytester.path / "pyproject.toml").write_text("\n".join(["[tool.pytest]", *lines]))
    found = settings_of(configure())
    folder = str(pytester.path)
    parsed: dict[str, Any] = {
        "vendor": ("telepath",),
        "param": (("id", "7"),),
        "fixtures": folder,
        **{name: f"{folder}/{settings[name]}" for name in ("token_file", "second_token_file", "ledger")},
    }
    assert found == Settings(**{**settings, **parsed})


def test_no_file_updates_a_baseline_in_every_run(configure: Configure, pytester: pytest.Pytester) -> None:
    """That is asked for on the command line; pytest warns of the key that it does not know."""
    pytester.makeini("[pytest]\ntrunkline_update_baseline = true\n")
    assert not settings_of(configure()).update_baseline


NATIVE = {"bool": "true", "int": "10", "float": "5.5", "string": '"x"', "args": '["x"]'}
"""A value of each type of an ini key, as TOML has it."""


ONE_OF_EACH = {"args" if row.repeatable else row.type.ini: row for row in options_of("pytest")}


@pytest.mark.parametrize("row", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_a_native_value_of_another_type_is_refused(
    configure: Configure, pytester: pytest.Pytester, row: Option
) -> None:
    """One sentence says what is wanted."""
    right = {"args"} if row.repeatable else {"float", "int"} if row.type.ini == "float" else {row.type.ini}
    for kind in NATIVE.keys() - right:
        (pytester.path / "pyproject.toml").write_text(f"[tool.pytest]\n{row.ini} = {NATIVE[kind]}")
        with pytest.raises(pytest.UsageError) as caught:
            configure()
        hint = "; write it without quotes" if kind == "string" and not row.repeatable else ""
        assert str(caught.value) == f"{row.ini} in the ini file is not {row.wanted}{hint}", kind


@pytest.mark.parametrize("name", ["token", "second_token"])
@pytest.mark.parametrize("file", ["pytest.ini", "pyproject.toml"])
def test_a_secret_in_the_file_of_pytest_is_refused(
    configure: Configure, pytester: pytest.Pytester, file: str, name: str
) -> None:
    """As in trunkline.toml: one sentence names the file, the key and what to do."""
    table, value = ("pytest", "hush") if file == "pytest.ini" else ("tool.pytest.ini_options", '"hush"')
    (pytester.path / file).write_text(f"[{table}]\ntrunkline_{name} = {value}\n")
    with pytest.raises(pytest.UsageError) as caught:
        configure()
    assert str(caught.value) == (
        f"{pytester.path / file} holds a secret, trunkline_{name}, and such a file is easily shared; "
        f"set TRUNKLINE_{name.upper()}, or give trunkline_{name}_file (--trunkline-{name.replace('_', '-')}-file)"
    )


def test_the_first_source_of_an_option_wins(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line, the environment, pytest's ini file, trunkline.toml."""
    (pytester.path / "trunkline.toml").write_text("trunks = 1\nseed = 1\nrate = 1\ntimeout = 1\n")
    pytester.makeini("[pytest]\ntrunkline_trunks = 2\ntrunkline_seed = 2\ntrunkline_rate = 2\n")
    monkeypatch.setenv("TRUNKLINE_TRUNKS", "3")
    monkeypatch.setenv("TRUNKLINE_SEED", "3")
    run(
        """
        from trunkline.plugin import settings_of

        def test_one(pytestconfig):
            found = settings_of(pytestconfig)
            assert (found.trunks, found.seed, found.rate, found.timeout) == (4, 3, 2.0, 1.0)
        """,
        "--trunkline-trunks=4",
    ).assert_outcomes(passed=1)


def test_a_mistake_in_trunkline_toml_ends_the_run(run: Run, pytester: pytest.Pytester) -> None:
    """One sentence names the file and the key."""
    (pytester.path / "trunkline.toml").write_text('token = "hush"')
    result = run("def test_one(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.lines[0].startswith(f"ERROR: {pytester.path / 'trunkline.toml'} holds a secret, token, ")
    assert "hush" not in result.stderr.str()


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--trunkline-trunks=many", "--trunkline-trunks is not a whole number from 0 to *"),
        ("--trunkline-seed=-1", "--trunkline-seed is not a whole number from 0 to *"),
        ("--trunkline-seed=" + "9" * 5000, "--trunkline-seed is not a whole number from 0 to *"),
        ("--trunkline-examples=0", "--trunkline-examples is not a whole number from 1 to 1000000000"),
        ("--trunkline-max-requests=0", "--trunkline-max-requests is not a whole number from 1 to 1000000000"),
        *(
            (f"--trunkline-timeout={value}", "--trunkline-timeout is not a number above 0, at most 86400")
            for value in ("nan", "inf", "0", "1e10")
        ),
        ("--trunkline-rate=1e-300", "--trunkline-rate is not a number, at least 0.00028 (one an hour)"),
        *(
            (f"--trunkline-param={value}", "--trunkline-param is not a name, an equals sign and a value, all in UTF-8")
            for value in ("trunk_id", "trunk_id=", "=1", "trunk_id=\udcff")
        ),
        (
            "--trunkline-param=hush=1",
            "--trunkline-param *is the name of no path parameter here; *there are: *",
        ),
        ("--trunkline-update-baseline", "--trunkline-update-baseline writes the file of --trunkline-baseline; name it"),
        ("--trunkline-url=http://h/", "an implementation is one vendor's: name it with --trunkline-vendor"),
        (
            "--trunkline-vendor=" + "x" * 10_000,
            f"--trunkline-vendor: '{'x' * 40}' is not a vendor; there are: talkover, telepath",
        ),
        ("--trunkline-strictness=decision", "--trunkline-strictness is not documented, implied or customary"),
        ("--trunkline-vendor=nobody", "--trunkline-vendor: 'nobody' is not a vendor; there are: talkover, telepath"),
        (
            "--trunkline-fixtures=nowhere",
            "--trunkline-fixtures: '*nowhere' is not a folder; name one that has VENDOR/RECORDS.json or *",
        ),
        *(
            (
                f"--trunkline-coverage-fail-under={value}",
                "--trunkline-coverage-fail-under is not a number from 0 to 100",
            )
            for value in ("-1", "100.1", "nan", "80%", "")
        ),
        ("--trunkline-coverage-json=nowhere/c", "--trunkline-coverage-json: *c is in a folder that does not exist"),
        ("--trunkline-coverage-json=.", "--trunkline-coverage-json: * is a folder"),
        ("-otrunkline_allow_writes=maybe", "trunkline_allow_writes in the ini file is not true or false"),
        ("-otrunkline_rate=0", "trunkline_rate in the ini file is not a number, at least 0.00028 (one an hour)"),
    ],
    ids=lambda text: text[:32],
)
def test_a_wrong_option_is_one_sentence(configure: Configure, option: str, sentence: str) -> None:
    """It ends the run before any test, as pytest's own usage errors do."""
    with pytest.raises(pytest.UsageError) as caught:
        configure(option)
    pytest.LineMatcher([str(caught.value)]).fnmatch_lines([sentence])


def test_a_sentence_names_the_options_of_pytest() -> None:
    """An option that only commands have keeps its name."""
    sentence = "give --token-file or --url, or run trunkline check --fail-fast"
    assert spelled(sentence) == ("give --trunkline-token-file or --trunkline-url, or run trunkline check --fail-fast")
    assert spelled(spelled(sentence)) == spelled(sentence)


def test_a_missing_data_folder_is_one_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported like a wrong option."""
    monkeypatch.setenv("TRUNKLINE_DATA", "/nope")
    result = run("def test_one(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.lines[:1] == [
        "ERROR: trunkline: TRUNKLINE_DATA names '/nope', which has no folder schemas/; correct the path, or unset it"
    ]
    assert "Traceback" not in result.stderr.str()


def test_help_explains_options_marker_and_fixtures(run: Run) -> None:
    """With `--help`, `--markers` and `--fixtures`."""
    shown = run("", "--help").stdout.str()
    for option in ("fixtures", "trunks", "seed", "vendor", "url", "app", "token", "token-file", "param", "strictness"):
        assert f"--trunkline-{option}=" in shown
    assert "TRUNKLINE_TOKEN" in shown
    run("", "--markers").stdout.fnmatch_lines(
        ["@pytest.mark.trunkline(vendor, [*], *faults=*, scenario=NAME, intercept=*"]
    )
    listed = run("", "--fixtures").stdout
    listed.fnmatch_lines(["talkover [[]session scope[]] -- *", "*A mock of talkover on a port, fresh for each test*"])
    listed.fnmatch_lines(["telepath_target [[]session scope[]] -- *", "*A mock of telepath without sockets*"])


# --- imports and secrets ----------------------------------------------------------------------------------------------


def test_a_run_without_mocks_imports_nothing_heavy(run: Run) -> None:
    """The plugin's dependencies are imported when a test first needs a mock."""
    run(
        """
        import sys

        def test_one():
            heavy = {"starlette", "uvicorn", "hypothesis", "schemathesis", "jsonschema_rs", "rich"}
            assert not heavy & set(sys.modules)
            assert {name for name in sys.modules if name.startswith("trunkline.")} - {"trunkline.exchange"} == {
                "trunkline.errors", "trunkline.contract", "trunkline.contract.folders", "trunkline.contract.times",
                "trunkline.plugin", "trunkline.plugin.options", "trunkline.plugin.validate", "trunkline.report",
                "trunkline.report.titles", "trunkline.settings", "trunkline.settings.sources",
            }
        """
    ).assert_outcomes(passed=1)


def test_a_failed_test_shows_what_its_mock_refused(run: Run) -> None:
    """With the reason, what was ignored, and faults; but not the requests of a test before, or without a failure."""
    result = run(
        """
        def test_one(telepath):
            with pytest.raises(urllib.error.HTTPError):
                get(telepath, "/trunks?limit=0&api_key=hush")

        def test_two(telepath, talkover_target):
            telepath.fault("listTrunks", status=503, times=1)
            for query in ("limit=9", "limit=8", "limit=101", "limit=7&page=2"):
                try:
                    get(telepath, f"/trunks?{query}&api_key=hush")
                except urllib.error.HTTPError:
                    pass
            raise ValueError

        def test_three(telepath):
            raise ValueError
        """,
        "--tb=short",
    )
    result.assert_outcomes(passed=1, failed=2)
    out = result.stdout.str()
    assert "hush" not in out
    assert out.count("refusals, notices and faults") == 1
    result.stdout.fnmatch_lines(
        [
            "*- telepath: refusals, notices and faults -*",
            "*GET /v1/trunks?limit=9&api_key=[*][*][*] listTrunks 503 *; fault: 503*",
            "*GET /v1/trunks?limit=101&api_key=[*][*][*] listTrunks 400 *; refused: parameter_out_of_range; *",
            "*GET /v1/trunks?limit=7&page=2*; notice: `page` is not a parameter of listTrunks*",
        ]
    )
    assert "limit=0" not in out


def test_a_failure_shows_no_credential(run: Run) -> None:
    """Mock and recorded requests print no token, however a test fails."""
    result = run(
        """
        @pytest.mark.trunkline("telepath", tokens=["sk_live_" + "very_secret"])
        def test_one(telepath):
            get(telepath, "/trunks?limit=1")
            first, second = telepath.requests[0], telepath.target
            assert telepath.requests == [] or telepath == first

        @pytest.mark.trunkline("telepath", tokens=["sk_live_" + "very_secret"])
        def test_two(telepath):
            get(telepath, "/trunks?limit=1")
            get(telepath, "/trunks?limit=1")
            assert telepath.requests[0] == telepath.requests[1]
        """,
        *("-vv", "--showlocals", "--tb=short"),
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*<Request('GET', '/trunks?limit=1'*authorization=****> 200>*"])
    assert "very_secret" not in result.stdout.str().replace('["sk_live_" + "very_secret"]', "")


@pytest.mark.slow_for("full")
@pytest.mark.parametrize("options", [(), ("--full-trace",)], ids=["cut", "full"])
def test_a_failure_shows_no_secret_that_a_test_has_read(run: Run, options: tuple[str, ...]) -> None:
    """Neither credentials in headers nor secret fields of records and bodies, nor a secret sent in a query."""
    result = run(
        """
        @pytest.mark.trunkline("telepath", tokens=["sk_live_" + "very_secret"])
        def test_headers(telepath):
            get(telepath, f"/trunks?limit=1&key={telepath.token}")
            request = telepath.requests[0]
            headers = request.headers
            assert headers["authorization"] == "Bearer " + "sk_live_" + "very_secret"
            assert isinstance(headers["authorization"], str) and type(headers["host"]) is str
            shown = repr(request)
            assert request == 1

        @pytest.mark.trunkline("telepath", tokens=["sk_live_" + "very_secret"])
        def test_another_field(telepath_target):
            telepath_target(Request("GET", "/trunks", "", (("x-own", telepath_target.token), ("cookie", "a=" + "b"))))
            headers = telepath_target.requests[0].headers
            assert headers == {"cookie": "a=b", "x-own": telepath_target.token}
            assert headers == {}

        def test_body(telepath_target):
            def sent():
                own = [{"sipPassword": "hunter2-" + "hunter2"}]
                return json.dumps({"name": telepath_target.token, "sip_password": "hunter2-" + "hunter2", "own": own})
            telepath_target(Request("POST", "/trunks", "", (), sent().encode()))
            [request] = telepath_target.asked("createTrunk")
            body = request.json
            assert body == json.loads(sent())
            assert request.json == {}, (request, body)

        def test_trouble(telepath):
            telepath.trunks.add(sip_password="hunter2-" + "hunter2", status="busy")

        def test_trouble_of_a_client(telepath_target):
            telepath_target(Request("POST", "/trunks", "", (), b'{"sip_password": "hunter2-' + b'hunter2"'))
            telepath_target.requests[0].json

        def test_added(telepath):
            added = telepath.trunks.add({"sip_password": "hunter2-" + "hunter2"})
            changed = telepath.trunks.change(added["id"], sip_password="hunter2-" + "hunter2-again")
            assert changed["sip_password"] == "hunter2-" + "hunter2-again"
            get(telepath, "/trunks?limit=1&key=hunter2-" + "hunter2-again")
            assert telepath.requests == added, changed

        def test_asked(telepath_target):
            sent = lambda: json.dumps({"sip_password": "hunter2-" + "hunter2"}).encode()
            telepath_target(Request("POST", "/trunks", "", (("x-api-key", "hunter2-" + "hunter2"),), sent()))
            telepath_target.assert_asked(
                "createTrunk",
                json={"name": "hunter2-" + "hunter2", "sip_password": "hunter2-" + "hunter2-again"},
                headers={"x-api-key": "sk_live_" + "very_secret"},
                query={"token": "sk_live_" + "very_secret"},
            )

        def test_fault(telepath):
            telepath.fault("listTrunks", status=503, message="hunter2-" + "hunter2", zz=1)

        def test_asked_wrongly(telepath):
            telepath.assert_asked("createTrunk", json={"sip_password": "hunter2-" + "hunter2"}, times=-1)

        def test_records(talkover):
            trunks = talkover.trunks
            [secret] = [trunk["password"] for trunk in trunks if trunk.get("password") == "secret-" + "password"]
            assert json.loads(json.dumps(secret)) == "secret-" + "password"
            assert trunks == [] or trunks[0]["id"] == 3
        """,
        *("-vv", "--showlocals", *options),
    )
    result.assert_outcomes(failed=10)
    result.stdout.fnmatch_lines(["E *DataError: the fault*: there is no 'zz'*"])
    result.stdout.fnmatch_lines(["E *body/sip_password: expected [*][*][*], was [*][*][*] (they differ)"])
    result.stdout.fnmatch_lines(["E *UsageError: times must be a whole number*"])
    result.stdout.fnmatch_lines(["*'authorization': [*][*][*]*", "*'cookie': [*][*][*]*", "*'password': [*][*][*]*"])
    shown = result.stdout.str()
    assert "sk_live_very_secret" not in shown
    assert "secret-password" not in shown
    assert "hunter2-hunter2" not in shown
    result.stdout.fnmatch_lines(
        ['E *DataError: the record given for telepath\'s trunks#/status: "busy" is not one of *']
    )
    result.stdout.fnmatch_lines(["E *NotJSON: *at line 1, column *"])
    assert "a=b'" not in shown.replace("""{"cookie": "a=b\"""", "")


@pytest.mark.slow
def test_a_token_option_is_never_shown(run: Run) -> None:
    """Neither the header of the run nor a failure prints it."""
    result = run("def test_one(telepath, pytestconfig): assert telepath == 1", "--trunkline-token=very_secret", "-vv")
    result.assert_outcomes(failed=1)
    assert "very_secret" not in result.stdout.str()


def test_installing_is_enough() -> None:
    """The distribution's entry point names the plugin to pytest."""
    try:
        found = metadata.distribution("trunkline").entry_points.select(group="pytest11")
    except metadata.PackageNotFoundError:
        pytest.skip("trunkline is not installed here")
    assert [(entry.name, entry.value) for entry in found] == [("trunkline", "trunkline.plugin")]
