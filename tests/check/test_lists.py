"""Tests of `trunkline.check.lists`: a list is read to its end, or the reading says that it was not."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import parse_qs

import pytest

import trunkline
from trunkline.check import lists
from trunkline.check.lists import ListReading, read_list
from trunkline.contract.bodies import NOTHING
from trunkline.contract.model import List
from trunkline.exchange import Exchange, Json, Request, Response

LIMIT = 100
"""The largest documented page of the vendor."""


def reading(answer: Callable[[int, int], Json], *, until: str | None = None, status: int = 200) -> ListReading:
    """A reading of the trunks that `answer` gives for a limit and an offset."""
    (operation,) = trunkline.load("telepath").contract.of_kind(List, "trunks")

    def ask(query: str) -> Exchange:
        sent = {name: int(values[0]) for name, values in parse_qs(query).items()}
        body = {"trunks": answer(sent["limit"], sent["offset"]), "pagination": {"total": 250}}
        return Exchange(Request("GET", "/trunks", query), Response(status, (), json.dumps(body).encode()))

    return read_list(operation, ask, until=until)


def slices(count: int) -> Callable[[int, int], Json]:
    """The pages of a list of so many items."""
    items = [{"id": f"trunk-{number}"} for number in range(count)]
    return lambda limit, offset: items[offset : offset + limit]


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (1, 1), (99, 1), (100, 2), (250, 3)])
def test_a_list_is_read_until_a_page_is_short(count: int, pages: int) -> None:
    """The reading has all items in order, with their positions in their pages."""
    found = reading(slices(count))
    assert (found.readable, found.whole, len(found), len(found.exchanges)) == (True, True, count, pages)
    assert found.ids == tuple(f"trunk-{number}" for number in range(count))
    assert found.positions == [number % LIMIT for number in range(count)]
    assert found.total == 250


def test_reading_stops_at_the_wanted_item() -> None:
    """The later pages are not requested, so the reading is not whole."""
    found = reading(slices(250), until="trunk-120")
    assert (len(found), len(found.exchanges), found.whole) == (200, 2, False)
    assert found.item("trunk-120") == {"id": "trunk-120"}
    assert found.item("trunk-249") is NOTHING


def test_reading_stops_at_a_page_that_repeats_earlier_ids() -> None:
    """A server that ignores the offset would never give a short page."""
    found = reading(lambda limit, _: slices(250)(limit, 0))
    assert (len(found.exchanges), found.readable, found.whole, found.repeats) == (2, True, False, True)


def test_ids_that_are_numbers_do_not_repeat() -> None:
    """A page of ids that are no text repeats earlier ones only if they are the same."""
    items = [{"id": number} for number in range(250)]
    found = reading(lambda limit, offset: items[offset : offset + limit])
    assert (len(found), found.whole, found.repeats) == (250, True, False)


@pytest.mark.parametrize(("items", "status"), [({}, 200), (None, 200), ([], 500), ([], 404)])
def test_a_page_that_is_no_success_with_items_is_not_readable(items: Json, status: int) -> None:
    """The reading has the status of that page."""
    found = reading(lambda *_: items, status=status)
    assert (found.readable, found.whole, found.status) == (False, False, status)


def test_items_without_an_id_are_kept() -> None:
    """They have no id in `identities` and are left out of `ids`."""
    found = reading(lambda *_: [{"id": "a"}, {"name": "b"}, {"id": 7}])
    assert found.identities == ["a", NOTHING, 7]
    assert (len(found), found.ids) == (3, ("a",))


def test_reading_stops_after_very_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The items that were read are kept, and the reading is not whole."""
    monkeypatch.setattr(lists, "MOST_BYTES", 3000)
    found = reading(slices(1000))
    assert (len(found.exchanges), found.readable, found.whole, found.repeats) == (2, True, False, False)
    assert 3000 < found.size < 6000
