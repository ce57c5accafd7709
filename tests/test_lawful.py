"""Lawful variants of the mock, which differ where no page decides, raise no failing finding."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from urllib.parse import unquote, urlencode

import pytest

from tests.defects import (
    BY_NAME,
    FUZZ,
    HOME,
    LOADED,
    TOKENS,
    Break,
    Items,
    answered,
    answering,
    asking,
    bodies,
    edited,
    encoded,
    examine,
    heading,
    looked_up,
    matching,
    number,
    recalled,
    refusals,
    relisted,
    sending,
    sent,
    trunks,
    turned,
    when,
    wire,
    with_header,
)
from tests.defects import (
    OTHERS as OTHER_ACCOUNTS,
)
from tests.documents import drop, put
from tests.requests import request_of
from trunkline import mock
from trunkline.check.laws.session import Inconclusive, LawSession
from trunkline.contract.model import List
from trunkline.exchange import Json, Request, Response, Target
from trunkline.mock import loader
from trunkline.mock.generators import Record
from trunkline.mock.loader import Vendor

UUID = "550e8400-e29b-41d4-a716-446655440000"
_OF_A_DAY = len("2024-01-01")


def unchanged(target: Target) -> Target:
    """The mock, unchanged."""
    return target


def shipped(vendor: Vendor) -> Vendor:
    """The fixtures, unchanged."""
    return vendor


_APART = "accounts_are_apart"
_OF_ONE_OPERATION = tuple(name for name in BY_NAME if name != _APART)
"""The laws that ask one operation only; most variants change no other."""
_DRAWN = ("nonsense_causes_no_server_error", "filter_comes_before_paging", "any_page_is_its_slice")
"""The laws that draw their requests, which takes most of the time."""


@dataclass(frozen=True, slots=True)
class Lawful:
    """One lawful variant of the mock. `notes` are the rules that may note it."""

    name: str
    vendor: str
    vary: Break = unchanged
    world: Callable[[Vendor], Vendor] = shipped
    notes: frozenset[str] = frozenset()
    parameters: Mapping[str, str] | None = None
    rate_limit: int | None = None
    laws: Sequence[str] = field(default_factory=lambda: _OF_ONE_OPERATION)
    operations: Sequence[str] = ()

    @property
    def checked(self) -> Sequence[str]:
        """The operations that are checked: the vendor's main one, unless others are named."""
        return self.operations or (HOME[self.vendor],)


# --- form of bodies -------------------------------------------------------------------------------------------------


def turned_round(value: Json) -> Json:
    """The value, with the members of each object in reverse order."""
    if isinstance(value, dict):
        return {name: turned_round(value[name]) for name in reversed(value)}
    return [turned_round(item) for item in value] if isinstance(value, list) else value


def grown(value: Json) -> Json:
    """The value, with one more member in each object."""
    if isinstance(value, dict):
        return {**{name: grown(inner) for name, inner in value.items()}, "x_extra": {"deep": [None, "é"]}}
    return [grown(item) for item in value] if isinstance(value, list) else value


def rewritten(change: Callable[[Json], bytes]) -> Break:
    """Write every body as another JSON text, of the same or another lawful value."""
    return wire(lambda body: change(json.loads(body)))


def shuffled(target: Target) -> Target:
    """Return the items of a list in another order each time."""
    turns = itertools.count()

    def turned(value: Json) -> bytes:
        items = value.get("data") if isinstance(value, dict) else None
        if isinstance(items, list) and items:
            turn = next(turns) % len(items)
            items[:] = items[turn:] + items[:turn]
        return encoded(value)

    return rewritten(turned)(target)


_MORE_HEADERS = (
    ("server", "nginx"),
    ("set-cookie", "session=1"),
    ("etag", '"1"'),
    ("vary", "accept-encoding"),
    ("www-authenticate", 'Bearer realm="api"'),
    ("retry-after", "1"),
    ("link", '</v1/trunks?offset=20>; rel="next"'),
)

_WRITTEN: Mapping[str, Break] = {
    "keys in another order": rewritten(lambda value: encoded(turned_round(value))),
    "JSON on many lines": rewritten(lambda value: json.dumps(value, indent=4, sort_keys=True).encode() + b"\n"),
    "JSON in ASCII": rewritten(lambda value: json.dumps(value, ensure_ascii=True).encode()),
    "white space around the JSON": wire(lambda body: b"\r\n\t " + body + b"\n\n"),
    "slashes that are escaped": wire(lambda body: body.replace(b"/", b"\\/")),
    "a charset in the media type": heading("content-type", "application/json; charset=utf-8"),
    "a charset in capitals": heading("content-type", "application/json;charset=UTF-8"),
    "a charset in quotes": heading("content-type", 'application/json ; charset="utf-8"'),
    "a media type in capitals": heading("content-type", "Application/JSON"),
    "a media type of the JSON family": heading("content-type", "application/hal+json"),
    "more headers": answering(lambda _, response: replace(response, headers=(*response.headers, *_MORE_HEADERS))),
    "nothing remaining": heading("x-ratelimit-remaining", "0"),
    "all remaining": answering(
        lambda _, response: with_header(response, "x-ratelimit-remaining", response.header("x-ratelimit-limit"))
    ),
    "more members in refusals": refusals(grown),
}

