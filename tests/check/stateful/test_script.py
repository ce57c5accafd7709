"""The script of a finding sends its requests again, to another server too."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.check.stateful.defects import DEFECTS, OWN, SECOND, SERVERS, Server
from trunkline import mock
from trunkline.check.stateful.runner import run_stateful
from trunkline.check.stateful.script import script
from trunkline.contract.model import Delete
from trunkline.exchange import Exchange, Request, Response
from trunkline.findings import Evidence, Finding, Grade, Report
from trunkline.mock import loader
from trunkline.mock.loader import Vendor
from trunkline.report.run import RunInfo
from trunkline.report.text import finding_lines, plain
from trunkline.transport import server

LOADED = {name: loader.load(name) for name in SERVERS}


def first(vendor: str, make: Callable[[], Server]) -> Finding:
    """The first finding in an implementation."""
    results = run_stateful(
        LOADED[vendor].contract, make(), prefix="trunkline-check-test", credential=OWN, second_credential=SECOND
    )
    return next(result for result in results if isinstance(result, Finding))


def run(text: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script with sh."""
    path = folder / "script.sh"
    path.write_text(text, encoding="utf-8")
    return subprocess.run(
        ["sh", str(path)], capture_output=True, text=True, env={"PATH": os.environ["PATH"], **variables}, check=False
    )


@contextmanager
def listening(vendor: Vendor) -> Iterator[tuple[str, list[str]]]:
    """Serve a mock: yields its address and the methods of the requests that it gets."""
    fake, log = mock.from_vendor(vendor), []

    def noted(request: Request) -> Response:
        log.append(request.method)
        return fake(request)

    base = vendor.contract.base_path
    with server.running(server.asgi({base: noted})) as url:
        yield f"{url}{base}", log


CHOSEN = {
    "created_is_read_back",
    "conflicts_are_refused",
    "accounts_are_apart",
    "items_are_found_only_under_their_parent",
    "connectivity_change_resets",
    "conditional_inputs_are_required",
}


@pytest.mark.slow_for("conditional_inputs_are_required", "conflicts_are_refused")
@pytest.mark.parametrize(
    "defect",
    [next(defect for defect in DEFECTS if defect.law == law) for law in sorted(CHOSEN)],
    ids=lambda defect: defect.law,
)
def test_a_script_takes_ids_from_responses_and_cleans_up(defect: object, tmp_path: Path) -> None:
    """On the mock each request is answered, ids come from the responses, and created items are deleted again."""
    assert isinstance(defect, type(DEFECTS[0]))
    vendor = LOADED[defect.vendor]
    finding = first(defect.vendor, defect.server)
    fake = mock.from_vendor(vendor)
    log: list[tuple[str, str, int]] = []

    def noted(request: Request) -> Response:
        response = fake(request)
        log.append((request.method, request.path, response.status))
        return response

    accounts = {
        grant.account: token for token, grant in reversed(list(vendor.world.tokens.items())) if not grant.refused
    }
    tokens = list(accounts.values())
    with server.running(server.asgi({vendor.contract.base_path: noted})) as url:
        done = run(
            script(vendor.contract, finding),
            tmp_path,
            BASE=url + vendor.contract.base_path,
            TRUNKLINE_TOKEN=tokens[-1],
            TRUNKLINE_SECOND_TOKEN=tokens[0],
        )
    asked = [exchange.request.method for exchange in finding.exchanges]
    if done.returncode:  # the mock refuses the creation, so the next requests would have no id
        assert re.fullmatch(r"there is no /\S+ in the response: the next requests cannot be sent\n", done.stderr)
        asked = asked[: asked.index("POST") + 1]
    assert [method for method, _, _ in log][: len(asked)] == asked
    assert done.stdout.count("HTTP/1.1 ") == len(log)
    made = sum(method == "POST" and status == 201 for method, _, status in log)
    gone = sum(method == "DELETE" and status == 200 for method, _, status in log)
    assert gone == made or not vendor.contract.of_kind(Delete)


def pasted(finding: Finding, vendor: str, base: str) -> str:
    """The lines that a reader copies from a text report."""
    again = partial(script, LOADED[vendor].contract, base=base)
    lines = [plain(line) for line in finding_lines(finding, Report(), RunInfo(vendor, base, script=again))]
    start = next(number for number, line in enumerate(lines) if line.startswith("sh <<"))
    return "\n".join(lines[start:])


def test_a_script_can_be_pasted_from_a_report(tmp_path: Path) -> None:
    """It has no space before its lines, and the shell that it is pasted into goes on."""
    finding = first("talkover", next(defect for defect in DEFECTS if defect.law == "created_is_read_back").server)
    vendor = LOADED["talkover"]
    with server.running(server.asgi({"/api/v1": mock.from_vendor(vendor)})) as url:
        text = pasted(finding, "talkover", f"{url}/api/v1")
        done = run(f"{text}\necho code $?", tmp_path, TRUNKLINE_TOKEN=vendor.world.token)
        assert (done.stderr, done.returncode) == ("", 0)
        assert done.stdout.endswith("code 0\n")
        assert done.stdout.count("HTTP/1.1 2") == len(finding.exchanges) + 1  # the last deletes the item
    done = run(f"{text}\necho code $?", tmp_path, TRUNKLINE_TOKEN=vendor.world.token)
    assert done.stdout.endswith("code 7\n")  # curl's code where no server listens


def test_a_script_that_ends_early_deletes_what_it_made(tmp_path: Path) -> None:
    """After an error in the middle the created item is still deleted."""
    finding = first("talkover", next(defect for defect in DEFECTS if defect.law == "created_is_read_back").server)
    vendor = LOADED["talkover"]
    with listening(vendor) as (url, log):
        text = script(vendor.contract, finding, url)
        broken = re.sub(r"(?m)^(# 2\. .*)$", r"\1\nfalse", text)
        assert broken != text
        done = run(broken, tmp_path, TRUNKLINE_TOKEN=vendor.world.token)
    assert (done.returncode, log) == (1, ["POST", "DELETE"])


