"""An independent implementation of both vendors, and the seeded defects of the stateful check.

Records are kept in a dictionary. The implementation shares no code with the mock or the model, and breaks no law. Each
seeded defect, and each lawful variant, overrides one of its methods.
"""

# ruff: noqa: ARG002 - an overriding method gets arguments that it does not need

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote

from trunkline.exchange import Request, Response

OWN = "owner-credential-0123456789"
SECOND = "second-credential-987654321"
ACCOUNTS = {OWN: "own", SECOND: "second"}

Record = dict[str, Any]
Answer = tuple[int, Any]


class Refused(Exception):
    """A request is answered with a refusal."""

    def __init__(self, status: int, code: str, message: str = "no") -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Server:
    """The common part of both vendors: authentication, reading of bodies, responses."""

    routes: ClassVar[tuple[tuple[str, str, str], ...]] = ()

    def __init__(self) -> None:
        self.trunks: dict[str, Record] = {}
        self.dids: dict[str, Record] = {}
        self.numbers = itertools.count(1)
        self.times = itertools.count(1)

    def __call__(self, request: Request) -> Response:
        try:
            status, body = self.routed(request)
        except Refused as refused:
            status, body = refused.status, self.refusal(refused)
        headers = {"content-type": "application/json", **self.headers()}
        return Response(status, tuple(headers.items()), json.dumps(body, ensure_ascii=False).encode())

    def routed(self, request: Request) -> Answer:
        account = ACCOUNTS.get((request.header("authorization") or "").removeprefix("Bearer "))
        if account is None:
            raise Refused(401, self.unknown_credential())
        for method, pattern, name in self.routes:
            if (found := re.fullmatch(pattern, request.path)) and method == request.method:
                answer: Answer = getattr(self, name)(account, request, *map(unquote, found.groups()))
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

    def read(self, request: Request) -> Record:
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

    def owned(self, account: str, record: Record) -> bool:
        return bool(record["account"] == account)

    def find(self, account: str, identity: str) -> Record:
        """The trunk of an account."""
        trunk = self.trunks.get(identity)
        if trunk is None or trunk.get("deleted") or not self.owned(account, trunk):
            raise Refused(404, "TRUNK_NOT_FOUND")
        return trunk

    def listed(self, account: str) -> list[Record]:
        return [trunk for trunk in self.trunks.values() if self.owned(account, trunk) and not trunk.get("deleted")]


def select(record: Record, names: str) -> Record:
    return {name: record[name] for name in names.split() if name in record}


# --- the vendor whose trunks can be deleted ---------------------------------------------------------------------------

LINE = "name provider_name domain username password port transport outbound_proxy auth_realm is_active"
SHORT = "id name provider_name domain transport is_active is_verified health_status created_at"
FULL = f"{SHORT} username port outbound_proxy auth_realm last_health_check_at updated_at"
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

    def done(self, data: Any, status: int = 200) -> Answer:
        return status, {"success": True, "data": data}

    # trunks

    def list_trunks(self, account: str, request: Request) -> Answer:
        return self.done([self.item(trunk) for trunk in self.listed(account)])

    def item(self, trunk: Record) -> Record:
        return select(trunk, SHORT)

    def get_trunk(self, account: str, request: Request, identity: str) -> Answer:
        return self.done(self.detail(self.find(account, identity)))

    def detail(self, trunk: Record) -> Record:
        return select(trunk, FULL)

    created_status = 201

    def create_trunk(self, account: str, request: Request) -> Answer:
        body = self.read(request)
        self.check(body, ("name", "provider_name", "domain", "username", "password"))
        trunk = self.fresh(account, body)
        self.store(trunk)
        return self.done(self.made(trunk), self.created_status)

    def fresh(self, account: str, body: Record) -> Record:
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

    def defaults(self, given: Record) -> Record:
        transport = given.get("transport", "tls")
        return {"transport": transport, "port": 5061 if transport == "tls" else 5060}

    def activity(self, given: Record) -> bool:
        return False

    def store(self, trunk: Record) -> None:
        self.trunks[trunk["id"]] = trunk

    def made(self, trunk: Record) -> Record:
        return select(trunk, MADE)

    longest = 255

    def check(self, body: Record, required: tuple[str, ...]) -> None:
        for name in required:
            if name not in body:
                raise Refused(422, "VALIDATION_ERROR", f"{name} is required")
        for name, value in body.items():
            if name in LINE.split() and not self.allowed(name, value):
                raise Refused(422, "VALIDATION_ERROR", self.complaint(name, value, body))

    def complaint(self, name: str, value: Any, body: Record) -> str:
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

    def update_trunk(self, account: str, request: Request, identity: str) -> Answer:
        trunk = self.find(account, identity)
        body = self.read(request)
        self.check(body, ())
        self.apply(trunk, {name: body[name] for name in LINE.split() if name in body})
        return self.done(self.changed(trunk))

    def apply(self, trunk: Record, changes: Record) -> None:
        if self.resets(trunk, changes):
            trunk["is_verified"] = trunk["is_active"] = False
        trunk.update(self.kept(trunk, changes))
        trunk["updated_at"] = self.now()

    def kept(self, trunk: Record, changes: Record) -> Record:
        """The part of a change that is stored."""
        active = changes.get("is_active", trunk["is_active"]) and trunk["is_verified"]
        return {**changes, "is_active": active}

    def resets(self, trunk: Record, changes: Record) -> bool:
        hangs = self.hangs()
        return any(name in hangs and trunk.get(name) != value for name, value in changes.items())

    def hangs(self) -> set[str]:
        return {"domain", "transport", "username", "password"}

    def changed(self, trunk: Record) -> Record:
        return select(trunk, "id name is_active is_verified updated_at")

    def delete_trunk(self, account: str, request: Request, identity: str) -> Answer:
        trunk = self.find(account, identity)
        if self.has_dids(trunk):
            raise Refused(409, "TRUNK_HAS_DIDS")
        self.drop(trunk)
        return 200, {"success": True, "message": "SIP trunk deleted"}

    def has_dids(self, trunk: Record) -> bool:
        return any(did["trunk_id"] == trunk["id"] for did in self.dids.values())

    def drop(self, trunk: Record) -> None:
        del self.trunks[trunk["id"]]

    def verify(self, account: str, request: Request, identity: str) -> Answer:
        trunk = self.find(account, identity)
        found = {"is_verified": True, "health_status": "healthy", "last_health_check_at": self.now()}
        self.verified(trunk, found)
        return self.done(found)

    def verified(self, trunk: Record, found: Record) -> None:
        trunk.update(found)

    def health(self, account: str, request: Request, identity: str) -> Answer:
        self.checked(self.find(account, identity))
        return self.done({"is_healthy": True, "response_time_ms": 42, "checked_at": self.now()})

    def checked(self, trunk: Record) -> None:
        pass

    # numbers

    def list_dids(self, account: str, request: Request, identity: str) -> Answer:
        trunk = self.find(account, identity)
        return self.done([self.did(did) for did in self.dids.values() if self.routed_over(did, trunk)])

    def routed_over(self, did: Record, trunk: Record) -> bool:
        return bool(did["trunk_id"] == trunk["id"])

    def did(self, did: Record) -> Record:
        return select(did, "id number country_code formatted_number")

    def create_did(self, account: str, request: Request, identity: str) -> Answer:
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
            **select(body, "country_code number"),
        }
        self.keep(did)
        return self.done(select(did, "id number country_code formatted_number trunk_id"), self.created_status)

    def keep(self, did: Record) -> None:
        self.dids[did["id"]] = did

    def taken(self, account: str, trunk: Record, number: str) -> bool:
        return any(did["number"] == number and did["account"] == account for did in self.dids.values())

    def delete_did(self, account: str, request: Request, trunk_id: str, identity: str) -> Answer:
        trunk = self.find(account, trunk_id)
        did = self.dids.get(identity)
        if did is None or not self.owned(account, did) or not self.routed_over(did, trunk):
            raise Refused(404, "DID_NOT_FOUND")
        if self.used(did):
            raise Refused(409, "DID_IN_USE")
        self.release(did)
        return 200, {"success": True, "message": "DID removed"}

    def used(self, did: Record) -> bool:
        return False

    def release(self, did: Record) -> None:
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

    def list_trunks(self, account: str, request: Request) -> Answer:
        query = parse_qs(request.query)
        limit, offset = int(query.get("limit", ["20"])[0]), int(query.get("offset", ["0"])[0])
        items = self.ordered(self.filtered(self.listed(account), query.get("status", [""])[0]))
        page = {"limit": limit, "offset": offset, "total": self.total(items)}
        return 200, {"trunks": [self.item(trunk) for trunk in items[offset : offset + limit]], "pagination": page}

    def ordered(self, items: list[Record]) -> list[Record]:
        return items[::-1]

    def filtered(self, items: list[Record], status: str) -> list[Record]:
        return [trunk for trunk in items if not status or trunk["status"] == status]

    def total(self, items: list[Record]) -> int:
        return len(items)

    def item(self, trunk: Record) -> Record:
        metrics = {"calls_today": 0, "success_rate": 100.0, "avg_latency_ms": 0}
        return select({**trunk, "metrics": metrics}, ITEM)

    created_status = 200

    def create_trunk(self, account: str, request: Request) -> Answer:
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
            **select(body, f"{TEXTS} ai_provider"),
        }
        self.store(trunk)
        return self.created_status, self.made(trunk)

    def keys(self, provider: str) -> tuple[str, ...]:
        return KEYS[provider]

    def store(self, trunk: Record) -> None:
        self.trunks[trunk["id"]] = trunk

    def made(self, trunk: Record) -> Record:
        endpoint = f"sip://{trunk['sip_username']}@sip.example.com"
        return {**select(trunk, "id name status ai_provider sip_username created_at"), "sip_endpoint": endpoint}

    def taken(self, account: str, username: str) -> bool:
        return any(trunk["sip_username"] == username and trunk["account"] == account for trunk in self.trunks.values())

    shortest = 8

    def check(self, body: Record, required: tuple[str, ...]) -> None:
        for name in required:
            if name not in body:
                raise Refused(400, "MISSING_REQUIRED", f"Missing required field: {name}")
        for name, value in body.items():
            if not self.allowed(name, value):
                raise Refused(400, "INVALID_PARAMS", self.complaint(name, value, body))

    def complaint(self, name: str, value: Any, body: Record) -> str:
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

    def update_trunk(self, account: str, request: Request, identity: str) -> Answer:
        trunk = self.find(account, identity)
        body = self.read(request)
        self.check(body, ())
        self.apply(trunk, select(body, CHANGING))
        return 200, self.changed(trunk)

    def apply(self, trunk: Record, changes: Record) -> None:
        trunk.update(changes)
        trunk["updated_at"] = self.now()

    def changed(self, trunk: Record) -> Record:
        return select(trunk, "id name status updated_at")


