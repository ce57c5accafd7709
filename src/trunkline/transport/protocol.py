"""uvicorn's protocol on httptools, with h11 for the requests that httptools does not read as they are.

httptools has a list of methods, of an absolute target (`GET http://host/path`) it reports the path alone, and it leaves
out the body of a request with `Upgrade`.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

try:
    from httptools import HttpParserError
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:  # it is not available everywhere
    PROTOCOL: Any = H11Protocol
else:
    _MAX_UNREAD = 1 << 20
    _INVALID = "Invalid HTTP request received."

    class Protocol(HttpToolsProtocol):
        """Reads requests with httptools, and hands a connection to h11 when httptools cannot."""

        unread = b""
        """The bytes of a request whose head or body is not complete."""
        has_failed = False

        def on_url(self, url: bytes) -> None:
            self.url += url
            if not self.url.startswith(b"/") or b"#" in url:
                raise ValueError

        def on_headers_complete(self) -> None:
            if self.parser.should_upgrade():
                raise ValueError
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            super().on_message_complete()
            self.unread = b""

        def data_received(self, data: bytes) -> None:
            self._unset_keepalive_if_required()
            self.unread += data if len(self.unread) < _MAX_UNREAD else b""
            try:
                if not self.has_failed:
                    self.parser.feed_data(data)
            except HttpParserError:
                cycle: Any = self.cycle  # None before the first request
                if not cycle or cycle.response_complete:
                    self.switch_to_h11()
                elif cycle.more_body:
                    self.send_400_response(_INVALID)
                else:  # an earlier request of this connection is to be answered first
                    self.has_failed = True

        def on_response_complete(self) -> None:
            super().on_response_complete()
            cycle: Any = self.cycle
            if self.has_failed and cycle.response_complete and not self.transport.is_closing():
                self.send_400_response(_INVALID)

        def switch_to_h11(self) -> None:
            other = H11Protocol(self.config, self.server_state, self.app_state, self.loop)
            self.connections.discard(self)
            self.transport.set_protocol(other)
            other.connection_made(self.transport)
            other.data_received(self.unread)

    PROTOCOL = Protocol
