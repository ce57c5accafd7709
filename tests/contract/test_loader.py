"""Tests of `trunkline.contract.loader` and `trunkline.contract.model`.

Every word of a document is understood, or the load stops.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.documents import drop, edit_file, put
from trunkline.contract import document, folders
from trunkline.contract.loader import read_contract
from trunkline.contract.model import DOCUMENT, Act, Contract, Create, Delete, Fetch, List, Operation, Update
from trunkline.errors import DataError
from trunkline.exchange import Json, all_places, pointer_to, resolve
from trunkline.findings import Grade
from trunkline.mock import loader

ROOT = folders.roots()[0]
VENDORS = folders.names()
LIST = "/paths/~1trunks/get"
PAGING = f"{LIST}/x-trunkline/list/paging"
LIMIT = f"{LIST}/parameters/0"
OFFSET = f"{LIST}/parameters/1"
STATUS = f"{LIST}/parameters/2"
SECURITY = "/components/securitySchemes/apiKey"
CREATE = "/paths/~1trunks/post"
INPUT = f"{CREATE}/requestBody"
UPDATE = "/paths/~1trunks~1{id}/patch"
CALL = "/paths/~1calls~1{id}/get"
CALLS = "/paths/~1calls/get"
START = f"{CALLS}/parameters/4"

CONTRACTS = {name: loader.load(name).contract for name in VENDORS}
OPERATIONS = [operation for contract in CONTRACTS.values() for operation in contract.operations]
each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.operation_id)


def copied(tmp_path: Path, vendor: str) -> Path:
    """A copy of a vendor's folder of schemas."""
    return Path(shutil.copytree(ROOT / "schemas" / vendor, tmp_path / vendor))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of one vendor's folder of schemas."""
    return copied(tmp_path, "telepath")


@pytest.fixture
def telepath() -> Contract:
    return CONTRACTS["telepath"]


@pytest.fixture
def talkover() -> Contract:
    return CONTRACTS["talkover"]


def deep(levels: int) -> Json:
    """A list in a list in a list."""
    value: Json = []
    for _ in range(levels):
        value = [value]
    return value


EVIDENCE = {"grade": "documented", "source": "https://example.com/page"}
TEXT = {"type": "string", "x-trunkline": {"evidence": EVIDENCE}}

