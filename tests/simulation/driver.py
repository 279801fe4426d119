"""The driver and the network in simulated form, with the promises of ``framework.mesos``.

Events and calls keep their order; a cut connection loses a suffix of both. Order towards the
core: Subscribed, its events, Disconnected, what became of the calls that were left, and only then
the next Subscribed. A call without an answer comes back as CallUnanswered (an ACCEPT: it may have
happened) or CallNotSent (whatever can be repeated without harm, happened or not).
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from framework.domain.actions import (
    Accept,
    Action,
    Decline,
    RemoveFramework,
    Revive,
    Suppress,
    UpdateRoles,
)
from framework.domain.events import (
    CallNotSent,
    CallUnanswered,
    Disconnected,
    Event,
    FrameworkRefused,
    Subscribed,
)
from tests.simulation.mesos import Master
from tests.simulation.stage import Stage

_MAY_HAVE_HAPPENED = (Accept, RemoveFramework)
_REFUSABLE = (Accept, Decline)
REGION = "west"


@dataclass(slots=True)
class _Call:
    action: Action
    done: bool = False
    answered: bool = False


class Wire:
    """One subscription: a stream of events one way, calls the other, both in order."""

    def __init__(self, stage: Stage, master: Master, submit: Callable[[Event], None]) -> None:
        self.stage = stage
        self.master = master
        self.submit = submit
        self.calls: deque[_Call] = deque()
        self.silent = False  # nothing passes any more, though neither side knows it
        self.over = False
        self._events_at = 0
        self._calls_at = 0

    def event(self, event: Event) -> None:
        """The master sends an event."""
        self._events_at = max(self._events_at, self.stage.now_ms + self.stage.between(1, 4))

        def arrive() -> None:
            if not (self.over or self.silent):
                self.submit(event)

        self.stage.after(self._events_at - self.stage.now_ms, arrive)

    def call(self, action: Action) -> None:
        """The driver writes a call."""
        call = _Call(action)
        self.calls.append(call)
        self._calls_at = max(self._calls_at, self.stage.now_ms + self.stage.between(1, 4))
        self.stage.after(self._calls_at - self.stage.now_ms, lambda: self._arrive(call))

    def _arrive(self, call: _Call) -> None:
        if self.over or self.silent or call.done or not self._heard():
            return
        if isinstance(call.action, _REFUSABLE) and self.stage.happens(0.01):
            call.done = call.answered = True
            self.submit(CallNotSent(call.action, "400 refused by the simulation"))
            return
        self._do(call)
        self.stage.after(2, lambda: self._answered(call))

    def _heard(self) -> bool:
        """Whether the master still has this subscription."""
        session = self.master.session
        return session is not None and session.send == self.event

    def _do(self, call: _Call) -> None:
        call.done = True
        self.master.call(call.action)

    def _answered(self, call: _Call) -> None:
        if not (self.over or self.silent):
            call.answered = True
        while self.calls and self.calls[0].answered:
            self.calls.popleft()

    def cut(self) -> list[_Call]:
        """End it. Some calls on their way still arrive; returns those without an answer."""
        if not (self.over or self.silent) and self._heard():
            waiting = [call for call in self.calls if not call.done]
            for call in waiting[: self.stage.between(0, len(waiting))]:
                if self._heard():  # one of them may remove the framework
                    self._do(call)
        self.over = True
        self.master.unsubscribe(self.event)
        return [call for call in self.calls if not call.answered]


class Driver:
    """Subscribes and stays subscribed; see ``framework.interfaces.Mesos``."""

    def __init__(self, stage: Stage, master: Master, submit: Callable[[Event], None]) -> None:
        self.stage = stage
        self.master = master
        self.submit = submit
        self.wire: Wire | None = None
        self.stopped = False
        self._framework_id = ""
        self._roles: tuple[str, ...] = ()
        self._suppressed: set[str] = set()

    def start(self, framework_id: str, roles: Sequence[str]) -> None:
        """Subscribe soon."""
        self._framework_id = framework_id
        self._roles = tuple(roles)
        self.stage.after(self.stage.between(5, 50), self._connect)

    def perform(self, actions: Sequence[Action]) -> None:
        """Carry these calls, or say that they were not sent."""
        for action in actions:
            if self.wire is not None or isinstance(action, UpdateRoles):
                self._note(action)
            if self.wire is not None:
                self.wire.call(action)
            else:
                self.submit(CallNotSent(action, "not subscribed"))

    def _note(self, action: Action) -> None:
        if isinstance(action, UpdateRoles):
            self._roles, self._suppressed = action.roles, {*action.suppressed}
        elif isinstance(action, Suppress):
            self._suppressed |= {*action.roles}
        elif isinstance(action, Revive):
            self._suppressed -= {*action.roles}

    def _connect(self) -> None:
        if self.stopped or self.wire is not None:
            return
        if not self.master.up:
            self.stage.after(self.stage.between(200, 2_000), self._connect)
            return
        if self._framework_id in self.master.completed:
            self.submit(FrameworkRefused("Framework has been removed"))
            return
        roles, suppressed = self._roles, {*self._suppressed}
        self.stage.after(self.stage.between(2, 10), lambda: self._subscribe(roles, suppressed))

    def _subscribe(self, roles: tuple[str, ...], suppressed: set[str]) -> None:
        if self.stopped or not self.master.up:
            self.stage.after(500, self._connect)
            return
        if self._framework_id in self.master.completed:
            self._connect()
            return
        wire = Wire(self.stage, self.master, self.submit)
        known = self.master.subscribe(wire.event, self._framework_id, roles, suppressed)
        self._framework_id = known
        self.wire = wire
        self.stage.note("driver: subscribed")
        self.submit(Subscribed(known, "master:5050", REGION))

    def partition(self, silence_ms: int) -> None:
        """Nothing passes from now on; the heartbeat watchdog finds out after a while."""
        wire = self.wire
        if wire is not None:
            wire.silent = True
            self.master.unsubscribe(wire.event)
            self.stage.after(silence_ms, lambda: self.cut("silence") if self.wire is wire else None)

    def cut(self, why: str) -> None:
        """The connection broke."""
        if self.wire is None:
            return
        left = self.wire.cut()
        self.wire = None
        self.stage.note(f"driver: disconnected ({why})")
        self.submit(Disconnected(why))
        for call in left:
            if isinstance(call.action, _MAY_HAVE_HAPPENED):
                unsent = not call.done and self.stage.happens(0.5)
                event = CallNotSent(call.action, why) if unsent else CallUnanswered(call.action)
                self.submit(event)
            else:
                self.submit(CallNotSent(call.action, why))
        self.stage.after(self.stage.between(100, 1_500), self._connect)

    def close(self) -> None:
        """The process is gone."""
        self.stopped = True
        if self.wire is not None:
            self.wire.cut()
            self.wire = None
