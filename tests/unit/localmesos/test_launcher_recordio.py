"""Reading HTTP answers and records in pieces of any size, and refusing what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localmesos.launcher.recordio import (
    MAX_RECORD_BYTES,
    AnswerReader,
    ProtocolError,
    take_records,
)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunks(data: bytes, size: int) -> bytes:
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x;note=1\r\n%s\r\n" % (len(part), part) for part in parts)


@given(
    records=st.lists(st.binary(max_size=50), max_size=6),
    chunk_size=st.integers(1, 40),
    read_size=st.integers(1, 40),
)
def test_records_survive_any_cutting(records: list[bytes], chunk_size: int, read_size: int) -> None:
    stream = b"".join(b"%d\n%s" % (len(record), record) for record in records)
    wire = CHUNKED + chunks(stream, chunk_size) + b"0\r\nTrailer: x\r\n\r\n"
    answer, found = AnswerReader(), []
    for at in range(0, len(wire), read_size):
        answer.feed(wire[at : at + read_size])
        found += take_records(answer.body)
    assert found == records
    assert (answer.status, answer.complete, bytes(answer.body)) == (200, True, b"")


def test_answers_on_one_connection_follow_each_other() -> None:
    answer = AnswerReader()
    answer.feed(
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\n\r\nbad"
        b"HTTP/1.1 202 Accepted\r\n\r\n"
    )
    seen = []
    while answer.complete:
        seen.append((answer.status, bytes(answer.body)))
        answer.next_answer()
    assert seen == [(202, b""), (400, b"bad"), (202, b"")]
    assert not answer.complete


@pytest.mark.parametrize(
    "wire",
    [
        b"GARBAGE\r\n\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
        CHUNKED + b"zz\r\n",
        CHUNKED + b"-5\r\n",
        CHUNKED + b"2\r\nabcd\r\n",
        CHUNKED + b"1" * 2000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MAX_RECORD_BYTES + 2000),
    ],
)
def test_what_is_no_answer_is_refused(wire: bytes) -> None:
    with pytest.raises(ProtocolError):
        AnswerReader().feed(wire)


@pytest.mark.parametrize("data", [b"x\n", b"-1\n", b"\n", b"1" * 30, b"16777217\n", b"1 \nx"])
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        take_records(bytearray(data))
