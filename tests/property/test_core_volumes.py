"""Whatever happens in whatever order: no data is destroyed unasked, no volume is used twice."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from framework.core.consistency import check_state
from framework.core.reservations import USABLE
from framework.core.turn import Step
from framework.domain.actions import Accept, Kill, Operation
from framework.domain.events import (
    CallNotSent,
    CallUnanswered,
    ChangeApps,
    Event,
    KillTasks,
    OffersReceived,
    OperationStatusReceived,
    TaskStatusReceived,
)
from framework.domain.mesos import (
    OfferResource,
    OperationState,
    OperationStatus,
    TaskState,
    TaskStatus,
)
from framework.domain.records import replace
from framework.domain.volumes import OperationKind, Reservation, ReservationState
from tests.unit.core.session import agent
from tests.unit.core.test_volumes import DB, DISK, ROLE, Volumes, owned

AGENTS = tuple(agent(number) for number in (1, 2))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["offer", "offer", "offer", "scale", "remove", "wipe", "kill", "end", "restart", "tell"]
        ),
        st.integers(0, 3),
    ),
    min_size=10,
    max_size=40,
)


@dataclass
class Ledger:
    """What a Mesos knows of reservations, and what was ever asked to be destroyed."""

    held: dict[str, Reservation] = field(default_factory=dict)  # with its volumes
    running: dict[str, str] = field(default_factory=dict)  # instance id -> task id
    answers: list[Event] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)  # instances whose data may go
    to_kill: set[str] = field(default_factory=set)  # task ids


class World(Volumes):
    """A core beside a ledger; every call takes effect there, or not, as the step says."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.most = 1
        super().__init__()

    def step(self, *events: Event) -> Step:
        """As ever; what is to be killed is noted, also of tasks that no instance is any more."""
        decided = super().step(*events)
        self.ledger.to_kill |= {one.task_id for one in decided.actions if isinstance(one, Kill)}
        return decided

    def do(self, name: str, number: int) -> None:
        getattr(self, f"do_{name}")(number)
        mine = {key for key, one in self.state.reservations.items() if one.state in USABLE}
        assert len(mine - self.ledger.asked) <= self.most, "a second volume for an instance"
        wrong = [one for one in check_state(self.state) if one.wrong]
        assert not wrong, wrong

    def do_scale(self, number: int) -> None:
        self.most = max(self.most, number)
        self.put(replace(DB, instances=number), force=True)

    def do_remove(self, _number: int) -> None:
        if "/db" in self.state.apps:
            self.ledger.asked |= self.state.reservations.keys()
            self.ask(ChangeApps(removes=("/db",), force=True))

    def do_wipe(self, number: int) -> None:
        for instance in self.instances("/db")[number : number + 1]:
            self.ledger.asked.add(instance.id)
            self.ask(KillTasks((instance.id,), wipe=True, force=True))

    def do_kill(self, number: int) -> None:
        for instance in self.instances("/db")[number : number + 1]:
            self.ask(KillTasks((instance.id,), force=True))

    def do_end(self, number: int) -> None:
        """A task ends by itself or because it was killed."""
        for instance_id in sorted(self.ledger.running)[number : number + 1]:
            task_id = self.ledger.running.pop(instance_id)
            self.step(self._status(task_id, TaskState.KILLED))

    def do_restart(self, _number: int) -> None:
        self.restart(seconds_later=1)
        self.connect()
        known = {*self.ledger.running.values()}
        for instance in list(self.state.instances.values()):
            state = TaskState.RUNNING if instance.task_id in known else TaskState.GONE
            self.step(self._status(instance.task_id, state))

    def do_tell(self, number: int) -> None:
        """What Mesos has to say comes, from the end for odd numbers; some of it twice."""
        answers, self.ledger.answers = self.ledger.answers, []
        for event in reversed(answers) if number % 2 else answers:
            self.step(event)
            if number > 1:
                self.step(event)

    def do_offer(self, number: int) -> None:
        """All that is free on both agents or, for odd numbers, on one; the call that answers
        arrives (0, 1), is cut off (2) or refused (3)."""
        self.now_ms += 100_000
        before = {one.id for one in self.state.changes()}
        offers = []
        for where in AGENTS[number % 2 :]:
            free: list[OfferResource] = []
            for instance_id, one in self.ledger.held.items():
                if one.agent_id == where.id and instance_id not in self.ledger.running:
                    free += owned(one)
            offers.append(self.offer_of(where, DISK, *free, role=ROLE))
        decided = self.step(OffersReceived(tuple(offers)))
        stored = before | {change.id for change in decided.changes}
        for action in decided.actions:
            if isinstance(action, Accept):
                self._accept(action, number, stored)

    def _accept(self, accept: Accept, number: int, stored: set[str]) -> None:
        for launch in accept.launches:
            assert launch.instance_id in stored, "launched and not stored"
        if number == 3:
            self.step(CallNotSent(accept, "refused"))
            return
        for operation in accept.operations:
            self._operate(operation, accept)
        for launch in accept.launches:
            held = self.ledger.held[launch.instance_id]
            assert held.agent_id == launch.agent.id, "its volume is elsewhere"
            assert launch.instance_id not in self.ledger.running, "its volume is in use"
            self.ledger.running[launch.instance_id] = launch.task_id
            self.ledger.answers.append(self._status(launch.task_id, TaskState.RUNNING))
        if number == 2:
            self.step(CallUnanswered(accept))

    def _operate(self, operation: Operation, accept: Accept) -> None:
        instance_id = operation.id.rpartition(".op-")[0]
        held = self.ledger.held
        if operation.kind is OperationKind.RESERVE:
            assert instance_id not in held, "reserved twice"
            held[instance_id] = replace(self.state.reservations[instance_id], volumes=())
        elif operation.kind is OperationKind.CREATE:
            made = tuple(one.volume for one in operation.resources if one.volume is not None)
            held[instance_id] = replace(held[instance_id], volumes=made)
        elif operation.kind is OperationKind.DESTROY:
            assert instance_id in self.ledger.asked, f"{instance_id}: destroyed unasked"
            assert instance_id not in self.ledger.running, "destroyed in use"
            assert _named(operation) == [one.persistence_id for one in held[instance_id].volumes]
        else:
            del held[instance_id]
        agent_id = accept.launches[0].agent.id if accept.launches else AGENTS[0].id
        done = OperationStatus(operation.id, OperationState.FINISHED, agent_id, "u")
        self.ledger.answers.append(OperationStatusReceived(done))

    def _status(self, task_id: str, state: TaskState) -> Event:
        instance_id = task_id.rpartition("._app.")[0]
        held = self.ledger.held.get(instance_id)
        agent_id = "" if held is None else held.agent_id
        return TaskStatusReceived(TaskStatus(task_id, state, agent_id, "uuid"))

    def settle(self) -> None:
        """No more faults: kills come true, calls arrive, everything is told."""
        for _ in range(12):
            self.do("tell", 0)
            leaving = [one.task_id for one in self.state.instances.values() if one.kill_reason]
            for task_id in [*leaving, *self.ledger.to_kill - {*leaving}]:
                self.ledger.running.pop(task_id.rpartition("._app.")[0], None)
                self.step(self._status(task_id, TaskState.KILLED))
            self.ledger.to_kill.clear()
            self.do("offer", 0)


def _named(operation: Operation) -> Iterable[str]:
    return [one.source.volume_id for one in operation.resources]


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_data_is_kept_until_somebody_says_otherwise(steps: list[tuple[str, int]]) -> None:
    world = World()
    world.put(DB)
    for name, number in steps:
        world.do(name, number)
    world.settle()
    asked = {*world.ledger.asked}
    kept = {key for key, one in world.state.reservations.items() if key not in asked}
    assert kept == {*world.ledger.held} - asked, "what Mesos has is what the records say"
    assert not {*world.ledger.held} & asked, "what was to go is gone"
    assert all(one.state is ReservationState.READY for one in world.state.reservations.values()), (
        world.state.reservations
    )
    if "/db" in world.state.apps:
        assert len(world.ledger.running) == world.state.apps["/db"].instances
