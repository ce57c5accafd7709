"""The judge of a proxy: it finds what is wrong, shows no secret, and `validate` judges its record as it did."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import trunkline
from tests.defects import DEFECTS, Defect
from tests.requests import bearer, body_of, request_of
from trunkline import mock
from trunkline.check.rules import RULES
from trunkline.contract import folders
from trunkline.errors import UsageError
from trunkline.exchange import Json, Request, Response
from trunkline.findings import Report
from trunkline.mock.loader import Vendor
from trunkline.report import FORMATS
from trunkline.report.run import RunInfo, curl_command
from trunkline.traffic.proxied import ProxyJudge, Upstreams
from trunkline.traffic.record_file import RecordFile
from trunkline.traffic.validation import validate_files
from trunkline.transport.judging import RawExchange, Verdict

FORMS = ("traffic.har", "traffic.ndjson")
ROOT = "http://127.0.0.1:9"


@cache
def vendor_of(name: str) -> Vendor:
    return trunkline.load(name)


def seen(request: Request, response: Response, *, root: str = ROOT, base: str = "", coding: str = "") -> RawExchange:
    """The exchange as it passes a proxy before `root`, with its body in a content coding."""
    codings: Mapping[str, Callable[[bytes], bytes]] = {"": bytes, "gzip": gzip.compress, "deflate": zlib.compress}
    body = codings[coding](response.body)
    fields = [field for field in response.headers if field[0] != "content-length"]
    fields += [("content-length", str(len(body))), *([("content-encoding", coding)] if coding else [])]
    return RawExchange(
        1_795_000_000.25,
        0.0125,
        request.method,
        f"{root}{base}{request.target}",
        tuple((name.encode(), value.encode("latin-1")) for name, value in request.headers),
        request.body,
        response.status,
        tuple((name.encode(), value.encode("latin-1")) for name, value in fields),
        b"" if request.method == "HEAD" else body,
    )


def requests(vendor: Vendor) -> Iterator[Request]:
    """Requests to each operation: one that succeeds, some that are refused, and some with other methods."""
    for operation in sorted(vendor.contract.operations, key=lambda operation: operation.method == "DELETE"):
        plain = request_of(vendor, operation)
        yield plain
        yield replace(plain, headers=bearer("sk_live_wrong_0123456789"))
        yield replace(plain, headers=())
        if operation.method == "GET":
            yield replace(plain, method="HEAD")
            for query in (
                "limit=1",
                "limit=0",
                "limit=1000",
                "status=active",
                "offset=1&limit=2",
                "page=2",
                "api_key=abc",
            ):
                yield replace(plain, query=query)
        if operation.body:
            yield replace(plain, body=b"{}")
            yield replace(plain, body=b"{")
    yield Request("GET", "/unknown", headers=bearer(vendor.world.token))


def traffic(vendor: Vendor, defect: Defect | None = None, **options: Any) -> list[RawExchange]:
    """The exchanges that pass for all requests, from a mock with a defect."""
    target = mock.from_vendor(vendor)
    broken = defect.break_(target) if defect else target
    base = vendor.contract.base_path
    found: list[RawExchange] = []
    for request in requests(vendor):
        with suppress(LookupError, TypeError, AttributeError, ValueError):  # a defect is made for one operation
            found.append(seen(request, broken(request), base=base, **options))
    return found


@contextmanager
def proxy_judge(vendor: Vendor, record: Path | None = None, base: str | None = None) -> Iterator[ProxyJudge]:
    """A judge, with a record or without one."""
    file = None if record is None else str(record)
    judge = ProxyJudge(vendor.name, f"{ROOT}{base or vendor.contract.base_path}", file, "customary")
    with closing(judge):
        yield judge


def judged(vendor: Vendor, passed: Iterable[RawExchange], record: Path | None = None) -> tuple[Report, list[Verdict]]:
    """The report and the verdicts on what passed."""
    with proxy_judge(vendor, record) as judge:
        verdicts = [judge.judge(one) for one in passed]
        return judge.report(), verdicts


def findings_of(report: Report) -> set[tuple[object, ...]]:
    """The content of a report, but for the values that may hold a secret."""
    return {(*finding.cause, finding.evidence.grade, finding.count) for finding in report.findings}


# --- the round trip ---------------------------------------------------------------------------------------------------


@pytest.mark.slow_for("talkover-gzip", "talkover-deflate")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("coding", ["", "gzip", "deflate"])
@pytest.mark.parametrize("name", folders.names())
def test_validate_judges_the_record_as_the_proxy_did(name: str, coding: str, form: str, tmp_path: Path) -> None:
    """For every operation, success and refusal of the mock: the same findings, exercised rules and statuses."""
    vendor, file = vendor_of(name), tmp_path / form
    live, verdicts = judged(vendor, traffic(vendor, coding=coding), file)
    report = validate_files(vendor, [str(file)])
    assert {verdict.reason for verdict in verdicts} == {"", "no_operation"}
    assert findings_of(live) == findings_of(report)
    assert live.exercised == report.exercised
    assert (live.reach.statuses, live.reach.codes, live.reach.inputs) == (
        report.reach.statuses,
        report.reach.codes,
        report.reach.inputs,
    )
    assert not live.failures(), live


def test_an_echo_stays_an_echo_beside_a_short_secret(tmp_path: Path) -> None:
    """A credential that comes back in a link is found in the record, also if a short secret is redacted beside it."""
    vendor, file = vendor_of("telepath"), tmp_path / FORMS[1]
    token = "sk_live_0123456789abcdef..."
    request = Request("GET", "/trunks", "api_key=abc", bearer(token))
    body = f'{{"trunks": [], "next": "/trunks?key={token}"}}'.encode()
    live, _ = judged(vendor, [seen(request, Response(200, (), body), base="/v1")], file)
    assert "credential_is_not_echoed" in {finding.rule for finding in live.findings}
    assert findings_of(live) == findings_of(validate_files(vendor, [str(file)]))


@pytest.mark.slow
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_the_record_of_a_wrong_upstream_is_judged_as_it_was(defect: Defect, tmp_path: Path) -> None:
    """Whatever is wrong, `validate` finds in the record what was found while it passed."""
    vendor, file = vendor_of(defect.vendor), tmp_path / FORMS[0]
    live, _ = judged(vendor, traffic(vendor, defect), file)
    assert findings_of(live) == findings_of(validate_files(vendor, [str(file)]))


UNSEEN = {"content_is_allowed", "secret_values_stay_hidden"}
"""Rules on what no HTTP client passes on (a body after HEAD), and on values that only a test knows."""


@pytest.mark.parametrize("rule", [rule.name for rule in RULES if rule.name not in UNSEEN])
def test_a_wrong_upstream_is_found_by_its_rule(rule: str, tmp_path: Path) -> None:
    """For each rule, an exchange with a seeded defect is found as it passes, and named: in the log, in the record."""
    file = tmp_path / "traffic.har"
    for defect in (defect for defect in DEFECTS if defect.caught_by == rule):
        vendor = vendor_of(defect.vendor)
        with proxy_judge(vendor) as judge:
            wrong = [one for one in traffic(vendor, defect) if rule in dict(judge.judge(one).rules)]
        if wrong:
            break
    live, (verdict,) = judged(vendor, wrong[:1], file)
    assert verdict.count == len(verdict.rules) == len(verdict.lines)
    (line,) = (line for line in verdict.lines if f" {rule} " in line)
    (finding, *_) = (finding for finding in live.findings if finding.rule == rule)
    assert line.startswith(f"finding: {finding.evidence.grade} {rule} {finding.operation}")
    assert line.endswith(finding.evidence.source)
    assert finding.sources == (f"{file}:2 (#/log/entries/0)",)
    assert findings_of(live) == findings_of(validate_files(vendor, [str(file)]))


def test_a_repeated_cause_is_counted_and_not_logged_again() -> None:
    """Only the first exchange with a cause has a line; each has its findings counted."""
    vendor = vendor_of("telepath")
    (request,) = (one for one in requests(vendor) if one.target == "/trunks?limit=1")
    wrong = seen(request, Response(200, (("content-type", "application/json"),), b"[]"), base="/v1")
    live, verdicts = judged(vendor, [wrong] * 3)
    assert [len(verdict.lines) for verdict in verdicts] == [verdicts[0].count, 0, 0]
    assert {verdict.count for verdict in verdicts} == {verdicts[0].count} != {0}
    assert {finding.count for finding in live.findings} == {3}


@pytest.mark.parametrize("form", FORMS)
def test_a_write_that_must_be_refused_is_judged_by_its_request(form: str, tmp_path: Path) -> None:
    """Nothing is filtered out of what passes: an invalid write that gets a success is a finding, also in the record."""
    vendor, file = vendor_of("telepath"), tmp_path / form
    create = next(request for request in requests(vendor) if request.method == "POST" and request.body == b"{}")
    created = next(one for one in traffic(vendor) if (one.method, one.status) == ("POST", 201))
    one = seen(create, Response(201, (("content-type", "application/json"),), created.response_body), base="/v1")
    live, _ = judged(vendor, [one], file)
    assert "refuses_invalid" in {finding.rule for finding in live.findings}
    assert findings_of(live) == findings_of(validate_files(vendor, [str(file)]))


@pytest.mark.parametrize("form", FORMS)
def test_a_request_without_a_credential_is_judged_as_one(form: str, tmp_path: Path) -> None:
    """An operation that needs a credential must not answer without one; with a short one, nobody knows."""
    vendor, file = vendor_of("telepath"), tmp_path / form
    listing = next(one for one in traffic(vendor) if one.url.endswith("/trunks") and one.status == 200)
    answers = [listing._replace(request_headers=fields) for fields in ((), ((b"authorization", b"Bearer abc"),))]
    live, verdicts = judged(vendor, answers, file)
    assert ["refuses_invalid" in dict(verdict.rules) for verdict in verdicts] == [True, False]
    assert findings_of(live) == findings_of(validate_files(vendor, [str(file)]))


def test_notes_do_not_count_at_the_default_strictness() -> None:
    """The number of findings is that of those that fail a run; a note has a line of its own."""
    judge = ProxyJudge("telepath", f"{ROOT}/v1", None, "documented")
    request = next(requests(vendor_of("telepath")))
    one = seen(request, mock.from_vendor(vendor_of("telepath"))(request), base="/v1")
    verdict = judge.judge(one._replace(response_headers=(*one.response_headers, (b"date", b"yesterday"))))
    assert verdict.count == 0
    assert [line.partition(":")[0] for line in verdict.lines] == ["note"] * len(verdict.rules) != []


# --- which requests are judged ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "url", "operation"),
    [
        ("https://x/v1", "https://x/v1/trunks?a=b", "listTrunks"),
        ("http://127.0.0.1:8", "http://127.0.0.1:8/trunks", "listTrunks"),
        ("http://127.0.0.1:8", "http://127.0.0.1:8/v1/trunks", "listTrunks"),
        ("https://x/gateway/v1", "https://x/gateway/v1/trunks", "listTrunks"),
        ("https://x/gateway", "https://x/gateway/trunks/conn_1", ""),
        ("https://x/gateway", "https://x/gateway/calls/1", "getCall"),
        ("https://x/gateway", "https://x/gateways/trunks", ""),
        ("https://x/v1", "https://x/v1", ""),
        ("https://x/v1", "https://x//[", ""),
    ],
)
def test_the_upstream_stands_for_the_vendors_address(base: str, url: str, operation: str) -> None:
    """Requests below the upstream's base address are those of the contract, whatever its path is."""
    assert Upstreams(vendor_of("telepath").contract, base).operation_id("GET", url) == operation


