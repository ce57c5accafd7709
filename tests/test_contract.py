"""What `trunkline.reader` and `trunkline.contract` promise: each word of a folder means something, or none is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from trunkline import folders, library
from trunkline.contract import DOCUMENT, Contract
from trunkline.errors import DataError
from trunkline.exchange import Json, resolve
from trunkline.findings import Grade
from trunkline.reader import read

ROOT = folders.roots()[0]
VENDORS = folders.names()
LIST = "/paths/~1trunks/get"
PAGING = f"{LIST}/x-trunkline/list/paging"
LIMIT = f"{LIST}/parameters/0"
OFFSET = f"{LIST}/parameters/1"
STATUS = f"{LIST}/parameters/2"
SECURITY = "/components/securitySchemes/apiKey"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of one vendor's folder of schemas."""
    return Path(shutil.copytree(ROOT / "schemas" / "telepath", tmp_path / "telepath"))


@pytest.fixture(scope="module")
def telepath() -> Contract:
    return library.load("telepath").contract


@pytest.fixture(scope="module")
def talkover() -> Contract:
    return library.load("talkover").contract


def put(at: str, value: Json) -> Callable[[Json], None]:
    """Sets what stands at a pointer."""

    def edit(content: Json) -> None:
        parent, _, name = at.rpartition("/")
        node = resolve(content, parent)
        node[int(name) if isinstance(node, list) else name.replace("~1", "/")] = value

    return edit


def drop(at: str) -> Callable[[Json], None]:
    """Takes away what stands at a pointer."""

    def edit(content: Json) -> None:
        parent, _, name = at.rpartition("/")
        node = resolve(content, parent)
        del node[int(name) if isinstance(node, list) else name.replace("~1", "/")]

    return edit


def edited(folder: Path, file: str, edit: Callable[[Json], None]) -> None:
    """Edits one file of the folder."""
    content = json.loads((folder / file).read_text("utf-8"))
    edit(content)
    (folder / file).write_text(json.dumps(content), "utf-8")


def deep(levels: int) -> Json:
    """A list in a list in a list."""
    value: Json = []
    for _ in range(levels):
        value = [value]
    return value


EVIDENCE = {"grade": "documented", "source": "https://example.com/page"}
TEXT = {"type": "string", "x-trunkline": {"evidence": EVIDENCE}}

BROKEN: dict[str, tuple[str, Callable[[Json], None], str, str]] = {
    "an unknown word in the extension": (DOCUMENT, put("/x-trunkline/colour", "red"), "/x-trunkline", "colour"),
    "an unknown word about an operation": (
        DOCUMENT,
        put(f"{LIST}/x-trunkline/sort", {}),
        f"{LIST}/x-trunkline",
        "sort",
    ),
    "an unknown word about paging": (DOCUMENT, put(f"{PAGING}/cursor", "next"), PAGING, "cursor"),
    "an unknown word about a parameter": (
        DOCUMENT,
        put(f"{LIMIT}/x-trunkline/unit", "1"),
        f"{LIMIT}/x-trunkline",
        "unit",
    ),
    "an unknown word about a property": (
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
        "leads nowhere",
    ),
    "a $ref to a file that is not there": (
        "trunk-list.json",
        put("/properties/trunks/items/$ref", "trunks.json"),
        "/properties/trunks/items/$ref",
        "leads nowhere",
    ),
    "a $ref to a response that is not there": (
        DOCUMENT,
        put(f"{LIST}/responses/400/$ref", "#/components/responses/Nothing"),
        f"{LIST}/responses/400/$ref",
        "leads nowhere",
    ),
    "a $ref out of the folder": (
        "trunk-list.json",
        put("/properties/trunks/items/$ref", "../talkover/trunk.json"),
        "/properties/trunks/items/$ref",
        "leads nowhere",
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
    "a bound of a text": (DOCUMENT, put(f"{STATUS}/schema/minimum", 1), f"{STATUS}/schema/minimum", "nothing of type"),
    "a choice of numbers": (DOCUMENT, put(f"{LIMIT}/schema/enum", ["1"]), f"{LIMIT}/schema/enum", "nothing of type"),
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
        put(
            f"{LIST}/x-trunkline/fetch",
            {"item": "/trunks/0", "identity": "/id", "parameter": "status", "evidence": EVIDENCE},
        ),
        f"{LIST}/x-trunkline/fetch/parameter",
        "not a parameter of the path",
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
        "4XX, which is no status",
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
        put("/x-trunkline/secrets/name", EVIDENCE),
        "/x-trunkline/secrets/name",
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
        "leads nowhere",
    ),
    "a $ref to a map of schemas": (
        "trunk-list.json",
        put("/properties/trunks/items/$ref", "trunk.json#/properties"),
        "/properties/trunks/items/$ref",
        "leads nowhere",
    ),
    "a $ref to an anchor": (
        "trunk-list.json",
        put("/properties/trunks/items/$ref", "trunk.json#trunk"),
        "/properties/trunks/items/$ref",
        "leads nowhere",
    ),
    "a $ref from a schema to the document": (
        "trunk-list.json",
        put("/properties/trunks/items/$ref", "openapi.json#/components/responses/TooMany"),
        "/properties/trunks/items/$ref",
        "leads to no schema",
    ),
    "a property that is named as a keyword, and leads nowhere": (
        "trunk.json",
        put("/properties/default", {"$ref": "#/$defs/nothing"}),
        "/properties/default/$ref",
        "leads nowhere",
    ),
    "an address that is none": (DOCUMENT, put("/servers/0/url", "https://[::"), "/servers/0/url", "not an address"),
    "an address of no port": (DOCUMENT, put("/servers/0/url", "https://a:99999"), "/servers/0/url", "not an address"),
    "an address with a query": (DOCUMENT, put("/servers/0/url", "https://a.b/v1?x=1"), "/servers/0/url", "address"),
    "half of a surrogate pair": (DOCUMENT, put("/info/title", "\ud800"), "/info/title", "surrogate"),
    "half of a surrogate pair in a name": ("trunk.json", put("/properties/\ud800", TEXT), "/properties", "surrogate"),
    "a document without an end to its depth": (DOCUMENT, put("/tags", deep(400)), "", "100 levels"),
}
"""What is broken -> the file, how, the place that the error names, a word of its reason."""


