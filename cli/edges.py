"""`stayer edge`: the load balancers that follow the scheduler."""

import click

from api.client import Client
from api.v3_calls import forget_edge, list_edges
from cli.answers import Edge, read_all
from cli.connection import json_option, with_client
from cli.output import Column, number, print_json, print_table, say

_COLUMNS = (
    Column("EDGE"),
    Column("KIND"),
    Column("LEASE", right=True),
    Column("SEEN"),
    Column("STALE", right=True),
    Column("LEFT OUT"),
)
_NEVER_SECONDS = 1e9
"""An edge tells at most so many: it has not served yet what any scheduler says."""


@click.group()
def edge() -> None:
    """Load balancers that follow: list, forget."""


@edge.command("list")
@json_option
@with_client
def list_command(client: Client, as_json: bool) -> None:
    """Who follows, how current it is, and which apps it leaves out.

    Planned kills wait for those of kind daemon until they have taken the task out of use.
    """
    edges = list_edges(client)
    if as_json:
        print_json(edges)
        return
    rows = [
        (
            one.name,
            one.kind,
            f"{one.lease_seconds} s",
            one.seen or "not yet",
            _stale(one.staleness),
            ", ".join(one.quarantined),
        )
        for one in read_all(edges, Edge)
    ]
    if not rows:
        say("No load balancer follows. `stayer haproxy watch` on an edge node does.")
        return
    print_table(_COLUMNS, rows)


def _stale(seconds: float) -> str:
    return "never" if seconds >= _NEVER_SECONDS else f"{number(seconds)} s"


@edge.command()
@click.argument("name", metavar="NAME")
@json_option
@with_client
def forget(client: Client, name: str, as_json: bool) -> None:
    """Wait for an edge no more. If it lives, it registers again by itself."""
    forget_edge(client, name)
    if as_json:
        print_json({"forgotten": name})
    else:
        say(f"{name} is forgotten.")
