"""Requests to a vendor's mock: one that succeeds for each operation, and a client of its trunks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from trunkline.contract.model import Create, Delete, List, Operation
from trunkline.contract.requests import bearer as bearer_headers
from trunkline.contract.requests import build_request
from trunkline.exchange import Headers, Json, Request, Response, Target, resolve
from trunkline.mock.generators import Record
from trunkline.mock.loader import Vendor
from trunkline.mock.world import facts

FREE: Mapping[str, Json] = {"sip_username": "trunkline-0123456789", "number": "+12025550177"}
"""Values that no record of the fixtures has, for the inputs that must be unique."""


def bearer(token: str) -> Headers:
    """The `Authorization` header."""
    return bearer_headers(token)[0]


def example(operation: Operation) -> dict[str, Json]:
    """The request body that the vendor's page shows."""
    assert operation.body is not None
    media = resolve(operation.contract.document, f"{operation.body.pointer}/content/application~1json")
    first = next(iter(media["examples"].values()))
    return dict(first["value"])


def body_of(operation: Operation) -> dict[str, Json]:
    """The example body, with free values for the unique inputs."""
    unique = operation.kind.unique if isinstance(operation.kind, Create) else {}
    return {**example(operation), **{name: FREE[name] for name in unique}}


def mine(vendor: Vendor, collection: str) -> list[Record]:
    """The records of the first token's account."""
    world = vendor.world
    return [record for record in world.collections[collection].records if world.account_of(record) == world.account]


def ids_of(vendor: Vendor, operation: Operation) -> dict[str, str]:
    """A value for each path parameter, so that the operation succeeds: `{"trunk_id": "trunk-uuid-1"}`."""
    ids: dict[str, str] = {}
    for parameter in operation.parameters:
        if parameter.location == "path" and parameter.resource != operation.resource:
            ids[parameter.name] = mine(vendor, parameter.resource)[0]["id"]
    if operation.kind.parameter:
        record = next(record for record in mine(vendor, operation.resource) if _succeeds(vendor, operation, record))
        ids[operation.kind.parameter] = record["id"]
        parent = vendor.world.collections[operation.resource].parent
        ids |= {parameter.name: record[parent.field] for parameter in operation.parents if parent}
    return ids


def _succeeds(vendor: Vendor, operation: Operation, record: Record) -> bool:
    """Whether the operation accepts a record: a deletion may need one that is unused and has nothing below it."""
    if not isinstance(operation.kind, Delete):
        return True
    for name in operation.kind.empty:
        parent = vendor.world.collections[name].parent
        if parent and any(child[parent.field] == record["id"] for child in mine(vendor, name)):
            return False
    return not (operation.kind.unused and facts(record)["in_use"])


def request_of(
    vendor: Vendor,
    operation: Operation,
    *,
    ids: Mapping[str, str] | None = None,
    query: str = "",
    body: Json = None,
    headers: Headers | None = None,
) -> Request:
    """A request that succeeds, unless an argument makes it another one."""
    if operation.body is not None and body is None:
        body = body_of(operation)
    request = build_request(operation, {**ids_of(vendor, operation), **(ids or {})}, query=query, body=body)
    sent = bearer(vendor.world.token) if headers is None else headers
    return Request(request.method, request.path, request.query, (*sent, *request.headers), request.body)


@dataclass(frozen=True, slots=True)
class Trunks:
    """How a vendor's API spells its trunks."""

    path: str
    items: str
    """The property of a list response that holds the trunks."""
    wrapped: bool
    """Whether a single trunk is in the property `data` of a response."""
    update: str
    """The method that changes a trunk."""
    required: Mapping[str, Json]
    """The other inputs of a new trunk."""
    serial: str
    """The input that tells one trunk from another."""
    names: tuple[str, ...]
    """The inputs that `Client.change` changes together."""


TRUNKS = {
    "telepath": Trunks(
        path="/trunks",
        items="trunks",
        wrapped=False,
        update="PATCH",
        required={"ai_provider": "openai", "openai_api_key": "sk-0123456789", "sip_password": "tk-0123456789"},
        serial="sip_username",
        names=("name",),
    ),
    "talkover": Trunks(
        path="/sip-trunks",
        items="data",
        wrapped=True,
        update="PUT",
        required={"username": "user", "password": "tk-0123456789"},
        serial="domain",
        names=("name", "provider_name"),
    ),
}


@dataclass(frozen=True, slots=True)
class Client:
    """A client of a vendor's trunks, for any target."""

    vendor: Vendor
    target: Target
    token: str = ""

    @property
    def path(self) -> str:
        """The path of the list of trunks."""
        return self.trunks.path

    @property
    def trunks(self) -> Trunks:
        return TRUNKS[self.vendor.name]

    def ask(self, method: str, path: str, body: Json = None, query: str = "") -> Response:
        headers = bearer(self.token or self.vendor.world.token)
        if body is None:
            return self.target(Request(method, path, query, headers))
        headers = (*headers, ("content-type", "application/json"))
        return self.target(Request(method, path, query, headers, json.dumps(body).encode()))

    def create(self, serial: str, **more: Json) -> Response:
        """Ask for a trunk whose `sip_username` or `domain` is `serial`."""
        names = dict.fromkeys(self.trunks.names, "new")
        return self.ask("POST", self.path, {**self.trunks.required, **names, self.trunks.serial: serial, **more})

    def created(self, serial: str, **more: Json) -> str:
        """The id of a new trunk."""
        response = self.create(serial, **more)
        assert response.status == 201, (response.status, response.body)
        return str(self.item(response)["id"])

    def change(self, identity: str, name: str) -> Response:
        """Rename a trunk."""
        return self.ask(self.trunks.update, f"{self.path}/{identity}", dict.fromkeys(self.trunks.names, name))

    def delete(self, identity: str) -> Response:
        return self.ask("DELETE", f"{self.path}/{identity}")

    def item(self, response: Response) -> dict[str, Json]:
        """The trunk in a response."""
        body: dict[str, Json] = response.json()
        return body["data"] if self.trunks.wrapped else body

    def listed(self) -> dict[str, dict[str, Json]]:
        """All trunks by id, in the order of the list. Where the list has pages, its total must be their number."""
        trunks: list[dict[str, Json]] = []
        paging = self._list.kind.paging is not None
        while True:
            query = f"limit=100&offset={len(trunks)}" if paging else ""
            response = self.ask("GET", self.path, query=query)
            assert response.status == 200, (response.status, response.body)
            body = response.json()
            page = body[self.trunks.items]
            trunks += page
            if not paging or len(trunks) >= body["pagination"]["total"] or not page:
                break
        by_id = {str(item["id"]): item for item in trunks}
        assert len(by_id) == len(trunks), "an id is listed twice"
        return by_id

    @property
    def _list(self) -> Operation[List]:
        return next(operation for operation in self.vendor.contract.of_kind(List) if operation.resource == "trunks")

    def violations(self) -> list[str]:
        """The messages of all violations of the contract in the list of trunks."""
        return [broken.message for item in self.listed().values() for broken in self._list.item_violations(item)]
