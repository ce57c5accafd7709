"""Tests of `trunkline.contract.export`: one document that other tools can read, and that the mock obeys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from urllib.parse import quote

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.requests import mine, request_of
from trunkline import mock
from trunkline.check.fuzz import Event, Skipped, fuzz
from trunkline.contract import export, folders
from trunkline.contract.model import Operation
from trunkline.exchange import Json, Request, Response, resolve
from trunkline.mock import loader
from trunkline.mock.loader import Vendor
from trunkline.transport.asgi import application

VENDORS = folders.names()


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    """Each vendor in turn."""
    return loader.load(request.param)


def exported(vendor: Vendor, url: str | None = None) -> Json:
    """The vendor's contract as `trunkline export` prints it."""
    return export.document(vendor.contract, url=url, examples=vendor.example_ids)


def nodes(value: Json) -> Iterator[Mapping[str, Json]]:
    """Every object of a document."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from nodes(item)


def test_the_document_is_valid_openapi(vendor: Vendor) -> None:
    """Every vendor's bundle is OpenAPI 3.1."""
    assert list(OpenAPIV31SpecValidator(exported(vendor)).iter_errors()) == []


def test_every_reference_leads_somewhere_within_the_exported(vendor: Vendor) -> None:
    """No reference is to another file, and no extension of trunkline is left."""
    bundled = exported(vendor)
    for node in nodes(bundled):
        assert "x-trunkline" not in node
        assert "$schema" not in node
        if "$ref" in node:
            assert node["$ref"].startswith("#/")
            resolve(bundled, node["$ref"][1:])


def test_the_document_is_the_same_each_time_and_changes_nothing(vendor: Vendor) -> None:
    """The contract's own files stay as they were read, and names are deterministic."""
    before = json.dumps(dict(vendor.contract.files))
    first = json.dumps(exported(vendor))
    assert json.dumps(exported(vendor)) == first
    assert json.dumps(dict(vendor.contract.files)) == before


def test_the_server_is_the_vendors_or_the_given_one(vendor: Vendor) -> None:
    """`servers` holds one address."""
    assert exported(vendor)["servers"] == [{"url": vendor.contract.url}]
    assert exported(vendor, url="http://127.0.0.1:9/x")["servers"] == [{"url": "http://127.0.0.1:9/x"}]


def test_bundled_schemas_judge_as_the_files_do(vendor: Vendor) -> None:
    """Every case of the pages is accepted by the bundle exactly when the contract accepts it."""
    import jsonschema_rs  # noqa: PLC0415

    bundled = exported(vendor)
    judged = 0
    for case in vendor.cases:
        operation = vendor.contract.operation(case["operation"])
        answer = operation.response_for(case["status"])
        if answer is None or not answer.schema:
            continue
        schema = {"$ref": "#" + quote(answer.schema, safe="/~"), **bundled}
        validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
        assert validator.is_valid(case["body"]) == vendor.contract.accepts(answer.schema, case["body"]), case["name"]
        judged += 1
    assert judged


def test_an_example_names_something_that_the_mock_knows(vendor: Vendor) -> None:
    """Each example of a path parameter leads to the account of the first token: nothing that it names is unknown."""
    bundled = exported(vendor)
    for operation in vendor.contract.operations:
        parameters = bundled["paths"][operation.path][operation.method.lower()].get("parameters", [])
        named = [said for said in parameters if said["in"] == "path"]
        assert bool(named) is ("{" in operation.path)
        for said, parameter in zip(operation.parameters, parameters, strict=True):
            ids = [example["value"] for example in parameter.get("examples", {}).values()]
            assert 1 <= len(ids) <= 5 or said.location == "query"
            assert set(ids) <= {record["id"] for record in mine(vendor, said.resource)} if said.resource else not ids
            for identity in ids if len(named) == 1 else ():
                response = mock.from_vendor(vendor)(request_of(vendor, operation, ids={said.name: identity}))
                assert response.status < 300 or response.status == 409
    given = export.document(vendor.contract, examples={"trunks": ["mine"]})
    for operation in vendor.contract.operations:
        nodes_of = given["paths"][operation.path][operation.method.lower()].get("parameters", [])
        for said, node in zip(operation.parameters, nodes_of, strict=True):
            assert node.get("examples") == ({"mine": {"value": "mine"}} if said.resource == "trunks" else None)


