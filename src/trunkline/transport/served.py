"""The application of a session: its mocks, and the surface that administers them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from trunkline.mock.session import MockSession
from trunkline.transport.admin import admin
from trunkline.transport.routing import asgi, bases
from trunkline.transport.scope import ASGIApp

if TYPE_CHECKING:
    from trunkline.transport.sessions import Sessions


def session_application(
    session: MockSession,
    token: str | None = None,
    *,
    sessions: Sessions | None = None,
    cors: Collection[str] | None = None,
) -> ASGIApp:
    """The mocks of a session below their base paths, with the admin surface; and with `sessions`, other sessions.

    `token` is the admin token, `cors` as for `server.asgi`.
    """
    return asgi(
        {base: session.mocks[vendor.name] for base, vendor in bases(session.vendors).items()},
        index={vendor.name: vendor.contract.base_path for vendor in session.vendors},
        admin=admin(session, token, sessions),
        sessions=sessions,
        cors=cors,
    )
