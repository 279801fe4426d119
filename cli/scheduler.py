"""The scheduler itself and what it sees: `stayer info`, `leader`, `metrics`, `logger` and more."""

from typing import Any

import click

from api.client import Client, JsonObject
from cli.answers import Info, Orphan, Task, read, read_all
from cli.connection import absolute_id, force_option, json_option, with_client
from cli.output import Column, number, print_json, print_pairs, print_table, say

_ORPHAN_COLUMNS = (Column("TASK"), Column("STATE"), Column("HOST"), Column("SINCE"))
_LOGGER_COLUMNS = (Column("LOGGER"), Column("LEVEL"))
_METRIC_COLUMNS = (Column("METRIC"), Column("VALUE", right=True))


@click.command()
@click.option("--settings", is_flag=True, help="Every setting of the scheduler, by its name.")
@json_option
@with_client
def info(client: Client, settings: bool, as_json: bool) -> None:
    """What answers: its release, framework id and leader."""
    answer = client.settings() if settings else client.info()
    if as_json:
        print_json(answer)
        return
    if settings:
        print_pairs(sorted(answer.items()))
        return
    found = read(answer, Info)
    print_pairs(
        [
            ("Name", found.name),
            ("Version", found.version),
            ("Build", found.buildref),
            ("Leader", found.leader or "none"),
            ("Framework", found.framework_id),
            ("Mesos", found.marathon_config.get("master")),
            ("Role", found.marathon_config.get("mesos_role")),
        ]
    )


@click.group(invoke_without_command=True)
@json_option
@with_client
@click.pass_context
def leader(context: click.Context, client: Client, as_json: bool) -> None:
    """Who leads; with `abdicate` it gives up its lead."""
    if context.invoked_subcommand:
        return
    found = client.leader()
    if as_json:
        print_json({"leader": found})
    else:
        say(found)


@leader.command()
@json_option
@with_client
def abdicate(client: Client, as_json: bool) -> None:
    """Let another process lead; the one that leads ends, and tasks notice nothing."""
    answer = client.abdicate()
    if as_json:
        print_json(answer)
    else:
        say(str(answer.get("message", "")))


@click.command()
@click.argument("part", metavar="[TEXT]", default="")
@json_option
@with_client
def metrics(client: Client, part: str, as_json: bool) -> None:
    """Counters and gauges; with TEXT those that have it in their name."""
    answer = client.metrics()
    if as_json:
        print_json(answer)
        return
    rows = [row for row in _values(answer) if part in row[0]]
    if rows:
        print_table(_METRIC_COLUMNS, [(name, number(value)) for name, value in rows])
    else:
        say("There are no such metrics.")


def _values(answer: JsonObject) -> list[tuple[str, float]]:
    """Name and value of each; others than counters and gauges have several and are left out."""
    found: list[tuple[str, float]] = []
    for kind, field in (("counters", "count"), ("gauges", "value")):
        named: Any = answer.get(kind)
        for name, entry in named.items() if isinstance(named, dict) else ():
            value = entry.get(field) if isinstance(entry, dict) else None
            if isinstance(value, int | float):
                found.append((name, float(value)))
    return sorted(found)


@click.group()
def logger() -> None:
    """How much the scheduler writes to its log: list, set."""


@logger.command("list")
@json_option
@with_client
def list_loggers(client: Client, as_json: bool) -> None:
    """List the loggers and their levels."""
    answer = client.log_levels()
    if as_json:
        print_json(answer)
    else:
        print_table(_LOGGER_COLUMNS, sorted(answer.items()))


@logger.command("set")
@click.argument("name", metavar="LOGGER")
@click.argument("level", type=click.Choice(["trace", "debug", "info", "warn", "error"]))
@click.option(
    "--for",
    "duration_seconds",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="As before after so long; else for good.",
)
@json_option
@with_client
def set_logger(
    client: Client, name: str, level: str, duration_seconds: int | None, as_json: bool
) -> None:
    """Give LOGGER a level; that of ROOT is for all others."""
    answer = client.set_log_level(name, level, duration_seconds)
    if as_json:
        print_json(answer)
    else:
        say(f"{name} writes at level {level}")


@click.group()
def orphan() -> None:
    """Tasks that Mesos calls ours and no record knows: list, adopt, kill."""


@orphan.command("list")
@json_option
@with_client
def list_orphans(client: Client, as_json: bool) -> None:
    """List them; they are left alone until somebody decides."""
    answer = client.list_orphans()
    if as_json:
        print_json(answer)
        return
    found = read_all(answer, Orphan)
    if found:
        rows = [(one.task_id, one.state, one.host or "-", one.first_seen) for one in found]
        print_table(_ORPHAN_COLUMNS, rows)
    else:
        say("No task is without a record.")


@orphan.command()
@click.argument("task_id", metavar="TASK")
@click.argument("app_id", metavar="APP", type=absolute_id)
@json_option
@with_client
def adopt(client: Client, task_id: str, app_id: str, as_json: bool) -> None:
    """Make TASK an instance of APP."""
    answer = client.adopt_orphan(task_id, app_id)
    if as_json:
        print_json(answer)
        return
    for task in read_all(answer, Task):
        say(f"{task.id} is an instance of {app_id}")


@orphan.command()
@click.argument("task_id", metavar="TASK")
@force_option
@json_option
@with_client
def kill(client: Client, task_id: str, force: bool, as_json: bool) -> None:
    """Have Mesos kill TASK; it is listed until it is dead."""
    client.kill_orphan(task_id, force=force)
    if as_json:
        print_json({"task": task_id})
    else:
        say(f"{task_id} is being killed")
