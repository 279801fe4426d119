"""Carrying steps out, in this order and never another: changes durable -> actions -> publish ->
replies -> notices.

Nothing is launched that is not stored, no update acknowledged that is not stored, nobody told of
what can be lost. All steps that are queued become one append, so a slow disk makes batches
larger and not the queue longer.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from framework.core.turn import Step
from framework.domain.actions import Accept, Action, Decline, Halt
from framework.domain.health import ProbeAction
from framework.domain.notices import Notice
from framework.domain.replies import Reply
from framework.domain.state import Change, Kind, Record, State
from framework.domain.volumes import OperationKind
from framework.interfaces import Mesos, Probes, Store

_STEPS_LIMIT = 1_000
_CHANGES_A_BATCH = 20_000


@dataclass(slots=True)
class PipelineCounts:
    """What was carried out since the start; read by the metrics."""

    batches: int = 0
    changes: int = 0
    append_seconds: float = 0.0
    longest_append_seconds: float = 0.0
    launches: int = 0
    reservations: int = 0
    offers_used: int = 0
    offers_declined: int = 0


class Pipeline:
    """Takes steps from the loop through ``put``; everything else happens in its own thread.

    ``confirm`` is called before actions that no append went ahead of: an append proves that this
    process leads, and they must not happen without such a proof. It raises to end the process.
    ``begun`` is set once the first steps are carried out and published."""

    def __init__(
        self,
        store: Store,
        mesos: Mesos,
        probes: Probes,
        view: State,
        *,
        reply: Callable[[int, Reply], None],
        notify: Callable[[Notice], None],
        halt: Callable[[Halt], None],
        fatal: Callable[[BaseException], None],
        confirm: Callable[[], None] = lambda: None,
    ) -> None:
        self.counts = PipelineCounts()
        self.on_start: Callable[[], None] = lambda: None
        self.begun = threading.Event()
        self._store = store
        self._mesos = mesos
        self._probes = probes
        self._view = view
        self._reply = reply
        self._notify = notify
        self._halt = halt
        self._fatal = fatal
        self._confirm = confirm
        self._condition = threading.Condition()
        self._steps: deque[Step] = deque()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="pipeline", daemon=True)

    def start(self) -> None:
        """Begin to carry out."""
        self._thread.start()

    def put(self, step: Step) -> None:
        """Queue a step; waits while too many are queued."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or len(self._steps) < _STEPS_LIMIT)
            self._steps.append(step)
            self._condition.notify_all()

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """Carry out what is queued, then end."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        try:
            self.on_start()
            while steps := self._take():
                self._carry_out(steps)
                self.begun.set()
        except BaseException as error:  # noqa: BLE001 - crash-only: a failed write ends the process
            self._fatal(error)

    def _take(self) -> list[Step]:
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or self._steps)
            steps: list[Step] = []
            changes = 0
            while self._steps and changes < _CHANGES_A_BATCH:
                steps.append(self._steps.popleft())
                changes += len(steps[-1].changes)
            self._condition.notify_all()
            return steps

    def _carry_out(self, steps: list[Step]) -> None:
        changes = _last_of_each(change for step in steps for change in step.changes)
        actions = [action for step in steps for action in step.actions]
        if changes:
            self._append(changes)
        self._act(
            [action for action in actions if not isinstance(action, Halt)],
            [probe for step in steps for probe in step.probes],
            proven=bool(changes),
        )
        self._view.apply(changes)
        for step in steps:
            self._view.apply(step.volatile)
        self._tell(steps)
        for action in actions:
            if isinstance(action, Halt):
                self._halt(action)

    def _append(self, changes: list[Change]) -> None:
        started = time.perf_counter()
        self._store.append(changes)
        seconds = time.perf_counter() - started
        counts = self.counts
        counts.batches += 1
        counts.changes += len(changes)
        counts.append_seconds += seconds
        counts.longest_append_seconds = max(counts.longest_append_seconds, seconds)

    def _act(self, calls: list[Action], probes: list[ProbeAction], *, proven: bool) -> None:
        if calls:
            if not proven:
                self._confirm()
            self._count(calls)
            self._mesos.perform(calls)
        if probes:
            self._probes.perform(probes)

    def _count(self, calls: list[Action]) -> None:
        counts = self.counts
        for call in calls:
            if isinstance(call, Accept):
                counts.offers_used += len(call.offer_ids)
                counts.launches += len(call.launches)
                kinds = [one.kind for one in call.operations]
                counts.reservations += kinds.count(OperationKind.RESERVE)
            elif isinstance(call, Decline):
                counts.offers_declined += len(call.offer_ids)

    def _tell(self, steps: list[Step]) -> None:
        for token, answer in (reply for step in steps for reply in step.replies):
            self._reply(token, answer)
        for notice in (notice for step in steps for notice in step.notices):
            self._notify(notice)


def _last_of_each(changes: Iterable[Change]) -> list[Change]:
    """One change a key: within a batch only the last state of a record is ever seen."""
    last: dict[tuple[Kind, str], Record | None] = {}
    for change in changes:
        last[(change.kind, change.id)] = change.record
    return [Change(kind, key, record) for (kind, key), record in last.items()]
