"""Answers of several releases of Marathon as definitions."""

from typing import Any

import pytest

from api.definitions import parse_app
from api.options import ApiOptions
from cli.importing.documents import read_document
from cli.importing.translation import Renaming, below, renamed, renaming_clashes, translate
from cli.patterns import linear_full_match
from framework.domain.app import App
from tests.unit.cli.importing.marathon import ROOT, WEB, app


def definition(raw: dict[str, Any], role: str = "*") -> dict[str, Any]:
    """The translation, which the API must accept."""
    found = translate(raw["id"], raw, marathon_role=role).definition
    assert isinstance(parse_app(found, ApiOptions(), linear_full_match), App)
    return found


def test_what_only_marathon_says_is_left_out() -> None:
    translated = translate("/shop/web", {**WEB, "favourite": 1}, marathon_role="*")
    assert translated.running == 2
    assert translated.unknown == ("favourite",)
    given = {"version", "versionInfo", "tasksStaged", "tasksRunning", "deployments", "role"}
    assert given.isdisjoint(translated.definition)
    kept = ("container", "dependencies", "healthChecks", "instances", "upgradeStrategy")
    assert {name: translated.definition[name] for name in kept} == {
        name: WEB[name] for name in kept
    }


def test_ports_are_as_they_were() -> None:
    fixed = [{"port": 8_080, "protocol": "tcp", "name": "http", "labels": {"VIP_0": "x:1"}}]
    found = definition(app("/x", portDefinitions=fixed, requirePorts=True))
    assert found["portDefinitions"] == fixed
    assert found["requirePorts"] is True
    mapping = definition(WEB)["container"]["portMappings"][0]
    assert (mapping["hostPort"], mapping["servicePort"]) == (0, 10_001)


def test_an_answer_of_1_4_has_both_forms_and_nulls() -> None:
    old = app(
        "/old",
        networks=None,
        role=None,
        args=None,
        user=None,
        ipAddress=None,
        residency=None,
        secrets={},
        acceptedResourceRoles=None,
        storeUrls=[],
        uris=["http://h/a.tgz"],
        fetch=[{"uri": "http://h/a.tgz", "extract": True, "executable": False, "cache": False}],
        ports=[10_000],
        constraints=[["hostname", "UNIQUE", ""], ["rack", "GROUP_BY", "3"]],
        taskKillGracePeriodSeconds=None,
        env={"A": "b"},
        healthChecks=[
            {"protocol": "COMMAND", "command": {"value": "true"}, "portIndex": 0, "path": "/"}
        ],
    )
    found = definition(old)
    assert {"uris", "ports", "storeUrls", "secrets", "args", "residency"}.isdisjoint(found)
    assert found["fetch"] == old["fetch"]
    assert found["constraints"] == [["hostname", "UNIQUE"], ["rack", "GROUP_BY", "3"]]
    assert found["healthChecks"] == [{"protocol": "COMMAND", "command": {"value": "true"}}]


def test_an_answer_of_1_4_on_a_bridge() -> None:
    docker = {
        "image": "x",
        "network": "BRIDGE",
        "portMappings": [{"containerPort": 80, "hostPort": 0, "servicePort": 10_007}],
    }
    raw = app(
        "/old",
        networks=None,
        ports=[10_007],
        portDefinitions=[{"port": 10_007, "protocol": "tcp", "labels": {}}],
        container={"type": "DOCKER", "docker": docker, "volumes": []},
    )
    found = definition(raw)
    assert "ports" not in found
    assert "portDefinitions" not in found
    assert found["container"]["docker"] == docker, "the old form alone is the API's to read"


@pytest.mark.parametrize("role", ["*", "marathon"])
def test_the_role_that_marathon_gave_itself_is_none_that_was_asked_for(role: str) -> None:
    found = definition(app("/x", role=role, acceptedResourceRoles=sorted({role, "*"})), role)
    assert "role" not in found
    assert "acceptedResourceRoles" not in found


def test_a_role_that_was_asked_for_stays() -> None:
    raw = app("/x/y", role="x", acceptedResourceRoles=["x"])
    found = translate("/x/y", raw, marathon_role="*").definition
    assert (found["role"], found["acceptedResourceRoles"]) == ("x", ["x"])
    unreserved = app("/x", role="marathon", acceptedResourceRoles=["*"])
    found = translate("/x", unreserved, marathon_role="marathon").definition
    assert found["acceptedResourceRoles"] == ["*"], "it wanted no reserved resources"


def test_a_users_own_names_are_left_alone() -> None:
    found = definition(app("/x", labels={"version": "3", "tasks": ""}, env={"id": "7"}))
    assert found["labels"] == {"version": "3", "tasks": ""}
    assert found["env"] == {"id": "7"}
    unset = translate("/x", app("/x", env={"A": None}), marathon_role="*").definition
    assert unset["env"] == {"A": None}, "for the API to judge"


def test_only_a_part() -> None:
    part = below(read_document(ROOT), "/shop/data")
    assert set(part.apps) == {"/shop/data/db"}
    assert set(part.groups) == {"/shop/data"}
    assert set(below(read_document(ROOT), "/sho").apps) == set()
    assert below(read_document(ROOT), "/") == read_document(ROOT)


def test_another_place() -> None:
    found = renamed(read_document(ROOT), Renaming("/shop", "/eu/store"))
    assert set(found.apps) == {"/job", "/eu/store/web", "/eu/store/data/db"}
    assert found.apps["/eu/store/web"]["id"] == "/eu/store/web"
    assert found.apps["/eu/store/web"]["dependencies"] == ["/eu/store/data"]
    assert found.groups["/eu/store"].dependencies == ("/base",)
    up = renamed(found, Renaming("/eu/store", "/"))
    assert set(up.apps) == {"/job", "/web", "/data/db"}
    down = renamed(read_document(ROOT), Renaming("/", "/old"))
    assert set(down.apps) == {"/old/job", "/old/shop/web", "/old/shop/data/db"}


def test_the_role_of_a_group_follows_its_name() -> None:
    found = renamed(read_document([app("/shop/web", role="shop")]), Renaming("/shop", "/store"))
    assert found.apps["/store/web"]["role"] == "store"


def test_two_of_the_same_id() -> None:
    found = read_document([app("/a/x"), app("/b/x"), app("/b/y")])
    assert renaming_clashes(found, Renaming("/a", "/b")) == ["/b/x"]
    assert renaming_clashes(found, Renaming("/a", "/c")) == []