# --- links ----------------------------------------------------------------------------------------------------------

LINKS = {
    "listTrunks": {"updateTrunk": {"id": "$response.body#/trunks/0/id"}},
    "createTrunk": {"updateTrunk": {"id": "$response.body#/id"}},
    "listCalls": {"getCall": {"id": "$response.body#/calls/0/id"}},
    "listSipTrunks": {
        name: {"trunk_id": "$response.body#/data/0/id"}
        for name in (
            "getSipTrunk", "updateSipTrunk", "deleteSipTrunk", "verifySipTrunk", "getSipTrunkHealth",
            "listSipTrunkDids", "createSipTrunkDid",
        )
    },
    "createSipTrunk": {
        name: {"trunk_id": "$response.body#/data/id"}
        for name in (
            "getSipTrunk", "updateSipTrunk", "deleteSipTrunk", "verifySipTrunk", "getSipTrunkHealth",
            "listSipTrunkDids", "createSipTrunkDid",
        )
    },
    "listSipTrunkDids": {
        "deleteSipTrunkDid": {"trunk_id": "$request.path.trunk_id", "phone_number_id": "$response.body#/data/0/id"}
    },
    "createSipTrunkDid": {
        "deleteSipTrunkDid": {"trunk_id": "$request.path.trunk_id", "phone_number_id": "$response.body#/data/id"}
    },
}  # fmt: skip
"""Where the answer of each operation leads, and with which ids."""


def links_of(vendor: Vendor, operation: Operation) -> Mapping[str, Json]:
    """The links of an operation's success in the bundled document."""
    responses = exported(vendor)["paths"][operation.path][operation.method.lower()]["responses"]
    assert not any("links" in said for key, said in responses.items() if key != operation.success.key)
    found: Mapping[str, Json] = responses[operation.success.key].get("links", {})
    return found


def test_a_link_leads_from_what_is_shown_to_what_can_be_done_with_it(vendor: Vendor) -> None:
    """From a list or a creation to each operation that takes the id, and that of what it belongs to; from no other."""
    for operation in vendor.contract.operations:
        found = links_of(vendor, operation)
        assert {name: said["parameters"] for name, said in found.items()} == LINKS.get(operation.operation_id, {})
        assert all(said["operationId"] == name for name, said in found.items())


def test_a_link_can_be_followed_on_the_mock(vendor: Vendor) -> None:
    """The ids that a link takes from an answer and from its request name something to the operation it leads to."""
    for operation in vendor.contract.operations:
        for name, link in links_of(vendor, operation).items():
            target = mock.from_vendor(vendor)
            request = request_of(vendor, operation)
            answer = target(request).json()
            _, asked = vendor.contract.match(request.path)
            ids = {}
            for parameter, expression in link["parameters"].items():
                source, _, at = expression.partition("#")
                ids[parameter] = resolve(answer, at) if source == "$response.body" else asked[source.rpartition(".")[2]]
            response = target(request_of(vendor, vendor.contract.operation(name), ids=ids))
            assert response.status < 300 or response.status == 409, (name, ids)


# --- a world with nothing in it -------------------------------------------------------------------------------------


def test_a_world_without_records_has_no_examples(vendor: Vendor) -> None:
    """An empty `examples` would promise something."""
    world = vendor.world
    for name in world.collections:
        world = world.with_records(name, ())
    for node in nodes(exported(replace(vendor, world=world))["paths"]):
        assert node.get("examples") != {}


