"""Times are read as RFC 3339 writes them, in one place for the mock, the rules, the laws and the model."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from trunkline.contract.formats import Time, is_date, is_date_time, is_time, read_bound, read_time


def at(*parts: int, offset: int = 0) -> int:
    """The seconds since 1970 of a date and a time."""
    moment = datetime(*parts, tzinfo=timezone(timedelta(hours=offset)))  # type: ignore[arg-type, misc]
    return int(moment.timestamp())


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-03-05T10:30:00Z", Time(at(2024, 3, 5, 10, 30), False, "")),
        ("2024-03-05t10:30:00z", Time(at(2024, 3, 5, 10, 30), False, "")),
        ("2024-03-05T10:30:00+02:00", Time(at(2024, 3, 5, 10, 30, offset=2), False, "")),
        ("2024-03-05T10:30:00-00:00", Time(at(2024, 3, 5, 10, 30), False, "")),
        ("2024-03-05T10:30:00.50Z", Time(at(2024, 3, 5, 10, 30), False, "5")),
        ("2024-03-05T10:30:00.1234567890123Z", Time(at(2024, 3, 5, 10, 30), False, "1234567890123")),
        ("2016-12-31T23:59:60Z", Time(at(2016, 12, 31, 23, 59, 59), True, "")),
        ("2017-01-01T00:59:60+01:00", Time(at(2016, 12, 31, 23, 59, 59), True, "")),
        ("0000-12-31T23:59:59Z", Time(at(1, 1, 1) - 1, False, "")),
        ("0000-02-29T00:00:00Z", Time(at(1, 1, 1) - 307 * 86_400, False, "")),
        ("9999-12-31T23:59:59-23:59", Time(at(9999, 12, 31, 23, 59, 59) + 23 * 3600 + 59 * 60, False, "")),
        ("2024-03-05", None),
        ("2024-03-05T10:30:00", None),
        ("2024-03-05 10:30:00Z", None),
        ("20240305T103000Z", None),
        ("2024-W10-2", None),
        ("2024-W09-5T10:30:00Z", None),
        ("2024-02-30T10:30:00Z", None),
        ("0001-02-29T10:30:00Z", None),
        ("2024-03-05T24:00:00Z", None),
        ("2024-03-05T10:30:60Z", None),
        ("2016-12-31T23:59:60+01:00", None),
        ("2024-03-05T10:30:00+24:00", None),
        ("2024-03-05T10:30:00,5Z", None),
        ("2024-03-05T10:30:00.Z", None),
        ("２０２４-03-05T10:30:00Z", None),
        ("2024-03-05T10:30:00Z\n", None),
        ("", None),
        ("\udcff", None),
        ("9" * 5000, None),
    ],
    ids=lambda value: str(value)[:34].encode("ascii", "replace").decode(),
)
def test_a_time_is_read_as_rfc_3339_writes_it(text: str, time: Time | None) -> None:
    """Each `date-time` has one meaning, and nothing else is one."""
    assert read_time(text) == time
    assert is_date_time(text) is (time is not None)
    if time is not None:
        assert read_bound(text) == time
        assert is_date(text[:10])
        assert is_time(text[11:]) or "60" in text


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2024-03-05", "2024-03-05T00:00:00Z"),
        ("2024-03-05T10:30:00", "2024-03-05T10:30:00Z"),
        ("2024-03-05t10:30:00.5", "2024-03-05T10:30:00.5Z"),
        ("2016-12-31T23:59:60", "2016-12-31T23:59:60Z"),
    ],
)
def test_a_bound_without_time_or_offset_is_in_utc(text: str, same: str) -> None:
    """That is our decision. It takes no other form of ISO 8601 in."""
    assert read_bound(text) == read_time(same) is not None


@pytest.mark.parametrize("text", ["2024", "2024-03", "20240305", "2024-W10-2", "2024-065", "yesterday", "10:30:00", ""])
def test_no_other_text_is_a_bound(text: str) -> None:
    """Week dates, ordinal dates and parts of a date are no times of RFC 3339."""
    assert read_bound(text) is None


def test_times_are_in_order_however_they_are_written() -> None:
    """A leap second comes after the second before it and before the next day; fractions have any number of digits."""
    texts = [
        "0000-01-01T00:00:00Z",
        "2016-12-31T23:59:59Z",
        "2016-12-31T23:59:59.049Z",
        "2016-12-31T23:59:59.5Z",
        "2016-12-31T23:59:59.5000000000001Z",
        "2017-01-01T02:59:60+03:00",
        "2016-12-31T23:59:60.5Z",
        "2017-01-01T00:00:00Z",
        "2017-01-01T00:00:01+00:00",
    ]
    times = [read_time(text) for text in texts]
    assert times == sorted(time for time in times if time is not None)


@pytest.mark.parametrize(
    ("first", "second", "near"),
    [
        ("2024-03-05T10:30:00Z", "2024-03-05T12:30:00+02:00", True),
        ("2024-03-05T10:30:00.9Z", "2024-03-05T10:30:00Z", True),
        ("2024-03-05T10:30:00.9Z", "2024-03-05T10:30:01Z", True),
        ("2024-03-05T10:30:00.5Z", "2024-03-05T10:30:01.5Z", False),
        ("2024-03-05T10:30:00Z", "2024-03-05T10:30:01Z", False),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z", True),
    ],
)
def test_times_within_a_second_may_be_one_time(first: str, second: str, near: bool) -> None:
    """One response may write a time more exactly than another."""
    one, other = read_time(first), read_time(second)
    assert one is not None
    assert other is not None
    assert one.is_near(other) is other.is_near(one) is near
