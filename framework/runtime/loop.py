"""The single writer: one thread that takes what happened and decides.

Foreign threads only ``submit``. Commands come first, then as many facts as about five
milliseconds of deciding take, so that an API call is answered while thousands of offers arrive.
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from framework.core.policy import Context, Policy
from framework.core.step import step
from framework.core.turn import Step
from framework.core.world import World
from framework.domain.events import Asked, Event, TimerFired
from framework.interfaces import OverloadedError
from framework.runtime.crashing import crash_step
from framework.runtime.journal import Journal

_log = logging.getLogger("stayer")
_SLICE_SECONDS = 0.005
_FACTS_MIN, _FACTS_MAX = 20, 2_000
_BEHIND = 1_000  # from so many facts on that wait, launches do
COMMANDS_LIMIT = 1_000
FACTS_LIMIT = 100_000


@dataclass(slots=True)
class LoopCounts:
    """What the loop did since it began; read by the metrics."""

    steps: int = 0
    events: int = 0
    seconds: float = 0.0
    longest_seconds: float = 0.0


class Loop:
    """Decides in a thread of its own; each Step goes to ``emit`` in order. An exception goes to
    ``fatal`` and ends the loop; before, one that a step raised is counted in a last Step, and
    ``finish`` waits until that is stored."""

    def __init__(
        self,
        world: World,
        policy: Policy,
        *,
        clock: Callable[[], int],
        new_id: Callable[[], str],
        emit: Callable[[Step], None],
        fatal: Callable[[BaseException], None],
        finish: Callable[[], None] = lambda: None,
    ) -> None:
        self.counts = LoopCounts()
        self.journal = Journal()
        self._world = world
        self._policy = policy
        self._clock = clock
        self._new_id = new_id
        self._emit = emit
        self._fatal = fatal
        self._finish = finish
        self._chance = random.Random()  # noqa: S311 - spreads ports; keeps no secret
        self._condition = threading.Condition()
        self._commands: deque[Asked] = deque()
        self._facts: deque[Event] = deque()
        self._facts_a_step = 200
        self._wake_at_ms: int | None = None
        self._stopped = False
        self._unhurried = threading.local()
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)

    def start(self) -> None:
        """Begin to decide."""
        self._thread.start()

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """Stop after the step under way; what is still queued is not decided."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_seconds)

    def never_wait_here(self) -> None:
        """Let the calling thread submit facts without ever waiting for room: for the thread that
        carries steps out, which the loop itself may be waiting for."""
        self._unhurried.exempt = True

    def submit(self, *events: Event) -> None:
        """Queue events, in order. Waits for room among facts; OverloadedError when too many
        commands wait already."""
        with self._condition:
            for event in events:
                if isinstance(event, Asked):
                    if len(self._commands) >= COMMANDS_LIMIT:
                        raise OverloadedError("too many commands are waiting to be decided")
                    self._commands.append(event)
                else:
                    self._wait_for_room()
                    self._facts.append(event)
            self._condition.notify_all()

    def depth(self) -> int:
        """Events that wait to be decided."""
        return len(self._commands) + len(self._facts)

    def kills_under_way(self) -> tuple[int, int]:
        """Tasks that were asked to end and have not, and how often they were asked in all."""
        sent = list(self._world.kills_sent.values())
        return len(sent), sum(one.attempts for one in sent)

    def offers_at_hand(self) -> int:
        """Offers that are kept open while nothing waits."""
        return len(self._world.hand)

    def _wait_for_room(self) -> None:
        if len(self._facts) < FACTS_LIMIT or getattr(self._unhurried, "exempt", False):
            return
        self._condition.notify_all()  # of what this very call has queued
        self._condition.wait_for(lambda: self._stopped or len(self._facts) < FACTS_LIMIT)

    def _run(self) -> None:
        try:
            while (events := self._take()) is not None:
                self._emit(self._decide(events))
        except BaseException as error:  # noqa: BLE001 - crash-only: a bug in a step ends the process
            self._fatal(error)

    def _take(self) -> list[Event] | None:
        """The next events to decide; waits for one or for the time to look again. None: stop."""
        with self._condition:
            while not (self._stopped or self._commands or self._facts):
                timeout = self._seconds_to_wait()
                if timeout is not None and timeout <= 0:
                    self._wake_at_ms = None
                    return [TimerFired()]
                self._condition.wait(timeout)
            if self._stopped:
                return None
            events: list[Event] = list(self._commands)
            self._commands.clear()
            while self._facts and len(events) < self._facts_a_step:
                events.append(self._facts.popleft())
            self._condition.notify_all()
            return events

    def _seconds_to_wait(self) -> float | None:
        if self._wake_at_ms is None:
            return None
        return (self._wake_at_ms - self._clock()) / 1000

    def _decide(self, events: list[Event]) -> Step:
        seed = random.getrandbits(64)
        self._chance.seed(seed)
        context = Context(
            now_ms=self._clock(),
            new_id=self._new_id,
            chance=self._chance.randrange,
            policy=self._policy,
            behind=len(self._facts) >= _BEHIND,
        )
        self.journal.write(context.now_ms, seed, events, behind=context.behind)
        started, cpu_started = time.perf_counter(), time.thread_time()
        try:
            decided = step(self._world, events, context)
        except Exception as error:
            self._count_crash(error, context.now_ms)
            raise
        seconds = time.thread_time() - cpu_started
        self._measure(time.perf_counter() - started, len(events))
        self._fit_slice(seconds, len(events))
        self._wake_at_ms = decided.wake_at_ms
        return decided

    def _count_crash(self, error: Exception, now_ms: int) -> None:
        """What crashes the decisions again and again is set aside (core/crashes); but want of
        memory says nothing of what was handled."""
        if isinstance(error, MemoryError):
            return
        try:
            self._emit(crash_step(self._world, error, now_ms))
            self._finish()
        except Exception:  # noqa: BLE001 - the crash must be told, whatever counting it meets
            _log.exception("the crash was not counted")

    def _measure(self, seconds: float, events: int) -> None:
        counts = self.counts
        counts.steps += 1
        counts.events += events
        counts.seconds += seconds
        counts.longest_seconds = max(counts.longest_seconds, seconds)

    def _fit_slice(self, seconds: float, events: int) -> None:
        """Choose how many facts to take at once. By processor time: other threads that compute
        too make a step longer, and many small steps instead would make all of it slower."""
        if events < self._facts_a_step and seconds < _SLICE_SECONDS:
            return  # what a step costs at the least says nothing about a full one
        fit = int(events * _SLICE_SECONDS / seconds) if seconds else _FACTS_MAX
        smoothed = (self._facts_a_step * 3 + fit) // 4
        self._facts_a_step = max(_FACTS_MIN, min(_FACTS_MAX, smoothed))
