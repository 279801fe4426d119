"""The adapter: a thread with an event loop that looks at what is watched and reports.

One timer for all targets and a task for each look under way, never one for an idle target. A look
that fails in an unforeseen way is a failure of its target, counted; a bug anywhere else goes to
``on_failure``, which ends the process: a prober that is silently dead would keep the dead alive.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from framework.domain.health import ProbeAction, ProbeResult, ProbesReported, Unwatch, Watch
from framework.health.addresses import Addresses, Lookup, system_lookup
from framework.health.counts import ProbeCounts
from framework.health.look import Finding, Look, UnableError
from framework.health.options import HealthOptions
from framework.health.reports import Reports
from framework.health.schedule import Entry, Schedule
from framework.health.wire import tls_context

_ACTIONS_AT_ONCE = 500  # a thousand new targets must not delay the looks at the others
# Looks that are due within this time begin together: many share one turn of the event loop then,
# which costs a third less, and none is noticeably late. One that is due alone begins at once.
_TOGETHER_SECONDS = 0.004
_STOP_SECONDS = 5.0
# A time-out counts as a failure if this thread itself lost no more than this share of the time.
_LOST_SHARE = 0.25


def _wall_clock() -> int:
    return time.time_ns() // 1_000_000


class AsyncProber:
    """See the Protocol ``Probes``. ``on_failure`` is called once, from the prober's thread, with
    the exception that ended it. ``clock`` gives the moments in results, in milliseconds since
    1970. ``lookup`` resolves host names, and may take its time."""

    def __init__(
        self,
        options: HealthOptions,
        *,
        on_failure: Callable[[BaseException], None],
        clock: Callable[[], int] = _wall_clock,
        lookup: Lookup = system_lookup,
    ) -> None:
        self.counts = ProbeCounts()
        self._options = options
        self._on_failure = on_failure
        self._clock = clock
        self._submit: Callable[[ProbesReported], None] | None = None
        self._actions: deque[ProbeAction] = deque()  # as long as what the core just decided
        self._stopping = False
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._bug)
        self._ended = self._loop.create_future()
        self._addresses = Addresses(self._loop, options.health_dns_cache_seconds, lookup)
        self._tls = tls_context()
        self._schedule = Schedule()
        self._reports = Reports()
        self._looks: dict[Entry, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._began_at = 0.0
        self._tick_due = 0.0
        self._lost_seconds = 0.0  # by which ticks were late: nothing else was done then, either
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)

    def start(self, submit: Callable[[ProbesReported], None]) -> None:
        """See the Protocol. ``submit`` may wait: looks disturbed by that are not reported."""
        self._submit = submit
        self._thread.start()

    def perform(self, actions: Sequence[ProbeAction]) -> None:
        """See the Protocol. From any thread, also before the start; later than the end: ignored."""
        if self._stopping:
            return
        self._actions.extend(actions)
        self._call(self._take_actions)

    def stop(self) -> None:
        """See the Protocol. Harmless when repeated."""
        self._stopping = True
        if self._thread.ident is None:
            self._loop.close()
            return
        self._call(self._end)
        if threading.current_thread() is not self._thread:
            self._thread.join(_STOP_SECONDS)

    def _call(self, what: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:  # closed: it has ended already
            return

    # Everything below runs in the prober's thread.

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001 - crash-only: a bug ends the process
            self._failure = self._failure or error
        self._stopping = True
        self._addresses.close()
        self._loop.close()
        if self._failure is not None:
            self._on_failure(self._failure)

    async def _serve(self) -> None:
        self._tick_due = self._loop.time()
        self._tick()
        await self._ended
        looks = list(self._looks.values())
        for task in looks:
            task.cancel()
        if looks:
            await asyncio.wait(looks)

    def _end(self) -> None:
        self._stopping = True
        if not self._ended.done():
            self._ended.set_result(None)

    def _bug(self, _: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """An exception that nobody caught, in a callback or a task."""
        error = context.get("exception")
        if not isinstance(error, BaseException):
            error = RuntimeError(str(context.get("message")))
        self._failure = self._failure or error
        self._end()

    def _take_actions(self) -> None:
        now = self._loop.time()
        for _ in range(min(_ACTIONS_AT_ONCE, len(self._actions))):
            gone = self._carry_out(self._actions.popleft(), now)
            if gone is not None and gone in self._looks:
                self._looks[gone].cancel()
        self.counts.targets = len(self._schedule.entries)
        if self._actions:
            self._loop.call_soon(self._take_actions)
        self._begin_due()

    def _carry_out(self, action: ProbeAction, now: float) -> Entry | None:
        """Returns the entry that is watched no more."""
        match action:
            case Watch(target):
                return self._schedule.watch(target, now)
            case Unwatch(key):
                return self._schedule.forget(key)

    def _begin_due(self) -> None:
        """Begin what is due while there is room, and come back when something is."""
        if self._stopping:
            return
        now = self._loop.time()
        room = self._options.max_concurrent_marathon_health_checks - len(self._looks)
        while room > 0 and (entry := self._schedule.take(now)) is not None:
            task = self._looks[entry] = self._loop.create_task(self._look(entry))
            task.add_done_callback(partial(self._looked, entry))
            room -= 1
        self.counts.running = len(self._looks)
        self._began_at = now
        self._come_back(full=room <= 0)

    def _looked(self, entry: Entry, task: asyncio.Task[None]) -> None:
        """A look is over, also one that was ended before it began."""
        del self._looks[entry]
        self.counts.running = len(self._looks)
        self.counts.skipped += self._schedule.again(entry, self._loop.time())
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
        if self._timer is None:  # all places were taken, or nothing else was to come
            self._begin_due()
        else:
            self._come_back(full=False)

    def _come_back(self, *, full: bool) -> None:
        """Set the timer to when something is due; without a place, the end of a look does it."""
        due, timer = self._schedule.next_due(), self._timer
        wanted = None if full or due is None else max(due, self._began_at + _TOGETHER_SECONDS)
        if timer is not None:
            if wanted is not None and timer.when() <= wanted:
                return
            timer.cancel()
        self._timer = None if wanted is None else self._loop.call_at(wanted, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self._begin_due()

    async def _look(self, entry: Entry) -> None:
        loop, counts, lost = self._loop, self.counts, self._lost_seconds
        counts.began(max(0.0, loop.time() - entry.due))
        limit = self._options.health_answer_limit_bytes
        look = Look(entry.target, loop, self._addresses, self._tls, limit)
        try:
            finding = await look.look()
        except UnableError:
            counts.unable += 1
        except Exception as error:  # noqa: BLE001 - one target must not end the looks at others
            counts.broken += 1
            self._found(entry, Finding(False, f"the look failed: {error!r}"))
        else:
            lost = self._lost_seconds - lost
            if look.overdue and lost > entry.target.timeout_seconds * _LOST_SHARE:
                counts.disturbed += 1
            else:
                self._found(entry, finding)

    def _found(self, entry: Entry, finding: Finding) -> None:
        self.counts.failures += not finding.alive
        result = ProbeResult(
            entry.target.key, self._clock(), finding.alive, finding.cause, finding.answer
        )
        self._reports.add(entry, result)

    def _tick(self) -> None:
        """Report, and come back. How late this comes says how much time was lost for all looks:
        the process was stopped, other threads kept the processor, or ``submit`` had to wait."""
        now = self._loop.time()
        self._lost_seconds += max(0.0, now - self._tick_due)
        self.counts.queued = self._schedule.queued(now)
        report = self._reports.collect()
        if report is not None and self._submit is not None and not self._stopping:
            self.counts.reports += 1
            self._submit(report)
        after = self._loop.time()
        self._lost_seconds += after - now
        self._tick_due = after + self._options.health_report_interval_ms / 1000
        self._loop.call_at(self._tick_due, self._tick)
