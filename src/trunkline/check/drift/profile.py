"""Observe how an API answers: which values its responses have at each place, and how they differ from the contract.

    >>> profile = Profile(vendor)
    >>> profile.observe(operation, exchange, time=1795888800.0, source="session.har:120 (#/log/entries/3)")
    >>> [(cause.kind, cause.at, cause.detail, seen.count) for cause, seen in profile.deviations.items()]
    [('value', 'body/trunks/*/status', '"busy"', 1)]

A profile is as large as the contract: of the differences at one place only so many are told apart, and of a difference
only the first example is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from trunkline.check.drift.kinds import OF_KEYWORD
from trunkline.check.rules.outline import allowed_extras
from trunkline.check.rules.refusals import accepts_valid
from trunkline.contract.bodies import NOTHING, at_pointer, json_of, shown_response
from trunkline.contract.model import DOCUMENT, Contract, DocumentedResponse, Operation, Violation
from trunkline.contract.refusals import query_names, reasons_to_refuse
from trunkline.contract.schema import Steps
from trunkline.exchange import Exchange, Json, NotJSON, Request, Response, TooComplex, pointer, read_body, resolve
from trunkline.findings import Evidence, excerpt, to_text, without_positions
from trunkline.mock.loader import Vendor
from trunkline.redaction import (
    REDACTED,
    RecentSecrets,
    Redactor,
    normalized,
    redact_credentials,
    redact_header,
    redact_json,
    redact_shapes,
    secret_names,
    secrets_in_request,
)

_MOST_ALIKE = 50
"""The number of differences of one kind at one place that are told apart."""
_LONGEST = 120
_LONGEST_NAME = 100
_MOST_REMEMBERED = 1000
"""The number of secrets, and of examples, that are remembered."""
OTHERS = "others"
"""The detail of the differences at one place beyond those that are told apart."""

TYPES: Mapping[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
    dict: "object",
    list: "array",
}
"""The name that JSON Schema has for each type of JSON."""

_COMMON_HEADERS = """
    accept-ranges age allow alt-svc cache-control cf-cache-status cf-ray clear-site-data connection content-disposition
    content-encoding content-language content-length content-location content-range content-security-policy
    content-security-policy-report-only content-type date etag expect-ct expires keep-alive last-modified link location
    nel origin-agent-cluster p3p permissions-policy pragma proxy-authenticate proxy-status referrer-policy report-to
    reporting-endpoints retry-after server server-timing set-cookie speculation-rules strict-transport-security
    timing-allow-origin trailer transfer-encoding upgrade vary via warning www-authenticate x-cache x-cache-hits
    x-content-type-options x-dns-prefetch-control x-download-options x-frame-options x-permitted-cross-domain-policies
    x-powered-by x-served-by x-timer x-xss-protection