READING = {
    vendor: tuple(operation.operation_id for operation in LOADED[vendor].contract.operations if operation.reads)
    for vendor in TOKENS
}
"""All operations of a vendor that only read."""

OTHERS = {vendor: tuple(name for name in names if name != HOME[vendor]) for vendor, names in READING.items()}
SOME_LAWS = ("same_request_same_response", "only_a_valid_credential_is_accepted", "filter_keeps_all_that_match")
"""Laws that meet successes, refusals and whole lists: enough to see the form of responses."""

_WRITTEN_CASES = [
    *((name, vary, frozenset[str]()) for name, vary in _WRITTEN.items()),
    ("more members everywhere", bodies(grown), frozenset({"properties_are_documented"})),
]
CASES = [Lawful(name, vendor, vary, notes=notes) for vendor in TOKENS for name, vary, notes in _WRITTEN_CASES]
CASES += [
    Lawful(f"{name}, elsewhere", vendor, vary, notes=notes, operations=OTHERS[vendor], laws=SOME_LAWS)
    for vendor in TOKENS
    for name, vary, notes in _WRITTEN_CASES
]
CASES += [
    Lawful("numbers with an exponent", "telepath", wire(lambda body: body.replace(b": 97.2", b": 9.72e1"))),
    Lawful("whole numbers with a point", "talkover", wire(lambda body: body.replace(b": 5061", b": 5061.0"))),
]


# --- what a trunk holds ---------------------------------------------------------------------------------------------


def timed(change: Callable[[str], str]) -> Break:
    """Write each time in another form."""

    def edit(item: Json) -> None:
        for name in ("created_at", "updated_at", "last_health_check_at", "start_time", "end_time", "checked_at"):
            if item.get(name):
                item[name] = change(item[name])

    return trunks(edit)


_TIMES: Mapping[str, Callable[[str], str]] = {
    "times with microseconds": lambda text: re.sub(r"(\.\d+)?Z$", ".000000Z", text),
    "times with nanoseconds": lambda text: re.sub(r"(\.\d+)?Z$", ".123456789Z", text),
    "times with +00:00": lambda text: text.replace("Z", "+00:00"),
    "times with -00:00": lambda text: text.replace("Z", "-00:00"),
    "times in lower case": str.lower,
}
CASES += [Lawful(name, vendor, timed(change)) for vendor in TOKENS for name, change in _TIMES.items()]
CASES += [
    Lawful(f"{name}, elsewhere", vendor, timed(change), operations=OTHERS[vendor], laws=SOME_LAWS)
    for vendor in TOKENS
    for name, change in _TIMES.items()
    if vendor != "telepath" or name != "times with nanoseconds"  # the mock filters by the whole second
]

_NOTED = frozenset({"body_matches_schema"})
CASES += [
    Lawful(
        "metrics of nothing",
        "telepath",
        trunks(put("/metrics", {"calls_today": 0, "success_rate": 0.0, "avg_latency_ms": 0})),
    )
]


def counting(change: Callable[[Json, int], Json]) -> Break:
    """Change each trunk by the number of the response."""

    def broken(target: Target) -> Target:
        numbers = itertools.count(1)

        def ask(request: Request) -> Response:
            serial = next(numbers)
            return trunks(lambda item: change(item, serial))(target)(request)

        return ask

    return broken


CASES += [
    Lawful(
        "metrics that move",
        "telepath",
        counting(lambda item, serial: item["metrics"].update(calls_today=serial, success_rate=serial % 100)),
    ),
    Lawful(
        "a change at every moment",
        "telepath",
        counting(
            lambda item, serial: item.update(updated_at=f"2024-06-01T00:{serial // 60 % 60:02}:{serial % 60:02}Z")
        ),
    ),
    Lawful(
        "a check at every moment",
        "talkover",
        counting(
            lambda item, serial: item.update(
                last_health_check_at=f"2024-06-01T00:{serial // 60 % 60:02}:{serial % 60:02}Z",
                health_status=("healthy", "unhealthy", None)[serial % 3],
            )
        ),
    ),
    Lawful(
        "a list in any order",
        "talkover",
        shuffled,
        operations=["listSipTrunks"],
        notes=frozenset({"same_request_same_response"}),
    ),
    Lawful("a health that no page names", "talkover", trunks(put("/health_status", "degraded"))),
    Lawful("a health that is null", "talkover", trunks(put("/health_status", None))),
    Lawful("no check yet", "talkover", trunks(put("/last_health_check_at", None))),
    Lawful("the envelope's message", "talkover", bodies(put("/message", "OK"))),
    Lawful("a proxy that is empty", "talkover", trunks(put("/outbound_proxy", ""))),
]


