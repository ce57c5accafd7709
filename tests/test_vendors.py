"""The data of every vendor: fixtures and samples obey the contract, other tools can read it, each fact has its page."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from itertools import chain
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

import trunkline
from trunkline.check.rules import judge
from trunkline.contract import folders
from trunkline.contract.lint import nodes_of
from trunkline.contract.model import DOCUMENT, Act, Delete, Operation
from trunkline.contract.schema import format_checker
from trunkline.exchange import Exchange, Json, Request, Response, pointer, resolve
from trunkline.findings import Evidence, Grade
from trunkline.mock import loader
from trunkline.mock.loader import Vendor
from trunkline.mock.world import MOCK_ONLY, project

VENDORS = folders.names()
ROOT = folders.roots()[0]
LOADED = {name: loader.load(name) for name in VENDORS}
CASES = [(name, case) for name in VENDORS for case in LOADED[name].cases]
OPERATIONS = [operation for vendor in LOADED.values() for operation in vendor.contract.operations]
WITH_BODY = [operation for operation in OPERATIONS if operation.body]
each_with_body = pytest.mark.parametrize("operation", WITH_BODY, ids=lambda operation: operation.operation_id)


def folder_of(vendor: Vendor) -> Path:
    return ROOT / "schemas" / vendor.name


def test_each_schema_has_an_id_of_its_own(vendor: Vendor) -> None:
    """The `$id` names vendor and file, so that a validator can hold the schemas of all vendors."""
    for file, content in vendor.contract.files.items():
        expected = None if file == DOCUMENT else f"https://trunkline.invalid/schemas/{vendor.name}/{file}"
        assert content.get("$id") == expected


def test_each_format_of_our_own_has_an_id() -> None:
    """So have the schemas of the data and of the report."""
    formats = [*Path(trunkline.__file__).parent.glob("*/*.schema.json")]
    assert {path.name for path in formats} == {"contract.schema.json", "world.schema.json", "report.schema.json"}
    for path in formats:
        assert json.loads(path.read_text("utf-8"))["$id"] == f"https://trunkline.invalid/{path.name}"


def test_titles_are_short_and_name_one_schema(vendor: Vendor) -> None:
    """Generators name a class after the title, so it is no sentence, and no two schemas share it."""
    titles = [
        node["title"]
        for file, content in vendor.contract.files.items()
        if file != DOCUMENT
        for _, node in nodes_of(content)
        if "title" in node
    ]
    assert all(re.fullmatch(r"[A-Z][A-Za-z]*( [A-Za-z]+){0,2}", title) for title in titles)
    assert len({title.lower() for title in titles}) == len(titles)


def test_each_folder_of_schemas_has_a_folder_of_fixtures() -> None:
    """A vendor is two folders of the same name."""
    assert set(VENDORS) == {path.name for path in (ROOT / "fixtures").iterdir() if path.is_dir()}
    assert VENDORS


def test_the_shipped_data_are_linted(vendor: Vendor) -> None:
    """Loading skips the lint for the data that we ship, so it is run here."""
    assert loader.load(vendor.name, lint=True).name == vendor.name


def test_loading_shipped_data_is_fast_because_nothing_is_linted(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither schemas nor records are validated, so that both vendors load within 40 ms of CPU."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError

    names = ("contract.loader.lint_files", "contract.loader.lint_contract", "contract.loader.check_format")
    for name in (*names, "mock.loader.lint_world", "mock.loader.lint_records", "mock.loader.lint_responses"):
        monkeypatch.setattr(f"trunkline.{name}", fail)
    assert loader.load(vendor.name).name == vendor.name
    spent = []
    for _ in range(5):
        start = time.process_time()
        for name in VENDORS:
            loader.load(name)
        spent.append(time.process_time() - start)
    assert min(spent) < 0.04, spent


# --- fixtures and samples -------------------------------------------------------------------------------------------


def judged(vendor: Vendor, operation: Operation, status: int, body: Json) -> set[tuple[str, str]]:
    """The findings of the rules in a body without a request."""
    response = Response(status, (), json.dumps(body).encode())
    exchange = Exchange(Request(operation.method, operation.path), response, frozenset({"status", "body"}))
    return {(finding.rule, finding.at) for finding in judge(operation, exchange)}


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}: {case['name']}" for name, case in CASES])
def test_a_sample_has_exactly_its_listed_violations(name: str, case: dict[str, Json]) -> None:
    """The rules find in each sample of the pages exactly the violations that `cases.json` lists for it."""
    vendor = LOADED[name]
    operation = vendor.contract.operation(case["operation"])
    found = judged(vendor, operation, case["status"], case["body"])
    assert found == {(violation["rule"], violation["at"]) for violation in case["breaks"]}
    assert len(case["breaks"]) == len(found)


def test_there_are_good_and_bad_samples(vendor: Vendor) -> None:
    """There are samples of the pages that obey the contract, and samples that do not."""
    assert any(not case["breaks"] and case["status"] == 200 for case in vendor.cases)
    assert any(not case["breaks"] and case["status"] >= 400 for case in vendor.cases)
    assert any(case["breaks"] for case in vendor.cases)


def test_every_operation_has_a_sample(vendor: Vendor) -> None:
    """The success that a page shows for an operation is among the samples."""
    good = {case["operation"] for case in vendor.cases if case["status"] < 300 and not case["breaks"]}
    assert good == {operation.operation_id for operation in vendor.contract.operations}


def records_of(operation: Operation) -> tuple[dict[str, Json], ...]:
    """The records of the resource of an operation."""
    return LOADED[operation.contract.vendor].world.collections[operation.resource].records


def test_every_record_is_a_lawful_item(vendor: Vendor) -> None:
    """Every record obeys the schema of every operation that shows it."""
    judged = 0
    for operation in vendor.contract.operations:
        for record in records_of(operation) if operation.item is not None else ():
            assert list(operation.item_violations(project(record, operation.view))) == []
            judged += 1
    assert judged > 20


def test_the_fixtures_are_worth_testing_with(vendor: Vendor) -> None:
    """The records have two accounts, text beyond ASCII, quotes and nulls or absent values."""
    records = [record for collection in vendor.world.collections.values() for record in collection.records]
    text = json.dumps(records, ensure_ascii=False)
    assert len({grant.account for grant in vendor.world.tokens.values()}) >= 2
    assert not text.isascii()
    assert '\\"' in text
    assert "null" in text or '"calls_today": 0' in text
    assert all(vendor.world.account_of(record) for record in records)


def test_each_field_of_a_record_is_known(vendor: Vendor) -> None:
    """Each field of a record is shown or accepted by an operation, secret, or a fact of the mock."""
    for name, collection in vendor.world.collections.items():
        about = [operation for operation in vendor.contract.operations if operation.resource == name]
        fields = {field for operation in about for field in (*operation.view, *operation.inputs)}
        parent = {collection.parent.field} if collection.parent else set()
        assert collection.records
        for record in collection.records:
            assert set(record) <= {*fields, *parent, *vendor.contract.secrets, MOCK_ONLY}


def test_every_record_has_its_parent(vendor: Vendor) -> None:
    """The parent of each record exists, in the same account."""
    assert list(vendor.world.orphans()) == []


def test_each_documented_conflict_can_happen(vendor: Vendor) -> None:
    """For each documented conflict there is a record that causes it, and one that does not."""
    world = vendor.world
    for operation in vendor.contract.operations:
        deleting = operation.kind if isinstance(operation.kind, Delete) else None
        for name in deleting.empty if deleting else ():
            parent = world.collections[name].parent
            assert parent
            assert parent.collection == operation.resource
            used = {record[parent.field] for record in world.collections[name].records}
            assert 0 < len(used) < len(records_of(operation))
        if deleting and deleting.unused:
            assert {bool(record.get(MOCK_ONLY, {}).get("in_use")) for record in records_of(operation)} == {True, False}
        if (
            isinstance(operation.kind, Act)
            and operation.resource
            and len(world.behaviors[operation.operation_id].outcomes) > 1
        ):
            facts = {record.get(MOCK_ONLY, {}).get("reachable", True) for record in records_of(operation)}
            assert facts == {True, False}


def test_every_operation_is_served(vendor: Vendor) -> None:
    """The mock serves each operation of the contract."""
    assert set(vendor.world.behaviors) == {operation.operation_id for operation in vendor.contract.operations}


# --- other tools ----------------------------------------------------------------------------------------------------


def test_the_document_is_valid_openapi(vendor: Vendor) -> None:
    """The document, with the files beside it, is valid OpenAPI 3.1."""
    path = folder_of(vendor) / DOCUMENT
    document = json.loads(path.read_text("utf-8"))
    assert list(OpenAPIV31SpecValidator(document, base_uri=path.as_uri()).iter_errors()) == []


@cache
def registry(name: str) -> Registry[Json]:
    """The files of a vendor's folder by their file: addresses, for another validator."""
    paths = sorted((ROOT / "schemas" / name).glob("*.json"))
    return Registry().with_resources(
        (path.as_uri(), Resource.from_contents(content, default_specification=DRAFT202012))
        for path in paths
        for content in [json.loads(path.read_text("utf-8"))]
    )