@pytest.mark.parametrize("name", BROKEN)
def test_a_contract_that_means_nothing_stops_the_load(folder: Path, name: str) -> None:
    """The error names the file, the place in it and the reason."""
    file, edit, at, word = BROKEN[name]
    edited(folder, file, edit)
    with pytest.raises(DataError) as caught:
        read(folder, "telepath")
    assert (caught.value.file, caught.value.pointer) == (f"schemas/telepath/{file}", at)
    assert word in caught.value.reason
    assert str(caught.value) == f"schemas/telepath/{file}#{at}: {caught.value.reason}"


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
        (b'{"a": ' + b"9" * 5000 + b"}", "more digits than can be read"),
    ],
)
def test_a_file_that_is_no_json_object_stops_the_load(folder: Path, file: str, content: bytes, reason: str) -> None:
    """Bytes that are no JSON object are told with the file and what is wrong."""
    (folder / file).write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        read(folder, "telepath")
    assert caught.value.file == f"schemas/telepath/{file}"


def test_a_name_that_is_there_twice_is_told_with_its_place(folder: Path) -> None:
    """Of two values of one name only one would be seen, so there is one."""
    text = (folder / DOCUMENT).read_text("utf-8")
    (folder / DOCUMENT).write_text(text.replace('"operationId"', '"summary": "", "operationId"'), "utf-8")
    with pytest.raises(DataError, match="the name is there twice") as caught:
        read(folder, "telepath")
    assert caught.value.pointer == f"{LIST}/summary"


def test_a_file_that_is_hidden_is_no_schema(folder: Path) -> None:
    """What a file manager leaves behind does not stop the load."""
    (folder / "._trunk.json").write_bytes(b"\0")
    assert set(read(folder, "telepath").files) == {DOCUMENT, "error.json", "trunk.json", "trunk-list.json"}


def test_a_schema_that_holds_itself_stops_the_load(folder: Path) -> None:
    """A way through several files that comes back is told at one of its steps, and is not walked for ever."""
    edited(folder, "trunk.json", put("/$defs/metrics/items", {"$ref": "trunk-list.json"}))
    with pytest.raises(DataError, match="leads back to itself") as caught:
        read(folder, "telepath")
    assert caught.value.pointer.endswith("/items/$ref")


@pytest.mark.parametrize("value", ["hunter2" * 9, {"hunter2": "hunter2"}, ["hunter2"], 7_777_777])
def test_no_reason_quotes_a_value(folder: Path, value: Json) -> None:
    """A value that breaks the format is told by its place, since it may be a secret that slipped in."""
    for at in ("/info", "/x-trunkline/read", f"{LIST}/parameters", f"{LIST}/x-trunkline/evidence/grade", "/servers"):
        content = json.loads((ROOT / "schemas" / "telepath" / DOCUMENT).read_text("utf-8"))
        put(at, value)(content)
        (folder / DOCUMENT).write_text(json.dumps(content), "utf-8")
        with pytest.raises(DataError) as caught:
            read(folder, "telepath")
        assert "hunter2hunter2" not in caught.value.reason
        assert "7777777" not in caught.value.reason


