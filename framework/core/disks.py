"""Choosing PATH and MOUNT disks of an offer for the volumes of one instance.

As Marathon chooses: a volume goes to the PATH disk with the most left, so that they spread, and to
the smallest MOUNT disk that is large enough, of which it gets all. Volumes that few disks suit come
first, and one that would leave none for another goes elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from constraints import StaticCheck
from framework.core.world import World
from framework.domain.actions import TaskResource
from framework.domain.app import App
from framework.domain.disks import DiskType
from framework.domain.mesos import OfferResource

# Beyond it the offer counts as unfit: with the largest definitions a full search never ends.
_MOST_TRIES = 1_000


@dataclass(frozen=True, slots=True)
class DiskNeed:
    """What a volume asks of a disk; of two that differ in the volume's path only the same disks
    are fit for. ``most_millis`` None: any size."""

    container_path: str = field(compare=False)
    type: DiskType
    least_millis: int
    most_millis: int | None
    checks: tuple[StaticCheck, ...]

    def suits(self, entry: OfferResource, left: int) -> bool:
        """Whether the volume may be made of what is left of this entry."""
        source = entry.disk_source
        if source is None or source.type is not self.type or left < self.least_millis:
            return False
        if self.most_millis is not None and left > self.most_millis:
            return False
        return all(check.admits({"path": source.root}) for check in self.checks)

    def takes(self, left: int) -> int:
        """Thousandths that it takes of a disk."""
        return left if self.type is DiskType.MOUNT else self.least_millis

    def __str__(self) -> str:
        size = f"of {self.least_millis / 1000:g} MiB"
        if self.most_millis is not None:
            size += f" to {self.most_millis / 1000:g} MiB"
        elif self.type is DiskType.MOUNT:
            size += " or more"
        limits = "".join(f", {check.constraint}" for check in self.checks)
        return f"a {self.type.value} disk {size} for {self.container_path}{limits}"


def disk_needs(world: World, app: App) -> tuple[DiskNeed, ...]:
    """What the app's volumes ask of PATH and MOUNT disks."""
    return tuple(
        DiskNeed(
            one.container_path,
            one.type,
            one.size_mib * 1000,
            None if one.max_size_mib is None else one.max_size_mib * 1000,
            world.checks_of(one.constraints).static,
        )
        for one in app.persistent_volumes
        if one.type is not DiskType.ROOT
    )


class FreeDisks:
    """What is left of one offer's PATH and MOUNT disks. Reservations are made of what nobody has
    reserved."""

    __slots__ = ("_free",)

    def __init__(self, resources: Sequence[OfferResource]) -> None:
        self._free = [
            (entry, entry.millis)
            for entry in resources
            if entry.disk_source is not None and entry.owner is None and entry.role == "*"
        ]

    def choose(self, needs: Sequence[DiskNeed]) -> dict[str, TaskResource] | None:
        """What each volume is made of, by its path; None if not all of them can be."""
        if not needs:
            return {}
        search = _Search(list(self._free))
        hardest_first = sorted(needs, key=search.fit)
        return search.found if search.place(hardest_first) else None

    def suits_none(self, needs: Sequence[DiskNeed]) -> list[DiskNeed]:
        """The needs that no disk is fit for."""
        search = _Search(self._free)
        return [need for need in needs if not search.fit(need)]

    def take(self, needs: Sequence[DiskNeed]) -> dict[str, TaskResource]:
        """Use up what is chosen for these; it must be there."""
        chosen = self.choose(needs)
        assert chosen is not None, "the disks were there when the offer was chosen"
        used: dict[int, int] = {}
        for part in chosen.values():
            used[id(part.source)] = used.get(id(part.source), 0) + part.millis
        self._free = [(entry, left - used.get(id(entry), 0)) for entry, left in self._free]
        return chosen


class _Search:
    """Tries disks for one volume after the other, and others where that leads nowhere."""

    def __init__(self, free: list[tuple[OfferResource, int]]) -> None:
        self._free = free
        self._tries = 0
        self.found: dict[str, TaskResource] = {}

    def fit(self, need: DiskNeed) -> int:
        """How many disks a volume could be on."""
        return sum(need.suits(entry, left) for entry, left in self._free)

    def place(self, needs: Sequence[DiskNeed]) -> bool:
        """Whether all of these have a disk now."""
        if not needs:
            return True
        need, *others = needs
        for place in self._preferred(need):
            self._tries += 1
            if self._tries > _MOST_TRIES:
                return False
            entry, left = self._free[place]
            taken = need.takes(left)
            self._free[place] = (entry, left - taken)
            self.found[need.container_path] = TaskResource(entry, taken)
            if self.place(others):
                return True
            self._free[place] = (entry, left)
        return False

    def _preferred(self, need: DiskNeed) -> list[int]:
        """Places of the disks that suit, the best first."""
        sign = -1 if need.type is DiskType.PATH else 1
        fit = [number for number, (entry, left) in enumerate(self._free) if need.suits(entry, left)]
        return sorted(fit, key=lambda number: sign * self._free[number][1])
