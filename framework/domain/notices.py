"""What others are told of after it is durable: the event stream, the log, metrics.

Names and fields follow Marathon's event catalogue where it has the event; each notice is
rendered by the API, logged by the runtime.
"""

from msgspec import Struct

from framework.domain.alarms import Alarm
from framework.domain.instance import Condition, Instance
from framework.domain.mesos import TaskStatus
from framework.domain.rollout import Deployment, Plan


class InstanceChanged(Struct, frozen=True, gc=False):
    """An instance's condition changed (``instance_changed_event``)."""

    instance: Instance
    host: str


class StatusUpdated(Struct, frozen=True, gc=False):
    """A task's state changed (``status_update_event``); ``instance`` as it is now."""

    status: TaskStatus
    instance: Instance
    host: str


class InstanceDraining(Struct, frozen=True, gc=False):
    """A task is to be killed once the edges have taken it out of use (``instance_draining``; on
    /v2 a ``status_update_event`` with TASK_KILLING, so that old load balancers drop it too)."""

    instance: Instance
    host: str


class SharesChanged(Struct, frozen=True, gc=False):
    """The traffic of these apps is divided in another way (``shares_changed``): of those that serve
    one ``name``, or between the old and the new instances of the deployment of that id."""

    name: str
    app_ids: tuple[str, ...]


class DeploymentStarted(Struct, frozen=True, gc=False):
    deployment: Deployment
    plan: Plan


class DeploymentStepped(Struct, frozen=True, gc=False):
    """A step is done and the next one began (``deployment_step_success``)."""

    deployment: Deployment
    plan: Plan


class DeploymentEnded(Struct, frozen=True, gc=False):
    """``failure`` is empty for ``deployment_success``."""

    deployment: Deployment
    plan: Plan
    failure: str = ""


class HealthChanged(Struct, frozen=True, gc=False):
    """An instance became healthy or unhealthy (``health_status_changed_event``)."""

    instance: Instance


class HealthCheckFailed(Struct, frozen=True, gc=False):
    """A check of ours failed (``failed_health_check_event``)."""

    instance: Instance
    check_index: int
    cause: str


class UnhealthyKilled(Struct, frozen=True, gc=False):
    """An instance is ended because a check of ours failed too often
    (``unhealthy_instance_kill_event``)."""

    instance: Instance
    cause: str


class SchedulerRegistered(Struct, frozen=True, gc=False):
    """Mesos accepted our subscription (``scheduler_registered_event``); ``again``: under the
    framework id from before (``scheduler_reregistered_event``)."""

    framework_id: str
    master: str
    again: bool


class SchedulerDisconnected(Struct, frozen=True, gc=False):
    """Mesos is out of reach (``scheduler_disconnected_event``)."""


class UnknownInstanceTerminated(Struct, frozen=True, gc=False):
    """A task without a record ended (``unknown_instance_terminated_event``)."""

    instance_id: str
    condition: Condition


class Remarked(Struct, frozen=True, gc=False):
    """Something an operator should read; ``level`` as in logging: info, warning, error."""

    level: str
    message: str


class AlarmRaised(Struct, frozen=True, gc=False):
    """An alarm stands from now on, or says something else than before."""

    alarm: Alarm


class AlarmCleared(Struct, frozen=True, gc=False):
    """The cause of an alarm is gone."""

    alarm: Alarm


Notice = (
    InstanceChanged
    | StatusUpdated
    | InstanceDraining
    | SharesChanged
    | DeploymentStarted
    | DeploymentStepped
    | DeploymentEnded
    | HealthChanged
    | HealthCheckFailed
    | UnhealthyKilled
    | SchedulerRegistered
    | SchedulerDisconnected
    | UnknownInstanceTerminated
    | Remarked
    | AlarmRaised
    | AlarmCleared
)
