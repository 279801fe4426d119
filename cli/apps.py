"""`stayer app`: submit, look at and change app definitions."""

import json
from collections.abc import Sequence
from typing import Any, BinaryIO

import click

from api.client import Client, JsonObject
from cli.answers import App, Started, Task, read, read_all
from cli.connection import absolute_id, force_option, json_option, with_client
from cli.output import Column, number, print_json, print_pairs, print_table, say
from cli.progress import wait_for_deployment, wait_options

_MAX_DEFINITION_BYTES = 10 * 1024 * 1024
_MAX_INSTANCES = 1_000_000

_APP_COLUMNS = (
    Column("APP"),
    Column("RUNNING", right=True),
    Column("STAGED", right=True),
    Column("HEALTHY", right=True),
    Column("CPUS", right=True),
    Column("MEM", right=True),
    Column("DEPLOYMENT"),
    Column("VERSION"),
)
_TASK_COLUMNS = (
    Column("TASK"),
    Column("HOST"),
    Column("PORTS"),
    Column("STATE"),
    Column("HEALTH"),
    Column("STARTED"),
)


@click.group()
def app() -> None:
    """Apps: add, list, show, scale, restart, remove."""


@app.command()
@click.argument("file", type=click.File("rb"))
@click.option("--replace", is_flag=True, help="Put it in place of the app that has this id.")
@force_option
@wait_options
@json_option
@with_client
def add(
    client: Client,
    file: BinaryIO,
    replace: bool,
    force: bool,
    wait: bool,
    wait_timeout: float,
    as_json: bool,
) -> None:
    """Submit the app definition in FILE (JSON; - reads standard input)."""
    definition = read_definition(file)
    app_id = definition.get("id")
    if replace:
        if not isinstance(app_id, str):
            raise click.UsageError("--replace needs a definition with an id")
        _started(
            client,
            client.replace_app(absolute_id(app_id), definition, force=force),
            f"{app_id} is replaced",
            wait_timeout if wait else None,
            as_json,
        )
        return
    stored = client.create_app(definition, force=force)
    created = read(stored, App)
    if as_json:
        print_json(stored)
    deployment_id = created.deployments[0].id if created.deployments else ""
    _followed(
        client, f"{created.id} is added", deployment_id, wait_timeout if wait else None, as_json
    )


@app.command("list")
@click.option("--id", "part", help="Only apps with this text in their id.")
@click.option("--label", help="Only apps with these labels, as in: tier==web,env in (a,b)")
@json_option
@with_client
def list_apps(client: Client, part: str | None, label: str | None, as_json: bool) -> None:
    """List the apps and how many of their instances run."""
    query = {name: value for name, value in (("id", part), ("label", label)) if value}
    answer = client.list_apps(query=query)
    if as_json:
        print_json(answer)
        return
    apps = sorted(read_all(answer, App), key=lambda found: found.id)
    if apps:
        print_table(_APP_COLUMNS, [_app_row(found) for found in apps])
    else:
        say("No apps. Add one: stayer app add examples/hello.json")


@app.command()
@click.argument("app_id", metavar="ID", type=absolute_id)
@json_option
@with_client
def show(client: Client, app_id: str, as_json: bool) -> None:
    """Show one app, its tasks and its last failure."""
    answer = client.get_app(app_id)
    if as_json:
        print_json(answer)
        return
    found = read(answer, App)
    print_pairs(_facts(found))
    if found.tasks:
        say("")
        print_table(_TASK_COLUMNS, [_task_row(task) for task in found.tasks])
    missing = found.instances - found.tasks_running
    if missing > 0:
        say(f"\n{missing} of {found.instances} not running. Why: stayer queue {found.id}")


@app.command()
@click.argument("app_id", metavar="ID", type=absolute_id)
@click.argument("instances", metavar="N", type=click.IntRange(0, _MAX_INSTANCES))
@force_option
@wait_options
@json_option
@with_client
def scale(
    client: Client,
    app_id: str,
    instances: int,
    force: bool,
    wait: bool,
    wait_timeout: float,
    as_json: bool,
) -> None:
    """Run N instances of an app."""
    answer = client.scale_app(app_id, instances, force=force)
    text = f"{app_id} is scaled to {instances}"
    _started(client, answer, text, wait_timeout if wait else None, as_json)


