"""Ten thousand apps on a real haproxy: all are served, each changes alone, and bad ones among them
keep back nobody else."""

from collections.abc import Mapping
from typing import Any

from haproxy_bridge.exits import Exit
from haproxy_bridge.rendered import Trouble
from tests.edge.fixtures import Edge
from tests.edge.tasks import TaskServer

_APPS = 10_000
_CHECK = {"protocol": "TCP", "portIndex": 0, "intervalSeconds": 600}  # else: 2000 a second
_HEALTHY = [{"alive": True, "consecutiveFailures": 0}]


def _app(edge: Edge, name: str, task: TaskServer, labels: Mapping[str, str]) -> dict[str, Any]:
    """Served by host alone: ten thousand ports of their own are more than a machine may have."""
    made = edge.app(name, [task])
    made["labels"] = {f"HAPROXY_0_{label}": text for label, text in labels.items()}
    made["portDefinitions"] = [{"port": 0}]
    made["healthChecks"] = [_CHECK]
    made["tasks"][0] |= {"id": f"{name}.1", "healthCheckResults": _HEALTHY}
    return made


def _many(edge: Edge, task: TaskServer) -> list[dict[str, Any]]:
    names = (f"t{number % 50}/a{number}" for number in range(_APPS))
    return [
        _app(edge, name, task, {"VHOST": f"h{number}.example"}) for number, name in enumerate(names)
    ]


def _hostile(edge: Edge, task: TaskServer) -> dict[str, tuple[dict[str, Any], Trouble]]:
    """Apps that come last in the alphabet, and what is said of each."""
    labels = {
        "z/newline": ({"VHOST": "x.example\n  bind *:81"}, Trouble.INVALID),
        "z/raw": ({"VHOST": "y.example", "BACKEND_HEAD": "backend h0"}, Trouble.FORBIDDEN),
        "z/thief": ({"VHOST": "h5.example"}, Trouble.CONFLICT),
        "z/unknown": ({"VHOST": "v.example", "SSL_CERT": "/nowhere.pem"}, Trouble.REFUSED),
        "z/ünicode": ({"VHOST": "u.example"}, Trouble.INVALID),
    }
    return {
        f"/{name}": (_app(edge, name, task, own), trouble)
        for name, (own, trouble) in labels.items()
    }


def test_ten_thousand_apps_are_served_and_change_one_by_one(edge: Edge) -> None:
    a, b = edge.task("a"), edge.task("b")
    apps, hostile = _many(edge, a), _hostile(edge, b)

    def turn() -> bool:
        edge.say(*apps, *(app for app, _ in hostile.values()))
        outcome = edge.run()
        assert outcome.exit is Exit.PARTIAL, outcome
        assert (outcome.services, outcome.servers) == (_APPS, _APPS)
        told = {one.app_id: one.trouble for one in outcome.problems if one.keeps_out}
        assert told == {name: trouble for name, (_, trouble) in hostile.items()}
        return outcome.reloaded

    def served(number: int) -> tuple[int, str]:
        return edge.haproxy.ask(f"h{number}.example")[:2]

    assert turn()
    edge.haproxy.wait_alone()
    assert {served(number) for number in range(0, _APPS, 97)} == {(200, "a")}
    assert edge.haproxy.ask("u.example")[0] == edge.haproxy.ask("v.example")[0] == 503

    assert not turn(), "nothing changed"
    apps[7777]["tasks"][0]["ports"] = [b.port]
    assert not turn(), "other members take no reload"
    assert (served(7776), served(7777), served(7778)) == ((200, "a"), (200, "b"), (200, "a"))

    apps[42]["labels"]["HAPROXY_0_VHOST"] = "elsewhere.example"
    apps[7777]["labels"]["HAPROXY_0_VHOST"] += ",h42.example"
    assert not turn(), "nor do other routes"
    assert (served(41), served(42), served(7777)) == ((200, "a"), (200, "b"), (200, "b"))
    assert edge.haproxy.ask("elsewhere.example")[:2] == (200, "a")
