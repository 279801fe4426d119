"""`stayer alarm`: what an operator should look at, for as long as it lasts."""

import click

from api.client import Client
from cli.answers import Alarm, read_all
from cli.connection import json_option, with_client
from cli.output import Column, print_json, print_table, say

_COLUMNS = (Column("ALARM"), Column("SINCE"), Column("WHAT"))


@click.group()
def alarm() -> None:
    """What an operator should look at: list."""


@alarm.command("list")
@json_option
@with_client
def list_alarms(client: Client, as_json: bool) -> None:
    """List the alarms; each ends by itself when its cause does."""
    answer = client.list_alarms()
    if as_json:
        print_json(answer)
        return
    found = read_all(answer, Alarm)
    if found:
        print_table(_COLUMNS, [(one.key, one.since, one.message) for one in found])
    else:
        say("No alarm stands.")