def test_an_upstream_behind_another_path_is_judged() -> None:
    """An upstream without the vendor's base path is judged as one with it."""
    vendor = vendor_of("telepath")
    request = next(requests(vendor))
    with proxy_judge(vendor, base="/gateway") as judge:
        verdict = judge.judge(seen(request, mock.from_vendor(vendor)(request), base="/gateway"))
    assert verdict.reason == ""
    assert ("listCalls", 200) in judge.report().reach.statuses or ("listTrunks", 200) in judge.report().reach.statuses


@pytest.mark.parametrize("base", ["", "/v1"])
def test_a_command_has_the_address_of_the_upstream(base: str) -> None:
    """With the base path of the vendor, whether or not the upstream was named with it; writes have no command."""
    root = "https://upstream.example"
    judge, run = ProxyJudge("telepath", f"{root}{base}", None, "customary"), RunInfo("telepath", f"{root}{base}")
    for method in ("GET", "POST"):
        request = Request(method, "/trunks", headers=bearer("sk_live_0123456789"))
        judge.judge(seen(request, Response(200, (), b"{}"), root=root, base="/v1"))
    report = judge.report()
    commands = {found.operation: curl_command(found, report, run) for found in report.findings}
    assert commands == {
        "listTrunks": f"curl -sSig --path-as-is -H \"authorization: Bearer $TRUNKLINE_TOKEN\" '{root}/v1/trunks'",
        "createTrunk": "",
    }


