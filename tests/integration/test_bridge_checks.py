"""Checks of haproxy while tasks of two configurations serve: each is asked what its own says."""

import threading
from typing import Any

from haproxy_bridge.exits import Exit
from haproxy_bridge.run.drains import Places, Sessions, idle
from tests.edge.fixtures import Edge
from tests.edge.tasks import TaskServer
from tests.polling import eventually
from tests.unit.cli.scripted_http import Answer

OLD, NEW = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"


def _app(edge: Edge, path: str, *tasks: tuple[TaskServer, str]) -> dict[str, Any]:
    """Whose definition asks for this path, with tasks of these versions, healthy by Marathon."""
    app = edge.app("a", [one for one, _ in tasks], VHOST="a.example")
    check = {"protocol": "HTTP", "path": path, "intervalSeconds": 1, "maxConsecutiveFailures": 0}
    for task, (_, version) in zip(app["tasks"], tasks, strict=True):
        task["version"] = version
        task["healthCheckResults"] = [{"alive": True, "lastSuccess": NEW}]
    return app | {"healthChecks": [check], "versionInfo": {"lastConfigChangeAt": NEW}}


def _places(edge: Edge, task: TaskServer) -> Places:
    """Where haproxy has it by its file."""
    lines = edge.haproxy.config.read_text().splitlines()
    server = next(line for line in lines if f":{task.port} " in line)
    return ((f"a_{edge.first_port}", server.split()[1]),)


def test_old_tasks_are_checked_by_what_they_run(edge: Edge) -> None:
    old, new = edge.task("old"), edge.task("new")
    old.ill, new.ill = frozenset({"/new"}), frozenset({"/o%6Cd"})

    def served() -> set[str]:
        answers = [edge.haproxy.ask("a.example") for _ in range(12)]
        return {body if status == 200 else str(status) for status, body, _ in answers}

    def asked(task: TaskServer) -> set[str]:
        return {one["path"] for one in task.seen} - {"/"}

    edge.say(_app(edge, "/o%6Cd", (old, NEW)))
    assert edge.run().exit is Exit.OK
    eventually(lambda: asked(old) == {"/o%6Cd"}, "no check")
    before = threading.Thread(target=edge.haproxy.ask, args=("a.example", "/slow"))
    before.start()
    eventually(lambda: old.waiting, "no slow request")
    definition = {"id": "/a", "healthChecks": _app(edge, "/o%6Cd")["healthChecks"]}
    edge.marathon.script[f"GET /v2/apps/a/versions/{OLD.replace(':', '%3A')}"] = Answer(definition)
    edge.say(_app(edge, "/new", (old, OLD), (new, NEW)))
    assert edge.run().exit is Exit.OK
    tasks = {"old": _places(edge, old)}
    sessions = Sessions(edge.haproxy.admin_socket, str(edge.haproxy.master_socket))
    assert idle(tasks, sessions.of(tasks)) == [], "a worker of before knows it by another name"
    old.release.set()
    before.join()
    edge.haproxy.wait_alone()
    eventually(lambda: idle(tasks, sessions.of(tasks)) == ["old"], "a session stays")
    old.seen.clear()
    eventually(lambda: asked(old) == {"/o%6Cd"} and asked(new) == {"/new"}, "no checks")
    assert served() == {"old", "new"}
    old.ill = frozenset({"/o%6Cd"})
    eventually(lambda: served() == {"new"}, "the old one is asked no more")
    edge.say(_app(edge, "/new", (new, NEW)))
    assert edge.run().exit is Exit.OK
    assert served() == {"new"}
    assert "srv_name" not in edge.haproxy.config.read_text()
