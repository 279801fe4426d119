"""Following a deployment: when it is over, and how it is told whether it succeeded."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from api.client import Client, UnavailableError
from cli.answers import Deployment, read
from cli.connection import Failure
from cli.following import MAX_SILENCE_SECONDS, Change, Moment, look, moments, shortcoming
from tests.unit.cli.rollouts import ID, VERSION, app, progress, rollout
from tests.unit.cli.scripted_http import Answer, ScriptedServer

EARLIER = "2026-11-01T10:00:00.000Z"
LATER = "2026-11-03T10:00:00.000Z"
BUSY = Answer({"message": "loading"}, 503)


@pytest.fixture
def client(api: ScriptedServer) -> Iterator[Client]:
    with closing(Client([api.url])) as connected:
        yield connected


class Time:
    """A clock that only pausing moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def clock(self) -> float:
        return self.now


def _seen(client: Client, limit: float | None = None) -> list[Moment]:
    time = Time()
    return list(moments(client, ID, limit, time.pause, time.clock))


def test_it_is_over_when_it_is_no_longer_listed(api: ScriptedServer, client: Client) -> None:
    other = {"id": "other"}
    api.script["GET /v3/deployments"] = [Answer([other, rollout(step=2)]), Answer([other])]
    first, last = _seen(client)
    assert first.deployment is not None
    assert (first.deployment.id, first.deployment.current_step) == (ID, 2)
    assert last == Moment()


def test_scheduler_that_is_away_for_a_while_is_waited_for(
    api: ScriptedServer, client: Client
) -> None:
    api.script["GET /v3/deployments"] = [Answer([rollout()]), BUSY, Answer([])]
    first, away, last = _seen(client)
    assert away.deployment == first.deployment
    assert "loading" in away.note
    assert (last.deployment, last.note) == (None, "")


def test_scheduler_that_stays_away_is_given_up(api: ScriptedServer, client: Client) -> None:
    api.script["GET /v3/deployments"] = BUSY
    time = Time()
    with pytest.raises(UnavailableError):
        list(moments(client, ID, None, lambda _: time.pause(50), time.clock))
    assert MAX_SILENCE_SECONDS < time.now <= MAX_SILENCE_SECONDS + 50


def test_each_silence_counts_by_itself(api: ScriptedServer, client: Client) -> None:
    here = Answer([rollout()])
    api.script["GET /v3/deployments"] = [here, BUSY, here, BUSY, here, BUSY, Answer([])]
    time = Time()
    seen = list(moments(client, ID, None, lambda _: time.pause(50), time.clock))
    assert time.now > 2 * MAX_SILENCE_SECONDS
    assert [bool(moment.note) for moment in seen].count(True) == 3


def test_limit(api: ScriptedServer, client: Client) -> None:
    api.script["GET /v3/deployments"] = Answer([rollout()])
    with pytest.raises(Failure, match="not done after 3 s and goes on"):
        _seen(client, 3)
    assert api.asked().count("GET /v3/deployments") == 7


def test_why_an_app_of_this_step_waits(api: ScriptedServer, client: Client) -> None:
    short = [progress(name, wanted=2, newTotal=1) for name in ("/shop/api", "/shop/web")]
    api.script["GET /v3/deployments"] = Answer([rollout(*short)])
    sentences = ["no agent has 64 cpus", "more"]
    told = {"waiting": [{"appId": "/shop/api", "explanation": sentences}]}
    api.script["GET /v3/explain/shop/api"] = Answer(told)
    assert look(client, ID).told == {"/shop/api": "no agent has 64 cpus"}
    assert "GET /v3/explain/shop/web" not in api.asked()
    api.script["GET /v3/explain/shop/api"] = BUSY
    assert look(client, ID).told == {}


def test_app_that_has_all_its_tasks_is_not_asked_after(api: ScriptedServer, client: Client) -> None:
    starting = progress("/shop/api", wanted=2, newTotal=2, newServing=1)
    api.script["GET /v3/deployments"] = Answer([rollout(starting)])
    look(client, ID)
    assert api.asked() == ["GET /v3/deployments"]


def test_deployment_that_takes_it_back_is_found(api: ScriptedServer, client: Client) -> None:
    api.script["GET /v3/deployments"] = Answer([{"id": "d-2", "reverts": ID}])
    assert look(client, ID) == Moment(reverted_by="d-2")


def _apps(api: ScriptedServer, **web: Any) -> None:
    api.script["GET /v2/apps/shop/api"] = Answer({"app": app("/shop/api")})
    api.script["GET /v2/apps/shop/web"] = Answer({"app": app("/shop/web", **web)})


CHANGE = Change(ID, VERSION)
LAST = read(rollout(), Deployment)


def test_success(api: ScriptedServer, client: Client) -> None:
    _apps(api)
    assert shortcoming(client, CHANGE, LAST, "") == ""
    assert api.asked() == ["GET /v2/apps/shop/api", "GET /v2/apps/shop/web"]


def test_taken_back(client: Client) -> None:
    assert "taken back by deployment d-2" in shortcoming(client, CHANGE, LAST, "d-2")


def test_overtaken_by_a_later_change(api: ScriptedServer, client: Client) -> None:
    _apps(api, version=LATER)
    for change in (CHANGE, Change(ID)):
        assert shortcoming(client, change, LAST, "").startswith("/shop/web was changed again")
    seen_never = shortcoming(client, Change(ID, VERSION, ("/shop/web",)), None, "")
    assert seen_never.startswith("/shop/web was changed again")


def test_app_that_the_change_left_alone(api: ScriptedServer, client: Client) -> None:
    _apps(api, version=EARLIER)
    assert shortcoming(client, CHANGE, LAST, "") == ""


def test_not_all_run(api: ScriptedServer, client: Client) -> None:
    _apps(api, tasksRunning=1)
    assert shortcoming(client, CHANGE, LAST, "") == "1 of 2 instances of /shop/web run"


def test_cancelled_in_place(api: ScriptedServer, client: Client) -> None:
    _apps(api, tasks=[{"id": "t1", "version": VERSION}, {"id": "t2", "version": EARLIER}])
    stamps = {"instances": 2, "versionInfo": {"lastScalingAt": VERSION}}
    new = {"id": "/shop/web", "cmd": "new", "version": VERSION, **stamps}
    old = {"id": "/shop/web", "cmd": "old", "version": EARLIER, "instances": 1}
    versions = "GET /v2/apps/shop/web/versions/"
    api.script[versions + VERSION.replace(":", "%3A")] = Answer(new)
    api.script[versions + EARLIER.replace(":", "%3A")] = Answer(old)
    left = f"/shop/web still has instances of version {EARLIER}"
    assert shortcoming(client, CHANGE, LAST, "") == left
    # A rollback keeps instances of an earlier version when its definition is the same again.
    api.script[versions + EARLIER.replace(":", "%3A")] = Answer({**old, "cmd": "new"})
    assert shortcoming(client, CHANGE, LAST, "") == ""


def test_removal(api: ScriptedServer, client: Client) -> None:
    stop = {"actions": [{"action": "StopApplication", "app": "/shop/web"}]}
    last = read({**rollout(), "steps": [stop]}, Deployment)
    assert shortcoming(client, CHANGE, last, "") == ""
    _apps(api, version=EARLIER)
    assert shortcoming(client, CHANGE, last, "") == "/shop/web is still there"
    del api.script["GET /v2/apps/shop/web"]
    assert shortcoming(client, CHANGE, LAST, "") == "/shop/web does not exist"
