"""Ctrl-C while modules are imported, which takes longer than all that a command does before it handles Ctrl-C.

A `KeyboardInterrupt` would not do: Python drops one in a callback of its import system, which may keep the lock of all
imports for ever.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread


@contextmanager
def ending_at_once() -> Iterator[None]:
    """A context manager in which Ctrl-C ends the process with 130, and nothing else: there is nothing to clean up."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is not signal.default_int_handler or current_thread() is not main_thread():
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