SERVERS: Mapping[str, type[Server]] = {"talkover": Talkover, "telepath": Telepath}


# --- seeded defects ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Defect:
    """A seeded defect: the law that finds it, and the most requests that its script may have."""

    name: str
    vendor: str
    server: Callable[[], Server]
    law: str
    most: int
    by_rules: bool = False


DEFECTS: list[Defect] = []


def seeded(law: str, most: int, *, by_rules: bool = False) -> Callable[[type[Server]], type[Server]]:
    """Add a server to the seeded defects. `by_rules` is whether a rule finds the defect in some scenario."""

    def kept(server: type[Server]) -> type[Server]:
        vendor = next(name for name, whole in SERVERS.items() if issubclass(server, whole))
        DEFECTS.append(Defect((server.__doc__ or "").rstrip("."), vendor, server, law, most, by_rules))
        return server

    return kept


# creating


@seeded("created_is_read_back", 2)
class ForgetsProxy(Talkover):
    """The outbound proxy is not stored."""

    def store(self, trunk: Record) -> None:
        super().store({**trunk, "outbound_proxy": None})


@seeded("created_is_read_back", 2)
class ForgetsUsername(Talkover):
    """Another user name is stored than was sent."""

    def store(self, trunk: Record) -> None:
        super().store({**trunk, "username": "user"})


@seeded("created_is_read_back", 2)
class CutsNames(Talkover):
    """The column of the name is too short."""

    def store(self, trunk: Record) -> None:
        super().store({**trunk, "name": trunk["name"][:100]})


@seeded("created_is_read_back", 2)
class PortIsSmall(Talkover):
    """The column of the port holds 15 bits."""

    def store(self, trunk: Record) -> None:
        super().store({**trunk, "port": min(trunk["port"], 32767)})


@seeded("created_is_read_back", 1)
class AnswersDefaults(Talkover):
    """The answer to a creation shows the default port instead of the one that was sent."""

    def made(self, trunk: Record) -> Record:
        return {**super().made(trunk), **self.defaults({"transport": trunk["transport"]})}


@seeded("created_is_read_back", 2)
class TwoClocks(Talkover):
    """The answer to a creation shows another time than is stored."""

    def made(self, trunk: Record) -> Record:
        return {**super().made(trunk), "created_at": "2026-11-19T00:00:00Z"}


@seeded("created_is_read_back", 2)
class VerifiedInTheList(Talkover):
    """The list shows every new trunk as verified."""

    def item(self, trunk: Record) -> Record:
        return {**super().item(trunk), "is_verified": True, "health_status": "healthy"}


@seeded("created_is_read_back", 2)
class WrongDomainInTheList(Talkover):
    """The list shows the domain without its first label."""

    def item(self, trunk: Record) -> Record:
        return {**super().item(trunk), "domain": trunk["domain"].partition(".")[2]}


@seeded("created_is_read_back", 3)
class NumberWithoutPlus(Talkover):
    """A number is stored without its plus."""

    def did(self, did: Record) -> Record:
        return {**super().did(did), "number": did["number"].replace("+", "+1")}


@seeded("created_is_read_back", 2)
class WrongParent(Talkover):
    """A new number shows its own id as that of its trunk."""

    def create_did(self, account: str, request: Request, identity: str) -> Answer:
        status, body = super().create_did(account, request, identity)
        body["data"]["trunk_id"] = body["data"]["id"]
        return status, body


@seeded("created_is_read_back", 2)
class ForgetsProvider(Telepath):
    """Every trunk is one of the first provider."""

    def item(self, trunk: Record) -> Record:
        return {**super().item(trunk), "ai_provider": "openai"}


@seeded("created_is_read_back", 2)
class ForgetsName(Telepath):
    """The name is the user name."""

    def store(self, trunk: Record) -> None:
        super().store({**trunk, "name": trunk["sip_username"]})


@seeded("created_is_found", 2)
class UnverifiedIsHidden(Talkover):
    """A trunk can only be read when it is verified."""

    def get_trunk(self, account: str, request: Request, identity: str) -> Answer:
        if not self.find(account, identity)["is_verified"]:
            raise Refused(404, "TRUNK_NOT_FOUND")
        return super().get_trunk(account, request, identity)


