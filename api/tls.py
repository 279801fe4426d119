"""TLS of the API: TLS 1.2 and later, ciphers with forward secrecy, certificates that may be
replaced while it serves, and handshakes in the worker threads, where a slow client delays nobody.
"""

import socket
import ssl
from typing import Any

from cheroot.errors import FatalSSLAlert
from cheroot.makefile import MakeFile
from cheroot.ssl import Adapter

from api.files import read_bounded
from api.rotating import Rotating

_MAX_FILE_BYTES = 1024 * 1024
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"  # of TLS 1.2; those of 1.3 are all good
_ENVIRON = {"wsgi.url_scheme": "https", "HTTPS": "on"}


def server_context(cert_file: str, key_file: str | None) -> ssl.SSLContext:
    """What serves with this certificate. OSError and ValueError say which file is wrong."""
    for path in (cert_file, key_file or cert_file):
        read_bounded(path, _MAX_FILE_BYTES)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        context.load_cert_chain(cert_file, key_file, password=_refuse_passphrase)
    except ssl.SSLError as error:
        reason = error.reason or "no certificate and key in PEM form"
        if reason == "KEY_VALUES_MISMATCH":
            reason = "the key is not the certificate's"
        where = cert_file if key_file is None else f"{cert_file}, {key_file}"
        raise ValueError(f"https can not be served with {where}: {reason}") from error
    return context


def _refuse_passphrase() -> str:
    """Otherwise OpenSSL asks on the terminal, where nobody may be."""
    raise ValueError("the private key for https has a passphrase, which can not be given here")


class Tls(Adapter):
    """cheroot's way to TLS, without the handshake: that is the connection's, see api/listener."""

    def __init__(self, cert_file: str, key_file: str | None) -> None:
        """OSError, ValueError: unusable files."""
        files = [cert_file] if key_file is None else [cert_file, key_file]
        self._contexts = Rotating(files, lambda: server_context(cert_file, key_file))

    def bind(self, sock: socket.socket) -> socket.socket:
        return sock

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, str]]:
        """FatalSSLAlert if the client went away already."""
        try:
            wrapped = self._contexts.current().wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False
            )
        except (OSError, ValueError) as error:
            sock.close()
            raise FatalSSLAlert(*error.args) from error
        return wrapped, self.get_environ()

    def get_environ(self) -> dict[str, str]:
        """What the application learns of it."""
        return dict(_ENVIRON)

    def makefile(self, sock: socket.socket, mode: str = "r", bufsize: int = -1) -> Any:
        return MakeFile(sock, mode, bufsize)
