"""Notices in the log: what an operator reads when nobody watches the event stream."""

import logging

from framework.domain.instance import Condition
from framework.domain.notices import (
    AlarmCleared,
    AlarmRaised,
    DeploymentEnded,
    DeploymentStarted,
    DeploymentStepped,
    HealthChanged,
    HealthCheckFailed,
    InstanceChanged,
    Notice,
    Remarked,
    SharesChanged,
    StatusUpdated,
    UnhealthyKilled,
)
from framework.domain.rollout import Plan

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
    # First what comes for every task: asked cheaply, and no text is made that nobody reads.
    if type(notice) is InstanceChanged:
        _log.debug("%s is %s", notice.instance.id, notice.instance.condition)
    elif type(notice) is StatusUpdated:
        _log_status(notice)
    else:
        _log_rare(notice)


def _log_rare(notice: Notice) -> None:
    match notice:
        case Remarked():
            _log.log(_LEVELS[notice.level], "%s", notice.message)
        case AlarmRaised() | AlarmCleared():
            _log_alarm(notice)
        case DeploymentStarted():
            _log.info("deployment %s of %s began", notice.deployment.id, _some(notice.plan))
        case DeploymentStepped():
            deployment = notice.deployment
            step, total = deployment.current_step, deployment.total_steps
            _log.info("deployment %s: step %d of %d began", deployment.id, step, total)
        case SharesChanged():
            _log.info("the traffic of %s is divided anew", notice.name)
        case DeploymentEnded():
            outcome = notice.failure or "succeeded"
            _log.info("deployment %s: %s", notice.deployment.id, outcome)
        case HealthChanged():
            health = "healthy" if notice.instance.healthy else "unhealthy"
            _log.info("%s is %s", notice.instance.id, health)
        case HealthCheckFailed():
            _log.info("%s: %s", notice.instance.id, notice.cause)
        case UnhealthyKilled():
            _log.warning("%s: %s; it is killed", notice.instance.id, notice.cause)


def _log_alarm(notice: AlarmRaised | AlarmCleared) -> None:
    if isinstance(notice, AlarmRaised):
        _log.error("alarm %s: %s", notice.alarm.key, notice.alarm.message)
    else:
        _log.info("alarm %s is over", notice.alarm.key)


_APPS_NAMED = 5


def _some(plan: Plan) -> str:
    """The first few of a plan's apps."""
    more = len(plan.affected) - _APPS_NAMED
    named = ", ".join(plan.affected[:_APPS_NAMED])
    return f"{named} and {more} more" if more > 0 else named


def _log_status(notice: StatusUpdated) -> None:
    status = notice.status
    level = logging.WARNING if notice.instance.condition in _TROUBLE else logging.INFO
    if not _log.isEnabledFor(level):
        return
    _log.log(
        level,
        "%s on %s: %s %s %s",
        status.task_id,
        notice.host,
        status.state.value,
        status.reason,
        status.message[:300],
    )
