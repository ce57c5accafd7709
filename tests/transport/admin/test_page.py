"""The page at `/_trunkline/`: what it holds, and, in headless Chromium, that a person can use it."""

from __future__ import annotations

import html
import json
import re
import shlex
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError

import pytest

from tests.browser import check_picture, problems_of, too_faint
from tests.transport.admin.surface import CHANGE_HEADER, TOKEN, VENDORS, app_of, served
from trunkline.contract.model import List, Operation
from trunkline.exchange import Json, Request, Response
from trunkline.mock.faults import parse_line
from trunkline.mock.loader import Vendor
from trunkline.mock.session import MockSession
from trunkline.transport.asgi import wrap

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAME = max(VENDORS)
"""A vendor that lists its trunks."""
VENDOR = VENDORS[NAME]
BASE = VENDOR.contract.base_path
PICTURE = Path(__file__).parents[3] / "docs" / "page.png"


@pytest.fixture
def session() -> MockSession:
    """A mock of each vendor."""
    return MockSession(VENDORS.values())


def fetch(session: MockSession, accept: str = "text/html,*/*;q=0.8", token: str | None = None) -> Response:
    return wrap(app_of(session, token))(Request("GET", "/_trunkline/", "", (("accept", accept),)))


def ask(session: MockSession, path: str, query: str = "", method: str = "GET", body: bytes = b"") -> int:
    """Send a request to the vendor's mock with its credential; the status."""
    credential = (("authorization", f"Bearer {VENDOR.world.token}"), ("content-type", "application/json"))
    return session.mocks[NAME](Request(method, path, query, credential, body)).status


# --- the document -----------------------------------------------------------------------------------------------------


def test_a_browser_gets_the_page_and_other_clients_json(session: MockSession) -> None:
    """Both are at one address; curl and programs ask for no HTML."""
    page = fetch(session)
    assert (page.status, page.header("content-type")) == (200, "text/html; charset=utf-8")
    for accept in ("*/*", "application/json"):
        assert fetch(session, accept).json()["vendors"][NAME]["token"] == VENDOR.world.token


def test_a_browser_is_sent_to_the_page_from_the_root(session: MockSession) -> None:
    """Of the server, and of a session; other clients get the addresses there."""
    client = wrap(app_of(session))
    found = client(Request("POST", "/_trunkline/sessions", "", (CHANGE_HEADER,))).json()
    for root in ("", f"/_trunkline/s/{found['id']}"):
        sent = client(Request("GET", f"{root}/", "", (("accept", "text/html"),)))
        assert (sent.status, sent.header("location")) == (307, f"{root}/_trunkline/")
        assert {*client(Request("GET", f"{root}/")).json()["vendors"]} == {*VENDORS}


def test_a_refused_request_is_explained_with_its_page(session: MockSession) -> None:
    """Cause, bound and grade are there, and a link to the vendor's page that states them."""
    assert ask(session, "/trunks", "limit=101") == 400
    text = fetch(session).body.decode()
    for part in ("parameter_out_of_range", "limit=101", "maximum: 100", "documented"):
        assert part in text
    assert re.search(r'<a href="https://docs\.[^"]+/trunks/list" rel="noreferrer noopener"', text)


def test_texts_of_clients_stay_texts(session: MockSession) -> None:
    """A name, a path or an account that looks like HTML is shown as it is, and never becomes an element."""
    session.mocks[NAME].mock.records("trunks").add(name="<script>alert(1)</script>")
    ask(session, "/<img src=x onerror=alert(1)>", "q=<b>\"'")
    text = fetch(session).body.decode()
    assert "&lt;script&gt;alert(1)" in text
    for tag in ("<script>alert", "<img", "<b>&#34;"):
        assert tag not in text


