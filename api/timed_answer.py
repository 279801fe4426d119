"""Answers whose head has to come in time as a whole.

A socket's time-out bounds each wait alone: whoever sends a byte now and then keeps a reader of
headers for as long as it likes. (Bodies have a deadline where they are read.)
"""

import http.client
import io
import socket
import time
from typing import TYPE_CHECKING

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class _Head(io.RawIOBase):
    """What a socket gives; TimeoutError past the deadline, until ``ended``."""

    def __init__(self, raw: io.RawIOBase, seconds: float | None) -> None:
        self._raw = raw
        self._deadline = None if seconds is None else time.monotonic() + seconds

    def ended(self) -> None:
        """The head is there."""
        self._deadline = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise TimeoutError("the answer's head took too long")
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer that gives its head as long as the socket has for one wait."""

    def __init__(
        self,
        sock: socket.socket,
        debuglevel: int = 0,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp.close()
        self._head = _Head(sock.makefile("rb", buffering=0), sock.gettimeout())
        self.fp = io.BufferedReader(self._head)

    def begin(self) -> None:
        super().begin()
        self._head.ended()


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def timed(pools: PoolManager) -> PoolManager:
    """The same, with answers whose heads come in time or not at all."""
    pools.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return pools