def test_only_the_named_operations_are_judged() -> None:
    """With `operations`, others are counted as not judged."""
    vendor = vendor_of("telepath")
    judge = ProxyJudge("telepath", f"{ROOT}/v1", None, "implied", ("listTrunks",))
    for one in traffic(vendor):
        judge.judge(one)
    assert {name for name, _ in judge.report().reach.statuses} == {"listTrunks"}
    with pytest.raises(UsageError, match="listTrunk"):
        ProxyJudge("telepath", f"{ROOT}/v1", None, "implied", ("listTrunk",))


@pytest.mark.parametrize(
    ("status", "fields", "body"),
    [
        (302, ((b"location", b"/elsewhere"),), b""),
        (200, ((b"content-encoding", b"br"),), b"\x8b\x01\x80"),
        (200, ((b"content-encoding", b"gzip"),), gzip.compress(b"[" + b" " * (65 << 20) + b"]")),
        (200, (), b"[" * 10_000 + b"]" * 10_000),
    ],
)
def test_what_cannot_be_judged_is_said_to_be_so(status: int, fields: Any, body: bytes) -> None:
    """A redirection, an unknown coding, a decompression bomb and deep nesting are no findings."""
    vendor = vendor_of("telepath")
    request = next(one for one in requests(vendor) if one.target == "/trunks")
    one = seen(request, Response(status), base="/v1")
    headers = (*(pair for pair in one.response_headers if pair[0] != b"content-length"), *fields)
    _, (verdict,) = judged(vendor, [one._replace(response_headers=headers, response_body=body)])
    assert verdict.reason == "unjudgeable"