def test_a_script_can_be_run_again(tmp_path: Path) -> None:
    """Unique values are new in each run, and a comment says which items stay."""
    finding = first(
        "telepath",
        next(defect for defect in DEFECTS if defect.law == "update_shows" and defect.vendor == "telepath").server,
    )
    vendor = LOADED["telepath"]
    fake = mock.from_vendor(vendor)
    text = script(vendor.contract, finding)
    made = sum(exchange.request.method == "POST" for exchange in finding.exchanges)
    assert f"# no page documents how to delete what this leaves in trunks: {made}" in text
    with server.running(server.asgi({"/v1": fake})) as url:
        for second in ("", "sleep 1.1\n"):
            done = run(second + text, tmp_path, BASE=f"{url}/v1", TRUNKLINE_TOKEN=vendor.world.token)
            assert (done.returncode, done.stdout.count("HTTP/1.1 201")) == (0, made), done.stderr


def test_a_script_deletes_each_item_once(tmp_path: Path) -> None:
    """If it ends before its own deletion, the item is deleted at the end; else it is not deleted twice."""
    finding = first("talkover", next(defect for defect in DEFECTS if defect.law == "deleted_is_gone").server)
    vendor = LOADED["talkover"]
    with listening(vendor) as (url, log):
        text = script(vendor.contract, finding, url)
        run(re.sub(r"(?m)^(# 2\. .*)$", r"\1\nkill -INT $$", text), tmp_path, TRUNKLINE_TOKEN=vendor.world.token)
        assert log == ["POST", "DELETE"]
        log.clear()
        assert run(text, tmp_path, TRUNKLINE_TOKEN=vendor.world.token).returncode == 0
        assert log.count("DELETE") == log.count("POST") == 1


def test_a_script_requires_its_variables(tmp_path: Path) -> None:
    """Without its address or a credential a script names the variable to set, and sends nothing."""
    finding = first("talkover", next(defect for defect in DEFECTS if defect.law == "accounts_are_apart").server)
    text = script(LOADED["talkover"].contract, finding)
    for given in ({}, {"BASE": "http://127.0.0.1:9"}, {"BASE": "http://127.0.0.1:9", "TRUNKLINE_TOKEN": "x"}):
        done = run(text, tmp_path, **given)
        assert done.returncode != 0
        assert "set it to" in done.stderr
        assert not done.stdout


def test_the_address_of_the_run_is_the_default() -> None:
    """The script has the address of the run, and the environment can replace it."""
    finding = first("telepath", next(defect for defect in DEFECTS if defect.vendor == "telepath").server)
    text = script(LOADED["telepath"].contract, finding, "http://127.0.0.1:8900/v1")
    assert "BASE=${BASE:-http://127.0.0.1:8900/v1}" in text


def exchange(method: str, path: str, body: bytes, status: int, answer: bytes = b"") -> Exchange:
    headers = (("authorization", f"Bearer {OWN}"), ("content-type", "application/json"))
    return Exchange(Request(method, path, "", headers, body), Response(status, (), answer))


def finding_of(*exchanges: Exchange) -> Finding:
    return Finding(
        "a_law", "createTrunk", Evidence(Grade.IMPLIED, "https://example.com"), "wrong\nhere", exchanges=exchanges
    )


def test_a_secret_is_replaced_by_one_of_the_same_length() -> None:
    """Secrets are replaced, in a truncated body too; a value that is invalid on purpose is shown."""
    contract = LOADED["telepath"].contract
    body = b'{"name": "it\'s $HOME `id`", "sip_password": "tk-Secret0123456789"'
    text = script(
        contract, finding_of(exchange("POST", "/trunks", body, 400), exchange("POST", "/trunks", body + b"}", 400))
    )
    assert "tk-Secret" not in text
    assert "SECRET_1=$(printf '%019d' 1) # sip_password" in text
    assert "SECRET_2" not in text
    short = b'{"sip_password": "xxxxxxx"}'
    assert "xxxxxxx" in script(contract, finding_of(exchange("POST", "/trunks", short, 400)))


def test_a_body_or_a_path_is_never_a_command(tmp_path: Path) -> None:
    """Quotes, dollar signs and backticks reach the server as they were sent."""
    contract = LOADED["telepath"].contract
    odd = 'it\'s "$HOME" `id` \\ $(id)'
    body = b'{"name": "it\'s \\"$HOME\\" `id` \\\\ $(id)"}'
    received: list[Request] = []

    def listen(request: Request) -> Response:
        received.append(request)
        return Response(404, (("content-type", "application/json"),), b"{}")

    finding = finding_of(exchange("PATCH", "/trunks/a%24b%60c", body, 404))
    with server.running(server.asgi({"/v1": listen})) as url:
        done = run(script(contract, finding), tmp_path, BASE=f"{url}/v1", TRUNKLINE_TOKEN="$x")
    assert done.returncode == 0, done.stderr
    assert received[0].body == body
    assert received[0].path == "/trunks/a%24b%60c"
    assert received[0].header("authorization") == "Bearer $x"
    assert odd.startswith("it's")


def test_a_response_without_an_id_sets_no_variable() -> None:
    """A creation whose response has no usable id sets no variable."""
    contract = LOADED["talkover"].contract
    for answer in (b"", b"[]", b'{"data": {"id": null}}', b'{"data": {"id": ".."}}'):
        text = script(contract, finding_of(exchange("POST", "/sip-trunks", b"{}", 201, answer)))
        assert "ID_1" not in text
