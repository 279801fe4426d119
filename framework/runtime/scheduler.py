"""The running scheduler: loop, pipeline, store and driver put together.

This is what the API sees (the Protocol ``Scheduler``) and what the command line starts and stops.
"""

import itertools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field

from constraints import CompilePattern
from framework.core import identity
from framework.core.policy import Policy
from framework.core.world import World
from framework.domain.actions import Halt
from framework.domain.events import Asked, Command, Started
from framework.domain.exits import ExitCode
from framework.domain.notices import Notice
from framework.domain.replies import Reply
from framework.domain.state import State
from framework.interfaces import CommandTimeoutError, Mesos, Probes, Store
from framework.runtime.counted import CountedState
from framework.runtime.loop import Loop
from framework.runtime.metrics import (
    ChangeCounts,
    Exported,
    change_metrics,
    kill_metrics,
    offer_metrics,
    state_metrics,
    work_metrics,
)
from framework.runtime.moments import fresh_ids, steady_clock
from framework.runtime.notices import log_notice
from framework.runtime.pipeline import Pipeline

_log = logging.getLogger("stayer")
_FIRST_STEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the process knows about itself, for ``/v2/info``: the address others reach the API
    at (host:port), and every setting by Marathon's name, without credentials."""

    leader: str = ""
    version: str = ""
    settings: dict[str, object] = field(default_factory=dict)


def load(store: Store) -> State:
    """Everything that a store holds."""
    state = State()
    state.apply(store.load())
    return state


class RunningScheduler:
    """One scheduler process. ``on_end`` is called once when it can not go on, from whatever
    thread found out: with the exception of a bug or failed write, or with the Halt that was
    decided."""

    def __init__(
        self,
        store: Store,
        mesos: Mesos,
        probes: Probes,
        policy: Policy,
        compile_pattern: CompilePattern,
        *,
        on_end: Callable[[BaseException | Halt], None],
        state: State | None = None,
        confirm: Callable[[], None] = lambda: None,
        facts: Facts | None = None,
    ) -> None:
        """``state`` is what the store holds, when that is in memory already, and becomes the
        writer's; ``confirm`` raises LeadershipLostError unless this process leads (see
        Pipeline)."""
        self.facts = facts or Facts()
        self.view = CountedState()
        self._store = store
        self._mesos = mesos
        self._probes = probes
        self._policy = policy
        self._on_end = on_end
        self._ended = threading.Lock()
        self._tokens = itertools.count(1)
        self._waiting: dict[int, Future[Reply]] = {}
        self._changes = ChangeCounts()
        self._listeners: list[Callable[[Notice], None]] = [log_notice, self._changes.heard]
        self.on_abdicate: Callable[[], None] = self._halt_as_asked
        state = load(store) if state is None else state
        self.view.apply(state.changes())
        store.checkpoint_from(self.view)
        world = World(state, compile_pattern)
        self.pipeline = Pipeline(
            store,
            mesos,
            probes,
            self.view,
            reply=self._reply,
            notify=self._notify,
            halt=self._end,
            fatal=self._end,
            confirm=confirm,
        )
        self.loop = Loop(
            world,
            policy,
            clock=steady_clock(),
            new_id=fresh_ids(),
            emit=self.pipeline.put,
            fatal=self._end,
            finish=self.pipeline.stop,
        )
        self.pipeline.on_start = self.loop.never_wait_here
        self.exported = self._exported(policy)

    def start(self) -> None:
        """Decide, carry out, and subscribe to Mesos. What the first step makes of the state (which
        apps wait, a root of all groups) is published on return, unless the store is slow."""
        self.pipeline.start()
        self.loop.start()
        self._probes.start(self.loop.submit)
        self.loop.submit(Started())
        framework = self.view.framework
        framework_id = "" if framework is None else framework.framework_id
        roles = {self._policy.mesos_role, *(app.role for app in self.view.apps.values())}
        if identity.missing(self.view) is None:  # else what was submitted ends the process
            self._mesos.start(self.loop.submit, framework_id, sorted(roles))
        self.pipeline.begun.wait(_FIRST_STEP_SECONDS)

    def stop(self) -> None:
        """Stop deciding, finish what was decided, leave Mesos; tasks keep running."""
        self.loop.stop()
        self.pipeline.stop()
        self._probes.stop()
        self._mesos.stop()
        self._store.close()

    def ask(self, command: Command, timeout_seconds: float = 10.0) -> Reply:
        """Submit a command and wait until what it did is durable and published."""
        token = next(self._tokens)
        future: Future[Reply] = Future()
        self._waiting[token] = future
        try:
            self.loop.submit(Asked(token, command))
            return future.result(timeout_seconds)
        except FutureTimeoutError:
            raise CommandTimeoutError(
                f"Futures timed out after [{round(timeout_seconds * 1000)} milliseconds]"
            ) from None
        finally:
            self._waiting.pop(token, None)

    def listen(self, listener: Callable[[Notice], None]) -> None:
        """Call ``listener`` with each notice, in order, from the pipeline's thread: it must
        return at once."""
        self._listeners.append(listener)

    def info(self) -> dict[str, object]:
        """See the Protocol."""
        return {
            "leader": self.facts.leader,
            "version": self.facts.version,
            "settings": self.facts.settings,
        }

    def metrics(self) -> bytes:
        """See the Protocol."""
        return self.exported.text()

    def abdicate(self) -> None:
        """See the Protocol; ``on_abdicate`` is the composition's to set."""
        self.on_abdicate()

    def _halt_as_asked(self) -> None:
        self._end(
            Halt(
                ExitCode.LEADERSHIP_ABDICATED,
                "gave the lead up, as asked; started again it stands by",
            )
        )

    def _exported(self, policy: Policy) -> Exported:
        exported, loop, clock = Exported(), self.loop, steady_clock()
        exported.add(lambda: state_metrics(self.view, policy, clock()))
        exported.add(lambda: change_metrics(self._changes))
        exported.add(lambda: kill_metrics(*loop.kills_under_way()))
        exported.add(lambda: offer_metrics(loop.offers_at_hand()))
        exported.add(lambda: work_metrics(loop.counts, self.pipeline.counts, loop.depth()))
        return exported

    def _reply(self, token: int, reply: Reply) -> None:
        self._changes.replied(reply)
        future = self._waiting.get(token)
        if future is not None:
            future.set_result(reply)

    def _notify(self, notice: Notice) -> None:
        for listener in self._listeners:
            listener(notice)

    def _end(self, why: BaseException | Halt) -> None:
        if self._ended.acquire(blocking=False):
            self._on_end(why)
        self.pipeline.begun.set()  # or never will be: nobody shall wait for it
