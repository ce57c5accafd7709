"""Judge batches of recorded traffic in order, in this process or in several.

This process reads the files, and judges too whenever the others have enough to do. If it only read, it would be idle
most of the time, and starting one more process takes as long as judging hundreds of exchanges.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeAlias

from trunkline.errors import TrunklineError, UsageError

if TYPE_CHECKING:
    from trunkline.traffic.validation import BatchJudge, Judged

Batch: TypeAlias = list[Any]
InOrder: TypeAlias = "Callable[[Iterable[Batch]], Iterator[Judged]]"

_AHEAD = 3
"""The number of batches for each other process that are read before they are needed."""
_MOST_PENDING = 8
"""The number of batches, as a multiple of those read ahead, that may be under way or wait for one before them."""


@contextmanager
def in_order(judge: BatchJudge, vendor: str, jobs: int) -> Iterator[InOrder]:
    """A function that judges batches, in this and `jobs` - 1 other processes, and yields what was found in their order.

    It raises what reading the batches raises, after what was found before. At the end the processes end at once, also
    in the middle of a batch.
    """
    if jobs == 1:
        yield lambda batches: map(judge, batches)
        return
    others, context = jobs - 1, get_context("spawn")
    ours, theirs = context.Pipe()
    pool = ProcessPoolExecutor(others, context, _begin, (vendor, judge.settings, theirs))
    try:
        yield lambda batches: _in_order(pool, judge, batches, _AHEAD * others)
    except BrokenProcessPool:
        raise TrunklineError(
            "a process that judges ended early; it may lack memory: use fewer --jobs. A script that judges in several"
            ' processes needs `if __name__ == "__main__":`'
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        ours.close()
        theirs.close()


def _in_order(pool: ProcessPoolExecutor, judge: BatchJudge, batches: Iterable[Batch], ahead: int) -> Iterator[Judged]:
    """Give batches to the other processes, as many as they can have `ahead`; each further one is judged here."""
    pending = deque[Future["Judged"]]()
    failure: UsageError | None = None
    try:
        for batch in batches:
            if sum(not future.done() for future in pending) < ahead:
                with _without_interrupts():
                    pending.append(pool.submit(_judge, batch))
            else:
                pending.append(Future())
                pending[-1].set_result(judge(batch))
            while pending and (pending[0].done() or len(pending) > _MOST_PENDING * ahead):
                yield pending.popleft().result()
    except UsageError as error:
        failure = error
    for future in pending:
        yield future.result()
    if failure:
        raise failure


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """A context manager: Ctrl-C does not reach the processes that are started in it. This process ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


_judges: list[BatchJudge] = []
"""The judge of this process, if it is one of several."""


def _begin(vendor: str, settings: tuple[Any, ...], end: Connection) -> None:
    from trunkline.mock import loader  # noqa: PLC0415 - only in a process of its own
    from trunkline.traffic.validation import BatchJudge  # noqa: PLC0415 - which imports this module

    Thread(target=_end_with, args=(end,), name="trunkline-end", daemon=True).start()
    _judges[:] = [BatchJudge(loader.load(vendor, lint=False).contract, *settings)]


def _judge(batch: Batch) -> Judged:
    return _judges[0](batch)


def _end_with(end: Connection) -> None:
    """End this process when the other end of a pipe is closed, or its process is killed."""
    end.poll(None)
    os._exit(1)
