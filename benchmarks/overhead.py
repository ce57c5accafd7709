"""Measure what faults cost a mock while none is set, and what the log of its requests costs.

    python benchmarks/overhead.py    # ends with 1 if the bound is missed

The ASGI applications of three mocks answer reads in this process, in turn: that of `trunkline serve`, one that knows no
faults, and one that does not log requests either. Without a server and a network, a small difference shows.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
from collections.abc import Mapping
from time import perf_counter

import trunkline
from trunkline.exchange import RawHeaders, ReadKey, Response, Target
from trunkline.mock import from_vendor
from trunkline.mock.mock import Logged
from trunkline.mock.session import MockSession, ServedMock
from trunkline.transport import server
from trunkline.transport.scope import ASGIApp, Message

VENDOR = "telepath"
BLOCKS, REQUESTS = 80, 500
AT_LEAST = 0.97
"""The time for a read of a mock without faults, as a share of that of a mock with them, none of which is set."""


class Faultless(ServedMock):
    """The mock of a session, which does not ask whether a fault is set."""

    def read(self, key: ReadKey) -> tuple[Response, RawHeaders]:
        """The answer, logged."""
        begin = perf_counter()
        answer, limits = self.mock.find(key)
        response = answer.response
        self._requests.add(begin, answer.logged or Logged(self.mock, key, response.status, response.headers))
        return response, limits


def applications() -> dict[str, ASGIApp]:
    """Three applications by name; the first is that of `trunkline serve`."""
    vendor = trunkline.load(VENDOR)
    session = MockSession([vendor])
    served = session.mocks[VENDOR]
    targets: dict[str, Target] = {
        "ours": served,
        "a mock without faults": Faultless(from_vendor(vendor), session.faults, session.requests),
        "a mock without the log too": from_vendor(vendor),
    }
    base = vendor.contract.base_path
    return {name: server.asgi({base: target}, cors=()) for name, target in targets.items()}


def scope(query: str) -> Message:
    """The scope of a request for the first page of the trunks."""
    vendor = trunkline.load(VENDOR)
    path = f"{vendor.contract.base_path}/trunks"
    headers = [
        (b"host", b"127.0.0.1:8000"),
        (b"authorization", f"Bearer {vendor.world.token}".encode()),
        (b"accept", b"application/json"),
    ]
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "state": {},
    }


async def microseconds(apps: Mapping[str, ASGIApp], *, different: bool) -> dict[str, float]:
    """The time for a request of each application, in its fastest quarter of the blocks."""
    found: dict[str, list[float]] = {name: [] for name in apps}
    numbers, model = itertools.count(), scope("")

    async def receive() -> Message:
        raise AssertionError("a read has no body")

    async def send(message: Message) -> None:
        assert message.get("status", 200) == 200

    for _ in range(BLOCKS):
        for name, app in apps.items():
            scopes = [
                {**model, "query_string": b"request=%d" % next(numbers) if different else b""} for _ in range(REQUESTS)
            ]
            begin = perf_counter()
            for one in scopes:
                await app(one, receive, send)
            found[name].append((perf_counter() - begin) / REQUESTS * 1e6)
    return {name: statistics.quantiles(times, n=4)[0] for name, times in found.items()}


def main() -> int:
    """Print the times and their ratios; 1 if the bound is missed."""
    kept = True
    for kind in ("repeated", "different"):
        times = asyncio.run(microseconds(applications(), different=kind == "different"))
        ours, faultless, alone = times.values()
        print(f"{kind} requests: {', '.join(f'{name} {time:.2f} µs' for name, time in times.items())}")
        is_kept = faultless / ours >= AT_LEAST
        print(f"  without faults / ours {faultless / ours:.3f} (>= {AT_LEAST:g}: {'kept' if is_kept else 'MISSED'})")
        print(f"  without the log too / ours {alone / ours:.3f}")
        kept &= is_kept
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
