"""A catalog of seeded defects: typical mistakes in an implementation, each as a function that breaks the mock.

A defect names the rule or law that must catch it. `break_` takes a correct target and returns a broken one. Most are
made with these functions:

    bodies(edit)      edit the JSON of a success                refusals(edit)     edit the JSON of a refusal
    trunks(edit)      edit each item of a success               relisted(...)      filter, page or count a list wrongly
    sending(...)      replace a query parameter                 authorized(...)    accept other credentials
    looked_up(...)    replace the id in the path                answering(...)     change anything in the response
"""

from __future__ import annotations

import itertools
import json
import posixpath
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from typing import TypeAlias
from urllib.parse import parse_qsl, quote, unquote, urlencode

from tests.documents import Edit, drop, put
from trunkline.check.laws import LAWS
from trunkline.check.runner import Checker
from trunkline.exchange import Headers, Json, NotJSON, Request, Response, Target, find, resolve
from trunkline.findings import Report
from trunkline.mock import from_vendor, loader
from trunkline.transport.connect import secret_values

FUZZ = "schemathesis"
"""In place of a law, where Schemathesis provokes a defect."""

_PLAIN = "same_request_same_response"
"""The law that sends the plainest request to an operation."""

_CREDENTIAL = "only_a_valid_credential_is_accepted"
_BOUNDS = "bounds_hold_on_both_sides"
_OTHER_IDS = "other_ids_are_not_answered"
_MALFORMED = "malformed_numbers_cause_no_server_error"
_CHOICES = "listed_values_are_accepted"
_ABSURD = "nonsense_causes_no_server_error"

TOKENS = {"telepath": "sk_live_abc123def456...", "talkover": "talq_your_environment_token_here"}
OTHERS = {"telepath": "sk_live_another_account", "talkover": "talq_staging_environment_token"}
"""The credential of another account."""
HOME = {"telepath": "listTrunks", "talkover": "getSipTrunk"}
"""The operation with the defects of a vendor, unless they name another."""
KNOWN_ID = "trunk-uuid-1"
PASSWORD = "secret-password"
"""The password of the known trunk in the fixtures."""

Break: TypeAlias = Callable[[Target], Target]


@dataclass(frozen=True, slots=True)
class Defect:
    """One mistake. `law` is the law that provokes it; `note` means that it is lawful, and only worth a note."""

    name: str
    vendor: str
    caught_by: str
    break_: Break
    law: str = ""
    note: bool = False
    operation: str = ""

    @property
    def provoked_by(self) -> str:
        return self.law or self.caught_by

    @property
    def checked(self) -> str:
        """The operation that is checked."""
        return self.operation or HOME[self.vendor]


# --- the check ------------------------------------------------------------------------------------------------------

LOADED = {name: loader.load(name) for name in TOKENS}
BY_NAME = {law.name: law for law in LAWS}
PARAMETERS = {"telepath": {"id": "call_abc123xyz"}, "talkover": {"trunk_id": KNOWN_ID}}


def examine(
    name: str,
    target: Target,
    *laws: str,
    seed: int = 0,
    examples: int = 30,
    parameters: Mapping[str, str] | None = None,
    operations: Collection[str] | None = None,
) -> Report:
    """The report of the named laws alone, on all operations unless some are named."""
    vendor = LOADED[name]
    report = Report(secrets=vendor.secrets)
    checker = Checker(
        vendor,
        target,
        report,
        credential=vendor.world.token,
        parameters=PARAMETERS[name] if parameters is None else parameters,
        seed=seed,
        examples=examples,
        secret_values=secret_values(vendor),
        second=OTHERS[name],
    )
    chosen = [each for each in vendor.contract.operations if operations is None or each.operation_id in operations]
    for operation in chosen:
        for law in laws:
            if law != FUZZ and BY_NAME[law].concerns(operation):
                checker.check_law(operation, BY_NAME[law])
    if FUZZ in laws:
        checker.fuzz(chosen)
    return report


@cache
def report_on(defect: Defect) -> Report:
    """The report of the one law that provokes a defect."""
    examples = 3 if defect.provoked_by == FUZZ else 30
    target = defect.break_(from_vendor(LOADED[defect.vendor]))
    return examine(defect.vendor, target, defect.provoked_by, examples=examples, operations=[defect.checked])


# --- verbs ----------------------------------------------------------------------------------------------------------