BROKEN: dict[str, tuple[str, Callable[[Json], None], str | None, str]] = {
    "an unknown key in the extension": (DOCUMENT, put("/x-trunkline/colour", "red"), "/x-trunkline", "colour"),
    "an unknown key about an operation": (
        DOCUMENT,
        put(f"{LIST}/x-trunkline/sort", {}),
        f"{LIST}/x-trunkline",
        "sort",
    ),
    "an unknown key about paging": (DOCUMENT, put(f"{PAGING}/cursor", "next"), PAGING, "cursor"),
    "an unknown key about a parameter": (
        DOCUMENT,
        put(f"{LIMIT}/x-trunkline/unit", "1"),
        f"{LIMIT}/x-trunkline",
        "unit",
    ),
    "an unknown key about a property": (
        "trunk.json",
        put("/properties/name/x-trunkline/secret", value=True),
        "/properties/name/x-trunkline",
        "secret",
    ),
    "an unknown cause": (
        DOCUMENT,
        put(
            "/components/responses/InvalidParams/x-trunkline/refusals/teapot", {"code": "TEAPOT", "evidence": EVIDENCE}
        ),
        "/components/responses/InvalidParams/x-trunkline/refusals",
        "teapot",
    ),
    "an unknown grade": (
        DOCUMENT,
        put(f"{LIST}/x-trunkline/evidence/grade", "sure"),
        f"{LIST}/x-trunkline/evidence/grade",
        'is not one of "documented"',
    ),
    "an unknown keyword": ("trunk.json", put("/properties/name/minlength", 1), "/properties/name", "minlength"),
    "an unknown keyword of a parameter": (
        DOCUMENT,
        put(f"{LIMIT}/schema/multipleOf", 5),
        f"{LIMIT}/schema",
        "multipleOf",
    ),
    "an unknown keyword of an operation": (DOCUMENT, put(f"{LIST}/deprecated", value=True), LIST, "deprecated"),
    "an unknown method": (DOCUMENT, put("/paths/~1trunks/search", {}), "/paths/~1trunks", "search"),
    "an unknown format": (
        "trunk.json",
        put("/properties/name/format", "full-name"),
        "/properties/name/format",
        "full-name",
    ),
    "an unknown type": ("trunk.json", put("/properties/name/type", "text"), "/properties/name/type", "text"),
    "a pattern that is none": ("trunk.json", put("/properties/name/pattern", "("), "/properties/name/pattern", "regex"),
    "a $ref to nowhere in the file": (
        "trunk.json",
        put("/properties/metrics/$ref", "#/$defs/metric"),
        "/properties/metrics/$ref",
        "does not resolve",
    ),
    "a $ref to a file that is not there": (
        "trunk-list.json",
        put("/properties/trunks/items/$ref", "trunks.json"),
        "/properties/trunks/items/$ref",
        "does not resolve",
    ),
    "a $ref to a response that is not there": (
        DOCUMENT,
        put(f"{LIST}/responses/400/$ref", "#/components/responses/Nothing"),
        f"{LIST}/responses/400/$ref",
        "does not resolve",
    ),
    "a $ref out of the folder": (
        "trunk-list.json",
        put("/properties/trunks/items/$ref", "../talkover/trunk.json"),
        "/properties/trunks/items/$ref",
        "does not resolve",
    ),
    "no evidence of a property": (
        "trunk.json",
        drop("/properties/name/x-trunkline"),
        "/properties/name",
        "x-trunkline",
    ),
    "no evidence of a parameter": (DOCUMENT, drop(f"{LIMIT}/x-trunkline/evidence"), f"{LIMIT}/x-trunkline", "evidence"),
    "no evidence of a response": (
        DOCUMENT,
        drop("/components/responses/TooMany/x-trunkline/evidence"),
        "/components/responses/TooMany/x-trunkline",
        "evidence",
    ),
    "no evidence of a header": (
        DOCUMENT,
        drop("/components/responses/WrongMethod/headers/Allow/x-trunkline"),
        "/components/responses/WrongMethod/headers/Allow",
        "x-trunkline",
    ),
    "no evidence of a file": ("error.json", drop("/x-trunkline"), "", "x-trunkline"),
    "no date of a file": ("error.json", drop("/x-trunkline/read"), "/x-trunkline", "read"),
    "a date that is none": (DOCUMENT, put("/x-trunkline/read", "2026-02-30"), "/x-trunkline/read", "format date"),
    "evidence without its page": (
        DOCUMENT,
        drop(f"{LIST}/x-trunkline/evidence/source"),
        f"{LIST}/x-trunkline/evidence",
        "source",
    ),
    "a decision without its reason": (
        DOCUMENT,
        drop(f"{LIMIT}/x-trunkline/refused/parameter_repeated/note"),
        f"{LIMIT}/x-trunkline/refused/parameter_repeated",
        "note",
    ),
    "a cause of a parameter that nothing is said of": (
        DOCUMENT,
        drop(f"{LIMIT}/x-trunkline/refused/parameter_malformed"),
        f"{LIMIT}/x-trunkline/refused",
        "parameter_malformed",
    ),
    "a cause that no response answers": (
        DOCUMENT,
        drop("/components/responses/InvalidParams/x-trunkline/refusals/parameter_repeated"),
        f"{LIST}/responses",
        "parameter_repeated",
    ),
    "a kind of bad credential that nothing is said of": (
        DOCUMENT,
        drop(f"{SECURITY}/x-trunkline/refused/credentials_missing"),
        f"{SECURITY}/x-trunkline/refused",
        "credentials_missing",
    ),
    "an unknown path that no response answers": (
        DOCUMENT,
        drop("/components/responses/UnknownPath/x-trunkline/refusals"),
        "/x-trunkline/responses",
        "path_unknown",
    ),
    "a parameter of paging that is not there": (
        DOCUMENT,
        put(f"{PAGING}/limit", "per_page"),
        f"{LIST}/x-trunkline",
        "per_page",
    ),
    "a filter by a parameter that is not there": (
        DOCUMENT,
        put(f"{LIST}/x-trunkline/list/filters/name", {"field": "/name", "evidence": EVIDENCE}),
        f"{LIST}/x-trunkline",
        "name",
    ),
    "a filter by a field that is not there": (
        DOCUMENT,
        put(f"{LIST}/x-trunkline/list/filters/status/field", "/state"),
        f"{LIST}/x-trunkline",
        "/trunks/0/state",
    ),
    "items that are not there": (
        DOCUMENT,
        put(f"{LIST}/x-trunkline/list/items", "/items"),
        f"{LIST}/x-trunkline",
        "/items",
    ),
    "an identity that is not there": (
        DOCUMENT,
        put(f"{LIST}/x-trunkline/list/identity", "/uuid"),
        f"{LIST}/x-trunkline",
        "/uuid",
    ),
    "a total that is not there": (DOCUMENT, put(f"{PAGING}/total/at", "/total"), f"{LIST}/x-trunkline", "/total"),
    "an echo that is not there": (DOCUMENT, put(f"{PAGING}/echo/limit/at", "/limit"), f"{LIST}/x-trunkline", "/limit"),
    "an echo of a parameter that is not there": (
        DOCUMENT,
        put(f"{PAGING}/echo/page", {"at": "/pagination/limit", "evidence": EVIDENCE}),
        f"{LIST}/x-trunkline",
        "page",
    ),
    "a path with a parameter that is not there": (
        DOCUMENT,
        lambda content: content["paths"].update({"/trunks/{id}": content["paths"].pop("/trunks")}),
        "/paths/~1trunks~1{id}/get/parameters",
        "id",
    ),
    "no success": (DOCUMENT, drop(f"{LIST}/responses/200"), f"{LIST}/responses", "2xx"),
    "two operations of one name": (
        DOCUMENT,
        lambda content: content["paths"].update({"/lines": content["paths"]["/trunks"]}),
        f"{LIST}/operationId",
        "twice",
    ),
    "no security": (DOCUMENT, drop("/security"), "/security", "missing"),
    "a security scheme that is not there": (DOCUMENT, put("/security/0", {"key": []}), "/security/0", "missing"),
    "another kind of security": (DOCUMENT, put(f"{SECURITY}/scheme", "basic"), f"{SECURITY}/scheme", "bearer"),
    "another version of OpenAPI": (DOCUMENT, put("/openapi", "3.0.3"), "/openapi", "3.1.0"),
    "another version of the format": (DOCUMENT, put("/x-trunkline/format", 2), "/x-trunkline/format", "1"),
    "a file without its dialect": ("error.json", drop("/$schema"), "", "$schema"),
    "a pointer that is none": (DOCUMENT, put(f"{PAGING}/total/at", "total"), f"{PAGING}/total/at", "does not match"),
    "an order of fields that are not there": (
        "trunk.json",
        put("/x-trunkline/ordered/0/first", "/born_at"),
        "/x-trunkline/ordered/0/first",
        "/born_at",
    ),
    "a default beyond its bounds": (DOCUMENT, put(f"{LIMIT}/schema/default", 500), f"{LIMIT}/schema/default", "500"),
    "a page without a greatest limit": (DOCUMENT, drop(f"{LIMIT}/schema/maximum"), f"{LIMIT}/schema", "maximum"),
    "a default that is a text": (DOCUMENT, put(f"{LIMIT}/schema/default", "x"), f"{LIMIT}/schema/default", "of type"),
    "a default that is null": (DOCUMENT, put(f"{LIMIT}/schema/default", None), f"{LIMIT}/schema/default", "of type"),
    "a default that is a fraction": (DOCUMENT, put(f"{LIMIT}/schema/default", 1.5), f"{LIMIT}/schema/default", "type"),
    "a default that is a truth": (DOCUMENT, put(f"{LIMIT}/schema/default", value=True), f"{LIMIT}/schema/default", ""),
    "a default of a text that is a number": (
        DOCUMENT,
        put(f"{STATUS}/schema/default", 1),
        f"{STATUS}/schema/default",
        "of type string",
    ),
    "a default that is not listed": (DOCUMENT, put(f"{STATUS}/schema/default", "no"), f"{STATUS}/schema/default", "no"),
    "a page without a default": (DOCUMENT, drop(f"{LIMIT}/schema/default"), f"{LIMIT}/schema", "default"),
    "an offset without a default": (DOCUMENT, drop(f"{OFFSET}/schema/default"), f"{OFFSET}/schema", "default"),
    "an offset below nothing": (DOCUMENT, put(f"{OFFSET}/schema/minimum", -1), f"{OFFSET}/schema", "minimum"),
    "a page by a text": (DOCUMENT, put(f"{PAGING}/limit", "status"), f"{STATUS}/schema", "type integer"),
    "bounds that leave nothing": (DOCUMENT, put(f"{LIMIT}/schema/minimum", 101), f"{LIMIT}/schema/minimum", "more"),
    "a bound with a fraction": (DOCUMENT, put(f"{LIMIT}/schema/minimum", 1.0), f"{LIMIT}/schema/minimum", "whole"),
    "a bound of a text": (
        DOCUMENT,
        put(f"{STATUS}/schema/minimum", 1),
        f"{STATUS}/schema/minimum",
        "no meaning for the type",
    ),
    "a choice of numbers": (
        DOCUMENT,
        put(f"{LIMIT}/schema/enum", ["1"]),
        f"{LIMIT}/schema/enum",
        "no meaning for the type",
    ),
    "a parameter that is there twice": (
        DOCUMENT,
        lambda content: content["paths"]["/trunks"]["get"]["parameters"].append(
            content["paths"]["/trunks"]["get"]["parameters"][0]
        ),
        f"{LIST}/parameters/3/name",
        "twice",
    ),
    "a filter by a field within a field": (
        DOCUMENT,
        put(f"{LIST}/x-trunkline/list/filters/status/field", "/metrics/calls_today"),
        f"{LIST}/x-trunkline/list/filters/status/field",
        "of the item itself",
    ),
    "a fetch by a parameter that is not of the path": (
        DOCUMENT,
        put(f"{CALL}/x-trunkline/fetch/parameter", "call_id"),
        f"{CALL}/x-trunkline/fetch/parameter",
        "not a parameter of the path",
    ),
    "an update by a parameter that is not of the path": (
        DOCUMENT,
        put(f"{UPDATE}/x-trunkline/update/parameter", "trunk_id"),
        f"{UPDATE}/x-trunkline/update/parameter",
        "not a parameter of the path",
    ),
    "an operation that does two things": (
        DOCUMENT,
        put(
            f"{LIST}/x-trunkline/fetch",
            {"item": "/trunks/0", "identity": "/id", "parameter": "status", "evidence": EVIDENCE},
        ),
        f"{LIST}/x-trunkline",
        "has more than one kind: list, fetch",
    ),
    "an operation that does nothing with what it is about": (
        DOCUMENT,
        drop(f"{CALL}/x-trunkline/fetch"),
        f"{CALL}/x-trunkline/resource",
        "does not say what it does",
    ),
    "an operation that is about nothing": (
        DOCUMENT,
        drop(f"{CREATE}/x-trunkline/resource"),
        f"{CREATE}/x-trunkline",
        'lacks "resource"',
    ),
    "a resource of no name": (
        DOCUMENT,
        put(f"{CREATE}/x-trunkline/resource", "Trunks/"),
        f"{CREATE}/x-trunkline/resource",
        "does not match",
    ),
    "an id of which nothing says that an unknown one is refused": (
        DOCUMENT,
        drop(f"{UPDATE}/parameters/0/x-trunkline/refused/id_unknown"),
        f"{UPDATE}/parameters/0/x-trunkline/refused",
        "lacks the cause id_unknown",
    ),
    "an id of another kind of thing": (
        DOCUMENT,
        put(f"{UPDATE}/parameters/0/x-trunkline/names", "calls"),
        f"{UPDATE}/parameters/0/x-trunkline/names",
        "names trunks, the resource of the operation",
    ),
    "an id of nothing": (
        DOCUMENT,
        drop(f"{UPDATE}/parameters/0/x-trunkline/names"),
        f"{UPDATE}/parameters/0/x-trunkline/names",
        "names trunks, the resource of the operation",
    ),
    "a creation without an input": (DOCUMENT, drop(INPUT), CREATE, "needs a requestBody"),
    "an update without an input": (DOCUMENT, drop(f"{UPDATE}/requestBody"), UPDATE, "needs a requestBody"),
    "a label that is no input": (
        DOCUMENT,
        put(f"{CREATE}/x-trunkline/create/label", "title"),
        f"{CREATE}/x-trunkline/create/label",
        "'title' is not an input",
    ),
    "a unique field that is no input": (
        DOCUMENT,
        put(f"{CREATE}/x-trunkline/create/unique", {"sip_endpoint": EVIDENCE}),
        f"{CREATE}/x-trunkline/create/unique/sip_endpoint",
        "'sip_endpoint' is not an input",
    ),
    "an input of which no harmless value is known": (
        "trunk-input.json",
        drop("/properties/system_prompt/x-trunkline/made"),
        None,
        "the input 'system_prompt' needs 'enum' or 'made'",
    ),
    "a recipe of harmless values that is none": (
        "trunk-input.json",
        put("/properties/system_prompt/x-trunkline/made", "("),
        "/properties/system_prompt/x-trunkline/made",
        "regex",
    ),
    "a recipe of harmless values that Python does not read": (
        "trunk-input.json",
        put("/properties/system_prompt/x-trunkline/made", "(?<word>a)"),
        None,
        "no value of the input 'system_prompt' can be made: '(?<word>a)' is no expression that Python reads",
    ),
    "a recipe of harmless values without an end": (
        "trunk-input.json",
        put("/properties/system_prompt/x-trunkline/made", "a{1000000}"),
        None,
        "has a count to 1000000; it is from 1000000 to 1000",
    ),
    "a recipe of harmless values that are refused": (
        "trunk-input.json",
        put("/properties/sip_password/x-trunkline/made", "[a-z]{7}"),
        None,
        "a value made of the input 'sip_password' is not allowed: must have at least 8 characters",
    ),
    "a pattern that no value can be checked against": (
        "trunk-input.json",
        put("/properties/system_prompt/pattern", "(?<word>a)\\k<word>"),
        "/properties/system_prompt/pattern",
        "is not an expression that can be checked",
    ),
    "a secret for a label": (
        DOCUMENT,
        put("/paths/~1trunks/post/x-trunkline/create/label", "sip_password"),
        "/paths/~1trunks/post/x-trunkline/create/label",
        "'sip_password' is a secret or no text",
    ),
    "a default that the operation itself would refuse": (
        "trunk-input.json",
        put("/properties/ai_provider/default", "mistral"),
        None,
        "the default of 'ai_provider' is not allowed: must be one of",
    ),
    "a default that depends on another, and is of another type": (
        "trunk-input.json",
        put("/allOf/0/then/properties", {"sip_username": {"default": 7, "x-trunkline": {"evidence": EVIDENCE}}}),
        None,
        "the default of 'sip_username' is not allowed: must be of type string",
    ),
    "a default of what is no input": (
        "trunk-input.json",
        put("/allOf/0/else", {"properties": {"region": {"default": "eu", "x-trunkline": {"evidence": EVIDENCE}}}}),
        None,
        "the default of 'region' is not allowed: it is no input",
    ),
    "an unsettled value that depends on what nothing shows": (
        "trunk-input.json",
        put(
            "/properties/name/x-trunkline/unsettled",
            [{"value": "x", "unless": {"is_verified": True}, "evidence": EVIDENCE}],
        ),
        None,
        "'is_verified', on which 'name' depends, is not in any response",
    ),
    "an unsettled value without a condition": (
        "trunk-input.json",
        put("/properties/name/x-trunkline/unsettled", [{"value": "x", "unless": {}, "evidence": EVIDENCE}]),
        "/properties/name/x-trunkline/unsettled/0/unless",
        "minProperties",
    ),
    "a body of which a cause is not reported": (
        DOCUMENT,
        drop(f"{INPUT}/x-trunkline/refused/body_too_large"),
        f"{INPUT}/x-trunkline/refused",
        "body_too_large",
    ),
    "a body that is optional": (DOCUMENT, put(f"{INPUT}/required", value=False), f"{INPUT}/required", "is not true"),
    "a body that is a part of a file": (
        DOCUMENT,
        put(f"{INPUT}/content/application~1json/schema/$ref", "trunk-input.json#/properties"),
        f"{INPUT}/content/application~1json/schema/$ref",
        "does not match",
    ),
    **{
        f"a body whose {cause} no response answers": (
            DOCUMENT,
            drop(f"/components/responses/{answer}/x-trunkline/refusals/{cause}"),
            f"{CREATE}/responses",
            f"no response answers the cause {cause}",
        )
        for cause, answer in {
            "media_type_unsupported": "WrongMedia",
            "body_malformed": "InvalidTrunk",
            "body_too_large": "TooLarge",
            "field_missing": "InvalidTrunk",
            "field_mistyped": "InvalidTrunk",
            "field_invalid": "InvalidTrunk",
            "not_unique": "Taken",
        }.items()
    },
    "a cause that two responses answer": (
        DOCUMENT,
        put(f"{CREATE}/responses/422", {"$ref": "#/components/responses/InvalidTrunk"}),
        f"{CREATE}/responses",
        "more than one response answers the cause body_malformed",
    ),
    "an unknown id that no response answers": (
        DOCUMENT,
        drop("/components/responses/UnknownTrunk/x-trunkline/refusals/id_unknown"),
        f"{UPDATE}/responses",
        "no response answers the cause id_unknown",
    ),
    "a created thing that is not there": (
        DOCUMENT,
        put(f"{CREATE}/x-trunkline/create/item", "/data"),
        f"{CREATE}/x-trunkline",
        "the response has no /data/id",
    ),
    "a created thing without its id": (
        DOCUMENT,
        put(f"{CREATE}/x-trunkline/create/identity", "/uuid"),
        f"{CREATE}/x-trunkline",
        "the response has no /uuid",
    ),
    "an unknown key about a creation": (
        DOCUMENT,
        put(f"{CREATE}/x-trunkline/create/quota", 5),
        f"{CREATE}/x-trunkline/create",
        "quota",
    ),
    "an unknown key about an update": (
        DOCUMENT,
        put(f"{UPDATE}/x-trunkline/update/whole", value=True),
        f"{UPDATE}/x-trunkline/update",
        "whole",
    ),
    "an unknown key about a body": (
        DOCUMENT,
        put(f"{INPUT}/x-trunkline/encoding", "gzip"),
        f"{INPUT}/x-trunkline",
        "encoding",
    ),
    "another media type of a body": (
        DOCUMENT,
        put(f"{INPUT}/content/text~1plain", {}),
        f"{INPUT}/content",
        "text/plain",
    ),
    "a filter that compares in no known way": (
        DOCUMENT,
        put(f"{CALLS}/x-trunkline/list/filters/start_date/is", "after"),
        f"{CALLS}/x-trunkline/list/filters/start_date/is",
        'is not one of "equal", "from", "until"',
    ),
    "a time of which a broken one is not reported": (
        DOCUMENT,
        drop(f"{START}/x-trunkline/refused/parameter_malformed"),
        f"{START}/x-trunkline/refused",
        "parameter_malformed",
    ),
    "a format of a number": (
        DOCUMENT,
        put(f"{CALLS}/parameters/0/schema/format", "date-time"),
        f"{CALLS}/parameters/0/schema/format",
        "has no meaning for the type integer",
    ),
    "another format of a parameter": (
        DOCUMENT,
        put(f"{START}/schema/format", "email"),
        f"{START}/schema/format",
        "date-time",
    ),
    "a fetch whose success is not 200": (
        DOCUMENT,
        lambda content: content["paths"]["/calls/{id}"]["get"]["responses"].update(
            {"201": content["paths"]["/calls/{id}"]["get"]["responses"].pop("200")}
        ),
        f"{CALL}/responses",
        "is not the one for 200",
    ),
    "an operation with a security of its own": (
        DOCUMENT,
        put(f"{CREATE}/security", [{"apiKey": []}]),
        f"{CREATE}/security",
        "maxItems",
    ),
    "a limit of requests that no response answers": (
        DOCUMENT,
        drop("/components/responses/TooMany/x-trunkline/refusals"),
        f"{LIST}/responses",
        "rate_limited",
    ),
    "a refusal with a range of statuses": (
        DOCUMENT,
        lambda content: content["paths"]["/trunks"]["get"]["responses"].update(
            {"4XX": content["paths"]["/trunks"]["get"]["responses"]["401"]}
        ),
        "/components/responses/InvalidKey/x-trunkline/refusals",
        "one status, and 4XX is a range",
    ),
    "another refusal that tells what is allowed": (
        DOCUMENT,
        put("/x-trunkline/responses/404", {"$ref": "#/components/responses/WrongMethod"}),
        "/x-trunkline/responses",
        "path_unknown",
    ),
    "an Allow that nothing fills": (
        DOCUMENT,
        lambda content: content["components"]["responses"]["InvalidKey"].update(
            headers=content["components"]["responses"]["WrongMethod"]["headers"]
        ),
        "/components/responses/InvalidKey/headers",
        "method_not_allowed",
    ),
    "a success that is not 200": (
        DOCUMENT,
        lambda content: content["paths"]["/trunks"]["get"]["responses"].update(
            {"201": content["paths"]["/trunks"]["get"]["responses"].pop("200")}
        ),
        f"{LIST}/responses",
        "200",
    ),
    "a secret that a response documents": (
        DOCUMENT,
        put("/x-trunkline/secrets/status", EVIDENCE),
        "/x-trunkline/secrets/status",
        "listTrunks documents",
    ),
    "a header that no answer can carry": (
        DOCUMENT,
        put("/x-trunkline/rate_limit/limit", "X Limit\n"),
        "/x-trunkline/rate_limit/limit",
        "does not match",
    ),
    "an empty $ref": ("trunk.json", put("/properties/name/$ref", ""), "/properties/name/$ref", "back to itself"),
    "a $ref to itself": (
        "trunk.json",
        put("/properties/name/$ref", "#/properties/name"),
        "/properties/name/$ref",
        "back to itself",
    ),
    "a $ref to what is no schema": (
        "trunk-list.json",
        put("/properties/trunks/items/$ref", "trunk.json#/title"),
        "/properties/trunks/items/$ref",
        "does not resolve",
    ),
    "a $ref to a map of schemas": (
        "trunk-list.json",
        put("/properties/trunks/items/$ref", "trunk.json#/properties"),
        "/properties/trunks/items/$ref",
        "does not resolve",
    ),
    "a $ref to an anchor": (
        "trunk-list.json",
        put("/properties/trunks/items/$ref", "trunk.json#trunk"),
        "/properties/trunks/items/$ref",
        "does not resolve",
    ),
    "a $ref from a schema to the document": (
        "trunk-list.json",
        put("/properties/trunks/items/$ref", "openapi.json#/components/responses/TooMany"),
        "/properties/trunks/items/$ref",
        "does not resolve to a schema",
    ),
    "a property that is named as a keyword, and does not resolve": (
        "trunk.json",
        put("/properties/default", {"$ref": "#/$defs/nothing"}),
        "/properties/default/$ref",
        "does not resolve",
    ),
    "an address that is none": (DOCUMENT, put("/servers/0/url", "https://[::"), "/servers/0/url", "not an address"),
    "an address of no port": (DOCUMENT, put("/servers/0/url", "https://a:99999"), "/servers/0/url", "not an address"),
    "an address with a query": (DOCUMENT, put("/servers/0/url", "https://a.b/v1?x=1"), "/servers/0/url", "address"),
    "a lone surrogate": (DOCUMENT, put("/info/title", "\ud800"), "/info/title", "surrogate"),
    "a lone surrogate in a name": ("trunk.json", put("/properties/\ud800", TEXT), "/properties", "surrogate"),
    "a document without an end to its depth": (DOCUMENT, put("/tags", deep(400)), "", "100 levels"),
}
"""A mistake in one vendor's data -> the file, the change, the place that the error names, a part of its reason.

Without a place it is that of the body whose schema the file is.
"""

