"""Does this offer fit this app, and if not, why not.

A Request is what an app asks of any offer, made once per definition; a Remainder is what is
left of one offer while a turn places instances on it. ``refusal`` compares the two: the one
truth for placing and for explaining. Reasons are Marathon's, in its funnel order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from constraints import Counts, DynamicCheck, StaticCheck
from framework.core import moving
from framework.core.disks import DiskNeed, FreeDisks, disk_needs
from framework.core.ports import FreePorts, Taken, as_ranges
from framework.core.reservations import scalars_of, to_reserve
from framework.core.turn import Turn
from framework.domain.actions import Launch, Operation, TaskResource
from framework.domain.app import App
from framework.domain.disks import DiskType
from framework.domain.mesos import Offer, OfferResource

# For launches of an old configuration that constrains a field the present one does not.
NOTHING_COUNTED = Counts()
_GPU_LABEL = "GPU_SCHEDULING_BEHAVIOR"


class Reason(StrEnum):
    """Why an offer was not used, in the order of the checks."""

    ROLE = "UnfulfilledRole"
    CONSTRAINT = "UnfulfilledConstraint"
    RESERVATION = "NoCorrespondingReservationFound"
    MAINTENANCE = "AgentMaintenance"
    CPUS = "InsufficientCpus"
    MEMORY = "InsufficientMemory"
    DISK = "InsufficientDisk"
    GPUS = "InsufficientGpus"
    PORTS = "InsufficientPorts"
    SCARCE = "DeclinedScarceResources"


SCALAR_REASONS = {
    "cpus": Reason.CPUS,
    "mem": Reason.MEMORY,
    "disk": Reason.DISK,
    "gpus": Reason.GPUS,
}


@dataclass(frozen=True, slots=True)
class Request:
    """What an app asks of an offer. Apps with an equal ``need`` fit the same offers, but for
    their dynamic constraints."""

    app: App
    role: str
    roles: frozenset[str]
    scalars: tuple[tuple[str, int], ...]
    ports: tuple[int, ...]
    disks: tuple[DiskNeed, ...]
    static: tuple[StaticCheck, ...]
    dynamic: tuple[DynamicCheck, ...]
    any_region: bool
    avoids_gpus: bool
    need: tuple[object, ...]


def request_of(turn: Turn, app: App) -> Request:
    """What this app asks."""
    compiled = turn.world.compiled(app)
    scalars = _needs(app)
    behavior = app.labels.get(_GPU_LABEL, turn.policy.gpu_scheduling_behavior)
    avoids_gpus = not app.gpus and behavior != "unrestricted"
    roles = frozenset(app.accepted_resource_roles)
    ports = app.requested_host_ports
    static_keys = tuple(check.key for check in compiled.static)
    any_region = compiled.uses_fault_domain
    disks = disk_needs(turn.world, app)
    need = (app.role, roles, scalars, ports, disks, static_keys, any_region, avoids_gpus)
    return Request(
        app,
        app.role,
        roles,
        scalars,
        ports,
        disks,
        compiled.static,
        compiled.dynamic,
        any_region,
        avoids_gpus,
        need,
    )


def _needs(app: App) -> tuple[tuple[str, int], ...]:
    """What an instance takes of plain resources: of the agent's disk volumes are made, too."""
    roots = (one for one in app.persistent_volumes if one.type is DiskType.ROOT)
    volumes = sum(one.size_mib for one in roots) * 1000
    if not volumes:
        return scalars_of(app)
    needs = dict(scalars_of(app))
    needs["disk"] = needs.get("disk", 0) + volumes
    return tuple(needs.items())


_Left = tuple[tuple[OfferResource, int], ...]  # entries of one name, and what is left of each


