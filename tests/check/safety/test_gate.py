"""Tests of safe writing: a run changes and deletes only what it created, and leaves nothing.

The server here shares no code with the mock and counts every change to an item that the run did not create.
"""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote
from uuid import UUID

import pytest

import trunkline
from tests.check.safety.test_ledger import connected, crash
from tests.servers import target_server
from trunkline.check.dry_run import preview
from trunkline.check.safety import Gate, Leftover
from trunkline.check.safety.ledger import Ledger
from trunkline.check.settling import Settling
from trunkline.contract.model import Contract
from trunkline.errors import BudgetExhausted, NotOurs, StorageError, TargetError, TrunklineError, UsageError
from trunkline.exchange import Headers, Request, Response, Target
from trunkline.transport import targets

TOKEN, OTHER = "tk_live_0123456789", "tk_live_of_another_account"
PASSWORD = "tk-Password0123456789"
BASE = "http://127.0.0.1:1/v1"
AUTH: Headers = (("authorization", f"Bearer {TOKEN}"),)
NESTED, FLAT = "talkover", "telepath"
ROOT = {NESTED: "/sip-trunks", FLAT: "/trunks"}


@pytest.fixture(scope="module")
def nested() -> Contract:
    """A contract with trunks that can be deleted, and DIDs below them."""
    return trunkline.load(NESTED).contract


@pytest.fixture(scope="module")
def flat() -> Contract:
    """A contract with trunks that are listed in pages and that no operation deletes."""
    return trunkline.load(FLAT).contract


# --- the server that counts -----------------------------------------------------------------------------------------


@dataclass
class Server:
    """Trunks of both vendors in dicts; `harm` lists each change to an item that no run created."""

    shape: str = NESTED
    items: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {TOKEN: {}, OTHER: {}})
    foreign: set[str] = field(default_factory=set)
    harm: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    # how it misbehaves
    before: Callable[[Request], Response | None] = lambda _: None
    after: Callable[[Request, Response], Response] = lambda _, response: response
    name_of: Callable[[], str] | None = None
    scoped: bool = True
    deletes: bool = True

    def seed(self, number: int = 3, token: str = TOKEN) -> Server:
        """Add items that existed before."""
        for _ in range(number):
            self.add_foreign(token)
        return self

    def add_foreign(self, token: str = TOKEN, name: str = "Primary Carrier") -> str:
        """Let somebody else create a trunk with a DID."""
        identity, below = self._name(), self._name()
        self.items[token][identity] = {"id": identity, "name": name, "dids": {below: {"id": below, "number": below}}}
        self.foreign |= {identity, below}
        return identity

    def state(self) -> str:
        """Everything that exists, to compare."""
        return json.dumps(self.items, sort_keys=True)

    def _name(self) -> str:
        return self.name_of() if self.name_of else f"uuid-{next(self.numbers)}"

    def __call__(self, request: Request) -> Response:
        """The response of a lawful implementation, unless it is told to misbehave."""
        self.asked.append(request)
        early = self.before(request)
        return early if early is not None else self.after(request, self._answer(request))

    def _answer(self, request: Request) -> Response:
        account = self.items.get((request.header("authorization") or "").removeprefix("Bearer "))
        root, *parts = [unquote(part) for part in request.path.split("/")[1:]]
        if account is None:
            return answer(401, {"code": "NO"})
        if f"/{root}" == ROOT[self.shape] and not parts:
            return self._trunks(request, account)
        trunk = account.get(parts[0]) if f"/{root}" == ROOT[self.shape] else None
        return self._below(request, account, trunk, parts) if trunk else answer(404, {"code": "NOT_FOUND"})

    def _below(self, request: Request, account: dict[str, Any], trunk: dict[str, Any], parts: list[str]) -> Response:
        if len(parts) == 1:
            return self._trunk(request, account, trunk)
        if parts[1] == "dids":
            return self._dids(request, account, trunk, parts[2:])
        if (request.method, parts[1:]) != ("POST", ["verify"]):
            return answer(405, {})
        self._changed(trunk["id"], request)
        return answer(200, {"success": True, "data": {"is_verified": False, "health_status": "unhealthy"}})

    def _changed(self, identity: str, request: Request) -> None:
        if identity in self.foreign:
            self.harm.append(f"{request.method} {request.path}")

    def _trunks(self, request: Request, account: dict[str, Any]) -> Response:
        if request.method == "GET":
            items = [{k: v for k, v in trunk.items() if k in ("id", "name")} for trunk in account.values()]
            if self.shape == NESTED:
                return answer(200, {"success": True, "data": items})
            query = {name: int(values[0]) for name, values in parse_qs(request.query).items()}
            limit, offset = query.get("limit", 20), query.get("offset", 0)
            page = {"limit": limit, "offset": offset, "total": len(items)}
            return answer(200, {"trunks": items[offset : offset + limit], "pagination": page})
        body = parsed(request)
        if request.method != "POST" or not isinstance(body.get("name"), str) or len(body["name"]) > 255:
            return answer(400, {"code": "INVALID"})
        identity = self._name()
        account[identity] = {"id": identity, "name": body["name"], "dids": {}}
        self.foreign.discard(identity)
        self.made.append(body["name"])
        return self._shown(201, {"id": identity, "name": body["name"]})

    def _trunk(self, request: Request, account: dict[str, Any], trunk: dict[str, Any]) -> Response:
        if request.method == "GET" and self.shape == NESTED:
            return self._shown(200, {"id": trunk["id"], "name": trunk["name"]})
        if request.method in ("PUT", "PATCH"):
            self._changed(trunk["id"], request)
            trunk["name"] = parsed(request).get("name", trunk["name"])
            return self._shown(200, {"id": trunk["id"], "name": trunk["name"]})
        if request.method == "DELETE" and self.shape == NESTED:
            if trunk["dids"]:
                return answer(409, {"success": False, "code": "TRUNK_HAS_DIDS", "message": "it still has some"})
            self._changed(trunk["id"], request)
            if self.deletes:
                del account[trunk["id"]]
            return answer(200, {"success": True, "message": "deleted"})
        return answer(405, {})

    def _dids(self, request: Request, account: dict[str, Any], trunk: dict[str, Any], rest: list[str]) -> Response:
        if not rest and request.method == "GET":
            return answer(200, {"success": True, "data": list(trunk["dids"].values())})
        if not rest and request.method == "POST":
            number = parsed(request).get("number")
            if not isinstance(number, str):
                return answer(400, {"code": "INVALID"})
            if any(did["number"] == number for other in account.values() for did in other["dids"].values()):
                return answer(409, {"success": False, "code": "DID_ALREADY_EXISTS", "message": "taken"})
            self._changed(trunk["id"], request)
            identity = self._name()
            trunk["dids"][identity] = {"id": identity, "number": number}
            return self._shown(201, {"id": identity, "number": number, "trunk_id": trunk["id"]})
        for parent in [trunk] if self.scoped else account.values():
            if rest and rest[0] in parent["dids"] and request.method == "DELETE":
                self._changed(rest[0], request)
                del parent["dids"][rest[0]]
                return answer(200, {"success": True, "message": "removed"})
        return answer(404, {"code": "NOT_FOUND"})

    def _shown(self, status: int, item: dict[str, Any]) -> Response:
        return answer(status, {"success": True, "data": item} if self.shape == NESTED else item)


