"""An instance: one wanted copy of an app, and the task that currently is it.

An instance keeps its id for life; each relaunch is a new incarnation, and so a new task id.
An instance record exists from the moment its first launch is stored (before it is sent).
"""

from enum import StrEnum

from msgspec import Struct

from framework.domain.ids import task_id


class Goal(StrEnum):
    """What is wanted of an instance; never leaves DECOMMISSIONED."""

    RUNNING = "Running"
    DECOMMISSIONED = "Decommissioned"


class Condition(StrEnum):
    """Marathon's names for what an instance is doing."""

    SCHEDULED = "Scheduled"
    PROVISIONED = "Provisioned"
    STAGING = "Staging"
    STARTING = "Starting"
    RUNNING = "Running"
    KILLING = "Killing"
    ERROR = "Error"
    FAILED = "Failed"
    FINISHED = "Finished"
    KILLED = "Killed"
    UNREACHABLE = "Unreachable"
    UNREACHABLE_INACTIVE = "UnreachableInactive"
    GONE = "Gone"
    DROPPED = "Dropped"
    UNKNOWN = "Unknown"


TERMINAL = frozenset(
    {
        Condition.ERROR,
        Condition.FAILED,
        Condition.FINISHED,
        Condition.KILLED,
        Condition.GONE,
        Condition.DROPPED,
        Condition.UNKNOWN,
    }
)
STAGED = frozenset({Condition.PROVISIONED, Condition.STAGING, Condition.STARTING})
# Waiting for an offer (again): wanted, and without a task that could still run.
WAITING = TERMINAL | {Condition.SCHEDULED}


class MarkedFor(StrEnum):
    """Why an instance is to be replaced by another one beside it."""

    UNHEALTHY = "unhealthy"  # a check of ours failed as often as it may
    LEAVES_AGENT = "leaves its agent"  # which is drained, or comes up for maintenance


class Mark(Struct, frozen=True, gc=False, omit_defaults=True):
    """An instance goes on serving until another one serves in its place. ``kill_at_ms``: when it
    is looked at whether to wait no longer (0: never)."""

    why: MarkedFor
    message: str
    since_ms: int
    kill_at_ms: int = 0


class Instance(Struct, frozen=True, gc=False, omit_defaults=True):
    """``version`` and ``config`` are those of the definition its task was launched with;
    ``since_ms`` when ``condition`` began; ``healthy`` the executor's or prober's last word (None:
    unknown); ``ready`` what its readiness check says (None: nobody asks); ``proved``: it has
    served for the time its upgrade strategy asks for; ``kill_reason`` why we asked Mesos to kill
    it (empty: we did not); ``draining_until_ms`` when a planned kill is sent (0: none planned);
    ``mark``: it is to be replaced first; ``stands_in_for``: the id of the marked instance that this
    one was launched beside; ``awaits_edges``: once it serves, it counts only when the edges send it
    requests; ``held_back``: Mesos forgot it in a storm, and it is not to be replaced
    yet; ``awaited_since_ms``: it was killed for its health with nothing in its place, and the next
    unhealthy one of its app waits since then for it to serve again (0: nobody waits)."""

    id: str
    app_id: str
    version: str
    agent_id: str = ""
    incarnation: int = 1
    goal: Goal = Goal.RUNNING
    condition: Condition = Condition.PROVISIONED
    since_ms: int = 0
    staged_at_ms: int = 0
    started_at_ms: int = 0
    ports: tuple[int, ...] = ()
    role: str = "*"
    healthy: bool | None = None
    health_since_ms: int = 0
    ready: bool | None = None
    proved: bool = False
    addresses: tuple[str, ...] = ()
    check_json: str = ""
    reason: str = ""
    message: str = ""
    kill_reason: str = ""
    draining_until_ms: int = 0
    config: str = ""
    mark: Mark | None = None
    stands_in_for: str = ""
    held_back: bool = False
    awaits_edges: bool = False
    awaited_since_ms: int = 0

    @property
    def task_id(self) -> str:
        """The id of the current incarnation's task in Mesos."""
        return task_id(self.id, self.incarnation)

    @property
    def waits(self) -> bool:
        """Whether it needs an offer: wanted, and without a task that could still run."""
        missing = self.condition in WAITING and not self.held_back
        return missing and self.goal is Goal.RUNNING


class TaskFailure(Struct, frozen=True, gc=False, omit_defaults=True):
    """A failure of an app; the last one is what clients see in ``lastTaskFailure``. ``number``
    counts the app's failures from 1; ``state`` and ``reason`` are Mesos', the times those of the
    task (0: it never came so far)."""

    app_id: str
    task_id: str
    instance_id: str
    state: str
    message: str
    host: str
    agent_id: str
    timestamp_ms: int
    version: str
    reason: str = ""
    staged_at_ms: int = 0
    started_at_ms: int = 0
    number: int = 0


NOT_LAUNCHED = "TASK_ERROR"
"""The ``state`` of a failure of a launch that never became a task."""

MOST_FAILURES = 100
"""No more failures than this are kept of an app, whatever the operator says."""


def failure_key(app_id: str, slot: int) -> str:
    """The id of one of an app's kept failures: a new one takes the slot of the oldest."""
    return f"{app_id}@{slot}"


class Tombstone(Struct, frozen=True, gc=False, omit_defaults=True):
    """A task that we gave up without proof of its end: killed should it come back."""

    task_id: str
    at_ms: int
    why: str


class Orphan(Struct, frozen=True, gc=False, omit_defaults=True):
    """A task that Mesos calls ours and that we have neither record nor tombstone of. Never
    killed unasked: an operator adopts or kills it."""

    task_id: str
    agent_id: str
    state: str
    first_seen_ms: int
    message: str = ""
    kill_requested: bool = False
