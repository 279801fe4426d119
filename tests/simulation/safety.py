"""What must hold after every step, faults or not.

Each rule is checked from the records and from what the simulated world saw, never from the
core's own counts. A broken rule raises Violation, which ends the run.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from copy import copy

from framework.core.consistency import check_state
from framework.core.policy import Policy
from framework.core.turn import Step
from framework.core.world import World
from framework.domain.actions import (
    Accept,
    Acknowledge,
    Action,
    Decline,
    Kill,
    Launch,
    Reconcile,
    Revive,
    Suppress,
)
from framework.domain.draining import Drain
from framework.domain.events import (
    Asked,
    Disconnected,
    Event,
    FrameworkRefused,
    OfferRescinded,
    OffersReceived,
    Subscribed,
    TaskStatusReceived,
)
from framework.domain.freezing import EVERYTHING
from framework.domain.ids import parse_task_id
from framework.domain.instance import Instance
from framework.domain.mesos import TaskStatus
from framework.domain.state import Kind, State
from tests.simulation import capacity, drains, placements, rollouts
from tests.simulation.edging import Drained
from tests.simulation.freezing import HeldBack
from tests.simulation.kills import JustifiedKills
from tests.simulation.machines import ENDED
from tests.simulation.oracle import WAITS, starting
from tests.simulation.sharing import Divided
from tests.simulation.stage import Violation
from tests.simulation.storming import InTurn

_CALLS_A_SECOND = 100


class Safety:
    """Watches every step of every life of the scheduler in one run."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.launched: dict[str, Launch] = {}
        self.kills = JustifiedKills(policy, self.launched)
        self.held_back = HeldBack()
        self.in_turn = InTurn(policy)
        self.drained = Drained(policy)
        self.divided = Divided()
        self.buried_too_many = False
        self.listed_too_many = False
        self.steps = 0
        self._shadow = State()
        self._before: dict[str, Instance] = {}
        self._drains: list[Drain] = []
        self._statuses: dict[str, TaskStatus] = {}
        self._called_ms: deque[int] = deque(maxlen=_CALLS_A_SECOND)
        self._sent: set[str] = set()
        self._at_hand: set[str] = set()  # ids of offers
        self.used_at_hand = 0

    def loaded(self, world: World) -> None:
        """A new life begins with this state."""
        self._shadow = State()
        self._shadow.apply(world.state.changes())
        self._called_ms.clear()  # by another clock
        self._at_hand.clear()
        self.in_turn.loaded()
        self.drained.loaded(world.state)

    def before(self, world: World, events: Sequence[Event], now_ms: int) -> None:
        """A step is about to be taken."""
        self._before = dict(world.state.instances)
        self._drains = list(world.state.drains.values())
        self.kills.before(world.state, events, now_ms)
        self.held_back.before(world.state, events)
        self.in_turn.before(world.state, events)
        self.drained.before(world.state, events, now_ms)
        self.divided.before(world.state)
        for event in events:
            if isinstance(event, TaskStatusReceived) and event.status.uuid:
                self._statuses[event.status.uuid] = event.status

    def after(self, world: World, events: Sequence[Event], decided: Step, now_ms: int) -> None:
        """A step was taken."""
        self.steps += 1
        self._same_state(world, decided)
        if decided.changes or self.steps % 10 == 0:
            same_counts(world)
        if decided.changes or decided.volatile or self.steps == 1:  # else it is as it was
            _consistent(world.state)
        self._offers_answered(world, events, decided.actions)
        _updates_acknowledged(events, decided.actions)
        rollouts.check_done(world.state, decided.notices)
        self._not_busy(decided.actions, now_ms)
        self._limits(world.state)
        self.kills.check(world.state, decided, now_ms)
        self.held_back.check(world.state, decided)
        self.in_turn.check(self._before, world.state, now_ms)
        self.drained.check(world.state, decided, now_ms)
        self.divided.check(world.state, self._before)
        launches = [
            launch
            for action in decided.actions
            if isinstance(action, Accept)
            for launch in action.launches
        ]
        if launches:
            placements.check(world, decided, launches, now_ms, self.policy)
            rollouts.check(world.state, self._before, launches)
            for launch in launches:
                if launch.task_id in self._sent:
                    raise Violation(f"task id {launch.task_id} is used again")
                self.launched[launch.task_id] = launch
        asked = {
            instance_id
            for event in events
            if isinstance(event, Asked)
            for instance_id in getattr(event.command, "instance_ids", ())
        }
        capacity.check(world.state, self._before, self._drains, launches, asked)
        if decided.wake_at_ms is None or decided.wake_at_ms > now_ms:  # else the next step does it
            drains.check(world.state, launches, now_ms)

    def _offers_answered(
        self, world: World, events: Sequence[Event], actions: Sequence[Action]
    ) -> None:
        """No offer is held beyond one step, but for those at hand."""
        if world.offers:
            raise Violation(f"offers are held: {list(world.offers)}")
        open_offers = {*self._at_hand}
        for event in events:
            if isinstance(event, OffersReceived):
                open_offers |= {offer.id for offer in event.offers}
            elif isinstance(event, OfferRescinded):
                open_offers.discard(event.offer_id)
            elif isinstance(event, Disconnected | FrameworkRefused | Subscribed):
                open_offers.clear()
        answered: list[str] = []
        for action in actions:
            if isinstance(action, Accept | Decline):
                answered += action.offer_ids
        if open_offers - {*answered} != world.hand.keys():
            raise Violation(f"offers without an answer: {sorted(open_offers - {*answered})}")
        if len(answered) != len({*answered}):
            raise Violation(f"offers answered twice: {answered}")
        used = {one for action in actions if isinstance(action, Accept) for one in action.offer_ids}
        self.used_at_hand += len(used & self._at_hand)
        self._at_hand = {*world.hand}
        _at_hand(world, self.policy)

    def _not_busy(self, actions: Sequence[Action], now_ms: int) -> None:
        """Mesos answers a call with an event, which must not be a reason for the same call."""
        for _ in (one for one in actions if isinstance(one, Kill | Reconcile | Revive | Suppress)):
            self._called_ms.append(now_ms)
        full = len(self._called_ms) == _CALLS_A_SECOND
        if full and 0 <= now_ms - self._called_ms[0] < 1_000:
            raise Violation(f"more than {_CALLS_A_SECOND} calls in a second")

    def performing(self, calls: Iterable[Action], durable: State) -> None:
        """These calls are about to leave: what they rest on must be durable."""
        for call in calls:
            if isinstance(call, Accept):
                for launch in call.launches:
                    stored = durable.instances.get(launch.instance_id)
                    if stored is None or stored.task_id != launch.task_id:
                        raise Violation(f"{launch.task_id} is launched and not stored")
                    self._sent.add(launch.task_id)
            elif isinstance(call, Acknowledge):
                self._stored_before_acknowledged(call, durable)

    def _stored_before_acknowledged(self, call: Acknowledge, durable: State) -> None:
        status = self._statuses[call.uuid]
        parsed = parse_task_id(call.task_id)
        stored = None if parsed is None else durable.instances.get(parsed[0])
        if stored is None or stored.task_id != call.task_id:
            return
        over = status.state in ENDED and stored.condition not in WAITS
        begun = status.state == "TASK_RUNNING" and starting(stored)
        if over or begun:
            raise Violation(f"{status.state} of {call.task_id} is acknowledged and not stored")

    def _same_state(self, world: World, decided: Step) -> None:
        shadow, state = self._shadow, world.state
        shadow.apply(decided.changes)
        shadow.apply(decided.volatile)
        for kind in Kind:
            if shadow.tables[kind] != state.tables[kind]:
                raise Violation(f"the changes do not rebuild the writer's table {kind}")
        if shadow.instances_of != state.instances_of or shadow.versions_of != state.versions_of:
            raise Violation("the changes do not rebuild the writer's indexes")

    def _limits(self, state: State) -> None:
        if len(state.tombstones) > self.policy.max_tombstones:
            raise Violation("too many tombstones")
        if len(state.orphans) > self.policy.max_orphans:
            raise Violation("too many orphans")
        self.listed_too_many |= len(state.orphans) == self.policy.max_orphans
        self.buried_too_many |= len(state.tombstones) == self.policy.max_tombstones
        if not self.buried_too_many:
            for task_id in state.orphans:
                if task_id in self.launched:
                    raise Violation(f"{task_id} was launched by us and is listed as an orphan")


