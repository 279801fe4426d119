"""Which fields each embed adds to apps and groups (rest-api.md, section 1), by every prefix."""

import pytest
from flask.testing import FlaskClient

from framework.domain.instance import TaskFailure
from framework.domain.rollout import Deployment

LISTED = {"deployments", "tasksStaged", "tasksRunning", "tasksHealthy", "tasksUnhealthy"}
COUNTS = LISTED - {"deployments"}
ADDED = {
    "tasks": {"tasks", "deployments"},
    "failures": {"tasks", "lastTaskFailure", "deployments"},
    "deployments": {"deployments"},
    "readiness": {"readinessCheckResults"},
    "lastTaskFailure": {"lastTaskFailure"},
    "counts": COUNTS,
    "taskStats": {"tasksStats", "taskStats"},
    "unheard": set(),
}
BARE = "/v2/apps/dev/web/versions/2026-01-02T00:00:00.000Z"


@pytest.mark.parametrize("prefix", ["", "apps.", "group.apps.", "app."])
@pytest.mark.parametrize("name", ADDED)
def test_of_apps(
    client: FlaskClient, failure: TaskFailure, deployment: Deployment, prefix: str, name: str
) -> None:
    bare = client.get(BARE).get_json().keys()
    added = ADDED[name]
    if prefix + name == "app.taskStats":
        added = {"taskStats"}  # as marathon-python asks, which raises on the other name
    query = {"embed": f"{prefix}{name}"}
    (app,) = client.get("/v2/apps", query_string=query | {"id": "web"}).get_json()["apps"]
    assert app.keys() - bare == LISTED | added
    one = client.get("/v2/apps/dev/web", query_string=query).get_json()["app"]
    assert one.keys() - bare == LISTED | {"tasks", "lastTaskFailure"} | added
    (of_group,) = client.get("/v2/groups/dev/apps", query_string=query).get_json()
    assert of_group.keys() - bare == added


def test_both_spellings_of_task_stats_are_equal(client: FlaskClient) -> None:
    path = "/v2/apps/dev/web?embed=apps.taskStats&embed=app.taskStats"
    app = client.get(path).get_json()["app"]
    assert app["tasksStats"] == app["taskStats"]
    assert app["taskStats"]["totalSummary"]["stats"]["counts"]["running"] == 2


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("", {"apps", "groups", "pods"}),
        ("embed=group.apps", {"apps"}),
        ("embed=group.groups", {"groups"}),
        ("embed=group.pods", {"pods"}),
        ("embed=group.groups&embed=group.apps", {"apps", "groups"}),
        ("embed=group.apps.tasks", {"apps"}),
        ("embed=group.groups,group.pods", {"groups", "pods"}),
        ("embed=unheard", set()),
    ],
)
def test_of_groups(client: FlaskClient, query: str, parts: set[str]) -> None:
    group = client.get(f"/v2/groups?{query}").get_json()
    assert group.keys() == {"id", "dependencies", "version"} | parts