@seeded("created_is_found", 2)
class NobodyDeletes(Talkover):
    """The deletion looks for the trunk by its name."""

    def delete_trunk(self, account: str, request: Request, identity: str) -> Answer:
        raise Refused(404, "TRUNK_NOT_FOUND")


@seeded("created_is_found", 4)
class DeletesAll(Talkover):
    """A deletion forgets its WHERE clause."""

    def drop(self, trunk: Record) -> None:
        self.trunks.clear()


@seeded("created_is_found", 2)
class UpdatesNothing(Telepath):
    """The update looks for the trunk in another table."""

    def update_trunk(self, account: str, request: Request, identity: str) -> Answer:
        raise Refused(404, "TRUNK_NOT_FOUND")


@seeded("created_is_listed", 3)
class ListsActive(Talkover):
    """The list holds verified trunks only."""

    def listed(self, account: str) -> list[Record]:
        return [trunk for trunk in super().listed(account) if trunk["is_verified"]]


@seeded("created_is_listed", 5)
class ListsOne(Talkover):
    """The list holds the newest trunk only."""

    def listed(self, account: str) -> list[Record]:
        return super().listed(account)[-1:]


@seeded("created_is_listed", 4)
class NumbersAnywhere(Talkover):
    """The numbers of every trunk are shown with each."""

    def list_dids(self, account: str, request: Request, identity: str) -> Answer:
        self.find(account, identity)
        return self.done([self.did(did) for did in self.dids.values() if self.owned(account, did)])


@seeded("created_is_listed", 3)
class LosesTheNewest(Telepath):
    """The list is cached, and lacks the newest."""

    def ordered(self, items: list[Record]) -> list[Record]:
        return super().ordered(items)[1:]


@seeded("created_is_listed", 4)
class FilterIsOld(Telepath):
    """The filter by status looks into an index that new trunks are not in."""

    def filtered(self, items: list[Record], status: str) -> list[Record]:
        return [] if status else items


@seeded("created_is_counted", 3)
class TotalIsOld(Telepath):
    """The total is that of the last night."""

    def total(self, items: list[Record]) -> int:
        return 0


@seeded("created_is_counted", 3)
class TotalOfPage(Telepath):
    """The total counts one too many."""

    def total(self, items: list[Record]) -> int:
        return len(items) + 1


@seeded("defaults_are_applied", 1)
class DefaultUdp(Talkover):
    """The default transport is UDP."""

    def defaults(self, given: Record) -> Record:
        return {**super().defaults(given), "transport": given.get("transport", "udp")}


@seeded("defaults_are_applied", 1)
class PortOfTls(Talkover):
    """The default port is that of TLS for every transport."""

    def defaults(self, given: Record) -> Record:
        return {**super().defaults(given), "port": 5061}


@seeded("defaults_are_applied", 1)
class PortOfUdp(Talkover):
    """The default port is 5060 for every transport."""

    def defaults(self, given: Record) -> Record:
        return {**super().defaults(given), "port": 5060}


@seeded("defaults_are_applied", 1)
class PortOfTcp(Talkover):
    """The default port of TCP is that of TLS."""

    def defaults(self, given: Record) -> Record:
        return {**super().defaults(given), "port": 5060 if given.get("transport") == "udp" else 5061}


@seeded("defaults_are_applied", 1)
class ActiveAtOnce(Talkover):
    """A new trunk is active unless it is told otherwise."""

    def activity(self, given: Record) -> bool:
        return bool(given.get("is_active", True))


@seeded("defaults_are_applied", 2)
class ActiveInSecret(Talkover):
    """A new trunk is stored as active, although its answer says otherwise."""

    def store(self, trunk: Record) -> None:
        super().store({**trunk, "is_active": True})

    def made(self, trunk: Record) -> Record:
        return {**super().made(trunk), "is_active": False}


@seeded("valid_input_is_accepted", 1)
class ShortNames(Talkover):
    """A name of 255 characters is refused."""

    longest = 254


@seeded("valid_input_is_accepted", 1)
class PortBelow(Talkover):
    """The greatest port is refused."""

    def port_fits(self, port: int) -> bool:
        return 1 <= port < 65535


@seeded("valid_input_is_accepted", 1)
class PortAbove(Talkover):
    """The ports of the system are refused."""

    def port_fits(self, port: int) -> bool:
        return 1024 <= port <= 65535


@seeded("valid_input_is_accepted", 1)
class NoTcp(Talkover):
    """One of the transports was forgotten."""

    def allowed(self, name: str, value: Any) -> bool:
        return super().allowed(name, value) and value != "tcp"


@seeded("valid_input_is_accepted", 2)
class PutIsWhole(Talkover):
    """An update asks for everything that a creation asks for."""

    def update_trunk(self, account: str, request: Request, identity: str) -> Answer:
        self.check(self.read(request), ("name", "provider_name", "domain", "username", "password"))
        return super().update_trunk(account, request, identity)


@seeded("valid_input_is_accepted", 1)
class LongPasswords(Telepath):
    """A password of eight characters is refused."""

    shortest = 9


@seeded("conditional_inputs_are_required", 1)
class NoOpenaiKey(Telepath):
    """A trunk of the first provider is created without its key."""

    def keys(self, provider: str) -> tuple[str, ...]:
        return () if provider == "openai" else super().keys(provider)


@seeded("conditional_inputs_are_required", 1)
class NoAgent(Telepath):
    """A trunk of the second provider is created without its agent."""

    def keys(self, provider: str) -> tuple[str, ...]:
        return super().keys(provider)[:1]


@seeded("conditional_inputs_are_required", 1)
class NoEndpoint(Telepath):
    """A trunk with a custom provider is created without its endpoint."""

    def keys(self, provider: str) -> tuple[str, ...]:
        return () if provider == "custom" else super().keys(provider)


@seeded("refuses_invalid", 1, by_rules=True)
class AnyPort(Talkover):
    """The port is not checked."""

    def port_fits(self, port: int) -> bool:
        return True


@seeded("refuses_invalid", 2, by_rules=True)
class NamesOfAnyLength(Talkover):
    """The length of a name is checked at its creation only, and not there either."""

    longest = 10_000


@seeded("ids_are_never_reused", 3)
class CountsRows(Talkover):
    """The id is the number of rows."""

    def new_id(self, kind: str) -> str:
        return f"{kind}_{len(self.trunks) + len(self.dids) + 1}"


@seeded("ids_are_never_reused", 2)
class SameSecond(Telepath):
    """The id is made from a clock that does not advance."""

    def new_id(self, kind: str) -> str:
        return f"{kind}_{len(self.trunks) // 2}"


# changing


@seeded("update_shows", 3)
class UpdateIsLost(Talkover):
    """An update is answered and not stored."""

    def apply(self, trunk: Record, changes: Record) -> None:
        copy = {**trunk}
        super().apply(copy, changes)
        self.answer = copy

    def changed(self, trunk: Record) -> Record:
        return super().changed(self.answer)


@seeded("update_shows", 3)
class RealmStays(Talkover):
    """An update leaves the realm out."""

    def kept(self, trunk: Record, changes: Record) -> Record:
        return {name: value for name, value in super().kept(trunk, changes).items() if name != "auth_realm"}


@seeded("update_shows", 3)
class ListIsOld(Talkover):
    """The list shows names as they were at first."""

    def store(self, trunk: Record) -> None:
        super().store({**trunk, "first": trunk["name"]})

    def item(self, trunk: Record) -> Record:
        return {**super().item(trunk), "name": trunk["first"]}


@seeded("update_shows", 2)
class AnswersBefore(Talkover):
    """The answer to an update shows the name before it."""

    def apply(self, trunk: Record, changes: Record) -> None:
        self.before = trunk["name"]
        super().apply(trunk, changes)

    def changed(self, trunk: Record) -> Record:
        return {**super().changed(trunk), "name": self.before}


