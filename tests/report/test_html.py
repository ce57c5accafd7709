"""The HTML report: one file that a person reads, in which no value becomes HTML; and in Chromium, that it is usable."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import check_picture, problems_of, too_faint
from tests.recordings import har
from trunkline import load
from trunkline.check.runner import Checker
from trunkline.check.stateful.script import script
from trunkline.cli import run
from trunkline.exchange import Exchange, Json, Request, Response
from trunkline.findings import Evidence, Excuse, Finding, Grade, Reading, Report
from trunkline.mock import from_vendor
from trunkline.report import FORMATS
from trunkline.report.json import document
from trunkline.report.run import RunInfo, documented_answers

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

VENDOR = load("telepath")
CONTRACT = VENDOR.contract
PAGE = "https://docs.example.com/list"
PICTURE = Path(__file__).parents[2] / "docs" / "report.png"
RUN = RunInfo("telepath", "http://127.0.0.1:9/v1", 7, contract=CONTRACT)


def finding(number: int = 0, grade: Grade = Grade.DOCUMENTED, **more: Any) -> Finding:
    """A finding of its own cause for each number."""
    values: dict[str, Any] = {
        "rule": "body_matches_schema",
        "operation": "listTrunks",
        "message": f"the value {number} is wrong",
        "at": f"body/field_{number}",
        "contract": "schemas/acme/trunk.json#/properties/status/enum",
        "expected": 'enum: ["active"]',
        "seen": '"busy"',
        "exchanges": (Exchange(Request("GET", "/trunks", f"limit={number}"), Response(200)),),
        **{name: value for name, value in more.items() if name not in ("page", "note", "read")},
    }
    page, note, read = more.get("page", PAGE), more.get("note", "the page lists them"), more.get("read", "2026-11-20")
    return Finding(evidence=Evidence(grade, page, note, read), **values)


def reported(*findings: Finding, **more: Any) -> Report:
    """A report with one check that was exercised, and one that was not."""
    exercised = {("listTrunks", "pages_do_not_overlap"): "", ("listTrunks", "ids_stay"): "the account is empty"}
    report = Report(**{"exercised": exercised, **more})
    report.reach.statuses["listTrunks", 200] = 31
    report.extend(findings)
    return report


def html(report: Report, run: RunInfo = RUN) -> str:
    """The report as HTML."""
    return FORMATS["html"](report, run)


class Reader(HTMLParser):
    """Reads a page: its tags with the names of their attributes, the values of attributes, and its visible text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, ...]] = []
        self.values: dict[str, list[str]] = {}
        self.text = ""
        self._in = ""
        self.feed(page)
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = tag
        self.tags.append((tag, *(name for name, _ in attrs)))
        for name, value in attrs:
            self.values.setdefault(name, []).append(value or "")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the method of the parser
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in not in ("style", "script"):
            self.text += data


# --- the document -----------------------------------------------------------------------------------------------------


