"""Targets and decorators of targets. They compose.

>>> log: list[Exchange] = []
>>> live = waiting_out_429(throttled(budgeted(http("https://api.example.com/v1"), 500), rate=5))
>>> target = recorded(live, log)
"""

from __future__ import annotations

import itertools
import math
import random
import re
import threading
import time
from collections.abc import Callable

from trunkline.contract.model import RateLimit
from trunkline.contract.times import DAY, MAX_WAIT, UNIX_SECONDS
from trunkline.errors import BudgetExhausted, TargetError, UsageError
from trunkline.exchange import SAFE_METHODS, TOKEN_VARIABLE, Exchange, Headers, Request, Response, Target, find
from trunkline.mock.loader import other_vendor
from trunkline.transport.asgi import wrap
from trunkline.transport.client import Http, http
from trunkline.transport.messages import http_time

__all__ = [
    "Http",
    "bounded",
    "budgeted",
    "checked",
    "credential_refused",
    "heeding_limit",
    "http",
    "read_only",
    "recorded",
    "throttled",
    "waiting_out_429",
    "with_own_random",
    "wrap",
]

MOST_RECEIVED = 256 << 20
"""The number of bytes that all answers to one check may have, so that it ends within minutes."""
_SLOWEST = 1 / 3600
_MOST_WAITS = 5
"""The number of times that one request is sent again after a 429."""
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def checked(target: Target, judge: Callable[[Exchange], None]) -> Target:
    """The target, which passes every exchange to `judge`."""

    def ask(request: Request) -> Response:
        response = target(request)
        judge(Exchange(request, response))
        return response

    return ask


def with_own_random(target: Target) -> Target:
    """A target in this process that goes on with its own random numbers, whatever seeds them between its answers.

    Hypothesis does, before each example: an application that makes ids with `random` would make the same ones again.
    """
    own = random.getstate()

    def ask(request: Request) -> Response:
        nonlocal own
        others = random.getstate()
        random.setstate(own)
        try:
            return target(request)
        finally:
            own = random.getstate()
            random.setstate(others)

    return ask


def recorded(target: Target, log: list[Exchange]) -> Target:
    """The target, which appends every exchange to `log`. Threads may share the log."""
    return checked(target, log.append)


def budgeted(target: Target, limit: int) -> Target:
    """The target for `limit` requests; the next one raises `BudgetExhausted`."""
    numbers = itertools.count(1)

    def ask(request: Request) -> Response:
        if next(numbers) > limit:
            requests = "1 request" if limit == 1 else f"{limit} requests"
            raise BudgetExhausted(f"the budget of {requests} is spent; allow more to exercise what is left")
        return target(request)

    return ask


def bounded(target: Target, most_bytes: int = MOST_RECEIVED) -> Target:
    """The target until its answers have so many bytes in all; the next request raises `BudgetExhausted`."""
    received = 0

    def ask(request: Request) -> Response:
        nonlocal received
        if received >= most_bytes:
            size = f"{most_bytes >> 20} MB"
            raise BudgetExhausted(
                f"the answers have more than {size} in all, and no more are read; check fewer operations at a time"
            )
        response = target(request)
        received += len(response.body)
        return response

    return ask


def read_only(target: Target) -> Target:
    """The target, which raises `UsageError` for a method that could change something. It is the last safeguard."""

    def ask(request: Request) -> Response:
        if request.method not in SAFE_METHODS:
            raise UsageError(f"{request.method} was to be sent, and writing was not allowed; nothing was sent")
        return target(request)

    return ask