def test_the_page_loads_nothing_from_elsewhere_and_no_frame_holds_it(session: MockSession) -> None:
    """Scripts and styles are files of its own, and its policy forbids anything else."""
    page = fetch(session)
    text = page.body.decode()
    assert set(re.findall(r'(?:src|(?<!<a )href)="([^"#]+)"', text.partition("<body>")[0])) == {
        "data:,",
        "page.css",
        "page.js",
    }
    policy = page.header("content-security-policy") or ""
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"<script>|<style>|\sstyle=|\son[a-z]+=", text)


def test_no_secret_of_a_record_or_a_request_is_on_the_page(session: MockSession) -> None:
    """Passwords and keys are `***`; the tokens of the mock are there to be copied, the pages' samples in commands."""
    fake = session.mocks[NAME].mock
    secrets = {name: f"hush-{number}-0123456789" for number, name in enumerate(fake.vendor.contract.secrets)}
    kept = [name for name in secrets if name in {*fake.snapshot("trunks")[0], "sip_password"}]
    fake.records("trunks").add({name: secrets[name] for name in kept})
    ask(session, "/trunks", "", "POST", json.dumps(secrets).encode())
    ask(session, "/trunks", f"password={secrets['sip_password']}")
    session.faults.add(parse_line(f"{VENDOR.contract.of_kind(List)[0].operation_id}: 503 message={VENDOR.world.token}"))
    page = fetch(session)
    text = page.body.decode()
    assert (page.status, bool(kept)) == (200, True)
    assert f"message={VENDOR.world.token}" not in text
    assert [value for value in secrets.values() if value in text] == []


def test_a_request_has_its_vendor_and_its_whole_path(session: MockSession) -> None:
    """Two vendors may have the same path below their base paths."""
    ask(session, "/trunks")
    text = fetch(session).body.decode()
    assert f"<b>GET</b> {BASE}/trunks</td>" in text
    assert f"<td>{NAME}</td>" in text


def test_a_server_that_keeps_no_requests_says_so() -> None:
    """It does not ask for a request that would not be shown."""
    text = fetch(MockSession(VENDORS.values(), keep=0)).body.decode()
    assert "This server keeps no requests (--record 0)" in text
    assert "No request yet" not in text


def test_without_the_admin_token_there_is_no_page(session: MockSession) -> None:
    """A browser is asked for the token as a password: any name does."""
    refused = fetch(session, token=TOKEN)
    assert refused.status == 401
    assert 'Basic realm="trunkline"' in [value for name, value in refused.headers if name == "www-authenticate"]
    assert TOKEN not in refused.body.decode()


COMMANDS = [(name, operation) for name in VENDORS for operation in VENDORS[name].contract.operations]


@pytest.mark.parametrize(("name", "operation"), COMMANDS, ids=lambda value: getattr(value, "operation_id", value))
def test_a_command_for_each_operation_succeeds(session: MockSession, name: str, operation: Operation) -> None:
    """Its id exists, what it deletes may be deleted, and what must be unique is free."""
    copied = f'data-copy="(curl [^"]*)" aria-label="Copy the command for {operation.operation_id}"'
    (command,) = re.findall(copied, fetch(session).body.decode())
    assert session.mocks[name](_parse(html.unescape(command), VENDORS[name])).status < 300


def test_a_command_without_any_record_has_a_placeholder(session: MockSession) -> None:
    """The page is shown all the same."""
    session.mocks[NAME].mock.records("trunks").clear()
    assert "/trunks/unknown" in fetch(session).body.decode()


def _parse(command: str, vendor: Vendor) -> Request:
    """The request that a `curl` command sends."""
    words = iter(shlex.split(command))
    fields: list[tuple[str, str]] = []
    method, target, body = "GET", "", b""
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            field, _, value = next(words).partition(": ")
            fields.append((field.lower(), value))
        elif word.startswith("--data"):
            body = next(words).encode()
        elif word.startswith("http"):
            target = word.partition(vendor.contract.base_path)[2]
    path, _, query = target.partition("?")
    return Request(method, path, query, tuple(fields), body)


# --- in a browser -----------------------------------------------------------------------------------------------------

Ask = Callable[..., int]