def _of_other(request: Request) -> bool:
    return request.header("authorization") in {f"Bearer {token}" for token in OTHER_ACCOUNTS.values()}


def namesake(item: Json) -> None:
    """Change an item, but not its id."""
    item.update({name: f"{item[name]} (B)" for name in ("name", "from") if name in item})


def of_other_account(vendor: str) -> Break:
    """Number the items of another account as those of the first one."""
    own = (("authorization", f"Bearer {LOADED[vendor].world.token}"),)

    def broken(target: Target) -> Target:
        renamed = trunks(namesake)(target)
        return lambda request: renamed(replace(request, headers=own)) if _of_other(request) else target(request)

    return broken


CASES += [
    Lawful(name, vendor, vary, world=world, laws=[_APART], operations=READING[vendor], parameters={})
    for vendor in TOKENS
    for name, vary, world in (
        ("accounts with items of the same ids", of_other_account(vendor), shipped),
        ("one account without items", unchanged, shipped),
        ("two accounts without items", unchanged, lambda vendor: loader.with_records(vendor, "trunks", [])),
        ("another account's list that is refused", when(_of_other, answered(403)), shipped),
    )
]


# --- which trunks there are -----------------------------------------------------------------------------------------


@cache
def generated(name: str, count: int) -> Vendor:
    """A vendor with this number of generated trunks."""
    return loader.load(name, trunks=count)


def named(identity: Callable[[int], str], count: int = 27) -> Callable[[Vendor], Vendor]:
    """Trunks whose ids have another form."""

    def changed(vendor: Vendor) -> Vendor:
        records: list[Record] = list(generated(vendor.name, count).world.collections["trunks"].records)
        return loader.with_records(
            vendor, "trunks", [{**record, "id": identity(index)} for index, record in enumerate(records, 1)]
        )

    return changed


def populated(count: int) -> Callable[[Vendor], Vendor]:
    """This number of generated trunks."""
    return lambda vendor: generated(vendor.name, count)


CASES += [
    Lawful(f"{count} trunks", "telepath", world=populated(count))
    for count in (0, 1, 2, 3, 8, 20, 21, 99, 100, 101, 250)
]
CASES += [
    Lawful("ids that are numbers in text", "telepath", world=named(str)),
    Lawful("ids that are UUIDs", "telepath", world=named(lambda index: f"550e8400-e29b-41d4-a716-{index:012}")),
    Lawful("ids with signs", "telepath", world=named("ø/{}?&#%".format)),
    Lawful("ids that are numbers in text", "talkover", world=named(str), parameters={"trunk_id": "12"}),
    Lawful("ids of one character", "talkover", world=named(chr, 120), parameters={"trunk_id": "A"}),
    Lawful("ids with signs", "talkover", world=named("ø/{}?&#%".format), parameters={"trunk_id": "ø/7?&#%"}),
    Lawful("an id that is a UUID", "talkover", parameters={"trunk_id": UUID}),
    Lawful("a UUID in either case", "talkover", looked_up(str.lower), parameters={"trunk_id": UUID.upper()}),
    Lawful("ids in either case", "talkover", looked_up(str.lower)),
]


def oldest_first(everything: Items, status: str | None) -> Items:
    return matching(everything, status)[::-1]


CASES += [
    Lawful("the oldest first", "telepath", relisted(keep=oldest_first)),
    Lawful(
        "by name",
        "telepath",
        relisted(
            keep=lambda everything, status: sorted(matching(everything, status), key=lambda item: str(item["name"]))
        ),
    ),
]


def meanwhile(number_of_request: int, change: Callable[[list[Json]], list[Json]]) -> Break:
    """Change the list from one request on, as another client would."""

    def broken(target: Target) -> Target:
        numbers = itertools.count(1)

        def keep(everything: Items, status: str | None) -> Items:
            changed = list(everything) if next(numbers) < number_of_request else change(list(everything))
            return matching(changed, status)

        return relisted(keep=keep)(target)

    return broken


def created(everything: list[Json]) -> list[Json]:
    return [
        {**everything[0], "id": "conn_new000000", "created_at": "2024-03-01T00:00:00Z", "status": "error"},
        *everything,
    ]


def deleted(everything: list[Json]) -> list[Json]:
    return everything[:3] + everything[4:]


def failing(everything: list[Json]) -> list[Json]:
    return [{**everything[0], "status": "error"}, *everything[1:]]


CASES += [
    Lawful(f"a trunk that is {change.__name__} meanwhile, at request {at}", "telepath", meanwhile(at, change))
    for change in (created, deleted, failing)
    for at in (2, 28, 55, 80)
]


