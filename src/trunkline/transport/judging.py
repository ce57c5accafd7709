"""Judge exchanges in a thread, from a bounded queue: an exchange for which there is no room is not judged.

>>> with Judging(judge, done=lambda exchange, verdict: None) as judging:
...     judging.offer(exchange)  # a future, or None if judging cannot keep up
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeVar

from trunkline.exchange import RawHeaders

MOST = 1000
"""The number of exchanges that may wait to be judged."""
MOST_BYTES = 64 << 20
"""The number of bytes that the bodies of those may have."""

_T = TypeVar("_T")


class RawExchange(NamedTuple):
    """An exchange as a proxy passed it on, in bytes. Its bodies have the content coding in which they were sent."""

    time: float
    """The Unix time at which the request arrived."""
    duration: float
    """The seconds until the last byte of the response that was passed on before it is judged."""
    method: str
    url: str
    """The address at the upstream, exactly as it was sent."""
    request_headers: RawHeaders
    request_body: bytes
    status: int
    response_headers: RawHeaders
    response_body: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of judging one exchange: `Verdict(2, (("body_matches_schema", "documented"), ...), (line, line))`."""

    count: int = 0
    """The number of findings."""
    rules: tuple[tuple[str, str], ...] = ()
    """The rule and the grade of each finding."""
    lines: tuple[str, ...] = ()
    """One line for each finding with a new cause, and for trouble with the record."""
    reason: str = ""
    """Why the exchange was not judged, or empty."""


class Judging:
    """A thread that calls `judge` with one exchange after another, and `done` with the result.

    `done` gets None if `judge` failed.
    """

    def __init__(
        self,
        judge: Callable[[RawExchange], Verdict],
        done: Callable[[RawExchange, Verdict | None], object],
        *,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._judge, self._done = judge, done
        self._most, self._most_bytes = most, most_bytes
        self._work: deque[tuple[Callable[[], Any], Future[Any], int]] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._bytes = 0
        self.waiting = 0
        """The number of exchanges to judge and functions to call that are not finished."""
        self._thread = threading.Thread(target=self._run, name="trunkline-judging", daemon=True)
        self._thread.start()

    def offer(self, exchange: RawExchange) -> Future[Verdict | None] | None:
        """Put an exchange in the queue. Returns its result to come; None if the queue is full, and it is not judged."""
        size = len(exchange.request_body) + len(exchange.response_body)
        if self.waiting >= self._most or self._bytes + size > self._most_bytes:
            return None
        return self._add(lambda: self._judged(exchange), size)

    def ask(self, function: Callable[[], _T]) -> Future[_T]:
        """Call a function in the thread, after what was offered before."""
        return self._add(function, 0)

    def close(self, timeout: float) -> int:
        """Judge what waits, for so many seconds at most, and end. Returns the number of exchanges that were left out.

        An exchange that is just being judged is finished.
        """
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join(timeout)
        with self._changed:
            left_out = len(self._work)
            self._work.clear()
            self.waiting -= left_out
        self._thread.join()
        return left_out

    def _add(self, work: Callable[[], _T], size: int) -> Future[_T]:
        future: Future[_T] = Future()
        with self._changed:
            self._work.append((work, future, size))
            self.waiting += 1
            self._bytes += size
            self._changed.notify()
        return future

    def _judged(self, exchange: RawExchange) -> Verdict | None:
        try:
            verdict: Verdict | None = self._judge(exchange)
        except Exception:  # noqa: BLE001 - `judge` has said why, and the others are judged nevertheless
            verdict = None
        self._done(exchange, verdict)
        return verdict

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._work or self._is_closed)
                if not self._work:
                    return
                work, future, size = self._work.popleft()
            try:
                future.set_result(work())
            except Exception as error:  # noqa: BLE001 - it is the asker's
                future.set_exception(error)
            with self._changed:
                self.waiting -= 1
                self._bytes -= size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(0)
