"""Placing: which waiting app gets which of the turn's offers.

All waiting apps take turns, one instance each. An app prefers the agent with the fewest of its
own instances, then the zone with the fewest, then the tightest fit. Where GROUP_BY decides, the
group is picked first and then an offer of that group. Offers that can not fit a need are found
once for all apps with that need.
"""

import heapq
from collections import deque
from collections.abc import Iterable

from constraints import Operator
from framework.core import backoff, waiting
from framework.core.index import Slot
from framework.core.matching import (
    NOTHING_COUNTED,
    Remainder,
    Request,
    crowded_out,
    refusal,
    remainder_of,
    request_of,
    starting_too_many,
)
from framework.core.statuses import watch_launch
from framework.core.turn import Turn
from framework.domain.actions import Accept, Decline, Launch
from framework.domain.app import App
from framework.domain.ids import instance_id
from framework.domain.instance import Instance
from framework.domain.notices import InstanceChanged

_Key = tuple[int, int, int]
_Heap = list[tuple[_Key, int, Remainder]]
_Values = tuple[str | None, ...]
_Group = tuple[_Values, str | None]
_Found = tuple[_Key, int, Remainder]


def place(turn: Turn) -> None:
    """Use this turn's offers, and decline what is not used: no offer is held any longer."""
    world = turn.world
    if not world.offers:
        return
    pool = [remainder_of(turn, offer) for offer in world.offers.values()]
    world.offers.clear()
    fitting: dict[tuple[object, ...], list[Remainder]] = {}
    asking = []
    for key in ready_to_launch(turn):
        request = request_of(turn, world.demand[key].app)
        if request.need not in fitting:
            fitting[request.need] = [r for r in pool if refusal(turn, request, r) is None]
        asking.append(Chooser(turn, key, request, fitting[request.need]))
    _take_turns(turn, asking)
    _answer(turn, pool)
    for chooser in asking:
        waiting.looked_at(turn, chooser.key, chooser.request, pool)


def ready_to_launch(turn: Turn) -> list[str]:
    """Demands whose app is not in back-off, by key, the longest waiting first."""
    ready = [
        (demand.since_ms, key)
        for key, demand in turn.world.demand.items()
        if backoff.remaining_ms(turn, demand.app) == 0
    ]
    return [key for _, key in sorted(ready)]


def _take_turns(turn: Turn, choosers: Iterable["Chooser"]) -> None:
    queue = deque(choosers)
    while queue:
        chooser = queue.popleft()
        rest = chooser.choose()
        if rest is None:
            continue
        launch(turn, chooser.request, rest)
        demand = turn.world.demand[chooser.key]
        demand.wanted -= 1
        demand.last_used_at_ms = turn.now_ms
        if demand.wanted:
            queue.append(chooser)
        else:
            del turn.world.demand[chooser.key]


