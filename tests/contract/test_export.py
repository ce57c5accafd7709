"""Tests of `trunkline.contract.export`: one document that other tools can read, and that the mock obeys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import quote

import pytest
from msgspec import structs
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


def exported(vendor: Vendor, url: str | None = None) -> Json:
    """The vendor's contract as `trunkline export` prints it."""
    return export.document(vendor.contract, url=url, examples=vendor.example_ids, bodies=vendor.example_bodies)


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
    """Every case of the pages is accepted by the bundle exactly when the contract accepts it, customary facts aside."""
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
        grades = {found.evidence.grade for found in vendor.contract.violations(answer.schema, case["body"])}
        assert validator.is_valid(case["body"]) is (grades <= {"customary"}), case["name"]
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


# --- the schemas that generators want -------------------------------------------------------------------------------

GRADED = {grade: {"evidence": {"grade": grade, "source": "https://a/"}} for grade in ("documented", "customary")}
STATED, CUSTOMARY = ({"x-trunkline": extension} for extension in GRADED.values())


def schemas(vendor: Vendor, shown: Json, at: str = "", **others: Json) -> dict[str, Json]:
    """The components for a document with one response, whose schema is in `shown.json`; `others` are beside it."""
    body = {"content": {"application/json": {"schema": {"$ref": f"shown.json{at}"}}}}
    files = {name: {"title": name, **STATED, **content} for name, content in {"shown": shown, **others}.items()}
    paths = {"/x": {"get": {"responses": {"200": body}}}}
    source = {"openapi": "3.1.0", "info": {"title": "", "version": ""}, "paths": paths}
    contract = replace(
        vendor.contract,
        files={"openapi.json": source, **{f"{name}.json": content for name, content in files.items()}},
    )
    bundled = export.document(contract)
    named = bundled["paths"]["/x"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert at or named == {"$ref": "#/components/schemas/Shown"}
    found: dict[str, Json] = bundled["components"]["schemas"]
    for schema in found.values():
        schema.pop("externalDocs", None)
    return found


@pytest.fixture
def any_vendor() -> Vendor:
    """One vendor, for its name only."""
    return loader.load(VENDORS[0])


OBJECT: Json = {"type": "object", "properties": {"id": {"type": "integer", **STATED}}}
PLAIN: Json = {"type": "object", "properties": {"id": {"type": "integer"}}}


def test_an_object_is_a_component_that_may_be_null_where_it_is_used(any_vendor: Vendor) -> None:
    """It is named after its title, else after its place; another file's is the same component."""
    found = schemas(
        any_vendor,
        {
            "type": "object",
            "properties": {
                "own_part": {"allOf": [OBJECT], **STATED},
                "titled": {**OBJECT, "title": "Something else", **STATED},
                "all": {"type": "array", "items": {**OBJECT, "type": ["object", "null"]}, **STATED},
                "other": {"$ref": "other.json#/properties/it"},
            },
        },
        other={"type": "object", "properties": {"it": {**OBJECT, **STATED}}},
    )
    assert found["ShownOwnPart"] == found["ShownAllItem"] == found["OtherIt"] == PLAIN
    assert found["SomethingElse"] == {**PLAIN, "title": "Something else"}
    assert found["Shown"]["properties"] == {
        "own_part": {"$ref": "#/components/schemas/ShownOwnPart"},
        "titled": {"$ref": "#/components/schemas/SomethingElse"},
        "all": {
            "type": "array",
            "items": {"anyOf": [{"$ref": "#/components/schemas/ShownAllItem"}, {"type": "null"}]},
        },
        "other": {"$ref": "#/components/schemas/OtherIt"},
    }
    assert set(found) == {"Shown", "ShownOwnPart", "SomethingElse", "ShownAllItem", "OtherIt"}


def test_a_response_may_refer_to_a_part_of_a_file(any_vendor: Vendor) -> None:
    """An object in it is the only component, and a schema without a source has no documentation."""
    decided = {"x-trunkline": {"evidence": {"grade": "decision", "note": "for a test"}}}
    shown = {"type": "object", "properties": {"part": {**OBJECT, **STATED}}, **decided}
    assert schemas(any_vendor, shown, at="#/properties/part") == {"ShownPart": PLAIN}
    assert set(schemas(any_vendor, shown)) == {"Shown", "ShownPart"}


def test_components_with_one_name_are_numbered(any_vendor: Vendor) -> None:
    """The second is 2 and the third 3; what is equal to one of them is the same component."""
    parts = {name: {"title": "Part", "type": "object", "properties": {name: {}}} for name in ("a", "b", "c")}
    shown = {"type": "object", "properties": {**parts, "again": parts["b"]}}
    found = schemas(any_vendor, shown)
    assert set(found) == {"Shown", "Part", "Part2", "Part3"}
    assert found["Shown"]["properties"]["again"] == {"$ref": "#/components/schemas/Part2"}


def test_an_information_of_the_contract_is_kept(any_vendor: Vendor) -> None:
    """A license or contact in the document of the contract is not replaced."""
    own = {"license": {"name": "MIT", "identifier": "MIT"}, "contact": {"name": "us"}}
    document = {**any_vendor.contract.document, "info": {"title": "x", "version": "1", **own}}
    contract = replace(any_vendor.contract, files={**any_vendor.contract.files, "openapi.json": document})
    assert own.items() <= export.document(contract)["info"].items()


def test_an_enumeration_is_a_component_where_several_places_use_it(any_vendor: Vendor) -> None:
    """A default belongs to the place, and any other text or number is copied."""
    choice = {"type": "string", "enum": ["a", "b"], **STATED}
    found = schemas(
        any_vendor,
        {
            "type": "object",
            "properties": {
                "single": choice,
                "choice": choice,
                "again": {"$ref": "#/properties/choice"},
                "text": {"type": "string", **STATED},
                "same_text": {"$ref": "#/properties/text"},
            },
            "allOf": [{"properties": {"again": {"default": "a", **STATED}}}],
        },
    )
    shared = {"$ref": "#/components/schemas/ShownChoice"}
    assert found["ShownChoice"] == {"type": "string", "enum": ["a", "b"]}
    assert found["Shown"]["properties"] == {
        "single": {"type": "string", "enum": ["a", "b"]},
        "choice": shared,
        "again": {"allOf": [shared], "default": "a"},
        "text": {"type": "string"},
        "same_text": {"type": "string"},
    }


def test_components_of_one_name_are_kept_apart(any_vendor: Vendor) -> None:
    """A file's own schema keeps its name, a part of it gets a number, and each reference leads to its own."""
    inner = {"type": "object", "properties": {"a": {**OBJECT, "title": "Shown", **STATED}}}
    assert schemas(any_vendor, inner) == {
        "Shown": {**inner, "title": "shown", "properties": {"a": {"$ref": "#/components/schemas/Shown2"}}},
        "Shown2": {**PLAIN, "title": "Shown"},
    }


def test_one_fact_in_several_parts_is_one_schema(any_vendor: Vendor) -> None:
    """`type`, `required`, `default` and `const` that an `allOf` or a `$ref` adds stand where generators look."""
    found = schemas(
        any_vendor,
        {
            "type": "object",
            "required": ["a"],
            "properties": {
                "a": {"type": ["string", "null"], "allOf": [{"$ref": "#/$defs/shown"}], **STATED},
                "b": {"$ref": "#/properties/a", "default": "x", **STATED},
                "c": {"type": ["integer", "null"], **STATED},
                "d": {"const": True, **STATED},
            },
            "allOf": [
                {"required": ["b", "a"], **STATED},
                {"properties": {"c": {"type": "integer", "minimum": 1, **STATED}}},
            ],
            "$defs": {"shown": {"not": {"type": "null"}, **STATED}},
        },
    )
    assert found["Shown"] == {
        "title": "shown",
        "type": "object",
        "required": ["a", "b"],
        "properties": {
            "a": {"type": "string"},
            "b": {"type": "string", "default": "x"},
            "c": {"type": "integer", "minimum": 1},
            "d": {"type": "boolean", "const": True},
        },
    }


def test_parts_that_contradict_or_depend_stay_apart(any_vendor: Vendor) -> None:
    """Two patterns, two conditions: an `allOf` says both. One condition stands beside the properties."""
    word = {"type": "string", "pattern": "a", **STATED}
    condition = {"if": {"required": ["a"]}, "then": {"required": ["b"]}}
    shown = {"type": "object", "properties": {"a": word, "b": word}}
    demand = {
        "if": {"required": ["a"], "properties": {"a": {}}, "additionalProperties": True},
        "then": {"required": ["b"], "properties": {"b": {}}, "additionalProperties": True},
    }
    one = schemas(any_vendor, {**shown, "allOf": [condition]})["Shown"]
    assert {key: one.get(key) for key in ("if", "then", "allOf")} == {**demand, "allOf": None}
    two = schemas(any_vendor, {**shown, "allOf": [condition, condition]})["Shown"]
    assert {key: two.get(key) for key in ("if", "allOf")} == {"if": None, "allOf": [demand, demand]}
    both = schemas(any_vendor, {**shown, "allOf": [{"properties": {"a": {"pattern": "b", **STATED}}}]})["Shown"]
    assert both["allOf"] == [{"properties": {"a": {"pattern": "b"}}}]
    assert both["properties"]["a"] == {"type": "string", "pattern": "a"}


def test_customary_keywords_are_left_out(any_vendor: Vendor) -> None:
    """No page says them, so no client should depend on them."""
    found = schemas(
        any_vendor,
        {
            "type": "object",
            "properties": {
                "a": {"type": ["string", "null"], "not": {"type": "null"}, **CUSTOMARY},
                "b": {"type": "string", "pattern": "b", "x-trunkline": {"evidence": {
                    **GRADED["documented"]["evidence"], "keywords": {"pattern": GRADED["customary"]["evidence"]},
                }}},
            },
            "allOf": [{"required": ["a"], **CUSTOMARY}],
        },
    )  # fmt: skip
    assert found["Shown"] == {"title": "shown", "type": "object", "properties": {"a": {}, "b": {"type": "string"}}}


def test_components_are_named_in_one_word(vendor: Vendor) -> None:
    """A reference leads to a component as a whole, and each component is used."""
    bundled = exported(vendor)
    refs = {node["$ref"] for node in nodes(bundled) if "$ref" in node}
    places = {
        f"#/components/{kind}/{name}"
        for kind, components in bundled["components"].items()
        if kind != "securitySchemes"
        for name in components
    }
    assert refs == places
    assert all(name.isalnum() and name[0].isupper() for name in bundled["components"]["schemas"])


# --- what else the document says ------------------------------------------------------------------------------------


def test_a_secret_is_write_only(vendor: Vendor) -> None:
    """Each input that is a secret, and no other property."""
    found = {
        name: node.get("writeOnly", False)
        for node in nodes(exported(vendor)["components"]["schemas"])
        for name, node in node.get("properties", {}).items()
        if node
    }
    assert {name for name, hidden in found.items() if hidden} == set(vendor.contract.secrets)


def test_the_message_of_an_error_is_added_where_the_contract_has_it(vendor: Vendor) -> None:
    """Also in an object that the schema of errors does not describe."""
    contract, file = vendor.contract, "error.json"
    bare = {"type": "object", "title": "Error", "x-trunkline": contract.files[file]["x-trunkline"]}
    errors = structs.replace(contract.errors, code="/deep/er/code", message="/message")
    changed = replace(contract, files={**contract.files, file: bare}, errors=errors)
    object.__setattr__(changed, "operations", contract.operations)
    found = export.document(changed)["components"]["schemas"]
    assert found["Error"]["properties"]["deep"] == {"$ref": "#/components/schemas/ErrorDeep"}
    assert found["Error"]["properties"]["message"]["type"] == "string"
    assert found["ErrorDeepEr"]["properties"]["code"]["type"] == "string"


def test_an_error_has_a_code_and_a_message(vendor: Vendor) -> None:
    """Where the contract has them, also if the schema of errors names neither."""
    bundled = exported(vendor)
    errors = vendor.contract.errors
    for response in bundled["components"]["responses"].values():
        for at in (errors.code, errors.message):
            schema = response["content"]["application/json"]["schema"]
            for name in at.split("/")[1:]:
                schema = resolve(bundled, schema["$ref"][1:])["properties"][name]
            assert schema["type"] == "string"


def test_responses_have_the_headers_of_the_rate_limit(vendor: Vendor) -> None:
    """Those of each operation that it counts, and of no other; the mock sends what they say."""
    limit, bundled = vendor.contract.rate_limit, exported(vendor)
    assert limit is not None
    names = {limit.limit, limit.remaining, limit.reset}
    for operation in vendor.contract.operations:
        responses = bundled["paths"][operation.path][operation.method.lower()]["responses"]
        for said in responses.values():
            response = resolve(bundled, said["$ref"][1:]) if "$ref" in said else said
            assert names & set(response.get("headers", {})) == (set() if operation.rate_limit_exemption else names)
    answered = mock.from_vendor(vendor)(request_of(vendor, vendor.contract.operations[0]))
    for name, header in bundled["components"]["headers"].items():
        value = answered.header(name.lower())
        assert value is not None
        assert value.isdigit() or header["schema"]["type"] == "string"


def test_each_response_has_examples_that_obey_its_schema(vendor: Vendor) -> None:
    """Samples of the pages, or what the mock answers; only the response to any other refusal has none."""
    import jsonschema_rs  # noqa: PLC0415

    bundled = exported(vendor)
    for operation in vendor.contract.operations:
        for key, response in operation.responses.items():
            content = resolve(bundled, response.pointer)["content"]["application/json"]
            validator = jsonschema_rs.Draft202012Validator({**content["schema"], "components": bundled["components"]})
            found = content.get("examples", {})
            assert bool(found) is (key != "4XX"), (operation, key)
            for example in found.values():
                validator.validate(example["value"])
                if not key.startswith("2"):
                    assert resolve(example["value"], vendor.contract.errors.code) in {
                        refusal.code for refusal in response.refusals.values()
                    }


def test_a_response_that_no_page_documents_says_so(vendor: Vendor) -> None:
    """In its description, where documentation shows it."""
    bundled = exported(vendor)
    for operation in vendor.contract.operations:
        for response in operation.responses.values():
            undocumented = response.evidence.grade in ("customary", "decision")
            description = resolve(bundled, response.pointer)["description"]
            assert ("No page documents this" in description) is undocumented, response


def test_linters_find_what_they_ask_for(vendor: Vendor) -> None:
    """Each operation has a description and a tag, each tag a description, and the document a license and a contact."""
    bundled = exported(vendor)
    known = {tag["name"] for tag in bundled["tags"] if tag["description"]}
    assert bundled["info"]["license"] == {"name": "This API: not stated", "identifier": "NOASSERTION"}
    assert bundled["info"]["contact"] == {"name": "This document: trunkline"}
    for operation in vendor.contract.operations:
        node = bundled["paths"][operation.path][operation.method.lower()]
        assert node["description"]
        assert node["tags"]
        assert set(node["tags"]) <= known
