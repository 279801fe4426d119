"""What the commands read out of the API's answers: only the fields they show, each checked.

Fields that are missing have Marathon's defaults, fields we don't know are ignored, so the
commands work against older and newer schedulers, and against Marathon.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from api.client import BadAnswerError

Read = TypeVar("Read")


class Named(Struct, frozen=True):
    """An object of which only the id matters here."""

    id: str


class HealthResult(Struct, frozen=True):
    alive: bool = False


class Task(Struct, frozen=True, rename="camel"):
    """A task as in ``/v2/tasks``."""

    id: str
    app_id: str = ""
    host: str = ""
    slave_id: str | None = None
    ports: tuple[int, ...] = ()
    state: str = ""
    started_at: str | None = None
    version: str | None = None
    health_check_results: tuple[HealthResult, ...] = ()

    @property
    def health(self) -> str:
        """What its health checks say together; ``-`` before any of them spoke."""
        if not self.health_check_results:
            return "-"
        alive = all(result.alive for result in self.health_check_results)
        return "healthy" if alive else "unhealthy"


class Failure(Struct, frozen=True, rename="camel"):
    """An app's ``lastTaskFailure``, or one of ``/v3/apps/<id>/failures``."""

    task_id: str = ""
    state: str = ""
    message: str = ""
    host: str = ""
    timestamp: str = ""
    reason: str = ""
    sandbox: str = ""


class App(Struct, frozen=True, rename="camel"):
    """An app as in ``/v2/apps``: the definition's usual fields and what is embedded."""

    id: str
    version: str = ""
    instances: int = 1
    cmd: str | None = None
    args: tuple[str, ...] | None = None
    container: dict[str, Any] | None = None
    cpus: float = 1
    mem: float = 128
    disk: float = 0
    gpus: int = 0
    role: str | None = None
    constraints: tuple[tuple[str, ...], ...] = ()
    dependencies: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    env: dict[str, Any] = {}
    health_checks: tuple[dict[str, Any], ...] = ()
    tasks_staged: int = 0
    tasks_running: int = 0
    tasks_healthy: int = 0
    tasks_unhealthy: int = 0
    deployments: tuple[Named, ...] = ()
    tasks: tuple[Task, ...] = ()
    last_task_failure: Failure | None = None


class Delay(Struct, frozen=True, rename="camel"):
    time_left_seconds: int = 0
    overdue: bool = True


class Rejected(Struct, frozen=True):
    """How many offers lacked one thing, of how many looked at for it."""

    reason: str
    declined: int = 0
    processed: int = 0


class OffersSummary(Struct, frozen=True, rename="camel"):
    processed_offers_count: int = 0
    unused_offers_count: int = 0
    last_unused_offer_at: str | None = None
    last_used_offer_at: str | None = None
    reject_summary_last_offers: tuple[Rejected, ...] = ()
    reject_summary_launch_attempt: tuple[Rejected, ...] = ()


class RefusedOffer(Struct, frozen=True, rename="camel"):
    hostname: str = ""
    agent_id: str = ""


class UnusedOffer(Struct, frozen=True):
    offer: RefusedOffer = RefusedOffer()
    reason: tuple[str, ...] = ()
    timestamp: str = ""


class Waiting(Struct, frozen=True, rename="camel"):
    """An app in ``/v2/queue``."""

    count: int = 0
    role: str = "*"
    since: str = ""
    app: Named | None = None
    pod: Named | None = None
    delay: Delay = Delay()
    processed_offers_summary: OffersSummary = OffersSummary()
    last_unused_offers: tuple[UnusedOffer, ...] = ()

    @property
    def id(self) -> str:
        """The id of the app (or pod) that waits."""
        waiting = self.app or self.pod
        return waiting.id if waiting else ""


class Explanation(Struct, frozen=True, rename="camel"):
    """Why an app waits, from ``/v3/explain``."""

    app_id: str
    role: str | None = None
    explanation: tuple[str, ...] = ()


class DeploymentAction(Struct, frozen=True):
    action: str = ""
    app: str = ""
    pod: str = ""


class DeploymentStep(Struct, frozen=True):
    actions: tuple[DeploymentAction, ...] = ()


class AppProgress(Struct, frozen=True, rename="camel"):
    """How far one app of a deployment is: of the new and of the old configuration how many
    instances have a task and how many of them serve; ``leaving`` are being stopped."""

    id: str
    wanted: int = 0
    new_serving: int = 0
    new_total: int = 0
    old_serving: int = 0
    old_total: int = 0
    leaving: int = 0
    awaiting_edges: int = 0