@dataclass(slots=True, eq=False)
class Remainder:
    """What is left of an offer in this turn, and what was asked of it. ``owned`` are the entries
    that are reserved for an instance, by (framework id, instance id). ``closed``: nothing more is
    launched there in this turn, whatever it is. ``held_since_ms``: since when it is at hand.
    There is one for each offer, and most are looked at only from outside: so it is made of little,
    and ports and disks when they are asked for."""

    offer: Offer
    values: dict[str, str]
    scalars: dict[str, _Left]
    has_gpus: bool
    owned: dict[tuple[str, str], list[OfferResource]]
    closed: bool = False
    held_since_ms: int = 0
    operations: tuple[Operation, ...] = ()
    launches: tuple[Launch, ...] = ()
    _ports: FreePorts | None = None
    _disks: FreeDisks | None = None

    @property
    def ports(self) -> FreePorts:
        """The ports that are left."""
        if self._ports is None:
            self._ports = FreePorts(self.offer.resources)
        return self._ports

    @property
    def disks(self) -> FreeDisks:
        """What is left of PATH and MOUNT disks."""
        if self._disks is None:
            self._disks = FreeDisks(self.offer.resources)
        return self._disks

    @property
    def used(self) -> bool:
        """Whether anything is asked of it."""
        return bool(self.launches or self.operations)

    def left(self, name: str, roles: frozenset[str]) -> int:
        """Free thousandths of a scalar in entries of these roles."""
        entries = self.scalars.get(name, ())
        if len(entries) == 1:  # nearly always; and this is what placing does most
            entry, left = entries[0]
            return left if entry.role in roles else 0
        return sum(left for entry, left in entries if entry.role in roles)

    def take(
        self, request: Request, chance: Callable[[int], int]
    ) -> tuple[tuple[TaskResource, ...], tuple[int, ...]]:
        """Use up what one instance needs; it must fit. Returns the resources and host ports."""
        parts: list[TaskResource] = []
        for name, millis in request.scalars:
            entries = self.scalars[name]
            entry, left = entries[0]
            if left >= millis and entry.role in request.roles:  # nearly always
                self.scalars[name] = ((entry, left - millis), *entries[1:])
                parts.append(TaskResource(entry, millis))
            else:
                parts += self._take_scalar(name, millis, request.roles)
        chosen = self.ports.choose(request.ports, request.roles, chance)
        assert chosen is not None, "the ports were there when the offer was chosen"
        self.ports.take(chosen)
        parts += _port_resources(chosen)
        return tuple(parts), tuple([port for _, port in chosen])

    def _take_scalar(self, name: str, millis: int, roles: frozenset[str]) -> list[TaskResource]:
        parts = []
        entries = []
        for entry, left in self.scalars[name]:
            part = min(left, millis) if entry.role in roles else 0
            if part:
                parts.append(TaskResource(entry, millis=part))
            entries.append((entry, left - part))
            millis -= part
        self.scalars[name] = tuple(entries)
        assert millis == 0, f"{name} was there when the offer was chosen"
        return parts


def _port_resources(chosen: list[Taken]) -> list[TaskResource]:
    if len(chosen) == 1:
        entry, port = chosen[0]
        return [TaskResource(entry, ranges=((port, port),))]
    by_entry: dict[int, tuple[OfferResource, list[int]]] = {}
    for entry, port in chosen:
        by_entry.setdefault(id(entry), (entry, []))[1].append(port)
    return [TaskResource(entry, ranges=as_ranges(ports)) for entry, ports in by_entry.values()]


def remainder_of(turn: Turn, offer: Offer) -> Remainder:
    """An untouched offer. Only plain entries count: never volumes, never what others reserved."""
    scalars: dict[str, _Left] = {}
    owned: dict[tuple[str, str], list[OfferResource]] = {}
    has_gpus = False
    for entry in offer.resources:
        name, millis = entry.name, entry.millis
        if entry.owner is not None:
            owned.setdefault(entry.owner, []).append(entry)
        if millis > 0:
            has_gpus = has_gpus or name == "gpus"
            if entry.plain:
                scalars[name] = (*scalars.get(name, ()), (entry, millis))
    return Remainder(offer, turn.world.values(offer.agent), scalars, has_gpus, owned)


def refusal(turn: Turn, request: Request, rest: Remainder) -> Reason | None:
    """Why the offer does not fit, dynamic constraints aside; None if it fits."""
    offer = rest.offer
    if offer.role != request.role:
        return Reason.ROLE
    region = offer.agent.region
    if region is not None and not request.any_region and region != turn.world.home_region:
        return Reason.CONSTRAINT  # it stays in the master's own region
    for check in request.static:
        if not check.admits(rest.values):
            return Reason.CONSTRAINT
    if in_maintenance(turn, offer) or moving.leaving(turn, offer.agent):
        return Reason.MAINTENANCE
    reason = lacking(request, rest)
    if reason is None and request.avoids_gpus and rest.has_gpus:
        return Reason.SCARCE
    return reason


def lacking(request: Request, rest: Remainder) -> Reason | None:
    """What there is too little of: the part of ``refusal`` that a launch can change."""
    scalars, roles = rest.scalars, request.roles
    for name, millis in request.scalars:
        entries = scalars.get(name, ())
        if len(entries) == 1 and entries[0][1] >= millis and entries[0][0].role in roles:
            continue  # nearly always
        if rest.left(name, roles) < millis:
            return SCALAR_REASONS[name]
    if request.disks and rest.disks.choose(request.disks) is None:
        return Reason.DISK
    if request.ports and not rest.ports.can_choose(request.ports, roles):
        return Reason.PORTS
    return None


