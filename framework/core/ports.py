"""Choosing host ports from what an offer has free.

Fixed ports must be there; dynamic ones are taken consecutively from a random start, wrapping
around, so that a port just given up is not handed out at once (behaviour.md, section 2.3).
"""

from collections.abc import Callable, Collection, Sequence

from framework.domain.mesos import OfferResource

Taken = tuple[OfferResource, int]
Range = tuple[OfferResource, int, int]


class FreePorts:
    """The free ports of one offer: entries with inclusive ranges."""

    __slots__ = ("_count", "_free", "_role")

    def __init__(self, resources: Sequence[OfferResource]) -> None:
        self._free: tuple[Range, ...] = tuple(
            [
                (resource, low, high)
                for resource in resources
                if resource.name == "ports" and resource.plain
                for low, high in resource.ranges
                if low <= high
            ]
        )
        self._count = sum([high - low + 1 for _, low, high in self._free])
        roles = {entry.role for entry, _, _ in self._free}
        self._role = roles.pop() if len(roles) == 1 else None  # that of all of them

    def _usable(self, roles: Collection[str]) -> tuple[Range, ...]:
        if self._role is not None:  # nearly always
            return self._free if self._role in roles else ()
        return tuple([entry for entry in self._free if entry[0].role in roles])

    def _total(self, usable: tuple[Range, ...]) -> int:
        if usable is self._free:
            return self._count
        return sum([high - low + 1 for _, low, high in usable])

    def choose(
        self, requested: Sequence[int], roles: Collection[str], chance: Callable[[int], int]
    ) -> list[Taken] | None:
        """A port for each requested one (0: any), in order, from entries of these roles; None if
        they are not all there. Nothing is taken yet."""
        if not requested:
            return []
        usable = self._usable(roles)
        fixed: dict[int, OfferResource] = {}
        for port in requested:
            if port:
                owner = _owner(usable, port)
                if owner is None or port in fixed:
                    return None
                fixed[port] = owner
        dynamic = self._dynamic(usable, requested.count(0), fixed, chance)
        if dynamic is None or not fixed:
            return dynamic
        rest = iter(dynamic)
        return [(fixed[port], port) if port else next(rest) for port in requested]

    def can_choose(self, requested: Sequence[int], roles: Collection[str]) -> bool:
        """Whether ``choose`` would find them."""
        if any(requested):
            return self.choose(requested, roles, lambda _: 0) is not None
        return len(requested) <= self._total(self._usable(roles))

    def _dynamic(
        self,
        usable: tuple[Range, ...],
        wanted: int,
        fixed: Collection[int],
        chance: Callable[[int], int],
    ) -> list[Taken] | None:
        total = self._total(usable)
        if total - len(fixed) < wanted:
            return None
        if not wanted:
            return []
        chosen: list[Taken] = []
        position = chance(total)
        while len(chosen) < wanted:
            entry, port = _at(usable, position % total)
            if port not in fixed:
                chosen.append((entry, port))
            position += 1
        return chosen

    def take(self, taken: Sequence[Taken]) -> None:
        """Use them up."""
        self._count -= len(taken)
        for entry, port in taken:
            for place, (owner, low, high) in enumerate(self._free):
                if low <= port <= high and owner is entry:
                    below = ((owner, low, port - 1),) if low < port else ()
                    above = ((owner, port + 1, high),) if port < high else ()
                    self._free = self._free[:place] + below + above + self._free[place + 1 :]
                    break
            else:
                raise AssertionError(f"port {port} is not free")


def _owner(usable: tuple[Range, ...], port: int) -> OfferResource | None:
    for entry, low, high in usable:
        if low <= port <= high:
            return entry
    return None


def _at(usable: tuple[Range, ...], position: int) -> Taken:
    for entry, low, high in usable:
        if position <= high - low:
            return entry, low + position
        position -= high - low + 1
    raise AssertionError("position beyond the free ports")


def as_ranges(ports: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Sorted inclusive ranges of a set of ports, as Mesos writes them."""
    ranges: list[tuple[int, int]] = []
    for port in sorted(ports):
        if ranges and port == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], port)
        else:
            ranges.append((port, port))
    return tuple(ranges)