def answer(status: int, body: Any) -> Response:
    return Response(status, (("content-type", "application/json"),), json.dumps(body).encode())


def parsed(request: Request) -> dict[str, Any]:
    """The body as a lenient server reads it."""
    with suppress(ValueError, RecursionError):
        value = json.loads(request.body)
        if isinstance(value, dict):
            return value
    return {}


def post(path: str, body: Any = None, headers: Headers = AUTH, method: str = "POST") -> Request:
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request(method, path, "", headers, data)


def delete(path: str, headers: Headers = AUTH) -> Request:
    return post(path, None, headers, "DELETE")


def make(gate: Gate, text: str = "1", shape: str = NESTED) -> str:
    """Create a trunk of the run; its id."""
    value = gate(post(ROOT[shape], {"name": gate.prefix + text, "password": PASSWORD})).json()
    return str(value["data"]["id"] if shape == NESTED else value["id"])


def make_did(gate: Gate, trunk: str, number: str = "+12125550101") -> str:
    return str(gate(post(f"/sip-trunks/{trunk}/dids", {"number": number, "country_code": "US"})).json()["data"]["id"])


def never(_: float) -> None:
    """Do not sleep."""


def gated(contract: Contract, target: Target, ledger: Ledger | None = None, allowed_leftovers: int | None = 0) -> Gate:
    return Gate(contract, target, ledger or Ledger(), (TOKEN, OTHER), allowed_leftovers)


def clean(gate: Gate, target: Target) -> tuple[Leftover, ...]:
    return gate.clean(target, never)


# --- requests that pass or not ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "QUERY"])
def test_reading_requests_pass(nested: Contract, method: str) -> None:
    """Requests that read pass the gate, also those about items of others."""
    server = Server().seed()
    gated(nested, server)(Request(method, "/anything/at%2Fall", "a=b", AUTH))
    assert [asked.method for asked in server.asked] == [method]


def test_a_lifecycle_leaves_nothing(nested: Contract) -> None:
    """The run may create, change, use and delete its own items, and the cleanup deletes the rest."""
    server = Server().seed()
    before = server.state()
    gate = gated(nested, server)
    trunk, second = make(gate), make(gate, "2")
    did = make_did(gate, trunk)
    make_did(gate, second, "+12125550102")
    assert gate(post(f"/sip-trunks/{trunk}", {"name": gate.prefix + "renamed"}, method="PUT")).status == 200
    assert gate(post(f"/sip-trunks/{trunk}/verify")).status == 200
    assert gate(delete(f"/sip-trunks/{trunk}")).status == 409
    assert gate(delete(f"/sip-trunks/{trunk}/dids/{did}")).status == 200
    assert gate(delete(f"/sip-trunks/{trunk}")).status == 200
    assert gate(delete(f"/sip-trunks/{trunk}")).status == 404
    assert gate(delete(f"/sip-trunks/{trunk}/dids/{did}")).status == 404
    assert gate.existing("trunks") == (second,)
    assert server.state() != before
    assert clean(gate, server) == ()
    assert (server.state(), server.harm) == (before, [])
    assert all(name.startswith(gate.prefix) for name in server.made)
    assert gate.existing("trunks") == gate.existing("dids") == ()


FOREIGN = [
    ("DELETE", "/sip-trunks/uuid-1", None),
    ("PUT", "/sip-trunks/uuid-1", {"is_active": False}),
    ("POST", "/sip-trunks/uuid-1/verify", None),
    ("POST", "/sip-trunks/uuid-1/dids", {"number": "+12125550101", "country_code": "US"}),
    ("DELETE", "/sip-trunks/uuid-1/dids/uuid-2", None),
    ("DELETE", "/sip-trunks/{own}/dids/uuid-2", None),
    ("DELETE", "/sip-trunks/{own}%2F..%2Fuuid-1", None),
    ("DELETE", "/sip-trunks/..%2Fuuid-1", None),
    ("DELETE", "/sip-trunks/%2e%2e", None),
    ("DELETE", "/sip-trunks/{own}.json", None),
    ("DELETE", "/sip-trunks/{own}%00", None),
    ("DELETE", "/sip-trunks/{own}%0a", None),
    ("DELETE", "/sip-trunks/{own}%20", None),
    ("DELETE", "/sip-trunks/{own};x=1", None),
    ("DELETE", "/sip-trunks/%2575uid-1", None),
    ("DELETE", "/sip-trunks/", None),
    ("DELETE", "/sip-trunks", None),
    ("PATCH", "/sip-trunks/{own}", {}),
    ("delete", "/sip-trunks/{own}", None),
    ("PURGE", "/sip-trunks/{own}", None),
    ("POST", "/health", None),
    ("POST", "/nowhere", {}),
    ("POST", "/sip-trunks", {"name": "Primary"}),
    ("POST", "/sip-trunks", {"NAME": "Primary"}),
    ("POST", "/sip-trunks", b'{"name": "Primary", "port": NaN}'),
    ("POST", "/sip-trunks", b'\xef\xbb\xbf{"name": "Primary"}'),
    ("POST", "/sip-trunks", '{"name": "Primary"}'.encode("utf-16")),
    ("POST", "/sip-trunks", b'{"name": "{prefix}1", "name": "Primary"}'),
    ("POST", "/sip-trunks", b'{"port": ' + b"9" * 5000 + b', "name": "Primary"}'),
    ("PUT", "/sip-trunks/{own}", {"name": "Primary"}),
]


@pytest.mark.parametrize(("method", "path", "body"), FOREIGN)
def test_other_writing_requests_are_refused(nested: Contract, method: str, path: str, body: Any) -> None:
    """A request for an item of others, for no documented operation or without the prefix is a bug and is not sent."""
    server = Server().seed()
    gate = gated(nested, server)
    own = make(gate)
    before, asked = server.state(), len(server.asked)
    if isinstance(body, bytes):
        body = body.replace(b"{prefix}", gate.prefix.encode())
    with pytest.raises(UsageError, match=r"was not sent: .* this is a bug in trunkline"):
        gate(post(path.replace("{own}", own), body, method=method))
    assert server.state() == before
    assert all(request.method == "GET" for request in server.asked[asked:])


@pytest.mark.parametrize(
    "body", [None, b"", b"[]", b"null", b"{", b"\xff", b'{"port": 1}', b'{"name": 5}', b"[" * 100000, b'"name"']
)
def test_a_body_without_a_label_passes(nested: Contract, body: bytes | None) -> None:
    """A server has to refuse it; if it does not, the created item is known by its id."""
    server = Server().seed()
    before = server.state()
    gate = gated(nested, server)
    gate(post("/sip-trunks", body))

    def lenient(request: Request) -> Response | None:
        if request.method == "POST":
            server.items[TOKEN]["odd"] = {"id": "odd", "name": None, "dids": {}}
            return answer(200, {"data": {"id": "odd"}})
        return None

    server.before = lenient
    gate(post("/sip-trunks", body))
    assert gate.existing("trunks") == ("odd",)
    assert clean(gate, server) == ()
    assert (server.state(), server.harm) == (before, [])


