"""``/v2/groups``: exact answers over a published view, and the exact command of each change."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from framework.domain.app import App, PortDefinition
from framework.domain.events import ChangeApps, Command, PutApp
from framework.domain.groups import Group, TreeChange
from framework.domain.records import replace
from framework.domain.replies import Done, Refused, Reply, Why
from framework.domain.rollout import ActionName, DeploymentAction
from framework.domain.state import Kind
from tests.contract.cluster import BATCH_JSON, COUNTS, NOW, V1, V2, WEB, WEB_JSON
from tests.unit.api.recorder import Recorder

V3 = "2026-01-02T02:00:00.000Z"
RESULT = {"version": NOW, "deploymentId": "d-1"}
EMPTY = Group("/dev/empty", V2)
DEV = Group("/dev", V2, ("/base",), enforce_role=True)
ROOT = Group("/", V3)


@pytest.fixture
def scheduler(scheduler: Recorder) -> Recorder:
    """The cluster with records of its groups, the last change of which was one of ``/batch``."""
    for group in (ROOT, DEV, EMPTY):
        scheduler.hold(Kind.GROUP, group.id, group)
    scheduler.hold_app(App(id="/batch", cmd="sleep 200", instances=0, version=V3))
    history = (
        TreeChange(V2, {"/dev/web": V1}, {"/": Group("/", V1), "/dev": None, "/dev/empty": None}),
        TreeChange(V3, {"/batch": V1}, {"/": Group("/", V2)}),
    )
    for change in history:
        scheduler.hold(Kind.TREE_CHANGE, change.version, change)
    return scheduler


BATCH = {**BATCH_JSON, "cmd": "sleep 200", "version": V3}
EMPTY_JSON: dict[str, Any] = {
    "id": "/dev/empty",
    "apps": [],
    "groups": [],
    "pods": [],
    "dependencies": [],
    "version": V2,
}
DEV_JSON: dict[str, Any] = {
    "id": "/dev",
    "apps": [WEB_JSON],
    "groups": [EMPTY_JSON],
    "pods": [],
    "dependencies": ["/base"],
    "version": V2,
    "enforceRole": True,
}
ROOT_JSON: dict[str, Any] = {
    "id": "/",
    "apps": [BATCH],
    "groups": [DEV_JSON],
    "pods": [],
    "dependencies": [],
    "version": V3,
}
BARE = {"id": "/dev", "dependencies": ["/base"], "version": V2, "enforceRole": True}
BARE_EMPTY = {"id": "/dev/empty", "dependencies": [], "version": V2, "groups": []}
BACK = {"version": "", "last_scaling_at": "", "last_config_change_at": ""}


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("", ROOT_JSON),
        ("/", ROOT_JSON),
        ("/dev", DEV_JSON),
        ("//dev/", DEV_JSON),
        ("/dev/empty", EMPTY_JSON),
        ("/dev?embed=group.groups", {**BARE, "groups": [BARE_EMPTY]}),
        ("/dev?embed=group.apps&embed=group.pods", {**BARE, "apps": [WEB_JSON], "pods": []}),
        ("/dev?embed=group.apps.counts", {**BARE, "apps": [{**WEB_JSON, **COUNTS}]}),
        ("/dev?embed=unheard.of", BARE),
        ("/apps", [BATCH, WEB_JSON]),
        ("/dev/apps", [WEB_JSON]),
        ("/dev/apps?embed=apps.counts", [{**WEB_JSON, **COUNTS}]),
        ("/dev/empty/apps", []),
        ("/versions", [V3, V2, V1]),
        ("/dev/versions", [V2]),
        (f"/versions/{V3}", ROOT_JSON),
        (
            f"/versions/{V2}",
            {**ROOT_JSON, "apps": [BATCH_JSON], "version": V2},
        ),
        (f"/dev/versions/{V2}", DEV_JSON),
        (f"/dev/versions/{V3}", DEV_JSON),
        ("/dev/versions/2026-01-02T01:00:00%2B01:00", DEV_JSON),
    ],
)
def test_what_is_there(client: FlaskClient, path: str, answer: Any) -> None:
    response = client.get(f"/v2/groups{path}")
    assert response.status_code == 200
    assert response.get_json() == answer


def test_an_earlier_tree_has_earlier_definitions(client: FlaskClient) -> None:
    root = client.get(f"/v2/groups/versions/{V1}").get_json()
    (dev,) = root["groups"]
    assert (dev["id"], dev["groups"], dev["version"]) == ("/dev", [], V1)
    assert [(app["instances"], app["version"]) for app in dev["apps"]] == [(2, V1)]


def test_a_group_whose_definitions_are_kept_no_more(
    client: FlaskClient, scheduler: Recorder
) -> None:
    scheduler.hold(Kind.APP_VERSION, f"/dev/web@{V1}", None)
    assert client.get(f"/v2/groups/versions/{V1}").status_code == 404
    answer = client.put("/v2/groups", json={"version": V1})
    assert (answer.status_code, answer.get_json()) == (
        422,
        {"message": f"Group / not available in version {V1}"},
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/none", "Group '/none' does not exist"),
        ("/dev/web", "Group '/dev/web' does not exist"),
        ("/none/apps", "Group '/none' does not exist"),
        ("/none/versions", "Group '/none' does not exist"),
        (f"/versions/{NOW}", f"Group '/' does not exist in version {NOW}"),
        (f"/dev/empty/versions/{V1}", f"Group '/dev/empty' does not exist in version {V1}"),
    ],
)
def test_what_is_not(client: FlaskClient, path: str, message: str) -> None:
    response = client.get(f"/v2/groups{path}")
    assert (response.status_code, response.get_json()) == (404, {"message": message})


def test_a_path_with_an_app_below_it_is_a_group_without_a_record(
    client: FlaskClient, scheduler: Recorder
) -> None:
    for number, version in enumerate((V1, V3)):
        scheduler.hold_app(App(id=f"/a/b/app-{number}", cmd="x", version=version))
    group = client.get("/v2/groups/a").get_json()
    assert (group["version"], [one["id"] for one in group["groups"]]) == (V3, ["/a/b"])


def test_apps_and_groups_are_in_order(client: FlaskClient, scheduler: Recorder) -> None:
    for app_id in ("/z/c", "/z/a", "/z/b", "/z/y/app", "/z/x/app"):
        scheduler.hold_app(App(id=app_id, cmd="x", version=V3))
    group = client.get("/v2/groups/z").get_json()
    assert [one["id"] for one in group["apps"]] == ["/z/a", "/z/b", "/z/c"]
    assert [one["id"] for one in group["groups"]] == ["/z/x", "/z/y"]


NEW_APP = App(
    id="/dev/new",
    cmd="x",
    role="dev",
    accepted_resource_roles=("*", "dev"),
    port_definitions=(PortDefinition(name="default"),),
)
WEB_APP = App(**WEB)


@pytest.mark.parametrize(
    ("method", "path", "body", "command"),
    [
        (
            "POST",
            "/dev?force=true",
            {"id": "sub", "dependencies": ["../empty"]},
            ChangeApps(
                groups=(Group("/dev/sub", "", ("/dev/empty",)),), expected_tree=V3, force=True
            ),
        ),
        ("PUT", "/dev", {}, ChangeApps(expected_tree=V3)),
        (
            "PUT",
            "/dev?dryRun=true",
            {"apps": [{"id": "new", "cmd": "x"}]},
            ChangeApps((PutApp(NEW_APP, ""),), ("/dev/web",), expected_tree=V3, dry_run=True),
        ),
        (
            "PUT",
            "",
            {"groups": []},
            ChangeApps(removed_groups=("/dev",), expected_tree=V3),
        ),
        (
            "PUT",
            "/dev",
            {"groups": [], "dependencies": []},
            ChangeApps(
                groups=(replace(DEV, dependencies=()),),
                removed_groups=("/dev/empty",),
                expected_tree=V3,
            ),
        ),
        (
            "PUT",
            "/dev",
            {"scaleBy": 1.1},
            ChangeApps(
                (PutApp(replace(WEB_APP, **BACK, role="*", instances=4), V2),), expected_tree=V3
            ),
        ),
        (
            "PUT",
            "",
            {"version": V2},
            ChangeApps(
                (PutApp(App(id="/batch", cmd="sleep 100", instances=0), V3),), expected_tree=V3
            ),
        ),
        (
            "PATCH",
            "/dev",
            {"enforceRole": None},
            ChangeApps(groups=(replace(DEV, enforce_role=None),), expected_tree=V3),
        ),
        ("DELETE", "/dev", None, ChangeApps(removed_groups=("/dev",), expected_tree=V3)),
        (
            "DELETE",
            "",
            None,
            ChangeApps(removes=("/batch",), removed_groups=("/dev",), expected_tree=V3),
        ),
    ],
)
def test_each_change_is_one_command(
    client: FlaskClient,
    scheduler: Recorder,
    method: str,
    path: str,
    body: Any,
    command: ChangeApps,
) -> None:
    response = client.open(f"/v2/groups{path}", method=method, json=body)
    assert response.status_code in (200, 201), response.get_json()
    assert scheduler.asked == [command]


def test_the_same_again_goes_on_with_what_was_cancelled_in_place(
    client: FlaskClient, scheduler: Recorder
) -> None:
    web = replace(WEB_APP, role="dev", accepted_resource_roles=("*", "dev"))
    for keep_old in (False, True):
        scheduler.hold_app(replace(web, keep_old=keep_old))
        (app,) = client.get("/v2/groups/dev/apps").get_json()
        assert client.put("/v2/groups/dev", json={"apps": [app]}).status_code == 200
    calm, unfinished = scheduler.asked
    assert isinstance(calm, ChangeApps)
    assert isinstance(unfinished, ChangeApps)
    assert calm.puts == ()
    assert [put.app.id for put in unfinished.puts] == ["/dev/web"]


def test_the_answers_to_a_change(client: FlaskClient, scheduler: Recorder) -> None:
    created = client.post("/v2/groups/dev", json={"id": "sub"})
    assert (created.status_code, created.get_json()) == (201, RESULT)
    assert created.headers["Location"] == "http://localhost/v2/groups/dev/sub"
    for response in (client.put("/v2/groups/dev", json={}), client.delete("/v2/groups/dev")):
        assert (response.status_code, response.get_json()) == (200, RESULT)
        assert response.headers["Marathon-Deployment-Id"] == "d-1"
    stop = (DeploymentAction(ActionName.STOP, "/dev/web"),)
    scheduler.replies.append(Done(NOW, steps=(stop,), warnings=("first", "sécond")))
    dry = client.put("/v2/groups/dev?dryRun=true", json={"apps": []})
    assert dry.get_json() == {
        "steps": [{"actions": [{"action": "StopApplication", "app": "/dev/web"}]}]
    }
    assert dry.headers.getlist("Stayer-Warning") == ["first", "s?cond"]
    assert "Marathon-Deployment-Id" not in dry.headers


class TestSomebodyElseWasFaster:
    def test_the_change_is_worked_out_anew(self, client: FlaskClient, scheduler: Recorder) -> None:
        def change_first(command: Command) -> Reply:
            scheduler.hold_app(replace(WEB_APP, version=NOW, instances=10))
            scheduler.hold(Kind.GROUP, "/", Group("/", NOW))
            return Refused(Why.CHANGED_MEANWHILE, "/")

        scheduler.replies.append(change_first)
        assert client.put("/v2/groups/dev", json={"scaleBy": 2}).status_code == 200
        first, second = scheduler.asked
        assert isinstance(first, ChangeApps)
        assert isinstance(second, ChangeApps)
        assert (first.expected_tree, second.expected_tree) == (V3, NOW)
        assert [put.app.instances for put in (*first.puts, *second.puts)] == [6, 20]

    def test_not_for_ever(self, client: FlaskClient, scheduler: Recorder) -> None:
        scheduler.replies.extend([Refused(Why.CHANGED_MEANWHILE, "/")] * 99)
        response = client.put("/v2/groups/dev", json={})
        assert (response.status_code, response.get_json()) == (
            409,
            {"message": "'/' was changed by others at the same time; please try again."},
        )
        assert len(scheduler.asked) == 20

    def test_a_lock_is_told_at_once(self, client: FlaskClient, scheduler: Recorder) -> None:
        scheduler.replies.append(Refused(Why.LOCKED, "", deployment_ids=("d-9",)))
        response = client.delete("/v2/groups/dev")
        assert response.status_code == 409
        assert response.get_json()["deployments"] == [{"id": "d-9"}]
        assert len(scheduler.asked) == 1
