"""``/v3/services``: what load balancers decide by, and nothing else of an app."""

from typing import Any

from flask.testing import FlaskClient
from msgspec.structs import replace

from framework.domain.app import App, Container, Network, NetworkMode, PortMapping
from framework.domain.clock import parse_iso
from framework.domain.instance import Condition, Goal, Instance
from framework.domain.rollout import Connection, Framework
from framework.domain.state import Kind
from haproxy_bridge.snapshot import Endpoint, Verdict
from haproxy_bridge.source import stayer
from tests.contract.cluster import NOW_MS, UUID, V2
from tests.unit.api.recorder import Recorder

ONE, TWO = f"dev_web.instance-{UUID}1", f"dev_web.instance-{UUID}2"


def services(client: FlaskClient) -> dict[str, Any]:
    answer: dict[str, Any] = client.get("/v3/services").get_json()
    return answer


def tasks(client: FlaskClient) -> dict[str, dict[str, Any]]:
    (web,) = [one for one in services(client)["services"] if one["id"] == "/dev/web"]
    return {task["id"].removesuffix("._app.1"): task for task in web["tasks"]}


def change(scheduler: Recorder, instance_id: str, **fields: Any) -> None:
    instance = scheduler.view.instances[instance_id]
    scheduler.hold(Kind.INSTANCE, instance_id, replace(instance, **fields))


def test_the_whole_page(client: FlaskClient, scheduler: Recorder) -> None:
    assert services(client)["stateId"] == ""
    scheduler.hold(Kind.FRAMEWORK, "framework", Framework("s1", epoch=7))
    scheduler.hold(Kind.CONNECTION, "connection", Connection(subscribed=True, synced=True))
    answer = services(client)
    assert (answer["stateId"], answer["epoch"], answer["synced"]) == ("s1", 7, True)
    batch, web = answer["services"]
    assert batch == {
        "id": "/batch",
        "version": batch["version"],
        "createdAtMs": parse_iso(batch["version"]),
        "wanted": 0,
        "labels": {},
        "ports": [],
        "tasks": [],
    }
    assert web["ports"] == [
        {"servicePort": 10_000, "protocol": "tcp", "name": "http"},
        {"servicePort": 10_001, "protocol": "tcp"},
    ]
    assert (web["wanted"], web["labels"], web["hasChecks"]) == (3, {"team": "red"}, True)
    assert web["tasks"][0] == {
        "id": f"{ONE}._app.1",
        "host": "agent1.local",
        "endpoints": [
            {"host": "agent1.local", "port": 31_001},
            {"host": "agent1.local", "port": 32_001},
        ],
        "version": V2,
        "startedAtMs": NOW_MS - 9_000,
        "health": "up",
        "checks": [
            {
                "kind": "http",
                "portIndex": 0,
                "intervalSeconds": 60,
                "timeoutSeconds": 20,
                "maxConsecutiveFailures": 3,
            }
        ],
    }


def test_a_change_makes_no_app_younger(client: FlaskClient, scheduler: Recorder) -> None:
    web = scheduler.view.apps["/dev/web"]
    dated = replace(web, created_at="2024-01-02T00:00:00.000Z", version=web.version)
    scheduler.hold(Kind.APP, "/dev/web", dated)
    (shown,) = [one for one in services(client)["services"] if one["id"] == "/dev/web"]
    assert shown["createdAtMs"] == parse_iso("2024-01-02T00:00:00.000Z")
    assert stayer.snapshot(client.get("/v3/services").data, "", "").apps[1].created_at_ms


def test_the_bridge_reads_it(client: FlaskClient) -> None:
    read = stayer.snapshot(client.get("/v3/services").data, "url", "tag")
    web = read.apps[1]
    assert [task.health for task in web.tasks] == [Verdict.UP, Verdict.DOWN]
    assert web.tasks[0].endpoints == (
        Endpoint("agent1.local", 31_001),
        Endpoint("agent1.local", 32_001),
    )


def test_only_tasks_that_may_serve_are_listed(client: FlaskClient, scheduler: Recorder) -> None:
    for condition in Condition:
        change(scheduler, ONE, condition=condition)
        listed = condition in {Condition.RUNNING, Condition.KILLING, Condition.UNREACHABLE}
        assert (ONE in tasks(client)) is listed, condition


