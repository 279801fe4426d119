"""Simulated agents: machines with tasks on them, as the Mesos agent treats those.

A task's updates form a stream: each is sent again until it is acknowledged, the next one only
then. What an app's tasks do is written in its command: "ok", "crash", "finish", "hang", "error".
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from framework.domain.actions import Operation
from framework.domain.mesos import Agent, OperationState, OperationStatus, TaskState, TaskStatus
from tests.simulation import reserving
from tests.simulation.bundles import Bundle
from tests.simulation.stage import Stage, Violation

ENDED = frozenset(
    {
        TaskState.FINISHED,
        TaskState.FAILED,
        TaskState.KILLED,
        TaskState.ERROR,
        TaskState.LOST,
        TaskState.DROPPED,
        TaskState.GONE,
        TaskState.GONE_BY_OPERATOR,
    }
)
_RESEND_MS = 10_000
_RESEND_MOST_MS = 60_000


@dataclass(slots=True)
class Task:
    """A task as the machine has it. ``checked``: its executor reports health."""

    id: str
    app_id: str
    version: str
    does: str
    checked: bool
    needs: Bundle
    agent_id: str
    foreign: bool = False
    state: TaskState = TaskState.STAGING
    healthy: bool | None = None
    dying: bool = False
    updates: deque[TaskStatus] = field(default_factory=deque)
    resend_ms: int = _RESEND_MS

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.state in ENDED


class Machine:
    """One agent. ``hears`` is the master's ear: called with each update sent while connected."""

    def __init__(self, stage: Stage, info: Agent, total: Bundle) -> None:
        self.stage = stage
        self.info = info
        self.total = total
        self.tasks: dict[str, Task] = {}
        self.operations: dict[str, OperationStatus] = {}  # to be acknowledged
        self.connected = False
        self.alive = True
        self.hears: Callable[[Machine, Task, TaskStatus | None], None] = lambda *_: None
        self.tells: Callable[[OperationStatus], None] = lambda _: None

    # Operations: what they made, and what is to be said of them, outlives a reboot.

    def apply(self, operation: Operation) -> None:
        """Carry out what the master sent."""
        self.total = reserving.applied(self.total, operation)
        self.say(operation.id, OperationState.FINISHED)

    def say(self, operation_id: str, state: OperationState) -> None:
        """What became of an operation; again and again until it is acknowledged."""
        if operation_id not in self.operations:
            uuid = self.stage.new_id()
            status = OperationStatus(operation_id, state, self.info.id, uuid)
            self.operations[operation_id] = status
            self._say_again(status, self.stage.between(5, 4_000))

    def _say_again(self, status: OperationStatus, delay_ms: int) -> None:
        def speak() -> None:
            if self.operations.get(status.operation_id) is status and self.alive:
                if self.connected:
                    self.tells(status)
                self._say_again(status, _RESEND_MS)

        self.stage.after(delay_ms, speak)

    def operation_acknowledged(self, operation_id: str, uuid: str) -> None:
        """The scheduler has stored this."""
        status = self.operations.get(operation_id)
        if status is not None and status.uuid == uuid:
            del self.operations[operation_id]

    def run(self, task: Task) -> None:
        """Start a task that the master sent."""
        stage = self.stage
        for other in self.live():
            if other.needs.holdings & task.needs.holdings:
                raise Violation(f"{task.id} uses the volumes of {other.id}, which runs")
        if not task.needs.holdings <= self.total.holdings:
            raise Violation(f"{task.id} starts without its volumes")
        self.tasks[task.id] = task
        if task.does == "error" and stage.happens(0.5):
            state = stage.pick((TaskState.ERROR, TaskState.FAILED, TaskState.GONE))
            stage.after(20, lambda: self.become(task, state, "REASON_CONTAINER_LAUNCH_FAILED"))
        elif task.does == "hang" and stage.happens(0.4):
            if stage.happens(0.5):
                stage.after(50, lambda: self.become(task, TaskState.STARTING))
        else:
            stage.after(stage.between(20, 300), lambda: self._start(task))

    def _start(self, task: Task) -> None:
        stage = self.stage
        self.become(task, TaskState.STARTING)
        stage.after(stage.between(20, 1_500), lambda: self._started(task))

    def _started(self, task: Task) -> None:
        stage = self.stage
        self.become(task, TaskState.RUNNING)
        if task.checked:
            stage.after(stage.between(100, 4_000), lambda: self._checked(task))
        ends = {"crash": TaskState.FAILED, "finish": TaskState.FINISHED}
        if task.does in ends and stage.happens(0.6):
            stage.after(
                stage.between(50, 30_000),
                lambda: None if stage.calm else self.become(task, ends[task.does]),
            )

    def _checked(self, task: Task) -> None:
        """A health check's result: mostly well."""
        if task.ended:
            return
        well = not self.stage.happens(0.25)
        self.become(task, TaskState.RUNNING, healthy=well)
        if not well or self.stage.happens(0.4):
            self.stage.after(self.stage.between(1_000, 20_000), lambda: self._checked(task))

    def become(
        self, task: Task, state: TaskState, reason: str = "", healthy: bool | None = None
    ) -> None:
        """The task changes its state, and says so."""
        if task.ended or self.tasks.get(task.id) is not task or not self.alive:
            return
        if task.state is TaskState.KILLING and state not in ENDED:
            return
        task.state = state
        if healthy is not None:
            task.healthy = healthy
        status = TaskStatus(
            task_id=task.id,
            state=state,
            agent_id=self.info.id,
            uuid=self.stage.new_id(),
            reason=reason,
            timestamp_ms=self.stage.now_ms,
            healthy=task.healthy,
        )
        task.updates.append(status)
        if self.connected:
            self.hears(self, task, None)
        if len(task.updates) == 1:
            self.send(task)

    def send(self, task: Task) -> None:
        """Send the oldest unacknowledged update, and again after a while."""
        if not task.updates or self.tasks.get(task.id) is not task:
            return
        head = task.updates[0]
        if self.connected:
            self.hears(self, task, head)
        self.stage.after(task.resend_ms, lambda: self._resend(task, head))
        task.resend_ms = min(task.resend_ms * 2, _RESEND_MOST_MS)

    def send_all(self) -> None:
        """Begin anew with each task's oldest unacknowledged update."""
        for task in list(self.tasks.values()):
            self.send(task)

    def _resend(self, task: Task, head: TaskStatus) -> None:
        if task.updates and task.updates[0] is head:
            self.send(task)

    def acknowledge(self, task_id: str, uuid: str) -> None:
        """The scheduler has stored this update."""
        task = self.tasks.get(task_id)
        if task is None or not task.updates or task.updates[0].uuid != uuid:
            return
        task.updates.popleft()
        task.resend_ms = _RESEND_MS
        if task.updates:
            self.send(task)
        elif task.ended:
            del self.tasks[task_id]

    def kill(self, task_id: str) -> None:
        """End a task: quickly, slowly, or not at all this time."""
        stage = self.stage
        task = self.tasks.get(task_id)
        if task is None or task.ended or task.dying or stage.happens(0.1):
            return
        task.dying = True
        if task.state is TaskState.STAGING:
            stage.after(30, lambda: self.become(task, TaskState.KILLED))
            return
        if stage.rng.random() < 0.7:
            self.become(task, TaskState.KILLING)
        delay_ms = stage.between(20, 500) if stage.rng.random() < 0.8 else 15_000
        stage.after(delay_ms, lambda: self.become(task, TaskState.KILLED))

    def drained(self, task: Task) -> None:
        """Mesos drains the machine: the task is killed, and says why."""
        if task.dying or task.state is TaskState.STAGING:
            return
        task.dying = True
        reason = "REASON_AGENT_DRAINING"
        self.become(task, TaskState.KILLING, reason)
        delay_ms = self.stage.between(100, 5_000)
        self.stage.after(delay_ms, lambda: self.become(task, TaskState.KILLED, reason))

    def lose(self, task: Task) -> None:
        """Report a task that the master sent and that never arrived, or died with the machine;
        also one that had ended before, if the machine died before that was acknowledged."""
        self.tasks[task.id] = task
        task.state = TaskState.STAGING
        task.updates.clear()
        state = self.stage.pick((TaskState.GONE, TaskState.DROPPED))
        self.become(task, state, "REASON_RECONCILIATION")

    def reboot(self) -> None:
        """Everything on it is gone, silently."""
        self.tasks = {}
        self.connected = False

    def live(self) -> list[Task]:
        """The tasks that really run here."""
        return [task for task in self.tasks.values() if not task.ended]
