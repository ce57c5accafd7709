"""`/_trunkline/` tells what is served, and `/_trunkline/openapi.json` documents the admin surface, route by route."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

import trunkline
from tests.test_schemathesis import run_schemathesis
from tests.transport.admin.surface import (
    CHANGE_HEADER,
    DOCUMENT,
    OPERATIONS,
    TOKEN,
    VENDORS,
    Admin,
    app_of,
    fill_path,
    served,
)
from trunkline import cli
from trunkline.exchange import Json, Request
from trunkline.mock.session import MockSession
from trunkline.transport import server
from trunkline.transport.admin.application import ROUTES, SERVER_ROUTES
from trunkline.transport.admin.messages import documented_path
from trunkline.transport.asgi import wrap
from trunkline.transport.sessions import Sessions, session_application

FIRST = min(VENDORS)


def test_the_document_is_an_openapi_document() -> None:
    """A validator of OpenAPI 3.1 finds nothing wrong with it, and each operation has a name of its own."""
    assert [*OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len({*names}) == len(names)


def test_the_document_has_each_route_and_no_other() -> None:
    """The paths and methods of the document are those of the routes."""
    routes = {
        (method, documented_path(route))
        for route in (*ROUTES, *SERVER_ROUTES)
        for method in {*(route.methods or ())} - {"HEAD"}
    }
    assert len(routes) > 8
    assert {(method, path) for method, path, _ in OPERATIONS} == routes


def test_each_operation_documents_its_refusals() -> None:
    """A refusal is possible everywhere, and every change needs the header or the token; with Basic, both."""
    for method, _, operation in OPERATIONS:
        change: Json = {} if method == "GET" else {"changeHeader": []}
        assert operation["responses"]["4XX"] == {"$ref": "#/components/responses/Refused"}
        assert operation["security"] == [change, {"token": []}, {"basic": [], **change}]


def test_the_served_document_has_the_address(client: Admin) -> None:
    """It is the document in the repository, with the server that a client has asked and the vendors that are there."""
    found = client.get("/openapi.json")
    assert found.pop("servers") == [{"url": "http://localhost/_trunkline"}]
    assert [*found["components"]["parameters"]["vendor"].pop("examples")] == [*VENDORS]
    assert "trunks" in found["components"]["parameters"]["collection"].pop("examples")
    assert found == {name: value for name, value in DOCUMENT.items() if name != "servers"}


def test_the_index_names_vendors_and_links(client: Admin) -> None:
    """Each vendor has its address, its token and its document, and every link can be followed."""
    found = client.get("/")
    assert (found["trunkline"], found["url"]) == (trunkline.__version__, "http://localhost")
    assert found["vendors"] == {
        name: {
            "url": f"http://localhost{vendor.contract.base_path}",
            "token": vendor.world.token,
            "openapi": f"http://localhost/_trunkline/openapi/{name}.json",
            "records": f"http://localhost/_trunkline/records/{name}",
        }
        for name, vendor in VENDORS.items()
    }
    assert {"health", "openapi.json"} <= {*found["links"]}
    for place in found["links"].values():
        if not place.endswith("/events"):  # which has no end
            assert client.ask("GET", place.removeprefix("http://localhost/_trunkline")).status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "127.0.0.1/x"])
def test_no_address_is_taken_from_a_strangers_host(session: MockSession, host: str) -> None:
    """With an admin token any Host is admitted, but the addresses in the answers are the server's own."""
    headers = (("authorization", f"Bearer {TOKEN}"), ("host", host))
    answer = wrap(app_of(session, TOKEN))(Request("GET", "/_trunkline/", "", headers))
    assert answer.json()["url"] == "http://localhost:80"


