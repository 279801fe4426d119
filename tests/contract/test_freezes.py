"""``/v3/freeze`` and ``/v3/crashes``, and what else the API says while something is frozen."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from framework.core.policy import Policy
from framework.domain.crashes import Crash
from framework.domain.events import (
    ForgetCrash,
    FreezeApps,
    KillOrphan,
    KillTasks,
    LiftFreeze,
    TearDown,
)
from framework.domain.freezing import EVERYTHING, Freeze
from framework.domain.replies import Refused, Why
from framework.domain.state import Kind
from tests.contract.cluster import NOW, NOW_MS, TASK_1
from tests.contract.running import LivelyMesos, running_application
from tests.contract.test_watching_with_the_scheduler import quiet, until
from tests.unit.api.recorder import Recorder

NOTHING = {"frozen": False, "safeMode": False, "apps": []}


class TestAsked:
    def test_of_everything(self, client: FlaskClient, scheduler: Recorder) -> None:
        for body, reason in ((None, ""), ({}, ""), ({"reason": "racks"}, "racks")):
            response = (
                client.put("/v3/freeze", json=body)
                if body is not None
                else client.put("/v3/freeze")
            )
            assert (response.status_code, response.get_json()) == (200, NOTHING)
            assert scheduler.asked.pop() == FreezeApps((), reason)
        assert client.delete("/v3/freeze").get_json() == NOTHING
        assert scheduler.asked == [LiftFreeze()]

    def test_of_apps(self, client: FlaskClient, scheduler: Recorder) -> None:
        body = {"apps": ["dev/web", "/batch", "/dev/web"], "reason": "r"}
        assert client.put("/v3/freeze", json=body).status_code == 200
        assert client.put("/v3/apps/dev/web/freeze").status_code == 200
        assert client.put("/v3/apps//dev/web/freeze", json={"reason": "s"}).status_code == 200
        assert client.delete("/v3/apps/dev/web/freeze").status_code == 200
        assert scheduler.asked == [
            FreezeApps(("/dev/web", "/batch"), "r"),
            FreezeApps(("/dev/web",)),
            FreezeApps(("/dev/web",), "s"),
            LiftFreeze(("/dev/web",)),
        ]

    @pytest.mark.parametrize(
        "body",
        [[], {"apps": []}, {"apps": "x"}, {"apps": [1]}, {"reason": 1}, {"reason": "r" * 1001}],
    )
    def test_with_a_body_that_is_none(
        self, client: FlaskClient, scheduler: Recorder, body: object
    ) -> None:
        assert client.put("/v3/freeze", json=body).status_code == 422
        assert scheduler.asked == []

    def test_of_an_app_that_is_not_there(self, client: FlaskClient, scheduler: Recorder) -> None:
        scheduler.replies.append(Refused(Why.APP_UNKNOWN, "/x"))
        response = client.put("/v3/apps/x/freeze")
        assert (response.status_code, response.get_json()) == (
            404,
            {"message": "App '/x' does not exist"},
        )


class TestShown:
    def test_everything_and_apps(self, client: FlaskClient, scheduler: Recorder) -> None:
        assert client.get("/v3/freeze").get_json() == NOTHING
        assert "Stayer-Warning" not in client.get("/v2/apps").headers
        scheduler.hold(Kind.FREEZE, "/dev/web", Freeze("/dev/web", "odd", NOW_MS, "abc"))
        assert client.get("/v2/apps").headers["Stayer-Warning"] == "frozen: /dev/web"
        scheduler.hold(Kind.FREEZE, EVERYTHING, Freeze("", "Umzug\nnächste", NOW_MS))
        assert client.get("/v3/freeze").get_json() == {
            "frozen": True,
            "reason": "Umzug\nnächste",
            "since": NOW,
            "safeMode": False,
            "apps": [{"id": "/dev/web", "reason": "odd", "since": NOW, "crash": "abc"}],
        }
        told = client.get("/v2/tasks").headers["Stayer-Warning"]
        assert told == f"everything is frozen since {NOW}: Umzug?n?chste"

    def test_safe_mode(self, client: FlaskClient, scheduler: Recorder) -> None:
        scheduler.facts["settings"] = {"safe_mode": True}
        response = client.get("/v3/freeze")
        assert response.get_json() == {"frozen": True, "safeMode": True, "apps": []}
        assert "safe mode" in response.headers["Stayer-Warning"]

    def test_many_apps_are_not_all_named(self, client: FlaskClient, scheduler: Recorder) -> None:
        for number in range(7):
            scheduler.hold(Kind.FREEZE, f"/{number}", Freeze(f"/{number}", "", NOW_MS))
        told = client.get("/v3/freeze").headers["Stayer-Warning"]
        assert told == "frozen: /0, /1, /2, /3, /4 and 2 more"


class TestExplicitKills:
    def test_refused(self, client: FlaskClient, scheduler: Recorder) -> None:
        message = "Everything is frozen (racks): nothing is killed."
        for path in (
            f"/v2/apps/dev/web/tasks/{TASK_1['id']}",
            "/v2/apps/dev/web/tasks",
            "/v3/orphans/x",
        ):
            scheduler.replies.append(Refused(Why.FROZEN, "", message))
            response = client.delete(path)
            assert (response.status_code, response.get_json()) == (409, {"message": message})

    def test_forced(self, client: FlaskClient, scheduler: Recorder) -> None:
        client.delete(f"/v2/apps/dev/web/tasks/{TASK_1['id']}?force=true")
        client.delete("/v3/orphans/x?force=true")
        client.post("/v3/framework/teardown?force=true", json={})
        kill, orphan, teardown = scheduler.asked
        assert isinstance(kill, KillTasks)
        assert kill.force
        assert orphan == KillOrphan("x", force=True)
        assert teardown == TearDown(force=True)


class TestCrashes:
    def test_listed_the_latest_first(self, client: FlaskClient, scheduler: Recorder) -> None:
        assert client.get("/v3/crashes").get_json() == {"crashes": []}
        early = Crash(
            "a1", "app", "/dev/web", 3, NOW_MS - 9, NOW_MS - 5, "/dev/web", "E at x", NOW_MS
        )
        late = Crash("a2", "Started", "", 1, NOW_MS, NOW_MS)
        for one in (early, late):
            scheduler.hold(Kind.CRASH, one.id, one)
        first, second = client.get("/v3/crashes").get_json()["crashes"]
        assert (first["id"], first["setAside"]) == ("a2", False)
        assert second == {
            "id": "a1",
            "kind": "app",
            "subject": "/dev/web",
            "appId": "/dev/web",
            "crashes": 3,
            "first": "2026-01-02T03:04:05.669Z",
            "last": "2026-01-02T03:04:05.673Z",
            "error": "E at x",
            "setAside": True,
            "setAsideSince": NOW,
        }

    def test_forgotten(self, client: FlaskClient, scheduler: Recorder) -> None:
        assert client.delete("/v3/crashes/a1").status_code == 204
        assert scheduler.asked == [ForgetCrash("a1")]
        scheduler.replies.append(Refused(Why.CRASH_UNKNOWN, "a1"))
        response = client.delete("/v3/crashes/a1")
        assert (response.status_code, response.get_json()) == (
            404,
            {"message": "Crash 'a1' does not exist"},
        )

    def test_a_command_that_is_set_aside(self, client: FlaskClient, scheduler: Recorder) -> None:
        scheduler.replies.append(Refused(Why.SET_ASIDE, "a1", "crash a1"))
        response = client.post("/v2/apps/dev/web/restart")
        assert (response.status_code, response.get_json()) == (500, {"message": "crash a1"})


class TestRunning:
    @pytest.fixture
    def client(self) -> Iterator[FlaskClient]:
        with running_application(LivelyMesos()) as application:
            yield application.test_client()

    def test_a_freeze_from_begin_to_end(self, client: FlaskClient) -> None:
        client.post("/v2/apps", json={"id": "/web", "cmd": "x", "instances": 2})
        quiet(client)
        before = client.get("/v2/apps/web/tasks").get_json()["tasks"]
        assert client.put("/v3/freeze", json={"reason": "racks"}).get_json()["frozen"] is True

        assert client.put("/v2/apps/web", json={"instances": 3}).status_code == 200
        (item,) = client.get("/v3/explain").get_json()["waiting"]
        assert item["explanation"] == ["frozen: racks"]
        assert client.get("/v2/queue").get_json()["queue"][0]["count"] == 1
        (deployment,) = client.get("/v3/deployments").get_json()
        assert deployment["warnings"] == ["everything is frozen: racks"]
        assert "stayer_frozen 1.0" in client.get("/metrics/prometheus").get_data(as_text=True)
        refused = client.delete(f"/v2/apps/web/tasks/{before[0]['id']}")
        assert refused.status_code == 409
        assert "racks" in refused.get_json()["message"]
        assert client.get("/v2/apps/web/tasks").get_json()["tasks"] == before

        assert client.delete("/v3/freeze").get_json() == NOTHING
        quiet(client)
        after = client.get("/v2/apps/web/tasks").get_json()["tasks"]
        assert {one["id"] for one in before} < {one["id"] for one in after}

    def test_one_app(self, client: FlaskClient) -> None:
        for name in ("/a", "/b"):
            client.post("/v2/apps", json={"id": name, "cmd": "x", "instances": 0})
        quiet(client)
        assert client.put("/v3/apps/a/freeze").get_json()["apps"][0]["id"] == "/a"
        for name in ("/a", "/b"):
            client.put(f"/v2/apps{name}", json={"instances": 1})
        until(lambda: client.get("/v2/apps/b/tasks").get_json()["tasks"])
        assert client.get("/v2/apps/a/tasks").get_json()["tasks"] == []
        until(lambda: len(client.get("/v3/deployments").get_json()) == 1)
        (deployment,) = client.get("/v3/deployments").get_json()
        assert deployment["warnings"] == ["/a is frozen"]
        client.delete("/v3/apps/a/freeze")
        until(lambda: client.get("/v2/apps/a/tasks").get_json()["tasks"])


def test_safe_mode_is_shown_and_holds() -> None:
    with running_application(LivelyMesos(), policy=Policy(safe_mode=True)) as application:
        client = application.test_client()
        client.post("/v2/apps", json={"id": "/web", "cmd": "x"})
        (item,) = client.get("/v3/explain").get_json()["waiting"]
        assert item["explanation"] == ["frozen: this process runs in safe mode"]
        shown = {"frozen": True, "safeMode": True, "apps": []}
        assert client.delete("/v3/freeze").get_json() == shown, "it lasts as long as the process"
        assert client.get("/v2/apps/web/tasks").get_json()["tasks"] == []
