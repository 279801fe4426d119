"""What is counted about instances, kept with each change and never rescanned.

For each app: its instances by slot (what they mean for its size and version), how many run on
each agent and zone, and the counts that its constraints ask for. Across apps: tasks starting on
each agent, service ports in use, and which paths are groups. All of it can be rebuilt from the
State; the tests compare the two.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple, TypeVar

from constraints import (
    AttributeValue,
    Compiled,
    Counts,
    Items,
    Ranges,
    Scalar,
    Text,
    agent_values,
)
from framework.domain.app import App
from framework.domain.instance import STAGED, WAITING, Condition, Goal, Instance
from framework.domain.mesos import Agent, Attribute

_K = TypeVar("_K")
# An old configuration ("": the present one), a field of its constraints, the value there.
_Counted = tuple[str, str, str | None]


class Slot(StrEnum):
    """What an instance means for the size of its app. OLD: of another configuration."""

    WAITING = "waiting"  # wanted, needs an offer
    STAGED = "staged"
    READY = "ready"  # running, and healthy and ready where checks say so
    UNREADY = "unready"
    LOST = "lost"  # unreachable or forgotten by Mesos, still counted
    OLD_WAITING = "old waiting"
    OLD_STAGED = "old staged"
    OLD_READY = "old ready"
    OLD_UNREADY = "old unready"
    OLD_LOST = "old lost"
    MARKED = "marked"  # to be replaced by one beside it, and does not serve
    MARKED_READY = "marked ready"  # to be replaced by one beside it, and serves until then
    OLD_MARKED = "old marked"
    OLD_MARKED_READY = "old marked ready"
    INACTIVE = "inactive"  # unreachable for so long that it was replaced
    LEAVING = "leaving"  # decommissioned, its task may still run
    OLD_LEAVING = "old leaving"


CURRENT_LIVE = (Slot.STAGED, Slot.READY, Slot.UNREADY, Slot.LOST)
OLD_LIVE = (Slot.OLD_STAGED, Slot.OLD_READY, Slot.OLD_UNREADY, Slot.OLD_LOST)
MARKED = (Slot.MARKED, Slot.MARKED_READY)
OLD_MARKED = (Slot.OLD_MARKED, Slot.OLD_MARKED_READY)
LEAVING = (Slot.LEAVING, Slot.OLD_LEAVING)
_PLACED = frozenset((*CURRENT_LIVE, *MARKED))

_OLD = {
    Slot.WAITING: Slot.OLD_WAITING,
    Slot.STAGED: Slot.OLD_STAGED,
    Slot.READY: Slot.OLD_READY,
    Slot.UNREADY: Slot.OLD_UNREADY,
    Slot.LOST: Slot.OLD_LOST,
    Slot.INACTIVE: Slot.INACTIVE,
    Slot.LEAVING: Slot.OLD_LEAVING,
}
# One that is out of reach is replaced as its app says, one that waits anyway.
_MARKED = {
    Slot.STAGED: Slot.MARKED,
    Slot.UNREADY: Slot.MARKED,
    Slot.READY: Slot.MARKED_READY,
    Slot.OLD_STAGED: Slot.OLD_MARKED,
    Slot.OLD_UNREADY: Slot.OLD_MARKED,
    Slot.OLD_READY: Slot.OLD_MARKED_READY,
}
_LIVE_SLOT = {
    Condition.RUNNING: Slot.UNREADY,
    Condition.KILLING: Slot.UNREADY,
    Condition.UNREACHABLE: Slot.LOST,
    Condition.UNREACHABLE_INACTIVE: Slot.INACTIVE,
}
# Conditions whose instances no constraint counts (app-definition.md 5.3), besides waiting ones.
_NOT_COUNTED = WAITING | {Condition.UNREACHABLE}


def values_of(agent: Agent) -> dict[str, str]:
    """The agent's constraint fields and their values."""
    attributes = ((attribute.name, _value(attribute)) for attribute in agent.attributes)
    return agent_values(agent.hostname, agent.region, agent.zone, attributes)


