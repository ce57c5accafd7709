"""A baseline excuses exactly the findings that it names, until they expire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from tests.defects import (
    BY_NAME,
    HOME,
    LOADED,
    PARAMETERS,
    PASSWORD,
    Break,
    answered,
    bodies,
    relisted,
    trunks,
    turned,
    when,
)
from tests.documents import drop, put
from trunkline import mock
from trunkline.check.baseline import Baseline, read_baseline
from trunkline.check.runner import Checker
from trunkline.errors import UsageError
from trunkline.exchange import Target
from trunkline.findings import Grade, Report, kind_of

TODAY = date(2026, 11, 28)
CONTRACT = LOADED["telepath"].contract
PLAIN = "same_request_same_response"
ENTRY = """\
[[known]]
rule = "body_matches_schema"
operation = "listTrunks"
at = "body/trunks/*/status"
contract = "schemas/telepath/trunk.json#/properties/status/enum"
seen = '"busy"'
reason = "ticket 4711"
expires = 2026-11-28
"""


def baseline(tmp_path: Path, text: str = ENTRY, today: date = TODAY) -> Baseline:
    """The baseline with this text."""
    path = tmp_path / "known.toml"
    path.write_text(text, "utf-8")
    return read_baseline(str(path), CONTRACT, today=today)


def checked(
    known: Baseline | None,
    *breaks: Break,
    laws: Sequence[str] = (PLAIN,),
    vendor: str = "telepath",
    others: Sequence[str] = (),
) -> Report:
    """The report of some laws on a mock with these mistakes."""
    target: Target = mock.from_vendor(LOADED[vendor])
    for break_ in breaks:
        target = break_(target)
    report = Report(secrets=LOADED[vendor].secrets, excuses=known.excuses() if known else {})
    token, parameters = LOADED[vendor].world.token, PARAMETERS[vendor]
    checker = Checker(LOADED[vendor], target, report, credential=token, parameters=parameters)
    for operation in (HOME[vendor], *others):
        for law in laws:
            checker.check_law(LOADED[vendor].contract.operation(operation), BY_NAME[law])
    return report


def excusing(tmp_path: Path, *breaks: Break, laws: Sequence[str] = (PLAIN,)) -> Baseline:
    """The baseline that a run has written about these mistakes, and in which somebody has written a reason."""
    path = tmp_path / "known.toml"
    new = read_baseline(str(path), CONTRACT, may_be_new=True, today=TODAY)
    new.update(checked(new, *breaks, laws=laws), Grade.IMPLIED)
    path.write_text(path.read_text("utf-8").replace("TODO: ", "because: "), "utf-8")
    return read_baseline(str(path), CONTRACT, today=TODAY)


def some(status: str, *others: str) -> Break:
    """The first trunk has one status, the second another; the rest are right."""

    def edit(body: dict[str, list[dict[str, str]]]) -> None:
        for item, value in zip(body["trunks"], (status, *others), strict=False):
            item["status"] = value

    return bodies(edit)


def unbroken(target: Target) -> Target:
    """Nothing is wrong."""
    return target


BUSY = trunks(put("/status", "busy"))


def test_a_known_finding_does_not_fail_a_run(tmp_path: Path) -> None:
    """It is still in the report, with its reason and its expiry, and comes last."""
    known = excusing(tmp_path, BUSY)
    report = checked(known, BUSY)
    assert report.failures() == ()
    (finding,) = report.findings
    assert finding.is_excused
    assert str(finding.excuse) == "until 2027-02-26: because: why is it known, and who fixes it?"
    both = checked(known, BUSY, trunks(put("/metrics/success_rate", 101)))
    assert [found.is_excused for found in both.findings] == [False, True]


SECOND = {
    "another word outside the list": some("busy", "ringing"),
    "another kind of value": some("busy", None),  # type: ignore[arg-type]  # null is what is wrong
    "another field": trunks(put("/metrics/success_rate", 101)),
    "the field is absent": bodies(lambda body: body["trunks"][1].pop("status") and None),
    "another rule": relisted(count=lambda _everything, _kept, page: len(page) - 1),
    "another operation": when(lambda request: request.path == "/calls", answered(500)),
}


@pytest.mark.parametrize("name", SECOND)
def test_an_entry_never_hides_a_second_finding(tmp_path: Path, name: str) -> None:
    """Whatever else is wrong fails the run, also at the same place of another item."""
    known = excusing(tmp_path, BUSY)
    others = ["listCalls"] if name == "another operation" else []
    report = checked(known, SECOND[name], some("busy") if name not in list(SECOND)[:2] else unbroken, others=others)
    failing = report.failures()
    assert failing, str(report)
    assert any(finding.is_excused for finding in report.findings), str(report)
    assert not any("busy" in finding.seen for finding in failing), str(report)


def test_another_kind_at_the_same_place_of_the_contract_is_another_finding(tmp_path: Path) -> None:
    """A number that is sent as text is known; if it is null too, that is not."""
    known = excusing(tmp_path, bodies(turned("/trunks/0/metrics/calls_today", str)))
    both = bodies(lambda body: body["trunks"][0]["metrics"].update(calls_today="1"))
    assert checked(known, both).failures() == ()
    (found,) = checked(known, both, bodies(put("/trunks/1/metrics/calls_today", [1]))).failures()
    assert (found.at, found.seen) == ("body/trunks/1/metrics/calls_today", "[1]")


def test_what_else_is_absent_is_another_finding(tmp_path: Path) -> None:
    """Two properties of an item are known to be absent, two others are not."""
    known = excusing(tmp_path, missing("name", "status"))
    assert all(found.is_excused for found in checked(known, missing("name", "status")).findings)
    assert checked(known, missing("name", "updated_at")).failures()
    assert checked(known, missing("name", "status", "updated_at")).failures()


def missing(*names: str) -> Break:
    """Each trunk lacks these properties."""
    return trunks(lambda item: [item.pop(name) for name in names] and None)


def test_another_status_is_another_finding(tmp_path: Path) -> None:
    """A 500 is known, a 502 is not."""
    known = excusing(tmp_path, when(lambda request: "abc" in request.query, answered(500)), laws=LAWS)
    assert checked(known, when(lambda request: "abc" in request.query, answered(500)), laws=LAWS).failures() == ()
    failing = checked(known, when(lambda request: "abc" in request.query, answered(502)), laws=LAWS).failures()
    assert {finding.seen for finding in failing} == {"502"}


LAWS = ("malformed_numbers_cause_no_server_error",)


def test_the_position_and_the_number_do_not_matter(tmp_path: Path) -> None:
    """The same value in other items of the list is the same finding."""
    known = excusing(tmp_path, some("busy"))
    assert checked(known, BUSY).failures() == ()


@pytest.mark.parametrize(
    ("today", "lapsed"),
    [(date(2026, 11, 28), ""), (date(2026, 11, 29), "expired on 2026-11-28")],
)
def test_an_expired_entry_excuses_nothing(tmp_path: Path, today: date, lapsed: str) -> None:
    """The finding fails again on the day after, and says why."""
    report = checked(baseline(tmp_path, today=today), BUSY)
    (finding,) = report.findings
    assert finding.excuse is not None
    assert finding.excuse.lapsed == lapsed
    assert bool(report.failures()) is bool(lapsed)


@pytest.mark.parametrize("reason", ["", "  ", "TODO", "TODO: why"])
def test_an_entry_without_a_reason_excuses_nothing(tmp_path: Path, reason: str) -> None:
    """A new entry has none: somebody has to write it."""
    report = checked(baseline(tmp_path, ENTRY.replace("ticket 4711", reason)), BUSY)
    (finding,) = report.failures()
    assert finding.excuse is not None
    assert finding.excuse.lapsed == "known, but without a reason"


def test_a_stale_entry_is_reported(tmp_path: Path) -> None:
    """It is stale if its check ran and found nothing, and not if the run broke off or its check did not run."""
    known = baseline(tmp_path, f"\n# why\n{ENTRY}")
    report = checked(known)
    known.note_stale(report)
    line = f"{tmp_path}/known.toml:3: body_matches_schema of listTrunks was not found; remove the entry"
    assert report.stale == [line]
    found = checked(known, BUSY)
    known.note_stale(found)
    stopped = checked(known)
    stopped.stopped = "it was interrupted"
    known.note_stale(stopped)
    other = checked(known)
    other.exercised["listTrunks", PLAIN] = "the list is empty"
    known.note_stale(other)
    assert found.stale == stopped.stale == other.stale == []


def test_an_entry_that_only_writing_finds_is_not_stale_without(tmp_path: Path) -> None:
    """A stateful law that did not run proves nothing about it."""
    report = Report(exercised={("listTrunks", PLAIN): "", ("listTrunks", "list_and_detail_agree"): "it writes"})
    assert len(baseline(tmp_path).stale(report)) == 1
    assert baseline(tmp_path, ENTRY + "writes = true\n").stale(report) == ()


def test_a_run_updates_a_baseline(tmp_path: Path) -> None:
    """Other entries stay as they are, with their reasons and comments; stale ones go, and new findings are added."""
    stale = ENTRY.replace("'\"busy\"'", "'\"gone\"'")
    kept = "# ask Ada before\n" + ENTRY.replace("ticket 4711", "a \u201cquoted\u201d reason") + "# below\n"
    known = baseline(tmp_path, f"# ours\n\n{stale}\n{kept}")
    report = checked(known, BUSY, trunks(put("/metrics/success_rate", 101)), bodies(drop("/pagination")))
    sentence = known.update(report, Grade.IMPLIED)
    assert sentence == f"{tmp_path}/known.toml: 2 new entries, which need a reason; 1 removed, 1 kept"
    text = (tmp_path / "known.toml").read_text("utf-8")
    assert text.startswith(f"# ours\n\n{kept}\n[[known]]\n")
    assert "gone" not in text
    assert text.count('\nreason = "TODO: why is it known, and who fixes it?"\nexpires = 2027-02-26\n') == 2
    again = read_baseline(str(tmp_path / "known.toml"), CONTRACT, today=TODAY)
    report = checked(again, BUSY, trunks(put("/metrics/success_rate", 101)), bodies(drop("/pagination")))
    assert again.update(report, Grade.IMPLIED).endswith("no new entry; none removed, 3 kept")
    assert (tmp_path / "known.toml").read_text("utf-8") == text


def test_notes_are_not_added(tmp_path: Path) -> None:
    """Only a finding that fails the run needs to be known; at a stricter level that is a note too."""
    new = read_baseline(str(tmp_path / "known.toml"), CONTRACT, may_be_new=True, today=TODAY)
    report = checked(new, trunks(put("/region", "eu-1")))
    assert "no new entry" in new.update(report, Grade.IMPLIED)
    assert "1 new entry, which needs a reason" in new.update(report, Grade.CUSTOMARY)


def test_a_baseline_holds_no_secret(tmp_path: Path) -> None:
    """Neither in a place nor in a value or a message."""
    path = tmp_path / "known.toml"
    contract = LOADED["talkover"].contract
    new = read_baseline(str(path), contract, may_be_new=True, today=TODAY)
    leak = bodies(lambda body: body.update({PASSWORD: PASSWORD, "data": {**body["data"], "transport": PASSWORD}}))
    report = checked(None, leak, vendor="talkover")
    report.secrets |= {PASSWORD}
    new.update(report, Grade.CUSTOMARY)
    assert PASSWORD not in path.read_text("utf-8")
    assert len(read_baseline(str(path), contract, today=TODAY).entries) >= 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[known]\n", r"is not TOML: .*\(at line 1, column 8\)"),
        ("\x00", "is not TOML"),
        ("x = 1\n", "has an unknown key 'x'; it consists of entries, "),
        ("known = 1\n", r": each entry must begin with a line \[\[known\]\] of its own"),
        ("known = [{rule = 'x'}]\n", ": each entry must begin with a line"),
        (f"\n\n{ENTRY.replace('reason', 'raeson')}", ":3: an entry has no key 'raeson'; did you mean reason"),
        (ENTRY.replace('reason = "ticket 4711"\n', ""), ":1: the entry has no reason"),
        (ENTRY.replace("2026-11-28", '"2026-11-28"'), ":1: expires is not a date without quotes, such as 2027-02-26"),
        (ENTRY.replace("2026-11-28", "2026-11-28T00:00:00Z"), ":1: expires is not a date"),
        (ENTRY.replace("2026-11-28", "2026-13-28"), "is not TOML"),
        (ENTRY + "writes = 1\n", ":1: writes is not true or false"),
        (ENTRY.replace("body_matches_schema", "body_matches_shema"), ":1: 'body_matches_shema' is no rule, law or "),
        (ENTRY.replace("listTrunks", "listTrunk"), ":1: 'listTrunk' is no operation of telepath; did you mean listTru"),
        (f"{ENTRY}\n{ENTRY}", ":10: this entry is about the same finding as that in line 1"),
    ],
)
def test_a_wrong_file_is_one_sentence_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    """It names the file, the line where there is one, and the way out."""
    with pytest.raises(UsageError, match=sentence) as error:
        baseline(tmp_path, text)
    assert str(error.value).startswith(str(tmp_path / "known.toml"))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_can_be_written(tmp_path: Path) -> None:
    """The sentence says how; one that is a folder cannot be."""
    with pytest.raises(UsageError, match="there is no such file; --update-baseline writes it"):
        read_baseline(str(tmp_path / "x.toml"), CONTRACT)
    with pytest.raises(UsageError, match="cannot be read: it is a directory"):
        read_baseline(str(tmp_path), CONTRACT, may_be_new=True)
    with pytest.raises(UsageError, match="cannot be written: no such file or directory"):
        read_baseline(str(tmp_path / "no" / "x.toml"), CONTRACT, may_be_new=True).update(Report(), Grade.IMPLIED)


@pytest.mark.parametrize(
    ("at", "contract", "seen", "kind"),
    [
        ("status", "", "200 for limit=101", "200"),
        ("body/a", "x/enum", '"busy"', '"busy"'),
        ("body/a", "x/type", '"5060"', "text"),
        ("body/a", "x/type", "-1.5", "number"),
        ("body/a", "x/type", "null", "null"),
        ("body/a", "x/type", "true", "true or false"),
        ("body/a", "x/type", '["a"]', "list"),
        ("body/a", "x/type", '{"a": 1}', "object"),
        ("body/a", "x", "absent", "absent"),
        ("body/a", "x", "", ""),
    ],
)
def test_the_kind_of_a_value_is_the_same_in_each_run(at: str, contract: str, seen: str, kind: str) -> None:
    """A status and an undocumented word are their own kinds."""
    assert kind_of(at, contract, seen) == kind