# --- secrets ----------------------------------------------------------------------------------------------------------

TOKEN, PASSWORD, KEY = "canary_token_81723645", "canary-Pa55word-9182", "canary_key_5647382910"
CANARIES = (TOKEN, PASSWORD, KEY)


def canaries() -> Iterator[RawExchange]:
    """Exchanges that carry the canaries wherever traffic may: headers, query, bodies, and answers that echo them."""
    vendor = vendor_of("telepath")
    create = next(operation for operation in vendor.contract.operations if operation.method == "POST")
    body = {**body_of(create), "sip_password": PASSWORD, "openai_api_key": KEY}
    headers = (
        ("authorization", f"Bearer {TOKEN}"),
        ("x-api-key", KEY),
        ("cookie", f"sid={TOKEN}; theme=dark"),
        ("referer", f"https://user:{PASSWORD}@app.example.com/?token={TOKEN}"),
        ("content-type", "application/json"),
    )
    echo = {"id": "conn_1", "sip_password": PASSWORD, "note": f"{TOKEN} {KEY}", "list": [{"api_key": KEY}], "pin": 1234}
    answers = [
        Response(
            201, (("content-type", "application/json"), ("set-cookie", f"sid={TOKEN}")), json.dumps(echo).encode()
        ),
        Response(400, (("x-debug", f"Bearer {TOKEN}"),), f"<p>{TOKEN} {PASSWORD} {KEY}".encode()),
        Response(200, (("location", f"/x?api_key={KEY}"),), json.dumps(echo).encode()[:-20]),
        Response(500, (), f'{{"error": "{TOKEN}", "{KEY}": "{PASSWORD}"}}'.encode()),
    ]
    for answer in answers:
        for method, query, sent in (("POST", "", json.dumps(body).encode()), ("GET", f"token={TOKEN}&key={KEY}", b"")):
            yield seen(Request(method, "/trunks", query, headers, sent), answer, base="/v1")
        form = f"sip_password={PASSWORD}&api_key={KEY}".encode()
        yield seen(Request("POST", f"/trunks;token={TOKEN}", "", headers, form), answer, base="/v1")
        yield seen(Request("PUT", f"/other/{TOKEN}", "", headers, b"\xff" + form), answer, base="", coding="gzip")


