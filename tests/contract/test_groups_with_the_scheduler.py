"""Groups through the API of a scheduler that runs: structure, versions, roles, refusals."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.contract.running import running_application

LOCKED = (
    "App is locked by one or more deployments. Override with the option '?force=true'. "
    "View details at '/v2/deployments/<DEPLOYMENT_ID>'."
)


@pytest.fixture
def application() -> Iterator[Flask]:
    with running_application() as application:
        yield application


@pytest.fixture
def client(application: Flask) -> FlaskClient:
    return application.test_client()


def idle(app_id: str, **fields: Any) -> dict[str, Any]:
    """An app whose deployment is over at once."""
    return {"id": app_id, "cmd": "sleep 1", "instances": 0, **fields}


def put(client: FlaskClient, path: str, body: Any, query: str = "") -> dict[str, Any]:
    answer = client.put(f"/v2/groups{path}?{query}", json=body)
    assert answer.status_code == 200, answer.get_json()
    result: dict[str, Any] = answer.get_json()
    return result


def outline(group: dict[str, Any]) -> dict[str, Any]:
    """A group as {app id: None, group id: {...}}."""
    inner = {one["id"]: outline(one) for one in group["groups"]}
    return {app["id"]: None for app in group["apps"]} | inner


def tree(client: FlaskClient, path: str = "") -> dict[str, Any]:
    return outline(client.get(f"/v2/groups{path}").get_json())


def refused(client: FlaskClient, path: str, body: Any) -> set[tuple[str, str]]:
    answer = client.put(f"/v2/groups{path}", json=body)
    assert answer.status_code == 422
    details = answer.get_json()["details"]
    return {(one["path"], error) for one in details for error in one["errors"]}


def product(client: FlaskClient) -> dict[str, Any]:
    """``/product`` with a web app, and two data bases that it waits for."""
    body = {
        "id": "product",
        "groups": [
            {"id": "db", "apps": [idle("mongo"), idle("/product/db/redis")]},
            {"id": "/product/web", "apps": [idle("ui")], "dependencies": ["../db"]},
        ],
        "apps": [idle("cron")],
        "dependencies": ["/elsewhere"],
    }
    answer = client.post("/v2/groups", json=body)
    assert answer.status_code == 201, answer.get_json()
    assert answer.headers["Location"] == "http://localhost/v2/groups/product"
    assert answer.headers["Marathon-Deployment-Id"] == answer.get_json()["deploymentId"]
    result: dict[str, Any] = answer.get_json()
    assert result.keys() == {"version", "deploymentId"}
    return result


PRODUCT = {
    "/product/cron": None,
    "/product/db": {"/product/db/mongo": None, "/product/db/redis": None},
    "/product/web": {"/product/web/ui": None},
}


def test_the_root_is_there_from_the_start(client: FlaskClient) -> None:
    root = client.get("/v2/groups").get_json()
    version = root.pop("version")
    assert root == {"id": "/", "apps": [], "groups": [], "pods": [], "dependencies": []}
    assert client.get("/v2/groups/versions").get_json() == [version]
    assert client.get("/v2/groups//").get_json() == {**root, "version": version}


def test_a_group_is_created_with_all_that_is_in_it(client: FlaskClient) -> None:
    version = product(client)["version"]
    group = client.get("/v2/groups/product").get_json()
    assert outline(group) == PRODUCT
    assert (group["version"], group["dependencies"]) == (version, ["/elsewhere"])
    assert "enforceRole" not in group
    web = client.get("/v2/groups/product/web").get_json()
    assert web["dependencies"] == ["/product/db"]
    assert "enforceRole" not in web
    assert client.get("/v2/groups").get_json()["version"] == version
    apps = client.get("/v2/groups/product/db/apps").get_json()
    assert [app["id"] for app in apps] == ["/product/db/mongo", "/product/db/redis"]
    assert len(client.get("/v2/groups/apps").get_json()) == 4
    for path in ("", "/product"):
        again = client.post(f"/v2/groups{path}", json={"id": "/product"})
        assert (again.status_code, again.get_json()) == (
            409,
            {"message": "Group /product is already created. Use PUT to change this group."},
        )
    app = client.post("/v2/groups", json={"id": "/product/cron"})
    assert (app.status_code, app.get_json()) == (
        409,
        {"message": "An app with the path /product/cron already exists."},
    )


def test_what_is_given_is_the_whole_set_and_what_is_not_is_kept(client: FlaskClient) -> None:
    product(client)
    put(client, "/product", {"dependencies": []})
    assert tree(client, "/product") == PRODUCT
    assert client.get("/v2/groups/product").get_json()["dependencies"] == []
    put(client, "/product", {"apps": [idle("other")]})
    assert tree(client, "/product") == {
        "/product/other": None,
        "/product/db": PRODUCT["/product/db"],
        "/product/web": PRODUCT["/product/web"],
    }
    put(client, "/product", {"groups": [{"id": "db", "apps": [idle("mongo")]}]})
    assert tree(client, "/product") == {
        "/product/other": None,
        "/product/db": {"/product/db/mongo": None},
    }
    put(client, "/product/db", {"apps": []})
    assert tree(client, "/product") == {"/product/other": None, "/product/db": {}}


def test_the_whole_tree_in_one_request(client: FlaskClient) -> None:
    product(client)
    put(client, "", {"apps": [idle("top")], "groups": [{"id": "new", "groups": [{"id": "er"}]}]})
    assert tree(client) == {"/top": None, "/new": {"/new/er": {}}}
    put(client, "", {"id": "/far/away", "apps": [idle("app")]})
    assert tree(client, "/far") == {"/far/away": {"/far/away/app": None}}


def test_sending_back_what_is_shown_changes_nothing(client: FlaskClient) -> None:
    product(client)
    shown = client.get("/v2/groups").get_json()
    groups = [_without_versions(one) for one in shown["groups"]]
    put(client, "", {"groups": groups, "apps": []})
    assert client.get("/v2/groups").get_json() == shown


def _without_versions(group: dict[str, Any]) -> dict[str, Any]:
    inner = [_without_versions(one) for one in group["groups"]]
    return {**{key: one for key, one in group.items() if key != "version"}, "groups": inner}


def test_an_app_that_stays_as_it_is_is_not_in_the_way(client: FlaskClient) -> None:
    busy = {"id": "busy", "cmd": "x", "instances": 1}
    put(client, "/g", {"apps": [busy]})
    put(client, "/g", {"apps": [busy, idle("calm")]})
    put(client, "/g", {"apps": [busy, idle("calm", cmd="other")]})
    locked = client.put("/v2/groups/g", json={"apps": [{**busy, "cmd": "y"}]})
    assert locked.status_code == 409
    (deployment,) = client.get("/v2/deployments").get_json()
    assert locked.get_json() == {"message": LOCKED, "deployments": [{"id": deployment["id"]}]}
    assert client.delete("/v2/groups/g").status_code == 409
    put(client, "/g", {"apps": [{**busy, "cmd": "y"}]}, "force=true")
    assert tree(client, "/g") == {"/g/busy": None}


def test_a_dry_run_tells_the_steps_and_changes_nothing(client: FlaskClient) -> None:
    version = product(client)["version"]
    body = {"apps": [idle("cron", instances=1), idle("new")]}
    steps = put(client, "/product", body, "dryRun=true")["steps"]
    assert steps == [
        {"actions": [{"action": "StartApplication", "app": "/product/new"}]},
        {
            "actions": [
                {"action": "ScaleApplication", "app": "/product/cron"},
                {"action": "ScaleApplication", "app": "/product/new"},
            ]
        },
    ]
    removal = client.delete("/v2/groups/product/db?dryRun=true").get_json()["steps"]
    assert [one["action"] for one in removal[0]["actions"]] == ["StopApplication"] * 2
    assert client.get("/v2/groups").get_json()["version"] == version
    assert tree(client, "/product") == PRODUCT


def test_scaling_rounds_up(client: FlaskClient) -> None:
    product(client)
    put(client, "/product/db", {"apps": [idle("mongo", instances=3), idle("redis", instances=4)]})
    put(client, "/product", {"scaleBy": 1.5}, "force=true")
    apps = client.get("/v2/groups/product/apps").get_json()
    assert {app["id"]: app["instances"] for app in apps} == {
        "/product/cron": 0,
        "/product/db/mongo": 5,
        "/product/db/redis": 6,
        "/product/web/ui": 0,
    }
    unknown = client.put("/v2/groups/none", json={"scaleBy": 2})
    assert (unknown.status_code, unknown.get_json()) == (
        404,
        {"message": "Group '/none' does not exist"},
    )
    too_many = refused(client, "/product", {"scaleBy": 1_000_000})
    assert too_many == {
        ("/scaleBy", "/product/db/mongo would have 5000000 instances"),
        ("/scaleBy", "/product/db/redis would have 6000000 instances"),
    }


def test_earlier_versions_are_shown_and_come_back(client: FlaskClient) -> None:
    first = product(client)["version"]
    second = put(client, "/product", {"groups": [], "apps": [idle("cron", cmd="other")]})["version"]
    put(client, "/apart", {"apps": [idle("app")]})
    third = client.delete("/v2/groups/product").get_json()["version"]
    assert client.get("/v2/groups/product").status_code == 404
    assert client.get("/v2/groups/product/versions").get_json() == [second, first]
    assert client.get("/v2/groups/versions").get_json()[0] == third

    then = client.get(f"/v2/groups/product/versions/{first}").get_json()
    assert (outline(then), then["version"]) == (PRODUCT, first)
    assert then["dependencies"] == ["/elsewhere"]
    (cron,) = then["apps"]
    assert cron["cmd"] == "sleep 1"
    whole = client.get(f"/v2/groups/versions/{second}").get_json()
    assert outline(whole) == {"/product": {"/product/cron": None}}

    put(client, "/product", {"version": first})
    assert tree(client) == {"/apart": {"/apart/app": None}, "/product": PRODUCT}
    back = client.get("/v2/groups/product").get_json()
    assert back["dependencies"] == ["/elsewhere"]
    assert back["version"] > third
    put(client, "", {"version": second})
    assert tree(client) == {"/product": {"/product/cron": None}}
    assert client.get("/v2/apps/product/cron").get_json()["app"]["cmd"] == "other"


def test_versions_that_are_not_there(client: FlaskClient) -> None:
    product(client)
    version = "2001-01-01T00:00:00.000Z"
    answer = client.get(f"/v2/groups/product/versions/{version}")
    assert (answer.status_code, answer.get_json()) == (
        404,
        {"message": f"Group '/product' does not exist in version {version}"},
    )
    answer = client.put("/v2/groups/product", json={"version": version})
    assert (answer.status_code, answer.get_json()) == (
        422,
        {"message": f"Group /product not available in version {version}"},
    )
    answer = client.put("/v2/groups/product", json={"version": "yesterday"})
    assert answer.get_json() == {
        "message": "Invalid timestamp provided 'yesterday'. Expecting ISO-8601 datetime string."
    }
    assert client.get("/v2/groups/none/versions").status_code == 404


def test_removal(client: FlaskClient) -> None:
    product(client)
    put(client, "/apart", {"apps": [idle("app")]})
    assert client.delete("/v2/groups/product/db").status_code == 200
    assert tree(client, "/product") == {
        "/product/cron": None,
        "/product/web": {"/product/web/ui": None},
    }
    gone = client.delete("/v2/groups/product/db")
    assert (gone.status_code, gone.get_json()) == (
        404,
        {"message": "Group '/product/db' does not exist"},
    )
    assert client.delete("/v2/groups").status_code == 200
    assert tree(client) == {}
    assert client.get("/v2/apps").get_json() == {"apps": []}


def test_the_last_app_leaves_its_group_behind(client: FlaskClient) -> None:
    client.post("/v2/apps", json=idle("/a/b/app"))
    assert tree(client) == {"/a": {"/a/b": {"/a/b/app": None}}}
    client.delete("/v2/apps/a/b/app")
    assert tree(client) == {"/a": {"/a/b": {}}}
    assert client.get("/v2/apps/a/*").get_json() == {"*": []}


def test_a_role_that_a_group_enforces(client: FlaskClient) -> None:
    put(client, "/dev", {"apps": [idle("old")]})
    version = client.get("/v2/groups").get_json()["version"]
    for body in ({"enforceRole": True}, {}, {"enforceRole": False}, {"enforceRole": True}):
        answer = client.patch("/v2/groups/dev", json=body)
        assert (answer.status_code, answer.data) == (200, b"")
        assert client.get("/v2/groups/dev").get_json().get("enforceRole") is body.get("enforceRole")
    assert client.get("/v2/groups").get_json()["version"] > version
    assert client.get("/v2/deployments").get_json() == []

    created = client.post("/v2/apps", json=idle("/dev/new")).get_json()
    assert (created["role"], created["acceptedResourceRoles"]) == ("dev", ["*", "dev"])
    for body in (idle("/dev/star", role="*"), idle("/dev/star", role="other")):
        answer = client.post("/v2/apps", json=body)
        assert answer.get_json()["details"] == [
            {"path": "/role", "errors": [f"got {body['role']}, expected one of: [dev]"]}
        ]
    client.put("/v2/apps/dev/put", json={"cmd": "x", "instances": 0})
    client.put("/v2/apps/dev/whole?partialUpdate=false", json=idle("/dev/whole"))
    for app_id in ("put", "whole"):
        assert client.get(f"/v2/apps/dev/{app_id}").get_json()["app"]["role"] == "dev"
        answer = client.patch(f"/v2/apps/dev/{app_id}", json={"role": "*"})
        assert answer.get_json()["details"] == [
            {"path": "/role", "errors": ["got *, expected one of: [dev]"]}
        ]
    kept = client.patch("/v2/apps/dev/old", json={"cmd": "other"})
    assert kept.status_code == 200
    assert client.get("/v2/apps/dev/old").get_json()["app"]["role"] == "*"

    put(client, "/ops", {"enforceRole": True, "apps": [idle("app")]})
    assert client.get("/v2/apps/ops/app").get_json()["app"]["role"] == "ops"
    put(client, "/ops", {"apps": [idle("app"), idle("other")]})
    assert client.get("/v2/apps/ops/other").get_json()["app"]["role"] == "ops"


def test_a_role_is_changed_apart_and_at_the_top(client: FlaskClient) -> None:
    product(client)
    assert refused(client, "/product", {"enforceRole": True, "apps": []}) == {
        ("/enforceRole", ROLE_APART)
    }
    put(client, "/product", {"enforceRole": True})
    assert refused(client, "/product/db", {"enforceRole": True}) == {
        (
            "/enforceRole",
            "enforceRole can only be set for top-level groups, and /product/db is not top-level",
        )
    }
    for path in ("/product/db", ""):
        answer = client.patch(f"/v2/groups{path}", json={"enforceRole": True})
        assert answer.status_code == 422
        (detail,) = answer.get_json()["details"]
        assert detail["errors"] == ["Path needs to be top-level"]
    answer = client.patch("/v2/groups/none", json={"enforceRole": True})
    assert (answer.status_code, answer.get_json()) == (
        404,
        {"message": "Group '/none' does not exist"},
    )


ROLE_APART = (
    "enforceRole cannot be modified in a request that adds, removes or modifies services; "
    "please make these changes in separate requests."
)
NO_COMMAND = "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'."
RESERVED = (
    "must not end with any of the following reserved keywords: restart, tasks, versions, ., .."
)
CLASH = "Groups and Applications may not have the same identifier."
CYCLE = "Dependency graph has cyclic dependencies."
CONJUNCTION = "not allowed in conjunction with other properties."


@pytest.mark.parametrize(
    ("path", "body", "faults"),
    [
        ("/base", [], {("/", "error.expected.jsobject")}),
        ("/base", {"apps": {}}, {("/apps", "error.expected.jsarray")}),
        ("/base", {"apps": [1]}, {("/apps(0)", "error.expected.jsobject")}),
        ("/base", {"apps": [{"cmd": "x"}]}, {("/apps(0)/id", "error.path.missing")}),
        ("/base", {"groups": [{}]}, {("/groups(0)/id", "error.path.missing")}),
        ("/base", {"groups": [{"id": "A"}]}, {("/groups(0)/id", "error.pattern")}),
        ("/base", {"enforceRole": 1}, {("/enforceRole", "error.expected.jsboolean")}),
        ("/base", {"scaleBy": -1}, {("/scaleBy", "error.min")}),
        ("/base", {"scaleBy": 2, "apps": []}, {("/scaleBy", CONJUNCTION)}),
        ("/base", {"version": "x", "scaleBy": 1}, {("/version", CONJUNCTION)}),
        ("/base", {"id": "/other"}, {("/id", "Identifier is not child of '/base'")}),
        (
            "/base",
            {"apps": [idle("/other")], "groups": [{"id": "a", "groups": [{"id": "../b"}]}]},
            {
                ("/apps(0)/id", "Identifier is not child of '/base'"),
                ("/groups(0)/groups(0)/id", "Identifier is not child of '/base/a'"),
            },
        ),
        (
            "/base",
            {"groups": [{"id": "a", "apps": [idle("x", cpus="1")]}]},
            {("/groups(0)/apps(0)/cpus", "error.expected.jsnumber")},
        ),
        (
            "/base",
            {"apps": [idle("a"), idle("/base/a"), idle("c", cmd=None)]},
            {
                ("/apps(1)/id", "is named twice in this request"),
                ("/apps(2)", NO_COMMAND),
            },
        ),
        (
            "/base",
            {"groups": [{"id": "a"}, {"id": "a/"}]},
            {("/groups(1)/id", "is named twice in this request")},
        ),
        (
            "/base/versions",
            {},
            {("/id", RESERVED)},
        ),
        ("/base", {"apps": [idle("a")], "groups": [{"id": "a"}]}, {("/id", CLASH)}),
        ("/there/app", {"apps": [idle("a")]}, {("/id", CLASH)}),
        ("/there/app/below", {}, {("/id", CLASH)}),
        (
            "/base",
            {"apps": [idle("a", dependencies=["../b"]), idle("b", dependencies=["/base/a"])]},
            {("/", CYCLE)},
        ),
    ],
)
def test_refusals(client: FlaskClient, path: str, body: Any, faults: set[tuple[str, str]]) -> None:
    client.post("/v2/apps", json=idle("/there/app"))
    before = client.get("/v2/groups").get_json()
    assert refused(client, path, body) == faults
    assert client.get("/v2/groups").get_json() == before


def test_changes_of_different_parts_at_the_same_time_all_survive(
    application: Flask, client: FlaskClient
) -> None:
    paths = [f"/top/part-{number}" for number in range(6)]

    def change(path: str) -> int:
        body = {"apps": [idle("app")]}
        return application.test_client().put(f"/v2/groups{path}", json=body).status_code

    with ThreadPoolExecutor(len(paths)) as pool:
        assert list(pool.map(change, paths)) == [200] * len(paths)
    assert tree(client, "/top") == {path: {f"{path}/app": None} for path in paths}
