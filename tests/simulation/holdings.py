"""What is reserved for one instance on a simulated agent, with the volumes made of its disk."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from framework.domain.actions import TaskResource
from framework.domain.disks import DiskSource, DiskType
from framework.domain.mesos import OfferResource
from framework.domain.volumes import Volume

Owner = tuple[str, str]
Amounts = tuple[tuple[str, int], ...]


def disk_name(kind: DiskType, root: str) -> str:
    """What a disk is called here, so that each is counted by itself."""
    return "disk" if kind is DiskType.ROOT else f"disk {kind.value} {root}"


def disk_of(name: str) -> DiskSource | None:
    """The disk of this name; None for the agent's own, and what is no disk."""
    if not name.startswith("disk "):
        return None
    _, kind, root = name.split(" ")
    return DiskSource(DiskType(kind), root, f'{{"root":"{root}"}}')


def name_of(entry: OfferResource) -> str:
    """The name of an offered resource, here."""
    source = entry.disk_source
    return entry.name if source is None else disk_name(source.type, source.root)


@dataclass(frozen=True, slots=True)
class Holding:
    """``owner``: framework and instance id, its labels; ``scalars`` are thousandths by name, the
    disks that volumes are made of included."""

    owner: Owner
    role: str
    scalars: Amounts
    ports: frozenset[int] = frozenset()
    volumes: tuple[Volume, ...] = ()

    def __str__(self) -> str:
        return f"{self.owner[1]}({self.role}){[one.persistence_id for one in self.volumes]}"

    def entries(self) -> list[OfferResource]:
        """As an offer lists them."""
        rest = dict(self.scalars)
        made = []
        for volume in self.volumes:
            name = disk_name(volume.type, volume.root)
            rest[name] -= volume.size_millis
            made.append(
                OfferResource(
                    "disk",
                    volume.size_millis,
                    role=self.role,
                    reservations="[{}]",
                    plain=False,
                    disk="{}",
                    volume_id=volume.persistence_id,
                    container_path=volume.container_path,
                    disk_source=disk_of(name),
                    owner=self.owner,
                )
            )
        listed = [self._entry(name, millis) for name, millis in rest.items() if millis]
        if self.ports:
            listed.append(self._entry("ports", 0, tuple((one, one) for one in sorted(self.ports))))
        return [*listed, *made]

    def _entry(
        self, name: str, millis: int, ranges: tuple[tuple[int, int], ...] = ()
    ) -> OfferResource:
        return OfferResource(
            name.partition(" ")[0],
            millis,
            ranges=ranges,
            role=self.role,
            reservations="[{}]",
            plain=False,
            disk_source=disk_of(name),
            owner=self.owner,
        )


def owner_of(part: TaskResource) -> Owner | None:
    """For whom this is reserved, now or by an operation of the same call."""
    return part.owner or part.source.owner


def amounts_of(parts: Iterable[TaskResource]) -> Amounts:
    """Thousandths by name, volumes included."""
    total: Counter[str] = Counter()
    for part in parts:
        if part.millis:
            total[name_of(part.source)] += part.millis
    return tuple(sorted(total.items()))


def ports_of(parts: Iterable[TaskResource]) -> frozenset[int]:
    """The single ports in these."""
    ranges = [one for part in parts for one in part.ranges]
    return frozenset(port for low, high in ranges for port in range(low, high + 1))


def volumes_of(parts: Iterable[TaskResource]) -> list[str]:
    """The persistence ids of the volumes in these."""
    ids = (part.volume.persistence_id if part.volume else part.source.volume_id for part in parts)
    return sorted(one for one in ids if one)