def same_counts(world: World) -> None:
    """What is counted along the way is what counting from scratch gives."""
    fresh = copy(world)  # shares the compiled constraints; `rebuild` makes every count anew
    fresh.rebuild()
    for name in ("staging_on", "agent_uses", "ports", "deploying", "plans", "held", "replaced"):
        if getattr(fresh, name) != getattr(world, name):
            raise Violation(f"{name}: {getattr(world, name)} kept, {getattr(fresh, name)} is right")
    if fresh.paths._below != world.paths._below or fresh.apps.keys() != world.apps.keys():
        raise Violation("paths or apps are miscounted")
    for app_id, right in fresh.apps.items():
        kept = world.apps[app_id]
        if kept.app != right.app or kept.members != right.members or kept.counts != right.counts:
            raise Violation(f"{app_id}: {kept.members} kept, {right.members} is right")
        if kept.old_counts != right.old_counts:
            raise Violation(f"{app_id}: {kept.old_counts} kept, {right.old_counts} is right")
        if kept.on_agent != right.on_agent or kept.on_zone != right.on_zone:
            raise Violation(f"{app_id}: {kept.on_agent} kept, {right.on_agent} is right")


def _consistent(state: State) -> None:
    """What `stayer state check` would find wrong in this state."""
    for finding in check_state(state):
        if finding.wrong:
            raise Violation(f"{finding.kind} {finding.id}: {finding.what}")


