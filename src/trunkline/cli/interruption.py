"""Turn the signals that end a process into `KeyboardInterrupt`, so that clean-up can follow."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread

from trunkline.errors import BudgetExhausted
from trunkline.exchange import Request, Response, Target


@contextmanager
def stop_signals() -> Iterator[Event]:
    """A context manager that makes SIGINT, SIGTERM and SIGHUP raise `KeyboardInterrupt`, so that clean-up can follow.

    The event is set as well: Python drops an exception that is raised in a callback of its own, such as a destructor.
    """
    stopped = Event()
    if current_thread() is not main_thread():
        yield stopped
        return

    def stop(*_: object) -> None:
        stopped.set()
        raise KeyboardInterrupt

    def unraisable(dropped: sys.UnraisableHookArgs) -> None:
        if not isinstance(dropped.exc_value, KeyboardInterrupt):
            hook(dropped)

    signals = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    handlers = {number: signal.getsignal(number) for number in signals}
    handlers = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
    for number in handlers:
        signal.signal(number, stop)
    hook, sys.unraisablehook = sys.unraisablehook, unraisable
    try:
        yield stopped
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


def until(target: Target, stopped: Event, has_ended: Callable[[], bool] = lambda: False) -> Target:
    """The target until the run is interrupted or has ended; then the next request ends it."""

    def send(request: Request) -> Response:
        if stopped.is_set():
            raise KeyboardInterrupt
        if has_ended():
            raise BudgetExhausted("stopped at the first finding, as --fail-fast asks")
        return target(request)

    return send
