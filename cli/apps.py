"""`stayer app`: submit, look at and change app definitions."""

from collections.abc import Sequence
from typing import Any, BinaryIO

import click

from api.client import Client, How, JsonObject
from cli.answers import App, Failure, Task, read, read_all
from cli.changes import Follow, change_options, planned, say_started, started, strict_option
from cli.completion import app_versions
from cli.connection import absolute_id, force_option, json_option, with_client
from cli.definitions import read_change, read_definition
from cli.following import Change
from cli.output import Column, number, print_json, print_pairs, print_table, say

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
_FAILURE_COLUMNS = (
    Column("WHEN"),
    Column("TASK"),
    Column("HOST"),
    Column("STATE"),
    Column("WHAT"),
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
    """Apps: add, list, show, change, roll back, suspend, remove."""


@app.command()
@click.argument("file", type=click.File("rb"))
@click.option("--replace", is_flag=True, help="Put it in place of the app that has this id.")
@force_option
@strict_option
@change_options
@json_option
@with_client
def add(
    client: Client,
    file: BinaryIO,
    replace: bool,
    force: bool,
    strict: bool,
    follow: Follow,
    as_json: bool,
) -> None:
    """Submit the app definition in FILE (JSON; - reads standard input)."""
    definition = read_definition(file)
    app_id = definition.get("id")
    how = How(force=force, dry_run=follow.dry_run, strict=strict)
    if replace:
        if not isinstance(app_id, str):
            raise click.UsageError("--replace needs a definition with an id")
        absolute = absolute_id(app_id)
        answer = client.replace_app(absolute, definition, **how)
        started(client, answer, f"{app_id} is replaced", follow, as_json, [absolute])
        return
    stored = client.create_app(definition, **how)
    if follow.dry_run:
        planned(stored, as_json)
        return
    created = read(stored, App)
    if as_json:
        print_json(stored)
    deployment_id = created.deployments[0].id if created.deployments else ""
    change = Change(deployment_id, created.version, (created.id,))
    say_started(client, change, f"{created.id} is added", follow, as_json)


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
@click.option(
    "--version",
    metavar="VERSION",
    shell_complete=app_versions,
    help="Only the definition that it had, as JSON.",
)
@json_option
@with_client
def show(client: Client, app_id: str, version: str | None, as_json: bool) -> None:
    """Show one app, its tasks and its last failure."""
    if version:
        print_json(client.app_version(app_id, version))
        return
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
@click.option("--sandbox", is_flag=True, help="With the page of Mesos that leads to the files.")
@json_option
@with_client
def failures(client: Client, app_id: str, sandbox: bool, as_json: bool) -> None:
    """List how tasks of an app failed lately, the newest first."""
    answer = client.app_failures(app_id)
    if as_json:
        print_json(answer)
        return
    found = read_all(answer, Failure)
    rows = [_failure_row(one) + ((one.sandbox or "-",) if sandbox else ()) for one in found]
    if rows:
        columns = (*_FAILURE_COLUMNS, *([Column("SANDBOX")] if sandbox else ()))
        print_table(columns, rows)
    else:
        say(f"No failure of {app_id} is on record.")


@app.command()
@click.argument("app_id", metavar="ID", type=absolute_id)
@click.argument("words", metavar="FILE|KEY=VALUE...", nargs=-1, required=True)
@force_option
@strict_option
@change_options
@json_option
@with_client
def update(
    client: Client,
    app_id: str,
    words: tuple[str, ...],
    force: bool,
    strict: bool,
    follow: Follow,
    as_json: bool,
) -> None:
    """Change some fields of an app: those in FILE (JSON; - reads standard input) or given as
    KEY=VALUE. A dot leads into an object: env.MODE=fast upgradeStrategy.canary=1

    Such an object is read, changed and sent as a whole; if somebody else changed the app in
    between, nothing is done, unless with --force."""
    tag = ""

    def current() -> JsonObject:
        nonlocal tag
        definition, tag = client.get_app_to_change(app_id)
        return definition

    change = read_change(words, current)
    how = How(force=force, dry_run=follow.dry_run, strict=strict)
    answer = client.update_app(app_id, change, tag="" if force else tag, **how)
    started(client, answer, f"{app_id} is changed", follow, as_json, [app_id])


@app.command()
@click.argument("app_id", metavar="ID", type=absolute_id)
@json_option
@with_client
def versions(client: Client, app_id: str, as_json: bool) -> None:
    """List the versions of an app that it can be rolled back to, the newest first."""
    found = client.app_versions(app_id)
    if as_json:
        print_json(found)
        return
    present = read(client.get_app(app_id), App).version
    for version in found:
        say(f"{version}  (this one)" if version == present else version)


@app.command()
@click.argument("app_id", metavar="ID", type=absolute_id)
@click.argument("version", metavar="VERSION", shell_complete=app_versions)
@force_option
@change_options
@json_option
@with_client
def rollback(
    client: Client,
    app_id: str,
    version: str,
    force: bool,
    follow: Follow,
    as_json: bool,
) -> None:
    """Put an earlier version of an app back; instances that still match it are kept."""
    answer = client.rollback_app(app_id, version, force=force, dry_run=follow.dry_run)
    text = f"{app_id} is rolled back to {version}"
    started(client, answer, text, follow, as_json, [app_id])


@app.command()
@click.argument("app_id", metavar="ID", type=absolute_id)
@force_option
@change_options
@json_option
@with_client
def suspend(client: Client, app_id: str, force: bool, follow: Follow, as_json: bool) -> None:
    """Stop every instance of an app, and remember how many there were."""
    answer = client.suspend_app(app_id, force=force, dry_run=follow.dry_run)
    started(client, answer, f"{app_id} is suspended", follow, as_json, [app_id])


@app.command()
@click.argument("app_id", metavar="ID", type=absolute_id)
@force_option
@change_options
@json_option
@with_client
def resume(client: Client, app_id: str, force: bool, follow: Follow, as_json: bool) -> None:
    """Run a suspended app again, with as many instances as it had."""
    answer = client.resume_app(app_id, force=force, dry_run=follow.dry_run)
    started(client, answer, f"{app_id} is resumed", follow, as_json, [app_id])


@app.command()
@click.argument("app_id", metavar="ID", type=absolute_id)
@click.argument("instances", metavar="N", type=click.IntRange(0, _MAX_INSTANCES))
@force_option
@change_options
@json_option
@with_client
def scale(
    client: Client,
    app_id: str,
    instances: int,
    force: bool,
    follow: Follow,
    as_json: bool,
) -> None:
    """Run N instances of an app."""
    answer = client.scale_app(app_id, instances, force=force, dry_run=follow.dry_run)
    text = f"{app_id} is scaled to {instances}"
    started(client, answer, text, follow, as_json, [app_id])


@app.command()
@click.argument("app_id", metavar="ID", type=absolute_id)
@force_option
@change_options
@json_option
@with_client
def restart(client: Client, app_id: str, force: bool, follow: Follow, as_json: bool) -> None:
    """Replace every instance of an app by a new one."""
    answer = client.restart_app(app_id, force=force, dry_run=follow.dry_run)
    started(client, answer, f"{app_id} restarts", follow, as_json, [app_id])


@app.command("reset-delay")
@click.argument("app_id", metavar="ID", type=absolute_id)
@json_option
@with_client
def reset_delay(client: Client, app_id: str, as_json: bool) -> None:
    """Launch again at once what waits after failures."""
    client.reset_delay(app_id)
    if as_json:
        print_json({"id": app_id})
    else:
        say(f"{app_id} is no longer delayed")


@app.command()
@click.argument("app_id", metavar="ID", type=absolute_id)
@force_option
@change_options
@json_option
@with_client
def remove(client: Client, app_id: str, force: bool, follow: Follow, as_json: bool) -> None:
    """Remove an app; its tasks are killed."""
    answer = client.delete_app(app_id, force=force, dry_run=follow.dry_run)
    started(client, answer, f"{app_id} is removed", follow, as_json)


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


def _failure_row(found: Failure) -> tuple[object, ...]:
    what = found.message or found.reason or "-"
    return (found.timestamp, found.task_id, found.host or "-", found.state, what)


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
