"""The definitions and moments that the contract tests' cluster is made of."""

from typing import Any

from framework.domain.app import HealthCheck, PortDefinition

NOW_MS = 1_767_323_045_678
NOW = "2026-01-02T03:04:05.678Z"
V1 = "2026-01-01T00:00:00.000Z"
V2 = "2026-01-02T00:00:00.000Z"
UUID = "c9de6033-0000-0000-0000-00000000000"

WEB: dict[str, Any] = {
    "id": "/dev/web",
    "version": V2,
    "last_scaling_at": V2,
    "last_config_change_at": V2,
    "cmd": "serve $PORT0",
    "env": {"A": "b"},
    "instances": 3,
    "labels": {"team": "red"},
    "port_definitions": (PortDefinition(10_000, name="http"), PortDefinition(10_001)),
    "health_checks": (HealthCheck("MESOS_HTTP", port_index=0),),
}

WEB_JSON: dict[str, Any] = {
    "id": "/dev/web",
    "acceptedResourceRoles": ["*"],
    "backoffFactor": 1.15,
    "backoffSeconds": 1,
    "cmd": "serve $PORT0",
    "cpus": 1,
    "disk": 0,
    "env": {"A": "b"},
    "executor": "",
    "gpus": 0,
    "healthChecks": [
        {
            "protocol": "MESOS_HTTP",
            "portIndex": 0,
            "gracePeriodSeconds": 300,
            "intervalSeconds": 60,
            "timeoutSeconds": 20,
            "maxConsecutiveFailures": 3,
            "delaySeconds": 15,
            "ipProtocol": "IPv4",
            "ignoreHttp1xx": False,
        }
    ],
    "instances": 3,
    "killSelection": "YOUNGEST_FIRST",
    "labels": {"team": "red"},
    "maxLaunchDelaySeconds": 300,
    "mem": 128,
    "networks": [{"mode": "host"}],
    "portDefinitions": [
        {"port": 10_000, "protocol": "tcp", "name": "http"},
        {"port": 10_001, "protocol": "tcp"},
    ],
    "requirePorts": False,
    "role": "*",
    "unreachableStrategy": {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0},
    "upgradeStrategy": {"maximumOverCapacity": 1, "minimumHealthCapacity": 1},
    "version": V2,
    "versionInfo": {"lastScalingAt": V2, "lastConfigChangeAt": V2},
}
BATCH_JSON: dict[str, Any] = {
    **{
        name: value
        for name, value in WEB_JSON.items()
        if name not in ("env", "healthChecks", "versionInfo")
    },
    "id": "/batch",
    "cmd": "sleep 100",
    "instances": 0,
    "labels": {},
    "portDefinitions": [],
    "version": V1,
}

TASK_1: dict[str, Any] = {
    "id": f"dev_web.instance-{UUID}1._app.1",
    "appId": "/dev/web",
    "host": "agent1.local",
    "ports": [31_001, 32_001],
    "slaveId": "S1",
    "state": "TASK_RUNNING",
    "role": "*",
    "version": V2,
    "stagedAt": "2026-01-02T03:03:55.678Z",
    "startedAt": "2026-01-02T03:03:56.678Z",
    "region": "eu",
    "zone": "z1",
    "ipAddresses": [{"ipAddress": "10.0.0.1", "protocol": "IPv4"}],
    "healthCheckResults": [
        {
            "alive": True,
            "consecutiveFailures": 0,
            "firstSuccess": "2026-01-02T03:04:00.678Z",
            "lastSuccess": "2026-01-02T03:04:00.678Z",
            "instanceId": f"dev_web.instance-{UUID}1",
        }
    ],
}
TASK_2: dict[str, Any] = {
    "id": f"dev_web.instance-{UUID}2._app.1",
    "appId": "/dev/web",
    "host": "agent2.local",
    "ports": [31_002, 32_002],
    "slaveId": "S2",
    "state": "TASK_RUNNING",
    "role": "*",
    "version": V2,
    "stagedAt": "2026-01-02T03:03:55.678Z",
    "startedAt": "2026-01-02T03:03:56.678Z",
    "healthCheckResults": [
        {
            "alive": False,
            "consecutiveFailures": 1,
            "lastFailure": "2026-01-02T03:04:00.678Z",
            "instanceId": f"dev_web.instance-{UUID}2",
        }
    ],
}
COUNTS: dict[str, Any] = {
    "tasksStaged": 0,
    "tasksRunning": 2,
    "tasksHealthy": 1,
    "tasksUnhealthy": 1,
}
NO_COUNTS: dict[str, Any] = dict.fromkeys(COUNTS, 0)
