"""Changes of a running service on a genuine Mesos, watched by whoever uses it: what answers, how
much runs at once, what is kept, and what becomes of a change that goes wrong."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.client import ConflictError, NotFoundError
from localmesos.apache.engine import ApacheEngine
from tests.integration.poller import Poller, answer_of, is_healthy, service
from tests.integration.product import (
    Json,
    Stayer,
    await_same_tasks,
    operator,
    pids_of,
    serving,
)
from tests.polling import eventually

pytestmark = pytest.mark.mesos

_APP = "/web"
_HALF: Json = {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0}
_FULL: Json = {"minimumHealthCapacity": 1, "maximumOverCapacity": 0.34}
_HALF_FEWEST, _HALF_MOST = 3, 6
_FULL_FEWEST, _FULL_MOST = 6, 8
_SICK: Json = service(_APP)["env"] | {"SICK": "yes"}


@pytest.fixture
def stayer(apache: ApacheEngine, tmp_path: Path) -> Iterator[Stayer]:
    with serving(apache.url, tmp_path) as stayer:
        yield stayer


def _create(stayer: Stayer, strategy: Json, **fields: object) -> list[Json]:
    """The tasks of the first release, all healthy."""
    definition = service(_APP, upgradeStrategy=strategy, **fields)
    stayer.client.create_app(definition)
    return stayer.await_running(_APP, definition["instances"], _all_healthy)


def _all_healthy(tasks: list[Json]) -> bool:
    assert all(map(is_healthy, tasks)), [task.get("healthCheckResults") for task in tasks]
    return True


def _ids(tasks: list[Json]) -> set[str]:
    return {str(task["id"]) for task in tasks}


def _change(stayer: Stayer, fields: Json, *, force: bool = False) -> str:
    """Change the service; the id of the deployment."""
    return str(stayer.client.update_app(_APP, fields, force=force)["deploymentId"])


def _release(number: str) -> Json:
    return {"env": service(_APP, number)["env"]}


def _await_release(stayer: Stayer, number: str) -> list[Json]:
    """Wait until all 6 are of this release and no change is under way."""

    def look(tasks: list[Json]) -> bool:
        app = stayer.app(_APP)
        assert app["env"]["RELEASE"] == number
        latest = app["versionInfo"]["lastConfigChangeAt"]
        assert {task["version"] for task in tasks} == {latest}, latest
        assert [answer_of(task) for task in tasks] == [(200, number)] * 6
        return _all_healthy(tasks)

    return stayer.await_running(_APP, 6, look)


def _await_new(stayer: Stayer, old: set[str], count: int, fits: Callable[[Json], bool]) -> None:
    """Wait until so many tasks that were not there before are as wanted."""
    eventually(
        lambda: sum(fits(task) for task in stayer.running(_APP) if task["id"] not in old) >= count,
        f"{count} new tasks that are {fits.__name__}",
    )


def _is_running(task: Json) -> bool:
    return bool(task["state"] == "TASK_RUNNING")


@pytest.mark.parametrize(
    ("strategy", "fewest", "most"),
    [(_HALF, _HALF_FEWEST, _HALF_MOST), (_FULL, _FULL_FEWEST, _FULL_MOST)],
)
def test_an_upgrade_and_the_way_back_keep_the_promised_capacity(
    stayer: Stayer, apache: ApacheEngine, strategy: Json, fewest: int, most: int
) -> None:
    first = _create(stayer, strategy)
    with Poller(stayer, apache.url, _APP) as poller:
        _change(stayer, _release("2"))
        second = _await_release(stayer, "2")
        assert not _ids(first) & _ids(second)

        old_version = {"version": first[0]["version"]}
        stayer.client.send("PUT", f"/v2/apps/{_APP}", old_version)
        third = _await_release(stayer, "1")
        assert not _ids(third) & (_ids(first) | _ids(second))
    poller.check(fewest=fewest, most=most)
    assert max(poller.task_counts) == most, "room that may be used is used"
    await_same_tasks(stayer, apache.url, _APP, 6)


@pytest.mark.parametrize(
    ("strategy", "fewest", "most", "moment", "kept"),
    [
        (_HALF, _HALF_FEWEST, _HALF_MOST, _is_running, 3),
        (_FULL, _FULL_FEWEST, _FULL_MOST, is_healthy, 4),
    ],
)
def test_a_change_taken_back_keeps_what_matches_already(
    stayer: Stayer,
    apache: ApacheEngine,
    strategy: Json,
    fewest: int,
    most: int,
    moment: Callable[[Json], bool],
    kept: int,
) -> None:
    first = _ids(_create(stayer, strategy))
    with Poller(stayer, apache.url, _APP) as poller:
        deployment_id = _change(stayer, _release("2"))
        _await_new(stayer, first, 1, moment)

        back = stayer.client.cancel_deployment(deployment_id)
        assert back["deploymentId"] != deployment_id
        after = stayer.await_running(_APP, 6, _all_healthy)
    poller.check(fewest=fewest, most=most)
    assert stayer.app(_APP)["env"]["RELEASE"] == "1"
    assert len(first & _ids(after)) >= kept
    assert [answer_of(task) for task in after] == [(200, "1")] * 6
    await_same_tasks(stayer, apache.url, _APP, 6)


def test_killed_in_an_upgrade_it_goes_on_where_it_was(stayer: Stayer, apache: ApacheEngine) -> None:
    framework_id = stayer.framework_id
    old = _ids(_create(stayer, _HALF))
    with Poller(stayer, apache.url, _APP) as poller:
        deployment_id = _change(stayer, _release("2"))
        for new_tasks, moment in ((0, _is_running), (1, _is_running), (3, is_healthy)):
            _await_new(stayer, old, new_tasks, moment)
            stayer.crash()
            stayer.start()
            assert _deployment_ids(stayer) == [deployment_id]
        new = _ids(_await_release(stayer, "2"))
    poller.check(fewest=_HALF_FEWEST, most=_HALF_MOST)
    assert _all_task_ids(apache.url, framework_id) == old | new, "nothing was started twice"
    await_same_tasks(stayer, apache.url, _APP, 6)


def _all_task_ids(master_url: str, framework_id: str) -> set[str]:
    """Of all tasks that Mesos ever had of a framework."""
    told = operator(master_url, {"type": "GET_TASKS"})["get_tasks"]
    return {
        task["task_id"]["value"]
        for tasks in told.values()
        for task in tasks
        if task["framework_id"]["value"] == framework_id
    }


def test_an_instance_that_turns_unhealthy_is_replaced(stayer: Stayer) -> None:
    check = service(_APP)["healthChecks"][0] | {"maxConsecutiveFailures": 2}
    sick, well = _create(stayer, _HALF, instances=2, healthChecks=[check])
    _sandbox(sick).joinpath("sick").touch()

    def replaced(now: list[Json]) -> bool:
        assert sick["id"] not in _ids(now)
        assert well["id"] in _ids(now)
        return _all_healthy(now)

    stayer.await_running(_APP, 2, replaced)
    failure = stayer.app(_APP)["lastTaskFailure"]
    assert failure["taskId"] == sick["id"]
    assert "health check failed" in failure["message"]
    assert "500" in failure["message"]


def test_what_is_known_of_health_is_known_after_a_restart(stayer: Stayer) -> None:
    check = service(_APP)["healthChecks"][0] | {"maxConsecutiveFailures": 0}
    sick, well = _create(stayer, _HALF, instances=2, healthChecks=[check])
    _sandbox(sick).joinpath("sick").touch()
    expected = {sick["id"]: False, well["id"]: True}
    eventually(lambda: _verdicts(stayer) == expected, "the verdict unhealthy")

    stayer.crash()
    stayer.start()

    assert _verdicts(stayer) == expected, "before it could look again"
    _sandbox(sick).joinpath("sick").unlink()
    eventually(lambda: all(_verdicts(stayer).values()), "the verdict healthy")
    assert _ids(stayer.running(_APP)) == expected.keys(), "never killed for its health"


def _verdicts(stayer: Stayer) -> dict[str, bool]:
    return {str(task["id"]): is_healthy(task) for task in stayer.app(_APP)["tasks"]}


def _sandbox(task: Json) -> Path:
    (pid, *_) = pids_of(task["id"])
    return Path(f"/proc/{pid}/cwd").resolve()


def test_a_change_in_the_way_is_named_and_can_be_forced_aside(
    stayer: Stayer, apache: ApacheEngine
) -> None:
    first = _ids(_create(stayer, _FULL))
    with Poller(stayer, apache.url, _APP) as poller:
        stuck = _change(stayer, {"env": _SICK})
        _await_new(stayer, first, 2, _is_running)

        with pytest.raises(ConflictError) as refused:
            _change(stayer, _release("3"))
        assert refused.value.deployment_ids == (stuck,)
        assert _deployment_ids(stayer) == [stuck]

        forced = _change(stayer, _release("3"), force=True)
        assert _deployment_ids(stayer) == [forced]
        with pytest.raises(NotFoundError):
            stayer.client.cancel_deployment(stuck)
        _await_release(stayer, "3")
    poller.check(fewest=_FULL_FEWEST, most=_FULL_MOST)
    await_same_tasks(stayer, apache.url, _APP, 6)


@pytest.mark.parametrize(
    ("broken", "strategy", "fewest", "most", "kept"),
    [
        ({"cmd": "exit 1"}, _HALF, _HALF_FEWEST, _HALF_MOST, 3),
        ({"env": _SICK}, _FULL, _FULL_FEWEST, _FULL_MOST, 6),
    ],
)
def test_a_broken_release_is_taken_back_by_itself(
    stayer: Stayer,
    apache: ApacheEngine,
    broken: Json,
    strategy: Json,
    fewest: int,
    most: int,
    kept: int,
) -> None:
    first = _ids(_create(stayer, strategy))
    before = stayer.app(_APP)
    with Poller(stayer, apache.url, _APP) as poller:
        deadline = {"upgradeStrategy": strategy | {"progressDeadlineSeconds": 2}}
        deployment_id = _change(stayer, broken | deadline)
        eventually(
            lambda: deployment_id not in _deployment_ids(stayer), "the end of the deployment"
        )
        after = stayer.await_running(_APP, 6, _all_healthy)
    poller.check(fewest=fewest, most=most)
    now = stayer.app(_APP)
    assert [now[name] for name in ("cmd", "env")] == [before[name] for name in ("cmd", "env")]
    assert len(first & _ids(after)) == kept
    assert [answer_of(task) for task in after] == [(200, "1")] * 6
    await_same_tasks(stayer, apache.url, _APP, 6)


def _deployment_ids(stayer: Stayer) -> list[str]:
    return [each["id"] for each in stayer.client.list_deployments()]


def test_apps_start_when_those_they_depend_on_are_healthy(stayer: Stayer) -> None:
    chain = ("/shop/db", "/shop/api", "/shop/web")
    apps = [
        service(app_id, instances=2, dependencies=list(before))
        for app_id, before in zip(chain, ((), chain[:1], chain[1:2]), strict=True)
    ]
    stayer.client.update_group("/shop", {"apps": apps[::-1]})

    tasks = [stayer.await_running(app_id, 2, _all_healthy) for app_id in chain]

    for before, after in itertools.pairwise(tasks):
        all_healthy_at = max(task["healthCheckResults"][0]["firstSuccess"] for task in before)
        assert all_healthy_at <= min(task["stagedAt"] for task in after)
        assert max(task["startedAt"] for task in before) < min(task["startedAt"] for task in after)


def test_an_upgrade_goes_on_only_as_instances_get_ready(
    stayer: Stayer, apache: ApacheEngine
) -> None:
    check = {
        "name": "warm",
        "path": "/ready",
        "portName": "http",
        "intervalSeconds": 2,
        "timeoutSeconds": 1,
        "httpStatusCodesForReady": [200],
        "preserveLastResponse": True,
    }
    strategy = {"minimumHealthCapacity": 1, "maximumOverCapacity": 0.5}
    old = _ids(_create(stayer, strategy, instances=2, readinessChecks=[check]))
    with Poller(stayer, apache.url, _APP) as poller:
        _change(stayer, {"env": service(_APP, "2")["env"] | {"UNREADY": "yes"}})
        for left in (2, 1):
            unready = eventually(lambda: _unready(stayer), "an instance that is not ready")
            assert len(old & _ids(stayer.running(_APP))) == left
            _sandbox(unready).joinpath("ready").touch()
            _await_at_most(stayer, old, left - 1)
        stayer.await_running(_APP, 2, _all_healthy)
    poller.check(fewest=2, most=3)
    assert stayer.app(_APP)["env"]["RELEASE"] == "2"


def _await_at_most(stayer: Stayer, old: set[str], count: int) -> None:
    eventually(lambda: len(old & _ids(stayer.running(_APP))) <= count, f"{count} old ones left")


def _unready(stayer: Stayer) -> Json:
    """The task that says it is not ready, while it is healthy; the app and its deployment tell
    the same of it."""
    told: Any = stayer.client.get("/v2/deployments")
    assert len(told) == 1, "the change must not end by itself"
    results: list[Json] = told[0]["currentActions"][0]["readinessCheckResults"]
    app = stayer.client.get_app(_APP, query={"embed": "app.readiness"})
    assert app["readinessCheckResults"] == results
    unready = [result for result in results if not result["ready"]]
    assert len(unready) == 1, results
    result = unready[0]
    assert result["name"] == "warm"
    assert result.get("lastResponse") == {"status": 503, "contentType": "text/plain", "body": "2"}
    tasks = {task["id"]: task for task in stayer.running(_APP)}
    assert is_healthy(tasks[result["taskId"]])
    return tasks[result["taskId"]]


def test_a_canary_waits_for_a_person(stayer: Stayer, apache: ApacheEngine) -> None:
    first = _ids(_create(stayer, _FULL | {"canary": 1}))
    with Poller(stayer, apache.url, _APP) as poller:
        deployment_id = _change(stayer, _release("2"))
        eventually(lambda: _waits_after_canary(stayer), "the pause")
        canaried = _ids(stayer.running(_APP))
        assert len(first & canaried) == 5

        stayer.crash()
        stayer.start()
        assert _deployment_ids(stayer) == [deployment_id]
        assert _waits_after_canary(stayer)
        assert _ids(stayer.running(_APP)) == canaried

        stayer.client.resume_deployment(deployment_id)
        second = _ids(_await_release(stayer, "2"))
    poller.check(fewest=_FULL_FEWEST, most=_FULL_MOST)
    assert canaried - first < second, "the canary is kept"


def _waits_after_canary(stayer: Stayer) -> bool:
    (deployment,) = stayer.client.list_deployments()
    (app,) = deployment["apps"]
    expected = {"newServing": 1, "newTotal": 1, "oldServing": 5, "oldTotal": 5, "leaving": 0}
    assert {name: app[name] for name in expected} == expected, deployment
    return bool(deployment["paused"] and deployment["canary"])
