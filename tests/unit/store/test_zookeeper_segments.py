"""The form of the log and of checkpoints: whatever is split is put together again, unfinished
batches are void, and what does not fit is refused.
"""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.interfaces import StateTooNewError, StoreUnusableError
from framework.store.codec import RECORD_MAX_BYTES
from framework.store.zookeeper.layout import Layout, begins_bucket, numbers
from framework.store.zookeeper.segments import (
    SEGMENT_MAX_BYTES,
    Batches,
    Pointer,
    Position,
    decode_piece,
    decode_pointer,
    decode_segment,
    encode_pointer,
    pieces_of,
    segments_of,
    weight,
)

HEADER_MAX_BYTES = 200
# Lines are never empty and hold no line break; sizes that fill segments in every way.
lines = st.one_of(
    st.integers(1, 40).map(lambda size: b"x" * size),
    st.sampled_from([RECORD_MAX_BYTES, RECORD_MAX_BYTES // 2, RECORD_MAX_BYTES // 3]).map(
        lambda size: b"y" * size
    ),
)
batches = st.lists(lines, min_size=1, max_size=8)


def after(position: Position, segments: Sequence[bytes]) -> Position:
    return Position(
        position.number + len(segments), position.weight + sum(weight(one) for one in segments)
    )


@given(
    st.lists(st.tuples(batches, st.integers(0, 3)), max_size=6),
    st.integers(0, 10_000),
)
def test_finished_batches_come_back_and_no_others(
    written: list[tuple[list[bytes], int]], first: int
) -> None:
    """Each batch lacks up to so many of its last segments: its leader died, the next goes on."""
    position = Position(first)
    log: list[bytes] = []
    finished: list[list[bytes]] = []
    for epoch, (batch, missing) in enumerate(written, 1):
        segments = segments_of(batch, epoch, position)
        kept = segments[: max(0, len(segments) - missing)]
        log += kept
        if not missing:
            finished.append(batch)
        position = after(position, kept)
    reader = Batches(first)
    assert [whole for data in log if (whole := reader.take(data))] == finished
    assert reader.number == position.number


@given(batches, st.integers(1, 9), st.integers(0, 10_000))
def test_no_segment_is_too_large_and_each_says_where_it_belongs(
    batch: list[bytes], epoch: int, first: int
) -> None:
    segments = segments_of(batch, epoch, Position(first, 77))
    headers = [decode_segment(data, first + i).header for i, data in enumerate(segments)]
    assert all(len(data) <= SEGMENT_MAX_BYTES + HEADER_MAX_BYTES for data in segments)
    assert {(header.epoch, header.batch) for header in headers} == {(epoch, first)}
    assert [header.end for header in headers] == [False] * (len(segments) - 1) + [True]
    assert headers[0].weight_before == 77
    for (data, header), (_, later) in pairwise(zip(segments, headers, strict=True)):
        assert later.weight_before == header.weight_before + weight(data)


def test_lines_that_fit_share_a_segment() -> None:
    half = b"x" * (SEGMENT_MAX_BYTES // 2 - 1)
    assert len(segments_of([half, half], 1, Position())) == 1
    assert len(segments_of([half, half, b"x"], 1, Position())) == 2


@given(st.lists(lines, max_size=12))
def test_a_checkpoint_comes_back(written: list[bytes]) -> None:
    pieces = list(pieces_of(iter(written), "3-17"))
    read = [line for n, data in enumerate(pieces) for line in decode_piece(data, "3-17", n)]
    assert read == written


def test_a_batch_that_begins_in_the_middle_is_damage() -> None:
    segments = segments_of([b"x" * RECORD_MAX_BYTES] * 3, 1, Position(5))
    with pytest.raises(StoreUnusableError, match="segment 6 of its log begins in the middle"):
        Batches(6).take(segments[1])


def test_a_batch_that_another_leader_seems_to_go_on_with_is_damage() -> None:
    first, _ = segments_of([b"x" * RECORD_MAX_BYTES] * 2, 1, Position(5))
    _, second = segments_of([b"x" * RECORD_MAX_BYTES] * 2, 2, Position(5))
    reader = Batches(5)
    assert reader.take(first) == []
    with pytest.raises(StoreUnusableError, match="damaged"):
        reader.take(second)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        b"x\n[]",
        b'["segment",1,1,8,8,true,0]',
        b'["piece",1,1,7,7,true,0]',
        b'["segment",1,1,7,8,true,0]',
        b'["segment",1,1,7,-1,true,0]',
        b'["segment",1,1,7,7,true]',
    ],
)
def test_a_segment_that_is_none_is_damage(data: bytes) -> None:
    with pytest.raises(StoreUnusableError, match="segment 7 of its log") as refusal:
        decode_segment(data, 7)
    assert not isinstance(refusal.value, StateTooNewError)


@pytest.mark.parametrize(
    "data", [b"", b'["piece",1,"3-17",1]', b'["piece",1,"3-18",0]', b'["segment",1,"3-17",0]']
)
def test_a_piece_that_is_none_is_damage(data: bytes) -> None:
    with pytest.raises(StoreUnusableError, match="piece 0 of checkpoint 3-17"):
        decode_piece(data, "3-17", 0)


def test_the_pointer_comes_back() -> None:
    pointer = Pointer(id="3-17", pieces=2, bytes=9, first_segment=17, weight_before=1 << 40)
    assert decode_pointer(encode_pointer(pointer)) == pointer
    assert decode_pointer(None) == Pointer()
    for data in (b"", b"{", b'{"id":3}'):
        with pytest.raises(StoreUnusableError, match="pointer"):
            decode_pointer(data)


def test_newer_forms_are_refused_as_such() -> None:
    with pytest.raises(StateTooNewError, match="segment 7"):
        decode_segment(b'["segment",2,1,7,7,true,0,"more"]\n', 7)
    with pytest.raises(StateTooNewError, match="checkpoint 3-17"):
        decode_piece(b'["piece",2,"3-17",0,"more"]', "3-17", 0)
    with pytest.raises(StateTooNewError, match="its checkpoint"):
        decode_pointer(b'{"form":2,"more":true}')


@given(st.sets(st.integers(0, 5_000_000), max_size=20))
def test_names_sort_as_their_numbers_do(some: set[int]) -> None:
    layout = Layout("/stayer/store")
    paths = [layout.segment(number) for number in sorted(some)]
    assert paths == sorted(paths)
    names = [path.rpartition("/")[2] for path in paths]
    assert numbers([*reversed(names), "foreign", "", "\u0661"]) == sorted(some)
    for number, path in zip(sorted(some), paths, strict=True):
        assert path.startswith(layout.log_bucket(number) + "/")
        first_of_bucket = number == 0 or layout.log_bucket(number) != layout.log_bucket(number - 1)
        assert begins_bucket(number) == first_of_bucket
