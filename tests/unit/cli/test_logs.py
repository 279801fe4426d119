"""The log of a process: nobody waits for a reader that does not come, and no line is forged."""

import io
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from cli.logs import JsonLines, QueuedLines, TextLines, set_up
from tests.polling import eventually

LINE = "x" * 1_000
ROOM = 100_000  # more than a pipe takes by itself


class Pipe:
    """Both ends, and the handler that writes to one of them."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        self.handler = QueuedLines(self.write_end, queue_bytes=ROOM)
        self.handler.setFormatter(TextLines("%(levelname)s %(message)s"))
        self.text = b""

    def tell(self, message: str, *arguments: object) -> None:
        record = logging.LogRecord("stayer", logging.INFO, "", 0, message, arguments, None)
        self.handler.handle(record)

    def read(self) -> str:
        with suppress(BlockingIOError):
            while piece := os.read(self.read_end, 65_536):
                self.text += piece
        return self.text.decode()

    def close(self) -> None:
        os.close(self.read_end)
        with suppress(OSError):
            os.close(self.write_end)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    with closing(Pipe()) as made:
        yield made


def test_lines_come_in_order(pipe: Pipe) -> None:
    for number in range(100):
        pipe.tell("%d", number)
    pipe.handler.flush()
    assert pipe.read().splitlines() == [f"INFO {number}" for number in range(100)]
    assert pipe.handler.lost == 0


def test_nobody_waits_for_a_reader_and_what_is_lost_is_told(pipe: Pipe) -> None:
    for _ in range(1_000):  # ten times what the queue takes, in a thread that must not stop
        pipe.tell(LINE)
    lost = pipe.handler.lost
    assert 0 < lost < 1_000

    def told() -> int:
        return sum(map(int, re.findall(r"(\d+) lines of this log are lost", pipe.read())))

    eventually(lambda: told() == lost, "the loss is told")
    assert pipe.text.count(LINE.encode()) == 1_000 - lost
    pipe.tell("again")
    eventually(lambda: pipe.read().endswith("INFO again\n"), "what comes after")
    assert pipe.handler.lost == lost


def test_what_can_not_be_written_is_counted(pipe: Pipe) -> None:
    null = os.open("/dev/null", os.O_RDONLY)  # writing to it fails
    os.dup2(null, pipe.write_end)
    os.close(null)
    pipe.tell("a")
    pipe.handler.flush()
    assert pipe.handler.lost == 1


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_without_a_file_nothing_is_written_past_it(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(sys, "stderr", stream)
    before, urllib3_before = root.level, logging.getLogger("urllib3").level
    try:
        set_up("info", "text")
        assert not [one for one in root.handlers if isinstance(one, QueuedLines)]
        logging.getLogger("stayer").warning("told")
        assert stream is None or stream.getvalue().endswith("told\n")
    finally:
        root.setLevel(before)
        logging.getLogger("urllib3").setLevel(urllib3_before)


def test_a_line_is_one_line() -> None:
    record = logging.LogRecord(
        "stayer", logging.INFO, "", 0, "of %s", ("ü\n2026 ERROR forged\x1b[2J\u2028",), None
    )
    record.created = 1.5
    assert TextLines("%(message)s").format(record) == ("of ü\\n2026 ERROR forged\\x1b[2J\\u2028")
    line = JsonLines().format(record)
    assert "\n" not in line
    assert json.loads(line)["time"] == "1970-01-01T00:00:01.500Z"