def test_it_is_one_file_that_loads_nothing() -> None:
    """Its links lead to its own parts and to pages, and its policy allows its own style and script only, by hash."""
    page = html(reported(finding()))
    reader = Reader(page)
    addresses = {*reader.values["href"], *reader.values.get("src", ())}
    assert {address for address in addresses if not address.startswith("#")} == {"data:,", PAGE}
    assert not {"style", "onclick", "onerror", "onload"} & reader.values.keys()
    policy = next(value for value in reader.values["content"] if value.startswith("default-src"))
    for name in ("style", "script"):
        [text] = re.findall(f"<{name}>(.*?)</{name}>", page, re.DOTALL)
        digest = b64encode(sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_every_fact_of_the_json_document_is_in_the_text() -> None:
    """Each text that the JSON has for a reader, whatever member it is in."""
    writes = Exchange(Request("POST", "/trunks", "", (), b"{}"), Response(201))
    report = reported(
        finding(1),
        finding(2, Grade.IMPLIED, sources=("a.har:12", "b.har:7"), first=1_795_900_000.0, last=1_795_990_000.0),
        finding(4, excuse=Excuse("known.toml:3", "the carrier fixes it", "2027-02-26")),
        finding(5, excuse=Excuse("known.toml:9", "the carrier fixes it", "2026-02-26", "expired on 2026-02-26")),
        finding(3, Grade.CUSTOMARY, rule="no_server_error", exchanges=(writes,)),
        finding(3, Grade.CUSTOMARY, rule="no_server_error"),
        leftovers=["trunks conn_1, made by trunkline-check-a"],
        stale=["known.toml:20: nothing is left of it"],
        reading=Reading(
            {"a.har": 3},
            other_hosts=Counter({"cdn.example.com": 7}),
            other_operations=Counter({"x": 5}),
            since=1_795_900_000.0,
        ),
        unasked={"getCall": "the account has no calls"},
        not_implemented={"listCalls": "404 for GET /calls"},
    )
    report.reading.skip("a.har:40", "GET /users is no operation")
    run = RunInfo(
        "telepath", "http://127.0.0.1:9/v1", 77, script=lambda _: "#!/bin/sh\necho <again>\n", contract=CONTRACT
    )
    value, text = document(report, run), Reader(html(report, run)).text
    for found in value["findings"]:
        found["curl"] = "" if found["script"] else found["curl"]  # the last step of the script
        found["requests"] = []  # which are in the commands

    def texts(node: Json, name: str = "") -> Iterator[str]:
        if isinstance(node, str) and name != "verdict":
            yield re.sub(r"\s+", " ", node)
        elif isinstance(node, list):
            for item in node:
                yield from texts(item, name)
        elif isinstance(node, dict):
            for key, item in node.items():
                yield from texts(item, key)

    assert [part for part in texts(value) if part not in text] == []
    for part in (
        "2 times",
        "GET /trunks?limit=1",
        "Seed 77",
        "sh <<'END_OF_SCRIPT' #!/bin/sh echo <again> END_OF_SCRIPT",
    ):
        assert part in text


HOSTILE = (
    "x</script></style></title>--><script>alert(1)</script><img src=x onerror=alert(1)>\"'`{{7*7}}{% raw %}&lt;\u202e\0"
)


def everywhere(text: str, page: str = "") -> tuple[Report, RunInfo]:
    """A report with the text in every field."""
    shown = Exchange(Request(text, f"/{text}", text, ((text, text),), text.encode()), Response(200, ((text, text),)))
    evidence: dict[str, Any] = {"page": page or text, "note": text, "read": text}
    fields: dict[str, Any] = dict.fromkeys(("rule", "operation", "message", "contract", "expected", "seen"), text)
    report = Report(
        exercised={(text, text): "", (text, text + "2"): text},
        stopped=text,
        not_implemented={text: text},
        unasked={text + "3": text},
        leftovers=[text],
        stale=[text],
        reading=Reading({text: 1}, {text: text}, 1, Counter({text: 1})),
    )
    known = Excuse(text, text, text)
    report.reach.statuses[text, 200] = 1
    report.reach.codes[text, 400, text] = 1
    report.reach.inputs[text, text] = 1
    report.add(finding(at=text, exchanges=(shown,), sources=(text,) * 3, excuse=known, **evidence, **fields))
    read = replace(shown, request=replace(shown.request, method="GET"))
    report.add(finding(at=text + "/b", exchanges=(read,), **evidence, **fields))
    report.add(finding(at=text + "/c", excuse=replace(known, lapsed=text), **evidence, **fields))
    for number in range(4):
        report.add(finding(number))
    return report, RunInfo(text, text, 1, script=lambda _: f"{text}\n{text}", documented=((text, text),))


def test_no_value_becomes_html() -> None:
    """With a hostile text in every field, the page has the same tags and attributes, and shows the text as it is."""
    plain, hostile = Reader(html(*everywhere("plain"))), Reader(html(*everywhere(HOSTILE)))
    assert hostile.tags == plain.tags
    assert "<img src=x onerror=alert(1)>" in hostile.text
    assert "{{7*7}}{% raw %}&lt;\\u202e\\x00" in hostile.text
    assert {value for value in hostile.values["href"] if not value.startswith("#")} == {"data:,", PAGE}


@pytest.mark.parametrize(
    ("page", "is_link"),
    [
        ("https://docs.example.com/a?b=1#c", True),
        ("http://docs.example.com", True),
        ("HTTPS://docs.example.com", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt://docs.example.com/%0aalert(1)", False),
        ("data:text/html,<script>alert(1)</script>", False),
        ("file:///etc/passwd", False),
        ("//docs.example.com", False),
        ("http:docs", False),
        ("https://[", False),
        ("RFC 9110", False),
        ("", False),
    ],
)
def test_only_a_page_on_the_web_becomes_a_link(page: str, is_link: bool) -> None:
    """Any other address is text."""
    reader = Reader(html(reported(finding(page=page))))
    assert (page in reader.values["href"]) == is_link
    assert page in reader.text


def test_no_secret_is_on_the_page() -> None:
    """Whatever field holds it, and whatever it is made of."""
    secret = "hush-\"'<&>-0123456789"
    report, run = everywhere(secret)
    report.secrets = frozenset({secret})
    page = html(report, run)
    assert "hush" not in page
    assert "***" in page


def test_lone_surrogates_and_other_scripts_are_shown() -> None:
    """The page is ASCII, so that nobody has to guess its encoding."""
    page = html(reported(finding(message="caf\u00e9 \u4e2d\ud800\x1b[31m")))
    assert page.isascii()
    assert "caf\u00e9 \u4e2d\\ud800\\x1b[31m" in Reader(page).text


def test_the_verdict_comes_first() -> None:
    """In one sentence, which is also the title, with the reason below it."""
    cases = {
        "The contract of telepath is broken": reported(finding()),
        "The contract of telepath is kept": reported(finding(0, Grade.CUSTOMARY)),
        "The contract of telepath is kept by what is implemented": reported(not_implemented={"listCalls": "404"}),
        "Too little was seen to judge the contract of telepath": reported(stopped="the budget is spent"),
    }
    for title, report in cases.items():
        page = html(report)
        assert f"<title>{title}</title>" in page
        assert f"<h1>{title}.</h1>" in page
        assert page.index("<h1>") < page.index("<h2")
    assert "the run did not judge everything: the budget is spent." in Reader(page).text
    stopped = html(reported(finding(), stopped="it was interrupted"), replace(RUN, complete=False))
    assert "The run did not come to its end: it was interrupted." in Reader(stopped).text
    text = Reader(html(reported(finding(), stopped="nothing in 1 of 2 files could be judged"))).text
    assert "The run did not judge everything: nothing in 1 of 2 files could be judged." in text
    assert "1 finding at strictness implied fails the run. 1 of 2 checks was not exercised and proves nothing." in text


@pytest.mark.parametrize(
    ("expected", "seen", "marked"),
    [
        ('"2026-11-19T00:00:00Z"', '"2026-11-20T00:00:00Z"', ["19", "20"]),
        ("GET, HEAD", "GET, HEAD, PUT", [", PUT"]),
        ('enum: ["active"]', '"busy"', []),
        ("same", "same", []),
        ("", "", []),
        ("27", "7", []),
    ],
)
def test_the_differences_of_expected_and_seen_are_marked(expected: str, seen: str, marked: list[str]) -> None:
    """Where most of their words are the same; two different texts are only shown side by side."""
    page = html(reported(finding(expected=expected, seen=seen)))
    assert re.findall("<mark>(.*?)</mark>", page) == marked
    if expected:
        assert f"Expected {expected} Seen {seen} " in Reader(page).text.replace("Expected", "Expected ").replace(
            "Seen", " Seen "
        ).replace("  ", " ")
    else:
        assert "<figure" not in page


def test_an_operation_shows_what_was_reached_of_it_and_what_was_not() -> None:
    """Statuses, parameters and error cases; one that no page documents is told apart."""
    report = reported()
    report.reach.statuses.update({("listTrunks", 401): 3, ("listTrunks", 503): 1, ("createTrunk", 201): 1})
    code = next(iter(CONTRACT.operation("listTrunks").responses["401"].refusals.values())).code
    report.reach.codes["listTrunks", 401, code] = 3
    report.reach.inputs.update({("listTrunks", "limit"): 31, ("createTrunk", "sip_password"): 1})
    page = html(report)
    chips = [
        (kind, re.sub("<.*?>", "", text))
        for kind, text in re.findall(r'<span class="(met|missed|odd)">(.*?)</span>\n', page)
    ]
    for chip in (
        ("met", "200 &#215;31"),
        ("met", "401 &#215;3"),
        ("missed", "not met: 429"),
        ("odd", "not documented: 503 &#215;1"),
        ("met", "201 &#215;1"),
        ("met", "limit &#215;31"),
        ("missed", "not met: offset"),
        ("met", "sip_password &#215;1"),
        ("missed", "not met: name"),
        ("met", f"401 {code} &#215;3"),
    ):
        assert chip in chips
    assert any(kind == "missed" and text.startswith("not met: 429 ") for kind, text in chips)
    assert ("missed", "not met: 2XX") not in chips
    assert "Not part of this run: updateTrunk, listCalls, getCall." in Reader(page).text


@pytest.mark.parametrize(
    "command",
    [
        ("check", "telepath", "--operation", "listTrunks", "--examples", "1", "--seed", "1"),
        ("validate", "telepath", "recorded.har"),
        ("validate", "telepath", "--live", "listTrunks"),
    ],
)
def test_each_command_knows_what_there_is_to_be_reached(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page that it writes names the documented statuses that were not met, and the other operations."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Checker, "fuzz", lambda *_: None)
    Path("recorded.har").write_text(json.dumps(har()), "utf-8")
    assert run([*command, "--report", "html=report.html"]) in (0, 1)
    text = Reader(Path("report.html").read_text("ascii")).text
    assert "not met: 429" in text
    assert "200 \u00d7" in text
    assert "Not part of this run: createTrunk, updateTrunk, listCalls, getCall." in text


def test_what_was_not_exercised_is_listed_by_its_reason() -> None:
    """Each reason once, with its operations and checks."""
    report = reported()
    report.exercised |= {
        ("getCall", "ids_stay"): "the account is empty",
        ("getCall", "schemathesis"): "it was not asked",
    }
    page = re.sub("<.*?>", "|", html(report))
    assert "the account is empty |2 check" in page
    assert re.search(r"the account is empty .*\|getCall\|+ids_stay\|+listTrunks\|+ids_stay\|", page, re.DOTALL)
    assert re.search(r"it was not asked \|1 check.*\|getCall\|+schemathesis\|", page, re.DOTALL)


def test_a_rule_with_a_finding_is_explained_once() -> None:
    """With its meaning, usual causes and fix; a rule of the caller's own has none."""
    page = html(reported(finding(1), finding(2), finding(3, rule="my_own_rule")))
    assert page.count('<details id="rule-body_matches_schema">') == 1
    assert page.count('href="#rule-body_matches_schema"') == 2
    assert "rule-my_own_rule" not in page
    assert "How to fix it" in page


def test_five_hundred_findings_make_a_file_of_a_megabyte() -> None:
    """One that any mail or artifact store takes; nobody has to wait for it."""
    page = html(large())
    assert page.count("<li id=") == 500
    assert len(page) < 1_200_000
    assert page == html(large())


def test_the_filter_counts_what_the_verdict_counts() -> None:
    """Findings, notes, and what a baseline knows are counted apart; of few there is no filter."""
    made = [finding(number) for number in range(9)]
    known = Excuse("known.toml:1", "ticket", "2999-01-01", "")
    page = html(reported(*made, finding(10, Grade.CUSTOMARY), finding(11, excuse=known)))
    [counted] = re.findall(r'<output id="shown">(.*?)</output>', page)
    assert re.sub("<.*?>", "", counted) == "9 findings, 1 note, 1 known"
    assert 'id="shown"' not in html(reported(*made[:2]))


@cache
def large() -> Report:
    """500 findings, as many as a report keeps of five rules and five operations."""
    names = [operation.operation_id for operation in CONTRACT.operations]
    report, grades = reported(), [Grade.DOCUMENTED, Grade.IMPLIED, Grade.CUSTOMARY]
    for number in range(500):
        rule = ("body_matches_schema", "documented_status", "no_server_error", "ids_are_unique", "body_is_json")[
            number % 5
        ]
        report.add(
            finding(
                number,
                grades[number % 3],
                rule=rule,
                operation=names[number % 7 % len(names)],
                message=f"the value {number} is wrong: " + "x" * 100,
            )
        )
    return report


# --- in a browser -----------------------------------------------------------------------------------------------------

Open = Callable[..., "Page"]


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a report from its file. It ends without an error in the console and without a request to elsewhere."""
    problems: list[list[str]] = []
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:

        def show(report: Report, run: RunInfo = RUN, **options: Any) -> Page:
            file = tmp_path / "report.html"
            file.write_text(html(report, run), "ascii")
            page = browser.new_page(**options) if options else context.new_page()
            page.set_default_timeout(10_000)
            problems.append(problems_of(page, file.as_uri()))
            page.goto(file.as_uri())
            return page

        yield show
    assert [problem for found in problems for problem in found] == []


def shown(page: Page) -> list[str]:
    """The findings that are not filtered out, by their number."""
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('.findings > li')].map((finding) => finding.id.slice(8))"
    )
    return found


@pytest.mark.slow
def test_findings_are_filtered(opened: Open) -> None:
    """By words of the text, by grade, by operation and by rule; the count follows, and everything can be cleared.

    It counts findings and notes apart, as the verdict does.
    """
    page = opened(large())
    count = page.locator("#shown")
    assert count.text_content() == "334 findings, 166 notes"
    assert page.locator(".numbers div").all_text_contents()[:2] == ["findings334", "notes166"]
    page.get_by_label("Text").fill("WRONG field_499")
    assert count.text_content() == "1 of 334 findings, 0 of 166 notes"
    assert "the value 499" in (page.locator(".findings > li").text_content() or "")
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Grade", exact=True).select_option("implied")
    page.get_by_label("Rule", exact=True).select_option("no_server_error")
    assert count.text_content() == f"{len(shown(page))} of 334 findings, 0 of 166 notes"
    kinds = page.locator(".findings > li").evaluate_all("(all) => all.map((li) => [li.dataset.grade, li.dataset.rule])")
    assert kinds == [["implied", "no_server_error"]] * len(kinds) != []
    page.get_by_label("Text").fill("no such text")
    assert page.get_by_text("No finding fits the filter.").is_visible()
    page.get_by_role("button", name="Clear").click()
    assert (len(shown(page)), count.text_content()) == (500, "334 findings, 166 notes")
    page.locator("#operations [data-filter=getCall]").click()
    assert {*page.locator(".findings > li").evaluate_all("(all) => all.map((li) => li.dataset.operation)")} == {
        "getCall"
    }


@pytest.mark.slow
def test_few_findings_are_open_and_many_closed(opened: Open) -> None:
    """Many are opened and closed together, or by the address of one of them."""
    page = opened(reported(finding(1), finding(2)))
    assert page.locator(".findings [open]").count() == 2
    assert page.locator("#filters").count() == 0
    page = opened(reported(*map(finding, range(9))))
    assert page.locator(".findings [open]").count() == 0
    page.goto(page.url + "#finding-4")
    assert page.locator("#finding-4 > [open]").count() == 1
    page.get_by_label("Text").fill("field_1")
    page.evaluate("location.hash = '#finding-8'")
    page.wait_for_selector("#finding-8 > [open]")
    page.get_by_role("button", name="Open all").press("Enter")  # a click misses it while the page scrolls
    assert page.locator(".findings [open]").count() == 9
    page.get_by_role("link", name="Usual causes, and how to fix it").first.click()
    assert page.locator("#rule-body_matches_schema[open]").is_visible()
    page.get_by_role("button", name="Close all").click()
    assert page.locator(".findings [open]").count() == 0


@pytest.mark.slow
def test_a_command_is_copied(opened: Open) -> None:
    """As it is in the text report; where the browser forbids that, its text is selected."""
    report = reported(finding(5))
    page = opened(report, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy command").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == document(report, RUN)["findings"][0]["curl"]
    page.evaluate(
        "() => { document.execCommand = () => false; navigator.clipboard.writeText = () => Promise.reject(); }"
    )
    page.evaluate("getSelection().empty()")
    page.get_by_role("button", name=re.compile("Cop")).click()
    assert page.evaluate("getSelection().toString()") == document(report, RUN)["findings"][0]["curl"]


@pytest.mark.slow
def test_it_is_whole_without_scripts(opened: Open) -> None:
    """Findings open, commands can be selected, and nothing is shown that does nothing."""
    page = opened(reported(*map(finding, range(9))), java_script_enabled=False)
    page.locator("#finding-9 summary").click()
    assert page.locator("#finding-9 pre").last.is_visible()
    for useless in ("#filters", "[data-copy]"):
        assert not page.locator(useless).first.is_visible()


@pytest.mark.slow
@pytest.mark.parametrize("scripts", [True, False])
def test_everything_is_printed(opened: Open, scripts: bool) -> None:
    """Closed parts too, in dark letters, without what can only be clicked; a closed part is closed again afterwards."""
    report = reported(*map(finding, range(9)))
    page = opened(report, java_script_enabled=scripts, color_scheme="dark")
    closed = page.locator("details:not([open])").count()
    assert not page.locator("#finding-9 dl").is_visible()
    page.emulate_media(media="print", color_scheme="dark")
    for part in ("#finding-1 dl", "#finding-9 .command pre", "#rules dl"):
        box = page.locator(part).first.bounding_box()
        assert box
        assert box["height"] > 0
    for part in ("nav", ".skip"):
        assert not page.locator(part).is_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 31, 36)"
    if scripts:
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open])").count() == 0
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("details:not([open])").count() == closed


@pytest.mark.slow
def test_it_works_with_the_keyboard_alone(opened: Open) -> None:
    """The first Tab offers to skip to the findings, `/` goes to the filter, and every control has a name."""
    page = opened(reported(*map(finding, range(9))))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the findings"
    page.keyboard.press("/")
    page.keyboard.type("a/field_3")
    assert page.get_by_label("Text").input_value() == "a/field_3"
    page.get_by_label("Text").fill("field_3")
    page.locator("#finding-4 summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("#finding-4 > [open]").count() == 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.href") == PAGE
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, select, a, summary, [role=region]')].filter(element => !("
        "element.ariaLabel || element.textContent.trim() || element.labels?.length || "
        "element.getAttribute('aria-labelledby'))).length"
    )
    assert unnamed == 0
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((heading) => +heading.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("verdict", ["broken", "kept", "not exercised"])
def test_it_is_readable_in_the_light_and_in_the_dark(opened: Open, scheme: str, verdict: str) -> None:
    """Every text has a contrast of 4.5 to 1 or more with what is behind it (WCAG 2.2, 1.4.3)."""
    grades = (
        [Grade.CUSTOMARY] if verdict != "broken" else [Grade.DOCUMENTED, Grade.CUSTOMARY, Grade.IMPLIED, Grade.IMPLIED]
    )
    report = reported(*(finding(number, grade) for number, grade in enumerate(grades)), leftovers=["trunks conn_1"])
    report.stopped = "the budget is spent" if verdict == "not exercised" else ""
    report.reach.statuses["listTrunks", 503] = 1
    report.reading.skip("a.har:7", "it is no operation")
    page = opened(report, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert too_faint(page) == []


@pytest.mark.slow
def test_it_fits_a_narrow_screen(opened: Open) -> None:
    """The page itself never scrolls sideways, whatever it holds; a wide table does within its own frame."""
    long = "x" * 150
    report, run = everywhere(long)
    report.add(finding(9, expected=long, seen=long, at=f"body/{long}"))
    for each in (opened(report, run), opened(reported(finding()))):
        each.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        for width in (320, 400, 800, 1280):
            each.set_viewport_size({"width": width, "height": 800})
            assert each.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
def test_nothing_in_a_report_runs(opened: Open) -> None:
    """A hostile text in every field is only shown."""
    page = opened(*everywhere(HOSTILE, "javascript:alert(1)"))
    page.on("dialog", lambda _: pytest.fail("a script ran"))
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1


def forgetful(answer: Callable[[Request], Response], request: Request) -> Response:
    """The implementation of the README, whose total counts the page."""
    response = answer(request)
    if (request.method, request.path, response.status) != ("GET", "/trunks", 200):
        return response
    body = response.json()
    body = {**body, "pagination": {**body["pagination"], "total": len(body["trunks"])}}
    return Response(200, response.headers, json.dumps(body).encode())


@pytest.mark.slow
def test_the_documentation_has_a_picture_of_the_report(browser: Browser, opened: Open, tmp_path: Path) -> None:
    """It shows the report of the README's check as it is now; `TRUNKLINE_PICTURE=1` makes it again."""
    base = "http://localhost/v1"
    report = Checker(VENDOR, partial(forgetful, from_vendor(VENDOR)), credential=VENDOR.world.token, seed=1).run()
    reading = [operation for operation in CONTRACT.operations if operation.reads]
    again = partial(script, CONTRACT, base=base)
    run = RunInfo("telepath", base, 1, documented=documented_answers(reading), script=again, contract=CONTRACT)
    check_picture(browser, opened(report, run), PICTURE, tmp_path)
    assert PICTURE.stat().st_size < 200_000
    assert PICTURE.name in (PICTURE.parent / "report.md").read_text("utf-8")
