"""Make the examples of `trunkline explain` from the seeded defects, and docs/rules.md from the explanations.

`python -m tests.explanations` writes `fixtures/<vendor>/examples.json` and docs/rules.md. A test makes them again, and
compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from tests.check.stateful.defects import DEFECTS as STATEFUL_DEFECTS
from tests.check.stateful.test_defects import found_in
from tests.defects import DEFECTS, LOADED, TOKENS, answered, report_on, when
from trunkline import mock
from trunkline.check.availability import COMPLETENESS
from trunkline.check.explanations import CATALOGUE, every, link_definitions, to_markdown
from trunkline.check.rules import operation_of
from trunkline.check.runner import Checker
from trunkline.exchange import Exchange, Json, NotJSON
from trunkline.findings import Finding, Report, truncate
from trunkline.redaction import printable, redact_body
from trunkline.report.run import RunInfo
from trunkline.report.text import finding_lines, plain

ROOT = Path(__file__).resolve().parents[1]

PREFERRED = {
    "body_matches_schema": "a status in capitals",
    "nonsense_causes_no_server_error": "a NUL in the id of a call ends in a crash",
    "other_methods_cause_no_server_error": "HEAD ends in a crash",
    "same_request_same_response": "a name that is another each time",
}
"""The defects that are easier to read than the first one of the rule or law."""
MISTAKES = {
    "ignored_auth": "nobody asks for a credential",
    COMPLETENESS.name: "an operation that is not there",
}
"""Better names for the mistakes of some."""


@cache
def example(name: str) -> tuple[str, Json]:
    """The vendor of an example, and its mistake and lines."""
    vendor, mistake, finding, report = _found(name)
    finding = replace(finding, count=1)
    run = RunInfo(vendor, strictness=finding.evidence.grade)
    lines = [*_exchanges(finding, report, vendor), *map(plain, finding_lines(finding, report, run))]
    mistake = mistake[:1].lower() + mistake[1:] if mistake[1:2].islower() else mistake
    return vendor, {"mistake": MISTAKES.get(name, mistake), "lines": lines[:-1]}


def _found(name: str) -> tuple[str, str, Finding, Report]:
    """The vendor of the seeded defect of a rule or law, the name of the defect, its finding and the report."""
    if name == COMPLETENESS.name:
        return _incomplete()
    named = [defect for defect in DEFECTS if name in (defect.caught_by, defect.law)]
    named.sort(key=lambda defect: (defect.name != PREFERRED.get(name), defect.caught_by != name))
    if named:
        report = report_on(named[0])
        return (named[0].vendor, named[0].name, _first(report.findings, named[0].caught_by), report)
    seeded = next(defect for defect in STATEFUL_DEFECTS if defect.law == name)
    finding = _first(found_in(seeded), name)
    report = Report(secrets=_sent_secrets(finding, seeded.vendor))
    report.add(finding)
    return seeded.vendor, seeded.name, report.findings[0], report


def _incomplete() -> tuple[str, str, Finding, Report]:
    vendor = LOADED["telepath"]
    missing = when(lambda request: request.path == "/calls", answered(405, {"error": {"code": "NO", "message": "no"}}))
    report = Report(secrets=vendor.secrets)
    checker = Checker(vendor, missing(mock.from_vendor(vendor)), report, credential=TOKENS[vendor.name], complete=True)
    checker.survey(vendor.contract.operations)
    return vendor.name, "", _first(report.findings, COMPLETENESS.name), report


def _first(findings: tuple[Finding, ...], rule: str) -> Finding:
    return next(finding for finding in findings if finding.rule == rule)


def _sent_secrets(finding: Finding, vendor: str) -> frozenset[str]:
    bodies = [json.loads(exchange.request.body) for exchange in finding.exchanges if exchange.request.body]
    return frozenset(body[name] for body in bodies for name in LOADED[vendor].contract.secrets if body.get(name))


# --- exchanges as text ----------------------------------------------------------------------------------------------


def _exchanges(finding: Finding, report: Report, vendor: str) -> Iterator[str]:
    """The requests of a finding, each with its response; of the last one, what is around the place of the finding."""
    *_, last = finding.exchanges
    for exchange in finding.exchanges:
        at = finding.at if exchange is last else ""
        lines = [*_request(exchange, vendor), *_response(exchange, at)]
        yield from (printable(report.redact(line)) for line in lines)
        yield ""


def _request(exchange: Exchange, vendor: str) -> Iterator[str]:
    request, contract = exchange.request, LOADED[vendor].contract
    yield f"{request.method} {truncate(request.target, 100)}"
    operation = operation_of(contract, exchange)
    shown = dict(request.shown).get("authorization", "")
    if operation and operation.secured and shown not in ("Bearer $TRUNKLINE_TOKEN", "Bearer ${TRUNKLINE_TOKEN}"):
        yield f"authorization: {shown}" if request.header("authorization") is not None else "(without a credential)"
    if request.body:
        yield truncate(redact_body(request.body, contract.secrets).decode(), 300)


def _response(exchange: Exchange, at: str) -> Iterator[str]:
    response = exchange.response
    yield f"-> {response.status}"
    if at.startswith("header"):
        named = {name: value for name, value in response.headers if f"header/{name}".startswith(at)}
        shown = {
            name: "…" if name.endswith("-reset") else value for name, value in named.items() if "trunkline" not in name
        }
        yield from (f"   {name}: {value}" for name, value in shown.items())
        yield from ([] if shown else [f"   (no {at.removeprefix('header/')})"])
        return
    try:
        yield f"   {_excerpt(response.json(), tuple(at.split('/')[1:]) if at[:4] == 'body' else ())}"
    except NotJSON:
        yield f"   {truncate(response.body.decode('utf-8', 'replace'), 100)}" if response.body else "   (no body)"


def _excerpt(value: Json, place: tuple[str, ...], depth: int = 0) -> str:
    """The value as JSON, with an ellipsis for what is neither on the way to a place nor short."""
    here, rest = place[:1], place[1:]
    if isinstance(value, dict):
        names = [name for number, name in enumerate(value) if name in here or (number < 2 and depth < 4)]
        parts = [
            f"{json.dumps(name)}: {_excerpt(value[name], rest if name in here else (), depth + 1)}" for name in names
        ]
        return "{" + ", ".join([*parts, *["…"][: len(names) < len(value)]]) + "}"
    if isinstance(value, list):
        wanted = [int(here[0])] if here else [*range(min(2, len(value)))]
        parts = [_excerpt(value[number], rest, depth + 1) for number in wanted]
        before, after = ["…"][: bool(wanted and wanted[0])], ["…"][: bool(wanted and wanted[-1] + 1 < len(value))]
        return "[" + ", ".join([*before, *parts, *after]) + "]"
    return truncate(json.dumps(value, ensure_ascii=False), 60)


# --- the files ------------------------------------------------------------------------------------------------------

HEAD = """# Rules, laws and checks

