"""A launch as Mesos' TaskInfo, made as Marathon makes it.

A template is kept per app version: whatever all its tasks have in common is encoded once, and a
launch adds ids, agent, ports, and resources. The number of templates is bounded; the one unused
for longest goes.
"""

from collections import OrderedDict

import msgspec
from msgspec import Raw

from framework.domain.actions import Launch, TaskResource
from framework.domain.app import App, Fetch, ResourceLimits
from framework.domain.ids import discovery_name
from framework.mesos.checks import check_info, health_check_info
from framework.mesos.container import container_info
from framework.mesos.discovery import discovery_info
from framework.mesos.environment import app_environment, launch_environment
from framework.mesos.json_parts import JsonObject, duration, labels, variables
from framework.mesos.ports import launched_ports

MAX_TEMPLATES = 10_000
UNLIMITED = "Infinity"
"""Protobuf's JSON form of the double that means: no limit."""

_encode = msgspec.json.encode


class TaskInfoBuilder:
    """Makes TaskInfos. Not for several threads at once."""

    def __init__(
        self,
        env_vars_prefix: str = "",
        bridge_name: str = "mesos-bridge",
        max_templates: int = MAX_TEMPLATES,
    ) -> None:
        self._prefix = env_vars_prefix
        self._bridge_name = bridge_name
        self._max_templates = max_templates
        self._templates: OrderedDict[tuple[str, str, bool], _Template] = OrderedDict()

    @property
    def templates(self) -> int:
        """How many are kept."""
        return len(self._templates)

    def build(self, launch: Launch) -> JsonObject:
        """The TaskInfo, to be encoded by msgspec. ValueError if the launch contradicts its app
        (ports missing, an image missing, a check of a port that does not exist)."""
        app = launch.app
        template = self._template(app, launch.enforce_role)
        ports = launched_ports(launch)
        info: JsonObject = {
            **template.constant,
            "task_id": {"value": launch.task_id},
            "agent_id": {"value": launch.agent.id},
            "resources": [_resource(resource, launch.role) for resource in launch.resources],
            "command": {
                **template.command,
                "environment": {"variables": self._variables(template, launch)},
            },
        }
        info["discovery"] = discovery_info(app.id, ports) if ports else template.discovery
        container = container_info(app, launch.task_id, ports, self._bridge_name)
        if container is not None:
            info["container"] = container
        if (health_check := health_check_info(app, ports)) is not None:
            info["health_check"] = health_check
        if (check := check_info(app, ports)) is not None:
            info["check"] = check
        return info

    def _variables(self, template: "_Template", launch: Launch) -> list[object]:
        own = launch.app.env
        added = launch_environment(launch, self._prefix)
        return [
            *template.variables,
            *variables({name: value for name, value in added.items() if name not in own}),
        ]

    def _template(self, app: App, enforce_role: bool) -> "_Template":
        key = (app.id, app.version, enforce_role)
        template = self._templates.get(key)
        # A version names one definition for ever, except in tests and before it is stamped.
        if template is not None and (template.app is app or template.app == app):
            self._templates.move_to_end(key)
            return template
        template = _Template(app, enforce_role=enforce_role)
        self._templates[key] = template
        while len(self._templates) > self._max_templates:
            self._templates.popitem(last=False)
        return template


class _Template:
    """What every task of an app version has in common, already encoded."""

    __slots__ = ("app", "command", "constant", "discovery", "variables")

    def __init__(self, app: App, *, enforce_role: bool) -> None:
        self.app = app
        constant: JsonObject = {"name": discovery_name(app.id)}
        if app.labels:
            constant["labels"] = labels(app.labels)
        if app.task_kill_grace_period_seconds is not None:
            grace_period = duration(app.task_kill_grace_period_seconds)
            constant["kill_policy"] = {"grace_period": grace_period}
        if app.resource_limits is not None:
            constant["limits"] = _limits(app.resource_limits)
        self.constant = {name: Raw(_encode(value)) for name, value in constant.items()}
        self.command = {name: Raw(_encode(value)) for name, value in _command(app).items()}
        self.discovery = Raw(_encode(discovery_info(app.id, ())))
        # What the app sets itself is among these, so a launch must not add it again.
        own = app_environment(app, enforce_role=enforce_role) | app.env
        self.variables = [Raw(_encode(each)) for each in variables(own)]


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


def _resource(taken: TaskResource, role: str) -> JsonObject:
    """Exactly the part taken, with the allocation and the reservations of the offered entry:
    Mesos subtracts it from the offer and refuses what it can not find there."""
    source = taken.source
    resource: JsonObject = {"name": source.name, "allocation_info": {"role": role}}
    if taken.ranges:
        ranges = [{"begin": begin, "end": end} for begin, end in taken.ranges]
        resource["type"], resource["ranges"] = "RANGES", {"range": ranges}
    else:
        # n/1000 is the double nearest to that decimal, so its shortest text is exact.
        resource["type"], resource["scalar"] = "SCALAR", {"value": taken.millis / 1000}
    if source.reservations:
        resource["reservations"] = Raw(source.reservations.encode())
    return resource
