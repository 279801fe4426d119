"""Our executor, containerizer and fetcher under a genuine agent."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localmesos.apache.engine import ApacheEngine
from tests.integration.scheduler_client import Json, Scheduler, eventually, task

pytestmark = pytest.mark.mesos

ApacheCluster = Callable[..., ApacheEngine]
WAIT_FOR_GO = "while [ ! -e go ]; do sleep 0.05; done"
TERMINAL = ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED")


@pytest.fixture
def scheduler(apache: ApacheEngine) -> Iterator[Scheduler]:
    with Scheduler(apache.url) as scheduler:
        yield scheduler


class Watch:
    """The statuses of one task, each acknowledged as often as it comes."""

    def __init__(self, scheduler: Scheduler, info: Json) -> None:
        self.task_id: str = info["task_id"]["value"]
        self._scheduler = scheduler
        self._position = 0
        self._known: set[str] = set()

    def until(self, *states: str) -> list[Json]:
        """What comes next, without repetitions, up to one of the states."""
        found: list[Json] = []
        while not found or found[-1]["state"] not in states:
            status = self._next()
            self._scheduler.acknowledge(status)
            if status["uuid"] not in self._known:
                self._known.add(status["uuid"])
                found.append(status)
        return found

    def _next(self) -> Json:
        stream = self._scheduler.stream
        event = stream.wait(self._is_mine, self._position)
        self._position = stream.events.index(event, self._position) + 1
        status: Json = event["update"]["status"]
        return status

    def _is_mine(self, event: Json) -> bool:
        status = event.get("update", {}).get("status", {})
        return bool(status.get("task_id") == {"value": self.task_id} and "uuid" in status)


def start(scheduler: Scheduler, command: Json, **more: Any) -> Watch:
    """Launch a command on the first offer."""
    offer = scheduler.offer()
    info = {**task(offer, **more), "command": command}
    scheduler.launch([offer], [info])
    return Watch(scheduler, info)


def shell(value: str, **more: Any) -> Json:
    return {"shell": True, "value": value, **more}


def sandbox_of(status: Json) -> Path:
    """Where a running task works."""
    pid = status["container_status"]["executor_pid"]
    return Path(f"/proc/{pid}/cwd").readlink()


def states(statuses: list[Json]) -> list[str]:
    return [status["state"] for status in statuses]


def test_outputs_and_fetched_files_are_in_the_sandbox(scheduler: Scheduler, tmp_path: Path) -> None:
    source = tmp_path / "greeting.txt"
    source.write_text("fetched")
    variables = {"variables": [{"name": "NAME", "value": "problem"}]}
    script = 'cat greeting.txt; cat; echo "$NAME" >&2; ' + WAIT_FOR_GO + "; exit 3"
    command = shell(script, environment=variables, uris=[{"value": str(source)}])
    watch = start(scheduler, command)
    begun = watch.until("TASK_RUNNING")
    assert states(begun) == ["TASK_STARTING", "TASK_RUNNING"]
    sandbox = sandbox_of(begun[-1])
    eventually(lambda: "problem\n" in (sandbox / "stderr").read_text(), "no errors in the sandbox")
    assert (sandbox / "stdout").read_text() == "fetched"
    assert "Successfully fetched all URIs" in (sandbox / "stderr").read_text()
    (sandbox / "go").touch()
    last = watch.until(*TERMINAL)[-1]
    assert (last["state"], last["message"]) == ("TASK_FAILED", "Command exited with status 3")


def test_a_uri_that_cannot_be_fetched_fails_the_task(scheduler: Scheduler) -> None:
    watch = start(scheduler, shell("true", uris=[{"value": "/nowhere/at/all"}]))
    last = watch.until(*TERMINAL)[-1]
    assert last["state"] == "TASK_FAILED"
    assert "fetch" in last["message"]


def test_a_task_runs_as_its_user(scheduler: Scheduler) -> None:
    """Root's agents give a task to any user, others only to themselves."""
    user = "nobody" if os.geteuid() == 0 else None
    script = "id -un; touch mine; " + WAIT_FOR_GO
    watch = start(scheduler, shell(script, **({"user": user} if user else {})))
    begun = watch.until("TASK_RUNNING")
    sandbox = sandbox_of(begun[-1])
    eventually((sandbox / "mine").exists, "the task cannot write into its sandbox")
    assert (sandbox / "stdout").read_text().strip() == (user or (sandbox / "mine").owner())
    (sandbox / "go").touch()
    last = watch.until(*TERMINAL)[-1]
    assert last["state"] == "TASK_FINISHED"


