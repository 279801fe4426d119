"""`stayer haproxy shift`: canary and blue/green by shares of traffic."""

import sys

import click
import msgspec

from api.client import Client
from cli.connection import json_option, with_client
from cli.exits import CommandExit
from cli.output import Column, number, print_json, print_table, say_aside
from haproxy_bridge.shifting import Shift, ShiftError, ShiftOptions, SickError, Step
from haproxy_bridge.source import Kind, Reader, SourceOptions

_COLUMNS = (
    Column("STEP", right=True),
    Column("APP"),
    Column("SHARE", right=True),
    Column("HEALTHY", right=True),
)


def _percent(text: str) -> float:
    """10 or 10%."""
    try:
        found = float(text.removesuffix("%"))
    except ValueError:
        found = -1.0
    if not 0 <= found <= 100:
        raise click.BadParameter(f"{text} is no share of 0% to 100%")
    return found


@click.command(
    epilog="Ends with 0 when it is done, 1 when it was not possible or was taken back, 3 when no "
    "scheduler answered, 130 by Ctrl-C; then and at 3 the shares stay as they are."
)
@click.argument("old", metavar="APP")
@click.argument("new", metavar="NEW-APP")
@click.option(
    "--step", type=_percent, default="10%", show_default=True, metavar="PERCENT", help="At once."
)
@click.option(
    "--to",
    "target",
    type=_percent,
    default="100%",
    show_default=True,
    metavar="PERCENT",
    help="Up to.",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Between steps, with an eye on NEW-APP's health.",
)
@click.option("--undo", is_flag=True, help="Give all traffic back to APP, at once.")
@click.option(
    "--suspend", is_flag=True, help="Once APP has no traffic, suspend it: its tasks are drained."
)
@json_option
@with_client
def shift(
    client: Client,
    old: str,
    new: str,
    step: float,
    target: float,
    interval: float,
    undo: bool,
    suspend: bool,
    as_json: bool,
) -> None:
    """Move traffic from APP to NEW-APP step by step, as long as NEW-APP stays healthy.

    Both have the same label HAPROXY_DEPLOYMENT_GROUP. If fewer tasks of NEW-APP are healthy than
    at the beginning, the shares of before are put back.
    """
    if step == 0:
        raise click.UsageError("--step has to be above 0%")
    move = Shift(client, Reader(client, SourceOptions(kind=Kind.STAYER)), (old, new))
    options = ShiftOptions(step=step, target=target, interval_seconds=interval)
    made: list[Step] = []
    try:
        for one in (move.undo(),) if undo else move.run(options):
            made.append(one)
            if not as_json:
                _show(one, old, new)
        if suspend and not undo and target == 100:
            client.suspend_app(old)
            say_aside(f"{old} is suspended: its tasks end once their connections have.")
    except (ShiftError, SickError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        say_aside(f"The shares stay as they are; `shift {old} {new} --undo` takes them back.")
        sys.exit(CommandExit.INTERRUPTED)
    finally:
        if as_json and made:
            print_json({"steps": [msgspec.to_builtins(one) for one in made]})


def _show(step: Step, old: str, new: str) -> None:
    rows = (
        (step.number, old, f"{number(step.old_share)}%", step.old_serving),
        ("", new, f"{number(step.new_share)}%", step.new_serving),
    )
    print_table(_COLUMNS, rows)
    sys.stdout.flush()
