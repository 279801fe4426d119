"""A scheduler's core on a clock that only the test moves, with words for what tests do to it.

Nothing here decides or stands in for anything of ours: it builds records, calls ``step`` and keeps
what was decided, so that a test reads as what happened and what followed.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

from cli.patterns import linear_full_match
from constraints import CompilePattern
from framework.core.policy import Context, Policy
from framework.core.step import step
from framework.core.turn import Step
from framework.core.world import World
from framework.domain.actions import Accept, Action, Kill, Launch
from framework.domain.app import App
from framework.domain.events import (
    Asked,
    ChangeApps,
    Command,
    Event,
    OffersReceived,
    PutApp,
    Started,
    Subscribed,
    TaskStatusReceived,
    TimerFired,
)
from framework.domain.instance import Instance
from framework.domain.mesos import Agent, Attribute, Offer, OfferResource, TaskState, TaskStatus
from framework.domain.replies import Done, Refused, Reply
from framework.domain.state import Change, State

START_MS = 1_700_000_000_000
FRAMEWORK_ID = "framework-1"
PLENTY = ((31_000, 31_999),)
WEB = App(id="/web", cmd="sleep 1", cpus_millis=100, mem_millis=32_000)

A = TypeVar("A", bound=Action)


class Session:
    """One core; ``steps`` holds all that was decided, ``last`` the latest."""

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        state: State | None = None,
        chance: Callable[[int], int] = lambda _: 0,
        connected: bool = True,
        patterns: CompilePattern = linear_full_match,
    ) -> None:
        self.now_ms = START_MS
        self.policy = policy or Policy()
        self.chance = chance
        self.state = state or State()
        self.patterns = patterns
        self.world = World(self.state, patterns)
        self.steps: list[Step] = []
        self.behind = False  # whether more has happened than a step is told
        self._ids = itertools.count(1)
        self._offers = itertools.count(1)
        self._tokens = itertools.count(1)
        if connected:
            self.step(Started())
            self.connect()

    @property
    def last(self) -> Step:
        return self.steps[-1]

    def step(self, *events: Event) -> Step:
        """Decide on these events, now."""
        context = Context(
            now_ms=self.now_ms,
            new_id=lambda: f"00000000-0000-4000-8000-{next(self._ids):012d}",
            chance=self.chance,
            policy=self.policy,
            behind=self.behind,
        )
        self.steps.append(step(self.world, events, context))
        return self.last

    def connect(self, region: str | None = None) -> Step:
        """Mesos accepts the subscription."""
        return self.step(Subscribed(FRAMEWORK_ID, "master:5050", region))

    def restart(self, *, seconds_later: float = 0) -> None:
        """The process dies; another one loads what was stored. It is not yet subscribed."""
        stored = State()
        for decided in self.steps:
            stored.apply(decided.changes)
        self.now_ms += round(seconds_later * 1000)
        self.state = stored
        self.world = World(stored, self.patterns)
        self.step(Started())

    def wait(self, seconds: float) -> list[Action]:
        """Let time pass, deciding whenever it was asked for; all actions of that time."""
        until_ms = self.now_ms + round(seconds * 1000)
        before = len(self.steps)
        while (wake_at_ms := self.last.wake_at_ms) is not None and wake_at_ms <= until_ms:
            self.now_ms = max(self.now_ms, wake_at_ms)
            self.step(TimerFired())
        self.now_ms = until_ms
        return [action for decided in self.steps[before:] for action in decided.actions]

    def ask(self, command: Command) -> Reply:
        """Carry out a command; its answer."""
        token = next(self._tokens)
        answers = dict(self.step(Asked(token, command)).replies)
        return answers[token]

    def ask_step(self, command: Command) -> Step:
        """Carry out a command that must be accepted; what was decided."""
        answer = self.ask(command)
        assert isinstance(answer, Done), answer
        return self.last

    def put(self, *apps: App, force: bool = False) -> Done:
        """Store definitions, which must be accepted."""
        answer = self.ask(ChangeApps(tuple(PutApp(app) for app in apps), force=force))
        assert isinstance(answer, Done), answer
        return answer

    def refused(self, command: Command) -> Refused:
        """Ask for what must be refused; nothing may change."""
        before = self.state.changes()
        answer = self.ask(command)
        assert isinstance(answer, Refused), answer
        assert self.state.changes() == before
        return answer

    def offer(self, *offers: Offer) -> Step:
        """Offers come."""
        return self.step(OffersReceived(offers))

    def offer_of(self, agent: Agent, *extra: OfferResource, role: str = "*") -> Offer:
        """A roomy offer of an agent."""
        return Offer(f"o{next(self._offers)}", agent, role, (*roomy(), *extra))

    def status(self, instance: Instance, state: TaskState, **details: object) -> Step:
        """Mesos says this of the instance's present task."""
        return self.step(status_of(instance, state, **details))

    def running(self, app: App, *agents: Agent) -> list[Instance]:
        """Put the app; its instances run on roomy offers of these agents."""
        self.put(app)
        self.offer(*(self.offer_of(agent) for agent in agents))
        instances = self.instances(app.id)
        assert len(instances) == app.instances, "the offers were meant to be enough"
        self.step(*(status_of(one, TaskState.RUNNING) for one in instances))
        return self.instances(app.id)

    def instances(self, app_id: str = "/web") -> list[Instance]:
        """The app's instances, in the order they were made."""
        return list(self.state.instances_of.get(app_id, {}).values())

    def only(self, app_id: str = "/web") -> Instance:
        """The app's one instance."""
        (instance,) = self.instances(app_id)
        return instance


def status_of(instance: Instance, state: TaskState, **details: object) -> TaskStatusReceived:
    """An update of the instance's present task."""
    fields: dict[str, object] = {
        "task_id": instance.task_id,
        "agent_id": instance.agent_id,
        "uuid": "uuid-1",
    }
    return TaskStatusReceived(TaskStatus(state=state, **(fields | details)))  # type: ignore[arg-type]  # by name


def agent(number: int, *, rack: str | None = None, zone: str | None = None) -> Agent:
    """An agent, perhaps with a rack and in a fault domain."""
    attributes = () if rack is None else (Attribute("rack", text=rack),)
    region = None if zone is None else "region"
    return Agent(f"a{number}", f"host{number}", attributes, region, zone)


def roomy() -> tuple[OfferResource, ...]:
    """64 processors, 64 GiB and a thousand ports, unreserved."""
    return (
        OfferResource("cpus", 64_000),
        OfferResource("mem", 65_536_000),
        OfferResource("ports", ranges=PLENTY),
    )


def of_type(actions: Sequence[Action], kind: type[A]) -> list[A]:
    """The actions of one kind, in order."""
    return [action for action in actions if isinstance(action, kind)]


def launches(decided: Step) -> list[Launch]:
    """Every task that is started."""
    return [one for accept in of_type(decided.actions, Accept) for one in accept.launches]


def killed(decided: Step) -> list[str]:
    """The ids of the tasks that Mesos is asked to kill."""
    return [kill.task_id for kill in of_type(decided.actions, Kill)]


def put_records(state: State, *changes: Change) -> State:
    """A state that begins with these records."""
    state.apply(changes)
    return state
