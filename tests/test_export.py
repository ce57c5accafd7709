"""What `trunkline.export` promises: one document that other tools read, and that the mock obeys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any
from urllib.parse import quote

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from trunkline import folders, library, mock
from trunkline.asgi import application
from trunkline.errors import UsageError
from trunkline.exchange import Json, Request, resolve
from trunkline.export import document
from trunkline.fuzz import fuzz
from trunkline.library import Vendor

VENDORS = folders.names()


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    """Each vendor in turn."""
    return library.load(request.param)


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
    assert list(OpenAPIV31SpecValidator(document(vendor)).iter_errors()) == []


def test_every_reference_leads_somewhere_within_the_document(vendor: Vendor) -> None:
    """Nothing refers to a sibling file, and nothing only trunkline reads is left."""
    bundled = document(vendor)
    for node in nodes(bundled):
        assert "x-trunkline" not in node
        assert "$schema" not in node
        if "$ref" in node:
            assert node["$ref"].startswith("#/")
            resolve(bundled, node["$ref"][1:])


def test_the_document_is_the_same_each_time_and_changes_nothing(vendor: Vendor) -> None:
    """The contract's own files stay as they were read, and names are deterministic."""
    before = json.dumps(dict(vendor.contract.files))
    first = json.dumps(document(vendor))
    assert json.dumps(document(vendor)) == first
    assert json.dumps(dict(vendor.contract.files)) == before


def test_the_server_is_the_vendors_or_the_given_one(vendor: Vendor) -> None:
    """`servers` holds one address."""
    assert document(vendor)["servers"] == [{"url": vendor.contract.url}]
    assert document(vendor, url="http://127.0.0.1:9/x")["servers"] == [{"url": "http://127.0.0.1:9/x"}]


@pytest.mark.parametrize("url", ["", "localhost", "ftp://h/", "http://user:hush@h/", "http://h/\nx", "http://h:port"])
def test_a_server_that_cannot_be_meant_is_refused(vendor: Vendor, url: str) -> None:
    """As an address to check is: by a sentence that does not quote it."""
    with pytest.raises(
        UsageError, match=r"^the base address .*; .*write it like https://api\.example\.com/v1"
    ) as caught:
        document(vendor, url=url)
    assert "hush" not in str(caught.value)


def test_bundled_schemas_judge_as_the_files_do(vendor: Vendor) -> None:
    """Every case of the pages is accepted by the bundle exactly when the contract accepts it."""
    import jsonschema_rs  # noqa: PLC0415

    bundled = document(vendor)
    judged = 0
    for case in vendor.cases:
        operation = vendor.contract.operation(case["operation"])
        answer = operation.answer_for(case["status"])
        if answer is None or not answer.schema:
            continue
        schema = {"$ref": "#" + quote(answer.schema, safe="/~"), **bundled}
        validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
        assert validator.is_valid(case["body"]) == vendor.contract.accepts(answer.schema, case["body"]), case["name"]
        judged += 1
    assert judged


def test_an_example_names_something_that_the_mock_shows(vendor: Vendor) -> None:
    """Each example of a path parameter is fetched with 200 by the first token."""
    bundled = document(vendor)
    target = mock.from_vendor(vendor)
    credential = (("authorization", f"Bearer {vendor.world.token}"),)
    for operation in vendor.contract.operations:
        if operation.fetching is None:
            continue
        parameters = bundled["paths"][operation.path][operation.method.lower()]["parameters"]
        [parameter] = [said for said in parameters if said["name"] == operation.fetching.parameter]
        assert 1 <= len(parameter["examples"]) <= 5
        for example in parameter["examples"].values():
            path = operation.path.replace(f"{{{parameter['name']}}}", example["value"])
            assert target(Request(operation.method, path, "", credential)).status == 200


def test_a_world_without_records_has_no_examples(vendor: Vendor) -> None:
    """An empty `examples` would promise something."""
    world = vendor.world
    for name in world.collections:
        world = world.with_records(name, ())
    for node in nodes(document(replace(vendor, world=world))["paths"]):
        assert node.get("examples") != {}


def test_schemathesis_loads_it_and_runs_against_it(vendor: Vendor) -> None:
    """The document is enough for Schemathesis to find the operations and to ask the mock for something known."""
    schemathesis = pytest.importorskip("schemathesis")
    target = mock.from_vendor(vendor)
    schema = schemathesis.openapi.from_dict(document(vendor))
    schema.app = application(target, base=vendor.contract.base_path)
    assert {operation.ok().definition.raw["operationId"] for operation in schema.get_all_operations()} == {
        operation.operation_id for operation in vendor.contract.operations
    }
    reached: set[tuple[str, int]] = set()

    def ask(request: Request) -> Any:
        response = target(request)
        for operation in vendor.contract.match(request.path)[0]:
            reached.add((operation.operation_id, response.status))
        return response

    seen = fuzz(
        document(vendor), ask, base_path=vendor.contract.base_path, credential=vendor.world.token, seed=1, examples=2
    )
    assert list(seen)
    for operation in vendor.contract.operations:
        assert (operation.operation_id, 200) in reached


def test_names_that_meet_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file `trunk.metrics.json` beside `trunk.json#/$defs/metrics` gets a component of its own."""
    own = folders.roots()[0]
    vendor_name = next(
        name for name in VENDORS if any("$defs" in f for f in library.load(name).contract.files.values())
    )
    for folder in ("schemas", "fixtures"):
        copytree(own / folder / vendor_name, tmp_path / folder / "twin")
    files = library.load(vendor_name).contract.files
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
    bundled = document(library.load("twin"))
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
