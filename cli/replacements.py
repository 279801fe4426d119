"""`stayer replacements`: what happens in place of instances that were lost, many at once above
all."""

import click

from api.client import Client, JsonObject
from cli.answers import Replacements, read
from cli.connection import json_option, with_client
from cli.output import print_json, print_pairs

_reason_option = click.option(
    "--reason", default="", metavar="TEXT", help="Shown with the alarm meanwhile."
)
_HOW = {
    "usual": "as soon as the unreachableStrategy of their app says",
    "paced": "some in each second",
    "held": "not at all, on request",
    "released": "without a bound, on request",
}


@click.group()
def replacements() -> None:
    """Replacements of lost instances: show, hold, pace, release."""


@replacements.command()
@json_option
@with_client
def show(client: Client, as_json: bool) -> None:
    """Whether lost instances are replaced, how fast, and how many wait."""
    _show(client.replacements(), as_json=as_json)


@replacements.command()
@_reason_option
@json_option
@with_client
def hold(client: Client, reason: str, as_json: bool) -> None:
    """Replace no lost instance until `pace` or `release`.

    Instances that return meanwhile go on as they were.
    """
    _show(client.pace_replacements("held", reason), as_json=as_json)


@replacements.command()
@_reason_option
@json_option
@with_client
def pace(client: Client, reason: str, as_json: bool) -> None:
    """Replace some of those that wait in each second (--storm_replacements_per_second)."""
    _show(client.pace_replacements("paced", reason), as_json=as_json)


@replacements.command()
@_reason_option
@json_option
@with_client
def release(client: Client, reason: str, as_json: bool) -> None:
    """Replace all that wait at once, and what is lost as long as the storm lasts."""
    _show(client.pace_replacements("released", reason), as_json=as_json)


def _show(answer: JsonObject, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    found = read(answer, Replacements)
    rows: list[tuple[str, object]] = [
        ("Lost instances are replaced", _HOW.get(found.pace, found.pace))
    ]
    if found.since:
        lost = f"{found.lost} of {found.instances}" if found.instances else str(found.lost)
        rows += [
            ("Since", found.since),
            ("Reason", found.reason or "-"),
            ("Lost", lost),
            ("Wait", found.waiting),
            ("Replaced", found.replaced),
        ]
    print_pairs(rows)
