"""Owns whose a thing is: what readings show of it, whatever the answer to its creation said.

An implementation may answer a creation with the id of something else, and may give an id anew: to write on a thing
because of its id alone would be to trust the very answers that are under examination.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from operator import attrgetter
from typing import Final, TypeGuard
from urllib.parse import urlencode

from trunkline.check.safety.ledger import Entry, Ledger
from trunkline.contract.bodies import NOTHING, at_pointer
from trunkline.contract.model import Contract, Operation
from trunkline.exchange import Headers, Json, NotJSON, Request, Response, Target

MOST_PAGES = 100
"""A list of more pages is not read whole."""

_PLAIN = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._~:@-]{1,256}")
GONE = (404, 410)
"""The answers that nothing is there."""


class Owner(Enum):
    """What readings tell of a thing."""

    OURS = "ours"
    OTHERS = "not ours"
    GONE = "gone"
    UNKNOWN = "not told"


Kind = Callable[[Operation], object]
CREATES: Final[Kind] = attrgetter("creating")
FETCHES: Final[Kind] = attrgetter("fetching")
LISTS: Final[Kind] = attrgetter("listing")
DELETES: Final[Kind] = attrgetter("deleting")


def is_plain(identity: object) -> TypeGuard[str]:
    """Whether every server reads an id in a path alike: nothing in it ends a segment, is escaped or leads up."""
    return isinstance(identity, str) and _PLAIN.fullmatch(identity) is not None


def about(contract: Contract, resource: str, kind: Kind) -> Operation | None:
    """The operation of a kind that is about a resource."""
    return next((said for said in contract.operations if said.resource == resource and kind(said)), None)


def label_of(contract: Contract, resource: str) -> str:
    """The field that people know a thing of the resource by, or empty."""
    operation = about(contract, resource, CREATES)
    return operation.creating.label if operation and operation.creating else ""


def ids_in(operation: Operation, values: Mapping[str, str]) -> dict[str, str]:
    """The ids in a path by the resource of each: `{"trunks": "trunk-uuid-1"}`."""
    in_path = (said for said in operation.parameters if said.location == "path" and said.resource)
    return {said.resource: values[said.name] for said in in_path}


def road(operation: Operation, ids: Mapping[str, str]) -> str | None:
    """The path of an operation about the things of these ids, or None when one is not known or not plain."""
    path = operation.path
    for parameter in operation.parameters:
        if parameter.location == "path":
            identity = ids.get(parameter.resource)
            if not is_plain(identity):
                return None
            path = path.replace(f"{{{parameter.name}}}", identity)
    return path


def signed(operation: Operation | None, item: Json, ledger: Ledger) -> str:
    """What the inputs that no two things share come to; empty unless there are some and all are there, as text."""
    creating = operation.creating if operation else None
    if operation is None or creating is None or not creating.unique or not isinstance(item, dict):
        return ""
    names = sorted(name for name in creating.unique if name not in operation.contract.secrets)
    values = [item.get(name) for name in names]
    return ledger.digest(json.dumps(values), 8) if names and all(isinstance(it, str) for it in values) else ""


def authorization(header: str | None) -> Headers:
    """The header fields of a request with a credential, or with none."""
    return (("authorization", header),) if header else ()


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list shows, and whether surely all of it; the status tells why it shows nothing."""

    items: tuple[Json, ...]
    whole: bool
    status: int = 200
    found: Json = NOTHING
    """The item that was looked for."""