@app.command()
@click.argument("app_id", metavar="ID", type=absolute_id)
@force_option
@wait_options
@json_option
@with_client
def restart(
    client: Client, app_id: str, force: bool, wait: bool, wait_timeout: float, as_json: bool
) -> None:
    """Replace every instance of an app by a new one."""
    answer = client.restart_app(app_id, force=force)
    _started(client, answer, f"{app_id} restarts", wait_timeout if wait else None, as_json)


@app.command()
@click.argument("app_id", metavar="ID", type=absolute_id)
@force_option
@wait_options
@json_option
@with_client
def remove(
    client: Client, app_id: str, force: bool, wait: bool, wait_timeout: float, as_json: bool
) -> None:
    """Remove an app; its tasks are killed."""
    answer = client.delete_app(app_id, force=force)
    _started(client, answer, f"{app_id} is removed", wait_timeout if wait else None, as_json)


def read_definition(file: BinaryIO) -> JsonObject:
    """One app definition from a file. click.UsageError says where the JSON is wrong."""
    content = file.read(_MAX_DEFINITION_BYTES + 1)
    name = getattr(file, "name", "the input")
    if len(content) > _MAX_DEFINITION_BYTES:
        raise click.UsageError(f"{name} has more than {_MAX_DEFINITION_BYTES} bytes")
    try:
        definition = json.loads(content)
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{name} is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise click.UsageError(f"{name} is not JSON: {error.msg} at {place}") from error
    except RecursionError as error:
        raise click.UsageError(f"{name} is nested too deeply") from error
    if not isinstance(definition, dict):
        raise click.UsageError(f"{name} must hold one app definition, a JSON object")
    return definition


def _started(
    client: Client, answer: JsonObject, text: str, wait_seconds: float | None, as_json: bool
) -> None:
    """Say that a change began; ``wait_seconds`` None does not wait for its end."""
    if as_json:
        print_json(answer)
    _followed(client, text, read(answer, Started).deployment_id, wait_seconds, as_json)


def _followed(
    client: Client, text: str, deployment_id: str, wait_seconds: float | None, as_json: bool
) -> None:
    if not as_json:
        say(f"{text} (deployment {deployment_id})" if deployment_id else text)
    if wait_seconds is not None and deployment_id:
        wait_for_deployment(client, deployment_id, wait_seconds)
        if not as_json:
            say("The deployment is done.")


def _app_row(found: App) -> Sequence[object]:
    return (
        found.id,
        f"{found.tasks_running}/{found.instances}",
        found.tasks_staged,
        _health(found),
        number(found.cpus),
        number(found.mem),
        " ".join(deployment.id for deployment in found.deployments) or "-",
        found.version,
    )


def _health(found: App) -> str:
    if not found.health_checks:
        return "-"
    bad = f" ({found.tasks_unhealthy} not)" if found.tasks_unhealthy else ""
    return f"{found.tasks_healthy}/{found.instances}{bad}"


def _task_row(task: Task) -> Sequence[object]:
    ports = " ".join(str(port) for port in task.ports)
    started = task.started_at or "-"
    return (task.id, task.host or "-", ports or "-", task.state, task.health, started)


def _facts(found: App) -> list[tuple[str, object]]:
    failure = found.last_task_failure
    return [
        ("App", found.id),
        ("Version", found.version),
        ("Running", f"{found.tasks_running} of {found.instances}, {found.tasks_staged} staged"),
        ("Healthy", _health(found)),
        ("Command", found.cmd or " ".join(found.args or ())),
        ("Image", _image(found.container)),
        ("Resources", _resources(found)),
        ("Role", found.role),
        ("Constraints", "\n".join(" ".join(words) for words in found.constraints)),
        ("Labels", "\n".join(f"{name}={value}" for name, value in sorted(found.labels.items()))),
        ("Environment", " ".join(sorted(found.env))),  # names only: values may be secrets
        ("Deployments", " ".join(deployment.id for deployment in found.deployments)),
        (
            "Last failure",
            f"{failure.timestamp} {failure.state} {failure.task_id}" if failure else "",
        ),
        ("", f"on {failure.host}: {failure.message}" if failure else ""),
    ]


def _resources(found: App) -> str:
    named = (("cpus", found.cpus), ("mem", found.mem), ("disk", found.disk), ("gpus", found.gpus))
    return ", ".join(f"{name} {number(value)}" for name, value in named if value)


def _image(container: dict[str, Any] | None) -> str:
    docker = (container or {}).get("docker")
    return str(docker.get("image", "")) if isinstance(docker, dict) else ""
