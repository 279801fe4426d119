"""From the canonical dict to the record that is stored and launched. Decides nothing."""

from collections.abc import Mapping
from typing import Any

from api.definitions.paths import absolute
from framework.domain.app import (
    App,
    CanaryStep,
    Check,
    Container,
    Docker,
    DockerParameter,
    ExecutorResources,
    ExternalVolume,
    Fetch,
    HealthCheck,
    HostVolume,
    KillSelection,
    LinuxInfo,
    Network,
    NetworkMode,
    PersistentVolume,
    PortDefinition,
    PortMapping,
    ReadinessCheck,
    Residency,
    ResourceLimits,
    SecretVolume,
    UnreachableStrategy,
    UpgradeStrategy,
)
from framework.domain.disks import DiskType

_SAME_NAME = ("cmd", "user", "instances", "gpus", "executor", "labels", "role", "tty")
_RENAMED = {
    "expandEnv": "expand_env",
    "requirePorts": "require_ports",
    "backoffSeconds": "backoff_seconds",
    "backoffFactor": "backoff_factor",
    "maxLaunchDelaySeconds": "max_launch_delay_seconds",
    "taskKillGracePeriodSeconds": "task_kill_grace_period_seconds",
}
_THOUSANDTHS = {"cpus": "cpus_millis", "mem": "mem_millis", "disk": "disk_millis"}

_DEFINITION = {"port": "port", "protocol": "protocol", "name": "name", "labels": "labels"}
_MAPPING = {
    "containerPort": "container_port",
    "hostPort": "host_port",
    "servicePort": "service_port",
    "protocol": "protocol",
    "name": "name",
    "labels": "labels",
}
_DOCKER = {"image": "image", "forcePullImage": "force_pull_image", "privileged": "privileged"}
_VOLUME = {"containerPath": "container_path", "hostPath": "host_path", "mode": "mode"}
_OTHER_VOLUMES = ("external", "secret")
_EXTERNAL = {
    "provider": "provider",
    "name": "name",
    "size": "size_gib",
    "options": "options",
    "shared": "shared",
}
_SECCOMP = {"profileName": "seccomp_profile", "unconfined": "seccomp_unconfined"}
_IPC = {"mode": "ipc_mode", "shmSize": "shm_size_mib"}
_FETCH = {
    "uri": "uri",
    "extract": "extract",
    "executable": "executable",
    "cache": "cache",
    "destPath": "dest_path",
}
_HEALTH_CHECK = {
    "protocol": "protocol",
    "path": "path",
    "portIndex": "port_index",
    "port": "port",
    "gracePeriodSeconds": "grace_period_seconds",
    "intervalSeconds": "interval_seconds",
    "timeoutSeconds": "timeout_seconds",
    "maxConsecutiveFailures": "max_consecutive_failures",
    "delaySeconds": "delay_seconds",
    "ipProtocol": "ip_protocol",
    "ignoreHttp1xx": "ignore_http1xx",
}
_CHECK_TIMES = {
    "intervalSeconds": "interval_seconds",
    "timeoutSeconds": "timeout_seconds",
    "delaySeconds": "delay_seconds",
}
_READINESS_CHECK = {
    "name": "name",
    "protocol": "protocol",
    "path": "path",
    "portName": "port_name",
    "intervalSeconds": "interval_seconds",
    "timeoutSeconds": "timeout_seconds",
    "preserveLastResponse": "preserve_last_response",
}
_RESIDENCY = {
    "relaunchEscalationTimeoutSeconds": "relaunch_escalation_timeout_seconds",
    "taskLostBehavior": "task_lost_behavior",
}
_UPGRADE = {
    "canary": "canary",
    "batchSize": "batch_size",
    "progressDeadlineSeconds": "progress_deadline_seconds",
    "minimumHealthySeconds": "minimum_healthy_seconds",
    "countOldInstances": "count_old_instances",
}


