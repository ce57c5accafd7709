"""An object in a process of its own."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from functools import partial

import pytest

from trunkline.errors import UsageError
from trunkline.mock import loader
from trunkline.transport.worker import Worker, WorkerEnded, WorkerFailed


def test_methods_are_called_in_another_process() -> None:
    """Arguments and results pass in both directions, and the object keeps its state."""
    with Worker(Counter, "abracadabra") as worker:
        worker.call("update", "bbb")
        assert worker.call("most_common", 2) == [("a", 5), ("b", 5)]


def test_an_error_for_the_user_is_raised_here() -> None:
    """An object that cannot be made is an error with its own sentence."""
    with pytest.raises(UsageError, match="acme"):
        Worker(loader.load, "acme")


def test_another_exception_tells_only_its_name() -> None:
    """The text of an unexpected exception may hold a secret; the process lives on."""
    with Worker(Counter) as worker:
        with pytest.raises(WorkerFailed, match=r"\AAttributeError\Z"):
            worker.call("secret")
        assert worker.call("total") == 0


def test_a_call_that_takes_too_long_ends_the_process() -> None:
    """Neither that call nor a later one hangs."""
    with Worker(Counter) as worker:
        with pytest.raises(WorkerEnded):
            worker.call("update", range(10**12), seconds=0.05)
        with pytest.raises(WorkerEnded):
            worker.call("total")


def test_waiting_is_not_taking_too_long() -> None:
    """Only the time of the processor counts, so that a busy machine does not end the process."""
    with Worker(partial, time.sleep) as worker:
        worker.call("__call__", 0.1, seconds=0.05)


@pytest.mark.parametrize(("is_idle_work", "priority"), [(True, 19), (False, os.nice(0))])
def test_idle_work_has_the_lowest_priority(is_idle_work: bool, priority: int) -> None:
    """It leaves the processor to others, but only from when the object is made."""
    with Worker(partial, os.nice, is_idle_work=is_idle_work) as worker:
        assert worker.call("__call__", 0) == priority


def test_a_process_that_was_killed_is_noticed() -> None:
    """A call raises, and does not wait."""
    with Worker(Counter) as worker:
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerEnded):
            worker.call("total")


def test_no_process_is_left() -> None:
    """The process has ended when the block has, also within a call."""
    with Worker(time.localtime) as worker:
        pid = worker.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