def in_maintenance(turn: Turn, offer: Offer) -> bool:
    """Whether now is inside the agent's announced unavailability, or too close before it."""
    start_ms = offer.unavailable_from_ms
    if start_ms is None:
        return False
    end_ms = None if offer.unavailable_for_ms is None else start_ms + offer.unavailable_for_ms
    begun = turn.now_ms >= start_ms - turn.policy.draining_seconds * 1000
    return begun and (end_ms is None or turn.now_ms < end_ms)


def crowded_out(turn: Turn, request: Request, rest: Remainder) -> DynamicCheck | None:
    """The dynamic constraint that refuses this agent at the moment, if one does."""
    if not request.dynamic:
        return None
    counts = turn.world.apps[request.app.id].counts_for(request.app)
    return crowding(request, rest, counts)


def crowding(
    request: Request, rest: Remainder, counts: Mapping[str, Counts]
) -> DynamicCheck | None:
    """The dynamic constraint that refuses this agent with these counts, by field."""
    for check in request.dynamic:
        count = counts.get(check.field, NOTHING_COUNTED)
        if not check.admits(rest.values.get(check.field), count):
            return check
    return None


def starting_too_many(turn: Turn, rest: Remainder) -> bool:
    """Whether as many tasks as allowed are starting on the agent already."""
    return turn.world.staging_on[rest.offer.agent.id] >= turn.policy.max_launches_per_agent


def explain(turn: Turn, request: Request, rest: Remainder) -> tuple[Reason | None, str]:
    """The first reason against an offer, and a sentence for people; (None, "") if it fits."""
    if request.app.persistent_volumes and not to_reserve(turn, request.app):
        return Reason.RESERVATION, _OTHER_SENTENCES[Reason.RESERVATION]
    reason = refusal(turn, request, rest)
    if reason is None or reason is Reason.CONSTRAINT:
        crowding = crowded_out(turn, request, rest) if reason is None else None
        if crowding is not None:
            counts = turn.world.apps[request.app.id].counts_for(request.app)
            count = counts.get(crowding.field, NOTHING_COUNTED)
            value = rest.values.get(crowding.field)
            return Reason.CONSTRAINT, crowding.explain(value, count)
    if reason is None:
        if starting_too_many(turn, rest):
            most = turn.policy.max_launches_per_agent
            return None, f"{most} tasks are starting on the agent already (max_launches_per_agent)"
        return None, ""
    return reason, sentence_of(request, rest, reason)


def sentence_of(request: Request, rest: Remainder, reason: Reason) -> str:
    """A reason of ``refusal`` for people."""
    if reason is Reason.CONSTRAINT:
        for check in request.static:
            if not check.admits(rest.values):
                return check.explain(rest.values)
        return (
            f"region {rest.offer.agent.region} is not the master's own; "
            "a constraint on @region or @zone would allow it"
        )
    for name, millis in request.scalars:
        left = rest.left(name, request.roles)
        if SCALAR_REASONS[name] is reason and left < millis:
            return f"needs {millis / 1000:g} {name}, {left / 1000:g} offered"
    return _OTHER_SENTENCES[reason].format(
        role=request.role,
        offered=rest.offer.role,
        ports=_ports_text(request),
        disks=_disks_text(request, rest),
    )


_OTHER_SENTENCES = {
    Reason.ROLE: "offered to role {offered}, the app has role {role}",
    Reason.MAINTENANCE: "the agent is drained, or in or close to its maintenance window",
    Reason.DISK: "needs {disks}, not free in the offer",
    Reason.PORTS: "needs {ports}, not free in the offer",
    Reason.SCARCE: "the agent has GPUs and the app asks for none",
    Reason.RESERVATION: "no reservation of this app, which waits for its volumes",
}


def _ports_text(request: Request) -> str:
    fixed = ", ".join(str(port) for port in request.ports if port)
    dynamic = request.ports.count(0)
    parts = [f"host ports {fixed}"] if fixed else []
    return " and ".join([*parts, f"{dynamic} dynamic ports"] if dynamic else parts)


def _disks_text(request: Request, rest: Remainder) -> str:
    missing = rest.disks.suits_none(request.disks) or request.disks
    return " and ".join(map(str, missing))
