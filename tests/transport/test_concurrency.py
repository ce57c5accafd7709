"""Concurrent clients of a mock: every answer fits one order of all requests."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.requests import Client
from trunkline import mock
from trunkline.contract.model import Create, List
from trunkline.exchange import Request, Target
from trunkline.mock import Mock, storage
from trunkline.mock.loader import Vendor
from trunkline.transport import server, targets

THREADS = 5
ROUNDS = 9


@pytest.fixture(autouse=True)
def restless() -> Iterator[None]:
    """Threads take turns as often as Python lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(params=["in process", "kept", "over HTTP"])
def asked(request: pytest.FixtureRequest, vendor: Vendor, tmp_path: Path) -> Iterator[tuple[Mock, Target]]:
    """A mock, and what its clients ask: itself, itself with a state file, or a server in front of it."""
    if request.param == "kept":
        state = storage.from_file(tmp_path / "state.db")
        fake = mock.from_vendor(vendor, storage=state)
        yield fake, fake
        state.close()
        return
    fake = mock.from_vendor(vendor)
    if request.param == "in process":
        yield fake, fake
        return
    with server.running(server.asgi(fake, blocking=True)) as url:
        live = targets.http(url)
        yield fake, live
        live.close()


def at_once(*works: Callable[[], None]) -> None:
    """Runs all of it at the same time, and raises what any of it raises."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        start.wait(10)
        work()

    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(run, work) for work in works]:
            done.result(timeout=60)


def test_every_answer_fits_one_order_of_all_requests(vendor: Vendor, asked: tuple[Mock, Target]) -> None:
    """No client loses a write of another, sees half of one, or sees an older state after a newer one."""
    fake, target = asked
    shipped = set(Client(vendor, fake).listed())
    writing = threading.Semaphore(0)
    left: dict[str, str] = {}

    def writer(number: int) -> None:
        client, mine = Client(vendor, target), ""
        removes = "DELETE" in {operation.method for operation in vendor.contract.operations}
        for turn in range(ROUNDS):
            if not mine:
                mine = client.created(f"user-{number}-{turn}")
            name = f"{number:02}-{turn:04}"
            changed = client.change(mine, name)
            assert (changed.status, client.item(changed)["name"]) == (200, name)
            assert client.listed()[mine]["name"] == name
            if removes and turn % 3 == 2:
                assert client.delete(mine).status == 200
                assert client.delete(mine).status == client.change(mine, "gone").status == 404
                assert mine not in client.listed()
                mine = ""
        if mine:
            left[mine] = name
        writing.release()

    def reader() -> None:
        client, newest, gone = Client(vendor, target), dict[str, str](), set[str]()
        while not writing.acquire(blocking=False):
            seen = client.listed()
            assert shipped <= set(seen)
            assert not gone & set(seen), "what was removed came back"
            gone |= set(newest) - set(seen)
            for identity in set(seen) - shipped:
                shown = {seen[identity][field] for field in client.trunks.names}
                assert len(shown) == 1, "half of a write was seen"
                name = "" if shown == {"new"} else shown.pop()
                assert name >= newest.get(identity, ""), "an older state was seen after a newer one"
                newest[identity] = name
        writing.release()

    at_once(*[partial(writer, number) for number in range(THREADS)], reader, reader)
    found = Client(vendor, fake).listed()
    assert {identity: found[identity]["name"] for identity in set(found) - shipped} == left


def test_a_race_for_what_must_be_unique_has_one_winner(vendor: Vendor, asked: tuple[Mock, Target]) -> None:
    """Of all who ask at once for the same, one gets it, and the others get the reason."""
    fake, target = asked
    creating = next(one for one in vendor.contract.of_kind(Create) if one.kind.unique)
    said: list[int] = []
    parent = Client(vendor, fake).created("user-0")

    def ask() -> None:
        client = Client(vendor, target)
        for turn in range(ROUNDS):
            if creating.resource == "trunks":
                said.append(client.create(f"same-{turn}").status)
            else:
                path = creating.path.replace("{trunk_id}", parent)
                number = f"+1555123{turn:04}"
                said.append(client.ask("POST", path, {"country_code": "US", "number": number}).status)

    at_once(*[ask] * THREADS)
    assert Counter(said) == {201: ROUNDS, 409: ROUNDS * (THREADS - 1)}


def test_ids_are_made_for_one_only(vendor: Vendor, asked: tuple[Mock, Target]) -> None:
    """However many are created at once, no two have an id in common, and all of them are there."""
    fake, target = asked
    made: list[str] = []
    before = len(Client(vendor, fake).listed())

    def ask(number: int) -> None:
        made.extend(Client(vendor, target).created(f"user-{number}-{turn}") for turn in range(ROUNDS))

    at_once(*[partial(ask, number) for number in range(THREADS)])
    assert len(set(made)) == THREADS * ROUNDS
    assert len(Client(vendor, fake).listed()) == before + THREADS * ROUNDS


def test_a_reset_is_before_or_after_a_request(vendor: Vendor, asked: tuple[Mock, Target]) -> None:
    """A write during resets is answered as without them; in the end the fixtures are there."""
    fake, target = asked
    shipped = Client(vendor, fake).listed()

    def write(number: int) -> None:
        client = Client(vendor, target)
        for turn in range(ROUNDS):
            mine = client.created(f"user-{number}-{turn}")
            assert client.change(mine, "new name").status in {200, 404}
            assert set(shipped) <= set(client.listed())

    def reset() -> None:
        for _ in range(ROUNDS):
            fake.reset()

    at_once(*[partial(write, number) for number in range(THREADS)], reset)
    fake.reset()
    assert Client(vendor, fake).listed() == shipped


def test_the_rate_limit_counts_every_request_once(vendor: Vendor) -> None:
    """Of many at once exactly as many pass as are allowed, each with another number of what is left."""
    allowed = 100
    fake = mock.from_vendor(vendor, rate_limit=allowed, clock=lambda: 1_700_000_000.0)
    known = (("authorization", f"Bearer {vendor.world.token}"),)
    path = next(one.path for one in vendor.contract.of_kind(List))
    said: list[tuple[int, str]] = []

    def ask() -> None:
        for _ in range(allowed // 3):
            response = fake(Request("GET", path, "", known))
            said.append((response.status, response.header("x-ratelimit-remaining") or ""))

    at_once(*[ask] * THREADS)
    passed = [left for status, left in said if status == 200]
    assert sorted(map(int, passed)) == list(range(allowed))
    assert {status for status, _ in said} == {200, 429}


def test_tests_may_put_and_remove_while_clients_ask(vendor: Vendor) -> None:
    """`put`, `remove` and `snapshot` are of the same order as the requests."""
    fake = mock.from_vendor(vendor)
    sample = fake.snapshot("trunks")[0]
    path = next(one.path for one in vendor.contract.of_kind(List) if not one.parents)
    until = time.monotonic() + 10
    over = threading.Event()

    def ask() -> None:
        client = Client(vendor, fake)
        while not over.is_set() and time.monotonic() < until:
            known = len(client.listed())
            assert len(fake.snapshot("trunks")) >= known - THREADS
            assert client.ask("GET", path, query="status=%ff&status=x").status in {200, 400}
            assert client.create("x", password="secret-0123456789").status in {201, 400, 409}

    def put(number: int) -> None:
        for turn in range(ROUNDS * 3):
            record = {**sample, "id": f"put-{number}-{turn}"}
            fake.put("trunks", record)
            assert record in fake.snapshot("trunks")
            fake.remove("trunks", record["id"])
            assert record not in fake.snapshot("trunks")
        over.set()

    at_once(*[partial(put, number) for number in range(THREADS)], ask, ask)
    assert not [record for record in fake.snapshot("trunks") if record["id"].startswith("put-")]
