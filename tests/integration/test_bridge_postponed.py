"""What a reload that has to wait keeps waiting, and what it does not."""

from typing import Any

from haproxy_bridge.run.resident import Resident
from haproxy_bridge.run.turn import How
from haproxy_bridge.source import Reader, SourceOptions
from tests.edge.fixtures import Edge
from tests.edge.tasks import TaskServer

WAITING = How(may_reload=False, everything=False)


def _with_check(app: dict[str, Any], seconds: int) -> dict[str, Any]:
    """All of its tasks are healthy. The backend has another text for other seconds, and so have
    its servers."""
    app["healthChecks"] = [
        {"protocol": "HTTP", "path": "/", "intervalSeconds": seconds, "timeoutSeconds": seconds}
    ]
    for task in app["tasks"]:
        task["healthCheckResults"] = [{"alive": True, "lastSuccess": "2026-01-01T00:00:00.000Z"}]
    return app


def test_members_leave_a_backend_whose_text_waits_for_a_reload(edge: Edge) -> None:
    a1, a2, a3 = (edge.task(name) for name in ("a1", "a2", "a3"))
    resident = Resident(Reader(edge.client, SourceOptions()), edge.options, lambda: edge.now_ms)

    def say(seconds: int, *tasks: TaskServer) -> None:
        edge.say(_with_check(edge.app("a", list(tasks), VHOST="a.example"), seconds))

    def served() -> set[str]:
        return {edge.haproxy.ask("a.example")[1] for _ in range(12)}

    with resident.opened():
        say(20, a1, a2)
        assert resident.turn(How()).reloaded
        edge.haproxy.wait_alone()
        assert served() == {"a1", "a2"}
        say(30, a2, a3)
        outcome = resident.turn(WAITING)
        assert (outcome.postponed, outcome.removed, outcome.added) == (True, 1, 0), outcome
        assert served() == {"a2"}, "a1 is gone, and a3 comes with the reload"
        say(30, a3)
        outcome = resident.turn(WAITING)
        assert (outcome.postponed, outcome.changed) == (True, False), outcome
        assert served() == {"a2"}, "else nobody would serve"
        assert resident.turn(How(everything=False)).reloaded
        edge.haproxy.wait_alone()
        assert served() == {"a3"}
        assert not resident.turn(How()).changed
