"""Files that real tools write are read: each is asked for the same answers of a mock, of which one is wrong.

Firefox and Insomnia are not run here: `test_archives.py` has files in the shape that they are known to write.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import requests
import trunkline
from tests.requests import body_of
from tests.servers import QuietHandler, free_port, listening, trunk
from trunkline import asgi, mock
from trunkline.contract import export
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Request, Response, resolve
from trunkline.findings import Finding, Report
from trunkline.report import FORMATS
from trunkline.report.run import RunInfo
from trunkline.traffic import plain_yaml
from trunkline.traffic.sources import read_entries
from trunkline.traffic.validation import validate_files
from trunkline.transport import server

VENDOR = trunkline.load("telepath")
TOKEN = VENDOR.world.token
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
WRONG = "limit=2"
"""The query to which the answer is wrong."""
LIMITS = (("x-ratelimit-limit", "100"), ("x-ratelimit-remaining", "99"), ("x-ratelimit-reset", "1795888800"))
QUERIES = ("limit=1", WRONG, "limit=3")


@pytest.fixture
def url() -> Iterator[str]:
    """The address of a list of trunks whose second page has its limit as a text; `limit=0` is not refused."""
    target = mock.from_vendor(VENDOR)

    def wrong(request: Request) -> Response:
        response = target(replace(request, query="limit=1") if request.query == "limit=0" else request)
        if request.query not in (WRONG, "status=active"):
            return response
        body = re.sub(rb'"limit":([0-9]+)', rb'"limit":"\1"', response.body)
        return replace(response, headers=(("content-type", "application/json"), *LIMITS), body=body)

    with server.running(asgi.application(wrong, base="/v1")) as root:
        yield f"{root}/v1/trunks"


def judged(file: Path, *names: str) -> Report:
    """The report about a file. It does not hold the token."""
    report = validate_files(VENDOR, [str(file)], names)
    assert TOKEN not in FORMATS["text"](report, RunInfo("telepath"))
    return report


def the_finding(file: Path, count: int) -> Finding:
    """The only failing finding about a file, in which so many answers are judged: that about the wrong one."""
    report = judged(file)
    assert report.reading.not_judged == {}
    assert report.reading.judged == {str(file): count}
    (finding,) = report.failures()
    assert (finding.rule, finding.at, finding.count) == ("body_matches_schema", "body/pagination/limit", 1)
    return finding


def place(file: Path, finding: Finding) -> tuple[int, str]:
    """The line and the JSON Pointer of the only place of a finding."""
    (source,) = finding.sources
    found = re.fullmatch(rf"{re.escape(str(file))}:([0-9]+)(?: \(#(.*)\))?", source)
    assert found, source
    return int(found[1]), found[2] or ""


def lines_of(file: Path) -> list[str]:
    """The lines of a file; the carriage returns of curl's progress do not end one."""
    return file.read_bytes().decode().split("\n")


def query_at(file: Path, line: int) -> str:
    """The query of the first request from a line on."""
    found = re.search(r"limit=[0-9]", "\n".join(lines_of(file)[line - 1 :]))
    return found[0] if found else ""


def ask(session: requests.Session, url: str) -> None:
    """Send the queries, and create a trunk."""
    for query in QUERIES:
        session.get(f"{url}?{query}", headers=HEADERS, timeout=10)
    session.post(url, json=body_of(VENDOR.contract.operation("createTrunk")), headers=HEADERS, timeout=10)


# --- curl -------------------------------------------------------------------------------------------------------------


needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not on the PATH")


@pytest.fixture
def curl(tmp_path: Path, url: str) -> Callable[..., Path]:
    """Save both outputs of curl, which sends all queries."""

    def curl(*options: str) -> Path:
        file = tmp_path / "saved.txt"
        urls = [f"{url}?{query}" for query in QUERIES]
        with file.open("wb") as output:
            command = ["curl", "--noproxy", "*", "-H", f"Authorization: Bearer {TOKEN}", *options, *urls]
            subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=True, timeout=30)
        return file

    return curl