@pytest.mark.slow
def test_schemathesis_loads_it_and_runs_against_it(vendor: Vendor) -> None:
    """The document is enough for Schemathesis to find the operations and to ask the mock for something known."""
    schemathesis = pytest.importorskip("schemathesis")
    target = mock.from_vendor(vendor)
    schema = schemathesis.openapi.from_dict(exported(vendor))
    schema.app = application(target, base=vendor.contract.base_path)
    assert {operation.ok().definition.raw["operationId"] for operation in schema.get_all_operations()} == {
        operation.operation_id for operation in vendor.contract.operations
    }
    reached: set[tuple[str, int]] = set()

    def ask(request: Request) -> Response:
        response = target(request)
        for operation in vendor.contract.match(request.path)[0]:
            if operation.method == request.method:
                reached.add((operation.operation_id, response.status))
        return response

    def fuzzed(*, writes: bool) -> list[Event]:
        bundled, base = exported(vendor), vendor.contract.base_path
        token = vendor.world.token
        return list(fuzz(bundled, ask, base_path=base, credential=token, seed=1, examples=2, writes=writes))

    left_out = {said.operation for said in fuzzed(writes=False) if isinstance(said, Skipped)}
    for operation in vendor.contract.operations:
        assert ((operation.operation_id, 200) in reached) is operation.reads
        assert operation.reads or operation.operation_id in left_out
    assert fuzzed(writes=True)
    for operation in vendor.contract.operations:
        succeeded = [status for name, status in reached if name == operation.operation_id and 200 <= status < 300]
        assert succeeded, operation


def test_names_that_meet_are_reported_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file `trunk.metrics.json` beside `trunk.json#/$defs/metrics` gets a component of its own."""
    own = folders.roots()[0]
    vendor_name = next(name for name in VENDORS if any("$defs" in f for f in loader.load(name).contract.files.values()))
    for folder in ("schemas", "fixtures"):
        copytree(own / folder / vendor_name, tmp_path / folder / "twin")
    files = loader.load(vendor_name).contract.files
    file, content = next((file, content) for file, content in files.items() if "$defs" in content)
    name = next(iter(content["$defs"]))
    said = {word: value for word, value in content["x-trunkline"].items() if word != "ordered"}
    only = {"evidence": said["evidence"]}
    alone = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Alone",
        "type": "object",
        "properties": {
            "$ref": {"$ref": f"{file}#/$defs/{name}"},
            "default": {"$ref": "#/$defs/odd~1 name"},
            "examples": {
                "type": "string",
                "const": {"$ref": "kept"},
                "x-trunkline": only,
            },
            "whole": {"$ref": file},
            "deep": {"$ref": "#/properties/whole"},
        },
        "$defs": {"odd/ name": {"type": "string", "x-trunkline": only}},
        "x-trunkline": said,
    }
    stem = file.removesuffix(".json")
    (tmp_path / "schemas" / "twin" / f"{stem}.{name}.json").write_text(json.dumps(alone))
    monkeypatch.setenv("TRUNKLINE_DATA", str(tmp_path))
    bundled = exported(loader.load("twin"))
    schemas = bundled["components"]["schemas"]
    both = {f"{stem}.{name}", f"{stem}.{name}_"}
    assert both < set(schemas)
    [own_schema] = [schemas[place] for place in both if schemas[place].get("title") == "Alone"]
    [other] = [place for place in both if schemas[place] is not own_schema]
    assert own_schema["properties"]["$ref"] == {"$ref": f"#/components/schemas/{other}"}
    assert own_schema["properties"]["examples"]["const"] == {"$ref": "kept"}
    assert own_schema["properties"]["whole"] == {"$ref": f"#/components/schemas/{stem}"}
    for node in nodes({key: value for key, value in own_schema["properties"].items() if key != "examples"}):
        if isinstance(node.get("$ref"), str):
            resolve(bundled, node["$ref"][1:])
    assert list(OpenAPIV31SpecValidator(bundled).iter_errors()) == []
