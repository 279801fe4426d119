"""An instance as the task that Marathon's clients see, and numbers over many of them."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import msgspec

from api.render.app import number
from api.render.health import definition_of, health_results
from framework.domain.app import App
from framework.domain.clock import iso
from framework.domain.instance import STAGED, Condition, Goal, Instance, TaskFailure
from framework.domain.state import State
from framework.domain.volumes import Volume

_STATES: dict[Condition, str] = {
    condition: f"TASK_{condition.value.upper()}" for condition in Condition
} | {
    Condition.SCHEDULED: "TASK_STAGING",
    Condition.PROVISIONED: "TASK_STAGING",
    Condition.UNREACHABLE_INACTIVE: "TASK_UNREACHABLE",
}
_ACTIVE = STAGED | {Condition.RUNNING, Condition.KILLING, Condition.UNREACHABLE}


def shown(instances: Iterable[Instance]) -> list[Instance]:
    """Those that are a task by now: one that still waits for its first agent is none."""
    return [
        instance
        for instance in instances
        if instance.condition is not Condition.SCHEDULED or instance.agent_id
    ]


def shown_condition(instance: Instance) -> Condition:
    """What clients are told that it does: one that is to be killed is no longer to be used,
    though it may still run."""
    leaves = instance.goal is Goal.DECOMMISSIONED or instance.kill_reason
    if instance.condition is Condition.RUNNING and leaves:
        return Condition.KILLING
    return instance.condition


def task(
    instance: Instance, app: App | None, view: State, *, service_ports: bool = False
) -> dict[str, Any]:
    """The task of an instance. ``app`` is its present definition, None when it has gone."""
    agent = view.agents.get(instance.agent_id)
    active = instance.condition in _ACTIVE
    fields: dict[str, Any] = {
        "id": instance.task_id,
        "appId": instance.app_id,
        "host": "" if agent is None else agent.hostname,
        "ports": list(instance.ports) if active else [],
        "slaveId": instance.agent_id,
        "state": _STATES[shown_condition(instance)],
        "role": instance.role,
    }
    if active:
        fields["version"] = instance.version
        if instance.staged_at_ms:
            fields["stagedAt"] = iso(instance.staged_at_ms)
        if instance.started_at_ms:
            fields["startedAt"] = iso(instance.started_at_ms)
    if agent is not None and agent.region is not None:
        fields["region"] = agent.region
    if agent is not None and agent.zone is not None:
        fields["zone"] = agent.zone
    reservation = view.reservations.get(instance.id)
    if reservation is not None:
        fields["localVolumes"] = [
            _local_volume(volume, instance.app_id) for volume in reservation.volumes
        ]
    if instance.addresses:
        fields["ipAddresses"] = [_address(text) for text in instance.addresses]
    if app is not None:
        fields.update(_checks(instance, definition_of(instance, app, view), view))
        if service_ports:
            fields["servicePorts"] = list(app.service_ports)
    return fields


def _local_volume(volume: Volume, app_id: str) -> dict[str, str]:
    return {
        "runSpecId": app_id,
        "containerPath": volume.container_path,
        "uuid": volume.persistence_id.rpartition("#")[2],
        "persistenceId": volume.persistence_id,
    }


def _address(text: str) -> dict[str, str]:
    return {"ipAddress": text, "protocol": "IPv6" if ":" in text else "IPv4"}


def _checks(instance: Instance, app: App, view: State) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    results = health_results(instance, app, view) if app.health_checks else []
    if results:
        fields["healthCheckResults"] = results
    if app.check is not None and instance.check_json:
        result = check_result(instance.check_json)
        if result:
            fields["checkResult"] = result
    return fields


class _Http(msgspec.Struct):
    status_code: int | None = None


class _Tcp(msgspec.Struct):
    succeeded: bool | None = None


class _Command(msgspec.Struct):
    exit_code: int | None = None


class _CheckStatus(msgspec.Struct):
    """Mesos' CheckStatusInfo. No result yet: the part is there and empty."""

    http: _Http | None = None
    tcp: _Tcp | None = None
    command: _Command | None = None


def check_result(check_json: str) -> dict[str, Any]:
    """Marathon's words for what Mesos said of a check; empty while there is no result."""
    try:
        status = msgspec.json.decode(check_json, type=_CheckStatus)
    except msgspec.DecodeError:
        return {}
    if status.http is not None and status.http.status_code is not None:
        return {"http": {"statusCode": status.http.status_code}}
    if status.tcp is not None and status.tcp.succeeded is not None:
        return {"tcp": {"succeeded": status.tcp.succeeded}}
    if status.command is not None and status.command.exit_code is not None:
        return {"command": {"exitCode": status.command.exit_code}}
    return {}


def failure(record: TaskFailure) -> dict[str, Any]:
    """An app's ``lastTaskFailure``."""
    fields = {
        "appId": record.app_id,
        "host": record.host,
        "message": record.message,
        "state": record.state,
        "taskId": record.task_id,
        "timestamp": iso(record.timestamp_ms),
        "version": record.version,
    }
    if record.agent_id:
        fields["slaveId"] = record.agent_id
    return fields


def counts(app: App, instances: Iterable[Instance]) -> dict[str, int]:
    """How many are staged, run, and are healthy or not by the app's checks."""
    staged = running = healthy = unhealthy = 0
    checked = bool(app.health_checks)
    for instance in instances:
        condition = shown_condition(instance)
        if condition in STAGED:
            staged += 1
        elif condition is Condition.RUNNING:
            running += 1
            healthy += checked and instance.healthy is True
            unhealthy += checked and instance.healthy is False
    return {"staged": staged, "running": running, "healthy": healthy, "unhealthy": unhealthy}


def task_stats(app: App, instances: Sequence[Instance], now_ms: int) -> dict[str, Any]:
    """Counts and life times, apart by how old the instances' definition is."""
    groups = {
        "startedAfterLastScaling": [one for one in instances if one.version >= app.last_scaling_at],
        "withLatestConfig": [one for one in instances if one.version >= app.last_config_change_at],
        "withOutdatedConfig": [one for one in instances if one.version < app.last_config_change_at],
        "totalSummary": list(instances),
    }
    return {
        name: {"stats": _stats(app, members, now_ms)} for name, members in groups.items() if members
    }


def _stats(app: App, instances: Sequence[Instance], now_ms: int) -> dict[str, Any]:
    stats: dict[str, Any] = {"counts": counts(app, instances)}
    ages = [max(0, now_ms - one.started_at_ms) / 1000 for one in instances if one.started_at_ms > 0]
    if ages:
        stats["lifeTime"] = {
            "averageSeconds": number(round(sum(ages) / len(ages), 3)),
            "medianSeconds": number(round(median(ages), 3)),
        }
    return stats
