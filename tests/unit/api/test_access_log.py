"""The access log: what a line says, what it must never say, and that nobody waits for it."""

import json
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.access_log import (
    LOGGER,
    AccessLog,
    Entry,
    FileSink,
    LoggerSink,
    clean,
    entry_of,
    fields,
    open_access_log,
    redacted,
    sentence,
)
from cli.logs import JsonLines
from tests.polling import eventually

ENTRY = Entry(
    request_id="r-1",
    status=201,
    remote="10.0.0.1",
    method="POST",
    uri="/v2/apps?force=true&token=geheim",
    user="ops",
    agent='curl/8 "x"',
    received=20,
    sent=532,
    seconds=0.0123,
)


class Kept:
    """A sink that keeps what it is given; waits at ``gate``, fails while ``failing``."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.gate = threading.Event()
        self.gate.set()
        self.taken = threading.Event()
        self.failing = False

    def write(self, entries: Sequence[Entry]) -> None:
        self.taken.set()
        assert self.gate.wait(60)
        if self.failing:
            raise OSError(28, "No space left on device")
        self.entries += entries


def test_a_line_for_programs_and_one_for_people() -> None:
    told = fields(ENTRY)
    assert told == {
        "remote": "10.0.0.1",
        "user": "ops",
        "method": "POST",
        "path": "/v2/apps",
        "query": "force=true&token=***",
        "status": 201,
        "bytes": 532,
        "received_bytes": 20,
        "duration_ms": 12.3,
        "request": "r-1",
        "agent": 'curl/8 "x"',
    }
    assert sentence(told) == (
        '10.0.0.1 ops "POST /v2/apps?force=true&token=***" 201 532B 12.3ms request=r-1 '
        '"curl/8 \\"x\\""'
    )


def test_a_stream_that_ended_and_a_call_that_went_on() -> None:
    stream = ENTRY._replace(stream="closed").ended(seconds=60, events=0, sent=0)
    assert {"stream": "closed", "events": 0, "bytes": 0}.items() <= fields(stream).items()
    proxied = fields(ENTRY._replace(forwarded_to="h2:8080", via="1.1 h3:8080"))
    assert (proxied["forwarded_to"], proxied["via"]) == ("h2:8080", "1.1 h3:8080")
    assert "events" not in proxied


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("token=abc", "token=***"),
        ("a=1&access_token=abc&b=2", "a=1&access_token=***&b=2"),
        ("%74oken=abc", "%74oken=***"),
        ("PASSWORD=abc&api-key=d&api_key=e", "PASSWORD=***&api-key=***&api_key=***"),
        ("token=a=b&token=c", "token=***&token=***"),
        ("token=&token", "token=&token"),
        ("embed=apps.tasks&label=a==b", "embed=apps.tasks&label=a==b"),
        ("", ""),
    ],
)
def test_secrets_of_a_query(query: str, shown: str) -> None:
    assert redacted(query) == shown


def test_credentials_in_a_whole_url() -> None:
    told = fields(ENTRY._replace(uri="http://user:geheim@host/v2/apps"))
    assert told["path"] == "http://host/v2/apps"


@given(st.text(max_size=400))
def test_no_text_of_a_client_breaks_a_line(text: str) -> None:
    assert clean(text).isascii()
    assert clean(text).isprintable() or not text
    assert len(clean(text)) <= 272
    entry = ENTRY._replace(uri=f"/{text}", agent=text, user=text, via=text, forwarded_for=text)
    told = fields(entry)
    line = sentence(told)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(json.dumps(told)) == told


def test_what_is_long_is_cut() -> None:
    environ = {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/" + "x" * 9_999,
        "HTTP_USER_AGENT": "y" * 9_999,
        "HTTP_X_FORWARDED_FOR": "z" * 9_999,
    }
    told = fields(entry_of(environ, request_id="r", status=200))
    assert len(str(told)) < 3_000


@pytest.mark.parametrize(
    ("which", "method", "status", "wanted"),
    [
        ("all", "GET", 200, True),
        ("changes", "GET", 200, False),
        ("changes", "HEAD", 302, False),
        ("changes", "GET", 404, True),
        ("changes", "DELETE", 200, True),
        ("changes", "-", 400, True),
        ("off", "DELETE", 500, False),
    ],
)
def test_which_requests_are_told(which: str, method: str, status: int, wanted: bool) -> None:
    assert AccessLog(which, Kept()).wants(method, status) is wanted


def test_nobody_waits_for_a_sink_that_is_stuck() -> None:
    sink = Kept()
    sink.gate.clear()
    log = AccessLog("all", sink)
    log.start()
    log.note(ENTRY)
    assert sink.taken.wait(60)
    for _ in range(5_000):
        log.note(ENTRY)
    assert log.lost == 5_000 - 4_096
    sink.gate.set()
    log.stop()
    assert len(sink.entries) == 4_097


def test_what_can_not_be_written_is_lost_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    sink = Kept()
    sink.failing = True
    log = AccessLog("all", sink)
    log.start()
    log.note(ENTRY)
    eventually(lambda: log.lost == 1, "a loss")
    log.note(ENTRY)
    eventually(lambda: log.lost == 2, "another loss")
    sink.failing = False
    log.note(ENTRY)
    log.stop()
    log.stop()
    assert sink.entries == [ENTRY]
    assert [one.message for one in caplog.records] == [
        "the access log can not be written: No space left on device"
    ]


def test_off_takes_nothing() -> None:
    log = AccessLog("off", Kept())
    log.start()
    log.note(ENTRY)
    log.stop()
    assert log.lost == 0


def test_a_file_may_be_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "access.jsonl"
    sink = FileSink(str(path))
    sink.write([ENTRY, ENTRY._replace(at_seconds=1.5)])
    path.rename(tmp_path / "old")
    sink.write([ENTRY])
    lines = [json.loads(line) for line in (tmp_path / "old").read_text().splitlines()]
    assert [line["time"] for line in lines] == [
        "1970-01-01T00:00:00.000Z",
        "1970-01-01T00:00:01.500Z",
    ]
    assert lines[0] == {"time": lines[0]["time"], **fields(ENTRY)}
    assert len(path.read_text().splitlines()) == 1
    assert path.stat().st_mode & 0o777 == 0o640 & ~_umask()
    with pytest.raises(OSError, match="No such file"):
        open_access_log("all", str(tmp_path / "none" / "access.jsonl"))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_among_the_other_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    LoggerSink().write([ENTRY])
    (record,) = caplog.records
    assert record.getMessage() == sentence(fields(ENTRY))
    line = json.loads(JsonLines().format(record))
    assert fields(ENTRY).items() <= line.items()
    assert (line["level"], line["logger"]) == ("info", "stayer.access")
    caplog.clear()
    caplog.set_level(logging.WARNING, LOGGER)
    LoggerSink().write([ENTRY])
    assert caplog.records == []
