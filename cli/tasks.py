"""`stayer task`: the tasks of apps, and killing them."""

from collections.abc import Sequence

import click

from api.client import Client
from cli.answers import Started, Task, read, read_all
from cli.changes import dry_run_option, planned
from cli.completion import task_ids
from cli.connection import Failure, absolute_id, force_option, json_option, with_client
from cli.output import Column, print_json, print_table, say

_COLUMNS = (
    Column("TASK"),
    Column("APP"),
    Column("HOST"),
    Column("PORTS"),
    Column("STATE"),
    Column("HEALTH"),
    Column("STARTED"),
)


@click.group()
def task() -> None:
    """Tasks: list, kill."""


@task.command("list")
@click.option("--app", "app_id", metavar="ID", type=absolute_id, help="Only the tasks of this app.")
@json_option
@with_client
def list_tasks(client: Client, app_id: str | None, as_json: bool) -> None:
    """List the tasks: where they run, on which ports, and how they do."""
    answer = client.app_tasks(app_id) if app_id else client.list_tasks()
    if as_json:
        print_json(answer)
        return
    tasks = sorted(read_all(answer, Task), key=lambda found: (found.app_id, found.id))
    if tasks:
        print_table(_COLUMNS, [_row(found) for found in tasks])
    else:
        say("No tasks. What waits for offers, and why: stayer queue")


@task.command()
@click.argument("task_ids", metavar="ID...", nargs=-1, required=True, shell_complete=task_ids)
@click.option("--scale", is_flag=True, help="Want that many instances less.")
@click.option("--wipe", is_flag=True, help="Forget the instances; new ones take their places.")
@force_option
@dry_run_option
@json_option
@with_client
def kill(
    client: Client,
    task_ids: tuple[str, ...],
    scale: bool,
    wipe: bool,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Kill tasks; without --scale or --wipe their instances are launched again."""
    if scale and wipe:
        raise click.UsageError("--scale and --wipe exclude each other")
    answer = client.kill_tasks(task_ids, scale=scale, wipe=wipe, force=force, dry_run=dry_run)
    if scale and dry_run:
        planned(answer, as_json)
        return
    if as_json:
        print_json(answer)
    if scale:
        if not as_json:
            say(f"Scaled down (deployment {read(answer, Started).deployment_id})")
        return
    killed = {found.id for found in read_all(answer.get("tasks") or [], Task)}
    if not as_json:
        for id_ in sorted(killed):
            say(f"{id_} would be killed" if dry_run else f"{id_} is killed")
    if unknown := [id_ for id_ in task_ids if id_ not in killed]:
        raise Failure(f"No such task: {' '.join(unknown)}\nSee `stayer task list`.")


def _row(found: Task) -> Sequence[object]:
    return (
        found.id,
        found.app_id,
        found.host or "-",
        " ".join(str(port) for port in found.ports) or "-",
        found.state,
        found.health,
        found.started_at or "-",
    )
