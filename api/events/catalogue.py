"""Notices as Marathon's events (rest-api.md, section 9.1): type, app, and fields.

Names and fields are Marathon's. What Marathon has no event for is one of OURS: streams of /v2
carry it only for readers that name it, because old clients raise on types they don't know.
"""

from collections.abc import Iterator

from api.events.deployments import of_deployment
from api.events.happening import Fields, Happening
from api.render.alarms import alarm_object
from api.render.app import health_check
from api.render.health import definition_of
from api.render.instance import shown_condition
from framework.domain.clock import iso
from framework.domain.instance import Condition, Instance
from framework.domain.notices import (
    AlarmCleared,
    AlarmRaised,
    DeploymentEnded,
    DeploymentStarted,
    DeploymentStepped,
    HealthChanged,
    HealthCheckFailed,
    InstanceChanged,
    InstanceDraining,
    Notice,
    Remarked,
    SchedulerDisconnected,
    SchedulerRegistered,
    SharesChanged,
    StatusUpdated,
    UnhealthyKilled,
    UnknownInstanceTerminated,
)
from framework.domain.state import State

REMARK = "scheduler_remark"
ALARM_RAISED = "alarm_raised"
ALARM_CLEARED = "alarm_cleared"
DRAINING = "instance_draining"
SHARES = "shares_changed"
OURS = frozenset({REMARK, ALARM_RAISED, ALARM_CLEARED, DRAINING, SHARES})


def happenings(notice: Notice, view: State) -> Iterator[Happening]:
    """The events of a notice, in order; rendering waits until somebody wants to read them.
    ``view`` knows the definition of what a health check is, and the agent's name."""
    match notice:
        case InstanceChanged():
            yield _instance_changed(notice)
        case StatusUpdated() | InstanceDraining():
            yield from _task_told(notice)
        case HealthChanged():
            yield from _health_changed(notice.instance)
        case HealthCheckFailed():
            yield from _check_failed(notice, view)
        case UnhealthyKilled():
            app = (notice.instance.app_id,)
            yield Happening("unhealthy_instance_kill_event", app, lambda: _killed(notice, view))
        case DeploymentStarted() | DeploymentStepped() | DeploymentEnded():
            yield from of_deployment(notice, view)
        case SchedulerRegistered() | SchedulerDisconnected():
            yield _connection(notice)
        case UnknownInstanceTerminated():
            yield _stranger_ended(notice)
        case Remarked() | AlarmRaised() | AlarmCleared() | SharesChanged():
            yield _unknown_to_marathon(notice)


def _unknown_to_marathon(
    notice: Remarked | AlarmRaised | AlarmCleared | SharesChanged,
) -> Happening:
    if isinstance(notice, Remarked):
        fields: Fields = {"level": notice.level, "message": notice.message}
        return Happening(REMARK, (), lambda: fields)
    if isinstance(notice, SharesChanged):
        apps = list(notice.app_ids)
        return Happening(SHARES, notice.app_ids, lambda: {"name": notice.name, "appIds": apps})
    kind = ALARM_RAISED if isinstance(notice, AlarmRaised) else ALARM_CLEARED
    return Happening(kind, (), lambda: alarm_object(notice.alarm))


def _instance_changed(notice: InstanceChanged) -> Happening:
    instance = notice.instance
    return Happening(
        "instance_changed_event",
        (instance.app_id,),
        lambda: {
            "instanceId": instance.id,
            "condition": shown_condition(instance).value,
            "runSpecId": instance.app_id,
            "agentId": instance.agent_id or None,
            "host": notice.host or None,
            "runSpecVersion": instance.version,
        },
    )


def _task_told(notice: StatusUpdated | InstanceDraining) -> Iterator[Happening]:
    instance = notice.instance
    app = (instance.app_id,)
    if isinstance(notice, StatusUpdated):
        yield Happening("status_update_event", app, lambda: _status(notice))
        return
    message = f"it is killed when it is drained: {instance.kill_reason}"
    yield Happening(
        "status_update_event",
        app,
        lambda: _status_fields(
            instance, notice.host, instance.agent_id, instance.task_id, "TASK_KILLING", message
        ),
    )
    yield Happening(
        DRAINING,
        app,
        lambda: {
            "instanceId": instance.id,
            "taskId": instance.task_id,
            "appId": instance.app_id,
            "host": notice.host,
            "until": iso(instance.draining_until_ms),
        },
    )


