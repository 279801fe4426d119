"""An app definition as JSON, in canonical form: what is read back yields the same app."""

from typing import Any

from framework.domain.app import (
    App,
    Check,
    Container,
    ExecutorResources,
    ExternalVolume,
    Fetch,
    HealthCheck,
    LinuxInfo,
    Network,
    PersistentVolume,
    PortDefinition,
    PortMapping,
    ReadinessCheck,
    Residency,
    ResourceLimits,
    UnreachableStrategy,
    UpgradeStrategy,
)


def number(value: float) -> float:
    """Whole numbers without a fraction, as Marathon writes them."""
    return int(value) if value == int(value) else value


def thousandths(millis: int) -> float:
    """A scalar resource in its own unit."""
    return number(millis / 1000)


def definition(app: App) -> dict[str, Any]:
    """The settings of an app: what a client may send back; server-made fields are not in it."""
    fields: dict[str, Any] = {
        "id": app.id,
        "backoffFactor": number(app.backoff_factor),
        "backoffSeconds": number(app.backoff_seconds),
        "cpus": thousandths(app.cpus_millis),
        "disk": thousandths(app.disk_millis),
        "executor": app.executor,
        "instances": app.instances,
        "labels": app.labels,
        "maxLaunchDelaySeconds": number(app.max_launch_delay_seconds),
        "mem": thousandths(app.mem_millis),
        "gpus": app.gpus,
        "networks": [_network(network) for network in app.networks],
        "requirePorts": app.require_ports,
        "upgradeStrategy": _upgrade_strategy(app.upgrade_strategy),
        "killSelection": app.kill_selection.value,
        "unreachableStrategy": _unreachable_strategy(app.unreachable_strategy),
        "role": app.role,
    }
    if app.on_host_network:
        fields["portDefinitions"] = [_port_definition(item) for item in app.port_definitions]
    fields.update(_optional(app))
    return fields


def app_object(app: App) -> dict[str, Any]:
    """An app as Marathon shows it: its definition and its version."""
    fields = definition(app)
    if app.version:
        fields["version"] = app.version
    if app.last_config_change_at:
        fields["versionInfo"] = {
            "lastScalingAt": app.last_scaling_at or app.last_config_change_at,
            "lastConfigChangeAt": app.last_config_change_at,
        }
    return fields


def _optional(app: App) -> dict[str, Any]:
    """What is left out when empty or unset."""
    fields: dict[str, Any] = {
        "cmd": app.cmd,
        "user": app.user,
        "tty": app.tty,
        "taskKillGracePeriodSeconds": app.task_kill_grace_period_seconds,
        "container": app.container and _container(app.container, on_host=app.on_host_network),
        "check": app.check and _check(app.check),
        "resourceLimits": app.resource_limits and _limits(app.resource_limits),
        "args": list(app.args) or None,
        "env": _environment(app) or None,
        "expandEnv": app.expand_env or None,
        "secrets": {name: {"source": source} for name, source in app.secrets.items()} or None,
        "executorResources": app.executor_resources and _executor(app.executor_resources),
        "constraints": [list(raw) for raw in app.constraints] or None,
        "fetch": [_fetch(item) for item in app.fetch] or None,
        "healthChecks": [health_check(item) for item in app.health_checks] or None,
        "readinessChecks": [_readiness_check(item) for item in app.readiness_checks] or None,
        "dependencies": list(app.dependencies) or None,
        "residency": app.residency and _residency(app.residency),
        "acceptedResourceRoles": list(app.accepted_resource_roles) or None,
    }
    return _present(fields)


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _environment(app: App) -> dict[str, Any]:
    return {**app.env, **{name: {"secret": secret} for name, secret in app.env_secrets.items()}}


def _executor(resources: ExecutorResources) -> dict[str, Any]:
    return {
        "cpus": thousandths(resources.cpus_millis),
        "mem": thousandths(resources.mem_millis),
        "disk": thousandths(resources.disk_millis),
    }


def _network(network: Network) -> dict[str, Any]:
    return _present(
        {"mode": network.mode.value, "name": network.name, "labels": network.labels or None}
    )


def _port_definition(item: PortDefinition) -> dict[str, Any]:
    return _present(
        {
            "port": item.port,
            "protocol": item.protocol,
            "name": item.name,
            "labels": item.labels or None,
        }
    )


def _port_mapping(item: PortMapping) -> dict[str, Any]:
    return _present(
        {
            "containerPort": item.container_port,
            "hostPort": item.host_port,
            "servicePort": item.service_port,
            "protocol": item.protocol,
            "labels": item.labels,
            "name": item.name,
            "networkNames": list(item.network_names) or None,
        }
    )


def _container(container: Container, *, on_host: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "type": container.type,
        "volumes": [
            {
                "containerPath": volume.container_path,
                "hostPath": volume.host_path,
                "mode": volume.mode,
            }
            for volume in container.volumes
        ]
        + [_persistent_volume(volume) for volume in container.persistent_volumes],
    }
    fields["volumes"] += [
        {"containerPath": volume.container_path, "secret": volume.secret}
        for volume in container.secret_volumes
    ]
    fields["volumes"] += [_external(volume) for volume in container.external_volumes]
    if container.docker is not None:
        fields["docker"] = {
            "image": container.docker.image,
            "forcePullImage": container.docker.force_pull_image,
            "privileged": container.docker.privileged,
            "parameters": [
                {"key": parameter.key, "value": parameter.value}
                for parameter in container.docker.parameters
            ],
        }
        if container.docker.pull_secret is not None:
            fields["docker"]["pullConfig"] = {"secret": container.docker.pull_secret}
    if container.linux_info is not None:
        fields["linuxInfo"] = _linux_info(container.linux_info)
    if not on_host:
        fields["portMappings"] = [_port_mapping(item) for item in container.port_mappings]
    return fields


