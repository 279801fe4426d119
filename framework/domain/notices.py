"""What others are told of after it is durable: the event stream, the log, metrics.

Names and fields follow Marathon's event catalogue where it has the event; each notice is
rendered by the API, logged by the runtime.
"""

from msgspec import Struct

from framework.domain.instance import Instance
from framework.domain.mesos import TaskStatus
from framework.domain.rollout import Deployment


class InstanceChanged(Struct, frozen=True, gc=False):
    """An instance's condition changed (``instance_changed_event``)."""

    instance: Instance
    host: str


class StatusUpdated(Struct, frozen=True, gc=False):
    """A task's state changed (``status_update_event``); ``instance`` as it is now."""

    status: TaskStatus
    instance: Instance
    host: str


class DeploymentStarted(Struct, frozen=True, gc=False):
    deployment: Deployment


class DeploymentEnded(Struct, frozen=True, gc=False):
    """``failure`` is empty for ``deployment_success``."""

    deployment: Deployment
    failure: str = ""


class Remarked(Struct, frozen=True, gc=False):
    """Something an operator should read; ``level`` as in logging: info, warning, error."""

    level: str
    message: str


Notice = InstanceChanged | StatusUpdated | DeploymentStarted | DeploymentEnded | Remarked
