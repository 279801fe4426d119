"""A simulated Mesos master: small, fast, and with the races of the real one.

It keeps what a master keeps (which agents are registered, recovering, unreachable or gone; its
own idea of each task; offers and filters) apart from what really runs on the machines. Rules are
those of Mesos 1.11 for a partition-aware framework with several roles.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from framework.domain.actions import (
    Accept,
    AcceptInverseOffer,
    Acknowledge,
    AcknowledgeOperation,
    Action,
    Decline,
    DeclineInverseOffer,
    Kill,
    Launch,
    Reconcile,
    ReconcileOperations,
    RemoveFramework,
    Revive,
    Suppress,
    UpdateRoles,
)
from framework.domain.draining import InverseOffer
from framework.domain.events import (
    AgentFailed,
    Event,
    FrameworkRefused,
    InverseOfferRescinded,
    InverseOffersReceived,
    OfferRescinded,
    OffersReceived,
    TaskStatusReceived,
)
from framework.domain.mesos import Offer, OperationState, TaskState, TaskStatus
from tests.simulation import reserving
from tests.simulation.bundles import NOTHING, Bundle
from tests.simulation.keeping import Kept
from tests.simulation.ledger import Ledger
from tests.simulation.machines import ENDED, Machine, Task
from tests.simulation.stage import Stage, Violation

PING_TIMEOUT_MS = 15_000
REREGISTER_TIMEOUT_MS = 40_000
_TO_AGENT_MS = 3
_ALLOCATION_MS = 5_000
_LEAST_CPUS, _LEAST_MEM = 10, 32_000

Send = Callable[[Event], None]


@dataclass(slots=True)
class Known:
    """A task as the master knows it."""

    task: Task
    state: TaskState
    healthy: bool | None = None


@dataclass(slots=True)
class Offered:
    """An offer that is out."""

    offer: Offer
    bundle: Bundle


@dataclass(slots=True)
class Session:
    """What the master knows of the subscribed scheduler, and forgets with the subscription."""

    send: Send
    roles: tuple[str, ...]
    suppressed: set[str]
    offers: dict[str, Offered] = field(default_factory=dict)
    filters: list[tuple[str, str, Bundle, int]] = field(default_factory=list)
    inverse: dict[str, InverseOffer] = field(default_factory=dict)
    not_asked: dict[str, int] = field(default_factory=dict)  # agent -> until when


class Master:
    """The leading master; when it fails, its successor is the same object with less memory."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.up = True
        self.framework_id = ""
        self.completed: set[str] = set()  # ids of frameworks that were removed
        self.machines: dict[str, Machine] = {}
        self.registered: dict[str, None] = {}
        self.recovering: dict[str, None] = {}
        self.unreachable: dict[str, int] = {}
        self.gone: dict[str, None] = {}
        self.known: dict[str, Known] = {}
        self.lost_with: dict[str, str] = {}  # unreachable task -> agent
        self.to_kill: dict[str, dict[str, None]] = {}
        self.session: Session | None = None
        self.maintenance: dict[str, tuple[int, int]] = {}  # agent -> (from, for)
        self.draining: set[str] = set()
        self.given_back = 0
        self.sick: set[str] = set()  # apps whose tasks answer no check of ours at the moment
        self.launched: dict[str, Launch] = {}  # every launch that took effect, for the checks
        self.ledger = Ledger(
            self._tell, partial(self._later, _TO_AGENT_MS), self._whereabouts, stage.happens
        )
        self.kept = Kept()
        self._term = 0
        self._allocating = False
        self._offer_number = 0
        stage.after(_ALLOCATION_MS, self._allocate_again)

    # The scheduler's side.

    def subscribe(
        self, send: Send, framework_id: str, roles: tuple[str, ...], off: set[str]
    ) -> str:
        """A new subscription; what the one before had is void. Returns the framework id."""
        assert self.up
        if not self.framework_id:
            self.framework_id = f"framework-{len(self.completed) + 1:04}"
        if framework_id not in {"", self.framework_id}:
            raise Violation(f"subscribed as {framework_id}, not as {self.framework_id}")
        self.session = Session(send, roles, off)
        self.allocate_soon()
        for agent_id in self.registered:
            machine = self.machines[agent_id]
            self._later(_TO_AGENT_MS, machine, machine.send_all)
        return self.framework_id

    def unsubscribe(self, send: Send) -> None:
        """The stream broke."""
        if self.session is not None and self.session.send == send:
            self.session = None

    def call(self, action: Action) -> None:  # noqa: C901 - one line a kind of call
        """One call of the subscribed scheduler."""
        match action:
            case Accept():
                self._accept(action)
            case Decline():
                delay_ms = self.stage.between(1, 40) if self.stage.happens(0.2) else 0
                self.stage.after(delay_ms, lambda: self._decline(action))
            case Kill():
                self._kill(action)
            case Acknowledge():
                machine = self.machines.get(action.agent_id)
                if machine is not None:
                    self._later(_TO_AGENT_MS, machine, lambda: self._acknowledge(machine, action))
            case AcknowledgeOperation():
                self.ledger.acknowledge(action, self.machines[action.agent_id])
            case Reconcile():
                self._reconcile(action)
            case ReconcileOperations():
                self.ledger.reconcile(action, self.machines)
            case Revive():
                self._revive(action.roles)
            case Suppress():
                self._session().suppressed |= {*action.roles}
            case UpdateRoles():
                session = self._session()
                session.roles, session.suppressed = action.roles, {*action.suppressed}
                self.allocate_soon()
            case AcceptInverseOffer() | DeclineInverseOffer():
                self._inverse_answered(action)
            case RemoveFramework():
                self._remove_framework()

    def _session(self) -> Session:
        assert self.session is not None
        return self.session

    def _tell(self, event: Event) -> None:
        if self.session is not None:
            self.session.send(event)

    def _later(self, delay_ms: int, machine: Machine, what: Callable[[], None]) -> None:
        """A message to an agent; lost if it is not connected when it should arrive."""
        self.stage.after(delay_ms, lambda: what() if machine.connected else None)

    # Offers.

    def allocate_soon(self) -> None:
        """Offer what is free in a moment."""
        if not self._allocating:
            self._allocating = True
            self.stage.after(2, self._allocate)

    def _allocate_again(self) -> None:
        self.allocate_soon()
        self.stage.after(_ALLOCATION_MS, self._allocate_again)

    def _allocate(self) -> None:
        self._allocating = False
        session = self.session
        if session is None or not self.up:
            return
        now_ms = self.stage.now_ms
        session.filters = [one for one in session.filters if one[3] > now_ms]
        roles = [role for role in session.roles if role not in session.suppressed]
        if not roles:
            return
        self.stage.rng.shuffle(roles)
        offers = []
        for agent_id in self.registered:
            self._ask_back(session, agent_id)
            if self.machines[agent_id].connected and agent_id not in self.draining:
                offers += [self._offer(session, agent_id, role) for role in roles]
        made = tuple(offer for offer in offers if offer is not None)
        if made and self.stage.rng.random() < 0.3:
            for offer in made:
                session.send(OffersReceived((offer,)))
        elif made:
            session.send(OffersReceived(made))

    def free(self, agent_id: str) -> Bundle:
        """What no task uses on an agent, whether it is offered or not."""
        rest = self.ledger.totals[agent_id]
        for known in self.known.values():
            if known.task.agent_id == agent_id and known.state not in ENDED:
                rest -= known.task.needs
        return rest

    def _offer(self, session: Session, agent_id: str, role: str) -> Offer | None:
        rest = self.free(agent_id)
        for out in session.offers.values():
            if out.offer.agent.id == agent_id:
                rest -= out.bundle
        rest = rest.for_role(role)
        cpus, mem = rest.amount("cpus", ("*", role)), rest.amount("mem", ("*", role))
        if cpus < _LEAST_CPUS and mem < _LEAST_MEM and not rest.holdings:
            return None
        if any(f[0] == agent_id and f[1] == role and f[2].contains(rest) for f in session.filters):
            return None
        self._offer_number += 1
        info = self.machines[agent_id].info
        window = self.maintenance.get(agent_id, ())
        entries = rest.entries()
        if rest.holdings and self.stage.happens(0.05):  # what belongs together comes in two offers
            entries = tuple(one for one in entries if one.owner is None or self.stage.happens(0.5))
        offer = Offer(f"offer-{self._offer_number}", info, role, entries, *window)
        session.offers[offer.id] = Offered(offer, rest)
        return offer

    def schedule(self, agent_id: str, window: tuple[int, int] | None) -> None:
        """Announce maintenance of an agent, or call it off."""
        if window is None:
            self.maintenance.pop(agent_id, None)
        else:
            self.maintenance[agent_id] = window
        self.rescind(agent_id)
        if self.session is not None:
            gone = [one.id for one in self.session.inverse.values() if one.agent_id == agent_id]
            for offer_id in gone:
                del self.session.inverse[offer_id]
                self._tell(InverseOfferRescinded(offer_id))
            self.session.not_asked.pop(agent_id, None)

    def _ask_back(self, session: Session, agent_id: str) -> None:
        """Ask the scheduler for an agent that comes up for maintenance, if it uses it."""
        window = self.maintenance.get(agent_id)
        used = any(known.task.agent_id == agent_id for known in self.known.values())
        asked = any(one.agent_id == agent_id for one in session.inverse.values())
        if window is None or not used or asked:
            return
        if session.not_asked.get(agent_id, 0) > self.stage.now_ms:
            return
        self._offer_number += 1
        offer = InverseOffer(f"inverse-{self._offer_number}", agent_id, *window)
        session.inverse[offer.id] = offer
        session.send(InverseOffersReceived((offer,)))

    def _inverse_answered(self, answer: AcceptInverseOffer | DeclineInverseOffer) -> None:
        session = self._session()
        for offer_id in answer.offer_ids:
            offer = session.inverse.pop(offer_id, None)
            if offer is None:
                continue
            until_ms = self.stage.now_ms + round(answer.refuse_seconds * 1000)
            session.not_asked[offer.agent_id] = until_ms
            if isinstance(answer, AcceptInverseOffer):
                self.given_back += 1

    def drain(self, agent_id: str) -> None:
        """Mesos' own draining: every task there is killed, and none is started."""
        machine = self.machines[agent_id]
        self.draining.add(agent_id)
        self.rescind(agent_id)
        for task in machine.live():
            machine.drained(task)

    def _decline(self, decline: Decline) -> None:
        if self.session is None:
            return
        for offer_id in decline.offer_ids:
            self._give_back(offer_id, NOTHING, decline.refuse_seconds)
        self.allocate_soon()

    def _give_back(self, offer_id: str, used: Bundle, refuse_seconds: float) -> None:
        session = self._session()
        out = session.offers.pop(offer_id, None)
        if out is None:
            return
        until_ms = self.stage.now_ms + round(refuse_seconds * 1000)
        agent_id, role = out.offer.agent.id, out.offer.role
        session.filters.append((agent_id, role, out.bundle - used, until_ms))

    def _revive(self, roles: tuple[str, ...]) -> None:
        session = self._session()
        session.suppressed -= {*roles}
        session.filters = [one for one in session.filters if one[1] not in roles]
        self.allocate_soon()

    def rescind(self, agent_id: str) -> None:
        """Take the agent's offers back."""
        if self.session is None:
            return
        out = [o.offer.id for o in self.session.offers.values() if o.offer.agent.id == agent_id]
        for offer_id in out:
            del self.session.offers[offer_id]
            self._tell(OfferRescinded(offer_id))
        self.allocate_soon()

    def _accept(self, accept: Accept) -> None:
        session = self._session()
        offered = [session.offers.get(offer_id) for offer_id in accept.offer_ids]
        valid = [out for out in offered if out is not None]
        if len(valid) < len(offered) or len({out.offer.agent.id for out in valid}) != 1:
            for offer_id in accept.offer_ids:
                self._give_back(offer_id, NOTHING, 0)
            self._drop_all(accept, _agent_of(offered))
            self.allocate_soon()
            return
        if self.stage.happens(0.01):  # as if a master had died just after it answered
            for offer_id in accept.offer_ids:
                self._give_back(offer_id, NOTHING, 0)
            return
        rest = NOTHING
        for out in valid:
            rest += out.bundle
        used = NOTHING
        machine = self.machines[valid[0].offer.agent.id]
        rest = self.ledger.carry_out(accept.operations, rest, machine)
        for launch in accept.launches:
            if _was_refused(launch, accept, rest):
                self._drop(launch, TaskState.ERROR, "REASON_TASK_INVALID")
                continue
            needs = reserving.needs_of(launch, rest)
            self._check_launch(launch, needs, rest, valid)
            rest, used = rest - needs, used + needs
            self._launch(launch, needs)
        for offer_id in accept.offer_ids:
            # What operations made of an offer is not what a filter would be about.
            self._give_back(offer_id, used, 0 if accept.operations else accept.refuse_seconds)
        self.allocate_soon()

    def _drop_all(self, accept: Accept, agent_id: str) -> None:
        for launch in accept.launches:
            self._drop(launch, TaskState.DROPPED, "REASON_INVALID_OFFERS")
        for operation in accept.operations:
            self.ledger.say(operation.id, OperationState.DROPPED, agent_id)

    def _check_launch(
        self, launch: Launch, needs: Bundle, rest: Bundle, valid: list[Offered]
    ) -> None:
        """Where Mesos would answer TASK_ERROR or ruin an agent, the scheduler is wrong."""
        if launch.task_id in self.launched:
            raise Violation(f"{launch.task_id} is launched a second time")
        if not rest.contains(needs):
            raise Violation(f"{launch.task_id} takes {needs} of an offer with {rest}")
        if launch.agent.id != valid[0].offer.agent.id or launch.role != valid[0].offer.role:
            raise Violation(f"{launch.task_id} is launched on another agent or role than offered")
        if not all(plain for _, _, plain in needs.scalars):
            raise Violation(f"{launch.task_id} takes what is no plain resource: {needs}")

    def _launch(self, launch: Launch, needs: Bundle) -> None:
        app = launch.app
        machine = self.machines[launch.agent.id]
        checked = any(check.run_by_executor for check in app.health_checks)
        task = Task(
            launch.task_id, app.id, app.version, app.cmd or "", checked, needs, machine.info.id
        )
        self.launched[task.id] = launch
        self.known[task.id] = Known(task, TaskState.STAGING)
        removed = len(self.completed)
        self._later(
            _TO_AGENT_MS,
            machine,
            lambda: machine.run(task) if removed == len(self.completed) else None,
        )

    def _drop(self, launch: Launch, state: TaskState, reason: str) -> None:
        status = TaskStatus(launch.task_id, state, launch.agent.id, reason=reason)
        self._tell(TaskStatusReceived(status))

    # Tasks.

    def _acknowledge(self, machine: Machine, action: Acknowledge) -> None:
        machine.acknowledge(action.task_id, action.uuid)
        if action.task_id not in machine.tasks:
            self.known.pop(action.task_id, None)

    def _kill(self, kill: Kill) -> None:
        known = self.known.get(kill.task_id)
        if known is None:
            self._answer(kill.task_id, kill.agent_id)
            return
        machine = self.machines[known.task.agent_id]
        self.to_kill.setdefault(machine.info.id, {})[kill.task_id] = None
        self._later(_TO_AGENT_MS, machine, lambda: machine.kill(kill.task_id))

    def _reconcile(self, reconcile: Reconcile) -> None:
        if not reconcile.tasks:
            for task_id, known in self.known.items():
                self._answer(task_id, known.task.agent_id)
        for task_id, agent_id in reconcile.tasks:
            self._answer(task_id, agent_id)

    def _answer(self, task_id: str, agent_id: str) -> None:
        """What the master knows of a task; nothing while its agent may still come back."""
        known = self.known.get(task_id)
        healthy = None
        since_ms = None
        if known is not None:
            state, healthy, agent_id = known.state, known.healthy, known.task.agent_id
        elif agent_id in self.registered:
            state = TaskState.GONE
        elif task_id in self.lost_with or agent_id in self.unreachable:
            state = TaskState.UNREACHABLE
            since_ms = self.unreachable.get(self.lost_with.get(task_id, agent_id))
        elif agent_id in self.recovering:
            return
        elif agent_id in self.gone:
            state = TaskState.GONE_BY_OPERATOR
        else:
            state = TaskState.UNKNOWN
        status = TaskStatus(
            task_id,
            state,
            agent_id,
            reason="REASON_RECONCILIATION",
            healthy=healthy,
            unreachable_since_ms=since_ms,
        )
        self._tell(TaskStatusReceived(status))

    def _hears(self, machine: Machine, task: Task, status: TaskStatus | None) -> None:
        known = self.known.get(task.id)
        if not self.up or known is None:
            return
        was_live = known.state not in ENDED
        known.state, known.healthy = task.state, task.healthy
        if was_live and task.ended:
            self.allocate_soon()
        if status is not None:
            self._tell(TaskStatusReceived(status))

    def _whereabouts(self, agent_id: str) -> OperationState:
        """What is said of an operation on this agent that nobody knows."""
        if agent_id in self.registered:
            return OperationState.UNKNOWN
        if agent_id in self.unreachable:
            return OperationState.UNREACHABLE
        if agent_id in self.recovering:
            return OperationState.RECOVERING
        return OperationState.GONE_BY_OPERATOR if agent_id in self.gone else OperationState.UNKNOWN

    def _remove_framework(self) -> None:
        """A teardown: tasks end and nobody is told of them; reservations and volumes stay."""
        self.completed.add(self.framework_id)
        self.framework_id = ""
        self.kept.torn_down = True
        for machine in self.machines.values():
            machine.tasks = {}
            machine.operations = {}
        self.known.clear()
        self.lost_with.clear()
        self.to_kill.clear()
        self.ledger.known.clear()
        self._tell(FrameworkRefused("Framework has been removed"))
        self.session = None

    # Agents.

    def register(self, machine: Machine) -> None:
        """An agent comes, or comes back: with its id, and the tasks that live on it."""
        agent_id = machine.info.id
        machine.hears = self._hears
        if not self.up:
            return
        if agent_id in self.gone:
            machine.alive = False
            machine.tasks = {}
            return
        back = self.unreachable.pop(agent_id, None) is not None
        self.recovering.pop(agent_id, None)
        self.ledger.registered(machine)
        self.machines[agent_id] = machine
        self.registered[agent_id] = None
        machine.connected = True
        mine = [known for known in self.known.values() if known.task.agent_id == agent_id]
        for task in list(machine.tasks.values()):
            self.known[task.id] = Known(task, task.state, task.healthy)
            self.lost_with.pop(task.id, None)
            if back and not task.ended:
                self._tell(
                    TaskStatusReceived(
                        TaskStatus(
                            task.id,
                            task.state,
                            agent_id,
                            reason="REASON_AGENT_REREGISTERED",
                            healthy=task.healthy,
                        )
                    )
                )
        for task_id in [t for t, agent in self.lost_with.items() if agent == agent_id]:
            del self.lost_with[task_id]
        for known in mine:
            if known.task.id not in machine.tasks:
                machine.lose(known.task)
        for task_id in self.to_kill.pop(agent_id, ()):
            self._later(_TO_AGENT_MS, machine, partial(machine.kill, task_id))
        machine.send_all()
        self.allocate_soon()

    def lose_contact(self, agent_id: str) -> None:
        """The connection to an agent broke; after the ping time-out it is unreachable."""
        machine = self.machines[agent_id]
        machine.connected = False
        self.rescind(agent_id)
        term = self._term

        def timed_out() -> None:
            if term == self._term and agent_id in self.registered and not machine.connected:
                self.mark_unreachable(agent_id)

        self.stage.after(PING_TIMEOUT_MS, timed_out)

    def mark_unreachable(self, agent_id: str) -> None:
        """Give an agent up until it returns."""
        if not self.up:
            return
        self.stage.note(f"master: {agent_id} is unreachable")
        self.registered.pop(agent_id, None)
        self.recovering.pop(agent_id, None)
        self.to_kill.pop(agent_id, None)
        self.unreachable[agent_id] = self.stage.now_ms
        self.rescind(agent_id)
        self.ledger.left(agent_id, OperationState.UNREACHABLE)
        for known in self._forget_tasks(agent_id):
            if known.state in ENDED:
                continue
            self.lost_with[known.task.id] = agent_id
            self._tell(
                TaskStatusReceived(
                    TaskStatus(
                        known.task.id,
                        TaskState.UNREACHABLE,
                        agent_id,
                        reason="REASON_AGENT_REMOVED",
                        unreachable_since_ms=self.stage.now_ms,
                    )
                )
            )
        self._tell(AgentFailed(agent_id))

    def mark_gone(self, agent_id: str) -> None:
        """An operator says that an agent never comes back; if it tries, it is shut down."""
        if not self.up:
            return
        machine = self.machines[agent_id]
        self.registered.pop(agent_id, None)
        self.recovering.pop(agent_id, None)
        self.unreachable.pop(agent_id, None)
        self.to_kill.pop(agent_id, None)
        self.gone[agent_id] = None
        self.rescind(agent_id)
        self.ledger.left(agent_id, OperationState.GONE_BY_OPERATOR)
        ids = [known.task.id for known in self._forget_tasks(agent_id)]
        ids += [task_id for task_id, agent in self.lost_with.items() if agent == agent_id]
        for task_id in ids:
            self.lost_with.pop(task_id, None)
            self._tell(
                TaskStatusReceived(
                    TaskStatus(
                        task_id,
                        TaskState.GONE_BY_OPERATOR,
                        agent_id,
                        reason="REASON_AGENT_REMOVED_BY_OPERATOR",
                    )
                )
            )
        if machine.connected:
            machine.alive = False
            machine.tasks = {}
            machine.connected = False
        self._tell(AgentFailed(agent_id))

    def _forget_tasks(self, agent_id: str) -> Iterable[Known]:
        mine = [known for known in self.known.values() if known.task.agent_id == agent_id]
        for known in mine:
            del self.known[known.task.id]
        return mine

    def fail(self) -> None:
        """The leading master dies; its successor knows the agents by name only."""
        self.up = False
        self._term += 1
        self.session = None
        self.known.clear()
        self.ledger.known.clear()
        self.to_kill.clear()
        self.lost_with.clear()
        self.recovering.update(self.registered)
        self.registered.clear()
        for machine in self.machines.values():
            machine.connected = False

    def lead(self) -> None:
        """The successor leads; agents come back one by one."""
        self.up = True
        term = self._term

        def give_up() -> None:
            if term == self._term:
                for agent_id in list(self.recovering):
                    self.mark_unreachable(agent_id)

        self.stage.after(REREGISTER_TIMEOUT_MS, give_up)


def _agent_of(offered: list[Offered | None]) -> str:
    return next((one.offer.agent.id for one in offered if one is not None), "")


def _was_refused(launch: Launch, accept: Accept, rest: Bundle) -> bool:
    """Whether what was to be made for it in the same call is not there."""
    mine = [one for one in accept.operations if one.id.startswith(f"{launch.instance_id}.op-")]
    made = [one for one in rest.holdings if one.owner[1] == launch.instance_id]
    return bool(mine) and not any(one.volumes for one in made)