def _at_hand(world: World, policy: Policy) -> None:
    """What is kept open is little, one offer an agent, and of use; nothing while one of ours waits
    that may be launched."""
    offers = [rest.offer for rest in world.hand.values()]
    of_role = Counter(offer.role for offer in offers)
    if any(count > policy.offers_at_hand for count in of_role.values()):
        raise Violation(f"too many offers at hand: {of_role}")
    if len({(offer.role, offer.agent.id) for offer in offers}) < len(offers):
        raise Violation("several offers of one agent are at hand")
    if of_role.keys() - {app.role for app in world.state.apps.values()}:
        raise Violation(f"offers at hand of roles without apps: {of_role}")
    leaving = {*world.state.drains, *world.state.maintenance}
    for offer in offers:
        if {offer.agent.id, offer.agent.hostname} & leaving:
            raise Violation(f"an offer of {offer.agent.id} is at hand, which is to be empty")
        if any(one.owner or one.volume_id or one.name == "gpus" for one in offer.resources):
            raise Violation(f"an offer with what is reserved is at hand: {offer}")
    if offers and EVERYTHING in world.state.freezes:
        raise Violation("offers are at hand and nothing may be launched")
    held_back = {*world.state.delays, *world.state.freezes}
    for key, demand in world.demand.items():
        if offers and demand.wanted and not {key, demand.app.id} & held_back:
            raise Violation(f"{key} waits and offers are at hand")


def _updates_acknowledged(events: Sequence[Event], actions: Sequence[Action]) -> None:
    received = [e.status.uuid for e in events if isinstance(e, TaskStatusReceived)]
    acknowledged = [a.uuid for a in actions if isinstance(a, Acknowledge)]
    if [uuid for uuid in received if uuid] != acknowledged:
        raise Violation("updates received and updates acknowledged differ")