@seeded("update_shows", 4)
class NeverActive(Talkover):
    """A verified trunk is not activated."""

    def kept(self, trunk: Record, changes: Record) -> Record:
        return {**super().kept(trunk, changes), "is_active": False}


@seeded("update_shows", 3)
class ListIsOldToo(Telepath):
    """The list shows names as they were at first."""

    def apply(self, trunk: Record, changes: Record) -> None:
        super().apply(trunk, {**changes, "name": trunk["name"]})
        self.renamed = changes.get("name", trunk["name"])

    def changed(self, trunk: Record) -> Record:
        return {**super().changed(trunk), "name": self.renamed}


@seeded("update_leaves_the_rest", 3)
class ReplacesAll(Talkover):
    """An update replaces the whole trunk."""

    def kept(self, trunk: Record, changes: Record) -> Record:
        return {**dict.fromkeys(("outbound_proxy", "auth_realm")), **super().kept(trunk, changes)}


@seeded("update_leaves_the_rest", 3)
class DefaultsAgain(Talkover):
    """An update applies the defaults of a creation."""

    def kept(self, trunk: Record, changes: Record) -> Record:
        return {**self.defaults(changes), **super().kept(trunk, changes)}


@seeded("update_leaves_the_rest", 4)
class Deactivates(Talkover):
    """Whoever does not say that a trunk stays active switches it off."""

    def kept(self, trunk: Record, changes: Record) -> Record:
        return {**super().kept(trunk, changes), "is_active": bool(changes.get("is_active") and trunk["is_verified"])}


@seeded("update_leaves_the_rest", 3)
class BornAgain(Talkover):
    """An update moves the time of the creation."""

    def apply(self, trunk: Record, changes: Record) -> None:
        super().apply(trunk, changes)
        trunk["created_at"] = trunk["updated_at"] = "2026-12-01T00:00:00Z"


@seeded("update_leaves_the_rest", 3)
class NewUser(Talkover):
    """A change of the domain takes the user name with it."""

    def kept(self, trunk: Record, changes: Record) -> Record:
        user = {"username": "user"} if "domain" in changes else {}
        return {**user, **super().kept(trunk, changes)}


@seeded("update_leaves_the_rest", 3)
class OtherProvider(Telepath):
    """An update makes the trunk one of the first provider."""

    def apply(self, trunk: Record, changes: Record) -> None:
        super().apply(trunk, {**changes, "ai_provider": "openai"})


@seeded("update_leaves_the_rest", 4)
class UpdatesTheNewest(Telepath):
    """An update gives every trunk of the account the name."""

    def apply(self, trunk: Record, changes: Record) -> None:
        super().apply(trunk, {**changes, "sip_username": "renamed"})


@seeded("created_is_read_back", 4)
class RenamesOthers(Telepath):
    """An update renames the newest of the others as well."""

    def apply(self, trunk: Record, changes: Record) -> None:
        super().apply(trunk, changes)
        others = [other for other in self.trunks.values() if other is not trunk and self.owned(trunk["account"], other)]
        if others:
            others[-1]["name"] = trunk["name"]


@seeded("created_is_read_back", 2)
class AnswersAnother(Telepath):
    """The answer to an update carries another id."""

    def changed(self, trunk: Record) -> Record:
        return {**super().changed(trunk), "id": self.new_id("conn")}


@seeded("connectivity_change_resets", 3)
class DomainStaysVerified(Talkover):
    """A change of the domain leaves the trunk verified."""

    def hangs(self) -> set[str]:
        return super().hangs() - {"domain"}


@seeded("connectivity_change_resets", 3)
class TransportStaysVerified(Talkover):
    """A change of the transport leaves the trunk verified."""

    def hangs(self) -> set[str]:
        return super().hangs() - {"transport"}


@seeded("connectivity_change_resets", 3)
class CredentialsStayVerified(Talkover):
    """A change of the credentials leaves the trunk verified."""

    def hangs(self) -> set[str]:
        return super().hangs() - {"username", "password"}


@seeded("connectivity_change_resets", 4)
class ResetIsLost(Talkover):
    """The reset is answered and not stored."""

    def apply(self, trunk: Record, changes: Record) -> None:
        before = trunk["is_verified"]
        super().apply(trunk, changes)
        self.shown, trunk["is_verified"] = trunk["is_verified"], before

    def changed(self, trunk: Record) -> Record:
        return {**super().changed(trunk), "is_verified": self.shown}


@seeded("other_changes_reset_nothing", 3)
class NameResets(Talkover):
    """A new name has to be verified."""

    def hangs(self) -> set[str]:
        return super().hangs() | {"name"}


@seeded("other_changes_reset_nothing", 4)
class ActivityResets(Talkover):
    """A trunk that is switched on or off has to be verified."""

    def hangs(self) -> set[str]:
        return super().hangs() | {"is_active"}


# acting


@seeded("action_shows_in_a_read", 3)
class VerifiesNothing(Talkover):
    """The result of a verification is not stored."""

    def verified(self, trunk: Record, found: Record) -> None:
        trunk["last_health_check_at"] = found["last_health_check_at"]


@seeded("action_shows_in_a_read", 3)
class VerifiedNotListed(Talkover):
    """The list shows every trunk as it was before its verification."""

    def item(self, trunk: Record) -> Record:
        return {**super().item(trunk), "is_verified": False}


@seeded("action_leaves_the_rest", 4)
class HealthClears(Talkover):
    """A health check resets the verification."""

    def checked(self, trunk: Record) -> None:
        trunk["is_verified"] = False


@seeded("action_leaves_the_rest", 3)
class HealthVerifies(Talkover):
    """A health check verifies the trunk."""

    def checked(self, trunk: Record) -> None:
        trunk.update(is_verified=True, health_status="healthy", last_health_check_at=self.now())


@seeded("created_is_read_back", 3)
class VerifyMoves(Talkover):
    """A verification writes the address that it reached."""

    def verified(self, trunk: Record, found: Record) -> None:
        super().verified(trunk, {**found, "domain": "192.0.2.1"})


# refusing


@seeded("refused_requests_change_nothing", 3)
class HalfApplied(Talkover):
    """An update is applied field by field until one is wrong."""

    def update_trunk(self, account: str, request: Request, identity: str) -> Answer:
        trunk = self.find(account, identity)
        for name, value in self.read(request).items():
            self.check({name: value}, ())
            self.apply(trunk, {name: value} if name in LINE.split() else {})
        return super().update_trunk(account, request, identity)


@seeded("refused_requests_change_nothing", 2)
class StoredAnyway(Talkover):
    """A trunk is stored before its optional fields are looked at."""

    def create_trunk(self, account: str, request: Request) -> Answer:
        body = self.read(request)
        self.check({}, ()) if "port" in body else None
        try:
            return super().create_trunk(account, request)
        except Refused:
            if {"name", "domain", "provider_name"} <= body.keys():
                self.store(self.fresh(account, body))
            raise


@seeded("refused_requests_change_nothing", 4)
class ConflictIsStored(Talkover):
    """A number that is there already is refused, and stored again."""

    def taken(self, account: str, trunk: Record, number: str) -> bool:
        taken = super().taken(account, trunk, number)
        if taken:
            twin = {"id": self.new_id("did"), "account": account, "trunk_id": trunk["id"], "number": number}
            self.keep({**twin, "country_code": "US", "formatted_number": number})
        return taken