def test_ids_are_compared_decoded(nested: Contract) -> None:
    """A letter may be percent-encoded."""
    server = Server()
    gate = gated(nested, server)
    trunk = make(gate)
    assert gate(delete(f"/sip-trunks/%{ord(trunk[0]):02x}{trunk[1:]}")).status == 200
    assert gate.existing("trunks") == ()


def test_undeletable_items_are_counted(flat: Contract) -> None:
    """If no operation deletes them, the run creates only as many as may be left; refused creations do not count."""
    server = Server(FLAT).seed()
    with pytest.raises(BudgetExhausted, match="--leave"):
        make(gated(flat, server), shape=FLAT)
    gate = gated(flat, server, allowed_leftovers=2)
    assert gate(post("/trunks", {})).status == 400
    first = make(gate, "1", FLAT)
    second = make(gate, "2", FLAT)
    assert not gate.may_create_more("trunks")
    with pytest.raises(BudgetExhausted, match="--leave"):
        make(gate, "3", FLAT)
    assert gate(post(f"/trunks/{first}", {"name": gate.prefix + "x"}, method="PATCH")).status == 200
    left = clean(gate, server)
    assert [(item.resource, item.identity) for item in left] == [("trunks", first), ("trunks", second)]
    assert {item.reason for item in left} == {"no operation that is implemented deletes it; delete it by hand"}
    assert f"trunks {first}" in str(left[0])
    assert server.harm == []
    anything = gated(flat, server, allowed_leftovers=None)
    assert [make(anything, str(number), FLAT) for number in range(5)]


# --- misleading responses ---------------------------------------------------------------------------------------------


def returning(value: Any) -> Callable[[Request, Response], Response]:
    """Make every creation return this id."""

    def change(request: Request, response: Response) -> Response:
        if request.method != "POST" or response.status != 201:
            return response
        body = response.json()
        return answer(201, {**body, "data": {**body["data"], "id": value}})

    return change


HOSTILE = ["../uuid-1", "uuid-1/../uuid-1", "..", ".", "", "uuid-1%2F", "uuid-1\n", "uuid-1?x", "x" * 100_000, "é", " "]
HOSTILE += [5, None, True, ["uuid-1"], {"id": "uuid-1"}, 1e300]  # type: ignore[list-item]  # not texts: that is the point


@pytest.mark.parametrize("value", HOSTILE)
def test_an_unsafe_id_is_never_used(nested: Contract, value: Any) -> None:
    """The created item is found by its label instead, and deleted."""
    server = Server(after=returning(value)).seed()
    before = server.state()
    gate = gated(nested, server)
    gate(post("/sip-trunks", {"name": gate.prefix + "1"}))
    if isinstance(value, str) and value:
        with pytest.raises((NotOurs, UsageError)):
            gate(delete(f"/sip-trunks/{quote(value, safe='')}"))
    assert clean(gate, server) == ()
    assert (server.state(), server.harm) == (before, [])


@pytest.mark.parametrize("seen", [True, False])
def test_the_id_of_another_item_is_never_used(nested: Contract, seen: bool) -> None:
    """Neither when it was seen before, nor when a response shows another label."""
    server = Server(after=returning("uuid-1")).seed()
    before = server.state()
    gate = gated(nested, server)
    if seen:
        gate(Request("GET", "/sip-trunks", "", AUTH))
        server.before = lambda request: answer(500, {}) if request.method == "GET" else None
    gate(post("/sip-trunks", {"name": gate.prefix + "1"}))
    for request in (
        delete("/sip-trunks/uuid-1"),
        post("/sip-trunks/uuid-1", {}, method="PUT"),
        post("/sip-trunks/uuid-1/dids", {"number": "+12125550101"}),
    ):
        with pytest.raises(NotOurs, match="nothing was sent"):
            gate(request)
    server.before = lambda _: None
    assert clean(gate, server) == ()
    assert (server.state(), server.harm) == (before, [])


def test_the_cleanup_looks_before_it_deletes(nested: Contract) -> None:
    """Also when nothing was sent to the item before."""
    server = Server(after=returning("uuid-1")).seed()
    before = server.state()
    gate = gated(nested, server)
    gate(post("/sip-trunks", {"name": gate.prefix + "1"}))
    assert gate.existing("trunks") == ("uuid-1",)
    assert clean(gate, server) == ()
    assert (server.state(), server.harm) == (before, [])


def test_a_did_of_another_trunk_is_never_deleted(nested: Contract) -> None:
    """Not even when the server finds a DID of any trunk, whatever the path says."""
    server = Server(scoped=False).seed()
    before = server.state()
    gate = gated(nested, server)
    trunk = make(gate)
    server.after = returning("uuid-2")
    make_did(gate, trunk)
    with pytest.raises(NotOurs):
        gate(delete(f"/sip-trunks/{trunk}/dids/uuid-2"))
    assert clean(gate, server) == ()
    assert (server.state(), server.harm) == (before, [])


def test_a_reused_id_is_not_ours(nested: Contract) -> None:
    """A second deletion is not sent when the id belongs to an item of others meanwhile."""
    server = Server(name_of=lambda: "the-only-one")
    gate = gated(nested, server)
    trunk = make(gate)
    assert gate(delete(f"/sip-trunks/{trunk}")).status == 200
    server.items[TOKEN][trunk] = {"id": trunk, "name": "Somebody's", "dids": {}}
    server.foreign.add(trunk)
    before = server.state()
    for request in (delete(f"/sip-trunks/{trunk}"), post(f"/sip-trunks/{trunk}/verify")):
        with pytest.raises(NotOurs):
            gate(request)
    assert clean(gate, server) == ()
    assert (server.state(), server.harm) == (before, [])


def test_an_id_may_be_another_item_in_another_account(nested: Contract) -> None:
    """An id that is ours with one credential may belong to others with another."""
    server = Server(name_of=lambda: "1")
    server.add_foreign(OTHER)
    server.name_of = lambda: "1"
    gate = gated(nested, server)
    trunk = make(gate)
    server.foreign.add(trunk)
    other = (("authorization", f"Bearer {OTHER}"),)
    before = server.state()
    with pytest.raises(NotOurs):
        gate(delete(f"/sip-trunks/{trunk}", other))
    assert server.state() == before
    server.foreign.discard(trunk)
    assert gate(delete(f"/sip-trunks/{trunk}")).status == 200


def test_another_account_may_try_to_change_our_item(nested: Contract) -> None:
    """A request with another credential is sent if that credential sees nothing under the id."""
    server = Server().seed()
    gate = gated(nested, server)
    trunk = make(gate)
    other = (("authorization", f"Bearer {OTHER}"),)
    assert gate(delete(f"/sip-trunks/{trunk}", other)).status == 404
    assert gate(post(f"/sip-trunks/{trunk}/verify", None, ())).status == 401
    assert gate.existing("trunks") == (trunk,)
    theirs = str(gate(post("/sip-trunks", {"name": gate.prefix + "2"}, other)).json()["data"]["id"])
    assert theirs in server.items[OTHER]
    assert clean(gate, server) == ()
    assert server.items[OTHER] == {}


