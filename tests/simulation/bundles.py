"""Amounts of resources, for the simulated agents: what is there, offered, used.

Scalars are thousandths by (name, role, plain); ports are single ports by role; what is reserved
for an instance is a holding, which is offered, used and given back as a whole.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from framework.domain.actions import TaskResource
from framework.domain.mesos import OfferResource
from tests.simulation.holdings import Holding, disk_of, name_of

Key = tuple[str, str, bool]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Amounts; zero amounts are left out."""

    scalars: dict[Key, int]
    ports: frozenset[tuple[str, int]] = frozenset()
    holdings: frozenset[Holding] = frozenset()

    def __str__(self) -> str:
        scalars = " ".join(
            f"{name}({role})={millis}"
            for (name, role, plain), millis in self.scalars.items()
            if plain
        )
        ports = ",".join(f"{port}({role})" for role, port in sorted(self.ports))
        held = ",".join(str(one) for one in self.held())
        return f"{scalars} ports={ports}" + (f" held={held}" if held else "")

    def held(self) -> list[Holding]:
        """The holdings in an order that is always the same."""
        return sorted(self.holdings, key=lambda one: one.owner)

    def __add__(self, other: "Bundle") -> "Bundle":
        total = Counter(self.scalars)
        total.update(other.scalars)
        return Bundle(dict(total), self.ports | other.ports, self.holdings | other.holdings)

    def __sub__(self, other: "Bundle") -> "Bundle":
        rest = dict(self.scalars)
        for key, millis in other.scalars.items():
            rest[key] = rest.get(key, 0) - millis
            if not rest[key]:
                del rest[key]
        return Bundle(rest, self.ports - other.ports, self.holdings - other.holdings)

    def contains(self, other: "Bundle") -> bool:
        """Whether all of ``other`` is in here."""
        sets = other.ports <= self.ports and other.holdings <= self.holdings
        return sets and all(
            self.scalars.get(key, 0) >= millis for key, millis in other.scalars.items()
        )

    def overlaps(self, other: "Bundle") -> bool:
        """Whether both name a port that can be there only once."""
        return bool(self.ports & other.ports)

    def for_role(self, role: str) -> "Bundle":
        """What may be offered to a role: unreserved, or reserved for it."""
        roles = ("*", role)
        return Bundle(
            {key: millis for key, millis in self.scalars.items() if key[1] in roles},
            frozenset(port for port in self.ports if port[0] in roles),
            frozenset(one for one in self.holdings if one.role == role),
        )

    def amount(self, name: str, roles: Iterable[str]) -> int:
        """Plain thousandths of a scalar in these roles."""
        return sum(self.scalars.get((name, role, True), 0) for role in {*roles})

    def disks(self) -> dict[str, int]:
        """Thousandths of each disk that is offered apart, unreserved."""
        return {
            name: millis
            for (name, role, _), millis in sorted(self.scalars.items())
            if role == "*" and disk_of(name) is not None
        }

    def port_numbers(self, roles: Iterable[str]) -> set[int]:
        """The ports in these roles."""
        accepted = {*roles}
        return {port for role, port in self.ports if role in accepted}

    def entries(self) -> tuple[OfferResource, ...]:
        """As an offer lists them."""
        listed = [
            OfferResource(
                name=name.partition(" ")[0],
                millis=millis,
                role=role,
                plain=plain,
                disk_source=disk_of(name),
            )
            for (name, role, plain), millis in sorted(self.scalars.items())
        ]
        for role in sorted({role for role, _ in self.ports}):
            numbers = sorted(port for owner, port in self.ports if owner == role)
            listed.append(OfferResource(name="ports", ranges=_ranges(numbers), role=role))
        for holding in self.held():
            listed += holding.entries()
        return tuple(listed)


NOTHING = Bundle({})


def used_by(resources: Iterable[TaskResource]) -> Bundle:
    """What a task takes."""
    scalars: Counter[Key] = Counter()
    ports = set()
    for part in resources:
        source = part.source
        if part.millis:
            scalars[(name_of(source), source.role, source.plain)] += part.millis
        for low, high in part.ranges:
            ports |= {(source.role, port) for port in range(low, high + 1)}
    return Bundle(dict(scalars), frozenset(ports))


def _ranges(numbers: list[int]) -> tuple[tuple[int, int], ...]:
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return tuple(ranges)
