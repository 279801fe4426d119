"""What app definitions say, looked for in the tasks that a genuine Mesos runs."""

import os
import sys
import tarfile
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from localmesos.apache.engine import ApacheEngine
from tests.integration.product import (
    Stayer,
    agents_of,
    definition_of,
    is_running,
    operator,
    pids_of,
    serving,
)
from tests.polling import eventually

pytestmark = pytest.mark.mesos

PASSWORD = "never-to-be-seen-4711"
SLEEP = "exec sleep 1000"
SERVE = f'exec {sys.executable} -m http.server --bind 127.0.0.1 "$PORT0"'
PATHS_OF_API = (
    "/v2/apps?embed=apps.tasks&embed=apps.lastTaskFailure",
    "/v2/apps//told/versions",
    "/v2/groups",
    "/v2/tasks",
    "/v2/queue",
    "/v2/info",
    "/v3/deployments",
    "/metrics",
)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "password").write_text(PASSWORD + "\n")
    return folder


@pytest.fixture
def stayer(apache: ApacheEngine, tmp_path: Path, secrets: Path) -> Iterator[Stayer]:
    with serving(apache.url, tmp_path / "stayer", "--secrets_dir", str(secrets)) as stayer:
        yield stayer


def sandbox(task: dict[str, Any]) -> Path:
    """Where a running task works."""
    pids = eventually(lambda: pids_of(task["id"]), f"a process of {task['id']}")
    return Path(f"/proc/{pids[0]}/cwd").readlink()


def written(folder: Path, name: str = "told") -> str:
    """What a task wrote, as soon as it is all there."""

    def look() -> str:
        file = folder / name
        text = file.read_text() if file.exists() else ""
        assert text.endswith("end\n"), text
        return text

    return eventually(look, f"{name} in {folder}")


def test_a_task_has_what_its_definition_says(
    stayer: Stayer, apache: ApacheEngine, tmp_path: Path, task_ports: int
) -> None:
    archive, program = tmp_path / "files.tar.gz", tmp_path / "program"
    program.write_text("#!/bin/sh\necho fetched\n")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(program, "unpacked/program")
    fetch = [
        {"uri": str(archive)},
        {"uri": str(archive), "extract": False, "destPath": "kept/as-it-is.tgz"},
        {"uri": str(program), "executable": True, "cache": True, "destPath": "bin/program"},
    ]
    (task,) = stayer.run(
        "/told",
        cmd="{ ls unpacked kept; bin/program; env; echo end; } > told; " + SLEEP,
        env={
            "PLAIN": "red '\" blue",
            "EXPANDED": "${HOST}:${PORT0}:${PORT_WEB}:${MARATHON_APP_LABEL_TEAM}:${NOBODY}",
            "PASSWORD": {"secret": "one"},
        },
        expandEnv=True,
        secrets={"one": {"source": "password"}},
        labels={"team": "a"},
        fetch=fetch,
        portDefinitions=[{"port": task_ports + 7, "name": "web"}, {"port": task_ports + 9}],
        requirePorts=True,
    )
    lines = written(sandbox(task)).splitlines()

    assert task["ports"] == [task_ports + 7, task_ports + 9]
    assert {"program", "as-it-is.tgz", "fetched"} <= {*lines}
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    assert found["PLAIN"] == "red '\" blue"
    assert found["EXPANDED"] == f"{task['host']}:{task_ports + 7}:{task_ports + 7}:a:${{NOBODY}}"
    assert found["PASSWORD"] == PASSWORD
    assert found["PORT"] == found["PORT0"] == found[f"PORT_{task_ports + 7}"]
    assert found["PORTS"] == f"{task_ports + 7},{task_ports + 9}"
    assert (found["HOST"], found["MESOS_TASK_ID"]) == (task["host"], task["id"])
    assert (found["MARATHON_APP_ID"], found["MARATHON_APP_LABEL_TEAM"]) == ("/told", "a")
    _nobody_tells(stayer, tmp_path / "stayer")
    (told,) = _tasks(apache, stayer)
    assert told["labels"] == {"labels": [{"key": "team", "value": "a"}]}


def _nobody_tells(stayer: Stayer, folder: Path) -> None:
    """The secret's value is nowhere but in the task."""
    (url,) = stayer.client.urls
    for path in PATHS_OF_API:
        with urllib.request.urlopen(url + path, timeout=60) as answer:
            text = answer.read()
        assert text
        assert PASSWORD.encode() not in text, path
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"stayer.db", "stayer.log"} <= {path.name for path in files}
    for file in files:
        assert PASSWORD.encode() not in file.read_bytes(), file


def _failure(stayer: Stayer, app_id: str) -> dict[str, Any]:
    return dict(
        eventually(lambda: stayer.app(app_id).get("lastTaskFailure", {}), f"a failure of {app_id}")
    )


def _tasks(apache: ApacheEngine, stayer: Stayer) -> list[dict[str, Any]]:
    tasks = operator(apache.url, {"type": "GET_TASKS"})["get_tasks"].get("tasks", [])
    return [one for one in tasks if one["framework_id"]["value"] == stayer.framework_id]


def test_nothing_starts_without_its_secret_and_others_do_not_wait(
    stayer: Stayer, secrets: Path
) -> None:
    needs = {"secrets": {"late": {"source": "late"}}, "env": {"LATE": {"secret": "late"}}}
    stayer.client.create_app(definition_of("/lacking", maxLaunchDelaySeconds=1, **needs))
    stayer.run("/other", instances=3)

    why = "the secret late (source late) can not be had: no such file"
    failure = _failure(stayer, "/lacking")
    assert why in failure["message"]
    assert why in stayer.command("queue", "/lacking")
    states = {task["state"] for task in stayer.app("/lacking")["tasks"]}
    assert states.isdisjoint({"TASK_STARTING", "TASK_RUNNING"})

    (secrets / "late").write_text("here")
    stayer.await_running("/lacking", 1)


