"""Which calls are told as ``api_post_event``, ``group_change_success`` and ``group_change_failed``
(rest-api.md, sections 2 and 9.1), over a scheduler that runs."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.application import create_app
from api.events.hub import EventHub
from api.options import ApiOptions
from tests.contract.running import running_scheduler
from tests.polling import eventually
from tests.unit.api.reading import compile_pattern

APP = {"cmd": "sleep 1", "instances": 0}
Told = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def hub() -> Iterator[EventHub]:
    """Of a scheduler that has an app ``/dev/web`` whose first instance waits, and ``/idle``."""
    options = ApiOptions()
    with running_scheduler() as scheduler:
        made = EventHub(scheduler.view, options)
        made.start()
        application = create_app(scheduler, options, compile_pattern, events=made)
        made.client = application.test_client()  # type: ignore[attr-defined]  # for the other fixture
        yield made
        made.stop()


@pytest.fixture
def client(hub: EventHub) -> FlaskClient:
    client: FlaskClient = hub.client  # type: ignore[attr-defined]  # see there
    for body in ({"id": "/dev/web", "cmd": "x"}, {"id": "/idle", **APP}):
        assert client.post("/v2/apps", json=body).status_code == 201
    eventually(lambda: hub.log.latest == 4, "the events of these")
    return client


@pytest.fixture
def told(hub: EventHub, client: FlaskClient) -> Told:
    """What was told since the apps were created, up to the mark that this sends behind it."""

    def since() -> list[dict[str, Any]]:
        known = hub.log.latest
        client.post("/v2/apps", json={"id": "/mark", **APP})

        def events() -> list[dict[str, Any]]:
            found = [json.loads(event.body()) for event in hub.log.after(hub.log.position(4)) or ()]
            assert found
            assert found[-1].get("groupId") == "/mark"
            return found

        assert known >= 4
        found = eventually(events, "the mark")
        return found[:-2]

    return since


def kinds(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["eventType"], event.get("groupId") or event["uri"]) for event in events]


POSTED, CHANGED, FAILED = "api_post_event", "group_change_success", "group_change_failed"


@pytest.mark.parametrize(
    ("method", "path", "sent", "expected"),
    [
        ("POST", "/v2/apps", {"id": "new", **APP}, [(POSTED, "/v2/apps"), (CHANGED, "/new")]),
        (
            "PUT",
            "/v2/apps//idle",
            {"cmd": "y"},
            [(POSTED, "/v2/apps/idle"), (CHANGED, "/idle")],
        ),
        ("PUT", "/v2/apps/made", APP, [(POSTED, "/v2/apps/made"), (CHANGED, "/made")]),
        (
            "PUT",
            "/v2/apps/idle",
            {"cmd": "sleep 1"},
            [(POSTED, "/v2/apps/idle"), (CHANGED, "/idle")],
        ),
        (
            "PATCH",
            "/v2/apps/idle",
            {"cmd": "y"},
            [(POSTED, "/v2/apps/idle"), (CHANGED, "/idle")],
        ),
        ("PUT", "/v2/apps", [{"id": "/idle", "cmd": "y"}], [(CHANGED, "/")]),
        ("PATCH", "/v2/apps", [{"id": "/idle", "cmd": "y"}], [(CHANGED, "/")]),
        ("DELETE", "/v2/apps/idle", None, [(CHANGED, "/idle")]),
        ("POST", "/v2/apps/idle/restart", None, [(CHANGED, "/idle")]),
        ("POST", "/v2/groups", {"id": "/dev/inner"}, [(CHANGED, "/dev/inner")]),
        ("PUT", "/v2/groups/dev", {"dependencies": ["/x"]}, [(CHANGED, "/dev")]),
        ("PUT", "/v2/groups/dev", {"apps": []}, [(FAILED, "/dev")]),
        ("DELETE", "/v2/groups/dev?force=true", None, [(CHANGED, "/dev")]),
        ("PUT", "/v2/groups/dev", {"id": "inner"}, [(CHANGED, "/dev/inner")]),
        ("POST", "/v2/apps", {"id": "idle", **APP}, [(FAILED, "/idle")]),
        ("PUT", "/v2/apps/dev/web", {"cmd": "y"}, [(FAILED, "/dev/web")]),
        ("PUT", "/v2/apps/idle?dryRun=true", {"cmd": "y"}, []),
        ("PUT", "/v2/groups/dev?dryRun=true", {"apps": []}, []),
        ("POST", "/v2/apps", {"id": "/bad id"}, []),
        ("PATCH", "/v2/apps/none", {"cmd": "y"}, []),
        ("DELETE", "/v2/queue/dev/web/delay", None, []),
        ("GET", "/v2/apps", None, []),
    ],
)
def test_calls(
    client: FlaskClient,
    told: Told,
    method: str,
    path: str,
    sent: Any,
    expected: list[tuple[str, str]],
) -> None:
    client.open(path, method=method, json=sent)
    assert kinds(told()) == expected


def test_fields(client: FlaskClient, told: Told) -> None:
    created = client.post("/v2/apps", json={"id": "/new", **APP}).get_json()
    assert client.put("/v2/apps/dev/web", json={"cmd": "y"}).status_code == 409
    posted, changed, failed = told()
    definition = posted.pop("appDefinition")
    assert definition["id"] == "/new"
    assert {name: created[name] for name in definition} == definition
    for event in (posted, changed, failed):
        assert event.pop("timestamp").endswith("Z")
    assert failed.pop("version") > created["version"]
    assert failed.pop("reason").startswith("App is locked by one or more deployments.")
    assert (posted, changed, failed) == (
        {"eventType": POSTED, "clientIp": "127.0.0.1", "uri": "/v2/apps"},
        {"eventType": CHANGED, "groupId": "/new", "version": created["version"]},
        {"eventType": FAILED, "groupId": "/dev/web"},
    )


def test_a_deployment_that_is_taken_back(client: FlaskClient, told: Told) -> None:
    (deployment,) = client.get("/v2/deployments").get_json()
    assert client.delete(f"/v2/deployments/{deployment['id']}").status_code == 200
    assert kinds(told()) == [(CHANGED, "/")]


def test_one_that_is_only_stopped(client: FlaskClient, told: Told) -> None:
    (deployment,) = client.get("/v2/deployments").get_json()
    path = f"/v2/deployments/{deployment['id']}?force=true"
    assert client.delete(path).status_code == 202
    assert told() == []
