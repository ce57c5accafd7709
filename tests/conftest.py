"""Hooks and fixtures for all tests."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

import trunkline
from tests.browser import chromium
from trunkline.contract import folders
from trunkline.mock.loader import Vendor

if TYPE_CHECKING:
    from playwright.sync_api import Browser

os.environ.pop("GITHUB_ACTIONS", None)  # where reports announce themselves; a test that is about this sets it

# The processes of the tests compile each module once, not once each, wherever this variable is set.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# No test of Hypothesis fails because the machine has much else to do.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

# Collect garbage less often: thousands of collected tests are a large heap, and with Python's own thresholds a tenth
# of the processor time is spent on searching it for unreachable cycles. The processes that tests start are not
# affected.
gc.set_threshold(100_000, 50, 50)


@cache
def _loaded(name: str) -> Vendor:
    """A vendor, read once."""
    return trunkline.load(name)


@pytest.fixture(params=folders.names())
def vendor(request: pytest.FixtureRequest) -> Vendor:
    """Each vendor in turn."""
    return _loaded(request.param)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    with chromium() as launched:
        yield launched


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For `-n auto`: one more than there are cores, as many tests wait for processes and sockets."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow the parameters that `@pytest.mark.slow_for("talkover")` names, before tests are selected."""
    for item in items:
        names = [name for marker in item.iter_markers("slow_for") for name in marker.args]
        parameters = item.name.partition("[")[2]
        if any(name in parameters for name in names):
            item.add_marker("slow")


def pytest_collection_finish() -> None:
    """Leave what exists now, most of it the collected tests, out of every later collection of garbage."""
    gc.freeze()


def _ignore(*_: object) -> None:
    """Do nothing. Unlike `SIG_IGN`, a handler is not inherited by the processes that a test starts."""


# `nohup` and a shell's background jobs ignore these two signals, which would reach the processes that tests start.
for _signal in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, _ignore)
