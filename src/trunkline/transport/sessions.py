"""The sessions of a server: worlds of their own, each below `/_trunkline/s/<id>`, until somebody ends them.

    >>> sessions = Sessions(MockSession, session_application)
    >>> app = session_application(MockSession(vendors), sessions=sessions)
    >>> sessions.open(session := sessions.prepare(vendors))
    >>> session.place
    '/_trunkline/s/0f1e2d3c4b5a69788796a5b4'

An address of a session is used as the server's own root: the vendors are below it, and so is `/_trunkline`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from secrets import token_hex
from time import monotonic
from urllib.parse import quote, unquote

from trunkline.exchange import error_response
from trunkline.mock.loader import Vendor
from trunkline.mock.session import MockSession
from trunkline.transport.access import RESERVED
from trunkline.transport.admin import admin
from trunkline.transport.asgi import application
from trunkline.transport.routing import SESSIONS, asgi, bases, cors_middleware
from trunkline.transport.scope import ASGIApp, Message, Receive, Send

MOST = 500
"""How many sessions can be open at once."""

_NOT_OPEN = f"no such session is open; it was ended, or was idle for too long; POST {RESERVED}/sessions opens another"


@dataclass(slots=True, eq=False)
class OpenSession:
    """An open session."""

    mocks: MockSession
    app: ASGIApp = field(repr=False)
    used: float
    """When it was used last, on the clock of `time.monotonic`."""
    id: str = field(default_factory=lambda: token_hex(12), repr=False)
    """It cannot be guessed, so that nobody meets the session of another by chance."""
    running: int = 0
    """How many requests are being answered."""

    @property
    def place(self) -> str:
        """The path of its root."""
        return f"{SESSIONS}/{self.id}"


class Sessions:
    """The open sessions of a server, and the application that answers for them. Only the event loop changes them.

    `begin` makes the mocks of a session, and `apply` their application (`session_application`). `idle` is the number of
    seconds after which an unused session ends. That is looked at whenever a session is used or opened.
    """

    def __init__(
        self,
        begin: Callable[[Iterable[Vendor]], MockSession],
        apply: Callable[[MockSession], ASGIApp],
        *,
        cors: Collection[str] | None = None,
        idle: float = 600.0,
        most: int = MOST,
    ) -> None:
        self.idle, self.most = idle, most
        self._begin = begin
        self._apply = apply
        self._open: OrderedDict[str, OpenSession] = OrderedDict()  # the one that was used last is the last
        not_open = error_response(404, _NOT_OPEN)
        middleware = None if cors is None else cors_middleware(cors)
        self._elsewhere = application(lambda _: not_open, middleware=middleware)

    def prepare(self, vendors: Iterable[Vendor]) -> OpenSession:
        """A new session, which is not open yet. Any thread may call this, for it takes time."""
        mocks = self._begin(vendors)
        return OpenSession(mocks, self._apply(mocks), monotonic())

    def seconds_until_room(self) -> float:
        """0 if a further session can be opened, else the seconds until the oldest one is idle."""
        self._end_idle()
        if len(self._open) < self.most:
            return 0.0
        return max(1.0, self.seconds_left(next(iter(self._open.values()))))

    def open(self, session: OpenSession) -> None:
        """Open a prepared session."""
        self._open[session.id] = session
        self._use(session)

    def end(self, session: OpenSession) -> None:
        """End a session. Requests that are being answered get their answers."""
        del self._open[session.id]
        session.mocks.end()

    def get(self, identity: str) -> OpenSession | None:
        """An open session, which is not thereby used."""
        self._end_idle()
        return self._open.get(identity)

    def __iter__(self) -> Iterator[OpenSession]:
        """The open sessions; the one that was used last is the last."""
        self._end_idle()
        return iter([*self._open.values()])

    def seconds_left(self, session: OpenSession) -> float:
        """The seconds until a session ends, if nobody uses it and no request is being answered."""
        return max(0.0, session.used + self.idle - monotonic())

    def _end_idle(self) -> None:
        latest = monotonic() - self.idle
        if not self._open or next(iter(self._open.values())).used > latest:
            return
        for ended in [one for one in self._open.values() if one.used <= latest and not one.running]:
            self.end(ended)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request below `/_trunkline/s`, as the application of its session does."""
        raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
        _, _, _, identity, below, *_ = *raw.split(b"/", 4), b"", b""
        session = self.get(unquote(identity.decode("latin-1")))
        if session is None:
            return await self._elsewhere(scope, receive, send)
        inner = b"/" + below
        path = session.place + unquote(inner.decode("latin-1"))
        session.running += 1
        self._use(session)
        try:
            await session.app({**scope, "raw_path": inner, "path": path, "root_path": session.place}, receive, send)
        finally:
            session.running -= 1
            self._use(session)

    def _use(self, session: OpenSession) -> None:
        session.used = monotonic()
        if session.id in self._open:
            self._open.move_to_end(session.id)


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
