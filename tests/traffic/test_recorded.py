"""Tests of `trunkline.traffic.recorded`: the times of recordings are read."""

from __future__ import annotations

import pytest

from trunkline.traffic.recorded import time_of, unix_time

TIMES = {
    "2026-11-28T18:00:00.123Z": 1795888800.123,
    "2026-11-28T19:00:00+01:00": 1795888800,
    "2026-11-28T18:00:00": 1795888800,
    "2026-11-28": 1795824000,
    "Sat, 28 Nov 2026 18:00:00 GMT": 1795888800,
    "Sat, 28 Nov 2026 19:00:00 +0100": 1795888800,
    "": None,
    "now": None,
    "2026-13-28": None,
    "0001-01-01T00:00:00+23:59": -62135683140,
    "Sat, 99 Nov 2026 18:00:00 GMT": None,
    "Sat, 28 Nov 999999999999 18:00:00 GMT": None,
    "1" * 100_000: None,
    "\ud800": None,
    "\x00": None,
}


@pytest.mark.parametrize("text", TIMES, ids=range(len(TIMES)))
def test_a_time_is_read(text: str) -> None:
    """By ISO 8601 and by RFC 9110; any other text is no time."""
    assert unix_time(text) == TIMES[text]


@pytest.mark.parametrize("value", [None, 7, 1e400, b"2026-11-28", [], {}])
def test_other_values_are_no_times(value: object) -> None:
    """A recording may hold anything there."""
    assert unix_time(value) is None


def test_the_stated_time_comes_before_the_date_of_the_response() -> None:
    """The response was sent later."""
    fields = (("date", "Sat, 28 Nov 2026 18:00:00 GMT"),)
    assert time_of("1970-01-01", fields) == 0
    assert time_of(None, fields) == time_of("?", fields) == 1795888800
    assert time_of(None, ()) is None
