"""JUnit XML: it obeys the common schema, and is red exactly if the run is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema

from tests.report.test_report import KNOWN, LAPSED, RUN, SECRET, finding, report
from trunkline.findings import Grade, Report
from trunkline.report.junit import render
from trunkline.report.run import KEPT, RunInfo, verdict

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))


def cases(made: Report, run: RunInfo = RUN) -> dict[tuple[str, str], ET.Element]:
    """The test cases by (classname, name), of a document that obeys the schema and whose numbers are right."""
    text = render(made, run)
    SCHEMA.validate(text)
    root = ET.fromstring(text)  # noqa: S314 - our own
    found = {(case.attrib["classname"], case.attrib["name"]): case for case in root.iter("testcase")}
    for element in (root, *root.iter("testsuite")):
        own = [*element.iter("testcase")]
        counted = Counter(child.tag for case in own for child in case)
        assert (element.get("tests"), element.get("failures")) == (str(len(own)), str(counted["failure"]))
        assert element.get("errors") == str(counted["error"])
    return found


def test_each_check_of_each_operation_is_a_case() -> None:
    """A finding is a failure with all that the text says of it, and what was not exercised is skipped with its reason.

    A rule that judged a response, and found nothing, has passed.
    """
    made = report(finding(), finding(at="body/total"))
    made.rules = {("listThings", "documented_status"): "", ("getThing", "body_is_json"): "the account is empty"}
    found = cases(made)
    [failure] = found["acme.listThings", "body_matches_schema"]
    assert (failure.tag, failure.get("type")) == ("failure", "documented")
    assert failure.get("message") == 'body/trunks/0/status: "busy" is not one of "active" (and 1 more)'
    assert (failure.text or "").count("FINDING documented body_matches_schema") == 2
    assert "https://docs.example.com/list" in (failure.text or "")
    [skipped] = found["acme.listThings", "ids_stay"]
    assert (skipped.tag, skipped.get("message")) == ("skipped", "the account is empty")
    for check in ("pages_do_not_overlap", "documented_status"):
        assert [*found["acme.listThings", check]] == []
    assert found["acme.getThing", "body_is_json"][0].tag == "skipped"
    assert "verdict       the contract of acme is BROKEN" in (found["acme.run", "verdict"][0].text or "")


def test_a_note_is_no_failure() -> None:
    """It is in the output of a case that passes, unless the strictness makes it a failure."""
    made = report(finding(Grade.CUSTOMARY))
    [note] = cases(made)["acme.listThings", "body_matches_schema"]
    assert note.tag == "system-out"
    assert (note.text or "").startswith("note customary body_matches_schema")
    strict = RunInfo("acme", strictness=Grade.CUSTOMARY)
    assert cases(made, strict)["acme.listThings", "body_matches_schema"][0].tag == "failure"


def test_a_known_finding_is_skipped() -> None:
    """With the reason and the expiry of its entry; with another finding of the same rule, the case fails for that."""
    skipped, output = cases(report(finding(excuse=KNOWN)))["acme.listThings", "body_matches_schema"]
    assert (skipped.tag, skipped.get("message")) == ("skipped", "known until 2027-02-26: ticket 4711, ***")
    assert (output.text or "").startswith("known documented body_matches_schema")
    failure, _ = cases(report(finding(excuse=KNOWN), finding()))["acme.listThings", "body_matches_schema"]
    assert failure.tag == "failure"
    assert cases(report(finding(excuse=LAPSED)))["acme.listThings", "body_matches_schema"][0].tag == "failure"


def stopped() -> Report:
    made = report()
    made.stopped = "it was interrupted"
    return made


def unread() -> Report:
    made = report()
    made.reading.judged, made.stopped = {"a.har": 3, "b.har": 0}, "nothing in 1 of 2 files could be judged"
    made.reading.skip("b.har", "it is empty")
    return made


def with_a_picture() -> Report:
    made = report()
    made.reading.judged = {"a.har": 3}
    made.reading.skip("a.har:120 (#/log/entries/3)", "GET /logo.png is no operation of acme")
    return made


@pytest.mark.parametrize(
    ("made", "run"),
    [
        (report(), RUN),
        (report(finding()), RUN),
        (report(finding(Grade.CUSTOMARY)), RUN),
        (Report(), RUN),
        (stopped(), RUN),
        (unread(), RUN),
        (with_a_picture(), RUN),
        (report(), RunInfo("acme", documented=(("getThing", "200"),))),
        (report(), RunInfo("acme", required=frozenset({"listThings"}))),
    ],
    ids=["kept", "broken", "note", "empty", "stopped", "unread", "picture", "no success", "required"],
)
def test_it_is_red_exactly_if_the_run_is(made: Report, run: RunInfo) -> None:
    """There is a failure or an error if the verdict is another than `kept`."""
    tags = {child.tag for case in cases(made, run).values() for child in case}
    assert bool(tags & {"failure", "error"}) == (verdict(made, run) != KEPT)


def test_what_was_not_judged_is_told() -> None:
    """A file that could not be read is an error, an exchange of no operation in another file is skipped."""
    assert cases(unread())["acme.run", "b.har"][0].tag == "error"
    assert cases(with_a_picture())["acme.run", "a.har:120 (#/log/entries/3)"][0].tag == "skipped"


def test_a_document_has_only_characters_of_xml() -> None:
    """Control characters, lone surrogates and markup in values are escaped."""
    nasty = "\x00\x1b[31m\udcff\ufffe]]><failure/>&amp;\"'\n"
    made = report(finding(message=nasty + SECRET, seen=nasty, at=f"body/{nasty}", expected=nasty))
    made.exercised["listThings", "ids_stay"] = nasty
    made.reading.skip(nasty, nasty)
    made.leftovers = [nasty]
    found = cases(made, RunInfo("acme", f"http://h/{nasty}"))
    assert "<failure/>" in (found["acme.listThings", "body_matches_schema"][0].text or "")
    assert "\\x00\\x1b[31m\\udcff\\ufffe" in (found["acme.listThings", "ids_stay"][0].get("message") or "")