TRUNK = "/paths/~1sip-trunks~1{trunk_id}"
HEALTH = f"{TRUNK}~1health/get"
VERIFY = f"{TRUNK}~1verify/post"
DIDS = f"{TRUNK}~1dids"
DID = f"{DIDS}~1{{phone_number_id}}/delete"
BROKEN_OTHER: dict[str, tuple[Callable[[Json], None], str, str]] = {
    "a reset by what is no input": (
        put(f"{TRUNK}/put/x-trunkline/update/resets/0/when/0", ["region"]),
        f"{TRUNK}/put/x-trunkline/update/resets/0/when",
        "'region' is not an input",
    ),
    "a reset by nothing": (
        put(f"{TRUNK}/put/x-trunkline/update/resets/0/when", [[]]),
        f"{TRUNK}/put/x-trunkline/update/resets/0/when/0",
        "minItems",
    ),
    "no reset by what is no input": (
        put(f"{TRUNK}/put/x-trunkline/update/resets/0/never/0", "region"),
        f"{TRUNK}/put/x-trunkline/update/resets/0/never",
        "'region' is not an input",
    ),
    "a reset of a field that no response shows": (
        put(f"{TRUNK}/put/x-trunkline/update/resets/0/field", "is_ready"),
        f"{TRUNK}/put/x-trunkline/update/resets/0/field",
        "'is_ready' is a field of trunks that no response shows",
    ),
    "a reset without its value": (
        drop(f"{TRUNK}/put/x-trunkline/update/resets/0/to"),
        f"{TRUNK}/put/x-trunkline/update/resets/0",
        'lacks "to"',
    ),
    "a reset by the same input twice": (
        put(f"{TRUNK}/put/x-trunkline/update/resets/0/when/0", ["domain", "domain"]),
        f"{TRUNK}/put/x-trunkline/update/resets/0/when/0",
        "uniqueItems",
    ),
    "an act that changes a field that no response shows": (
        put(f"{VERIFY}/x-trunkline/act/changes/0", "is_ready"),
        f"{VERIFY}/x-trunkline/act/changes",
        "'is_ready' is a field of trunks that no response shows",
    ),
    "an act that keeps a field that no response shows": (
        put(f"{HEALTH}/x-trunkline/act/keeps", {"is_ready": EVIDENCE}),
        f"{HEALTH}/x-trunkline/act/keeps/is_ready",
        "'is_ready' is a field of trunks that no response shows",
    ),
    "an act on what is not of the path": (
        put(f"{HEALTH}/x-trunkline/act/parameter", "id"),
        f"{HEALTH}/x-trunkline/act/parameter",
        "not a parameter of the path",
    ),
    "an act that shows what is not there": (
        put(f"{VERIFY}/x-trunkline/act/item", "/trunk"),
        f"{VERIFY}/x-trunkline",
        "the response has no /trunk",
    ),
    "a deletion of what is not of the path": (
        put(f"{DID}/x-trunkline/delete/parameter", "did_id"),
        f"{DID}/x-trunkline/delete/parameter",
        "not a parameter of the path",
    ),
    "a deletion while there are things that nothing is about": (
        put(f"{TRUNK}/delete/x-trunkline/delete/empty", {"calls": EVIDENCE}),
        f"{TRUNK}/delete/x-trunkline/delete/empty/calls",
        "no operation has the resource 'calls'",
    ),
    "a deletion that must wait, and no response that says so": (
        drop(f"{TRUNK}/delete/responses/409/x-trunkline/refusals/not_empty"),
        f"{TRUNK}/delete/responses",
        "no response answers the cause not_empty",
    ),
    "a use that nothing answers": (
        drop(f"{DID}/responses/409/x-trunkline/refusals/in_use"),
        f"{DID}/responses",
        "no response answers the cause in_use",
    ),
    "a number that is taken, and nothing that says so": (
        drop(f"{DIDS}/post/responses/409/x-trunkline/refusals/not_unique"),
        f"{DIDS}/post/responses",
        "no response answers the cause not_unique",
    ),
    "a parent that nothing is about": (
        put(f"{DIDS}/get/parameters/0/x-trunkline/names", "lines"),
        f"{DIDS}/get/parameters/0/x-trunkline/names",
        "no operation has the resource 'lines'",
    ),
    "a parent of which an unknown one is refused by nothing": (
        drop(f"{DIDS}/get/parameters/0/x-trunkline/refused/id_unknown"),
        f"{DIDS}/get/parameters/0/x-trunkline/refused",
        "lacks the cause id_unknown",
    ),
    "a list that is whole below nothing": (
        put(f"{DIDS}/get/x-trunkline/list/whole_below", 0),
        f"{DIDS}/get/x-trunkline/list/whole_below",
        "minimum",
    ),
    "no evidence that nothing is counted": (
        put("/paths/~1health/get/x-trunkline/unmetered", value=True),
        "/paths/~1health/get/x-trunkline/unmetered",
        "not of type object",
    ),
    "a check that is counted, and no response for one too many": (
        drop("/paths/~1health/get/x-trunkline/unmetered"),
        "/paths/~1health/get/responses",
        "no response answers the cause rate_limited",
    ),
    "a missing permission that no response answers": (
        drop(f"{DID}/responses/403"),
        f"{DID}/responses",
        "no response answers the cause permission_missing",
    ),
}
"""A mistake in the other vendor's document -> the change, the place that the error names, a part of its reason."""


