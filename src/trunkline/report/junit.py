"""The report as JUnit XML, for CI systems: a suite for each operation, a test case for each rule, law or check.

A finding that fails the run is a failure. A check that was not exercised is skipped, and so is one all of whose
findings a baseline excuses. The reason for which a run has no verdict is an error. So there is a failure or an error
exactly if `trunkline` does not end with 0. The elements and attributes are those that Jenkins and Surefire have in
common. Each `time` is 0, since none is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

from trunkline.findings import Finding, Report
from trunkline.redaction import printable
from trunkline.report.run import RunInfo, shortfall
from trunkline.report.text import finding_lines, plain, summary_lines

_OUTCOMES = {"failures": "failure", "errors": "error", "skipped": "skipped"}
"""The attribute of a suite with the number of its test cases that have an element."""


def render(report: Report, run: RunInfo) -> str:
    """The document, in which every character is one that XML allows."""
    root = ET.Element("testsuites", name="trunkline")
    operations = dict.fromkeys(name for name, _ in _steps(report))
    for name in operations:
        _add_suite(root, printable(report.redact(name)), _cases(name, report, run), run)
    _add_suite(root, "run", _run_cases(report, run), run)
    _count(root)
    del root.attrib["skipped"]  # only a suite has it
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, "unicode")}\n'


def _steps(report: Report) -> dict[tuple[str, str], str]:
    """Each (operationId, check) of the run, with the reason why it was not exercised, or an empty text."""
    found = {(finding.operation, finding.rule): "" for finding in report.findings}
    steps = report.rules | report.exercised | found
    order = {name: at for at, name in enumerate(dict.fromkeys(name for name, _ in steps))}
    return dict(sorted(steps.items(), key=lambda step: order[step[0][0]]))


def _add_suite(root: ET.Element, name: str, cases: Iterator[ET.Element], run: RunInfo) -> None:
    suite = ET.SubElement(root, "testsuite", name=f"{run.vendor}.{name}")
    for case in cases:
        case.attrib |= {"classname": f"{run.vendor}.{name}", "time": "0"}
        suite.append(case)
    _count(suite)


def _count(element: ET.Element) -> None:
    """Set the number of test cases in an element, and that of each outcome."""
    cases = [*element.iter("testcase")]
    element.attrib |= {"tests": str(len(cases)), "time": "0"}
    for attribute, outcome in _OUTCOMES.items():
        element.set(attribute, str(sum(case.find(outcome) is not None for case in cases)))


def _cases(operation: str, report: Report, run: RunInfo) -> Iterator[ET.Element]:
    by_check: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if finding.operation == operation:
            by_check.setdefault(finding.rule, []).append(finding)
    for (name, check), reason in _steps(report).items():
        if name == operation:
            yield _case(check, by_check.get(check, ()), reason, report, run)


def _case(check: str, findings: Sequence[Finding], reason: str, report: Report, run: RunInfo) -> ET.Element:
    case = ET.Element("testcase", name=printable(report.redact(check)))
    failures = [finding for finding in findings if run.fails(finding)]
    notes = [finding for finding in findings if not run.fails(finding)]
    if failures:
        first, others = failures[0], len(failures) - 1
        more = f" (and {others} more)" if others else ""
        message = printable(report.redact(f"{first.at}: {first.message}{more}".removeprefix(": ")))
        outcome = ET.SubElement(case, "failure", message=message, type=str(first.evidence.grade))
        outcome.text = _text(failures, report, run)
    elif known := [str(finding.excuse) for finding in findings if finding.is_excused]:
        ET.SubElement(case, "skipped", message=printable(report.redact(f"known {'; known '.join(known)}")))
    elif reason:
        ET.SubElement(case, "skipped", message=printable(report.redact(reason)))
    if notes:
        ET.SubElement(case, "system-out").text = _text(notes, report, run)
    return case


def _text(findings: Sequence[Finding], report: Report, run: RunInfo) -> str:
    lines = [plain(line) for finding in findings for line in finding_lines(finding, report, run)]
    return "\n".join(lines).rstrip()


def _run_cases(report: Report, run: RunInfo) -> Iterator[ET.Element]:
    """A case for the run as a whole, which prints the summary, and one for each place that was not judged."""
    case = ET.Element("testcase", name="verdict")
    if reason := report.stopped or shortfall(report, run):
        ET.SubElement(case, "error", message=printable(report.redact(reason)), type="not exercised")
    summary = "\n".join(plain(line) for line in summary_lines(report, run))
    ET.SubElement(case, "system-out").text = summary
    yield case
    for found in report.reading.unjudged:
        name, message = (found.place, found.reason) if found.place else (found.reason, found.subject)
        case = ET.Element("testcase", name=printable(report.redact(name)))
        # A file of which no exchange was judged has no verdict.
        unread = report.reading.judged.get(found.place) == 0
        ET.SubElement(case, "error" if unread else "skipped", message=printable(report.redact(message)))
        yield case
