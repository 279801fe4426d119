"""The proxy carries bytes faithfully, and each fault does what it says until it is healed."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.polling import eventually
from tests.zookeeper.proxy import Proxy

_SECONDS = 20.0
_SILENCE_SECONDS = 0.2  # too short a wait can only make a test weaker, never fail it


class Echo:
    """Answers what it gets, and remembers it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.heard = b""
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                channel, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(channel)
            threading.Thread(target=self._answer, args=(channel,), daemon=True).start()

    def _answer(self, channel: socket.socket) -> None:
        try:
            while piece := channel.recv(65536):
                self.heard += piece
                channel.sendall(piece)
        except OSError:
            return

    def close(self) -> None:
        """Stop accepting, and end the connections; harmless when repeated."""
        for channel in (self._listener, *self._open):
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)
            channel.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", echo.port) as running:
        yield running


def _connect(proxy: Proxy) -> socket.socket:
    host, _, port = proxy.hosts.rpartition(":")
    return socket.create_connection((host, int(port)), _SECONDS)


def _read(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := channel.recv(65536)):
        data += piece
    return data


def _is_reset(channel: socket.socket) -> bool:
    try:
        return channel.recv(1) == b""
    except ConnectionResetError:
        return True


def _is_refused(proxy: Proxy) -> bool:
    try:
        with _connect(proxy) as channel:
            return _is_reset(channel)
    except ConnectionResetError:
        return True


def test_bytes_pass_in_order(proxy: Proxy) -> None:
    data = bytes(range(256)) * 4096
    with _connect(proxy) as channel:
        sender = threading.Thread(target=channel.sendall, args=(data,))
        sender.start()
        assert _read(channel, len(data)) == data
        sender.join()


def test_cut_resets_all_and_refuses_until_healed(proxy: Proxy) -> None:
    with _connect(proxy) as channel:
        channel.sendall(b"a")
        assert _read(channel, 1) == b"a"
        proxy.cut()
        assert _is_reset(channel)
    assert _is_refused(proxy)
    proxy.heal()
    with _connect(proxy) as channel:
        channel.sendall(b"b")
        assert _read(channel, 1) == b"b"


def test_reset_lets_new_connections_in(proxy: Proxy) -> None:
    with _connect(proxy) as channel:
        channel.sendall(b"a")
        assert _read(channel, 1) == b"a"
        proxy.reset()
        assert _is_reset(channel)
    with _connect(proxy) as channel:
        channel.sendall(b"b")
        assert _read(channel, 1) == b"b"


def test_half_open_keeps_back_and_delivers_when_healed(proxy: Proxy, echo: Echo) -> None:
    with _connect(proxy) as old:
        old.sendall(b"a")
        assert _read(old, 1) == b"a"
        proxy.half_open()
        with _connect(proxy) as new:
            for channel in (old, new):
                channel.sendall(b"b")
                channel.settimeout(_SILENCE_SECONDS)
                with pytest.raises(TimeoutError):
                    channel.recv(1)
            assert echo.heard == b"a"
            proxy.heal()
            for channel in (old, new):
                channel.settimeout(_SECONDS)
                assert _read(channel, 1) == b"b"


def test_lost_answers_were_carried_out(proxy: Proxy, echo: Echo) -> None:
    with _connect(proxy) as channel:
        proxy.lose_answers()
        channel.sendall(b"a")
        eventually(lambda: echo.heard == b"a", "the request")
        channel.settimeout(_SILENCE_SECONDS)
        with pytest.raises(TimeoutError):
            channel.recv(1)
        proxy.heal()
        channel.settimeout(_SECONDS)
        assert _is_reset(channel)


def test_delay_holds_back_but_loses_nothing(proxy: Proxy) -> None:
    proxy.delay(2 * _SILENCE_SECONDS)
    with _connect(proxy) as channel:
        channel.sendall(b"a")
        channel.settimeout(_SILENCE_SECONDS)
        with pytest.raises(TimeoutError):
            channel.recv(1)
        channel.settimeout(_SECONDS)
        assert _read(channel, 1) == b"a"


def test_end_of_one_side_is_the_end_of_the_other(proxy: Proxy, echo: Echo) -> None:
    with _connect(proxy) as channel:
        channel.sendall(b"a")
        assert _read(channel, 1) == b"a"
        eventually(lambda: proxy.connections == 1, "the connection")
        echo.close()
        assert _is_reset(channel)
    eventually(lambda: proxy.connections == 0, "the end of the connection")


def test_dead_server_is_a_reset(proxy: Proxy, echo: Echo) -> None:
    echo.close()
    assert _is_refused(proxy)
    assert proxy.accepted == 1


def test_what_is_cut_before_it_was_served_is_closed(proxy: Proxy) -> None:
    for _ in range(20):
        channels = [_connect(proxy) for _ in range(50)]
        proxy.cut()
        assert all(_is_reset(channel) for channel in channels)
        proxy.heal()
        for channel in channels:
            channel.close()