def test_an_unsafe_listed_id_is_reported(nested: Contract) -> None:
    """An item that is listed with our label under an unsafe id is reported and not requested."""
    server = Server(after=returning(None)).seed()
    gate = gated(nested, server)
    gate(post("/sip-trunks", {"name": gate.prefix + "1"}))

    def lying(request: Request, response: Response) -> Response:
        if request.path == "/sip-trunks" and request.method == "GET":
            return answer(200, {"data": [{"id": "../uuid-1", "name": gate.prefix + "1"}, 5, {"name": []}]})
        return response

    server.after = lying
    asked = len(server.asked)
    (left,) = clean(gate, server)
    assert left.identity == '"../uuid-1"'
    assert "safely" in left.reason
    assert {(item.method, item.path) for item in server.asked[asked:]} == {("GET", "/sip-trunks")}


# --- cleanup ----------------------------------------------------------------------------------------------------------


def after_create(error: BaseException) -> Callable[[Request, Response], Response]:
    """Lose the response to every creation."""

    def lose(request: Request, response: Response) -> Response:
        if request.method == "POST" and response.status == 201:
            raise error
        return response

    return lose


@pytest.mark.parametrize("error", [TargetError("no answer within 10 s"), KeyboardInterrupt()])
def test_an_item_without_a_response_is_found(nested: Contract, flat: Contract, error: BaseException) -> None:
    """After a timeout or Ctrl-C, the list gives the id of the item with the label."""
    server = Server().seed()
    before = server.state()
    gate = gated(nested, server)
    trunk = make(gate)
    server.after = after_create(error)
    with pytest.raises(type(error)):
        make(gate, "2")
    with pytest.raises(type(error)):
        make_did(gate, trunk)
    assert clean(gate, server) == ()
    assert (server.state(), server.harm) == (before, [])
    listing = Server(FLAT, after=after_create(error)).seed(250)
    gate = gated(flat, listing, allowed_leftovers=1)
    with pytest.raises(type(error)):
        make(gate, shape=FLAT)
    (left,) = clean(gate, listing)
    assert left.identity == next(reversed(listing.items[TOKEN]))


def test_a_late_item_is_looked_for_again(nested: Contract) -> None:
    """A creation that finishes after its client has gone is not listed at once."""
    server = Server().seed()
    before = server.state()
    gate = gated(nested, server)
    late: list[Request] = []

    def slow(request: Request) -> Response | None:
        if request.method == "POST":
            late.append(request)
            raise TargetError("no answer")
        return None

    server.before = slow
    with pytest.raises(TargetError):
        make(gate)
    server.before = lambda _: None
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        while late:
            server._answer(late.pop())

    assert gate.clean(server, wait) == ()
    assert waited == [1.0]
    assert server.state() == before


def test_an_item_that_never_appears_is_reported_once(nested: Contract, tmp_path: Path) -> None:
    """The run reports that it may have been created; the next run looks again and finishes it."""
    path = tmp_path / "ledger"
    server = Server(before=lambda request: down() if request.method == "POST" else None).seed()
    with Ledger.from_file(path, NESTED, BASE) as ledger:
        gate = gated(nested, server, ledger)
        with pytest.raises(TargetError):
            make(gate)
        (left,) = clean(gate, server)
        assert (left.identity, left.label) == ("", gate.prefix + "1")
        assert left.reason.startswith("it may have been created: no response gave")
    assert path.exists()
    with Ledger.from_file(path, NESTED, BASE) as ledger:
        assert gated(nested, server, ledger).clean(server, never, earlier=True) == ()
    assert not path.exists()


def down() -> Response:
    raise TargetError("127.0.0.1 refuses connections")


def test_an_incomplete_list_proves_nothing(nested: Contract, tmp_path: Path) -> None:
    """An item that such a list does not show is reported by this run and by the next, and then no more."""
    path = tmp_path / "ledger"
    server = Server(before=lambda request: down() if request.method == "POST" else None).seed(30)
    with Ledger.from_file(path, NESTED, BASE) as ledger:
        gate = gated(nested, server, ledger)
        with pytest.raises(TargetError):
            make(gate)
        assert [left.reason for left in clean(gate, server)] == [
            "it may have been created: its list cannot be read completely; look for it by hand"
        ]
    with Ledger.from_file(path, NESTED, BASE) as ledger:
        assert len(gated(nested, server, ledger).clean(server, never, earlier=True)) == 1
    assert not path.exists()


def test_a_refused_creation_that_created_is_found(nested: Contract) -> None:
    """An item that a list shows with the label of the run is ours, although the response refused it."""
    server = Server().seed()
    before = server.state()
    gate = gated(nested, server)
    server.after = lambda request, response: answer(422, {}) if request.method == "POST" else response
    assert gate(post("/sip-trunks", {"name": gate.prefix + "1"})).status == 422
    assert gate(post("/sip-trunks", {"name": gate.prefix + "1"})).status == 422
    assert clean(gate, server) == ()
    assert (server.state(), server.harm) == (before, [])


@pytest.mark.parametrize("status", [500, 409, 403])
def test_a_failed_deletion_is_reported(nested: Contract, tmp_path: Path, status: int) -> None:
    """With id and reason; the rest is deleted, and the next run tries again."""
    server = Server().seed()
    before = server.state()
    path = tmp_path / "ledger"
    with Ledger.from_file(path, NESTED, BASE) as ledger:
        gate = gated(nested, server, ledger)
        stubborn, _ = make(gate), make(gate, "2")
        server.before = lambda request: (
            answer(status, {"code": "BUSY"}) if request.method == "DELETE" and request.path.endswith(stubborn) else None
        )
        (left,) = clean(gate, server)
        assert (left.resource, left.identity) == ("trunks", stubborn)
        assert left.reason == f"its deletion was answered {status} BUSY; the next run tries again"
    assert path.exists()
    server.before = lambda _: None
    with Ledger.from_file(path, NESTED, BASE) as ledger:
        assert gated(nested, server, ledger).clean(server, never, earlier=True) == ()
    assert not path.exists()
    assert (server.state(), server.harm) == (before, [])


def test_a_failed_deletion_is_tried_again(nested: Contract) -> None:
    """A server that fails on the first deletions may succeed later."""
    failures = iter(range(2))
    server = Server().seed()
    before = server.state()
    gate = gated(nested, server)
    make(gate)
    server.before = lambda request: (
        answer(500, {}) if request.method == "DELETE" and next(failures, None) is not None else None
    )
    assert clean(gate, server) == ()
    assert server.state() == before


