"""Tests of `trunkline.check.laws.session`: findings about lists that change while they are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from tests.defects import BY_NAME, LOADED, examine
from trunkline import mock
from trunkline.check.laws import session
from trunkline.check.runner import Checker
from trunkline.exchange import Request, Response, Target
from trunkline.findings import Report
from trunkline.mock.mock import Mock

Pace = Callable[[int, Random], bool]
"""Whether something changes before the request of this number."""


def every(count: int) -> Pace:
    return lambda number, _: number % count == 0


def at_random(chance: float) -> Pace:
    return lambda _, random: random.random() < chance


PACES: dict[str, Pace] = {
    **{f"every {count} requests": every(count) for count in (1, 2, 3, 5, 10, 25, 60)},
    **{f"{chance:.0%} of the requests": at_random(chance) for chance in (0.5, 0.2, 0.05, 0.01)},
}
SLOWEST = "1% of the requests"


def appear(fake: Mock, collection: str, _: Random) -> None:
    """Another client creates an item."""
    if len(fake.records(collection)) < 60:
        fake.records(collection).add()


def disappear(fake: Mock, collection: str, random: Random) -> None:
    """Another client deletes an item."""
    if len(found := fake.records(collection)) > 4:
        found.remove(random.choice(found)["id"])


FLIPS: dict[str, tuple[str, Any, Any]] = {
    "telepath trunks": ("status", "active", "error"),
    "telepath calls": ("status", "connected", "failed"),
    "talkover trunks": ("is_active", True, False),
}


def flip(fake: Mock, collection: str, _: Random) -> None:
    """One item changes a value, and changes it back the next time."""
    if found := FLIPS.get(f"{fake.vendor.name} {collection}"):
        field, one, other = found
        item: Any = fake.records(collection)[:4][-1]
        fake.records(collection).change(item["id"], {field: other if item[field] == one else one})


def count(fake: Mock, collection: str, random: Random) -> None:
    """A counter moves on."""
    item: Any = random.choice(fake.records(collection))
    if collection == "calls":
        fake.records(collection).change(item["id"], duration_seconds=(item["duration_seconds"] or 0) + 1)
    elif "metrics" in item:
        metrics = {**item["metrics"], "calls_today": item["metrics"]["calls_today"] + 1}
        fake.records(collection).change(item["id"], metrics=metrics)


CHANGES: dict[str, tuple[Callable[[Mock, str, Random], None], ...]]
CHANGES = {"appear": (appear,), "disappear": (disappear,), "flip": (flip,), "count": (count,)}
CHANGES["all"] = (appear, disappear, flip, count)


def changing(name: str, changes: str, pace: str, seed: int) -> Target:
    """The mock, whose records change at a pace. Every response is true at its moment."""
    fake, random, number = mock.from_vendor(LOADED[name]), Random(seed), 0  # noqa: S311 - no secret

    def ask(request: Request) -> Response:
        nonlocal number
        number += 1
        if PACES[pace](number, random):
            for collection in filter(fake.records, LOADED[name].world.collections):
                random.choice(CHANGES[changes])(fake, collection, random)
        return fake(request)

    return ask


def judged(name: str, changes: str, pace: str, seed: int) -> Report:
    """The report of all laws on a server that changes."""
    return examine(name, changing(name, changes, pace, seed), *BY_NAME, seed=seed, examples=6, parameters={})


def failures(report: Report) -> list[tuple[str, str, str]]:
    return [(finding.rule, finding.operation, finding.message) for finding in report.failures()]


@pytest.mark.slow_for("telepath-every 3", "telepath-20%", "talkover-every 1", "talkover-1%")
@pytest.mark.parametrize("pace", ["every 1 requests", "every 3 requests", "20% of the requests", SLOWEST])
@pytest.mark.parametrize("name", LOADED)
def test_data_that_change_are_no_finding(name: str, pace: str) -> None:
    """Items appear, disappear and change back and forth at any pace, and no law calls the server wrong.

    At the slowest pace each law is exercised, so that the silence proves something.
    """
    report = judged(name, "all", pace, 1)
    assert failures(report) == []
    if pace == SLOWEST:
        exercised = {law for (_, law), reason in report.exercised.items() if not reason}
        assert exercised == {law for _, law in report.exercised}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", LOADED)
def test_data_that_change_are_no_finding_with_any_seed(name: str, seed: int) -> None:
    """The same for each change alone and for all together, with 20 seeds, which together meet every pace."""
    paces = [*PACES]
    cases = [(changes, paces[(seed + index) % len(paces)]) for index, changes in enumerate(CHANGES)]
    found = {case: failures(judged(name, *case, seed)) for case in cases}
    assert {case: findings for case, findings in found.items() if findings} == {}


@pytest.mark.parametrize(
    ("answered", "status", "reason"),
    [
        (1, 500, "the list cannot be read: 500 for /trunks?limit=7&offset=0"),
        (6, 500, "the list cannot be read: 500 for /trunks?limit=100&offset=0"),
        (6, 200, "the list changed while it was read"),
        (999, 500, ""),
    ],
)
def test_a_list_that_cannot_be_read_again_is_said_to_be(answered: int, status: int, reason: str) -> None:
    """It is neither a finding, which must be found again, nor a list that has changed."""
    good, number = mock.from_vendor(LOADED["telepath"]), 0

    def ask(request: Request) -> Response:
        nonlocal number
        number += 1
        response = good(request)
        body = {**response.json(), "pagination": {**response.json()["pagination"], "total": 99}}
        if number > answered:
            return replace(response, status=status) if status == 500 else response
        return replace(response, body=json.dumps(body).encode())

    report = Report()
    checker = Checker(LOADED["telepath"], ask, report, credential=LOADED["telepath"].world.token)
    checker.check_law(checker.vendor.contract.operation("listTrunks"), BY_NAME["total_counts_the_list"])
    assert report.exercised["listTrunks", "total_counts_the_list"] == reason
    found = {finding.rule for finding in report.findings}
    assert ("total_counts_the_list" in found) is (not reason)


def test_large_answers_are_judged_but_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """After three in a row no more are asked for, and the report says so; a smaller one begins the count anew."""
    monkeypatch.setattr(session, "_MOST_COMPARED", 100)
    asked: list[Request] = []
    sizes = [101, 101, 100, 101, 101, 101]

    def answer(request: Request) -> Response:
        asked.append(request)
        return Response(200, (), b"x" * sizes[len(asked) - 1])

    target, outcomes = session.comparable(answer), []
    for _ in range(8):
        try:
            outcomes.append(len(target(Request("GET", "/")).body))
        except session.Inconclusive:
            outcomes.append(0)
    assert outcomes == [0, 0, 100, 0, 0, 0, 0, 0]
    assert len(asked) == 6


@pytest.mark.parametrize("name", ["_MOST_COMPARED", "_MOST_LISTED"])
def test_a_list_that_is_too_long_to_compare_is_not_exercised(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules judge its pages nevertheless."""
    monkeypatch.setattr(session, name, 300)
    vendor = LOADED["telepath"]
    fake = mock.from_vendor(vendor)
    report = examine("telepath", fake, "pages_leave_no_gap", operations=["listTrunks"])
    assert "MB" in report.exercised["listTrunks", "pages_leave_no_gap"]
    assert report.reach.statuses["listTrunks", 200]
    assert not report.findings
