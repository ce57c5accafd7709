"""Measure the mock server: its speed beside a bare application, the cost of a page, memory, start.

    python benchmarks/serve.py            # a table, in about a minute; ends with 1 if a bound is missed
    python benchmarks/serve.py --json

Everything is bounded in count and time, and uses the loopback interface only.
`benchmarks/README.md` says what each number means.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import selectors
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import urlsplit

import psutil

HERE = Path(__file__).resolve().parent
PATIENCE = 30.0
"""Seconds after which a start or an answer is given up."""

ROUND = 1
"""Seconds of one round of load."""

REPEATED_GOAL, DIFFERENT_GOAL = 0.75, 0.6
"""The share of the bare application's speed to reach, for repeated and for different requests."""

PAGE = 5
"""Trunks on each page whose cost is compared: the second half of ten trunks."""


class Missing(Exception):
    """A server did not answer as it must, so nothing was measured."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A number and, if it has one, its bound: `Measure("start", 0.31, "s", at_most=0.6)`."""

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    spread: tuple[float, float] | None = None

    @property
    def kept(self) -> bool | None:
        """Whether the bound is kept; None without a bound."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most

    @property
    def bound(self) -> str:
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return "" if self.at_most is None else f"<= {self.at_most:g}"


# -- processes ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Served:
    """A server process that listens."""

    pid: int
    begun: float
    host: str
    port: int
    prefix: str
    token: str

    def get(self, target: str) -> bytes:
        """The bytes of one request: `get("/trunks?limit=1")`."""
        lines = (
            f"GET {self.prefix}{target} HTTP/1.1",
            f"Host: {self.host}:{self.port}",
            f"Authorization: Bearer {self.token}",
            "Accept: application/json",
        )
        return "\r\n".join((*lines, "", "")).encode("ascii")


def announced(line: bytes) -> tuple[str, str]:
    """The address and the token in the JSON line that a server prints; the first vendor's, as only one is served."""
    vendor = next(iter(json.loads(line)["vendors"].values()))
    return vendor["url"], vendor["token"]


def first_json_line(process: subprocess.Popen[bytes]) -> bytes:
    """The first line on the process's stdout that starts with `{`."""
    assert process.stdout is not None
    deadline = time.monotonic() + PATIENCE
    seen = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if not selector.select(deadline - time.monotonic()):
                break
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                break
            seen += chunk
            for line in seen.splitlines(keepends=True):
                if line.startswith(b"{") and line.endswith(b"\n"):
                    return line
    raise Missing(f"{shlex.join(map(str, process.args))}: no JSON line on stdout")  # type: ignore[arg-type] # a list


@contextmanager
def served(command: Sequence[str], body: bytes = b"") -> Iterator[Served]:
    """The server that the command starts, until the end of the block."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdin is not None
        process.stdin.write(body)
        process.stdin.close()
        url, token = announced(first_json_line(process))
        parts = urlsplit(url)
        yield Served(process.pid, begun, parts.hostname or "", parts.port or 80, parts.path.rstrip("/"), token)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def processor_seconds(pid: int) -> float:
    """The processor time of the process so far."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def memory(pid: int) -> dict[str, float]:
    """Resident megabytes of the process, and its proportional share where the system tells it."""
    process = psutil.Process(pid)
    found = {"RSS": process.memory_info().rss / 1e6}
    share = getattr(process.memory_full_info(), "pss", None)
    if share is not None:
        found["PSS"] = share / 1e6
    return found


# -- one request at a time ---------------------------------------------------------------------------------------------