def _persistent_volume(volume: PersistentVolume) -> dict[str, Any]:
    persistent: dict[str, Any] = {
        "size": volume.size_mib,
        "type": volume.type.value,
        "constraints": [list(constraint) for constraint in volume.constraints],
    }
    if volume.max_size_mib is not None:
        persistent["maxSize"] = volume.max_size_mib
    return {"containerPath": volume.container_path, "mode": "RW", "persistent": persistent}


def _residency(residency: Residency) -> dict[str, Any]:
    return {
        "relaunchEscalationTimeoutSeconds": residency.relaunch_escalation_timeout_seconds,
        "taskLostBehavior": residency.task_lost_behavior,
    }


def _external(volume: ExternalVolume) -> dict[str, Any]:
    external = {
        "provider": volume.provider,
        "name": volume.name,
        "size": volume.size_gib,
        "options": volume.options,
        "shared": volume.shared,
    }
    return {
        "containerPath": volume.container_path,
        "mode": volume.mode,
        "external": _present(external),
    }


def _linux_info(linux: LinuxInfo) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if linux.seccomp_profile is not None or linux.seccomp_unconfined:
        fields["seccomp"] = _present(
            {"profileName": linux.seccomp_profile, "unconfined": linux.seccomp_unconfined}
        )
    if linux.ipc_mode is not None:
        fields["ipcInfo"] = _present({"mode": linux.ipc_mode, "shmSize": linux.shm_size_mib})
    return fields


def _fetch(item: Fetch) -> dict[str, Any]:
    return _present(
        {
            "uri": item.uri,
            "extract": item.extract,
            "executable": item.executable,
            "cache": item.cache,
            "destPath": item.dest_path,
        }
    )


def health_check(check: HealthCheck) -> dict[str, Any]:
    """One health check of an app."""
    fields = {
        "protocol": check.protocol,
        "path": check.path,
        "portIndex": check.port_index,
        "port": check.port,
        "command": None if check.command is None else {"value": check.command},
        "gracePeriodSeconds": check.grace_period_seconds,
        "intervalSeconds": check.interval_seconds,
        "timeoutSeconds": check.timeout_seconds,
        "maxConsecutiveFailures": check.max_consecutive_failures,
        "delaySeconds": check.delay_seconds,
        "ipProtocol": check.ip_protocol,
        "ignoreHttp1xx": check.ignore_http1xx,
    }
    return _present(fields)


def _check(check: Check) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "intervalSeconds": check.interval_seconds,
        "timeoutSeconds": check.timeout_seconds,
        "delaySeconds": check.delay_seconds,
    }
    if check.kind == "command":
        command = {"shell": check.shell} if check.shell else {"argv": list(check.argv)}
        fields["exec"] = {"command": command}
    else:
        target = {"path": check.path, "portIndex": check.port_index, "port": check.port}
        fields[check.kind] = _present(target)
    return fields


def _readiness_check(check: ReadinessCheck) -> dict[str, Any]:
    return {
        "name": check.name,
        "protocol": check.protocol,
        "path": check.path,
        "portName": check.port_name,
        "intervalSeconds": check.interval_seconds,
        "timeoutSeconds": check.timeout_seconds,
        "httpStatusCodesForReady": list(check.http_status_codes_for_ready),
        "preserveLastResponse": check.preserve_last_response,
    }


def _upgrade_strategy(strategy: UpgradeStrategy) -> dict[str, Any]:
    """What Marathon does not have is left out unless it is set: strict clients know no more."""
    ours = {
        "canary": strategy.canary,
        "batchSize": strategy.batch_size,
        "progressDeadlineSeconds": strategy.progress_deadline_seconds,
        "minimumHealthySeconds": strategy.minimum_healthy_seconds,
        "countOldInstances": strategy.count_old_instances,
        "canarySteps": [
            {"share": number(one.share), "seconds": one.seconds} for one in strategy.canary_steps
        ],
    }
    return {
        "maximumOverCapacity": number(strategy.maximum_over_capacity),
        "minimumHealthCapacity": number(strategy.minimum_health_capacity),
        **{name: value for name, value in ours.items() if value},
    }


def _unreachable_strategy(strategy: UnreachableStrategy) -> str | dict[str, Any]:
    if strategy.disabled:
        return "disabled"
    return {
        "inactiveAfterSeconds": strategy.inactive_after_seconds,
        "expungeAfterSeconds": strategy.expunge_after_seconds,
    }


def _limits(limits: ResourceLimits) -> dict[str, Any]:
    return _present({"cpus": _limit(limits.cpus_millis), "mem": _limit(limits.mem_millis)})


def _limit(millis: int | None) -> str | float | None:
    if millis is None:
        return None
    return "unlimited" if millis < 0 else thousandths(millis)
