"""The bounded queue before the judge."""

from __future__ import annotations

import threading
import time

from trunkline.transport.judging import Judging, RawExchange, Verdict

SEEN = RawExchange(0.0, 0.0, "GET", "http://x/", (), b"", 200, (), b"12345")


def test_what_does_not_fit_is_refused_at_once() -> None:
    """Too many exchanges, or too many bytes, are not kept; there is room again when some are judged."""
    goes_on = threading.Event()

    def judge(_: RawExchange) -> Verdict:
        goes_on.wait(5)
        return Verdict()

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
    with Judging(lambda one: Verdict(one.status), lambda one, _: seen.append(one.status)) as judging:
        futures = [judging.offer(SEEN._replace(status=number)) for number in range(50)]
        assert judging.close(5) == 0
    assert seen == [*range(50)]
    assert [future.result(0) for future in futures if future] == [Verdict(number) for number in range(50)]


def test_closing_leaves_out_what_takes_too_long() -> None:
    """What is being judged is finished, and what waits behind it is left out, and counted."""
    begun = threading.Event()

    def judge(_: RawExchange) -> Verdict:
        begun.set()
        end = time.monotonic() + 5
        while judging.waiting > 1 and time.monotonic() < end:
            pass
        return Verdict()

    judging = Judging(judge, lambda *_: None)
    offered = [judging.offer(SEEN) for _ in range(3)]
    assert begun.wait(5)
    assert judging.close(0) == 2
    assert [future.done() for future in offered if future] == [True, False, False]


def test_a_question_that_fails_is_the_askers() -> None:
    """The exception of a function that was asked is in its future; judging goes on."""
    with Judging(lambda _: Verdict(7), lambda *_: None) as judging:
        assert isinstance(judging.ask(lambda: 1 / 0).exception(5), ZeroDivisionError)
        offered = judging.offer(SEEN)
        assert offered is not None
        assert offered.result(5) == Verdict(7)