@pytest.mark.parametrize("name", BROKEN)
def test_a_contract_that_means_nothing_stops_the_load(folder: Path, name: str) -> None:
    """The error names the file, the place in it and the reason."""
    file, edit, at, word = BROKEN[name]
    edit_file(folder / file, edit)
    with pytest.raises(DataError) as caught:
        read_contract(folder, "telepath")
    wanted = (file, at) if at is not None else (DOCUMENT, INPUT)
    assert (caught.value.file, caught.value.pointer) == (f"schemas/telepath/{wanted[0]}", wanted[1])
    assert word in caught.value.reason
    place = f"#{wanted[1]}" if wanted[1] else ""
    assert str(caught.value) == f"schemas/telepath/{wanted[0]}{place}: {caught.value.reason}"


@pytest.mark.parametrize("name", BROKEN_OTHER)
def test_a_claim_that_means_nothing_stops_the_load(tmp_path: Path, name: str) -> None:
    """Each name in a reset, a deletion, an act or a parent must exist, or the error names its place."""
    edit, at, word = BROKEN_OTHER[name]
    folder = copied(tmp_path, "talkover")
    edit_file(folder / DOCUMENT, edit)
    with pytest.raises(DataError) as caught:
        read_contract(folder, "talkover")
    assert (caught.value.file, caught.value.pointer) == (f"schemas/talkover/{DOCUMENT}", at)
    assert word in caught.value.reason


