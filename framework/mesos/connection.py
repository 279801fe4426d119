"""Opening connections to a master, plain or TLS, and the heads of our requests.

Credentials live here only, inside the ready-made Authorization header; nothing of it is logged.
"""

import base64
import socket
import ssl
from dataclasses import dataclass, field

from framework.mesos.master import SCHEDULER_PATH, Endpoint
from framework.mesos.options import MesosOptions

CONNECT_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Connector:
    """Opens sockets to masters and frames requests for them."""

    ca_file: str = ""
    authorization: str = field(default="", repr=False)

    def open(self, endpoint: Endpoint) -> socket.socket:
        """A connected socket (TLS verified where https). OSError, which includes ssl's."""
        address = (endpoint.host, endpoint.port)
        plain = socket.create_connection(address, timeout=CONNECT_TIMEOUT_SECONDS)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if not endpoint.secure:
                return plain
            context = ssl.create_default_context(cafile=self.ca_file or None)
            return context.wrap_socket(plain, server_hostname=endpoint.host)
        except BaseException:
            plain.close()
            raise

    def request_head(self, endpoint: Endpoint, stream_id: str = "") -> bytes:
        """The head of every request to this master up to the number of ``Content-Length``;
        that number, ``BEFORE_BODY`` and the body follow."""
        lines = [
            f"POST {SCHEDULER_PATH} HTTP/1.1",
            f"Host: {endpoint}",
            "User-Agent: stayer",
            "Content-Type: application/json",
            "Accept: application/json",
        ]
        if self.authorization:
            lines.append(f"Authorization: {self.authorization}")
        if stream_id:
            lines.append(f"Mesos-Stream-Id: {stream_id}")
        lines.append("Content-Length: ")
        return "\r\n".join(lines).encode("latin-1")


BEFORE_BODY = b"\r\n\r\n"


def connector_for(options: MesosOptions) -> Connector:
    """A connector with the secret as it now is in its file. OSError or ValueError."""
    credentials = options.credentials()
    if credentials is None:
        return Connector(options.mesos_ca_file)
    joined = ":".join(credentials).encode("utf-8")
    return Connector(options.mesos_ca_file, f"Basic {base64.b64encode(joined).decode('ascii')}")


def shut_down(connection: socket.socket) -> None:
    """Wake whoever reads from the socket, in another thread too: it sees the end of the stream.
    The descriptor below TLS is shut, because TLS' own farewell is not safe across threads."""
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:  # not connected any more, which is what was wanted
        return