def test_a_kill_escalates(scheduler: Scheduler) -> None:
    policy = {"grace_period": {"nanoseconds": 200_000_000}}
    stubborn = shell("trap '' TERM; touch ready; while :; do sleep 0.1; done")
    watch = start(scheduler, stubborn, kill_policy=policy)
    begun = watch.until("TASK_RUNNING")
    eventually((sandbox_of(begun[-1]) / "ready").exists, "the task does not begin")
    scheduler.kill(watch.task_id)
    ended = watch.until(*TERMINAL)
    assert states(ended) == ["TASK_KILLING", "TASK_KILLED"]
    assert ended[-1]["message"] == "Command terminated with signal Killed"


def test_a_sick_task_is_reported_and_killed(scheduler: Scheduler) -> None:
    check = {
        "type": "COMMAND",
        "command": shell("test ! -e sick"),
        "delay_seconds": 0,
        "interval_seconds": 0.1,
        "grace_period_seconds": 0,
        "consecutive_failures": 2,
    }
    watch = start(scheduler, shell("exec sleep 1000"), health_check=check)
    begun = watch.until("TASK_RUNNING")
    sandbox = sandbox_of(begun[-1])
    task_id = watch.task_id
    healthy = scheduler.status(task_id, "TASK_RUNNING", healthy=True)
    assert healthy["reason"] == "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"
    (sandbox / "sick").touch()
    ended = watch.until(*TERMINAL)
    assert [each["healthy"] for each in ended if each["state"] == "TASK_RUNNING"] == [
        True,
        False,
        False,
    ]
    assert (ended[-1]["state"], ended[-1]["healthy"]) == ("TASK_KILLED", False)


def test_a_killed_executor_leaves_no_process(scheduler: Scheduler) -> None:
    watch = start(scheduler, shell("echo $$ > leader; exec sleep 1000"))
    begun = watch.until("TASK_RUNNING")
    leader = sandbox_of(begun[-1]) / "leader"
    eventually(lambda: leader.exists() and leader.read_text() != "", "the task does not begin")
    pid = int(leader.read_text())
    os.kill(begun[-1]["container_status"]["executor_pid"], signal.SIGKILL)
    ended = watch.until(*TERMINAL)
    assert states(ended) == ["TASK_FAILED"]
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the task lives on without its executor")


def test_a_task_outlives_its_agent(apache_cluster: ApacheCluster) -> None:
    engine = apache_cluster(1, flags={"executor_reregistration_timeout": "2secs"})
    with Scheduler(engine.url, checkpoint=True, failover_seconds=1000.0) as scheduler:
        watch = start(scheduler, shell(WAIT_FOR_GO))
        begun = watch.until("TASK_RUNNING")
        executor_pid = begun[-1]["container_status"]["executor_pid"]
        sandbox = sandbox_of(begun[-1])
        engine.kill_agent(0)
        assert Path(f"/proc/{executor_pid}").exists()
        engine.start_agent(0)
        since = scheduler.mark
        scheduler.reconcile((watch.task_id, engine.agent_ids()[0]))
        status = scheduler.status(watch.task_id, since=since)
        assert status["state"] == "TASK_RUNNING"
        assert status["container_status"]["executor_pid"] == executor_pid
        (sandbox / "go").touch()
        ended = watch.until(*TERMINAL)
        assert states(ended)[-1] == "TASK_FINISHED"


def test_an_end_during_the_agents_absence_is_reported(apache_cluster: ApacheCluster) -> None:
    engine = apache_cluster(1, flags={"executor_reregistration_timeout": "2secs"})
    with Scheduler(engine.url, checkpoint=True, failover_seconds=1000.0) as scheduler:
        watch = start(scheduler, shell(WAIT_FOR_GO + "; exit 9"))
        begun = watch.until("TASK_RUNNING")
        sandbox = sandbox_of(begun[-1])
        engine.kill_agent(0)
        (sandbox / "go").touch()
        log = sandbox / "stderr"
        eventually(lambda: "exited with status 9" in log.read_text(), "the task does not end")
        engine.start_agent(0)
        ended = watch.until(*TERMINAL)
        assert ended[-1]["message"] == "Command exited with status 9"
