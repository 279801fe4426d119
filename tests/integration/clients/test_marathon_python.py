"""marathon-python 0.13 over its whole surface, against Stayer on the genuine Mesos.

It builds an object from every answer and raises on any field that it does not know, so its models
are the strictest readers of ``/v2`` there are.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from marathon import MarathonClient
from marathon.exceptions import ConflictError, MarathonHttpError, NotFoundError
from marathon.models import MarathonApp, MarathonDeployment, MarathonGroup, MarathonHealthCheck
from marathon.models.app import MarathonUpgradeStrategy, PortDefinition
from marathon.models.constraint import MarathonConstraint
from marathon.models.events import EventFactory

from tests.polling import eventually

pytestmark = [
    pytest.mark.mesos,
    pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated:DeprecationWarning"),
]

SMALL = {"cmd": "exec sleep 1000", "cpus": 0.01, "mem": 16, "backoff_seconds": 1}
HUGE = {**SMALL, "cpus": 1000}
EMBEDS = {
    "embed_tasks": True,
    "embed_counts": True,
    "embed_deployments": True,
    "embed_readiness": True,
    "embed_last_task_failure": True,
    "embed_failures": True,
    "embed_task_stats": True,
}


@pytest.fixture
def client(url: str) -> Iterator[MarathonClient]:
    made = MarathonClient(url, timeout=20)
    yield made
    made.session.close()
    made.sse_session.close()


def settled(client: MarathonClient, app_id: str, count: int) -> MarathonApp:
    """The app once no deployment holds it and so many tasks run."""

    def look() -> Any:
        app = client.get_app(app_id, **EMBEDS)
        states = [task.state for task in app.tasks]
        assert states == ["TASK_RUNNING"] * count, states
        assert app.deployments == []
        return app

    return eventually(look, f"{count} tasks of {app_id} and no deployment")


def ended(client: MarathonClient, deployment_id: str) -> None:
    """Wait until the deployment is no longer among those under way."""
    eventually(
        lambda: deployment_id not in {each.id for each in client.list_deployments()},
        f"the end of {deployment_id}",
    )


def test_an_app_from_its_creation_to_its_end(client: MarathonClient) -> None:
    definition = MarathonApp(
        **SMALL,
        instances=2,
        env={"A": "b"},
        labels={"team": "life"},
        constraints=[MarathonConstraint("hostname", "MAX_PER", "5")],
        health_checks=[
            MarathonHealthCheck(
                protocol="COMMAND", command="true", interval_seconds=1, delay_seconds=0
            )
        ],
        port_definitions=[PortDefinition(port=0, protocol="tcp", name="http", labels={"vip": "x"})],
        upgrade_strategy=MarathonUpgradeStrategy(
            minimum_health_capacity=0.5, maximum_over_capacity=0.5
        ),
        kill_selection="OLDEST_FIRST",
    )
    created = client.create_app("/life/web", definition)
    assert (created.id, created.instances, created.tasks_running) == ("/life/web", 2, 0)
    assert len(created.deployments) == 1
    app = settled(client, "/life/web", 2)
    app = eventually(
        lambda: (found := client.get_app("/life/web")).tasks_healthy == 2 and found, "healthy tasks"
    )
    assert app.health_checks[0].command == {"value": "true"}
    assert all(task.health_check_results[0].alive for task in app.tasks)
    assert app.constraints == [MarathonConstraint("hostname", "MAX_PER", "5")]
    assert (app.env, app.labels) == ({"A": "b"}, {"team": "life"})

    again = client.update_app("/life/web", app)
    ended(client, again["deploymentId"])
    same = settled(client, "/life/web", 2)
    assert {task.id for task in same.tasks} == {task.id for task in app.tasks}, "it was restarted"
    assert same.version_info == app.version_info

    client.update_app("/life/web", MarathonApp(cmd="exec sleep 2000"))
    changed = settled(client, "/life/web", 2)
    assert changed.cmd == "exec sleep 2000"
    assert not {task.id for task in changed.tasks} & {task.id for task in app.tasks}
    versions = client.list_versions("/life/web")
    assert versions[0] == changed.version
    assert client.get_version("/life/web", versions[-1]).cmd == "exec sleep 1000"
    client.rollback_app("/life/web", versions[-1])
    assert settled(client, "/life/web", 2).cmd == "exec sleep 1000"

    assert client.delete_app("/life/web")["deploymentId"]
    with pytest.raises(NotFoundError, match="App '/life/web' does not exist"):
        client.get_app("/life/web")


def test_lists_filters_and_embeds(client: MarathonClient) -> None:
    for name in ("one", "two"):
        command = f"exec sleep 1000 # of {name}"
        definition = {**SMALL, "cmd": command, "labels": {"kind": name}}
        client.create_app(f"/listed/{name}", MarathonApp(**definition))
        settled(client, f"/listed/{name}", 1)
    (one,) = client.list_apps(app_id="LISTED/one", **EMBEDS)
    assert one.tasks[0].state == "TASK_RUNNING"
    assert (one.tasks_running, one.tasks_staged, one.tasks_healthy) == (1, 0, 0)
    total = one.task_stats.total_summary.stats
    assert (total.counts.running, total.counts.staged) == (1, 0)
    assert total.life_time.average_seconds >= 0
    for query, expected in (
        ({"cmd": "# of TWO"}, {"/listed/two"}),
        ({"label": "kind==one"}, {"/listed/one"}),
        ({"label": "kind in (one, two)"}, {"/listed/one", "/listed/two"}),
        ({"app_id": "listed", "instances": 1}, {"/listed/one", "/listed/two"}),
        ({"app_id": "listed", "instances": 7}, set()),
    ):
        assert {app.id for app in client.list_apps(**query)} == expected, query
    (task,) = client.list_tasks("/listed/one")
    assert (task.app_id, task.version) == ("/listed/one", one.version)
    assert task.id in {each.id for each in client.list_tasks(host=task.host)}
    (endpoint,) = [each for each in client.list_endpoints() if each.app_id == "/listed/one"]
    assert (endpoint.task_port, endpoint.service_port) == (
        task.ports[0],
        one.port_definitions[0].port,
    )


def test_scaling_restarting_and_killing(client: MarathonClient) -> None:
    client.create_app("/moved/app", MarathonApp(**SMALL))
    before = settled(client, "/moved/app", 1).tasks
    client.scale_app("/moved/app", delta=2)
    settled(client, "/moved/app", 3)
    client.scale_app("/moved/app", instances=1, force=True)
    settled(client, "/moved/app", 1)
    result = client.restart_app("/moved/app", force=True)
    ended(client, result["deploymentId"])
    (task,) = settled(client, "/moved/app", 1).tasks
    assert task.id not in {each.id for each in before}

    killed = client.kill_task("/moved/app", task.id)
    assert (killed.id, killed.app_id) == (task.id, "/moved/app")
    (replaced,) = eventually(
        lambda: [each for each in settled(client, "/moved/app", 1).tasks if each.id != task.id],
        "another task",
    )
    assert client.kill_tasks("/moved/app", host="nowhere") == []
    assert [each.id for each in client.kill_tasks("/moved/app", host=replaced.host)] == [
        replaced.id
    ]
    eventually(lambda: settled(client, "/moved/app", 1).tasks[0].id != replaced.id, "one more task")
    (last,) = client.list_tasks("/moved/app")
    assert client.kill_given_tasks([last.id, "moved_app.unknown"], scale=True, force=True) is True
    assert settled(client, "/moved/app", 0).instances == 0
    with pytest.raises(MarathonHttpError, match="cannot use scale and wipe"):
        client.kill_tasks("/moved/app", scale=True, wipe=True)


def test_groups(client: MarathonClient) -> None:
    apps = [MarathonApp(id=f"app-{number}", **SMALL) for number in (1, 2)]
    inner = MarathonGroup(id="inner", apps=apps, dependencies=["/elsewhere"])
    result = client.create_group(MarathonGroup(id="/family", groups=[inner]))
    ended(client, result["deploymentId"])
    group = client.get_group("/family")
    assert [app.id for app in group.groups[0].apps] == [
        "/family/inner/app-1",
        "/family/inner/app-2",
    ]
    assert (group.groups[0].dependencies, group.pods) == (["/elsewhere"], [])
    assert "/family" in {each.id for each in client.list_groups()}
    ended(client, client.scale_group("/family", 2)["deploymentId"])
    settled(client, "/family/inner/app-1", 2)
    fewer = MarathonGroup(id="/family/inner", apps=[MarathonApp(id="app-1", **SMALL)])
    ended(client, client.update_group("/family/inner", fewer, force=True)["deploymentId"])
    assert [app.id for app in client.get_group("/family/inner").apps] == ["/family/inner/app-1"]
    ended(client, client.rollback_group("/family", group.version)["deploymentId"])
    assert len(client.get_group("/family/inner").apps) == 2
    ended(client, client.delete_group("/family", force=True)["deploymentId"])
    with pytest.raises(NotFoundError, match="Group '/family' does not exist"):
        client.get_group("/family")


def test_what_waits_and_what_is_under_way(client: MarathonClient) -> None:
    created = client.create_app("/waits/app", MarathonApp(**HUGE))

    def waiting() -> Any:
        items = client.list_queue(embed_last_unused_offers=True)
        (item,) = [each for each in items if each.app.id == "/waits/app"]
        assert item.last_unused_offers
        return item

    item = eventually(waiting, "an offer that was of no use")
    assert (item.count, item.delay.overdue) == (1, True)
    assert item.processed_offers_summary["processedOffersCount"] >= 1
    client.reset_delay("/waits/app")
    (shown,) = client.get_app("/waits/app", embed_deployments=True).deployments
    assert shown.id == created.deployments[0].id
    (deployment,) = [each for each in client.list_deployments() if each.id == shown.id]
    assert (deployment.affected_apps, deployment.affected_pods) == (["/waits/app"], [])
    assert isinstance(deployment, MarathonDeployment)
    actions = [action.action for step in deployment.steps for action in step.actions]
    assert actions == ["StartApplication", "ScaleApplication"]
    assert deployment.current_actions[0].app == "/waits/app"

    with pytest.raises(ConflictError, match="locked by one or more deployments"):
        client.update_app("/waits/app", MarathonApp(cmd="true"))
    forced = client.update_app("/waits/app", MarathonApp(cmd="exec sleep 5"), force=True)
    assert client.delete_deployment(forced["deploymentId"], force=True) == {}
    ended(client, forced["deploymentId"])
    second = client.update_app("/waits/app", MarathonApp(cmd="exec sleep 6"))
    back = client.delete_deployment(second["deploymentId"])
    assert back["deploymentId"] != second["deploymentId"]
    assert client.get_app("/waits/app").cmd == "exec sleep 5"
    client.delete_app("/waits/app", force=True)
    with pytest.raises(NotFoundError):
        client.reset_delay("/waits/app")


def test_the_process_itself(client: MarathonClient, url: str) -> None:
    info = client.get_info()
    assert (info.name, info.elected, info.framework_id) != ("", False, None)
    assert info.leader == client.get_leader()["leader"]
    assert info.marathon_config.mesos_role == "*"
    assert info.http_config.http_port is not None
    assert info.zookeeper_config.zk is None
    assert client.ping() == b'"pong"'
    assert set(client.get_metrics()) >= {"version", "counters", "gauges", "histograms"}
    behind_a_router = MarathonClient(f"{url}/service/marathon")
    assert behind_a_router.get_info() == info
    behind_a_router.session.close()


def test_errors(client: MarathonClient) -> None:
    client.create_app("/errors/app", MarathonApp(**SMALL, instances=0))
    with pytest.raises(MarathonHttpError, match="already exists") as exists:
        client.create_app("/errors/app", MarathonApp(**SMALL))
    assert exists.value.status_code == 409
    with pytest.raises(MarathonHttpError, match="Invalid JSON") as malformed:
        client.create_app("/errors/bad", MarathonApp(**{**SMALL, "cpus": "many"}))
    assert malformed.value.status_code == 422
    assert malformed.value.error_details == [
        {"path": "/cpus", "errors": ["error.expected.jsnumber"]}
    ]
    with pytest.raises(NotFoundError):
        client.kill_task("/errors/app", "errors_app.instance-none")
    with pytest.raises(NotFoundError):
        client.delete_deployment("none")
    for call in (
        client.list_event_subscriptions,
        lambda: client.create_event_subscription("http://127.0.0.1/"),
        lambda: client.delete_event_subscription("http://127.0.0.1/"),
    ):
        with pytest.raises(NotFoundError):
            call()


def test_every_event_of_a_life_is_understood(client: MarathonClient) -> None:
    stream = client.event_stream()
    assert next(stream).event_type == "event_stream_attached"
    check = MarathonHealthCheck(
        protocol="HTTP",
        port_index=0,
        interval_seconds=1,
        grace_period_seconds=0,
        timeout_seconds=1,
        max_consecutive_failures=1,
    )
    told: dict[str, list[Any]] = {}

    def read_on(until: str, deployment_id: str = "") -> None:
        for event in stream:
            told.setdefault(event.event_type, []).append(event)
            if event.event_type == until and getattr(event, "id", "") == deployment_id:
                return

    created = client.create_app("/told/app", MarathonApp(**SMALL, health_checks=[check]))
    read_on("unhealthy_instance_kill_event")
    removed = client.delete_app("/told/app", force=True)
    read_on("deployment_success", removed["deploymentId"])
    posted = next(event for event in told["api_post_event"])
    assert (posted.uri, posted.app_definition["id"]) == ("/v2/apps", "/told/app")
    assert MarathonApp.from_json(posted.app_definition).version == created.version
    plan = next(
        event.plan
        for event in told["deployment_info"]
        if event.plan.id == created.deployments[0].id
    )
    assert [action.app for step in plan.steps for action in step.actions] == ["/told/app"] * 2
    status = next(event for event in told["status_update_event"] if event.app_id == "/told/app")
    assert status.task_status.startswith("TASK_")
    failed = told["failed_health_check_event"][0]
    assert (failed.app_id, failed.health_check.protocol) == ("/told/app", "HTTP")
    killed = told["unhealthy_instance_kill_event"][0]
    assert killed.host
    assert killed.slave_id
    added = next(event for event in told["add_health_check_event"] if event.app_id == "/told/app")
    assert (added.version, added.health_check.interval_seconds) == (created.version, 1)
    for kind in ("remove_health_check_event", "app_terminated_event"):
        assert "/told/app" in {event.app_id for event in told[kind]}
    assert {"group_change_success", "instance_changed_event", "deployment_step_success"} <= set(
        told
    )
    assert set(told) <= set(EventFactory.event_to_class)


def test_only_the_events_asked_for(client: MarathonClient) -> None:
    attached = EventFactory.event_to_class["event_stream_attached"]
    stream = client.event_stream(event_types=[attached, "group_change_success"])
    assert next(stream).event_type == "event_stream_attached"
    client.create_app("/asked/app", MarathonApp(**SMALL, instances=0))
    others = (event for event in stream if event.event_type != "event_stream_attached")
    changed = next(event for event in others if event.group_id.startswith("/asked"))
    assert (changed.event_type, changed.group_id) == ("group_change_success", "/asked/app")


def test_every_definition_fits_the_models(client: MarathonClient) -> None:
    """Each field of an app that the models know, sent as JSON and read back through them."""
    definitions: list[dict[str, Any]] = [
        {
            "container": {
                "type": "DOCKER",
                "docker": {
                    "image": "busybox",
                    "privileged": True,
                    "forcePullImage": True,
                    "parameters": [{"key": "a", "value": "b"}],
                },
                "portMappings": [
                    {"containerPort": 80, "hostPort": 0, "name": "web", "labels": {"a": "b"}},
                    {"containerPort": 53, "protocol": "udp,tcp", "hostPort": 0},
                ],
                "volumes": [{"containerPath": "/a", "hostPath": "/b", "mode": "RO"}],
            },
            "networks": [{"mode": "container/bridge"}],
        },
        {"container": {"type": "MESOS", "docker": {"image": "busybox"}}, "args": ["a", "b"]},
        {"container": {"type": "MESOS"}, "cmd": "x", "networks": [{"name": "n", "labels": {}}]},
        {
            "cmd": "x",
            "user": "nobody",
            "fetch": [{"uri": "http://h/a.tgz", "cache": True, "destPath": "x"}],
            "constraints": [["hostname", "UNIQUE"], ["rack", "LIKE", "r[12]"]],
            "dependencies": ["../fits-0"],
            "taskKillGracePeriodSeconds": 3,
            "unreachableStrategy": {"inactiveAfterSeconds": 1, "expungeAfterSeconds": 2},
            "acceptedResourceRoles": ["*"],
            "readinessChecks": [{"name": "r", "portName": "p", "preserveLastResponse": True}],
            "portDefinitions": [{"port": 7, "name": "p", "labels": {"a": "b"}}],
            "requirePorts": True,
            "healthChecks": [
                {"protocol": protocol, "portIndex": 0, "path": "/h"}
                for protocol in ("HTTP", "HTTPS", "MESOS_HTTP")
            ],
        },
        {"cmd": "x", "unreachableStrategy": "disabled", "portDefinitions": []},
    ]
    for number, fields in enumerate(definitions):
        body = {"id": f"/fits/fits-{number}", "instances": 0, **fields}
        answer = client.session.post(f"{client.servers[0]}/v2/apps", json=body)
        assert answer.status_code == 201, answer.text
        assert MarathonApp.from_json(answer.json()).id == body["id"]
        app = client.get_app(body["id"], **EMBEDS)
        version = app.version
        assert client.get_version(body["id"], version).version == version
        assert client.update_app(body["id"], app, force=True)["deploymentId"]
        assert client.get_app(body["id"]).version == version, "it was changed by itself"
