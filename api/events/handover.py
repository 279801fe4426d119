"""Taking a connection from the HTTP server's threads once its headers are sent.

The application puts a function under HANDOVER into a request's environ; the gateway calls it with
the connection after the headers went out, and the server forgets the connection without closing
it. So a stream that stays open for days keeps no thread.
"""

import socket
from collections.abc import Callable
from typing import Any

from cheroot import wsgi

HANDOVER = "stayer.handover"

TakeConnection = Callable[[socket.socket, bool], None]
"""Given the connection and whether what follows must be sent in HTTP chunks."""


class HandoverGateway(wsgi.Gateway_10):
    """cheroot's, but one that lets the application keep the connection."""

    def respond(self) -> None:
        """Answer; then hand the connection over if that was asked for."""
        super().respond()
        take: TakeConnection | None = self.env.get(HANDOVER)
        if take is None:
            return
        request: Any = self.req
        chunked = bool(request.chunked_write)
        request.conn.wfile.flush()
        request.chunked_write = False  # the body has no end yet
        request.close_connection = True  # for the server, which is not to read from it again
        request.conn.linger = True  # and is not to shut it down
        take(request.conn.socket, chunked)