def verdict_of_another(name: str, place: str, value: Json) -> set[tuple[str, str]]:
    """(place, keyword) of each failure that plain jsonschema finds with the schema at `file#pointer`."""
    file, _, at = place.partition("#")
    address = f"{(ROOT / 'schemas' / name / file).as_uri()}#{at}"
    validator = jsonschema.Draft202012Validator(
        {"$ref": address}, registry=registry(name), format_checker=format_checker()
    )
    return {(pointer(error.absolute_path), str(error.validator)) for error in validator.iter_errors(value)}


def verdict(vendor: Vendor, schema: str, value: Json, file: str = DOCUMENT) -> set[tuple[str, str]]:
    """(place, keyword) of each failure that trunkline finds."""
    return {
        (found.at.rpartition("/")[0] if found.keyword == "required" else found.at, found.keyword)
        for found in vendor.contract.violations(schema, value, file)
    }


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}: {case['name']}" for name, case in CASES])
def test_another_validator_agrees_on_a_sample(name: str, case: dict[str, Json]) -> None:
    """Plain jsonschema, with only the files of the folder, finds the same failures in the same places."""
    vendor = LOADED[name]
    answer = vendor.contract.operation(case["operation"]).response_for(case["status"])
    assert answer is not None
    assert verdict(vendor, answer.schema, case["body"]) == verdict_of_another(
        name, f"{DOCUMENT}#{answer.schema}", case["body"]
    )


