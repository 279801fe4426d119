"""`stayer framework`: our registration with Mesos as a whole."""

import click

from api.client import Client
from cli.connection import json_option, with_client
from cli.output import print_json, say


@click.group()
def framework() -> None:
    """The registration with Mesos: teardown."""


@framework.command()
@click.option("--yes", is_flag=True, help="Yes, end every task of every app.")
@click.option("--force", is_flag=True, help="Even while something is frozen.")
@json_option
@with_client
def teardown(client: Client, yes: bool, force: bool, as_json: bool) -> None:
    """Remove the framework from Mesos: every task of every app is killed."""
    if not yes:
        raise click.UsageError(
            "This kills every task of every app and gives up the framework id. If that is "
            "meant: stayer framework teardown --yes"
        )
    client.teardown_framework(force=force)
    if as_json:
        print_json({"removed": True})
    else:
        say("The framework is removed from Mesos, and its tasks with it.")
