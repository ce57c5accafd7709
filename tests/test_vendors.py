"""Every vendor on disk: fixtures and samples obey the contract, other tools read it, each sentence has its page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from trunkline import folders, library
from trunkline.contract import DOCUMENT, Operation
from trunkline.exchange import Exchange, Json, Request, Response, pointer
from trunkline.findings import Evidence, Grade
from trunkline.library import Vendor, cut
from trunkline.rules import judge
from trunkline.world import MOCK_ONLY

VENDORS = folders.names()
ROOT = folders.roots()[0]
CASES = [(name, case) for name in VENDORS for case in library.load(name).cases]


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    """Each vendor in turn."""
    return library.load(request.param)


def folder_of(vendor: Vendor) -> Path:
    return ROOT / "schemas" / vendor.name


def test_each_folder_of_schemas_has_a_folder_of_fixtures() -> None:
    """A vendor is two folders of the same name."""
    assert set(VENDORS) == {path.name for path in (ROOT / "fixtures").iterdir() if path.is_dir()}
    assert VENDORS


# --- fixtures and samples -------------------------------------------------------------------------------------------


def judged(vendor: Vendor, operation: Operation, status: int, body: Json) -> set[tuple[str, str]]:
    """What the rules find in a lone body."""
    response = Response(status, (), json.dumps(body).encode())
    exchange = Exchange(Request(operation.method, operation.path), response, frozenset({"status", "body"}))
    return {(finding.rule, finding.at) for finding in judge(operation, exchange)}


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}: {case['name']}" for name, case in CASES])
def test_a_sample_breaks_what_it_says_and_nothing_else(name: str, case: dict[str, Json]) -> None:
    """The rules find in each sample of the pages exactly what the sample says that it breaks."""
    vendor = library.load(name)
    operation = vendor.contract.operation(case["operation"])
    found = judged(vendor, operation, case["status"], case["body"])
    assert found == {(said["rule"], said["at"]) for said in case["breaks"]}
    assert len(case["breaks"]) == len(found)


def test_there_are_good_and_bad_samples(vendor: Vendor) -> None:
    """The pages' own samples are there, those that agree with the contract and those that do not."""
    assert any(not case["breaks"] and case["status"] == 200 for case in vendor.cases)
    assert any(not case["breaks"] and case["status"] >= 400 for case in vendor.cases)
    assert any(case["breaks"] for case in vendor.cases)


def test_every_record_is_a_lawful_item(vendor: Vendor) -> None:
    """What the fixtures hold obeys every operation that shows it."""
    for operation in vendor.contract.operations:
        collection = vendor.world.collections[vendor.world.serves[operation.operation_id].collection]
        for record in collection.records:
            assert list(operation.item_violations(cut(record, operation.view))) == []


def test_the_fixtures_are_worth_testing_with(vendor: Vendor) -> None:
    """Two accounts, text beyond ASCII, quotes and null or nothing to report are among the records."""
    records = [record for collection in vendor.world.collections.values() for record in collection.records]
    text = json.dumps(records, ensure_ascii=False)
    assert len({grant.account for grant in vendor.world.tokens.values()}) >= 2
    assert not text.isascii()
    assert '\\"' in text
    assert "null" in text or '"calls_today": 0' in text
    assert all(vendor.world.account_of(record) for record in records)


def test_only_documented_fields_secrets_and_facts_of_the_mock_are_in_a_record(vendor: Vendor) -> None:
    """A record has no field of its own making."""
    for operation in vendor.contract.operations:
        collection = vendor.world.collections[vendor.world.serves[operation.operation_id].collection]
        for record in collection.records:
            assert set(record) <= {*operation.view, *vendor.contract.secrets, MOCK_ONLY}


def test_every_operation_is_served(vendor: Vendor) -> None:
    """Nothing that the contract documents is left out by the mock."""
    assert set(vendor.world.serves) == {operation.operation_id for operation in vendor.contract.operations}


# --- other tools ----------------------------------------------------------------------------------------------------


def test_the_document_is_valid_openapi(vendor: Vendor) -> None:
    """The document that stands in the folder is OpenAPI 3.1, its sibling files included."""
    path = folder_of(vendor) / DOCUMENT
    document = json.loads(path.read_text("utf-8"))
    assert list(OpenAPIV31SpecValidator(document, base_uri=path.as_uri()).iter_errors()) == []


@cache
def registry(name: str) -> Registry[Json]:
    """The files of a vendor's folder by their addresses on disk, for a validator that is not ours."""
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
        {"$ref": address}, registry=registry(name), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    return {(pointer(error.absolute_path), str(error.validator)) for error in validator.iter_errors(value)}


