"""Read a whole list as a client would: page by page, until a page is short."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from trunkline.contract.bodies import NOTHING, at_pointer, count_at, id_key, json_of, same_id
from trunkline.contract.model import List, Operation
from trunkline.exchange import Exchange, Json

MOST_PAGES = 100
"""A list with more pages is not read to its end."""
MOST_BYTES = 8 << 20
"""Nor is a list whose pages have more bytes."""


@dataclass(slots=True)
class ListReading:
    """The items of a list in order, and the exchange of each page.

    `readable` is false when a page was not a success with an array of items. `whole` is true when all items
    were certainly read. `repeats` is true when the last page is full, and has only ids of earlier pages.
    """

    items: list[Json] = field(default_factory=list)
    identities: list[Json] = field(default_factory=list)
    """The id of each item, or `NOTHING` for an item without one."""
    positions: list[int] = field(default_factory=list)
    """The index of each item in its page."""
    exchanges: list[Exchange] = field(default_factory=list)
    total: int | None = None
    readable: bool = True
    whole: bool = False
    repeats: bool = False

    def __len__(self) -> int:
        return len(self.items)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that are strings, as ids are compared, in the order of the items."""
        return tuple(id_key(identity) for identity in self.identities if isinstance(identity, str))

    @property
    def size(self) -> int:
        """The number of bytes of all its pages."""
        return sum(len(exchange.response.body) for exchange in self.exchanges)

    @property
    def status(self) -> int:
        """The status of the last page."""
        return self.exchanges[-1].response.status

    def item(self, identity: Json) -> Json:
        """The first item with this id, or `NOTHING`."""
        pairs = zip(self.identities, self.items, strict=True)
        return next((item for shown, item in pairs if same_id(shown, identity)), NOTHING)


def read_list(
    operation: Operation[List],
    ask: Callable[[str], Exchange],
    *,
    query: Mapping[str, Json] | None = None,
    until: str | None = None,
) -> ListReading:
    """Read a list in pages of the largest documented size. `ask` sends the request with a query string.

    Reading stops at the item with the id `until`, at a page that cannot be read, and at a page that only repeats ids of
    earlier pages; then the reading is not whole.
    """
    listing, paging = operation.kind, operation.kind.paging
    limit = operation.parameter(paging.limit).schema.get("maximum", 100) if paging else 0
    reading = ListReading()
    for number in range(MOST_PAGES):
        pages = {paging.limit: limit, paging.offset: number * limit} if paging else {}
        exchange = ask(urlencode({**(query or {}), **pages}))
        reading.exchanges.append(exchange)
        page = at_pointer(json_of(exchange), listing.items)
        if not 200 <= exchange.response.status < 300 or not isinstance(page, list):
            reading.readable = False
            break
        page_ids = [at_pointer(item, listing.identity) for item in page]
        earlier = {*map(id_key, reading.identities)}
        reading.items += page
        reading.identities += page_ids
        reading.positions += range(len(page))
        if paging is None:
            reading.whole = not listing.whole_below or len(page) < listing.whole_below
            break
        reading.total = count_at(json_of(exchange), paging.total.at) if paging.total else None
        if until is not None and any(same_id(until, shown) for shown in page_ids):
            break
        reading.whole = len(page) < limit
        reading.repeats = bool(number) and not reading.whole and {*map(id_key, page_ids)} <= earlier
        if reading.whole or reading.repeats or reading.size > MOST_BYTES:
            break
    return reading