class Site:
    """The page in a browser, beside the server that it belongs to."""

    def __init__(self, url: str, session: MockSession, page: Page) -> None:
        self.url, self.session, self.page = url, session, page

    def ask(self, path: str, method: str = "GET", body: bytes | None = None) -> int:
        """Send a request to the mock over HTTP, as another client; the status."""
        headers = {"Authorization": f"Bearer {VENDOR.world.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + BASE + path, headers=headers, method=method, data=body)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return int(response.status)
        except HTTPError as refused:
            return refused.code

    def steer(self, path: str, method: str, body: Json = None) -> Json:
        """Send a request to the admin surface over HTTP, as a test does; the answer."""
        sent = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_trunkline{path}", sent, dict([CHANGE_HEADER]), method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)


@pytest.fixture
def site(browser: Browser, session: MockSession) -> Iterator[Site]:
    """The page, connected. It ends without an error in the console and without a request to elsewhere."""
    with served(session) as url, browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.set_default_timeout(10_000)
        problems = problems_of(page, url)
        page.goto(f"{url}/_trunkline/")
        page.wait_for_selector("#live.on")
        yield Site(url, session, page)
        assert problems == []


@pytest.mark.slow
def test_requests_appear_by_themselves(site: Site) -> None:
    """The parts that a person has opened stay open, and filters count for what comes later."""
    site.ask("/trunks?limit=101")
    site.page.click("#request-1 summary")
    site.ask("/trunks")
    site.page.wait_for_selector("#request-2")
    assert site.page.locator("#request-1 details").get_attribute("open") is not None
    site.page.get_by_label("refused only").check()
    assert not site.page.locator("#request-2").is_visible()
    site.page.get_by_label("Show").fill("credentials")
    assert not site.page.locator("#request-1").is_visible()
    site.page.get_by_role("button", name="Clear").click()
    site.page.wait_for_selector("#request-1", state="detached")
    assert site.page.get_by_text("No request yet").is_visible()


@pytest.mark.slow
def test_records_are_edited_added_deleted_and_reset(site: Site) -> None:
    """The mock answers with them at once; a mistake is told in the dialog, and nothing is lost of the text."""
    page, trunks = site.page, site.session.mocks[NAME].mock.records("trunks")
    first = trunks[0]["id"]
    page.get_by_role("button", name=f"Edit {first}").click()
    text = page.get_by_label("The fields to set")
    text.fill('{"name": 7}')
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector("#editor-error:not(:empty)")
    assert text.input_value() == '{"name": 7}'
    text.fill('{"name": "Changed <here>"}')
    page.get_by_role("button", name="Save").click()
    page.get_by_role("cell", name="Changed <here>").wait_for()
    assert trunks[0]["name"] == "Changed <here>"
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name=f"Delete {first}").click()
    page.get_by_role("button", name=f"Delete {first}").wait_for(state="detached")
    assert trunks.get(str(first)) is None
    page.get_by_role("button", name=f"Add to trunks of {VENDOR.world.account}").click()
    text.fill('{"name": "Added"}')
    page.get_by_role("button", name="Save").click()
    page.get_by_role("cell", name="Added").wait_for()
    page.get_by_role("button", name=f"Reset {NAME}").click()
    page.get_by_role("cell", name="Added").wait_for(state="detached")
    assert trunks[0]["id"] == first


@pytest.mark.slow
def test_faults_and_scenarios_are_switched_on_and_off(site: Site) -> None:
    """By a line, which the mock follows at once, and by a button; a mistake is told in one sentence."""
    page, faults = site.page, site.session.faults
    line = page.get_by_label("New fault")
    line.fill("nonsense")
    page.get_by_role("button", name="Set", exact=True).click()
    page.wait_for_selector("#message:not(:empty)")
    assert line.input_value() == "nonsense"
    line.fill("read: 503 x1")
    page.get_by_role("button", name="Set", exact=True).click()
    page.get_by_role("cell", name="read: 503 x1").wait_for()
    assert [site.ask("/trunks"), site.ask("/trunks")] == [503, 200]
    page.get_by_text("fault: ").wait_for()
    page.get_by_role("button", name="Remove fault 1").click()
    page.get_by_text("No fault is set").wait_for()
    page.get_by_role("button", name="maintenance").click()
    page.get_by_role("button", name="maintenance", pressed=True).wait_for()
    assert site.ask("/trunks") == 503
    page.get_by_role("button", name="maintenance").click()
    page.get_by_role("button", name="maintenance", pressed=False).wait_for()
    assert not faults.any


