"""Owns what decorates a `Target`, and is the one place where targets are found: they compose, in the order meant.

>>> log: list[Exchange] = []
>>> live = patient(throttled(budgeted(http("https://api.example.com/v1"), 500), rate=5))
>>> target = recorded(live, log)
"""

from __future__ import annotations

import itertools
import math
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime

from trunkline.errors import BudgetExhausted, TargetError, UsageError
from trunkline.exchange import SAFE_METHODS, TOKEN_VARIABLE, Exchange, Headers, Request, Response, Target, find
from trunkline.transport.asgi import wrap
from trunkline.transport.client import Http, http

__all__ = [
    "Http",
    "budgeted",
    "checked",
    "credential_refused",
    "http",
    "read_only",
    "recorded",
    "throttled",
    "waiting_out_429",
    "wrap",
]

_SLOWEST = 1 / 3600
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def checked(target: Target, judge: Callable[[Exchange], None]) -> Target:
    """The target, with every exchange shown to `judge`."""

    def ask(request: Request) -> Response:
        response = target(request)
        judge(Exchange(request, response))
        return response

    return ask


def recorded(target: Target, log: list[Exchange]) -> Target:
    """The target, with every exchange kept in `log`; threads may share it, since `list.append` is atomic."""
    return checked(target, log.append)


def budgeted(target: Target, limit: int) -> Target:
    """The target for `limit` requests; the next one raises `BudgetSpent`."""
    numbers = itertools.count(1)

    def ask(request: Request) -> Response:
        if next(numbers) > limit:
            raise BudgetExhausted(f"the budget of {limit} requests is spent; allow more to exercise what is left")
        return target(request)

    return ask


def read_only(target: Target) -> Target:
    """The target behind a last lock: whatever somebody comes up with, nothing that could change anything goes out."""

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
    """The target, asked at most `rate` times a second and at even distances, by however many threads."""
    if rate is None:
        return target
    if not (rate >= _SLOWEST and math.isfinite(rate)):
        raise UsageError(f"a rate of {rate:g} requests a second cannot be kept; give 0.00028 (one an hour) or more")
    distance = 1 / rate
    lock = threading.Lock()
    free = clock()

    def ask(request: Request) -> Response:
        nonlocal free
        with lock:
            now = clock()
            mine = max(now, free)
            free = mine + distance
        if mine > now:
            sleep(mine - now)
        return target(request)

    return ask


def waiting_out_429(
    target: Target,
    *,
    reset_header: str | None = None,
    max_wait: float = 120.0,
    tries: int = 5,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    waiting: Callable[[float], None] | None = None,
) -> Target:
    """The target, asked again after each 429, as late as the answer says and at most `tries` times.

    It says so in `Retry-After`, or in the vendor's `reset_header`: a Unix time or, when small, the seconds to wait.
    When it says nothing, or a moment that has passed, the waits are 1, 2, 4, ... seconds. `waiting` hears of each.
    """

    def ask(request: Request) -> Response:
        response = target(request)
        for attempt in range(tries):
            if response.status != 429:
                return response
            wait = _told(response.headers, reset_header, clock())
            if wait is None or wait <= 0:
                wait = 2.0**attempt
            if wait > max_wait:
                raise TargetError(
                    f"{request.method} {request.path} was answered 429 and told to wait {wait:g} s, "
                    f"more than the {max_wait:g} s allowed; come back later, or allow a longer wait"
                )
            if waiting is not None:
                waiting(wait)
            sleep(wait)
            response = target(request)
        if response.status == 429:
            raise TargetError(
                f"{request.method} {request.path} is still answered 429 after {tries} waits; ask more slowly"
            )
        return response

    return ask


def credential_refused(asked: str, *, given: bool) -> TargetError:
    """What to say when a credential, or that there is none, is answered with 401: then nothing can be judged."""
    way = f"{'give the right one' if given else 'none was given; give one'} with --token or {TOKEN_VARIABLE}"
    return TargetError(f"{asked} refuses the credential with 401: {way}")


def _told(headers: Headers, reset_header: str | None, now: float) -> float | None:
    """How many seconds the answer asks the client to wait, or None when it does not say."""
    after = find(headers, "retry-after")
    if after is not None:
        if (seconds := _number(after)) is not None:
            return seconds
        with suppress(ValueError, OverflowError):
            return parsedate_to_datetime(after).timestamp() - now
    reset = _number(find(headers, reset_header.lower()) or "") if reset_header else None
    if reset is None or reset < 10**6:
        return reset
    return reset - now


def _number(text: str) -> float | None:
    """What digits tell, however many: RFC 9110 section 10.2.3 has no other numbers."""
    return float(text) if _NUMBER.fullmatch(text.strip()) else None