def flapping(every: int) -> Break:
    """Let the status of one trunk come and go."""

    def broken(target: Target) -> Target:
        numbers = itertools.count()

        def keep(everything: Items, status: str | None) -> Items:
            state = ("active", "error")[next(numbers) // every % 2]
            return matching([*everything[:3], {**everything[3], "status": state}, *everything[4:]], status)

        return relisted(keep=keep)(target)

    return broken


def in_capitals_by_turns(target: Target) -> Target:
    """Write the UUIDs of every second response in capitals."""
    turns = itertools.cycle((False, True))

    def change(_: Request, response: Response) -> Response:
        if next(turns):
            return replace(response, body=re.sub(rb"550e[0-9a-f-]{32}", lambda found: found[0].upper(), response.body))
        return response

    return answering(change)(target)


CASES += [Lawful(f"a trunk that flaps every {every} requests", "telepath", flapping(every)) for every in (1, 2, 5, 20)]
CASES += [
    Lawful(
        "UUIDs in either case by turns",
        "telepath",
        in_capitals_by_turns,
        world=named(lambda index: f"550e8400-e29b-41d4-a716-{0xABC000 + index:012x}"),
    )
]


# --- refusals -------------------------------------------------------------------------------------------------------


def refusing(status: int, body: Json, *, only: int | None = None) -> Break:
    """Give refusals, or those with one status, another status and body."""

    def change(_: Request, response: Response) -> Response:
        if response.status < 400 or response.status != (only or response.status):
            return response
        return replace(response, status=status, body=encoded(body))

    return answering(change)


_UNAUTHORIZED: Mapping[str, Json] = {
    "an invalid token": {"error": "UNAUTHORIZED", "message": "Invalid or missing token", "status_code": 401},
    "an expired token": {"error": "TOKEN_EXPIRED", "message": "The token has expired", "status_code": 401},
    "a missing token": {"error": "MISSING_TOKEN", "message": "No token was sent", "status_code": 401},
    "the introduction's": {
        "success": False,
        "error": {"code": "INVALID_API_KEY", "message": "The provided API key is invalid", "details": {}},
    },
    "the agents'": {"success": False, "message": "Unauthenticated."},
    "the calls'": {"success": False, "message": "Unauthorized"},
    "the webhooks'": {"message": "Missing Bearer Token"},
    "a call's": {"error": {"code": "INVALID_TOKEN", "message": "Invalid or missing authentication token"}},
}
CASES += [
    Lawful(f"401 in {name} form", "talkover", refusing(401, body, only=401)) for name, body in _UNAUTHORIZED.items()
]

_UNKNOWN: Mapping[str, tuple[int, Json]] = {
    "404 as for agents": (404, {"success": False, "message": "SIP trunk not found"}),
    "404 as for a call": (404, {"error": {"code": "TRUNK_NOT_FOUND", "message": "no", "details": {"id": "1"}}}),
    "400 for what is no UUID": (400, {"success": False, "message": "trunk_id must be a UUID"}),
    "422 for what is no UUID": (422, {"message": "The given data was invalid.", "errors": {"trunk_id": ["no UUID"]}}),
    "403 for what is another's": (403, {"success": False, "message": "You are not authorized to perform this action."}),
    "410 for what is gone": (410, {"success": False}),
}
CASES += [Lawful(name, "talkover", refusing(*form, only=404)) for name, form in _UNKNOWN.items()]
CASES += [
    Lawful(
        "an id with a slash gets the framework's own page",
        "talkover",
        when(lambda request: "%2f" in request.path.lower(), answered(404)),
    ),
    Lawful(
        "an id with a step up gets the clean address",
        "talkover",
        when(
            lambda request: "/../" in unquote(request.path, errors="replace"),
            Response(301, (("location", "/api/v1/sip-trunks/x"), *answered(301).headers[1:])),
        ),
    ),
]


def well_formed(text: str) -> bool:
    return re.fullmatch(r"0|-?[1-9][0-9]*", text) is not None


def one_of_two(index: int) -> Break:
    """Use one value of a parameter that is sent twice."""

    def changed(request: Request) -> Request:
        pairs: dict[str, list[str]] = {}
        for part in request.query.split("&") if request.query else ():
            name, _, value = part.partition("=")
            pairs.setdefault(unquote(name), []).append(value)
        return replace(request, query="&".join(f"{name}={values[index]}" for name, values in pairs.items()))

    return asking(changed)


def telepath_error(code: str, message: str = "no") -> Json:
    return {"error": {"code": code, "message": message}}


_CHOICES = ("active", "inactive", "error")
_LENIENT: Mapping[str, Break] = {
    "an unknown status is overlooked": sending("status", lambda text: text if text in _CHOICES else None),
    "a status in any case": sending("status", lambda text: text.lower() if text.lower() in _CHOICES else text),
    "an unknown status leaves nothing": lambda target: relisted(
        keep=lambda everything, status: [] if status not in (None, *_CHOICES) else matching(everything, status)
    )(unknown_statuses(target)),
    "a malformed number means the default": lambda target: sending(
        "limit", lambda text: text if well_formed(text) else None
    )(sending("offset", lambda text: text if well_formed(text) else None)(target)),
    "a number may have a sign and spaces": sending("limit", lambda text: text.strip().lstrip("+")),
    "of two the first counts": one_of_two(0),
    "of two the last counts": one_of_two(-1),
    "a negative offset means 0": sending("offset", lambda text: "0" if text.startswith("-") else text),
    "an offset beyond 32 bits is refused": when(
        lambda request: number(sent(request).get("offset", "")) >= 2**31,
        answered(400, telepath_error("INVALID_OFFSET")),
    ),
    "an absurd offset is past the end": lambda target: answering(told_offset)(
        sending("offset", lambda text: str(2**62) if well_formed(text) and number(text) > 2**62 else text)(target)
    ),
    "an unknown parameter is refused": when(
        lambda request: bool(set(sent(request)) - {"limit", "offset", "status"}),
        answered(400, telepath_error("UNKNOWN_PARAMETER")),
    ),
    "a missing key has a code of its own": answering(
        lambda request, response: (
            edited(response, put("/error/code", "MISSING_API_KEY"))
            if response.status == 401 and request.header("authorization") is None
            else response
        )
    ),
    "other words in errors": refusals(put("/error/message", "¡Ay!")),
    "details in errors": refusals(put("/error/details", {"parameter": "limit"})),
    "422 for what is malformed": answering(
        lambda request, response: (
            replace(response, status=422, body=encoded(telepath_error("MALFORMED")))
            if response.status == 400 and not all(map(well_formed, numbers_of(request)))
            else response
        )
    ),
    "414 for a long address": when(lambda request: len(request.target) > 1000, answered(414)),
    "415 for a media type without a body": when(
        lambda request: request.header("content-type") is not None,
        answered(415, telepath_error("UNSUPPORTED_MEDIA_TYPE")),
    ),
    "431 for a long header": when(lambda request: request.header("x-long") is not None, answered(431)),
    "413 for a long header": when(lambda request: request.header("x-long") is not None, answered(413)),
}


def numbers_of(request: Request) -> list[str]:
    """The integers of a request, as they were sent."""
    return [value for name, value in sent(request).items() if name in ("limit", "offset")]


def told_offset(request: Request, response: Response) -> Response:
    """Echo a nonsensical offset as it was sent."""
    offset = sent(request).get("offset", "")
    if response.status != 200 or not well_formed(offset) or number(offset) <= 2**62:
        return response
    return edited(response, put("/pagination/offset", int(offset)))


def unknown_statuses(target: Target) -> Target:
    """The mock, which ignores an unknown status."""

    def ask(request: Request) -> Response:
        query = sent(request)
        if "status" not in query or query["status"] in _CHOICES or request.query.count("status=") > 1:
            return target(request)
        return target(
            replace(request, query=urlencode({name: text for name, text in query.items() if name != "status"}))
        )

    return ask


_UNNOTICED = frozenset({"refuses_invalid"})
"""The note on a mistake that is answered with success."""
_OVERLOOKING = ("an unknown status", "a status in", "a malformed number", "a number may", "a negative")
CASES += [
    Lawful(name, "telepath", vary, notes=_UNNOTICED if name.startswith(_OVERLOOKING) else frozenset())
    for name, vary in _LENIENT.items()
]
CASES += [
    Lawful("414 for a long address", "talkover", when(lambda request: len(request.target) > 1000, answered(414))),
    Lawful("431 for a long address", "talkover", when(lambda request: len(request.target) > 1000, answered(431))),
    Lawful("400 for a long address", "talkover", when(lambda request: len(request.target) > 1000, answered(400))),
    Lawful(
        "400 for what is not UTF-8",
        "talkover",
        when(lambda request: "\ufffd" in unquote(request.path, errors="replace"), answered(400)),
    ),
]
CASES += [
    Lawful(f"a rate limit of {limit} requests", vendor, rate_limit=limit, operations=READING[vendor])
    for vendor in TOKENS
    for limit in (5, 40, 61, 80, 120)
]


# --- the other readings ---------------------------------------------------------------------------------------------


def whole(name: str, collection: str) -> Break:
    """Show each item of a list with all its fields that are not secret."""
    vendor = LOADED[name]
    known = {record["id"]: record for record in vendor.world.collections[collection].records}
    hidden = {*vendor.contract.secrets, "x-trunkline"}

    def edit(item: Json) -> None:
        item.update({field: value for field, value in known[item["id"]].items() if field not in hidden})

    return trunks(edit)


def ordered(at: str, key: Callable[[Json], Any], *, back: bool = False) -> Break:
    """Sort a list that has no pages in another order."""
    return bodies(turned(at, lambda page: sorted(page, key=key, reverse=back)))


_DIDS = ["listSipTrunkDids"]
_OF_TRUNK = ["getSipTrunkHealth"]
_LISTED = ["listSipTrunks"]
_SERVICE = ["getHealth"]
_CALLS = ["listCalls"]
_CALL = ["getCall"]
_OTHER_READINGS: Mapping[str, tuple[str, Sequence[str], Break]] = {
    "a list that shows all of each trunk": ("talkover", _LISTED, whole("talkover", "trunks")),
    "a list that shows where a trunk is reached": ("telepath", ["listTrunks"], whole("telepath", "trunks")),
    "a list that shows the trunk of each DID": ("talkover", _DIDS, whole("talkover", "dids")),
    "a list that shows all of each call": ("telepath", _CALLS, whole("telepath", "calls")),
    "a list that shows no health of what was never checked": (
        "talkover",
        _LISTED,
        trunks(lambda item: item.update(is_verified=False, health_status=None)),
    ),
    "a list without the health of what is not verified": (
        "talkover",
        _LISTED,
        trunks(lambda item: put("/is_verified", False)(item) or drop("/health_status")(item)),
    ),
    "the oldest trunk first": ("talkover", _LISTED, ordered("/data", lambda item: item["created_at"])),
    "trunks by name": ("talkover", _LISTED, ordered("/data", lambda item: item["name"])),
    "DIDs by their number, from behind": ("talkover", _DIDS, ordered("/data", lambda item: item["number"], back=True)),
    "no trunk at all": ("talkover", _LISTED, bodies(put("/data", []))),
    "no DID at all": ("talkover", _DIDS, bodies(put("/data", []))),
    "a message beside the trunks": ("talkover", _LISTED, bodies(put("/message", "OK"))),
    "a message beside the DIDs": ("talkover", _DIDS, bodies(put("/message", ""))),
    "a DID in a form of its country": ("talkover", _DIDS, trunks(put("/formatted_number", "+1 555-123-4567"))),
    "a DID whose form is its number": (
        "talkover",
        _DIDS,
        trunks(lambda item: item.update(formatted_number=item["number"])),
    ),
    "a country that no list of ours has": ("talkover", _DIDS, trunks(put("/country_code", "XK"))),
    "an unhealthy trunk": ("talkover", _OF_TRUNK, trunks(lambda item: item.update(is_healthy=False, error="timeout"))),
    "a healthy trunk without an error": ("talkover", _OF_TRUNK, trunks(put("/error", None))),
    "a healthy trunk with a warning": ("talkover", _OF_TRUNK, trunks(put("/error", "slow"))),
    "a health that changes at every moment": (
        "talkover",
        _OF_TRUNK,
        counting(
            lambda item, serial: item.update(
                is_healthy=serial % 2 == 0,
                error=None if serial % 2 == 0 else f"timeout {serial}",
                response_time_ms=serial,
                checked_at=f"2024-06-01T00:{serial // 60 % 60:02}:{serial % 60:02}Z",
            )
        ),
    ),
    "an answer at once": ("talkover", _OF_TRUNK, trunks(put("/response_time_ms", 0))),
    "an answer after an hour": ("talkover", _OF_TRUNK, trunks(put("/response_time_ms", 3_600_000))),
    "a service that counts requests": ("talkover", _SERVICE, heading("x-ratelimit-limit", "60")),
    "a service that counts them strangely": ("talkover", _SERVICE, heading("x-ratelimit-remaining", "unlimited")),
    "a call that goes on": (
        "telepath",
        _CALL,
        bodies(lambda item: item.update(disconnect_reason=None, turns=[])),
    ),
    "a reason that no page names": ("telepath", _CALL, bodies(put("/disconnect_reason", "caller_hangup"))),
    "a speaker that no page names": (
        "telepath",
        _CALL,
        bodies(lambda item: item["turns"][0].update(speaker="supervisor")),
    ),
    "a codec that no page names": ("telepath", _CALL, bodies(put("/metrics/codec_used", "opus"))),
    "a reason that is empty": ("telepath", _CALL, bodies(put("/disconnect_reason", ""))),
    "callers in E.164": (
        "telepath",
        [*_CALLS, *_CALL],
        trunks(lambda item: item.update({"from": "+15551234567", "to": "sip:bot@example.com"})),
    ),
    "the newest call first": (
        "telepath",
        _CALLS,
        recalled(order=lambda calls: sorted(calls, key=lambda call: (call["start_time"], call["id"]), reverse=True)),
    ),
    "the longest call first": (
        "telepath",
        _CALLS,
        recalled(order=lambda calls: sorted(calls, key=lambda call: (-call["duration_seconds"], call["id"]))),
    ),
    "an end_date without a time means its whole day": (
        "telepath",
        _CALLS,
        sending("end_date", lambda text: f"{text}T23:59:59Z" if len(text) == _OF_A_DAY else text),
    ),
    "a date that is none is overlooked": (
        "telepath",
        _CALLS,
        sending("start_date", lambda text: text if text[:2] == "20" else None),
    ),
    "422 for a date that is none": (
        "telepath",
        _CALLS,
        when(
            lambda request: any(name.endswith("_date") and value[:2] != "20" for name, value in sent(request).items()),
            answered(422, telepath_error("INVALID_DATE")),
        ),
    ),
    "404 for the calls of an unknown trunk": (
        "telepath",
        _CALLS,
        when(
            lambda request: not sent(request).get("trunk_id", "conn_").startswith("conn_"),
            answered(404, telepath_error("TRUNK_NOT_FOUND")),
        ),
    ),
    "an unknown status of calls is overlooked": (
        "telepath",
        _CALLS,
        sending("status", lambda text: text if text in ("connected", "failed", "disconnected") else None),
    ),
    "404 for a call in other words": (
        "telepath",
        _CALL,
        refusing(404, telepath_error("CALL_NOT_FOUND", "no"), only=404),
    ),
    "400 for what is no id of a call": ("telepath", _CALL, refusing(400, telepath_error("INVALID_PARAMS"), only=404)),
    "422 for what is no id of a call": ("telepath", _CALL, refusing(422, telepath_error("INVALID_ID"), only=404)),
    "410 for a call that is gone": ("telepath", _CALL, refusing(410, telepath_error("GONE"), only=404)),
    "an empty list for the DIDs of an unknown trunk": (
        "talkover",
        _DIDS,
        answering(
            lambda _, response: (
                replace(response, status=200, body=encoded({"success": True, "data": []}))
                if response.status == 404
                else response
            )
        ),
    ),
    "400 for the DIDs of what is no UUID": (
        "talkover",
        _DIDS,
        refusing(400, {"success": False, "message": "trunk_id must be a UUID"}, only=404),
    ),
    "422 for the health of what is no UUID": ("talkover", _OF_TRUNK, refusing(422, {"message": "no UUID"}, only=404)),
    "403 for the health of what is another's": ("talkover", _OF_TRUNK, refusing(403, {"success": False}, only=404)),
}
CASES += [
    Lawful(name, vendor, vary, operations=operations, notes=_UNNOTICED if "overlooked" in name else frozenset())
    for name, (vendor, operations, vary) in _OTHER_READINGS.items()
]
CASES += [
    Lawful(
        f"401 in {name} form, elsewhere",
        "talkover",
        refusing(401, body, only=401),
        operations=OTHERS["talkover"],
        laws=["only_a_valid_credential_is_accepted"],
    )
    for name, body in _UNAUTHORIZED.items()
]
CASES += [
    Lawful(
        "a service without a rate limit",
        "talkover",
        answering(
            lambda _, response: replace(
                response, headers=tuple(pair for pair in response.headers if not pair[0].startswith("x-ratelimit"))
            )
        ),
        operations=_SERVICE,
    ),
    Lawful(
        "a call that has not ended",
        "telepath",
        trunks(lambda item: item.update(end_time=None, duration_seconds=None)),
        notes=_NOTED,
        operations=_CALL,
    ),
    Lawful(
        "calls without what is measured",
        "telepath",
        trunks(lambda item: [item.pop(name) for name in ("carrier_lag_ms", "ai_latency_ms")] and None),
        notes=_NOTED,
        operations=_CALLS,
    ),
    Lawful(
        "a call without a trace",
        "telepath",
        bodies(drop("/sip_trace")),
        notes=_NOTED,
        operations=_CALL,
    ),
]
CASES += [
    Lawful(f"{count} trunks", "talkover", world=populated(count), operations=["listSipTrunks"])
    for count in (1, 19, 20, 21)
]


def target_of(case: Lawful) -> Target:
    """The mock with a variant."""
    vendor = case.world(LOADED[case.vendor])
    return case.vary(mock.from_vendor(vendor, rate_limit=case.rate_limit, clock=lambda: 1_700_000_000.0))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.vendor}: {case.name}")
