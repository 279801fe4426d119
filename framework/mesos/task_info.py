"""A launch as Mesos' TaskInfo, made as Marathon makes it; see ``templates`` for doing it fast."""

from functools import lru_cache

import msgspec
from msgspec import Raw

from framework.domain.actions import Launch, TaskResource
from framework.domain.app import App, Fetch, ResourceLimits
from framework.domain.expansion import expanded
from framework.domain.ids import discovery_name
from framework.domain.volumes import Volume
from framework.mesos.checks import check_info, health_check_info
from framework.mesos.container import container_info
from framework.mesos.discovery import discovery_info
from framework.mesos.environment import app_environment, environment, launch_environment
from framework.mesos.executor import executor_info
from framework.mesos.json_parts import JsonObject, duration, labels
from framework.mesos.late import Late
from framework.mesos.offers import FRAMEWORK_LABEL, INSTANCE_LABEL
from framework.mesos.ports import launched_ports

UNLIMITED = "Infinity"
"""Protobuf's JSON form of the double that means: no limit."""


def task_info(
    launch: Launch,
    resources: object,
    env_vars_prefix: str,
    bridge_name: str,
    late: Late,
    executor_resources: object = None,
) -> JsonObject:
    """The TaskInfo with these ``resources`` (see ``taken_resources``) and those of an executor of
    the user's own. ValueError if the launch contradicts its app: ports missing, an image missing,
    a check of a port that is not there."""
    given = app_environment(launch.app, enforce_role=launch.enforce_role)
    given |= launch_environment(launch, env_vars_prefix)
    app = expanded(launch.app, {**given, **late.agent})
    ports = launched_ports(launch)
    command = {**_command(app), "environment": environment(app, given, late)}
    container = container_info(app, launch.task_id, ports, bridge_name, late)
    info: JsonObject = {
        "name": discovery_name(app.id),
        "task_id": {"value": launch.task_id},
        "agent_id": {"value": launch.agent.id},
        "resources": resources,
        "discovery": discovery_info(app.id, ports),
    }
    if app.has_own_executor:
        info["executor"] = executor_info(
            app, launch.task_id, command, executor_resources, container
        )
    else:
        info["command"] = command
        if container is not None:
            info["container"] = container
    if app.labels:
        info["labels"] = labels(app.labels)
    if app.task_kill_grace_period_seconds is not None:
        info["kill_policy"] = {"grace_period": duration(app.task_kill_grace_period_seconds)}
    if app.resource_limits is not None:
        info["limits"] = _limits(app.resource_limits)
    optional = {
        "health_check": health_check_info(app, ports),
        "check": check_info(app, ports),
    }
    return info | {name: part for name, part in optional.items() if part is not None}


def taken_resources(launch: Launch, principal: str = "") -> list[Raw]:
    """What the task takes of its offer, entry by entry."""
    return [taken_resource(resource, launch.role, principal) for resource in launch.resources]


def _command(app: App) -> JsonObject:
    command: JsonObject = {"shell": app.cmd is not None}
    if app.cmd is not None:
        command["value"] = app.cmd
    elif app.args:
        command["arguments"] = app.args
        has_image = app.container is not None and app.container.docker is not None
        if not has_image:  # an image's entry point is not replaced; else a program must be named
            command["value"] = app.args[0]
    if app.user is not None:
        command["user"] = app.user
    if app.fetch:
        command["uris"] = [_uri(fetch) for fetch in app.fetch]
    return command


def _uri(fetch: Fetch) -> JsonObject:
    uri: JsonObject = {
        "value": fetch.uri,
        "extract": fetch.extract,
        "executable": fetch.executable,
        "cache": fetch.cache,
    }
    if fetch.dest_path:
        uri["output_file"] = fetch.dest_path
    return uri


def _limits(limits: ResourceLimits) -> JsonObject:
    wanted = {"cpus": limits.cpus_millis, "mem": limits.mem_millis}
    return {
        name: {"value": UNLIMITED if millis < 0 else millis / 1000}
        for name, millis in wanted.items()
        if millis is not None
    }


def taken_resource(
    taken: TaskResource, role: str, principal: str = "", *, volumes: bool = True
) -> Raw:
    """Exactly the part taken, with the allocation (none if ``role`` is empty), the reservations
    and the disk of the offered entry, or those that operations of the same call give it: Mesos
    subtracts it from the offer and refuses what it can not find there. ``volumes``: False writes
    what a volume is made of."""
    source = taken.source
    disk = _disk(taken, principal, volumes=volumes)
    special = taken.owner is not None or bool(disk)
    if taken.ranges:
        ranges = [{"begin": begin, "end": end} for begin, end in taken.ranges]
        value: JsonObject = {"type": "RANGES", "ranges": {"range": ranges}}
    elif special:
        value = {"type": "SCALAR", "scalar": {"value": taken.millis / 1000}}
    else:
        return _scalar(source.name, source.reservations, role, taken.millis)
    if not special:
        return _encoded_resource(source.name, source.reservations, role, value)
    resource: JsonObject = {"name": source.name, **_allocation(role), **value}
    resource["reservations"] = _reservations(taken, principal)
    if disk:
        resource["disk"] = disk
    return Raw(msgspec.json.encode(resource))


def _allocation(role: str) -> JsonObject:
    return {"allocation_info": {"role": role}} if role else {}


def _reservations(taken: TaskResource, principal: str) -> list[object]:
    stack = msgspec.json.decode(taken.source.reservations or "[]", type=list[Raw])
    if taken.owner is None:
        return [*stack]
    framework_id, instance_id = taken.owner
    layer: JsonObject = {
        "type": "DYNAMIC",
        "role": taken.reserved_role,
        "labels": labels({FRAMEWORK_LABEL: framework_id, INSTANCE_LABEL: instance_id}),
    }
    return [*stack, layer | ({"principal": principal} if principal else {})]


def _disk(taken: TaskResource, principal: str, *, volumes: bool) -> object:
    """Which disk it is, and which volume; nothing of what has neither."""
    offered = taken.source
    if volumes and offered.disk:
        return Raw(offered.disk.encode())
    disk = _made(taken.volume, principal) if volumes and taken.volume is not None else {}
    if offered.disk_source is not None:
        disk["source"] = Raw(offered.disk_source.json.encode())
    return disk


def _made(volume: Volume, principal: str) -> JsonObject:
    persistence = {"id": volume.persistence_id}
    return {
        "persistence": persistence | ({"principal": principal} if principal else {}),
        "volume": {"container_path": volume.container_path, "mode": "RW"},
    }


@lru_cache(maxsize=10_000)  # most tasks of a cluster take one of a few sizes
def _scalar(name: str, reservations: str, role: str, millis: int) -> Raw:
    # n/1000 is the double nearest to that decimal, so its shortest text is exact.
    value: JsonObject = {"type": "SCALAR", "scalar": {"value": millis / 1000}}
    return _encoded_resource(name, reservations, role, value)


def _encoded_resource(name: str, reservations: str, role: str, value: JsonObject) -> Raw:
    resource: JsonObject = {"name": name, **_allocation(role), **value}
    if reservations:
        resource["reservations"] = Raw(reservations.encode())
    return Raw(msgspec.json.encode(resource))
