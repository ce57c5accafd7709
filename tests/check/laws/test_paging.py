"""Tests of `trunkline.check.laws.paging`."""

from __future__ import annotations

from dataclasses import replace

from tests.defects import examine, sending
from trunkline import mock
from trunkline.check.laws import filtering, paging
from trunkline.exchange import Request, Response
from trunkline.mock import loader


def test_a_list_that_repeats_its_page_says_so() -> None:
    """A list of several pages that ignores the offset breaks a law of paging, and no reason guesses its length."""
    fake = mock.from_vendor(loader.load("telepath", trunks=250))
    target = sending("offset", lambda _: None)(fake)
    laws = [law.name for law in (*paging.LAWS, *filtering.LAWS)]
    report = examine("telepath", target, *laws, operations=["listTrunks"], examples=5)
    messages = [finding.message for finding in report.failures() if finding.rule == "pages_do_not_overlap"]
    assert messages == ["page 2 has an item of an earlier page again, so the list never ends"]
    reasons = {law: reason for (_, law), reason in report.exercised.items() if reason}
    assert reasons["any_page_is_its_slice"] == "page 2 of the list repeats earlier pages, so no page is the last"
    assert not any("longer" in reason for reason in reasons.values())


def test_pages_without_ids_prove_nothing() -> None:
    """A repeated page whose items have no id is no overlap: the law is not exercised."""
    fake = mock.from_vendor(loader.load("telepath", trunks=250))

    def target(request: Request) -> Response:
        response = fake(request)
        return replace(response, body=response.body.replace(b'"id":', b'"key":'))

    report = examine("telepath", target, "pages_do_not_overlap", operations=["listTrunks"])
    assert [finding.rule for finding in report.failures()] == ["body_matches_schema"]
    assert "repeats earlier pages" in report.exercised["listTrunks", "pages_do_not_overlap"]