"""
"""Fields of HTTP itself, of browsers and of content networks: no page of an API documents them."""
_COMMON_BEGINNINGS = ("access-control-", "cross-origin-", "sec-", "x-amz-cf-", "x-trunkline-")


class ChangeCause(NamedTuple):
    """The key of a difference: `ChangeCause("listTrunks", "200", "value", "body/trunks/*/status", '"busy"')`.

    `status` is the key of the documented response (`200`, `4XX`), or the status. `at` is the place in the exchange,
    without the positions in lists, and `detail` tells the differences of one kind at one place apart.
    """

    operation: str
    status: str
    kind: str
    at: str
    detail: str = ""


@dataclass(slots=True, repr=False)
class Sighting:
    """How often something was seen, and the Unix times of its first and its last request, if they are known."""

    count: int = 0
    first: float | None = None
    last: float | None = None

    def add(self, count: int, time: float | None) -> None:
        self.count += count
        if time is not None:
            self.first = time if self.first is None else min(self.first, time)
            self.last = time if self.last is None else max(self.last, time)


@dataclass(slots=True, repr=False)
class Deviation(Sighting):
    """A difference from the contract, with the part of the contract that it is about.

    `breaks` holds the references of all keywords that the value breaks, with what the schema needs to allow it.
    `evidence` is that of the broken statement, None if there is no statement. `example` is redacted.
    """

    contract: str = ""
    expected: str = ""
    evidence: Evidence | None = None
    example: str = ""
    source: str = ""
    breaks: dict[str, list[Json]] = field(default_factory=dict)
    types: set[str] = field(default_factory=set)


@dataclass(slots=True, repr=False)
class BodyPlace:
    """A place in the body of a response, as its schema describes it, and the types of the values that were seen there.

    `at` is `body/trunks/*/status`, `reference` that of its schema. `names` are the documented properties of an object,
    None if it has no documented ones.
    """

    at: str
    reference: str
    names: frozenset[str] | None = None
    children: dict[str, BodyPlace] = field(default_factory=dict)
    items: BodyPlace | None = None
    types: dict[str, Sighting] = field(default_factory=dict)

    @property
    def objects(self) -> int:
        """How many objects were seen here."""
        return self.types["object"].count if "object" in self.types else 0

    def all(self) -> Iterator[BodyPlace]:
        """The place and all places in it."""
        yield self
        for inner in (*self.children.values(), *([self.items] if self.items else ())):
            yield from inner.all()

    def unseen(self) -> Iterator[BodyPlace]:
        """The documented properties that no object had."""
        for child in self.children.values():
            if child.types:
                yield from child.unseen()
            elif self.objects:
                yield child
        if self.items:
            yield from self.items.unseen()


class Profile:
    """A summary of the responses of one API. `places` has the body of each documented response that was seen."""

    def __init__(self, vendor: Vendor, secrets: frozenset[str] = frozenset()) -> None:
        self.contract: Contract = vendor.contract
        self.deviations: dict[ChangeCause, Deviation] = {}
        self.places: dict[tuple[str, str], BodyPlace] = {}
        self.responses: Counter[tuple[str, str]] = Counter()
        """The number of responses of each (operationId, status) that were seen."""
        self.exchanges = Sighting()
        self._alike: Counter[ChangeCause] = Counter()
        self._confirmed: set[tuple[str, Steps]] = set()
        self._secret_names = {normalized(name) for name in vendor.contract.secrets}
        self._is_secret = secret_names(vendor.contract.secrets)
        self._known, self._recent = Redactor(vendor.secrets | secrets), RecentSecrets()
        self._remembered: dict[str, None] = {}
        self._examples: dict[tuple[str, type, Json], str] = {}
        self._exchange = Exchange(Request("", ""), Response(0))
        self._knows_response = False
        """Whether the secrets of its response are learned."""
        self._time: float | None = None
        self._source = ""

    def observe(self, operation: Operation, exchange: Exchange, time: float | None = None, source: str = "") -> None:
        """Add an exchange. `source` is its place in a recording."""
        if exchange.request.method not in ("", operation.method):
            return
        self._exchange, self._time, self._source, self._knows_response = exchange, time, source, False
        self.learn(exchange.request)
        self.exchanges.add(1, time)
        status, response = exchange.response.status, operation.response_for(exchange.response.status)
        self.responses[operation.operation_id, str(status)] += 1
        if "status" in exchange.known:
            self._status(operation, response, status)
        if "headers" in exchange.known:
            self._headers(operation, response, exchange)
        self._body(operation, response, exchange)
        if {"request", "status"} <= exchange.known:
            self._parameters(operation, exchange)

    def redact(self, text: str) -> str:
        """The text without the secrets that are known, and without what has the shape of a credential."""
        return redact_shapes(self._recent(self._known(redact_credentials(text))))

    def learn(self, message: Request) -> None:
        """Learn the secrets of a message, so that no example shows one. The latest ones are remembered."""
        for secret in secrets_in_request(message, self.contract.secrets).difference(self._remembered):
            self._recent.add(secret)
            self._remembered[secret] = None
        while len(self._remembered) > _MOST_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]

    # --- the parts of an exchange -----------------------------------------------------------------------------------

    def _status(self, operation: Operation, response: DocumentedResponse | None, status: int) -> None:
        if response is not None and (response.key.isdigit() or response.evidence.grade.carries_findings):
            return
        kind = "status" if status < 400 else "error_status"
        cause = ChangeCause(operation.operation_id, str(status), kind, "status", str(status))
        listed = ", ".join(operation.responses)
        at = operation.reference(f"{operation.pointer}/responses")
        self._add(cause, lambda: str(status), contract=at, expected=listed, evidence=operation.success.evidence)

    def _headers(self, operation: Operation, response: DocumentedResponse | None, exchange: Exchange) -> None:
        limit = operation.contract.rate_limit
        status = exchange.response.status
        of_limit = {name.lower() for name in (limit.limit, limit.remaining, limit.reset)} if limit else set[str]()
        fields = dict(exchange.response.headers)
        if limit and not operation.rate_limit_exemption and status < 500:
            for name in sorted(of_limit.difference(fields)):
                cause = ChangeCause(operation.operation_id, str(status), "rate_limit", f"header/{name}")
                reference = operation.reference("/x-trunkline/rate_limit")
                self._add(cause, lambda: "absent", contract=reference, expected="present", evidence=limit.evidence)
        if response is None or not response.evidence.grade.carries_findings:
            return  # no page describes such a response
        for name in sorted(fields.keys() - of_limit - response.headers.keys() - {*_COMMON_HEADERS.split()}):
            if not name.startswith(_COMMON_BEGINNINGS):
                cause = ChangeCause(operation.operation_id, response.key, "header", f"header/{self._name(name)}")
                reference = operation.reference(f"{response.pointer}/headers")
                self._add(cause, partial(self._header, name, fields[name]), contract=reference)

    def _body(self, operation: Operation, response: DocumentedResponse | None, exchange: Exchange) -> None:
        status, body = exchange.response.status, json_of(exchange)
        if status >= 400 and body is not NOTHING:
            self._code(operation, response, status, body)
        shown = shown_response(operation, exchange)
        if shown is None or response is None:
            return
        name, key = operation.operation_id, shown.key
        if body is NOTHING:
            text = read_body(exchange.response.body)
            cause = ChangeCause(name, key, "not_json", "body")
            is_wrong = isinstance(text, NotJSON) and not isinstance(text, TooComplex)
            if is_wrong and not (status == 204 and shown.content is None):
                self._add(cause, lambda: str(text), contract=operation.reference(shown.schema), expected="JSON")
            return
        place = self.places.get((name, key))
        if place is None:
            place = self.places[name, key] = _described(operation, "", DOCUMENT, shown.schema)
        self._walk(operation, key, place, body)
        if not operation.contract.accepts(shown.schema, body):
            confirmed, _ = operation.contract.confirmed_violations(shown.schema, body, self._confirmed)
            self._violations(operation, shown, confirmed)

    def _code(self, operation: Operation, response: DocumentedResponse | None, status: int, body: Json) -> None:
        at = operation.contract.errors.code
        code = at_pointer(body, at)
        if not isinstance(code, str):
            return
        listed = [refusal.code for refusal in response.refusals.values()] if response else []
        if code in listed or (response and code in response.codes):
            return
        kind = "code" if listed and response and response.evidence.grade.carries_findings else "error_code"
        is_listed = response is not None and response.key.isdigit()
        key = response.key if response and is_listed else str(status)
        place = (
            f"{response.pointer}/x-trunkline/refusals" if response and is_listed else f"{operation.pointer}/responses"
        )
        cause = ChangeCause(operation.operation_id, key, kind, f"body{at}", self._text(code))
        self._add(
            cause,
            lambda: self._text(code),
            contract=operation.reference(place),
            expected=", ".join(dict.fromkeys(listed)),
            evidence=response.evidence if response else None,
        )

    def _parameters(self, operation: Operation, exchange: Exchange) -> None:
        request, status = exchange.request, exchange.response.status
        if not request.query:
            return
        name, key = operation.operation_id, str(status)
        documented = {parameter.name for parameter in operation.parameters if parameter.location == "query"}
        if 200 <= status < 300:
            for sent in dict.fromkeys(query_names(request.query)):
                if sent not in documented:
                    cause = ChangeCause(name, key, "parameter", f"query/{self._name(sent)}")
                    self._add(cause, str, contract=operation.reference(f"{operation.pointer}/parameters"))
            for reason in reasons_to_refuse(operation.contract, request):
                if reason.cause.startswith("parameter_") and reason.evidence.grade.carries_findings:
                    at = f"query/{reason.placeholders.get('name', '')}"
                    cause = ChangeCause(name, key, "parameter_value", at, reason.broke)
                    contract = reason.reference(operation.contract)
                    shown = partial(self._text, reason.sent)
                    self._add(cause, shown, contract=contract, expected=reason.broke, evidence=reason.evidence)
        elif 400 <= status < 500:
            for found in accepts_valid.judge(operation, exchange):
                at = f"query/{query_names(request.query)[0]}"
                cause = ChangeCause(name, key, "parameter_refused", at)
                shown = partial(self._text, request.query)
                self._add(cause, shown, contract=found.contract, expected=found.expected, evidence=found.evidence)

    # --- bodies -----------------------------------------------------------------------------------------------------

    def _walk(self, operation: Operation, key: str, place: BodyPlace, body: Json) -> None:
        """Count the types of the values at each place, and note the properties that no page documents."""
        stack: list[tuple[BodyPlace, list[Json]]] = [(place, [body])]
        while stack:
            here, values = stack.pop()
            for kind, count in Counter(map(type, values)).items():
                here.types.setdefault(TYPES[kind], Sighting()).add(count, self._time)
            objects = [value for value in values if type(value) is dict]
            for name, child in here.children.items():
                if inner := [value[name] for value in objects if name in value]:
                    stack.append((child, inner))
            if here.items and (items := [item for value in values if type(value) is list for item in value]):
                stack.append((here.items, items))
            if here.names is not None:
                others: dict[str, list[Json]] = {}
                for value in objects:
                    for name in value.keys() - here.names:
                        others.setdefault(name, []).append(value[name])
                for name in sorted(others):
                    self._property(operation, key, here, name, others[name])

    def _property(self, operation: Operation, key: str, place: BodyPlace, name: str, values: list[Json]) -> None:
        is_secret = normalized(name) in self._secret_names
        at = place.at + pointer((self._name(name),))
        cause = ChangeCause(operation.operation_id, key, "secret" if is_secret else "property", at)
        example = partial(self._example, at, values[0])
        evidence = operation.contract.secrets.get(name) if is_secret else None
        found = self._add(cause, example, len(values), contract=f"{place.reference}/properties", evidence=evidence)
        found.types.update(TYPES[kind] for kind in set(map(type, values)))

    def _violations(self, operation: Operation, shown: DocumentedResponse, violations: list[Violation]) -> None:
        """Note the violations of a body; all of one value are one difference, named by the first of them."""
        by_value: dict[tuple[str, bool], list[Violation]] = {}
        for violation in violations:
            if violation.keyword != "items":  # which says only that a list has more of the same
                by_value.setdefault((violation.at, violation.keyword == "required"), []).append(violation)
        for found in by_value.values():
            found.sort(
                key=lambda violation: [*OF_KEYWORD].index(violation.keyword) if violation.keyword in OF_KEYWORD else 99
            )
            self._violation(operation, shown, found)

    def _violation(self, operation: Operation, shown: DocumentedResponse, found: list[Violation]) -> None:
        first = found[0]
        kind, at, instance = OF_KEYWORD.get(first.keyword, "shape"), without_positions(first.at), first.instance
        example = "absent" if first.keyword == "required" else self._example(at, instance)
        detail = {"type": TYPES.get(type(instance), ""), "value": example, "property_missing": ""}.get(
            kind, first.keyword
        )
        if kind == "type" and instance is None:
            kind, detail = "null", ""
        evidence = first.evidence if shown.key.startswith("2") else first.evidence.weakest(shown.evidence)
        cause = ChangeCause(operation.operation_id, shown.key, kind, f"body{at}", detail)
        added = self._add(cause, lambda: example, contract=first.contract, expected=first.expected, evidence=evidence)
        for violation in found:
            _widen(added.breaks.setdefault(violation.contract, []), violation, is_redacted=REDACTED in example)

    # --- what is kept -----------------------------------------------------------------------------------------------

    def _add(self, cause: ChangeCause, example: Callable[[], str], count: int = 1, **facts: Any) -> Deviation:
        """Count a difference; the first time, keep its facts and an example, which is redacted."""
        found = self.deviations.get(cause)
        if found is None:
            of_place = cause._replace(at=cause.at.rpartition("/")[0] if cause.kind in _NAMED else cause.at, detail="")
            self._alike[of_place] += 1
            if self._alike[of_place] > _MOST_ALIKE:
                cause = of_place._replace(detail=OTHERS)
            found = self.deviations.get(cause)
        if found is None:
            shown = "" if cause.detail == OTHERS else example()
            found = self.deviations[cause] = Deviation(example=shown, source=self._source, **facts)
        found.add(count, self._time)
        return found

    def _example(self, at: str, value: Json) -> str:
        """The value at a place as an example: without secrets, and not too long."""
        key = (at, type(value), value)
        is_short = not isinstance(value, dict | list) and len(str(value)) <= _LONGEST
        if is_short and key in self._examples:
            return self._examples[key]
        if not self._knows_response:  # which takes a while for a long one
            response = self._exchange.response
            self.learn(Request("POST", "/", "", response.headers, response.body))
            self._knows_response = True
        is_secret = any(map(self._is_secret, at.split("/")))
        example = REDACTED if is_secret else to_text(redact_json(value, self._is_secret, self.redact))
        example = excerpt(example, _LONGEST, self.redact)
        if is_short and len(self._examples) < _MOST_REMEMBERED:
            self._examples[key] = example
        return example

    def _header(self, name: str, value: str) -> str:
        """The value of a header as an example."""
        self.learn(Request("POST", "/", "", self._exchange.response.headers))
        return self._text(redact_header(name, value))

    def _text(self, text: str) -> str:
        return excerpt(text, _LONGEST, self.redact)

    def _name(self, name: str) -> str:
        """A name that the contract does not have, as a part of a place."""
        return excerpt(name, _LONGEST_NAME, self.redact)


_NAMED = frozenset(("property", "secret", "header", "parameter"))
"""The kinds whose place ends with a name that the contract does not have."""


def _widen(needs: list[Json], violation: Violation, *, is_redacted: bool) -> None:
    """Add what a schema needs to allow the value: its type, the value, or its size. Of sizes the extreme is kept."""
    keyword, instance = violation.keyword, violation.instance
    if keyword == "type":
        needed: Json = TYPES[type(instance)]
    elif keyword == "required":
        needed = violation.at.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
    elif OF_KEYWORD.get(keyword) == "range":
        size = instance if keyword.endswith("mum") else len(instance)
        needs[:] = [max(*needs, size) if keyword.startswith("max") else min(*needs, size)] if needs else [size]
        return
    elif OF_KEYWORD.get(keyword) == "format":
        needed = keyword
    elif is_redacted and keyword in ("enum", "const"):
        return
    else:
        needed = instance
    text = to_text(needed)
    if text not in map(to_text, needs) and len(needs) < _MOST_ALIKE and len(text) <= _LONGEST:
        needs.append(needed)


# --- the places of a schema -----------------------------------------------------------------------------------------


def _described(operation: Operation, at: str, file: str, pointer_: str) -> BodyPlace:
    """The places in the part of a response's body that the schema at a pointer describes."""
    contract = operation.contract
    place = BodyPlace(f"body{without_positions(at)}", "")
    for found, there, node in _branches(contract, file, pointer_):
        place.reference = place.reference or contract.file_reference(found, there)
        for name in node.get("properties", {}):
            step = pointer((name,))
            if name not in place.children:
                place.children[name] = _described(operation, at + step, found, f"{there}/properties{step}")
        if "items" in node and place.items is None:
            place.items = _described(operation, f"{at}/0", found, f"{there}/items")
    if place.children:
        errors = contract.errors
        known = [errors.code, errors.message, *([errors.success.at] if errors.success else [])]
        of_errors = (name.rpartition("/")[2] for name in known if name.rpartition("/")[0] == at)
        place.names = frozenset({*place.children, *allowed_extras(operation, at), *of_errors})
    return place


def _branches(contract: Contract, file: str, at: str) -> Iterator[tuple[str, str, Mapping[str, Json]]]:
    """A schema and those that it combines, each with its file and pointer."""
    file, at, node = contract.followed(file, at, resolve(contract.files[file], at))
    yield file, at, node
    for keyword in ("allOf", "anyOf", "oneOf"):
        for index in range(len(node.get(keyword, ()))):
            yield from _branches(contract, file, f"{at}/{keyword}/{index}")
    for keyword in ("then", "else"):
        if keyword in node:
            yield from _branches(contract, file, f"{at}/{keyword}")
