"""A Turn: one step in the making. Decisions write here; ``finish`` gives the Step.

Each change moves the State and the counts at once, so that the next decision of the same turn
sees it; the list of changes is what becomes durable.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from framework.core.deadlines import Due
from framework.core.index import values_of
from framework.core.policy import Context, Policy
from framework.core.world import World, old_key
from framework.domain.actions import Action
from framework.domain.app import App
from framework.domain.clock import iso, parse_iso
from framework.domain.health import ProbeAction
from framework.domain.instance import Instance, Tombstone
from framework.domain.mesos import Agent
from framework.domain.notices import Notice, Remarked
from framework.domain.replies import Reply
from framework.domain.state import VOLATILE, Change, Kind, Record, State
from framework.domain.volumes import ReservationState


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from the events, to be carried out in this order: changes durable, actions
    (calls to Mesos, and what to probe), changes and ``volatile`` ones published, replies, notices.
    ``wake_at_ms``: when to step again if nothing else happens."""

    changes: tuple[Change, ...]
    actions: tuple[Action, ...]
    probes: tuple[ProbeAction, ...]
    volatile: tuple[Change, ...]
    replies: tuple[tuple[int, Reply], ...]
    notices: tuple[Notice, ...]
    wake_at_ms: int | None


class Turn:
    """One step in the making."""

    __slots__ = (
        "_changes",
        "actions",
        "advancing",
        "context",
        "dirty",
        "notices",
        "probes",
        "replies",
        "resized",
        "revive",
        "touched",
        "world",
    )

    def __init__(self, world: World, context: Context) -> None:
        self.world = world
        self.context = context
        self.actions: list[Action] = []
        self.probes: list[ProbeAction] = []
        self.replies: list[tuple[int, Reply]] = []
        self.notices: list[Notice] = []
        self.dirty: dict[str, None] = {}  # apps to look at again in this turn
        self.resized: dict[str, None] = {}  # of those, the ones that need no second look
        self.advancing: dict[str, None] = {}  # deployments to look at, whatever their apps do
        self.touched: dict[str, None] = {}  # instances that changed in this turn
        self.revive: set[str] = set()  # roles whose declined offers may fit now
        self._changes: dict[tuple[Kind, str], Record | None] = {}

    @property
    def now_ms(self) -> int:
        return self.context.now_ms

    @property
    def policy(self) -> Policy:
        return self.context.policy

    def put(self, kind: Kind, key: str, record: Record | None) -> None:
        """Change one record, last one wins within the turn."""
        old = self.world.state.put(kind, key, record)
        if old is None and record is None:
            return
        self._changes[(kind, key)] = record
        if kind is Kind.APP:
            self._app_changed(old, record)

    def _app_changed(self, old: Record | None, new: Record | None) -> None:
        assert old is None or isinstance(old, App)
        assert new is None or isinstance(new, App)
        self.world.app_changed(old, new)
        self.look_at((new or old).id)  # type: ignore[union-attr]  # one of the two is there

    def look_at(self, app_id: str) -> None:
        """Size the app (again) in this turn."""
        self.dirty[app_id] = None
        self.resized.pop(app_id, None)

    def needs_offers(self, app_id: str) -> None:
        """The app wants offers that may have been declined before."""
        app = self.world.state.apps.get(app_id)
        if app is not None:
            self.revive.add(app.role)
            self.dirty[app_id] = None

    def _made_room(self, app_id: str) -> None:
        """An instance went: what a constraint refused another may fit now."""
        for key in (app_id, old_key(app_id)):
            if key in self.world.demand:
                self.revive.add(self.world.demand[key].app.role)

    def put_instance(self, new: Instance) -> None:
        """Store an instance as it is now."""
        old = self.world.state.instances.get(new.id)
        if new.waits:
            self._made_room(new.app_id)
        self.put(Kind.INSTANCE, new.id, new)
        self.world.instance_changed(old, new)
        if old is not None and old.agent_id != new.agent_id:
            self._agent_left(old.agent_id)
        self.dirty[new.app_id] = None
        self.touched[new.id] = None

    def remove_instance(self, instance: Instance, *, lost: str = "") -> None:
        """Forget an instance. ``lost`` says why its task's end was never proved: then a
        tombstone stays, and the task is killed should it return."""
        self.put(Kind.INSTANCE, instance.id, None)
        self.world.instance_changed(instance, None)
        self.forget_kill(instance.task_id)
        held = self.world.state.reservations.get(instance.id)
        if held is not None and held.state is ReservationState.LOST:
            self.put(Kind.RESERVATION, instance.id, None)  # of which nothing is left to keep
        if lost:
            self.bury(instance.task_id, lost)
        self._agent_left(instance.agent_id)
        self.dirty[instance.app_id] = None
        self.touched[instance.id] = None
        self._made_room(instance.app_id)

    def forget_kill(self, task_id: str) -> None:
        """The task is over, or given up: nobody waits for its kill, its drain or the edges any
        more."""
        self.world.kills_sent.pop(task_id, None)
        self.world.draining.pop(task_id, None)
        self.world.rotating.pop(task_id, None)

    def bury(self, task_id: str, why: str) -> None:
        """Leave a tombstone, dropping the oldest beyond the limit."""
        tombstones = self.world.state.tombstones
        while len(tombstones) >= self.policy.max_tombstones and task_id not in tombstones:
            self.put(Kind.TOMBSTONE, next(iter(tombstones)), None)
        self.put(Kind.TOMBSTONE, task_id, Tombstone(task_id, self.now_ms, why))

    def put_agent(self, agent: Agent) -> None:
        """Remember an agent that an instance is about to run on."""
        known = self.world.state.agents.get(agent.id)
        if known is not agent and known != agent:
            self.put_agents((agent,))

    def put_agents(self, agents: Iterable[Agent]) -> None:
        """The same for several: where instances are counted anew, once for all of them."""
        before, changed = self.world.state.agents, set()
        for agent in agents:
            known = before.get(agent.id)
            if known == agent:
                continue
            self.put(Kind.AGENT, agent.id, agent)
            if known is not None:
                if _seen_otherwise(known, agent):
                    changed.add(agent.id)
                if known.hostname != agent.hostname:
                    self.look_at_agent(agent.id)
        if changed:
            self.world.agents_changed(changed)

    def look_at_agent(self, agent_id: str) -> None:
        """Something is there that was not there before: if the agent is to be empty, have that
        seen to before this step is over."""
        world = self.world
        for name in (agent_id, self.host(agent_id)):
            if name in world.drains or name in world.maintenance:
                world.deadlines.set(self.now_ms, Due.DRAIN, name)

    def _agent_left(self, agent_id: str) -> None:
        if agent_id and agent_id not in self.world.agent_uses:
            self.put(Kind.AGENT, agent_id, None)

    def new_version(self) -> str:
        """A version later than any that is on record, even when the clock went back."""
        world = self.world
        if not world.last_version_ms:
            latest = _latest_version(world.state)
            world.last_version_ms = parse_iso(latest) if latest else 0
        world.last_version_ms = max(self.now_ms, world.last_version_ms + 1)
        return iso(world.last_version_ms)

    def host(self, agent_id: str) -> str:
        """The hostname of an agent that runs or ran an instance, else its id."""
        agent = self.world.state.agents.get(agent_id)
        return agent_id if agent is None else agent.hostname

    def remark(self, level: str, message: str) -> None:
        """Tell the operator."""
        self.notices.append(Remarked(level, message))

    def finish(self) -> Step:
        """Everything that was decided."""
        changes = [Change(kind, key, record) for (kind, key), record in self._changes.items()]
        return Step(
            changes=tuple(change for change in changes if change.kind not in VOLATILE),
            volatile=tuple(change for change in changes if change.kind in VOLATILE),
            actions=tuple(self.actions),
            probes=tuple(self.probes),
            replies=tuple(self.replies),
            notices=tuple(self.notices),
            wake_at_ms=self.world.deadlines.next_ms(),
        )


def _seen_otherwise(before: Agent, now: Agent) -> bool:
    """Whether instances there are to be counted elsewhere: by its zone and what constraints see."""
    return before.zone != now.zone or values_of(before) != values_of(now)


def _latest_version(state: State) -> str:
    """The newest version that anything stored still speaks of; versions compare as texts."""
    versions = {app.version for app in state.apps.values()}
    versions |= {instance.version for instance in state.instances.values()}
    versions |= {deployment.version for deployment in state.deployments.values()}
    versions |= {version for history in state.versions_of.values() for version in history}
    versions |= {change.version for change in state.tree_changes.values()}
    return max(versions, default="")