def test_a_folder_without_a_document_stops_the_load(folder: Path) -> None:
    """The document is what a folder is for."""
    (folder / DOCUMENT).unlink()
    with pytest.raises(DataError, match=r"^schemas/telepath/openapi\.json#: the file is missing$"):
        read(folder, "telepath")


def test_the_copy_that_is_not_broken_is_read(folder: Path, telepath: Contract) -> None:
    """A copied folder is the contract that it was copied from."""
    assert read(folder, "telepath").document == telepath.document


# --- what is compiled -----------------------------------------------------------------------------------------------


def test_a_path_leads_to_its_operations(telepath: Contract, talkover: Contract) -> None:
    """A path as sent is matched part by part; its parameters are decoded, and nothing is matched that is not there."""
    (listing,) = telepath.operations
    (fetching,) = talkover.operations
    assert telepath.match("/trunks") == ((listing,), {})
    assert talkover.match("/sip-trunks/a%2Fb%00") == ((fetching,), {"trunk_id": "a/b\0"})
    for path in ("", "/", "/trunks/", "//trunks", "/trunks/x", "/TRUNKS", "trunks", "/{trunk_id}"):
        assert telepath.match(path) == ((), {})
    for path in ("/sip-trunks", "/sip-trunks/", "/sip-trunks/a/b", "/sip-trunks/a/"):
        assert talkover.match(path) == ((), {})


def test_a_path_without_parameters_comes_first(folder: Path) -> None:
    """`/trunks/stats` is not the trunk of the id `stats`, whichever stands first in the file."""

    def edit(content: Json) -> None:
        one = json.loads(json.dumps(content["paths"]["/trunks"]))
        one["get"]["operationId"] = "fetchTrunk"
        one["get"]["parameters"] = [
            {**one["get"]["parameters"][2], "name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
        ]
        del one["get"]["x-trunkline"]["list"]
        other = json.loads(json.dumps(one))
        other["get"]["operationId"] = "showStatistics"
        other["get"]["parameters"] = []
        content["paths"] = {"/trunks/{id}": one, "/trunks/stats": other}

    edited(folder, DOCUMENT, edit)
    contract = read(folder, "telepath")
    found = {path: contract.match(path)[0][0].operation_id for path in ("/trunks/stats", "/trunks/stat")}
    assert found == {"/trunks/stats": "showStatistics", "/trunks/stat": "fetchTrunk"}


def test_an_operation_knows_its_answers(telepath: Contract) -> None:
    """A status is answered by its own response, else by its range, else by none."""
    (operation,) = telepath.operations
    keys = {
        status: getattr(operation.answer_for(status), "key", None) for status in (200, 201, 302, 400, 418, 429, 500)
    }
    assert keys == {200: "200", 201: None, 302: None, 400: "400", 418: "4XX", 429: "429", 500: None}
    assert operation.success.key == "200"


def test_an_operation_knows_what_it_shows(telepath: Contract, talkover: Contract) -> None:
    """The view of an item is what the success body documents of it."""
    (listing,), (fetching,) = telepath.operations, talkover.operations
    assert listing.view["metrics"] == {"calls_today": None, "success_rate": None, "avg_latency_ms": None}
    assert "password" not in fetching.view
    assert next(iter(listing.view)) == next(iter(fetching.view)) == "id"
    with pytest.raises(LookupError):
        listing.parameter("page")
    with pytest.raises(LookupError):
        telepath.operation("fetchTrunk")


def test_a_violation_says_where_and_why(telepath: Contract) -> None:
    """Each failure names its place in the body, the keyword in the contract, and what that stands on."""
    (operation,) = telepath.operations
    case = next(case for case in library.load("telepath").cases if case["name"] == "the page's sample")
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
            "schemas/telepath/trunk.json#/$defs/metrics/properties/success_rate/maximum",
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


@pytest.mark.parametrize("name", VENDORS)
def test_a_value_of_any_kind_is_judged(name: str) -> None:
    """No JSON value is too odd to be judged: lone surrogates, deep nests, large numbers."""
    contract = library.load(name).contract
    deep: Json = []
    for _ in range(200):
        deep = [deep]
    odd: list[Json] = [None, 1, "x", "\ud800", {"\ud800": "\udfff"}, [], deep, 10**400, 1e308, True]
    for operation in contract.operations:
        for value in odd:
            assert list(contract.violations(operation.success.schema, value))
            assert not contract.accepts(operation.success.schema, value)


def test_two_contracts_are_equal_only_to_themselves(telepath: Contract) -> None:
    """A contract is compared by identity, since it is compiled once."""
    assert telepath == telepath  # noqa: PLR0124
    assert telepath != library.load("telepath").contract
    assert len({telepath, library.load("telepath").contract}) == 2
