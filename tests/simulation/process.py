"""The scheduler process in simulated form: loop, pipeline and driver, in the real order.

Changes durable -> actions -> publish -> replies. The loop goes on deciding while earlier steps
are not yet durable. The process can die between any two of these, at a point chosen before.
"""

from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum

from cli.patterns import linear_full_match
from framework.core.policy import Context, Policy
from framework.core.step import step
from framework.core.turn import Step
from framework.core.world import World
from framework.domain.actions import Action, Halt
from framework.domain.events import Asked, Command, Event, Started, TimerFired
from framework.domain.replies import Reply
from framework.domain.state import Change, Kind, Record, State
from tests.simulation.driver import Driver
from tests.simulation.mesos import Master
from tests.simulation.prober import Prober
from tests.simulation.safety import Safety
from tests.simulation.stage import Stage
from tests.simulation.store import ModelStore
from tests.simulation.telling import tell_action, tell_event


class Doom(Enum):
    """Where the process dies."""

    BEFORE_APPEND = "before the append"
    DURING_APPEND = "during the append"
    AFTER_APPEND = "after the append"
    AMID_ACTIONS = "amid the actions"
    BEFORE_REPLIES = "before the replies"


class Process:
    """One life of the scheduler. ``died`` is told when it ends."""

    def __init__(
        self,
        stage: Stage,
        store: ModelStore,
        master: Master,
        safety: Safety,
        policy: Policy,
        *,
        clock_offset_ms: int,
        replied: Callable[[int, Reply], None],
        died: Callable[[str], None],
    ) -> None:
        self.stage = stage
        self.store = store
        self.safety = safety
        self.kept = master.kept
        self.policy = policy
        self.alive = True
        self.doom: Doom | None = None
        self.view = State()
        self._clock_offset_ms = clock_offset_ms
        self._replied = replied
        self._died = died
        state = State()
        for change in store.load():
            state.put(change.kind, change.id, change.record)
            self.view.put(change.kind, change.id, change.record)
        self.world = World(state, linear_full_match)
        safety.loaded(self.world)
        self._commands: deque[Asked] = deque()
        self._facts: deque[Event] = deque([Started()])
        self._steps: deque[Step] = deque()
        self._writing = False
        self._turn_coming = False
        self._wake_at_ms: int | None = None
        self.driver = Driver(stage, master, self.submit)
        self.prober = Prober(stage, master, self.submit, lambda: self.now_ms)
        framework = state.framework
        roles = {policy.mesos_role, *(app.role for app in state.apps.values())}
        self.driver.start("" if framework is None else framework.framework_id, sorted(roles))
        self._turn_soon()

    @property
    def now_ms(self) -> int:
        """The time as this process sees it."""
        return self.stage.now_ms + self._clock_offset_ms

    def ask(self, token: int, command: Command) -> None:
        """A client's command."""
        self._commands.append(Asked(token, command))
        self._turn_soon()

    def submit(self, event: Event) -> None:
        """A fact."""
        if self.alive:
            self._facts.append(event)
            self._turn_soon()

    def idle(self) -> bool:
        """Whether everything that was decided has been carried out."""
        return not (self._commands or self._facts or self._steps or self._writing)

    def _turn_soon(self) -> None:
        if not self._turn_coming and self.alive:
            self._turn_coming = True
            self.stage.after(self.stage.between(0, 2), self._turn)

    def _turn(self) -> None:
        self._turn_coming = False
        if not self.alive:
            return
        events: list[Event] = list(self._commands)
        self._commands.clear()
        taken = min(len(self._facts), self.stage.between(1, 12))
        events += [self._facts.popleft() for _ in range(taken)]
        self._decide(events or [TimerFired()])
        if self._facts:
            self._turn_soon()

    def _decide(self, events: list[Event]) -> None:
        context = Context(
            now_ms=self.now_ms,
            new_id=self.stage.new_id,
            chance=self.stage.rng.randrange,
            policy=self.policy,
        )
        for event in events:
            self.stage.note(f"  event {tell_event(event)}")
        self.safety.before(self.world, events, context.now_ms)
        self.kept.before(self.world.state, events)
        decided = step(self.world, events, context)
        for action in decided.actions:
            self.stage.note(f"    -> {tell_action(action)}")
        self.safety.after(self.world, events, decided, self.now_ms)
        self.kept.check(self.world.state, decided)
        self._steps.append(decided)
        self._set_alarm(decided.wake_at_ms)
        self._carry_out()

    def _set_alarm(self, wake_at_ms: int | None) -> None:
        self._wake_at_ms = wake_at_ms
        if wake_at_ms is None:
            return

        def wake() -> None:
            if self.alive and self._wake_at_ms == wake_at_ms:
                self._turn_soon()

        self.stage.after(wake_at_ms - self.now_ms, wake)

    def _carry_out(self) -> None:
        if self._writing or not self._steps or not self.alive:
            return
        steps = list(self._steps)
        self._steps.clear()
        changes = _last_of_each(change for one in steps for change in one.changes)
        if self._dies(Doom.BEFORE_APPEND):
            return
        if not changes:
            self._durable(steps, changes)
            return
        self._writing = True

        def done(success: bool) -> None:
            self._writing = False
            if not success:
                self.crash("the append failed")
            elif self.alive:
                self._durable(steps, changes)

        self.store.append(changes, done)
        self._dies(Doom.DURING_APPEND)

    def _durable(self, steps: list[Step], changes: list[Change]) -> None:
        if self._dies(Doom.AFTER_APPEND):
            return
        actions = [action for one in steps for action in one.actions]
        calls: list[Action] = [action for action in actions if not isinstance(action, Halt)]
        if self.doom is Doom.AMID_ACTIONS and calls:
            self._perform(calls[: self.stage.between(0, len(calls))])
            self._dies(Doom.AMID_ACTIONS)
            return
        self._perform(calls)
        self.prober.perform([probe for one in steps for probe in one.probes])
        self.view.apply(changes)
        for one in steps:
            self.view.apply(one.volatile)
        if self._dies(Doom.BEFORE_REPLIES):
            return
        for one in steps:
            for token, reply in one.replies:
                self._replied(token, reply)
        for action in actions:
            if isinstance(action, Halt):
                self.crash(f"halt {action.exit_code}: {action.message}")
                return
        self._carry_out()

    def _perform(self, calls: list[Action]) -> None:
        if calls:
            self.safety.performing(calls, self.store.durable)
            self.kept.performing(calls, self.store.durable)
            self.driver.perform(calls)

    def _dies(self, here: Doom) -> bool:
        if self.doom is not here:
            return False
        self.crash(f"crash {here.value}")
        return True

    def crash(self, why: str) -> None:
        """Die now; nothing that is not durable survives."""
        if not self.alive:
            return
        self.alive = False
        self.stage.note(f"process: dies, {why}")
        self.driver.close()
        self.prober.closed = True
        self.store.abandon()
        self._died(why)


def _last_of_each(changes: Iterable[Change]) -> list[Change]:
    last: dict[tuple[Kind, str], Record | None] = {}
    for change in changes:
        last[(change.kind, change.id)] = change.record
    return [Change(kind, key, record) for (kind, key), record in last.items()]
