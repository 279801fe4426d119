"""The World: the State, and what the core keeps beside it that is never stored.

Everything here but the State can be rebuilt from it, or is known again soon after a new
subscription: counts, deadlines, what Mesos was asked. ``rebuild`` does so at start.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from constraints import Compiled, Constraint, Problem, compile_constraints, parse
from constraints import CompilePattern as CompilePattern
from framework.core.deadlines import Deadlines
from framework.core.failing import Failing
from framework.core.index import (
    AppIndex,
    Known,
    Paths,
    decrease,
    is_old,
    service_ports,
    values_of,
)
from framework.core.seen import Seen
from framework.domain.app import App
from framework.domain.draining import InverseOffer
from framework.domain.events import Event
from framework.domain.health import ProbeTarget
from framework.domain.ids import parse_task_id, top_level_group
from framework.domain.instance import STAGED, Instance
from framework.domain.mesos import Agent, Offer
from framework.domain.rollout import Deployment, Plan, UnusedOffer
from framework.domain.state import State

if TYPE_CHECKING:  # it is made of this world
    from framework.core.matching import Remainder

Subject = Event | tuple[str, str] | None
"""What is being handled: an event, or (what, id) of anything else; see ``crashes``."""

_COMPILED_KEPT = 10_000
_NOTHING = compile_constraints((), lambda pattern: pattern.__eq__)


class KillSent(NamedTuple):
    """When Mesos was last asked to end a task, and how often it was asked; ``agent_id``: of one
    that was given up and came back, which no record tells."""

    at_ms: int
    attempts: int
    agent_id: str = ""


@dataclass(slots=True)
class Demand:
    """Launches wanted at the moment of one definition, and what was said about them (see
    LaunchStats). ``stored_at_ms``: when its Wait was written last (0: not yet);
    ``explained_at_ms``: when it was last said what offers lacked (0: not yet)."""

    app: App
    wanted: int = 0
    since_ms: int = 0
    processed: int = 0
    unused: int = 0
    last_used_at_ms: int | None = None
    last_unused_at_ms: int | None = None
    stored_at_ms: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    last_offers: dict[str, UnusedOffer] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()
    explained_at_ms: int = 0

    @property
    def served_ms(self) -> int:
        """When it last got anything, or began to wait for the first."""
        return max(self.since_ms, self.last_used_at_ms or 0)


@dataclass(slots=True)
class Asking:
    """What we asked of Mesos for one role: whether offers are suppressed, when we revived. For the
    offers at hand: from when on we may ask for more, how long the pause after that is, and until
    when offers are on their way."""

    suppressed: bool = False
    revived_at_ms: int = -(10**12)
    interval_ms: int = 1_000
    refill_at_ms: int = 0
    refill_ms: int = 10_000
    filling_until_ms: int = 0


@dataclass(slots=True)
class CurrentStep:
    """What stays the same of a deployment's step while it lasts: its number, the apps that ask
    for canaries, the longest deadline. ``place`` is the action that was seen undone last."""

    number: int
    canaries: tuple[str, ...]
    deadline_seconds: int
    place: int = 0


@dataclass(slots=True)
class Reconciliation:
    """Tasks that have not answered yet (task id -> agent id), and the pause before asking
    again. ``silent``: how many they were when many had answered or were asked last, and when."""

    pending: dict[str, str] = field(default_factory=dict)
    pause_ms: int = 1_000
    running: bool = False
    silent: int = 0
    silent_since_ms: int = 0


@dataclass(slots=True)
class Losses:
    """Instances lost lately, as (moment, how many, how many instances there were), and how many
    of them the storm's record does not know yet; lost ones that wait for their turn to be
    replaced, in order; and when the next turn is (in ms)."""

    recent: deque[tuple[int, int, int]] = field(default_factory=deque)
    unsaid: int = 0
    waiting: dict[str, None] = field(default_factory=dict)
    next_ms: float = 0


def old_key(app_id: str) -> str:
    """The key of what concerns launches of the configuration an app is leaving."""
    return f"{app_id}@"


def _counts_alike(old: Instance, new: Instance) -> bool:
    """Whether both are the same to their agents."""
    staged = old.condition in STAGED
    return old.agent_id == new.agent_id and staged is (new.condition in STAGED)


class World:
    """State and session of the single writer."""

    def __init__(self, state: State, compile_pattern: CompilePattern) -> None:
        self.state = state
        self.compile_pattern = compile_pattern
        self.deadlines = Deadlines()
        self.offers: dict[str, Offer] = {}
        self.remainders: dict[str, Remainder] = {}  # of offers that the last step did not use
        self.hand: dict[str, Remainder] = {}  # of offers that are kept while nothing waits
        self.held_since_ms = 0  # since when offers wait for what came before them (0: none does)
        self.cut_short = False  # whether the last step that placed left more to launch
        self.explained = (0, 0)  # (second, how many waits were explained in it)
        self.watched: dict[str, dict[str, ProbeTarget]] = {}  # instance id -> key -> target
        self.demand: dict[str, Demand] = {}
        self.asking: dict[str, Asking] = {}
        self.seen = Seen()
        self.reconciliation = Reconciliation()
        self.losses = Losses()
        self.subscribed = False
        self.tearing_down = False
        self.home_region: str | None = None
        self.kills_sent: dict[str, KillSent] = {}  # by task id
        self.draining: dict[str, set[str]] = {}  # by task id, the edges that are done with it
        self.rotating: dict[str, set[str]] = {}  # by task id, edges that use it
        self.last_version_ms = 0
        self.failing = Failing()
        self.inverse_offers: dict[str, InverseOffer] = {}
        self.declined: set[str] = set()  # agents whose inverse offer was refused once
        self.drains, self.maintenance = state.drains, state.maintenance
        self.subject: Subject = None
        self.crashes, self.freezes = state.crashes, state.freezes  # asked for all the time
        self._compiled: dict[tuple[tuple[str, ...], ...], Compiled] = {}
        self._values: dict[str, tuple[Agent, dict[str, str]]] = {}
        self.rebuild()

    def rebuild(self) -> None:
        """Count everything anew from the State."""
        state = self.state
        self.apps: dict[str, AppIndex] = {}
        self.paths = Paths()
        self.ports = service_ports(state.apps.values())
        self.no_port_below = 0  # service ports from the range's begin up to here are in use
        self.staging_on: Counter[str] = Counter()
        self.agent_uses: Counter[str] = Counter()
        self.deploying: dict[str, str] = {}
        self.held: dict[str, App | None] = {}  # definitions in force until their step begins
        self.replaced: dict[str, App] = {}  # definitions whose instances a deployment replaces
        self.plans: dict[str, Plan] = {}
        self.current_steps: dict[str, CurrentStep] = {}
        self._role_uses = Counter(app.role for app in state.apps.values())
        for deployment in state.deployments.values():
            self.hold(deployment, state.plan(deployment))
        for app in state.apps.values():
            self.paths.add(app.id)
            self.index_app(app.id)
        for app_id in state.instances_of:
            if app_id not in self.apps:
                self.index_app(app_id)
        for instance in state.instances.values():
            self._count_agent(instance, 1)

    def hold(self, deployment: Deployment, plan: Plan) -> None:
        """Remember a deployment: which apps are its, and what holds for those whose step has not
        begun."""
        self.plans[deployment.id] = plan
        self.deploying.update(dict.fromkeys(plan.affected, deployment.id))
        for app_id, version in plan.replaces.items():
            definition = self.state.versions_of.get(app_id, {}).get(version)
            if definition is not None:
                self.replaced[app_id] = definition
        begun = {action.app_id for step in plan.steps[: deployment.current_step] for action in step}
        later = {action.app_id for step in plan.steps[deployment.current_step :] for action in step}
        for app_id in later:
            before = plan.before[app_id]
            # A new app's Start only announces it; an app that is there waits as it was.
            if app_id not in begun or not before:
                self.held[app_id] = self.state.versions_of.get(app_id, {}).get(before)

    def release(self, deployment_id: str) -> None:
        """Forget a deployment: what is stored holds for all its apps."""
        self.current_steps.pop(deployment_id, None)
        for app_id in self.plans.pop(deployment_id).affected:
            if self.deploying.get(app_id) == deployment_id:
                del self.deploying[app_id]
                self.replaced.pop(app_id, None)
                if self.held.pop(app_id, self) is not self:
                    self.index_app(app_id)

    def effective(self, app_id: str) -> App | None:
        """The definition in force: the stored one, or the one before while a deployment has not
        come to the app."""
        if app_id in self.held:
            return self.held[app_id]
        return self.state.apps.get(app_id)

    def definition_of(self, instance: Instance) -> App | None:
        """The definition an instance's task was launched with, if it is still known."""
        versions = self.state.versions_of.get(instance.app_id)
        known = None if versions is None else versions.get(instance.version)
        return known or self.effective(instance.app_id)

    def instance_of(self, task_id: str) -> Instance | None:
        """The instance whose present task this is."""
        parsed = parse_task_id(task_id)
        instance = None if parsed is None else self.state.instances.get(parsed[0])
        return instance if instance is not None and instance.task_id == task_id else None

    def index_app(self, app_id: str) -> AppIndex:
        """Count the app's instances from scratch: after a change of its configuration."""
        app = self.effective(app_id)
        index = AppIndex(app, None if app is None else self.compiled(app))
        for instance in self.state.instances_of.get(app_id, {}).values():
            self._update_index(index, instance.id, instance)
        self.apps[app_id] = index
        return index

    def app_changed(self, old: App | None, new: App | None) -> None:
        """Keep the counts in step with a changed definition."""
        app = new or old
        assert app is not None
        if old is None:
            self.paths.add(app.id)
        elif new is None:
            self.paths.remove(app.id)
        if old is not None:
            decrease(self._role_uses, old.role)
            for port in filter(None, old.service_ports):
                decrease(self.ports, port)
                self.no_port_below = min(self.no_port_below, port)
        if new is not None:
            self._role_uses[new.role] += 1
            self.ports.update(filter(None, new.service_ports))
        self.index_app(app.id)
        self.forget_if_gone(app.id)

    def instance_changed(self, old: Instance | None, new: Instance | None) -> None:
        """Keep the counts in step with a changed instance."""
        instance = new or old
        assert instance is not None
        if old is None or new is None or not _counts_alike(old, new):
            if old is not None:
                self._count_agent(old, -1)
            if new is not None:
                self._count_agent(new, 1)
        index = self.apps.get(instance.app_id) or self.index_app(instance.app_id)
        self._update_index(index, instance.id, new)
        if new is None:
            self.forget_if_gone(instance.app_id)

    def agents_changed(self, agent_ids: set[str]) -> None:
        """Count the agents' instances where those are now: they came back described otherwise."""
        for instance in self.state.instances.values():
            if instance.agent_id in agent_ids:
                self._update_index(self.apps[instance.app_id], instance.id, instance)

    def forget_if_gone(self, app_id: str) -> None:
        """Drop the counts of an app that has neither definition nor instances."""
        if app_id not in self.state.apps and app_id not in self.state.instances_of:
            self.apps.pop(app_id, None)

    def _update_index(self, index: AppIndex, key: str, new: Instance | None) -> None:
        if new is None:
            index.update(key, None, Known())
            return
        definition = self.definition_of(new)
        old_fields: tuple[str, ...] = ()
        if definition is not None and index.app is not None and is_old(index.app, new):
            old_fields = self.compiled(definition).counted_fields
        agent = self.state.agents.get(new.agent_id)
        counts = agent is not None and (index.counts or old_fields)
        values = self.values(agent) if agent is not None and counts else {}
        index.update(key, new, Known(agent, values, definition, old_fields))

    def _count_agent(self, instance: Instance, change: int) -> None:
        for counter, counts in (
            (self.agent_uses, bool(instance.agent_id)),
            (self.staging_on, instance.condition in STAGED),
        ):
            if counts:
                counter[instance.agent_id] += change
                if not counter[instance.agent_id]:
                    del counter[instance.agent_id]

    def forget_offers(self) -> None:
        """None is open any more, also of those that were held from step to step or at hand."""
        self.offers.clear()
        self.remainders.clear()
        self.hand.clear()
        self.held_since_ms = 0
        self.cut_short = False

    def compiled(self, app: App) -> Compiled:
        """The app's constraints as checks."""
        return self.checks_of(app.constraints)

    def checks_of(self, constraints: tuple[tuple[str, ...], ...]) -> Compiled:
        """These constraints as checks, compiled once for all that have the same."""
        if not constraints:
            return _NOTHING
        compiled = self._compiled.get(constraints)
        if compiled is None:
            if len(self._compiled) > _COMPILED_KEPT:
                self._compiled.clear()
            compiled = compile_constraints(self._parsed(constraints), self.compile_pattern)
            self._compiled[constraints] = compiled
        return compiled

    def _parsed(self, raws: tuple[tuple[str, ...], ...]) -> list[Constraint]:
        constraints = []
        for raw in raws:
            constraint = parse(raw, self.compile_pattern)
            assert not isinstance(constraint, Problem), constraint.message
            constraints.append(constraint)
        return constraints

    def values(self, agent: Agent) -> dict[str, str]:
        """The agent's constraint fields, made once per description of it."""
        known = self._values.get(agent.id)
        if known is not None and (known[0] is agent or known[0] == agent):
            return known[1]
        if len(self._values) > 100_000:
            self._values.clear()
        values = values_of(agent)
        self._values[agent.id] = (agent, values)
        return values

    def roles(self) -> tuple[str, ...]:
        """The roles that apps live in, sorted."""
        return tuple(sorted(self._role_uses))

    def enforces_role(self, app_id: str) -> bool:
        """Whether the app's top-level group makes its name the role of all below it."""
        top = top_level_group(app_id)
        group = None if top is None else self.state.groups.get(f"/{top}")
        return group is not None and group.enforce_role is True
