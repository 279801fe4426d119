"""The environment variables that Marathon gives to tasks, rule by rule.

Two parts: what is the same for every task of an app version, and what each launch adds (host,
ports, task id). The app's own ``env`` overrides both.
"""

import re

from framework.domain.actions import Launch
from framework.domain.app import App
from framework.mesos.json_parts import JsonObject, secret, variables
from framework.mesos.late import Late

# Marathon leaves out labels whose name or value is this long.
_LABEL_KEY_LIMIT = 493
_LABEL_VALUE_LIMIT = 512
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_]+")


def environment(app: App, given: dict[str, str], late: Late) -> JsonObject:
    """The Environment message: what a task is given, and over that the app's own variables."""
    plain = {name: text for name, text in (given | app.env).items() if name not in app.env_secrets}
    entries = variables(plain)
    for variable, name in app.env_secrets.items():
        if name in late.texts:
            entries.append({"name": variable, "value": late.texts[name]})
        else:
            entries.append({"name": variable, "type": "SECRET", "secret": secret(late.data[name])})
    return {"variables": entries}


def app_environment(app: App, *, enforce_role: bool) -> dict[str, str]:
    """The variables that are the same for every task of this app version, without its own."""
    variables = {
        "MARATHON_APP_ID": app.id,
        "MARATHON_APP_VERSION": app.version,
        "MARATHON_APP_RESOURCE_CPUS": repr(app.cpus_millis / 1000),
        "MARATHON_APP_RESOURCE_MEM": repr(app.mem_millis / 1000),
        "MARATHON_APP_RESOURCE_DISK": repr(app.disk_millis / 1000),
        "MARATHON_APP_RESOURCE_GPUS": str(app.gpus),
        "MARATHON_APP_ENFORCE_GROUP_ROLE": "TRUE" if enforce_role else "FALSE",
    }
    container = app.container
    if container is not None and container.type == "DOCKER" and container.docker is not None:
        variables["MARATHON_APP_DOCKER_IMAGE"] = container.docker.image
    return variables | _label_variables(app.labels)


def launch_environment(launch: Launch, prefix: str) -> dict[str, str]:
    """The variables that differ from task to task; ``prefix`` is put before HOST and PORT..."""
    where = {"HOST": launch.agent.hostname, **_port_variables(launch)}
    if prefix:
        where = {prefix + name: value for name, value in where.items()}
    where["MESOS_TASK_ID"] = launch.task_id
    return where


def _label_variables(labels: dict[str, str]) -> dict[str, str]:
    shown = {
        _NOT_IN_A_NAME.sub("_", key).upper(): value
        for key, value in labels.items()
        if len(key) < _LABEL_KEY_LIMIT and len(value) < _LABEL_VALUE_LIMIT
    }
    variables = {f"MARATHON_APP_LABEL_{key}": value for key, value in shown.items()}
    variables["MARATHON_APP_LABELS"] = " ".join(shown)
    return variables


def _port_variables(launch: Launch) -> dict[str, str]:
    requested, names = _declared_ports(launch.app)
    if not requested:
        return {}
    effective = launch.effective_ports
    variables = {f"PORT{index}": str(port) for index, port in enumerate(effective)}
    for wanted, port in zip(requested, effective, strict=True):
        variables[f"PORT_{wanted or port}"] = str(port)
    for name, port in zip(names, effective, strict=True):
        if name:
            variables[f"PORT_{name.upper()}"] = str(port)
            # Marathon keeps hyphens, which no shell can read: both forms are given.
            variables[f"PORT_{_NOT_IN_A_NAME.sub('_', name).upper()}"] = str(port)
    public = [*launch.host_ports, *_generated_ports(launch)]
    variables["PORTS"] = ",".join(map(str, public))
    if public:
        variables["PORT"] = str(public[0])
    return variables


def _declared_ports(app: App) -> tuple[list[int], list[str | None]]:
    """The requested number and the name of each declared port, in order."""
    if app.on_host_network:
        definitions = app.port_definitions
        return [each.port for each in definitions], [each.name for each in definitions]
    mappings = app.port_mappings
    return [each.container_port for each in mappings], [each.name for each in mappings]


def _generated_ports(launch: Launch) -> list[int]:
    """The ports made up for mappings that name neither a host port nor a container port."""
    mappings = launch.app.port_mappings
    return [
        port
        for mapping, port in zip(mappings, launch.effective_ports, strict=False)
        if mapping.host_port is None and mapping.container_port == 0
    ]
