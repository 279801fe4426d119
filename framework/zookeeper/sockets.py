"""Connections to ZooKeeper's servers, made for kazoo: with TLS that proves whom we talk to, in
bounded time, and with a memory of what went wrong at each server.

kazoo's own connections check no host name, trust the system's authorities beside the one that was
given, and tell a failure to its log only.
"""

import socket
import ssl
from collections.abc import Sequence
from typing import Any

from kazoo.handlers.threading import SequentialThreadingHandler

_ASKED_SECONDS = 2.0
_ANSWER_BYTES = 4096

Address = tuple[str, int]


def tls_context(ca_file: str, cert_file: str, key_file: str, *, check_host: bool) -> ssl.SSLContext:
    """Trust ``ca_file`` and nothing else. ValueError names the file that can not be used."""
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca_file)
    except OSError as error:
        raise ValueError(f"{ca_file} holds no certificates to trust: {_words(error)}") from error
    context.check_hostname = check_host
    if cert_file:
        try:
            # A key that needs a passphrase is refused; else OpenSSL would ask on the terminal.
            context.load_cert_chain(cert_file, key_file, password="")
        except OSError as error:
            text = f"{cert_file} and {key_file} are no certificate and its key: {_words(error)}"
            raise ValueError(text) from error
    return context


class Sockets(SequentialThreadingHandler):  # type: ignore[misc]  # kazoo has no types
    """kazoo's threads and connections. ``failures`` says what came of the last connection to
    each server, an empty text where it was accepted."""

    def __init__(self, tls: ssl.SSLContext | None, connect_seconds: float) -> None:
        """``connect_seconds`` is how long one server may take before the next is tried."""
        super().__init__()
        self._tls = tls
        self._connect_seconds = connect_seconds
        self.failures: dict[Address, str] = {}

    def create_connection(
        self, address: Address, hostname: str = "", **_kazoos_choice: object
    ) -> socket.socket:
        """Called by kazoo: ``address`` is an IP address and port, ``hostname`` what the server
        was called. OSError."""
        name = (hostname or address[0], address[1])
        try:
            connection = self._connected(address, name[0])
        except OSError as error:
            self.failures[name] = _words(error)
            raise
        self.failures[name] = ""
        return connection

    def _connected(self, address: Address, hostname: str) -> socket.socket:
        plain = socket.create_connection(address, self._connect_seconds)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is None:
                return plain
            return self._tls.wrap_socket(plain, server_hostname=hostname)
        except BaseException:
            plain.close()
            raise

    def select(
        self,
        readers: Sequence[Any],
        writers: Sequence[Any],
        others: Sequence[Any],
        timeout: float | None = None,
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """What is ready. What TLS has decrypted already is ready too, though the kernel has
        nothing more to read: without this an answer could wait for the next one."""
        decrypted = [one for one in readers if isinstance(one, ssl.SSLSocket) and one.pending()]
        ready: tuple[list[Any], list[Any], list[Any]] = super().select(
            readers, writers, others, 0.0 if decrypted else timeout
        )
        missing = [one for one in decrypted if one not in ready[0]]
        return [*missing, *ready[0]], ready[1], ready[2]

    def mode_of(self, address: Address) -> str:
        """How a server that accepts connections describes its own state: "read-only", "follower",
        ...; "none" where it says that it serves nobody, empty where it says nothing."""
        try:
            with self._connected(address, address[0]) as connection:
                connection.settimeout(_ASKED_SECONDS)
                connection.sendall(b"srvr")
                answer = b""
                while len(answer) < _ANSWER_BYTES and (piece := connection.recv(_ANSWER_BYTES)):
                    answer += piece
        except OSError:
            return ""
        text = answer.decode("utf-8", "replace")
        if "not currently serving" in text:
            return "none"
        return next((line[6:] for line in text.splitlines() if line.startswith("Mode: ")), "")


def _words(error: OSError) -> str:
    """What went wrong, without numbers and places in OpenSSL's source."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "handshake broken off").replace("_", " ").lower()
        if "alert" in reason:
            return f"TLS failed: the server refuses us ({reason}); it may want --zk_cert_file"
        return f"TLS failed: {reason}"
    if isinstance(error, TimeoutError):
        return "no answer"
    return error.strerror or str(error)
