"""What becomes of sick instances on a genuine Mesos: another one first, and what checks found.

Sick are those whose sandbox has a file ``sick``: they run on and answer 500.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localmesos.apache.engine import ApacheEngine
from tests.integration.poller import Poller, answer_of, is_healthy, service
from tests.integration.product import Json, Stayer, pids_of, serving
from tests.polling import eventually

pytestmark = pytest.mark.mesos

_APP = "/web"
_COUNT = 3
_PATIENCE_MS = 4_000


@pytest.fixture
def stayer(apache: ApacheEngine, tmp_path: Path) -> Iterator[Stayer]:
    with serving(apache.url, tmp_path / "stayer") as stayer:
        yield stayer


@pytest.fixture
def impatient(apache: ApacheEngine, tmp_path: Path) -> Iterator[Stayer]:
    patience = ("--unhealthy_kill_patience", str(_PATIENCE_MS))
    with serving(apache.url, tmp_path / "stayer", *patience) as stayer:
        yield stayer


def _await_healthy(
    stayer: Stayer, count: int, fits: Callable[[list[Json]], bool] = lambda _tasks: True
) -> list[Json]:
    return stayer.await_running(
        _APP, count, lambda tasks: all(map(is_healthy, tasks)) and fits(tasks)
    )


def _make_sick(task: Json) -> None:
    """From the next look on."""
    pids = eventually(lambda: pids_of(task["id"]), f"a process of {task['id']}")
    Path(f"/proc/{pids[0]}/cwd/sick").touch()


def test_a_sick_instance_is_replaced_before_it_is_killed(
    stayer: Stayer, apache: ApacheEngine
) -> None:
    """Those that answer well never get fewer, and the sick one runs until another one is well."""
    stayer.client.create_app(service(_APP, instances=_COUNT))
    sick, *well = _await_healthy(stayer, _COUNT)
    with Poller(stayer, apache.url, _APP) as poller:
        _make_sick(sick)
        after = _await_healthy(stayer, _COUNT, lambda tasks: sick["id"] not in _ids(tasks))
    poller.check(fewest=len(well), most=_COUNT + 1)
    assert min(poller.running_counts) == _COUNT
    assert max(poller.task_counts) == _COUNT + 1
    assert _ids(well) < _ids(after)
    failure = stayer.app(_APP)["lastTaskFailure"]
    assert failure["taskId"] == sick["id"]
    assert failure["state"] == "TASK_KILLED"


def _ids(tasks: list[Json]) -> set[str]:
    return {task["id"] for task in tasks}


def test_without_a_place_for_another_one_it_is_killed_after_the_patience(
    impatient: Stayer, apache: ApacheEngine, task_ports: int
) -> None:
    """All that it may use is one port, which the sick one holds; the queue says so meanwhile."""
    port = {"port": task_ports + 11, "name": "http"}
    impatient.client.create_app(
        service(_APP, instances=1, portDefinitions=[port], requirePorts=True)
    )
    (sick,) = _await_healthy(impatient, 1)
    with Poller(impatient, apache.url, _APP) as poller:
        _make_sick(sick)
        eventually(lambda: "serves on only until" in impatient.command("queue"), "a wait")
        (after,) = _await_healthy(impatient, 1, lambda tasks: sick["id"] not in _ids(tasks))
    assert max(poller.task_counts) == 1
    assert after["ports"] == sick["ports"]
    assert answer_of(after)[0] == 200
    failure = impatient.app(_APP)["lastTaskFailure"]
    assert (failure["taskId"], failure["state"]) == (sick["id"], "TASK_KILLED")


@pytest.mark.parametrize(
    ("check", "well", "sick"),
    [
        (
            {"exec": {"command": {"shell": "test ! -f sick"}}},
            {"command": {"exitCode": 0}},
            {"command": {"exitCode": 1}},
        ),
        (
            {"http": {"path": "/health", "portIndex": 0}},
            {"http": {"statusCode": 200}},
            {"http": {"statusCode": 500}},
        ),
    ],
    ids=["exec", "http"],
)
def test_what_a_check_found_is_shown(stayer: Stayer, check: Json, well: Json, sick: Json) -> None:
    """The executor carries it out, and it changes nothing but what is shown."""
    quickly = {"intervalSeconds": 1, "delaySeconds": 0, **check}
    stayer.client.create_app(service(_APP, instances=1, healthChecks=[], check=quickly))
    (task,) = stayer.await_running(_APP, 1)
    _await_result(stayer, well)
    _make_sick(task)
    _await_result(stayer, sick)
    assert _ids(stayer.running(_APP)) == {task["id"]}


def _await_result(stayer: Stayer, result: Json) -> None:
    def look() -> bool:
        (task,) = stayer.running(_APP)
        assert task.get("checkResult") == result, task
        return True

    eventually(look, f"the result {result} of a check")
