"""The bounded queue before the judge."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from typing import Any

import pytest

from trunkline.transport import judging as transport_judging
from trunkline.transport.judging import Judging, RawExchange, Verdict

SEEN = RawExchange(0.0, 0.0, "GET", "http://x/", (), b"", 200, (), b"12345")


def verdicts_of(several: list[RawExchange]) -> list[Verdict]:
    """As many findings as the number of the status."""
    return [Verdict(one.status) for one in several]


def test_what_does_not_fit_is_refused_at_once() -> None:
    """Too many exchanges, or too many bytes, are not kept; there is room again when some are judged."""
    goes_on = threading.Event()

    def judge(several: list[RawExchange]) -> list[Verdict]:
        goes_on.wait(5)
        return [Verdict()] * len(several)

    for bounds in ({"most": 2}, {"most_bytes": 10}):
        goes_on.clear()
        with Judging(judge, lambda *_: None, **bounds) as judging:
            offered = [judging.offer(SEEN) for _ in range(3)]
            assert [future is None for future in offered] == [False, False, True]
            goes_on.set()
            judging.ask(lambda: None).result(5)
            assert judging.offer(SEEN) is not None
            assert judging.close(5) == 0


def test_closing_judges_what_waits() -> None:
    """All that was offered is judged before the thread ends, and the order is kept."""
    seen: list[int] = []
    with Judging(verdicts_of, lambda one, _: seen.append(one.status)) as judging:
        futures = [judging.offer(SEEN._replace(status=number)) for number in range(50)]
        assert judging.close(5) == 0
    assert seen == [*range(50)]
    assert [future.result(0) for future in futures if future] == [Verdict(number) for number in range(50)]


def test_closing_leaves_out_what_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exchange that is being judged is finished; those that wait behind it are left out, and counted."""
    monkeypatch.setattr(transport_judging, "MOST_TOGETHER", 1)
    begun = threading.Event()

    def judge(_: list[RawExchange]) -> list[Verdict]:
        begun.set()
        end = time.monotonic() + 5
        while judging.waiting > 1 and time.monotonic() < end:
            pass
        return [Verdict()]

    judging = Judging(judge, lambda *_: None)
    offered = [judging.offer(SEEN) for _ in range(3)]
    assert begun.wait(5)
    assert judging.close(0) == 2
    assert [future.done() for future in offered if future] == [True, False, False]


def test_a_question_that_fails_is_the_askers() -> None:
    """The exception of a function that was asked is in its future; judging goes on."""
    with Judging(verdicts_of, lambda *_: None) as judging:
        assert isinstance(judging.ask(lambda: 1 / 0).exception(5), ZeroDivisionError)
        offered = judging.offer(SEEN)
        assert offered is not None
        assert offered.result(5) == Verdict(200)


@pytest.mark.parametrize("last_is_urgent", [True, False])
def test_what_nobody_waits_for_is_judged_together(last_is_urgent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exchange whose verdict somebody awaits ends the gathering, and so does a full batch."""
    monkeypatch.setattr(transport_judging, "_GATHERING", 60.0)
    monkeypatch.setattr(transport_judging, "MOST_TOGETHER", 9 if last_is_urgent else 5)
    sizes: list[int] = []

    def judge(several: list[RawExchange]) -> list[Verdict]:
        sizes.append(len(several))
        return verdicts_of(several)

    with Judging(judge, lambda *_: None) as judging:
        offered = [judging.offer(SEEN, is_urgent=last_is_urgent and number == 4) for number in range(5)]
        assert [future.result(5) for future in offered if future] == [Verdict(200)] * 5
    assert sizes == [5]


def test_a_judge_that_fails_has_no_verdicts() -> None:
    """The exchanges that it had are done without one, and the next are judged."""
    seen: list[Verdict | None] = []

    def judge(several: list[RawExchange]) -> list[Verdict]:
        if not seen:
            raise ValueError
        return verdicts_of(several)

    with Judging(judge, lambda _, verdict: seen.append(verdict)) as judging:
        for expected in (None, Verdict(200)):
            offered = judging.offer(SEEN)
            assert offered is not None
            assert offered.result(5) == expected
    assert seen == [None, Verdict(200)]


def test_an_error_while_a_verdict_is_counted_ends_nothing() -> None:
    """It is in the future of the exchange, and the next one is judged."""
    with Judging(verdicts_of, lambda one, _: 1 / one.status) as judging:
        first, second = judging.offer(SEEN._replace(status=0)), judging.offer(SEEN)
        assert first is not None
        assert second is not None
        assert isinstance(first.exception(5), ZeroDivisionError)
        assert second.result(5) == Verdict(200)


def test_a_caller_that_ceases_to_wait_ends_nothing() -> None:
    """Neither the thread nor the count depends on who still waits for a question or for an exchange."""
    goes_on = threading.Event()
    counted: list[int] = []

    async def give_up() -> None:
        first, last = judging.ask(lambda: goes_on.wait(5)), judging.ask(lambda: None)
        futures: list[Future[Any] | None] = [first, judging.offer(SEEN), last]
        for future in futures:
            assert future is not None
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await asyncio.wrap_future(future)

    with Judging(verdicts_of, lambda one, _: counted.append(one.status)) as judging:
        asyncio.run(give_up())
        goes_on.set()
        judging.ask(lambda: None).result(5)
        assert judging.close(5) == 0
        assert (counted, judging.waiting) == ([200], 0)
