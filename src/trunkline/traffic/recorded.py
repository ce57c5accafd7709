"""One entry of recorded traffic, as every reader yields it, and the time of one."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Headers, find

_LONGEST_TIME = 64


class Entry(NamedTuple):
    """An exchange, or the reason why there is none: `Entry("session.har#/log/entries/3", 1795888800.5, exchange)`.

    `place` names the file, and where the entry is in it. `time` is the Unix time of the request, or None if it is not
    known.
    """

    place: str
    time: float | None
    exchange: Exchange | UsageError


def unix_time(text: object) -> float | None:
    """The Unix time of a text by ISO 8601 or RFC 9110, or None. Without an offset it is UTC.

    >>> unix_time("1970-01-01T01:00:00.5+01:00"), unix_time("Thu, 01 Jan 1970 00:00:02 GMT"), unix_time("yesterday")
    (0.5, 2.0, None)
    """
    if not isinstance(text, str) or len(text) > _LONGEST_TIME:
        return None
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = parse(text)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError, TypeError, IndexError):
            pass
    return None


def time_of(recorded: object, received: Headers) -> float | None:
    """The time that a recording states, or else the `date` of the response."""
    stated = unix_time(recorded)
    return unix_time(find(received, "date")) if stated is None else stated
