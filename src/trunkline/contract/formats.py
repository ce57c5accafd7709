"""The formats of JSON Schema that trunkline checks, for both validators.

jsonschema accepts any text as a `date-time` unless further packages are installed, and validators differ in leap
seconds and separators. With checkers of our own, both give the same verdict.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import NamedTuple

_DATE = r"(\d{4})-(\d\d)-(\d\d)"
_TIME = r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.(\d+))?"
_OFFSET = r"(?:[zZ]|([+-])([01]\d|2[0-3]):([0-5]\d))"
_SHORT = 64
_FULL_DATE = re.compile(_DATE, re.ASCII)
_FULL_TIME = re.compile(f"{_TIME}{_OFFSET}", re.ASCII)
_DATE_TIME = re.compile(f"{_DATE}[tT]{_TIME}{_OFFSET}", re.ASCII)
_TIME_IN_UTC = re.compile(f"{_DATE}[tT]{_TIME}", re.ASCII)
_DAYS_TO_YEAR_2000 = 5 * 146_097
"""The number of days from 0000-01-01, which Python has no date for: the calendar repeats after 400 years."""
_UNIX_EPOCH = date(1970, 1, 1).toordinal()
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*", re.IGNORECASE | re.ASCII)
_LOCAL = r"[\w!#$%&'*+/=?^`{|}~.-]{1,64}"
_EMAIL = re.compile(rf"(?=.{{1,320}}\Z){_LOCAL}@{_LABEL}(\.{_LABEL})*", re.IGNORECASE | re.ASCII)
_URI = re.compile(r"[a-z][a-z0-9+.-]*:(?:[\w.~:/?#\[\]@!$&'()*+,;=-]++|%[0-9a-f]{2})*+", re.IGNORECASE | re.ASCII)


class Time(NamedTuple):
    """A time as RFC 3339 writes it. Times are in order, however exactly and in whichever offset they are written.

    `seconds` are those since 1970 in UTC. A leap second has those of the second before it, and `leap` is true.
    `fraction` has the digits after the point, without zeros at the end.
    """

    seconds: int
    leap: bool
    fraction: str

    def is_near(self, other: Time) -> bool:
        """Whether the times differ by less than a second: they may be one time, written more or less exactly."""
        first, second = sorted((self, other))
        gap = second.seconds - first.seconds
        return gap == 0 or (gap == 1 and second.fraction < first.fraction)


def read_time(text: str) -> Time | None:
    """The time of a `date-time` of RFC 3339, section 5.6, such as `2024-03-05T14:22:15Z`; None for any other text."""
    return (_read_short_time if len(text) <= _SHORT else _read_time)(text)


def _read_time(text: str) -> Time | None:
    parts = _DATE_TIME.fullmatch(text)
    return _time(*parts.groups()) if parts else None


_read_short_time = lru_cache(maxsize=4096)(_read_time)
"""`_read_time` for texts that take little memory."""


def read_bound(text: str) -> Time | None:
    """The time that a `date-time` means, or a `full-date` or a time without an offset, which are in UTC: our decision.

    No other form of ISO 8601 is a time, such as `2024-W10-2`.
    """
    if _FULL_DATE.fullmatch(text):
        return read_time(f"{text}T00:00:00Z")
    return read_time(f"{text}Z" if _TIME_IN_UTC.fullmatch(text) else text)


@lru_cache(maxsize=4096)
def is_date_time(text: str) -> bool:
    """Whether the text is a `date-time` of RFC 3339, section 5.6: `2024-03-05T14:22:15Z`."""
    return read_time(text) is not None


def is_date(text: str) -> bool:
    """Whether the text is a `full-date` of RFC 3339: `2024-03-05`."""
    parts = _FULL_DATE.fullmatch(text)
    return parts is not None and _day(*parts.groups()) is not None


def is_time(text: str) -> bool:
    """Whether the text is a `full-time` of RFC 3339: `14:22:15Z`."""
    parts = _FULL_TIME.fullmatch(text)
    return parts is not None and _time("2000", "01", "01", *parts.groups()) is not None


def _day(year: str, month: str, day: str) -> int | None:
    """The number of a day, if the calendar has it; the year 0000 is a leap year too, and Python has none."""
    try:
        ordinal = date(int(year) or 2000, int(month), int(day)).toordinal()
    except ValueError:
        return None
    return ordinal if year != "0000" else ordinal - _DAYS_TO_YEAR_2000


def _time(
    year: str, month: str, day: str, hour: str, minute: str, second: str, fraction: str | None,
    sign: str | None, hours: str | None, minutes: str | None,
) -> Time | None:  # fmt: skip
    """The time, if there is such a second: a leap second is the last of a day in UTC (RFC 3339, section 5.7)."""
    ordinal, leap = _day(year, month, day), second == "60"
    if ordinal is None:
        return None
    minute_of_day = int(hour) * 60 + int(minute)
    if sign is not None:
        offset = int(hours or 0) * 60 + int(minutes or 0)
        minute_of_day += offset if sign == "-" else -offset
    if leap and minute_of_day % 1440 != 1439:
        return None
    seconds = (ordinal - _UNIX_EPOCH) * 86_400 + minute_of_day * 60 + (59 if leap else int(second))
    return Time(seconds, leap, (fraction or "").rstrip("0"))


def _is_address(text: str, parse: Callable[[str], object]) -> bool:
    """Whether the text is an IP address, without a zone, which is no part of an address in JSON Schema."""
    return "%" not in text and _accepts(parse, text)


def _accepts(parse: Callable[..., object], *parts: str | int) -> bool:
    try:
        parse(*parts)
    except ValueError:
        return False
    return True


FORMAT_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "date-time": is_date_time,
    "date": is_date,
    "time": is_time,
    "uuid": lambda text: _UUID.fullmatch(text) is not None,
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "hostname": lambda text: _HOST.fullmatch(text) is not None,
    "ipv4": lambda text: _is_address(text, ipaddress.IPv4Address),
    "ipv6": lambda text: _is_address(text, ipaddress.IPv6Address),
    "uri": lambda text: _URI.fullmatch(text) is not None,
}
"""The check for each format; any other format stops the load."""