def throttled(
    target: Target,
    *,
    rate: float | None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Target:
    """The target, with at most `rate` requests a second, evenly spaced, from all threads together."""
    if rate is None:
        return target
    if not (rate >= _SLOWEST and math.isfinite(rate)):
        raise UsageError(f"a rate of {rate:g} requests a second cannot be kept; give 0.00028 (one an hour) or more")
    interval = 1 / rate
    lock = threading.Lock()
    next_slot = clock()

    def ask(request: Request) -> Response:
        nonlocal next_slot
        with lock:
            now = clock()
            slot = max(now, next_slot)
            next_slot = slot + interval
        if slot > now:
            sleep(slot - now)
        return target(request)

    return ask


def waiting_out_429(
    target: Target,
    *,
    reset_header: str | None = None,
    max_wait: float = MAX_WAIT,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    waiting: Callable[[Request, float], None] | None = None,
) -> Target:
    """The target, which waits after each 429 and sends the request again, at most five times.

    The time to wait is that of `Retry-After`, or else of the vendor's `reset_header`: a Unix time or, if small,
    seconds. Times are those of the server's clock, as its `Date` shows it. Without a time, or with one in the past, it
    is 1, 2, 4, ... seconds. `waiting` is called with the request and each time. Raises `TargetError` for a time above
    `max_wait` seconds, and when the last answer is a 429 too.
    """

    def ask(request: Request) -> Response:
        response = target(request)
        for attempt in range(_MOST_WAITS):
            if response.status != 429:
                return response
            wait = _wait_time(response.headers, reset_header, clock())
            if wait is None:
                wait = 2.0**attempt
            if wait > max_wait:
                asked = f"{wait:g} s" if wait <= DAY else "more than a day"
                raise TargetError(
                    f"{request.method} {request.path} got a 429 that asks to wait {asked}, "
                    f"more than the {max_wait:g} s allowed; try again later, or allow more with --max-wait"
                )
            if waiting is not None:
                waiting(request, wait)
            sleep(wait)
            response = target(request)
        if response.status == 429:
            raise TargetError(
                f"{request.method} {request.path} still gets a 429 after {_MOST_WAITS} waits; "
                "send fewer requests per second"
            )
        return response

    return ask


def heeding_limit(
    target: Target,
    limit: RateLimit | None,
    *,
    max_wait: float = MAX_WAIT,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    waiting: Callable[[Request, float], None] | None = None,
) -> Target:
    """The target, which waits for the reset after an answer with which the rate limit is spent, so that no 429 follows.

    `limit` names the headers. `waiting` is called with the next request and the seconds. Raises `TargetError` for a
    wait of more than `max_wait` seconds.
    """
    if limit is None:
        return target
    resume = 0.0

    def ask(request: Request) -> Response:
        nonlocal resume
        wait = resume - clock()
        if wait > max_wait:
            raise TargetError(
                f"the rate limit is spent for {wait:.0f} s, more than the {max_wait:g} s allowed; "
                "try again later, or allow more with --max-wait"
            )
        if wait > 0:
            if waiting is not None:
                waiting(request, wait)
            sleep(wait)
        response = target(request)
        remaining = _number(find(response.headers, limit.remaining.lower()) or "")
        resume = clock() + (_wait_time(response.headers, limit.reset, clock()) or 0.0) if remaining == 0 else 0.0
        return response

    return ask


def credential_refused(asked: str, credential: str | None, vendor: str) -> TargetError:
    """The error for a 401 to a run's own credential, or to none: then nothing can be judged."""
    way = f"with --token or {TOKEN_VARIABLE}"
    if credential is None:
        return TargetError(f"{asked} answers 401, since no credential was given; give one {way}")
    other = other_vendor(vendor, credential)
    mistaken = f"it is a token of {other}; give one of {vendor}" if other else "give the right one"
    return TargetError(f"{asked} refuses the credential with 401: {mistaken} {way}")


def _wait_time(headers: Headers, reset_header: str | None, now: float) -> float | None:
    """The seconds for which the answer asks to wait, or None. Nonsense in one header falls back to the other."""
    sent = http_time(find(headers, "date"))
    now = now if sent is None else sent
    after, reset = find(headers, "retry-after") or "", find(headers, (reset_header or "").lower()) or ""
    if (wait := _number(after)) is None and (date := http_time(after)) is not None:
        wait = date - now
    until = _number(reset)
    if until is not None and until >= UNIX_SECONDS.start:
        until -= now
    # a wait of more than a day is none: `Retry-After` holds a Unix time, or a reset counts milliseconds
    asked = [seconds for seconds in (wait, until) if seconds is not None and seconds > 0]
    return next((wait for wait in asked if wait <= DAY), next(iter(asked), None))


def _number(text: str) -> float | None:
    """The number that digits write, however many: RFC 9110, section 10.2.3 has no other numbers."""
    return float(text) if _NUMBER.fullmatch(text.strip(" \t")) else None
