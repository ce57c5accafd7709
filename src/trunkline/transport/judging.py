"""Judge exchanges in a thread, from a bounded queue: an exchange for which there is no room is not judged.

>>> with Judging(judge, done=lambda exchange, verdict: None) as judging:
...     judging.offer(exchange)  # a future, or None if judging cannot keep up
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self, TypeVar, cast

from trunkline.exchange import RawHeaders

MOST = 1000
"""The number of exchanges that may wait to be judged."""
MOST_BYTES = 64 << 20
"""The number of bytes that the bodies of those may have."""
MOST_TOGETHER = 32
"""The number of exchanges that are judged together."""
_GATHERING = 0.02
"""The seconds in which exchanges come together for whose verdicts nobody waits."""

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


@dataclass(frozen=True, slots=True)
class _Work:
    """An exchange that the thread is to judge, or a function that it is to call."""

    subject: RawExchange | Callable[[], Any]
    size: int = 0
    """The bytes of the bodies."""
    is_urgent: bool = True
    future: Future[Any] = field(default_factory=Future)


class Judging:
    """A thread that calls `judge` with the exchanges that wait, a few at a time, and `done` with each and its verdict.

    `judge` returns a verdict for each. `done` gets None for all that `judge` had when it failed.
    """

    def __init__(
        self,
        judge: Callable[[list[RawExchange]], Sequence[Verdict]],
        done: Callable[[RawExchange, Verdict | None], object],
        *,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._judge, self._done = judge, done
        self._most, self._most_bytes = most, most_bytes
        self._work: deque[_Work] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._bytes = 0
        self.waiting = 0
        """The number of exchanges to judge and functions to call that are not finished."""
        self._thread = threading.Thread(target=self._run, name="trunkline-judging", daemon=True)
        self._thread.start()

    def offer(self, exchange: RawExchange, *, is_urgent: bool = True) -> Future[Verdict | None] | None:
        """Put an exchange in the queue. Returns its result to come; None if the queue is full, and it is not judged.

        One that is not urgent may wait for others: each time that the thread runs, the event loop stands still.
        """
        size = len(exchange.request_body) + len(exchange.response_body)
        if self.waiting >= self._most or self._bytes + size > self._most_bytes:
            return None
        return self._add(_Work(exchange, size, is_urgent))

    def ask(self, function: Callable[[], _T]) -> Future[_T]:
        """Call a function in the thread, after what was offered before."""
        return self._add(_Work(function))

    def close(self, timeout: float) -> int:
        """Judge what waits, for so many seconds at most, and end. Returns the number of exchanges that were left out.

        What is just being judged is finished.
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

    def _add(self, work: _Work) -> Future[Any]:
        work.future.set_running_or_notify_cancel()  # from now on only the thread ends it, whoever ceases to wait
        with self._changed:
            self._work.append(work)
            self.waiting += 1
            self._bytes += work.size
            if work.is_urgent or len(self._work) in {1, MOST_TOGETHER}:
                self._changed.notify()
        return work.future

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._work or self._is_closed)
                if not self._work:
                    return
                self._changed.wait_for(self._is_pressed, _GATHERING)
                if not self._work:  # `close` has left it out
                    return
                batch = self._next_batch()
            self._finish(batch)
            with self._changed:
                self.waiting -= len(batch)
                self._bytes -= sum(work.size for work in batch)

    def _is_pressed(self) -> bool:
        """Whether the thread should not wait for more work."""
        return self._is_closed or len(self._work) >= MOST_TOGETHER or any(work.is_urgent for work in self._work)

    def _next_batch(self) -> list[_Work]:
        """Take the next exchanges from the queue, or the next function."""
        batch = [self._work.popleft()]
        while (
            self._work
            and all(isinstance(work.subject, RawExchange) for work in (batch[0], self._work[0]))
            and len(batch) < MOST_TOGETHER
        ):
            batch.append(self._work.popleft())
        return batch

    def _finish(self, batch: list[_Work]) -> None:
        first = batch[0]
        if not isinstance(first.subject, RawExchange):
            try:
                first.future.set_result(first.subject())
            except Exception as error:  # noqa: BLE001 - it is the asker's
                first.future.set_exception(error)
            return
        verdicts: Sequence[Verdict | None]
        try:
            verdicts = self._judge([cast("RawExchange", work.subject) for work in batch])
        except Exception:  # noqa: BLE001 - `judge` has said why, and the others are judged nevertheless
            verdicts = [None] * len(batch)
        for work, verdict in zip(batch, verdicts, strict=True):
            try:
                self._done(cast("RawExchange", work.subject), verdict)
                work.future.set_result(verdict)
            except Exception as error:  # noqa: BLE001 - the thread goes on
                work.future.set_exception(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(0)
