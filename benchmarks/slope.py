"""Measure how the cost of redaction and of judging grows with what a stranger sends.

    .venv-test/bin/python benchmarks/slope.py

Each case is measured at several sizes, each twice the one before. Its time is processor time, its memory the most that
Python allocates at once. With the last doubling, time and memory may grow by less than three times: more is not
proportional. Of all that it was sent, a mock may keep 2 MB.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import trunkline
from trunkline import mock
from trunkline.exchange import Exchange, Request, Response
from trunkline.mock import Mock
from trunkline.traffic import BODY, UNKNOWN
from trunkline.traffic.validation import validate, validate_files

VENDOR = "telepath"
DOUBLINGS = 4
MOST_GROWTH = 3.0
MOST_LEFT = 2 << 20
"""The most bytes that the largest case of a mock may leave behind."""
LEAST_SECONDS = 0.02
"""Times below this are noise."""


def letters(count: int) -> str:
    """Random letters, as in a secret."""
    return Random(count).randbytes(count // 2 + 1).hex()[:count]  # noqa: S311 - it need not be a secret


def body(value: object) -> bytes:
    """The value as JSON."""
    return json.dumps(value).encode()


def to_mock(request: Callable[[int], Request]) -> Callable[[int], Callable[[], object]]:
    """The action that sends a request of a size to a mock."""
    target: Mock = mock.from_vendor(trunkline.load(VENDOR))
    target(Request("GET", "/nothing"))

    def prepared(size: int) -> Callable[[], object]:
        sent = request(size)
        return lambda: target(sent)

    return prepared


def to_judge(items: Callable[[int], list[object]]) -> Callable[[int], Callable[[], object]]:
    """The action that validates a list of items."""
    vendor = trunkline.load(VENDOR)

    def prepared(size: int) -> Callable[[], object]:
        listed = Exchange(UNKNOWN, Response(0, (), body({"trunks": items(size), "total": 1})), BODY)
        return lambda: validate(vendor, listed, "listTrunks")

    return prepared


def to_reader(answers: Callable[[int], list[object]]) -> Callable[[int], Callable[[], object]]:
    """The action that validates a file of recorded answers."""
    vendor, head = trunkline.load(VENDOR), b"HTTP/1.1 200 OK\ncontent-type: application/json\n\n"

    def prepared(size: int) -> Callable[[], object]:
        path = Path(tempfile.gettempdir()) / f"trunkline-slope-{os.getpid()}"
        path.write_bytes(b"".join(head + body(answer) + b"\n" for answer in answers(size)))

        def judged() -> object:
            try:
                return validate_files(vendor, [str(path)], ["listTrunks"])
            finally:
                path.unlink()

        return judged

    return prepared


def cases() -> Iterator[tuple[str, int, bool, Callable[[int], Callable[[], object]]]]:
    """(Name, smallest size, whether a mock is asked, the maker of the action)."""
    post = "POST", "/nothing", "", ()
    yield (
        "a password, characters",
        50_000,
        True,
        to_mock(lambda size: Request(*post, body({"password": letters(size)}))),
    )
    many = to_mock(lambda size: Request(*post, body([{"password": f"secret-{number}"} for number in range(size)])))
    yield "passwords", 2_000, True, many
    deep = to_mock(lambda size: Request(*post, body({"k" * size: [0] * size})))
    yield "a long name with many values", 15_000, True, deep
    bearer = to_mock(lambda size: Request("GET", "/trunks", "", (("authorization", f"Bearer {letters(size)}"),)))
    yield "a credential, characters", 8_000, True, bearer
    yield "wrong numbers in a list", 20_000, False, to_judge(lambda size: [1] * size)
    yield "wrong objects in a list", 10_000, False, to_judge(lambda size: [{"id": "x"}] * size)
    yield "lists in a list", 5_000, False, to_judge(lambda size: [[1] * 10] * size)
    extra = to_judge(lambda size: [{f"extra_{number}": 1} for number in range(size)])
    yield "different extra properties", 5_000, False, extra
    wrong = to_reader(lambda size: [{"trunks": [{"id": f"x{number}", "status": "?"}]} for number in range(size)])
    yield "wrong answers in a file", 250, False, wrong


def measured(prepared: Callable[[int], Callable[[], object]], size: int) -> tuple[float, int, int]:
    """The processor seconds, the most memory, and the memory that is left, of one call."""
    action = prepared(size)
    started = time.process_time()
    action()
    seconds = time.process_time() - started
    action = prepared(size + 1)  # another body, which is not remembered
    tracemalloc.start()
    try:
        action()
        left, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return seconds, most, left


def main() -> int:
    """Print the table; 1 when something grows faster than its size."""
    missed = False
    print(f"{'case':<32}{'size':>9}{'ms':>10}{'MB':>9}{'MB left':>9}")
    for name, smallest, asks_mock, prepared in cases():
        measured(prepared, smallest)  # so that nothing is imported or compiled below
        rows = []
        for doubling in range(DOUBLINGS + 1):
            size = smallest << doubling
            seconds, most, left = measured(prepared, size)
            rows.append((seconds, most))
            print(f"{name:<32}{size:>9}{seconds * 1000:>10.1f}{most / 1e6:>9.2f}{left / 1e6:>9.2f}")
        (before, less), (after, more) = rows[-2:]
        slow = after > LEAST_SECONDS and after > MOST_GROWTH * before
        large = more > MOST_GROWTH * less
        kept = asks_mock and left > MOST_LEFT
        if slow or large or kept:
            print(f"MISSED: {name}")
            missed = True
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
