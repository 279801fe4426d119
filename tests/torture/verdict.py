"""What must hold when all faults are undone: within its time everything agrees, and nothing that
was acknowledged is missing.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from api.client import Client, ClientError
from tests.integration.product import MesosTask, all_pids, mesos_tasks
from tests.polling import eventually
from tests.torture.clients import Clients, Register
from tests.torture.history import contradiction
from tests.torture.stayers import Stayers

Json = dict[str, Any]
CONVERGE_SECONDS = 60.0
_TIMEOUT_SECONDS = 5.0
_TASK_MARK = b"MESOS_TASK_ID="


def converge(
    stayers: Stayers, mesos_url: str, framework_id: str, app_ids: Sequence[str]
) -> dict[str, Json]:
    """Wait until one Stayer leads, every Stayer tells the same of every app, each app runs at its
    count in its present version, and Mesos and this machine run exactly these tasks. The apps."""

    def look() -> dict[str, Json]:
        assert all(member.process.is_running for member in stayers.members), "some are down"
        assert all(member.is_ready for member in stayers.members), "some are not ready"
        leaders = {member.leader() for member in stayers.members}
        assert len(leaders) == 1, f"leaders: {leaders}"
        assert leaders <= {member.address for member in stayers.members}, leaders
        told = [_apps(member.url) for member in stayers.members]
        apps = told[0]
        assert sorted(apps) == sorted(app_ids), sorted(apps)
        for app in apps.values():
            _assert_at_rest(app)
        versions = [{app_id: app["version"] for app_id, app in each.items()} for each in told]
        assert all(each == versions[0] for each in versions), versions
        expected = {task["id"] for app in apps.values() for task in app["tasks"]}
        _assert_same(expected, mesos_tasks(mesos_url, framework_id))
        return apps

    return eventually(look, "everything agrees again", CONVERGE_SECONDS)


def _apps(url: str) -> dict[str, Json]:
    client = Client((url,), timeout_seconds=_TIMEOUT_SECONDS)
    try:
        listed = client.list_apps(query={"embed": ["apps.tasks", "apps.deployments"]})
    except ClientError as error:
        raise AssertionError(f"{url}: {error}") from error
    finally:
        client.close()
    return {app["id"]: app for app in listed}


def _assert_at_rest(app: Json) -> None:
    tasks = [(task["id"], task["state"], task["version"]) for task in app["tasks"]]
    assert not app["deployments"], (app["id"], app["deployments"])
    assert len(tasks) == app["instances"], (app["id"], app["instances"], tasks)
    assert {state for _id, state, _version in tasks} <= {"TASK_RUNNING"}, tasks
    config = app["versionInfo"]["lastConfigChangeAt"]
    assert all(version >= config for _id, _state, version in tasks), (app["versionInfo"], tasks)


def _assert_same(expected: set[str], tasks: Iterable[MesosTask]) -> None:
    real = {task.id: task.state for task in tasks}
    assert real.keys() == expected, {
        "Mesos only": sorted(real.keys() - expected),
        "Stayer only": sorted(expected - real.keys()),
    }
    assert set(real.values()) <= {"TASK_RUNNING"}, real


def doubled_processes(expected: set[str], prefixes: Sequence[str]) -> dict[str, list[int]]:
    """Processes of this machine that belong to tasks of these apps, but to none of those
    expected: by task id."""
    found: dict[str, list[int]] = defaultdict(list)
    for pid in all_pids():
        task_id = _task_of(pid)
        if task_id.startswith(tuple(prefixes)) and task_id not in expected:
            found[task_id].append(pid)
    return dict(found)


def _task_of(pid: int) -> str:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # it ended, or is somebody else's
        return ""
    for line in environment.split(b"\0"):
        if line.startswith(_TASK_MARK):
            return line.removeprefix(_TASK_MARK).decode()
    return ""


def contradictions(
    clients: Clients, registers: Sequence[Register], initial: dict[str, str]
) -> dict[str, str]:
    """Per app why no order of its writes and reads explains what was told; nothing where one
    does."""
    found = {}
    for register in registers:
        if why := contradiction(clients.history[register.app_id], initial[register.app_id]):
            found[register.app_id] = why
    return found
