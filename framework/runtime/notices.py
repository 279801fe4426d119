"""Notices in the log: what an operator reads when nobody watches the event stream."""

import logging

from framework.domain.instance import Condition
from framework.domain.notices import (
    DeploymentEnded,
    DeploymentStarted,
    InstanceChanged,
    Notice,
    Remarked,
    StatusUpdated,
)

_log = logging.getLogger("stayer")
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_TROUBLE = frozenset(
    {
        Condition.FAILED,
        Condition.ERROR,
        Condition.DROPPED,
        Condition.GONE,
        Condition.UNKNOWN,
        Condition.UNREACHABLE,
    }
)


def log_notice(notice: Notice) -> None:
    """Write one notice to the log."""
    match notice:
        case Remarked():
            _log.log(_LEVELS[notice.level], "%s", notice.message)
        case StatusUpdated():
            _log_status(notice)
        case InstanceChanged():
            _log.debug("%s is %s", notice.instance.id, notice.instance.condition.value)
        case DeploymentStarted():
            apps = ", ".join(notice.deployment.affected)
            _log.info("deployment %s of %s began", notice.deployment.id, apps)
        case DeploymentEnded():
            outcome = notice.failure or "succeeded"
            _log.info("deployment %s: %s", notice.deployment.id, outcome)


def _log_status(notice: StatusUpdated) -> None:
    status = notice.status
    level = logging.WARNING if notice.instance.condition in _TROUBLE else logging.INFO
    _log.log(
        level,
        "%s on %s: %s %s %s",
        status.task_id,
        notice.host,
        status.state.value,
        status.reason,
        status.message[:300],
    )