def test_an_item_that_is_found_later_is_deleted(nested: Contract) -> None:
    """Its list could not be read at first; it is read again because another deletion is tried again."""
    server = Server().seed()
    before = server.state()
    gate = gated(nested, server)
    make(gate)
    server.after = after_create(TargetError("no answer"))
    with pytest.raises(TargetError):
        make(gate, "2")
    failing = {("GET", "/sip-trunks"), ("DELETE", "/sip-trunks/uuid-7")}

    def fail_once(request: Request) -> Response | None:
        key = request.method, request.path
        if key not in failing:
            return None
        failing.remove(key)
        return answer(500, {})

    server.before = fail_once
    assert clean(gate, server) == ()
    assert failing == set()
    assert (server.state(), server.harm) == (before, [])


def test_a_deletion_without_effect_is_reported(nested: Contract) -> None:
    """A success is not believed while the item still exists."""
    server = Server(deletes=False).seed()
    gate = gated(nested, server)
    trunk = make(gate)
    assert gate(delete(f"/sip-trunks/{trunk}")).status == 200
    (left,) = clean(gate, server)
    assert left.identity == trunk
    assert "still exists" in left.reason


def test_a_target_that_is_down_is_given_up(nested: Contract) -> None:
    """After two requests without a response, everything else is reported at once."""
    server = Server().seed()
    gate = gated(nested, server)
    made = [make(gate, str(number)) for number in range(20)]
    server.before = lambda _: down()
    asked = len(server.asked)
    left = clean(gate, server)
    assert [item.identity for item in left] == made
    assert len(server.asked) == asked + 2


def test_a_full_disk_does_not_stop_the_cleanup(nested: Contract, tmp_path: Path) -> None:
    """A creation that cannot be recorded is not sent, but a deletion is, and nothing is left."""
    server = Server().seed()
    before = server.state()
    path = tmp_path / "ledger"
    with Ledger.from_file(path, NESTED, BASE) as ledger:
        gate = gated(nested, server, ledger)
        make_did(gate, make(gate))
        make(gate, "2")
        connected(ledger).connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StorageError):
            make(gate, "3")
        assert clean(gate, server) == ()
    assert (server.state(), server.harm, len(server.made)) == (before, [], 2)
    assert list(tmp_path.iterdir()) == []


def test_children_are_deleted_before_their_parents(nested: Contract) -> None:
    """In whatever order they were created."""
    server = Server()
    gate = gated(nested, server)
    first, second = make(gate, "1"), make(gate, "2")
    make_did(gate, second, "+12125550102")
    make_did(gate, first, "+12125550101")
    assert clean(gate, server) == ()
    paths = [request.path for request in server.asked if request.method == "DELETE"]
    assert [path.count("/") for path in paths] == [4, 4, 2, 2]


def test_a_did_of_others_on_our_trunk_stays(nested: Contract) -> None:
    """So our trunk stays too, and is reported."""
    server = Server()
    gate = gated(nested, server)
    trunk = make(gate)
    server.items[TOKEN][trunk]["dids"]["theirs"] = {"id": "theirs", "number": "+12125550199"}
    server.foreign.add("theirs")
    server.after = after_create(TargetError("no answer"))
    with pytest.raises(TargetError):
        make_did(gate, trunk)
    (left,) = clean(gate, server)
    assert left.identity == trunk
    assert "TRUNK_HAS_DIDS" in left.reason
    assert list(server.items[TOKEN][trunk]["dids"]) == ["theirs"]
    assert server.harm == []


# --- budgets ----------------------------------------------------------------------------------------------------------


def spend(gate: Gate) -> None:
    """Send more requests than any budget here allows."""
    for number in range(10):
        trunk = make(gate)
        make_did(gate, trunk, f"+121255501{number:02d}")
        gate(delete(f"/sip-trunks/{trunk}"))


def test_a_spent_budget_leaves_nothing(nested: Contract) -> None:
    """The budget counts writes and the reads of the gate itself, but not the cleanup."""
    server = Server().seed()
    before = server.state()
    for limit in range(1, 8):
        gate = gated(nested, targets.budgeted(server, limit))
        asked = len(server.asked)
        with pytest.raises(BudgetExhausted):
            spend(gate)
        assert len(server.asked) - asked == limit
        assert clean(gate, server) == ()
        assert (server.state(), server.harm) == (before, [])


def test_a_rate_limit_holds_for_writes(nested: Contract) -> None:
    """After a 429 the request is sent again when the vendor allows it, and creates once; all requests keep the rate."""
    server = Server().seed()
    busy = iter(range(1))

    def limited(request: Request) -> Response | None:
        if request.method == "POST" and next(busy, None) is not None:
            return Response(429, (("x-ratelimit-reset", "7"),))
        return None

    server.before = limited
    waits: list[float] = []
    limits = nested.rate_limit
    assert limits is not None
    paced = targets.throttled(server, rate=4, clock=lambda: 0.0, sleep=waits.append)
    gate = gated(
        nested, targets.waiting_out_429(paced, reset_header=limits.reset, clock=lambda: 0.0, sleep=waits.append)
    )
    make(gate)
    assert len(server.made) == 1
    assert waits == [7.0, 0.25]


# --- interruptions --------------------------------------------------------------------------------------------------


def test_a_second_interruption_keeps_the_ledger_correct(nested: Contract, tmp_path: Path) -> None:
    """The next run deletes what the interrupted cleanup did not reach or got no response for."""
    server = Server().seed()
    before = server.state()
    path = tmp_path / "ledger"
    deletions = count()

    def interrupt(request: Request, response: Response) -> Response:
        if request.method == "DELETE" and next(deletions) == 1:
            raise KeyboardInterrupt
        return response

    with Ledger.from_file(path, NESTED, BASE) as ledger:
        gate = gated(nested, server, ledger)
        for number in range(4):
            make(gate, str(number))
        server.after = interrupt
        with pytest.raises(KeyboardInterrupt):
            clean(gate, server)
        assert len(gate.leftovers()) == 3
    with Ledger.from_file(path, NESTED, BASE) as ledger:
        assert gated(nested, server, ledger).clean(server, never, earlier=True) == ()
    assert (server.state(), server.harm) == (before, [])
    assert not path.exists()


CHILD = """
import sys, trunkline
from trunkline.transport import targets
from trunkline.exchange import Request
from trunkline.check.safety.ledger import Ledger
from trunkline.check.safety import Gate
base, path, token, vendor = sys.argv[1:]
from pathlib import Path
live = targets.http(base)
auth = (("authorization", "Bearer " + token),)
with Ledger.from_file(Path(path), vendor, base) as ledger:
    gate = Gate(trunkline.load(vendor).contract, live, ledger, (token,))
    try:
        for number in range(1000):
            body = '{"name": "%s%d", "password": "tk-Password0123456789"}' % (gate.prefix, number)
            made = gate(Request("POST", "/sip-trunks", "", auth, body.encode())).json()["data"]["id"]
            number = '{"number": "+1212555%04d", "country_code": "US"}' % number
            gate(Request("POST", f"/sip-trunks/{made}/dids", "", auth, number.encode()))
    finally:
        left = gate.clean(live)
        print(len(left))
"""