def test_arguments_user_role_and_grace(stayer: Stayer, apache: ApacheEngine) -> None:
    script = (
        'echo "$1" > told; trap "touch asked" TERM; echo end >> told; while :; do sleep 0.1; done'
    )
    user = {"user": "nobody"} if os.geteuid() == 0 else {}  # others' agents run only their own
    (task,) = stayer.run(
        "/dev/told",
        role="dev",
        cmd=None,
        args=["/bin/sh", "-c", script, "sh", "at ${HOST} on ${PORT0}"],
        expandEnv=True,
        portDefinitions=[{}],
        taskKillGracePeriodSeconds=1,
        **user,
    )
    folder = sandbox(task)
    assert written(folder) == f"at {task['host']} on {task['ports'][0]}\nend\n"
    (told,) = _tasks(apache, stayer)
    assert {one["allocation_info"]["role"] for one in told["resources"]} == {"dev"}
    assert not user or (folder / "told").owner() == "nobody"
    (pid, *_) = pids_of(task["id"])

    stayer.client.scale_app("/dev/told", 0)
    eventually(lambda: not is_running(pid), "the end of what does not heed SIGTERM")
    assert (folder / "asked").exists()


def test_an_executor_of_ones_own_gets_the_command_and_its_resources(
    stayer: Stayer, apache: ApacheEngine, tmp_path: Path
) -> None:
    program, told = tmp_path / "my executor", tmp_path / "told"
    script = f'echo "$1:$2:$MESOS_EXECUTOR_ID:$COLOUR" > {told}; echo end >> {told}; {SLEEP}'
    program.write_text(f"#!/bin/sh\n{script}\n")
    own = definition_of(
        "/own",
        cmd="--flag 'two words'",
        env={"COLOUR": "red"},
        executor=str(program),
        executorResources={"cpus": 0.1, "mem": 32, "disk": 10},
    )
    stayer.client.create_app(own)
    # It never says that it is there, so its task stays in staging for as long as this looks.
    (task,) = eventually(lambda: stayer.app("/own")["tasks"], "the task")
    assert written(tmp_path) == f"--flag:two words:{task['id']}:red\nend\n"
    executors = [
        executor
        for url in agents_of(apache.url).values()
        for executor in executors_of(url, stayer.framework_id)
    ]
    (executor,) = executors
    assert executor["type"] == "CUSTOM"
    taken = {one["name"]: one["scalar"]["value"] for one in executor["resources"]}
    assert taken == {"cpus": 0.1, "mem": 32.0, "disk": 10.0}


def executors_of(agent_url: str, framework_id: str) -> list[dict[str, Any]]:
    """What an agent knows of a framework's executors."""
    found = operator(agent_url, {"type": "GET_EXECUTORS"})["get_executors"].get("executors", [])
    infos = [dict(one["executor_info"]) for one in found]
    return [info for info in infos if info["framework_id"]["value"] == framework_id]


def test_what_agents_can_not_do_is_tried_ever_more_slowly(stayer: Stayer) -> None:
    limited = definition_of("/limited", resourceLimits={"cpus": 2}, backoffSeconds=60)
    stayer.client.create_app(limited)
    failure = _failure(stayer, "/limited")
    assert "CPU limits" in failure["message"]
    (waiting,) = stayer.client.queue()
    assert not waiting["delay"]["overdue"]
    assert waiting["delay"]["timeLeftSeconds"] > 30
    assert stayer.app("/limited")["lastTaskFailure"] == failure


def test_checks_tell_what_they_found(stayer: Stayer) -> None:
    often = {"delaySeconds": 0, "intervalSeconds": 1, "timeoutSeconds": 10}
    wanted: dict[str, Any] = {
        "/http": ({"http": {"path": "/", "portIndex": 0}}, {"http": {"statusCode": 200}}),
        "/tcp": ({"tcp": {"portIndex": 0}}, {"tcp": {"succeeded": True}}),
        "/exec": (
            {"exec": {"command": {"argv": ["/bin/sh", "-c", "exit 3"]}}},
            {"command": {"exitCode": 3}},
        ),
    }
    health = [
        {"protocol": "MESOS_TCP", "portIndex": 0, "gracePeriodSeconds": 60, **often},
        {"protocol": "COMMAND", "command": {"value": "test -f told"}, **often},
    ]
    for index, (app_id, (check, _)) in enumerate(wanted.items()):
        stayer.client.create_app(
            definition_of(
                app_id,
                cmd=f"touch told; {SERVE}",
                mem=32,
                portDefinitions=[{}],
                check={**check, **often},
                healthChecks=health[index : index + 1],
            )
        )
    for index, (app_id, (_, result)) in enumerate(wanted.items()):
        expected = (result, [True] * len(health[index : index + 1]))
        eventually(partial(_checked, stayer, app_id, expected), f"the results of {app_id}")


def _checked(stayer: Stayer, app_id: str, expected: tuple[Any, list[bool]]) -> bool:
    tasks = stayer.app(app_id)["tasks"]
    found = [
        (task.get("checkResult"), [one["alive"] for one in task.get("healthCheckResults", [])])
        for task in tasks
    ]
    assert found == [expected], tasks
    return True
