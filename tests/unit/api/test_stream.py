"""Frames of server-sent events out of pieces of any size."""

import pytest

from api import stream
from api.stream import BadFrameError, StreamedEvent, events

TEXT = (
    b": heartbeat\r\n\r\n"
    b'id: r-1\r\nevent: first\r\ndata: {"a":1}\r\n\r\n'
    b"\r\n"
    b'event: second\ndata:{"b":\ndata: 2}\nretry: 9\n\n'
    b'id: r-3\r\nevent: cut\r\ndata: {"c"'
)
FOUND = [StreamedEvent("first", "r-1", {"a": 1}), StreamedEvent("second", "", {"b": 2})]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1_000])
def test_pieces_of_any_size(size: int) -> None:
    pieces = [TEXT[start : start + size] for start in range(0, len(TEXT), size)]
    assert list(events(pieces)) == FOUND


@pytest.mark.parametrize("data", [b"no JSON", b"[1]", b"\xff"])
def test_what_is_no_object(data: bytes) -> None:
    with pytest.raises(BadFrameError, match="no JSON object"):
        list(events([b"data: ", data, b"\n\n"]))


def test_sizes_have_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_FRAME_BYTES", 100)
    with pytest.raises(BadFrameError, match="line"):
        list(events([b"x" * 60, b"x" * 60]))
    with pytest.raises(BadFrameError, match="an event"):
        list(events([b"data: xxxxxxxx\n"] * 20))
