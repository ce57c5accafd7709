"""Fixtures of the tests of the admin surface."""

from __future__ import annotations

import pytest

from tests.transport.admin.surface import VENDORS, Admin, app_of
from trunkline.mock.session import MockSession


@pytest.fixture
def session() -> MockSession:
    """A mock of each vendor."""
    return MockSession(VENDORS.values())


@pytest.fixture
def client(session: MockSession) -> Admin:
    """A client on the server's own machine."""
    return Admin(app_of(session))
