"""No field in /v2 that the strictest client does not know: marathon-python 0.13 raises on any."""

from collections.abc import Iterator
from typing import Any

from flask.testing import FlaskClient

from framework.domain.instance import TaskFailure
from framework.domain.rollout import Deployment, LaunchStats

APP = frozenset(
    [
        "acceptedResourceRoles",
        "args",
        "backoffFactor",
        "backoffSeconds",
        "cmd",
        "constraints",
        "container",
        "cpus",
        "dependencies",
        "deployments",
        "disk",
        "env",
        "executor",
        "healthChecks",
        "id",
        "role",
        "instances",
        "killSelection",
        "labels",
        "lastTaskFailure",
        "maxLaunchDelaySeconds",
        "mem",
        "ports",
        "requirePorts",
        "storeUrls",
        "taskRateLimit",
        "tasks",
        "tasksRunning",
        "tasksStaged",
        "tasksHealthy",
        "taskKillGracePeriodSeconds",
        "tasksUnhealthy",
        "upgradeStrategy",
        "unreachableStrategy",
        "uris",
        "user",
        "version",
        "versionInfo",
        "ipAddress",
        "fetch",
        "taskStats",
        "readinessChecks",
        "readinessCheckResults",
        "secrets",
        "portDefinitions",
        "residency",
        "gpus",
        "networks",
    ]
)
TASK = frozenset(
    [
        "appId",
        "healthCheckResults",
        "host",
        "id",
        "ports",
        "servicePorts",
        "slaveId",
        "stagedAt",
        "startedAt",
        "version",
        "ipAddresses",
        "state",
        "localVolumes",
        "region",
        "zone",
        "role",
    ]
)
HEALTH_RESULT = frozenset(
    [
        "alive",
        "consecutiveFailures",
        "firstSuccess",
        "lastFailure",
        "lastSuccess",
        "taskId",
        "lastFailureCause",
        "instanceId",
    ]
)
FAILURE = frozenset(
    ["appId", "host", "message", "taskId", "instanceId", "slaveId", "state", "timestamp", "version"]
)
GROUP = frozenset(["apps", "dependencies", "groups", "id", "pods", "version"])
DEPLOYMENT = frozenset(
    [
        "affectedApps",
        "affectedPods",
        "currentActions",
        "currentStep",
        "id",
        "steps",
        "totalSteps",
        "version",
    ]
)
ACTION = frozenset(["action", "app", "apps", "type", "readinessCheckResults", "pod"])
QUEUE_ITEM = frozenset(
    ["app", "count", "delay", "since", "overdue", "processedOffersSummary", "lastUnusedOffers"]
)
INFO = frozenset(
    [
        "event_subscriber",
        "frameworkId",
        "http_config",
        "leader",
        "marathon_config",
        "name",
        "version",
        "elected",
        "zookeeper_config",
        "buildref",
    ]
)


def _unknown(value: dict[str, Any], known: frozenset[str]) -> set[str]:
    return value.keys() - known


def _app_faults(app: dict[str, Any]) -> Iterator[set[str]]:
    yield _unknown(app, APP)
    for task in app.get("tasks", []):
        yield _unknown(task, TASK)
        for result in task.get("healthCheckResults", []):
            yield _unknown(result, HEALTH_RESULT)
    yield _unknown(app.get("lastTaskFailure", {}), FAILURE)


def test_apps_and_tasks(client: FlaskClient, failure: TaskFailure, deployment: Deployment) -> None:
    embeds = "embed=apps.failures&embed=apps.counts&embed=apps.readiness"
    apps = client.get(f"/v2/apps?{embeds}").get_json()["apps"]
    single = client.get("/v2/apps/dev/web").get_json()["app"]
    assert any("lastTaskFailure" in app and app["tasks"] for app in apps)
    for app in (*apps, single):
        assert not any(_app_faults(app)), app
    tasks = client.get("/v2/tasks").get_json()["tasks"]
    assert len(tasks) == 2
    assert not any(_unknown(task, TASK) for task in tasks)


def test_groups(client: FlaskClient, deployment: Deployment) -> None:
    root = client.get("/v2/groups?embed=group.groups&embed=group.apps.failures").get_json()
    (dev,) = root["groups"]
    for group in (root, dev, client.get("/v2/groups").get_json()):
        assert not _unknown(group, GROUP)
        assert group["apps"]
        assert not any(fault for app in group["apps"] for fault in _app_faults(app))


def test_queue_deployments_and_info(
    client: FlaskClient, waiting: LaunchStats, deployment: Deployment
) -> None:
    (item,) = client.get("/v2/queue?embed=lastUnusedOffers").get_json()["queue"]
    assert not _unknown(item, QUEUE_ITEM)
    assert not any(_app_faults(item["app"]))
    assert item["delay"].keys() == {"timeLeftSeconds", "overdue"}
    (shown,) = client.get("/v2/deployments").get_json()
    assert not _unknown(shown, DEPLOYMENT)
    actions = [action for step in shown["steps"] for action in step["actions"]]
    assert len(actions) == 2
    assert not any(_unknown(action, ACTION) for action in (*actions, *shown["currentActions"]))
    assert not _unknown(client.get("/v2/info").get_json(), INFO)
