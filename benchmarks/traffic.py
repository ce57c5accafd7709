"""Measure how fast recorded traffic is judged, and the memory that it takes, against plain jsonschema.

    .venv-test/bin/python benchmarks/traffic.py             # files of 100 MB, in about a minute
    .venv-test/bin/python benchmarks/traffic.py --mb 1000

A HAR file in one line and an NDJSON file are written to a temporary folder. Each holds pages of 100 trunks, of which no
two are the same. `validate_files` judges them in a process of its own, with one job and with as many as there are
processors. In the same round, plain `jsonschema` validates a page that was parsed before. The medians of the rounds
count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from statistics import median

from judge import TRUNKS, VENDOR, listing, plain_validator

ROUNDS = 3
SMALL = 50 << 20
"""The size of the file whose memory is compared with that of the large one."""
LEAST_RATIO = 20
"""The bound: so many times as fast as plain jsonschema, with all processors."""
MOST_GROWTH = 1.25
"""The bound: so many times the memory for the large file."""
_MEASURE = """
import multiprocessing, os, re, sys, time
from pathlib import Path
import trunkline
from trunkline.traffic.validation import validate_files
file, jobs = sys.argv[1:]
vendor = trunkline.load("telepath")
started, worked = time.perf_counter(), sum(os.times()[:4])
report = validate_files(vendor, [file], jobs=int(jobs))
seconds = time.perf_counter() - started
for process in multiprocessing.active_children():
    process.join()
work = (sum(os.times()[:4]) - worked) / int(jobs)  # as if all had worked from the beginning to the end
assert not report.findings and not report.stopped and not report.reading.skipped, report
[count] = report.reading.judged.values()
[kilobytes] = re.findall("VmHWM:[^0-9]*([0-9]+)", Path("/proc/self/status").read_text())  # of this program alone
print(count / seconds, count / work, int(kilobytes) / 1024)
"""
"""Prints the pages per second, those by processor time, and the megabytes of the process that reads.

It reads the latter as Linux has them.
"""


listing = cache(listing)


def pages() -> Iterator[tuple[str, dict[str, str]]]:
    """The text of one page after the other, with the header fields of the answer."""
    _, exchange = listing()
    text = exchange.response.body.decode()
    first = exchange.response.json()["trunks"][0]["id"]
    number = 0
    while True:
        number += 1
        yield text.replace(first, f"{first[:-8]}{number:08}", 1), dict(exchange.response.headers)


def har_entries() -> Iterator[bytes]:
    """The entries of a HAR file."""
    for text, fields in pages():
        listed = [{"name": name, "value": value} for name, value in fields.items()]
        request = {"method": "GET", "url": url(), "httpVersion": "HTTP/2", "headers": [], "queryString": []}
        content = {"size": len(text), "mimeType": "application/json", "text": text}
        response = {"status": 200, "statusText": "OK", "headers": listed, "content": content, "bodySize": len(text)}
        entry = {"startedDateTime": "2026-11-28T18:00:00.123Z", "time": 12.5, "request": request, "response": response}
        yield json.dumps(entry, separators=(",", ":")).encode()


def rows() -> Iterator[bytes]:
    """The lines of an NDJSON file."""
    for text, fields in pages():
        request = {"method": "GET", "url": url()}
        response = {"status": 200, "headers": [*fields.items()], "body": text}
        row = {"time": "2026-11-28T18:00:00.123Z", "duration_ms": 12.5, "request": request, "response": response}
        yield json.dumps(row).encode()


def url() -> str:
    """The address of the page."""
    operation, _ = listing()
    return f"{operation.contract.url}{operation.path}?limit={TRUNKS}"


def write(path: Path, size: int) -> None:
    """Write a file of a size, of the format that its name says."""
    is_har = path.suffix == ".har"
    begin, between, end = (b'{"log":{"version":"1.2","entries":[', b",", b"]}}") if is_har else (b"", b"\n", b"\n")
    written = 0
    with path.open("wb") as stream:
        stream.write(begin)
        for entry in har_entries() if is_har else rows():
            stream.write(between * bool(written) + entry)
            written += len(entry)
            if written >= size:
                break
        stream.write(end)


def judged(path: Path, jobs: int) -> tuple[float, ...]:
    """The numbers that `_MEASURE` prints for a file."""
    command = [sys.executable, "-c", _MEASURE, str(path), str(jobs)]
    return tuple(map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()))


def plain() -> tuple[float, float]:
    """The pages that plain jsonschema validates per second, and per second of processor time."""
    operation, exchange = listing()
    validator, value = plain_validator(operation.contract, operation.success.schema), exchange.response.json()
    started, worked, count = time.perf_counter(), time.process_time(), 150  # about as long as the others
    for _ in range(count):
        if not validator.is_valid(value):
            raise AssertionError
    return count / (time.perf_counter() - started), count / (time.process_time() - worked)


def shown(label: str, found: Sequence[Sequence[float]], floor: Sequence[Sequence[float]], at_least: float) -> bool:
    """Print the speed, and how many times it is that of plain jsonschema in the same round; True if that is too few."""
    by_time, by_work = (
        median([one[part] / other[part] for one, other in zip(found, floor, strict=True)]) for part in (0, 1)
    )
    missed = by_time < at_least
    speed, effort = (median([one[part] for one in found]) for part in (0, 1))
    print(f"  {label:<29}{speed:>10.0f} pages/s {by_time:>6.1f} times as fast{'  MISSED' * missed}")
    print(f"    by processor time          {effort:>10.0f} pages/s {by_work:>6.1f} times as fast")
    return missed


def main() -> int:
    """Print the table; 1 when a bound is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mb", type=int, default=100, help="the size of each file (default: 100)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="the processes (default: all processors)")
    options = parser.parse_args()
    missed = False
    print(f"pages of {TRUNKS} trunks of {VENDOR}; the medians of {ROUNDS} rounds")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("traffic.har", "traffic.ndjson"):
            small, large = Path(folder, f"small-{name}"), Path(folder, name)
            write(small, SMALL)
            write(large, options.mb << 20)
            rounds = [(plain(), judged(large, 1), judged(large, options.jobs)) for _ in range(ROUNDS)]
            print(f"{name}, {options.mb} MB")
            floor, one, several = zip(*rounds, strict=True)
            print(f"  plain jsonschema               {median([speed for speed, _ in floor]):>8.0f} pages/s")
            missed |= shown("1 job", one, floor, 0)
            missed |= shown(f"{options.jobs} jobs", several, floor, LEAST_RATIO)
            used, of_small = max(memory for *_, memory in one), judged(small, 1)[2]
            grown = used > MOST_GROWTH * of_small
            compared = f"{SMALL >> 20} MB take {of_small:.0f} MB{'  MISSED' * grown}"
            print(f"  memory                         {used:>8.0f} MB; {compared}")
            missed |= grown
            large.unlink()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