@pytest.mark.slow_for("7-")
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("moment", [6, 7])
def test_a_killed_run_is_finished_by_the_next(nested: Contract, tmp_path: Path, signum: int, moment: int) -> None:
    """Killed right after the server has created; on Ctrl-C the run itself deletes everything."""
    reached, release = threading.Event(), threading.Event()
    creations = count(1)

    def hold(request: Request, response: Response) -> Response:
        if request.method == "POST" and next(creations) == moment:
            reached.set()
            release.wait(10)
        return response

    server = Server().seed()
    before = server.state()
    path = tmp_path / "state" / "ledger.db"
    with target_server(server, "/api/v1") as base:
        server.after = hold
        words = [sys.executable, "-c", CHILD, base, str(path), TOKEN, NESTED]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert reached.wait(10)
        child.send_signal(signum)
        if signum == signal.SIGKILL:
            child.wait(10)
        release.set()
        output, _ = child.communicate(timeout=10)
        if signum == signal.SIGKILL:
            assert server.state() != before
            for file in path.parent.iterdir():
                assert TOKEN.encode() not in file.read_bytes()
                assert PASSWORD.encode() not in file.read_bytes()
            with Ledger.from_file(path, NESTED, base) as ledger:
                assert ledger.open_entries(earlier=True)
                assert gated(nested, server, ledger).clean(server, never, earlier=True) == ()
        else:
            assert output == "0\n"
    assert (server.state(), server.harm) == (before, [])
    assert not path.exists()


def crashed(path: Path, contract: Contract, server: Server, work: Callable[[Gate], object]) -> None:
    """A run that crashes: its ledger stays as it is on disk, and its lock is released."""
    ledger = Ledger.from_file(path, NESTED, BASE)
    with suppress(TrunklineError, KeyboardInterrupt):
        work(gated(contract, server, ledger))
    crash(ledger)


def test_an_id_of_an_earlier_run_is_not_trusted(nested: Contract, tmp_path: Path) -> None:
    """After a crash the server may have started again and given the same ids to items of others."""
    path = tmp_path / "ledger"
    crashed(path, nested, Server(), lambda gate: make_did(gate, make(gate)))
    server = Server().seed()  # uuid-1 and uuid-2 are others' now
    before = server.state()
    with Ledger.from_file(path, NESTED, BASE) as ledger:
        gate = gated(nested, server, ledger)
        assert {entry.identity for entry in ledger.open_entries(earlier=True)} == {"uuid-1", "uuid-2"}
        assert gate.clean(server, never, earlier=True) == ()
    assert (server.state(), server.harm) == (before, [])
    assert not path.exists()


def test_an_item_of_another_credential_is_not_taken_for_gone(nested: Contract, tmp_path: Path) -> None:
    """It is reported until a run has the credential that can see it."""
    path = tmp_path / "ledger"
    server = Server().seed()
    before = server.state()
    crashed(path, nested, server, make)
    for token, left in ((OTHER, 1), (TOKEN, 0)):
        with Ledger.from_file(path, NESTED, BASE) as ledger:
            gate = Gate(nested, server, ledger, (token,))
            found = gate.clean(server, never, earlier=True)
            assert len(found) == left
            assert all("another credential" in item.reason for item in found)
    assert (server.state(), server.harm) == (before, [])
    assert not path.exists()


@pytest.mark.parametrize(
    ("answered", "named"),
    [
        (lambda identity: identity, lambda _: "Untitled"),  # it gives names of its own
        (lambda identity: int(identity.removeprefix("uuid-")), None),
        (lambda identity: f"a/{identity}", None),
    ],
    ids=["another name", "a number", "not plain"],
)
def test_unidentified_creations_stop_the_run(
    nested: Contract, answered: Callable[[str], Any], named: Callable[[str], str] | None
) -> None:
    """Ten are reported with the ids that were returned; a live account is not filled with them."""

    def mangle(request: Request, response: Response) -> Response:
        if request.method != "POST":
            return response
        identity = response.json()["data"]["id"]
        if named:
            server.items[TOKEN][identity]["name"] = named(identity)
        return answer(201, {"success": True, "data": {"id": answered(identity)}})

    server = Server(after=mangle).seed()
    gate = gated(nested, server)
    ids = []
    for number in range(10):
        ids.append(gate(post("/sip-trunks", {"name": f"{gate.prefix}{number}"})).json()["data"]["id"])
        with suppress(NotOurs, UsageError):
            gate(post(f"/sip-trunks/{ids[-1]}", {"port": 5060}, method="PUT"))
    with pytest.raises(BudgetExhausted, match="10 created items cannot be identified as ours"):
        gate(post("/sip-trunks", {"name": f"{gate.prefix}11"}))
    assert len(server.made) == 10
    found = gate.clean(server, never)
    if named:
        assert [f'the id "{identity}"' in left.reason for identity, left in zip(ids, found, strict=True)] == [True] * 10
    else:
        assert found == ()  # the list shows them under ids that can be asked for
    assert server.harm == []


def other_case(request: Request, response: Response) -> Response:
    """Show every UUID in capitals, except to the request that creates it."""
    if request.method == "POST":
        return response
    capitals = re.sub(rb"[0-9a-f-]{36}", lambda found: found[0].upper(), response.body)
    return replace(response, body=capitals)


def test_the_letter_case_of_a_uuid_makes_no_other_item(nested: Contract) -> None:
    """An item that is listed and fetched under its id in capitals is ours: it is changed, and deleted with its DIDs."""
    numbers = count(0xABC << 100)
    server = Server(after=other_case, name_of=lambda: str(UUID(int=next(numbers)))).seed()
    before = server.state()
    gate = gated(nested, server)
    trunk = make(gate)
    assert gate(Request("GET", "/sip-trunks", headers=AUTH)).status == 200
    did = make_did(gate, trunk)
    assert gate(Request("GET", f"/sip-trunks/{trunk}/dids", headers=AUTH)).status == 200
    assert gate(post(f"/sip-trunks/{trunk}", {"name": gate.prefix + "x"}, method="PUT")).status == 200
    assert gate(delete(f"/sip-trunks/{trunk}/dids/{did}")).status == 200
    make_did(gate, trunk)
    assert clean(gate, server) == ()
    assert (server.state(), server.harm) == (before, [])


def test_an_item_that_is_listed_late_is_waited_for(flat: Contract) -> None:
    """A list that lags behind a creation shows the item after some pauses, and then it is changed."""
    pauses: list[float] = []

    def hide(request: Request, response: Response) -> Response:
        if request.method != "GET" or len(pauses) >= 3:
            return response
        return answer(200, {"trunks": [], "pagination": {"limit": 100, "offset": 0, "total": 0}})

    server = Server(FLAT, after=hide)
    gate = Gate(flat, server, Ledger(), (TOKEN,), None, Settling(0.0, 1.0, pauses.append))
    trunk = make(gate, shape=FLAT)
    assert gate(post(f"/trunks/{trunk}", {"name": gate.prefix + "x"}, method="PATCH")).status == 200
    assert pauses == [0.05, 0.1, 0.2]