class Deployment(Struct, frozen=True, rename="camel"):
    """A change under way. ``apps`` and what follows are ours and missing from Marathon's."""

    id: str
    version: str = ""
    affected_apps: tuple[str, ...] = ()
    steps: tuple[DeploymentStep, ...] = ()
    current_step: int = 0
    total_steps: int = 0
    apps: tuple[AppProgress, ...] = ()
    paused: bool = False
    canary: bool = False
    reverts: str | None = None
    started_at: str | None = None
    progress_at: str | None = None
    deadline_at: str | None = None
    warnings: tuple[str, ...] = ()
    share: float | None = None
    canary_step: int = 0
    canary_steps: int = 0
    next_step_at: str | None = None

    @property
    def app_ids(self) -> tuple[str, ...]:
        """Every app it changes."""
        found = {action.app for step in self.steps for action in step.actions if action.app}
        return tuple(sorted(found | set(self.affected_apps)))

    @property
    def current_actions(self) -> tuple[DeploymentAction, ...]:
        """What the step at which it stands does; nothing before the first."""
        if 0 < self.current_step <= len(self.steps):
            return self.steps[self.current_step - 1].actions
        return ()

    @property
    def removed_ids(self) -> frozenset[str]:
        """The apps that are gone when it is done."""
        actions = [action for step in self.steps for action in step.actions]
        return frozenset(one.app for one in actions if one.action == "StopApplication")


class DryRun(Struct, frozen=True):
    """What a change would do."""

    steps: tuple[DeploymentStep, ...] = ()


class Group(Struct, frozen=True, rename="camel"):
    """A group as in ``/v2/groups``."""

    id: str
    version: str = ""
    apps: tuple[App, ...] = ()
    groups: tuple["Group", ...] = ()
    dependencies: tuple[str, ...] = ()


class Started(Struct, frozen=True, rename="camel"):
    """The answer to a change: its deployment."""

    version: str = ""
    deployment_id: str = ""


class AgentDrain(Struct, frozen=True, rename="camel"):
    """A drain; ``instances`` are still there, so many of them bound by volumes."""

    instances: int = 0
    with_volumes: int = 0
    since: str = ""
    reason: str = ""
    deadline: str = ""


class Maintenance(Struct, frozen=True, rename={"from_": "from"}):
    """Announced by Mesos."""

    from_: str = ""
    until: str = ""


class Agent(Struct, frozen=True):
    """An agent as in ``/v3/agents``."""

    id: str
    hostname: str = ""
    attributes: dict[str, str] = {}
    region: str | None = None
    zone: str | None = None
    address: str | None = None
    drain: AgentDrain | None = None
    maintenance: Maintenance | None = None


class FrozenApp(Struct, frozen=True):
    id: str
    reason: str = ""
    since: str = ""


class Frozen(Struct, frozen=True, rename="camel"):
    """What nothing is launched or killed of; ``since`` and ``reason`` are those of everything."""

    safe_mode: bool = False
    since: str = ""
    reason: str = ""
    apps: tuple[FrozenApp, ...] = ()


class Replacements(Struct, frozen=True):
    """As in ``/v3/replacements``; ``since`` is empty while all goes as usual."""

    pace: str = "usual"
    waiting: int = 0
    since: str = ""
    lost: int = 0
    instances: int = 0
    replaced: int = 0
    reason: str = ""


class Edge(Struct, frozen=True, rename="camel"):
    """As in ``/v3/edges``."""

    name: str
    kind: str
    lease_seconds: int
    seen: str = ""
    staleness: float = 0
    quarantined: tuple[str, ...] = ()


class VolumeOperation(Struct, frozen=True):
    """What Mesos was asked to do with a volume."""

    id: str = ""
    kind: str = ""


class Volume(Struct, frozen=True, rename="camel"):
    """As in ``/v3/volumes``."""

    id: str
    instance_id: str = ""
    agent_id: str = ""
    host: str = ""
    role: str = ""
    state: str = ""
    since: str = ""
    container_path: str = ""
    size: float | None = None
    type: str = ""
    path: str = ""
    app_id: str = ""
    why: str = ""
    operations: list[VolumeOperation] = []


class Alarm(Struct, frozen=True):
    """As in ``/v3/alarms``."""

    key: str
    message: str = ""
    since: str = ""


class Crash(Struct, frozen=True, rename="camel"):
    """What the scheduler's decisions crashed on."""

    id: str
    kind: str = ""
    subject: str = ""
    crashes: int = 0
    last: str = ""
    error: str = ""
    set_aside: bool = False


class Info(Struct, frozen=True, rename="camel"):
    name: str = ""
    version: str | None = None
    framework_id: str | None = None
    leader: str | None = None
    buildref: str | None = None
    marathon_config: dict[str, Any] = field(default_factory=dict, name="marathon_config")


class Orphan(Struct, frozen=True, rename="camel"):
    """A task as in ``/v3/orphans``."""

    task_id: str
    state: str = ""
    host: str | None = None
    first_seen: str = ""


def read(answer: object, shape: type[Read]) -> Read:
    """One object of an answer. BadAnswerError names the field that is not as it should be."""
    try:
        return msgspec.convert(answer, shape, strict=False)
    except msgspec.ValidationError as error:
        raise BadAnswerError(f"the answer is not as expected: {error}") from error


def read_all(answers: Sequence[object], shape: type[Read]) -> list[Read]:
    """Every object of an answer's list."""
    return [read(answer, shape) for answer in answers]
