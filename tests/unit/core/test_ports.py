"""Choosing host ports: which, from whom, in what order, and what is left."""

from collections.abc import Callable

import pytest

from framework.core.ports import FreePorts, as_ranges
from framework.domain.mesos import OfferResource

OPEN = OfferResource("ports", ranges=((31_000, 31_002), (31_010, 31_011)))
DEV = OfferResource("ports", ranges=((4_000, 4_001),), role="dev")
ANY = {"*", "dev"}


def at(position: int) -> Callable[[int], int]:
    """A chance that always falls on this position."""
    return lambda total: position % total


def chosen(
    requested: list[int], roles: set[str], position: int = 0, *entries: OfferResource
) -> list[int] | None:
    taken = FreePorts(entries or (OPEN, DEV)).choose(requested, roles, at(position))
    return None if taken is None else [port for _, port in taken]


@pytest.mark.parametrize(
    ("position", "ports"),
    [
        (0, [31_000, 31_001, 31_002]),
        (1, [31_001, 31_002, 31_010]),
        (3, [31_010, 31_011, 31_000]),
        (4, [31_011, 31_000, 31_001]),
    ],
)
def test_dynamic_ports_follow_each_other_from_a_random_start_and_wrap(
    position: int, ports: list[int]
) -> None:
    assert chosen([0, 0, 0], {"*"}, position) == ports


def test_fixed_ports_are_exactly_those_and_keep_their_places() -> None:
    assert chosen([0, 31_001, 0, 31_000], {"*"}) == [31_002, 31_001, 31_010, 31_000]


@pytest.mark.parametrize(
    ("requested", "roles"),
    [
        ([31_003], {"*"}),  # not offered
        ([4_000], {"*"}),  # offered to a role that is not accepted
        ([31_000, 31_000], {"*"}),  # the same twice
        ([0] * 6, {"*"}),  # one more than there are
        ([31_000, 0, 0, 0, 0, 0], {"*"}),  # the fixed one is not there twice
        ([0], set()),
    ],
)
def test_nothing_when_they_are_not_all_there(requested: list[int], roles: set[str]) -> None:
    assert chosen(requested, roles) is None
    assert not FreePorts((OPEN, DEV)).can_choose(requested, roles)


def test_all_accepted_entries_count() -> None:
    assert chosen([0] * 7, ANY) == [31_000, 31_001, 31_002, 31_010, 31_011, 4_000, 4_001]


def test_none_are_needed_when_none_are_asked_for() -> None:
    assert FreePorts(()).can_choose([], set())
    assert FreePorts(()).choose([], set(), at(0)) == []


def test_each_port_names_the_entry_it_is_from() -> None:
    taken = FreePorts((OPEN, DEV)).choose([4_001, 31_010], ANY, at(0))
    assert taken == [(DEV, 4_001), (OPEN, 31_010)]


def test_what_is_no_plain_port_entry_is_never_taken() -> None:
    others = (
        OfferResource("ports", ranges=((1, 9),), plain=False),
        OfferResource("sockets", ranges=((1, 9),)),
        OfferResource("ports", ranges=((9, 1),)),
    )
    assert chosen([0], ANY, 0, *others) is None


def test_taking_leaves_the_others() -> None:
    free = FreePorts((OPEN, DEV))
    taken = free.choose([31_001, 4_000, 31_011], ANY, at(0))
    assert taken is not None
    free.take(taken)
    left = free.choose([0] * 4, ANY, at(0))
    assert left is not None
    assert [port for _, port in left] == [31_000, 31_002, 31_010, 4_001]
    assert not free.can_choose([0] * 5, ANY)


def test_taking_what_is_not_free_is_a_bug() -> None:
    free = FreePorts((OPEN,))
    with pytest.raises(AssertionError, match="port 31009 is not free"):
        free.take([(OPEN, 31_009)])


@pytest.mark.parametrize(
    ("ports", "ranges"),
    [
        ([], ()),
        ([5], ((5, 5),)),
        ([7, 5, 6], ((5, 7),)),
        ([1, 3, 2, 9, 11, 10, 20], ((1, 3), (9, 11), (20, 20))),
    ],
)
def test_ranges(ports: list[int], ranges: tuple[tuple[int, int], ...]) -> None:
    assert as_ranges(ports) == ranges