@pytest.mark.parametrize("shown", ["a/b", None], ids=["no path", "no id"])
def test_children_that_cannot_be_addressed_stop_the_run(nested: Contract, shown: str | None) -> None:
    """DIDs whose ids no path can hold, or that have none, keep their trunk from being deleted: ten are enough."""

    def mangle(request: Request, response: Response) -> Response:
        if request.method != "POST" or not request.path.endswith("/dids"):
            return response
        body = response.json()
        return answer(201, {**body, "data": {**body["data"], "id": shown}})

    server = Server(after=mangle)
    gate = gated(nested, server)
    trunk = make(gate)
    for number in range(10):
        make_did(gate, trunk, f"+1212555010{number}")
    with pytest.raises(BudgetExhausted, match="10 created items cannot be identified as ours"):
        make_did(gate, trunk, "+12125550199")


def test_items_that_no_response_recognizes_stop_the_run(nested: Contract) -> None:
    """An item that no response shows counts as soon as a request to it was not sent."""
    server = Server(before=lambda request: answer(403, {}) if request.method == "GET" else None)
    gate = gated(nested, server)
    for number in range(10):
        trunk = make(gate, str(number))
        with pytest.raises(NotOurs):
            gate(delete(f"/sip-trunks/{trunk}"))
    with pytest.raises(BudgetExhausted, match="10 created items cannot be identified as ours"):
        make(gate)


@pytest.mark.parametrize("shown", ["fetched", "listed", "not at all"])
def test_an_id_that_now_belongs_to_others_is_given_up(nested: Contract, shown: str) -> None:
    """It was ours before; a response since, or after a write of ours, shows that it is not any more."""
    server = Server().seed()
    gate = gated(nested, server)
    identity = make(gate)
    change = post(f"/sip-trunks/{identity}", {"port": 5060}, method="PUT")
    assert gate(change).status == 200
    server.items[TOKEN][identity]["name"] = "Production"
    server.foreign.add(identity)
    before = server.state()
    if shown != "not at all":
        gate(Request("GET", f"/sip-trunks/{identity}" if shown == "fetched" else "/sip-trunks", "", AUTH))
    with pytest.raises(NotOurs, match="belongs to another item now; nothing was sent to it"):
        gate(change)
    assert [left.reason for left in gate.clean(server, never)] != []
    assert (server.state(), server.harm) == (before, [])


@pytest.mark.parametrize("header", [None, "Bearer of-nobody"])
@pytest.mark.parametrize("known", [True, False], ids=["answered", "unanswered"])
def test_a_creation_without_an_account_is_finished_by_the_next_run(
    nested: Contract, tmp_path: Path, header: str | None, known: bool
) -> None:
    """A run crashed during a creation without a valid credential: the next run looks once and finishes it."""
    path = tmp_path / "ledger"
    server = Server().seed()
    before = server.state()

    def ask(gate: Gate) -> None:
        body = json.dumps({"name": gate.prefix, "password": PASSWORD}).encode()
        fields = (("authorization", header),) if header else ()
        gate(Request("POST", "/sip-trunks", "", fields, body))

    def instead(request: Request) -> Response | None:
        if request.method != "POST":
            return None
        if not known:
            raise KeyboardInterrupt
        return answer(201, {"data": {"id": "uuid-of-nobody"}})

    server.before = instead
    crashed(path, nested, server, ask)
    server.before = lambda _: None
    with Ledger.from_file(path, NESTED, BASE) as ledger:
        assert len(ledger.open_entries(earlier=True)) == 1
        found = gated(nested, server, ledger).clean(server, never, earlier=True)
        assert [item.reason for item in found] == (
            ["it was created without the credential of an account and is not found with this one; look for it by hand"]
            if known
            else []
        )
    assert (server.state(), server.harm) == (before, [])
    assert not path.exists()


def test_an_unidentified_item_of_an_earlier_run_is_reported(nested: Contract, tmp_path: Path) -> None:
    """An item that an earlier run created without a label is not deleted because of its id alone."""
    path = tmp_path / "ledger"
    server = Server(
        before=lambda request: answer(200, {"data": {"id": "uuid-1"}}) if request.method == "POST" else None
    )
    server.seed()
    before = server.state()
    crashed(path, nested, server, lambda gate: gate(post("/sip-trunks", {})))
    with Ledger.from_file(path, NESTED, BASE) as ledger:
        (left,) = gated(nested, server, ledger).clean(server, never, earlier=True)
    assert (left.identity, left.reason) == (
        "uuid-1",
        "no response identifies it as ours; the next run tries again",
    )
    assert (server.state(), server.harm) == (before, [])


# --- random faults ----------------------------------------------------------------------------------------------------


def chaos(dice: random.Random, server: Server) -> None:
    """Make the server fail at random, before and after it does its work, and return ids of others."""

    def lost() -> None:
        raise dice.choice([TargetError("no answer"), TargetError("no answer"), KeyboardInterrupt()])

    def somebody_else() -> None:
        server.add_foreign(dice.choice([TOKEN, OTHER]))

    def before(request: Request) -> Response | None:
        junk = [b"", b"{}", b"[1]", b"nonsense", b'{"data": [5, {"id": []}]}']
        faults: list[Callable[[], Response | None]] = [
            lost,
            lambda: answer(dice.choice([500, 503, 429, 401, 302]), {}),
            lambda: Response(200, (), dice.choice(junk)),
            somebody_else,
        ]
        return dice.choice(faults)() if dice.random() < 0.15 else None

    def after(request: Request, response: Response) -> Response:
        fault = dice.random()
        if fault < 0.06:
            lost()
        if fault < 0.1:
            return answer(dice.choice([500, 504, 400]), {})
        names = [*sorted(server.foreign), "../uuid-1", "", 5]
        return returning(dice.choice(names))(request, response) if fault < 0.2 else response

    server.before, server.after = before, after


def anything(dice: random.Random, gate: Gate, server: Server) -> Request:
    """A random request: for an item of ours, of others, or for none."""
    trunks = [*gate.existing("trunks"), *gate.existing("trunks"), *sorted(server.foreign), "nothing", "..", "%2e%2e%2f"]
    dids = [*gate.existing("dids"), *gate.existing("dids"), *sorted(server.foreign), "nothing"]
    trunk, did = dice.choice(trunks), dice.choice(dids)
    path = dice.choice(
        ["", "", "", f"/{trunk}", f"/{trunk}", f"/{trunk}/dids", f"/{trunk}/dids/{did}", f"/{trunk}/verify", "/"]
    )
    names = [gate.prefix + str(dice.randrange(100)), gate.prefix, "Primary", None]
    number = f"+1212555{dice.randrange(10000):04d}"
    body = dice.choice([None, {"name": dice.choice(names), "number": number}, {"number": number}, b"{", b"[]"])
    method = dice.choice(["GET", "POST", "POST", "PUT", "PATCH", "DELETE", "DELETE"])
    token = dice.choice([TOKEN] * 8 + [OTHER, "nobody"])
    return post(f"/sip-trunks{path}", body, (("authorization", f"Bearer {token}"),), method)