def forms(secret: str) -> Iterator[bytes]:
    """A secret as it may be written."""
    yield secret.encode()
    yield secret[::-1].encode()
    yield base64.b64encode(secret.encode()).rstrip(b"=")[:-1]
    yield secret.encode().hex().encode()


@pytest.mark.parametrize("form", FORMS)
def test_no_secret_is_in_any_output(form: str, tmp_path: Path) -> None:
    """Canaries are in no line of the log, no report in any format, and no record."""
    vendor, file = vendor_of("telepath"), tmp_path / form
    live, verdicts = judged(vendor, canaries(), file)
    assert sum(verdict.count for verdict in verdicts) > 10
    run = RunInfo("telepath", "http://127.0.0.1:9/v1", secrets=frozenset(vendor.contract.secrets))
    outputs = {name: render(live, run).encode() for name, render in FORMATS.items()}
    outputs |= {"log": "\n".join(line for verdict in verdicts for line in verdict.lines).encode()}
    outputs |= {"record": file.read_bytes(), "report": repr(live.findings).encode() + repr(live).encode()}
    for name, output in outputs.items():
        assert output, name
        for canary in CANARIES:
            assert [written for written in forms(canary) if written.lower() in output.lower()] == [], (name, canary)


def test_a_secret_is_redacted_in_later_exchanges(tmp_path: Path) -> None:
    """A password that one request sent is redacted in the answer to another one, under whatever name it is."""
    vendor, file = vendor_of("telepath"), tmp_path / FORMS[1]
    create, other = next(canaries()), next(iter(traffic(vendor)))
    judged(vendor, [create, other._replace(response_body=f'{{"note": "{PASSWORD}"}}'.encode())], file)
    assert PASSWORD not in file.read_text("utf-8")
    assert len(file.read_text("utf-8").splitlines()) == 2


def test_short_secrets_are_replaced_in_the_record(tmp_path: Path) -> None:
    """Secrets of one to three characters are replaced under their names, and in the fields of credentials."""
    vendor, file = vendor_of("telepath"), tmp_path / FORMS[1]
    request = Request(
        "POST",
        "/trunks",
        "api_key=k7",
        (("authorization", "Bearer b8"), ("x-api-key", "q9")),
        b'{"sip_password": "p5"}',
    )
    judged(vendor, [seen(request, Response(200, (), b'{"token": "t3", "pin": 42}'), base="/v1")], file)
    row = json.loads(file.read_bytes())
    sent, received = json.loads(row["request"]["body"]), json.loads(row["response"]["body"])
    fields = dict(map(tuple, row["request"]["headers"]))
    query = row["request"]["url"].partition("api_key=")[2]
    values = (query, fields["authorization"], fields["x-api-key"], sent["sip_password"], received["token"])
    for value, secret in zip(values, ("k7", "Bearer b8", "q9", "p5", "t3"), strict=True):
        assert len(value) == len(secret)
        assert value[-2] != secret[-2]
        assert value[-1] != secret[-1]
    assert received["pin"] != 42


def test_a_body_that_may_hide_secrets_is_not_recorded(tmp_path: Path) -> None:
    """A body whose coding is broken is judged, and left out of the record: it could be decoded in part."""
    vendor, file = vendor_of("telepath"), tmp_path / FORMS[1]
    one = traffic(vendor, coding="gzip")[0]
    _, (verdict,) = judged(vendor, [one._replace(response_body=one.response_body[:-9] + b"\xff" * 9)], file)
    assert "body_is_json" in dict(verdict.rules)
    assert file.read_bytes() == b""


# --- the file ---------------------------------------------------------------------------------------------------------


