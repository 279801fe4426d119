"""Rendering that the contract tests' cluster does not show."""

import pytest

from api.render.app import app_object
from api.render.cluster import agent_object
from api.render.instance import check_result, task
from api.render.text import endpoints_text
from framework.domain.app import App, Check
from framework.domain.instance import Condition, Instance
from framework.domain.mesos import Agent, Attribute
from framework.domain.state import Change, Kind, State
from tests.unit.api.reading import app_of

BRIDGED = app_of(
    {
        "id": "/bridged",
        "container": {
            "docker": {"image": "nginx"},
            "portMappings": [
                {"containerPort": 80, "hostPort": 0},
                {"containerPort": 81, "networkNames": ["inner"]},
                {"containerPort": 82, "hostPort": 0, "servicePort": 12},
            ],
        },
        "networks": [{"name": "inner"}],
    }
)
RUNNING = Instance(
    "bridged.instance-1",
    "/bridged",
    "v",
    "S1",
    condition=Condition.RUNNING,
    ports=(31_000, 31_001),
    addresses=("10.0.0.7", "fd00::7"),
)


def view_of(*instances: Instance) -> State:
    view = State()
    view.apply([Change(Kind.AGENT, "S1", Agent("S1", "h1"))])
    view.apply([Change(Kind.INSTANCE, one.id, one) for one in instances])
    return view


@pytest.mark.parametrize(
    ("networks", "second"),
    [([], ""), (["other"], ""), (["inner"], "10.0.0.7:81\t"), (["*"], "10.0.0.7:81\t")],
)
def test_text_of_container_networks(networks: list[str], second: str) -> None:
    """Host ports are counted without the mappings that have none."""
    assert endpoints_text(view_of(RUNNING), [BRIDGED], networks) == (
        f"bridged\t0\th1:31000\t\nbridged\t0\t{second}\nbridged\t12\th1:31001\t\n"
    )


def test_text_of_an_app_without_ports_names_hosts() -> None:
    app = app_of({"id": "/a/b", "cmd": "x", "ports": []})
    instance = Instance("a_b.instance-1", "/a/b", "v", "S1", condition=Condition.RUNNING)
    assert endpoints_text(view_of(instance), [app], []) == "a_b\t \th1\t\n"


def test_old_forms_are_never_shown() -> None:
    shown = app_object(BRIDGED)
    assert "portDefinitions" not in shown
    assert "network" not in shown["container"]["docker"]
    assert shown["container"]["portMappings"][1] == {
        "containerPort": 81,
        "servicePort": 0,
        "protocol": "tcp",
        "labels": {},
        "networkNames": ["inner"],
    }


def test_addresses_say_their_protocol() -> None:
    assert task(RUNNING, BRIDGED, State())["ipAddresses"] == [
        {"ipAddress": "10.0.0.7", "protocol": "IPv4"},
        {"ipAddress": "fd00::7", "protocol": "IPv6"},
    ]


@pytest.mark.parametrize(
    ("status", "result"),
    [
        ('{"type":"HTTP","http":{"status_code":200}}', {"http": {"statusCode": 200}}),
        ('{"type":"TCP","tcp":{"succeeded":false}}', {"tcp": {"succeeded": False}}),
        ('{"type":"COMMAND","command":{"exit_code":0}}', {"command": {"exitCode": 0}}),
        ('{"type":"HTTP","http":{}}', {}),
        ("{}", {}),
        ("nonsense", {}),
        ('{"http":7}', {}),
    ],
)
def test_check_results(status: str, result: dict[str, object]) -> None:
    assert check_result(status) == result
    app = App(id="/bridged", check=Check("http"))
    instance = Instance("i", "/bridged", "v", condition=Condition.RUNNING, check_json=status)
    assert task(instance, app, State()).get("checkResult", {}) == result


def test_attributes_are_shown_as_constraints_see_them() -> None:
    attributes = (
        Attribute("text", "a"),
        Attribute("number", scalar=1.0),
        Attribute("ranges", ranges=((9, 9), (5, 7))),
        Attribute("set", items=("b", "a")),
        Attribute("text", "second"),
    )
    shown = agent_object(State(), Agent("S1", "h1", attributes, address="10.0.0.1"))
    assert shown == {
        "id": "S1",
        "hostname": "h1",
        "attributes": {"text": "a", "number": "1", "ranges": "[5-7,9-9]", "set": "{a,b}"},
        "address": "10.0.0.1",
    }