def test_what_is_to_be_killed_drains(client: FlaskClient, scheduler: Recorder) -> None:
    change(scheduler, ONE, goal=Goal.DECOMMISSIONED)
    change(scheduler, TWO, kill_reason="asked")
    assert [task["draining"] for task in tasks(client).values()] == [True, True]


def test_what_waits_for_edges(client: FlaskClient, scheduler: Recorder) -> None:
    change(scheduler, ONE, awaits_edges=True)
    assert [task.get("awaitsEdges") for task in tasks(client).values()] == [True, None]
    read = stayer.snapshot(client.get("/v3/services").get_data(), "", "")
    assert [task.awaits_edges for task in read.apps[1].tasks] == [True, False]


def test_out_of_reach_and_not_ready(client: FlaskClient, scheduler: Recorder) -> None:
    change(scheduler, ONE, condition=Condition.UNREACHABLE)
    change(scheduler, TWO, ready=False, healthy=None)
    one, two = tasks(client)[ONE], tasks(client)[TWO]
    assert one["reachable"] is False
    assert (two["ready"], two["health"]) == (False, "unknown")


def test_nothing_of_the_environment_but_what_is_for_load_balancers(
    client: FlaskClient, scheduler: Recorder
) -> None:
    env = {"PASSWORD": "secret", "HAPROXY_0_VHOST": "env.example", "HAPROXY_GROUP": "env"}
    app = App(id="/e", version=V2, env=env, labels={"HAPROXY_GROUP": "label"})
    scheduler.hold_app(app)
    assert b"secret" not in client.get("/v3/services").data
    found = services(client)["services"][-1]
    assert found["labels"] == {"HAPROXY_0_VHOST": "env.example", "HAPROXY_GROUP": "label"}


def test_containers_are_reached_by_host_port_or_at_their_own_address(
    client: FlaskClient, scheduler: Recorder
) -> None:
    mappings = (PortMapping(80, None, 10_005), PortMapping(81, 0, 10_006))
    app = App(
        id="/n",
        version=V2,
        networks=(Network(NetworkMode.CONTAINER, "net"),),
        container=Container("MESOS", port_mappings=mappings),
    )
    scheduler.hold_app(app)
    instance = Instance(
        id="n.instance-1",
        app_id="/n",
        version=V2,
        agent_id="S1",
        condition=Condition.RUNNING,
        ports=(31_005,),
        addresses=("10.1.1.1",),
    )
    scheduler.hold(Kind.INSTANCE, instance.id, instance)
    (task,) = services(client)["services"][-1]["tasks"]
    assert task["endpoints"] == [
        {"host": "10.1.1.1", "port": 80},
        {"host": "agent1.local", "port": 31_005},
    ]


def test_what_changed_since(client: FlaskClient, scheduler: Recorder) -> None:
    first = services(client)
    assert "since" not in first

    def since(version: str) -> dict[str, Any]:
        answer: dict[str, Any] = client.get(f"/v3/services?since={version}").get_json()
        return answer

    nothing = since(first["version"])
    assert (nothing["services"], nothing["gone"]) == ([], [])
    assert (nothing["since"], nothing["digest"]) == (first["version"], first["digest"])
    change(scheduler, ONE, condition=Condition.UNREACHABLE)
    scheduler.hold(Kind.APP, "/batch", None)
    told = since(first["version"])
    assert [one["id"] for one in told["services"]] == ["/dev/web"]
    assert told["gone"] == ["/batch"]
    assert told["services"] == services(client)["services"]
    assert since(told["version"])["services"] == []
    scheduler.hold(Kind.FRAMEWORK, "framework", Framework("s1", epoch=7))
    wrong = first["version"].partition("/")[0]
    for unknown in (
        told["version"],
        "",
        "x",
        "1/1",
        f"{wrong}/99",
        f"{wrong}/-1",
        f"{wrong}/\u00b2",
    ):
        assert "since" not in since(unknown), "another leader's, or nobody's"
