"""An independent implementation of both vendors, and the mistakes that a tired engineer makes in it.

It is a dictionary with small methods, shares no code with the mock or the model, and is lawful as it stands. A defect
or a lawful variation overrides one of the methods.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote

from trunkline.exchange import Request, Response

OWN = "owner-credential-0123456789"
SECOND = "second-credential-987654321"
ACCOUNTS = {OWN: "own", SECOND: "second"}

Thing = dict[str, Any]
Answered = tuple[int, Any]


class Refused(Exception):
    """A request is answered with a refusal."""

    def __init__(self, status: int, code: str, message: str = "no") -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Server:
    """What both vendors share: who asks, what is read, how it is answered."""

    routes: ClassVar[tuple[tuple[str, str, str], ...]] = ()

    def __init__(self) -> None:
        self.trunks: dict[str, Thing] = {}
        self.dids: dict[str, Thing] = {}
        self.numbers = itertools.count(1)
        self.times = itertools.count(1)

    def __call__(self, request: Request) -> Response:
        try:
            status, body = self.routed(request)
        except Refused as refused:
            status, body = refused.status, self.refusal(refused)
        headers = {"content-type": "application/json", **self.headers()}
        return Response(status, tuple(headers.items()), json.dumps(body, ensure_ascii=False).encode())

    def routed(self, request: Request) -> Answered:
        account = ACCOUNTS.get((request.header("authorization") or "").removeprefix("Bearer "))
        if account is None:
            raise Refused(401, self.unknown_credential())
        for method, pattern, name in self.routes:
            if (found := re.fullmatch(pattern, request.path)) and method == request.method:
                answer: Answered = getattr(self, name)(account, request, *map(unquote, found.groups()))
                return answer
        raise Refused(404, "NOT_FOUND")

    def unknown_credential(self) -> str:
        return "INVALID_TOKEN"

    def headers(self) -> dict[str, str]:
        return {"x-ratelimit-limit": "1000", "x-ratelimit-remaining": "999", "x-ratelimit-reset": "1900000000"}

    def refusal(self, refused: Refused) -> Any:
        raise NotImplementedError

    def now(self) -> str:
        second = next(self.times)
        return f"2026-11-{20 + second // 86400:02}T{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}Z"

    def new_id(self, kind: str) -> str:
        return f"{kind}_{next(self.numbers):09}"

    def read(self, request: Request) -> Thing:
        """The body as an object."""
        if "json" not in (request.header("content-type") or ""):
            raise Refused(415, "UNSUPPORTED_MEDIA_TYPE")
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            raise Refused(400, self.malformed()) from None
        if not isinstance(body, dict):
            raise Refused(400, self.malformed())
        return body

    def malformed(self) -> str:
        return "MALFORMED_BODY"

    def owned(self, account: str, thing: Thing) -> bool:
        return bool(thing["account"] == account)

    def find(self, account: str, identity: str) -> Thing:
        """The trunk of an account."""
        trunk = self.trunks.get(identity)
        if trunk is None or trunk.get("deleted") or not self.owned(account, trunk):
            raise Refused(404, "TRUNK_NOT_FOUND")
        return trunk

    def listed(self, account: str) -> list[Thing]:
        return [trunk for trunk in self.trunks.values() if self.owned(account, trunk) and not trunk.get("deleted")]


def cut(thing: Thing, names: str) -> Thing:
    return {name: thing[name] for name in names.split() if name in thing}


# --- the vendor whose trunks can be removed ---------------------------------------------------------------------------

LINE = "name provider_name domain username password port transport outbound_proxy auth_realm is_active"
SHORT = "id name provider_name domain transport is_active is_verified health_status created_at"
FULL = "id name provider_name domain username transport port outbound_proxy auth_realm is_active is_verified health_status last_health_check_at created_at updated_at"
MADE = "id name provider_name domain transport port is_active is_verified created_at"


class Talkover(Server):
    """Trunks that are verified, and have numbers."""

    routes: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("GET", "/sip-trunks", "list_trunks"),
        ("POST", "/sip-trunks", "create_trunk"),
        ("GET", "/sip-trunks/([^/]+)", "get_trunk"),
        ("PUT", "/sip-trunks/([^/]+)", "update_trunk"),
        ("DELETE", "/sip-trunks/([^/]+)", "delete_trunk"),
        ("POST", "/sip-trunks/([^/]+)/verify", "verify"),
        ("GET", "/sip-trunks/([^/]+)/health", "health"),
        ("GET", "/sip-trunks/([^/]+)/dids", "list_dids"),
        ("POST", "/sip-trunks/([^/]+)/dids", "create_did"),
        ("DELETE", "/sip-trunks/([^/]+)/dids/([^/]+)", "delete_did"),
    )

    def refusal(self, refused: Refused) -> Any:
        return {"success": False, "message": refused.message, "code": refused.code}

    def done(self, data: Any, status: int = 200) -> Answered:
        return status, {"success": True, "data": data}

    # trunks

    def list_trunks(self, account: str, request: Request) -> Answered:
        return self.done([self.item(trunk) for trunk in self.listed(account)])

    def item(self, trunk: Thing) -> Thing:
        return cut(trunk, SHORT)

    def get_trunk(self, account: str, request: Request, identity: str) -> Answered:
        return self.done(self.detail(self.find(account, identity)))

    def detail(self, trunk: Thing) -> Thing:
        return cut(trunk, FULL)

    created_status = 201

    def create_trunk(self, account: str, request: Request) -> Answered:
        body = self.read(request)
        self.check(body, ("name", "provider_name", "domain", "username", "password"))
        trunk = self.fresh(account, body)
        self.store(trunk)
        return self.done(self.made(trunk), self.created_status)

    def fresh(self, account: str, body: Thing) -> Thing:
        now = self.now()
        given = {name: body[name] for name in LINE.split() if name in body}
        return {
            "id": self.new_id("trunk"),
            "account": account,
            "outbound_proxy": None,
            "auth_realm": None,
            "health_status": None,
            "last_health_check_at": None,
            "created_at": now,
            "updated_at": now,
            **self.defaults(given),
            **given,
            "is_active": self.activity(given),
            "is_verified": False,
        }

    def defaults(self, given: Thing) -> Thing:
        transport = given.get("transport", "tls")
        return {"transport": transport, "port": 5061 if transport == "tls" else 5060}

    def activity(self, given: Thing) -> bool:
        return False

    def store(self, trunk: Thing) -> None:
        self.trunks[trunk["id"]] = trunk

    def made(self, trunk: Thing) -> Thing:
        return cut(trunk, MADE)

    longest = 255

    def check(self, body: Thing, required: tuple[str, ...]) -> None:
        for name in required:
            if name not in body:
                raise Refused(422, "VALIDATION_ERROR", f"{name} is required")
        for name, value in body.items():
            if name in LINE.split() and not self.allowed(name, value):
                raise Refused(422, "VALIDATION_ERROR", self.complaint(name, value, body))

    def complaint(self, name: str, value: Any, body: Thing) -> str:
        return f"{name} is wrong"

    def allowed(self, name: str, value: Any) -> bool:
        if name == "port":
            return isinstance(value, int) and not isinstance(value, bool) and self.port_fits(value)
        if name == "transport":
            return value in ("udp", "tcp", "tls")
        if name == "is_active":
            return isinstance(value, bool)
        if name in ("outbound_proxy", "auth_realm") and value is None:
            return True
        return isinstance(value, str) and (name != "name" or len(value) <= self.longest)

    def port_fits(self, port: int) -> bool:
        return 1 <= port <= 65535

    def update_trunk(self, account: str, request: Request, identity: str) -> Answered:
        trunk = self.find(account, identity)
        body = self.read(request)
        self.check(body, ())
        self.apply(trunk, {name: body[name] for name in LINE.split() if name in body})
        return self.done(self.changed(trunk))

    def apply(self, trunk: Thing, changes: Thing) -> None:
        if self.resets(trunk, changes):
            trunk["is_verified"] = trunk["is_active"] = False
        trunk.update(self.kept(trunk, changes))
        trunk["updated_at"] = self.now()

    def kept(self, trunk: Thing, changes: Thing) -> Thing:
        """What of a change is taken over."""
        active = changes.get("is_active", trunk["is_active"]) and trunk["is_verified"]
        return {**changes, "is_active": active}

    def resets(self, trunk: Thing, changes: Thing) -> bool:
        hangs = self.hangs()
        return any(name in hangs and trunk.get(name) != value for name, value in changes.items())

    def hangs(self) -> set[str]:
        return {"domain", "transport", "username", "password"}

    def changed(self, trunk: Thing) -> Thing:
        return cut(trunk, "id name is_active is_verified updated_at")

    def delete_trunk(self, account: str, request: Request, identity: str) -> Answered:
        trunk = self.find(account, identity)
        if self.has_dids(trunk):
            raise Refused(409, "TRUNK_HAS_DIDS")
        self.drop(trunk)
        return 200, {"success": True, "message": "SIP trunk deleted"}

    def has_dids(self, trunk: Thing) -> bool:
        return any(did["trunk_id"] == trunk["id"] for did in self.dids.values())

    def drop(self, trunk: Thing) -> None:
        del self.trunks[trunk["id"]]

    def verify(self, account: str, request: Request, identity: str) -> Answered:
        trunk = self.find(account, identity)
        found = {"is_verified": True, "health_status": "healthy", "last_health_check_at": self.now()}
        self.verified(trunk, found)
        return self.done(found)

    def verified(self, trunk: Thing, found: Thing) -> None:
        trunk.update(found)

    def health(self, account: str, request: Request, identity: str) -> Answered:
        self.checked(self.find(account, identity))
        return self.done({"is_healthy": True, "response_time_ms": 42, "checked_at": self.now()})

    def checked(self, trunk: Thing) -> None:
        pass

    # numbers

    def list_dids(self, account: str, request: Request, identity: str) -> Answered:
        trunk = self.find(account, identity)
        return self.done([self.did(did) for did in self.dids.values() if self.routed_over(did, trunk)])

    def routed_over(self, did: Thing, trunk: Thing) -> bool:
        return bool(did["trunk_id"] == trunk["id"])

    def did(self, did: Thing) -> Thing:
        return cut(did, "id number country_code formatted_number")

    def create_did(self, account: str, request: Request, identity: str) -> Answered:
        trunk = self.find(account, identity)
        body = self.read(request)
        for name, pattern in (("country_code", "[A-Z]{2}"), ("number", r"\+[1-9][0-9]{1,14}")):
            value = body.get(name)
            if not isinstance(value, str) or not re.fullmatch(pattern, value):
                raise Refused(422, "VALIDATION_ERROR")
        if self.taken(account, trunk, body["number"]):
            raise Refused(409, "DID_ALREADY_EXISTS")
        did = {
            "id": self.new_id("did"),
            "account": account,
            "trunk_id": trunk["id"],
            "formatted_number": body["number"],
            **cut(body, "country_code number"),
        }
        self.keep(did)
        return self.done(cut(did, "id number country_code formatted_number trunk_id"), self.created_status)

    def keep(self, did: Thing) -> None:
        self.dids[did["id"]] = did

    def taken(self, account: str, trunk: Thing, number: str) -> bool:
        return any(did["number"] == number and did["account"] == account for did in self.dids.values())

    def delete_did(self, account: str, request: Request, trunk_id: str, identity: str) -> Answered:
        trunk = self.find(account, trunk_id)
        did = self.dids.get(identity)
        if did is None or not self.owned(account, did) or not self.routed_over(did, trunk):
            raise Refused(404, "DID_NOT_FOUND")
        if self.used(did):
            raise Refused(409, "DID_IN_USE")
        self.release(did)
        return 200, {"success": True, "message": "DID removed"}

    def used(self, did: Thing) -> bool:
        return False

    def release(self, did: Thing) -> None:
        del self.dids[did["id"]]


# --- the vendor whose trunks stay -------------------------------------------------------------------------------------

ITEM = "id name status ai_provider sip_username created_at updated_at metrics"
KEYS = {
    "openai": ("openai_api_key",),
    "elevenlabs": ("elevenlabs_api_key", "elevenlabs_agent_id"),
    "custom": ("custom_endpoint",),
}
TEXTS = (
    "name sip_username sip_password openai_api_key elevenlabs_api_key elevenlabs_agent_id custom_endpoint system_prompt"
)
CHANGING = "name openai_api_key elevenlabs_api_key elevenlabs_agent_id custom_endpoint system_prompt"


class Telepath(Server):
    """Trunks that tie a voice agent to a SIP identity."""

    routes: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("GET", "/trunks", "list_trunks"),
        ("POST", "/trunks", "create_trunk"),
        ("PATCH", "/trunks/([^/]+)", "update_trunk"),
    )

    def unknown_credential(self) -> str:
        return "INVALID_API_KEY"

    def refusal(self, refused: Refused) -> Any:
        return {"error": {"code": refused.code, "message": refused.message}}

    def malformed(self) -> str:
        return "INVALID_PARAMS"

    def list_trunks(self, account: str, request: Request) -> Answered:
        query = parse_qs(request.query)
        limit, offset = int(query.get("limit", ["20"])[0]), int(query.get("offset", ["0"])[0])
        items = self.ordered(self.filtered(self.listed(account), query.get("status", [""])[0]))
        page = {"limit": limit, "offset": offset, "total": self.total(items)}
        return 200, {"trunks": [self.item(trunk) for trunk in items[offset : offset + limit]], "pagination": page}

    def ordered(self, items: list[Thing]) -> list[Thing]:
        return items[::-1]

    def filtered(self, items: list[Thing], status: str) -> list[Thing]:
        return [trunk for trunk in items if not status or trunk["status"] == status]

    def total(self, items: list[Thing]) -> int:
        return len(items)

    def item(self, trunk: Thing) -> Thing:
        metrics = {"calls_today": 0, "success_rate": 100.0, "avg_latency_ms": 0}
        return cut({**trunk, "metrics": metrics}, ITEM)

    created_status = 200

    def create_trunk(self, account: str, request: Request) -> Answered:
        body = self.read(request)
        self.check(body, ("name", "ai_provider", "sip_username", "sip_password"))
        for name in self.keys(body["ai_provider"]):
            if name not in body:
                raise Refused(400, "MISSING_REQUIRED", f"Missing required field: {name}")
        if self.taken(account, body["sip_username"]):
            raise Refused(409, "SIP_USERNAME_TAKEN")
        now = self.now()
        trunk = {
            "id": self.new_id("conn"),
            "account": account,
            "status": "active",
            "created_at": now,
            "updated_at": now,
            **cut(body, f"{TEXTS} ai_provider"),
        }
        self.store(trunk)
        return self.created_status, self.made(trunk)

    def keys(self, provider: str) -> tuple[str, ...]:
        return KEYS[provider]

    def store(self, trunk: Thing) -> None:
        self.trunks[trunk["id"]] = trunk

    def made(self, trunk: Thing) -> Thing:
        endpoint = f"sip://{trunk['sip_username']}@sip.example.com"
        return {**cut(trunk, "id name status ai_provider sip_username created_at"), "sip_endpoint": endpoint}

    def taken(self, account: str, username: str) -> bool:
        return any(trunk["sip_username"] == username and trunk["account"] == account for trunk in self.trunks.values())

    shortest = 8

    def check(self, body: Thing, required: tuple[str, ...]) -> None:
        for name in required:
            if name not in body:
                raise Refused(400, "MISSING_REQUIRED", f"Missing required field: {name}")
        for name, value in body.items():
            if not self.allowed(name, value):
                raise Refused(400, "INVALID_PARAMS", self.complaint(name, value, body))

    def complaint(self, name: str, value: Any, body: Thing) -> str:
        return f"Invalid {name}"

    def allowed(self, name: str, value: Any) -> bool:
        if name == "ai_provider":
            return value in KEYS if isinstance(value, str) else False
        if name not in TEXTS.split():
            return True
        if not isinstance(value, str):
            return False
        if name == "sip_username":
            return re.fullmatch("[A-Za-z0-9-]+", value) is not None
        if name == "sip_password":
            return len(value) >= self.shortest
        return name != "custom_endpoint" or value.lower().startswith("wss://")

    def update_trunk(self, account: str, request: Request, identity: str) -> Answered:
        trunk = self.find(account, identity)
        body = self.read(request)
        self.check(body, ())
        self.apply(trunk, cut(body, CHANGING))
        return 200, self.changed(trunk)

    def apply(self, trunk: Thing, changes: Thing) -> None:
        trunk.update(changes)
        trunk["updated_at"] = self.now()

    def changed(self, trunk: Thing) -> Thing:
        return cut(trunk, "id name status updated_at")


SERVERS: Mapping[str, type[Server]] = {"talkover": Talkover, "telepath": Telepath}