WRONG: tuple[Json, ...] = (
    None, "", "x" * 300, 0, -1, 65536, 1.5, True, [], {}, "2024-01-01T00:00:00", "2024-13-01T00:00:00Z",
)  # fmt: skip


def spoiled(record: dict[str, Json]) -> Iterator[dict[str, Json]]:
    """The record, and the record with each of its fields removed or replaced."""
    yield record
    for name in record:
        yield {other: value for other, value in record.items() if other != name}
        for value in WRONG:
            yield {**record, name: value}


def compared(vendor: Vendor, file: str, values: Iterator[Json]) -> tuple[int, int]:
    """The number of valid and of invalid values by the schema in a file; plain jsonschema must agree."""
    good, bad = 0, 0
    for value in values:
        ours = verdict(vendor, "", value, file)
        assert ours == verdict_of_another(vendor.name, file, value), value
        good, bad = good + (not ours), bad + bool(ours)
    return good, bad


def test_each_schema_file_is_useful_alone(vendor: Vendor) -> None:
    """Plain jsonschema agrees with trunkline on each record, and on each record with a field removed or replaced."""
    files = {file for file, content in vendor.contract.files.items() if "id" in content.get("properties", {})}
    judged = set()
    for operation in vendor.contract.operations:
        for file in files:
            if operation.item is None or set(vendor.contract.files[file]["properties"]) != set(operation.view):
                continue
            shown = [project(record, operation.view) for record in records_of(operation)]
            good, bad = compared(vendor, file, chain(shown, spoiled(shown[0])))
            assert good >= len(shown)
            assert bad > 20
            judged.add(file)
    assert judged == files


@each_with_body
def test_the_schema_of_an_input_is_useful_alone(operation: Operation) -> None:
    """Plain jsonschema agrees with trunkline on the sample body, and on the sample with a field removed or replaced."""
    vendor = LOADED[operation.contract.vendor]
    assert operation.body is not None
    media = resolve(vendor.contract.document, f"{operation.body.pointer}/content/application~1json")
    for example in media["examples"].values():
        assert verdict(vendor, operation.body.schema, example["value"]) == set(), example["summary"]
        others = ({**example["value"], name: value} for name in operation.inputs for value in WRONG)
        good, bad = compared(vendor, media["schema"]["$ref"], chain(spoiled(example["value"]), others))
        assert good >= 1
        assert bad > 20


def test_each_schema_file_names_its_dialect(vendor: Vendor) -> None:
    """Each schema file names its dialect."""
    for path in folder_of(vendor).glob("*.json"):
        content = json.loads(path.read_text("utf-8"))
        if path.name != DOCUMENT:
            assert content["$schema"] == "https://json-schema.org/draft/2020-12/schema"
            assert content["title"]
            jsonschema.Draft202012Validator.check_schema(content)
        else:
            assert content["openapi"] == "3.1.0"


# --- what a check may send ------------------------------------------------------------------------------------------

HOST = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
NUMBER = re.compile(r"\+1[2-9][0-9]{2}55501[0-9]{2}")


def made(operation: Operation) -> st.SearchStrategy[dict[str, Json]]:
    """Bodies of harmless values: each text matches its `made`, or is one of its `enum`."""
    fields: dict[str, st.SearchStrategy[Json]] = {}
    for name, schema in operation.inputs.items():
        harmless = schema["x-trunkline"].get("made")
        if harmless:
            fields[name] = st.from_regex(re.compile(harmless, re.ASCII), fullmatch=True)
        elif "enum" in schema:
            fields[name] = st.sampled_from(schema["enum"])
    return st.fixed_dictionaries(fields)