@seeded("created_is_found", 5)
class RefusedAndDeleted(Talkover):
    """A trunk with numbers is refused to be deleted, and is gone."""

    def has_dids(self, trunk: Record) -> bool:
        full = super().has_dids(trunk)
        if full:
            trunk["deleted"] = True
        return full


@seeded("refused_requests_change_nothing", 3)
class HalfAppliedToo(Telepath):
    """An update is applied before it is checked."""

    def update_trunk(self, account: str, request: Request, identity: str) -> Answer:
        body = self.read(request)
        self.apply(self.find(account, identity), select(body, "name"))
        return super().update_trunk(account, request, identity)


@seeded("refused_requests_change_nothing", 2)
class StoredAnywayToo(Telepath):
    """A trunk is stored before its keys are asked for."""

    def create_trunk(self, account: str, request: Request) -> Answer:
        try:
            return super().create_trunk(account, request)
        except Refused as refused:
            if refused.code == "MISSING_REQUIRED" and "key" in refused.message:
                body = {"status": "active", "created_at": self.now(), "updated_at": self.now(), **self.read(request)}
                self.store({"id": self.new_id("conn"), "account": account, **body})
            raise


@seeded("conflicts_are_refused", 3)
class NumbersTwice(Talkover):
    """No number is looked for before it is added."""

    def taken(self, account: str, trunk: Record, number: str) -> bool:
        return False


@seeded("conflicts_are_refused", 4)
class NumbersPerTrunk(Talkover):
    """A number is looked for on its own trunk only."""

    def taken(self, account: str, trunk: Record, number: str) -> bool:
        return any(did["number"] == number and did["trunk_id"] == trunk["id"] for did in self.dids.values())


@seeded("conflicts_are_refused", 3)
class DeletesFull(Talkover):
    """A trunk with numbers is deleted."""

    def has_dids(self, trunk: Record) -> bool:
        return False


@seeded("conflicts_are_refused", 3)
class OtherCode(Talkover):
    """A trunk with numbers is refused with a code of its own."""

    def delete_trunk(self, account: str, request: Request, identity: str) -> Answer:
        try:
            return super().delete_trunk(account, request, identity)
        except Refused as refused:
            raise Refused(refused.status, refused.code.replace("TRUNK_HAS_DIDS", "CONFLICT")) from None


@seeded("conflicts_are_refused", 3)
class OtherStatus(Talkover):
    """A number that is there already is refused as wrong."""

    def create_did(self, account: str, request: Request, identity: str) -> Answer:
        try:
            return super().create_did(account, request, identity)
        except Refused as refused:
            raise Refused(422 if refused.status == 409 else refused.status, refused.code) from None


@seeded("conflicts_are_refused", 2)
class NamesTwice(Telepath):
    """No user name is looked for before it is taken."""

    def taken(self, account: str, username: str) -> bool:
        return False


@seeded("conflict_needs_a_reason", 5)
class OneNumber(Talkover):
    """Once there is a number, every other is there already."""

    def taken(self, account: str, trunk: Record, number: str) -> bool:
        return bool(self.dids)


@seeded("conflict_needs_a_reason", 4)
class FullForever(Talkover):
    """A trunk that had numbers can never be deleted."""

    had: ClassVar[set[str]] = set()

    def keep(self, did: Record) -> None:
        super().keep(did)
        self.had.add(did["trunk_id"])

    def has_dids(self, trunk: Record) -> bool:
        return trunk["id"] in self.had


@seeded("conflict_needs_a_reason", 3)
class UsedForever(Talkover):
    """Every number is in use."""

    def used(self, did: Record) -> bool:
        return True


# deleting


@seeded("created_is_read_back", 2)
class AsciiNames(Talkover):
    """The column of the name knows ASCII only."""

    def store(self, trunk: Record) -> None:
        super().store({**trunk, "name": trunk["name"].encode("ascii", "replace").decode()})


@seeded("created_is_listed", 7)
class ListsFour(Talkover):
    """The list shows the four newest."""

    def listed(self, account: str) -> list[Record]:
        return super().listed(account)[-4:]


@seeded("update_shows", 5)
class HealthStandsDown(Talkover):
    """A health check switches an active trunk off."""

    def checked(self, trunk: Record) -> None:
        trunk["is_active"] = False


@seeded("created_is_read_back", 4)
class VerifiesAll(Talkover):
    """A verification verifies every trunk of the account."""

    def verified(self, trunk: Record, found: Record) -> None:
        for other in self.trunks.values():
            if other["account"] == trunk["account"]:
                other.update(found)


@seeded("action_shows_in_a_read", 5)
class UnverifiesAll(Talkover):
    """A new domain of one trunk takes the verification of all."""

    def apply(self, trunk: Record, changes: Record) -> None:
        if self.resets(trunk, changes):
            for other in self.trunks.values():
                other["is_verified"] = other["is_verified"] and other["account"] != trunk["account"]
        super().apply(trunk, changes)


@seeded("created_is_found", 4)
class DropsNumbers(Talkover):
    """A new domain drops the numbers of its trunk."""

    def apply(self, trunk: Record, changes: Record) -> None:
        if "domain" in changes:
            self.dids = {name: did for name, did in self.dids.items() if did["trunk_id"] != trunk["id"]}
        super().apply(trunk, changes)


@seeded("ids_are_never_reused", 2)
class AnswersTheFirst(Talkover):
    """A second trunk of a domain is answered with the first."""

    def create_trunk(self, account: str, request: Request) -> Answer:
        wanted = self.read(request).get("domain")
        for trunk in self.listed(account):
            if trunk["domain"] == wanted:
                return self.done(self.made(trunk), self.created_status)
        return super().create_trunk(account, request)


@seeded("deleted_is_gone", 3)
class ListedStill(Talkover):
    """A deleted trunk is still listed."""

    def drop(self, trunk: Record) -> None:
        trunk["deleted"] = True

    def listed(self, account: str) -> list[Record]:
        return [trunk for trunk in self.trunks.values() if self.owned(account, trunk)]


@seeded("deleted_is_gone", 3)
class ReadStill(Talkover):
    """A deleted trunk can still be read."""

    def drop(self, trunk: Record) -> None:
        trunk["deleted"] = True

    def get_trunk(self, account: str, request: Request, identity: str) -> Answer:
        return (
            self.done(self.detail(self.trunks[identity]))
            if identity in self.trunks
            else super().get_trunk(account, request, identity)
        )


@seeded("deleted_is_gone", 3)
class ChangedStill(Talkover):
    """A deleted trunk can still be changed."""

    def drop(self, trunk: Record) -> None:
        trunk["deleted"] = True

    def update_trunk(self, account: str, request: Request, identity: str) -> Answer:
        return (
            self.done(self.changed(self.trunks[identity]))
            if identity in self.trunks
            else super().update_trunk(account, request, identity)
        )


@seeded("deleted_is_gone", 3)
class VerifiedStill(Talkover):
    """A deleted trunk can still be verified."""

    def drop(self, trunk: Record) -> None:
        trunk["deleted"] = True

    def verify(self, account: str, request: Request, identity: str) -> Answer:
        self.trunks.get(identity, {}).pop("deleted", None)
        return super().verify(account, request, identity)


@seeded("deleted_is_gone", 3)
class NumbersForGone(Talkover):
    """A number can be added to a deleted trunk."""

    def drop(self, trunk: Record) -> None:
        trunk["deleted"] = True

    def create_did(self, account: str, request: Request, identity: str) -> Answer:
        trunk = self.trunks.get(identity, {})
        deleted = trunk.pop("deleted", False)
        try:
            return super().create_did(account, request, identity)
        finally:
            if deleted:
                trunk["deleted"] = True