def test_a_har_file_is_whole_after_each_exchange(tmp_path: Path) -> None:
    """At any time the file is JSON, with the entries so far."""
    vendor, file = vendor_of("telepath"), tmp_path / "traffic.har"
    with proxy_judge(vendor, file) as judge:
        assert json.loads(file.read_bytes())["log"]["entries"] == []
        for number, one in enumerate(traffic(vendor)[:5], 1):
            judge.judge(one)
            log: Json = json.loads(file.read_bytes())["log"]
            assert len(log["entries"]) == number
    assert (log["version"], log["creator"]["name"]) == ("1.2", "trunkline")
    assert log["entries"][0]["startedDateTime"] == "2026-11-18T11:06:40.250Z"
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="cannot be continued"), proxy_judge(vendor, file):
        pass


def test_an_ndjson_file_is_continued(tmp_path: Path) -> None:
    """A second run appends, also after a last line without its end; places count all lines."""
    vendor, file = vendor_of("telepath"), tmp_path / "traffic.ndjson"
    file.write_bytes(b"{}\n{}")
    wrong = next(canaries())
    live, _ = judged(vendor, [wrong, wrong], file)
    assert len(file.read_bytes().splitlines()) == 4
    assert live.findings[0].sources == (f"{file}:3", f"{file}:4")
    row = json.loads(file.read_bytes().splitlines()[2])
    assert (row["time"], row["duration_ms"]) == ("2026-11-18T11:06:40.250Z", 12.5)
    assert row["request"]["url"] == "http://127.0.0.1:9/v1/trunks"
    assert "secrets_stay_hidden" in row["findings"]


def test_bodies_that_are_no_text_are_in_base64(tmp_path: Path) -> None:
    """A body that is not UTF-8 is written so that no byte is lost."""
    vendor = vendor_of("telepath")
    one = traffic(vendor)[0]._replace(response_body=b"\x00\xff")
    for form in FORMS:
        judged(vendor, [one], tmp_path / form)
    entry = json.loads((tmp_path / FORMS[0]).read_bytes())["log"]["entries"][0]["response"]["content"]
    assert (base64.b64decode(entry["text"]), entry["encoding"]) == (b"\x00\xff", "base64")
    row = json.loads((tmp_path / FORMS[1]).read_bytes())["response"]
    assert base64.b64decode(row["body_base64"]) == b"\x00\xff"


@pytest.mark.parametrize("file", ["traffic.txt", "traffic", "missing/traffic.har", ""])
def test_a_file_that_cannot_be_written_is_refused(file: str, tmp_path: Path) -> None:
    """One sentence names the option and the file, before anything is passed on."""
    with pytest.raises(UsageError, match="--record: "):
        ProxyJudge("telepath", f"{ROOT}/v1", str(tmp_path / file) if file else "", "implied")


def test_a_bug_in_judging_one_exchange_keeps_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named without its text, which may hold a secret."""

    def judge(one: RawExchange) -> Verdict:
        if one.status == 500:
            raise ValueError("hunter2")
        return Verdict(1)

    judging = ProxyJudge("telepath", "http://x/v1", None, "implied")
    monkeypatch.setattr(judging, "judge", judge)
    one = RawExchange(0.0, 0.0, "GET", "http://x/v1/trunks", (), b"", 200, (), b"")
    first, second, third = judging.judge_all([one, one._replace(status=500), one])
    assert first == third == Verdict(1)
    assert second.reason == "failed"
    assert second.lines == ("an exchange was not judged: ValueError was not expected; this is a bug in trunkline",)


@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk_ends_the_record_and_not_the_judging(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says that the record ends; the file is whole, and exchanges are judged on."""
    vendor, file = vendor_of("telepath"), tmp_path / form
    with proxy_judge(vendor, file) as judge:
        one = traffic(vendor)[0]
        judge.judge(one)
        before = file.read_bytes()

        def full(record: RecordFile, data: bytes) -> None:
            if len(data) > 20:
                record._file.write(data[:10])
                raise OSError(28, "No space left on device")
            record._file.write(data)

        monkeypatch.setattr(RecordFile, "_write", full)
        verdicts = [judge.judge(one) for _ in range(2)]
    assert [verdict.lines for verdict in verdicts] == [
        (f"the record {file} ends here, for it cannot be written: no space left on device",),
        (),
    ]
    assert file.read_bytes() == before
    assert judge.report().reach.statuses.total() == 3