@dataclass(slots=True, repr=False)
class Ownership:
    """Remembers what readings showed: the ids of others, and what is surely ours, each as one credential sees it."""

    contract: Contract
    ledger: Ledger
    _others: set[tuple[str, str, str]] = field(default_factory=set)
    _sure: set[tuple[str, str, str]] = field(default_factory=set)
    _seen: set[tuple[str, str, str]] = field(default_factory=set)
    """What was surely ours once."""

    def mark(self, header: str | None) -> str:
        """What tells a credential from others."""
        return self.ledger.digest(header or "", 2)

    def is_others(self, mark: str, resource: str, identity: str) -> bool:
        """Whether an id was seen to be that of something that the run did not make."""
        return (mark, resource, identity) in self._others

    def disown(self, mark: str, entry: Entry) -> None:
        """Remembers that the id of an entry is that of something else."""
        self._others.add((mark, *entry.key))

    def was_seen(self, entry: Entry) -> bool:
        """Whether a reading once showed a thing to be ours, with the credential that made it."""
        return (entry.credential_digest, entry.resource, entry.identity or entry.wrong_identity) in self._seen

    def forget(self, entry: Entry) -> None:
        """Forgets that a thing, and all below it, is ours: what was done to it may have made its id another's."""
        self._sure = {known for known in self._sure if known[1:] != entry.key and not self._hangs(known, entry)}

    def _hangs(self, known: tuple[str, str, str], entry: Entry) -> bool:
        mark, resource, identity = known
        below = self.ledger.find(resource, identity, credential_digest=mark) or self.ledger.find(resource, identity)
        return below is not None and below.parents.get(entry.resource) == entry.identity

    def ask(self, target: Target, path: str, header: str | None, query: str = "") -> Response:
        """One reading, of which is remembered what it shows."""
        request = Request("GET", path, query, authorization(header))
        response = target(request)
        self.notice(request, response)
        return response

    def notice(self, request: Request, response: Response) -> None:
        """Remembers what a reading shows, whoever asked for it."""
        if request.method != "GET":
            return
        operations, values = self.contract.match(request.path)
        operation = next((said for said in operations if said.method == "GET"), None)
        if operation is None or not (operation.listing or operation.fetching):
            return
        mark, ids = self.mark(request.header("authorization")), ids_in(operation, values)
        label, resource = label_of(self.contract, operation.resource), operation.resource
        if not 200 <= response.status < 300:
            if operation.fetching and response.status in GONE:
                self._sure.discard((mark, resource, ids.get(resource, "")))
            return
        below = [self.ledger.find(kind, identity) for kind, identity in ids.items() if kind != resource]
        ours_above = bool(below) and all(entry and (mark, *entry.key) in self._sure for entry in below)
        for identity, item in _shown(operation, _json(response), ids.get(resource, "")):
            entry = self.ledger.find(resource, identity)
            shown = item.get(label) if label and isinstance(item, dict) else None
            ours = begins(shown, self.ledger.prefix) if label else ours_above
            if entry is not None and ours:
                self._be_sure((mark, resource, identity))
            elif entry is not None:
                self._sure.discard((mark, resource, identity))  # to be looked at before it is written to
            elif not ours and not any(below):
                self._others.add((mark, resource, identity))

    def whose(self, target: Target, entry: Entry, header: str | None) -> Owner:
        """What the thing of an entry is seen to be with a credential; what is surely ours is not asked for again."""
        key = (self.mark(header), *entry.key)
        if key in self._sure:
            return Owner.OURS
        above = self._above(target, entry, header)
        found = self.look(target, entry, header) if above in (Owner.OURS, Owner.UNKNOWN) else above
        if found in (Owner.OURS, Owner.GONE) and above is Owner.UNKNOWN:
            return Owner.UNKNOWN
        if found is Owner.OURS:
            self._be_sure(key)
        return found

    def _be_sure(self, key: tuple[str, str, str]) -> None:
        self._sure.add(key)
        self._seen.add(key)

    def _above(self, target: Target, entry: Entry, header: str | None) -> Owner:
        """Whose the things are to which an entry without a label belongs; a label speaks for itself."""
        if label_of(self.contract, entry.resource):
            return Owner.OURS
        found = Owner.OURS
        for resource, identity in entry.parents.items():
            parent = self.ledger.find(resource, identity, credential_digest=entry.credential_digest, run=entry.run)
            seen = self.whose(target, parent, header) if parent else Owner.UNKNOWN
            if seen in (Owner.OTHERS, Owner.GONE):
                return seen
            found = seen if seen is Owner.UNKNOWN else found
        return found

    def look(self, target: Target, entry: Entry, header: str | None) -> Owner:
        """What the thing of an entry is seen to be just now, its parents aside."""
        fetched = self._fetched(target, entry, header)
        return fetched if fetched is not Owner.UNKNOWN else self._listed(target, entry, header)

    def _fetched(self, target: Target, entry: Entry, header: str | None) -> Owner:
        fetcher = about(self.contract, entry.resource, FETCHES)
        path = road(fetcher, {**entry.parents, entry.resource: entry.identity}) if fetcher else None
        if fetcher is None or fetcher.fetching is None or path is None:
            return Owner.UNKNOWN
        response = self.ask(target, path, header)
        if response.status in GONE:
            return Owner.GONE
        seen = 200 <= response.status < 300
        return self._told(entry, at_pointer(_json(response), fetcher.fetching.item)) if seen else Owner.UNKNOWN

    def _listed(self, target: Target, entry: Entry, header: str | None) -> Owner:
        listed = self.listed(target, entry.resource, entry.parents, header, until=entry.identity)
        if listed is None:
            return Owner.UNKNOWN
        if listed.found is not NOTHING:
            return self._told(entry, listed.found)
        if entry.parents and listed.status in GONE:
            return Owner.GONE
        if not listed.whole:
            return Owner.UNKNOWN
        # What belongs elsewhere is not shown here, and yet might be hit: unless it was here, it may not be gone.
        strange = entry.parents and self.ledger.is_open(entry) and not self.was_seen(entry)
        return Owner.OTHERS if strange else Owner.GONE

    def _told(self, entry: Entry, item: Json) -> Owner:
        """What the fields of a thing tell."""
        label = label_of(self.contract, entry.resource)
        if label:
            shown = item.get(label) if isinstance(item, dict) else None
            if begins(shown, entry.run):
                return Owner.OURS
            if isinstance(shown, str):
                return Owner.OTHERS if entry.label else Owner.UNKNOWN
            # A thing without a name is nobody's but ours: everybody else had to give one.
            return Owner.OURS if not entry.label and self._is_called(entry, item) else Owner.UNKNOWN
        sign = signed(about(self.contract, entry.resource, CREATES), item, self.ledger)
        return Owner.OURS if entry.parents and entry.unique_digest in ("", sign) else Owner.UNKNOWN

    def _is_called(self, entry: Entry, item: Json) -> bool:
        """Whether a thing shows the id of an entry."""
        operation = about(self.contract, entry.resource, CREATES)
        return operation is not None and at_pointer(item, operation.identity) == entry.identity

    def listed(
        self, target: Target, resource: str, parents: Mapping[str, str], header: str | None, until: str = ""
    ) -> Listed | None:
        """The list of a resource, as far as it can be read or until an id is found; None when no page documents it."""
        operation = about(self.contract, resource, LISTS)
        path = road(operation, parents) if operation else None
        if operation is None or operation.listing is None or path is None:
            return None
        listing, paging = operation.listing, operation.listing.paging
        items: list[Json] = []
        known: set[str] = set()
        limit = operation.parameter(paging.limit).schema["maximum"] if paging else 0
        for number in range(MOST_PAGES):
            query = urlencode({paging.limit: limit, paging.offset: number * limit}) if paging else ""
            response = self.ask(target, path, header, query)
            page = at_pointer(_json(response), listing.items)
            if not 200 <= response.status < 300 or not isinstance(page, list):
                return Listed(tuple(items), whole=False, status=response.status)
            items += page
            names = [at_pointer(item, listing.identity) for item in page]
            if until and until in names:
                return Listed(tuple(items), whole=False, found=page[names.index(until)])
            if paging is None:
                return Listed(tuple(items), whole=not listing.whole_below or len(page) < listing.whole_below)
            if len(page) < limit:
                return Listed(tuple(items), whole=True)
            told = {name for name in names if isinstance(name, str)}
            if told <= known:
                break  # it does not page, whatever it is asked
            known |= told
        return Listed(tuple(items), whole=False)


def _json(response: Response) -> Json:
    try:
        return response.json()
    except NotJSON:
        return NOTHING


def _shown(operation: Operation, body: Json, identity: str) -> Iterator[tuple[str, Json]]:
    """Each thing that an answer shows, with its id; a fetched one is called what it was asked for by."""
    if operation.fetching:
        yield identity, at_pointer(body, operation.fetching.item)
    elif operation.listing:
        items = at_pointer(body, operation.listing.items)
        for item in items if isinstance(items, list) else ():
            name = at_pointer(item, operation.listing.identity)
            if isinstance(name, str):
                yield name, item


def begins(shown: Json, prefix: str) -> bool:
    """Whether a label as it is shown begins with a run's prefix: a server may trim it, or change its case."""
    return isinstance(shown, str) and shown.strip().casefold().startswith(prefix)