@pytest.mark.parametrize("file", [DOCUMENT, "trunk.json"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "it looks cut off"),
        (b"", "empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"a": NaN}', "NaN"),
        (b'"\xff"', "not UTF-8"),
        (b"[]", "not of type"),
        (b"null", "not of type"),
        (b'{"x": [{"a": 1, "b": 2, "a": 3}]}', "the name is there twice"),
        (b"[" * 5000 + b"]" * 5000, "nested"),
        (b'{"a": ' + b"9" * 5000 + b"}", "out of range"),
        (b'{"a": -1e400}', "out of range"),
    ],
)
def test_a_file_that_is_no_json_object_stops_the_load(folder: Path, file: str, content: bytes, reason: str) -> None:
    """Bytes that are no JSON object are reported with the file and what is wrong."""
    (folder / file).write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        read_contract(folder, "telepath")
    assert caught.value.file == f"schemas/telepath/{file}"


def test_a_name_that_is_there_twice_is_reported_with_its_place(folder: Path) -> None:
    """Of two values of one name only one would be seen, so there is one."""
    text = (folder / DOCUMENT).read_text("utf-8")
    (folder / DOCUMENT).write_text(text.replace('"operationId"', '"summary": "", "operationId"', 1), "utf-8")
    with pytest.raises(DataError, match="the name is there twice") as caught:
        read_contract(folder, "telepath")
    assert caught.value.pointer == f"{LIST}/summary"


def test_a_file_that_is_hidden_is_no_schema(folder: Path) -> None:
    """A hidden file of a file manager does not stop the load."""
    there = {path.name for path in folder.glob("*.json")}
    (folder / "._trunk.json").write_bytes(b"\0")
    assert set(read_contract(folder, "telepath").files) == there
    assert {DOCUMENT, "error.json", "trunk.json", "trunk-list.json"} <= there