class Line:
    """One keep-alive connection on which one request after the other is answered and timed."""

    def __init__(self, server: Served) -> None:
        self.server = server
        self.socket = socket.create_connection((server.host, server.port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self.socket.close()

    def ask(self, target: str) -> tuple[float, bytes, bytes]:
        """Seconds until the whole answer was there, its head and its body."""
        request = self.server.get(target)
        begin = time.perf_counter()
        self.socket.sendall(request)
        answer = b""
        size = -1
        while size < 0 or len(answer) < size:
            chunk = self.socket.recv(262144)
            if not chunk:
                raise Missing(f"GET {target}: the connection was closed")
            answer += chunk
            if size < 0 and (end := answer.find(b"\r\n\r\n")) >= 0:
                size = end + 4 + length(answer[:end])
        seconds = time.perf_counter() - begin
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise Missing(f"GET {target}: {head.splitlines()[0].decode()} {body[:300].decode()}")
        return seconds, head, body


def length(head: bytes) -> int:
    """The Content-Length in the head of a response."""
    for field in head.split(b"\r\n"):
        name, _, value = field.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise Missing("an answer without Content-Length")


def field_of(head: bytes, name: bytes) -> str:
    """A header field's value, or nothing."""
    for field in head.split(b"\r\n"):
        key, _, value = field.partition(b":")
        if key.lower() == name:
            return value.strip().decode()
    return ""


# -- load --------------------------------------------------------------------------------------------------------------

DIFFERENT = """local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", wrk.path .. "?limit=100&offset=0&request=" .. n)
end
"""
"""A script for wrk: no request twice, and the same answer to each."""


@dataclass(frozen=True, slots=True)
class Load:
    """The result of one round: requests per second, and the server's processor seconds for each."""

    rate: float
    effort: float


def load(server: Served, path: str, *, different: bool) -> Load:
    """One round of requests, the same ones or different ones: from wrk if it is installed, else from this process."""
    worked = processor_seconds(server.pid)
    begin = time.perf_counter()
    count = by_wrk(server, path, different) if shutil.which("wrk") else by_line(server, path, different)
    seconds = time.perf_counter() - begin
    effort = (processor_seconds(server.pid) - worked) / count
    if effort <= 0:
        raise Missing(f"{count} requests in {seconds:.1f} s are too few to measure")
    return Load(count / seconds, effort)


def by_wrk(server: Served, path: str, different: bool) -> int:
    """The number of requests that wrk sends in a round over 32 connections."""
    command = ["wrk", "-t1", "-c32", f"-d{ROUND}s", "-H", f"Authorization: Bearer {server.token}"]
    with NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(DIFFERENT)
        script.flush()
        command += ["-s", script.name] if different else []
        url = f"http://{server.host}:{server.port}{server.prefix}{path}"
        shown = subprocess.run([*command, url], capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
    count = re.search(r"(\d+) requests in", shown)
    if not count or "Non-2xx" in shown or "Socket errors" in shown:
        raise Missing(f"wrk: {shown}")
    return int(count[1])


def by_line(server: Served, path: str, different: bool) -> int:
    """The number of requests that this process sends in a round over one connection."""
    line, count, end = Line(server), 0, time.perf_counter() + ROUND
    while time.perf_counter() < end:
        count += 1
        line.ask(f"{path}?limit=100&offset=0&request={count}" if different else path)
    line.close()
    return count


# -- what is measured --------------------------------------------------------------------------------------------------


def speed(mock: Sequence[str], options: argparse.Namespace) -> Iterator[Measure]:
    """The mock's requests per second as a share of the bare application's, and the mock's memory after them."""
    with served(mock) as ours:
        line = Line(ours)
        _, head, body = line.ask(options.path)
        line.close()
        bare = [sys.executable, str(HERE / "bare.py"), field_of(head, b"content-type")]
        with served(bare, body) as floor:
            rounds = {
                different: [
                    [load(server, options.path, different=different) for server in (floor, ours)]
                    for _ in range(options.rounds + 1)
                ][1:]  # the first round warms up
                for different in (False, True)
            }
        used = memory(ours.pid)
    for name, different, at_least in (("repeated", False, REPEATED_GOAL), ("different", True, DIFFERENT_GOAL)):
        found = rounds[different]
        yield share(
            f"speed beside a bare application, {name}",
            [(1 / a.rate, 1 / b.rate) for a, b in found],
            at_least=at_least,
        )
        yield share("  by processor time", [(a.effort, b.effort) for a, b in found])
        yield median("  the mock", [b.rate for _, b in found], "requests/s")
        yield median("  the bare application", [a.rate for a, _ in found], "requests/s")
    yield Measure("length of the answer", float(len(body)), "bytes")
    yield from memories("memory with the shipped fixtures", used, 80)


def pages(mock: Sequence[str], options: argparse.Namespace) -> Iterator[Measure]:
    """The cost of a page in the middle of few and of many trunks, and the memory that the many need."""
    middle = options.trunks // 2
    # The same number of trunks on each page and no query twice, so that no memo of finished answers can help.
    of_few = [f"{options.path}?limit={limit}&offset={10 - PAGE}" for limit in range(PAGE, 101)]
    of_many = [f"{options.path}?limit={PAGE}&offset={middle + step}" for step in range(len(of_few))]
    with (
        served([*mock, "--trunks", "10"]) as few,
        served([*mock, "--trunks", str(options.trunks)]) as many,
        apart(few.pid, many.pid),
    ):
        lines = Line(few), Line(many)
        sizes = [len(line.ask(f"{options.path}?limit={PAGE}&offset=0")[2]) for line in lines]
        if not 0.8 < sizes[0] / sizes[1] < 1.25:
            raise Missing("the pages that are to be compared differ in length by a quarter")
        new = alternately(lines, of_few, of_many, 1)
        old = alternately(lines, of_few[:1], of_many[:1], options.asks)
        full = [lines[1].ask(f"{options.path}?limit=100&offset={middle + step}")[0] for step in range(200)]
        used = memory(many.pid)
        for line in lines:
            line.close()
    thousands = f"{options.trunks:,}"
    yield Measure(f"page of {thousands} / page of 10, new queries", ratio(new), "", at_most=1.5)
    yield Measure(f"page of {thousands} / page of 10, same query", ratio(old), "", at_most=1.5)
    yield median(f"  page of {PAGE} amid 10", [1e3 * one for one, _ in new], "ms")
    yield median(f"  page of {PAGE} amid {thousands}", [1e3 * other for _, other in new], "ms")
    yield median(f"  page of 100 amid {thousands}", [1e3 * seconds for seconds in full], "ms")
    yield from memories(f"memory with {thousands} trunks", used, 350)


@contextmanager
def apart(*servers: int) -> Iterator[None]:
    """Let the servers share a processor that this process leaves to them.

    Otherwise one of them may get the processor of this process, which is awake, and another one that sleeps between
    the requests. Some systems do not let a program choose; there is nothing to be done then.
    """
    this = psutil.Process()
    if not hasattr(this, "cpu_affinity") or len(processors := this.cpu_affinity()) < 2:
        yield
        return
    for pid in servers:
        psutil.Process(pid).cpu_affinity(processors[1:2])
    this.cpu_affinity(processors[:1])
    try:
        yield
    finally:
        this.cpu_affinity(processors)


def start(mock: Sequence[str], options: argparse.Namespace) -> Iterator[Measure]:
    """Seconds from the start of the process to the end of the first answer."""
    found = []
    for _ in range(options.starts):
        with served(mock) as server:
            line = Line(server)
            line.ask(options.path)
            found.append(time.perf_counter() - server.begun)
            line.close()
    yield median("from start to first answer", found, "s", at_most=0.6)


def alternately(
    lines: tuple[Line, Line], few: Sequence[str], many: Sequence[str], times: int
) -> list[tuple[float, float]]:
    """Seconds of each pair of questions; the two servers are asked in turn."""
    pairs = list(zip(few, many, strict=True)) * times
    return [(lines[0].ask(one)[0], lines[1].ask(other)[0]) for one, other in pairs]


def ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """The second's median over the first's."""
    return statistics.median(pair[1] for pair in pairs) / statistics.median(pair[0] for pair in pairs)


def median(name: str, values: Sequence[float], unit: str, *, at_most: float | None = None) -> Measure:
    """The values' median, with the quartiles as spread."""
    lower, middle, upper = statistics.quantiles(values, n=4, method="inclusive")
    return Measure(name, middle, unit, at_most=at_most, spread=(lower, upper))


def share(name: str, costs: Sequence[tuple[float, float]], *, at_least: float | None = None) -> Measure:
    """Another server's cost of a request divided by the mock's, each in its fastest quarter of the rounds.

    Other work on the machine only ever slows a round. The spread is that of the ratios within a round.
    """
    other, ours = (statistics.quantiles(one, n=4, method="inclusive")[0] for one in zip(*costs, strict=True))
    lower, _, upper = statistics.quantiles([a / b for a, b in costs], n=4, method="inclusive")
    return Measure(name, other / ours, "", at_least, spread=(lower, upper))


def memories(name: str, used: dict[str, float], at_most: float) -> Iterator[Measure]:
    """The bound holds for RSS, the larger number; PSS is shown beside it."""
    for kind, megabytes in used.items():
        yield Measure(f"{name}, {kind}", megabytes, "MB", at_most=at_most if kind == "RSS" else None)


# -- the table ---------------------------------------------------------------------------------------------------------


def table(measures: Sequence[Measure]) -> Iterator[str]:
    """One line for each measure: name, value, unit, spread, bound and verdict."""
    width = max(len(measure.name) for measure in measures)
    for measure in measures:
        spread = "" if measure.spread is None else f"{shown(measure.spread[0])} – {shown(measure.spread[1])}"
        verdict = {True: "kept", False: "MISSED", None: ""}[measure.kept]
        cells = f"{measure.name:{width}}  {shown(measure.value):>9} {measure.unit:10}  {spread:19}  {measure.bound:6}"
        yield f"{cells}  {verdict}".rstrip()


def shown(value: float) -> str:
    """The number with as many digits as mean something: `0.94`, `5,120`."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description="Measure the mock server; end with 1 if a bound is missed.")
    parser.add_argument("--vendor", default="telepath", help="the vendor whose mock is measured; its list must page")
    parser.add_argument("--path", default="/trunks", help="the list that is asked for, below the vendor's address")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of load, of one second each")
    parser.add_argument("--trunks", type=int, default=100_000, help="how many are many")
    parser.add_argument("--asks", type=int, default=300, help="times that the same page is asked for")
    parser.add_argument("--starts", type=int, default=7, help="starts that are timed")
    parser.add_argument("--command", default=f"{shlex.quote(sys.executable)} -m trunkline.cli serve", help="the mock")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    return parser.parse_args()


def main() -> int:
    """Measure everything, print it, and say by the exit code whether the bounds are kept."""
    options = arguments()
    mock = [*shlex.split(options.command), options.vendor, "--port", "0", "--quiet"]
    try:
        measures = [measure for part in (speed, pages, start) for measure in part(mock, options)]
    except (Missing, OSError, TimeoutError) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    if options.json:
        rows: list[dict[str, Any]] = [
            {
                "name": measure.name.strip(),
                "value": measure.value,
                "unit": measure.unit,
                "spread": measure.spread,
                "bound": measure.bound or None,
                "kept": measure.kept,
            }
            for measure in measures
        ]
        print(json.dumps({"machine": machine, "measures": rows}, indent=2))
    else:
        print(machine, *table(measures), sep="\n")
    return 1 if any(measure.kept is False for measure in measures) else 0


if __name__ == "__main__":
    sys.exit(main())