@each_with_body
def test_what_a_check_may_send_is_harmless(operation: Operation) -> None:
    """Values that a check may send obey the contract, name no possible host, number or person, and need no trimming."""

    @settings(max_examples=25, database=None, derandomize=True)
    @given(made(operation))
    def judge_one(body: dict[str, Json]) -> None:
        assert operation.body is not None
        assert list(operation.contract.violations(operation.body.schema, body)) == []
        for value in body.values():
            assert isinstance(value, str)
            assert value.isprintable()
            assert value == value.strip()
            assert all(host.endswith(".example.com") for host in HOST.findall(value)), value
            assert not value.startswith("+") or NUMBER.fullmatch(value)

    judge_one()


@each_with_body
def test_a_secret_that_a_check_sends_can_be_recognized(operation: Operation) -> None:
    """A password or key that a check sent can be recognized as such later."""
    for name, schema in operation.inputs.items():
        if name in operation.contract.secrets:
            assert schema["x-trunkline"]["made"].startswith(("tk-", "sk-"))


# --- evidence -------------------------------------------------------------------------------------------------------


def nodes(value: Json, at: str = "") -> Iterator[tuple[str, dict[str, Json]]]:
    """Each object of a file, with its place."""
    if isinstance(value, dict):
        yield at, value
        for name, inner in value.items():
            yield from nodes(inner, at + pointer((name,)))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from nodes(inner, f"{at}/{index}")


def evidence_in(vendor: Vendor) -> Iterator[tuple[str, dict[str, Json]]]:
    """All evidence in a folder, with its place."""
    for file, content in vendor.contract.files.items():
        for at, node in nodes(content):
            if "grade" in node:
                yield f"{file}#{at}", node


def test_every_statement_has_its_evidence(vendor: Vendor) -> None:
    """Each parameter, response, header and property has evidence."""
    wanting = []
    for file, content in vendor.contract.files.items():
        for at, node in nodes(content):
            parent, _, _ = at.rpartition("/")
            stated = parent.endswith(("/properties", "/headers", "/parameters", "/responses"))
            stated = stated or (parent.count("/") == 2 and parent.startswith("/paths/")) or at.endswith("/requestBody")
            if parent == "" and file != DOCUMENT:
                stated = False
            if stated and "$ref" not in node and "evidence" not in node.get("x-trunkline", {}):
                wanting.append(f"{file}#{at}")
    assert wanting == []


def test_evidence_is_dated_and_has_its_page(vendor: Vendor) -> None:
    """Evidence names a page, a decision says why, and each file says when its pages were read."""
    found = list(evidence_in(vendor))
    assert len(found) > 30
    for place, evidence in found:
        grade = Grade(evidence["grade"])
        if grade is Grade.DECISION:
            assert evidence["note"], place
            assert "source" not in evidence, place
        else:
            assert evidence["source"].startswith("https://"), place
        if grade is Grade.IMPLIED:
            assert evidence.get("note") or "keywords" in evidence, place
    for content in vendor.contract.files.values():
        assert date.fromisoformat(content["x-trunkline"]["read"]) >= date(2026, 1, 1)


def evidences(value: object) -> Iterator[Evidence]:
    """All evidence in a part of the loaded contract, at any depth."""
    if isinstance(value, Evidence):
        yield value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from evidences(getattr(value, field.name))
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from evidences(getattr(value, name))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from evidences(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from evidences(inner)


def test_the_loaded_contract_keeps_its_evidence(vendor: Vendor) -> None:
    """Each operation, kind, body, parameter, response and refusal of the loaded contract has a grade and a date."""
    contract = vendor.contract
    parts: list[object] = [contract.security, contract.secrets, contract.rate_limit]
    for operation in contract.operations:
        parts += [
            operation.evidence,
            operation.rate_limit_exemption,
            operation.body,
            operation.parameters,
            operation.responses,
        ]
        parts.append(operation.kind)
    found = [evidence for part in parts for evidence in evidences(part)]
    assert len(found) > 20 * len(contract.operations)
    for evidence in found:
        assert evidence.read
        assert evidence.source or evidence.grade is Grade.DECISION
    assert contract.secrets


def test_the_samples_name_their_page(vendor: Vendor) -> None:
    """Each sample names its page."""
    assert all(case["source"].startswith("https://") for case in vendor.cases)
    names = [case["name"] for case in vendor.cases]
    assert len(set(names)) == len(names)