def verdict(vendor: Vendor, schema: str, value: Json, file: str = DOCUMENT) -> set[tuple[str, str]]:
    """(place, keyword) of each failure that we find."""
    return {
        (found.at.rpartition("/")[0] if found.keyword == "required" else found.at, found.keyword)
        for found in vendor.contract.violations(schema, value, file)
    }


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}: {case['name']}" for name, case in CASES])
def test_another_validator_says_the_same_of_a_sample(name: str, case: dict[str, Json]) -> None:
    """Plain jsonschema, with nothing but the folder, finds the same failures at the same places."""
    vendor = library.load(name)
    answer = vendor.contract.operation(case["operation"]).answer_for(case["status"])
    assert answer is not None
    assert verdict(vendor, answer.schema, case["body"]) == verdict_of_another(
        name, f"{DOCUMENT}#{answer.schema}", case["body"]
    )


WRONG: tuple[Json, ...] = (
    None, "", "x" * 300, 0, -1, 65536, 1.5, True, [], {}, "2024-01-01T00:00:00", "2024-13-01T00:00:00Z",
)  # fmt: skip


def spoiled(record: dict[str, Json]) -> Iterator[dict[str, Json]]:
    """The record, and the record with each of its fields taken away or made something else."""
    yield record
    for name in record:
        yield {other: value for other, value in record.items() if other != name}
        for value in WRONG:
            yield {**record, name: value}


def test_each_schema_file_is_useful_alone(vendor: Vendor) -> None:
    """The schema of a record, read by plain jsonschema, gives our verdict on good records and spoiled ones."""
    for operation in vendor.contract.operations:
        collection = vendor.world.collections[vendor.world.serves[operation.operation_id].collection]
        records = collection.records
        files = [
            file
            for file, content in vendor.contract.files.items()
            if collection.identity in content.get("properties", {})
        ]
        good, bad = 0, 0
        for file in files:
            for record in (
                *(cut(record, operation.view) for record in records),
                *spoiled(cut(records[0], operation.view)),
            ):
                ours = verdict(vendor, "", record, file)
                assert ours == verdict_of_another(vendor.name, file, record), record
                good, bad = good + (not ours), bad + bool(ours)
        assert good > len(records) / 2
        assert bad > 20


def test_each_schema_file_names_its_dialect(vendor: Vendor) -> None:
    """Each file says what it is, so that a reader needs nothing else."""
    for path in folder_of(vendor).glob("*.json"):
        content = json.loads(path.read_text("utf-8"))
        if path.name != DOCUMENT:
            assert content["$schema"] == "https://json-schema.org/draft/2020-12/schema"
            assert content["title"]
            jsonschema.Draft202012Validator.check_schema(content)
        else:
            assert content["openapi"] == "3.1.0"


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
    """Each evidence of a folder, with its place."""
    for file, content in vendor.contract.files.items():
        for at, node in nodes(content):
            if "grade" in node:
                yield f"{file}#{at}", node


def test_every_statement_has_its_evidence(vendor: Vendor) -> None:
    """Each parameter, response, header and property says what it stands on."""
    wanting = []
    for file, content in vendor.contract.files.items():
        for at, node in nodes(content):
            parent, _, _ = at.rpartition("/")
            stated = parent.endswith(("/properties", "/headers", "/parameters", "/responses")) or at.endswith("/get")
            if parent == "" and file != DOCUMENT:
                stated = False
            if stated and "$ref" not in node and "evidence" not in node.get("x-trunkline", {}):
                wanting.append(f"{file}#{at}")
    assert wanting == []


def test_evidence_is_dated_and_has_its_page(vendor: Vendor) -> None:
    """What is not a decision of ours names a page; a decision says why; each file says when its pages were read."""
    found = list(evidence_in(vendor))
    assert len(found) > 30
    for place, said in found:
        grade = Grade(said["grade"])
        if grade is Grade.DECISION:
            assert said["note"], place
            assert "source" not in said, place
        else:
            assert said["source"].startswith("https://"), place
        if grade is Grade.IMPLIED:
            assert said.get("note") or "keywords" in said, place
    for content in vendor.contract.files.values():
        assert date.fromisoformat(content["x-trunkline"]["read"]) >= date(2026, 1, 1)


def test_what_is_compiled_keeps_its_evidence(vendor: Vendor) -> None:
    """Each operation, parameter, answer and refusal of the compiled contract knows its grade and its date."""
    contract = vendor.contract
    found: list[Evidence] = [
        contract.security.evidence,
        *contract.security.refused.values(),
        *contract.secrets.values(),
    ]
    for operation in contract.operations:
        found += [operation.evidence]
        for parameter in operation.parameters:
            found += [parameter.evidence, *parameter.refused.values(), *parameter.keywords.values()]
        for answer in operation.answers.values():
            found += [answer.evidence, *answer.headers.values()]
            found += [code.evidence for code in answer.refusals.values()]
    for said in found:
        assert said.read
        assert said.source or said.grade is Grade.DECISION
    assert contract.secrets


def test_the_samples_name_their_page(vendor: Vendor) -> None:
    """Each sample says where it stands."""
    assert all(case["source"].startswith("https://") for case in vendor.cases)
    names = [case["name"] for case in vendor.cases]
    assert len(set(names)) == len(names)
