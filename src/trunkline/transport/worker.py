"""An object in a process of its own, for work that must not hold up the event loop by the interpreter's lock.

>>> with Worker(Counter, "abracadabra") as counter:
...     counter.call("most_common", 1, seconds=5)
[('a', 5)]
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any, Self

from trunkline.errors import TrunklineError

_BEGIN = (
    "import sys; sys.path[:] = sys.argv[3:]; from trunkline.transport.worker import work;"
    " work(int(sys.argv[1]), is_idle_work=sys.argv[2] == 'idle')"
)
_PATIENCE = 1.0
"""The seconds in which an idle process ends."""


class WorkerEnded(Exception):
    """The process has ended, perhaps because a call took too long."""


class WorkerFailed(Exception):
    """A method raised an exception that is no `TrunklineError`: its name. Its text may hold a secret."""


class Worker:
    """The object that `make(*arguments)` returns, in a process. Its methods are called by one thread at a time.

    Ctrl-C in a terminal does not reach the process: it ends when it is told to, or when this one has ended. With
    `is_idle_work` it leaves a busy processor to others. Raises the `TrunklineError` of `make`.
    """

    def __init__(self, make: Callable[..., object], *arguments: object, is_idle_work: bool = False) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, with this program
                [sys.executable, "-c", _BEGIN, str(theirs.fileno()), "idle" if is_idle_work else "", *sys.path],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # not a session of its own: Linux shares the processor among sessions first
            )
        try:
            self._ask(make, arguments, 0)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def call(self, method: str, *arguments: object, seconds: float = 0) -> Any:
        """The result of a method. Raises its exception, or `WorkerEnded`.

        A call that takes more than so many seconds of the processor ends the process; 0 is no bound. Time in which
        other processes have the processor does not count.
        """
        return self._ask(method, arguments, seconds)

    def kill(self) -> None:
        """End the process at once. A call that waits for it raises `WorkerEnded`."""
        self._process.kill()

    def close(self) -> None:
        """End the process, also in the middle of a call."""
        self._connection.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, asked: object, arguments: tuple[object, ...], seconds: float) -> Any:
        try:
            self._connection.send((asked, arguments, seconds))
            is_result, value = self._connection.recv()
        except (OSError, EOFError):
            self._process.kill()
            raise WorkerEnded from None
        if is_result:
            return value
        raise value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def work(descriptor: int, *, is_idle_work: bool) -> None:
    """Make the object and call its methods, as the other end of the pipe says, until that is closed."""
    with Connection(descriptor) as connection:
        made: Any = None
        while True:
            try:
                asked, arguments, seconds = connection.recv()
            except (EOFError, OSError):
                return
            signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGPROF ends the process
            try:
                if callable(asked):
                    made, value = asked(*arguments), None
                    if is_idle_work:
                        _step_back()
                else:
                    value = getattr(made, asked)(*arguments)
                answer = True, value
            except Exception as error:  # noqa: BLE001 - the caller decides
                shown = error if isinstance(error, TrunklineError) else WorkerFailed(type(error).__name__)
                answer = False, shown
            signal.setitimer(signal.ITIMER_PROF, 0)
            try:
                connection.send(answer)
            except OSError:  # the other side has gone
                os._exit(0)


def _step_back() -> None:
    """Take the lowest priority. On Linux whatever else wakes up gets the processor at once."""
    os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
