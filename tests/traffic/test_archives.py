"""Tests of `trunkline.traffic.archives`: entries of HAR files and cassettes become exchanges."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.recordings import PAGE, TYPE, URL, entries_of, har
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Json
from trunkline.mock import loader
from trunkline.report import FORMATS
from trunkline.report.run import RunInfo
from trunkline.traffic import WHOLE, archives
from trunkline.traffic.recorded import Entry
from trunkline.traffic.sources import read_entries
from trunkline.traffic.validation import validate_files

TELEPATH = loader.load("telepath").contract
BEARER = "Bearer sk_live_0123456789"


def cassette(shown: Json = None, *, key: str = "interactions", **request: Json) -> Json:
    """A cassette of one exchange."""
    asked = {
        "method": "GET",
        "uri": URL,
        "headers": {"Authorization": [BEARER]},
        "body": None,
        **request,
    }
    answer = {"status": {"code": 200, "message": "OK"}, "headers": {TYPE[0]: [TYPE[1]]}, "body": shown}
    return {key: [{"request": asked, "response": answer}], "version": 1}


def entries(value: Json, *bases: str) -> list[Entry]:
    """The entries of a recording."""
    try:
        data = json.dumps(value).encode()
    except TypeError:  # it holds bytes
        data = yaml.safe_dump(value).encode()
    return entries_of(data, TELEPATH, bases)


def exchange(value: Json) -> Exchange:
    """The only exchange of a recording. Raises the error if it cannot be judged."""
    [(_, _, found)] = entries(value)
    if isinstance(found, UsageError):
        raise found
    return found


CODED = base64.b64encode(PAGE.encode()).decode()
GZIPPED = cassette({"string": gzip.compress(PAGE.encode())})
GZIPPED["interactions"][0]["response"]["headers"]["Content-Encoding"] = ["gzip"]
BETAMAX = cassette({"encoding": None, "base64_string": CODED}, key="http_interactions", body={"string": ""})
RECORDINGS = {
    "har": ("#/log/entries/0", har(sent=(("Authorization", BEARER), (":authority", "api.telepathvoice.com")))),
    "har in base64": ("#/log/entries/0", har(CODED, encoding="base64", sent=(("authorization", BEARER),))),
    "vcrpy": ("#/interactions/0", cassette({"string": PAGE})),
    "vcrpy, bytes": ("#/interactions/0", cassette({"string": PAGE.encode()})),
    "vcrpy, gzip": ("#/interactions/0", GZIPPED),
    "betamax": ("#/http_interactions/0", BETAMAX),
    "VCR": (
        "#/http_interactions/0",
        cassette({"string": PAGE}, key="http_interactions", headers={"Authorization": BEARER}),
    ),
}


@pytest.mark.parametrize(("place", "value"), RECORDINGS.values(), ids=RECORDINGS)
def test_an_exchange_is_read_whole(place: str, value: Json) -> None:
    """Each with its own request, which is known by the path below the base address."""
    [(at, time, found)] = entries(value)
    assert (at.partition(" ")[2], time) == (f"({place})", None)
    assert isinstance(found, Exchange)
    assert (found.request.method, found.request.target, found.known) == ("GET", "/trunks?limit=10", WHOLE)
    assert found.request.headers == (("authorization", BEARER),)
    assert (found.response.status, found.response.body) == (200, PAGE.encode())
    assert found.response.header("content-type") == "application/json"


def test_a_file_is_read_whatever_else_it_holds() -> None:
    """Browsers nest the stack of the script that asked deeper than any body may be."""
    value = har()
    value["log"]["entries"][0]["_initiator"] = json.loads('{"parent":' * 200 + "1" + "}" * 200)
    assert isinstance(exchange(value), Exchange)


def test_an_entry_has_the_time_of_its_request() -> None:
    """As the recording states it; else that of the response, by its `date`."""
    dated = (TYPE, ("Date", "Thu, 01 Jan 1970 00:01:00 GMT"))
    value = har(received=dated)
    assert [entry.time for entry in entries(value)] == [60]
    value["log"]["entries"][0]["startedDateTime"] = "1970-01-01T01:00:30.500+01:00"
    assert [entry.time for entry in entries(value)] == [30.5]
    value["log"]["entries"][0]["response"]["status"] = 0
    assert [entry.time for entry in entries(value)] == [30.5], "also of one that cannot be judged"
    recorded = cassette({"string": PAGE})
    recorded["interactions"][0]["recorded_at"] = "1970-01-01T00:00:09"
    assert [entry.time for entry in entries(recorded)] == [9]


@pytest.mark.parametrize("value", ["", "REDACTED", "[filtered]", "Bearer REDACTED_CREDENTIAL", "Bearer abc"])
def test_a_credential_that_was_filtered_out_is_not_known(value: str) -> None:
    """Browsers and cassettes leave it out; so its absence is not held against the API."""
    sent = (("Authorization", value),) if value else ()
    found = exchange(har(sent=(*sent, ("accept", "*/*"))))
    lower = tuple(("authorization", value) for _, value in sent)
    assert found.request.headers == (("authorization", "Bearer x"), *lower, ("accept", "*/*"))
    assert found.request.header("authorization") == "Bearer x"
    assert found.known == WHOLE
    refused = exchange(har(sent=sent, url=URL.replace("limit=10", "limit=0"), status=401))
    assert refused.known == WHOLE - {"request"}, "it may have been refused for its credential or for its limit"


def test_a_credential_that_looks_filtered_out_is_redacted(tmp_path: Path) -> None:
    """It may be a real one, which is short or has no digit."""
    file = tmp_path / "a.har"
    page = PAGE.replace("10", '"c4n4ry-short"', 1)
    file.write_text(json.dumps(har(page, sent=(("Authorization", "Bearer c4n4ry-short"),))), "utf-8")
    report = validate_files(loader.load("telepath"), [str(file)])
    assert report.failures()
    assert "c4n4ry" not in FORMATS["json"](report, RunInfo("telepath"))


def test_a_write_whose_body_was_filtered_is_not_known() -> None:
    """A body without its secret would have been refused; the response is judged without its request."""
    whole = {"name": "n", "ai_provider": "openai", "openai_api_key": "sk-0123456789", "sip_username": "u"}
    url = "https://api.telepathvoice.com/v1/trunks"
    sent = (("content-type", "application/json"),)
    for body, known in ((json.dumps({"name": "n"}), WHOLE - {"request"}), (None, WHOLE - {"request"})):
        assert exchange(har(method="POST", url=url, sent=sent, post=body)).known == known
    accepted = [name for name in TELEPATH.operation("createTrunk").inputs if name in whole]
    post = json.dumps({name: whole[name] for name in accepted} | {"sip_password": "secret-password-1"})
    assert exchange(har(method="POST", url=url, sent=sent, post=post)).known == WHOLE


def test_a_recording_without_response_headers_says_nothing_about_them() -> None:
    """They were filtered out: no response has none."""
    assert exchange(har(received=())).known == WHOLE - {"headers"}


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("HEAD", 400), ("GET", 304), ("GET", 302), ("GET", 204)])
def test_a_response_without_content_is_not_cut_off(method: str, status: int) -> None:
    """The content-length of an answer to HEAD, or with 304, is that of a body that was not sent."""
    length = ("Content-Length", "5198")
    for value in (har("", method=method, status=status, received=(TYPE, length)),
                  har(None, method=method, status=status, received=(TYPE, length), size=5198)):  # fmt: skip
        found = exchange(value)
        assert (found.request.method, found.response.status, found.response.body) == (method, status, b"")
    recorded = cassette({"string": ""}, method=method)
    recorded["interactions"][0]["response"] |= {"headers": {"content-length": ["5198"]}, "status": {"code": status}}
    assert exchange(recorded).response.body == b""


BAD: dict[str, tuple[Any, str]] = {
    "blocked": (har(status=0), "it has no response"),
    "without content": (har(None, size=60), "save the HAR with content"),
    "without content and size": (har(None, size=0, received=(("content-length", "60"),)), "save the HAR with content"),
    "brotli": (
        har(base64.b64encode(b"\x8b\xff").decode(), encoding="base64", received=(("content-encoding", "br"),)),
        "br",
    ),
    "no request": ({"log": {"entries": [{}]}}, "it has no request and response"),
    "no object": ({"log": {"entries": [3]}}, "it has no request and response"),
    "odd header": (
        {"interactions": [{**cassette()["interactions"][0], "request": {"headers": {"a": 1}}}]},
        "it has no",
    ),
    "bad base64": (cassette({"base64_string": "a"}), "it has no request and response"),
    "bad address": (har(url="http://[x/v1"), "it has no request and response"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_entry_that_cannot_be_judged_is_an_error_at_its_place(name: str) -> None:
    """The other entries are read all the same."""
    value, reason = BAD[name]
    [(_, _, found)] = entries(value)
    assert isinstance(found, UsageError)
    assert reason in str(found)


# --- exports of tools that are not run here ---------------------------------------------------------------------------

SENT = [{"name": "Authorization", "value": BEARER}]
RECEIVED = [{"name": "content-type", "value": "application/json"}, {"name": "content-encoding", "value": "gzip"}]
FIREFOX: Json = {
    "pageref": "page_1",
    "startedDateTime": "2026-11-28T19:00:00.250+01:00",
    "request": {
        "bodySize": 0,
        "method": "GET",
        "url": URL,
        "httpVersion": "HTTP/2",
        "headers": SENT,
        "cookies": [],
        "queryString": [{"name": "limit", "value": "10"}],
        "headersSize": 431,
    },
    "response": {
        "status": 200,
        "statusText": "",
        "httpVersion": "HTTP/2",
        "headers": RECEIVED,
        "cookies": [],
        "content": {"mimeType": "application/json", "size": len(PAGE), "text": PAGE},
        "redirectURL": "",
        "headersSize": 300,
        "bodySize": 390,
    },
    "cache": {},
    "timings": {"wait": 21},
    "time": 21,
    "_securityState": "secure",
    "serverIPAddress": "192.0.2.1",
}
INSOMNIA: Json = {
    "startedDateTime": "2026-11-28T18:00:00.250Z",
    "time": 21,
    "request": {
        "method": "GET",
        "url": URL,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": SENT,
        "queryString": [],
        "postData": {"mimeType": "", "text": ""},
        "headersSize": -1,
        "bodySize": -1,
    },
    "response": {
        "status": 200,
        "statusText": "OK",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": RECEIVED,
        "content": {"size": len(PAGE), "mimeType": "application/json", "text": PAGE},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": -1,
    },
    "cache": {},
    "timings": {"send": 0, "wait": 21, "receive": 0},
    "comment": "List trunks",
}


@pytest.mark.parametrize("entry", [FIREFOX, INSOMNIA], ids=["Firefox", "Insomnia"])
def test_exports_of_tools_that_are_not_run_here_are_read(entry: Json) -> None:
    """In the shape that their sources give them: decoded bodies under the header fields of coded ones."""
    [(place, time, found)] = entries({"log": {"version": "1.2", "creator": {"name": "x"}, "entries": [entry]}})
    assert isinstance(found, Exchange)
    assert (place, time) == (":1 (#/log/entries/0)", 1795888800.25)
    assert (found.request.target, found.response.body, found.known) == ("/trunks?limit=10", PAGE.encode(), WHOLE)


def test_firefox_leaves_bodies_out_with_a_comment() -> None:
    """Then the entry says how to save it."""
    content = {"mimeType": "application/json", "size": len(PAGE), "comment": "Response body is not included."}
    entry = {**FIREFOX, "response": {**FIREFOX["response"], "content": content}}
    [(_, _, found)] = entries({"log": {"entries": [entry]}})
    assert str(found) == "it has no body; save the HAR with content"


def attached(folder: Path, name: str, body: str = PAGE) -> Exchange | UsageError:
    """The exchange of a HAR file whose body is in another file, both saved in a folder."""
    file = folder / "a.har"
    file.write_text(json.dumps(har(None, size=len(body), _file=name)), "utf-8")
    [(_, _, found)] = read_entries(str(file), TELEPATH)
    return found


def test_an_attached_body_is_read(tmp_path: Path) -> None:
    """Playwright saves it beside the HAR file, under its hash."""
    name = f"{hashlib.sha1(PAGE.encode(), usedforsecurity=False).hexdigest()}.json"
    (tmp_path / name).write_text(PAGE)
    found = attached(tmp_path, name)
    assert isinstance(found, Exchange)
    assert found.response.body == PAGE.encode()
    assert validate_files(loader.load("telepath"), [str(tmp_path)]).reading.judged == {str(tmp_path / "a.har"): 1}


EMBED = 'record the HAR with content: "embed"'
NO_HASH = f"its body is in another file, whose name is not a hash of it; {EMBED}"


@pytest.mark.parametrize("name", ["secrets.json", "/etc/passwd", f"../{'0' * 40}.json", f"{'0' * 40}.json/x", None, 7])
def test_no_other_file_is_read(tmp_path: Path, name: Any) -> None:
    """A HAR file could name any, also one outside its folder."""
    (tmp_path / "secrets.json").write_text(PAGE)
    assert str(attached(tmp_path, name)) == NO_HASH


def test_an_attached_body_is_as_it_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, it has its hash, and it is no longer than an entry may be."""
    name = f"{'0' * 40}.json"
    assert str(attached(tmp_path, name)) == f"its body is in {name}, which is not beside the HAR file; {EMBED}"
    (tmp_path / name).write_text(PAGE)
    assert str(attached(tmp_path, name)) == f"its body, in {name}, was changed after it was saved; {EMBED}"
    monkeypatch.setattr(archives, "LONGEST_ENTRY", 9)
    assert str(attached(tmp_path, name)) == f"its body, in {name}, is more than 9 bytes long"