`trunkline explain RULE` prints one of these sections. `nox -s explanations` writes this page, from the same source; the
examples are made by seeded defects, mistakes that are put into a mock on purpose.

A *rule* judges one exchange, a *law* sends requests of its own and compares the responses, and a *stateful law* judges
what happens to an item between its creation and its deletion (`check --allow-writes`).
"""


def page() -> str:
    """The text of docs/rules.md."""
    contracts = [vendor.contract for vendor in LOADED.values()]
    parts = [HEAD]
    for title, checks in CATALOGUE.items():
        parts.append(f"## {title}\n")
        parts += [to_markdown(every()[check.name], contracts, "###") for check in checks]
    return "\n".join([*parts, link_definitions(every().values(), contracts)])


def _write() -> None:
    by_vendor: dict[str, dict[str, Json]] = {name: {} for name in LOADED}
    for name in every():
        vendor, made = example(name)
        by_vendor[vendor][name] = made
    for vendor, examples in by_vendor.items():
        text = json.dumps(examples, ensure_ascii=False, indent=1)
        (ROOT / "fixtures" / vendor / "examples.json").write_text(text + "\n", "utf-8")
    from trunkline.check import explanations  # noqa: PLC0415

    explanations._examples.cache_clear()
    (ROOT / "docs" / "rules.md").write_text(page(), "utf-8")


if __name__ == "__main__":
    _write()