@seeded("update_leaves_the_rest", 3)
class PortForgetsTheProxy(Talkover):
    """A change of the port is written with the default of the other address."""

    def apply(self, trunk: Record, changes: Record) -> None:
        lost = {"outbound_proxy": None} if "port" in changes and "outbound_proxy" not in changes else {}
        super().apply(trunk, {**lost, **changes})


@seeded("update_shows", 4)
class ListKeepsWhatItShowedFirst(Talkover):
    """The list remembers the provider that it showed first."""

    def item(self, trunk: Record) -> Record:
        return {**super().item(trunk), "provider_name": trunk.setdefault("shown", trunk["provider_name"])}


@seeded("deleted_is_gone", 2)
class DeletionNeedsABody(Talkover):
    """A deletion is refused as wrong, since it has no body."""

    def delete_trunk(self, account: str, request: Request, identity: str) -> Answer:
        self.find(account, identity)
        raise Refused(400, "MALFORMED_BODY")


@seeded("deleted_is_gone", 4)
class NumberListedStill(Talkover):
    """A deleted number is still listed."""

    def release(self, did: Record) -> None:
        self.dids[f"{did['id']}-old"] = self.dids.pop(did["id"])


@seeded("second_deletion_is_not_found", 3)
class DeletedTwice(Talkover):
    """A second deletion is a success."""

    def drop(self, trunk: Record) -> None:
        trunk["deleted"] = True

    def delete_trunk(self, account: str, request: Request, identity: str) -> Answer:
        self.trunks.get(identity, {}).pop("deleted", None)
        return super().delete_trunk(account, request, identity)


@seeded("second_deletion_is_not_found", 4)
class NumberDeletedTwice(Talkover):
    """A second deletion of a number is a success."""

    def delete_did(self, account: str, request: Request, trunk_id: str, identity: str) -> Answer:
        self.find(account, trunk_id)
        did = self.dids.get(identity)
        if did is not None and (not self.owned(account, did) or did["trunk_id"] != trunk_id):
            raise Refused(404, "DID_NOT_FOUND")
        self.dids.pop(identity, None)
        return 200, {"success": True, "message": "DID removed"}


@seeded("items_are_found_only_under_their_parent", 4)
class AnyTrunkWillDo(Talkover):
    """A number is deleted below any trunk."""

    def delete_did(self, account: str, request: Request, trunk_id: str, identity: str) -> Answer:
        self.find(account, trunk_id)
        did = self.dids.get(identity)
        return super().delete_did(account, request, did["trunk_id"] if did else trunk_id, identity)


@seeded("update_shows", 4)
class ListIsBehind(Talkover):
    """A change of the port has to be verified, and the list is not told."""

    def hangs(self) -> set[str]:
        return super().hangs() | {"port"}

    def apply(self, trunk: Record, changes: Record) -> None:
        trunk["behind"] = trunk["is_verified"] and changes.keys() == {"port"}
        super().apply(trunk, changes)

    def item(self, trunk: Record) -> Record:
        return {**super().item(trunk), "is_verified": trunk["is_verified"] or trunk.get("behind", False)}


@seeded("list_and_detail_agree", 5)
class NumbersVerify(Talkover):
    """The list takes every trunk with numbers for verified."""

    def item(self, trunk: Record) -> Record:
        return {**super().item(trunk), "is_verified": trunk["is_verified"] or self.has_dids(trunk)}


# secrets


@seeded("secrets_never_come_back", 1)
class QuotesBody(Talkover):
    """The refusal of a body quotes it."""

    def complaint(self, name: str, value: Any, body: Record) -> str:
        return f"{name} is wrong in {json.dumps(body)}"


@seeded("secrets_never_come_back", 1)
class SecretInAnswer(Talkover):
    """The answer to a creation carries the address to register with, password included."""

    def made(self, trunk: Record) -> Record:
        return {**super().made(trunk), "uri": f"sip:{trunk['username']}:{trunk['password']}@{trunk['domain']}"}


@seeded("secrets_never_come_back", 2)
class SecretInDetail(Talkover):
    """A fetched trunk shows the password under another name."""

    def detail(self, trunk: Record) -> Record:
        return {**super().detail(trunk), "credential": trunk["password"]}


@seeded("secrets_never_come_back", 2)
class SecretInUpdate(Talkover):
    """The answer to an update repeats the values that were sent."""

    def apply(self, trunk: Record, changes: Record) -> None:
        super().apply(trunk, changes)
        self.told = [str(value) for value in changes.values()]

    def changed(self, trunk: Record) -> Record:
        return {**super().changed(trunk), "changes": self.told}


@seeded("secrets_never_come_back", 1)
class KeyInHeader(Telepath):
    """The answer to a creation has the key in a header."""

    def headers(self) -> dict[str, str]:
        newest = next(reversed(self.trunks.values()), {})
        return {**super().headers(), "x-provider": newest.get("openai_api_key", "")}


@seeded("secrets_never_come_back", 2)
class KeyInUpdate(Telepath):
    """The answer to an update shows the key."""

    def changed(self, trunk: Record) -> Record:
        return {**super().changed(trunk), "key": trunk.get("openai_api_key", "")}


@seeded("secrets_never_come_back", 1)
class QuotesValue(Telepath):
    """The refusal of a value quotes the whole body."""

    def complaint(self, name: str, value: Any, body: Record) -> str:
        return f"Invalid {name}: {body}"


# accounts


class Open(Talkover):
    """A trunk of any account is found by some operations."""

    opened: ClassVar[frozenset[str]] = frozenset()

    def routed(self, request: Request) -> Answer:
        self.by = f"{request.method} {re.sub('_[0-9]+', '', request.path)}"
        return super().routed(request)

    def owned(self, account: str, record: Record) -> bool:
        return super().owned(account, record) or self.by in self.opened


def opened(by: str, most: int) -> None:
    """Add a server to the seeded defects that does not check the account in one operation."""
    server = type(
        "Opened", (Open,), {"opened": frozenset({by}), "__doc__": f"{by} does not check the account of the trunk."}
    )
    seeded("accounts_are_apart", most)(server)


opened("GET /sip-trunks", 2)
opened("GET /sip-trunks/trunk", 2)
opened("PUT /sip-trunks/trunk", 2)
opened("DELETE /sip-trunks/trunk", 2)
opened("POST /sip-trunks/trunk/verify", 2)
opened("GET /sip-trunks/trunk/health", 2)
opened("GET /sip-trunks/trunk/dids", 3)
opened("POST /sip-trunks/trunk/dids", 2)
opened("DELETE /sip-trunks/trunk/dids/did", 3)


@seeded("accounts_are_apart", 4)
class RefusedAndDone(Talkover):
    """The update of another account is refused after it was applied."""

    def update_trunk(self, account: str, request: Request, identity: str) -> Answer:
        trunk = self.trunks.get(identity)
        if trunk and trunk["account"] != account and not trunk.get("deleted"):
            self.apply(trunk, select(self.read(request), "name"))
        return super().update_trunk(account, request, identity)


@seeded("accounts_are_apart", 2)
class UpdatesAny(Telepath):
    """An update does not check the account of the trunk."""

    def find(self, account: str, identity: str) -> Record:
        return super().find(self.trunks.get(identity, {}).get("account", account), identity)


@seeded("accounts_are_apart", 2)
class ListsAny(Telepath):
    """The list does not check the account of the trunks."""

    def listed(self, account: str) -> list[Record]:
        return list(self.trunks.values())


# --- seeded defects that take several moves in a row ------------------------------------------------------------------

ONLY_RANDOM_FINDS: list[Defect] = []
"""The seeded defects that random scenarios find and fixed ones do not. They were written before they were tried."""


