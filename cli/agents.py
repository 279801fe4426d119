"""`stayer agent`: the agents of Mesos; to have one empty, and to use it again."""

import time
from collections.abc import Sequence

import click

from api.client import Client, JsonObject
from cli.answers import Agent, AgentDrain, read, read_all
from cli.connection import json_option, with_client
from cli.output import Column, print_json, print_table, say

_COLUMNS = (
    Column("AGENT"),
    Column("HOST"),
    Column("REGION"),
    Column("ZONE"),
    Column("ATTRIBUTES"),
    Column("EMPTIED"),
)
_LOOK_SECONDS = 1.0
_agent_argument = click.argument("agent_name", metavar="AGENT")


@click.group()
def agent() -> None:
    """Agents of Mesos: list, drain, undrain."""


@agent.command("list")
@json_option
@with_client
def list_agents(client: Client, as_json: bool) -> None:
    """List the agents that instances are on, with what constraints can ask of them."""
    answer = client.list_agents()
    if as_json:
        print_json(answer)
        return
    rows = [_row(one) for one in read_all(answer, Agent)]
    if rows:
        print_table(_COLUMNS, rows)
    else:
        say("No agent has an instance yet.")


def _row(found: Agent) -> Sequence[object]:
    attributes = " ".join(f"{name}={text}" for name, text in sorted(found.attributes.items()))
    emptied = "-"
    if found.drain is not None:
        emptied = _left(found.drain)
    elif found.maintenance is not None:
        emptied = f"maintenance from {found.maintenance.from_}"
    place = (found.region or "-", found.zone or "-")
    return (found.id, found.hostname, *place, attributes or "-", emptied)


def _left(drain: AgentDrain) -> str:
    many = {0: "empty", 1: "1 instance left"}.get(drain.instances, f"{drain.instances} left")
    stay = f", {drain.with_volumes} with volumes" if drain.with_volumes else ""
    return f"drained, {many}{stay}"


@agent.command()
@_agent_argument
@click.option("--reason", default="", metavar="TEXT", help="Shown wherever something waits for it.")
@click.option(
    "--deadline",
    "deadline_seconds",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="Kill what is left then, though nothing serves in its place.  [default: wait]",
)
@click.option("--wait", is_flag=True, help="Until nothing is left there.")
@json_option
@with_client
def drain(
    client: Client,
    agent_name: str,
    reason: str,
    deadline_seconds: int | None,
    wait: bool,
    as_json: bool,
) -> None:
    """Launch nothing more on AGENT (its id or hostname), and replace what runs there first."""
    limit: JsonObject = {"deadlineSeconds": deadline_seconds} if deadline_seconds else {}
    answer = client.agent_drain(agent_name, {"reason": reason, **limit})
    if as_json and not wait:
        print_json(answer)
        return
    left = read(answer, AgentDrain)
    if not as_json:
        say(f"{agent_name}: {_left(left)}")
    while wait and left.instances:
        time.sleep(_LOOK_SECONDS)
        answer = client.agent_drain(agent_name)
        now = read(answer, AgentDrain)
        if not as_json and _left(now) != _left(left):
            say(f"{agent_name}: {_left(now)}")
        left = now
    if as_json:
        print_json(answer)


@agent.command()
@_agent_argument
@json_option
@with_client
def undrain(client: Client, agent_name: str, as_json: bool) -> None:
    """Use AGENT again; what was not yet replaced stays there."""
    client.undrain_agent(agent_name)
    if as_json:
        print_json({"agent": agent_name})
    else:
        say(f"{agent_name} is used again")