@needs_curl
@pytest.mark.parametrize("options", ["-sv", "-v", "-siv", "-sv --http1.0", "-sv --compressed", "-sv --raw"])
def test_curl_v(curl: Callable[..., Path], options: str) -> None:
    """Requests, answers and notes in one file; the place of the finding is the line of its request."""
    file = curl(*options.split())
    line, pointer = place(file, the_finding(file, 3))
    assert pointer == ""
    assert f"> GET /v1/trunks?{WRONG} HTTP/1." in lines_of(file)[line - 1]


@needs_curl
@pytest.mark.parametrize("options", ["-sv", "-v", "-siv"])
@pytest.mark.parametrize("indent", [None, 1])
def test_curl_v_of_a_large_answer(tmp_path: Path, options: str, indent: int | None) -> None:
    """Of which curl writes its notes between the parts, and within a line; it has no length."""
    body = json.dumps({"trunks": [trunk(number) for number in range(2000)]}, indent=indent).encode()

    class Chunked(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # noqa: N802 - the name in http.server
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.send_chunks(body, 7000)

    file = tmp_path / "saved.txt"
    with listening(Chunked) as root, file.open("wb") as output:
        command = ["curl", "--noproxy", "*", options, f"{root}/v1/trunks", f"{root}/v1/trunks"]
        subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=True, timeout=30)
    found = [entry.exchange for entry in read_entries(str(file), VENDOR.contract)]
    assert [each.response.body for each in found if isinstance(each, Exchange)] == [body, body]


@needs_curl
def test_curl_i(curl: Callable[..., Path]) -> None:
    """Three answers in one file: the place of the finding is the line of the second one."""
    file = curl("-si")
    line, _ = place(file, the_finding(file, 3))
    lines = lines_of(file)
    assert line == [number for number, text in enumerate(lines, 1) if "HTTP/1.1 200" in text][1]


@needs_curl
def test_curl_v_without_the_bodies(curl: Callable[..., Path], tmp_path: Path) -> None:
    """With `2> FILE` alone it is refused, with what to do."""
    file = curl("-sv", *["-o", str(tmp_path / "body")] * len(QUERIES))
    with pytest.raises(
        UsageError, match=r"saved.txt:3' cannot be judged: it has no body, which curl writes to standard"
    ):
        judged(file)


# --- cassettes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("serializer", ["yaml", "json"])
def test_vcrpy(tmp_path: Path, url: str, serializer: str) -> None:
    """A cassette that vcrpy has recorded, in both of its formats."""
    vcr = pytest.importorskip("vcr")
    file = tmp_path / f"cassette.{serializer}"
    with vcr.use_cassette(str(file), serializer=serializer), requests.Session() as session:
        ask(session, url)
    line, pointer = place(file, the_finding(file, 4))
    text = file.read_bytes()
    value = json.loads(text) if serializer == "json" else plain_yaml.load_with_lines(text)[0]
    assert resolve(value, pointer)["request"]["uri"] == f"{url}?{WRONG}"
    assert query_at(file, line) == (WRONG if serializer == "yaml" or text.count(b"\n") else QUERIES[0])


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow")
def test_betamax(tmp_path: Path, url: str) -> None:
    """A cassette that Betamax has recorded."""
    betamax = pytest.importorskip("betamax")
    session = requests.Session()
    with betamax.Betamax(session, str(tmp_path)).use_cassette("cassette"):
        ask(session, url)
    file = tmp_path / "cassette.json"
    _, pointer = place(file, the_finding(file, 4))
    assert resolve(json.loads(file.read_text("utf-8")), pointer)["request"]["uri"] == f"{url}?{WRONG}"


# --- HAR --------------------------------------------------------------------------------------------------------------


def har_shows(file: Path, url: str, count: int) -> None:
    """A HAR file has the finding at its entry, and at the line on which that begins."""
    line, pointer = place(file, the_finding(file, count))
    assert resolve(json.loads(file.read_text("utf-8")), pointer)["request"]["url"] == f"{url}?{WRONG}"
    if file.read_bytes().count(b"\n") > count:
        assert query_at(file, line) == WRONG