def only_random_finds(law: str) -> Callable[[type[Server]], type[Server]]:
    """Add a server to the seeded defects that only random scenarios find."""

    def kept(server: type[Server]) -> type[Server]:
        ONLY_RANDOM_FINDS.append(Defect((server.__doc__ or "").rstrip("."), "talkover", server, law, 20))
        return server

    return kept


@only_random_finds("action_shows_in_a_read")
class VerifiedOnceOnly(Talkover):
    """A trunk that was verified, reset and verified again is listed as unverified."""

    def verified(self, trunk: Record, found: Record) -> None:
        super().verified(trunk, found)
        trunk["times"] = trunk.get("times", 0) + 1

    def item(self, trunk: Record) -> Record:
        return {**super().item(trunk), "is_verified": trunk["is_verified"] and trunk.get("times", 0) < 2}


@only_random_finds("created_is_found")
class DeletesANeighbour(Talkover):
    """The deletion of a trunk deletes a number of another one."""

    def drop(self, trunk: Record) -> None:
        super().drop(trunk)
        self.dids = dict(list(self.dids.items())[1:])


@only_random_finds("update_shows")
class FrozenByConflict(Talkover):
    """After a refused deletion a trunk takes no updates any more."""

    def has_dids(self, trunk: Record) -> bool:
        trunk["frozen"] = super().has_dids(trunk)
        return bool(trunk["frozen"])

    def kept(self, trunk: Record, changes: Record) -> Record:
        return {} if trunk.get("frozen") else super().kept(trunk, changes)


@only_random_finds("created_is_read_back")
class MovedByConflict(Talkover):
    """After a conflict the next number is added to the oldest trunk."""

    conflict = False

    def taken(self, account: str, trunk: Record, number: str) -> bool:
        taken = super().taken(account, trunk, number)
        self.conflict = self.conflict or taken
        return taken

    def keep(self, did: Record) -> None:
        if self.conflict:
            self.conflict, did["trunk_id"] = False, next(iter(self.trunks))
        super().keep(did)


@only_random_finds("update_shows")
class HealthRestores(Talkover):
    """A health check after a change of the domain brings the old domain back."""

    def apply(self, trunk: Record, changes: Record) -> None:
        if "domain" in changes:
            trunk["old"] = trunk["domain"]
        super().apply(trunk, changes)

    def checked(self, trunk: Record) -> None:
        trunk["domain"] = trunk.get("old", trunk["domain"])


# --- what no page settles ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Variation:
    """A lawful variant. `note` is whether it breaks a custom, which is worth a note."""

    name: str
    vendor: str
    server: Callable[[], Server]
    note: bool


LAWFUL: list[Variation] = []


def lawful(server: type[Server], *, note: bool = False) -> type[Server]:
    """Add a server to the lawful variants."""
    vendor = next(name for name, whole in SERVERS.items() if issubclass(server, whole))
    LAWFUL.append(Variation((server.__doc__ or "").rstrip("."), vendor, server, note))
    return server


lawful(Talkover)
lawful(Telepath)


@lawful
class PortFollowsTransport(Talkover):
    """Another transport without a port brings its own port, also where another was chosen."""

    def apply(self, trunk: Record, changes: Record) -> None:
        ports = self.defaults(changes) if "transport" in changes and "port" not in changes else {}
        super().apply(trunk, {**ports, **changes})


@lawful
class NullIsNotSent(Talkover):
    """A null is read as an input that was not sent."""

    def read(self, request: Request) -> Record:
        sent = super().read(request)
        return {name: value for name, value in sent.items() if value is not None}


@lawful
class CreatedIs200(Talkover):
    """A creation is answered with 200."""

    created_status = 200


@lawful
class CreatedIs201(Telepath):
    """A creation is answered with 201."""

    created_status = 201


@lawful
class CreatedIs202(Talkover):
    """A creation is answered with 202."""

    created_status = 202


@lawful
class FullObjects(Talkover):
    """Every answer about a trunk shows the whole trunk."""

    def item(self, trunk: Record) -> Record:
        return select(trunk, FULL)

    made = changed = item


@lawful
class FullObjectsToo(Telepath):
    """Every answer about a trunk shows the whole trunk."""

    def made(self, trunk: Record) -> Record:
        return {**self.item(trunk), **super().made(trunk)}

    def changed(self, trunk: Record) -> Record:
        return self.item(trunk)


@lawful
class IdOnly(Talkover):
    """The answers to a creation and an update show the id only."""

    def made(self, trunk: Record) -> Record:
        return select(trunk, "id")

    changed = made


@lawful
class IdOnlyToo(Telepath):
    """The answers to a creation and an update show the id only."""

    def made(self, trunk: Record) -> Record:
        return select(trunk, "id")

    changed = made


@lawful
class NothingSaid(Talkover):
    """Deletions and updates are answered with 204."""

    def update_trunk(self, account: str, request: Request, identity: str) -> Answer:
        super().update_trunk(account, request, identity)
        return 204, None

    def delete_trunk(self, account: str, request: Request, identity: str) -> Answer:
        super().delete_trunk(account, request, identity)
        return 204, None

    def delete_did(self, account: str, request: Request, trunk_id: str, identity: str) -> Answer:
        super().delete_did(account, request, trunk_id, identity)
        return 204, None


@lawful
class InvalidIs400(Talkover):
    """An invalid body is answered with 400."""

    def routed(self, request: Request) -> Answer:
        try:
            return super().routed(request)
        except Refused as refused:
            raise Refused(400 if refused.status == 422 else refused.status, refused.code) from None


@lawful
class InvalidIs422(Telepath):
    """An invalid body is answered with 422."""

    def routed(self, request: Request) -> Answer:
        try:
            return super().routed(request)
        except Refused as refused:
            raise Refused(422 if refused.status == 400 else refused.status, refused.code) from None


@lawful
class TakenIs400(Telepath):
    """A user name that is taken is answered as wrong."""

    def routed(self, request: Request) -> Answer:
        try:
            return super().routed(request)
        except Refused as refused:
            raise Refused(400 if refused.status == 409 else refused.status, "INVALID_PARAMS") from None


@lawful
class ActiveAnyway(Talkover):
    """A trunk may be active before it is verified."""

    def activity(self, given: Record) -> bool:
        return bool(given.get("is_active", False))

    def kept(self, trunk: Record, changes: Record) -> Record:
        return changes

    def resets(self, trunk: Record, changes: Record) -> bool:
        if super().resets(trunk, changes):
            trunk["is_verified"] = False
        return False


@lawful
class ActiveIsRefused(Talkover):
    """The activation of an unverified trunk is refused."""

    def activity(self, given: Record) -> bool:
        if given.get("is_active"):
            raise Refused(422, "VALIDATION_ERROR")
        return False

    def apply(self, trunk: Record, changes: Record) -> None:
        if changes.get("is_active") and (not trunk["is_verified"] or self.resets(trunk, changes)):
            raise Refused(422, "VALIDATION_ERROR")
        super().apply(trunk, changes)


@lawful
class VerifyActivates(Talkover):
    """A verification activates."""

    def verified(self, trunk: Record, found: Record) -> None:
        super().verified(trunk, {**found, "is_active": True})


@lawful
class NobodyAnswers(Talkover):
    """No carrier can be reached."""

    def verify(self, account: str, request: Request, identity: str) -> Answer:
        self.find(account, identity).update(is_verified=False, is_active=False, health_status="unhealthy")
        found = {"is_verified": False, "health_status": "unhealthy", "error": "Connection timeout"}
        return 200, {"success": False, "data": found}