def test_a_lawful_variant_has_no_failing_finding(case: Lawful) -> None:
    """A variant of what the pages leave open raises no failing finding, and only the notes that it names."""
    assert_lawful(case, [law for law in case.laws if law not in _DRAWN])


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [case for case in CASES if _DRAWN[0] in case.laws], ids=lambda case: f"{case.vendor}: {case.name}"
)
def test_a_lawful_variant_is_silent_on_drawn_requests(case: Lawful) -> None:
    """The same for what it answers to drawn requests, among them nonsense."""
    assert_lawful(case, [law for law in case.laws if law in _DRAWN])


def assert_lawful(case: Lawful, laws: Sequence[str]) -> None:
    """Nothing fails, and only the notes that a variant names are made."""
    checked = case.checked
    report = examine(case.vendor, target_of(case), *laws, examples=6, parameters=case.parameters, operations=checked)
    assert [(finding.rule, finding.message, finding.at, finding.seen) for finding in report.failures()] == []
    assert {finding.rule for finding in report.findings} <= case.notes


@pytest.mark.parametrize("case", [case for case in CASES if case.notes], ids=lambda case: f"{case.vendor}: {case.name}")
def test_the_notes_of_a_variant_are_made(case: Lawful) -> None:
    """The notes that a variant names are made."""
    provoking = (
        "listed_values_are_accepted",
        "malformed_numbers_cause_no_server_error",
        "nonsense_causes_no_server_error",
    )
    laws = provoking if case.notes == _UNNOTICED else ("same_request_same_response",)
    report = examine(case.vendor, target_of(case), *laws, parameters=case.parameters, operations=case.checked)
    assert {finding.rule for finding in report.findings} == case.notes