@pytest.mark.slow_for("4", "5", "6", "7", "8", "9", "10", "11")
@pytest.mark.parametrize("seed", range(12))
def test_random_requests_and_faults_do_no_harm(nested: Contract, tmp_path: Path, seed: int) -> None:
    """Three crashed runs with random requests and faults change nothing of others, and the next run finishes them."""
    dice = random.Random(seed)  # noqa: S311 - a choice of faults, not a secret
    server = Server(scoped=seed % 2 == 0).seed()
    server.seed(2, OTHER)
    path = tmp_path / "ledger"
    runs: list[str] = []

    def work(gate: Gate) -> None:
        runs.append(gate.prefix)
        chaos(dice, server)
        steps: list[Callable[[], object]] = [lambda: gate.clean(server, never, earlier=True)]
        steps += [lambda: gate(anything(dice, gate, server))] * 250
        steps += [lambda: clean(gate, server)]
        for step in steps:
            with suppress(TrunklineError, KeyboardInterrupt):
                step()

    for _ in range(3):
        crashed(path, nested, server, work)
    server.before, server.after = lambda _: None, lambda _, response: response
    assert server.made
    with Ledger.from_file(path, NESTED, BASE) as ledger:
        left = gated(nested, server, ledger).clean(server, never, earlier=True)
    assert server.harm == []
    assert all(name.startswith(tuple(runs)) for name in server.made)
    reported = {leftover.identity for leftover in left}
    for account in server.items.values():
        for trunk in account.values():
            assert trunk["id"] in server.foreign | reported or not trunk["name"].startswith(tuple(runs))


# --- generated requests -----------------------------------------------------------------------------------------------


def safe(gate: Gate, request: Request) -> tuple[str, Any] | None:
    """The path and body of the safe request."""
    found = gate.make_safe(request)
    return None if found is None else (found.path, json.loads(found.body) if found.body else None)


def test_a_generated_request_is_made_harmless(nested: Contract) -> None:
    """The label gets the prefix, ids become those of the run's items, and the gate lets it through."""
    server = Server().seed()
    gate = gated(nested, server)
    trunk = make(gate)
    did = make_did(gate, trunk)
    body = {"name": "x", "port": 1.5, "domain": "é"}
    assert safe(gate, post("/sip-trunks", body)) == ("/sip-trunks", {**body, "name": gate.prefix + "x"})
    assert safe(gate, post("/sip-trunks/uuid-1", {"name": "y"}, method="PUT")) == (
        f"/sip-trunks/{trunk}",
        {"name": gate.prefix + "y"},
    )
    assert safe(gate, delete("/sip-trunks/0/dids/%2e")) == (
        f"/sip-trunks/{trunk}/dids/{did}",
        None,
    )
    assert safe(gate, delete(f"/sip-trunks/{trunk}")) == (f"/sip-trunks/{trunk}", None)
    reading = Request("GET", "/sip-trunks/uuid-1", "x=1", AUTH)
    assert gate.make_safe(reading) is reading
    found = gate.make_safe(post("/sip-trunks", body, (*AUTH, ("content-length", "5"))))
    assert found is not None
    assert (found.headers, gate(found).status) == (AUTH, 201)


@pytest.mark.parametrize(
    "request_",
    [
        delete("/sip-trunks/uuid-1"),
        delete("/sip-trunks"),
        post("/sip-trunks/uuid-1", {}, method="PATCH"),
        post("/nowhere", {}),
        delete("/sip-trunks/%2e%2e/dids/x"),
        post("/sip-trunks", b'{"name": "x", "port": NaN}'),
        post("/sip-trunks", b'{"name": "x", "Name": "y"}'),
    ],
)
def test_a_request_that_cannot_be_made_harmless_is_dropped(nested: Contract, request_: Request) -> None:
    """No item of ours can be used, no operation is documented, or it can be read in two ways."""
    gate = gated(nested, Server().seed())
    assert gate.make_safe(request_) is None


def test_a_label_with_the_prefix_keeps_to_its_maximum_length(nested: Contract, flat: Contract) -> None:
    """A label that obeys the schema still does, and one that is too long stays too long."""
    gate = gated(nested, Server())
    for length in (0, 1, 227, 228, 255, 256, 5000):
        found = safe(gate, post("/sip-trunks", {"name": "x" * length}))
        assert found is not None
        name = found[1]["name"]
        assert name.startswith(gate.prefix)
        assert (len(name) <= 255) is (length <= 255)
    body = {"name": gate.prefix + "x", "port": 5}
    request = post("/sip-trunks", json.dumps(body, indent=7).encode())
    assert gate.make_safe(request) == request
    assert safe(gate, post("/sip-trunks", {"name": 5})) == ("/sip-trunks", {"name": 5})
    broken = post("/sip-trunks", b'{"name": "x"')
    assert gate.make_safe(broken) == broken
    assert gated(flat, Server(FLAT)).make_safe(post("/trunks", {"name": "x"})) is None
    assert gated(flat, Server(FLAT), allowed_leftovers=1).make_safe(post("/trunks", {"name": "x"})) is not None


# --- the dry run ----------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_the_writing_requests(nested: Contract) -> None:
    """One line for each, with its secrets redacted at any depth, and the number of reading ones."""
    body = {"name": "a\x1b[2J", "password": PASSWORD, "more": [{"Pass_Word": {"x": PASSWORD}}]}
    lines = list(
        preview(
            [
                Request("GET", "/sip-trunks", "", AUTH),
                post("/sip-trunks", body),
                post("/sip-trunks", f"password={PASSWORD}".encode()),
                delete("/sip-trunks/x"),
            ],
            nested,
        )
    )
    assert lines == [
        r'POST /sip-trunks {"name": "a\u001b[2J", "password": "***", "more": [{"Pass_Word": "***"}]}',
        f"POST /sip-trunks <{len(PASSWORD) + 9} bytes that are not JSON>",
        "DELETE /sip-trunks/x",
        "3 requests that write, 1 that only reads; nothing was sent",
    ]
    assert list(preview([], nested)) == ["no requests that write, none that only read; nothing was sent"]
    assert list(preview([delete(f"/{TOKEN}")], nested, lambda text: text.replace(TOKEN, "***"))) == [
        "DELETE /***",
        "1 request that writes, none that only read; nothing was sent",
    ]


def test_an_id_that_no_response_shows_is_not_written_to(nested: Contract) -> None:
    """On a server that shows nothing, a creation that returns an id of others leads to no write on it."""
    server = Server().seed()
    gate = gated(nested, server)

    def alien(request: Request) -> Response | None:
        if request.method == "GET":
            return answer(403, {})
        if request.method == "POST":
            return answer(200, {"data": {"id": next(iter(server.items[TOKEN]))}})
        return None

    server.before = alien
    gate(post("/sip-trunks", {"name": gate.prefix + "1"}))
    for identity in gate.existing("trunks"):
        with pytest.raises(NotOurs):
            gate(delete(f"/sip-trunks/{identity}"))
    clean(gate, server)
    assert server.harm == []