def _status(notice: StatusUpdated) -> Fields:
    instance, status = notice.instance, notice.status
    condition = shown_condition(instance)
    killing = condition is Condition.KILLING and instance.condition is not Condition.KILLING
    state = "TASK_KILLING" if killing else status.state.value
    return _status_fields(
        instance, notice.host, status.agent_id, status.task_id, state, status.message
    )


def _status_fields(
    instance: Instance, host: str, agent_id: str, task_id: str, state: str, message: str
) -> Fields:
    return {
        "slaveId": agent_id,
        "taskId": task_id,
        "taskStatus": state,
        "message": message,
        "appId": instance.app_id,
        "host": host,
        "ipAddresses": [
            {"ipAddress": text, "protocol": "IPv6" if ":" in text else "IPv4"}
            for text in instance.addresses
        ],
        "ports": list(instance.ports),
        "version": instance.version,
    }


def _health_changed(instance: Instance) -> Iterator[Happening]:
    app = (instance.app_id,)
    yield Happening(
        "health_status_changed_event",
        app,
        lambda: {
            "appId": instance.app_id,
            "instanceId": instance.id,
            "version": instance.version,
            "alive": instance.healthy is True,
        },
    )
    yield Happening(
        "instance_health_changed_event",
        app,
        lambda: {
            "instanceId": instance.id,
            "runSpecId": instance.app_id,
            "healthy": instance.healthy,
            "runSpecVersion": instance.version,
        },
    )


def _check_failed(notice: HealthCheckFailed, view: State) -> Iterator[Happening]:
    instance = notice.instance
    yield Happening(
        "failed_health_check_event",
        (instance.app_id,),
        # Marathon's taskId is the instance's id here.
        lambda: {
            "appId": instance.app_id,
            "taskId": instance.id,
            "instanceId": instance.id,
            "healthCheck": _checked(notice, view),
        },
    )


def _checked(notice: HealthCheckFailed, view: State) -> Fields:
    """The check as it is defined; empty once nobody knows the definition any more."""
    app = view.apps.get(notice.instance.app_id)
    if app is None:
        return {}
    checks = definition_of(notice.instance, app, view).health_checks
    return health_check(checks[notice.check_index]) if notice.check_index < len(checks) else {}


def _killed(notice: UnhealthyKilled, view: State) -> Fields:
    instance = notice.instance
    agent = view.agents.get(instance.agent_id)
    fields = {
        "appId": instance.app_id,
        "taskId": instance.task_id,
        "instanceId": instance.id,
        "version": instance.version,
        "reason": notice.cause,
        "host": "" if agent is None else agent.hostname,
    }
    return fields | ({"slaveId": instance.agent_id} if instance.agent_id else {})


def _connection(notice: SchedulerRegistered | SchedulerDisconnected) -> Happening:
    if isinstance(notice, SchedulerDisconnected):
        return Happening("scheduler_disconnected_event", (), dict)
    fields = {"master": notice.master}
    if notice.again:
        return Happening("scheduler_reregistered_event", (), lambda: fields)
    fields = {"frameworkId": notice.framework_id, **fields}
    return Happening("scheduler_registered_event", (), lambda: fields)


def _stranger_ended(notice: UnknownInstanceTerminated) -> Happening:
    """Nobody knows the app any more, so its id is read from the instance's, as Marathon does."""
    app_id = "/" + notice.instance_id.partition(".instance-")[0].replace("_", "/")
    return Happening(
        "unknown_instance_terminated_event",
        (app_id,),
        lambda: {
            "instanceId": notice.instance_id,
            "runSpecId": app_id,
            "condition": notice.condition.value,
        },
    )