def _value(attribute: Attribute) -> AttributeValue:
    if attribute.scalar is not None:
        return Scalar(attribute.scalar)
    if attribute.ranges is not None:
        return Ranges(attribute.ranges)
    if attribute.items is not None:
        return Items(attribute.items)
    return Text(attribute.text or "")


def serves(definition: App, instance: Instance) -> bool:
    """Running, healthy if its definition has checks, and ready if it was asked."""
    if instance.condition is not Condition.RUNNING or instance.kill_reason:
        return False
    healthy = instance.healthy is True or (
        instance.healthy is None and not definition.health_checks
    )
    return healthy and instance.ready is not False


def is_old(app: App, instance: Instance) -> bool:
    """Whether it runs another configuration than the app's, and is to be replaced."""
    return instance.config != app.config and not app.keep_old


def slot_of(app: App | None, instance: Instance, definition: App | None = None) -> Slot:
    """What the instance means for the size of its app. ``definition`` is the one its task was
    launched with (None: no longer known, taken to be the app's own)."""
    if app is None:
        return Slot.LEAVING
    slot = _present_slot(definition or app, instance)
    old = is_old(app, instance)
    if slot is Slot.READY and not _counts(app, instance, old=old):
        slot = Slot.UNREADY
    slot = _OLD[slot] if old else slot
    return slot if instance.mark is None else _MARKED.get(slot, slot)


def _present_slot(definition: App, instance: Instance) -> Slot:
    if instance.goal is Goal.DECOMMISSIONED:
        return Slot.LEAVING
    if instance.condition in WAITING:
        return Slot.LOST if instance.held_back else Slot.WAITING
    if instance.condition in STAGED:
        return Slot.STAGED
    if serves(definition, instance):
        return Slot.READY
    return _LIVE_SLOT[instance.condition]


def _counts(app: App, instance: Instance, *, old: bool) -> bool:
    """Whether one that serves counts as ready: once the edges that it waits for send it requests,
    also if it is to be replaced meanwhile; and if it is not, has served for the time the app asks
    for."""
    proved = old or instance.proved or not app.upgrade_strategy.minimum_healthy_seconds
    return proved and not instance.awaits_edges


class Known(NamedTuple):
    """What is known beside the record of an instance: its agent, the agent's constraint fields,
    the definition its task was launched with, and if that is an old one the fields that its
    constraints count."""

    agent: Agent | None = None
    values: Mapping[str, str] = {}
    definition: App | None = None
    old_fields: tuple[str, ...] = ()


