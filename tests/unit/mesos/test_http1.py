"""Responses that are not HTTP/1.1, and limits. What is right is in the property tests."""

import pytest

from framework.mesos.http1 import (
    MAX_HEAD_BYTES,
    Body,
    End,
    Head,
    MalformedResponseError,
    ResponseParser,
)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"SPDY/9 200 OK\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\n",
        CHUNKED + b"xyz\r\n",
        CHUNKED + b"\r\n",
        CHUNKED + b"-5\r\n",
        CHUNKED + b"f" * 16 + b"\r\n",
        CHUNKED + b"1\r\nab\r\n",
        CHUNKED + b"1" * 2000,
        CHUNKED + b"0\r\n" + b"t" * 2000,
        b"HTTP/1.1 200 OK\r\nLong: " + b"x" * MAX_HEAD_BYTES,
        b"HTTP/1.1 200 OK\r\nLong: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n",
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(MalformedResponseError):
        ResponseParser().feed(data)


def test_names_of_headers_have_no_case() -> None:
    (head, _) = ResponseParser().feed(
        b"HTTP/1.1 202 A\r\nMESOS-stream-ID:  x \r\ncontent-length:0\r\n\r\n"
    )
    assert head == Head(202, {"mesos-stream-id": "x", "content-length": "0"})


def test_a_body_without_a_length_goes_on_to_the_end() -> None:
    parser = ResponseParser()
    assert parser.feed(b"HTTP/1.0 500 Oh\r\n\r\nfirst")[1:] == [Body(b"first")]
    assert parser.feed(b"HTTP/1.1 200") == [Body(b"HTTP/1.1 200")]


def test_a_head_equal_to_the_last_is_understood_again() -> None:
    answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
    parts = ResponseParser().feed(answer * 3)
    assert parts == [Head(202, {"content-length": "0"}), End()] * 3
