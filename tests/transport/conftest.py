"""Fixtures of the tests of servers."""

from __future__ import annotations

import asyncio

import pytest

from trunkline.transport import server, tls


@pytest.fixture(params=["uvloop", "asyncio"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server runs on this event loop."""
    if request.param == "asyncio":
        monkeypatch.setattr(server, "new_event_loop", asyncio.new_event_loop)
    return str(request.param)


@pytest.fixture(scope="session")
def authority() -> tls.Authority:
    """The authority of all certificates."""
    return tls.Authority()