class AppIndex:
    """The counts of one app, made for the configuration in force. ``counts`` are what its
    constraints look at, by field; ``old_counts`` the same for each old configuration that still
    has instances, since a canary or a pause may have to relaunch one of those. ``awaited`` are
    those that were killed with nothing in their place (see core/moving)."""

    __slots__ = (
        "_counted", "_placed", "_slot", "app", "awaited", "counts", "members", "old_counts",
        "on_agent", "on_zone",
    )  # fmt: skip

    def __init__(self, app: App | None, compiled: Compiled | None) -> None:
        self.app = app
        self.members: dict[Slot, dict[str, None]] = {slot: {} for slot in Slot}
        self.counts = {field: Counts() for field in (compiled.counted_fields if compiled else ())}
        self.old_counts: dict[str, dict[str, Counts]] = {}
        self.awaited: dict[str, None] = {}
        self.on_agent: Counter[str] = Counter()
        self.on_zone: Counter[str | None] = Counter()
        self._slot: dict[str, Slot] = {}
        self._counted: dict[str, tuple[_Counted, ...]] = {}
        self._placed: dict[str, tuple[str, str | None, bool]] = {}

    def size(self, *slots: Slot) -> int:
        """Instances in these slots together."""
        members, total = self.members, 0
        for slot in slots:
            total += len(members[slot])
        return total

    @property
    def total(self) -> int:
        """All of its instances."""
        return len(self._slot)

    def update(self, key: str, new: Instance | None, known: "Known") -> None:
        """Replace what is counted for the instance with the id ``key``."""
        slot = None if new is None else slot_of(self.app, new, known.definition)
        self._move(key, slot)
        self._place(key, known.agent if slot in _PLACED else None, stays=slot not in MARKED)
        if not self._is_counted(key, new, known):
            self._count(key, self._counted_as(new, known))
        if new is not None and new.awaited_since_ms:
            self.awaited[key] = None
        else:
            self.awaited.pop(key, None)

    def _move(self, key: str, slot: Slot | None) -> None:
        known = self._slot.get(key)
        if known is slot:
            return
        if known is not None:
            del self.members[known][key]
        if slot is None:
            del self._slot[key]
        else:
            self._slot[key] = slot
            self.members[slot][key] = None

    def _place(self, key: str, agent: Agent | None, *, stays: bool) -> None:
        """Where instances of the present configuration live; old ones are about to go and must
        not keep new ones away. A marked one leaves its zone, but no other one is to be where it
        went wrong."""
        place = None if agent is None else (agent.id, agent.zone, stays)
        known = self._placed.get(key)
        if known == place:
            return
        if known is not None:
            decrease(self.on_agent, known[0])
            if known[2]:
                decrease(self.on_zone, known[1])
            del self._placed[key]
        if place is not None:
            self.on_agent[place[0]] += 1
            if place[2]:
                self.on_zone[place[1]] += 1
            self._placed[key] = place

    def counts_for(self, app: App) -> Mapping[str, Counts]:
        """What this configuration's constraints look at."""
        if self.app is None or self.app.config == app.config:
            return self.counts
        return self.old_counts.get(app.config, {})

    def _is_counted(self, key: str, new: Instance | None, known: Known) -> bool:
        """Whether one of the present configuration is counted as it is to be: nearly always what
        changed was its condition."""
        before = self._counted.get(key, ())
        if new is None or self.app is None or len(before) != len(self.counts):
            return False
        if new.condition in _NOT_COUNTED or is_old(self.app, new):
            return False
        for config, field, value in before:
            if config or known.values.get(field) != value:
                return False
        return True

    def _counted_as(self, new: Instance | None, known: Known) -> tuple[_Counted, ...]:
        if new is None or self.app is None or new.condition in _NOT_COUNTED:
            return ()
        counted: list[_Counted] = []
        old = is_old(self.app, new)
        if not old or self.app.upgrade_strategy.count_old_instances:
            counted += [("", field, known.values.get(field)) for field in self.counts]
        if old:
            counted += [(new.config, one, known.values.get(one)) for one in known.old_fields]
        return tuple(counted)

    def _count(self, key: str, counted: tuple[_Counted, ...]) -> None:
        before = self._counted.get(key, ())
        if before == counted:
            return
        for config, field, value in before:
            counts = self.old_counts[config] if config else self.counts
            counts[field].remove(value)
            if config and not counts[field].total:
                del counts[field]
                if not counts:
                    del self.old_counts[config]
        for config, field, value in counted:
            counts = self.old_counts.setdefault(config, {}) if config else self.counts
            counts.setdefault(field, Counts()).add(value)
        if counted:
            self._counted[key] = counted
        else:
            del self._counted[key]


def decrease(counter: Counter[_K], key: _K) -> None:
    """Count one less; nothing is kept of what is there no more."""
    counter[key] -= 1
    if counter[key] == 0:
        del counter[key]


class Paths:
    """Which paths are groups: those with an app below them. Kept as numbers of such apps."""

    __slots__ = ("_below",)

    def __init__(self) -> None:
        self._below: Counter[str] = Counter()

    def add(self, app_id: str) -> None:
        """An app came to be."""
        self._below.update(ancestors(app_id))

    def remove(self, app_id: str) -> None:
        """An app is no more."""
        for path in ancestors(app_id):
            decrease(self._below, path)

    def below(self, path: str) -> int:
        """How many apps live below this path."""
        return self._below[path]


def ancestors(app_id: str) -> list[str]:
    """The paths of the groups an app lives in, root excluded: ``/a/b/c`` -> ``/a``, ``/a/b``."""
    parts = app_id.strip("/").split("/")
    return ["/" + "/".join(parts[:length]) for length in range(1, len(parts))]


def service_ports(apps: Iterable[App]) -> Counter[int]:
    """How many apps' definitions use each service port."""
    return Counter(port for app in apps for port in app.service_ports if port)
