"""Apps and tasks as the tests of the bridge need them."""

from typing import Any

from msgspec.structs import replace

from haproxy_bridge.snapshot import App, Check, Endpoint, Port, Snapshot, Task, Verdict


def task(app_id: str, number: int = 1, port: int = 31000, **fields: Any) -> Task:
    """A healthy task of an app with one port."""
    made = Task(
        id=f"{app_id.strip('/')}.{number}",
        host=f"h{number}",
        endpoints=(Endpoint(f"10.0.0.{number}", port),),
        health=Verdict.UP,
    )
    return replace(made, **fields)


def app(app_id: str, service_port: int = 10000, tasks: int = 1, /, **labels: str) -> App:
    """An app with one port; labels without HAPROXY_ in front, VHOST and so on for port 0."""
    return App(
        id=app_id,
        labels={label(name): text for name, text in labels.items()},
        ports=(Port(service_port),),
        tasks=tuple(task(app_id, number) for number in range(1, tasks + 1)),
        wanted=tasks,
    )


def label(name: str) -> str:
    """The whole name: of port 0 unless it is one of the app."""
    whole = name.startswith(("GROUP", "DEPLOYMENT_", "APP_ID"))
    return f"HAPROXY_{name}" if whole or name[:1].isdigit() else f"HAPROXY_0_{name}"


def snapshot(*apps: App) -> Snapshot:
    """All of them."""
    return Snapshot(tuple(sorted(apps, key=lambda one: one.id)))


def checked(made: App, *checks: Check) -> App:
    """The app with these checks on each of its tasks."""
    return replace(made, tasks=tuple(replace(one, checks=checks) for one in made.tasks))