def encoded(value: Json) -> bytes:
    """The value as JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False).encode()


def answering(change: Callable[[Request, Response], Response]) -> Break:
    """Change every response."""

    def broken(target: Target) -> Target:
        return lambda request: change(request, target(request))

    return broken


def asking(change: Callable[[Request], Request]) -> Break:
    """Replace every request."""

    def broken(target: Target) -> Target:
        return lambda request: target(change(request))

    return broken


def edited(response: Response, edit: Edit) -> Response:
    """The response with another JSON body: what the edit returns or, if that is None, what it changed."""
    try:
        body = deepcopy(response.json())
    except NotJSON:
        return response
    changed = edit(body)
    return replace(response, body=encoded(body if changed is None else changed))


def bodies(edit: Edit) -> Break:
    """Edit the JSON of every success."""
    return answering(lambda _, response: edited(response, edit) if response.status == 200 else response)


def refusals(edit: Edit) -> Break:
    """Edit the JSON of every refusal."""
    return answering(lambda _, response: edited(response, edit) if response.status >= 400 else response)


def items(body: Json) -> list[Json]:
    """The items in the body of a success, of any operation."""
    found: Json = next((body[name] for name in ("trunks", "calls", "data") if name in body), body)
    return found if isinstance(found, list) else [found]


def trunks(edit: Edit) -> Break:
    """Edit each item of a success in place."""

    def every(body: Json) -> None:
        for item in items(body):
            edit(item)

    return bodies(every)


def turned(at: str, change: Callable[[Json], Json]) -> Edit:
    """Change the value at a JSON Pointer."""

    def edit(body: Json) -> None:
        put(at, change(resolve(body, at)))(body)

    return edit


def wire(change: Callable[[bytes], bytes]) -> Break:
    """Change the bytes of every body."""
    return answering(lambda _, response: replace(response, body=change(response.body)) if response.body else response)


def with_header(response: Response, name: str, value: str | None) -> Response:
    """The response with a header set, or without it."""
    kept = tuple((key, old) for key, old in response.headers if key != name)
    return replace(response, headers=kept if value is None else (*kept, (name, value)))


def heading(name: str, value: str | None) -> Break:
    """Set a header or, with None, remove it."""
    return answering(lambda _, response: with_header(response, name, value))


def answered(status: int, body: Json = None, headers: Headers = ()) -> Response:
    """A complete response."""
    content = b"<html><h1>oops</h1></html>" if body is None else encoded(body)
    media = "text/html" if body is None else "application/json"
    limits = (("x-ratelimit-limit", "100"), ("x-ratelimit-remaining", "99"), ("x-ratelimit-reset", "1800000000"))
    return Response(status, (("content-type", media), *limits, *headers), content)


def when(condition: Callable[[Request], bool], response: Response) -> Break:
    """Give some requests another response."""

    def broken(target: Target) -> Target:
        return lambda request: response if condition(request) else target(request)

    return broken


def now_and_then(every: int, response: Response) -> Break:
    """Give every nth request another response."""

    def broken(target: Target) -> Target:
        numbers = itertools.count(1)
        return lambda request: response if next(numbers) % every == 0 else target(request)

    return broken


def sent(request: Request) -> dict[str, str]:
    """The query parameters of a request, decoded."""
    return dict(parse_qsl(request.query, keep_blank_values=True))


def sending(name: str, change: Callable[[str], str | None]) -> Break:
    """Replace the value of a query parameter; None ignores the parameter."""

    def changed(request: Request) -> Request:
        query = sent(request)
        if name not in query:
            return request
        value = change(query.pop(name))
        return replace(request, query=urlencode(query if value is None else {**query, name: value}))

    return asking(changed)


def number(text: str) -> int:
    """The integer, or 0 for any other text."""
    return int(text) if text.removeprefix("-").isdigit() and text.isascii() and len(text) < 100 else 0


def shared(vendor: str, shares: Callable[[Response], bool]) -> Break:
    """Answer another account as the first one, where it would get such a response."""

    def broken(target: Target) -> Target:
        def ask(request: Request) -> Response:
            response = target(request)
            if request.header("authorization") != f"Bearer {OTHERS[vendor]}" or not shares(response):
                return response
            token = LOADED[vendor].world.token
            return target(replace(request, headers=(("authorization", f"Bearer {token}"),)))

        return ask

    return broken


def authorized(vendor: str, opens: Callable[[str | None], bool]) -> Break:
    """Accept the requests whose `Authorization` header `opens` accepts, as if they had the valid token."""
    good = ("authorization", f"Bearer {TOKENS[vendor]}")

    def changed(request: Request) -> Request:
        if not opens(request.header("authorization")):
            return request
        return replace(request, headers=(good, *(pair for pair in request.headers if pair[0] != "authorization")))

    return asking(changed)


def looked_up(change: Callable[[str], str]) -> Break:
    """Replace the id in the path."""

    def changed(request: Request) -> Request:
        parent, _, segment = request.path.rpartition("/")
        identity = change(unquote(segment, errors="surrogateescape"))
        return replace(request, path=f"{parent}/{quote(identity, safe='', errors='surrogateescape')}")

    return asking(changed)


Items: TypeAlias = Sequence[Json]


def matching(everything: Items, status: str | None) -> Items:
    """The filtered list."""
    return [item for item in everything if status in (None, item["status"])]


def cut(kept: Items, limit: int, offset: int) -> Items:
    """The page of the filtered list."""
    return kept[offset : offset + limit]


def counted(everything: Items, kept: Items, page: Items) -> Json:
    """The total of the filtered list."""
    return len(kept)


def relisted(
    *,
    keep: Callable[[Items, str | None], Items] = matching,
    page: Callable[[Items, int, int], Items] = cut,
    count: Callable[[Items, Items, Items], Json] = counted,
) -> Break:
    """Make each successful page from the whole list. Each step (filter, page, count) is right unless it is replaced."""

    def broken(target: Target) -> Target:
        def ask(request: Request) -> Response:
            response = target(request)
            if response.status != 200 or request.method != "GET":
                return response
            body = deepcopy(response.json())
            everything: Items = target(replace(request, query="limit=100")).json()["trunks"]
            kept = keep(everything, sent(request).get("status"))
            body["trunks"] = list(page(kept, body["pagination"]["limit"], body["pagination"]["offset"]))
            body["pagination"]["total"] = count(everything, kept, body["trunks"])
            return replace(response, body=encoded(body))

        return ask

    return broken


Query: TypeAlias = Mapping[str, str]
_DAY = 10
"""The length of the date in a time."""


def within(call: Json, query: Query, *, time: str = "start_time", letters: int = 30) -> bool:
    """Whether a call matches a query. The fixtures write all times in one form, so texts can be compared."""
    start, end, at = query.get("start_date", ""), query.get("end_date", "9"), call[time]
    wanted = {name: query[name] for name in ("trunk_id", "status") if name in query}
    dated = start[:letters] <= at[:letters] <= end[:letters]
    return dated and all(call[name] == value for name, value in wanted.items())


def recalled(
    keep: Callable[[Json, Query], bool] = within,
    *,
    order: Callable[[Items], Items] = list,
    count: Callable[[Items, Items], int] = lambda _everything, kept: len(kept),
    page: Callable[[Items, int, int], Items] = cut,
) -> Break:
    """The same for a page of calls."""

    def broken(target: Target) -> Target:
        def ask(request: Request) -> Response:
            response = target(request)
            if response.status != 200 or request.method != "GET":
                return response
            body = deepcopy(response.json())
            everything: Items = target(replace(request, query="limit=100")).json()["calls"]
            kept = order([call for call in everything if keep(call, sent(request))])
            body["calls"] = list(page(kept, body["pagination"]["limit"], body["pagination"]["offset"]))
            body["pagination"]["total"] = count(everything, kept)
            return replace(response, body=encoded(body))

        return ask

    return broken


def filtered_after_paging(target: Target) -> Target:
    """Filter the page instead of the list; the total is right."""

    def ask(request: Request) -> Response:
        response = target(request)
        query = sent(request)
        if response.status != 200 or "status" not in query:
            return response
        unfiltered = {name: value for name, value in query.items() if name != "status"}
        page = target(replace(request, query=urlencode(unfiltered))).json()["trunks"]
        return edited(response, put("/trunks", list(matching(page, query["status"]))))

    return ask


# --- Telepath: what a list gets wrong -------------------------------------------------------------------------------


def alternating(at: str) -> Break:
    """Return every second list in another order, as a database does without ORDER BY."""

    def broken(target: Target) -> Target:
        numbers = itertools.count()

        def ask(request: Request) -> Response:
            response = target(request)
            if response.status != 200 or next(numbers) % 2:
                return response
            return edited(response, turned(at, lambda page: page[::-1]))

        return ask

    return broken


def changing(at: str) -> Break:
    """Return another text each time, as replicas that disagree would."""

    def broken(target: Target) -> Target:
        numbers = itertools.count()

        def edit(item: Json) -> None:
            turned(at, lambda text: f"{text} {next(numbers)}")(item)

        return trunks(edit)(target)

    return broken


def shown_as_asked(request: Request, response: Response) -> Response:
    """Ignore the filter, and set the field of each item to the filter's value."""
    status = sent(request).get("status")
    if response.status != 200 or status is None:
        return response
    return trunks(put("/status", status))(lambda _: response)(request)


def beyond(request: Request, response: Response) -> bool:
    """Whether a response is a page past the end."""
    return response.status == 200 and not response.json()["trunks"] and "offset" in sent(request)


_PAST_END = answered(404, {"error": {"code": "NOT_FOUND", "message": "No such page"}})
_INVALID = answered(400, {"error": {"code": "INVALID_PARAMS", "message": "Invalid offset"}})


_PAGING = {
    "an offset that is off by one beyond the first page": (
        "pages_leave_no_gap",
        relisted(page=lambda kept, limit, offset: cut(kept, limit, offset + 1 if offset else 0)),
    ),
    "an offset that counts from one": (
        "pages_do_not_overlap",
        relisted(page=lambda kept, limit, offset: cut(kept, limit, max(0, offset - 1))),
    ),
    "pages that each repeat the last item of the one before": (
        "pages_do_not_overlap",
        relisted(page=lambda kept, limit, offset: kept[max(0, offset - 1) : offset + limit]),
    ),
    "an offset that is overlooked": ("pages_do_not_overlap", relisted(page=lambda kept, limit, _: cut(kept, limit, 0))),
    "an offset that counts pages": (
        "pages_leave_no_gap",
        relisted(page=lambda kept, limit, offset: cut(kept, limit, offset * limit)),
    ),
    "a last page that lacks its last item": (
        "pages_leave_no_gap",
        relisted(
            page=lambda kept, limit, offset: cut(
                kept[:-1] if offset and offset + limit > len(kept) else kept, limit, offset
            )
        ),
    ),
    "pages of one item less than asked for": (
        "pages_leave_no_gap",
        relisted(page=lambda kept, limit, offset: cut(kept, limit - 1 if limit < 100 else limit, offset)),
    ),
    "pages whose order is turned round": (
        "any_page_is_its_slice",
        relisted(page=lambda kept, limit, offset: cut(kept, limit, offset)[::-1]),
    ),
    "pages that are sorted after they are cut": (
        "any_page_is_its_slice",
        relisted(page=lambda kept, limit, offset: sorted(cut(kept, limit, offset), key=lambda item: str(item["name"]))),
    ),
    "an offset that is rounded down to whole pages": (
        "any_page_is_its_slice",
        relisted(page=lambda kept, limit, offset: cut(kept, limit, offset - offset % limit)),
    ),
    "a limit of at most 25, whatever is asked": (
        "total_counts_the_list",
        sending("limit", lambda text: "25" if 25 < number(text) <= 100 else text),
    ),
    "a total of the items on the page": (
        "total_counts_the_list",
        relisted(count=lambda _everything, _kept, page: len(page)),
    ),
    "a total that is one too many": (
        "total_counts_the_list",
        relisted(count=lambda _everything, kept, _page: len(kept) + 1),
    ),
    "a total of nothing past the end": (
        "total_counts_the_list",
        relisted(count=lambda _everything, kept, page: len(kept) if page else 0),
    ),
    "a total of the list before the filter": (
        "total_counts_the_filtered_list",
        relisted(count=lambda everything, _kept, _page: len(everything)),
    ),
    "a page past the end that is not found": (
        "page_past_the_end_is_empty",
        answering(lambda request, response: _PAST_END if beyond(request, response) else response),
    ),
    "a page past the end that is refused": (
        "page_past_the_end_is_empty",
        answering(lambda request, response: _INVALID if beyond(request, response) else response),
    ),
    "a page past the end that is the last page again": (
        "page_past_the_end_is_empty",
        relisted(page=lambda kept, limit, offset: cut(kept, limit, offset) or kept[-limit:]),
    ),
    "a default of ten items": (
        "defaults_are_as_documented",
        asking(
            lambda request: request if "limit" in sent(request) else replace(request, query=f"{request.query}&limit=10")
        ),
    ),
    "a list that knows only the last word of its filters": (
        "filter_keeps_all_that_match",
        sending("status", lambda text: "inactive" if text == "error" else text),
    ),
    "a filter that loses one item": (
        "filter_keeps_all_that_match",
        relisted(keep=lambda everything, status: matching(everything, status)[: -1 if status else None]),
    ),
    "a filter that finds nothing for one of its values": (
        "filter_keeps_all_that_match",
        relisted(keep=lambda everything, status: [] if status == "error" else matching(everything, status)),
    ),
    "a filter that looks for a part of the word": (
        "filtered_lists_are_disjoint",
        relisted(keep=lambda everything, status: [item for item in everything if (status or "") in item["status"]]),
    ),
    "a filter that changes what is shown, not what is kept": (
        "filtered_lists_are_disjoint",
        lambda target: answering(shown_as_asked)(sending("status", lambda _: None)(target)),
    ),
    "a filter after the paging": ("filter_comes_before_paging", filtered_after_paging),
    "an order that alternates": (_PLAIN, alternating("/trunks")),
    "a name that is another each time": (_PLAIN, changing("/name")),
}
"""The law that catches it, and the defect."""