class Chooser:
    """Finds the best offer for the next instance of one app, in one turn. Within a turn offers
    only shrink and most constraints only get stricter, so what is refused once is dropped; only
    GROUP_BY can admit later what it refused before, hence a heap for each of its groups. And for
    each zone: a launch changes the place of one agent in its heap, and that of the whole zone."""

    def __init__(self, turn: Turn, key: str, request: Request, fitting: list[Remainder]) -> None:
        self.key = key
        self.request = request
        self._turn = turn
        self._index = turn.world.apps[request.app.id]
        self._groups = tuple(
            check for check in request.dynamic if check.constraint.operator is Operator.GROUP_BY
        )
        self._heaps: dict[_Group, _Heap] = {}
        for number, rest in enumerate(fitting):
            values = tuple([rest.values.get(check.field) for check in self._groups])
            group = (values, rest.offer.agent.zone)
            self._heaps.setdefault(group, []).append((self._key(rest), number, rest))
        for heap in self._heaps.values():
            heapq.heapify(heap)

    def choose(self) -> Remainder | None:
        """The best offer for one more instance; None if there is none in this turn."""
        best: tuple[tuple[int, ...], int, int, _Key, int] | None = None
        chosen: Remainder | None = None
        for group in list(self._heaps):
            values, zone = group
            if not self._admitted(values):
                continue
            top = self._top(group)
            if top is None:
                continue
            key, number, rest = top
            found = (self._sizes(values), key[0], self._index.on_zone[zone], key, number)
            if best is None or found < best:
                best, chosen = found, rest
        return chosen

    def _sizes(self, values: _Values) -> tuple[int, ...]:
        """How many instances are in these groups already: the smallest goes first."""
        counts = self._index.counts
        return tuple(
            counts.get(check.field, NOTHING_COUNTED).get(value)
            for check, value in zip(self._groups, values, strict=True)
        )

    def _admitted(self, values: _Values) -> bool:
        counts = self._index.counts
        return all(
            check.admits(value, counts.get(check.field, NOTHING_COUNTED))
            for check, value in zip(self._groups, values, strict=True)
        )

    def _top(self, group: _Group) -> _Found | None:
        """The best offer of a group, after dropping those that fit no more."""
        heap = self._heaps[group]
        on_agent = self._index.on_agent
        while heap:
            known, number, rest = heap[0]
            if self._refused(rest):
                heapq.heappop(heap)
            elif on_agent[rest.offer.agent.id] > known[0]:
                heapq.heapreplace(heap, (self._key(rest), number, rest))
            else:
                return heap[0]
        del self._heaps[group]
        return None

    def _refused(self, rest: Remainder) -> bool:
        turn = self._turn
        return (
            starting_too_many(turn, rest)
            or crowded_out(turn, self.request, rest) is not None
            or refusal(turn, self.request, rest) is not None
        )

    def _key(self, rest: Remainder) -> _Key:
        agent = rest.offer.agent
        roles = self.request.roles
        return (
            self._index.on_agent[agent.id],
            rest.left("cpus", roles),
            rest.left("mem", roles),
        )


def launch(turn: Turn, request: Request, rest: Remainder) -> None:
    """Start one instance on this offer: a waiting one again, else a new one."""
    app = request.app
    agent = rest.offer.agent
    resources, host_ports = rest.take(request, turn.context.chance)
    before = _next_waiting(turn, app)
    instance = Instance(
        id=before.id if before else instance_id(app.id, turn.context.new_id()),
        app_id=app.id,
        version=app.version,
        config=app.config,
        agent_id=agent.id,
        incarnation=before.incarnation + 1 if before else 1,
        since_ms=turn.now_ms,
        staged_at_ms=turn.now_ms,
        ports=host_ports,
        role=app.role,
        ready=False if app.readiness_checks and app.id in turn.world.deploying else None,
    )
    turn.put_agent(agent)
    turn.put_instance(instance)
    turn.notices.append(InstanceChanged(instance, agent.hostname))
    watch_launch(turn, instance)
    rest.launches.append(
        Launch(
            task_id=instance.task_id,
            instance_id=instance.id,
            app=app,
            agent=agent,
            role=rest.offer.role,
            host_ports=host_ports,
            effective_ports=effective_ports(turn, app, host_ports),
            resources=resources,
            enforce_role=turn.world.enforces_role(app.id),
        )
    )


def _next_waiting(turn: Turn, app: App) -> Instance | None:
    """One of this configuration if there is one; else one of another is made this."""
    index = turn.world.apps[app.id]
    instances = turn.world.state.instances
    ids = [*index.members[Slot.WAITING], *index.members[Slot.OLD_WAITING]]
    same = (instances[one] for one in ids if instances[one].config == app.config)
    return next(same, instances[ids[0]] if ids else None)


def effective_ports(turn: Turn, app: App, host_ports: tuple[int, ...]) -> tuple[int, ...]:
    """The port each declared port shows to the task: its host port; without one its container
    port; if that is 0, a random one (app-definition.md, section 6)."""
    if app.on_host_network:
        return host_ports
    rest = iter(host_ports)
    return tuple(
        next(rest)
        if mapping.host_port is not None
        else mapping.container_port or 1025 + turn.context.chance(65536 - 1025)
        for mapping in app.port_mappings
    )


def _answer(turn: Turn, pool: list[Remainder]) -> None:
    seconds = turn.policy.decline_offer_duration / 1000
    declined = []
    for rest in pool:
        if rest.launches:
            turn.actions.append(Accept((rest.offer.id,), tuple(rest.launches), seconds))
        else:
            declined.append(rest.offer.id)
    if declined:
        turn.actions.append(Decline(tuple(declined), seconds))
