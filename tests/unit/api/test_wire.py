"""Reading and writing a connection: pieces that come in any way, readers that are slow."""

import random
import socket
import threading
from collections.abc import Iterator

import pytest

from api.wire import Incoming, Outgoing

_HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
_SECONDS = 60.0


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Ours, and the client's."""
    ours, client = socket.socketpair()
    for one in (ours, client):
        one.settimeout(_SECONDS)
    with ours, client:
        yield ours, client


def test_a_head_in_one_piece_is_seen_and_left(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, client = pair
    incoming = Incoming(ours)
    client.sendall(_HEAD + b"rest")
    assert incoming.head(1000) == _HEAD
    assert incoming.head(1000) == _HEAD
    incoming.skip(len(_HEAD))
    assert incoming.has_data()
    assert incoming.read(4) == b"rest"
    assert not incoming.has_data()
    assert incoming.bytes_read == len(_HEAD) + 4


def test_a_head_that_is_longer_than_allowed_or_cut_is_none(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, client = pair
    incoming = Incoming(ours)
    client.sendall(_HEAD)
    assert incoming.head(len(_HEAD) - 1) is None
    assert incoming.head(len(_HEAD)) == _HEAD
    incoming.skip(len(_HEAD))
    client.sendall(_HEAD[:10])
    assert incoming.head(1000) is None
    client.close()
    assert incoming.read() == _HEAD[:10]
    assert incoming.head(1000) is None


def test_lines_come_as_they_were_sent_whatever_the_pieces(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, client = pair
    chance = random.Random(1)
    lines = [b"x" * chance.randrange(400) + b"\r\n" for _ in range(200)] + [b"no end"]
    text = b"".join(lines)

    def send() -> None:
        left = text
        while left:
            size = chance.randrange(1, 700)
            client.sendall(left[:size])
            left = left[size:]
        client.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    incoming = Incoming(ours)
    assert [incoming.readline() for _ in lines] == lines
    thread.join()
    assert incoming.readline() == b""
    assert incoming.bytes_read == len(text)


def test_a_line_is_not_longer_than_asked(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, client = pair
    client.sendall(b"abcdef\nrest\n")
    incoming = Incoming(ours)
    assert [incoming.readline(4), incoming.readline(4)] == [b"abcd", b"ef\n"]
    assert incoming.readline(5) == b"rest\n"


def test_what_comes_soon_is_waited_for(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, client = pair
    incoming = Incoming(ours)
    assert not incoming.comes_within(0)
    client.sendall(b"x")
    assert incoming.comes_within(1000 * _SECONDS)
    assert incoming.read(1) == b"x"
    client.close()
    assert incoming.comes_within(1000 * _SECONDS), "the end is something to be read"


def test_a_held_head_goes_out_with_what_follows(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, client = pair
    outgoing = Outgoing(ours)
    outgoing.hold(b"head ")
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(10)
    outgoing.write(b"body")
    assert client.recv(100) == b"head body"
    outgoing.hold(b"alone")
    outgoing.flush()
    outgoing.flush()
    assert client.recv(100) == b"alone"


@pytest.mark.parametrize("size", [0, 10, 65_536, 65_537, 3_000_000])
def test_a_slow_reader_gets_every_byte_in_order(
    pair: tuple[socket.socket, socket.socket], size: int
) -> None:
    ours, client = pair
    body = random.Random(size).randbytes(size)
    got: list[bytes] = []

    def take() -> None:
        while piece := client.recv(10_000):
            got.append(piece)

    thread = threading.Thread(target=take)
    thread.start()
    outgoing = Outgoing(ours)
    outgoing.hold(b"h" * 70_000)
    assert outgoing.write(body) == size
    ours.shutdown(socket.SHUT_WR)
    thread.join()
    assert b"".join(got) == b"h" * 70_000 + body
    assert outgoing.bytes_written == 70_000 + size
