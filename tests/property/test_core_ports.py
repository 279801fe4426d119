"""Ports of random offers: whatever is chosen is right, and nothing is refused that could be had.

The oracle knows single ports only: no ranges, no order, no entries.
"""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from framework.core.ports import FreePorts, Taken, as_ranges
from framework.domain.mesos import OfferResource

LOWEST, HIGHEST = 1, 12
ROLES = ("*", "dev")
owners = st.lists(
    st.sampled_from([None, 0, 1, 2]), min_size=HIGHEST, max_size=HIGHEST
)  # of each port: which entry offers it, if one does
entry_roles = st.tuples(*[st.sampled_from(ROLES)] * 3)
plain = st.tuples(*[st.sampled_from([True, True, False])] * 3)
requests = st.lists(st.just(0) | st.integers(LOWEST, HIGHEST), max_size=6)
accepted = st.sets(st.sampled_from(ROLES), min_size=1)
positions = st.integers(0, 100)


def entries_of(
    owner_of: list[int | None], roles: tuple[str, ...], is_plain: tuple[bool, ...]
) -> tuple[OfferResource, ...]:
    """Three entries that offer the ports they own, each port in one of them."""
    return tuple(
        OfferResource(
            "ports",
            ranges=as_ranges([port for port, o in enumerate(owner_of, LOWEST) if o == number]),
            role=roles[number],
            plain=is_plain[number],
            reservations=str(number),
        )
        for number in range(3)
    )


def free_of(entries: tuple[OfferResource, ...], roles: set[str]) -> dict[int, OfferResource]:
    """Every port that may be taken, and the entry it is from."""
    return {
        port: entry
        for entry in entries
        if entry.plain and entry.role in roles
        for low, high in entry.ranges
        for port in range(low, high + 1)
    }


def possible(requested: list[int], free: set[int]) -> bool:
    """Whether some choice of distinct free ports fulfils the request: the fixed ones are forced,
    and the dynamic ones need as many others."""
    fixed = [port for port in requested if port]
    others = free - set(fixed)
    return (
        len(set(fixed)) == len(fixed) and set(fixed) <= free and len(others) >= requested.count(0)
    )


@given(owners, entry_roles, plain, requests, accepted, positions)
def test_chosen_ports_are_right_and_refused_only_when_impossible(
    owner_of: list[int | None],
    roles: tuple[str, ...],
    is_plain: tuple[bool, ...],
    requested: list[int],
    wanted_roles: set[str],
    position: int,
) -> None:
    entries = entries_of(owner_of, roles, is_plain)
    free = free_of(entries, wanted_roles)
    ports = FreePorts(entries)
    taken = ports.choose(requested, wanted_roles, lambda total: position % total)
    assert (taken is not None) == possible(requested, set(free))
    assert ports.can_choose(requested, wanted_roles) == (taken is not None)
    if taken is None:
        return
    numbers = [port for _, port in taken]
    assert len(set(numbers)) == len(numbers) == len(requested)
    assert all(entry is free[port] for entry, port in taken)
    assert all(want in (0, got) for want, got in zip(requested, numbers, strict=True))
    assert dynamic_of(requested, taken) == consecutive(entries, wanted_roles, requested, position)


def dynamic_of(requested: list[int], taken: list[Taken]) -> list[int]:
    return [port for want, (_, port) in zip(requested, taken, strict=True) if not want]


def consecutive(
    entries: tuple[OfferResource, ...], roles: set[str], requested: list[int], position: int
) -> list[int]:
    """The rule for dynamic ports: from the chosen position on, wrapping, without the fixed ones."""
    everything = list(free_of(entries, roles))
    if not everything:
        return []
    start = position % len(everything)
    turned = [port for port in everything[start:] + everything[:start] if port not in requested]
    return turned[: requested.count(0)]


@given(owners, entry_roles, st.lists(requests, max_size=5), positions)
def test_taking_removes_exactly_what_was_taken(
    owner_of: list[int | None],
    roles: tuple[str, ...],
    several: list[list[int]],
    position: int,
) -> None:
    entries = entries_of(owner_of, roles, (True, True, True))
    ports = FreePorts(entries)
    left = set(free_of(entries, set(ROLES)))
    for requested in several:
        taken = ports.choose(requested, ROLES, lambda total: position % total)
        assert (taken is not None) == possible(requested, left)
        if taken is not None:
            ports.take(taken)
            left -= {port for _, port in taken}
        for port in range(LOWEST, HIGHEST + 1):
            assert ports.can_choose([port], ROLES) == (port in left)


@given(st.sets(st.integers(1, 40)))
def test_ranges_hold_exactly_the_ports_and_touch_nowhere(ports: set[int]) -> None:
    ranges = as_ranges(list(ports))
    assert [p for low, high in ranges for p in range(low, high + 1)] == sorted(ports)
    assert all(high + 1 < low for (_, high), (low, _) in pairwise(ranges))
