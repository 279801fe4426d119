"""Partial updates: what stays, what is replaced, what is refused."""

from typing import Any

import pytest

from api.definitions import merge, read_update
from api.faults import INVALID_JSON, NOT_VALID, Invalid
from api.render.app import definition
from framework.domain.app import App, Container, Network, NetworkMode, PortDefinition, PortMapping
from tests.unit.api.reading import OPTIONS, app_of, compile_pattern

EXISTING = app_of(
    {
        "id": "/dev/web",
        "cmd": "serve",
        "env": {"A": "1", "B": "2"},
        "labels": {"team": "x"},
        "portDefinitions": [{"port": 10_001, "name": "http"}],
        "healthChecks": [{}],
        "constraints": [["rack", "UNIQUE"]],
    }
)


def updated(**fields: Any) -> App:
    update = read_update(fields, OPTIONS)
    assert not isinstance(update, Invalid), update
    outcome = merge(EXISTING, update, OPTIONS, compile_pattern)
    assert isinstance(outcome, App), outcome
    return outcome


def changes(app: App) -> dict[str, Any]:
    """The fields in which the app differs from the existing one, as JSON."""
    before, after = definition(EXISTING), definition(app)
    names = before.keys() | after.keys()
    return {name: after.get(name) for name in names if before.get(name) != after.get(name)}


def test_nothing_given_changes_nothing() -> None:
    assert updated() == EXISTING
    assert updated(cmd=None, env=None) == EXISTING


def test_only_the_given_field_changes() -> None:
    assert changes(updated(instances=7)) == {"instances": 7}


def test_a_given_map_replaces_the_whole_map() -> None:
    assert changes(updated(env={"C": "3"})) == {"env": {"C": "3"}}


def test_args_take_the_place_of_cmd_and_back() -> None:
    assert changes(updated(args=["a"])) == {"cmd": None, "args": ["a"]}
    assert changes(updated(cmd="other")) == {"cmd": "other"}


def test_old_forms_are_understood() -> None:
    assert updated(ports=[1, 2]).port_definitions == (PortDefinition(1), PortDefinition(2))
    assert updated(uris=["http://h/x.zip"]).fetch[0].extract


def test_leaving_the_host_network_leaves_its_ports_behind() -> None:
    app = updated(networks=[{"mode": "container/bridge"}], container={"type": "MESOS"})
    assert app.networks == (Network(mode=NetworkMode.BRIDGE),)
    assert app.port_definitions == ()
    assert app.container == Container(
        type="MESOS", port_mappings=(PortMapping(0, host_port=0, name="default"),)
    )


def test_a_new_role_brings_its_own_default_of_accepted_roles() -> None:
    app = updated(role="dev")
    assert (app.role, app.accepted_resource_roles) == ("dev", ("*", "dev"))


def test_the_rules_of_definitions_hold() -> None:
    update = read_update({"args": ["a"], "cmd": "b"}, OPTIONS)
    assert not isinstance(update, Invalid)
    outcome = merge(EXISTING, update, OPTIONS, compile_pattern)
    assert isinstance(outcome, Invalid)
    assert outcome.message == NOT_VALID


def test_a_version_alone_is_a_rollback() -> None:
    update = read_update({"id": "web/", "version": "2015-09-30T09:09:17.614Z"}, OPTIONS)
    assert not isinstance(update, Invalid)
    assert (update.id, update.version, update.fields) == ("/web", "2015-09-30T09:09:17.614Z", {})


@pytest.mark.parametrize(
    ("body", "message", "path", "error"),
    [
        ([], INVALID_JSON, "/", "error.expected.jsobject"),
        ({"cpus": "1"}, INVALID_JSON, "/cpus", "error.expected.jsnumber"),
        (
            {"networks": [{"mode": "host"}], "container": {"portMappings": [{}]}},
            NOT_VALID,
            "/",
            "portMappings are not allowed with host-networking",
        ),
        (
            {"networks": [{"name": "x"}], "portDefinitions": [{}]},
            NOT_VALID,
            "/",
            "portDefinitions are only allowed with host-networking",
        ),
    ],
)
def test_refusals(body: Any, message: str, path: str, error: str) -> None:
    outcome = read_update(body, OPTIONS)
    assert isinstance(outcome, Invalid)
    assert outcome.message == message
    assert outcome.faults == ((path, error),)
