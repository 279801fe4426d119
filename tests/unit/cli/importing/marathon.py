"""Answers as a Marathon 1.11 gives them: a shop of a web app, a database and a job, and a pod."""

from typing import Any

VERSION = "2026-03-04T05:06:07.089Z"
_AT = {"lastScalingAt": VERSION, "lastConfigChangeAt": VERSION}

Answer = dict[str, Any]


def app(app_id: str, **more: Any) -> Answer:
    """An app with all that an answer has beside the definition."""
    return {
        "id": app_id,
        "acceptedResourceRoles": ["*"],
        "backoffFactor": 1.15,
        "backoffSeconds": 1,
        "cpus": 0.5,
        "disk": 0,
        "executor": "",
        "instances": 2,
        "labels": {},
        "maxLaunchDelaySeconds": 300,
        "mem": 64,
        "gpus": 0,
        "networks": [{"mode": "host"}],
        "portDefinitions": [{"port": 10_000, "protocol": "tcp", "name": "default"}],
        "requirePorts": False,
        "upgradeStrategy": {"maximumOverCapacity": 1, "minimumHealthCapacity": 1},
        "version": VERSION,
        "versionInfo": _AT,
        "killSelection": "YOUNGEST_FIRST",
        "unreachableStrategy": {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0},
        "role": "*",
        "tasksStaged": 0,
        "tasksRunning": 2,
        "tasksHealthy": 0,
        "tasksUnhealthy": 0,
        "deployments": [],
        "cmd": "sleep 1000",
        **more,
    }


def group(path: str, apps: list[Answer], groups: list[Answer] | None = None, **more: Any) -> Answer:
    """A group with what is in it."""
    return {
        "id": path,
        "apps": apps,
        "groups": groups or [],
        "pods": [],
        "dependencies": [],
        "enforceRole": False,
        "version": VERSION,
        **more,
    }


WEB = app(
    "/shop/web",
    portDefinitions=None,
    networks=[{"mode": "container/bridge"}],
    dependencies=["/shop/data"],
    container={
        "type": "DOCKER",
        "docker": {
            "image": "shop/web:7",
            "forcePullImage": False,
            "privileged": False,
            "parameters": [],
        },
        "volumes": [],
        "portMappings": [
            {
                "containerPort": 80,
                "hostPort": 0,
                "servicePort": 10_001,
                "protocol": "tcp",
                "labels": {},
                "name": "http",
            }
        ],
    },
    healthChecks=[{"protocol": "HTTP", "path": "/", "portIndex": 0, "ignoreHttp1xx": False}],
)
DB = app("/shop/data/db", instances=1, tasksRunning=1)
JOB = app("/job", portDefinitions=[], tasksRunning=0, instances=0)
ROOT = group(
    "/",
    [JOB],
    [group("/shop", [WEB], [group("/shop/data", [DB])], dependencies=["/base"])],
)
INFO = {"name": "marathon", "version": "1.11.24", "marathon_config": {"mesos_role": "*"}}
POD = {"id": "/shop/pod", "containers": [{"name": "one"}], "networks": [], "volumes": []}
