"""The rate limit of a mock: how many requests each token has sent in the window, and the headers that say so."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Lock

from trunkline.contract.model import RateLimit
from trunkline.exchange import RawHeaders


@dataclass(frozen=True, slots=True)
class _Window:
    """A period in which requests are counted, the header that reports its end, and a counter per token.

    At any other time another one begins, also when a test turns the clock back.
    """

    start: float = 0.0
    end: float = 0.0
    header: tuple[bytes, bytes] = (b"", b"")
    counters: dict[str, Iterator[int]] = field(default_factory=dict)


class RateLimiter:
    """Counts requests per token in fixed windows, and makes the documented headers.

    Threads share it without a lock: `setdefault` and `next` are atomic. Only a new window is made behind one.
    """

    def __init__(self, names: RateLimit | None, limit: int, clock: Callable[[], float]) -> None:
        fields = (names.limit, names.remaining, names.reset) if names else ()
        self._names = tuple(name.lower().encode() for name in fields)
        self._clock = clock
        self._lock = Lock()
        self.change(limit, names.window_seconds if names else 1)

    def change(self, limit: int, seconds: int) -> None:
        """Change the limit and the length of a window, and begin a new one."""
        self.limit, self.seconds = limit, seconds
        self._limit_header = (self._names[0], b"%d" % limit) if self._names else None
        self.reset()

    def reset(self) -> None:
        """Begin a new window."""
        self._window = _Window()

    def seconds_left(self) -> int:
        """The whole seconds until the next window, at least one."""
        return max(1, math.ceil(self._window.end - self._clock()))

    def count(self, token: str) -> tuple[RawHeaders, bool]:
        """Count a request. Return its rate-limit headers, and whether it exceeds the limit."""
        if self._limit_header is None:
            return (), False
        now, window = self._clock(), self._window
        if not window.start <= now < window.end:
            with self._lock:
                window = self._window
                if not window.start <= now < window.end:
                    end = math.floor(now) + self.seconds
                    # A thread that looked at the clock just before another one still counts in its window.
                    window = self._window = _Window(now - 1, end, (self._names[2], b"%d" % end))
        counter = window.counters.get(token) or window.counters.setdefault(token, itertools.count(1))
        left = self.limit - next(counter)
        return (self._limit_header, (self._names[1], b"%d" % left if left > 0 else b"0"), window.header), left < 0
