"""`stayer volume`: what instances keep on agents, in use or not."""

import click

from api.client import Client
from cli.answers import Volume, read, read_all
from cli.connection import json_option, with_client
from cli.output import Column, print_json, print_pairs, print_table, say

_COLUMNS = (
    Column("VOLUME"),
    Column("APP"),
    Column("PATH"),
    Column("MIB", right=True),
    Column("DISK"),
    Column("HOST"),
    Column("STATE"),
    Column("SINCE"),
)


@click.group()
def volume() -> None:
    """Persistent volumes: list, show, remove."""


@volume.command("list")
@json_option
@with_client
def list_volumes(client: Client, as_json: bool) -> None:
    """List them; an orphan is labelled as ours and in none of our records."""
    answer = client.list_volumes()
    if as_json:
        print_json(answer)
        return
    found = read_all(answer, Volume)
    if found:
        print_table(_COLUMNS, [_row(one) for one in found])
    else:
        say("No instance keeps a volume.")


def _row(one: Volume) -> tuple[object, ...]:
    size = "-" if one.size is None else f"{one.size:g}"
    path, app = one.container_path or "-", one.app_id or "-"
    return (one.id, app, path, size, _disk(one), one.host or one.agent_id, one.state, one.since)


def _disk(one: Volume) -> str:
    """The type of its disk, and where that is unless it is the agent's own."""
    return f"{one.type} {one.path}".strip() or "-"


@volume.command()
@click.argument("volume_id", metavar="VOLUME")
@json_option
@with_client
def show(client: Client, volume_id: str, as_json: bool) -> None:
    """Show all that is known of VOLUME."""
    answer = client.get_volume(volume_id)
    if as_json:
        print_json(answer)
        return
    one = read(answer, Volume)
    pending = ", ".join(f"{each.kind} {each.id}" for each in one.operations)
    fields = {
        "Volume": one.id,
        "App": one.app_id,
        "Path": one.container_path,
        "MiB": "" if one.size is None else f"{one.size:g}",
        "Disk": "" if not one.type else _disk(one),
        "Instance": one.instance_id,
        "Host": one.host,
        "Agent": one.agent_id,
        "Role": one.role,
        "State": f"{one.state} since {one.since}",
        "Why": one.why,
        "Pending": pending,
    }
    print_pairs([(name, value) for name, value in fields.items() if value])


@volume.command()
@click.argument("volume_id", metavar="VOLUME")
@click.option(
    "--forget", is_flag=True, help="Only drop the record of what Mesos does not have any more."
)
@click.option("--yes", is_flag=True, help="Needed, since the data is lost.")
@json_option
@with_client
def remove(client: Client, volume_id: str, forget: bool, yes: bool, as_json: bool) -> None:
    """Destroy VOLUME, which no instance uses, with its data and all of its reservation."""
    if not yes:
        raise click.UsageError("this destroys data; say --yes if that is meant")
    client.remove_volume(volume_id, forget=forget)
    if as_json:
        print_json({"volume": volume_id})
    else:
        say(f"{volume_id} is {'forgotten' if forget else 'given back when Mesos offers it'}")
