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

_DATE = r"(\d{4})-(\d\d)-(\d\d)"
_TIME = r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.\d+)?(?:[zZ]|([+-])([01]\d|2[0-3]):([0-5]\d))"
_FULL_DATE = re.compile(_DATE, re.ASCII)
_FULL_TIME = re.compile(_TIME, re.ASCII)
_DATE_TIME = re.compile(f"{_DATE}[tT]{_TIME}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*", re.IGNORECASE)
_EMAIL = re.compile(rf"[\w!#$%&'*+/=?^`{{|}}~.-]{{1,64}}@{_LABEL}(\.{_LABEL})*", re.IGNORECASE | re.ASCII)
_URI = re.compile(r"[a-z][a-z0-9+.-]*:([\w.~:/?#\[\]@!$&'()*+,;=-]|%[0-9a-f]{2})*", re.IGNORECASE | re.ASCII)


@lru_cache(maxsize=4096)
def is_date_time(text: str) -> bool:
    """Whether the text is a `date-time` of RFC 3339, section 5.6: `2024-03-05T14:22:15Z`."""
    parts = _DATE_TIME.fullmatch(text)
    return parts is not None and _is_day(*parts.groups()[:3]) and _is_second(*parts.groups()[3:])


def is_date(text: str) -> bool:
    """Whether the text is a `full-date` of RFC 3339: `2024-03-05`."""
    parts = _FULL_DATE.fullmatch(text)
    return parts is not None and _is_day(*parts.groups())


def is_time(text: str) -> bool:
    """Whether the text is a `full-time` of RFC 3339: `14:22:15Z`."""
    parts = _FULL_TIME.fullmatch(text)
    return parts is not None and _is_second(*parts.groups())


def _is_day(year: str, month: str, day: str) -> bool:
    """Whether the calendar has the day; the year 0000 is a leap year too, and Python has none."""
    return _accepts(date, int(year) or 2000, int(month), int(day))


def _is_second(hour: str, minute: str, second: str, sign: str | None, hours: str | None, minutes: str | None) -> bool:
    """Whether the second can be: a leap second is the last of a day in UTC (RFC 3339, section 5.7)."""
    if second != "60":
        return True
    offset = int(hours or 0) * 60 + int(minutes or 0)
    return (int(hour) * 60 + int(minute) + (offset if sign == "-" else -offset)) % 1440 == 1439


def _is_address(text: str, parse: Callable[[str], object]) -> bool:
    """Whether the text is an IP address, without a zone, which is no part of an address in JSON Schema."""
    return "%" not in text and _accepts(parse, text)


def _accepts(parse: Callable[..., object], *parts: str | int) -> bool:
    try:
        parse(*parts)
    except ValueError:
        return False
    return True


FORMATS: Mapping[str, Callable[[str], bool]] = {
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