@pytest.mark.slow
def test_another_client_s_write_is_shown(site: Site) -> None:
    """A table follows what clients create."""
    body = {"name": "From a client", "ai_provider": "openai", "sip_username": "page", "sip_password": "hush-hush-1"}
    assert site.ask("/trunks", "POST", json.dumps({**body, "openai_api_key": "sk-page-1"}).encode()) == 201
    site.page.get_by_role("cell", name="From a client").wait_for()


@pytest.mark.slow
def test_what_others_change_is_shown(site: Site) -> None:
    """Records, faults and the request log, whoever changes them over HTTP."""
    page = site.page
    assert site.ask("/trunks") == 200
    page.wait_for_selector("#request-1")
    site.steer("/faults", "POST", {"faults": ["read: 503 x1"]})
    page.get_by_role("cell", name="read: 503 x1").wait_for()
    site.steer(f"/records/{NAME}/trunks", "POST", {"name": "From a test"})
    page.get_by_role("cell", name="From a test").wait_for()
    site.steer("/reset", "POST")
    page.get_by_role("cell", name="From a test").wait_for(state="detached")
    site.steer("/requests", "DELETE")
    page.wait_for_selector("#request-1", state="detached")


@pytest.mark.slow
def test_the_page_of_a_session_tells_its_end(site: Site) -> None:
    """It does not go on as if it were live."""
    found = site.steer("/sessions", "POST")
    site.page.goto(f"{found['url']}/_trunkline/")
    site.page.wait_for_selector("#live.on")
    site.steer(f"/sessions/{found['id']}", "DELETE")
    site.page.get_by_text("ended; reload the page").wait_for()


@pytest.mark.slow
def test_it_works_with_the_keyboard_alone(site: Site) -> None:
    """The first Tab offers to skip to the requests, every control has a name, and the dialog gives the focus back."""
    page = site.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the requests"
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, textarea, a, [role=region]')].filter(element => !("
        "element.ariaLabel || element.textContent.trim() || element.labels?.length || "
        "element.getAttribute('aria-labelledby'))).length"
    )
    assert unnamed == 0
    names = page.evaluate("[...document.querySelectorAll('button[aria-label]')].map(element => element.ariaLabel)")
    assert len(names) == len(set(names))
    button = page.get_by_role("button", name=re.compile("^Edit ")).first
    button.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "editor-text"
    page.evaluate(
        "document.querySelectorAll('[data-part=records] button').forEach((old) => old.replaceWith(old.cloneNode(true)))"
    )
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.textContent") == "Edit"


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_in_the_light_and_in_the_dark(site: Site, scheme: str) -> None:
    """Every text has a contrast of 4.5 to 1 or more with what is behind it (WCAG 2.2, 1.4.3)."""
    site.ask("/trunks?limit=101")
    site.page.wait_for_selector("#request-1")
    site.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    assert too_faint(site.page) == []


