"""An object in a process of its own, for work that must not hold up the event loop by the interpreter's lock.

>>> with Worker(Counter, "abracadabra") as counter:
...     counter.call("most_common", 1, timeout=5)
[('a', 5)]
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from typing import Any, Self

from trunkline.errors import TrunklineError

_BEGIN = "import sys; sys.path[:] = sys.argv[2:]; from trunkline.transport.worker import work; work(int(sys.argv[1]))"
_PATIENCE = 1.0
"""The seconds in which an idle process ends."""
_LOWEST_PRIORITY = 19


class WorkerEnded(Exception):
    """The process has ended, or was ended because it took too long."""


class WorkerFailed(Exception):
    """A method raised an exception that is no `TrunklineError`: its name. Its text may hold a secret."""


class Worker:
    """The object that `make(*arguments)` returns, in a process. Its methods are called by one thread at a time.

    Ctrl-C in a terminal does not reach the process: it ends when it is told to, or when this one has ended. Raises the
    `TrunklineError` of `make`.
    """

    def __init__(self, make: Callable[..., object], *arguments: object) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, with this program
                [sys.executable, "-c", _BEGIN, str(theirs.fileno()), *sys.path],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # not a session of its own: Linux shares the processor among sessions first
            )
        try:
            self._connection.send((make, arguments))
            self._receive(None)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def call(self, method: str, *arguments: object, timeout: float | None = None) -> Any:
        """The result of a method. Raises its exception, or `WorkerEnded`, also if it takes longer than `timeout`."""
        try:
            self._connection.send((method, arguments))
        except OSError:
            raise WorkerEnded from None
        return self._receive(timeout)

    def close(self) -> None:
        """End the process, also in the middle of a call."""
        self._connection.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _receive(self, timeout: float | None) -> Any:
        try:
            answer = self._connection.recv() if self._connection.poll(timeout) else None
        except (OSError, EOFError):
            answer = None
        if answer is None:
            self._process.kill()
            raise WorkerEnded
        is_result, value = answer
        if is_result:
            return value
        raise value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def work(descriptor: int) -> None:
    """Make the object and call its methods, as the other end of the pipe says, until that is closed.

    The process has the lowest priority, so that it leaves a busy processor to those that answer requests.
    """
    os.nice(_LOWEST_PRIORITY)
    with Connection(descriptor) as connection:
        made: Any = None
        while True:
            try:
                asked, arguments = connection.recv()
            except (EOFError, OSError):
                return
            try:
                if callable(asked):
                    made, value = asked(*arguments), None
                else:
                    value = getattr(made, asked)(*arguments)
                answer = True, value
            except Exception as error:  # noqa: BLE001 - the caller decides
                shown = error if isinstance(error, TrunklineError) else WorkerFailed(type(error).__name__)
                answer = False, shown
            try:
                connection.send(answer)
            except OSError:  # the other side has gone
                os._exit(0)
