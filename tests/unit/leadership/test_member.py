"""What processes tell each other, as others may have written it."""

import json

import msgspec
import pytest

from framework.leadership.member import (
    UNREADABLE,
    Candidate,
    Member,
    candidate_from,
    member_from,
)

MEMBER = Member("a:80", secure=True, release="1.2", schemas={"app": 3}, stands=False)


def test_a_member_is_read_as_it_was_written() -> None:
    data = msgspec.json.encode(MEMBER)
    assert member_from(data) == MEMBER
    assert json.loads(data) == {
        "address": "a:80",
        "secure": True,
        "release": "1.2",
        "schemas": {"app": 3},
        "stands": False,
    }


def test_a_newer_release_may_tell_more() -> None:
    assert member_from(b'{"address":"a:80","new":[1]}') == Member("a:80")
    assert candidate_from(b'{"address":"a:80","serving":true,"new":1}') == Candidate(
        "a:80", serving=True
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"address":1}',
        b'{"address":"a","schemas":[],"serving":7}',
        b"\xff",
        b"[" * 60_000,
        b'{"address":"' + b"a" * 70_000 + b'"}',
    ],
)
def test_what_is_none_is_told_apart(data: bytes) -> None:
    assert member_from(data) is UNREADABLE
    assert candidate_from(data) is None


def test_one_that_can_not_be_read_supports_nothing_and_does_not_stand() -> None:
    assert not UNREADABLE.schemas
    assert not UNREADABLE.stands