@pytest.mark.slow
def test_it_fits_a_narrow_screen(site: Site) -> None:
    """The page itself never scrolls sideways; a wide table does within its own frame."""
    site.session.faults.add(parse_line("read: 503 x1, then 429 retry-after=1, then close=before"))
    site.ask("/trunks?limit=101")
    site.page.wait_for_selector("#request-1")
    for width in (320, 400, 800):
        site.page.set_viewport_size({"width": width, "height": 800})
        assert site.page.evaluate("document.documentElement.scrollWidth") <= width
    site.page.set_viewport_size({"width": 360, "height": 800})
    cells = site.page.evaluate(
        "[...document.querySelectorAll('#request-1 td')].map((td) => td.getBoundingClientRect())"
    )
    assert max(cell["right"] for cell in cells) <= 360  # the status and the explanation are seen at once
    status, *_, explanation = sorted(cells, key=lambda cell: cell["top"])
    assert explanation["width"] > 300 > status["width"]


@pytest.mark.slow
def test_what_changes_a_record_is_seen_without_scrolling(site: Site) -> None:
    """On a screen as wide as that of a small notebook, whatever the table holds."""
    within = f"#records-{NAME}-trunks-{VENDOR.world.account} .scroll"
    button, frame = site.page.evaluate(  # at once, for a refresh replaces both
        "(within) => [`${within} [aria-label^='Delete ']`, within].map("
        "(selector) => document.querySelector(selector).getBoundingClientRect().right)",
        within,
    )
    assert 0 < button <= frame <= 1280


@pytest.mark.slow
def test_a_page_of_another_origin_can_neither_read_nor_change_anything(browser: Browser, session: MockSession) -> None:
    """Whatever a script there tries, with or without a preflight, nothing is reset and nothing can be read."""
    attempts = """
      async ([url]) => {
        const tried = [
          fetch(url + "/_trunkline/reset", {method: "POST"}),
          fetch(url + "/_trunkline/reset", {method: "POST", headers: {"x-trunkline": "yes"}}),
          fetch(url + "/_trunkline/reset", {method: "POST", mode: "no-cors"}),
          fetch(url + "/_trunkline/requests", {method: "DELETE", headers: {"x-trunkline": "yes"}}),
          fetch(url + "/_trunkline/"),
        ];
        const done = await Promise.allSettled(tried);
        return done.filter((one) => one.status === "fulfilled" && one.value.type !== "opaque").length;
      }
    """
    fake = session.mocks[NAME].mock
    fake.records("trunks").add(name="Must stay")
    with served(session) as url, served(MockSession([VENDOR])) as other, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{other}/_trunkline/health")
        assert page.evaluate(attempts, [url.replace("127.0.0.1", "localhost")]) == 0
        assert page.evaluate(attempts, [url]) == 0
    assert "Must stay" in [trunk["name"] for trunk in fake.snapshot("trunks")]


@pytest.mark.slow
def test_a_front_end_of_this_machine_uses_the_mock(browser: Browser, session: MockSession) -> None:
    """A script of another origin lists and creates with a credential, and reads the header fields (CORS)."""
    script = """
      async ([url, token]) => {
        const headers = {authorization: `Bearer ${token}`, "content-type": "application/json"};
        const list = await fetch(url + "/trunks?limit=1", {headers});
        const refused = await fetch(url + "/trunks", {method: "POST", headers, body: "{}"});
        return [(await list.json()).trunks.length, list.headers.get("x-ratelimit-limit"), refused.status,
                refused.headers.get("x-trunkline-refusal").slice(0, 13)];
      }
    """
    with served(session) as url, served(MockSession([VENDOR])) as other, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{other.replace('127.0.0.1', 'localhost')}/_trunkline/health")
        found = page.evaluate(script, [url + BASE, VENDOR.world.token])
    assert found == [1, str(VENDOR.world.rate_limit), 400, "field_missing"]


@pytest.mark.slow
def test_the_documentation_has_a_picture_of_the_page(browser: Browser, site: Site, tmp_path: Path) -> None:
    """It shows the page as it is now, but for times and the port; `TRUNKLINE_PICTURE=1` makes it again."""
    site.ask("/trunks?limit=2")
    site.ask("/trunks?limit=101")
    site.page.click("#request-2 summary")
    check_picture(browser, site.page, PICTURE, tmp_path)
    assert PICTURE.name in (PICTURE.parent / "mock.md").read_text("utf-8")