def test_a_schema_that_holds_itself_stops_the_load(folder: Path) -> None:
    """A cycle of references through several files is reported at one of its steps, and is not followed for ever."""
    edit_file(folder / "trunk.json", put("/properties/metrics/items", {"$ref": "trunk-list.json"}))
    with pytest.raises(DataError, match="leads back to itself") as caught:
        read_contract(folder, "telepath")
    assert caught.value.pointer.endswith("/items/$ref")


@pytest.mark.parametrize("value", ["hunter2" * 9, {"hunter2": "hunter2"}, ["hunter2"], 7_777_777])
def test_no_reason_quotes_a_value(folder: Path, value: Json) -> None:
    """A value that breaks the format is reported by its place, since it may be a secret that slipped in."""
    for at in ("/info", "/x-trunkline/read", f"{LIST}/parameters", f"{LIST}/x-trunkline/evidence/grade", "/servers"):
        content = json.loads((ROOT / "schemas" / "telepath" / DOCUMENT).read_text("utf-8"))
        put(at, value)(content)
        (folder / DOCUMENT).write_text(json.dumps(content), "utf-8")
        with pytest.raises(DataError) as caught:
            read_contract(folder, "telepath")
        assert "hunter2hunter2" not in caught.value.reason
        assert "7777777" not in caught.value.reason


def test_a_folder_without_a_document_stops_the_load(folder: Path) -> None:
    """The document is what a folder is for."""
    (folder / DOCUMENT).unlink()
    with pytest.raises(DataError, match=r"^schemas/telepath/openapi\.json: the file is missing$"):
        read_contract(folder, "telepath")


def test_the_copy_that_is_not_broken_is_read(folder: Path, telepath: Contract) -> None:
    """A copied folder is the contract that it was copied from."""
    assert read_contract(folder, "telepath").document == telepath.document


# --- what is compiled -----------------------------------------------------------------------------------------------


def test_a_path_leads_to_its_operations(telepath: Contract, talkover: Contract) -> None:
    """A path as sent is matched part by part; its parameters are decoded, and nothing is matched that is not there."""
    found = {
        (contract.vendor, path): (tuple(each.operation_id for each in operations), values)
        for contract, paths in (
            (telepath, ("/trunks", "/trunks/a%2Fb%00", "/calls", "/calls/%FF", "/trunks/x%20")),
            (
                talkover,
                ("/sip-trunks", "/sip-trunks/a%2Fb%00", "/sip-trunks/health", "/health", "/sip-trunks/x/verify"),
            ),
            (talkover, ("/sip-trunks/%00/health", "/sip-trunks/dids/dids", "/sip-trunks/a%2Fb/dids/%FF")),
        )
        for path in paths
        for operations, values in [contract.match(path)]
    }
    of_trunk = ("getSipTrunk", "updateSipTrunk", "deleteSipTrunk")
    assert found == {
        ("telepath", "/trunks"): (("listTrunks", "createTrunk"), {}),
        ("telepath", "/trunks/a%2Fb%00"): (("updateTrunk",), {"id": "a/b\0"}),
        ("telepath", "/trunks/x%20"): (("updateTrunk",), {"id": "x "}),
        ("telepath", "/calls"): (("listCalls",), {}),
        ("telepath", "/calls/%FF"): (("getCall",), {"id": "\udcff"}),
        ("talkover", "/sip-trunks"): (("listSipTrunks", "createSipTrunk"), {}),
        ("talkover", "/sip-trunks/a%2Fb%00"): (of_trunk, {"trunk_id": "a/b\0"}),
        ("talkover", "/sip-trunks/health"): (of_trunk, {"trunk_id": "health"}),
        ("talkover", "/sip-trunks/%00/health"): (("getSipTrunkHealth",), {"trunk_id": "\0"}),
        ("talkover", "/sip-trunks/x/verify"): (("verifySipTrunk",), {"trunk_id": "x"}),
        ("talkover", "/sip-trunks/dids/dids"): (("listSipTrunkDids", "createSipTrunkDid"), {"trunk_id": "dids"}),
        ("talkover", "/sip-trunks/a%2Fb/dids/%FF"): (
            ("deleteSipTrunkDid",),
            {"trunk_id": "a/b", "phone_number_id": "\udcff"},
        ),
        ("talkover", "/health"): (("getHealth",), {}),
    }
    for path in (
        "",
        "/",
        "/trunks/",
        "//trunks",
        "/trunks/x/y",
        "/TRUNKS",
        "trunks",
        "/{trunk_id}",
        "/calls/x/",
        "/health",
    ):
        assert telepath.match(path) == ((), {})
    for path in (
        "/sip-trunks/", "/sip-trunks/a/b", "/sip-trunks/a/", "/sip-trunks//verify", "/sip-trunks/a/dids/", "/health/",
        "/sip-trunks/a/dids/b/c", "/sip-trunks/a/verify/b", "/Health",
    ):  # fmt: skip
        assert talkover.match(path) == ((), {})


@each_operation
def test_a_path_with_its_parameters_filled_in_leads_back(operation: Operation) -> None:
    """An operation is found by its own path with any text for a parameter, and the text is returned."""
    path, wanted = operation.path, {}
    for index, parameter in enumerate(said for said in operation.parameters if said.location == "path"):
        path = path.replace(f"{{{parameter.name}}}", f"%2F{index}%25")
        wanted[parameter.name] = f"/{index}%"
    operations, values = operation.contract.match(path)
    assert operation in operations
    assert values == wanted


