"""The HTTP server: cheroot in threads of this process, with limits on whatever clients send."""

import socket
import threading
from typing import Any

from cheroot import wsgi

from api.application import create_app
from api.guard import is_loopback
from api.options import ApiOptions
from constraints import CompilePattern
from framework.interfaces import Scheduler

_STOP_TIMEOUT_SECONDS = 5
_BODY_SLACK_BYTES = 1024 * 1024


class InsecureBindError(Exception):
    """The API was to listen beyond loopback without anybody having said that this is meant."""


class ApiServer:
    """Serves the API of a scheduler. The port is bound when ``start`` returns."""

    def __init__(
        self, scheduler: Scheduler, options: ApiOptions, compile_pattern: CompilePattern
    ) -> None:
        """InsecureBindError if the options ask for an open door."""
        if not is_loopback(options.http_address) and not options.insecure:
            raise InsecureBindError(
                f"refusing to serve on {options.http_address or 'all addresses'}: callers are not "
                "authenticated, and whoever reaches the API runs commands on the cluster. Use "
                "--http_address 127.0.0.1, or say --insecure if the network is trusted."
            )
        application = create_app(scheduler, options, compile_pattern)
        self._server = _server(application, options)
        self._address = options.http_address
        self._failure: OSError | None = None
        self._bound = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="api", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on; the one asked for until ``start``."""
        port: int = self._server.bind_addr[1]
        return port

    @property
    def url(self) -> str:
        """Where a client on this machine finds the API."""
        host = "127.0.0.1" if self._address in ("", "0.0.0.0") else self._address
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def start(self) -> None:
        """Bind and serve. OSError if the port is taken."""
        self._thread.start()
        self._bound.wait()
        if self._failure is not None:
            raise self._failure

    def _serve(self) -> None:
        """cheroot's worker threads take after the thread that prepares it: made here they are
        daemons, and an open connection never keeps a process alive that has to end."""
        try:
            self._server.prepare()
        except OSError as error:
            self._failure = error
            return
        finally:
            self._bound.set()
        self._server.serve()

    def stop(self) -> None:
        """Answer what is under way and close; harmless when not started, or repeated."""
        if self._thread.is_alive():
            self._server.stop()
            self._thread.join(_STOP_TIMEOUT_SECONDS)


class _Server(wsgi.Server):
    """cheroot's, but one that closes its socket when the port is taken."""

    @staticmethod
    def bind_socket(socket_: socket.socket, bind_addr: Any) -> socket.socket:
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()
            raise
        return socket_


def _server(application: Any, options: ApiOptions) -> wsgi.Server:
    server = _Server(
        (options.http_address, options.http_port),
        application,
        numthreads=options.http_threads,
        max=options.http_threads,
        server_name="stayer",
        request_queue_size=128,
        timeout=options.http_request_timeout,
        shutdown_timeout=_STOP_TIMEOUT_SECONDS,
        accepted_queue_size=options.http_max_waiting_connections,
    )
    server.max_request_header_size = options.http_max_header_bytes
    # The application refuses a long body in JSON; beyond the slack cheroot cuts the connection.
    server.max_request_body_size = options.http_max_body_bytes + _BODY_SLACK_BYTES
    return server
