"""`stayer deployment`: changes under way, and taking them back."""

import click

from api.client import Client
from cli.answers import Deployment, Started, read, read_all
from cli.connection import json_option, with_client
from cli.output import Column, print_json, print_table, say
from cli.progress import describe_step

_COLUMNS = (Column("DEPLOYMENT"), Column("APPS"), Column("STANDS AT"), Column("VERSION"))


@click.group()
def deployment() -> None:
    """Deployments: list, cancel."""


@deployment.command("list")
@json_option
@with_client
def list_deployments(client: Client, as_json: bool) -> None:
    """List the changes under way and where each stands."""
    answer = client.list_deployments()
    if as_json:
        print_json(answer)
        return
    rows = [
        (found.id, " ".join(found.affected_apps), describe_step(found), found.version)
        for found in read_all(answer, Deployment)
    ]
    if rows:
        print_table(_COLUMNS, rows)
    else:
        say("No deployment is under way.")


@deployment.command()
@click.argument("deployment_id", metavar="ID")
@click.option("--force", is_flag=True, help="Stop it where it is and take nothing back.")
@json_option
@with_client
def cancel(client: Client, deployment_id: str, force: bool, as_json: bool) -> None:
    """Take a change back: a new deployment restores what was before."""
    answer = client.cancel_deployment(deployment_id, force=force)
    reverting = read(answer, Started).deployment_id
    if as_json:
        print_json(answer)
    elif reverting:
        say(f"{deployment_id} is being taken back (deployment {reverting})")
    else:
        say(f"{deployment_id} is stopped where it was")
