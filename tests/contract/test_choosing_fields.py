"""``?fields=``: only what was named, of everything that answers JSON."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from api.openapi.document import served
from api.openapi.members import members
from api.openapi.operation import operation_of
from api.projection import MAX_PATH_CHARS, MAX_PATHS, fields_of, project
from framework.domain.instance import Orphan, TaskFailure
from framework.domain.rollout import Deployment, Framework, LaunchStats
from framework.domain.state import Kind
from tests.contract.cluster import NOW_MS, V2
from tests.unit.api.recorder import Recorder

VARIABLES = {
    "app_id": "dev/web",
    "group_id": "dev",
    "deployment_id": "97c136bf-5a28-4821-9d94-480d9fbb01c8",
    "version": V2,
}
names = st.sampled_from(["a", "b", "c"])
keys = names | st.builds("{}.{}".format, names, names)
documents = st.recursive(
    st.none() | st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
paths = st.lists(names, min_size=1, max_size=3).map(".".join)


@pytest.fixture
def everything(
    scheduler: Recorder,
    waiting: LaunchStats,
    deployment: Deployment,
    failure: TaskFailure,
    framework: Framework,
) -> None:
    """Something in every list."""
    orphan = Orphan("o.1", "S1", "TASK_RUNNING", NOW_MS)
    scheduler.hold(Kind.ORPHAN, orphan.task_id, orphan)


def get(client: FlaskClient, path: str) -> Any:
    response = client.get(path)
    assert response.status_code == 200, response.get_data()
    return response.get_json()


def test_only_the_named_fields_of_each_app(client: FlaskClient) -> None:
    assert get(client, "/v2/apps?fields=id,instances") == {
        "apps": [{"id": "/batch", "instances": 0}, {"id": "/dev/web", "instances": 3}]
    }


def test_fields_may_be_repeated_and_lead_into_objects_and_arrays(client: FlaskClient) -> None:
    asked = "/v2/apps/dev/web?fields=labels.team&fields=portDefinitions.port,versionInfo"
    assert get(client, asked) == {
        "app": {
            "labels": {"team": "red"},
            "portDefinitions": [{"port": 10_000}, {"port": 10_001}],
            "versionInfo": {"lastScalingAt": V2, "lastConfigChangeAt": V2},
        }
    }


def test_what_is_below_a_field_needs_not_be_named(client: FlaskClient) -> None:
    assert get(client, "/v2/apps/dev/web?fields=labels.team,labels") == {
        "app": {"labels": {"team": "red"}}
    }


def test_groups_have_fields_in_their_apps(client: FlaskClient) -> None:
    assert get(client, "/v2/groups?fields=id,apps.id,groups.apps.id") == {
        "id": "/",
        "apps": [{"id": "/batch"}],
        "groups": [{"apps": [{"id": "/dev/web"}]}],
    }


def test_embeds_are_fields_too(client: FlaskClient, failure: TaskFailure) -> None:
    asked = "/v2/apps/dev/web?fields=tasks.host,tasksRunning,lastTaskFailure.message"
    assert get(client, asked) == {
        "app": {
            "tasks": [{"host": "agent1.local"}, {"host": "agent2.local"}],
            "tasksRunning": 2,
            "lastTaskFailure": {"message": "exit 1"},
        }
    }


@pytest.mark.usefixtures("everything")
def test_each_embed_is_made_for_any_field_of_it(client: FlaskClient) -> None:
    asked = "/v2/apps/dev/web?embed=apps.taskStats&embed=apps.readiness"
    whole = get(client, asked)["app"]
    for name in whole:
        assert get(client, f"{asked}&fields={name}") == {"app": {name: whole[name]}}
    assert {"tasksUnhealthy", "tasksStats", "readinessCheckResults"} <= whole.keys()


def test_a_misspelt_field_is_told_with_the_nearest(client: FlaskClient) -> None:
    response = client.get("/v2/apps?fields=id,instnces")
    assert response.status_code == 422
    assert response.get_json() == {
        "message": "fields: 'instnces' is not a known field of this; did you mean 'instances'?"
    }


@pytest.mark.parametrize(
    ("path", "answered"),
    [
        ("/v2/apps?fields=labels.nothing", {"apps": [{"labels": {}}, {"labels": {}}]}),
        ("/v2/apps/dev/web?fields=id.inner", {"app": {}}),
        ("/config?fields=no_such_setting", {}),
        ("/v2/apps/dev/web/versions?fields=x", {"versions": [V2, "2026-01-01T00:00:00.000Z"]}),
    ],
)
def test_what_no_shape_tells_of_is_just_not_there(
    client: FlaskClient, path: str, answered: object
) -> None:
    assert get(client, path) == answered


@pytest.mark.parametrize(
    "asked",
    [
        ",".join(f"labels.l{number}" for number in range(MAX_PATHS + 1)),
        "labels." + "x" * MAX_PATH_CHARS,
        "labels..x",
        ".id",
        "id.",
    ],
)
def test_too_many_or_no_names_are_refused(client: FlaskClient, asked: str) -> None:
    assert client.get(f"/v2/apps?fields={asked}").status_code == 422


@pytest.mark.parametrize("asked", ["", ",", ",,"])
def test_naming_nothing_is_asking_for_all(client: FlaskClient, asked: str) -> None:
    assert get(client, f"/v2/apps?fields={asked}") == get(client, "/v2/apps")


def test_a_head_is_as_long_as_the_answer(client: FlaskClient) -> None:
    asked = "/v2/apps?fields=id"
    answer = client.get(asked)
    assert client.head(asked).headers["Content-Length"] == answer.headers["Content-Length"]
    assert len(answer.get_data()) < 100


def test_texts_have_no_fields(client: FlaskClient) -> None:
    asked = client.get("/v2/tasks?fields=id", headers={"Accept": "text/plain"})
    assert asked.get_data() == client.get("/v2/tasks", headers={"Accept": "text/plain"}).get_data()


def test_changes_have_no_fields(client: FlaskClient) -> None:
    answer = client.put("/v2/apps/dev/web?fields=x", json={"instances": 4})
    assert answer.get_json().keys() == {"version", "deploymentId"}


@pytest.mark.usefixtures("everything")
def test_every_name_that_is_answered_may_be_asked_for(client: FlaskClient) -> None:
    """Else a client would be refused what it sees: the shapes must tell of every member."""
    looked_at = 0
    for route in served(client.application):
        operation = operation_of(route.handler)
        found = members(operation) if operation and route.method == "GET" else None
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda one: VARIABLES.get(one[1], "x"), route.rule)
        embeds = "?embed=apps.tasks&embed=apps.taskStats&embed=apps.readiness&embed=apps.failures"
        answer = client.get(path + embeds if "/apps" in path else path)
        if found is None or not found.names or answer.status_code != 200:
            continue
        body = answer.get_json()
        if isinstance(body, dict) and len(body) == 1 and {*body} <= found.wrappers:
            [body] = body.values()
        for item in body if isinstance(body, list) else [body]:
            assert {*item} <= found.names, path
            looked_at += 1
    assert looked_at > 25


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v2/apps", "id,tasksRunning,deployments.id"),
        ("/v2/apps/*", "id,tasks.id"),
        ("/v2/groups/apps", "id,cpus"),
        ("/v2/tasks", "id,healthCheckResults.alive"),
        ("/v2/queue", "count,app.id,delay.overdue"),
        ("/v2/deployments", "id,steps.actions.app"),
        ("/v3/deployments", "id,apps.id"),
        ("/v3/agents", "hostname"),
        ("/v3/orphans", "taskId"),
        ("/v3/explain", "appId,offers.processed"),
        ("/v3/openapi.json", "info.title,openapi"),
        ("/v2/info", "version,http_config.http_port"),
    ],
)
def test_it_is_the_whole_answer_with_less(client: FlaskClient, path: str, fields: str) -> None:
    whole, chosen = get(client, path), get(client, f"{path}?fields={fields}")
    tree = fields_of(fields.split(","))
    if isinstance(whole, dict) and len(whole) == 1:
        [(name, inside)] = whole.items()
        assert chosen == {name: project(inside, tree)}
    else:
        assert chosen == project(whole, tree)
    assert chosen not in (whole, {}, [])


def leaves(value: Any, at: tuple[str, ...] = ()) -> set[tuple[tuple[str, ...], str]]:
    """Every plain value with the names that lead to it."""
    if isinstance(value, dict):
        inside = ((one, (*at, *name.split("."))) for name, one in value.items())
        return {leaf for one, place in inside for leaf in leaves(one, place)}
    if isinstance(value, list):
        return {leaf for one in value for leaf in leaves(one, at)}
    return {(at, str(value))}


@given(documents, st.lists(paths, min_size=1, max_size=4))
def test_what_is_left_is_all_that_lies_below_the_paths(document: Any, wanted: list[str]) -> None:
    chosen = project({"top": document}, fields_of(f"top.{path}" for path in wanted))
    ways = [("top", *path.split(".")) for path in wanted]
    assert leaves(chosen) == {
        (at, value)
        for at, value in leaves({"top": document})
        if any(at[: len(way)] == way for way in ways)
    }