_LISTS = [Defect(name, "telepath", law, break_) for name, (law, break_) in _PAGING.items()]
_LISTS += [
    Defect(
        "a page of one item more than the default",
        "telepath",
        "page_holds_at_most_limit",
        relisted(page=lambda kept, limit, offset: cut(kept, limit + 1, offset)),
        _PLAIN,
    ),
    Defect(
        "no default: everything at once",
        "telepath",
        "page_holds_at_most_limit",
        lambda target: lambda request: target(request if request.query else replace(request, query="limit=100")),
        _PLAIN,
    ),
    Defect(
        "a page of more items than its own limit",
        "telepath",
        "page_matches_its_counts",
        relisted(page=lambda kept, limit, offset: cut(kept, limit * 2, offset)),
        _PLAIN,
    ),
    Defect(
        "a total that counts from nought",
        "telepath",
        "page_matches_its_counts",
        relisted(count=lambda _everything, kept, _page: len(kept) - 1),
        "total_counts_the_list",
    ),
    Defect(
        "an echo of the default, not of the limit",
        "telepath",
        "pagination_echoes_request",
        bodies(put("/pagination/limit", 20)),
        "total_counts_the_list",
    ),
    Defect(
        "an echo of the number of the page",
        "telepath",
        "pagination_echoes_request",
        bodies(turned("/pagination/offset", lambda offset: offset // 7)),
        "pages_do_not_overlap",
    ),
    Defect(
        "items that a join doubles",
        "telepath",
        "ids_are_unique",
        bodies(turned("/trunks", lambda page: [item for item in page for _ in range(2)])),
        _PLAIN,
    ),
    Defect(
        "a filter that is overlooked",
        "telepath",
        "filter_keeps_only_matching",
        sending("status", lambda _: None),
        _CHOICES,
    ),
    Defect(
        "a filter that looks for the beginning of the word",
        "telepath",
        "filter_keeps_only_matching",
        relisted(
            keep=lambda everything, status: [item for item in everything if (status or "")[-6:] in item["status"]]
        ),
        "filter_keeps_all_that_match",
    ),
    Defect("a total as text", "telepath", "body_matches_schema", bodies(turned("/pagination/total", str)), _PLAIN),
    Defect(
        "null for an empty page",
        "telepath",
        "body_matches_schema",
        bodies(turned("/trunks", lambda page: page or None)),
        "page_past_the_end_is_empty",
    ),
    Defect("a page without its count", "telepath", "body_matches_schema", bodies(drop("/pagination")), _PLAIN),
    Defect(
        "a list in an envelope that no page shows",
        "telepath",
        "body_matches_schema",
        bodies(lambda body: {"data": body}),
        _PLAIN,
    ),
]


# --- Telepath: what bounds and choices get wrong --------------------------------------------------------------------

_REFUSING = [
    Defect(
        "a limit that is clamped, not refused",
        "telepath",
        "refuses_invalid",
        sending("limit", lambda text: str(min(100, number(text))) if number(text) > 0 else text),
        _BOUNDS,
    ),
    Defect(
        "a limit of 0 that is accepted",
        "telepath",
        "refuses_invalid",
        sending("limit", lambda text: "1" if text == "0" else text),
        _BOUNDS,
    ),
    Defect(
        "a negative limit that means the default",
        "telepath",
        "refuses_invalid",
        sending("limit", lambda text: None if number(text) < 0 else text),
        _BOUNDS,
    ),
    Defect(
        "a limit of 101 that is accepted",
        "telepath",
        "refuses_invalid",
        sending("limit", lambda text: "100" if text == "101" else text),
        _BOUNDS,
    ),
    Defect(
        "a limit that overflows 32 bits",
        "telepath",
        "refuses_invalid",
        sending("limit", lambda text: "20" if number(text) >= 2**31 else text),
        _BOUNDS,
    ),
    Defect(
        "a limit of 100 that is refused",
        "telepath",
        "accepts_valid",
        sending("limit", lambda text: "101" if text == "100" else text),
        _BOUNDS,
    ),
    Defect(
        "a limit of 1 that is refused",
        "telepath",
        "accepts_valid",
        sending("limit", lambda text: "0" if text == "1" else text),
        _BOUNDS,
    ),
    Defect(
        "an offset of 0 that is refused",
        "telepath",
        "accepts_valid",
        when(lambda request: sent(request).get("offset") == "0", _INVALID),
        _BOUNDS,
    ),
    Defect(
        "a documented choice that is refused",
        "telepath",
        "accepts_valid",
        sending("status", lambda text: "failed" if text == "error" else text),
        _CHOICES,
    ),
    Defect(
        "a limit error with the code of a framework",
        "telepath",
        "refusal_is_documented",
        refusals(put("/error/code", "VALIDATION_ERROR")),
        _BOUNDS,
    ),
    Defect(
        "a limit error with its code in the other case",
        "telepath",
        "refusal_is_documented",
        refusals(turned("/error/code", str.lower)),
        _BOUNDS,
    ),
    Defect(
        "422 instead of 400",
        "telepath",
        "refusal_is_documented",
        answering(lambda _, response: replace(response, status=422) if response.status == 400 else response),
        _BOUNDS,
    ),
    Defect(
        "an unknown key that is answered as a forbidden one",
        "telepath",
        "refusal_is_documented",
        answering(lambda _, response: replace(response, status=403) if response.status == 401 else response),
        _CREDENTIAL,
    ),
    Defect(
        "an unknown key with the code of a gateway",
        "telepath",
        "refusal_is_documented",
        refusals(put("/error/code", "UNAUTHORIZED")),
        _CREDENTIAL,
    ),
    Defect(
        "an error in another envelope",
        "telepath",
        "body_matches_schema",
        refusals(lambda body: {"success": False, "message": body["error"]["message"]}),
        _CREDENTIAL,
    ),
    Defect(
        "an error whose code is null", "telepath", "body_matches_schema", refusals(put("/error/code", None)), _BOUNDS
    ),
    Defect(
        "an error that is only a text",
        "telepath",
        "body_matches_schema",
        refusals(lambda body: {"error": body["error"]["message"]}),
        _BOUNDS,
    ),
    Defect(
        "an error in HTML",
        "telepath",
        "media_type_is_json",
        answering(lambda _, response: answered(401) if response.status == 401 else response),
        _CREDENTIAL,
    ),
    Defect(
        "an error in HTML that says it is JSON",
        "telepath",
        "body_is_json",
        answering(lambda _, response: replace(response, body=b"<h1>No</h1>") if response.status == 401 else response),
        _CREDENTIAL,
    ),
    Defect(
        "an error with the status of a success",
        "telepath",
        "body_matches_schema",
        answering(lambda _, response: replace(response, status=200)),
        _BOUNDS,
    ),
    Defect(
        "an error with the status of a success, as a refusal",
        "telepath",
        "refuses_invalid",
        answering(lambda _, response: replace(response, status=200)),
        _CREDENTIAL,
    ),
    Defect(
        "a number that is none ends in a crash",
        "telepath",
        "no_server_error",
        when(lambda request: "abc" in request.query, answered(500)),
        _MALFORMED,
    ),
    Defect(
        "an empty number ends in a crash",
        "telepath",
        "no_server_error",
        when(lambda request: request.query.endswith("="), answered(500)),
        _MALFORMED,
    ),
    Defect(
        "a parameter that is sent twice ends in a crash",
        "telepath",
        "no_server_error",
        when(lambda request: request.query.count("limit=") > 1, answered(500)),
        _MALFORMED,
    ),
    Defect(
        "an offset beyond 64 bits ends in a crash",
        "telepath",
        "no_server_error",
        when(lambda request: abs(number(sent(request).get("offset", ""))) >= 2**63, answered(500)),
        _MALFORMED,
    ),
    Defect(
        "an unknown choice ends in a crash",
        "telepath",
        "no_server_error",
        when(lambda request: sent(request).get("status") == "unknown", answered(500)),
        _CHOICES,
    ),
    Defect(
        "an unknown parameter ends in a crash",
        "telepath",
        "no_server_error",
        when(lambda request: "__proto__" in sent(request), answered(500)),
        _ABSURD,
    ),
    Defect(
        "a media type of a body that is not there ends in a crash",
        "telepath",
        "no_server_error",
        when(lambda request: request.header("content-type") == "text/plain", answered(503)),
        _ABSURD,
    ),
    Defect("now and then a bad gateway", "telepath", "no_server_error", now_and_then(3, answered(502)), _PLAIN),
    Defect(
        "a list that is 'created'",
        "telepath",
        "documented_status",
        answering(lambda _, response: replace(response, status=201) if response.status == 200 else response),
        _PLAIN,
    ),
    Defect(
        "an empty page without content",
        "telepath",
        "documented_status",
        answering(
            lambda request, response: replace(response, status=204, body=b"") if beyond(request, response) else response
        ),
        "page_past_the_end_is_empty",
    ),
    Defect(
        "a sign-in page instead of a refusal",
        "telepath",
        "documented_status",
        answering(
            lambda _, response: answered(302, {}, (("location", "/login"),)) if response.status == 401 else response
        ),
        _CREDENTIAL,
    ),
]


# --- both: what authorization gets wrong ----------------------------------------------------------------------------

_OPENS: Mapping[str, Callable[[str, str | None], bool]] = {
    "nobody asks for a credential": lambda *_: True,
    "any credential opens": lambda _, value: value is not None and value.startswith("Bearer "),
    "any header opens": lambda _, value: value is not None,
    "a missing credential opens": lambda _, value: value is None,
    "an empty credential opens": lambda _, value: value in ("", "Bearer"),
    "the beginning of a credential opens": lambda token, value: (value or "").startswith(f"Bearer {token[:8]}"),
    "a credential with more behind it opens": lambda token, value: (value or "").startswith(f"Bearer {token}"),
    "a credential without its end opens": lambda token, value: f"Bearer {token}".startswith(value or "-"),
    "a credential in the other case opens": lambda token, value: (value or "").lower() == f"Bearer {token}".lower(),
    "a Basic credential opens": lambda _, value: (value or "").startswith("Basic "),
    "the scheme is overlooked": lambda token, value: (value or "").rpartition(" ")[2] == token,
    "a credential among others opens": lambda token, value: token in (value or "").split(),
}


def _opening(vendor: str, opens: Callable[[str, str | None], bool]) -> Break:
    return authorized(vendor, lambda value: opens(TOKENS[vendor], value))


_AUTHORIZATION = [
    Defect(name, vendor, _CREDENTIAL, _opening(vendor, opens)) for name, opens in _OPENS.items() for vendor in TOKENS
]
_AUTHORIZATION += [
    Defect(
        "nobody asks for a credential, as Schemathesis sees it",
        vendor,
        "ignored_auth",
        _opening(vendor, lambda *_: True),
        FUZZ,
    )
    for vendor in TOKENS
]


def _echo_in_header(request: Request, response: Response) -> Response:
    return with_header(response, "x-request-authorization", find(request.headers, "authorization"))


def _echo_in_message(at: str) -> Break:
    def change(request: Request, response: Response) -> Response:
        if response.status != 401:
            return response
        return edited(response, put(at, f"Unknown key: {request.header('authorization')}"))

    return answering(change)


def _echo_in_link(request: Request, response: Response) -> Response:
    _, _, token = (request.header("authorization") or "").partition(" ")
    return edited(response, put("/next", f"/v1/trunks?offset=20&key={token}"))


_AUTHORIZATION += [
    Defect(
        "a header that sends the credential back",
        "telepath",
        "credential_is_not_echoed",
        answering(_echo_in_header),
        _PLAIN,
    ),
    Defect(
        "a message that sends the credential back",
        "telepath",
        "credential_is_not_echoed",
        _echo_in_message("/error/message"),
        _CREDENTIAL,
    ),
    Defect(
        "a message that sends the credential back, in the other envelope",
        "talkover",
        "credential_is_not_echoed",
        _echo_in_message("/message"),
        _CREDENTIAL,
    ),
    Defect(
        "a link that carries the credential", "telepath", "credential_is_not_echoed", answering(_echo_in_link), _PLAIN
    ),
    Defect(
        "a page of the framework that prints the request",
        "talkover",
        "credential_is_not_echoed",
        answering(
            lambda request, response: (
                replace(response, status=400, body=repr(request.headers).encode())
                if response.status != 200
                else response
            )
        ),
        _CREDENTIAL,
    ),
]


# --- both: what a trunk gets wrong ----------------------------------------------------------------------------------

_TELEPATH_VALUES = {
    "a time without its zone": turned("/created_at", lambda text: text.rstrip("Z")),
    "a time in another zone": turned("/created_at", lambda text: text.replace("Z", "+01:00")),
    "a time with a space for its T": turned("/updated_at", lambda text: text.replace("T", " ")),
    "a time as a number": put("/created_at", 1708000000),
    "a time as milliseconds": put("/updated_at", 1708000000000),
    "a date without a time": turned("/created_at", lambda text: text[:10]),
    "a status in capitals": turned("/status", str.upper),
    "a status of an older version": put("/status", "enabled"),
    "a status as a number": put("/status", 1),
    "a provider as its people write it": put("/ai_provider", "OpenAI"),
    "a whole address for a user name": turned("/sip_username", lambda name: f"sip:{name}@sip.telepath.example"),
    "a rate above 100": put("/metrics/success_rate", 101),
    "a rate below 0": put("/metrics/success_rate", -1),
    "a rate as text": put("/metrics/success_rate", "97.2%"),
    "fewer calls than none": put("/metrics/calls_today", -1),
    "half a call": put("/metrics/calls_today", 1.5),
    "a latency as text": put("/metrics/avg_latency_ms", "245"),
    "metrics in a list": turned("/metrics", lambda metrics: [metrics]),
    "metrics that are null": put("/metrics", None),
    "metrics that are left out": drop("/metrics"),
    "metrics that are empty": put("/metrics", {}),
    "metrics of null": put("/metrics", {"calls_today": None, "success_rate": None, "avg_latency_ms": None}),
    "a rate that is null": put("/metrics/success_rate", None),
    "metrics of the first trunk only": lambda item: (
        item if item["name"] == "Customer Support" else drop("/metrics")(item)
    ),
    "a name that is null": put("/name", None),
    "an id as a number": put("/id", 7),
    "an id that is empty": put("/id", ""),
    "an id of the database": lambda item: put("/_id", item.pop("id"))(item),
    "a trunk without the time of its change": drop("/updated_at"),
    "a trunk in camel case": lambda item: put("/sipUsername", item.pop("sip_username"))(item),
}
_TALKOVER_VALUES = {
    "a port as text": turned("/port", str),
    "port 0": put("/port", 0),
    "port 65536": put("/port", 65536),
    "half a port": put("/port", 5061.5),
    "a port that is null": put("/port", None),
    "a truth as a number": put("/is_active", 1),
    "a truth as text": put("/is_verified", "true"),
    "a transport in capitals": put("/transport", "TLS"),
    "a transport that no page lists": put("/transport", "wss"),
    "a name that is null": put("/name", None),
    "a name of 256 characters": put("/name", "n" * 256),
    "a proxy that is false": put("/outbound_proxy", False),
    "a health that is a truth": put("/health_status", True),
    "a check without its zone": put("/last_health_check_at", "2024-01-15T14:30:00"),
    "a check that never was": put("/last_health_check_at", ""),
    "a trunk without the fields that are null": lambda item: (
        [item.pop(name) for name in ("auth_realm", "outbound_proxy")] and None
    ),
    "a trunk as the list shows it": drop("/username"),
    "an id as a number": put("/id", 1),
}
_VALUES = [
    Defect(name, vendor, "body_matches_schema", trunks(edit), _PLAIN)
    for vendor, values in (("telepath", _TELEPATH_VALUES), ("talkover", _TALKOVER_VALUES))
    for name, edit in values.items()
]
_VALUES += [
    Defect("times that are swapped", vendor, "times_are_ordered", trunks(edit), _PLAIN)
    for vendor in TOKENS
    for edit in (lambda item: item.update(created_at=item["updated_at"], updated_at="2001-01-01T00:00:00Z"),)
]
_VALUES += [
    Defect(
        "times that are swapped, in lower case",
        "telepath",
        "times_are_ordered",
        trunks(lambda item: item.update(created_at="2024-01-02t00:00:00z", updated_at="2024-01-01t00:00:00z")),
        _PLAIN,
    ),
    Defect(
        "a property that no page shows",
        "telepath",
        "properties_are_documented",
        trunks(put("/region", "eu-1")),
        _PLAIN,
        note=True,
    ),
    Defect(
        "a property of the metrics that no page shows",
        "telepath",
        "properties_are_documented",
        trunks(put("/metrics/calls_yesterday", 1)),
        _PLAIN,
        note=True,
    ),
    Defect("a success that says it is none", "talkover", "body_matches_schema", bodies(put("/success", False)), _PLAIN),
    Defect(
        "a refusal that says it is a success",
        "talkover",
        "refusal_is_no_success",
        refusals(put("/success", True)),
        _CREDENTIAL,
    ),
    Defect(
        "an unknown id whose refusal says it is a success",
        "talkover",
        "refusal_is_no_success",
        refusals(put("/success", True)),
        _OTHER_IDS,
    ),
    Defect(
        "a trunk without its envelope", "talkover", "body_matches_schema", bodies(lambda body: body["data"]), _PLAIN
    ),
    Defect(
        "a trunk in a list", "talkover", "body_matches_schema", bodies(turned("/data", lambda data: [data])), _PLAIN
    ),
    Defect(
        "null for a trunk that is not there",
        "talkover",
        "body_matches_schema",
        answering(
            lambda _, response: (
                replace(response, status=200, body=b'{"success":true,"data":null}')
                if response.status == 404
                else response
            )
        ),
        _OTHER_IDS,
    ),
    Defect(
        "201 for a trunk that is there",
        "talkover",
        "documented_status",
        answering(lambda _, response: replace(response, status=201) if response.status == 200 else response),
        _PLAIN,
    ),
]


# --- both: what secrets get wrong -----------------------------------------------------------------------------------


_SECRETS = [
    Defect(
        "the password beside the user name", "talkover", "secrets_stay_hidden", trunks(put("/password", "x")), _PLAIN
    ),
    Defect("the password as stars", "talkover", "secrets_stay_hidden", trunks(put("/password", "********")), _PLAIN),
    Defect("the password as null", "talkover", "secrets_stay_hidden", trunks(put("/password", None)), _PLAIN),
    Defect(
        "the password in an object of its own",
        "talkover",
        "secrets_stay_hidden",
        trunks(put("/credentials", {"sip": [{"Password": "x"}]})),
        _PLAIN,
    ),
    Defect(
        "the password in a refusal",
        "talkover",
        "secrets_stay_hidden",
        refusals(put("/errors", {"password": ["is required"]})),
        _OTHER_IDS,
    ),
    Defect("the password in a header", "talkover", "secrets_stay_hidden", heading("password", "x"), _PLAIN),
    Defect(
        "the SIP password beside the user name",
        "telepath",
        "secrets_stay_hidden",
        trunks(put("/sip_password", "hunter2hunter2")),
        _PLAIN,
    ),
    Defect(
        "the SIP password in camel case",
        "telepath",
        "secrets_stay_hidden",
        trunks(put("/credentials", {"sipPassword": "hunter2hunter2"})),
        _PLAIN,
    ),
    Defect(
        "the provider's key among the metrics",
        "telepath",
        "secrets_stay_hidden",
        trunks(put("/metrics/openai_api_key", "sk-proj-1")),
        _PLAIN,
    ),
    Defect(
        "the password under another name",
        "talkover",
        "secret_values_stay_hidden",
        trunks(put("/secret", PASSWORD)),
        _PLAIN,
    ),
    Defect(
        "the password in an address",
        "talkover",
        "secret_values_stay_hidden",
        trunks(put("/domain", f"user_42:{PASSWORD}@sip.carrier-x.com")),
        _PLAIN,
    ),
    Defect(
        "the password in the message of a refusal",
        "talkover",
        "secret_values_stay_hidden",
        refusals(put("/message", f"no trunk with user_42 and {PASSWORD}")),
        _OTHER_IDS,
    ),
    Defect(
        "the password in a header of another name",
        "talkover",
        "secret_values_stay_hidden",
        heading("x-debug", f"digest({PASSWORD})"),
        _PLAIN,
    ),
    Defect(
        "the password as the name of a property",
        "talkover",
        "secret_values_stay_hidden",
        bodies(put("/debug", {PASSWORD: True})),
        _PLAIN,
    ),
    Defect(
        "the password in a page that is no JSON",
        "talkover",
        "secret_values_stay_hidden",
        answering(lambda _, response: replace(response, body=response.body + PASSWORD.encode())),
        _PLAIN,
    ),
]


# --- Talkover: what an id gets wrong --------------------------------------------------------------------------------


def _like(pattern: str) -> str:
    """The record that `WHERE id LIKE` finds."""
    return KNOWN_ID if fnmatchcase(KNOWN_ID, pattern.replace("*", "[*]").replace("%", "*")) else pattern


_LOOKUPS: Mapping[str, Callable[[str], str]] = {
    "an id that needs only its beginning": lambda text: KNOWN_ID if text and KNOWN_ID.startswith(text) else text,
    "an id that needs only its end": lambda text: KNOWN_ID if text and KNOWN_ID.endswith(text) else text,
    "an id with anything behind it": lambda text: KNOWN_ID if text.startswith(KNOWN_ID) else text,
    "an id that is stripped": str.strip,
    "an id that ends at a NUL": lambda text: text.partition("\0")[0],
    "an id of at most as many characters as the column has": lambda text: text[: len(KNOWN_ID)],
    "an id that is a pattern": _like,
    "an id that is a path": lambda text: posixpath.basename(posixpath.normpath(text)),
    "an id whose slashes are dropped": lambda text: text.strip("/"),
    "an id whose quotes are dropped": lambda text: text.replace("'", ""),
    "an unknown id that means the first trunk": lambda _: KNOWN_ID,
}
_IDS = [Defect(name, "talkover", _OTHER_IDS, looked_up(change)) for name, change in _LOOKUPS.items()]
_IDS += [
    Defect(
        "every id means the second trunk",
        "talkover",
        "item_is_the_one_asked_for",
        looked_up(lambda _: "550e8400-e29b-41d4-a716-446655440000"),
        "known_id_is_answered",
    ),
    Defect(
        "an id that is shown with a prefix",
        "talkover",
        "item_is_the_one_asked_for",
        trunks(turned("/id", "trunk:{}".format)),
        "known_id_is_answered",
    ),
    Defect("a known trunk that is not found", "talkover", "known_id_is_answered", looked_up(lambda text: text.upper())),
    Defect(
        "a known trunk that is forbidden",
        "talkover",
        "known_id_is_answered",
        answering(lambda _, response: answered(403, {"success": False}) if response.status == 200 else response),
    ),
    Defect("a name that is another each time", "talkover", _PLAIN, changing("/name")),
    Defect(
        "a service that tells its health to those it knows",
        "talkover",
        "public_operation_needs_no_credential",
        when(lambda request: not request.header("authorization"), answered(401, {"success": False})),
        operation="getHealth",
    ),
    Defect(
        "a trunk that is there every second time",
        "talkover",
        _PLAIN,
        now_and_then(2, answered(404, {"success": False})),
    ),
    Defect(
        "a NUL in an id ends in a crash",
        "talkover",
        "no_server_error",
        when(lambda request: "%00" in request.path, answered(500)),
        _OTHER_IDS,
    ),
    Defect(
        "a NUL in an id ends in a crash that nonsense finds",
        "talkover",
        "no_server_error",
        when(lambda request: "%00" in request.path, answered(500)),
        _ABSURD,
    ),
    Defect(
        "a long id ends in a crash",
        "talkover",
        "no_server_error",
        when(lambda request: len(request.path) > 2000, answered(500)),
        _ABSURD,
    ),
    Defect(
        "an id that is not UTF-8 ends in a crash",
        "talkover",
        "no_server_error",
        when(lambda request: "\ufffd" in unquote(request.path, errors="replace"), answered(500)),
        _ABSURD,
    ),
    Defect(
        "an id that is no UUID ends in a crash",
        "talkover",
        "no_server_error",
        when(lambda request: request.path.endswith("x"), answered(500)),
        _OTHER_IDS,
    ),
]


# --- both: what the wire gets wrong ---------------------------------------------------------------------------------

_BYTES: Mapping[str, Callable[[bytes], bytes]] = {
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "UTF-16": lambda body: body.decode().encode("utf-16"),
    "an empty body": lambda _: b"",
    "a body that is cut off": lambda body: body[:-1],
    "two bodies": lambda body: body + body,
    "a guard against scripts": lambda body: b")]}',\n" + body,
    "a call of a script": lambda body: b"callback(" + body + b")",
    "the print of a dictionary": lambda body: repr(json.loads(body)).encode(),
}
_WIRE = [
    Defect(name, vendor, "body_is_json", wire(change), _PLAIN) for name, change in _BYTES.items() for vendor in TOKENS
]
_WIRE += [
    Defect(
        "the encoding of an old database",
        "talkover",
        "body_is_json",
        wire(lambda body: body.decode().encode("cp1252", "replace")),
        _PLAIN,
    ),
    Defect(
        "Latin-1",
        "telepath",
        "body_is_json",
        wire(lambda body: body.decode().encode("latin-1", "replace")),
        "pages_do_not_overlap",
    ),
    Defect(
        "a rate that is not a number",
        "telepath",
        "body_is_json",
        trunks(put("/metrics/success_rate", float("nan"))),
        _PLAIN,
    ),
    Defect("JSON within JSON", "telepath", "body_matches_schema", wire(lambda body: encoded(body.decode())), _PLAIN),
    Defect("HTML for a media type", "talkover", "media_type_is_json", heading("content-type", "text/html"), _PLAIN),
    Defect(
        "plain text for a media type",
        "telepath",
        "media_type_is_json",
        heading("content-type", "text/plain; charset=utf-8"),
        _PLAIN,
    ),
    Defect("no media type", "telepath", "media_type_is_json", heading("content-type", None), _PLAIN, note=True),
    Defect(
        "another encoding by name",
        "talkover",
        "media_type_is_json",
        heading("content-type", "application/json; charset=iso-8859-1"),
        _PLAIN,
        note=True,
    ),
    Defect(
        "a character that was lost",
        "talkover",
        "text_is_unicode",
        wire(lambda body: body.decode("ascii", "replace").encode()),
        _PLAIN,
        note=True,
    ),
    Defect(
        "half a character",
        "telepath",
        "text_is_unicode",
        wire(lambda body: body.replace(b'"Customer Support"', b'"Customer \\ud83d"')),
        _PLAIN,
        note=True,
    ),
    Defect(
        "a name that occurs twice",
        "telepath",
        "names_are_unique",
        wire(lambda body: body.replace(b'"name":', b'"name":"","name":')),
        _PLAIN,
        note=True,
    ),
    Defect(
        "a password that a second value of the same name hides",
        "talkover",
        "secrets_stay_hidden",
        wire(lambda body: body.replace(b'"data":', b'"data":{"password":"' + PASSWORD.encode() + b'"},"data":', 1)),
        _PLAIN,
    ),
    Defect(
        "a number that no double holds",
        "telepath",
        "numbers_are_in_range",
        wire(lambda body: body.replace(b'"avg_latency_ms":', b'"avg_latency_ms":1e400,"peak_ms":', 1)),
        _PLAIN,
        note=True,
    ),
]


# --- both: what headers and methods get wrong -----------------------------------------------------------------------


def _limits(change: Callable[[Response], Response]) -> Break:
    return answering(lambda _, response: change(response))


_REMAINING = "x-ratelimit-remaining"
_HEADERS = [
    Defect(f"no {name}", vendor, "rate_limit_is_reported", heading(name, None), _PLAIN)
    for vendor in TOKENS
    for name in ("x-ratelimit-limit", _REMAINING, "x-ratelimit-reset")
]
_HEADERS += [
    Defect(
        "more remaining than the limit", "telepath", "rate_limit_is_reported", heading(_REMAINING, "1000001"), _PLAIN
    ),
    Defect("fewer remaining than none", "telepath", "rate_limit_is_reported", heading(_REMAINING, "-1"), _PLAIN),
    Defect("remaining in words", "talkover", "rate_limit_is_reported", heading(_REMAINING, "unlimited"), _PLAIN),
    Defect(
        "a reset as a date",
        "telepath",
        "rate_limit_is_reported",
        heading("x-ratelimit-reset", "Fri, 01 Mar 2024 00:00:00 GMT"),
        _PLAIN,
    ),
    Defect(
        "a reset that is years away",
        "telepath",
        "rate_limit_is_reported",
        _limits(
            lambda response: with_header(
                with_header(response, "x-ratelimit-reset", "1999999999"), "date", "Sat, 28 Nov 2026 06:15:20 GMT"
            )
        ),
        _PLAIN,
    ),
    Defect(
        "refusals without the rate limit",
        "telepath",
        "rate_limit_is_reported",
        _limits(lambda response: with_header(response, _REMAINING, None) if response.status == 401 else response),
        _CREDENTIAL,
    ),
    Defect(
        "405 for the documented method, and nothing said of others",
        "telepath",
        "allow_lists_the_documented_method",
        when(lambda _: True, answered(405, {"error": {"code": "NO", "message": "no"}})),
        _PLAIN,
        note=True,
    ),
    Defect(
        "405 that allows all but the documented method",
        "talkover",
        "allow_lists_the_documented_method",
        when(lambda _: True, answered(405, {"success": False}, (("allow", "POST, OPTIONS"),))),
        _PLAIN,
        note=True,
    ),
    Defect(
        "any method gets the list",
        "telepath",
        "unsupported_method",
        asking(lambda request: replace(request, method="GET")),
        FUZZ,
        note=True,
    ),
    Defect(
        "a wrong method that is not told what is allowed",
        "talkover",
        "unsupported_method",
        heading("allow", None),
        FUZZ,
        note=True,
    ),
    Defect(
        "a wrong method that is told to use another wrong one",
        "telepath",
        "allow_lists_the_documented_method",
        answering(lambda _, response: with_header(response, "allow", "POST") if response.status == 405 else response),
        "other_methods_cause_no_server_error",
        note=True,
    ),
    Defect(
        "another method ends in a crash",
        "telepath",
        "no_server_error",
        when(lambda request: request.method not in ("GET", "OPTIONS"), answered(500)),
        "other_methods_cause_no_server_error",
    ),
    Defect(
        "HEAD ends in a crash",
        "telepath",
        "no_server_error",
        when(lambda request: request.method == "HEAD", answered(500)),
        "other_methods_cause_no_server_error",
    ),
]

# --- Telepath: what calls get wrong ---------------------------------------------------------------------------------

_ALL_THAT_MATCH = "filter_keeps_all_that_match"
_ONLY_MATCHING = "filter_keeps_only_matching"


def _swapped(request: Request) -> Request:
    """Exchange the two dates."""
    names = {"start_date": "end_date", "end_date": "start_date"}
    return replace(request, query=urlencode({names.get(name, name): value for name, value in sent(request).items()}))


def _after(call: Json, query: Query) -> bool:
    return within(call, query) and call["start_time"] != query.get("start_date")


def _before(call: Json, query: Query) -> bool:
    return within(call, query) and call["start_time"] != query.get("end_date")


def _other_status(call: Json, query: Query) -> bool:
    """Treat every status but `connected` as `failed`."""
    if query.get("status") != "failed":
        return within(call, query)
    return call["status"] != "connected" and within(call, {**query, "status": call["status"]})


_CALL_FILTERS: Mapping[str, tuple[str, str, Break]] = {
    "a start_date that is overlooked": (_ONLY_MATCHING, _ALL_THAT_MATCH, sending("start_date", lambda _: None)),
    "an end_date that is overlooked": (_ONLY_MATCHING, _ALL_THAT_MATCH, sending("end_date", lambda _: None)),
    "a trunk_id that is overlooked": (_ONLY_MATCHING, _ALL_THAT_MATCH, sending("trunk_id", lambda _: None)),
    "a status of calls that is overlooked": (_ONLY_MATCHING, _CHOICES, sending("status", lambda _: None)),
    "dates that are taken for each other": (_ONLY_MATCHING, _ALL_THAT_MATCH, asking(_swapped)),
    "a start_date that means its whole day": (
        _ONLY_MATCHING,
        _ALL_THAT_MATCH,
        recalled(lambda call, query: within(call, query, letters=_DAY)),
    ),
    "a status of calls that means two": (_ONLY_MATCHING, _CHOICES, recalled(_other_status)),
    "a start_date that leaves itself out": (_ALL_THAT_MATCH, "", recalled(_after)),
    "an end_date that leaves itself out": (_ALL_THAT_MATCH, "", recalled(_before)),
    "dates that are compared with the end of a call": (
        _ALL_THAT_MATCH,
        "",
        recalled(lambda call, query: within(call, query, time="end_time")),
    ),
    "dates that find nothing": (
        _ALL_THAT_MATCH,
        "",
        recalled(lambda call, query: within(call, query) and not {"start_date", "end_date"} & set(query)),
    ),
    "a trunk_id that finds nothing": (_ALL_THAT_MATCH, "", sending("trunk_id", lambda text: f"{text}x")),
    "a trunk_id that turns the list round": (
        _ALL_THAT_MATCH,
        "",
        answering(
            lambda request, response: (
                edited(response, turned("/calls", lambda page: page[::-1])) if "trunk_id" in sent(request) else response
            )
        ),
    ),
    "a status of calls that is looked for in the page only": (
        "filter_comes_before_paging",
        "",
        lambda target: (
            lambda request: (
                edited(
                    target(
                        replace(request, query=urlencode({k: v for k, v in sent(request).items() if k != "status"}))
                    ),
                    turned("/calls", lambda page: [call for call in page if call["status"] == sent(request)["status"]]),
                )
                if "status" in sent(request)
                else target(request)
            )
        ),
    ),
    "a total of calls before the filter": (
        "total_counts_the_filtered_list",
        "",
        recalled(count=lambda everything, _kept: len(everything)),
    ),
    "a call that is in the lists of two statuses": (
        "filtered_lists_are_disjoint",
        "",
        recalled(
            lambda call, query: (
                within(call, query)
                or (
                    call["id"] == "call_abc123xyz"
                    and "status" in query
                    and within(call, {**query, "status": "connected"})
                )
            )
        ),
    ),
    "an offset of calls that is overlooked": (
        "pages_do_not_overlap",
        "",
        recalled(page=lambda kept, limit, _: cut(kept, limit, 0)),
    ),
    "an offset of calls that counts pages": (
        "pages_leave_no_gap",
        "",
        recalled(page=lambda kept, limit, offset: cut(kept, limit, offset * limit)),
    ),
    "a default of ten calls": (
        "defaults_are_as_documented",
        "",
        asking(
            lambda request: request if "limit" in sent(request) else replace(request, query=f"{request.query}&limit=10")
        ),
    ),
    "a limit of calls that is clamped": (
        "refuses_invalid",
        _BOUNDS,
        sending("limit", lambda text: str(min(100, number(text))) if number(text) > 0 else text),
    ),
    "a choice of calls that is refused": (
        "accepts_valid",
        _CHOICES,
        sending("status", lambda text: "error" if text == "disconnected" else text),
    ),
    "a date that is no date ends in a crash": (
        "no_server_error",
        _ABSURD,
        when(lambda request: "u0041" in sent(request).get("start_date", ""), answered(500)),
    ),
    "a date ends in a crash": (
        "no_server_error",
        _ALL_THAT_MATCH,
        when(lambda request: "end_date" in sent(request), answered(500)),
    ),
    "an unknown trunk_id ends in a crash": (
        "no_server_error",
        _ABSURD,
        when(lambda request: "/" in sent(request).get("trunk_id", ""), answered(500)),
    ),
}
"""The rule or law that catches it, the law that provokes it, and the defect."""

_CALL_VALUES: Mapping[str, Edit] = {
    "a call as its people call it": put("/status", "completed"),
    "a duration in words": put("/duration_seconds", "5:42"),
    "half a second": put("/duration_seconds", 341.5),
    "a call of less than nothing": put("/duration_seconds", -1),
    "a start without its zone": turned("/start_time", lambda text: text.rstrip("Z")),
    "a start as a number": put("/start_time", 1709634600),
    "an end in another zone": turned("/end_time", lambda text: text.replace("Z", "+02:00")),
    "a call of no trunk": put("/trunk_id", None),
    "a call of a trunk without a name": put("/trunk_id", ""),
    "a caller as a number": put("/from", 15551234567),
    "a call without a callee": drop("/to"),
    "an id of a call as a number": put("/id", 7),
}
_ITEM_VALUES: Mapping[str, Edit] = {
    "a lag in words": put("/carrier_lag_ms", "85 ms"),
    "a lag below nothing": put("/ai_latency_ms", -1),
}
_DETAIL_VALUES: Mapping[str, Edit] = {
    "more packets lost than sent": put("/metrics/packet_loss_percent", 101),
    "a jitter of less than nothing": put("/metrics/jitter_ms", -1),
    "a codec as a number": put("/metrics/codec_used", 722),
    "metrics of a call in a list": turned("/metrics", lambda metrics: [metrics]),
    "turns by their number": turned("/turns", lambda turns: {str(turn["turn_number"]): turn for turn in turns}),
    "a turn of less than nothing": lambda item: item["turns"][0].update(duration_ms=-1),
    "a turn without its speaker": lambda item: drop("/speaker")(item["turns"][0]),
    "a trace in lines": turned("/sip_trace", str.splitlines),
    "a reason of two words": put("/disconnect_reason", ["normal", "disconnect"]),
    "a call within an envelope": lambda item: {"call": dict(item)},
}
_CALLS = [
    Defect(name, "telepath", caught, break_, law, operation="listCalls")
    for name, (caught, law, break_) in _CALL_FILTERS.items()
]
_CALLS += [
    Defect(f"{name}, in the list", "telepath", "body_matches_schema", trunks(edit), _PLAIN, operation="listCalls")
    for name, edit in {**_CALL_VALUES, **_ITEM_VALUES}.items()
]
_CALLS += [
    Defect(f"{name}, alone", "telepath", "body_matches_schema", bodies(edit), _PLAIN, operation="getCall")
    for name, edit in {**_CALL_VALUES, **_DETAIL_VALUES}.items()
]
_CALLS += [
    Defect(
        f"a call that ends before it starts, of {operation}",
        "telepath",
        "times_are_ordered",
        trunks(lambda call: call.update(end_time="2001-01-01T00:00:00Z")),
        _PLAIN,
        operation=operation,
    )
    for operation in ("listCalls", "getCall")
]
_CALLS += [
    Defect(
        f"a call without what is not known of it, of {operation}",
        "telepath",
        "body_matches_schema",
        trunks(edit),
        _PLAIN,
        note=True,
        operation=operation,
    )
    for operation, edit in (("listCalls", drop("/carrier_lag_ms")), ("getCall", put("/sip_trace", None)))
]
_CALLS += [
    Defect(
        "calls that a join doubles",
        "telepath",
        "ids_are_unique",
        bodies(turned("/calls", lambda page: [call for call in page for _ in range(2)])),
        _PLAIN,
        operation="listCalls",
    ),
    Defect(
        "a call that no page shows so",
        "telepath",
        "properties_are_documented",
        trunks(put("/cost_cents", 12)),
        _PLAIN,
        note=True,
        operation="getCall",
    ),
    Defect(
        "every id means the second call",
        "telepath",
        "item_is_the_one_asked_for",
        looked_up(lambda _: "call_def456abc"),
        "known_id_is_answered",
        operation="getCall",
    ),
    Defect(
        "an unknown id that means the first call",
        "telepath",
        _OTHER_IDS,
        looked_up(lambda _: "call_abc123xyz"),
        operation="getCall",
    ),
    Defect("an id of a call that is stripped", "telepath", _OTHER_IDS, looked_up(str.strip), operation="getCall"),
    Defect(
        "a known call that is not found",
        "telepath",
        "known_id_is_answered",
        looked_up(str.upper),
        operation="getCall",
    ),
    Defect(
        "a NUL in the id of a call ends in a crash",
        "telepath",
        "no_server_error",
        when(lambda request: "%00" in request.path, answered(500)),
        _ABSURD,
        operation="getCall",
    ),
    Defect(
        "the SIP password in a trace",
        "telepath",
        "secrets_stay_hidden",
        trunks(put("/metrics/sip_password", "x")),
        _PLAIN,
        operation="getCall",
    ),
    Defect(
        "any key opens a call",
        "telepath",
        _CREDENTIAL,
        _opening("telepath", lambda _, value: value is not None and value.startswith("Bearer ")),
        operation="getCall",
    ),
    Defect(
        "nobody is asked for a key to the calls",
        "telepath",
        _CREDENTIAL,
        _opening("telepath", lambda *_: True),
        operation="listCalls",
    ),
]


# --- Talkover: what the other readings get wrong --------------------------------------------------------------------

_SHOWN: Mapping[str, Mapping[str, Edit]] = {
    "listSipTrunks": {
        "a truth of the list as text": put("/is_active", "yes"),
        "a transport of the list in capitals": put("/transport", "UDP"),
        "a name of the list that is null": put("/name", None),
        "an id of the list that is empty": put("/id", ""),
        "a creation of the list without its zone": put("/created_at", "2024-01-01T10:00:00"),
        "a verified trunk of the list without its health": lambda item: (
            put("/is_verified", True)(item) or drop("/health_status")(item)
        ),
        "a domain of the list in parts": put("/domain", {"host": "sip.carrier-x.com"}),
    },
    "listSipTrunkDids": {
        "a number without its plus": turned("/number", lambda text: text.removeprefix("+")),
        "a number as a number": put("/number", 15551234567),
        "a number with spaces": put("/number", "+1 555 123 4567"),
        "a number that begins with 0": put("/number", "+0555"),
        "a country in small letters": turned("/country_code", str.lower),
        "a country in three letters": put("/country_code", "USA"),
        "a country by its dialling code": put("/country_code", 1),
        "a form that is null": put("/formatted_number", None),
        "a DID without its form": drop("/formatted_number"),
        "an id of a DID that is null": put("/id", None),
    },
    "getSipTrunkHealth": {
        "a health in words": put("/is_healthy", "healthy"),
        "a health that is null": put("/is_healthy", None),
        "a time to answer in words": put("/response_time_ms", "142 ms"),
        "a time to answer that is none": put("/response_time_ms", None),
        "a time to answer below nothing": put("/response_time_ms", -1),
        "half a millisecond": put("/response_time_ms", 142.5),
        "a check without its time": drop("/checked_at"),
        "a check in local time": put("/checked_at", "2024-01-15T14:30:00"),
        "a check at a Unix time": put("/checked_at", 1705329000),
        "an unhealthy trunk that does not say why": put("/is_healthy", False),
        "an unhealthy trunk whose reason is null": lambda item: item.update(is_healthy=False, error=None),
        "a reason that is an object": put("/error", {"code": 408}),
    },
}
_READINGS = [
    Defect(f"{name}, of {operation}", "talkover", "body_matches_schema", trunks(edit), _PLAIN, operation=operation)
    for operation, edits in _SHOWN.items()
    for name, edit in edits.items()
]
_READINGS += [
    Defect(f"{name}, of {operation}", "talkover", "body_matches_schema", bodies(edit), _PLAIN, operation=operation)
    for operation in _SHOWN
    for name, edit in {
        "a success that says it is none": put("/success", False),
        "a success without its envelope": lambda body: body["data"] if isinstance(body["data"], dict) else {"x": 1},
        "null for what is asked": put("/data", None),
        "a success that does not say so": drop("/success"),
    }.items()
]
_READINGS += [
    Defect(
        f"items that a join doubles, of {operation}",
        "talkover",
        "ids_are_unique",
        bodies(turned("/data", lambda page: [item for item in page for _ in range(2)])),
        _PLAIN,
        operation=operation,
    )
    for operation in ("listSipTrunks", "listSipTrunkDids")
]
_READINGS += [
    Defect(f"{name}, of {operation}", "talkover", caught, break_, law, operation=operation)
    for operation in ("listSipTrunks", "listSipTrunkDids", "getSipTrunkHealth")
    for name, caught, break_, law in (
        ("the password", "secrets_stay_hidden", trunks(put("/password", "x")), _PLAIN),
        ("the password under another name", "secret_values_stay_hidden", trunks(put("/secret", PASSWORD)), _PLAIN),
        ("any credential opens", _CREDENTIAL, _opening("talkover", lambda _, value: value is not None), ""),
        (
            "a refusal that says it is a success",
            "refusal_is_no_success",
            refusals(put("/success", True)),
            _CREDENTIAL,
        ),
        ("no x-ratelimit-reset", "rate_limit_is_reported", heading("x-ratelimit-reset", None), _PLAIN),
        (
            "an odd header ends in a crash",
            "no_server_error",
            when(lambda r: r.header("x-long") is not None, answered(500)),
            _ABSURD,
        ),
        ("text for a media type", "media_type_is_json", heading("content-type", "text/plain"), _PLAIN),
    )
]
_READINGS += [
    Defect(
        "an order of DIDs that alternates",
        "talkover",
        _PLAIN,
        alternating("/data"),
        note=True,  # no page says in which order they are
        operation="listSipTrunkDids",
    ),
    Defect(
        "an id in a path of DIDs that is not UTF-8 ends in a crash",
        "talkover",
        "no_server_error",
        when(lambda request: "\ufffd" in unquote(request.path, errors="replace"), answered(500)),
        _ABSURD,
        operation="listSipTrunkDids",
    ),
    Defect(
        "a NUL in the id of a check ends in a crash",
        "talkover",
        "no_server_error",
        when(lambda request: "%00" in request.path, answered(502)),
        _ABSURD,
        operation="getSipTrunkHealth",
    ),
    Defect(
        "a service that is up",
        "talkover",
        "body_matches_schema",
        bodies(put("/status", "up")),
        _PLAIN,
        operation="getHealth",
    ),
    Defect(
        "a service in an envelope",
        "talkover",
        "body_matches_schema",
        bodies(lambda body: {"success": True, "data": body}),
        _PLAIN,
        operation="getHealth",
    ),
    Defect(
        "a service that is not there now and then",
        "talkover",
        "no_server_error",
        now_and_then(2, answered(503)),
        _PLAIN,
        operation="getHealth",
    ),
    Defect(
        "a service that answers in words",
        "talkover",
        "body_is_json",
        wire(lambda _: b"OK"),
        _PLAIN,
        operation="getHealth",
    ),
    Defect(
        "a service that says more than it knows",
        "talkover",
        "properties_are_documented",
        bodies(put("/database", "ok")),
        _PLAIN,
        note=True,
        operation="getHealth",
    ),
    Defect(
        "a service that is 'accepted'",
        "talkover",
        "documented_status",
        answering(lambda _, response: replace(response, status=202) if response.status == 200 else response),
        _PLAIN,
        operation="getHealth",
    ),
]

_METHODS = "other_methods_cause_no_server_error"
_HTTP = [
    Defect(name, vendor, caught, break_, law, note=True)
    for vendor in TOKENS
    for name, caught, break_, law in (
        (
            "a 401 without a challenge",
            "headers_follow_http",
            heading("www-authenticate", None),
            _CREDENTIAL,
        ),
        (
            "a challenge without a scheme",
            "headers_follow_http",
            heading("www-authenticate", '="api"'),
            _CREDENTIAL,
        ),
        (
            "a time to wait that is neither a number nor a date",
            "headers_follow_http",
            heading("retry-after", "in a minute"),
            _PLAIN,
        ),
        (
            "a HEAD that is not allowed",
            "head_is_supported",
            when(lambda request: request.method == "HEAD", Response(405, (("allow", "GET"),))),
            _METHODS,
        ),
        (
            "content for HEAD",
            "content_is_allowed",
            asking(lambda request: replace(request, method="GET") if request.method == "HEAD" else request),
            _METHODS,
        ),
    )
]
_UNNOTICED = [
    Defect(name, "telepath", "refuses_invalid", break_, law, note=True, operation=operation)
    for name, operation, break_, law in (
        (
            "an unlisted status that is overlooked",
            "listTrunks",
            sending("status", lambda text: text if text in ("active", "inactive", "error") else None),
            _CHOICES,
        ),
        (
            "a malformed number that is overlooked",
            "listTrunks",
            sending("offset", lambda text: text if text.lstrip("-").isdigit() else None),
            _MALFORMED,
        ),
        (
            "a text for a time that is overlooked",
            "listCalls",
            sending("start_date", lambda text: text if text[:2] == "20" else None),
            _ABSURD,
        ),
    )
]
_APART = "accounts_are_apart"
_ACCOUNTS = [
    Defect(f"{name}, of {operation}", vendor, _APART, shared(vendor, shares), operation=operation)
    for name, shares, operations in (
        ("accounts that share their lists", lambda response: response.status == 200, ("listTrunks", "listCalls")),
        ("accounts that share their lists", lambda response: response.status == 200, ("listSipTrunks",)),
        ("ids that open what is another's", lambda response: response.status == 404, ("getCall",)),
        (
            "ids that open what is another's",
            lambda response: response.status == 404,
            ("getSipTrunk", "getSipTrunkHealth", "listSipTrunkDids"),
        ),
    )
    for operation in operations
    for vendor in ("talkover" if "Sip" in operation else "telepath",)
]


DEFECTS: tuple[Defect, ...] = (
    *_LISTS,
    *_REFUSING,
    *_AUTHORIZATION,
    *_VALUES,
    *_SECRETS,
    *_IDS,
    *_WIRE,
    *_HEADERS,
    *_CALLS,
    *_READINGS,
    *_HTTP,
    *_UNNOTICED,
    *_ACCOUNTS,
)
