"""The bytes of Mesos, cut anywhere: records, responses, calls, and events of any shape."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.domain.actions import Accept, Acknowledge, Action, Kill
from framework.domain.events import CallNotSent, CallUnanswered
from framework.mesos.decoding import decode
from framework.mesos.http1 import Body, End, Head, MalformedResponseError, ResponseParser
from framework.mesos.pipeline import Outcomes, Pipeline
from framework.mesos.recordio import MalformedStreamError, RecordDecoder

RECORDS = st.lists(st.binary(max_size=40), max_size=8)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """``data`` cut at these places (taken modulo its length)."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(places)]


CUTS = st.lists(st.integers(min_value=0, max_value=10_000), max_size=20)


@given(RECORDS, CUTS)
def test_records_come_out_however_the_bytes_are_cut(records: list[bytes], cuts: list[int]) -> None:
    data = b"".join(b"%d\n%b" % (len(record), record) for record in records)
    decoder = RecordDecoder()
    assert [record for piece in pieces(data, cuts) for record in decoder.feed(piece)] == records


@given(st.lists(st.binary(max_size=30)))
def test_any_bytes_are_records_or_refused(data: list[bytes]) -> None:
    decoder = RecordDecoder(max_record_bytes=20)
    try:
        for piece in data:
            assert all(len(record) <= 20 for record in decoder.feed(piece))
    except MalformedStreamError:
        return


@st.composite
def responses(draw: st.DrawFn) -> tuple[int, bytes, bytes]:
    """(status, body, the bytes of the whole response)."""
    status = draw(st.sampled_from([200, 202, 204, 304, 307, 400, 503]))
    body = b"" if status in (204, 304) else draw(st.binary(max_size=50))
    head = b"HTTP/1.1 %d Some Words\r\nDate: now\r\n" % status
    if status not in (204, 304) and draw(st.booleans()):
        chunks = pieces(body, draw(CUTS))
        coded = b"".join(b"%x;e=1\r\n%b\r\n" % (len(c), c) for c in chunks if c)
        trailer = draw(st.sampled_from([b"", b"Later: yes\r\n"]))
        return (
            status,
            body,
            head + b"Transfer-Encoding: Chunked\r\n\r\n" + coded + b"0\r\n" + trailer + b"\r\n",
        )
    interim = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n"]))
    return status, body, interim + head + b"content-length: %d\r\n\r\n%b" % (len(body), body)


@given(st.lists(responses(), max_size=5), CUTS)
def test_responses_come_out_however_the_bytes_are_cut(
    wanted: list[tuple[int, bytes, bytes]], cuts: list[int]
) -> None:
    parser = ResponseParser()
    found: list[tuple[int, bytes]] = []
    ends = 0
    for piece in pieces(b"".join(data for _, _, data in wanted), cuts):
        for part in parser.feed(piece):
            if isinstance(part, Head):
                found.append((part.status, b""))
            elif isinstance(part, Body):
                found[-1] = (found[-1][0], found[-1][1] + part.data)
            elif isinstance(part, End):
                ends += 1
    assert found == [(status, body) for status, body, _ in wanted]
    assert ends == len(wanted)


@given(
    st.lists(
        st.one_of(st.binary(max_size=30), st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"\r\n\r\n"]))
    )
)
def test_any_bytes_are_responses_or_refused(data: list[bytes]) -> None:
    parser = ResponseParser()
    try:
        for piece in data:
            parser.feed(piece)
    except MalformedResponseError:
        return


ACTIONS = st.one_of(
    st.builds(Kill, st.text(max_size=3), st.just("agent")),
    st.builds(Acknowledge, st.text(max_size=3), st.just("agent"), st.just("uuid")),
    st.builds(Accept, st.just(("offer",)), st.just(()), st.just(0.0)),
)


@given(
    st.lists(ACTIONS, max_size=20),
    st.integers(min_value=1, max_value=5),
    st.lists(st.sampled_from([202, 400, 500]), max_size=20),
    st.data(),
)
def test_every_call_meets_exactly_one_fate(
    actions: list[Action], window: int, answers: list[int], data: st.DataObject
) -> None:
    """Written in order, answered in order, cut anywhere: nothing is lost or told twice."""
    numbers = {id(action): number for number, action in enumerate(actions)}
    pipeline = Pipeline(lambda action: b"%d," % numbers[id(action)], window=window)
    settled: list[tuple[int, str]] = []
    written = b""

    def settle(outcomes: Outcomes) -> None:
        failed = [(numbers[id(event.action)], type(event).__name__) for event in outcomes.events]
        settled.extend(failed)

    settle(pipeline.add(actions))
    answered = 0
    for status in answers:
        output, outcomes = pipeline.to_send()
        settle(outcomes)
        size = data.draw(st.integers(min_value=0, max_value=len(output)))
        pipeline.sent(size)
        written += output[:size]
        if size < len(output):
            break
        if not pipeline.unanswered:
            break
        settle(pipeline.received(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status))
        answered += 1
    before = len(settled)
    settle(pipeline.abandon("cut"))

    good = [number for number in range(answered) if answers[number] == 202]
    assert sorted([number for number, _ in settled] + good) == list(range(len(actions)))
    complete = written.count(b",")
    for number, fate in settled[before:]:
        may_have_happened = number < complete and isinstance(actions[number], Accept)
        assert fate == (CallUnanswered if may_have_happened else CallNotSent).__name__
    assert written == b"".join(b"%d," % n for n in range(len(actions)))[: len(written)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "offers", "id", "value", "update", "status", "resources", "uuid"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
TYPES = st.sampled_from(["OFFERS", "UPDATE", "SUBSCRIBED", "RESCIND", "FAILURE", "ERROR", "NEW"])


@given(TYPES, JSON, JSON)
def test_no_event_of_any_shape_raises(kind: str, offers: object, update: object) -> None:
    record = json.dumps({"type": kind, "offers": offers, "update": update}).encode()
    decoded = decode(record)
    assert decoded.events or decoded.problems or kind == "FAILURE"


@given(st.binary(max_size=60))
def test_no_record_of_any_bytes_raises(record: bytes) -> None:
    assert decode(record).problems


def test_a_deeply_nested_record_is_only_a_problem() -> None:
    record = b'{"type":"OFFERS","offers":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert decode(record).problems


@pytest.mark.parametrize(
    "data",
    [b"-1\n", b"x", b"\n", b"1 2\nab", b"99999999999\n", b"1" * 21, b"0x10\n"],
    ids=repr,
)
def test_a_length_that_is_none_ends_the_stream(data: bytes) -> None:
    decoder = RecordDecoder(max_record_bytes=1000)
    with pytest.raises(MalformedStreamError):
        decoder.feed(data + b"\n" * 40)