def more_methods(request: Request, target: Target) -> Response:
    """Answer HEAD as GET without a body, and OPTIONS with the allowed methods."""
    if request.method == "HEAD":
        return replace(target(replace(request, method="GET")), body=b"")
    return Response(204, (("allow", "GET, HEAD, OPTIONS"),)) if request.method == "OPTIONS" else target(request)


def test_more_methods_are_lawful() -> None:
    """Schemathesis finds nothing wrong with a server that answers HEAD and OPTIONS, as servers do."""
    target = mock.from_vendor(LOADED["telepath"])
    checked = ["listTrunks", "getCall"]
    report = examine("telepath", lambda request: more_methods(request, target), FUZZ, examples=1, operations=checked)
    assert report.findings == ()


@pytest.mark.parametrize(
    ("count", "silent"),
    [
        (
            0,
            {
                "pages_do_not_overlap",
                "pages_leave_no_gap",
                "any_page_is_its_slice",
                "filter_keeps_all_that_match",
                "filtered_lists_are_disjoint",
                "filter_comes_before_paging",
                "total_counts_the_filtered_list",
                "accounts_are_apart",
            },
        ),
        (
            1,
            {
                "pages_do_not_overlap",
                "pages_leave_no_gap",
                "any_page_is_its_slice",
                "filter_comes_before_paging",
            },
        ),
        (250, set()),
    ],
)
def test_laws_that_need_more_trunks_are_not_exercised(count: int, silent: set[str]) -> None:
    """A law that needs more trunks than there are is reported as not exercised."""
    target = mock.from_vendor(loader.load("telepath", trunks=count))
    report = examine("telepath", target, *BY_NAME, operations=["listTrunks"])
    assert {law for (_, law), reason in report.exercised.items() if reason} == silent


