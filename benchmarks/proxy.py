"""Compare the latency of `trunkline proxy` with that of the same stack when it only forwards.

    .venv-test/bin/python benchmarks/proxy.py

Both stand before one upstream, each in a process of its own: uvicorn in front, httpcore behind. They are asked in turn,
so that other load on the machine slows both. A third proxy has a judge that never comes to an end.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import multiprocessing
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore

import trunkline
from trunkline import mock
from trunkline.traffic.proxied import ProxyJudge
from trunkline.transport.client import address
from trunkline.transport.forwarding import end_to_end
from trunkline.transport.judging import Judging, RawExchange, Verdict
from trunkline.transport.metrics import Metrics
from trunkline.transport.server import asgi, running
from trunkline.transport.validating_proxy import ValidatingProxy
from trunkline.transport.worker import Worker

VENDOR, TRUNKS = "telepath", 100
SIZES = {"a list of 1": "limit=1", "a list of 100": "limit=100"}
ROUNDS, WARM_UP = 700, 50
PACES = {"with pauses": (1, 0.003), "back to back": (175, 0.0)}
"""How many requests a proxy gets in a row, and the seconds before each. In a pause the judge comes to its end; without,
it still works when the next request passes."""
DISTANCE = 0.02
"""The seconds after which the distant upstream answers."""
MOST = 1.30
"""The bound: so many times the median latency of forwarding only."""


def forwarder(url: str) -> Any:
    """The least that passes requests on: no judging, and no care for errors or for clients that leave."""
    upstream = address(url)
    scheme, host, port = upstream.scheme.encode(), upstream.host.encode(), upstream.port
    authority = upstream.authority.encode()
    pool = httpcore.AsyncConnectionPool(max_connections=None, max_keepalive_connections=100)

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        fields = [(b"host", authority), *(pair for pair in end_to_end(scope["headers"]) if pair[0] != b"host")]
        target = scope["raw_path"] + b"?" + scope["query_string"]
        address_asked = httpcore.URL(scheme=scheme, host=host, port=port, target=target)
        response = await pool.handle_async_request(
            httpcore.Request(scope["method"].encode(), address_asked, headers=fields)
        )
        headers = [(name.lower(), value) for name, value in response.headers if name.lower() != b"date"]
        await send({"type": "http.response.start", "status": response.status, "headers": end_to_end(headers)})
        async for part in response.aiter_stream():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await response.aclose()
        await send({"type": "http.response.body"})

    return app


def judged(url: str, judge: Callable[[list[RawExchange]], list[Verdict]]) -> Any:
    """The validating proxy with a judge."""
    metrics = Metrics()
    judging = Judging(judge, lambda _, verdict: metrics.judged(verdict.rules if verdict else ()))
    return ValidatingProxy(
        address(url),
        judging,
        metrics,
        forwarder(url),
        operation_id=lambda *_: "listTrunks",
        timeout=10,
    )


def validating(url: str) -> Any:
    """The validating proxy as `trunkline proxy` runs it."""
    worker = Worker(ProxyJudge, VENDOR, f"{url}/v1", None, "implied", is_idle_work=True)
    return judged(url, lambda seen: worker.call("judge_all", seen))


def stuck(url: str) -> Any:
    """The validating proxy with a judge that never comes to an end."""

    def judge(_: list[RawExchange]) -> list[Verdict]:
        threading.Event().wait()
        return []

    return judged(url, judge)


def api(_: str) -> Any:
    """The mock."""
    return asgi({"/v1": mock.from_vendor(trunkline.load(VENDOR, trunks=TRUNKS))})


def distant(url: str) -> Any:
    """The mock, as far away as an API on the internet."""
    answer = api(url)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(DISTANCE)
        await answer(scope, receive, send)

    return app


def serve(make: Callable[[str], Any], url: str, ready: Any) -> None:
    """Serve an application in this process, and say where, until the process is ended."""
    with running(make(url)) as own:
        ready.put(own)
        threading.Event().wait()


@contextmanager
def served(make: Callable[[str], Any], url: str = "") -> Iterator[str]:
    """The address of an application in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    process = context.Process(target=serve, args=(make, url, ready), daemon=True)
    process.start()
    try:
        yield ready.get(timeout=60)
    finally:
        process.kill()


@dataclass
class Client:
    """One connection to a proxy, and the seconds that its answers took."""

    url: str
    token: str

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection(self.url.partition("://")[2])
        self.headers = 0

    def ask(self, query: str) -> float:
        """Send a request, and return the seconds until its whole answer has come."""
        begin = time.perf_counter()
        self._connection.request("GET", f"/v1/trunks?{query}", headers={"Authorization": f"Bearer {self.token}"})
        response = self._connection.getresponse()
        response.read()
        self.headers += response.getheader("x-trunkline-findings") is not None
        return time.perf_counter() - begin


def measured(upstream: Callable[[str], Any], rounds: int) -> bool:
    """Measure the proxies before an upstream, print it, and return whether the bounds are kept."""
    kept = True
    with ExitStack() as stack:
        url = stack.enter_context(served(upstream))
        token = trunkline.load(VENDOR).world.token
        clients = {name: Client(stack.enter_context(served(make, url)), token) for name, make in PROXIES.items()}
        for title, (pace, (block, pause)) in itertools.product(SIZES, PACES.items()):
            seconds: dict[str, list[float]] = {name: [] for name in clients}
            for client in clients.values():
                client.headers = 0
            for _ in range(rounds // block):
                for name, client in clients.items():
                    for _ in range(block):
                        time.sleep(pause)
                        seconds[name].append(client.ask(SIZES[title]))
            medians = {name: statistics.median(taken[WARM_UP:]) for name, taken in seconds.items()}
            least = medians[FORWARDING]
            print(f"{upstream.__doc__} {title.capitalize()}, {rounds - WARM_UP} requests to each proxy, {pace}")
            for name, median in medians.items():
                is_kept = median <= MOST * least
                kept = kept and is_kept
                bound = "" if name == FORWARDING else f"<= {MOST:.2f}  {'kept' if is_kept else 'MISSED'}"
                share = f"{100 * clients[name].headers / rounds:3.0f} % with the header"
                print(f"  {name:22} {median * 1000:7.3f} ms  x {median / least:.2f}  {share}  {bound}".rstrip())
    return kept


def main() -> int:
    """Measure everything, and say by the exit code whether the bounds are kept."""
    return 0 if all([measured(api, ROUNDS), measured(distant, ROUNDS // 4)]) else 1


FORWARDING = "forwarding only"
PROXIES = {FORWARDING: forwarder, "judging": validating, "a judge that is stuck": stuck}


if __name__ == "__main__":
    sys.exit(main())
