"""Answers as servers give them, good and bad, whole and byte by byte."""

import pytest

from framework.health.answer import (
    HEAD_BYTES,
    KEPT_BODY_BYTES,
    AnswerReader,
    MalformedAnswerError,
)

LIMIT = 65_536


def read(data: bytes, piece_bytes: int = LIMIT, limit: int = LIMIT) -> AnswerReader:
    """Feed until complete or out of data, as a look does, never more than wanted."""
    reader = AnswerReader(limit)
    while data and not reader.complete:
        piece, data = data[:piece_bytes], data[piece_bytes:]
        assert len(piece) <= reader.wanted_bytes
        reader.feed(piece)
    return reader


INTERIM = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
    b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
)
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"
    b"5\r\nchunk\r\n4;x=1\r\ned, \r\nB\r\nbody here.\n\r\n0\r\n\r\n"
)


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 7, LIMIT])
@pytest.mark.parametrize(
    ("data", "status", "text"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"),
        (b"HTTP/1.0 404\r\ncontent-length:2\r\n\r\nno", 404, "no"),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, ""),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", 304, ""),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, "ok"),
        (INTERIM, 503, ""),
        (CHUNKED, 200, "chunked, body here.\n"),
    ],
)
def test_complete_without_end(data: bytes, status: int, text: str, piece_bytes: int) -> None:
    reader = read(data, piece_bytes)
    assert (reader.complete, reader.status, reader.text) == (True, status, text)


@pytest.mark.parametrize("piece_bytes", [1, LIMIT])
def test_body_until_the_end(piece_bytes: int) -> None:
    reader = read(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello", piece_bytes)
    assert not reader.complete
    reader.feed(b"")
    assert (reader.complete, reader.text, reader.content_type) == (True, "hello", "text/plain")


def test_body_cut_short_keeps_the_status() -> None:
    reader = read(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel")
    assert not reader.complete
    reader.feed(b"")
    assert (reader.complete, reader.status, reader.text) == (True, 200, "hel")


@pytest.mark.parametrize("size", [b"zz\r\n", b"-1\r\n", b"\r\n\r\n\r\n", b"1" * 16 + b"\r\n"])
def test_no_chunk_size_ends_the_body(size: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"
    reader = read(head + size)
    if not reader.complete:
        reader.feed(b"")
    assert (reader.complete, reader.status, reader.text) == (True, 200, "ok")


def test_no_more_than_the_limit_is_wanted_or_kept() -> None:
    reader = read(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 20_000, 1_000, limit=10_000)
    assert (reader.complete, reader.wanted_bytes) == (True, 0)
    assert reader.text == "x" * KEPT_BODY_BYTES


def test_cut_character_is_left_out_and_wrong_ones_are_replaced() -> None:
    body = b"\xff" + b"x" * (KEPT_BODY_BYTES - 2) + "\u00e9".encode()
    assert read(b"HTTP/1.1 200 OK\r\n\r\n" + body).text == "\ufffd" + "x" * (KEPT_BODY_BYTES - 2)


def test_header_values_are_bounded() -> None:
    reader = read(b"HTTP/1.1 200 OK\r\nContent-Type: " + b"t" * 5_000 + b"\r\n\r\n")
    assert reader.content_type == "t" * 256


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"S", "it begins with 'S'"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "it begins with 'S"),
        (b"HTTP/2 200 OK\r\n\r\n", "it begins with 'HTTP/2"),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", "it begins with 'HTTP/1.1 2x0 OK'"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "it begins with"),
        (b"HTTP/1.1 020 OK\r\n\r\n", "it begins with"),
        (b"\x15\x03\x03\x00\x02\x02\x46", r"it begins with '\\x15"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * HEAD_BYTES, "its head is too long"),
        (b"HTTP/1.1 100 Go on\r\n\r\n" * HEAD_BYTES, "its head is too long"),
    ],
)
@pytest.mark.parametrize("piece_bytes", [1, 4_096])
def test_not_http(data: bytes, why: str, piece_bytes: int) -> None:
    with pytest.raises(MalformedAnswerError, match=why):
        read(data, piece_bytes)


def test_head_has_a_limit_of_its_own() -> None:
    reader = AnswerReader(LIMIT)
    reader.feed(b"HTTP/1.1 200 OK\r\nA: " + b"b" * (HEAD_BYTES - 21))
    with pytest.raises(MalformedAnswerError, match="its head is too long"):
        reader.feed(b"b")


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"", "it is empty"), (b"HTTP/1.1 200", "it ends"), (b"HTTP/1.1 200 OK\r\n", "it ends")],
)
def test_ends_too_early(data: bytes, why: str) -> None:
    reader = read(data)
    with pytest.raises(MalformedAnswerError, match=why):
        reader.feed(b"")
