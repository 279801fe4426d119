"""A server that leaves an answer out: the connection is lost, and the session goes on."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from kazoo.exceptions import ConnectionLoss

from framework.zookeeper.options import ZooKeeperOptions
from framework.zookeeper.session import Session
from framework.zookeeper.url import ZkUrl
from tests.polling import eventually

_NO_NODE = -101
_CLOSE = -11
_SECONDS = 30.0


class Server:
    """Speaks enough of the protocol to say that no znode exists. ``left_out``: requests of the
    first connection, by number, that it never answers."""

    def __init__(self, left_out: Sequence[int]) -> None:
        self._left_out = left_out
        self.accepted = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                channel, _ = self._listener.accept()
            except OSError:  # closed
                return
            self.accepted += 1
            with channel:
                self._answer(channel)

    def _answer(self, channel: socket.socket) -> None:
        left_out = self._left_out if self.accepted == 1 else ()
        try:
            _frame(channel)
            _send(channel, struct.pack("!iiqi16s?", 0, 10_000, 7, 16, bytes(16), False))
            while request := _frame(channel):
                xid, kind = struct.unpack("!ii", request[:8])
                if xid not in left_out:
                    _send(channel, struct.pack("!iqi", xid, 1, _NO_NODE if xid > 0 else 0))
                if kind == _CLOSE:
                    return
        except OSError:
            return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(_SECONDS)


def _frame(channel: socket.socket) -> bytes:
    size = struct.unpack("!i", _exactly(channel, 4))[0]
    return _exactly(channel, size)


def _exactly(channel: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        piece = channel.recv(size - len(read))
        if not piece:
            raise ConnectionResetError
        read += piece
    return read


def _send(channel: socket.socket, payload: bytes) -> None:
    channel.sendall(struct.pack("!i", len(payload)) + payload)


@pytest.fixture
def serving() -> Iterator[Callable[[Sequence[int]], Server]]:
    servers: list[Server] = []

    def serve(left_out: Sequence[int]) -> Server:
        servers.append(Server(left_out))
        return servers[-1]

    yield serve
    for one in servers:
        one.close()


def test_an_answer_that_is_left_out_is_a_loss_of_the_connection(
    serving: Callable[[Sequence[int]], Server],
) -> None:
    server = serving([1])
    session = Session(ZkUrl((server.host,), ""), ZooKeeperOptions())
    session.start()
    try:
        asked = [session.client.exists_async(path) for path in ("/a", "/b")]
        for one in asked:
            with pytest.raises(ConnectionLoss):
                one.get(timeout=_SECONDS)
        eventually(lambda: session.client.connected, "another connection", _SECONDS)
        assert session.client.exists_async("/c").get(timeout=_SECONDS) is None
        assert server.accepted == 2
    finally:
        session.close()