@pytest.mark.parametrize("name", VENDORS)
def test_the_document_of_a_vendor_is_the_exported_one(
    client: Admin, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is what `trunkline export --url` prints for the address of the mock."""
    url = client.get("/")["vendors"][name]["url"]
    assert cli.run(["export", name, "--url", url]) == 0
    assert client.get(f"/openapi/{name}.json") == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["acme", "sk_live_0123456789abcdef", "%2e%2e", ".json"])
def test_an_unknown_vendor_is_not_found(client: Admin, name: str) -> None:
    """The sentence lists the vendors that are served, and does not repeat the name, which may be a credential."""
    status, sentence = client.error("GET", f"/openapi/{name}.json")
    assert (status, sentence) == (404, f"no such vendor is served here; there are: {', '.join(VENDORS)}")
    status, sentence = client.error("POST", "/reset", query=f"vendor={name}")
    assert (status, sentence) == (404, f"no such vendor is served here; there are: {', '.join(VENDORS)}")


STRANGERS = {
    "no header": (None, ()),
    "a page of another origin": (None, (CHANGE_HEADER, ("origin", "http://evil.example"))),
    "a page of no origin": (None, (CHANGE_HEADER, ("origin", "null"))),
    "an origin that is none": (None, (CHANGE_HEADER, ("origin", "http://["))),
    "another host": (None, (CHANGE_HEADER, ("host", "evil.example"))),
    "no token": (TOKEN, (CHANGE_HEADER,)),
    "another token": (TOKEN, (CHANGE_HEADER, ("authorization", "Bearer hush"))),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_without_permission_nothing_is_answered_or_changed(session: MockSession, stranger: str) -> None:
    """Every documented operation is refused, and the mocks hold what they held."""
    token, headers = STRANGERS[stranger]
    mocks = {name: served.mock for name, served in session.mocks.items()}
    for fake in mocks.values():
        fake.records("trunks").clear()
    client, values = Admin(app_of(session, token), headers=headers), {"vendor": FIRST, "collection": "trunks"}
    for method, path, _ in OPERATIONS:
        if method != "GET" or headers:
            status, _ = client.error(method, fill_path(path, values), {})
            assert status == (401 if token else 403)
    assert [len(fake.records("trunks")) for fake in mocks.values()] == [0] * len(VENDORS)


# --- Schemathesis ---------------------------------------------------------------------------------------------------


_SETTINGS = """
[[operations]]
include-name = "POST /faults"
checks.positive_data_acceptance.enabled = false # no schema has the names of operations and error codes
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("examples", "token"),
    [(40, None), (20, TOKEN)],
)
def test_schemathesis_finds_nothing(session: MockSession, examples: int, token: str | None, tmp_path: Path) -> None:
    """No request that it generates from the document causes a server error, and every answer obeys its schema."""
    with served(session, token) as url:
        document = f"{url}/_trunkline/openapi.json"
        # Any value of the header is accepted, and no schema of the document says all about a record.
        left_out = ("--exclude-checks", "ignored_auth,positive_data_acceptance")
        _run_schemathesis(tmp_path, document, examples, *left_out, "-H", _proof(token))


@pytest.mark.slow
def test_schemathesis_changes_nothing_without_permission(session: MockSession, tmp_path: Path) -> None:
    """Without the admin token, whatever it sends is refused, and all is as it was."""
    (tmp_path / "openapi.json").write_text(json.dumps(DOCUMENT), "utf-8")
    before = {name: served.mock.snapshot("trunks") for name, served in session.mocks.items()}
    apply = partial(session_application, token=TOKEN)
    sessions = Sessions(MockSession, apply)
    with server.running(apply(session, sessions=sessions)) as url:
        checks = ("--checks", "not_a_server_error,content_type_conformance,response_schema_conformance,ignored_auth")
        arguments = ("--url", f"{url}/_trunkline", "-H", _proof(None))
        _run_schemathesis(tmp_path, "openapi.json", 40, *checks, *arguments)
    assert {name: served.mock.snapshot("trunks") for name, served in session.mocks.items()} == before
    assert [*sessions] == session.faults.entries() == []


def _proof(token: str | None) -> str:
    return f"Authorization: Bearer {token}" if token else ": ".join(CHANGE_HEADER)


def _run_schemathesis(folder: Path, document: str, examples: int, *arguments: str) -> None:
    """Schemathesis must find nothing wrong with the admin surface."""
    _, passed = run_schemathesis(
        folder,
        document,
        *("--max-examples", str(examples), *arguments),
        *("--exclude-path", "/requests/events"),  # which has no end
        *("--exclude-operation-id", "getScenario"),  # DELETE switches a scenario off, and it can still be read
    )
    assert passed > 10