@pytest.mark.slow
@pytest.mark.parametrize("content", ["embed", "attach"])
def test_chromium(tmp_path: Path, url: str, content: str) -> None:
    """The HAR file that Playwright records of Chromium, with the bodies in it or beside it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("there is no Chromium on the PATH; on Debian: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright drives the browser")
    file = tmp_path / "chromium.har"
    options = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        context = browser.new_context(record_har_path=str(file), record_har_content=content, extra_http_headers=HEADERS)
        page = context.new_page()
        page.goto(f"{url}?{QUERIES[0]}")
        sent = "{method: 'POST', body, headers: {'content-type': 'application/json'}}"
        script = f"async ([url, body]) => (await fetch(url, body ? {sent} : {{}})).text()"
        for query in QUERIES[1:]:
            page.evaluate(script, [f"{url}?{query}", None])
        page.evaluate(script, [url, json.dumps(body_of(VENDOR.contract.operation("createTrunk")))])
        page.goto("data:text/html,<p>no API</p>")
        context.close()
        browser.close()
    har_shows(file, url, 4)


@pytest.fixture(scope="module")
def mitmdump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mitmproxy, in an environment of its own: it pins the versions of much that trunkline uses, too."""
    folder = tmp_path_factory.mktemp("mitmproxy")
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin/pip"), "install", "-q", "mitmproxy"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            pytest.skip(f"mitmproxy cannot be installed, so no file of its was read: {done.stderr[-300:]}")
    return folder / "bin" / "mitmdump"


@contextmanager
def passing(mitmdump: Path, folder: Path, *options: str) -> Iterator[int]:
    """Run mitmproxy until the block ends; gives its port."""
    port = free_port()
    command = [str(mitmdump), "--listen-host", "127.0.0.1", "-p", str(port), "--set", f"confdir={folder}", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any("listening at" in line for line in process.stdout)
        yield port
        process.send_signal(signal.SIGINT)
        process.wait(30)


@pytest.mark.slow
def test_mitmproxy(tmp_path: Path, url: str, mitmdump: Path) -> None:
    """The HAR file that mitmproxy saves of what passes through it."""
    file = tmp_path / "mitmproxy.har"
    with passing(mitmdump, tmp_path, "--set", f"hardump={file}") as port, requests.Session() as session:
        session.trust_env = False
        session.proxies = {"http": f"http://127.0.0.1:{port}"}
        ask(session, url)
    har_shows(file, url, 4)


@needs_curl
@pytest.mark.slow
def test_curl_v_of_http_2(tmp_path: Path, url: str, mitmdump: Path) -> None:
    """With TLS, whose records stand between all else; mitmproxy speaks both to curl."""
    file, root = tmp_path / "saved.txt", url.removesuffix("/v1/trunks")
    with passing(mitmdump, tmp_path, "--mode", f"reverse:{root}") as port, file.open("wb") as output:
        urls = [f"https://127.0.0.1:{port}/v1/trunks?{query}" for query in QUERIES]
        command = ["curl", "-svk", "--http2", "--noproxy", "*", "-H", f"Authorization: Bearer {TOKEN}", *urls]
        subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=True, timeout=30)
    line, _ = place(file, the_finding(file, 3))
    assert lines_of(file)[line - 1] == f"> GET /v1/trunks?{WRONG} HTTP/2\r"


# --- Schemathesis -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_schemathesis(tmp_path: Path, url: str) -> None:
    """Each of its reports: the wrong page is found, and so is the request that should have been refused."""
    kinds = ("ndjson", "vcr", "har")
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(export.document(VENDOR.contract)), "utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", url.removesuffix("/trunks")]
    command += ["-H", f"Authorization: Bearer {TOKEN}", "--include-operation-id", "listTrunks", "--phases", "coverage"]
    command += [option for kind in kinds for option in (f"--report-{kind}-path", str(tmp_path / kind))]
    done = subprocess.run(
        [*command, "--continue-on-failure"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    for file in map(tmp_path.joinpath, kinds):
        assert file.exists(), done.stdout + done.stderr
        found = {(finding.rule, finding.at): finding for finding in judged(file).failures()}
        assert found.keys() == {("body_matches_schema", "body/pagination/limit"), ("refuses_invalid", "status")}
        for (rule, _), finding in found.items():
            wanted = "status=active" if rule == "body_matches_schema" else "limit=0"
            assert {exchange.request.query for exchange in finding.exchanges} == {wanted}
            line = int(finding.sources[0].removeprefix(f"{file}:").partition(" ")[0])
            text = lines_of(file)[line - 1 :]
            assert wanted in next(part for part in text if "/v1/trunks" in part)