@lawful
class FailureIsRefused(Talkover):
    """A verification that fails is answered with 422."""

    def verify(self, account: str, request: Request, identity: str) -> Answer:
        self.find(account, identity).update(is_verified=False, health_status="unhealthy")
        return 422, {"success": False, "data": {"is_verified": False, "health_status": "unhealthy", "error": "no"}}


@lawful
class NowAndThen(Talkover):
    """A carrier is reached every other time."""

    def verify(self, account: str, request: Request, identity: str) -> Answer:
        up = next(self.numbers) % 2 == 0
        found = {"is_verified": up, "health_status": "healthy" if up else "unhealthy"}
        found |= {"last_health_check_at": self.now()} if up else {"error": "Connection timeout"}
        trunk = self.find(account, identity)
        trunk.update(is_verified=up, health_status=found["health_status"], last_health_check_at=self.now())
        return 200, {"success": up, "data": found}


@lawful
class StoresReadOnly(Talkover):
    """An update stores that the trunk is verified."""

    def update_trunk(self, account: str, request: Request, identity: str) -> Answer:
        super().update_trunk(account, request, identity)
        trunk = self.find(account, identity)
        trunk.update(select(self.read(request), "is_verified"))
        return self.done(self.changed(trunk))


@lawful
class RefusesReadOnly(Talkover):
    """A field that is no input is refused."""

    def check(self, body: Record, required: tuple[str, ...]) -> None:
        if not body.keys() <= {*LINE.split()}:
            raise Refused(422, "VALIDATION_ERROR")
        super().check(body, required)


@lawful
class RefusesReadOnlyToo(Telepath):
    """An update of a field that only a creation takes is a conflict."""

    def update_trunk(self, account: str, request: Request, identity: str) -> Answer:
        if "ai_provider" in self.read(request):
            raise Refused(409, "IMMUTABLE")
        return super().update_trunk(account, request, identity)


@lawful
class HealthWrites(Talkover):
    """A health check stores its result."""

    def checked(self, trunk: Record) -> None:
        trunk.update(health_status="healthy", last_health_check_at=self.now(), updated_at=self.now())


@lawful
class MoreResets(Talkover):
    """Every update of a connection resets, even to the same value."""

    def resets(self, trunk: Record, changes: Record) -> bool:
        hangs = self.hangs() | {"port", "outbound_proxy", "auth_realm", "provider_name"}
        return bool(hangs & changes.keys())


@lawful
class BothCredentials(Talkover):
    """Only a change of both credentials resets."""

    def resets(self, trunk: Record, changes: Record) -> bool:
        both = all(name in changes and changes[name] != trunk[name] for name in ("username", "password"))
        return both or any(changes.get(name, trunk[name]) != trunk[name] for name in ("domain", "transport"))


@lawful
class PortFollows(Talkover):
    """A default port follows the transport."""

    def fresh(self, account: str, body: Record) -> Record:
        return {**super().fresh(account, body), "chosen": "port" in body}

    def kept(self, trunk: Record, changes: Record) -> Record:
        trunk["chosen"] = trunk["chosen"] or "port" in changes
        follows = "transport" in changes and not trunk["chosen"]
        port = {"port": self.defaults(changes)["port"]} if follows else {}
        return {**super().kept(trunk, changes), **port}


@lawful
class OtherSpelling(Talkover):
    """The list shows times with fractions and another notation of the zone."""

    def item(self, trunk: Record) -> Record:
        return {**super().item(trunk), "created_at": trunk["created_at"].replace("Z", ".250+00:00")}


@lawful
class CapitalIds(Talkover):
    """The ids are UUIDs, in capitals in the list."""

    def new_id(self, kind: str) -> str:
        return f"8f14e45f-ceea-467a-9575-{next(self.numbers):012x}"

    def item(self, trunk: Record) -> Record:
        return {**super().item(trunk), "id": trunk["id"].upper()}


@lawful
class UsedAgain(Talkover):
    """A number that was deleted cannot be added again."""

    def release(self, did: Record) -> None:
        super().release(did)
        self.__dict__.setdefault("numbers_of_old", set()).add(did["number"])

    def taken(self, account: str, trunk: Record, number: str) -> bool:
        return super().taken(account, trunk, number) or number in self.__dict__.get("numbers_of_old", ())


@lawful
class TakenAnywhere(Telepath):
    """A user name is one on the whole network."""

    def taken(self, account: str, username: str) -> bool:
        return any(trunk["sip_username"] == username for trunk in self.trunks.values())


@lawful
class Coerces(Talkover):
    """A value of another type is converted."""

    def check(self, body: Record, required: tuple[str, ...]) -> None:
        meant = {"is_active": True, "port": 5060, "transport": "udp"}
        for name in body:
            if name in meant and not self.allowed(name, body[name]):
                body[name] = meant[name]
        super().check(body, required)

    def activity(self, given: Record) -> bool:
        return bool(given.get("is_active", False))


@lawful
class OldestFirst(Telepath):
    """The list begins with the oldest."""

    def ordered(self, items: list[Record]) -> list[Record]:
        return items


@lawful
class ManyTrunks(Talkover):
    """The account has more trunks than a list may show at once."""

    def listed(self, account: str) -> list[Record]:
        others = [self.fresh(account, dict.fromkeys(LINE.split(), "other")) for _ in range(30)]
        return [*others, *super().listed(account)][:20]


@lawful
class BusyAccount(Telepath):
    """Another client creates trunks all the time."""

    def listed(self, account: str) -> list[Record]:
        body = {"name": "other", "ai_provider": "openai", "sip_username": f"other-{next(self.numbers)}"}
        now = self.now()
        self.store({"id": self.new_id("o"), "account": account, "status": "active", "created_at": now, **body})
        return super().listed(account)


@lawful
class BusyServer(Talkover):
    """Every fifth request is one too many."""

    def routed(self, request: Request) -> Answer:
        if next(self.numbers) % 5 == 0:
            raise Refused(429, "RATE_LIMIT_EXCEEDED")
        return super().routed(request)


@lawful
class OtherPlan(Talkover):
    """The plan has no such trunks."""

    def create_trunk(self, account: str, request: Request) -> Answer:
        raise Refused(403, "FORBIDDEN")


@lawful
class Stumbling(Talkover):
    """Every seventh request fails, before or after it was done."""

    def routed(self, request: Request) -> Answer:
        number = next(self.numbers)
        if number % 14 == 0:
            raise Refused(503, "DOWN")
        answer = super().routed(request)
        if number % 14 == 7:
            raise Refused(500, "SERVER_ERROR")
        return answer


@lawful
class Forbidden(Talkover):
    """A trunk of another account is answered with 403."""

    def find(self, account: str, identity: str) -> Record:
        trunk = self.trunks.get(identity)
        if trunk is not None and not self.owned(account, trunk):
            raise Refused(403, "FORBIDDEN")
        return super().find(account, identity)


@lawful
class IsGone(Talkover):
    """A deleted trunk is answered with 410."""

    def find(self, account: str, identity: str) -> Record:
        try:
            return super().find(account, identity)
        except Refused:
            raise Refused(410, "GONE") from None


class NoNumbers(Talkover):
    """A deleted trunk has an empty list of numbers."""

    def list_dids(self, account: str, request: Request, identity: str) -> Answer:
        try:
            return super().list_dids(account, request, identity)
        except Refused:
            return self.done([])


class IdIsWrong(Talkover):
    """An id that is unknown is answered as wrong."""

    def find(self, account: str, identity: str) -> Record:
        try:
            return super().find(account, identity)
        except Refused:
            raise Refused(422, "VALIDATION_ERROR") from None


lawful(NoNumbers, note=True)
lawful(IdIsWrong, note=True)