def test_a_path_without_parameters_comes_first(folder: Path) -> None:
    """`/trunks/stats` is not the trunk of the id `stats`, whichever stands first in the file."""

    def edit(content: Json) -> None:
        one = {"get": json.loads(json.dumps(content["paths"]["/trunks"]["get"]))}
        one["get"]["operationId"] = "fetchTrunk"
        one["get"]["parameters"] = [
            {**one["get"]["parameters"][2], "name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
        ]
        del one["get"]["x-trunkline"]["list"], one["get"]["x-trunkline"]["resource"]
        other = json.loads(json.dumps(one))
        other["get"]["operationId"] = "showStatistics"
        other["get"]["parameters"] = []
        content["paths"] = {"/trunks/{id}": one, "/trunks/stats": other}

    edit_file(folder / DOCUMENT, edit)
    contract = read_contract(folder, "telepath")
    found = {path: contract.match(path)[0][0].operation_id for path in ("/trunks/stats", "/trunks/stat")}
    assert found == {"/trunks/stats": "showStatistics", "/trunks/stat": "fetchTrunk"}


@each_operation
def test_an_operation_knows_its_answers(operation: Operation) -> None:
    """A status is answered by its own response, else by its range, else by none."""
    documented = operation.contract.document["paths"][operation.path][operation.method.lower()]["responses"]
    for status in range(100, 600):
        wanted = next((key for key in (str(status), f"{status // 100}XX") if key in documented), None)
        assert getattr(operation.response_for(status), "key", None) == wanted
    assert operation.success.key == next(key for key in documented if key.startswith("2"))
    assert operation.response_for(418) is not None, "no page lists every refusal"
    assert operation.response_for(302) is operation.response_for(500) is None


KINDS = {
    "listTrunks": ("trunks", List, "", "/trunks/0", "/id", ()),
    "createTrunk": ("trunks", Create, "", "", "/id", ()),
    "updateTrunk": ("trunks", Update, "id", "", "/id", ()),
    "listCalls": ("calls", List, "", "/calls/0", "/id", ()),
    "getCall": ("calls", Fetch, "id", "", "/id", ()),
    "listSipTrunks": ("trunks", List, "", "/data/0", "/id", ()),
    "createSipTrunk": ("trunks", Create, "", "/data", "/id", ()),
    "getSipTrunk": ("trunks", Fetch, "trunk_id", "/data", "/id", ()),
    "updateSipTrunk": ("trunks", Update, "trunk_id", "/data", "/id", ()),
    "deleteSipTrunk": ("trunks", Delete, "trunk_id", None, "", ()),
    "verifySipTrunk": ("trunks", Act, "trunk_id", "/data", "", ()),
    "getSipTrunkHealth": ("trunks", Act, "trunk_id", None, "", ()),
    "listSipTrunkDids": ("dids", List, "", "/data/0", "/id", ("trunk_id",)),
    "createSipTrunkDid": ("dids", Create, "", "/data", "/id", ("trunk_id",)),
    "deleteSipTrunkDid": ("dids", Delete, "phone_number_id", None, "", ("trunk_id",)),
    "getHealth": ("", Act, "", None, "", ()),
}
"""Each operation -> what it is about, what it does, its own parameter, where it shows an item, an id, its parents."""


@each_operation
def test_an_operation_knows_what_it_does(operation: Operation) -> None:
    """An operation has the documented resource, kind, path parameters and pointers to the item and its id."""
    parents = tuple(parameter.name for parameter in operation.parents)
    resource, kind, own, item, identity, above = KINDS[operation.operation_id]
    assert (operation.resource, type(operation.kind)) == (resource, kind)
    assert (operation.kind.parameter, operation.item, operation.identity, parents) == (own, item, identity, above)
    assert operation.reads is (operation.method == "GET")
    assert {each.operation_id for each in operation.same_resource} == {
        name for name, (about, *_) in KINDS.items() if about and about == resource and named(operation, name)
    }
    assert operation.secured is (operation.operation_id != "getHealth")
    assert bool(operation.rate_limit_exemption) is (operation.operation_id == "getHealth")
    for parameter in operation.parameters:
        assert parameter.location == "query" or parameter.resource == (resource if parameter.name == own else "trunks")


def named(operation: Operation, name: str) -> bool:
    """Whether the operation's contract has one of that name."""
    return name in {each.operation_id for each in operation.contract.operations}


def test_each_operation_is_known() -> None:
    """The table above is about every documented operation."""
    assert set(KINDS) == {operation.operation_id for operation in OPERATIONS}


def test_an_operation_knows_what_it_shows(telepath: Contract, talkover: Contract) -> None:
    """The view of an item is what the success body documents of it, and no view holds a secret."""
    calls, call = telepath.operation("getCall").view, telepath.operation("listCalls").view
    assert telepath.operation("listTrunks").view["metrics"] == dict.fromkeys(
        ("calls_today", "success_rate", "avg_latency_ms")
    )
    assert "metrics" in calls
    assert "metrics" not in call
    assert set(talkover.operation("updateSipTrunk").view) == {"id", "name", "is_active", "is_verified", "updated_at"}
    assert set(talkover.operation("verifySipTrunk").view) >= {"is_verified", "health_status", "last_health_check_at"}
    for operation in OPERATIONS:
        assert bool(operation.view) is (operation.item is not None)
        assert not set(operation.view) & set(operation.contract.secrets)
        if operation.identity:
            assert next(iter(operation.view)) == "id"
        with pytest.raises(LookupError):
            operation.parameter("page")
    with pytest.raises(LookupError):
        telepath.operation("fetchTrunk")


@each_operation
def test_an_operation_knows_what_it_takes_in(operation: Operation) -> None:
    """The inputs are the properties of the body's schema, their `$ref`s followed; without a body there is none."""
    assert bool(operation.inputs) is (operation.body is not None)
    if operation.body is None:
        return
    ref = resolve(operation.contract.document, operation.body.schema)["$ref"]
    assert set(operation.inputs) == set(operation.contract.files[ref]["properties"])
    for name, schema in operation.inputs.items():
        assert "$ref" not in schema
        assert schema["x-trunkline"]["evidence"]
        assert "type" in schema, name
    assert operation.contract.evidence_at(operation.body.schema).source
    if isinstance(operation.kind, Create):
        assert {*operation.kind.unique, operation.kind.label} - {""} <= set(operation.inputs)


# --- defaults -------------------------------------------------------------------------------------------------------

CALLED = {"name": "n", "provider_name": "p", "domain": "d", "username": "u", "password": "p" * 8}


@pytest.mark.parametrize(
    ("sent", "filled"),
    [
        ({}, {"transport": "tls", "port": 5061, "is_active": False}),
        ({"transport": "tls"}, {"port": 5061, "is_active": False}),
        ({"transport": "udp"}, {"port": 5060, "is_active": False}),
        ({"transport": "tcp"}, {"port": 5060, "is_active": False}),
        ({"transport": "udp", "port": 5061}, {"is_active": False}),
        ({"port": 1}, {"transport": "tls", "is_active": False}),
        ({"is_active": True}, {"transport": "tls", "port": 5061}),
        ({"outbound_proxy": None, "auth_realm": None}, {"transport": "tls", "port": 5061, "is_active": False}),
        ({"x": {"default": 1}}, {"transport": "tls", "port": 5061, "is_active": False}),
    ],
    ids=str,
)
def test_an_input_is_completed_with_its_defaults(
    talkover: Contract, sent: dict[str, Json], filled: dict[str, Json]
) -> None:
    """A missing input becomes its default, also one that depends on another input; a sent value stays as it is."""
    body = talkover.operation("createSipTrunk").body
    assert body is not None
    before = {**CALLED, **sent}
    assert talkover.completed(body.schema, before) == {**before, **filled}
    assert before == {**CALLED, **sent}


def test_an_input_without_defaults_is_completed_with_none(telepath: Contract, talkover: Contract) -> None:
    """Where no page tells a default, nothing is made up; what an update leaves out is left out."""
    for contract, name in (
        (telepath, "createTrunk"), (telepath, "updateTrunk"), (talkover, "updateSipTrunk"),
        (talkover, "createSipTrunkDid"),
    ):  # fmt: skip
        body = contract.operation(name).body
        assert body is not None
        assert contract.completed(body.schema, {}) == {}


def test_a_default_that_follows_from_another_is_found(tmp_path: Path) -> None:
    """A default may stand in a file that is referred to, in `else`, and in a condition within a condition."""
    folder = copied(tmp_path, "talkover")

    def edit(content: Json) -> None:
        said = {"x-trunkline": {"evidence": EVIDENCE}}

        def default(name: str, value: Json) -> Json:
            return {"properties": {name: {"default": value, **said}}}

        inner = {
            "if": {"required": ["domain"]},
            "then": default("username", "of the domain"),
            "else": default("domain", "d"),
        }
        content["allOf"] = [{"if": {"required": ["name"]}, "then": {"allOf": [inner]}, "else": default("name", "n")}]

    edit_file(folder / "trunk-input.json", edit)
    edit_file(folder / "trunk-change.json", put("/allOf", [{"$ref": "trunk-input.json"}]))
    contract = read_contract(folder, "talkover")
    body = contract.operation("updateSipTrunk").body
    assert body is not None
    found = [contract.completed(body.schema, sent) for sent in ({}, {"name": "x"}, {"name": "x", "domain": "y"})]
    assert found == [
        {"name": "n"},
        {"name": "x", "domain": "d"},
        {"name": "x", "domain": "y", "username": "of the domain"},
    ]


# --- violations -----------------------------------------------------------------------------------------------------


def test_a_violation_says_where_and_why(telepath: Contract) -> None:
    """Each failure names its place in the body, the keyword in the contract, and what that stands on."""
    operation = telepath.operation("listTrunks")
    case = next(case for case in loader.load("telepath").cases if case["name"] == "the page's sample")
    body = json.loads(json.dumps(case["body"]))
    body["trunks"][1]["status"] = "busy"
    body["trunks"][0]["metrics"]["success_rate"] = 101
    del body["trunks"][0]["name"]
    body["pagination"]["total"] = -1
    found = {
        violation.at: (violation.contract, violation.keyword, violation.evidence.grade, violation.seen)
        for violation in telepath.violations(operation.success.schema, body)
    }
    assert found == {
        "/trunks/1/status": ("schemas/telepath/trunk.json#/properties/status/enum", "enum", Grade.IMPLIED, '"busy"'),
        "/trunks/0/metrics/success_rate": (
            "schemas/telepath/trunk.json#/properties/metrics/properties/success_rate/maximum",
            "maximum",
            Grade.DOCUMENTED,
            "101",
        ),
        "/trunks/0/name": ("schemas/telepath/trunk.json#/required", "required", Grade.IMPLIED, "absent"),
        "/pagination/total": (
            "schemas/telepath/trunk-list.json#/properties/pagination/properties/total/minimum",
            "minimum",
            Grade.IMPLIED,
            "-1",
        ),
    }
    for place, *_ in found.values():
        file, _, at = place.partition("#")
        resolve(telepath.files[file.rpartition("/")[2]], at)


def test_a_violation_of_an_input_says_what_is_asked_for(telepath: Contract) -> None:
    """In words without the value, which may be a secret; a conditional requirement stands where its page says it."""
    body = telepath.operation("createTrunk").body
    assert body is not None
    sent = {"name": 1, "ai_provider": "custom", "sip_username": "a b", "sip_password": "short", "custom_endpoint": "x"}
    found = {
        violation.at: (violation.keyword, violation.demand) for violation in telepath.violations(body.schema, sent)
    }
    assert found == {
        "/name": ("type", "must be of type string"),
        "/sip_username": ("pattern", "must be a text of letters, digits and hyphens"),
        "/sip_password": ("minLength", "must have at least 8 characters"),
        "/custom_endpoint": ("pattern", "must be a URL that begins with wss://"),
    }
    del sent["custom_endpoint"]
    (missing,) = (found for found in telepath.violations(body.schema, sent) if found.keyword == "required")
    assert (missing.at, missing.demand) == ("/custom_endpoint", "is required")
    assert missing.contract == "schemas/telepath/trunk-input.json#/allOf/2/then/required"
    assert missing.evidence.grade is Grade.DOCUMENTED


@each_operation
def test_an_item_is_judged_where_it_stands(operation: Operation) -> None:
    """An item alone breaks what it breaks within the whole body, at the place that the whole body has for it."""
    if operation.item is None:
        return
    schema = operation.contract.schema_at(operation.success.schema, operation.item)
    assert set(schema["properties"]) == set(operation.view)
    found = list(operation.item_violations({name: {"odd": 1} for name in operation.view}))
    assert {violation.at for violation in found} == {
        f"/{name}" for name, inner in operation.view.items() if not inner
    } | {violation.at for violation in found if violation.at.count("/") > 1}
    for violation in found:
        file, _, at = violation.contract.partition("#")
        resolve(operation.contract.files[file.rpartition("/")[2]], at)
    assert operation.extension_reference("evidence").endswith(f"{operation.pointer}/x-trunkline/evidence")


@each_operation
def test_a_value_of_any_kind_is_judged(operation: Operation) -> None:
    """No JSON value is too odd to be judged: lone surrogates, deep nests, large numbers."""
    contract = operation.contract
    odd: list[Json] = [None, 1, "x", "\ud800", {"\ud800": "\udfff"}, [], deep(200), 10**400, 1e308, True]
    for value in odd:
        assert list(contract.violations(operation.success.schema, value))
        assert not contract.accepts(operation.success.schema, value)
        if operation.body and not isinstance(value, dict):
            assert list(contract.violations(operation.body.schema, value))
        assert contract.completed(operation.success.schema, {"x": value}) == {"x": value}


@each_operation
def test_both_validators_see_the_same_violations(operation: Operation) -> None:
    """Each violation of a documented body is confirmed, at the same place of the contract, on the same evidence."""
    contract = operation.contract
    cases = [case for case in loader.load(contract.vendor).cases if case["operation"] == operation.operation_id]
    odd: list[Json] = [None, 1, "x", [], {}, "\ud800", {"\ud800": "\udfff"}, deep(50), 10**400]
    for response in operation.responses.values():
        bodies = [case["body"] for case in cases if operation.response_for(case["status"]) is response]
        for body in [*odd, *bodies, *(spoiled for sample in bodies for spoiled in spoiled_copies(sample))]:
            violations = contract.violations(response.schema, body)
            confirmed, disagreements = contract.confirmed_violations(response.schema, body)
            assert disagreements == []
            assert [(found.at, found.contract, found.evidence) for found in confirmed] == [
                (found.at, found.contract, found.evidence) for found in violations
            ]
            assert all(found.sentence for found in confirmed)


def spoiled_copies(body: Json) -> Iterator[Json]:
    """The body with each of its values in turn replaced by one of another type, or taken away."""
    for place, value in all_places(body):
        at = pointer_to(place)
        for other in (None, 7, "\n", [value]):
            copy = json.loads(json.dumps([body]))
            put(f"/0{at}", other)(copy)
            yield copy[0]
        if at and isinstance(resolve(body, at.rpartition("/")[0]), dict):
            copy = json.loads(json.dumps(body))
            drop(at)(copy)
            yield copy


def test_the_schema_of_the_files_is_the_generated_one() -> None:
    """Editors read `contract.schema.json`; it says what the classes say. Write it with `-m` of the module."""
    assert json.loads(document.SCHEMA_FILE.read_text("utf-8")) == document.json_schema()


@pytest.mark.parametrize("lint", [True, False])
def test_a_document_that_cannot_be_converted_is_refused_with_its_place(folder: Path, *, lint: bool) -> None:
    """Also without the lint, the error names the place and the reason."""
    edit_file(folder / DOCUMENT, put(f"{PAGING}/limit", 7))
    with pytest.raises(DataError, match=r"limit: is not of type string$") as caught:
        read_contract(folder, "telepath", lint=lint)
    assert caught.value.pointer == f"{PAGING}/limit"


def test_two_contracts_are_equal_only_to_themselves(telepath: Contract) -> None:
    """A contract is compared by identity, since it is compiled once."""
    assert telepath == telepath  # noqa: PLR0124
    assert telepath != loader.load("telepath").contract
    assert len({telepath, loader.load("telepath").contract}) == 2


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://API.acme.example./v1", ("api.acme.example", 443)),
        ("http://api.acme.example/v1", ("api.acme.example", 80)),
        ("https://api.acme.example:8443", ("api.acme.example", 8443)),
    ],
)
def test_a_contract_has_a_host_and_a_port(telepath: Contract, url: str, place: tuple[str, int]) -> None:
    """Those of its base address, the host as it is compared."""
    contract = replace(telepath, url=url)
    assert (contract.host, contract.port) == place