def to_app(app: dict[str, Any]) -> App:
    """The record of a canonical definition with its defaults filled in."""
    app_id = absolute(app["id"])
    fields: dict[str, Any] = {name: app[name] for name in _SAME_NAME if name in app}
    fields.update(_picked(app, _RENAMED))
    fields.update(_scalars(app))
    fields.update(_environment(app.get("env", {})))
    for name, field, convert in _PARTS:
        if name in app:
            fields[field] = convert(app[name])
    if "dependencies" in app:
        paths = [absolute(path, base=app_id) for path in app["dependencies"]]
        fields["dependencies"] = tuple(dict.fromkeys(paths))
    return App(id=app_id, **fields)


def _picked(source: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {field: source[name] for name, field in names.items() if name in source}


def _scalars(source: Mapping[str, Any]) -> dict[str, int]:
    return {
        field: _thousandths(source[name]) for name, field in _THOUSANDTHS.items() if name in source
    }


def _environment(env: dict[str, Any]) -> dict[str, Any]:
    """Texts, and references to secrets, apart."""
    plain = {name: value for name, value in env.items() if isinstance(value, str)}
    return {
        "env": plain,
        "env_secrets": {name: env[name]["secret"] for name in env if name not in plain},
    }


def _thousandths(number: float) -> int:
    return round(number * 1000)


def _sorted(roles: list[str]) -> tuple[str, ...]:
    """A set in Marathon: another order is no other configuration."""
    return tuple(sorted(roles))


def _constraints(constraints: list[list[str]]) -> tuple[tuple[str, ...], ...]:
    """Operators in capitals, as they are written out again; a repetition adds nothing."""
    raw = (
        (*parts[:1], *(part.upper() for part in parts[1:2]), *parts[2:]) for parts in constraints
    )
    return tuple(dict.fromkeys(raw))


def _fetch(items: list[dict[str, Any]]) -> tuple[Fetch, ...]:
    return tuple(Fetch(**_picked(item, _FETCH)) for item in items)


def _networks(items: list[dict[str, Any]]) -> tuple[Network, ...]:
    return tuple(
        Network(
            mode=NetworkMode(item["mode"]), name=item.get("name"), labels=item.get("labels", {})
        )
        for item in items
    )


def _definitions(items: list[dict[str, Any]]) -> tuple[PortDefinition, ...]:
    return tuple(PortDefinition(**_picked(item, _DEFINITION)) for item in items)


def _container(container: dict[str, Any]) -> Container:
    docker, linux = container.get("docker"), container.get("linuxInfo")
    volumes = container.get("volumes", [])
    return Container(
        type=container.get("type", "DOCKER"),
        docker=None if docker is None else _docker(docker),
        volumes=tuple(
            _volume(item) for item in volumes if not {*item} & {*_OTHER_VOLUMES, "persistent"}
        ),
        persistent_volumes=tuple(
            _persistent(item["containerPath"], item["persistent"])
            for item in volumes
            if "persistent" in item
        ),
        port_mappings=tuple(_mapping(item) for item in container.get("portMappings", [])),
        secret_volumes=tuple(
            SecretVolume(item["containerPath"], item["secret"])
            for item in volumes
            if "secret" in item
        ),
        external_volumes=tuple(_external(item) for item in volumes if "external" in item),
        linux_info=None if linux is None else _linux_info(linux),
    )


def _persistent(container_path: str, persistent: dict[str, Any]) -> PersistentVolume:
    return PersistentVolume(
        container_path,
        persistent["size"],
        DiskType(persistent.get("type", "root")),
        persistent.get("maxSize"),
        tuple(tuple(one) for one in persistent.get("constraints", [])),
    )


def _external(item: dict[str, Any]) -> ExternalVolume:
    external = {"name": "", **item["external"]}
    return ExternalVolume(
        item["containerPath"], mode=item.get("mode", "RW"), **_picked(external, _EXTERNAL)
    )


def _linux_info(linux: dict[str, Any]) -> LinuxInfo:
    return LinuxInfo(
        **_picked(linux.get("seccomp", {}), _SECCOMP), **_picked(linux.get("ipcInfo", {}), _IPC)
    )


def _docker(docker: dict[str, Any]) -> Docker:
    parameters = docker.get("parameters", [])
    return Docker(
        **_picked(docker, _DOCKER),
        pull_secret=docker.get("pullConfig", {}).get("secret"),
        parameters=tuple(DockerParameter(item["key"], item["value"]) for item in parameters),
    )


def _volume(item: dict[str, Any]) -> HostVolume:
    return HostVolume(**{"host_path": "", **_picked(item, _VOLUME)})


def _mapping(item: dict[str, Any]) -> PortMapping:
    return PortMapping(**_picked(item, _MAPPING), network_names=tuple(item.get("networkNames", [])))


def _health_checks(items: list[dict[str, Any]]) -> tuple[HealthCheck, ...]:
    return tuple(
        HealthCheck(**_picked(item, _HEALTH_CHECK), command=item.get("command", {}).get("value"))
        for item in items
    )


def _check(check: dict[str, Any]) -> Check:
    times = _picked(check, _CHECK_TIMES)
    if "exec" in check:
        command = check["exec"]["command"]
        return Check(
            kind="command",
            shell=command.get("shell"),
            argv=tuple(command.get("argv", [])),
            **times,
        )
    kind = "http" if "http" in check else "tcp"
    target = check.get(kind, {})
    return Check(
        kind=kind,
        path=target.get("path"),
        port_index=target.get("portIndex"),
        port=target.get("port"),
        **times,
    )


def _readiness_checks(items: list[dict[str, Any]]) -> tuple[ReadinessCheck, ...]:
    return tuple(
        ReadinessCheck(
            **_picked(item, _READINESS_CHECK),
            http_status_codes_for_ready=tuple(item.get("httpStatusCodesForReady") or (200,)),
        )
        for item in items
    )


def _upgrade_strategy(strategy: dict[str, Any]) -> UpgradeStrategy:
    return UpgradeStrategy(
        minimum_health_capacity=float(strategy["minimumHealthCapacity"]),
        maximum_over_capacity=float(strategy["maximumOverCapacity"]),
        canary_steps=tuple(
            CanaryStep(float(one["share"]), one["seconds"])
            for one in strategy.get("canarySteps", ())
        ),
        **_picked(strategy, _UPGRADE),
    )


def _unreachable_strategy(strategy: Any) -> UnreachableStrategy:
    if strategy == "disabled":
        return UnreachableStrategy(disabled=True)
    return UnreachableStrategy(
        inactive_after_seconds=strategy.get("inactiveAfterSeconds", 0),
        expunge_after_seconds=strategy.get("expungeAfterSeconds", 0),
    )


def _resource_limits(limits: dict[str, Any]) -> ResourceLimits:
    return ResourceLimits(_limit(limits.get("cpus")), _limit(limits.get("mem")))


def _residency(residency: dict[str, Any]) -> Residency:
    return Residency(**_picked(residency, _RESIDENCY))


def _secrets(secrets: dict[str, Any]) -> dict[str, str]:
    return {name: secret["source"] for name, secret in secrets.items()}


def _executor_resources(resources: dict[str, Any]) -> ExecutorResources:
    return ExecutorResources(**_scalars(resources))


def _limit(limit: Any) -> int | None:
    if limit is None:
        return None
    return -1 if limit == "unlimited" else _thousandths(limit)


_PARTS = (
    ("args", "args", tuple),
    ("constraints", "constraints", _constraints),
    ("fetch", "fetch", _fetch),
    ("networks", "networks", _networks),
    ("portDefinitions", "port_definitions", _definitions),
    ("container", "container", _container),
    ("healthChecks", "health_checks", _health_checks),
    ("check", "check", _check),
    ("readinessChecks", "readiness_checks", _readiness_checks),
    ("upgradeStrategy", "upgrade_strategy", _upgrade_strategy),
    ("acceptedResourceRoles", "accepted_resource_roles", _sorted),
    ("killSelection", "kill_selection", KillSelection),
    ("unreachableStrategy", "unreachable_strategy", _unreachable_strategy),
    ("resourceLimits", "resource_limits", _resource_limits),
    ("residency", "residency", _residency),
    ("secrets", "secrets", _secrets),
    ("executorResources", "executor_resources", _executor_resources),
)