def test_without_an_id_laws_about_items_are_not_exercised() -> None:
    """Without an id, given or listed, the laws about items are not exercised, and all others are."""
    target = mock.from_vendor(loader.with_records(LOADED["talkover"], "trunks", []))
    report = examine("talkover", target, *BY_NAME, parameters={}, operations=["getSipTrunk", "listSipTrunkDids"])
    for operation, laws in {
        "getSipTrunk": ("known_id_is_answered", "other_ids_are_not_answered", "same_request_same_response"),
        "listSipTrunkDids": ("same_request_same_response", "only_a_valid_credential_is_accepted"),
    }.items():
        for law in laws:
            assert "--param trunk_id=" in report.exercised[operation, law]
        assert report.exercised[operation, "nonsense_causes_no_server_error"] == ""
    assert report.findings == ()


def test_ids_are_taken_from_lists() -> None:
    """An operation on one item is checked with the first item that a list shows."""
    report = examine("talkover", mock.from_vendor(LOADED["talkover"]), *BY_NAME, parameters={})
    assert set(report.exercised.values()) == {""}
    assert report.findings == ()


def test_a_list_that_may_have_more_items_is_not_complete() -> None:
    """A list without documented paging is not taken as complete when it has as many items as a page of the vendor."""
    (operation,) = LOADED["talkover"].contract.of_kind(List, "trunks")
    short, long = (
        LawSession(operation, mock.from_vendor(loader.load("talkover", trunks=count)), TOKENS["talkover"])
        for count in (19, 20)
    )
    assert len(short.whole()) == 19
    with pytest.raises(Inconclusive, match="the list may be longer than the 20 items that were read"):
        long.whole()


def test_a_spent_rate_limit_is_no_missing_item() -> None:
    """A law that gets a 429 is reported as not exercised."""
    target = mock.from_vendor(LOADED["talkover"], rate_limit=1)
    target(request_of(LOADED["talkover"], LOADED["talkover"].contract.operation("getSipTrunk")))
    report = examine("talkover", target, "known_id_is_answered", operations=["getSipTrunk"])
    assert report.findings == ()
    assert "429" in report.exercised["getSipTrunk", "known_id_is_answered"]


def test_laws_about_a_list_that_cannot_be_read_are_not_exercised() -> None:
    """With a credential that is refused, the laws about lists are not exercised, each with the status it got."""
    target = asking(lambda request: replace(request, headers=()))(mock.from_vendor(LOADED["telepath"]))
    laws = ("pages_do_not_overlap", "filter_keeps_all_that_match", "any_page_is_its_slice")
    report = examine("telepath", target, *laws)
    assert {operation for operation, _ in report.exercised} == {"listTrunks", "listCalls"}
    assert all("401" in reason for reason in report.exercised.values())
